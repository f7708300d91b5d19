# SPDX-License-Identifier: Apache-2.0
"""The page of bench/report.py: well-formed, with every figure that it was given."""

import importlib.util
import pathlib
import xml.etree.ElementTree

PATH = pathlib.Path(__file__).resolve().parents[2] / "bench/report.py"
SPEC = importlib.util.spec_from_file_location("report", PATH)
report = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(report)

SIZES = {"load_ms": 9.1, "first_ms": 44.0, "steady_ms": 40.0, "peak_mb": 173.0, "arena_mb": 9.0,
         "packed_mb": 158.9, "weights_mb": 102.5}
DATA = {
    "machine": {"processor": "2 x <some>", "openvino": "not installed"},
    "rows": [{"model": "a&b", "threads": 2, "ms": {"whet": 8.0, "onnxruntime": 10.0},
              "ratio": 0.8, "difference": {"onnxruntime": 1e-6}},
             {"model": "c", "threads": 1, "batch": 8, "ms": {"whet": 3.0, "openvino": 2.0},
              "ratio": 1.5}],
    "models": [{"model": "c", "threads": 2, "start": SIZES, "min": SIZES, "streams": {1: 25.0},
                "build": {"default_s": 8.9, "again_s": 1.5, "level0_s": 0.75}}],
}


def text_of(data):
    page = report.page(data).replace("<!DOCTYPE html>", "")
    return " ".join(xml.etree.ElementTree.fromstring(page).itertext())


def test_page_shows_every_figure():
    text = text_of(DATA)
    for part in ("a&b", "2 x <some>", "0.800", "1.500", "8.00 ms", "geometric mean 1.095", "9.1",
                 "1.10", "173.0", "0.75", "25.0", "1.0e-06"):
        assert part in text, part


def test_page_without_peers_or_models():
    alone = {"machine": {}, "models": [],
             "rows": [{"model": "a", "threads": 1, "ms": {"whet": 1.0}, "ratio": 1.0}]}
    assert "1.00 ms" in text_of(alone)
    assert "No times" in text_of({"machine": {}, "models": [], "rows": []})
