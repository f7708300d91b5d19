# SPDX-License-Identifier: Apache-2.0
"""Networks written as ONNX: what was imported comes out as a model that onnx.checker takes and that
onnxruntime and whet run to the same results."""

import pathlib

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
from onnx.backend.test.loader import load_model_tests

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUIET = onnxruntime.SessionOptions()
QUIET.log_severity_level = 4


def backend_cases():
    """A sample of ONNX's own cases, and those of the tree."""
    cases = [case for kind in ("node", "simple", "pytorch-operator", "pytorch-converted")
             for case in load_model_tests(kind=kind)]
    folders = sorted(pathlib.Path(case.model_dir) for case in cases)[::14]
    return folders + sorted(p.parent for p in ROOT.glob("tests/data/cases/*/model.onnx"))


def feed_of(folder, model):
    feed = {}
    for i, info in enumerate(model.graph.input):
        path = folder / "test_data_set_0" / f"input_{i}.pb"
        if path.exists():
            proto = onnx.TensorProto.FromString(path.read_bytes())
            feed[info.name] = onnx.numpy_helper.to_array(proto)
    return feed


def session_of(path):
    try:
        return onnxruntime.InferenceSession(path, QUIET, providers=["CPUExecutionProvider"])
    except Exception:  # what onnxruntime lacks
        return None


def run_session(session, feed):
    try:
        return session.run(None, {i.name: feed[i.name] for i in session.get_inputs()})
    except Exception:
        return None


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape and x.dtype == y.dtype
        if x.dtype.kind in "fcV":
            np.testing.assert_allclose(x.astype(complex), y.astype(complex), rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(x, y)


def run_whet(model, feed):
    engine = whet.build(model, level=0, verify="off")
    made = engine.context().run({name: feed[name] for name in engine.inputs})
    return [made[name] for name in engine.outputs]


@pytest.mark.parametrize("folder", backend_cases(), ids=lambda folder: folder.name)
def test_imported_models_come_back(folder, tmp_path):
    path, written = folder / "model.onnx", tmp_path / "written.onnx"
    model = onnx.load(path)
    if not whet.check(path)["ok"]:
        pytest.skip("not supported")
    try:
        whet.Network(path).save_onnx(written)
    except whet.Error as error:
        if error.status == whet._whet.WHET_E_UNSUPPORTED:
            pytest.skip(str(error))
        raise
    try:
        feed = feed_of(folder, model)
    except Exception:
        pytest.skip("inputs that are no tensors")
    onnx.checker.check_model(written)
    assert_same(run_whet(written, feed), run_whet(path, feed))
    before = session_of(path)
    wanted = before and run_session(before, feed)
    if wanted:
        assert_same(run_session(session_of(written), feed), wanted)


@pytest.mark.parametrize("path", ["examples/glyphs/glyph_mobilenetv2.onnx",
                                  "tests/data/glyphs/glyph_resnet18.onnx",
                                  "tests/data/glyphs/glyph_vit.onnx"])
@pytest.mark.parametrize("external", [False, True])
def test_trained_models_come_back(path, external, tmp_path):
    written = tmp_path / "m.onnx"
    whet.Network(ROOT / path).save_onnx(written, external=external)
    assert (tmp_path / "m.onnx.data").exists() == external
    assert written.stat().st_size < 200000 or not external
    onnx.checker.check_model(written, full_check=True)
    size = whet.Network(written).inputs[0].shape[2:]
    feed = {"image": np.random.default_rng(0).standard_normal((3, 1, *size), np.float32)}
    wanted = run_session(session_of(ROOT / path), feed)
    assert_same(run_session(session_of(written), feed), wanted)
    assert_same(run_whet(written, feed), wanted)


def test_outputs_of_every_kind(tmp_path):
    path = tmp_path / "m.onnx"
    net = whet.Network()
    x = net.input("x", np.float32, ("n", 3))
    net.output(x, "x")
    net.output(x, "copy")
    z = net.neg(net.relu(x, name="y"))
    net.output(z, "y")
    net.output(z, "z")
    net.output(net.constant(np.array([1, 2])), "c")
    net.save_onnx(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [o.name for o in model.graph.output] == ["x", "copy", "y", "z", "c"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
    feed = {"x": np.array([[1, -2, 3]], np.float32)}
    made = run_session(session_of(path), feed)
    assert_same(made, run_whet(path, feed))
    np.testing.assert_array_equal(made[2], [[-1, 0, -3]])


def test_what_has_other_spellings(tmp_path):
    path = tmp_path / "m.onnx"
    rng = np.random.default_rng(1)
    net = whet.Network()
    x = net.input("x", np.float32, (2, 3, 4))
    w = rng.standard_normal((2, 5, 4)).astype(np.float32)
    net.output(net.add_node("matmul", x, w, np.ones(5, np.float32), transB=True, alpha=0.5), "a")
    net.output(net.clip(x, min=-0.5, max=0.25), "b")
    net.output(net.clip(x, min=0.0), "c")
    net.output(net.max(x, np.float32(0.1)), "d")
    first, second = net.add_node("split", x, axis=2, outputs=2)
    net.output(first, "e")
    lstm = net.lstm(net.transpose(x, 1, 0, 2), rng.standard_normal((1, 8, 4)).astype(np.float32),
                    rng.standard_normal((1, 8, 2)).astype(np.float32), hidden_size=2,
                    activations="Sigmoid,Relu,Tanh", outputs=3)
    net.output(lstm[2], "f")
    net.save_onnx(path)
    onnx.checker.check_model(path, full_check=True)
    feed = {"x": rng.standard_normal((2, 3, 4)).astype(np.float32)}
    assert_same(run_session(session_of(path), feed), run_whet(path, feed))
    assert_same(run_whet(path, feed), run_whet(net, feed))


def test_refusals(tmp_path):
    net = whet.Network()
    x = net.input("x", np.float32, (2, "n"))
    with pytest.raises(whet.Error, match="no outputs"):
        net.save_onnx(tmp_path / "m.onnx")
    net.output(net.relu(x), "y")
    with pytest.raises(whet.Error, match="nowhere"):
        net.save_onnx(tmp_path / "nowhere" / "m.onnx")
    assert list(tmp_path.iterdir()) == []
