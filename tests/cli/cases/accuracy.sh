# SPDX-License-Identifier: Apache-2.0
# budgets of accuracy: a build with raw samples, its report, and what is refused
mkdir samples && head -c 36864 /dev/zero | tr '\0' '<' >samples/a.bin
try() { whet build data/glyphs/glyph_resnet18.onnx -o a.whet --level=0 -q "$@"; echo "exit $?"; }
try --accuracy=snr:30dB --calibration=samples --calib-batch=1 --accuracy-report=mix.json
grep -o '"budget":"snr:30dB","holds":true,"samples":4' mix.json
try --accuracy=snr:30dB
try --accuracy=some --calibration=samples
try --accuracy=0.1% --calibration=samples --bf16
try --accuracy=least:1 --calibration=samples
try --accuracy-report=mix.json
