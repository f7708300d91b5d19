# SPDX-License-Identifier: Apache-2.0
# types of layers by name, in the words of whet and of trtexec
try() { whet build data/microsoft.onnx -o a.whet --level=0 -q "$@"; echo "exit $?"; }
try --layer-precisions='*:fp32' --layer-output-types='*:fp32'
try --layer-precisions=nothing:fp32
try --layer-precisions='*:bf16'
try --layer-precisions='*:bf16' --precision-constraints=none
try --precision-constraints=maybe
exec_() { whet exec --onnx=data/microsoft.onnx --builderOptimizationLevel=0 \
    --iterations=1 --duration=0 --warmUp=0 "$@" | tail -n 1 | cut -c 1-11; }
exec_ --layerPrecisions=nothing:fp32 --precisionConstraints=obey
exec_ --layerPrecisions='*:fp32' --precisionConstraints=prefer 2>/dev/null
try --strongly-typed
try --strongly-typed --bf16
exec_ --stronglyTyped --int8 --calib=none
