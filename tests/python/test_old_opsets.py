# SPDX-License-Identifier: Apache-2.0
"""Forms of operators that only old opsets have, and shapes beyond those of ONNX's own cases."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import whet

RNG = np.random.default_rng(5)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def model_of(op, opset, inputs, n_out=1, constant=(), symbolic=False, **attrs):
    names = [f"i{k}" for k in range(len(inputs))]
    outputs = [f"o{k}" for k in range(n_out)]

    def info(k, v):
        dims = [f"d{k}_{i}" for i in range(v.ndim)] if symbolic else v.shape
        return helper.make_tensor_value_info(names[k], helper.np_dtype_to_tensor_dtype(v.dtype),
                                             dims)
    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, **attrs)], "g",
        [info(k, v) for k, v in enumerate(inputs) if k not in constant],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(inputs[k], names[k]) for k in constant])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", opset)])


def run(op, opset, inputs, n_out=1, constant=(), symbolic=False, **attrs):
    model = model_of(op, opset, inputs, n_out, constant, symbolic, **attrs)
    engine = whet.build(model.SerializeToString(), level=0, verify="off")
    made = engine.context().run({f"i{k}": v for k, v in enumerate(inputs) if k not in constant})
    return [made[f"o{k}"] for k in range(n_out)]


def close(made, *wanted):
    for m, w in zip(made, wanted, strict=True):
        assert m.shape == w.shape
        np.testing.assert_allclose(m, w, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("constant", [(), (1,), (1, 2)])
def test_tile_1(constant):
    x = f32(2, 3)
    tiles, axis = np.array([3], np.float32), np.array([1], np.float32)
    close(run("Tile", 1, [x, tiles, axis], constant=constant), np.tile(x, (1, 3)))


@pytest.mark.parametrize("p", [2.0, 2.5])
def test_lp_pool_1(p):
    x = f32(1, 2, 6)
    wide = np.pad(np.abs(x.astype(np.float64)) ** p, ((0, 0), (0, 0), (1, 1)))
    sums = np.stack([wide[..., i:i + 3].sum(-1) for i in (0, 2, 4)], -1) ** (1 / p)
    close(run("LpPool", 1, [x], kernel_shape=[3], strides=[2], pads=[1, 1], p=p), sums)
    total = (np.abs(x.astype(np.float64)) ** p).sum(-1, keepdims=True) ** (1 / p)
    close(run("GlobalLpPool", 1, [x], p=p), total)


def normalized(x, scale, bias, mean, var, axes):
    shape = [1 if i in axes else x.shape[i] for i in range(x.ndim)]
    scale, bias, mean, var = (v.reshape(shape) for v in (scale, bias, mean, var))
    return scale * (x - mean) / np.sqrt(var + 1e-5) + bias


@pytest.mark.parametrize("opset, extra", [(1, {"consumed_inputs": [0, 0, 0, 1, 1]}), (6, {}),
                                          (7, {}), (9, {}), (13, {})])
@pytest.mark.parametrize("spatial", [1, 0])
def test_batch_norm(opset, extra, spatial):
    if opset >= 9 and not spatial:
        return
    x = f32(3, 2, 4)
    shape = (2,) if spatial else (2, 4)
    scale, bias, mean, var = (np.abs(f32(*shape)) + 0.5 for _ in range(4))
    axes = (0, 2) if spatial else (0,)
    attrs = dict(extra)
    if opset < 9:
        attrs["spatial"] = spatial
    if opset < 7:
        attrs["is_test"] = 1
    close(run("BatchNormalization", opset, [x, scale, bias, mean, var], **attrs),
          normalized(x, scale, bias, mean, var, axes))
    attrs.pop("is_test", None)
    now, spread = x.mean(axes), x.var(axes)
    close(run("BatchNormalization", opset, [x, scale, bias, mean, var], 5, momentum=0.8, **attrs),
          normalized(x, scale, bias, now, spread, axes), 0.8 * mean + 0.2 * now,
          0.8 * var + 0.2 * spread, now, spread)


@pytest.mark.parametrize("opset", [1, 6, 7, 10])
def test_dropout(opset):
    x = np.ones((100, 100), np.float32)
    attrs = {"consumed_inputs": [0]} if opset == 1 else {}
    if opset < 7:
        y, mask = run("Dropout", opset, [x], 2, ratio=0.25, **attrs)
        assert abs((y == 0).mean() - 0.25) < 0.03
        np.testing.assert_allclose(y[y != 0], 1 / 0.75, rtol=1e-6)
        np.testing.assert_array_equal(mask, (y != 0).astype(np.float32))
        attrs["is_test"] = 1
    y, mask = run("Dropout", opset, [x], 2, ratio=0.25, **attrs)
    assert (y == x).all() and (mask == 1).all()
    assert mask.dtype == (bool if opset >= 10 else np.float32)


def test_random_numbers_change_from_run_to_run():
    for attrs, same in (({}, False), ({"seed": 3.0}, True)):
        model = model_of("RandomNormalLike", 1, [f32(8)], **attrs)
        context = whet.build(model.SerializeToString(), level=0).context()
        a, b = (context.run({"i0": np.zeros(8, np.float32)})["o0"].copy() for _ in range(2))
        assert np.array_equal(a, b) == same


def test_scatter_and_upsample():
    x, index, update = f32(3, 3), np.array([[2, 0, -1]], np.int64), f32(1, 3)
    wanted = x.copy()
    np.put_along_axis(wanted, np.array([[2, 0, 2]]), update, axis=0)
    close(run("Scatter", 9, [x, index, update], axis=0), wanted)
    x = f32(1, 1, 2, 3)
    twice = x.repeat(2, 2).repeat(3, 3)
    close(run("Upsample", 1, [x], height_scale=2.0, width_scale=3.0), twice)
    close(run("Upsample", 7, [x], scales=[1.0, 1.0, 2.0, 3.0]), twice)
    for constant in ((), (1,)):
        close(run("Upsample", 9, [x, np.array([1, 1, 2, 3], np.float32)], constant=constant),
              twice)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_of_many_dimensions(mode, padding):
    if (mode, padding) == ("cubic", "border"):
        pytest.skip("onnx moves the point, PyTorch and onnxruntime each pixel, as whet does")
    for spatial in (1, 3) if mode == "cubic" else (1, 3, 4):
        size = (3, 4, 2, 3)[:spatial]
        x, grid = f32(1, 2, *size), 1.3 * f32(1, *([2] * spatial), spatial)
        attrs = {"mode": mode, "padding_mode": padding, "align_corners": 0}
        wanted = ReferenceEvaluator(model_of("GridSample", 20, [x, grid], **attrs)).run(
            None, {"i0": x, "i1": grid})
        close(run("GridSample", 20, [x, grid], **attrs), *wanted)


def deformed(x, w, offset, mask, stride, pad):
    """One group, square strides and pads, any number of dimensions."""
    n, c, *size = x.shape
    m, _, *kernel = w.shape
    d = len(size)
    out = [(size[i] + 2 * pad - kernel[i]) // stride + 1 for i in range(d)]
    y = np.zeros((n, m, *out))

    def at(plane, place):
        total = 0.0
        for corner in itertools.product((0, 1), repeat=d):
            low = np.floor(place).astype(int) + corner
            weight = np.prod(1 - np.abs(place - low))
            if weight and all(0 <= low[i] < size[i] for i in range(d)):
                total += weight * plane[tuple(low)]
        return total
    taps = list(itertools.product(*map(range, kernel)))
    for b, o in itertools.product(range(n), itertools.product(*map(range, out))):
        for t, tap in enumerate(taps):
            move = offset[(b, slice(t * d, t * d + d), *o)]
            place = np.array(o) * stride - pad + np.array(tap) + move
            weigh = mask[(b, t, *o)]
            for channel in range(c):
                y[(b, slice(None), *o)] += w[(slice(None), channel, *tap)] * weigh * at(
                    x[b, channel], place)
    return y


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_deform_conv_of_many_dimensions(spatial):
    size, kernel, stride, pad = (5, 4, 3)[:spatial], (3, 2, 2)[:spatial], 2, 1
    out = [(s + 2 - k) // 2 + 1 for s, k in zip(size, kernel)]
    taps = int(np.prod(kernel))
    x, w = f32(2, 2, *size), f32(3, 2, *kernel)
    offset, mask = f32(2, taps * spatial, *out), f32(2, taps, *out)
    made = run("DeformConv", 19, [x, w, offset, np.zeros(3, np.float32), mask],
               strides=[stride] * spatial, pads=[pad] * (2 * spatial))
    close(made, deformed(x, w, offset, mask, stride, pad))


def test_optimizer_with_double_rate():
    x, g, v = f32(3), f32(3), f32(3)
    node = helper.make_node("Momentum", ["r", "t", "x", "g", "v"], ["a", "b"], mode="nesterov",
                            domain="ai.onnx.preview.training", alpha=0.9, beta=0.5,
                            norm_coefficient=0.1)
    values = {"r": np.array(0.1), "t": np.array(2, np.int64), "x": x, "g": g, "v": v}
    graph = helper.make_graph([node], "g", [
        helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for k, a in values.items()], [helper.make_tensor_value_info(k, TensorProto.FLOAT, None)
                                      for k in "ab"])
    model = helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("ai.onnx.preview.training", 1), helper.make_opsetid("", 17)])
    made = whet.build(model.SerializeToString(), level=0).context().run(values)
    step = 0.1 * x + g
    momentum = 0.9 * v + 0.5 * step
    close([made["a"], made["b"]], x - 0.1 * (step + 0.9 * momentum), momentum)
