# SPDX-License-Identifier: Apache-2.0
"""Quantized operators of the domain com.microsoft against onnxruntime."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

F, U8, I8 = np.float32, np.uint8, np.int8


def random(shape, dtype=F, seed=0):
    generator = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return generator.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return generator.integers(info.min, info.max + 1, shape).astype(dtype)


def q(seed, shape, dtype=U8, scale=0.02, zero=3):
    """Values, scale and zero point of a quantized tensor."""
    return [random(shape, dtype, seed), F(scale), np.array(zero, dtype)]


def packed(kind, shape, seed):
    """A tensor of random bytes of a type of 4 bits."""
    return helper.make_tensor("", kind, shape, random(int(np.prod(shape)) // 2, U8, seed).tobytes(),
                              raw=True)


def model_of(op_type, inputs, fed, outputs, attributes, domain):
    """One node; outputs are types, or None where the output is not wanted."""
    names = [f"i{i}" if v is not None else "" for i, v in enumerate(inputs)]
    results = [f"y{i}" if t else "" for i, t in enumerate(outputs)]
    node = helper.make_node(op_type, names, results, domain=domain)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    values, constants = [], []
    for i, (name, v) in enumerate(zip(names, inputs)):
        if v is None:
            continue
        if isinstance(v, TensorProto):
            v.name = name
            constants.append(v)
        elif i in fed:
            values.append(helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(v.dtype), [None] * v.ndim))
        else:
            constants.append(numpy_helper.from_array(np.asarray(v), name))
    graph = helper.make_graph(
        [node], "g", values,
        [helper.make_tensor_value_info(n, t, None) for n, t in zip(results, outputs) if t],
        constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]).SerializeToString()


def check(op_type, inputs, attributes=None, fed=(0,), outputs=(TensorProto.UINT8,), steps=1,
          rtol=1e-5, atol=1e-5, domain="com.microsoft"):
    """Integers may differ by `steps` here and there: onnxruntime rounds in between."""
    data = model_of(op_type, inputs, fed, outputs, attributes or {}, domain)
    feed = {f"i{i}": inputs[i] for i in fed}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    wanted = session.run(None, feed)
    made = whet.build(data, level=0, verify="off").context().run(feed)
    for want, got in zip(wanted, made.values(), strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        if np.issubdtype(want.dtype, np.integer):
            difference = np.abs(got.astype(np.int64) - want.astype(np.int64))
            assert difference.max(initial=0) <= steps
            assert np.count_nonzero(difference) <= want.size * 0.1 + 1
        else:
            np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def kind(dtype):
    return (helper.np_dtype_to_tensor_dtype(np.dtype(dtype)),)


# ---- element by element ----

@pytest.mark.parametrize("dtype", [U8, I8])
@pytest.mark.parametrize("op_type", ["QLinearAdd", "QLinearMul"])
def test_binary(op_type, dtype):
    inputs = q(1, (2, 3, 4), dtype) + q(2, (3, 1), dtype, 0.03, 5) + q(0, (), dtype, 0.05)[1:]
    check(op_type, inputs, fed=(0, 3), outputs=kind(dtype))


@pytest.mark.parametrize("dtype", [U8, I8])
def test_unary(dtype):
    check("QLinearSigmoid", q(1, (3, 5), dtype) + q(0, (), dtype, 1 / 256, 0)[1:],
          outputs=kind(dtype))
    check("QLinearLeakyRelu", q(1, (3, 5), dtype, 0.02, 100) + q(0, (), dtype, 0.01, 20)[1:],
          {"alpha": 0.1}, outputs=kind(dtype))


@pytest.mark.parametrize("opset,axis", [(13, -1), (13, 1), (12, 1), (12, -1), (12, 0)])
def test_softmax(opset, axis):
    check("QLinearSoftmax", q(1, (2, 3, 4), U8, 0.01) + q(0, (), U8, 1 / 256, 0)[1:],
          {"opset": opset, "axis": axis})


def test_where():
    x, y, scale = q(1, (3, 4)), q(2, (1, 4), U8, 0.03, 9), q(0, (), U8, 0.025)[1:]
    check("QLinearWhere", [random((3, 4)) > 0, *x, *y, *scale], fed=(0, 1, 4))


# ---- along axes ----

@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis):
    inputs = q(0, (), U8, 0.04, 7)[1:] + q(1, (2, 3)) + q(2, (2, 3), U8, 0.05, 1)
    check("QLinearConcat", inputs, {"axis": axis}, fed=(2, 5))


@pytest.mark.parametrize("keep", [0, 1])
def test_reduce_mean(keep):  # onnxruntime has the operator's schema, but no kernel
    inputs = q(1, (2, 3, 4)) + q(0, (), U8, 0.01)[1:]
    data = model_of("QLinearReduceMean", inputs, (0,), (TensorProto.UINT8,),
                    {"axes": [1, -1], "keepdims": keep}, "com.microsoft")
    got = whet.build(data, level=0, verify="off").context().run({"i0": inputs[0]})["y0"]
    mean = ((inputs[0] - F(3)) * F(0.02)).mean((1, 2), keepdims=bool(keep))
    np.testing.assert_array_equal(got, np.clip(np.rint(mean / F(0.01)) + 3, 0, 255))


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("dtype", [U8, I8])
def test_pools(dtype, last):
    shape = (2, 6, 5, 3) if last else (2, 3, 6, 5)
    inputs = q(1, shape, dtype) + q(0, (), dtype, 0.015, 1)[1:]
    check("QLinearGlobalAveragePool", inputs, {"channels_last": last}, outputs=kind(dtype))
    check("QLinearAveragePool", inputs,
          {"channels_last": last, "kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 1]},
          outputs=kind(dtype))


def test_nhwc_max_pool():
    check("NhwcMaxPool", [random((1, 7, 6, 3), I8)],
          {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}, outputs=kind(I8),
          steps=0)


@pytest.mark.parametrize("last", [0, 1])
def test_conv(last):
    inputs = q(1, (1, 6, 7, 4) if last else (1, 4, 6, 7)) + [
        random((8, 2, 3, 3), I8, 2), np.linspace(0.01, 0.02, 8, dtype=F), np.zeros(8, I8), F(0.5),
        U8(100), random(8, np.int8, 3).astype(np.int32)]
    check("QLinearConv", inputs, {"channels_last": last, "group": 2, "pads": [1, 1, 1, 1]})


# ---- products ----

@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("columns", [False, True])
def test_gemm(trans, columns):
    b = q(2, (6, 5) if trans else (5, 6), I8, 0.01, 0)
    if columns:
        b[1:] = [np.linspace(0.01, 0.02, 6, dtype=F), np.zeros(6, I8)]
    c = random(6, np.int16, 4).astype(np.int32)
    check("QGemm", q(1, (4, 5)) + b + [c] + q(0, (), U8, 0.1, 120)[1:],
          {"transB": trans, "alpha": 1.5})
    check("QGemm", q(1, (4, 5)) + b + [c], {"transB": trans}, outputs=kind(F))


@pytest.mark.parametrize("columns", [False, True])
def test_matmul_to_float(columns):
    scale = np.linspace(0.01, 0.02, 4, dtype=F) if columns else F(0.01)
    zero = np.full(4, 7, U8) if columns else U8(7)
    b, bias = random((5, 4), U8, 2), random(4, F, 3)
    check("MatMulIntegerToFloat", [random((2, 3, 5), U8, 1), b, F(0.02), scale, U8(5), zero, bias],
          outputs=kind(F))
    check("DynamicQuantizeMatMul", [random((2, 3, 5), F, 1), b, scale, zero, bias],
          outputs=kind(F), atol=1e-4)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zeros", ["none", "packed", "float"])
def test_matmul_nbits(bits, zeros):
    k, n, block = 70, 6, 32
    blocks = -(-k // block)
    inputs = [random((2, 3, k), F, 1), random((n, blocks, block * bits // 8), U8, 2),
              np.abs(random(n * blocks, F, 3)) * 0.1]
    if zeros == "packed":
        inputs.append(random(n * -(-blocks * bits // 8), U8, 4))
    elif zeros == "float":
        if bits == 8:
            pytest.skip("onnxruntime does not take them")
        inputs.append(random(n * blocks, F, 4))
    for level in (0, 1):
        check("MatMulNBits", inputs,
              {"K": k, "N": n, "bits": bits, "block_size": block, "accuracy_level": level},
              outputs=kind(F), rtol=1e-4, atol=1e-3)


def test_matmul_nbits_groups():
    k, n, block = 64, 5, 16
    inputs = [random((3, k), F, 1), random((n, 4, 8), U8, 2), np.abs(random(n * 4, F, 3)),
              None, (np.arange(k) * 7 % 4).astype(np.int32), random(n, F, 5)]
    check("MatMulNBits", inputs, {"K": k, "N": n, "bits": 4, "block_size": block},
          outputs=kind(F), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("table", [0, 1])
def test_matmul_bnb4(table):
    k, n, block = 48, 5, 16
    check("MatMulBnb4", [random((2, k), F, 1), random(k * n // 2, U8, 2),
                         np.abs(random(k * n // block, F, 3))],
          {"K": k, "N": n, "block_size": block, "quant_type": table}, outputs=kind(F), rtol=1e-4,
          atol=1e-4)


# ---- tables ----

@pytest.mark.parametrize("t", [TensorProto.UINT4, TensorProto.INT4])
@pytest.mark.parametrize("zeros", [False, True])
def test_gather_block_int4(t, zeros):
    inputs = [packed(t, (5, 3, 32), 1), np.array([[4, -5, 2]], np.int64), random((5, 3, 2), F, 2)]
    if zeros:
        inputs.append(packed(t, (5, 3, 2), 3))
    check("GatherBlockQuantized", inputs, {"block_size": 16, "quantize_axis": 2}, fed=(1,),
          outputs=kind(F))


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", [False, True])
def test_gather_block_bytes(bits, zeros):
    per = 8 // bits
    inputs = [random((5, 48 // per), U8, 1), np.array([3, 0, 4], np.int32), random((5, 3), F, 2)]
    if zeros:
        inputs.append(random((5, -(-3 // per)), U8, 3))
    check("GatherBlockQuantized", inputs, {"block_size": 16, "bits": bits}, fed=(1,),
          outputs=kind(F))


# ---- quantization itself ----

@pytest.mark.parametrize("dtype", [U8, I8, np.uint16, np.int16])
def test_quantize(dtype):
    scale, zero = np.linspace(0.01, 0.02, 3, dtype=F), np.array([1, 2, 3], dtype)
    check("QuantizeLinear", [random((2, 3, 4)), scale, zero], {"axis": 1}, outputs=kind(dtype))
    check("DequantizeLinear", [random((2, 3, 4), dtype), scale, zero], {"axis": 1},
          outputs=kind(F))
    check("DequantizeLinear", [random((2, 3, 4), dtype), np.float16(0.01)],
          outputs=kind(np.float16), rtol=1e-3)


# ---- models' parts ----

@pytest.mark.parametrize("columns", [False, True])
def test_attention(columns):
    heads, size, wide = 2, 8, 24
    scale = np.linspace(0.01, 0.02, wide, dtype=F) if columns else F(0.015)
    zero = np.full(wide, 2, I8) if columns else I8(2)
    for mask, past in [(None, None), (np.array([[1, 1, 0], [1, 1, 1]], np.int32), None),
                       (None, random((2, 2, heads, 4, size // heads), F, 5))]:
        check("QAttention",
              [random((2, 3, size), U8, 1), random((size, wide), I8, 2), random(wide, F, 3),
               F(0.01), scale, mask, U8(128), zero, past],
              {"num_heads": heads, "unidirectional": 1},
              outputs=kind(F) * (1 if past is None else 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_embed(segments, mask):
    ids = np.array([[3, 0, 5], [1, 6, 2]], np.int32)
    second = np.array([[0, 1, 1], [0, 0, 1]], np.int32) if segments else None
    keep = np.array([[1, 1, 0], [1, 1, 1]], np.int32) if mask else None
    tables = [random((7, 8), F, 1), random((4, 8), F, 2),
              random((2, 8), F, 3) if segments else None]
    fed = [i for i, v in ((0, ids), (1, second), (7, keep)) if v is not None]
    check("EmbedLayerNormalization",
          [ids, second, *tables, random(8, F, 4), random(8, F, 5), keep], {"epsilon": 1e-5},
          fed=fed, outputs=kind(F) + kind(np.int32))
    small = [q(i, v.shape, I8, 0.02, i) if v is not None else [None] * 3
             for i, v in enumerate([*tables, random(8), random(8)])]
    check("QEmbedLayerNormalization",
          [ids, second, *[s[0] for s in small], keep, *[s[1] for s in small],
           *[s[2] for s in small]], {"epsilon": 1e-5}, fed=fed,
          outputs=kind(F) + kind(np.int32), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("columns", [False, True])
def test_lstm(direction, columns):
    d, hidden, size = 2 if direction == "bidirectional" else 1, 6, 5
    scales = (d, 4 * hidden) if columns else (d,)
    weights = [random((d, size, 4 * hidden), I8, 1), random((d, hidden, 4 * hidden), I8, 2)]
    params = [np.full(scales, 0.004, F), np.zeros(scales, I8)] * 2
    # the activations that onnxruntime quantizes have steps of 1/255 of their range
    check("DynamicQuantizeLSTM",
          [random((7, 2, size), F, 3), *weights, random((d, 8 * hidden), F, 4) * F(0.1), None, None,
           None, None, *params],
          {"hidden_size": hidden, "direction": direction}, outputs=kind(F) * 3, rtol=0.02,
          atol=0.02)
