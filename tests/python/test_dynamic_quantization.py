# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime's quantize_dynamic writes runs in kernels, with its results."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import whet

F = np.float32


def model_of(nodes, constants, shape):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(F), k) for k, v in constants.items()])
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])


def mlp():
    """Two products that share their input, a bias each, and one behind an activation."""
    rng = np.random.default_rng(1)
    constants = {name: rng.standard_normal(shape) * 0.2 for name, shape in {
        "a": (33, 40), "b": (33, 40), "c": (40, 9), "u": (40,), "v": (40,), "w": (9,)}.items()}
    node = helper.make_node
    return model_of([
        node("MatMul", ["x", "a"], ["xa"]), node("Add", ["xa", "u"], ["l"]),
        node("MatMul", ["x", "b"], ["xb"]), node("Add", ["v", "xb"], ["r"]),
        node("Relu", ["l"], ["lr"]), node("Mul", ["lr", "r"], ["m"]),
        node("MatMul", ["m", "c"], ["mc"]), node("Add", ["mc", "w"], ["y"])],
        constants, ["n", 7, 33])


def conv_net():
    rng = np.random.default_rng(2)
    constants = {name: rng.standard_normal(shape) * 0.2 for name, shape in {
        "a": (24, 3, 3, 3), "b": (24, 1, 3, 3), "c": (10, 24, 1, 1), "u": (24,), "w": (10,)}
        .items()}
    node = helper.make_node
    return model_of([
        node("Conv", ["x", "a", "u"], ["1"], pads=[1] * 4, strides=[2, 2]),
        node("Relu", ["1"], ["2"]),
        node("Conv", ["2", "b"], ["3"], pads=[1] * 4, group=24),
        node("Conv", ["3", "c", "w"], ["y"])],
        constants, ["n", 3, 14, 14])


def quantized(model, tmp_path, **options):
    path = tmp_path / "q.onnx"
    onnx.save(model, tmp_path / "f.onnx")
    quantize_dynamic(tmp_path / "f.onnx", path, op_types_to_quantize=["MatMul", "Conv"], **options)
    return path


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("weights", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize("make,shape", [(mlp, (3, 7, 33)), (conv_net, (2, 3, 14, 14))])
def test_against_onnxruntime(make, shape, weights, per_channel, tmp_path):
    path = quantized(make(), tmp_path, weight_type=weights, per_channel=per_channel)
    x = np.random.default_rng(0).standard_normal(shape, F)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    want = session.run(None, {"x": x})[0]
    engine = whet.build(path, level=0)
    layers = engine.inspect()["layers"]
    assert all(layer["kernel"] != "reference" for layer in layers), layers
    ops = [layer["op"] for layer in layers]
    assert "dynamic_quantize_linear" in ops
    if weights == QuantType.QInt8:
        assert ops.count("quant_matmul") + ops.count("quant_conv") == 3
    got = engine.context().run({"x": x})["y"]
    assert got.shape == want.shape
    off = np.abs(got - want) / np.abs(want).max()
    # where a scale's last bit decides, a number in between is a step off
    assert np.mean(off > 1e-4) < 0.01 and off.max() < 0.02


def test_both_computed():
    """A product of two dynamically quantized operands, as models with attention have it."""
    node = helper.make_node
    nodes = [node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
             node("Transpose", ["q"], ["t"], perm=[0, 2, 1]),
             node("MatMulInteger", ["q", "t", "z", "z"], ["i"]),
             node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
             node("Mul", ["s", "s"], ["ss"]), node("Mul", ["ss", "f"], ["y"])]
    model = model_of(nodes, {}, ["n", 5, 24]).SerializeToString()
    x = np.random.default_rng(0).standard_normal((2, 5, 24), F)
    want = onnxruntime.InferenceSession(
        model, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    engine = whet.build(model, level=0)
    assert "quant_matmul" in [layer["op"] for layer in engine.inspect()["layers"]]
    got = engine.context().run({"x": x})["y"]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)
