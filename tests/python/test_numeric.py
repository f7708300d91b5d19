# SPDX-License-Identifier: Apache-2.0
"""Operators with many attributes against onnxruntime: recurrent ones, Resize, RoiAlign,
NonMaxSuppression, pooling, with shapes known and open."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import whet

RNG = np.random.default_rng(3)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def check(op, opset, inputs, n_out=1, constant=(), symbolic=(False, True), **attrs):
    """None is an absent input; `constant` names inputs that are initializers."""
    names = [f"i{k}" if v is not None else "" for k, v in enumerate(inputs)]
    outputs = [f"o{k}" for k in range(n_out)]
    fed = {f"i{k}": v for k, v in enumerate(inputs) if v is not None and k not in constant}
    wanted = None
    for open_shapes in symbolic:
        infos = [helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(v.dtype),
            [f"{name}_{i}" for i in range(v.ndim)] if open_shapes else v.shape)
            for name, v in fed.items()]
        graph = helper.make_graph(
            [helper.make_node(op, names, outputs, **attrs)], "g", infos,
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [onnx.numpy_helper.from_array(inputs[k], f"i{k}") for k in constant])
        model = helper.make_model(graph, ir_version=8, opset_imports=[
            helper.make_opsetid("", opset)]).SerializeToString()
        if wanted is None:
            session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
            wanted = session.run(None, fed)
        made = whet.build(model, level=0, verify="off").context().run(fed)
        for m, w in zip((made[name] for name in outputs), wanted, strict=True):
            assert m.dtype == w.dtype and m.shape == w.shape
            np.testing.assert_allclose(m, w, rtol=1e-4, atol=1e-5)


DIRECTIONS = ["forward", "reverse", "bidirectional"]


def recurrent(gates, directions, peephole=False):
    seq, batch, size, hidden = 4, 3, 5, 3
    inputs = [f32(seq, batch, size), f32(directions, gates * hidden, size),
              f32(directions, gates * hidden, hidden), f32(directions, 2 * gates * hidden),
              np.array([4, 1, 3], np.int32), f32(directions, batch, hidden)]
    if peephole:
        inputs += [f32(directions, batch, hidden), f32(directions, 3 * hidden)]
    return inputs, {"hidden_size": hidden}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("extra", [{}, {"clip": 0.4}, {"input_forget": 1}])
def test_lstm(direction, extra):
    n = 2 if direction == "bidirectional" else 1
    inputs, attrs = recurrent(4, n, True)
    check("LSTM", 14, inputs, 3, direction=direction, **attrs, **extra)
    check("LSTM", 7, inputs[:4], 3, direction=direction, **attrs, **extra,
          activations=["HardSigmoid", "Softsign", "Relu"] * n)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("extra", [{}, {"clip": 0.4}, {"linear_before_reset": 1}])
def test_gru(direction, extra):
    inputs, attrs = recurrent(3, 2 if direction == "bidirectional" else 1)
    check("GRU", 14, inputs, 2, direction=direction, **attrs, **extra)
    check("GRU", 7, inputs[:3], 2, direction=direction, **attrs, **extra)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("extra", [{}, {"clip": 0.4}])
def test_rnn(direction, extra):
    n = 2 if direction == "bidirectional" else 1
    inputs, attrs = recurrent(1, n)
    check("RNN", 14, inputs, 2, direction=direction, **attrs, **extra)
    check("RNN", 14, inputs[:4], 2, direction=direction, **attrs, **extra,
          activations=["LeakyRelu"] * n, activation_alpha=[0.1] * n)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners",
                                         "asymmetric", "half_pixel_symmetric"])
def test_resize(mode, coordinates):
    x = f32(1, 2, 5, 7)
    # onnxruntime aligns the corners of the rounded size, ONNX's reference those of the exact one
    exact = coordinates == "align_corners"
    for scales in ([[1, 1, 2, 3]] if exact else [[1, 1, 2.3, 1.7], [1, 1, 0.6, 0.45]]):
        check("Resize", 19, [x, None, np.array(scales, np.float32)], mode=mode,
              coordinate_transformation_mode=coordinates, constant=(2,))
    for sizes in ([1, 2, 8, 3], [1, 2, 1, 14]):
        check("Resize", 13, [x, None, None, np.array(sizes, np.int64)], mode=mode,
              coordinate_transformation_mode=coordinates.replace("_symmetric", ""))


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_resize_rounding(rounding):
    for scale in (2, 3, 0.5, 0.4):
        check("Resize", 11, [f32(1, 1, 6, 6), np.array([], np.float32),
                             np.array([1, 1, scale, scale], np.float32)], constant=(1, 2),
              mode="nearest", nearest_mode=rounding,
              coordinate_transformation_mode="asymmetric")


@pytest.mark.parametrize("opset, attrs", [
    (10, {}), (16, {"coordinate_transformation_mode": "half_pixel"}),
    (16, {"coordinate_transformation_mode": "output_half_pixel"}), (16, {"mode": "max"})])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align(opset, attrs, ratio):
    rois = np.array([[0.5, 0.5, 6, 7], [2, 1, 3.5, 9], [0, 0, 1, 1]], np.float32)
    check("RoiAlign", opset, [f32(2, 3, 8, 9), rois, np.array([0, 1, 1], np.int64)],
          output_height=3, output_width=2, spatial_scale=0.8, sampling_ratio=ratio, **attrs)


@pytest.mark.parametrize("center", [0, 1])
def test_non_max_suppression(center):
    corners = np.abs(f32(2, 12, 4))
    scores = RNG.random((2, 3, 12)).astype(np.float32)
    limits = [np.array([v], t) for v, t in ((3, np.int64), (0.3, np.float32), (0.2, np.float32))]
    check("NonMaxSuppression", 11, [corners, scores, *limits], center_point_box=center)
    check("NonMaxSuppression", 10, [corners, scores, limits[0]], center_point_box=center)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("attrs", [
    {}, {"strides": [2, 1], "pads": [1, 0, 1, 1]}, {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER", "strides": [3, 2]}, {"auto_pad": "VALID"},
    {"ceil_mode": 1, "strides": [2, 2], "pads": [1, 1, 0, 0]}, {"dilations": [2, 1]}])
def test_pooling(op, attrs):
    check(op, 19 if op == "AveragePool" else 18 if op == "LpPool" else 12, [f32(2, 3, 8, 7)],
          kernel_shape=[3, 2], **attrs)


def test_selections():
    x = RNG.integers(0, 4, (4, 3)).astype(np.float32)
    for attrs in ({}, {"sorted": 0}, {"axis": 0}, {"axis": 1, "sorted": 0}):
        check("Unique", 11, [x], 4, **attrs)
    pooled, where = np.array([[[[5, 7], [13, 15]]]], np.float32), np.array([[[[5, 7], [13, 15]]]])
    check("MaxUnpool", 11, [pooled, where], kernel_shape=[2, 2], strides=[2, 2])
    check("MaxRoiPool", 1, [f32(2, 2, 6, 6), np.array([[0, 0, 0, 3, 4], [1, 2, 1, 5, 5]],
                                                      np.float32)], pooled_shape=[2, 2])
    check("CenterCropPad", 18, [f32(5, 4), np.array([3, 7], np.int64)])
    check("Col2Im", 18, [f32(1, 8, 6), np.array([3, 4]), np.array([2, 2])])
    check("TopK", 11, [f32(3, 5), np.array([2], np.int64)], 2, axis=0, largest=0)
    check("Multinomial", 7, [np.array([[-1e30, 0], [0, -1e30]], np.float32)], sample_size=3)


@pytest.mark.parametrize("onesided, inverse", [(0, 0), (0, 1), (1, 0)])
def test_dft(onesided, inverse):
    for axis, length in itertools.product((0, 1), (None, 5, 9)):
        x = f32(6, 7, 1 if onesided else 2)
        check("DFT", 20, [x, None if length is None else np.array(length, np.int64),
                          np.array(axis, np.int64)], constant=(2,) if length else (),
              onesided=onesided, inverse=inverse)
    check("STFT", 17, [f32(2, 30, 1), np.array(4, np.int64), f32(11), np.array(11, np.int64)])
    for kind in ("Hann", "Hamming", "Blackman"):
        check(f"{kind}Window", 17, [np.array(11, np.int64)], periodic=inverse)
    check("MelWeightMatrix", 17, [np.array(v, t) for v, t in (
        (10, np.int64), (64, np.int64), (8000, np.int64), (100, np.float32),
        (3500, np.float32))])
