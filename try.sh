#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job on real input: installs what is missing, builds, converts the trained network of
# examples/glyphs into an engine and classifies its images. A second run takes seconds.
set -eu
cd "$(dirname "$0")"
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache
scripts/install_tools.sh build
mkdir -p build
cmake --preset release -DPython_EXECUTABLE="$(command -v python3)" >build/configure.log ||
    { cat build/configure.log; exit 1; }
targets=(whet _whet)
[ -d tools/whet ] && targets+=(whet_cli)
cmake --build build -j "$(nproc)" --target "${targets[@]}" | tail -n 1
scripts/make_venv.sh examples/glyphs/requirements.txt
exec .venv/bin/python examples/glyphs/classify.py "$@"
