# SPDX-License-Identifier: Apache-2.0
# beside other runtimes, where Python has them
python=data/../../.venv/bin/python
[ -x $python ] || python=python3
if $python -c 'import onnxruntime' 2>/dev/null; then
    whet bench data/add.onnx --level=0 -q --seconds=0.01 --compare=onnxruntime --python=$python \
        --shapes=x:3x4
else
    echo 'whet   ?'
    echo 'onnxruntime ratio ?'
    echo '? threads, ?'
fi
try() { whet bench "$@" -q --level=0 --seconds=0.01 2>&1; echo "exit $?"; }
try data/add.onnx --compare=onnxruntime --python=nothing
try data/add.onnx --compare=tvm
try data/add.onnx --compare=openvino --streams=2
whet build data/microsoft.onnx -o a.whet --level=0 -q
whet bench a.whet --compare=onnxruntime 2>&1
