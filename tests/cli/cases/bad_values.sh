# SPDX-License-Identifier: Apache-2.0
# every bad value names its option
try() { "$@"; echo "exit $?"; }
try whet build data/add.onnx -o a.whet --level=9
try whet build data/add.onnx -o a.whet --level=3x
try whet build data/add.onnx -o a.whet --precision=tf32
try whet build data/add.onnx -o a.whet --deterministic=maybe
try whet build data/add.onnx -o a.whet --disable-pass=nothing
try whet build data/add.onnx -o a.whet --dump-ir=nothing
try whet build data/add.onnx -o a.whet --shapes=x
try whet build data/add.onnx -o a.whet --shapes=x:2xx4
try whet build data/add.onnx -o a.whet --shapes=x:2x5
try whet build data/add.onnx -o a.whet --shapes=y:2x4
try whet build data/add.onnx -o a.whet --threads=many
try whet build data/add.onnx -o a.whet --threads=5000
try whet build data/add.onnx -o a.whet --cpumask=mmx
try whet build data/add.onnx -o a.whet --verbose=yes
try whet build data/add.onnx -o
try whet build data/add.onnx
try whet build
try whet check data/add.onnx data/dims.onnx
try whet bench data/add.onnx --seconds=-1
ls
