#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run_install.sh BUILD: installs the build to a fresh folder and uses it as others would: with
# CMake, with pkg-config, from the shell.
build=$(realpath "$1") here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
prefix="$folder/a prefix"
model=$here/../data/add.onnx
fail() { echo "$1" >&2; exit 1; }
try() { "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "failed: $*"; }; }
check() { # WHAT GOT
    [ "$2" = "2 0 4 0" ] || fail "$1 printed \"$2\""
}

try cmake --install "$build" --prefix "$prefix"
[ -e "$prefix/include/whet/whet.hpp" ] || fail "whet.hpp is missing"
"$prefix/bin/whet" version -q >/dev/null || fail "the installed whet does not run"
try "$prefix/bin/whet" build "$model" -o "$folder/cli.whet" --level=0

# what is opened by name is found beside the library
printf 'P6 1 1 255\n\1\2\3' >"$folder/pixel.ppm"
cd "$folder" || exit 1
got=$("$prefix/bin/whet" run "$here/../data/libraries.onnx" --plugins=libwhet_plugins.so --level=0 \
    -q --random -i image:pixel.ppm --shapes=image:14) || fail "a library of operators is missing"
[[ $got == *"pixels u8[1,1,3]: 1 2 3"* ]] || fail "libraries printed \"$got\""
"$prefix/bin/whet" check "$model" --plugins=libnothing.so 2>"$folder/log" && fail "no libnothing.so"
grep -q "libnothing.so" "$folder/log" || fail "libnothing.so is not named"

try cmake -S "$here" -B "$folder/cmake" "-DCMAKE_PREFIX_PATH=$prefix"
try cmake --build "$folder/cmake"
try "$folder/cmake/consumer_full" "$model" "$folder/a.whet"
check consumer_rt "$("$folder/cmake/consumer_rt" "$folder/a.whet")"
check "consumer_rt with the engine of the command line" \
    "$("$folder/cmake/consumer_rt" "$folder/cli.whet")"
needed=$(readelf -d "$folder/cmake/consumer_rt" 2>/dev/null)
[[ $needed != *libwhet.so* ]] || fail "the consumer of the runtime needs libwhet"

if ! command -v pkg-config >/dev/null; then
    echo "pkg-config is not here: its files were not tried"
    exit 0
fi
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name whet.pc)")
export PKG_CONFIG_PATH
lib=$(pkg-config --variable=libdir whet)
for name in full:whet rt:whet_rt; do
    eval "flags=($(pkg-config --cflags --libs "${name#*:}"))" # quoting is the shell's
    try cc -std=c17 "$here/consumer_${name%:*}.c" -o "$folder/pc_${name%:*}" "${flags[@]}" \
        "-Wl,-rpath,$lib"
done
try "$folder/pc_full" "$model" "$folder/b.whet"
check pc_rt "$("$folder/pc_rt" "$folder/b.whet")"
