# SPDX-License-Identifier: Apache-2.0
"""Types of layers by name: what the engine's steps take and store, through every fusion."""

import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESNET = ROOT / "tests/data/glyphs/glyph_resnet18.onnx"
CPU = pathlib.Path("/proc/cpuinfo")
HAS_BF16 = CPU.exists() and "avx512_bf16" in CPU.read_text() and \
    os.environ.get("WHET_CPU_MASK", "native") == "native"
bf16 = pytest.mark.skipif(not HAS_BF16, reason="nothing is stored as bf16 on this machine")


@pytest.fixture(scope="module")
def samples():
    data = np.load(ROOT / "tests/data/glyphs/glyph_calibration.npz")
    return ((data["image"][:32].astype(np.float32) / 255 - 0.45) / 0.3)[:, None]


def build(model, precision, layers=None, stored=None, constraints=None, **arguments):
    options = {"layer-precisions": layers, "layer-output-types": stored,
               "precision-constraints": constraints}
    return whet.build(model, level=0, precision=precision,
                      options={k: v for k, v in options.items() if v}, **arguments)


def steps(engine):
    """{name of a node of the model: the layer that it became a part of}"""
    return {name: layer for layer in engine.inspect()["layers"]
            for node in layer["nodes"] for name in node.split(",")}


def kinds(layer, side):
    return [t["type"].split("[")[0] for t in layer[side]]


def small(nodes, shape, **constants):
    graph = helper.make_graph(
        [helper.make_node(op, i.split(), o.split(), name=name, **attributes)
         for name, op, i, o, attributes in nodes], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def net():
    """conv1 with batch normalization and ReLU, conv2, a sum, a product and a softmax."""
    rng = np.random.default_rng(3)
    f = np.float32
    pads = {"pads": [1, 1, 1, 1]}
    return small([
        ("conv1", "Conv", "x w1", "a", pads),
        ("norm", "BatchNormalization", "a s b m v", "n", {}),
        ("relu", "Relu", "n", "r", {}), ("conv2", "Conv", "r w2", "c", pads),
        ("add", "Add", "c r", "d", {}), ("flat", "Flatten", "d", "e", {}),
        ("head", "Gemm", "e w3", "g", {"transB": 1}), ("soft", "Softmax", "g", "y", {})],
        [2, 16, 8, 8],
        w1=rng.normal(size=(32, 16, 3, 3)).astype(f) * f(0.1), s=np.ones(32, f),
        b=np.zeros(32, f), m=np.zeros(32, f), v=np.ones(32, f),
        w2=rng.normal(size=(32, 32, 3, 3)).astype(f) * f(0.1),
        w3=rng.normal(size=(32, 2048)).astype(f) * f(0.1))


@bf16
def test_fp32_layers_of_a_bf16_build_stay(net):
    free = steps(build(net, "bf16"))
    assert all(kinds(free[name], "inputs")[0] == "bf16" for name in ("conv1", "conv2"))
    # the normalization is folded into the convolution: its type goes with it
    for name in ("conv1", "norm"):
        got = steps(build(net, "bf16", f"{name}:fp32"))
        assert got["norm"] == got["conv1"]
        assert "bf16" not in kinds(got["conv1"], "inputs") + kinds(got["conv1"], "outputs")
        assert kinds(got["conv2"], "inputs")[0] == "bf16"
    everything = build(net, "bf16", "*:fp32")
    assert not any("bf16" in kinds(layer, side) for layer in everything.inspect()["layers"]
                   for side in ("inputs", "outputs"))


@bf16
def test_later_rules_win_and_bf16_is_obeyed(net):
    got = steps(build(net, "bf16", "*:fp32,conv*:bf16,conv1:fp32"))
    assert kinds(got["conv1"], "inputs")[0] == "f32"
    assert kinds(got["conv2"], "inputs")[0] == "bf16"
    # relu is asked for something else than the convolution: it is no part of it
    got = steps(build(net, "bf16", "conv1:bf16,relu:fp32"))
    assert got["relu"] != got["conv1"]
    assert kinds(got["relu"], "outputs") == ["f32"]


@bf16
def test_types_of_results(net):
    got = steps(build(net, "bf16", stored="conv1:fp32,conv2:bf16"))
    assert kinds(got["conv1"], "outputs") == ["f32"]
    assert kinds(got["conv2"], "outputs") == ["bf16"]
    # products whose result is kept: the operands may still be bf16
    got = steps(build(net, "bf16", "head:bf16", "head:fp32"))
    assert kinds(got["head"], "inputs")[0] == "bf16" and kinds(got["head"], "outputs") == ["f32"]


@bf16
def test_types_stay_with_the_engine(net, tmp_path):
    build(net, "bf16", "conv1:fp32,conv2:bf16").save(tmp_path / "a.whet")
    program = ROOT / "build/bin/whet"
    if program.exists():  # planned anew
        subprocess.run([program, "tune", tmp_path / "a.whet", "-q", "--bf16", "--level=1"],
                       check=True)
    got = steps(whet.load(tmp_path / "a.whet"))
    assert kinds(got["conv1"], "inputs")[0] == "f32"
    assert kinds(got["conv2"], "inputs")[0] == "bf16"


def test_layers_of_an_int8_build_stay_in_float(net):
    x = np.random.default_rng(0).normal(size=(4, 2, 16, 8, 8)).astype(np.float32)
    free = steps(build(net, "int8", calibration=list(x)))
    assert free["conv1"]["op"] == free["conv2"]["op"] == "quant_conv"
    got = steps(build(net, "int8", "conv2:fp32", calibration=list(x)))
    assert got["conv1"]["op"] == "quant_conv" and got["conv2"]["op"] == "conv"
    assert "f32" in kinds(got["conv2"], "outputs")
    got = steps(build(net, "int8", "conv1:int8,conv2:int8", calibration=list(x)))
    assert got["conv1"]["op"] == got["conv2"]["op"] == "quant_conv"
    # the sum reads what the first layer stores in float, not what is rounded for conv2
    got = steps(build(net, "int8", stored="relu:fp32", calibration=list(x)))
    assert kinds(got["relu"], "outputs") == ["f32"]
    assert kinds(got["conv2"], "inputs")[0] in ("u8", "i8")
    with pytest.raises(whet.Error, match='layer "soft" cannot compute in int8: its operator'):
        build(net, "int8", "soft:int8", calibration=list(x))


def test_trained_network(samples):
    first = "/stem/stem.0/Conv"
    engine = build(RESNET, "int8", f"{first}:fp32,/body/body.1/*:fp32", calibration=samples)
    for name in [n.name for n in onnx.load(RESNET).graph.node if n.op_type == "Conv"]:
        kept = name == first or name.startswith("/body/body.1/")
        assert steps(engine)[name]["op"] == ("conv" if kept else "quant_conv"), name
    ops = [layer["op"] for layer in engine.inspect()["layers"]]
    assert ops.count("quant_conv") >= 10
    want = whet.build(RESNET, level=0).context().run({"image": samples})["logits"]
    got = engine.context().run({"image": samples})["logits"]
    assert (want.argmax(1) == got.argmax(1)).all()


def test_stated_quantization_obeys(samples, tmp_path):
    whet.quantize(RESNET, tmp_path / "q.onnx", samples)
    names = [n.name for n in onnx.load(tmp_path / "q.onnx").graph.node if n.op_type == "Conv"]
    got = steps(build(tmp_path / "q.onnx", "fp32", f"{names[3]}:fp32,{names[4]}:int8"))
    assert got[names[3]]["op"] == "conv" and got[names[4]]["op"] == "quant_conv"
    # and a layer that is left in float when the model is quantized
    whet.quantize(RESNET, tmp_path / "k.onnx", samples,
                  options={"layer-precisions": "/stem/stem.0/Conv:fp32"})
    conv = onnx.load(tmp_path / "k.onnx").graph.node[0]
    assert conv.op_type == "Conv" and conv.input[0] == "image"


@bf16
def test_attention_keeps_the_type_of_its_softmax():
    model = ROOT / "tests/data/glyphs/glyph_vit.onnx"
    got = steps(build(model, "bf16", "/Softmax*:fp32"))
    assert got["/Softmax"]["op"] == got["/Softmax_3"]["op"] == "attention"
    for name in ("/Softmax", "/Softmax_3"):
        assert set(kinds(got[name], "inputs") + kinds(got[name], "outputs")) == {"f32"}
    # all that kernels take as bf16; the others are told
    everywhere = build(model, "bf16", "*:bf16", constraints="prefer").inspect()["layers"]
    assert all(kinds(s, "inputs")[0] == "bf16" for s in everywhere
               if s["op"] in ("matmul", "attention", "conv", "layer_norm"))
    with pytest.raises(whet.Error, match="no kernel of this machine stores it so"):
        build(model, {"bf16", "int4"}, stored="/Softmax:int4")


def test_what_cannot_be_is_told(net, capfd):
    def fails(match, *args, **kwargs):
        with pytest.raises(whet.Error, match=match):
            build(net, *args, **kwargs)
    fails('no layer of the model is called "conv3"; near: "conv1", "conv2"', "fp32", "conv3:fp32")
    fails('no layer of the model is called "konv[*]"', "fp32", "konv*:fp32")
    fails('layer "conv1" cannot compute in bf16: the type is not among', "fp32", "conv1:bf16")
    fails("int8: the type is not among", "bf16", "conv1:int8")
    fails('"fp8" is no type, expected one of fp32', "fp32", "conv1:fp8")
    fails("expected NAME:TYPE", "fp32", "conv1")
    fails("at most one", "fp32", "*conv*:fp32")
    fails("all outputs", "bf16", stored="conv1:fp32+bf16")
    fails('"whatever", expected obey', "fp32", "conv1:fp32", constraints="whatever")
    if not HAS_BF16:
        fails("no kernel of this machine", "bf16", "conv1:bf16")
    capfd.readouterr()
    build(net, "fp32", {"conv1": "bf16"}, constraints="prefer")
    assert 'layer "conv1" does not compute in bf16' in capfd.readouterr().err
    build(net, "fp32", "conv1:bf16", constraints="none")
    assert "layer-precisions is ignored" in capfd.readouterr().err


def test_blocks_have_their_path(tmp_path):
    rng = np.random.default_rng(1)
    w = numpy_helper.from_array(rng.normal(size=(16, 16)).astype(np.float32), "w")
    body = helper.make_graph(
        [helper.make_node("MatMul", ["h", "w"], ["p"], name="product"),
         helper.make_node("Identity", ["c"], ["d"], name="same")], "b",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("c", TensorProto.BOOL, []),
         helper.make_tensor_value_info("h", TensorProto.FLOAT, [32, 16])],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, []),
         helper.make_tensor_value_info("p", TensorProto.FLOAT, [32, 16])], [w])
    n, on = numpy_helper.from_array(np.int64(3), "n"), numpy_helper.from_array(np.bool_(1), "on")
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "on", "x"], ["y"], name="loop", body=body)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [32, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [n, on])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    build(model, "bf16", "loop/body/product:fp32")
    with pytest.raises(whet.Error, match="it runs blocks"):
        build(model, "bf16", "loop:fp32")
