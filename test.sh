#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds the release build in build/ and runs every test. The last line
# is `N passed, N failed, N skipped`.
cd "$(dirname "$0")" || exit 1
jobs=${JOBS:-$(nproc)}
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache

give_up() {
    echo "$1" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

scripts/install_tools.sh test || give_up "packages are missing"
mkdir -p build
rm -f build/ctest.xml build/pytest.xml build/pytest-newest.xml
cmake --preset release -DPython_EXECUTABLE="$(command -v python3)" >build/configure.log ||
    { cat build/configure.log; give_up "cmake failed"; }
cmake --build build -j "$jobs" || give_up "the build failed"

results=(build/ctest.xml)
if [ -n "$(find tests -name 'test_*.py' -print -quit)" ]; then
    results+=(build/pytest.xml build/pytest-newest.xml)
    pytest=(.venv/bin/python -m pytest -q -p no:cacheprovider)
    { scripts/make_venv.sh && "${pytest[@]}" tests --junit-xml=build/pytest.xml
      PYTHONPATH=.venv/newest "${pytest[@]}" tests/python/test_onnx_backend.py \
        tests/python/test_open_shapes.py tests/python/test_types.py \
        --junit-xml=build/pytest-newest.xml; } >build/pytest.log 2>&1 &
fi
ctest --test-dir build -j "$jobs" --output-on-failure --output-junit ctest.xml \
    --test-output-size-passed 1000000 --test-output-size-failed 1000000
wait
[ ${#results[@]} -eq 1 ] || tail -n 100 build/pytest.log
python3 scripts/count_tests.py "${results[@]}"
