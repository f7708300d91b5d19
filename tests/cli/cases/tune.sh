# SPDX-License-Identifier: Apache-2.0
# another machine's plan stays beside the new one
whet build data/microsoft.onnx -o a.whet --level=0 -q -t 1
whet tune a.whet -o b.whet --level=1 -t 2 -q
for threads in 1 2; do whet inspect b.whet -t $threads --json | grep -o '"tuned_for[^,]*'; done
whet inspect b.whet --json | grep -o '"kind":"[a-z]*","machine":[0-9]*'
whet tune b.whet --level=0 -t 2 # replaces
whet inspect b.whet --json | grep -o '"kind":"machine","machine":[0-9]*'
cmp <(whet run a.whet --random -q -t 1) <(whet run b.whet --random -q -t 1) || echo "another result"
whet build data/microsoft.onnx -o none.whet --level=0 -q --portable=none
try() { whet tune "$@"; echo "exit $?"; }
try none.whet
try a.whet --disable-pass=fold
try a.whet --portable=none
try data/add.onnx
try nothing.whet
try a.whet --level=0 -q -o nothing/b.whet
