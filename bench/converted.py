# SPDX-License-Identifier: Apache-2.0
"""Peers of bench/compare.py that read formats of their own: ncnn and MNN. Their tools convert the
ONNX model into the worker's folder; arithmetic is FP32. Each start takes the cell and its inputs
by name, in the model's order, and returns the function that runs the model once."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import numpy as np

PACKAGES = {"ncnn": ("ncnn", "pnnx"), "MNN": ("MNN",)}


def convert(result, command):
    """Runs a tool that leaves the file `result`; else its last line says what failed."""
    run = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, timeout=900,
                         stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if not pathlib.Path(result).exists():
        lines = [line for line in run.stdout.splitlines() if line.strip()]
        raise RuntimeError(f"not converted: {lines[-1] if lines else run.returncode}")


def narrow(array):
    """Neither keeps integers of 64 bits."""
    return array.astype(np.int32) if array.dtype == np.int64 else array


def shape_text(array):
    kind = {"f": "f", "i": "i", "u": "u"}[array.dtype.kind]
    return f"[{','.join(map(str, array.shape))}]{kind}{array.itemsize * 8}"


def batch_axes(example):
    """{value: arguments of Mat and numpy()}: ncnn keeps the axis of the batch apart, and which one
    it is stands in the example that its tool writes."""
    found = re.findall(r"\b(in\d+|out\d+)\.numpy\(\)(?:, batch_index=(-?\d+))?", example)
    found += re.findall(r"\b(out\d+)\.numpy\((?:batch_index=(-?\d+))?\)", example)
    return {name: {"batch_index": int(axis)} if axis else {} for name, axis in found}


def start_ncnn(cell, inputs):
    import ncnn
    inputs = list(inputs.values())
    folder = pathlib.Path(cell["outputs"]).parent
    model = folder / "ncnn.onnx"  # the tool writes beside it
    model.unlink(missing_ok=True)
    model.symlink_to(pathlib.Path(cell["model"]).resolve())
    tool = pathlib.Path(importlib.util.find_spec("pnnx").origin).parent / "pnnx"
    convert(folder / "ncnn.ncnn.param",
            [tool, model, "inputshape=" + ",".join(map(shape_text, inputs)), "fp16=0"])
    axes = batch_axes((folder / "ncnn_ncnn.py").read_text(encoding="utf-8"))
    net = ncnn.Net()
    net.opt.num_threads = cell["threads"]
    for option in dir(net.opt):
        if option.startswith(("use_fp16_", "use_bf16_")):
            setattr(net.opt, option, False)
    if net.load_param(str(folder / "ncnn.ncnn.param")) or \
            net.load_model(str(folder / "ncnn.ncnn.bin")):
        raise RuntimeError("what pnnx converted does not load")
    mats = [ncnn.Mat(narrow(a), **axes.get(f"in{i}", {})).clone() for i, a in enumerate(inputs)]
    names = [f"out{i}" for i in range(len(net.output_names()))]

    def call():
        extractor = net.create_extractor()
        for i, mat in enumerate(mats):
            extractor.input(f"in{i}", mat)
        results = [extractor.extract(name) for name in names]
        if any(status for status, _ in results):
            raise RuntimeError("a layer fails")
        return [mat.numpy(**axes.get(name, {})) for name, (_, mat) in zip(names, results)]

    return call


def start_mnn(cell, inputs):
    path = str(pathlib.Path(cell["outputs"]).parent / "model.mnn")
    # the module under the package's own front end, which installs a package and calls home
    convert(path, [sys.executable, "-c", "import sys, _tools; _tools.mnnconvert(sys.argv)", "-f",
                   "ONNX", "--modelFile", cell["model"], "--MNNModel", path, "--bizCode", "bench"])
    from MNN import expr, nn
    runtime = nn.create_runtime_manager(({"backend": "CPU", "precision": "high",
                                          "numThread": cell["threads"]},))
    net = nn.load_module_from_file(path, list(inputs), cell["results"], runtime_manager=runtime)
    types = {"f": expr.float, "i": expr.int, "u": expr.uint8}
    values = [expr.const(narrow(a), list(a.shape), expr.NCHW, types[a.dtype.kind])
              for a in inputs.values()]

    def call():
        results = net.forward(values)
        if not results:
            raise RuntimeError("no output")
        return [r.read() for r in results]

    return call
