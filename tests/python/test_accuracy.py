# SPDX-License-Identifier: Apache-2.0
"""Automatic mixed precision: budgets hold on the samples, what a budget does not allow stays in
float, the report says why, and what is asked for wrongly is refused."""

import json
import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESNET = ROOT / "tests/data/glyphs/glyph_resnet18.onnx"
LAYERS = 6


def images_of(name):
    data = np.load(ROOT / f"tests/data/glyphs/{name}.npz")
    images = ((data["image"].astype(np.float32) / 255 - 0.45) / 0.3)[:, None]
    return np.ascontiguousarray(images, np.float32), data["label"].astype(np.int64)


@pytest.fixture(scope="module")
def network():
    """Products in a row; what the third takes has one channel far larger than the others."""
    rng = np.random.default_rng(0)
    nodes, constants, at = [], [], "x"
    for i in range(LAYERS):
        weights = rng.standard_normal((256, 256)).astype(np.float32) / 16
        if i == 1:
            weights[:, 7] *= 40
        if i == 2:
            weights[7] /= 40
        constants.append(numpy_helper.from_array(weights, f"w{i}"))
        nodes.append(helper.make_node("MatMul", [at, f"w{i}"], [f"m{i}"], name=f"product{i}"))
        at = f"m{i}"
        if i + 1 < LAYERS:
            nodes.append(helper.make_node("Relu", [at], [f"r{i}"], name=f"relu{i}"))
            at = f"r{i}"
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 256])],
        [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["n", 256])], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(1).standard_normal((64, 256)).astype(np.float32)


def mix(network, samples, tmp_path, budget, **others):
    report = tmp_path / "report.json"
    options = {"accuracy-report": report, **others.pop("options", {})}
    engine = whet.build(network, level=0, calibration=[samples], accuracy=budget, options=options,
                        **others)
    return engine, json.loads(report.read_text())


def noise(network, engine, samples):
    want = whet.build(network, level=0).context().run({"x": samples})[f"m{LAYERS - 1}"]
    got = engine.context().run({"x": samples})[f"m{LAYERS - 1}"]
    return 10 * np.log10((want ** 2).sum() / ((want - got) ** 2).sum()), want, got


def types(report):
    return {layer["name"]: layer["type"] for layer in report["layers"]
            if layer["name"].startswith("product")}


def test_what_a_budget_does_not_allow_stays_in_float(network, samples, tmp_path):
    engine, report = mix(network, samples, tmp_path, "snr:3dB", precision="int8")
    loose = types(report)
    engine, report = mix(network, samples, tmp_path, "snr:30dB", precision="int8")
    tight = types(report)
    ratio, *_ = noise(network, engine, samples)
    assert report["holds"] and ratio >= 30 and abs(report["figures"]["snr_db"] - ratio) < 0.1
    ints = [list(t.values()).count("int8") for t in (loose, tight)]
    assert len(loose) == LAYERS and ints[0] > ints[1] > 0
    third = next(layer for layer in report["layers"] if layer["name"].startswith("product2"))
    assert third["type"] != "int8" and "budget" in third["why"]
    assert third["alone_snr_db"] < 30 and third["snr_db"] > 25
    assert third["float_ms"] > 0 and third["int8_ms"] > 0
    assert report["runs"] <= LAYERS + 12


@pytest.mark.parametrize("budget", ["cosine:0.9995", "kl:0.001", "4%"])
def test_budgets_hold_on_the_samples(network, samples, tmp_path, budget):
    engine, report = mix(network, samples, tmp_path, budget, precision="int8")
    _, want, got = noise(network, engine, samples)
    cosine = (want * got).sum(1) / np.linalg.norm(want, axis=1) / np.linalg.norm(got, axis=1)
    assert report["holds"]
    assert abs(report["figures"]["cosine_min"] - cosine.min()) < 1e-6
    assert report["figures"]["changed"] == (want.argmax(1) != got.argmax(1)).sum()
    if budget.startswith("cosine"):
        assert cosine.min() >= 0.9995
    if budget == "4%":  # 64 samples cannot tell
        assert report["decided_by"] == "expected" and report["samples_to_count"] == 75
        assert report["figures"]["expected_percent"] <= 4
        assert report["figures"]["interval_high_percent"] > 4


def test_a_metric_of_the_callers(network, samples, tmp_path):
    asked = []

    def metric(reference, outputs):
        want, got = reference[0][f"m{LAYERS - 1}"], outputs[0][f"m{LAYERS - 1}"]
        asked.append(len(outputs))
        return -float(np.abs(want - got).mean() / np.abs(want).mean())

    engine, report = mix(network, samples, tmp_path, "least:-0.02", metric=metric)
    _, want, got = noise(network, engine, samples)
    figure = -np.abs(want - got).mean() / np.abs(want).mean()
    assert figure >= -0.02 and abs(report["figures"]["metric"] - figure) < 1e-6
    assert report["figures"]["metric_fp32"] == 0 and set(asked) == {1}

    def broken(reference, outputs):
        raise KeyError("no such figure")

    with pytest.raises(KeyError, match="no such figure"):
        mix(network, samples, tmp_path, "0.5%", metric=broken)


def test_labels_and_the_trained_network(tmp_path):
    images, labels = images_of("glyph_calibration")
    np.savez(tmp_path / "samples.npz", image=images, label=labels)
    report = tmp_path / "report.json"
    engine = whet.build(RESNET, level=0, calibration=tmp_path / "samples.npz", accuracy="0.1%",
                        options={"accuracy-report": report})
    said = json.loads(report.read_text())
    assert said["labels"] and said["holds"] and said["samples_to_count"] == 3000
    assert sum(layer["type"] == "int8" for layer in said["layers"]) >= 5
    images, labels = (part[::8] for part in images_of("glyph_test"))
    tops = [e.context().run({"image": images})["logits"].argmax(1)
            for e in (engine, whet.build(RESNET, level=0))]
    right = [(top == labels).sum() for top in tops]
    assert right[0] >= right[1] - 1


def test_quantize_leaves_in_float_what_is_not_worth_it(network, samples, tmp_path):
    report = tmp_path / "report.json"
    whet.quantize(network, tmp_path / "q.onnx", [samples], accuracy="snr:30dB",
                  options={"accuracy-report": report, "level": 0, "int8": "true"})
    said = types(json.loads(report.read_text()))
    model = onnx.load(tmp_path / "q.onnx")
    weights = {t.name: t for t in model.graph.initializer}
    assert "w2" in weights and said["product2"] != "int8"
    assert list(said.values()).count("int8") == sum(name.endswith("_quantized") and name[0] == "w"
                                                    for name in weights) > 0


@pytest.mark.parametrize("budget, metric", [
    ("a little", None), ("0.1", None), ("-1%", None), ("snr:30%", None), ("cosine:2", None),
    ("least:1", None), ("snr:30dB", max), ("120%", None), ("", None)])
def test_budgets_that_say_nothing_are_refused(network, samples, tmp_path, budget, metric):
    with pytest.raises(whet.Error, match="option accuracy"):
        mix(network, samples, tmp_path, budget, metric=metric)


def test_what_a_budget_needs(network, samples, tmp_path):
    with pytest.raises(whet.Error, match="needs samples"):
        whet.build(network, level=0, accuracy="1%")
    with pytest.raises(whet.Error, match="allow int8"):
        whet.build(network, level=0, accuracy="1%", precision="bf16")
    with pytest.raises(whet.Error, match="needs a budget"):
        whet.build(network, level=0, options={"accuracy-report": tmp_path / "r.json"})
    whet.quantize(network, tmp_path / "q.onnx", [samples])
    with pytest.raises(whet.Error, match="states its quantization"):
        whet.build(tmp_path / "q.onnx", level=0, accuracy="1%", calibration=[samples])
    relu = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 256])])
    with pytest.raises(whet.Error, match="nothing to choose"):
        whet.build(helper.make_model(relu, ir_version=8), level=0, accuracy="snr:9dB",
                   calibration=[samples[:4]])
