# SPDX-License-Identifier: Apache-2.0
"""Builds that may use int8 leave operators in float that are faster so, by the times of the tuner:
here times of a cache, some of which were made slow."""

import pathlib
import subprocess

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


def slow_down(cache, op, part=""):
    """Entries of the operator with that part in their keys take a second."""
    lines = cache.read_text().splitlines()[:-1]
    count = 0
    for i, line in enumerate(lines):
        key = line.split("\t")[0]
        if i and key.startswith(op + " ") and part in key:
            lines[i], count = f"{key}\t1", count + 1
    text = "\n".join(lines) + "\n"
    cache.write_text(text + f"crc32c {crc32c(text.encode()):08x}\n")
    assert count


def node(name, op, i, o, **attributes):
    return helper.make_node(op, i.split(), o.split(), name=name, **attributes)


def model(nodes, shape, constants):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8).SerializeToString()


@pytest.fixture(scope="module")
def net():
    rng = np.random.default_rng(2)
    f = np.float32
    pads = {"pads": [1, 1, 1, 1]}
    return model([
        node("first", "Conv", "x w1", "a", **pads), node("relu", "Relu", "a", "b"),
        node("second", "Conv", "b w2", "c", **pads), node("sigmoid", "Sigmoid", "c", "d"),
        node("third", "Conv", "d w3", "y", **pads)], [1, 16, 14, 14],
        {"w1": rng.normal(size=(32, 16, 3, 3)).astype(f) * f(0.1),
         "w2": rng.normal(size=(48, 32, 3, 3)).astype(f) * f(0.1),
         "w3": rng.normal(size=(64, 48, 3, 3)).astype(f) * f(0.1)})


def build(net, cache, precision="int8", x=np.ones((1, 16, 14, 14), np.float32), **options):
    return whet.build(net, level=1, precision=precision, calibration=[x], timing_cache=cache,
                      options={"verify": "off", **options})


def kinds(engine):
    return {name: layer["op"] for layer in engine.inspect()["layers"]
            for nodes in layer["nodes"] for name in nodes.split(",")}


def test_operators_stay_in_float_where_that_is_faster(net, tmp_path):
    cache = tmp_path / "cache"
    build(net, cache)  # times of both
    slow_down(cache, "quant_conv", "i8[48,32,3,3]")
    got = kinds(build(net, cache))
    assert got["second"] == "conv"
    assert kinds(build(net, cache, **{"int8-layers": "all"}))["second"] == "quant_conv"
    # what is asked for by name is not the tuner's to choose
    named = kinds(build(net, cache, **{"layer-precisions": "second:int8"}))
    assert named["second"] == "quant_conv"
    slow_down(cache, "quant_conv")
    assert not any(op.startswith("quant") for op in kinds(build(net, cache)).values())


@pytest.fixture(scope="module")
def stated():
    """Two convolutions with rounding around them, and one more alone between floats."""
    rng = np.random.default_rng(2)
    f = np.float32
    constants = {"s": f(0.03), "z": np.uint8(120), "ws": f(0.004), "wz": np.int8(0)}
    nodes = []

    def rounded(x):
        nodes.append(node(f"{x}_round", "QuantizeLinear", f"{x} s z", f"{x}_q"))
        nodes.append(node(f"{x}_back", "DequantizeLinear", f"{x}_q s z", f"{x}_r"))
        return f"{x}_r"

    def conv(name, x, cin, cout):
        constants[name + "_w"] = rng.integers(-127, 128, (cout, cin, 3, 3)).astype(np.int8)
        nodes.append(node(name + "_weights", "DequantizeLinear", f"{name}_w ws wz", name + "_f"))
        nodes.append(node(name, "Conv", f"{x} {name}_f", name + "_y", pads=[1, 1, 1, 1]))
        return name + "_y"
    y = conv("second", rounded(conv("first", rounded("x"), 16, 32)), 32, 32)
    nodes.append(node("sigmoid", "Sigmoid", y, "t"))
    nodes.append(node("sine", "Sin", conv("alone", rounded("t"), 32, 48), "y"))
    return model(nodes, [1, 16, 14, 14], constants)


def test_islands_are_told_and_taken_out(stated, tmp_path):
    cache, path = tmp_path / "cache", tmp_path / "m.onnx"
    path.write_bytes(stated)
    program = pathlib.Path(__file__).resolve().parents[2] / "build/bin/whet"
    x = np.random.default_rng(0).normal(size=(1, 16, 14, 14)).astype(np.float32)

    def build_stated(level=2, remove=True):
        return whet.build(path, level=level, timing_cache=cache,
                          options={"remove-islands": remove, "verify": "off"})
    build_stated()
    want = build_stated(remove=False).context().run({"x": x})["y"]
    slow_down(cache, "quant_conv", "i8[48,32,3,3]")
    slow_down(cache, "quant_conv", "i8[32,32,3,3]")
    removed = build_stated()
    got = kinds(removed)
    assert (got["first"], got["second"], got["alone"]) == ("quant_conv", "quant_conv", "conv")
    assert np.abs(removed.context().run({"x": x})["y"] - want).max() < 0.2
    assert kinds(build_stated(remove=False))["alone"] == "quant_conv"
    if program.exists():
        done = subprocess.run([program, "build", path, "-o", tmp_path / "a.whet", "--level=3",
                               f"--timing-cache={cache}"], capture_output=True, text=True,
                              check=True)
        assert '"t_round" rounds a value between floats, for "alone"' in done.stderr
        assert "option remove-islands" in done.stderr and "x_round" not in done.stderr


def test_best_is_what_there_is(net, tmp_path):
    cache = tmp_path / "cache"
    engine = build(net, cache, precision="best")
    plain = whet.build(net, level=0, precision="best", options={"verify": "off"})
    types = [t["type"] for layer in plain.inspect()["layers"] for t in layer["outputs"]]
    assert not any(t.startswith(("i8", "u8")) for t in types)  # no scales
    assert len(engine.context().run({"x": np.ones((1, 16, 14, 14), np.float32)})) == 1
    slow_down(cache, "conv")
    assert "quant_conv" in kinds(build(net, cache, precision="best")).values()
    program = pathlib.Path(__file__).resolve().parents[2] / "build/bin/whet"
    if program.exists():
        (tmp_path / "m.onnx").write_bytes(net)
        done = subprocess.run([program, "build", tmp_path / "m.onnx", "-o", tmp_path / "a.whet",
                               "--best", "--level=0"], capture_output=True, text=True, check=True)
        assert "best: int8 is not used, since no scales" in done.stderr


def test_integers_are_chosen_where_floats_are_slow(net, tmp_path):
    cache = tmp_path / "cache"
    build(net, cache)
    slow_down(cache, "conv")
    got = kinds(build(net, cache))
    assert [got[name] for name in ("first", "second", "third")] == ["quant_conv"] * 3
