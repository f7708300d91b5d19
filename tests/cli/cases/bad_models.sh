# SPDX-License-Identifier: Apache-2.0
# a model that cannot be built leaves nothing behind
try() { whet build "$@" -o a.whet --level=0; echo "exit $?"; }
try nothing.onnx
try data
echo "no model" >text.onnx
try text.onnx
: >empty.onnx
try empty.onnx
try data/cycle.onnx
try data/problems.onnx
try data/dims.onnx
whet build data/add.onnx -o b.whet --level=0 -q
try b.whet
head -c 60 data/add.onnx >cut.onnx
try cut.onnx
ls
