# SPDX-License-Identifier: Apache-2.0
# the tuned engine against the references
whet compare data/microsoft.onnx --level=0 -q
echo "exit $?"
whet compare data/add.onnx --level=0 -q --json
echo "exit $?"
whet compare data/nothing.onnx
echo "exit $?"
