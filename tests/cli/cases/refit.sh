# SPDX-License-Identifier: Apache-2.0
# other weights by name: from a model, from arrays, into an engine without any
m=data/glyphs/glyph_resnet18.onnx
build() { whet build "$@" --level=0 --verify=off --deterministic -q; }
build $m -o a.whet
whet refit a.whet --list | head -n 3
whet refit a.whet --weights=$m -o b.whet
cmp a.whet b.whet
build $m -o s.whet --strip-weights
whet inspect s.whet | grep weights | sed "s/[0-9]* bytes/N bytes/"
whet run s.whet --random -q
[ "$(wc -c <s.whet)" -lt 400000 ] || echo "large"
whet refit s.whet --weights=$m -o c.whet
cmp a.whet c.whet
cmp <(whet run s.whet --refit=$m --random -q) <(whet run a.whet --random -q)
whet refit a.whet --strip -o t.whet
cmp s.whet t.whet
whet refit a.whet
whet refit a.whet --weights=data/add.onnx
whet refit s.whet --strip -o u.whet
whet refit a.whet --lora=data/weights/none.npz
whet exec --loadEngine=s.whet --onnx=$m --refitFromOnnx --skipInference --timeRefit 2>&1 |
    grep -o "refitted in"
build $m -o d.whet --strip-weights --portable=none
true
