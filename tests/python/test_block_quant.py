# SPDX-License-Identifier: Apache-2.0
"""Weights of 4 bits with a scale for each block: they stay so, and products read them."""

import pathlib

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

F = np.float32


def pack(q):
    """Numbers of 4 bits, two a byte, the first in the low bits."""
    q = np.concatenate([q.ravel() & 15, np.zeros(q.size % 2, q.dtype)]).astype(np.uint8)
    return (q[0::2] | q[1::2] << 4).tobytes()


def linear_model(k, n, m, block, kind, zero, trans, gemm, opset=21):
    """MatMul or Gemm of blocks of 4-bit weights, then a bias."""
    random = np.random.default_rng(k + n)
    shape, axis = ((n, k), 1) if trans else ((k, n), 0)
    blocks = list(shape)
    blocks[axis] = -(-k // block)
    low, high = (-8, 8) if kind == TensorProto.INT4 else (0, 16)
    constants = [
        helper.make_tensor("w", kind, shape, pack(random.integers(low, high, shape)), raw=True),
        numpy_helper.from_array(random.uniform(0.01, 0.1, blocks).astype(F), "s"),
        numpy_helper.from_array(random.standard_normal(n).astype(F), "b")]
    inputs = ["w", "s"]
    if zero:
        constants.append(helper.make_tensor("z", kind, blocks,
                                            pack(random.integers(low, high, blocks)), raw=True))
        inputs.append("z")
    nodes = [helper.make_node("DequantizeLinear", inputs, ["d"], axis=axis, block_size=block)]
    if gemm:
        nodes.append(helper.make_node("Gemm", ["x", "d", "b"], ["y"], transB=int(trans)))
    else:
        if trans:
            nodes.append(helper.make_node("Transpose", ["d"], ["t"], perm=[1, 0]))
        nodes += [helper.make_node("MatMul", ["x", "t" if trans else "d"], ["p"]),
                  helper.make_node("Add", ["p", "b"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [m, k])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", opset)]).SerializeToString()


def nbits_model(k, n, m, block, zero):
    random = np.random.default_rng(k + n)
    blocks = -(-k // block)
    constants = [
        numpy_helper.from_array(random.integers(0, 256, (n, blocks, block // 2), np.uint8), "w"),
        numpy_helper.from_array(random.uniform(0.01, 0.1, n * blocks).astype(F), "s"),
        numpy_helper.from_array(random.standard_normal(n).astype(F), "b")]
    inputs = ["x", "w", "s"]
    if zero:
        constants.append(numpy_helper.from_array(
            random.integers(0, 256, n * ((blocks + 1) // 2), np.uint8), "z"))
        inputs.append("z")
    nodes = [helper.make_node("MatMulNBits", inputs, ["p"], domain="com.microsoft", K=k, N=n,
                              bits=4, block_size=block),
             helper.make_node("Add", ["p", "b"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [m, k])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]).SerializeToString()


def check(data, op):
    engine = whet.build(data, level=1)
    layers = [layer for layer in engine.inspect()["layers"] if layer["op"] == op]
    assert layers and all(layer["kernel"].startswith(op) for layer in layers)
    x = np.random.default_rng(0).standard_normal(engine.inputs["x"][1]).astype(F)
    options = onnxruntime.SessionOptions()  # or it rounds x to 8 bits
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    want = session.run(None, {"x": x})[0]
    np.testing.assert_allclose(engine.context().run({"x": x})["y"], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("trans,gemm", [(False, False), (True, False), (True, True)])
def test_linear(kind, zero, trans, gemm):
    check(linear_model(96, 40, 1, 32, kind, zero, trans, gemm), "block_matmul")


def test_linear_rows():
    check(linear_model(100, 70, 33, 16, TensorProto.INT4, False, False, False), "block_matmul")


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("m", [1, 20])
def test_nbits(zero, m):
    check(nbits_model(96, 40, m, 32, zero), "ms_matmul_nbits")


# ---- by whet ----

GLYPHS = pathlib.Path(__file__).resolve().parents[1] / "data/glyphs"


def float_model(k=70, n=40):
    """Two products with weights in float, one of them transposed."""
    random = np.random.default_rng(k)
    constants = [numpy_helper.from_array(random.standard_normal((k, n)).astype(F) / 8, "w"),
                 numpy_helper.from_array(random.standard_normal((9, n)).astype(F) / 6, "v"),
                 numpy_helper.from_array(random.standard_normal(9).astype(F), "b")]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
             helper.make_node("Gemm", ["h", "v", "b"], ["y"], name="second", transB=1)]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", 9])], constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 17)]).SerializeToString()


def ops(engine):
    return [layer["op"] for layer in engine.inspect()["layers"]]


def correlated(rows, k):
    random = np.random.default_rng(1)
    return (random.standard_normal((rows, 8)) @ random.standard_normal((8, k)) +
            0.1 * random.standard_normal((rows, k))).astype(F)


def test_int4_of_a_float_model():
    data, x = float_model(), correlated(400, 70)
    run = [whet.build(data, level=0, **kw).context().run({"x": x})["y"] for kw in (
        {}, {"precision": "int4"},
        {"precision": "int4", "calibration": [{"x": x[i:i + 50]} for i in range(0, 400, 50)]},
        {"options": {"int4": "true", "int4-group": "8"}})]
    loss = [np.linalg.norm(y - run[0]) / np.linalg.norm(run[0]) for y in run]
    assert 0.01 < loss[1] < 0.2
    assert loss[2] < 0.5 * loss[1]  # GPTQ
    assert loss[3] < 0.95 * loss[1]  # smaller groups


def test_int4_keeps_what_it_is_told_to():
    data = float_model()
    assert ops(whet.build(data, level=0, precision="int4")) == ["block_matmul"] * 2
    kept = whet.build(data, level=0, options={"int4": "true", "keep-float": "second"})
    assert ops(kept).count("block_matmul") == 1
    told = whet.build(data, level=0, precision="int4",
                      options={"layer-precisions": "first:int4,second:fp32"})
    assert ops(told).count("block_matmul") == 1
    with pytest.raises(whet.Error, match="multiple of 8"):
        whet.build(data, precision="int4", options={"int4-group": "12"})


def samples(name, n):
    data = np.load(GLYPHS / f"{name}.npz")
    images = (data["image"][:n].astype(F) / 255 - 0.45) / 0.3
    return np.ascontiguousarray(images[:, None]), data["label"][:n]


def test_int4_of_a_trained_model():
    """Weights take 0.16 of those in float, half a point of answers is lost at most."""
    images, labels = samples("glyph_test", 500)
    taught, _ = samples("glyph_calibration", 64)

    def right(engine):
        context = engine.context()
        return sum((context.run({"image": images[i:i + 100]})["logits"].argmax(1) ==
                    labels[i:i + 100]).mean() for i in range(0, 500, 100)) / 5

    path = GLYPHS / "glyph_vit.onnx"
    full = right(whet.build(path, level=0))
    for calibration in (None, [taught[i:i + 32] for i in range(0, 64, 32)]):
        engine = whet.build(path, level=0, portable="none", precision="int4",
                            calibration=calibration)
        assert right(engine) >= full - 0.005
        assert engine.inspect()["packed_bytes"] < 0.16 * 4 * 1882462


def test_quantized_model_is_what_the_engine_computes(tmp_path):
    path, x = tmp_path / "q.onnx", correlated(5, 70)
    whet.quantize(float_model(), path, options={"int4": "true"})
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    want = session.run(None, {"x": x})[0]
    for source in ({"model": path}, {"model": float_model(), "precision": "int4"}):
        got = whet.build(level=0, **source).context().run({"x": x})["y"]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
