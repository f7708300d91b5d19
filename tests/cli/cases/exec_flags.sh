# SPDX-License-Identifier: Apache-2.0
# flags that are refused, unknown or wrong: nothing is done
try() { whet exec --onnx=data/add.onnx --saveEngine=a.whet "$@" | tail -n 1 | cut -c 1-11; }
try --fp8
try --refitFromOnnx
try --stripWeights=1
try --useDLACore=0
try --plugins=a.so
try --device=1
try --onxx=a
try --nothing
try data/add.onnx
try --iterations=-1
try --percentile=101
try --profilingVerbosity=none
try --optShapes=x:2xx4
try --minShapes=x:3x4 --maxShapes=x:2x4
try --minShapes='*:3x4'
try --loadEngine=b.whet
try --fp8=
try --verbose=1
whet exec --duration=1 >/dev/null
echo "exit $?"
whet exec --onnx=nothing.onnx --device=0 --useDLACore=-1 >out
echo "exit $?"
tail -n 1 out | cut -c 1-11
ls
