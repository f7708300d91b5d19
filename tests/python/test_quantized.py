# SPDX-License-Identifier: Apache-2.0
"""Networks with QuantizeLinear and DequantizeLinear run on integers, as onnxruntime has it."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

F, U8, I8 = np.float32, np.uint8, np.int8
TYPES = {U8: TensorProto.UINT8, I8: TensorProto.INT8, F: TensorProto.FLOAT}


class Net:
    """A model under construction; methods return names."""

    def __init__(self, activations=U8, seed=0):
        self.rng = np.random.default_rng(seed)
        self.activations, self.nodes, self.constants = activations, [], []

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, op_type, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name=name, **attributes))
        return name

    def quantization(self, scale, zero=None):
        dtype = self.activations
        if zero is None:
            zero = 117 if dtype == U8 else 0
        return self.constant(F(scale)), self.constant(dtype(zero))

    def q(self, x, scale, zero=None):
        return self.op("QuantizeLinear", x, *self.quantization(scale, zero))

    def qdq(self, x, scale, zero=None):
        """x through 8 bits and back."""
        params = self.quantization(scale, zero)
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, *params), *params)

    def weights(self, shape, axis=0, dtype=I8):
        """Dequantized constants with a scale a channel."""
        n = shape[axis]
        info = np.iinfo(dtype)
        w = self.rng.integers(info.min, info.max + 1, shape).astype(dtype)
        scale = self.rng.uniform(0.5, 1.5, n).astype(F) / (40 * np.sqrt(np.prod(shape) / n))
        zero = np.full(n, 128 if dtype == U8 else 0, dtype)
        return self.op("DequantizeLinear", *map(self.constant, (w, scale.astype(F), zero)),
                       axis=axis)

    def bias(self, n):
        scale = np.full(n, 0.01, F)
        b = self.rng.integers(-100, 100, n).astype(np.int32)
        return self.op("DequantizeLinear", *map(self.constant, (b, scale, np.zeros(n, np.int32))),
                       axis=0)

    def conv(self, x, cin, cout, kernel=3, group=1, bias=True, dtype=I8, **attributes):
        inputs = [x, self.weights((cout, cin // group, kernel, kernel), dtype=dtype)]
        if bias:
            inputs.append(self.bias(cout))
        attributes.setdefault("pads", [kernel // 2] * 4)
        return self.op("Conv", *inputs, group=group, **attributes)

    def bytes(self, shapes, result, dtype=F):
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
        output = helper.make_tensor_value_info(result, TYPES[dtype], None)
        graph = helper.make_graph(self.nodes, "g", inputs, [output], self.constants)
        return helper.make_model(graph, ir_version=9, opset_imports=[
            helper.make_opsetid("", 17)]).SerializeToString()


def expected(model, feed):
    """What the float operators give, nothing fused."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


def ops_of(engine):
    return [layer["op"] for layer in engine.inspect()["layers"]]


def check(net, shapes, result, step, ops, absent=(), dtype=F, sizes=None, level=0, steps=1,
          seldom=0.02):
    """Results at most `steps` of size `step` off and seldom; `ops` among those that run."""
    model = net.bytes(shapes, result, dtype)
    engine = whet.build(model, level=level)
    have = ops_of(engine)
    for op in ops:
        assert op in have, have
    for op in absent:
        assert op not in have, have
    context = engine.context()
    for n in sizes or [None]:
        rng = np.random.default_rng(7)
        feed = {k: rng.standard_normal([n if isinstance(d, str) else d for d in s]).astype(F)
                for k, s in shapes.items()}
        want = expected(model, feed).astype(np.float64)
        got = next(iter(context.run(feed).values())).astype(np.float64)
        off = np.abs(got - want) / step
        assert off.max() <= steps + 1e-3, off.max()
        assert np.mean(off > 1e-3) < seldom


KINDS = pytest.mark.parametrize("kind", [U8, I8])
FLOATS = ("conv", "matmul", "relu", "add", "chain", "dequantize_linear")


@KINDS
@pytest.mark.parametrize("case", [
    {"cin": 3, "cout": 8, "kernel": 7, "strides": [2, 2]}, {"cin": 16, "cout": 20, "kernel": 1},
    {"cin": 16, "cout": 33, "kernel": 3}, {"cin": 12, "cout": 12, "kernel": 3, "group": 12},
    {"cin": 8, "cout": 6, "kernel": 3, "group": 2, "bias": False},
    {"cin": 4, "cout": 8, "kernel": 3, "dilations": [2, 2]},
    {"cin": 4, "cout": 8, "kernel": 3, "dtype": U8}])
def test_convolution(kind, case):
    net = Net(kind)
    y = net.q(net.conv(net.qdq("x", 0.03), **case), 0.02)
    check(net, {"x": ["n", case["cin"], 13, 11]}, y, 1, ["quant_conv"],
          FLOATS, kind, sizes=[1, 3])


@KINDS
def test_activations(kind):
    net = Net(kind)
    x = net.qdq("x", 0.03)
    a = net.op("Relu", net.conv(x, 4, 16))
    b = net.op("Clip", net.conv(net.qdq(a, 0.02, 3), 16, 16), net.constant(F(0)),
               net.constant(F(0.5)))
    c = net.op("Relu", net.qdq(net.conv(net.qdq(b, 0.003, 1), 16, 8), 0.002))
    check(net, {"x": [2, 4, 9, 9]}, net.q(c, 0.002, 0), 1, ["quant_conv"], FLOATS, kind, steps=3)


@KINDS
def test_residuals(kind):
    net = Net(kind)
    x = net.qdq(net.op("Relu", net.conv(net.qdq("x", 0.03), 4, 16)), 0.02, 2)
    y = net.qdq(net.conv(net.qdq(net.op("Relu", net.conv(x, 16, 16)), 0.01, 0), 16, 16), 0.02)
    x = net.qdq(net.op("Relu", net.op("Add", y, x)), 0.03, 0)
    y = net.qdq(net.conv(x, 16, 24), 0.02)
    z = net.qdq(net.conv(x, 16, 24, kernel=1), 0.03)
    s = net.op("Relu", net.qdq(net.op("Add", y, z), 0.04))
    # sums of multiples of 0.02 and 0.03 lie often between two steps of 0.04
    check(net, {"x": ["n", 4, 8, 8]}, net.op("Identity", s), 0.04, ["quant_conv"],
          ["conv", "add"], sizes=[2, 1], steps=2, seldom=0.1)


@KINDS
def test_pooling_and_classifier(kind):
    net = Net(kind)
    x = net.qdq(net.conv(net.qdq("x", 0.03), 3, 16, kernel=5, strides=[2, 2]), 0.02)
    x = net.qdq(net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 0.02)
    x = net.qdq(net.op("GlobalAveragePool", x), 0.01)
    x = net.qdq(net.op("Flatten", x), 0.01)
    w = net.weights((10, 16), axis=0)
    y = net.qdq(net.op("Gemm", x, w, net.bias(10), transB=1), 0.01)
    check(net, {"x": ["n", 3, 20, 20]}, y, 0.01, ["quant_conv", "max_pool", "quant_matmul"],
          ["conv", "matmul"], sizes=[1, 4], steps=2)


@KINDS
def test_products(kind):
    net = Net(kind)
    y = net.op("MatMul", net.qdq("x", 0.03), net.weights((24, 40), axis=1))
    y = net.qdq(net.op("Relu", y), 0.02, 0)
    y = net.op("MatMul", y, net.weights((40, 7), axis=1))
    check(net, {"x": ["n", 5, 24]}, y, 0.02, ["quant_matmul"], ["matmul"], sizes=[1, 6])


@pytest.mark.parametrize("kind,weights", [(U8, I8), (U8, U8), (I8, I8)])
def test_operator_form(kind, weights):
    """QLinearConv and QLinearMatMul, as the format QOperator has them."""
    net = Net(kind)
    limits = np.iinfo(weights)

    def constants(shape, axis):
        w = net.rng.integers(limits.min, limits.max + 1, shape).astype(weights)
        scale = net.rng.uniform(0.002, 0.004, shape[axis]).astype(F)
        zero = np.full(shape[axis], 128 if weights == U8 else 0, weights)
        return [net.constant(v) for v in (w, scale, zero)]

    sx, sy = net.quantization(0.03), net.quantization(0.02)
    bias = net.constant(net.rng.integers(-5000, 5000, 16).astype(np.int32))
    x = net.op("QLinearConv", net.op("QuantizeLinear", "x", *sx), *sx, *constants((16, 4, 3, 3), 0),
               *sy, bias, pads=[1, 1, 1, 1])
    y = net.op("QLinearMatMul", x, *sy, *constants((6, 9), 1), *net.quantization(0.01))
    check(net, {"x": ["n", 4, 6, 6]}, y, 1, ["quant_conv", "quant_matmul"],
          ["qlinear_conv", "qlinear_matmul"], kind, sizes=[1, 3])


def test_operator_form_of_what_has_no_integer_kernel():
    """Weights with another zero point: float between the same roundings; two computed operands:
    integers."""
    net = Net()
    sx, sy, sz = net.quantization(0.03), net.quantization(0.02), net.quantization(0.05)
    w = net.rng.integers(0, 256, (16, 4, 3, 3)).astype(U8)
    scale = net.rng.uniform(0.002, 0.004, 16).astype(F)
    zero = net.rng.integers(100, 140, 16).astype(U8)
    bias = net.constant(net.rng.integers(-5000, 5000, 16).astype(np.int32))
    q = net.op("QuantizeLinear", "x", *sx)
    y = net.op("QLinearConv", q, *sx, *map(net.constant, (w, scale, zero)), *sy, bias,
               pads=[1, 1, 1, 1])
    v = net.rng.integers(0, 256, (6, 9)).astype(U8)
    y = net.op("QLinearMatMul", y, *sy, net.constant(v), *net.quantization(0.01, 90), *sz)
    t = net.op("Transpose", y, perm=[0, 1, 3, 2])
    y = net.op("QLinearMatMul", y, *sz, t, *sz, *net.quantization(2.0))
    engine = whet.build(net.bytes({"x": [2, 4, 6, 6]}, y, U8), level=0)
    assert all(layer["kernel"] != "reference" for layer in engine.inspect()["layers"])
    check(net, {"x": ["n", 4, 6, 6]}, y, 1, ["quant_matmul", "conv", "matmul"],
          ["qlinear_conv", "qlinear_matmul"], U8, sizes=[1, 3], seldom=0.05)


def test_tuned():
    net = Net()
    x = net.qdq(net.op("Relu", net.conv(net.qdq("x", 0.03), 3, 16)), 0.02, 0)
    y = net.q(net.conv(x, 16, 16), 0.02)
    check(net, {"x": [1, 3, 12, 12]}, y, 1, ["quant_conv"], ["conv"], U8, level=2)


def test_float_island():
    """What has no integer form is computed in float between the same roundings."""
    net = Net()
    x = net.qdq("x", 0.03)
    y = net.qdq(net.op("Softplus", x), 0.02)
    w = net.weights((6, 4, 2, 2, 2))
    y = net.op("Conv", net.op("Unsqueeze", y, net.constant(np.array([4]))),
               net.op("Identity", w), pads=[0, 0, 0, 0, 0, 1])
    check(net, {"x": [1, 4, 5, 5]}, net.q(y, 0.02), 1, ["conv"], ["quant_conv"], U8)


def test_shared_scales_stay():
    """A value that is used in float too is not rounded away."""
    net = Net()
    x = net.conv(net.qdq("x", 0.03), 4, 8)
    y = net.op("Add", net.qdq(x, 0.02), net.op("Sigmoid", x))
    check(net, {"x": [1, 4, 6, 6]}, y, 0.02, ["quant_conv"])


@pytest.mark.parametrize("mask", ["scalar", "avx2", "native"])
def test_processors(mask, tmp_path):
    net = Net(seed=3)
    x = net.qdq(net.op("Relu", net.conv(net.qdq("x", 0.03), 3, 20)), 0.02, 0)
    y = net.q(net.conv(x, 20, 16), 0.02)
    model = net.bytes({"x": [1, 3, 12, 12]}, y, U8)
    feed = {"x": np.random.default_rng(1).standard_normal((1, 3, 12, 12)).astype(F)}
    off = "" if mask == "native" else "*_avx512*" if mask == "avx2" else "*_avx512*,*_avx2*"
    engine = whet.build(model, level=0, options={"disable-kernels": off} if off else None)
    got = next(iter(engine.context().run(feed).values())).astype(int)
    assert np.abs(got - expected(model, feed)).max() <= 1


@KINDS
def test_pointwise_chains(kind):
    """Steps of 8 bits inside a chain stay, numbers of 8 bits go in and come out."""
    net = Net(kind)
    x = net.qdq(net.conv(net.qdq("x", 0.03), 4, 24), 0.02)
    scale = net.constant(net.rng.uniform(0.5, 1.5, (24, 1, 1)).astype(F))
    shift = net.constant(net.rng.uniform(-1, 1, (24, 1, 1)).astype(F))
    y = net.qdq(net.op("Mul", x, scale), 0.025)
    y = net.qdq(net.op("Add", y, shift), 0.03)
    y = net.qdq(net.op("HardSwish", y), 0.022)
    y = net.q(net.conv(net.qdq(net.op("Add", x, y), 0.04), 24, 16, kernel=1), 0.03)
    check(net, {"x": ["n", 4, 9, 7]}, y, 1, ["quant_conv", "pointwise"],
          ["conv", "dequantize_linear"], kind, sizes=[1, 2], steps=2, seldom=0.05)


@KINDS
def test_concatenation(kind):
    """Parts are quantized as the whole is, in the convolution where there is one."""
    net = Net(kind)
    x = net.qdq(net.conv(net.qdq("x", 0.03), 4, 24), 0.02)
    y = net.qdq(net.conv(x, 24, 8), 0.015)
    z = net.qdq(net.op("Concat", x, y, axis=1), 0.025)
    y = net.q(net.conv(z, 32, 16), 0.03)
    check(net, {"x": ["n", 4, 9, 7]}, y, 1, ["quant_conv", "concat"], ["conv", "add"], kind,
          sizes=[1, 2], steps=2, seldom=0.05)


@pytest.mark.parametrize("kind,zero", [(U8, 117), (U8, 128), (I8, 0), (I8, 5)])
@pytest.mark.parametrize("transposed", [False, True])
def test_attention(kind, zero, transposed):
    """Products of computed operands."""
    net = Net(kind)
    q = net.qdq("q", 0.03, zero)
    k = net.qdq("k", 0.025, zero)
    if transposed:
        k = net.qdq(net.op("Transpose", k, perm=[0, 1, 3, 2]), 0.025, zero)
    s = net.qdq(net.op("MatMul", q, k), 0.3, zero)
    s = net.qdq(net.op("Div", s, net.constant(F(4))), 0.1, zero)
    s = net.qdq(net.op("Softmax", s), 1 / 128)
    y = net.q(net.op("MatMul", s, net.qdq("v", 0.03, zero)), 0.01)
    keys = [2, 3, 9, 20] if transposed else [2, 3, 20, 9]
    check(net, {"q": [2, 3, 6, 20], "k": keys, "v": [2, 3, 9, 10]}, y, 1,
          ["quant_matmul", "softmax"], ["matmul"], kind, steps=3, seldom=0.1)


@KINDS
def test_rounding_moves_to_what_computes(kind):
    """Q/DQ in front of convolutions only, as TensorRT's toolkit places it: rounding goes past
    pooling, concatenation and moves into the convolution before."""
    net = Net(kind)
    x = net.op("Relu", net.conv(net.qdq("x", 0.03), 4, 16))
    x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.qdq(x, 0.02, 0)
    y = net.op("Concat", net.conv(x, 16, 8), net.conv(x, 16, 24), axis=1)
    y = net.op("DepthToSpace", y, blocksize=2)
    y = net.op("Transpose", y, perm=[0, 1, 3, 2])
    z = net.q(net.conv(net.qdq(y, 0.03), 8, 8), 0.02)
    check(net, {"x": ["n", 4, 12, 8]}, z, 1, ["quant_conv", "max_pool", "concat"],
          [*FLOATS, "pointwise"], kind, sizes=[1, 2], steps=2, seldom=0.05)


@KINDS
def test_dequantizing_moves_behind_what_picks(kind):
    net = Net(kind)
    x = net.qdq("x", 0.03)
    y = net.op("Pad", x, net.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1])))
    y = net.op("Expand", y, net.constant(np.array([2, 1, 1, 1])))
    y = net.op("Tile", y, net.constant(np.array([1, 2, 1, 1])))
    y = net.op("Gather", y, net.constant(np.array([5, 0, 3, 1])), axis=1)
    y = net.op("Concat", y, y, axis=2)
    net.nodes.append(helper.make_node("Split", [y], ["s0", "s1"], name="split", axis=2))
    z = net.op("MatMul", net.op("Reshape", "s1", net.constant(np.array([0, 4, -1]))),
               net.weights((36, 8), axis=1))
    y = net.op("Concat", net.conv("s0", 4, 8), net.conv("s1", 4, 8), axis=1)
    y = net.op("Add", net.op("ReduceMean", y, axes=[1, 2, 3]), net.op("ReduceMean", z, axes=[1, 2]))
    check(net, {"x": [1, 4, 5, 5]}, y, 0.01, ["quant_conv", "quant_matmul", "pad"],
          ["conv", "matmul"])


@pytest.mark.parametrize("where", ["dequantized", "in float"])
def test_weights_behind_a_transpose(where):
    net = Net(U8)
    scale, zero = net.rng.uniform(0.002, 0.004, 40).astype(F), np.zeros(40, I8)
    w = net.rng.integers(-128, 128, (40, 24)).astype(I8)
    parameters = net.constant(scale), net.constant(zero)
    if where == "in float":
        w = net.op("QuantizeLinear", net.constant(w * scale[:, None]), *parameters, axis=0)
    else:
        w = net.constant(w)
    w = net.op("Transpose", net.op("DequantizeLinear", w, *parameters, axis=0), perm=[1, 0])
    y = net.qdq(net.op("MatMul", net.qdq("x", 0.03), w), 0.02)
    check(net, {"x": ["n", 5, 24]}, y, 0.02, ["quant_matmul"], ["matmul"], sizes=[1, 6])


def test_a_table_of_bytes_stays_one():
    net = Net(I8)
    table = net.constant(net.rng.integers(-128, 128, (5000, 16)).astype(I8))
    rows = net.op("Cast", "x", to=TensorProto.INT64)
    rows = net.op("Gather", net.op("DequantizeLinear", table, *net.quantization(0.02)), rows)
    model = net.bytes({"x": [3, 7]}, rows)
    engine = whet.build(model, level=0)
    feed = {"x": np.arange(21, dtype=F).reshape(3, 7) * 200}
    assert np.array_equal(engine.context().run(feed)[rows], expected(model, feed))
    assert len(engine.serialize()) < 3 * 5000 * 16  # in float a part of it alone would be 4


def test_scales_of_blocks_and_channels_of_activations():
    """8 bits with a scale a block of weights, or a channel of activations: in float, as stated."""
    rng = np.random.default_rng(0)
    w = rng.integers(-128, 128, (32, 8)).astype(I8)
    blocks = rng.uniform(0.001, 0.002, (2, 8)).astype(F)
    steps, zeros = rng.uniform(0.02, 0.04, 32).astype(F), np.full(32, 120, U8)
    nodes = [helper.make_node("DequantizeLinear", ["w", "blocks"], ["f"], axis=0, block_size=16),
             helper.make_node("QuantizeLinear", ["x", "steps", "zeros"], ["q"], axis=1),
             helper.make_node("DequantizeLinear", ["q", "steps", "zeros"], ["d"], axis=1),
             helper.make_node("MatMul", ["d", "f"], ["y"])]
    constants = {"w": w, "blocks": blocks, "steps": steps, "zeros": zeros}
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 8])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])
    feed = {"x": rng.normal(size=(4, 32)).astype(F)}
    model = model.SerializeToString()
    got = whet.build(model, level=0).context().run(feed)["y"]
    assert np.allclose(got, expected(model, feed), rtol=1e-4, atol=1e-5)
