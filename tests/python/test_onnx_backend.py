# SPDX-License-Identifier: Apache-2.0
"""ONNX's own backend cases (of the installed onnx package) through whet.onnx_backend.

A case passes, or is refused as unsupported by name and counts as skipped; a wrong answer or another
error fails. ./test.sh runs this file twice: with the onnx of tests/requirements.txt and with that
of tests/requirements-newest.txt."""

import pathlib
import unittest

import numpy as np
import onnx
import onnx.backend.test
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt
import pytest

import whet
import whet.onnx_backend


class Judge(whet.onnx_backend.WhetBackend):
    """ONNX's runner counts a refusal as passed; here it is a skipped case with its reason."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        try:
            return super().prepare(model, device, **kwargs)
        except BackendIsNotSupposedToImplementIt as error:
            raise unittest.SkipTest(str(error)) from error


class Cases(onnx.backend.test.BackendTest):
    """ONNX's runner takes the length of each item of a sequence, which a scalar has not."""

    @classmethod
    def assert_similar_outputs(cls, ref_outputs, outputs, rtol, atol, model_dir=None):
        if isinstance(outputs, np.ndarray) and not outputs.ndim:
            ref_outputs, outputs = [ref_outputs], [outputs]
        super().assert_similar_outputs(ref_outputs, outputs, rtol, atol, model_dir)


backend_test = Cases(Judge, __name__)
backend_test.exclude("_cuda$")
# Why each of these is not judged, or not by ONNX's tolerance: docs/conformance.md.
UNJUDGED = []
if onnx.__version__ == "1.21.0":
    UNJUDGED = ["test_qlinearmatmul_[23]D_int8_float(16|32)", "test_adam_multiple",
                "test_attention_[34]d_with_(past_and_present_)?qk_matmul_(bias|softcap)"
                "(_[34]d_mask)?(_causal)?"]
NOISY = {"test_dft_inverse": (1e-3, 1e-6), "test_dft_inverse_opset19": (1e-3, 1e-6)}
if onnx.__version__ != "1.21.0":
    NOISY["test_attention_4d_causal_fp16_expanded"] = (2e-3, 1e-7)
RANDOM = [f"test_bernoulli{kind}{form}" for kind in ("", "_double", "_seed")
          for form in ("", "_expanded")]
for name in [*UNJUDGED, *NOISY, *RANDOM]:
    backend_test.exclude(f"^{name}_cpu$")
# Supported cases, at least.
FLOOR = {"1.21.0": 1818, "1.23.2": 2024}
globals().update(backend_test.test_cases)


NODE_CASES = {case.name: case for case in load_model_tests(kind="node")}


def run_case(name):
    """What whet makes of a case, and what ONNX expects."""
    case = NODE_CASES[name]
    if case.model:
        (inputs, expected), = case.data_sets
    else:
        folder = pathlib.Path(case.model_dir)
        inputs, expected = ([onnx.numpy_helper.to_array(onnx.load_tensor(path)) for path in
                             sorted((folder / "test_data_set_0").glob(f"{kind}_*.pb"))]
                            for kind in ("input", "output"))
    model = case.model or onnx.load(folder / "model.onnx")
    return whet.onnx_backend.prepare(model).run(list(inputs)), expected


@pytest.mark.parametrize("name", NOISY)
def test_noisy_case(name):
    for made, wanted in zip(*run_case(name), strict=True):
        np.testing.assert_allclose(made, wanted, *NOISY[name])


@pytest.mark.parametrize("name", RANDOM)
def test_random_case(name):
    for made, wanted in zip(*run_case(name), strict=True):
        assert made.dtype == wanted.dtype and made.shape == wanted.shape
        assert np.isin(made, (0, 1)).all()


def test_no_supported_case_is_lost():
    """Refusals are skipped above; this fails when a model that was supported is refused."""
    cases = [case for kind in ("node", "simple", "pytorch-operator", "pytorch-converted")
             for case in load_model_tests(kind=kind)]
    models = [case.model.SerializeToString() if case.model else
              pathlib.Path(case.model_dir) / "model.onnx" for case in cases]
    reports = [whet.check(model) for model in models]
    assert sum(report["ok"] for report in reports) >= FLOOR[onnx.__version__]
    assert all(report["problems"] for report in reports if not report["ok"])
