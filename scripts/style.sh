#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules of style that a script can check. Prints each problem; ends with their number.
cd "$(dirname "$0")/.." || exit 1
problems=$(mktemp)
trap 'rm -f "$problems"' EXIT

list() { # files of these patterns that are there
    git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done
}
report() { sed "s|^|$1: |" >>"$problems"; } # each line of standard input, the rule before it

mapfile -t text < <(list '*.c' '*.h' '*.def' '*.py' '*.sh' '*.md' '*.json' '*.cmake' \
    '*CMakeLists.txt' .ci/run)
mapfile -t code < <(list '*.c' '*.h' '*.def' '*.py' '*.sh' .ci/run)
mapfile -t src < <(list 'src/*.c' 'src/*.h')

grep -nE '[[:blank:]]+$' "${text[@]}" /dev/null | report "trailing blank"
grep -nP '\t' "${text[@]}" /dev/null | report "tab"
grep -nP '^.{101,}' "${code[@]}" /dev/null | cut -c1-90 | report "over 100 columns"
for f in "${text[@]}"; do
    [ -s "$f" ] && [ "$(tail -c 1 "$f" | wc -l)" -eq 0 ] && echo "$f"
done | report "no line end at the end"
for f in "${code[@]}"; do
    n=$(wc -l <"$f")
    [ "$n" -gt 800 ] && echo "$f: $n lines"
done | report "over 800 lines"
for f in "${code[@]}"; do
    [ "${f##*.}" = def ] && continue
    head -n 2 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
done | report "no SPDX line at the top"

# a folder may include its own headers and those of the folders before it
order="base shape ops engine kern backend plugin env plan run ir onnx pass build api"
rank() { local i=0 d; for d in $order; do i=$((i + 1)); [ "$d" = "$1" ] && echo $i; done; }
for from in $order; do
    own=$(rank "$from")
    for to in $order; do
        [ "$(rank "$to")" -gt "$own" ] &&
            grep -rnE "^ *# *include \"$to/" "src/$from" --include='*.[ch]' 2>/dev/null
    done
done | report "include against the order"

banned='(exit|_exit|abort|printf|vprintf|puts|putchar|gets|system|sprintf|strcpy|strcat|rand)'
for f in "${src[@]}"; do
    sed 's|//.*||' "$f" | grep -nE "(^|[^A-Za-z0-9_.>])$banned *\(" | sed "s|^|$f:|"
done | report "banned call"

list '*.c' '*.h' '*.def' '*.py' '*.sh' | grep -vE '(__init__|__main__|conftest)\.py$' |
    sed 's|.*/||' | sort | uniq -d | report "name used twice"

# folders of the machine this was written on
above=$(dirname "$PWD")
case $above in
/ | /tmp | /var/tmp | /usr | /usr/* | /mnt | /srv | /opt | /home | /root) ;;
*) git grep -nIF "$above/" | cut -c1-90 | report "path of this machine" ;;
esac

for lib in build/lib/libwhet.so build/lib/libwhet_rt.so build/lib/libwhet_internal.a; do
    [ -e "$lib" ] || continue
    dynamic=; [ "${lib##*.}" = so ] && dynamic=-D
    nm $dynamic -g --defined-only "$lib" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u |
        grep -v '^whet_' | sed "s|^|$lib: |"
done | report "global symbol without whet_"

git log -1 --no-merges --format=%s 2>/dev/null |
    grep -vE '^[a-z][a-z0-9_/.-]*: [A-Z].{0,60}$' | report "commit subject"

cat "$problems"
count=$(wc -l <"$problems")
echo "style: $count problems"
[ "$count" -eq 0 ]
