# SPDX-License-Identifier: Apache-2.0
"""The table of docs/network.md: each layer of other network APIs is made by hand, built, run and
compared with numpy or onnxruntime."""

import math
import pathlib
import re
import tempfile

import numpy as np
import onnx
import onnx.helper
import onnxruntime
import pytest

import whet

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs/network.md"
RNG = np.random.default_rng(7)
F = np.float32


def floats(*shape):
    return RNG.standard_normal(shape).astype(F)


def run(make, **inputs):
    """Outputs of the network that make(net, **values) returns, inputs with dynamic first
    dimensions."""
    net = whet.Network()
    values = {}
    for name, array in inputs.items():
        shape = ("n_" + name,) + array.shape[1:] if array.ndim else ()
        values[name] = net.input(name, array.dtype, shape)
    made = make(net, **values)
    made = made if isinstance(made, (list, tuple)) else [made]
    for i, value in enumerate(made):
        net.output(value, f"y{i}")
    result = net.build(level=0).context().run(inputs)
    written_is_the_same(net, inputs, result)
    return [result[f"y{i}"] for i in range(len(made))]


def written_is_the_same(net, inputs, result):
    """Writes the network as ONNX, reads that and runs it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "m.onnx"
        net.save_onnx(path)
        again = whet.Network(path).build(level=0).context().run(inputs)
    for name, array in result.items():
        np.testing.assert_array_equal(again[name], array)


def ort(op, inputs, outputs=1, opset=21, **attributes):
    """What onnxruntime says."""
    names = [f"i{k}" if v is not None else "" for k, v in enumerate(inputs)]
    given = {n: v for n, v in zip(names, inputs) if n}
    node = onnx.helper.make_node(op, names, [f"o{k}" for k in range(outputs)], **attributes)
    info = [onnx.helper.make_tensor_value_info(
        n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in given.items()]
    out = [onnx.helper.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", info, out), ir_version=10,
                                   opset_imports=[onnx.helper.make_opsetid("", opset)])
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    return session.run(None, given)


def same(made, wanted):
    wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    for a, b in zip(made, wanted, strict=True):
        b = np.asarray(b)
        assert a.shape == b.shape
        if b.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
        else:
            np.testing.assert_array_equal(a, b)


LAYERS = {}


def layer(name):
    """A check of one row of the table."""
    def keep(check):
        LAYERS.setdefault(name, []).append(check)
        return check
    return keep


@layer("IConvolutionLayer")
def convolution():
    x, w, b = floats(2, 4, 9, 8), floats(6, 2, 3, 3), floats(6)
    same(run(lambda n, x: n.convolution(x, w, b, stride=2, padding=[1, 0], post_padding=[0, 1],
                                        groups=2), x=x),
         ort("Conv", [x, w, b], strides=[2, 2], pads=[1, 0, 0, 1], group=2))
    x, w = floats(1, 2, 5, 6, 7), floats(3, 2, 2, 2, 2)
    same(run(lambda n, x: n.conv(x, w, stride=2, auto_pad="SAME_UPPER"), x=x),
         ort("Conv", [x, w], strides=[2, 2, 2], auto_pad="SAME_UPPER"))


@layer("IDeconvolutionLayer")
def deconvolution():
    x, w = floats(2, 4, 5, 6), floats(4, 3, 3, 3)
    same(run(lambda n, x: n.deconvolution(x, w, stride=2, padding=1), x=x),
         ort("ConvTranspose", [x, w], strides=[2, 2], pads=[1, 1, 1, 1]))


def erf(x):
    return np.vectorize(math.erf, otypes=[F])(x)


@layer("IActivationLayer")
def activation():
    x = floats(3, 50) * 2
    wanted = {
        ("relu",): np.maximum(x, 0), ("sigmoid",): 1 / (1 + np.exp(-x)), ("tanh",): np.tanh(x),
        ("leaky_relu", 0.2): np.where(x > 0, x, 0.2 * x),
        ("elu", 0.7): np.where(x > 0, x, 0.7 * (np.exp(x) - 1)),
        ("selu", 1.5, 1.1): 1.1 * np.where(x > 0, x, 1.5 * (np.exp(x) - 1)),
        ("softsign",): x / (1 + np.abs(x)), ("softplus",): np.log1p(np.exp(x)),
        ("clip", -0.5, 0.7): np.clip(x, -0.5, 0.7),
        ("hard_sigmoid", 0.3, 0.4): np.clip(0.3 * x + 0.4, 0, 1),
        ("scaled_tanh", 1.7, 0.6): 1.7 * np.tanh(0.6 * x),
        ("thresholded_relu", 0.8): np.where(x > 0.8, x, 0),
        ("gelu_erf",): x / 2 * (1 + erf(x / math.sqrt(2))),
        ("gelu_tanh",): x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
    }
    same(run(lambda n, x: [n.activation(x, *k) for k in wanted], x=x), list(wanted.values()))


@layer("IPoolingLayer")
def pooling():
    x = floats(2, 3, 9, 8)
    kwargs = {"stride": 2, "padding": 1}
    top = ort("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])[0]
    mean = {p: ort("AveragePool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
                   count_include_pad=p)[0] for p in (0, 1)}
    same(run(lambda n, x: [n.pooling(x, "max", 3, **kwargs), n.pooling(x, "average", 3, **kwargs),
                           n.pooling(x, "average", 3, count_exclude_padding=False, **kwargs),
                           n.pooling(x, "max_average_blend", 3, blend=0.3, **kwargs)], x=x),
         [top, mean[0], mean[1], 0.7 * top + 0.3 * mean[0]])


@layer("ILRNLayer")
def lrn():
    x = floats(2, 7, 3, 3)
    same(run(lambda n, x: n.lrn(x, 5, 2e-3, 0.6, 1.5), x=x),
         ort("LRN", [x], size=5, alpha=2e-3, beta=0.6, bias=1.5))


@layer("IScaleLayer")
def scale():
    x, s = np.abs(floats(2, 3, 4, 4)) + 1, np.abs(floats(3)) + 1
    column = s.reshape(3, 1, 1)
    same(run(lambda n, x: [n.scale(x, 0.5, 2.0, 1.5), n.scale(x, s, s, None),
                           n.scale(x, scale=x_scale)], x=x),
         [(x * 2 + 0.5) ** 1.5, x * column + column, x * x_scale])


x_scale = floats(3, 4, 4)


@layer("ISoftMaxLayer")
def softmax():
    x = floats(2, 3, 4)
    e = np.exp(x)
    same(run(lambda n, x: [n.softmax(x, 1), n.softmax(x, (1, 2))], x=x),
         [e / e.sum(1, keepdims=True), e / e.sum((1, 2), keepdims=True)])


@layer("IRaggedSoftMaxLayer")
def ragged_softmax():
    x, bounds = floats(2, 3, 5), np.array([[[1], [3], [5]], [[2], [4], [5]]], np.int32)
    e = np.where(np.arange(5) < bounds, np.exp(x), 0)
    same(run(lambda n, x, b: n.ragged_softmax(x, b), x=x, b=bounds), e / e.sum(2, keepdims=True))


@layer("IConcatenationLayer")
def concatenation():
    a, b = floats(2, 3), floats(2, 5)
    net = whet.Network()
    x, y = net.input("a", F, (2, 3)), net.input("b", F, (2, 5))
    net.output(net.concatenation(x, y, axis=1), "y")
    same([net.build(level=0).context().run({"a": a, "b": b})["y"]], np.concatenate([a, b], 1))


@layer("IElementWiseLayer")
def elementwise():
    a, b = floats(2, 5), floats(5)
    pairs = {"sum": a + b, "prod": a * b, "max": np.maximum(a, b), "min": np.minimum(a, b),
             "sub": a - b, "div": a / b, "floor_div": np.floor(a / b), "greater": a > b,
             "less": a < b, "equal": a == b}
    same(run(lambda n, a: [n.elementwise(a, b, k) for k in pairs], a=a), list(pairs.values()))
    same(run(lambda n, a: n.elementwise(n.abs(a), b, "pow"), a=a), np.abs(a) ** b)
    i = np.array([[7, -7, 8]])
    same(run(lambda n, i: n.elementwise(i, np.array([2, 2, -3]), "floor_div"), i=i),
         i // np.array([2, 2, -3]))
    p, q = np.array([[True, True, False]]), np.array([True, False, False])
    same(run(lambda n, p: [n.elementwise(p, q, k) for k in ("and", "or", "xor")], p=p),
         [p & q, p | q, p ^ q])


@layer("IUnaryLayer")
def unary():
    x = (np.abs(floats(2, 20)) % 0.9 + 0.05).astype(F)
    kinds = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "recip": np.reciprocal, "abs": np.abs,
             "neg": np.negative, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
             "cosh": np.cosh, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
             "asinh": np.arcsinh, "atanh": np.arctanh, "ceil": np.ceil, "floor": np.floor,
             "erf": erf, "sign": np.sign, "round": np.round, "isinf": np.isinf, "isnan": np.isnan}
    same(run(lambda n, x: [n.unary(x, k) for k in kinds], x=x), [f(x) for f in kinds.values()])
    same(run(lambda n, x: n.unary(x, "acosh"), x=x + 1), np.arccosh(x + 1))
    same(run(lambda n, x: n.unary(x, "not"), x=x > 0.5), ~(x > 0.5))


@layer("IReduceLayer")
def reduce():
    x = floats(2, 3, 4)
    kinds = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "avg": np.mean}
    same(run(lambda n, x: [n.reduce(x, k, (0, 2), True) for k in kinds], x=x),
         [f(x, (0, 2), keepdims=True) for f in kinds.values()])
    same(run(lambda n, x: n.reduce(x, "sum", 1), x=x), x.sum(1))


@layer("ITopKLayer")
def topk():
    x = floats(2, 9)
    order = np.argsort(-x, 1)[:, :4]
    same(run(lambda n, x: n.topk(x, 4), x=x), [np.take_along_axis(x, order, 1), order])
    order = np.argsort(x, 1)[:, :2]
    same(run(lambda n, x, k: n.topk(x, k, 1, largest=False), x=x, k=np.array([2])),
         [np.take_along_axis(x, order, 1), order])


@layer("IGatherLayer")
def gather():
    x, i = floats(4, 5), np.array([[2, 0], [1, 1]])
    same(run(lambda n, x, i: n.gather(x, i, 1), x=x, i=i), x[:, i])
    e = np.array([[1, 0, 3, 2, 1]])
    same(run(lambda n, x, e: n.gather(x, e, 0, mode="element"), x=x, e=e),
         np.take_along_axis(x, e, 0))
    same(run(lambda n, x, i: n.gather(x, i, mode="nd"), x=x, i=i), x[i[:, 0], i[:, 1]])
    b = np.array([[1], [2], [0], [4]])
    same(run(lambda n, x, b: n.gather(x, b, mode="nd", batch_dims=1), x=x, b=b),
         x[np.arange(4), b[:, 0]])


@layer("IScatterLayer")
def scatter():
    x, e, u = floats(3, 4), np.array([[1, 0, 2, 2]]), floats(1, 4)
    wanted = x.copy()
    np.put_along_axis(wanted, e, u, 0)
    same(run(lambda n, x, e, u: n.scatter(x, e, u, 0), x=x, e=e, u=u), wanted)
    i, v = np.array([[2], [0]]), floats(2, 4)
    wanted = x.copy()
    wanted[i[:, 0]] = v
    same(run(lambda n, x, i, v: n.scatter(x, i, v, mode="nd"), x=x, i=i, v=v), wanted)


@layer("IMatrixMultiplyLayer")
def matmul():
    a, b, v = floats(2, 3, 4), floats(2, 5, 4), floats(2, 3)
    same(run(lambda n, a, b, v: [n.matmul(a, b, b_op="transpose"),
                                 n.matmul(v, a, a_op="vector"),
                                 a @ n.transpose(b, 0, 2, 1)], a=a, b=b, v=v),
         [a @ b.swapaxes(1, 2), np.einsum("bi,bij->bj", v, a), a @ b.swapaxes(1, 2)])


@layer("IEinsumLayer")
def einsum():
    a, b = floats(2, 3, 4), floats(2, 4, 5)
    same(run(lambda n, a, b: n.einsum("bij,bjk->bki", a, b), a=a, b=b),
         np.einsum("bij,bjk->bki", a, b))


@layer("IConstantLayer")
def constant():
    x, c = floats(2, 3), floats(3)
    same(run(lambda n, x: x + n.constant(c, name="c"), x=x), x + c)


@layer("IIdentityLayer")
def identity():
    x = floats(2, 3)
    same(run(lambda n, x: n.identity(x), x=x), x)


@layer("ICastLayer")
def cast():
    x = floats(2, 30) * 10
    same(run(lambda n, x: [n.cast(x, np.int32), n.cast(x, np.float16), n.cast(x, bool)], x=x),
         [x.astype(np.int32), x.astype(np.float16), x.astype(bool)])


@layer("IShuffleLayer")
def shuffle():
    x = floats(2, 3, 4)
    same(run(lambda n, x: n.shuffle(x, (0, 2, 1), (0, 2, -1), (2, 0, 1)), x=x),
         x.transpose(0, 2, 1).reshape(2, 2, -1).transpose(2, 0, 1))
    same(run(lambda n, x, s: n.shuffle(x, reshape=s), x=x, s=np.array([4, 6])), x.reshape(4, 6))


@layer("ISliceLayer")
def slices():
    x = floats(4, 6)
    at = np.arange(10) - 3
    same(run(lambda n, x: [
        n.slice(x, [1, 4], [2, 3], [2, -2]), x[1:, ::-1], x[..., 2], x[:, None, -1],
        n.slice(x, [-3], [10], axes=[1], mode="wrap"),
        n.slice(x, [-3], [10], axes=[1], mode="clamp"),
        n.slice(x, [-3], [10], axes=[0], mode="reflect"),
        n.slice(x, [-1, -3], [3, 10], mode="fill", fill=9)], x=x),
        [x[1:4:2, [4, 2, 0]], x[1:, ::-1], x[..., 2], x[:, None, -1], x[:, at % 6],
         x[:, np.clip(at, 0, 5)],
         x[np.minimum(at % 6, 6 - at % 6)],
         np.pad(x, [(1, 4), (3, 4)], constant_values=9)[:3, :10]])


@layer("IPaddingLayer")
def padding():
    x = floats(1, 2, 3, 4)
    same(run(lambda n, x: [n.padding(x, (1, 0), (2, 3), 0.5), n.padding(x, (-1, 0), (0, -2))], x=x),
         [np.pad(x, [(0, 0), (0, 0), (1, 2), (0, 3)], constant_values=0.5), x[:, :, 1:, :2]])


@layer("IShapeLayer")
def shape():
    x = floats(2, 3, 4)
    same(run(lambda n, x: n.shape(x), x=x), np.array([2, 3, 4]))


@layer("ISqueezeLayer")
def squeeze():
    x = floats(2, 1, 3, 1)
    same(run(lambda n, x: n.squeeze(x, (1, -1)), x=x), x.squeeze((1, -1)))


@layer("IUnsqueezeLayer")
def unsqueeze():
    x = floats(2, 3)
    same(run(lambda n, x: n.unsqueeze(x, (0, -1)), x=x), x[None, ..., None])


@layer("IResizeLayer")
def resize():
    x, s = floats(1, 2, 5, 6), np.array([1, 1, 2, 1.5], F)
    for mode in ("nearest", "linear", "cubic"):
        for transform in ("half_pixel", "asymmetric", "align_corners"):
            same(run(lambda n, x: n.resize(x, scales=s, mode=mode, transform=transform), x=x),
                 ort("Resize", [x, None, s], mode=mode, nearest_mode="floor",
                     coordinate_transformation_mode=transform))
    same(run(lambda n, x, z: n.resize(x, size=z), x=x, z=np.array([1, 2, 7, 3])),
         ort("Resize", [x, None, None, np.array([1, 2, 7, 3])], nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"))


@layer("IGridSampleLayer")
def grid_sample():
    x, g = floats(1, 2, 5, 6), np.clip(floats(1, 3, 4, 2), -1.2, 1.2)
    for mode in ("linear", "nearest", "cubic"):
        kwargs = {"mode": mode, "padding_mode": "border", "align_corners": 1}
        same(run(lambda n, x, g: n.grid_sample(x, g, **kwargs), x=x, g=g),
             ort("GridSample", [x, g], **kwargs))


@layer("IParametricReLULayer")
def parametric_relu():
    x, s = floats(2, 3, 4), floats(3, 1)
    same(run(lambda n, x: n.parametric_relu(x, s), x=x), np.where(x > 0, x, s * x))


@layer("ISelectLayer")
def select():
    a, b = floats(2, 3), floats(2, 3)
    same(run(lambda n, a, b: n.select(a > b, a, b), a=a, b=b), np.where(a > b, a, b))


@layer("IFillLayer")
def fill():
    made = run(lambda n, x: [
        n.fill((3, 4), "linspace", 5, [10, 2]), n.fill((4,), "linspace", 0.5, [0.25]),
        n.fill((x.network.shape(x)[0],), "linspace", 1, [3]),
        n.fill((40, 50), "random_uniform", 2.0, 3.0, seed=1),
        n.fill((40, 50), "random_normal", 5.0, 2.0, seed=1)], x=floats(3, 1))
    same(made[:3], [5 + 10 * np.arange(3)[:, None] + 2 * np.arange(4),
                    (0.5 + 0.25 * np.arange(4)).astype(F), 1 + 3 * np.arange(3)])
    assert made[3].min() >= 2 and made[3].max() < 3 and abs(made[3].mean() - 2.5) < 0.05
    assert abs(made[4].mean() - 5) < 0.3 and abs(made[4].std() - 2) < 0.2


@layer("IOneHotLayer")
def one_hot():
    i = np.array([[1, 3], [0, 2]])
    same(run(lambda n, i: n.one_hot(i, np.array([-1, 2], F), 4), i=i),
         np.where(np.eye(4)[i] == 1, 2, -1).astype(F))


@layer("INonZeroLayer")
def non_zero():
    x = np.array([[0, 1, 0], [2, 0, 3]], F)
    same(run(lambda n, x: n.non_zero(x), x=x), np.array(np.nonzero(x)))


@layer("INMSLayer")
def nms():
    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3]]], F)
    scores = np.array([[[0.9, 0.8, 0.7]]], F)
    same(run(lambda n, b, s: n.nms(b, s, 3, 0.5, 0.1), b=boxes, s=scores),
         np.array([[0, 0, 0], [0, 0, 2]]))


@layer("IReverseSequenceLayer")
def reverse_sequence():
    x, lengths = floats(4, 3), np.array([2, 4, 1])
    wanted = x.copy()
    for column, n in enumerate(lengths):
        wanted[:n, column] = x[:n, column][::-1]
    same(run(lambda n, x, l: n.reverse_sequence(x, l, batch_axis=1, time_axis=0), x=x, l=lengths),
         wanted)


@layer("INormalizationLayer")
def normalization():
    x, s, b = floats(2, 4, 5, 5), floats(1, 4, 1, 1), floats(1, 4, 1, 1)

    def normal(v, axes):
        return (v - v.mean(axes, keepdims=True)) / np.sqrt(v.var(axes, keepdims=True) + 1e-5)

    grouped = normal(x.reshape(2, 2, 2, 5, 5), (2, 3, 4)).reshape(x.shape)
    same(run(lambda n, x: [n.normalization(x, s, b, (2, 3)), n.normalization(x, s, b, (1, 2, 3)),
                           n.normalization(x, s, b, (2, 3), groups=2)], x=x),
         [normal(x, (2, 3)) * s + b, normal(x, (1, 2, 3)) * s + b, grouped * s + b])


@layer("ICumulativeLayer")
def cumulative():
    x = floats(2, 5)
    same(run(lambda n, x: [n.cumulative(x, 1), n.cumulative(x, 1, exclusive=True, reverse=True)],
             x=x), [x.cumsum(1), x[:, ::-1].cumsum(1)[:, ::-1] - x])


@layer("IQuantizeLayer")
def quantize():
    x, s = floats(2, 3, 4), np.array([0.1, 0.05, 0.2], F)
    wanted = np.clip(np.round(x / s[:, None]), -128, 127).astype(np.int8)
    same(run(lambda n, x: [n.quantize(x, s), n.quantize(x, s[:1], np.array([3], np.uint8))], x=x),
         [wanted, np.clip(np.round(x / s[0]) + 3, 0, 255).astype(np.uint8)])


@layer("IDequantizeLayer")
def dequantize():
    q, s = RNG.integers(-128, 128, (2, 3, 4), np.int8), np.array([0.1, 0.05, 0.2], F)
    same(run(lambda n, q: n.dequantize(q, s), q=q), q * s[:, None])
    b = np.abs(floats(2, 3, 2))
    same(run(lambda n, q, b: n.dequantize(q, b, axis=2, block_size=2), q=q, b=b),
         q * b.repeat(2, 2))


@layer("IDynamicQuantizeLayer")
def dynamic_quantize():
    x = floats(2, 8)
    scales = np.abs(x.reshape(2, 2, 4)).max(2) / 127
    same(run(lambda n, x: n.dynamic_quantize(x, 1, 4), x=x),
         [np.round(x / scales.repeat(4, 1)).astype(np.int8), scales])


@layer("IAttention")
def attention():
    q, k, v, mask = floats(2, 3, 4, 8), floats(2, 3, 5, 8), floats(2, 3, 5, 8), floats(4, 5)

    def attend(bias):
        e = np.exp(q @ k.swapaxes(2, 3) * 0.3 + bias)
        return e / e.sum(3, keepdims=True) @ v

    upper = np.where(np.arange(5) <= np.arange(4)[:, None], 0, -np.inf).astype(F)
    same(run(lambda n, q, k, v, m: [n.attention(q, k, v, m, scale=0.3),
                                    n.attention(q, k, v, causal=True, scale=0.3)],
             q=q, k=k, v=v, m=mask), [attend(mask), attend(upper)])


@layer("IRotaryEmbeddingLayer")
def rotary_embedding():
    x, angle = floats(2, 3, 4, 8), floats(2, 4, 4)
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = x[..., :4], x[..., 4:]
    c, s = cos[:, None], sin[:, None]
    same(run(lambda n, x, c, s: n.rotary_embedding(x, c, s), x=x, c=cos, s=sin),
         np.concatenate([a * c - b * s, a * s + b * c], 3))


@layer("IKVCacheUpdateLayer")
def kv_cache_update():
    cache, new, at = floats(2, 3, 6, 4), floats(2, 3, 2, 4), np.array([1, 4])
    wanted = cache.copy()
    for i, p in enumerate(at):
        wanted[i, :, p:p + 2] = new[i]
    same(run(lambda n, c, u, i: n.kv_cache_update(c, u, i), c=cache, u=new, i=at), wanted)


@layer("IMoELayer")
def moe():
    x, gate, up, down = floats(5, 4), floats(3, 4, 6), floats(3, 4, 6), floats(3, 6, 4)
    experts = np.array([[0, 1], [2, 1], [1, 0], [2, 0], [0, 2]])
    scores = np.abs(floats(5, 2))
    wanted = np.zeros_like(x)
    for t in range(5):
        for e, s in zip(experts[t], scores[t]):
            h = x[t] @ gate[e]
            wanted[t] += s * ((h / (1 + np.exp(-h))) * (x[t] @ up[e]) @ down[e])
    same(run(lambda n, x, e, s: n.moe(x, e, s, gate, up, down), x=x, e=experts, s=scores), wanted)


@layer("IDistCollectiveLayer")
def dist_collective():
    x = floats(2, 3)
    same(run(lambda n, x: n.dist_collective(x, "all_reduce"), x=x), x)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    for check in LAYERS[name]:
        check()


def test_the_table_lists_what_is_tested():
    rows = re.findall(r"^\| (I\w+)", DOC.read_text(), re.M)
    elsewhere = {"ILoop", "IIfConditional", "IAssertionLayer", "IPluginV3Layer"}  # ..._flow.py
    assert sorted(rows) == sorted(elsewhere.union(LAYERS))
