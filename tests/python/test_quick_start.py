# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/quick-start.md, at level 0 and a batch that two cores run quickly."""

import pathlib
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHET = ROOT / "build/bin/whet"
BATCH = 4


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def engine_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    model = folder / "resnet50.onnx"
    run(sys.executable, ROOT / "examples/quick-start/make_resnet50.py", model, BATCH)
    assert "Conv" in run(WHET, "check", model)
    run(WHET, "build", model, "-o", folder / "resnet50.whet", "--level=0")
    return folder / "resnet50.whet"


def test_profile(engine_path):
    assert "conv" in run(WHET, "inspect", engine_path)
    assert run(WHET, "bench", engine_path, "--profile", "--seconds=0.1", "--min-runs=1")


def test_wrapper_predicts_what_onnxruntime_does(engine_path):
    batch = np.random.default_rng(0).standard_normal((BATCH, 3, 224, 224), dtype=np.float32)
    session = onnxruntime.InferenceSession(engine_path.with_suffix(".onnx"),
                                           providers=["CPUExecutionProvider"])
    want = session.run(None, {session.get_inputs()[0].name: batch})[0]
    old = whet.ONNXClassifierWrapper(str(engine_path), [BATCH, 1000], target_dtype=np.float32)
    new = whet.ONNXClassifierWrapper(str(engine_path), target_dtype=np.float32)
    for model in (old, new):
        got = model.predict(batch)
        assert got.shape == (BATCH, 1000) and got.dtype == np.float32
        assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()
        part = model.predict(batch[:2])
        assert np.abs(part - want[:2]).max() <= 1e-4 * np.abs(want).max()
        model.cleanup()
    with pytest.raises(ValueError, match="num_classes"):
        whet.ONNXClassifierWrapper(str(engine_path), 7)
