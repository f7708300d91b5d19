# SPDX-License-Identifier: Apache-2.0
# a write that fails half way leaves the old file as it was, and no other
whet build data/add.onnx -o a.whet --level=0 -q
cp a.whet before.whet
(
    ulimit -f 4
    whet build data/add.onnx -o a.whet --level=0 -q
    echo "exit $?"
    whet build data/add.onnx -o fresh.whet --level=0 -q
    echo "exit $?"
    whet tune a.whet --level=0 -q
    echo "exit $?"
    whet run before.whet --random --shapes=x:1000x4 --output y:y.npy
    echo "exit $?"
)
cmp a.whet before.whet && rm -rf data && ls -A
