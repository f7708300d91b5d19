# SPDX-License-Identifier: Apache-2.0
# problems of a model, all at once
whet check data/add.onnx
echo "exit $?"
whet check data/add.onnx --json
whet check data/unknown_domain.onnx
echo "exit $?"
whet check data/nothing.onnx --json
echo "exit $?"
