# SPDX-License-Identifier: Apache-2.0
"""The trained networks against onnxruntime on the whole test set."""

import pathlib

import numpy as np
import onnxruntime
import pytest

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {
    "mobilenetv2": ROOT / "examples/glyphs/glyph_mobilenetv2.onnx",
    "resnet18": ROOT / "tests/data/glyphs/glyph_resnet18.onnx",
    "vit": ROOT / "tests/data/glyphs/glyph_vit.onnx",
}


@pytest.fixture(scope="module")
def data():
    test = np.load(ROOT / "tests/data/glyphs/glyph_test.npz")
    images = ((test["image"].astype(np.float32) / 255 - 0.45) / 0.3)[:, None]
    return np.ascontiguousarray(images, np.float32), test["label"]


@pytest.mark.parametrize("name", MODELS)
def test_accuracy_is_that_of_onnxruntime(name, data):
    images, labels = data
    session = onnxruntime.InferenceSession(MODELS[name], providers=["CPUExecutionProvider"])
    context = whet.build(MODELS[name]).context()
    ours, theirs = [], []
    for i in range(0, len(images), 125):
        batch = {"image": images[i:i + 125]}
        ours.append(context.run(batch)["logits"])
        theirs.append(session.run(None, batch)[0])
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    right = [(logits.argmax(1) == labels).sum() for logits in (ours, theirs)]
    assert abs(int(right[0]) - int(right[1])) <= 2
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 17, 64])
def test_any_batch_size_is_right(batch, data):
    images, _ = data
    session = onnxruntime.InferenceSession(MODELS["vit"], providers=["CPUExecutionProvider"])
    context = whet.build(MODELS["vit"], level=0).context()
    fed = {"image": images[:batch]}
    ours, theirs = context.run(fed)["logits"], session.run(None, fed)[0]
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
