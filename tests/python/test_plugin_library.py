# SPDX-License-Identifier: Apache-2.0
"""The plugin library against numpy, written from each plugin's public definition."""

import math

import numpy as np
import pytest

import whet
from plugin_model import close, run


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def standardize(x, axes, epsilon):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_instance_normalization(version):
    x, scale, bias = normal(2, 3, 4, 5), normal(3), normal(3, seed=1)
    want = standardize(x.astype(np.float64), (2, 3), 1e-3) * scale[:, None, None] \
        + bias[:, None, None]
    given, = run("InstanceNormalization_TRT", {"x": x, "scale": scale, "bias": bias},
                 version=version, epsilon=1e-3)
    close(given, want)
    stored, = run("InstanceNormalization_TRT", {"x": x}, version=version, epsilon=1e-3, relu=1,
                  alpha=0.2, scales=scale.tolist(), bias=bias.tolist())
    close(stored, np.where(want < 0, 0.2 * want, want))


def test_group_normalization():
    x, scale, bias = normal(2, 6, 3, 4), normal(6), normal(6, seed=1)
    want = standardize(x.astype(np.float64).reshape(2, 3, 2, 12), (2, 3), 1e-5).reshape(x.shape) \
        * scale[:, None, None] + bias[:, None, None]
    y, = run("GroupNormalizationPlugin", {"x": x, "scale": scale, "bias": bias}, num_groups=3)
    close(y, want)
    with pytest.raises(whet.Error, match="6 channels do not make 4 groups"):
        run("GroupNormalizationPlugin", {"x": x, "scale": scale, "bias": bias}, num_groups=4)


@pytest.mark.parametrize("across", [0, 1])
@pytest.mark.parametrize("shared", [0, 1])
def test_normalize(across, shared):
    x, weights = normal(2, 4, 3, 3), [0.7] if shared else [1.0, 2.0, -1.0, 0.5]
    squares = (x.astype(np.float64) ** 2).sum((1, 2, 3) if across else (1,), keepdims=True)
    want = x / np.sqrt(squares + 1e-6) * np.array(weights)[:, None, None]
    y, = run("Normalize_TRT", {"x": x}, weights=weights, acrossSpatial=across,
             channelShared=shared, eps=1e-6)
    close(y, want)


def test_elementwise():
    x = normal(3, 5, 7)
    close(run("LReLU_TRT", {"x": x}, negSlope=0.1)[0], np.where(x < 0, np.float32(0.1) * x, x))
    close(run("Clip_TRT", {"x": x}, clipMin=-0.5, clipMax=0.25)[0], np.clip(x, -0.5, 0.25))
    bias = normal(7)
    v = (x + bias).astype(np.float64)
    want = 0.5 * v * (1 + np.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v ** 3)))
    close(run("CustomGeluPluginDynamic", {"x": x}, type_id=0, bias=bias)[0], want)


def test_coord_conv():
    x = normal(2, 3, 4, 5)
    y, = run("CoordConvAC", {"x": x})
    rows = np.broadcast_to(np.linspace(-1, 1, 4)[:, None], (4, 5))
    columns = np.broadcast_to(np.linspace(-1, 1, 5), (4, 5))
    extra = np.broadcast_to(np.stack([rows, columns]), (2, 2, 4, 5))
    close(y, np.concatenate([x, extra], 1))


@pytest.mark.parametrize("scale", [2.0, 1.5, 0.5])
def test_resize_nearest(scale):
    x = normal(1, 2, 5, 6)
    rows = np.minimum((np.arange(int(5 * scale)) / scale).astype(int), 4)
    columns = np.minimum((np.arange(int(6 * scale)) / scale).astype(int), 5)
    close(run("ResizeNearest_TRT", {"x": x}, scale=scale)[0], x[:, :, rows][:, :, :, columns])


@pytest.mark.parametrize("version", ["1", "2", "5", "6"])
def test_skip_layer_norm(version):
    x, skip, bias = normal(4, 2, 8, 1, 1), normal(4, 2, 8, 1, 1, seed=1), normal(8)
    gamma, beta = normal(8, seed=2), normal(8, seed=3)
    v = (x + skip)[..., 0, 0].astype(np.float64) + bias
    want = (standardize(v, (2,), 1e-5) * gamma + beta)[..., None, None]
    y, = run("CustomSkipLayerNormPluginDynamic", {"x": x, "skip": skip}, version=version, ld=8,
             type_id=0, beta=beta, gamma=gamma, bias=bias)
    close(y, want)


@pytest.mark.parametrize("version", ["1", "4"])
def test_embeddings(version):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 20, (5, 3)).astype(np.int32)
    kinds = rng.integers(0, 2, (5, 3)).astype(np.int32)
    mask = (np.arange(5)[:, None] < [5, 2, 0]).astype(np.int32)
    tables = {"word": normal(20, 8), "token_type": normal(2, 8), "position": normal(9, 8)}
    gamma, beta = normal(8), normal(8, seed=1)
    weights = {f"bert_embeddings_{key}_embeddings": table for key, table in tables.items()}
    y, lengths = run("CustomEmbLayerNormPluginDynamic",
                     {"ids": ids, "kinds": kinds, "mask": mask}, (np.float32, np.int32), version,
                     output_fp16=0, full_mask=0, mha_type_id=0, **weights,
                     bert_embeddings_layernorm_gamma=gamma, bert_embeddings_layernorm_beta=beta)
    v = tables["word"][ids] + tables["token_type"][kinds] + tables["position"][:5, None]
    want = standardize(v.astype(np.float64), (2,), 1e-12) * gamma + beta
    close(y, want[..., None, None])
    assert lengths.tolist() == [5, 2, 0]


def test_fully_connected():
    x, w = normal(3, 2, 5, 1, 1), normal(5, 4)
    want = (x[..., 0, 0].astype(np.float64) @ w)[..., None, None]
    close(run("CustomFCPluginDynamic", {"x": x}, out_dims=4, type_id=0, W=w)[0], want)


def attention(qkv, heads, valid):
    """One sample [S, 3 E] with query, key and value of each head side by side."""
    rows, width = qkv.shape[0], qkv.shape[1] // 3
    parts = qkv.reshape(rows, heads, 3, width // heads).astype(np.float64)
    q, k, v = (parts[:, :, i].transpose(1, 0, 2) for i in range(3))
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(width // heads)
    weights = np.exp(scores[..., :valid] - scores[..., :valid].max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return (weights @ v[:, :valid]).transpose(1, 0, 2).reshape(rows, width)


@pytest.mark.parametrize("version", ["1", "2", "4", "5"])
def test_qkv_to_context(version):
    x, mask = normal(6, 2, 24, 1, 1), np.array([4, 6], np.int32)
    for masked in (0, 1):
        inputs = {"x": x, "mask": mask} if masked else {"x": x}
        y, = run("CustomQKVToContextPluginDynamic", inputs, version=version, type_id=0,
                 hidden_size=8, num_heads=2, has_mask=masked)
        want = [attention(x[:, b, :, 0, 0], 2, mask[b] if masked else 6) for b in range(2)]
        close(y[..., 0, 0], np.stack(want, 1))


@pytest.mark.parametrize("version", ["2", "5"])
def test_qkv_of_samples_end_to_end(version):
    x, starts = normal(9, 24, 1, 1), np.array([0, 4, 4, 9], np.int32)
    inputs = {"x": x, "mask": np.zeros(9, np.int32), "starts": starts,
              "longest": np.zeros(5, np.int32)}
    y, = run("CustomQKVToContextPluginDynamic", inputs, version=version, type_id=0, hidden_size=8,
             num_heads=2, has_mask=1, var_seqlen=1)
    want = [attention(x[a:b, :, 0, 0], 2, b - a) for a, b in ((0, 4), (4, 9))]
    close(y[..., 0, 0], np.concatenate(want))


def bucket(r, span):
    """make_log_bucket_position of DeBERTa-V2 with 512 positions."""
    mid = span // 2
    size = np.where((r < mid) & (r > -mid), mid - 1, np.abs(r))
    logarithm = np.ceil(np.log(size / mid) / math.log(511 / mid) * (mid - 1)) + mid
    return np.where(size <= mid, r, logarithm * np.sign(r)).astype(int)


@pytest.mark.parametrize("version", ["1", "2"])
def test_disentangled_attention(version):
    size, span = 24, 8
    c2c, c2p = normal(3, size, size), normal(3, size, 2 * span)
    p2c = normal(3, size, 2 * span, seed=1)
    r = np.arange(size)[:, None] - np.arange(size)
    r = r if version == "1" else bucket(r, span)
    c2p_at = np.clip(r + span, 0, 2 * span - 1)
    p2c_at = np.clip(-r + span, 0, 2 * span - 1)  # rows are keys; transposed after the gather
    want = c2c + np.take_along_axis(c2p, np.broadcast_to(c2p_at, c2c.shape), 2) \
        + np.take_along_axis(p2c, np.broadcast_to(p2c_at, c2c.shape), 2).transpose(0, 2, 1)
    y, = run("DisentangledAttention_TRT", {"c2c": c2c, "c2p": c2p, "p2c": p2c}, version=version,
             span=span, factor=0.25)
    close(y, want * 0.25)


def bilinear(plane, y, x):
    """Zero outside; plane [H, W, ...]."""
    top, left = math.floor(y), math.floor(x)
    total = 0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, right in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total = total + plane[row, column].astype(np.float64) * down * right
    return total


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_deformable_attention(version, index):
    sizes, batch, heads, width, queries, points = [(3, 4), (2, 2)], 2, 2, 3, 4, 2
    starts = np.array([0, 12], index)
    value = normal(batch, 16, heads, width)
    places = np.random.default_rng(0).uniform(
        -0.2, 1.2, (batch, queries, heads, 2, points, 2)).astype(np.float32)
    weights = normal(batch, queries, heads, 2, points)
    want = np.zeros((batch, queries, heads, width))
    for b, q, m, level, p in np.ndindex(weights.shape):
        h, w = sizes[level]
        plane = value[b, starts[level]:starts[level] + h * w, m].reshape(h, w, width)
        x, y = places[b, q, m, level, p].astype(np.float64) * (w, h) - 0.5
        want[b, q, m] += weights[b, q, m, level, p] * bilinear(plane, y, x)
    y, = run("MultiscaleDeformableAttnPlugin_TRT",
             {"value": value, "sizes": np.array(sizes, index), "starts": starts, "places": places,
              "weights": weights}, version=version)
    close(y, want)


@pytest.mark.parametrize("version", ["1", "2"])
def test_modulated_deform_conv(version):
    group, deform, stride, pad, dilation = 2, 2, (2, 1), (1, 2), (1, 2)
    x, weight, bias = normal(2, 4, 6, 7), normal(6, 2, 3, 2), normal(6)
    oh = (6 + 2 * pad[0] - dilation[0] * 2 - 1) // stride[0] + 1
    ow = (7 + 2 * pad[1] - dilation[1] * 1 - 1) // stride[1] + 1
    offset, mask = normal(2, 2 * deform * 6, oh, ow), normal(2, deform * 6, oh, ow)
    want = np.zeros((2, 6, oh, ow)) + bias[:, None, None]
    for b, o, i, j in np.ndindex(want.shape):
        for c in range(2):
            channel = o // 3 * 2 + c
            for k in range(6):
                tap = channel // 2 * 6 + k
                y = i * stride[0] - pad[0] + k // 2 * dilation[0] + offset[b, 2 * tap, i, j]
                at = j * stride[1] - pad[1] + k % 2 * dilation[1] + offset[b, 2 * tap + 1, i, j]
                want[b, o, i, j] += weight[o, c, k // 2, k % 2] * mask[b, tap, i, j] \
                    * bilinear(x[b, channel], y, at)
    y, = run("ModulatedDeformConv2d", {"x": x, "offset": offset, "mask": mask, "weight": weight,
                                       "bias": bias}, version=version, stride=stride, padding=pad,
             dilation=dilation, group=group, deformable_group=deform)
    close(y, want)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("how", ["none", "add", "mul", "max", "min"])
def test_scatter_elements(version, how):
    data, updates = normal(4, 5), normal(2, 3)
    indices = np.array([[0, -1, 2], [3, 1, -2]])
    want = data.copy()
    for (i, j), index in np.ndenumerate(indices):
        join = {"none": lambda old, new: new, "add": lambda old, new: old + new,
                "mul": lambda old, new: old * new, "max": max, "min": min}[how]
        want[i, index] = join(want[i, index], updates[i, j])
    y, = run("ScatterElements", {"data": data, "indices": indices, "updates": updates},
             version=version, axis=-1, reduction=how)
    close(y, want)


def test_scatter_nd():
    data, updates = normal(4, 3, 2), normal(2, 2)
    indices = np.array([[0, 1], [-1, 2]])
    want = data.copy()
    want[0, 1], want[-1, 2] = updates
    y, = run("ScatterND", {"data": data, "indices": indices, "updates": updates},
             constants=("indices",))
    close(y, want)
    with pytest.raises(whet.Error, match="index 9 is outside"):
        run("ScatterND", {"data": data, "indices": np.array([[0, 9]]), "updates": updates[:1]},
            constants=("indices",))


def test_split():
    x = normal(3, 7, 2)
    parts = run("Split", {"x": x}, (np.float32,) * 3, axis=1, output_lengths=[2, 4, 1])
    for got, want in zip(parts, np.split(x, [2, 6], 1)):
        close(got, want)
    first, second, third = run("Split", {"x": x}, (np.float32,) * 3, axis=0)
    close(np.concatenate([first, second, third]), x)


def test_the_library_is_found_by_name(tmp_path, monkeypatch):
    """Beside whet's own library, in a wheel too, wherever the process is."""
    monkeypatch.chdir(tmp_path)
    whet.load_plugins("libwhet_plugins.so")
    with pytest.raises(whet.Error, match="libnothing.so"):
        whet.load_plugins("libnothing.so")
