# SPDX-License-Identifier: Apache-2.0
"""Operators of the domain com.microsoft against onnxruntime, or, where its CPU has none, against
numpy."""

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import whet

RNG = np.random.default_rng(11)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*shape, low=0, high=4, dtype=np.int32):
    return RNG.integers(low, high, shape).astype(dtype)


def model_of(op, inputs, n_out, domain="com.microsoft", symbolic=False, constant=(), **attrs):
    """One node; None is an absent input; `constant` names inputs that are initializers."""
    names = [f"i{k}" if v is not None else "" for k, v in enumerate(inputs)]
    outputs = [f"o{k}" if k in n_out else "" for k in range(max(n_out) + 1)]
    node = helper.make_node(op, names, outputs, domain=domain, **attrs)

    def info(k, v):
        dims = [f"d{k}_{i}" for i in range(v.ndim)] if symbolic else v.shape
        return helper.make_tensor_value_info(f"i{k}", helper.np_dtype_to_tensor_dtype(v.dtype),
                                             dims)
    graph = helper.make_graph(
        [node], "g", [info(k, v) for k, v in enumerate(inputs)
                      if v is not None and k not in constant],
        [helper.make_empty_tensor_value_info(f"o{k}") for k in n_out],
        [onnx.numpy_helper.from_array(inputs[k], f"i{k}") for k in constant])
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]).SerializeToString()


def feeds(inputs, constant):
    return {f"i{k}": v for k, v in enumerate(inputs) if v is not None and k not in constant}


def run_whet(model, fed):
    made = whet.build(model, level=0, verify="off").context().run(fed)
    return [made[name] for name in sorted(made)]


def run_ort(model, fed):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, fed)


def check(op, inputs, n_out=(0,), expected=None, constant=(), shapes=(False, True), **attrs):
    for symbolic in shapes:
        model = model_of(op, inputs, n_out, symbolic=symbolic, constant=constant, **attrs)
        fed = feeds(inputs, constant)
        if expected is None:
            expected = run_ort(model, fed)
        for made, wanted in zip(run_whet(model, fed), expected, strict=True):
            assert made.dtype == wanted.dtype
            np.testing.assert_allclose(made, wanted, rtol=2e-4, atol=2e-5)


def gelu(x):
    return (x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))).astype(np.float32)


def fast_gelu(x):
    return x * 0.5 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x ** 3)))


@pytest.mark.parametrize("transposes", [{}, {"transA": 1}, {"transB": 1}, {"transBatchA": 1},
                                        {"transBatchB": 1, "transA": 1}])
def test_fused_matmul(transposes):
    a, b = f32(3, 3, 3), f32(3, 3, 3)
    check("FusedMatMul", [a, b], alpha=0.5, shapes=(False,), **transposes)
    if "atch" not in str(transposes):
        check("TransposeMatMul", [a, b], alpha=0.5, **transposes)


def test_bias_and_gelu():
    x, bias, skip = f32(2, 3, 8), f32(8), f32(2, 3, 8)
    check("BiasGelu", [x, bias])
    check("FastGelu", [x, bias])
    check("FastGelu", [x])
    check("QuickGelu", [x], alpha=1.5)
    check("BiasAdd", [x, bias, skip], expected=[x + bias + skip])
    left, right = np.split(x + bias, 2, axis=-1)
    check("BiasSplitGelu", [x, bias], expected=[left * gelu(right)], shapes=(False,))
    w = f32(8, 5)
    check("GemmFastGelu", [x, w], expected=[fast_gelu(x @ w)])
    check("GemmFastGelu", [x, w, f32(5) * 0], expected=[fast_gelu(x @ w)])


def test_normalisations():
    x, skip, gamma, beta, bias = f32(2, 3, 8), f32(2, 3, 8), f32(8), f32(8), f32(8)
    for s in (skip, skip[:1], skip[0]):
        check("SkipLayerNormalization", [x, s, gamma, beta, bias], n_out=(0, 3), epsilon=1e-5)
        check("SkipSimplifiedLayerNormalization", [x, s, gamma, bias], n_out=(0, 3))
    check("SkipLayerNormalization", [x, skip, gamma])
    check("SimplifiedLayerNormalization", [x, gamma], domain="", axis=-1, stash_type=1)


@pytest.mark.parametrize("segments", [True, False])
@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("positions", [True, False])
def test_embed_layer_norm(segments, mask, positions):
    ids = ints(2, 5, high=10)
    check("EmbedLayerNormalization",
          [ids, ints(2, 5, high=2) if segments else None, f32(10, 8), f32(6, 8),
           f32(2, 8) if segments else None, f32(8), f32(8),
           np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32) if mask else None,
           ints(2, 5, high=6) if positions else None],
          n_out=(0, 1, 2), epsilon=1e-5)


def test_windows():
    x = ints(1, 6, 7, 3, low=-20, high=20, dtype=np.int8)
    check("NhwcMaxPool", [x], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1],
          shapes=(False,))
    x, w, b = f32(2, 3, 5, 4), f32(3, 2, 3, 3), f32(2)
    pads = np.array([1, 0, 1, 2], np.int64)
    for constant in ((), (2,)):
        check("ConvTransposeWithDynamicPads", [x, w, pads, b], strides=[2, 1], shapes=(False,),
              constant=constant)
    check("FusedConv", [x, f32(4, 3, 3, 3), f32(4)], activation="LeakyRelu",
          activation_params=[0.1], pads=[1, 1, 1, 1], shapes=(False,))
    check("FusedConv", [x, f32(4, 3, 1, 1), f32(4), f32(2, 4, 5, 4)], activation="Relu",
          shapes=(False,))
    check("FusedGemm", [f32(3, 4), f32(4, 5), f32(5)], activation="LeakyRelu",
          activation_alpha=0.2, alpha=0.5, beta=2.0)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_crop_and_resize(mode):
    boxes = np.array([[0, 0, 1, 1], [0.2, 0.13, 0.7, 0.94], [0.9, 0.8, 0.1, 0.2],
                      [-0.5, 0.3, 1.5, 0.6]], np.float32)
    check("CropAndResize", [f32(2, 3, 7, 6), boxes, np.array([0, 1, 1, 0], np.int32),
                            np.array([4, 5], np.int32)], mode=mode, extrapolation_value=-3.0)
    check("CropAndResize", [f32(2, 3, 7, 6), boxes[:2], np.array([0, 1], np.int32),
                            np.array([1, 1], np.int32)], mode=mode, constant=(3,))


def test_shapes_and_indices():
    x = f32(2, 3, 4)
    for axis in (0, 2, -1):
        check("ExpandDims", [x, np.array(axis, np.int32)], constant=(1,))
    check("GatherND", [x, ints(2, 2, high=2, dtype=np.int64)])
    check("Pad", [x, np.array([0, 1, 2, 1, 0, 0], np.int64), np.array([7], np.float32)])
    check("Pad", [x, np.array([0, 1, 2, 1, 0, 0], np.int64)], mode="edge")
    for delta in (None, np.array([-2], np.int32)):
        start, limit = (1, 8) if delta is None else (8, -1)
        check("Range", [np.array([start], np.int32), np.array([limit], np.int32), delta])
    check("Trilu", [x, np.array(1, np.int64)], upper=0)
    check("Unique", [np.array([2, 1, 1, 3, 4, 3], np.float32)], n_out=(0, 1, 2))
    check("GridSample", [f32(1, 2, 4, 5), f32(1, 3, 3, 2)], mode="bicubic",
          padding_mode="border")
    a = f32(2, 4, 4) + 3 * np.eye(4, dtype=np.float32)
    check("Inverse", [a])
    with pytest.raises(whet.Error, match="no inverse"):
        check("Inverse", [np.ones((2, 2), np.float32)], expected=[None])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def rows_attention(q, k, v, heads):
    """One sequence [t, heads d]."""
    def split(x):
        return x.reshape(len(x), heads, -1).transpose(1, 0, 2)
    q, k, v = map(split, (q, k, v))
    p = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]))
    return (p @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)


def test_packed_attention():
    heads, wide, lengths = 2, 8, [1, 3, 2]
    starts = np.cumsum([0] + lengths).astype(np.int32)
    offset = np.zeros((3, 3), np.int32)
    q, k, v, bias = f32(6, wide), f32(6, wide), f32(6, wide), f32(3 * wide)
    bq, bk, bv = np.split(bias, 3)

    def expected(q, k, v):
        return [np.concatenate([rows_attention(q[a:b], k[a:b], v[a:b], heads)
                                for a, b in zip(starts[:-1], starts[1:])])]
    check("PackedMultiHeadAttention", [q, k, v, bias, offset, starts], num_heads=heads,
          expected=expected(q + bq, k + bk, v + bv), shapes=(False,))
    packed = np.stack([x.reshape(6, heads, -1) for x in (q, k, v)], axis=2)
    check("PackedMultiHeadAttention", [packed, None, None, None, offset, starts],
          num_heads=heads, expected=expected(q, k, v), shapes=(False,))
    x, w = f32(6, 5), f32(5, 3 * wide)
    check("PackedAttention", [x, w, bias, offset, starts], num_heads=heads,
          expected=expected(*np.split(x @ w + bias, 3, axis=1)), shapes=(False,))


def test_decoder_attention():
    b, heads, d, past = 2, 2, 4, 3
    q, k, v = f32(b, 1, 8), f32(b, 1, 8), f32(b, 1, 8)
    pk, pv = f32(b, heads, past, d), f32(b, heads, past, d)
    mask = np.array([[1, 1, 1, 1], [0, 1, 1, 1]], np.int32)
    for bias in (None, f32(24)):  # onnxruntime's own wants a shared buffer
        same = [q, k, v, bias, mask, None, pk, pv]
        expected = run_ort(model_of("MultiHeadAttention", same, (0, 1, 2), num_heads=heads),
                           feeds(same, ()))
        for rows in ([q, k, v], [np.concatenate([q, k, v], 2), None, None]):
            check("DecoderMaskedMultiHeadAttention",
                  [*rows, mask, None, pk, pv, None, None, None, bias], (0, 1, 2), expected,
                  shapes=(False,), num_heads=heads)


@pytest.mark.parametrize("case", range(6))
def test_multi_head_attention(case):
    b, s, t, heads, d = 2, 3, 4, 2, 4
    q, k, v = f32(b, s, 8), f32(b, t, 8), f32(b, t, 8)
    past = [f32(b, heads, 2, d), f32(b, heads, 2, d)]
    inputs, n_out, attrs = {
        0: ([q, k, v], (0,), {}),
        1: ([q, k, v, f32(24)], (0,), {"scale": 0.3}),
        2: ([q, k, v, None, np.array([4, 2], np.int32)], (0,), {}),
        3: ([q, k, v, None, ints(b, t, low=0, high=2)], (0,), {"mask_filter_value": -50.0}),
        4: ([q, k, v, None, None, f32(1, heads, s, t)], (0,), {}),
        5: ([q, f32(b, s, 8), f32(b, s, 8), None, None, None, *past], (0, 1, 2),
            {"unidirectional": 1}),
    }[case]
    check("MultiHeadAttention", inputs, n_out, num_heads=heads, shapes=(False,), **attrs)


def test_packed_keys():
    b, s, heads, d = 2, 3, 2, 4
    q, k, v = f32(b, s, heads, d), f32(b, s, heads, d), f32(b, s, heads, d)
    rows = [x.reshape(b, s, -1) for x in (q, k, v)]
    expected = run_ort(model_of("MultiHeadAttention", rows, (0,), num_heads=heads),
                       feeds(rows, ()))
    for inputs in ([np.stack([q, k, v], 3)], [rows[0], np.stack([k, v], 3)]):
        check("MultiHeadAttention", inputs, (0,), expected, num_heads=heads, shapes=(False,))


@pytest.mark.parametrize("case", range(6))
def test_attention(case):
    b, s, heads, wide = 2, 3, 2, 8
    x, w, bias = f32(b, s, 6), f32(6, 3 * wide), f32(3 * wide)
    past = f32(2, b, heads, 2, 4)
    inputs, n_out, attrs = {
        0: ([x, w, bias], (0,), {}),
        1: ([x, w, bias, np.array([3, 2], np.int32)], (0,), {}),
        2: ([x, w, bias, ints(b, s, high=2)], (0,), {"unidirectional": 1}),
        3: ([x, w, bias, None, past], (0, 1), {"unidirectional": 1}),
        4: ([x, f32(6, 8 + 8 + 4), f32(20)], (0,), {"qkv_hidden_sizes": [8, 8, 4]}),
        5: ([x, w, bias, None, None, f32(b, heads, s, s)], (0,), {"scale": 0.7}),
    }[case]
    check("Attention", inputs, n_out, num_heads=heads, shapes=(False,), **attrs)


@pytest.mark.parametrize("case", range(7))
def test_group_query_attention(case):
    b, s, heads, kv, d, past, room = 2, 3, 4, 2, 16, 5, 8
    angles = np.outer(np.arange(room), 1 / 100 ** (np.arange(d // 2) / (d // 2)))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    q, k, v = f32(b, s, heads * d), f32(b, s, kv * d), f32(b, s, kv * d)
    prompt = [np.full(b, s - 1, np.int32), np.array(s, np.int32)]
    step = [np.full(b, past, np.int32), np.array(past + 1, np.int32)]
    cache = [f32(b, kv, past, d), f32(b, kv, past, d)]
    one = [x[:, :1].copy() for x in (q, k, v)]
    inputs, attrs = {
        0: ([q, k, v, None, None, *prompt], {}),
        1: ([*one, *cache, *step], {}),
        2: ([q, k, v, None, None, *prompt, cos, sin], {"do_rotary": 1}),
        3: ([*one, *cache, *step, cos, sin], {"do_rotary": 1, "rotary_interleaved": 1}),
        4: ([np.concatenate([q, k, v], 2), None, None, None, None, *prompt], {"softcap": 3.0}),
        5: ([*one, *cache, *step], {"local_window_size": 3, "scale": 0.2}),
        6: ([q, k, v, None, None, *prompt], {"smooth_softmax": 1}),
    }[case]
    check("GroupQueryAttention", inputs, (0, 1, 2), num_heads=heads, kv_num_heads=kv,
          shapes=(False,), **attrs)


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embedding(interleaved):
    x, cos, sin = f32(2, 3, 16), f32(9, 4), f32(9, 4)
    for position in (np.array([2], np.int64), ints(2, 3, high=9, dtype=np.int64)):
        check("RotaryEmbedding", [x, position, cos, sin], interleaved=interleaved,
              shapes=(False,))
    check("RotaryEmbedding", [f32(2, 2, 3, 8), ints(2, 3, high=9, dtype=np.int64), cos, sin],
          interleaved=interleaved, shapes=(False,))
