# SPDX-License-Identifier: Apache-2.0
"""Latency of whet and onnxruntime on the same models, interleaved in one process; medians, ratios.

usage: compare.py MODEL.onnx ... [--threads 1,2] [--level 3] [--rounds 6] [--seconds 0.5] [--json F]

A round visits both; each visit runs for --seconds (at least 3 runs). The ratio is that of the
medians over all rounds. Needs what ./test.sh leaves in .venv."""

import argparse
import json
import pathlib
import resource
import time

import numpy as np
import onnxruntime

import whet

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def make_inputs(session):
    """Normal random numbers; zeros for masks and integers; 1 for dimensions left open."""
    rng = np.random.default_rng(1)
    inputs = {}
    for i in session.get_inputs():
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in i.shape]
        zeros = "mask" in i.name or TYPES[i.type] != np.float32
        inputs[i.name] = (np.zeros(shape, TYPES[i.type]) if zeros
                          else rng.standard_normal(shape, dtype=np.float32))
    return inputs


def visit(call, seconds):
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def compare(path, threads, options):
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = threads
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, session_options,
                                           providers=["CPUExecutionProvider"])
    inputs = make_inputs(session)
    start = time.perf_counter()
    engine = whet.build(path, threads=threads, level=options.level)
    build = time.perf_counter() - start
    context = engine.context(threads)
    want = session.run(None, inputs)
    got = list(context.run(inputs).values())
    error = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(got, want))
    ours, theirs = [], []
    for i in range(options.rounds):
        for times, call in ((ours, lambda: context.run(inputs)),
                            (theirs, lambda: session.run(None, inputs)))[:: 1 if i % 2 else -1]:
            times += visit(call, options.seconds)
    return {
        "model": pathlib.Path(path).stem, "threads": threads, "level": options.level,
        "whet_ms": float(np.median(ours)) * 1e3, "onnxruntime_ms": float(np.median(theirs)) * 1e3,
        "ratio": float(np.median(ours) / np.median(theirs)), "error": error, "build_s": build,
        "file_over_model": len(engine.serialize()) / pathlib.Path(path).stat().st_size,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = []
    for path in options.models:
        for threads in (int(t) for t in options.threads.split(",")):
            row = compare(path, threads, options)
            rows.append(row)
            print(f"{row['model']:20} {threads} threads  whet {row['whet_ms']:8.2f} ms  "
                  f"onnxruntime {row['onnxruntime_ms']:8.2f} ms  ratio {row['ratio']:.2f}  "
                  f"error {row['error']:.1e}  build {row['build_s']:.1f} s  "
                  f"file {row['file_over_model']:.2f}x", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
