# SPDX-License-Identifier: Apache-2.0
"""Networks by hand in Python: control flow, editing, assertions, plugins, errors; written as ONNX,
onnxruntime runs the same."""

import numpy as np
import onnx
import onnxruntime
import pytest

import whet

F = np.float32
X = np.random.default_rng(0).standard_normal((2, 3)).astype(F)


def run(net, **inputs):
    return net.build(level=0).context().run(inputs)


def same_in_onnxruntime(net, path, **inputs):
    net.save_onnx(path)
    onnx.checker.check_model(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs = session.run(None, inputs)
    for a, b in zip(run(net, **inputs).values(), theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(run(whet.Network(path), **inputs).values(), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.fixture
def net():
    return whet.Network()


def test_loop_counts_and_collects(net, tmp_path):
    x, n = net.input("x", F, ("rows", 3)), net.input("n", np.int64, ())
    last, sums = net.loop(n, [x], lambda b, i, v: ([v * 0.5 + x + b.cast(i, F)],
                                                   [b.reduce(v, "sum", (0, 1))]))
    net.output(last, "last")
    net.output(sums, "sums")
    v, wanted = X, []
    for i in range(4):
        wanted.append(v.sum())
        v = v * F(0.5) + X + F(i)
    made = run(net, x=X, n=np.array(4))
    np.testing.assert_allclose(made["last"], v, rtol=1e-5)
    np.testing.assert_allclose(made["sums"], wanted, rtol=1e-5)
    same_in_onnxruntime(net, tmp_path / "m.onnx", x=X, n=np.array(4))


def test_loop_ends_by_its_condition(net, tmp_path):
    limit = net.input("limit", F, ())
    total, = net.loop(None, [np.float32(1)], lambda b, i, v: ([v * 2.0], [], v * 2.0 < limit),
                      condition=True)
    net.output(total, "total")
    assert run(net, limit=np.array(100, F))["total"] == 128
    same_in_onnxruntime(net, tmp_path / "m.onnx", limit=np.array(100, F))


def test_loop_grows_what_it_carries(net):
    x = net.input("x", F, ("rows", 3))
    grown, = net.loop(3, [x], lambda b, i, v: ([b.concatenation(v, x, axis=0)], []))
    net.output(grown, "y")
    np.testing.assert_array_equal(run(net, x=X)["y"], np.concatenate([X] * 4))


@pytest.mark.parametrize("flag", [True, False])
def test_if_takes_a_branch(net, tmp_path, flag):
    x, c = net.input("x", F, ("rows", 3)), net.input("c", bool, ())
    y = net.exp(x)
    a, b = net.if_(c, lambda b: [b.relu(y), x + 1.0], lambda b: [y, b.constant(X)])
    net.output(a, "a")
    net.output(b, "b")
    made = run(net, x=X, c=np.array(flag))
    np.testing.assert_allclose(made["a"], np.exp(X), rtol=1e-5)
    np.testing.assert_allclose(made["b"], X + 1 if flag else X)
    same_in_onnxruntime(net, tmp_path / "m.onnx", x=X, c=np.array(flag))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_walks_an_axis(net, tmp_path, reverse):
    x = net.input("x", F, (2, 3))
    last, states = net.scan([np.zeros(2, F)], [x], lambda b, h, s: ([b.tanh(h + s)], [h]),
                            axes=[1], reverse=[reverse])
    net.output(last, "last")
    net.output(states, "states")
    h, wanted = np.zeros(2, F), []
    for s in (X.T[::-1] if reverse else X.T):
        wanted.append(h)
        h = np.tanh(h + s)
    made = run(net, x=X)
    np.testing.assert_allclose(made["last"], h, rtol=1e-5)
    np.testing.assert_allclose(made["states"], wanted, rtol=1e-5)
    same_in_onnxruntime(net, tmp_path / "m.onnx", x=X)


def test_blocks_in_blocks_capture(net, tmp_path):
    x, n = net.input("x", F, ("rows", 3)), net.input("n", np.int64, ())
    y = x * 2.0

    def outer(b, i, v):
        def inner(b2, j, w):
            odd, = b2.if_(b2.equal(b2.add_node("mod", j, np.int64(2)), 1),
                          lambda b3: w + y, lambda b3: w - b3.cast(i, F))
            return [odd], []
        return b.loop(i + 1, [v], inner), []

    result, = net.loop(n, [x], outer)
    net.output(result, "y")
    v = X
    for i in range(3):
        for j in range(i + 1):
            v = v + X * 2 if j % 2 else v - F(i)
    np.testing.assert_allclose(run(net, x=X, n=np.array(3))["y"], v, rtol=1e-5)
    same_in_onnxruntime(net, tmp_path / "m.onnx", x=X, n=np.array(3))
    block = net.nodes[-1].blocks[0]
    assert [node.op for node in block.nodes][-1] == "identity"
    assert "loop" in [node.op for node in block.nodes]


def test_mistakes_in_blocks(net):
    x, c = net.input("x", F, ("rows", 3)), net.input("c", bool, ())
    kept = []
    with pytest.raises(whet.Error, match="output|results"):
        net.if_(c, lambda b: [b.relu(x), x], lambda b: x)
    net.if_(c, lambda b: kept.append(b.relu(x)) or kept[0], lambda b: x)
    with pytest.raises(whet.Error, match="another block"):
        net.relu(kept[0])
    with pytest.raises(whet.Error, match="blocks"):
        net.add_node("loop", None, None, x)
    with pytest.raises(whet.Error, match="f32|i64|condition"):
        net.loop(x, [x], lambda b, i, v: ([v], []))


def test_assertion(net):
    x = net.input("x", F, ("rows", 3))
    net.output(net.assertion(x, x > 0, "x must be positive"), "y")
    np.testing.assert_array_equal(run(net, x=np.abs(X))["y"], np.abs(X))
    with pytest.raises(whet.Error, match="x must be positive"):
        run(net, x=-np.abs(X))


def test_plugin(net):
    @whet.plugin("network.test::Square", shapes=lambda x, times: x.shape)
    def square(x, *, times: int = 1):
        return (x * x * times).astype(x.dtype)

    v = net.input("v", F, ("n",))
    net.output(net.add_node("Square", v, times=2), "y")
    net.output(net.add_node("network.test::Square", v), "z")
    made = run(net, v=np.array([2, -3], F))
    np.testing.assert_array_equal(made["y"], [8, 18])
    np.testing.assert_array_equal(made["z"], [4, 9])


def test_editing_an_imported_model(tmp_path):
    path = tmp_path / "m.onnx"
    first = whet.Network()
    x = first.input("x", F, ("rows", 3))
    first.output(first.relu(x * 2.0, name="act"), "y")
    first.save_onnx(path)
    net = whet.Network(path)
    assert [n.op for n in net.nodes] == ["mul", "relu"]
    y = net.outputs["y"]
    net.replace(y, net.add_node("clip", y, min=0.0, max=1.0))
    net.find_node("act").inputs[0].producer.set_input(1, F(3))
    np.testing.assert_allclose(run(net, x=X)["y"], np.clip(X * 3, 0, 1), rtol=1e-6)
    act = net.find_node("act")
    net.replace(act.outputs[0], act.inputs[0])
    act.remove()
    assert net.find_node("act") is None
    clip = net.nodes[-1]
    clip.set(max=0.5)
    assert clip.attributes["max"] == 0.5
    np.testing.assert_allclose(run(net, x=X)["y"], np.clip(X * 3, 0, 0.5), rtol=1e-6)
    net.inputs[0].set_type(F, (2, 3))
    assert net.outputs["y"].shape == (2, 3)
    with pytest.raises(whet.Error, match="own output"):
        net.nodes[0].set_input(0, net.outputs["y"])
    with pytest.raises(whet.Error, match="choose|attribute"):
        clip.set(maximum=1)


def test_values_know_their_types(net):
    x = net.input("x", F, ("n", 4))
    y = net.concatenation(x, x, axis=0)[1:]
    assert y.shape == ("2*n - 1", 4) or y.shape[1] == 4
    assert x.dtype == F and x.rank == 2 and x.name == "x"
    c = net.constant([1, 2, 3])
    assert c.dtype == np.int64
    np.testing.assert_array_equal(c.data, [1, 2, 3])
    assert x.data is None
    assert repr(x) == "<whet.Value x float32 nx4>"
    with pytest.raises(AttributeError, match="no operator"):
        net.no_such_thing(x)
    with pytest.raises(whet.Error, match="matmul"):
        x @ np.zeros((5, 2), F)
