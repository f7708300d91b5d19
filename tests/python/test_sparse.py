# SPDX-License-Identifier: Apache-2.0
"""Sparse constants are the dense ones that they stand for."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
import pytest

import whet

PLACES = [[0, 2], [1, 0], [2, 3]]
FLAT = [2, 4, 11]


def sparse(kind, values, places):
    if kind == TensorProto.INT4: # three codes of 4 bits
        made = TensorProto(name="s", data_type=kind, dims=[3], raw_data=bytes([0xf1, 0x07]))
    else:
        made = numpy_helper.from_array(values, "s")
    return helper.make_sparse_tensor(
        made, numpy_helper.from_array(np.array(places, np.int64), "i"), [3, 4])


@pytest.mark.parametrize("places", [PLACES, FLAT])
@pytest.mark.parametrize("as_initializer", [True, False])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT4])
def test_sparse_constants(places, as_initializer, kind):
    values = np.array(["a", "bc", "d"], object) if kind == TensorProto.STRING else np.array(
        [1, -1, 7], np.float32)
    tensor = sparse(kind, values, places)
    nodes = [helper.make_node("Identity", ["s"], ["y"])]
    if kind == TensorProto.INT4:
        nodes = [helper.make_node("Cast", ["s"], ["y"], to=TensorProto.FLOAT)]
    if not as_initializer:
        nodes.insert(0, helper.make_node("Constant", [], ["s"], sparse_value=tensor))
    shown = TensorProto.STRING if kind == TensorProto.STRING else TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", [],
                              [helper.make_tensor_value_info("y", shown, [3, 4])],
                              sparse_initializer=[tensor] if as_initializer else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    made = whet.build(model.SerializeToString(), level=0).context().run({})["y"]
    want = np.full(12, "", object) if kind == TensorProto.STRING else np.zeros(12, np.float32)
    want[FLAT] = values
    np.testing.assert_array_equal(made, want.reshape(3, 4))
