# SPDX-License-Identifier: Apache-2.0
"""Open dimensions against onnxruntime at shapes that no build saw, profiles and none."""

import pathlib

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHAPES = 20


def text_model(body, weights=(), opset=18):
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{body}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, n) for n, v in weights)
    onnx.checker.check_model(model)
    return model


def opened(path, *dims):
    """A model of one image input whose dimensions are these names."""
    model = onnx.load(path)
    for dim, name in zip(model.graph.input[0].type.tensor_type.shape.dim, dims):
        if isinstance(name, str):
            dim.dim_param = name
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return model


def normal(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


def compare(model, make_inputs, profiles=None, tolerance=1e-4, **options):
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    context = whet.build(data, level=0, profiles=profiles, **options).context()
    rng = np.random.default_rng(5)
    for _ in range(SHAPES):
        fed = make_inputs(rng)
        want = session.run(None, fed)
        got = list(context.run(fed).values())
        for ours, theirs in zip(got, want):
            assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, fed.keys()
            if theirs.size:
                limit = tolerance * max(1, np.abs(theirs).max())
                assert np.abs(ours.astype(np.float64) - theirs).max() <= limit


@pytest.mark.parametrize("name", ["examples/glyphs/glyph_mobilenetv2",
                                  "tests/data/glyphs/glyph_resnet18"])
@pytest.mark.parametrize("tuned", [False, True])
def test_image_sizes(name, tuned):
    model = opened(ROOT / f"{name}.onnx", "batch", 1, "height", "width")
    profiles = [{"image": ((1, 1, 32, 32), (2, 1, 48, 48), (4, 1, 64, 64))}] if tuned else None
    compare(model, lambda rng: {"image": normal(rng, rng.integers(1, 4), 1,
                                                *rng.integers(24, 80, 2))}, profiles)


def test_batches_of_a_transformer():
    model = opened(ROOT / "tests/data/glyphs/glyph_vit.onnx", "batch")
    compare(model, lambda rng: {"image": normal(rng, rng.integers(1, 9), 1, 48, 48)},
            [{"image": ((1, 1, 48, 48), (4, 1, 48, 48), (8, 1, 48, 48))}])


# One block with keys and values of an earlier call, shapes computed as exporters write them.
ENCODER = """
block (float[batch, new, 32] x, float[batch, 4, old, 8] past_k, float[batch, 4, old, 8] past_v)
    => (float[batch, new, 32] y, float[batch, 4, total, 8] k, float[batch, 4, total, 8] v) {
    shape = Shape(x)
    i0 = Constant <value_int = 0> ()
    i1 = Constant <value_int = 1> ()
    axes = Constant <value_ints = [0]> ()
    heads = Constant <value_ints = [4, 8]> ()
    hidden = Constant <value_ints = [32]> ()
    b0 = Gather <axis = 0> (shape, i0)
    s0 = Gather <axis = 0> (shape, i1)
    b = Unsqueeze (b0, axes)
    s = Unsqueeze (s0, axes)
    split = Concat <axis = 0> (b, s, heads)
    merge = Concat <axis = 0> (b, s, hidden)
    q0 = MatMul (x, wq)
    k0 = MatMul (x, wk)
    v0 = MatMul (x, wv)
    q1 = Reshape (q0, split)
    k1 = Reshape (k0, split)
    v1 = Reshape (v0, split)
    q = Transpose <perm = [0, 2, 1, 3]> (q1)
    k2 = Transpose <perm = [0, 2, 1, 3]> (k1)
    v2 = Transpose <perm = [0, 2, 1, 3]> (v1)
    k = Concat <axis = 2> (past_k, k2)
    v = Concat <axis = 2> (past_v, v2)
    kt = Transpose <perm = [0, 1, 3, 2]> (k)
    scale = Constant <value_float = 0.35> ()
    scores0 = MatMul (q, kt)
    scores = Mul (scores0, scale)
    probs = Softmax <axis = -1> (scores)
    mixed0 = MatMul (probs, v)
    mixed1 = Transpose <perm = [0, 2, 1, 3]> (mixed0)
    mixed = Reshape (mixed1, merge)
    sum = Add (mixed, x)
    y = LayerNormalization <axis = -1> (sum, g)
}"""


@pytest.mark.parametrize("tuned", [False, True])
def test_sequences_with_a_past(tuned):
    rng = np.random.default_rng(1)
    weights = [(n, normal(rng, 32, 32) / 6) for n in ("wq", "wk", "wv")] + [("g", np.ones(32, "f"))]

    def make(rng):
        batch, new, old = rng.integers(1, 5), rng.integers(1, 40), rng.integers(0, 30)
        return {"x": normal(rng, batch, new, 32), "past_k": normal(rng, batch, 4, old, 8),
                "past_v": normal(rng, batch, 4, old, 8)}

    past = ((1, 4, 0, 8), (2, 4, 16, 8), (4, 4, 30, 8))
    profiles = [{"x": ((1, 1, 32), (2, 8, 32), (4, 40, 32)), "past_k": past}] if tuned else None
    compare(text_model(ENCODER, weights), make, profiles)


# Odd sizes down and up again; the skip is cropped to what came back.
UNET = """
unet (float[batch, 3, height, width] x) => (float[batch, 2, h2, w2] y) {
    a0 = Conv <pads = [1, 1, 1, 1]> (x, w1)
    a = Relu (a0)
    b0 = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (a, w2)
    b = Relu (b0)
    up = ConvTranspose <strides = [2, 2]> (b, w3)
    axes = Constant <value_ints = [2, 3]> ()
    zeros = Constant <value_ints = [0, 0]> ()
    size = Shape <start = 2> (x)
    cut = Slice (up, zeros, size, axes)
    both = Concat <axis = 1> (a, cut)
    c = Conv (both, w4)
    pool = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (c)
    two = Constant <value_ints = [2, 2]> ()
    grown = Mul (two, size)
    channels = Shape <end = 2> (pool)
    target = Concat <axis = 0> (channels, grown)
    y = Resize <mode = "linear"> (pool, , , target)
}"""


@pytest.mark.parametrize("tuned", [False, True])
def test_odd_sizes_down_and_up(tuned):
    rng = np.random.default_rng(2)
    weights = [("w1", normal(rng, 16, 3, 3, 3) / 5), ("w2", normal(rng, 24, 16, 3, 3) / 12),
               ("w3", normal(rng, 24, 16, 2, 2) / 10), ("w4", normal(rng, 2, 32, 1, 1) / 6)]
    profiles = [{"x": ((1, 3, 8, 8), (1, 3, 33, 20), (2, 3, 64, 64))}] if tuned else None
    compare(text_model(UNET, weights),
            lambda rng: {"x": normal(rng, rng.integers(1, 3), 3, *rng.integers(7, 50, 2))},
            profiles)


# Contents of integer inputs decide shapes: a reshape, an expand, a range, a slice, a tile.
CONTENTS = """
contents (float[n, m] x, int64[3] target, int64 count, int64[1] start, int64[2] times)
    => (float[a, b, c] r, float[k, l] t, int64[i] w, float[p, q] cut) {
    r0 = Reshape (x, target)
    r = Relu (r0)
    t = Tile (x, times)
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    w0 = Range (zero, count, one)
    w = Mul (w0, w0)
    ends = Constant <value_ints = [9223372036854775807]> ()
    ax = Constant <value_ints = [1]> ()
    cut0 = Slice (x, start, ends, ax)
    cut = Neg (cut0)
}"""


@pytest.mark.parametrize("tuned", [False, True])
def test_contents_that_decide_shapes(tuned):
    def make(rng):
        n, m = int(rng.integers(1, 6)), int(rng.integers(1, 7))
        target = [[n, m, 1], [-1, 1, n], [m, 0 if n == m else 1, -1], [1, n * m, 1]]
        return {"x": normal(rng, n, m), "target": np.array(target[rng.integers(4)], np.int64),
                "count": np.array(rng.integers(0, 9), np.int64),
                "start": np.array([rng.integers(-m, m + 1)], np.int64),
                "times": rng.integers(0, 4, 2).astype(np.int64)}

    profiles = [{"x": ((1, 1), (4, 6), (6, 7)), "target": ((0, 0, 0), (2, 3, 4), (6, 42, 7)),
                 "count": ((0,), (5,), (9,)), "times": ((0, 0), (2, 2), (4, 4)),
                 "start": ((-6,), (1,), (7,))}] if tuned else None
    if tuned:
        engine = whet.build(text_model(CONTENTS).SerializeToString(), level=0, profiles=profiles)
        # the shape of `times` could be its contents too, so what fits the shape is the shape
        assert engine.profiles[0]["target"][3:] == profiles[0]["target"]
        assert engine.profiles[0]["count"][3:] == profiles[0]["count"]
    compare(text_model(CONTENTS), make, profiles)


# Each shape follows from data that an earlier step made.
CHAIN = """
chain (float[n] x, int64[1] most) => (float[k] y, int64[u] kinds, float[k, v] table) {
    zero = Constant <value_float = 0.0> ()
    positive = Greater (x, zero)
    kept = Compress (x, positive)
    size = Size (kept)
    axes = Constant <value_ints = [0]> ()
    size1 = Unsqueeze (size, axes)
    k = Min (size1, most)
    y0, index = TopK (kept, k)
    y = Sigmoid (y0)
    kinds0 = Cast <to = 7> (y0)
    kinds, first = Unique <sorted = 1> (kinds0)
    count = Shape (kinds)
    both = Concat <axis = 0> (k, count)
    wide0 = Unsqueeze (y, axes1)
    wide = Expand (wide0, both)
    table = Exp (wide)
}"""


def test_shapes_that_follow_from_data():
    def make(rng):
        return {"x": 3 * normal(rng, rng.integers(1, 60)),
                "most": np.array([rng.integers(1, 12)], np.int64)}

    axes = [("axes1", np.array([1], np.int64))]
    compare(text_model(CHAIN, axes), make)


def test_equal_names_must_be_equal():
    model = text_model("""pair (float[batch, n] x, float[batch, 3, n] y) => (float[batch, 3, n] z) {
        axes = Constant <value_ints = [1]> ()
        u = Unsqueeze (x, axes)
        z = Add (u, y)
    }""")
    context = whet.build(model.SerializeToString(), level=0).context()
    rng = np.random.default_rng(0)
    assert context.run({"x": normal(rng, 2, 5), "y": normal(rng, 2, 3, 5)})["z"].shape == (2, 3, 5)
    for x, y in (((2, 5), (3, 3, 5)), ((2, 5), (2, 3, 1)), ((1, 5), (2, 3, 5))):
        with pytest.raises(whet.Error, match='"y".*differs') as error:
            context.run({"x": normal(rng, *x), "y": normal(rng, *y)})
        assert error.value.name == "WHET_E_SHAPE"
    with pytest.raises(whet.Error, match="different bounds"):
        whet.build(model.SerializeToString(), level=0,
                   profiles=[{"x": ((1, 1), (2, 2), (3, 3)),
                              "y": ((1, 3, 1), (1, 3, 2), (3, 3, 3))}])


def test_sizes_and_memory_of_outputs():
    axes = [("axes1", np.array([1], np.int64))]
    context = whet.build(text_model(CHAIN, axes).SerializeToString(), level=0).context()
    x = np.array([1, -2, 3, 4, -5, 6], np.float32)
    shapes = context.infer({"x": (6,), "most": (1,)})
    assert shapes == {"y": (None,), "kinds": (None,), "table": (None, None)}
    assert context.max_output_bytes({"x": (6,), "most": (1,)}, "y") == 24
    given = []

    def allocate(size):
        given.append(bytearray(size))
        return given[-1]

    context.set_output_allocator("y", allocate)
    out = context.run({"x": x, "most": np.array([3])})
    assert out["y"].shape == (3,) and len(given) == 1 and len(given[0]) == 12
    assert np.shares_memory(out["y"], np.frombuffer(given[0], np.uint8))
    context.set_output_allocator("y", None)
    assert context.run({"x": x, "most": np.array([2])})["y"].shape == (2,) and len(given) == 1
    reshaped = whet.build(text_model(CONTENTS).SerializeToString(), level=0).context()
    fed = {"x": (2, 3), "target": (3,), "count": (), "start": (1,), "times": (2,)}
    assert reshaped.infer(fed)["r"] == (None, None, None)
    assert reshaped.lacking == ["target", "count", "start", "times"]
    fed.update(target=np.array([1, 6, 1]), count=np.array(4))
    assert reshaped.infer(fed)["r"] == (1, 6, 1)
    assert reshaped.infer(fed)["w"] == (4,) and reshaped.lacking == ["start", "times"]
