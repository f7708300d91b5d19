# SPDX-License-Identifier: Apache-2.0
"""Writes the seed engines and timing caches of tests/fuzz/corpus from small networks.

usage: make_engine_corpus.py      (needs build/ and .venv as ./test.sh leaves them)"""

import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

import whet

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "tests/fuzz/corpus"
RNG = np.random.default_rng(5)


def model(nodes, inputs, outputs, constants):
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info(*i) for i in inputs],
                         [h.make_tensor_value_info(*o) for o in outputs],
                         [nh.from_array(v, k) for k, v in constants.items()])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def convolution():
    nodes = [h.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
             h.make_node("Relu", ["c"], ["r"]),
             h.make_node("Conv", ["r", "d"], ["e"], group=8, pads=[1, 1, 1, 1]),
             h.make_node("Add", ["e", "r"], ["a"]),
             h.make_node("MaxPool", ["a"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
             h.make_node("GlobalAveragePool", ["m"], ["p"]),
             h.make_node("Flatten", ["p"], ["f"]),
             h.make_node("Gemm", ["f", "v", "u"], ["y"], transB=1)]
    return model(nodes, [("x", T.FLOAT, ["n", 3, 8, 8])], [("y", T.FLOAT, ["n", 5])],
                 {"w": normal(8, 3, 3, 3), "b": normal(8), "d": normal(8, 1, 3, 3),
                  "v": normal(5, 8), "u": normal(5)})


def attention():
    nodes = [h.make_node("MatMul", ["x", "w"], ["q"]),
             h.make_node("Transpose", ["q"], ["t"], perm=[0, 2, 1]),
             h.make_node("MatMul", ["q", "t"], ["s"]),
             h.make_node("Softmax", ["s"], ["p"]),
             h.make_node("MatMul", ["p", "q"], ["o"]),
             h.make_node("Add", ["o", "x"], ["r"]),
             h.make_node("LayerNormalization", ["r", "g", "z"], ["y"])]
    return model(nodes, [("x", T.FLOAT, ["b", "s", 8])], [("y", T.FLOAT, ["b", "s", 8])],
                 {"w": normal(8, 8), "g": normal(8), "z": normal(8)})


def dynamic():
    nodes = [h.make_node("Shape", ["x"], ["s"]),
             h.make_node("Gather", ["s", "zero"], ["n"]),
             h.make_node("Concat", ["n", "minus"], ["t"], axis=0),
             h.make_node("Reshape", ["x", "t"], ["r"]),
             h.make_node("NonZero", ["r"], ["nz"]),
             h.make_node("Transpose", ["nz"], ["nt"]),
             h.make_node("GatherND", ["r", "nt"], ["y"]),
             h.make_node("Reshape", ["y", "shape"], ["z"])]
    return model(nodes, [("x", T.FLOAT, ["a", "b", 2]), ("shape", T.INT64, [2])],
                 [("y", T.FLOAT, ["k"]), ("z", T.FLOAT, ["p", "q"])],
                 {"zero": np.array([0], np.int64), "minus": np.array([-1], np.int64)})


def large_constants():
    nodes = [h.make_node("Gather", ["table", "i"], ["g"]),
             h.make_node("Tanh", ["g"], ["t"]),
             h.make_node("Concat", ["t", "g"], ["c"], axis=1),
             h.make_node("Split", ["c"], ["a", "b"], axis=1, ),
             h.make_node("Sub", ["a", "b"], ["y"])]
    return model(nodes, [("i", T.INT64, ["n"])], [("y", T.FLOAT, ["n", 8])],
                 {"table": normal(64, 8)})


def flow():
    """A Scan over a weight in an If in a Loop that collects, with constants of all three graphs."""
    def info(name, shape, dtype=T.FLOAT):
        return h.make_tensor_value_info(name, dtype, shape)

    rows = h.make_graph([h.make_node("MatMul", ["s", "m"], ["p"]),
                         h.make_node("Add", ["p", "row"], ["s2"])], "rows",
                        [info("s", [1, 4]), info("row", [1, 4])], [info("s2", [1, 4])])
    yes = h.make_graph([h.make_node("Scan", ["v", "w"], ["a"], num_scan_inputs=1, body=rows)],
                       "yes", [], [info("a", [1, 4])])
    no = h.make_graph([h.make_node("Neg", ["v"], ["b"])], "no", [], [info("b", [1, 4])])
    body = h.make_graph([h.make_node("Identity", ["ci"], ["co"]),
                         h.make_node("If", ["f"], ["v2"], then_branch=yes, else_branch=no),
                         h.make_node("Concat", ["l", "v2"], ["l2"], axis=0),
                         h.make_node("Identity", ["v2"], ["part"])], "body",
                        [info("i", [], T.INT64), info("ci", [], T.BOOL), info("v", [1, 4]),
                         info("l", ["k", 4])],
                        [info("co", [], T.BOOL), info("v2", [1, 4]), info("l2", ["q", 4]),
                         info("part", [1, 4])])
    node = h.make_node("Loop", ["n", "", "x", "x"], ["y", "list", "all"], body=body)
    return model([node], [("n", T.INT64, []), ("f", T.BOOL, []), ("x", T.FLOAT, [1, 4])],
                 [("y", T.FLOAT, [1, 4]), ("list", T.FLOAT, ["r", 4]),
                  ("all", T.FLOAT, ["t", 1, 4])],
                 {"w": normal(80, 1, 4), "m": normal(4, 4)})


def found_shapes():
    """Texts and sequences whose items have shapes that only running tells."""
    return onnx.load(CORPUS.parent.parent / "data/found_shapes.onnx")


def plugins():
    """Those of tests/fuzz/fuzz_plugin.h: attributes, state, shapes read and shapes found out."""
    everything = {"i": -3, "f": 2.0, "b": 1, "c": "two", "d": 1, "s": "text", "ints": [4, 5],
                  "floats": [0.5], "t": nh.from_array(normal(3)), "texts": ["a", "bc"]}
    nodes = [h.make_node("Everything", ["x", "", "w"], ["a", "e"], domain="fuzz", **everything),
             h.make_node("Everything", ["a", "shape"], ["b"], domain="fuzz"),
             h.make_node("Some", ["b"], ["y"], domain="fuzz"),
             h.make_node("Relu", ["e"], ["z"])]
    return model(nodes, [("x", T.FLOAT, ["n", 3, 2, 2]), ("shape", T.INT64, [2])],
                 [("y", T.FLOAT, ["k"]), ("z", T.FLOAT, ["q"])], {"w": normal(4)})


def plugin_library(folder):
    source = pathlib.Path(folder) / "fuzz.c"
    source.write_text('#include "fuzz_plugin.h"\n'
                      'WHET_PLUGIN_LIBRARY("fuzz", "1.0", &fuzz_everything, &fuzz_some)\n')
    root = CORPUS.parent.parent.parent
    library = source.with_name("libfuzz.so")
    subprocess.run(["cc", "-Os", "-s", "-shared", "-fPIC", "-I", root / "include", "-I",
                    root / "tests/fuzz", "-o", library, source], check=True)
    return library


def plugin_engines():
    with tempfile.TemporaryDirectory() as folder:
        whet.load_plugins(plugin_library(folder))
        for carried in ("", "used"):
            engine = whet.build(plugins(), level=0, threads=1, verify="off",
                                options={"embed-plugins": carried})
            engine.save(CORPUS / "engine" / f"plugins_{carried or 'named'}.whet")


def main():
    plugin_engines()
    for make in (convolution, attention, dynamic, large_constants, flow, found_shapes):
        proto = make()
        onnx.checker.check_model(proto)
        for portable in ("full", "none"):
            engine = whet.build(proto, level=0, portable=portable, threads=1)
            engine.save(CORPUS / "engine" / f"{make.__name__}_{portable}.whet")
            if portable == "full":
                engine.save(CORPUS / "engine" / f"{make.__name__}_stripped.whet", stripped=True)
    cache = CORPUS / "timing_cache" / "convolution.times"
    cache.unlink(missing_ok=True)
    whet.build(convolution(), level=1, timing_cache=cache, threads=1)


if __name__ == "__main__":
    main()
