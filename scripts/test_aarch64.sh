#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_aarch64.sh [CASES]: builds for aarch64 in build-aarch64 with Debian's cross compiler and runs
# every kernel against its reference under qemu, as three processors. The last line is
# `N passed, N failed`.
cd "$(dirname "$0")/.." || exit 1
launcher=
command -v ccache >/dev/null && launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
if ! cmake -G Ninja -B build-aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake \
    -DWHET_BUILD_TESTS=OFF $launcher >/dev/null ||
    ! cmake --build build-aarch64 -j "${JOBS:-$(nproc)}" --target checkkern whet_cli -- --quiet
then
    echo "0 passed, 1 failed"
    exit 1
fi
run=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
passed=0 failed=0
for cpu in max cortex-a76 cortex-a57; do
    if "${run[@]}" -cpu $cpu build-aarch64/bin/checkkern --cases="${1:-6}" >build-aarch64/$cpu.log
    then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep -v '^ok' build-aarch64/$cpu.log
    fi
    echo "$cpu: $(tail -n 1 build-aarch64/$cpu.log)"
done
# a model from ONNX to its outputs, in FP32 and in BF16 where the processor has it
compare() { # processor, options
    if "${run[@]}" -cpu "$1" build-aarch64/bin/whet compare -q --level=0 "${@:2}" \
        examples/glyphs/glyph_mobilenetv2.onnx
    then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
compare max
compare max --bf16 --tolerance=0.05
compare cortex-a57 --bf16
echo "$passed passed, $failed failed"
[ $failed = 0 ]
