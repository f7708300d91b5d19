# SPDX-License-Identifier: Apache-2.0
"""INT8 by calibration: accuracy of the trained networks, sources of samples, caches, and quantized
models that onnxruntime runs to the same results."""

import pathlib

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {
    "mobilenetv2": ROOT / "examples/glyphs/glyph_mobilenetv2.onnx",
    "resnet18": ROOT / "tests/data/glyphs/glyph_resnet18.onnx",
    "vit": ROOT / "tests/data/glyphs/glyph_vit.onnx",
}


def images_of(name):
    data = np.load(ROOT / f"tests/data/glyphs/{name}.npz")
    images = ((data["image"].astype(np.float32) / 255 - 0.45) / 0.3)[:, None]
    return np.ascontiguousarray(images, np.float32), data["label"]


@pytest.fixture(scope="module")
def samples():
    return images_of("glyph_calibration")[0]


@pytest.fixture(scope="module")
def test_set():
    images, labels = images_of("glyph_test")
    return images[::8], labels[::8]


def run(engine, images):
    context = engine.context()
    return np.concatenate([context.run({"image": images[i:i + 50]})["logits"]
                           for i in range(0, len(images), 50)])


def run_session(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": images[i:i + 50]})[0]
                           for i in range(0, len(images), 50)])


def snr(want, got):
    return 10 * np.log10((want ** 2).sum() / ((want - got) ** 2).sum())


# onnxruntime's quantize_static (per channel, its best method) reaches 38, 31 and 28 dB
@pytest.mark.parametrize("name, least", [("mobilenetv2", 30), ("resnet18", 40), ("vit", 32)])
def test_int8_and_its_export_keep_the_accuracy(name, least, samples, test_set, tmp_path):
    images, labels = test_set
    batches = [{"image": samples[i:i + 16]} for i in range(0, 128, 16)]
    want = run(whet.build(MODELS[name], level=0), images)
    engine = whet.build(MODELS[name], level=0, precision="int8", calibration=batches)
    got = run(engine, images)
    assert sum("quant_" in layer["op"] for layer in engine.inspect()["layers"]) >= 20
    whet.quantize(MODELS[name], tmp_path / "q.onnx", iter(batches))
    onnx.checker.check_model(tmp_path / "q.onnx", full_check=True)
    theirs = run_session(tmp_path / "q.onnx", images)
    again = run(whet.build(tmp_path / "q.onnx", level=0), images)
    right = [(logits.argmax(1) == labels).sum() for logits in (want, got, theirs, again)]
    assert max(right) - min(right) <= 2
    assert min(snr(want, logits) for logits in (got, theirs, again)) > least
    assert snr(got, theirs) > least and snr(got, again) > least


def test_sources_of_samples_agree(samples, tmp_path):
    samples = samples[:24]
    np.savez(tmp_path / "all.npz", image=samples)
    np.save(tmp_path / "all.npy", samples)
    for kind in ("npy", "raw"):
        (tmp_path / kind).mkdir()
    for i in range(3):
        np.save(tmp_path / "npy" / f"{i}.npy", samples[8 * i:8 * i + 8])
        samples[8 * i:8 * i + 8].tofile(tmp_path / "raw" / f"{i}.bin")
    caches = []
    for source in (samples, {"image": samples}, [samples[:7], {"image": samples[7:]}],
                   tmp_path / "all.npz", tmp_path / "all.npy", tmp_path / "npy",
                   tmp_path / "raw"):
        cache = tmp_path / "cache"
        whet.quantize(MODELS["resnet18"], tmp_path / "q.onnx", source, options={"calib": cache})
        caches.append(cache.read_bytes())
    assert len(set(caches)) == 1
    # and the cache alone
    options = {"no-bias-correction": "true"}
    whet.quantize(MODELS["resnet18"], tmp_path / "a.onnx", samples, options=options)
    whet.quantize(MODELS["resnet18"], tmp_path / "b.onnx", tmp_path / "cache", options=options)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    few = tmp_path / "few"
    whet.quantize(MODELS["resnet18"], tmp_path / "q.onnx", tmp_path / "all.npz",
                  options={"calib": few, "calib-samples": 8})
    assert few.read_bytes() != caches[0]


def test_a_cache_of_tensorrt_gives_symmetric_scales(samples, tmp_path):
    cache = tmp_path / "cache"
    whet.quantize(MODELS["resnet18"], tmp_path / "q.onnx", samples[:16],
                  options={"calib": cache, "activations": "symmetric", "calib-method": "minmax"})
    lines = cache.read_text().splitlines()
    assert lines[0] == "TRT-8601-MinMaxCalibration"
    plain = [line for line in lines if "(low)" not in line and "(high)" not in line]
    cache.write_text("\n".join(plain) + "\n")
    whet.quantize(MODELS["resnet18"], tmp_path / "s.onnx", cache,
                  options={"activations": "symmetric"})
    model = onnx.load(tmp_path / "s.onnx")
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    seen = 0
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        scale, zero = held[node.input[1]], held[node.input[2]]
        assert zero.dtype == np.int8 and zero == 0
        line = f"{node.input[0]}: {np.float32(scale).view(np.uint32):08x}"
        seen += line in plain
    assert seen >= 19


@pytest.mark.parametrize("method", ["mse", "entropy", "minmax", "percentile", "legacy"])
def test_each_method_works(method, samples, test_set):
    images, labels = test_set[0][:200], test_set[1][:200]
    engine = whet.build(MODELS["resnet18"], level=0, precision="int8", calibration=samples[:32],
                        options={"calib-method": method, "verify": "off"})
    assert (run(engine, images).argmax(1) == labels).mean() > 0.97


def small_model(path, ops, consts, shape=(1, 4, 8, 8), outputs=("y",)):
    nodes = [helper.make_node(op, i, o, **attrs) for op, i, o, attrs in ops]
    inits = [numpy_helper.from_array(v, k) for k, v in consts.items()]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [info("x", TensorProto.FLOAT, shape)],
        [info(o, TensorProto.FLOAT, None) for o in outputs], inits)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                ir_version=8), path)


def test_pools_share_the_scale_and_sums_take_one_rounded_term(tmp_path):
    rng = np.random.default_rng(5)
    w = [rng.normal(size=s).astype(np.float32) * 0.2 for s in [(4, 4, 3, 3)] * 3]
    pads = {"pads": [1, 1, 1, 1]}
    small_model(tmp_path / "m.onnx", [
        ("Conv", ["x", "w0"], ["a"], pads), ("Relu", ["a"], ["b"], {}),
        ("MaxPool", ["b"], ["c"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", ["c", "w1"], ["d"], pads), ("Add", ["d", "c"], ["e"], {}),
        ("Relu", ["e"], ["f"], {}), ("Conv", ["f", "w2"], ["y"], pads)],
        {f"w{i}": v for i, v in enumerate(w)})
    x = rng.normal(size=(3, 1, 4, 8, 8)).astype(np.float32)
    whet.quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", list(x))
    model = onnx.load(tmp_path / "q.onnx")
    quantized = {n.input[0]: n.input[1] for n in model.graph.node
                 if n.op_type == "QuantizeLinear"}
    assert set(quantized) == {"x", "b", "c", "f"}
    assert quantized["b"] == quantized["c"]
    want = run_session_of(tmp_path / "m.onnx", x[0])
    for got in (run_session_of(tmp_path / "q.onnx", x[0]),
                whet.build(tmp_path / "q.onnx", level=0).context().run({"x": x[0]})["y"]):
        assert snr(want, got) > 30
    # a node that is to stay as it is
    names = [n.name for n in model.graph.node if n.op_type == "Conv"]
    whet.quantize(tmp_path / "m.onnx", tmp_path / "k.onnx", list(x),
                  options={"keep-float": names[2]})
    kept = [n.input[0] for n in onnx.load(tmp_path / "k.onnx").graph.node
            if n.op_type == "QuantizeLinear"]
    assert set(kept) == {"x", "b", "c"}


def steps_of(path):
    """{name of a value: (scale, zero point, dtype) with which it is rounded}"""
    model = onnx.load(path)
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return {n.input[0]: (float(held[n.input[1]]), int(held[n.input[2]]),
                         held[n.input[2]].dtype.name)
            for n in model.graph.node if n.op_type == "QuantizeLinear"}


def test_ranges_by_hand(tmp_path):
    rng = np.random.default_rng(6)
    pads = {"pads": [1, 1, 1, 1]}
    small_model(tmp_path / "m.onnx", [
        ("Conv", ["x", "w"], ["a"], pads), ("Relu", ["a"], ["b"], {}),
        ("MaxPool", ["b"], ["c"], {"kernel_shape": [2, 2]}), ("Conv", ["c", "w"], ["y"], pads)],
        {"w": rng.normal(size=(4, 4, 3, 3)).astype(np.float32) * 0.2})
    x = rng.normal(size=(4, 1, 4, 8, 8)).astype(np.float32)
    model, out, cache = (tmp_path / name for name in ("m.onnx", "q.onnx", "cache"))
    third = np.float32(1 / 3)
    # without samples: x around zero is TensorRT's, c is from zero on, and b before its pool with it
    ranges = {"x": (-2.54, 2.54), "c": (-5.1, 5.1)}
    whet.quantize(model, out, ranges=ranges)
    steps = steps_of(out)
    assert set(steps) == {"x", "b", "c"}
    assert steps["x"] == (pytest.approx(0.02), 0, "int8")
    assert steps["b"] == steps["c"] == (pytest.approx(0.02), 0, "uint8")
    # they win over samples, and the cache holds them
    whet.quantize(model, out, list(x), ranges={"x": (-1, 254 * third)}, options={"calib": cache})
    assert steps_of(out)["x"][:2] == (pytest.approx((254 / 3 + 1) / 255), 3)
    seen = steps_of(out)["c"]
    # and over a cache, from a file
    (tmp_path / "ranges").write_text("# by hand\n\n x: -3 0\nc 0.5 25.5\r\n")
    whet.quantize(model, out, cache, options={"ranges-file": tmp_path / "ranges"})
    assert steps_of(out)["x"] == (pytest.approx(3 / 255), 255, "uint8")
    assert steps_of(out)["c"] == (pytest.approx(0.1), 0, "uint8") != seen
    whet.quantize(model, out, cache, ranges={"x": (-3, 3)})
    assert steps_of(out)["c"] == seen
    # what has no range stays in float
    engine = whet.build(model, level=0, precision="int8", ranges={"x": (-3, 3)})
    assert [s["op"] for s in engine.inspect()["layers"] if "conv" in s["op"]] == \
        ["quant_conv", "conv"]
    for bad, match in [({"zz": (0, 1)}, '"zz", which is no value'), ({"x": (1, 0)}, "1 to 0"),
                       ({"x": (0, float("inf"))}, "finite"), ({"bb": (0, 1)}, 'near: "b"'),
                       ({"y": (0, 1)}, "none of the 2 values")]:
        with pytest.raises(whet.Error, match=match):
            whet.quantize(model, tmp_path / "no.onnx", ranges=bad)
    (tmp_path / "ranges").write_text("x: 1\n")
    with pytest.raises(whet.Error, match="line 1, expected NAME: LOW HIGH"):
        whet.quantize(model, tmp_path / "no.onnx", options={"ranges-file": tmp_path / "ranges"})


def run_session_of(path, x):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        None, {"x": x})[0]


@pytest.mark.parametrize("option", ["equalize", "smooth"])
def test_channels_are_evened_out(option, tmp_path):
    """One channel a hundred times the others: 8 bits are enough once its factor has moved."""
    rng = np.random.default_rng(9)
    factor = np.ones(16, np.float32)
    factor[3] = 100
    f = np.float32
    if option == "equalize":
        w = rng.normal(size=(16, 4, 1, 1)).astype(f) * factor[:, None, None, None]
        v = rng.normal(size=(8, 16, 3, 3)).astype(f) / factor[:, None, None]
        b = rng.normal(size=16).astype(f) * factor
        small_model(tmp_path / "m.onnx", [
            ("Conv", ["x", "w", "b"], ["a"], {}), ("Relu", ["a"], ["r"], {}),
            ("Conv", ["r", "v"], ["y"], {})], {"w": w, "v": v, "b": b})
        x = rng.normal(size=(4, 1, 4, 8, 8)).astype(f)
    else:
        gamma, beta = factor.copy(), rng.normal(size=16).astype(f) * factor
        v = [rng.normal(size=(16, 8)).astype(f) / factor[:, None] for _ in range(2)]
        small_model(tmp_path / "m.onnx", [
            ("LayerNormalization", ["x", "gamma", "beta"], ["a"], {}),
            ("MatMul", ["a", "v0"], ["p"], {}), ("MatMul", ["a", "v1"], ["q"], {}),
            ("Add", ["p", "q"], ["y"], {})],
            {"gamma": gamma, "beta": beta, "v0": v[0], "v1": v[1]}, (1, 12, 16))
        x = rng.normal(size=(4, 1, 12, 16)).astype(f)
    want = run_session_of(tmp_path / "m.onnx", x[0])
    ratios = []
    for value in ("0", "1" if option == "equalize" else "0.5"):
        whet.quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", iter(x),
                      options={option: value})
        ratios.append(snr(want, run_session_of(tmp_path / "q.onnx", x[0])))
    assert ratios[1] > 32 and ratios[1] > ratios[0] + 8


def test_dead_channels_and_constant_values_have_scales(tmp_path):
    w = np.zeros((4, 4, 1, 1), np.float32)
    w[1] = 0.5
    v = np.full((4, 4, 1, 1), 1e-42, np.float32)
    small_model(tmp_path / "m.onnx", [
        ("Conv", ["x", "w"], ["a"], {}), ("Relu", ["a"], ["b"], {}),
        ("Conv", ["b", "v"], ["y"], {})], {"w": w, "v": v})
    x = np.zeros((1, 4, 8, 8), np.float32)
    whet.quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", x)
    model = onnx.load(tmp_path / "q.onnx")
    for t in model.graph.initializer:
        if t.name.endswith("_scale"):
            scale = numpy_helper.to_array(t)
            assert np.isfinite(scale).all() and (scale > 0).all()
    assert np.isfinite(run_session_of(tmp_path / "q.onnx", x)).all()


def test_mistakes_are_told(samples, tmp_path):
    path = MODELS["resnet18"]

    def fails(match, *args, error=whet.Error, **kwargs):
        with pytest.raises(error, match=match):
            whet.quantize(path, tmp_path / "no.onnx", *args, **kwargs)
        assert not (tmp_path / "no.onnx").exists()

    fails("samples")
    fails("not one whole batch", [])
    fails("infinite", np.full((1, 1, 48, 48), np.inf, np.float32))
    fails("lacks", [{"picture": samples[:2]}], error=ValueError)
    fails("u8", np.zeros((1, 1, 48, 48), np.uint8))
    fails("rank", samples[0])

    def broken():
        yield samples[:2]
        raise KeyError("broken here")
    fails("broken here", broken(), error=KeyError)
    with pytest.raises(whet.Error, match="int8"):
        whet.build(path, calibration=samples)


def test_networks_are_quantized_in_place(samples, tmp_path):
    builder = whet.Builder(MODELS["resnet18"])
    whet.quantize(builder, tmp_path / "a.onnx", samples[:16])
    assert "quantize_linear" in builder.network.text()
    whet.quantize(builder, tmp_path / "b.onnx", samples[:16])  # it is already
    ops = [sorted(n.op_type for n in onnx.load(tmp_path / name).graph.node)
           for name in ("a.onnx", "b.onnx")]
    assert ops[0] == ops[1]
    got = run(whet.build(builder, level=0), samples[:20])
    assert snr(run(whet.build(MODELS["resnet18"], level=0), samples[:20]), got) > 35


def test_folders_of_images(samples, tmp_path):
    from PIL import Image
    for i in range(3):
        Image.fromarray(np.full((30, 60, 3), (i * 20, 100, 200), np.uint8)).save(
            tmp_path / f"{i}.png")
    batches = list(whet.images(tmp_path, (24, 24), mean=(0, 0, 0.5), std=0.5, batch=2))
    assert [b.shape for b in batches] == [(2, 3, 24, 24), (1, 3, 24, 24)]
    assert np.allclose(batches[1][0, :, 5, 5],
                       [40 / 255 / 0.5, 100 / 255 / 0.5, (200 / 255 - 0.5) / 0.5])
    wide = next(whet.images(tmp_path, (24, 12), gray=True, crop=False, layout="NHWC"))
    assert wide.shape == (3, 24, 12, 1) and wide.dtype == np.float32
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError):
        next(whet.images(tmp_path / "empty", (8, 8)))
    whet.quantize(MODELS["resnet18"], tmp_path / "q.onnx",
                  whet.images(tmp_path, (48, 48), gray=True, mean=0.45, std=0.3))
