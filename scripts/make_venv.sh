#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make_venv.sh [REQUIREMENTS]: makes .venv with what the Python tests and examples need, and lets it
# import whet from build/python; quick when it is there already.
set -eu
cd "$(dirname "$0")/.."
wanted=${1:-tests/requirements.txt}
stamp=.venv/$(basename "$wanted")
[ -x .venv/bin/python ] || python3 -m venv .venv
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
echo "$PWD/build/python" >"$site/whet-build.pth"
cmp -s "$wanted" "$stamp" && exit 0
.venv/bin/pip install -q --disable-pip-version-check -r "$wanted"
cp "$wanted" "$stamp"
