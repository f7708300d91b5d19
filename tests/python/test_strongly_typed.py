# SPDX-License-Identifier: Apache-2.0
"""Strongly typed builds: what the model casts to is what is computed."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

F = np.float32
TYPES = {"bf16": TensorProto.BFLOAT16, "f16": TensorProto.FLOAT16}


def rounded(x, name):
    if name == "f16":
        return x.astype(np.float16).astype(F)
    bits = np.asarray(x, F).view(np.uint32)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & np.uint32(0xffff0000)
    return bits.view(F)


def model(name):
    """Products and a ReLU in the type, a sum in f32; one value only goes through the type."""
    rng = np.random.default_rng(4)
    w = rng.normal(size=(24, 8)).astype(F)
    to, back = TYPES[name], TensorProto.FLOAT
    nodes = [helper.make_node("Cast", ["x"], ["a"], to=to),
             helper.make_node("Cast", ["w"], ["b"], to=to),
             helper.make_node("MatMul", ["a", "b"], ["c"]),
             helper.make_node("Relu", ["c"], ["d"]),
             helper.make_node("Cast", ["d"], ["e"], to=back),
             helper.make_node("Cast", ["x"], ["f"], to=to),
             helper.make_node("Cast", ["f"], ["g"], to=back),
             helper.make_node("ReduceSum", ["g"], ["h"]),
             helper.make_node("Add", ["e", "h"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", back, ["n", 24])],
        [helper.make_tensor_value_info("y", back, None),
         helper.make_tensor_value_info("d", to, None),
         helper.make_tensor_value_info("g", back, None)], [numpy_helper.from_array(w, "w")])
    return w, helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("level", [0, 2])
def test_casts_are_what_is_computed(name, level):
    w, m = model(name)
    engine = whet.build(m, level=level, options={"strongly-typed": True})
    x = np.random.default_rng(1).normal(size=(5, 24)).astype(F)
    got = engine.context().run({"x": x})
    a, b = rounded(x, name), rounded(w, name)
    assert np.array_equal(got["g"], a)  # a pair of casts is no identity
    product = (a.astype(np.float64) @ b.astype(np.float64)).astype(F)
    d = np.maximum(rounded(product, name), 0)
    step = 2.0 ** -8 if name == "bf16" else 2.0 ** -11
    have = np.asarray(got["d"])
    if name == "bf16" and have.dtype == np.uint16:
        have = (have.astype(np.uint32) << 16).view(F)
    have = have.astype(F)
    assert np.array_equal(rounded(have, name), have)
    assert np.abs(have - d).max() <= 2 * step * np.abs(d).max()
    assert np.allclose(got["y"], have + a.sum(dtype=np.float64), rtol=1e-5, atol=1e-5)
    stored = {t["type"].split("[")[0] for layer in engine.inspect()["layers"]
              for t in layer["outputs"]}
    assert name in stored
    assert not any(layer["kernel"] == "reference" for layer in engine.inspect()["layers"])


@pytest.mark.parametrize("options", [
    {"bf16": True}, {"int8": True, "ranges": {"x": (0, 1)}}, {"calib": "cache"},
    {"layer-precisions": "*:fp32"}, {"layer-output-types": "*:fp32"}])
def test_options_of_types_are_refused(options):
    with pytest.raises(whet.Error, match="with strongly-typed they are the model's"):
        whet.build(model("bf16")[1], level=0, options={"strongly-typed": True, **options})
    with pytest.raises(whet.Error, match="option precision chooses types"):
        whet.build(model("bf16")[1], precision="bf16", options={"strongly-typed": True})
