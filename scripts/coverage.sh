#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Line coverage of the code that reads foreign data, by replaying the fuzz corpora: each argument is
# a folder to replay further inputs from, such as build-asan/new. With ALL=1 the unit, op and ir
# tests run too. Builds the coverage preset in build-coverage/.
cd "$(dirname "$0")/.." || exit 1
tool() { command -v "$1" || command -v "$1-14" || echo "$1"; }
merge=$(tool llvm-profdata) cov=$(tool llvm-cov)
build=build-coverage
parts=(src/onnx src/ir/parse.c src/engine src/build/timing_cache.c)

cmake --preset coverage >/dev/null && cmake --build $build -j "${JOBS:-$(nproc)}" || exit 1
rm -rf $build/profiles
mkdir -p $build/profiles
binaries=()
for target in "$build"/bin/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/fuzz_} inputs=()
    for folder in "tests/fuzz/corpus/$name" "${@/%//$name}"; do
        [ -d "$folder" ] && inputs+=("$folder")
    done
    LLVM_PROFILE_FILE=$build/profiles/$name.profraw "$target" "${inputs[@]}" || exit 1
    binaries+=("$target")
done
if [ -n "${ALL:-}" ]; then
    LLVM_PROFILE_FILE=$PWD/$build/profiles/test-%p.profraw \
        ctest --test-dir $build -j "${JOBS:-$(nproc)}" -L '^(unit|op|ir)$' || exit 1
    binaries+=("$build"/bin/test_*)
fi
[ ${#binaries[@]} -gt 0 ] || { echo "no fuzz targets"; exit 1; }
$merge merge -sparse -o $build/all.profdata $build/profiles/*.profraw || exit 1

sources=()
for part in "${parts[@]}"; do [ -e "$part" ] && sources+=("$part"); done
objects=("${binaries[0]}")
for binary in "${binaries[@]:1}"; do objects+=("-object=$binary"); done
$cov report "${objects[@]}" -instr-profile=$build/all.profdata "${sources[@]}" 2>/dev/null |
    sed "s,^$PWD/,," |
    awk 'NR == 1 || /^-/ { next } NF >= 10 { printf "%-40s %6d lines  %s\n", $1, $8, $10 }'
