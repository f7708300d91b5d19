# SPDX-License-Identifier: Apache-2.0
# an engine file that was cut or changed is refused, or nothing that counts was changed
whet build data/microsoft.onnx -o a.whet --level=0 -q
good=$(whet run a.whet --random -q)
size=$(stat -c %s a.whet)
run() {
    local out code
    out=$(whet run broken.whet --random -q 2>err)
    code=$?
    if [ $code -eq 0 ]; then
        [ "$out" = "$good" ] || echo "$1: another result"
    elif [ $code -ne 1 ] || ! grep -q "^whet: broken.whet: " err; then
        echo "$1: exit $code: $(cat err)"
    fi
    return $code
}
for n in 0 1 7 8 63 64 65 100 200 4095 4096 4097 $((size / 2)) $((size - 1)); do
    head -c $n a.whet >broken.whet
    run "first $n bytes" && echo "first $n bytes: accepted"
done
refused=0
flip() { # OFFSET
    local byte
    byte=$(od -An -tu1 -j "$1" -N 1 a.whet)
    cp a.whet broken.whet
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 1 << $1 % 8)))" |
        dd of=broken.whet bs=1 seek="$1" conv=notrunc status=none
    run "flip at $1" || refused=$((refused + 1))
}
for at in 0 7 8 12 16 24 30 52 60 64 70 76 84 92 110 200; do flip $at; done
for at in 4096 4100 4111 4150 4222 4333 4444 8192 8200 8229 12288 12300 12345; do flip $at; done
[ $refused -ge 20 ] || echo "only $refused changes were refused"
head -c 100000 /dev/zero >broken.whet
run zeros
{ cat a.whet; echo more; } >broken.whet
run "text after its end"
whet run broken.whet --random
head -c 100 a.whet >broken.whet
whet inspect broken.whet
whet bench broken.whet
whet tune broken.whet
