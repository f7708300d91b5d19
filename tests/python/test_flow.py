# SPDX-License-Identifier: Apache-2.0
"""If, Loop and Scan against onnxruntime: nested, captured, with shapes that change."""

import numpy as np
import onnxruntime
import pytest
import whet
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

RNG = np.random.default_rng(3)


def info(name, dtype=T.FLOAT, shape=None):
    return h.make_tensor_value_info(name, dtype, shape)


def graph(nodes, inputs, outputs, constants=None):
    return h.make_graph(nodes, "g", inputs, outputs,
                        [nh.from_array(v, k) for k, v in (constants or {}).items()])


def model(*args, opset=17, **kwargs):
    return h.make_model(graph(*args, **kwargs), opset_imports=[h.make_opsetid("", opset)],
                        ir_version=8)


def loop_body(nodes, carried, outputs, cond="ci", constants=None):
    return graph([h.make_node("Identity", [cond], ["co"])] + nodes,
                 [info("i", T.INT64, []), info("ci", T.BOOL, [])] + carried,
                 [info("co", T.BOOL, [])] + outputs, constants)


def check(proto, feeds, **options):
    """Same results as onnxruntime, when run again too."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    context = whet.build(proto, **{"level": 0, **options}).context()
    for feed in feeds + feeds[::-1]:
        want = session.run(None, feed)
        got = list(context.run(feed).values())
        for a, b in zip(want, got, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            largest = np.abs(a).max(initial=1) if a.dtype.kind == "f" else 1
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5 * largest)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def test_if():
    then = graph([h.make_node("Relu", ["x"], ["a"])], [], [info("a")])
    other = graph([h.make_node("Concat", ["x", "x"], ["b"], axis=0)], [], [info("b")])
    proto = model([h.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
                   h.make_node("Neg", ["y"], ["z"])],
                  [info("c", T.BOOL, []), info("x", T.FLOAT, ["n", 3])], [info("z")])
    check(proto, [{"c": np.array(c), "x": normal(n, 3)} for c in (True, False) for n in (4, 1)])


def growing():
    body = loop_body([h.make_node("Concat", ["acc", "x"], ["acc2"], axis=0),
                      h.make_node("ReduceSum", ["acc2"], ["s"], keepdims=0)],
                     [info("acc")], [info("acc2"), info("s")])
    return model([h.make_node("Loop", ["m", "", "x"], ["y", "ys"], body=body)],
                 [info("m", T.INT64, []), info("x", T.FLOAT, ["n", 3])], [info("y"), info("ys")])


@pytest.mark.parametrize("options", [{}, {"level": 3, "verify": "auto"}, {"portable": "none"},
                                     {"deterministic": True}])
def test_growing_value(options):
    check(growing(), [{"m": np.array(k), "x": normal(2, 3)} for k in (3, 0, 1, 5, 20)], **options)


def test_rank_changes():
    body = loop_body([h.make_node("Unsqueeze", ["v", "zero"], ["v2"])], [info("v")], [info("v2")],
                     constants={"zero": np.array([0])})
    proto = model([h.make_node("Loop", ["m", "", "x"], ["y"], body=body)],
                  [info("m", T.INT64, []), info("x", T.FLOAT, [2])], [info("y")])
    check(proto, [{"m": np.array(k), "x": normal(2)} for k in (0, 1, 4)])


def test_ends_early():
    body = graph([h.make_node("Add", ["v", "one"], ["v2"]),
                  h.make_node("Less", ["v2", "limit"], ["go"])],
                 [info("i", T.INT64, []), info("ci", T.BOOL, []), info("v", T.FLOAT, [])],
                 [info("go", T.BOOL, []), info("v2"), info("v2")], {"one": np.array(1, np.float32)})
    body.output[2].name = "v3"
    body.node.append(h.make_node("Neg", ["v2"], ["v3"]))
    proto = model([h.make_node("Loop", ["", "c", "v"], ["y", "ys"], body=body)],
                  [info("c", T.BOOL, []), info("v", T.FLOAT, []), info("limit", T.FLOAT, [])],
                  [info("y"), info("ys")])
    check(proto, [{"c": np.array(c), "v": np.array(0, np.float32), "limit": np.array(n, np.float32)}
                  for c, n in ((True, 5), (True, 1000), (False, 5), (True, 0))])


@pytest.mark.parametrize("in_axis,in_back,out_axis,out_back",
                         [(0, 0, 0, 0), (0, 1, 0, 1), (1, 0, 1, 1), (-1, 1, -1, 0)])
def test_scan(in_axis, in_back, out_axis, out_back):
    body = graph([h.make_node("Add", ["s", "part"], ["s2"]),
                  h.make_node("Mul", ["s2", "k"], ["o"])],
                 [info("s", T.FLOAT, [3]), info("part", T.FLOAT, [3])], [info("s2"), info("o")])
    node = h.make_node("Scan", ["s0", "x"], ["last", "y"], num_scan_inputs=1, body=body,
                       scan_input_axes=[in_axis], scan_input_directions=[in_back],
                       scan_output_axes=[out_axis], scan_output_directions=[out_back])
    proto = model([node], [info("s0", T.FLOAT, [3]), info("x", T.FLOAT, ["a", "b"]),
                           info("k", T.FLOAT, [3])], [info("last"), info("y")])
    shape = (lambda n: (n, 3)) if in_axis == 0 else (lambda n: (3, n))
    check(proto, [{"s0": normal(3), "x": normal(*shape(n)), "k": normal(3)} for n in (4, 1, 7)])


def test_scan_of_nothing():
    body = graph([h.make_node("Add", ["s", "part"], ["s2"])],
                 [info("s", T.FLOAT, [3]), info("part", T.FLOAT, [3])], [info("s2"), info("s2")])
    proto = model([h.make_node("Scan", ["s", "x"], ["last", "y"], num_scan_inputs=1, body=body)],
                  [info("s", T.FLOAT, [3]), info("x", T.FLOAT, ["n", 3])],
                  [info("last"), info("y")])
    context = whet.build(proto, level=0).context()
    got = context.run({"s": np.ones(3, np.float32), "x": np.zeros((0, 3), np.float32)})
    assert got["last"].tolist() == [1, 1, 1] and got["y"].shape == (0, 3)


def test_nested_with_captures():
    """If in Loop in Scan; values from one and from two graphs outside."""
    then = graph([h.make_node("Mul", ["v", "outer"], ["t"])], [], [info("t")])
    other = graph([h.make_node("Sub", ["v", "part"], ["u"])], [], [info("u")])
    inner = loop_body([h.make_node("Cast", ["i"], ["n"], to=T.FLOAT),
                       h.make_node("Less", ["n", "two"], ["c"]),
                       h.make_node("If", ["c"], ["v2"], then_branch=then, else_branch=other)],
                      [info("v", T.FLOAT, [3])], [info("v2"), info("v2")],
                      constants={"two": np.array(2, np.float32)})
    body = graph([h.make_node("Loop", ["m", "", "s"], ["s2", "all"], body=inner),
                  h.make_node("ReduceSum", ["all"], ["sum"], keepdims=0)],
                 [info("s", T.FLOAT, [3]), info("part", T.FLOAT, [3])],
                 [info("s2", T.FLOAT, [3]), info("sum", T.FLOAT, [])])
    proto = model([h.make_node("Scan", ["s", "x"], ["last", "y"], num_scan_inputs=1, body=body)],
                  [info("s", T.FLOAT, [3]), info("x", T.FLOAT, ["n", 3]),
                   info("outer", T.FLOAT, [3]), info("m", T.INT64, [])],
                  [info("last"), info("y")])
    feeds = [{"s": normal(3), "x": normal(n, 3), "outer": normal(3), "m": np.array(m)}
             for n, m in ((4, 3), (2, 5), (3, 1), (2, 0))]
    for options in ({}, {"level": 2}, {"plan": "reference"}, {"disable_pass": "all"}):
        level = options.pop("level", 0)
        check(proto, feeds, level=level, options=options)


def test_char_rnn():
    """An RNN as a loop that feeds itself what it chose."""
    weights = {"w": normal(8, 8), "e": normal(5, 8), "o": normal(8, 5), "one": np.array([1])}
    body = loop_body([h.make_node("Gather", ["e", "c"], ["x"]),
                      h.make_node("MatMul", ["hid", "w"], ["hw"]),
                      h.make_node("Add", ["hw", "x"], ["sum"]),
                      h.make_node("Tanh", ["sum"], ["hid2"]),
                      h.make_node("MatMul", ["hid2", "o"], ["logits"]),
                      h.make_node("ArgMax", ["logits"], ["next"], axis=1, keepdims=0)],
                     [info("hid", T.FLOAT, [1, 8]), info("c", T.INT64, [1])],
                     [info("hid2"), info("next", T.INT64), info("next", T.INT64)])
    proto = model([h.make_node("Loop", ["m", "", "h0", "c0"], ["h", "last", "text"], body=body)],
                  [info("m", T.INT64, []), info("h0", T.FLOAT, [1, 8]), info("c0", T.INT64, [1])],
                  [info("h"), info("last", T.INT64), info("text", T.INT64)], weights)
    check(proto, [{"m": np.array(n), "h0": normal(1, 8), "c0": np.array([2])} for n in (12, 1, 30)])


def test_name_that_hides_another():
    """ONNX forbids it, exporters do it: the nearest definition counts."""
    then = graph([h.make_node("Neg", ["x"], ["y"])], [], [info("y")])
    other = graph([h.make_node("Neg", ["x"], ["z"]), h.make_node("Mul", ["z", "z"], ["y"])], [],
                  [info("y")])
    proto = model([h.make_node("Abs", ["x"], ["z"]),
                   h.make_node("If", ["c"], ["w"], then_branch=then, else_branch=other),
                   h.make_node("Add", ["w", "z"], ["y"])],
                  [info("c", T.BOOL, []), info("x", T.FLOAT, [2])], [info("y")])
    context = whet.build(proto, level=0).context()
    x = np.array([2, -3], np.float32)
    assert context.run({"c": np.array(True), "x": x})["y"].tolist() == [0, 6]
    assert context.run({"c": np.array(False), "x": x})["y"].tolist() == [6, 12]


def test_failure_inside_names_the_path():
    body = loop_body([h.make_node("Gather", ["table", "i"], ["v2"], name="pick")],
                     [info("v", T.FLOAT, [2])], [info("v2")])
    proto = model([h.make_node("Loop", ["m", "", "v"], ["y"], body=body, name="walk")],
                  [info("m", T.INT64, []), info("v", T.FLOAT, [2]), info("table", T.FLOAT, [3, 2])],
                  [info("y")])
    context = whet.build(proto, level=0).context()
    feed = {"v": normal(2), "table": normal(3, 2)}
    context.run({"m": np.array(3), **feed})
    with pytest.raises(whet.Error, match="walk, iteration 3: walk/body/pick"):
        context.run({"m": np.array(4), **feed})
    context.run({"m": np.array(3), **feed})


def test_loop_that_never_ends():
    body = loop_body([h.make_node("Add", ["v", "v"], ["v2"])], [info("v", T.FLOAT, [])],
                     [info("v2")])
    proto = model([h.make_node("Loop", ["", "c", "v"], ["y"], body=body, name="forever")],
                  [info("c", T.BOOL, []), info("v", T.FLOAT, [])], [info("y")])
    context = whet.build(proto).context()
    feed = {"c": np.array(True), "v": np.array(0, np.float32)}
    context.set_limits(iterations=1000)
    with pytest.raises(whet.Error, match="forever: more than 1000 iterations"):
        context.run(feed)
    context.set_limits(seconds=0.05)
    with pytest.raises(whet.Error, match="forever: the run takes longer than 0.05 seconds"):
        context.run(feed)
    assert context.run({**feed, "c": np.array(False)})["y"] == 0


def test_sequence_map():
    """Over sequences that the model says, and over those that come when it runs."""
    body = graph([h.make_node("Mul", ["a", "b"], ["r"]), h.make_node("Add", ["r", "k"], ["q"]),
                  h.make_node("Shape", ["a"], ["shape"])],
                 [info("a"), info("b")], [info("q"), info("shape", T.INT64)])
    inner = h.make_node("SequenceMap", ["s", "t"], ["u", "v"], body=body)
    shared = [h.make_node("SequenceAt", ["u", "one"], ["y"]),
              h.make_node("SequenceAt", ["v", "one"], ["z"])]
    constants = {"one": np.array(1), "k": np.array([0.5], np.float32)}
    x = [info("x0", T.FLOAT, ["n"]), info("x1", T.FLOAT, ["m"]), info("t", T.FLOAT, [1])]
    feed = {"x0": normal(3), "x1": normal(5), "t": normal(1)}
    known = model([h.make_node("SequenceConstruct", ["x0", "x1"], ["s"]), inner] + shared, x,
                  [info("y"), info("z", T.INT64)], constants)
    check(known, [feed])
    assert "loop" not in whet.build(known, level=0).inspect()
    late = model([h.make_node("SequenceConstruct", ["x0", "x1"], ["s0"]),
                  h.make_node("SequenceInsert", ["s0", "x0", "p"], ["s"]), inner] + shared,
                 x + [info("p", T.INT64, [])], [info("y"), info("z", T.INT64)], constants)
    check(late, [{**feed, "p": np.array(p)} for p in (0, 1, 2, -1)])


def test_outputs_of_earlier_segments():
    """Each If ends a segment; the outputs are views, made in the last one, of what earlier ones
    computed."""
    yes = graph([h.make_node("Neg", ["x"], ["a"])], [], [info("a", T.FLOAT, [3])])
    no = graph([h.make_node("Abs", ["x"], ["b"])], [], [info("b", T.FLOAT, [3])])
    proto = model([h.make_node("Add", ["x", "x"], ["v0"]),
                   h.make_node("If", ["c"], ["v1"], then_branch=yes, else_branch=no),
                   h.make_node("Mul", ["v1", "x"], ["v2"]),
                   h.make_node("If", ["c"], ["v3"], then_branch=no, else_branch=yes),
                   h.make_node("Tanh", ["v3"], ["v4"])] +
                  [h.make_node("Identity", [f"v{i}"], [f"y{i}"]) for i in range(5)],
                  [info("c", T.BOOL, []), info("x", T.FLOAT, [3])],
                  [info(f"y{i}", T.FLOAT, [3]) for i in range(5)])
    for options in ({}, {"plan": "reference", "disable_pass": "all"}):
        check(proto, [{"c": np.array(c), "x": normal(3)} for c in (True, False, True)],
              verify="off", options=options)


@pytest.mark.parametrize("batch", [3, 4])
def test_batch_in_parts(batch):
    """Layers too large for the caches run for few images at once; what follows sees them all."""
    weights = {"w": normal(32, 8, 3, 3) / 8, "v": normal(32, 32, 3, 3) / 16, "b": normal(32),
               "shape": np.array([batch, -1]), "m": normal(32, 5)}
    proto = model([h.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1] * 4),
                   h.make_node("Relu", ["a"], ["r"]),
                   h.make_node("Conv", ["r", "v"], ["c"], pads=[1] * 4),
                   h.make_node("Add", ["c", "r"], ["s"]),
                   h.make_node("GlobalAveragePool", ["s"], ["p"]),
                   h.make_node("Reshape", ["p", "shape"], ["f"]),
                   h.make_node("MatMul", ["f", "m"], ["y"]),
                   h.make_node("Softmax", ["y"], ["z"], axis=0)],
                  [info("x", shape=[batch, 8, 144, 144])], [info("z"), info("y")],
                  constants=weights)
    feeds = [{"x": normal(batch, 8, 144, 144)} for _ in range(2)]
    check(proto, feeds, level=1, threads=2)
    layers = whet.build(proto, level=1, threads=2).inspect(as_text=True)
    assert "batch/body/" in layers or "scan" in layers
    assert "scan" not in whet.build(proto, level=1, threads=2,
                                    options={"disable_pass": "batch"}).inspect(as_text=True)
