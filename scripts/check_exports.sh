#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The export commands of docs/quick-start.md, step 1, for real: installs PyTorch and TensorFlow in a
# virtual environment of their own (gigabytes; not part of ./test.sh), exports ResNet-50 with random
# weights from each, converts it and compares with onnxruntime.
# usage: check_exports.sh [torch] [tensorflow]      (default: both)
set -eu
cd "$(dirname "$0")/.."
folder=${EXPORT_FOLDER:-build/exports}
mkdir -p "$folder"
[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip install -q --disable-pip-version-check"
python=$folder/venv/bin/python

export_torch() {
    $pip torch torchvision "onnx==1.21.0"
    $python - "$folder/torch.onnx" <<'PY'
import sys

import torch
import torchvision

torch.manual_seed(0)
model = torchvision.models.resnet50(weights=None)
model.train()  # statistics of normalisations from data, or the outputs say nothing
with torch.no_grad():
    for _ in range(3):
        model(torch.randn(4, 3, 224, 224))
torch.onnx.export(model.eval(), torch.zeros(4, 3, 224, 224), sys.argv[1], dynamo=False)
PY
}

export_tensorflow() {
    $pip tensorflow tf2onnx "onnx==1.16.2"
    $python - "$folder/saved" <<'PY'
import sys

import tensorflow as tf

tf.keras.utils.set_random_seed(0)
model = tf.keras.applications.ResNet50(weights=None)
model.export(sys.argv[1])
PY
    $python -m tf2onnx.convert --saved-model "$folder/saved" --output "$folder/tensorflow.onnx" \
        --opset 17
}

for framework in ${*:-torch tensorflow}; do
    "export_$framework"
    build/bin/whet build "$folder/$framework.onnx" -o "$folder/$framework.whet" --level=0
    .venv/bin/python bench/compare.py "$folder/$framework.onnx" --level 0 --rounds 1 --threads 2
done
