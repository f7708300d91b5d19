# SPDX-License-Identifier: Apache-2.0
# a model is written back as ONNX
whet check data/functions.onnx --onnx=plain.onnx >first
whet check plain.onnx | grep -v '^producer' >second
echo "exit $?"
cat second
whet check data/add.onnx --onnx=nowhere/out.onnx >/dev/null
echo "exit $?"
