# SPDX-License-Identifier: Apache-2.0
"""Models in float16 and bfloat16, and weights stored as FP16."""

import pathlib

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

GLYPHS = pathlib.Path(__file__).resolve().parents[1] / "data/glyphs"
F, H = np.float32, np.float16


def to_half(path):
    """The model with float16 wherever it has float, inputs and outputs too."""
    model = onnx.load(path)
    graph = model.graph

    def tensor(t):
        if t.data_type == TensorProto.FLOAT:
            t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(H), t.name))

    for t in graph.initializer:
        tensor(t)
    for node in graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                tensor(a.t)
            if node.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = TensorProto.FLOAT16
    del graph.value_info[:]
    for v in [*graph.input, *graph.output]:
        if v.type.tensor_type.elem_type == TensorProto.FLOAT:
            v.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model.SerializeToString()


def kernels(engine):
    return [layer["kernel"] for layer in engine.inspect()["layers"]]


@pytest.mark.parametrize("name", ["glyph_resnet18", "glyph_vit"])
def test_model_in_float16(name):
    """It computes by the kernels of f32; what is not rounded on the way is nearer to FP32."""
    path = GLYPHS / f"{name}.onnx"
    half = whet.build(to_half(path), level=0)
    assert not any(k.startswith("reference") for k in kernels(half))
    x = np.random.default_rng(0).standard_normal((4, 1, 48, 48), dtype=F)
    want = whet.build(path, level=0).context().run({"image": x})["logits"]
    got = half.context().run({"image": x.astype(H)})["logits"]
    assert got.dtype == H
    assert np.linalg.norm(got.astype(F) - want) < 0.01 * np.linalg.norm(want)


def chain_model(kind, nodes, constants=()):
    x = helper.make_tensor_value_info("x", kind, [2, 3])
    y = helper.make_tensor_value_info("y", kind, None)
    return helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], list(constants)), ir_version=10,
        opset_imports=[helper.make_opsetid("", 21)]).SerializeToString()


def test_overflow_is_that_of_the_result():
    """A step beyond 65504 is no infinity as long as the result is none."""
    big = numpy_helper.from_array(H([60000]), "big")
    nodes = [helper.make_node("Add", ["x", "big"], ["a"]),
             helper.make_node("Sub", ["a", "big"], ["y"])]
    x = np.full((2, 3), 30000, H)
    run = whet.build(chain_model(TensorProto.FLOAT16, nodes, [big])).context().run
    assert (run({"x": x})["y"] == 30000).all()
    run = whet.build(chain_model(TensorProto.FLOAT16, nodes[:1] + [
        helper.make_node("Identity", ["a"], ["y"])], [big])).context().run
    assert np.isinf(run({"x": x})["y"]).all()
    plain = whet.build(chain_model(TensorProto.FLOAT16, nodes, [big]),
                       options={"disable-pass": "widen"})
    assert np.isinf(plain.context().run({"x": x})["y"]).all()


def test_blocks_keep_their_types():
    """The body of a loop computes in f32, what it carries is float16."""
    body = helper.make_graph(
        [helper.make_node("Mul", ["c", "c"], ["d"]), helper.make_node("Identity", ["k"], ["o"])],
        "body", [helper.make_tensor_value_info("i", TensorProto.INT64, []),
                 helper.make_tensor_value_info("k", TensorProto.BOOL, []),
                 helper.make_tensor_value_info("c", TensorProto.FLOAT16, [2, 3])],
        [helper.make_tensor_value_info("o", TensorProto.BOOL, []),
         helper.make_tensor_value_info("d", TensorProto.FLOAT16, [2, 3])])
    nodes = [helper.make_node("Neg", ["x"], ["n"]),
             helper.make_node("Loop", ["two", "", "n"], ["l"], body=body),
             helper.make_node("Sqrt", ["l"], ["y"])]
    two = numpy_helper.from_array(np.int64(2), "two")
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(H)
    got = whet.build(chain_model(TensorProto.FLOAT16, nodes, [two])).context().run({"x": x})["y"]
    np.testing.assert_allclose(got, x.astype(F) ** 2, rtol=4e-3)


# ---- weights as FP16 ----

@pytest.mark.parametrize("name", ["glyph_resnet18", "glyph_vit"])
def test_weights_as_fp16(name):
    path = GLYPHS / f"{name}.onnx"
    full, half = (whet.build(path, level=0, portable="none", options={"memory": "min"},
                             precision=p) for p in ("fp32", "fp16"))
    assert any("_w16_" in k for k in kernels(half))
    assert half.inspect()["packed_bytes"] < 0.6 * full.inspect()["packed_bytes"]
    x = {"image": np.random.default_rng(0).standard_normal((4, 1, 48, 48), dtype=F)}
    want, got = (e.context().run(x)["logits"] for e in (full, half))
    assert 0 < np.linalg.norm(got - want) < 2e-3 * np.linalg.norm(want)


def linear_model(scale):
    w = (np.random.default_rng(0).standard_normal((64, 32)) * scale).astype(F)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 32])
    return helper.make_model(helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], "g", [x], [y],
        [numpy_helper.from_array(w, "w")]), ir_version=10,
        opset_imports=[helper.make_opsetid("", 21)]).SerializeToString()


@pytest.mark.parametrize("scale,stored", [(1, True), (1e5, False), (1e-5, False)])
def test_weights_that_fp16_has_no_numbers_for(scale, stored):
    engine = whet.build(linear_model(scale), level=0, precision="fp16", options={"memory": "min"})
    assert kernels(engine)[0].startswith("matmul_w16") == stored
    assert np.isfinite(engine.context().run({"x": np.ones((1, 64), F)})["y"]).all()


def test_layers_that_ask_for_fp16():
    told = whet.build(linear_model(1), level=0, precision="fp16",
                      options={"layer-precisions": "m:fp16"})
    assert kernels(told)[0].startswith("matmul_w16")
    kept = whet.build(linear_model(1), level=0, precision="fp16",
                      options={"layer-precisions": "m:fp32", "memory": "min"})
    assert not kernels(kept)[0].startswith("matmul_w16")
    with pytest.raises(whet.Error, match="weights are up to"):
        whet.build(linear_model(1e6), level=0, precision="fp16",
                   options={"layer-precisions": "m:fp16"})


# ---- FP8 as storage ----

@pytest.mark.parametrize("kind", [TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2])
@pytest.mark.parametrize("scale_type", [F, H])
def test_weights_in_fp8(kind, scale_type):
    """They are dequantized when the engine is built; it keeps their bytes as its source."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 0x70, (64, 48), np.uint8) | random.integers(0, 2, (64, 48)) * 0x80
    codes = codes.astype(np.uint8)
    weights = helper.make_tensor("w", kind, (64, 48), codes.tobytes(), raw=True)
    scale = numpy_helper.from_array(random.uniform(0.01, 0.02, 48).astype(scale_type), "s")
    data = chain_model(helper.np_dtype_to_tensor_dtype(np.dtype(scale_type)), [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], axis=1),
        helper.make_node("MatMul", ["x", "d"], ["y"])], [weights, scale])
    model = onnx.load_from_string(data)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 64
    x = random.standard_normal((2, 64)).astype(scale_type)
    values = numpy_helper.to_array(weights).astype(F)
    want = x.astype(F) @ (values * numpy_helper.to_array(scale).astype(F))
    sizes = []
    for portable in ("full", "none"):
        engine = whet.build(model.SerializeToString(), level=0, portable=portable)
        assert all(not k.startswith("reference") for k in kernels(engine))
        got = engine.context().run({"x": x})["y"]
        np.testing.assert_allclose(got.astype(F), want, rtol=1e-3, atol=1e-3 * abs(want).max())
        sizes.append(sum(s["bytes"] for s in engine.inspect()["sections"]
                         if s["kind"] == "sources"))
    assert 64 * 48 <= sizes[0] < 2 * 64 * 48 and not sizes[1]


@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_full_verification(precision):
    """It bounds what rounded weights may change, and the engine says what was found."""
    engine = whet.build(GLYPHS / "glyph_vit.onnx", level=0, precision=precision, verify="full",
                        options={"memory": "min"})
    assert engine.context().run({"image": np.zeros((1, 1, 48, 48), F)})["logits"].shape == (1, 62)


def test_fp8_is_no_arithmetic():
    with pytest.raises(whet.Error, match='"fp8": this version computes in'):
        whet.build(linear_model(1), precision="fp8")
