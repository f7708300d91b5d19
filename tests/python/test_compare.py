# SPDX-License-Identifier: Apache-2.0
"""`whet compare`: the first value that differs, found by bisection where the reference is
onnxruntime, and the part of the model that differs by itself."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHET = ROOT / "build/bin/whet"
WRONG = ROOT / "build/lib/tests/libplugin_wrong.so"
LAYERS, WRONG_LAYER = 40, 23


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def make_model(path, external=False):
    """Convolutions and activations, one of them Softplus, behind each other; a residual."""
    rng = np.random.default_rng(0)
    nodes, weights, x = [], [], "x"
    for i in range(LAYERS):
        w = (rng.standard_normal((4, 4, 3, 3)) * 0.25).astype(np.float32)
        weights.append(numpy_helper.from_array(w, f"w{i}"))
        nodes.append(helper.make_node("Conv", [x, f"w{i}"], [f"/c/{i}"], pads=[1, 1, 1, 1]))
        op = "Softplus" if i == WRONG_LAYER else "Tanh"
        nodes.append(helper.make_node(op, [f"/c/{i}"], [f"/a/{i}"], f"act{i}"))
        x = f"/a/{i}"
    nodes.append(helper.make_node("Add", [x, "/a/2"], ["y"], "last"))
    shape = ["n", 4, 6, 6]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=external, location="weights", size_threshold=64)


def check_part(part, nodes, inputs):
    model = onnx.load(part)
    onnx.checker.check_model(model)
    assert [n.op_type for n in model.graph.node] == nodes
    fed = dict(np.load(part.with_suffix(".npz")))
    assert {k: v.shape for k, v in fed.items()} == inputs
    session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
    return session.run(None, fed)[0]


@pytest.mark.parametrize("external", [False, True])
def test_bisection_against_onnxruntime(tmp_path, external):
    model, part = tmp_path / "model.onnx", tmp_path / "out" / "part.onnx"
    part.parent.mkdir()
    make_model(model, external)
    plugin = ["--plugins", WRONG, "--plugin-override", "--level=0", "-q", "--onnxruntime",
              f"--python={sys.executable}"]
    done = run(WHET, "compare", model, *plugin, "--shapes=x:2x4x6x6", f"--save-failing={part}")
    assert done.returncode == 1, done.stderr
    assert f"the first that differs: /a/{WRONG_LAYER} " in done.stdout
    assert "(nodes: 1): differs by itself" in done.stdout
    check_part(part, ["Softplus"], {f"/c/{WRONG_LAYER}": (2, 4, 6, 6)})
    again = run(WHET, "compare", part, "-i", part.with_suffix(".npz"), *plugin, "--json")
    assert again.returncode == 1, again.stderr
    assert json.loads(again.stdout)["first"] == f"/a/{WRONG_LAYER}"
    right = run(WHET, "compare", model, "--level=0", "-q", "--onnxruntime",
                f"--python={sys.executable}", f"--save-failing={tmp_path}/none.onnx")
    assert right.returncode == 0, right.stdout + right.stderr
    assert not (tmp_path / "none.onnx").exists()


def test_part_against_the_references(tmp_path):
    model, part = tmp_path / "model.onnx", tmp_path / "part.onnx"
    make_model(model)
    strict = ["--level=0", "-q", "--tolerance=0"]  # what is rounded otherwise differs
    done = run(WHET, "compare", model, *strict, f"--save-failing={part}")
    assert done.returncode == 1, done.stderr
    value = check_part(part, ["Conv", "Tanh"], {"x": (1, 4, 6, 6)})
    assert value.shape == (1, 4, 6, 6)
    again = run(WHET, "compare", part, "-i", part.with_suffix(".npz"), *strict)
    assert again.returncode == 1, again.stderr


def test_inputs_of_an_archive(tmp_path):
    make_model(tmp_path / "model.onnx")
    np.savez(tmp_path / "x.npz", x=np.ones((1, 4, 6, 6), np.float32))
    np.savez(tmp_path / "z.npz", z=np.ones((1, 4, 6, 6), np.float32))
    fine = run(WHET, "compare", tmp_path / "model.onnx", "-i", tmp_path / "x.npz", "--level=0")
    assert fine.returncode == 0, fine.stderr
    wrong = run(WHET, "compare", tmp_path / "model.onnx", "-i", tmp_path / "z.npz", "--level=0")
    assert wrong.returncode == 1 and '"z" names no input' in wrong.stderr
