# SPDX-License-Identifier: Apache-2.0
"""ONNX's own node cases with every dimension of every input open: each model must import and give
the expected values as if its shapes were known."""

import itertools
import pathlib
import re

import numpy as np
import onnx
import onnx.parser
from onnx.backend.test.loader import load_model_tests
import pytest

import test_onnx_backend as backend
import whet

BATCHES = 4


def tensor_types(kind):
    """The tensor types in a type, which may be a sequence or optional of others."""
    which = kind.WhichOneof("value")
    if which in ("sequence_type", "optional_type"):
        return tensor_types(getattr(kind, which).elem_type)
    return [kind.tensor_type] if which == "tensor_type" else []


def opened(model):
    """The model with names for the dimensions of inputs, and nothing said of other shapes."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    fresh = itertools.count()
    for value in model.graph.input:
        for tensor in tensor_types(value.type):
            for dim in tensor.shape.dim:
                dim.dim_param = f"open_{next(fresh)}"
    for value in model.graph.output:
        for tensor in tensor_types(value.type):
            tensor.ClearField("shape")
    del model.graph.value_info[:]
    return model


def value_of(path, kind):
    """The contents of a file of a case."""
    form, read = {"sequence_type": (onnx.SequenceProto, onnx.numpy_helper.to_list),
                  "optional_type": (onnx.OptionalProto, onnx.numpy_helper.to_optional),
                  "tensor_type": (onnx.TensorProto, onnx.numpy_helper.to_array),
                  }[kind.WhichOneof("value")]
    return read(form.FromString(path.read_bytes()))


def array_of(value):
    """The newest onnx has tensors among the values of its cases."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def data_sets(case, model):
    """Inputs and expected outputs."""
    if case.model:
        for values in case.data_sets:
            yield [[array_of(value) for value in side] for side in values]
        return
    for folder in sorted(pathlib.Path(case.model_dir).glob("test_data_set*")):
        yield [[value_of(folder / f"{name}_{i}.pb", value.type) for i, value in enumerate(values)
                if (folder / f"{name}_{i}.pb").exists()]
               for name, values in (("input", model.graph.input), ("output", model.graph.output))]


def run(case):
    model = case.model or onnx.load(pathlib.Path(case.model_dir) / "model.onnx")
    context = whet.build(opened(model).SerializeToString(), level=0, verify="off").context()
    names = [value.name for value in model.graph.input]
    for inputs, wanted in data_sets(case, model):
        made = list(context.run(dict(zip(names, inputs))).values())
        if case.name in backend.RANDOM:
            assert [v.shape for v in made] == [v.shape for v in wanted]
        else:
            tolerance = backend.NOISY.get(case.name, (case.rtol, case.atol))
            backend.Cases.assert_similar_outputs(wanted, made, *tolerance)


CASES = sorted(load_model_tests(kind="node"), key=lambda case: case.name)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_cases_with_open_shapes(batch):
    wrong = []
    for case in CASES[batch::BATCHES]:
        if any(re.fullmatch(name, case.name) for name in backend.UNJUDGED):
            continue
        try:
            run(case)
        except (AssertionError, whet.Error, ValueError, TypeError) as error:
            wrong.append(f"{case.name}: {type(error).__name__} {str(error)[:400]}")
    assert not wrong, "\n" + "\n".join(wrong)


GROUPS = """<ir_version: 9, opset_import: ["" : 18]>
g (float[N, C, W] x, float[2] scale, float[2] bias) => (float[N, C, W] y) {
  y = GroupNormalization <num_groups = 2> (x, scale, bias)
}"""
HEADS = """<ir_version: 9, opset_import: ["" : 27, "ai.onnx.preview" : 1]>
g (float[N, Q, S, D] q, float[N, H, T, D] k) => (float[N, Q, S, D] y) {
  y = ai.onnx.preview.FlexAttention (q, k, k)
}"""
COLUMNS = """<ir_version: 9, opset_import: ["" : 27]>
g (float[N, C, T] x, float[D, E, K] w) => (float[N, C, T] y, float[N, C, P] last) {
  y, last = CausalConvWithState (x, w)
}"""


def opened_context(text):
    return whet.build(onnx.parser.parse_model(text).SerializeToString(), level=0).context()


def test_open_channels_of_groups():
    context = opened_context(GROUPS)
    x = np.array([[[1, 3], [1, 3], [2, 6], [2, 6]]], np.float32)
    fed = {"scale": np.array([1, 2], np.float32), "bias": np.array([0, 5], np.float32)}
    got = context.run({"x": x, **fed})["y"]
    np.testing.assert_allclose(got, [[[-1, 1], [-1, 1], [3, 7], [3, 7]]], 1e-5)
    with pytest.raises(whet.Error):
        context.run({"x": np.ones((1, 5, 2), np.float32), **fed})


def test_open_heads():
    context = opened_context(HEADS)
    rng = np.random.default_rng(1)
    q, k = (rng.standard_normal((1, n, 3, 5), np.float32) for n in (4, 2))
    wide = np.repeat(k, 2, 1)
    s = np.exp(q @ wide.swapaxes(2, 3) / np.sqrt(5))
    want = s / s.sum(3, keepdims=True) @ wide
    np.testing.assert_allclose(context.run({"q": q, "k": k})["y"], want, 1e-4, 1e-5)
    with pytest.raises(whet.Error, match="heads of the keys cannot be shared"):
        context.run({"q": q[:, :3], "k": k})


def test_open_causal_convolution():
    context = opened_context(COLUMNS)
    x, w = np.arange(1, 7, dtype=np.float32).reshape(1, 2, 3), np.ones((2, 1, 2), np.float32)
    got = context.run({"x": x, "w": w})
    np.testing.assert_array_equal(got["y"], [[[1, 3, 5], [4, 9, 11]]])
    np.testing.assert_array_equal(got["last"], [[[3], [6]]])
    for shape in ((1, 1, 2), (2, 3, 2)):
        with pytest.raises(whet.Error, match="does not have the channels"):
            context.run({"x": x, "w": np.ones(shape, np.float32)})
