# SPDX-License-Identifier: Apache-2.0
"""What bench/compare.py reads and decides; the times themselves are not tested."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import compare  # noqa: E402
import converted  # noqa: E402


class Fake:
    def __init__(self, results, **info):
        self.info, self.values = info, results

    def results(self):
        return self.values


def test_ports():
    ports = compare.read_ports(["a: b: f32[N,3,8]", "n: i64[]"])
    assert ports == {"a: b": ("f32", ["N", 3, 8]), "n": ("i64", [])}
    assert compare.open_shapes(ports, 4) == {"a: b": [4, 3, 8]}
    inputs = compare.model_inputs({"inputs": ports, "batch": 2})
    assert inputs["a: b"].shape == (2, 3, 8) and inputs["n"].dtype == np.int64


def test_a_peer_that_is_wrong_is_left_out():
    want = [np.array([[1.0, 2.0]])]
    assert compare.left_out(Fake([np.array([1.0, 2.0])]), "ncnn", want) == ""
    assert "wrong" in compare.left_out(Fake([np.array([2.0, 1.0])]), "ncnn", want)
    assert "wrong" in compare.left_out(Fake([np.array([np.nan, 1.0])]), "MNN", want)
    assert "shapes" in compare.left_out(Fake([np.array([1.0])]), "MNN", want)
    assert compare.left_out(Fake([], failed="no such layer"), "ncnn", want) == "no such layer"


def test_batch_axes_of_an_example():
    text = """ex.input("in0", ncnn.Mat(in0.numpy(), batch_index=0).clone())
        ex.input("in1", ncnn.Mat(in1.numpy()).clone())
        out.append(torch.from_numpy(out0.numpy(batch_index=1)))
        out.append(torch.from_numpy(out1.numpy()))"""
    assert converted.batch_axes(text) == {"in0": {"batch_index": 0}, "in1": {},
                                          "out0": {"batch_index": 1}, "out1": {}}


def test_a_failed_conversion_tells_the_last_line(tmp_path):
    command = [sys.executable, "-c", "print('one'); print('unknown operator Foo')"]
    try:
        converted.convert(tmp_path / "result", command)
    except RuntimeError as e:
        assert str(e) == "not converted: unknown operator Foo"
    else:
        raise AssertionError("a missing result was not noticed")
