# SPDX-License-Identifier: Apache-2.0
# figures as text and as JSON
whet bench data/add.onnx -q --level=0 --seconds=0.02 --warmup=0 --min-runs=5 --shapes=x:8x4 \
    --profile
whet bench data/add.onnx -q --level=0 --seconds=0 --warmup=0 --min-runs=3 --json
whet bench data/add.onnx -q --level=0 --seconds=0 --warmup=0 --min-runs=0 --json --profile -t 1
# two streams; threads on a processor of their own; weights copied
whet bench data/add.onnx -q --level=0 --seconds=0 --warmup=0 --min-runs=3 --streams=2 -t 2
whet build data/microsoft.onnx -o a.whet --level=0 -q -t 1
cpu=$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')
whet bench a.whet -q --seconds=0 --warmup=0 --cpus=$cpu --spin=0 --copy-weights
cmp <(whet run a.whet --random -q -t 1) <(whet run a.whet --random -q --cpus=$cpu --copy-weights)
try() { whet bench a.whet -q --seconds=0 "$@" 2>&1; echo "exit $?"; }
try --streams=0
try --cpus=a
try --cpus=$cpu -t 2
try --spin=soon
