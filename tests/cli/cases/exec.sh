# SPDX-License-Identifier: Apache-2.0
# the lines and files of trtexec
whet exec --onnx=data/add.onnx --builderOptimizationLevel=0 --optShapes=x:2x4 --duration=0 \
    --warmUp=1 --iterations=20 --useCudaGraph --percentile=50 --saveEngine=a.whet --skipInference |
    grep -c .
ln -s "$(command -v whet)" trtexec
printf '\0\0\200\77\0\0\200\77\0\0\200\77\0\0\200\77' >x.bin
cat x.bin x.bin >xx.bin
./trtexec --loadEngine=a.whet --loadInputs="'x':xx.bin" --duration=0 --warmUp=1 --iterations=20 \
    --percentile=50 --infStreams=1 --dumpOutput --dumpLayerInfo --exportOutput=o.json \
    --exportTimes=t.json --dumpProfile --exportProfile=p.json --exportLayerInfo=l.json
echo "exit $?"
cat o.json l.json
grep -c latencyMs t.json
grep -c name p.json
whet exec --loadEngine=a.whet --getPlanVersionOnly
whet exec --onnx=data/add.onnx --minShapes=x:1x4 --maxShapes=x:3x4 --builderOptimizationLevel=0 \
    --iterations=3 --duration=0 --warmUp=0 --infStreams=2 | grep -E 'binding|trace has'
