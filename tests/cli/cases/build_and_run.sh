# SPDX-License-Identifier: Apache-2.0
# a model becomes an engine that runs
set -e
whet build data/add.onnx -o a.whet --level=1
whet inspect a.whet
printf '\0\0\200\77\0\0\200\77\0\0\200\77\0\0\200\77' >x.bin
whet run a.whet --input x:x.bin --shapes=x:1x4 --output y:y.npy -o y:y.bin
whet run a.whet -i x:y.npy
cmp <(tail -c 16 y.npy) y.bin
head -c 6 y.npy | od -An -c
whet run data/add.onnx --level=0 -q --random --shapes=x:3x4 --seed=5
rm -rf data
ls
