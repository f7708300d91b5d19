#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with what the Python tests and scripts need; quick when it is there already.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/requirements.txt
cmp -s tests/requirements.txt "$stamp" && exit 0
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
cp tests/requirements.txt "$stamp"
