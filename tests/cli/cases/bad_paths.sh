# SPDX-License-Identifier: Apache-2.0
# paths that cannot be written
try() { whet build data/add.onnx --level=0 -q -o "$1"; echo "exit $?"; }
mkdir folder
try folder
try nothing/a.whet
try folder/
try ''
try /dev/full
whet version >/dev/full
echo "exit $?"
ls folder
