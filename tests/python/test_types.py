# SPDX-License-Identifier: Apache-2.0
"""Every operator takes the data types that ONNX's specification gives it."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts"))

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
import pytest  # noqa: E402

import check_types  # noqa: E402
import whet  # noqa: E402


def test_operators_take_all_types():
    assert check_types.lost_types() == {}


@pytest.mark.parametrize("number, bits", [(27, "float6_e2m3fn"), (28, "float6_e3m2fn")])
def test_floats_of_six_bits(number, bits):
    """As input, output and constant, packed and one a number."""
    x = np.random.default_rng(0).normal(0, 6, 37).astype(np.float32)
    small = x.astype(getattr(ml_dtypes, bits))
    codes = small.view(np.uint8)
    packed = np.packbits(np.unpackbits(codes[:, None], axis=1, bitorder="little", count=6),
                         bitorder="little")
    constants = [TensorProto(name="raw", data_type=number, dims=[37], raw_data=packed.tobytes()),
                 TensorProto(name="typed", data_type=number, dims=[37], int32_data=codes)]
    nodes = [helper.make_node("Cast", [name], [f"{name}_made"], to=to)
             for name, to in (("x", number), ("z", 1), ("raw", 1), ("typed", 1))]
    inputs = [helper.make_tensor_value_info(name, to, ["N"]) for name, to in (("x", 1),
                                                                              ("z", number))]
    outputs = [helper.make_tensor_value_info(n.output[0], number if n.input[0] == "x" else 1,
                                             [None]) for n in nodes]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, constants),
                              opset_imports=[helper.make_opsetid("", 28)])
    made = whet.build(model.SerializeToString(), level=0).context().run({"x": x, "z": small})
    assert made["x_made"].dtype == small.dtype
    np.testing.assert_array_equal(made["x_made"].view(np.uint8), codes)
    for name in ("z", "raw", "typed"):
        np.testing.assert_array_equal(made[f"{name}_made"], small.astype(np.float32))
