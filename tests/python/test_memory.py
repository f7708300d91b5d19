# SPDX-License-Identifier: Apache-2.0
"""Room that packed weights take: option memory, constants that several steps pack alike."""

import pathlib

import numpy as np
import onnx
import pytest

import whet

MODEL = pathlib.Path(__file__).resolve().parents[2] / "tests/data/glyphs/glyph_resnet18.onnx"


def packed(engine):
    return engine.inspect()["packed_bytes"]


def test_min_takes_no_more_than_the_weights():
    image = {"image": np.random.default_rng(1).standard_normal((1, 1, 48, 48), dtype=np.float32)}
    model = onnx.load(MODEL)
    image = {model.graph.input[0].name: image["image"]}
    weights = sum(int(np.prod(t.dims)) * 4 for t in model.graph.initializer)
    engines = {m: whet.build(MODEL, level=0, verify="off", options={"memory": m})
               for m in ("any", "auto", "min")}
    assert packed(engines["min"]) <= 1.01 * weights
    assert packed(engines["min"]) <= packed(engines["auto"]) <= packed(engines["any"])
    results = [next(iter(e.context().run(image).values())) for e in engines.values()]
    np.testing.assert_allclose(results[2], results[0], atol=1e-3 * np.abs(results[0]).max())


def test_the_same_weights_are_packed_once():
    w = np.random.default_rng(2).standard_normal((300, 300), dtype=np.float32)
    net = whet.Network()
    x = net.input("x", np.float32, (4, 300))
    weights = net.constant(w)
    for _ in range(3):
        x = net.relu(net.matmul(x, weights))
    net.output(x, "y")
    engine = net.build(level=0)
    assert len(engine.serialize()) < 2.5 * w.nbytes  # as it is, and packed
    v = np.ones((4, 300), np.float32)
    want = v
    for _ in range(3):
        want = np.maximum(want @ w, 0)
    got = engine.context().run({"x": v})["y"]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_other_values_are_refused():
    with pytest.raises(whet.Error, match="option memory: \"least\", expected auto"):
        whet.build(MODEL, options={"memory": "least"})
