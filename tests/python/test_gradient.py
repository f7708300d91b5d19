# SPDX-License-Identifier: Apache-2.0
"""Gradient against differences of the function that it differentiates, in double precision."""

import numpy as np
import onnx.parser
import pytest

import whet

HEAD = '<ir_version: 9, opset_import: ["" : 18, "ai.onnx.preview.training" : 1]>\n'
GRADIENT = 'da, db = ai.onnx.preview.training.Gradient <xs = ["a", "b"], y = "y"> (a, b)'


def context_of(body, dims="N", results="y, da, db", gradient=GRADIENT):
    """dims: those of a and b, or of each"""
    a, b = (dims.split("; ") * 2)[:2]
    outputs = ", ".join(f"double {name}" for name in results.split(", "))
    model = onnx.parser.parse_model(
        f"{HEAD}g (double[{a}] a, double[{b}] b) => ({outputs}) {{\n{body}\n{gradient}\n}}")
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return whet.build(model.SerializeToString(), level=0).context()


def check(context, a, b):
    made = context.run({"a": a, "b": b})
    for name, x in (("a", a), ("b", b)):
        want = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[place] = 1e-6
            ends = [context.run({"a": a, "b": b, name: x + sign * step})["y"].sum()
                    for sign in (1, -1)]
            want[place] = (ends[0] - ends[1]) / 2e-6
        assert made["d" + name].shape == x.shape
        np.testing.assert_allclose(made["d" + name], want, 1e-5, 1e-6)


@pytest.mark.parametrize("body", [
    "c = Add(a, b)\ny = Mul(c, a)",
    "c = Sub(a, b)\nd = Div(a, c)\ny = Neg(d)",
    "c = Pow(a, b)\nd = Sqrt(c)\ny = Log(d)",
    "c = Exp(a)\nd = Tanh(b)\ne = Sigmoid(d)\ny = Mul(c, e)",
    "c = Sub(a, b)\nd = Relu(c)\ne = Abs(c)\nf = Reciprocal(a)\ng = Add(d, e)\ny = Mul(f, g)",
    "c = Sin(a)\nd = Cos(b)\ne = Mul(c, d)\nf = Softplus(e)\ng = Erf(f)\ny = Identity(g)",
    "c = Less(a, b)\ny = Where(c, a, b)\nz = Not(c)",
    "c = MatMul(a, b)\ny = Softmax <axis = 0> (c)",
    "c = Mul(a, b)\nd = Softmax <axis = 1> (c)\ny = Mul(d, a)",
    "c = LogSoftmax <axis = 1> (a)\ny = Mul(c, b)",
    "y = Gemm <alpha = 0.5, beta = 2.0, transA = 1> (a, b, a)",
    "y = Gemm <alpha = 0.5, transB = 1> (a, b)",
    "y = Gemm <transA = 1, transB = 1> (a, b, b)",
    "c = ReduceMean <keepdims = 1> (a)\nd = ReduceSum <keepdims = 0> (b)\ny = Mul(c, d)",
    "k = Constant <value_ints = [1]> ()\nc = ReduceSum <keepdims = 0> (a, k)\n"
    "d = ReduceMean <keepdims = 1> (b, k)\ny = Mul(c, d)",
    "k = Constant <value_ints = [-1]> ()\nc = Reshape(a, k)\nd = Flatten <axis = 0> (b)\n"
    "y = Mul(c, d)",
    "k = Constant <value_ints = [0]> ()\nc = Unsqueeze(a, k)\nd = Squeeze(c, k)\n"
    "e = Transpose <perm = [1, 0]> (d)\nf = Transpose(b)\ny = Mul(e, f)",
    "c = Cast <to = 1> (a)\nd = Cast <to = 11> (c)\ny = Mul(b, b)",
    "c = Mul(a, a)\ny = Identity(c)",
])
def test_operators(body):
    rng = np.random.default_rng(4)
    check(context_of(body, "3, 3"), rng.uniform(0.5, 2, (3, 3)), rng.uniform(0.5, 2, (3, 3)))


def test_repeated_dimensions_are_summed():
    rng = np.random.default_rng(4)
    context = context_of("c = Mul(a, b)\ny = Sub(c, b)", "2, N, 4; 1, 4")
    check(context, rng.uniform(1, 2, (2, 3, 4)), rng.uniform(1, 2, (1, 4)))
    context = context_of("c = MatMul(a, b)\ny = Exp(c)", "2, N, 4; 4, 3")
    check(context, rng.uniform(0, 1, (2, 2, 4)), rng.uniform(0, 1, (4, 3)))


def test_second_derivatives():
    gradient = ('da = ai.onnx.preview.training.Gradient <xs = ["a"], zs = ["b"], y = "y"> (a, b)\n'
                'dda = ai.onnx.preview.training.Gradient <xs = ["a"], y = "da"> (a)')
    context = context_of("c = Mul(a, a)\nd = Mul(c, a)\ny = Mul(d, b)", "N", "y, da, dda", gradient)
    a, b = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    made = context.run({"a": a, "b": b})
    np.testing.assert_allclose(made["da"], 3 * a * a * b)
    np.testing.assert_allclose(made["dda"], 6 * a * b)


def test_of_intermediate_values():
    gradient = 'dc = ai.onnx.preview.training.Gradient <xs = ["c"], y = "y"> (c)'
    context = context_of("c = Mul(a, b)\ny = Exp(c)", "N", "y, dc", gradient)
    a, b = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    np.testing.assert_allclose(context.run({"a": a, "b": b})["dc"], np.exp(a * b))


@pytest.mark.parametrize("body, dims, gradient, text", [
    ("z = Constant <value_int = 0> ()\ny = CumSum(a, z)", "N", GRADIENT, "derivative of cum_sum"),
    ("y = Mul(a, b)", "N; M", GRADIENT, "is repeated must be known"),
    ("y = Mul(a, b)", "N", GRADIENT.replace("(a, b)", "(b, a)"), "is not the tensor 'a'"),
    ("c = Mul(a, b)", "N", GRADIENT, "'y' is no tensor made before it"),
])
def test_refusals(body, dims, gradient, text):
    with pytest.raises(whet.Error, match=text):
        context_of(body, dims, "da, db", gradient)


def test_gradients_of_gradients_have_a_limit():
    chain = "".join(f'd{i + 1} = ai.onnx.preview.training.Gradient <xs = ["a"], y = "d{i}"> (a)\n'
                    for i in range(40))
    with pytest.raises(whet.Error, match="those of gradients too"):
        context_of("c = Exp(a)\nd = Mul(c, a)\ne = Tanh(d)\nd0 = Mul(e, d)", "N", "d0, d40", chain)
