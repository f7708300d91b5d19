#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs one case of the command line: run_cli_case.sh WHET CASE.sh [--update]
# The case runs in a fresh folder where `whet` is the program and data/ the test models. Beside it
# lies what it must print and give, each optional: CASE.stdout.exact or .glob, CASE.stderr.exact or
# .glob, CASE.exit (0 without it). In a .glob every line is a pattern; a line ... stands for any
# lines.
# --update writes the .exact files anew.
whet=$(realpath "$1") case=$(realpath "$2") update=$3
here=$(dirname "$(realpath "$0")")
name=${case%.sh}
folder=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/tree"
ln -s "$whet" "$folder/bin/whet"
ln -s "$here/../data" "$folder/tree/data"
export PATH=$folder/bin:$PATH LC_ALL=C
cd "$folder/tree" || exit 1
bash "$case" >"$folder/stdout" 2>"$folder/stderr" </dev/null
code=$?

# match PATTERNS LINES: the lines of both files one by one; ... may stand for none
match() {
    local patterns lines p=0 l=0 star=-1 from=0
    mapfile -t patterns <"$1"
    mapfile -t lines <"$2"
    while ((l < ${#lines[@]})); do
        if ((p < ${#patterns[@]})) && [ "${patterns[p]}" = ... ]; then
            star=$p from=$l
            ((++p))
        # shellcheck disable=SC2053
        elif ((p < ${#patterns[@]})) && [[ ${lines[l]} == ${patterns[p]} ]]; then
            ((++p, ++l))
        elif ((star >= 0)); then
            ((p = star + 1, l = ++from))
        else
            echo "no pattern for line $((l + 1)): ${lines[l]}"
            return 1
        fi
    done
    while ((p < ${#patterns[@]})) && [ "${patterns[p]}" = ... ]; do ((++p)); done
    ((p == ${#patterns[@]})) || {
        echo "no line for pattern $((p + 1)): ${patterns[p]}"
        return 1
    }
}

failed=0
for stream in stdout stderr; do
    exact=$name.$stream.exact glob=$name.$stream.glob
    if [ "$update" = --update ] && [ -e "$exact" ]; then
        cp "$folder/$stream" "$exact"
    elif [ -e "$exact" ]; then
        diff -u "$exact" "$folder/$stream" || failed=1
    elif [ -e "$glob" ]; then
        match "$glob" "$folder/$stream" || failed=1
    fi
done
expected=0
[ -e "$name.exit" ] && expected=$(<"$name.exit")
if [ "$code" -ne "$expected" ]; then
    echo "exit code $code, expected $expected"
    failed=1
fi
if [ $failed -ne 0 ]; then
    echo "--- standard output" && cat "$folder/stdout"
    echo "--- standard error" && cat "$folder/stderr"
fi
exit $failed
