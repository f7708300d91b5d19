# SPDX-License-Identifier: Apache-2.0
"""What open dimensions cost: planning at a new and at a repeated signature, time against an engine
of fixed shapes, errors against onnxruntime at unseen shapes, growth of the arena.

usage: dynamic.py [--threads 1] [--rounds 5] [--seconds 0.3] [--level 3] [--shapes 20]
                  [--size NAME=MIN..OPT..MAX ...] [MODEL.onnx --open INPUT:DIM,DIM,... ...]

--open names dimensions of an input (a number keeps one fixed). Without a model: a convolutional
network of the tree and an encoder of a transformer made here. Needs what ./test.sh leaves in
.venv."""

import argparse
import pathlib
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

import whet

ROOT = pathlib.Path(__file__).resolve().parents[1]
HIDDEN, HEADS = 256, 4


def encoder(layers=2):
    """Attention and a feed-forward layer, batch and length open."""
    rng = np.random.default_rng(1)
    nodes, constants, x = [], {}, "x"

    def put(op, *inputs, **attributes):
        nodes.append(h.make_node(op, inputs, [f"v{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(value):
        name = f"c{len(constants)}"
        constants[name] = np.asarray(value)
        return name

    def dense(v, n, m):
        weight = rng.standard_normal((n, m)) / np.sqrt(n)
        return put("MatMul", v, constant(weight.astype(np.float32)))

    def normal(v):
        return put("LayerNormalization", v, constant(np.ones(HIDDEN, np.float32)))

    split = constant(np.array([0, 0, HEADS, HIDDEN // HEADS]))
    for _ in range(layers):
        q, k, v = (put("Reshape", dense(x, HIDDEN, HIDDEN), split) for _ in range(3))
        q, v = (put("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
        scores = put("MatMul", q, put("Transpose", k, perm=[0, 2, 3, 1]))
        scores = put("Mul", scores, constant(np.float32((HIDDEN / HEADS) ** -0.5)))
        mixed = put("MatMul", put("Softmax", scores), v)
        mixed = put("Reshape", put("Transpose", mixed, perm=[0, 2, 1, 3]),
                    constant(np.array([0, 0, HIDDEN])))
        x = normal(put("Add", x, dense(mixed, HIDDEN, HIDDEN)))
        wide = put("Relu", dense(x, HIDDEN, 4 * HIDDEN))
        x = normal(put("Add", x, dense(wide, 4 * HIDDEN, HIDDEN)))
    graph = h.make_graph(
        nodes, "encoder", [h.make_tensor_value_info("x", T.FLOAT, ["batch", "length", HIDDEN])],
        [h.make_tensor_value_info(x, T.FLOAT, None)],
        [nh.from_array(v, name) for name, v in constants.items()])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)


def opened(path, specs):
    """The model of a file with named dimensions."""
    model = onnx.load(path)
    wanted = {name: dims.split(",") for name, dims in (s.rsplit(":", 1) for s in specs)}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        for dim, text in zip(dims, wanted.get(value.name, ())):
            if text.isdigit():
                dim.dim_value = int(text)
            else:
                dim.dim_param = text
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model


def shapes_at(model, sizes):
    """{input: shape}, names of dimensions replaced."""
    constants = {t.name for t in model.graph.initializer}
    return {v.name: tuple(sizes[d.dim_param] if d.dim_param else d.dim_value
                          for d in v.type.tensor_type.shape.dim)
            for v in model.graph.input if v.name not in constants}


def feed_for(model, sizes, rng):
    types = {v.name: h.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
             for v in model.graph.input}
    return {name: rng.standard_normal(shape).astype(types[name])
            for name, shape in shapes_at(model, sizes).items()}


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def planning(context, model, points):
    """Milliseconds of planning for signatures never seen, and for each of them again."""
    new, again = [], []
    for sizes in points:
        shapes = shapes_at(model, sizes)
        new.append(seconds_of(lambda: context.infer(shapes)))
        again.append(seconds_of(lambda: context.infer(shapes)))
    return np.median(new) * 1e3, np.median(again) * 1e3


def unseen(context, session, model, points, rng):
    """The largest error relative to onnxruntime's largest number; at how many shapes the arena
    grew. It must never shrink."""
    worst, grew, arena = 0, 0, 0
    for sizes in points:
        feed = feed_for(model, sizes, rng)
        for ours, theirs in zip(context.run(feed).values(), session.run(None, feed)):
            assert ours.shape == theirs.shape
            worst = max(worst, float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
        assert context.arena_bytes >= arena
        grew += context.arena_bytes > arena
        arena = context.arena_bytes
    return worst, grew, arena


def ratios(contexts, feed, options):
    """Medians of each over that of the first, interleaved."""
    times = [[] for _ in contexts]
    for context in contexts:
        context.run(feed)
    for _ in range(options.rounds):
        for context, own in zip(contexts, times):
            end = time.perf_counter() + options.seconds
            while time.perf_counter() < end:
                own.append(seconds_of(lambda: context.run(feed)))
    medians = [float(np.median(t)) for t in times]
    return medians[0] * 1e3, [m / medians[0] for m in medians[1:]]


def measure(name, model, ranges, options):
    data, rng = model.SerializeToString(), np.random.default_rng(3)
    low, opt, high = ({k: v[i] for k, v in ranges.items()} for i in range(3))
    bounds = zip(*(shapes_at(model, sizes).items() for sizes in (low, opt, high)))
    profile = {row[0][0]: tuple(shape for _, shape in row) for row in bounds}
    common = {"threads": options.threads, "level": options.level}
    engines = [whet.build(data, shapes=shapes_at(model, opt), **common),
               whet.build(data, profiles=[profile], **common), whet.build(data, **common)]
    points = [{k: int(rng.integers(v[0], v[2] + 1)) for k, v in ranges.items()}
              for _ in range(options.shapes)]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
    new, again = planning(engines[1].context(options.threads), model, points)
    worst, grew, arena = unseen(engines[1].context(options.threads), session, model, points, rng)
    fixed, (tuned, plain) = ratios([e.context(options.threads) for e in engines],
                                   feed_for(model, opt, rng), options)
    print(f"{name}: planning {new:.3f} ms at a new signature, {again:.3f} ms at a repeated one")
    print(f"{name}: {fixed:.3f} ms with fixed shapes; open ones: {tuned:.3f} of that with a "
          f"profile, {plain:.3f} without")
    print(f"{name}: {options.shapes} unseen shapes: largest error {worst:.1e}, the arena grew "
          f"{grew} times to {arena / 1e6:.1f} MB")


def range_of(text):
    name, numbers = text.split("=")
    low, opt, high = (int(v) for v in numbers.split(".."))
    return name, (low, opt, high)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--open", action="append", default=[], metavar="INPUT:DIM,...")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=MIN..OPT..MAX")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--shapes", type=int, default=20)
    options = parser.parse_args()
    given = dict(range_of(text) for text in options.size)
    if options.model:
        name = pathlib.Path(options.model).stem
        measure(name, opened(options.model, options.open), given, options)
        return
    glyphs = opened(ROOT / "examples/glyphs/glyph_mobilenetv2.onnx",
                    ["image:batch,1,height,width"])
    measure("mobilenetv2", glyphs, {"batch": (1, 4, 8), "height": (24, 48, 96),
                                    "width": (24, 48, 96), **given}, options)
    measure("encoder", encoder(), {"batch": (1, 2, 4), "length": (3, 64, 200), **given}, options)


if __name__ == "__main__":
    main()
