# SPDX-License-Identifier: Apache-2.0
"""Every operator takes the data types that ONNX's specification gives it."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts"))

import check_types  # noqa: E402


def test_operators_take_all_types():
    assert check_types.lost_types() == {}
