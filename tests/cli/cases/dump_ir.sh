# SPDX-License-Identifier: Apache-2.0
# the graph after a pass goes to standard error
whet build data/add.onnx -o a.whet --level=0 -q --dump-ir=after:fold
whet build data/add.onnx -o a.whet --level=0 --dump-ir=after:fold --shapes=x:2x4
