# SPDX-License-Identifier: Apache-2.0
# what is fed wrongly is named with what it has and what was expected
whet build data/add.onnx -o a.whet --level=0 -q
try() { whet run "$@"; echo "exit $?"; }
head -c 16 /dev/zero >x.bin
head -c 15 /dev/zero >short.bin
try a.whet
try a.whet --input x:x.bin
try a.whet --input x:short.bin --shapes=x:1x4
try a.whet --input x:x.bin --shapes=x:2x2
try a.whet --input x:x.bin --shapes=x:16
try a.whet --input z:x.bin
try a.whet --input x.bin
try a.whet --input x:nothing.bin
try a.whet --input x:x.bin --input x:x.bin --shapes=x:1x4
try a.whet --random --shapes=z:1x4
try a.whet --random --output z:z.npy
try a.whet --random --output y:nothing/y.npy
try a.whet --random --level=3
whet run data/dtypes.onnx --level=0 -q -o i64_raw_out:i.npy -o f32_raw_out:f.npy >/dev/null
try a.whet --input x:i.npy
try a.whet --input x:f.npy
head -c 100 f.npy >cut.npy
try a.whet --input x:cut.npy
head -c 130 f.npy >cut.npy
try a.whet --input x:cut.npy
cp x.bin x.npy
try a.whet --input x:x.npy
try nothing.whet
try data/nothing.onnx
try x.bin
