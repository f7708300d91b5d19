# SPDX-License-Identifier: Apache-2.0
# texts, sequences, optionals and maps are printed; texts are read and written one a line
try() { whet run "$@" --level=0 -q; echo "exit $?"; }
printf 'one \303\251\n\n"two"' >w.txt
try data/objects_out.onnx -i w:w.txt --random --shapes=x:1x2 -o twice:t.txt
cat t.txt
try data/objects_out.onnx --random --shapes=x:0x2,w:2
try data/objects_out.onnx --random --shapes=x:12x2,w:12 | sed -n '1,2p;12,13p;$p'
try data/objects_out.onnx -i w:w.txt --random --shapes=x:1x2,w:2
try data/objects_out.onnx --random --shapes=x:1x2,w:1 -o twice:t.npy
try data/objects_out.onnx --random --shapes=x:1x2,w:1 -o maps:m.bin
try data/object_in.onnx --random
try data/object_in.onnx -i s:w.txt
whet exec --onnx=data/objects_out.onnx --shapes=x:1x2,w:1 --exportOutput=o.json --iterations=1 \
    --duration=0 --warmUp=0 >/dev/null
grep -c '"twice", "dimensions" : "1", "values" : \[ "" \]' o.json
