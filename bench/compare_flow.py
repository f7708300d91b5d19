# SPDX-License-Identifier: Apache-2.0
"""Time of an iteration of loops in whet and onnxruntime: a character RNN as a Loop that feeds
itself what it chose, an RNN as a Scan, an empty Loop.

usage: compare_flow.py [--steps 200] [--hidden 64] [--rounds 5] [--seconds 0.3] [--level 3]

One thread each, interleaved, medians; `us` are microseconds of one iteration (a run over its
iterations, so what a run costs once is in it). Needs what ./test.sh leaves in .venv."""

import argparse
import time

import numpy as np
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

import whet

RNG = np.random.default_rng(1)


def info(name, dtype=T.FLOAT, shape=None):
    return h.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs, outputs, constants):
    graph = h.make_graph(nodes, "g", inputs, outputs,
                         [nh.from_array(v, k) for k, v in constants.items()])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)


def normal(*shape):
    return (RNG.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def loop(nodes, carried, results, **more):
    body = h.make_graph([h.make_node("Identity", ["ci"], ["co"])] + nodes, "body",
                        [info("i", T.INT64, []), info("ci", T.BOOL, [])] + carried,
                        [info("co", T.BOOL, [])] + results)
    return h.make_node("Loop", more.pop("inputs"), more.pop("outputs"), body=body)


def characters(steps, hidden, letters=64):
    nodes = [h.make_node("Gather", ["e", "c"], ["x"]),
             h.make_node("MatMul", ["h", "w"], ["hw"]), h.make_node("Add", ["hw", "x"], ["sum"]),
             h.make_node("Tanh", ["sum"], ["h2"]), h.make_node("MatMul", ["h2", "o"], ["logits"]),
             h.make_node("ArgMax", ["logits"], ["next"], axis=1, keepdims=0),
             h.make_node("Identity", ["next"], ["part"])]
    node = loop(nodes, [info("h", T.FLOAT, [1, hidden]), info("c", T.INT64, [1])],
                [info("h2", T.FLOAT, [1, hidden]), info("next", T.INT64, [1]),
                  info("part", T.INT64, [1])],
                inputs=["m", "", "h0", "c0"], outputs=["hn", "cn", "text"])
    proto = model([node], [info("m", T.INT64, []), info("h0", T.FLOAT, [1, hidden]),
                           info("c0", T.INT64, [1])], [info("text", T.INT64)],
                  {"w": normal(hidden, hidden), "e": normal(letters, hidden),
                   "o": normal(hidden, letters)})
    return proto, {"m": np.array(steps), "h0": normal(1, hidden), "c0": np.array([1])}


def scan(steps, hidden):
    shape = [1, hidden]
    body = h.make_graph([h.make_node("MatMul", ["h", "w"], ["hw"]),
                         h.make_node("MatMul", ["x", "u"], ["xu"]),
                         h.make_node("Add", ["hw", "xu"], ["sum"]),
                         h.make_node("Tanh", ["sum"], ["h2"]),
                         h.make_node("Identity", ["h2"], ["y"])], "body",
                        [info("h", T.FLOAT, shape), info("x", T.FLOAT, shape)],
                        [info("h2", T.FLOAT, shape), info("y", T.FLOAT, shape)])
    node = h.make_node("Scan", ["h0", "xs"], ["hn", "ys"], num_scan_inputs=1, body=body)
    proto = model([node], [info("h0", T.FLOAT, shape), info("xs", T.FLOAT, ["n"] + shape)],
                  [info("hn"), info("ys")],
                  {"w": normal(hidden, hidden), "u": normal(hidden, hidden)})
    return proto, {"h0": normal(*shape), "xs": normal(steps, *shape)}


def empty(steps, hidden):
    node = loop([h.make_node("Add", ["v", "one"], ["v2"])], [info("v", T.FLOAT, [])],
                [info("v2", T.FLOAT, [])], inputs=["m", "", "v0"], outputs=["y"])
    proto = model([node], [info("m", T.INT64, []), info("v0", T.FLOAT, [])], [info("y")],
                  {"one": np.array(1, np.float32)})
    return proto, {"m": np.array(steps), "v0": np.array(0, np.float32)}


def visit(call, seconds):
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def compare(name, proto, feed, options):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), settings,
                                           providers=["CPUExecutionProvider"])
    context = whet.build(proto, threads=1, level=options.level).context(1)
    for a, b in zip(session.run(None, feed), context.run(feed).values()):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)
    ours, theirs = [], []
    for i in range(options.rounds):
        for times, call in ((ours, lambda: context.run(feed)),
                            (theirs, lambda: session.run(None, feed)))[:: 1 if i % 2 else -1]:
            times += visit(call, options.seconds)
    us = [float(np.median(t)) / options.steps * 1e6 for t in (ours, theirs)]
    print(f"{name:12} whet {us[0]:8.2f} us  onnxruntime {us[1]:8.2f} us  ratio {us[0] / us[1]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--level", type=int, default=3)
    options = parser.parse_args()
    for make in (characters, scan, empty):
        compare(make.__name__, *make(options.steps, options.hidden), options)


if __name__ == "__main__":
    main()
