#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install_tools.sh test|ci: installs the packages that are missing, with apt, as root or by sudo.
set -u

missing=()
need() { # package, then a command whose success says that it is there
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
has_header() { echo "#include <$1>" | cc -E -include stddef.h -x c - ; }

need gcc command -v cc
need cmake command -v cmake
need ninja-build command -v ninja
need pkg-config command -v pkg-config
need git command -v git
need libc6-dev has_header stdio.h
need libcmocka-dev test -n "$(find /usr/include /usr/local/include -name cmocka.h 2>/dev/null)"
# what libwhet_ops is built from; without them it lacks decoders
need g++ command -v g++
need libjpeg62-turbo-dev pkg-config --exists libjpeg
need libpng-dev pkg-config --exists libpng
need libopenjp2-7-dev pkg-config --exists libopenjp2
need libtiff-dev pkg-config --exists libtiff-4
need libwebp-dev pkg-config --exists libwebp
need libre2-dev pkg-config --exists re2
need python3-venv python3 -c 'import venv, ensurepip'
need python3-dev python3 -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))'
if [ "${1:-test}" = ci ]; then
    need clang command -v clang
    if command -v clang >/dev/null; then
        runtime=$(clang -print-file-name=libclang_rt.fuzzer-"$(uname -m)".a)
        major=$(clang -dumpversion | cut -d. -f1)
        need "libclang-rt-$major-dev" test -e "$runtime" -o \
            -n "$(find "$(clang -print-resource-dir)/lib" -name 'libclang_rt.fuzzer*' 2>/dev/null)"
    else
        missing+=(libclang-rt-14-dev)
    fi
    need llvm command -v llvm-symbolizer
    if [ "$(uname -m)" = x86_64 ]; then # scripts/test_aarch64.sh
        need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
        need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdio.h
        need qemu-user command -v qemu-aarch64
    fi
fi

[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing: ${missing[*]}"
sudo=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "please install: ${missing[*]}" >&2
        exit 1
    fi
    sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends "${missing[@]}"
