# SPDX-License-Identifier: Apache-2.0
"""Strings, sequences and optionals as inputs, outputs and constants of engines."""

import numpy as np
import onnx.parser
import pytest

import whet


def model(text, opset=18):
    head = f'<ir_version: 8, opset_import: ["": {opset}]> '
    return onnx.parser.parse_model(head + text)


def context(text, opset=18, **options):
    """Through the file, so that what is encoded is what runs."""
    engine = whet.build(model(text, opset), **{"verify": "off", "level": 0, **options})
    return whet.loads(engine.serialize()).context()


def words(*texts):
    return np.array(texts, dtype=object)


def test_strings_go_in_and_out_whole():
    run = context("g (string[n] x) => (string[n] y, string[m] z)"
                  "{ y = Identity (x) c = Constant <value_strings = [\"a\", \"é\"]> ()"
                  "  z = Concat <axis = 0> (c, x) }", level=1, verify="auto")
    x = words("", "é€😀", "a\0b", b"\xff\xfe".decode("utf-8", "surrogateescape"))
    got = run.run({"x": x})
    assert got["y"].tolist() == x.tolist()
    assert got["z"].tolist() == ["a", "\u00e9", *x.tolist()]
    got = run.run({"x": np.array(["u", "vw"])})  # numpy's own strings
    assert got["y"].tolist() == ["u", "vw"]
    assert run.run({"x": words()})["y"].shape == (0,)
    with pytest.raises(TypeError, match="a string is expected"):
        run.run({"x": words("a", 1)})


def test_strings_are_moved_like_numbers():
    run = context("g (string[2, 3] x, int64[k] i, bool[2, 3] c) =>"
                  "  (string[a, b] g, string[3, 2] t, string[2, 3] w, bool[2, 3] e, string[u] q) {"
                  "  g = Gather <axis = 1> (x, i) t = Transpose (x)"
                  "  h = Constant <value_string = \"h\"> () w = Where (c, x, h)"
                  "  e = Equal (x, h) q = Unique (x) }")
    x = np.array([["b", "a", "h"], ["h", "", "b"]], dtype=object)
    c = np.array([[1, 0, 1], [0, 1, 0]], dtype=bool)
    got = run.run({"x": x, "i": np.array([2, -3]), "c": c})
    assert (got["g"] == x[:, [2, 0]]).all() and (got["t"] == x.T).all()
    assert (got["w"] == np.where(c, x, "h")).all() and (got["e"] == (x == "h")).all()
    assert got["q"].tolist() == ["", "a", "b", "h"]


SEQUENCE = """g (seq(float[]) s, float[n] x, int64 i) =>
    (seq(float[]) longer, int64 length, float[] at, float[] twice, seq(float[]) less) {
    longer = SequenceInsert (s, x, i) length = SequenceLength (longer)
    at = SequenceAt (longer, i) twice = Add (at, at) less = SequenceErase (longer, i) }"""


def test_sequences_change_at_run_time():
    run = context(SEQUENCE, level=1, verify="auto")
    s = [np.ones((2, 2), np.float32), np.float32(7).reshape(())]
    x = np.array([1, 2, 3], np.float32)
    for i, place in ((0, 0), (1, 1), (2, 2), (-1, 1)):
        got = run.run({"s": s, "x": x, "i": np.int64(i)})
        want = s[:place] + [x] + s[place:]
        assert [a.tolist() for a in got["longer"]] == [a.tolist() for a in want]
        assert got["length"] == 3
        assert got["at"].tolist() == (want[i]).tolist()
        assert got["twice"].tolist() == (2 * want[i]).tolist()
        del want[i]
        assert [a.tolist() for a in got["less"]] == [a.tolist() for a in want]
    with pytest.raises(whet.Error, match="position 3 is outside of a sequence of 2"):
        run.run({"s": s, "x": x, "i": np.int64(3)})
    assert run.run({"s": [], "x": x, "i": np.int64(0)})["less"] == []


def test_wrong_sequences_are_refused():
    run = context(SEQUENCE)
    fed = {"x": np.zeros(1, np.float32), "i": np.int64(0)}
    with pytest.raises(whet.Error, match='input "s": an item is f64 where f32 is expected'):
        run.run({"s": [np.zeros(2)], **fed})
    with pytest.raises(whet.Error, match="does not go together"):
        run.run({"s": [np.zeros(2), np.zeros(2, np.float32)], **fed})
    with pytest.raises(TypeError):
        run.run({"s": 3, **fed})


def test_unknown_ranks_run_through():
    run = context("g (seq(float[]) s, int64 i, int64[k] shape) => (float[] y, float[] z, float[] r)"
                  "{ a = SequenceAt (s, i) y = Softmax <axis = -1> (a) z = ReduceSum (y)"
                  "  r = Reshape (a, shape) }")
    s = [np.eye(3, dtype=np.float32), np.arange(4, dtype=np.float32)]
    for i, shape in ((0, [9]), (1, [2, 2]), (0, [1, -1])):
        got = run.run({"s": s, "i": np.int64(i), "shape": np.array(shape)})
        assert got["y"].shape == s[i].shape
        assert np.allclose(got["y"].sum(-1), 1)
        assert np.allclose(got["z"], s[i].size / s[i].shape[-1])
        assert got["r"].tolist() == s[i].reshape(shape).tolist()


def test_split_and_concatenation_of_unknown_lengths():
    run = context("g (float[n, 3] x, int64 step) => (seq(float[]) s, float[] y, seq(float[]) rows)"
                  "{ s = SplitToSequence (x, step) y = ConcatFromSequence <axis = 1> (s)"
                  "  rows = SplitToSequence <keepdims = 0> (x) }")
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    got = run.run({"x": x, "step": np.int64(2)})
    assert [a.tolist() for a in got["s"]] == [x[:2].tolist(), x[2:].tolist()]
    assert got["y"].tolist() == np.concatenate([x[:2], x[2:]], 1).tolist()
    assert [a.tolist() for a in got["rows"]] == x.tolist()
    with pytest.raises(whet.Error, match="item 1 does not fit to the first one"):
        run.run({"x": x, "step": np.int64(3)})
    with pytest.raises(whet.Error, match="parts of size 0"):
        run.run({"x": x, "step": np.int64(0)})


def test_optionals_may_be_empty():
    run = context("g (optional(float[2]) o) => (bool b) { b = OptionalHasElement (o) }")
    assert run.run({"o": None})["b"].tolist() is False
    assert run.run({"o": np.zeros(2, np.float32)})["b"].tolist() is True
    run = context("g (optional(seq(string[])) o) => (seq(string[]) s)"
                  "{ s = OptionalGetElement (o) }")
    assert [a.tolist() for a in run.run({"o": [words("a"), words()]})["s"]] == [["a"], []]
    with pytest.raises(whet.Error, match="the optional is empty"):
        run.run({"o": None})


def test_memory_of_objects_is_limited():
    run = context("g (string[n] x) => (string[n] y) { y = StringConcat (x, x) }", opset=20)
    run.set_limits(object_bytes=4096)
    with pytest.raises(whet.Error, match="WHET_E_LIMIT|more than|limit"):
        run.run({"x": words("a" * 4096)})
    assert run.run({"x": words("a")})["y"].tolist() == ["aa"]
    run.set_limits()
    assert len(run.run({"x": words("a" * 4096)})["y"][0]) == 8192
    with pytest.raises(whet.Error, match="negative"):
        run.set_limits(object_bytes=-1)
