# SPDX-License-Identifier: Apache-2.0
"""New weights for engines: by array, file and model, beside a build from the same weights."""

import json
import struct

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

import whet

SHAPES = {"w": (8, 3, 3, 3), "b": (8,), "scale": (8,), "shift": (8,), "mean": (8,), "var": (8,),
          "m": (8, 16), "v": (16, 16), "u": (16,), "t": ()}


def weights(seed):
    rng = np.random.default_rng(seed)
    return {k: rng.uniform(0.5, 1.5, s).astype(np.float32) for k, s in SHAPES.items()}


def model(values, epsilon=1e-5):
    """Batch normalization that is folded, a transposed matrix, a number of its own."""
    nodes = [h.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
             h.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"]),
             h.make_node("Relu", ["n"], ["r"]),
             h.make_node("ReduceMean", ["r", "axes"], ["p"], keepdims=0),
             h.make_node("MatMul", ["p", "m"], ["q"]),
             h.make_node("Gemm", ["q", "v", "u"], ["g"], transB=1),
             h.make_node("Exp", ["t"], ["e"]),
             h.make_node("Mul", ["g", "e"], ["y"])]
    constants = [nh.from_array(v, k) for k, v in values.items()]
    constants.append(nh.from_array(np.array([2, 3]), "axes"))
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", T.FLOAT, [1, 3, 6, 6])],
                         [h.make_tensor_value_info("y", T.FLOAT, [1, 16])], constants)
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=8)


def build(values, **options):
    return whet.build(model(values), deterministic=True, level=0, verify="off", **options)


def run(engine):
    x = np.linspace(-1, 1, 108, dtype=np.float32).reshape(1, 3, 6, 6)
    return engine.context().run({"x": x})["y"]


def write_safetensors(path, arrays):
    header, at = {}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes()
                                                                    for a in arrays.values()))


@pytest.mark.parametrize("portable", ["full", "none"])
@pytest.mark.parametrize("how", ["arrays", "npz", "safetensors", "onnx"])
def test_equals_a_fresh_build(how, portable, tmp_path):
    new = weights(2)
    engine, fresh = build(weights(1), portable=portable), build(new, portable=portable)
    context = engine.context()
    x = np.ones((1, 3, 6, 6), np.float32)
    context.run({"x": x})
    given = new
    if how == "npz":
        given = tmp_path / "w.npz"
        np.savez(given, **new, other=np.ones(3))
    elif how == "safetensors":
        given = tmp_path / "w.safetensors"
        write_safetensors(given, new)
    elif how == "onnx":
        given = tmp_path / "w.onnx"
        onnx.save(model(new), given)
    engine.refit(given)
    assert np.array_equal(run(engine), run(fresh))
    assert np.array_equal(context.run({"x": x})["y"], fresh.context().run({"x": x})["y"])
    if portable == "full":
        assert engine.serialize() == fresh.serialize()


def test_lists_weights():
    refitter = whet.Refitter(build(weights(1)))
    assert refitter.weights["w"] == (np.float32, (8, 3, 3, 3), True)
    assert not refitter.weights["axes"][2]
    assert np.array_equal(refitter["var"], weights(1)["var"])


def test_part_by_part():
    new = weights(2)
    engine = build(weights(1))
    refitter = whet.Refitter(engine)
    for name in ("var", "t", "v"):
        refitter[name] = new[name]
        refitter.run()
    mixed = {**weights(1), **{k: new[k] for k in ("var", "t", "v")}}
    assert engine.serialize() == build(mixed).serialize()


@pytest.mark.parametrize("name, array, text", [
    ("nothing", np.ones(3, np.float32), 'no weight "nothing"'),
    ("m", np.ones((16, 8), np.float32), "the engine has f32[8,16], given is f32[16,8]"),
    ("m", np.ones((8, 16)), "the engine has f32[8,16], given is f64[8,16]"),
    ("axes", np.array([1, 2]), '"axes" is not what it was'),
])
def test_refuses(name, array, text):
    engine = build(weights(1))
    before = run(engine)
    with pytest.raises(whet.Error) as e:
        engine.refit({name: array})
    assert text in str(e.value)
    assert np.array_equal(run(engine), before)


def test_same_contents_of_what_cannot_change():
    engine = build(weights(1))
    engine.refit({"axes": np.array([2, 3]), "t": np.float32(2)})


def test_profiles_share_what_they_pack():
    proto = model(weights(1))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    profiles = [{"x": ((1, 3, 6, 6), (n, 3, 6, 6), (n, 3, 6, 6))} for n in (1, 8)]
    options = dict(profiles=profiles, deterministic=True, level=0, verify="off")
    engine = whet.build(proto, **options)
    new = weights(2)
    for tensor in proto.graph.initializer:
        if tensor.name in new:
            tensor.CopyFrom(nh.from_array(new[tensor.name], tensor.name))
    engine.refit(new)
    assert engine.serialize() == whet.build(proto, **options).serialize()


def test_rounded_weights_are_refused(tmp_path):
    values = weights(1)
    x = np.random.default_rng(0).standard_normal((4, 1, 3, 6, 6)).astype(np.float32)
    engine = whet.build(model(values), precision={"fp32", "int8"}, level=0, verify="off",
                        calibration=[{"x": v} for v in x])
    before = run(engine)
    engine.refit(values)
    with pytest.raises(whet.Error, match="has rounded it"):
        engine.refit({"w": weights(2)["w"]})
    assert np.array_equal(run(engine), before)


def test_stripped(tmp_path):
    values = weights(1)
    engine = build(values)
    path = tmp_path / "s.whet"
    engine.save(path, stripped=True)
    with pytest.raises(whet.Error, match="stripped of its weights"):
        whet.load(path)
    with pytest.raises(whet.Error, match="has not been given"):
        whet.load(path, refit={"w": values["w"]})
    again = whet.load(path, refit=values)
    assert again.serialize() == engine.serialize()
    assert np.array_equal(run(again), run(engine))
    built = build(values, options={"strip-weights": "true"})
    assert built.stripped
    with pytest.raises(whet.Error, match="stripped of its weights"):
        built.context()
    built.refit(weights(2))
    assert np.array_equal(run(built), run(build(weights(2))))


@pytest.mark.parametrize("names", ["{}.lora_A {}.lora_B",
                                   "base_model.model.{}.lora_A.weight "
                                   "base_model.model.{}.lora_B.weight"])
def test_lora(names, tmp_path):
    rng = np.random.default_rng(3)
    # m lies as [in, out], v as [out, in] and is square
    pairs = {"m": (8, 16), "v": (16, 16)}
    arrays, values = {}, weights(1)
    expected = dict(values)
    for name, (n_in, n_out) in pairs.items():
        a = rng.standard_normal((2, n_in)).astype(np.float32)
        b = rng.standard_normal((n_out, 2)).astype(np.float32)
        a_name, b_name = names.format(name, name).split()
        arrays[a_name], arrays[b_name] = a, b
        delta = 0.5 * 4 / 2 * (b.astype(np.float64) @ a)
        expected[name] = (values[name] + (delta.T if name == "m" else delta)).astype(np.float32)
    path = tmp_path / "a.safetensors"
    write_safetensors(path, arrays)
    engine = build(values)
    before = engine.serialize()
    refitter = whet.Refitter(engine)
    refitter.load_lora("x", path, alpha=4)
    refitter.set_adapter("x", 0.5)
    refitter.run()
    for name in pairs:
        assert np.allclose(refitter[name], expected[name], rtol=1e-6, atol=1e-6)
    refitter.set_adapter("x", 0)
    refitter.run()
    assert engine.serialize() == before


def test_lora_refuses(tmp_path):
    refitter = whet.Refitter(build(weights(1)))
    path = tmp_path / "a.npz"
    np.savez(path, **{"z.lora_A": np.ones((1, 8)), "z.lora_B": np.ones((16, 1))})
    with pytest.raises(whet.Error, match='the engine has no weight "z"'):
        refitter.load_lora("x", path)
    np.savez(path, **{"m.lora_A": np.ones((1, 8))})
    with pytest.raises(whet.Error, match='is there without "m.lora_B"'):
        refitter.load_lora("x", path)
    with pytest.raises(whet.Error, match=r"A \[1,16\] and B \[8,1\] do not fit"):
        refitter.add_lora("x", "m", np.ones((1, 16)), np.ones((8, 1)))
    with pytest.raises(whet.Error, match="there is no adapter"):
        refitter.set_adapter("x", 1)
