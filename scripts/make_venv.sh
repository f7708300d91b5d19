#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make_venv.sh [REQUIREMENTS]: makes .venv with what the Python tests and examples need, and lets it
# import whet from build/python; quick when it is there already. Packages of which only the files
# are used, REQUIREMENTS-files.txt, come without what they depend on. .venv/newest gets the newest
# onnx besides, for a second run of its backend cases.
set -eu
cd "$(dirname "$0")/.."
wanted=${1:-tests/requirements.txt}
stamp=.venv/$(basename "$wanted")
[ -x .venv/bin/python ] || python3 -m venv .venv
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
echo "$PWD/build/python" >"$site/whet-build.pth"
pip=(.venv/bin/pip install -q --disable-pip-version-check)
newest=tests/requirements-newest.txt files=${wanted%.txt}-files.txt
if ! cmp -s "$wanted" "$stamp"; then
    "${pip[@]}" -r "$wanted"
    cp "$wanted" "$stamp"
fi
if [ -e "$files" ] && ! cmp -s "$files" "${stamp%.txt}-files.txt"; then
    "${pip[@]}" --no-deps -r "$files"
    cp "$files" "${stamp%.txt}-files.txt"
fi
if ! cmp -s "$newest" .venv/newest/requirements.txt; then
    rm -rf .venv/newest
    "${pip[@]}" --no-deps --target .venv/newest -r "$newest"
    cp "$newest" .venv/newest/requirements.txt
fi
