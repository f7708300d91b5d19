# SPDX-License-Identifier: Apache-2.0
"""Plugins from Python, and the examples of examples/plugin."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/plugin"
WHET = ROOT / "build/bin/whet"


def one_node(op_type, inputs, outputs=1, constants=(), dtype=TensorProto.FLOAT, **attrs):
    """A model of one node; inputs: {name: shape}."""
    names = list(inputs) + [c.name for c in constants]
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, "node", domain="test", **attrs)], "g",
        [helper.make_tensor_value_info(n, dtype, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in results],
        list(constants))
    for value in graph.output:
        value.type.Clear()
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model, level=0, **inputs):
    return whet.build(model, level=level, verify="auto").context().run(inputs)


def test_attributes_of_every_kind():
    seen = {}

    @whet.plugin("test::Kinds")
    def kinds(x, *, i=3, f=0.5, b=True, s="word", ints=[1, 2], floats=[0.25, 1.0], t=None,
              needed: int):
        seen.update(i=i, f=f, b=b, s=s, ints=ints, floats=floats, t=t, needed=needed)
        return x

    x = np.ones(2, np.float32)
    run(one_node("Kinds", {"x": ["n"]}, needed=7), x=x)
    assert seen == {"i": 3, "f": 0.5, "b": True, "s": "word", "ints": [1, 2],
                    "floats": [0.25, 1.0], "t": None, "needed": 7}
    table = np.arange(6, dtype=np.int64).reshape(2, 3)
    run(one_node("Kinds", {"x": ["n"]}, needed=8, i=-1, f=2.0, b=0, s="other", ints=[5],
                 floats=[1.5], t=numpy_helper.from_array(table)), x=x)
    assert np.array_equal(seen.pop("t"), table)
    assert seen == {"i": -1, "f": 2.0, "b": False, "s": "other", "ints": [5], "floats": [1.5],
                    "needed": 8}
    with pytest.raises(whet.Error, match="required attribute 'needed' is missing"):
        run(one_node("Kinds", {"x": ["n"]}), x=x)


def test_shapes_are_symbolic_and_read_values():
    @whet.plugin("test::Windows", outputs=2, output_types=[None, np.int64])
    def windows(x, size, *, stride=2):
        size = int(size[0])
        rows = np.lib.stride_tricks.sliding_window_view(x, size)[::stride]
        return rows, np.arange(len(rows)) * stride

    @windows.shapes
    def windows_shapes(x, size, stride):
        assert x.dtype == np.float32
        count = whet.dim_max((x.shape[0] - size.values[0]) // stride + 1, 0)
        return [(count, size.values[0]), (count,)]

    size = numpy_helper.from_array(np.array([3], np.int64), "size")
    engine = whet.build(one_node("Windows", {"x": ["n"]}, 2, [size]), level=1)
    assert engine.outputs["y0"][1][1] == 3
    context = engine.context()
    for n in (3, 8, 11):
        x = np.arange(n, dtype=np.float32)
        got = context.run({"x": x})
        assert np.array_equal(got["y0"], windows(x, np.array([3]))[0])
        assert np.array_equal(got["y1"], windows(x, np.array([3]))[1])


def test_results_may_tell_the_shape():
    @whet.plugin("test::Unique", dynamic=True, shapes=lambda x: (None,))
    def unique(x):
        return np.unique(x)

    context = whet.build(one_node("Unique", {"x": ["n"]}), level=0).context()
    for x in ([1, 2, 1], [5], [3, 3, 3, 4, 5]):
        x = np.array(x, np.float32)
        assert np.array_equal(context.run({"x": x})["y0"], np.unique(x))


def test_optional_and_variadic_inputs():
    @whet.plugin("test::AddAll")
    def add_all(x, scale=None, *more):
        return (x + sum(more, np.float32(0))) * (1 if scale is None else scale)

    x, s, a = (np.full(3, v, np.float32) for v in (1, 2, 5))
    shape = [3]
    assert run(one_node("AddAll", {"x": shape}), x=x)["y0"][0] == 1
    assert run(one_node("AddAll", {"x": shape, "s": shape}), x=x, s=s)["y0"][0] == 2
    model = one_node("AddAll", {"x": shape, "s": shape, "a": shape, "b": shape})
    assert run(model, x=x, s=s, a=a, b=a)["y0"][0] == 22


def test_errors_name_node_and_line():
    @whet.plugin("test::Fails")
    def fails(x):
        if x[0] > 0:
            raise ZeroDivisionError("cannot go on")  # the line that is named
        return np.zeros((2, 2)) if x[0] < 0 else x

    line = next(i for i, text in enumerate(pathlib.Path(__file__).read_text().splitlines(), 1)
                if text.endswith("# the line that is named"))
    context = whet.build(one_node("Fails", {"x": [1]}), level=0, verify="off").context()
    with pytest.raises(whet.Error, match=re.escape(
            f"node: ZeroDivisionError: cannot go on (test_plugins.py, line {line}, in fails)")):
        context.run({"x": np.array([1], np.float32)})
    with pytest.raises(whet.Error, match=r"node: ValueError: output 0 has shape \(2, 2\)"):
        context.run({"x": np.array([-1], np.float32)})
    assert context.run({"x": np.array([0], np.float32)})["y0"][0] == 0

    @whet.plugin("test::BadShape", shapes=lambda x: x.nothing)
    def bad_shape(x):
        return x

    with pytest.raises(whet.Error, match="node.*AttributeError: .*nothing"):
        whet.build(one_node("BadShape", {"x": [1]}), level=0)
    with pytest.raises(whet.Error, match="no plugin of that name is loaded"):
        whet.build(one_node("NotThere", {"x": [1]}), level=0)
    with pytest.raises(RuntimeError, match="only inside of a shape function"):
        whet._whet.plugin_dim(0, 1, 2)


def test_defined_again_the_new_function_runs():
    def define(value, extra=False):
        if extra:
            @whet.plugin("test::Again")
            def again(x, *, more=1):
                return x
        else:
            @whet.plugin("test::Again")
            def again(x):
                return x * 0 + value
        return again

    x = np.zeros(1, np.float32)
    define(1)
    context = whet.build(one_node("Again", {"x": [1]}), level=0).context()
    assert context.run({"x": x})["y0"][0] == 1
    define(2)
    assert context.run({"x": x})["y0"][0] == 2
    with pytest.raises(whet.Error, match="is registered already"):
        define(3, extra=True)


def test_threads_take_turns():
    @whet.plugin("test::Slow", pure=False)
    def slow(x):
        for _ in range(1000):
            pass
        return x + 1

    engine = whet.build(one_node("Slow", {"x": ["n"]}), level=0)
    wrong = []

    def work(seed):
        context = engine.context()
        for _ in range(50):
            x = np.full(4, seed, np.float32)
            if not np.array_equal(context.run({"x": x})["y0"], x + 1):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_plugins_inside_of_loops_are_named():
    @whet.plugin("test::Step")
    def step(x, *, by=1.0):
        return x + np.float32(by)

    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Step", ["v"], ["w"], "step", domain="test", by=2.0),
         helper.make_node("Identity", ["go"], ["still"])], "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []),
         value("v", TensorProto.FLOAT, ["n"])],
        [value("still", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, ["n"])])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["trips", "", "x"], ["y"], "loop", body=body)], "g",
        [value("trips", TensorProto.INT64, []), value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                    helper.make_opsetid("test", 1)], ir_version=8)
    engine = whet.build(model, level=0)
    for context in (engine.context(), whet.loads(engine.serialize()).context()):
        got = context.run({"trips": np.array(3), "x": np.zeros(2, np.float32)})["y"]
        assert np.array_equal(got, [6, 6])
    code = ("import sys, whet\ntry: whet.loads(sys.stdin.buffer.read())\n"
            "except whet.Error as e: print(e)")
    done = subprocess.run([sys.executable, "-c", code], input=engine.serialize(),
                          capture_output=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert b"needs plugin Step, version 1, domain \"test\"" in done.stdout, done.stderr


def compile_example(folder):
    library = folder / "libpairwise.so"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I",
                    ROOT / "include", "-o", library, EXAMPLE / "pairwise_distance.c"], check=True)
    return library


def test_the_example_in_c(tmp_path):
    """As docs/plugins.md has it, on the command line; then carried by the engine."""
    compile_example(tmp_path)

    def command(*args):
        subprocess.run(args, cwd=tmp_path, check=True, capture_output=True)

    command(sys.executable, EXAMPLE / "make_pairwise.py", "pairwise.onnx")
    command(WHET, "build", "pairwise.onnx", "--plugins=./libpairwise.so", "--embed-plugins=used",
            "-o", "pairwise.whet")
    x = np.array([[0, 1], [3, 3]], np.float32)
    np.save(tmp_path / "x.npy", x)
    for way in ("--plugins=libpairwise.so", "--engine-libraries"):
        command(WHET, "run", "pairwise.whet", way, "--input=x:x.npy", "--output=nearest:y.npy")
        want = np.sort(np.linalg.norm(x[:, None] - np.array([[0, 0], [3, 4], [6, 8]]), axis=-1))
        assert np.allclose(np.load(tmp_path / "y.npy"), want[:, :2])
    refused = subprocess.run([WHET, "inspect", "pairwise.whet"], cwd=tmp_path, text=True,
                             capture_output=True)
    assert refused.returncode == 1
    assert "needs plugin PairwiseDistance, version 1, domain \"mydomain\"" in refused.stderr
    assert "libpairwise.so" in refused.stderr


def test_flags_of_trtexec(tmp_path):
    compile_example(tmp_path)
    subprocess.run([sys.executable, EXAMPLE / "make_pairwise.py", "m.onnx"], cwd=tmp_path,
                   check=True)

    def trtexec(*flags):
        return subprocess.run([WHET, "exec", "--iterations=1", "--duration=0", "--warmUp=0",
                               "--shapes=x:4x2", *flags], cwd=tmp_path, text=True,
                              capture_output=True)

    built = trtexec("--onnx=m.onnx", "--dynamicPlugins=./libpairwise.so", "--saveEngine=a.whet",
                    "--builderOptimizationLevel=0")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "Plugins:" in built.stdout and "./libpairwise.so" in built.stdout
    assert trtexec("--loadEngine=a.whet").returncode == 1
    assert trtexec("--loadEngine=a.whet", "--staticPlugins=./libpairwise.so").returncode == 0
    built = trtexec("--onnx=m.onnx", "--setPluginsToSerialize=./libpairwise.so",
                    "--saveEngine=b.whet", "--builderOptimizationLevel=0")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "has not been allowed" in trtexec("--loadEngine=b.whet").stderr
    assert trtexec("--loadEngine=b.whet", "--engineHostCodeAllowed").returncode == 0


def test_the_example_in_python():
    done = subprocess.run([sys.executable, EXAMPLE / "pairwise_distance.py"], text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(
                              [*sys.path])})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 3


def test_libraries_from_python(tmp_path):
    """In a process of its own: this one may have the plugin already."""
    compile_example(tmp_path)
    code = ("import sys, numpy, make_pairwise, whet;"
            "e = whet.build(make_pairwise.model(), level=0, plugins=[sys.argv[1]]);"
            "print(e.context().run({'x': numpy.zeros((1, 2), 'f')})['nearest'].tolist())")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "libpairwise.so"], text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(
                              [str(EXAMPLE), *sys.path])})
    assert done.stdout == "[[0.0, 5.0]]\n", done.stderr
    code = ("import sys, numpy, make_pairwise, whet;"
            "e = whet.build(make_pairwise.model(), level=0, plugins=sys.argv[1],"
            "               options={'embed-plugins': 'used'}); e.save(sys.argv[2])")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLE), *sys.path])}
    engine = tmp_path / "carries.whet"
    subprocess.run([sys.executable, "-c", code, tmp_path / "libpairwise.so", engine], check=True,
                   env=environment)
    code = ("import sys, whet\ntry: whet.load(sys.argv[1])\nexcept whet.Error as e: print(e.name)\n"
            "whet.plugin_options(engine_libraries=True)\nprint(whet.load(sys.argv[1]).outputs)")
    done = subprocess.run([sys.executable, "-c", code, engine], text=True, capture_output=True,
                          env=environment)
    assert done.stdout.startswith("WHET_E_UNSUPPORTED\n{'nearest'"), done.stderr
    with pytest.raises(whet.Error, match="cannot open plugin library"):
        whet.load_plugins(tmp_path / "nothing.so")
