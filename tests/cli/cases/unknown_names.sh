# SPDX-License-Identifier: Apache-2.0
# unknown commands and options suggest the nearest one
whet biuld
echo "exit $?"
whet frobnicate
echo "exit $?"
whet build data/add.onnx --levle=3 -o a.whet
echo "exit $?"
whet build data/add.onnx --zzzzzz -o a.whet
echo "exit $?"
whet run data/add.onnx -x
echo "exit $?"
whet inspect --level=3 a.whet
echo "exit $?"
ls
