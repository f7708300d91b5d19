# SPDX-License-Identifier: Apache-2.0
"""Engines and contexts from Python: masks, threads, files, DLPack, caches, bad input."""

import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/glyphs/glyph_mobilenetv2.onnx"


def image(batch=1, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 1, 48, 48), dtype=np.float32)


@pytest.fixture(scope="module")
def engine():
    return whet.build(MODEL, level=1)


@pytest.mark.parametrize("mask", ["scalar", "avx2", "avx512", "native"])
def test_one_file_runs_at_every_instruction_set(mask, engine, tmp_path):
    engine.save(tmp_path / "a.whet")
    np.save(tmp_path / "x.npy", image(2))
    code = ("import sys, numpy as np, whet; e = whet.load(sys.argv[1]);"
            "np.save(sys.argv[3], e.context().run({'image': np.load(sys.argv[2])})['logits'])")
    files = [str(tmp_path / name) for name in ("a.whet", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True,
                   env={**os.environ, "WHET_CPU_MASK": mask})
    want = engine.context().run({"image": image(2)})["logits"]
    assert np.abs(np.load(tmp_path / "y.npy") - want).max() <= 1e-4 * np.abs(want).max()


def test_streams_are_numbered(engine):
    want = engine.context().run({"image": image()})["logits"]
    for i in range(2):
        got = engine.context(stream=(i, 2)).run({"image": image()})["logits"]
        assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()
    with pytest.raises(whet.Error, match="stream 2 of 2"):
        engine.context(stream=(2, 2))


def test_two_contexts_run_at_once(engine):
    want = [engine.context().run({"image": image(1, seed)})["logits"] for seed in range(2)]
    wrong = []

    def work(seed):
        context = engine.context(threads=1)
        for _ in range(100):
            got = context.run({"image": image(1, seed)})["logits"]
            if not np.allclose(got, want[seed], rtol=0, atol=1e-5):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_outputs_are_written_in_place_and_dlpack_is_read(engine):
    class Capsule:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **kwargs):
            return self.array.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    mine = np.empty((1, 62), np.float32)
    context = engine.context()
    made = context.run({"image": Capsule(image())}, {"logits": mine})
    assert made["logits"] is mine
    assert np.array_equal(mine, context.run({"image": image()})["logits"])


def test_bytes_and_files_are_the_same(engine, tmp_path):
    engine.save(tmp_path / "a.whet")
    assert (tmp_path / "a.whet").read_bytes() == engine.serialize()
    again = whet.loads(engine.serialize())
    assert np.array_equal(again.context().run({"image": image()})["logits"],
                          engine.context().run({"image": image()})["logits"])


def test_deterministic_builds_are_equal(tmp_path):
    cache = tmp_path / "times"
    whet.build(MODEL, level=2, timing_cache=cache)
    builds = [whet.build(MODEL, timing_cache=cache, deterministic=True).serialize()
              for _ in range(2)]
    assert builds[0] == builds[1]


def test_small_engines_leave_the_sources_out(engine):
    small = whet.build(MODEL, level=0, portable="none")
    weights = MODEL.stat().st_size
    assert len(small.serialize()) <= 2.1 * weights
    assert len(engine.serialize()) <= 3.1 * weights
    assert np.allclose(small.context().run({"image": image()})["logits"],
                       engine.context().run({"image": image()})["logits"], atol=1e-4)


@pytest.mark.parametrize("fed, words", [
    ({"image": np.zeros((1, 1, 48, 47), np.float32)}, ["image", "47", "48"]),
    ({"image": np.zeros((1, 1, 48), np.float32)}, ["image", "rank"]),
    ({"image": np.zeros((1, 1, 48, 48), np.float64)}, ["image", "f64", "f32"]),
])
def test_wrong_inputs_are_named(engine, fed, words):
    with pytest.raises(whet.Error) as caught:
        engine.context().run(fed)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("argument", [
    {"precision": "tf32"}, {"precision": {"int8", "bf16"}}, {"verify": "most"}, {"accuracy": 0.1},
    {"calibration": []}, {"device": "cuda"}, {"plugins": ("x.so",)},
])
def test_what_is_not_there_is_refused(argument):
    with pytest.raises(whet.Error):
        whet.build(MODEL, **argument)


def test_full_verification_is_kept_in_the_engine():
    samples = [{"image": image(seed=i)} for i in range(3)]
    engine = whet.loads(whet.build(MODEL, level=0, verify="full", calibration=samples,
                                   options={"verify-samples": 2}).serialize())
    report = engine.inspect()
    assert report["verified"] == {"samples": 2, "data": "calibration"}
    found = [layer["verified"] for layer in report["layers"]]
    assert {f["state"] for f in found} <= {"agrees", "nothing to do", "reference"}
    assert all(f["error"] <= 1 and f["rms"] <= 1 for f in found if f["state"] == "agrees")
    assert any(f["rule"] == "sum" and f["k"] > 9 and f["error"] > 0 for f in found)
    assert "verified" not in whet.build(MODEL, level=0).inspect()


def test_full_verification_of_profiles_and_blocks():
    shapes = [tuple((n, 1, 48, 48) for n in batch) for batch in ((1, 1, 1), (2, 3, 4))]
    report = whet.build(MODEL, level=0, verify="full",
                        profiles=[{"image": s} for s in shapes]).inspect()
    assert report["verified"] == {"samples": 2, "data": "random"}
    for layers in (report["layers"], report["profiles"][1]["layers"]):
        assert {layer["verified"]["state"] for layer in layers} <= {"agrees", "nothing to do"}
    # what no sample comes to is told
    flow = whet.build(ROOT / "tests/data/loop_flow.onnx", level=0, verify="full").inspect()
    assert flow["layers"][0]["verified"]["state"] == "host"
    inside = {layer["verified"]["state"] for layer in flow["layers"][0]["blocks"][0]["layers"]}
    assert "never ran" in inside


def test_fixed_shapes(engine):
    fixed = whet.build(MODEL, level=0, shapes={"image": (3, 1, 48, 48)})
    assert fixed.inputs["image"][1] == (3, 1, 48, 48)
    with pytest.raises(whet.Error, match="image"):
        fixed.context().run({"image": image(2)})
    with pytest.raises(whet.Error, match="nowhere"):
        whet.build(MODEL, shapes={"nowhere": (1,)})


def test_progress_can_cancel():
    phases = []

    def progress(phase, done, total, left):
        phases.append(phase)
        return phase != "tuning"

    with pytest.raises(whet.Error) as caught:
        whet.build(MODEL, progress=progress)
    assert caught.value.name == "WHET_E_CANCELLED" and "passes" in phases


def test_parts_of_an_output_are_made_inside_it():
    """Of two shapes, the second larger, so that the output's memory moves."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Exp", ["x"], ["a"]), helper.make_node("Abs", ["x"], ["b"]),
             helper.make_node("Transpose", ["b"], ["c"]),
             helper.make_node("Transpose", ["a"], ["d"]),
             helper.make_node("Concat", ["c", "d"], ["y"], axis=0)]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "m"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    data = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    context = whet.build(data.SerializeToString(), level=0).context()
    for shape in ((2, 3), (40, 50)):
        x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
        got = context.run({"x": x})["y"]
        np.testing.assert_allclose(got, np.concatenate([np.abs(x).T, np.exp(x).T]), rtol=1e-5)
