# SPDX-License-Identifier: Apache-2.0
# a model is quantized, written, built and run; what is missing is told
mkdir samples
head -c 18432 /dev/zero >samples/a.bin
model=data/glyphs/glyph_resnet18.onnx
whet quantize $model -o q.onnx --calibration=samples --calib=cache
echo "exit $?"
head -n 1 cache
whet check q.onnx | grep -c 'QuantizeLinear'
whet quantize $model -o again.onnx --calib=cache --no-bias-correction=true --quiet
echo "exit $?"
whet build $model -o q.whet --int8=true --calib=cache --level=0 --quiet
echo "exit $?"
whet inspect q.whet | grep -c 'quant_conv'
whet exec --onnx=$model --int8 --calib=cache --builderOptimizationLevel=0 --iterations=1 \
    --duration=0 --warmUp=0 --optShapes=image:1x1x48x48 | grep -oE 'Precision: .*|&&&& PASSED'
whet quantize $model -o no.onnx
echo "exit $?"
whet quantize $model
echo "exit $?"
head -c 18433 /dev/zero >samples/a.bin
whet quantize $model -o no.onnx --calibration=samples
echo "exit $?"
whet quantize $model -o no.onnx --calibration=samples/a.bin --calib-percentile=101
echo "exit $?"
ls
