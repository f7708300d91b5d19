# SPDX-License-Identifier: Apache-2.0
"""ONNX's own backend cases (of the installed onnx package) through whet.onnx_backend.

A case passes, or is refused as unsupported by name and counts as skipped; a wrong answer or another
error fails. ./test.sh runs this file twice: with the onnx of tests/requirements.txt and with that
of tests/requirements-newest.txt."""

import pathlib
import unittest

import onnx
import onnx.backend.test
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

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


backend_test = onnx.backend.test.BackendTest(Judge, __name__)
backend_test.exclude("_cuda$")
# Why each of these is not judged: docs/conformance.md.
backend_test.exclude("^test_qlinearmatmul_[23]D_int8_float(16|32)_")
if onnx.__version__ == "1.21.0":
    backend_test.exclude("^test_attention_[34]d_with_(past_and_present_)?qk_matmul_(bias|softcap)"
                         "(_[34]d_mask)?(_causal)?_cpu$")
else:
    backend_test.exclude("^test_attention_4d_causal_fp16_expanded_cpu$")
# Supported cases, at least.
FLOOR = {"1.21.0": 1519, "1.23.2": 1669}
globals().update(backend_test.test_cases)


def test_no_supported_case_is_lost():
    """Refusals are skipped above; this fails when a model that was supported is refused."""
    cases = [case for kind in ("node", "simple", "pytorch-operator", "pytorch-converted")
             for case in load_model_tests(kind=kind)]
    models = [case.model.SerializeToString() if case.model else
              pathlib.Path(case.model_dir) / "model.onnx" for case in cases]
    reports = [whet.check(model) for model in models]
    assert sum(report["ok"] for report in reports) >= FLOOR[onnx.__version__]
    assert all(report["problems"] for report in reports if not report["ok"])
