# SPDX-License-Identifier: Apache-2.0
# profiles of a build, of trtexec's flags, and what is refused
whet build data/add.onnx -q --level=0 -o a.whet --profile=x:1x4..2x4..4x4 --profile=x:8x4
whet inspect a.whet | grep -E '^profile'
whet inspect a.whet --json | grep -o '"profiles":\[.*' | grep -o '"opt":[^]]*' | head -2
whet bench a.whet --seconds=0 --warmup=0 --min-runs=1 | grep -c median
whet run a.whet --random --shapes=x:16x4 2>&1 | head -1
for text in x:1x4..2x4 x:2x4..1x4..4x4 x x:1x4..2..4x4 y:1 x:1 x:1x?..2x4..2x4; do
    whet build data/add.onnx -q --level=0 -o b.whet --profile=$text
done
whet exec --onnx=data/add.onnx --builderOptimizationLevel=0 --saveEngine=c.whet --skipInference \
    --profile=0 --minShapes=x:1x4 --optShapes=x:2x4 --maxShapes=x:4x4 \
    --profile=1 --optShapes=x:8x4 \
    --dumpOptimizationProfile | grep -E 'Profile|MIN|OPT|MAX' | cut -d']' -f3
whet exec --loadEngine=c.whet --useProfile=1 --shapes=x:5x4 \
    --iterations=1 --duration=0 --warmUp=0 2>&1 |
    grep -E 'binding|not tuned' | cut -d']' -f3-
whet exec --loadEngine=c.whet --useProfile=2 --iterations=1 --duration=0 --warmUp=0 | tail -1 |
    cut -c-11
