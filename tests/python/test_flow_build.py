# SPDX-License-Identifier: Apache-2.0
"""Control flow through everything that a build can do, and hostile nests of it."""

import time

import numpy as np
import pytest
import whet
from test_flow import check, info, loop_body, model, normal
from onnx import TensorProto as T
from onnx import helper as h


def weighty():
    """A loop over products with weights that two blocks and the graph around them share."""
    # small enough that iterations do not make rounding errors grow
    weights = {"w": normal(32, 32) / 8, "b": normal(32), "k": normal(300)}
    body = loop_body([h.make_node("MatMul", ["v", "w"], ["p"]),
                      h.make_node("Add", ["p", "b"], ["q"]),
                      h.make_node("Tanh", ["q"], ["v2"])],
                     [info("v", T.FLOAT, ["n", 32])], [info("v2", T.FLOAT, ["n", 32])])
    return model([h.make_node("MatMul", ["x", "w"], ["v0"]),
                  h.make_node("Loop", ["m", "", "v0"], ["v1"], body=body, name="first"),
                  h.make_node("Loop", ["m", "", "v1"], ["y"], body=body, name="second"),
                  h.make_node("Mul", ["k", "k"], ["z"])],
                 [info("m", T.INT64, []), info("x", T.FLOAT, ["n", 32])],
                 [info("y", T.FLOAT, ["n", 32]), info("z")], weights)


PROTO = weighty()
FEED = {"m": np.array(3), "x": np.linspace(-1, 1, 160, dtype=np.float32).reshape(5, 32)}


def results(engine):
    return engine.context().run(FEED)


def test_tuned_engine_and_its_files(tmp_path):
    cache = tmp_path / "times"
    engine = whet.build(PROTO, level=1, timing_cache=cache)
    assert b"second" not in cache.read_bytes() and cache.stat().st_size > 100
    want = results(engine)
    for portable in ("full", "none"):
        engine = whet.build(PROTO, level=1, timing_cache=cache, portable=portable)
        engine.save(tmp_path / "a.whet")
        again = results(whet.load(tmp_path / "a.whet"))
        for name, value in want.items():
            np.testing.assert_allclose(again[name], value, rtol=1e-5, atol=1e-6)
    # w is there once as the model's and packed, not once for each block
    full = whet.build(PROTO, level=0, portable="full")
    assert len(full.serialize()) < 5 * 4096 + 4 * 32 * 32 * 4 + 16384


def test_same_bytes():
    first, second = (whet.build(PROTO, deterministic=True).serialize() for _ in range(2))
    assert bytes(first) == bytes(second)


def test_profiles():
    profiles = [{"m": ((), (), ()), "x": ((1, 32), (n, 32), (n, 32))} for n in (2, 8)]
    check(PROTO, [{"m": np.array(k), "x": normal(n, 32)} for k, n in ((3, 2), (2, 8), (1, 40))],
          profiles=profiles)


# ---- hostile files, written without onnx, which would be slow ----


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field_number, value):
    return varint(field_number << 3) + varint(value)


def head(tag, length):
    return varint(tag << 3 | 2) + varint(length)


def node(kind, inputs, outputs, attrs=b"", domain=b""):
    return (b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) +
            field(4, kind) + attrs + (field(7, domain) if domain else b""))


def value(name, kind=1):
    return field(1, name) + field(2, field(1, number(1, kind) + field(2, field(1, number(1, 1)))))


def hostile(graph, functions=b""):
    graph += field(2, b"g") + field(11, value(b"x")) + field(12, value(b"y"))
    graph += field(11, field(1, b"c") + field(2, field(1, number(1, 9) + field(2, b""))))
    graph += field(11, field(1, b"m") + field(2, field(1, number(1, 7) + field(2, b""))))
    opsets = field(8, field(1, b"") + number(2, 17)) + field(8, field(1, b"f") + number(2, 1))
    return number(1, 8) + field(7, graph) + opsets + functions


def nested(kind, depth):
    """Around a Relu so many blocks; every level is two pieces, for joining them each time would
    take the square of the depth."""
    core = field(1, node(b"Relu", [b"x"], [b"y"]))
    before, after, size = [], [], len(core)
    for _ in range(depth):
        if kind == b"If":
            ends = field(2, b"g") + field(12, value(b"y"))
            other = field(5, field(1, b"else_branch") +
                          field(6, field(1, node(b"Relu", [b"x"], [b"y"])) + ends) + number(20, 5))
            inputs, name, more = [b"c"], b"then_branch", other
        else:
            ends = (field(1, node(b"Identity", [b"ci"], [b"co"])) + field(2, b"g") +
                    field(12, value(b"co", 9)) + field(12, value(b"y")) +
                    field(11, value(b"i", 7)) + field(11, value(b"ci", 9)) +
                    field(11, value(b"s")))
            inputs, name, more = [b"m", b"", b"x"], b"body", b""
        label, tail = field(1, name), number(20, 5)
        inner = head(6, size + len(ends))
        attr = len(label) + len(inner) + size + len(ends) + len(tail)
        front = node(kind, inputs, [b"y"]) + more
        full = len(front) + len(head(5, attr)) + attr
        before.append(head(1, full) + front + head(5, attr) + label + inner)
        after.append(ends + tail)
        size += len(before[-1]) + len(after[-1])
    return hostile(b"".join(before[::-1]) + core + b"".join(after))


@pytest.mark.parametrize("kind", [b"If", b"Loop"])
def test_deep_nests(kind):
    context = whet.build(nested(kind, 60), level=0, verify="off").context()
    one = np.ones(1, np.float32)
    assert context.run({"x": one, "c": np.array(True), "m": np.array(1)})["y"] == one
    start = time.time()
    report = whet.check(nested(kind, 10000))
    assert "more than 64" in report["problems"][0]["text"] and time.time() - start < 20


@pytest.mark.parametrize("option,text",
                         [("max_depth", "more than 1"), ("max_nodes", "limit on nodes")])
def test_limits_are_options(option, text):
    with pytest.raises(whet.Error, match=text):
        whet.build(nested(b"If", 2), level=0, options={option: 1})
    whet.build(nested(b"If", 2), level=0, options={option: 1000})


def test_deep_functions():
    bodies = b"".join(
        field(25, field(1, b"f%d" % i) + field(4, b"a") + field(5, b"b") + field(10, b"f") +
              field(7, node(b"f%d" % (i + 1), [b"a"], [b"b"], domain=b"f")) +
              field(9, field(1, b"f") + number(2, 1))) for i in range(10000))
    report = whet.check(hostile(field(1, node(b"f0", [b"x"], [b"y"], domain=b"f")), bodies))
    assert any("nested too deeply" in p["text"] for p in report["problems"])


def chain(first):
    return hostile(b"".join(field(1, node(b"Relu", [b"v%d" % i if i else first],
                                          [b"v%d" % (i + 1) if i < 99999 else b"y"]))
                            for i in range(100000)))


def test_long_chain():
    start = time.time()
    assert whet.check(chain(b"x"))["ok"]
    report = whet.check(chain(b"v50000"))
    assert "cycle" in report["problems"][0]["text"]
    assert time.time() - start < 20


def test_many_problems_are_bounded():
    bad = b"".join(field(1, node(b"Relu", [b"x"], [b"y"])) for _ in range(20000))
    report = whet.check(hostile(bad))
    assert not report["ok"] and len(report["problems"]) <= 200


def test_size_overflow():
    large = field(1, b"x") + field(2, field(1, number(1, 1) + field(2, b"".join(
        field(1, number(1, 1 << 40)) for _ in range(4)))))
    graph = field(1, node(b"Relu", [b"x"], [b"y"])) + field(2, b"g") + field(11, large)
    graph += field(12, field(1, b"y") + field(2, field(1, number(1, 1))))
    proto = number(1, 8) + field(7, graph) + field(8, field(1, b"") + number(2, 17))
    report = whet.check(proto)
    assert not report["ok"] and "elements" in report["problems"][0]["text"]
