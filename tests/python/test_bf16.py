# SPDX-License-Identifier: Apache-2.0
"""BF16: trained models keep their answers, engines run on other instruction sets and shapes."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {
    "mobilenetv2": ROOT / "examples/glyphs/glyph_mobilenetv2.onnx",
    "resnet18": ROOT / "tests/data/glyphs/glyph_resnet18.onnx",
    "vit": ROOT / "tests/data/glyphs/glyph_vit.onnx",
}
CPU = pathlib.Path("/proc/cpuinfo")
HAS_BF16 = CPU.exists() and "avx512_bf16" in CPU.read_text() and \
    os.environ.get("WHET_CPU_MASK", "native") == "native"


def image(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 1, 48, 48), dtype=np.float32)


def types(engine):
    return [t["type"] for layer in engine.inspect()["layers"]
            for t in layer["inputs"] + layer["outputs"]]


@pytest.fixture(scope="module", params=MODELS)
def pair(request):
    path = MODELS[request.param]
    return whet.build(path, level=0), whet.build(path, level=0, precision="bf16")


def test_outputs_are_within_the_error_of_bf16(pair):
    x = {"image": image(5)}
    want, got = (list(e.context().run(x).values())[0] for e in pair)
    assert np.linalg.norm(got - want) <= 0.02 * np.linalg.norm(want)
    assert (got.argmax(1) == want.argmax(1)).all()


def test_values_are_stored_so_but_inputs_and_outputs_are_not(pair):
    own, stored = (types(e) for e in pair)
    assert not any(t.startswith("bf16") for t in own)
    assert any(t.startswith("bf16") for t in stored) == HAS_BF16
    assert [str(t[0]) for t in pair[1].inputs.values()] == [str(t[0]) for t in
                                                           pair[0].inputs.values()]


@pytest.mark.parametrize("mask", ["scalar", "avx512"])
def test_other_instruction_sets_run_the_engine(mask, pair, tmp_path):
    pair[1].save(tmp_path / "a.whet")
    np.save(tmp_path / "x.npy", image(2))
    code = ("import sys, numpy as np, whet; e = whet.load(sys.argv[1]);"
            "np.save(sys.argv[3], e.context().run({'image': np.load(sys.argv[2])})['logits'])")
    files = [str(tmp_path / name) for name in ("a.whet", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True,
                   env={**os.environ, "WHET_CPU_MASK": mask})
    want = list(pair[0].context().run({"image": image(2)}).values())[0]
    assert np.abs(np.load(tmp_path / "y.npy") - want).max() <= 1e-4 * np.abs(want).max()


def test_precisions_are_a_set():
    path = MODELS["mobilenetv2"]
    both = whet.build(path, level=0, precision={"fp32", "bf16"}, deterministic=True)
    option = whet.build(path, level=0, options={"bf16": "true"}, deterministic=True)
    assert both.serialize() == option.serialize()
    with pytest.raises(whet.Error, match="tf32"):
        whet.build(path, precision={"bf16", "tf32"})
