# SPDX-License-Identifier: Apache-2.0
# times are kept; the same cache gives the same bytes
whet build data/microsoft.onnx -o a.whet --level=2 -q --timing-cache=times
whet build data/microsoft.onnx -o b.whet --level=2 -q --timing-cache=times --deterministic
whet build data/microsoft.onnx -o c.whet --level=2 -q --timing-cache times --deterministic
cmp b.whet c.whet && head -n 1 times
head -c 100 times >cut
whet build data/microsoft.onnx -o d.whet --timing-cache=cut -q
echo "exit $?"
whet build data/microsoft.onnx -o d.whet --timing-cache=a.whet -q
echo "exit $?"
[ ! -e d.whet ] && echo "not built"
