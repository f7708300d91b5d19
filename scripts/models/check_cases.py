# SPDX-License-Identifier: Apache-2.0
"""Builds an engine of each exported model and compares it with its framework at every case.

usage: check_cases.py FOLDER [--level 3]

Prints one row a model: cases, the largest error over the largest output, and what failed. Numbers
must agree within 1e-4 of the largest one of their tensor, labels exactly."""

import argparse
import pathlib
import sys

import numpy as np

import whet


def error(want, got):
    """Relative error; infinite where shapes or labels differ."""
    if want.shape != got.shape or want.dtype.kind in "USO":
        same = want.shape == got.shape and bool((want.astype(str) == got.astype(str)).all())
        return 0.0 if same else float("inf")
    if want.size == 0:
        return 0.0
    want, got = want.astype(np.float64), got.astype(np.float64)
    return float(np.abs(want - got).max() / max(np.abs(want).max(), 1e-30))


def check(path, level):
    engine = whet.build(str(path), level=level)
    context = engine.context()
    worst, cases = 0.0, sorted(path.parent.glob(path.stem + ".*.npz"))
    for case in cases:
        with np.load(case, allow_pickle=False) as arrays:
            inputs = {key[3:]: arrays[key] for key in arrays if key.startswith("in:")}
            wanted = [arrays[f"out:{i}"] for i in range(len(arrays) - len(inputs))]
        if set(inputs) == {"0"}:
            inputs = {next(iter(engine.inputs)): inputs["0"]}
        inputs = {key: value for key, value in inputs.items()
                  if key in engine.inputs}
        results = list(context.run(inputs).values())
        worst = max([worst, *(error(w, np.asarray(g)) for w, g in zip(wanted, results))])
    return len(cases), worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--level", type=int, default=3)
    options = parser.parse_args()
    failed = 0
    print("| model | cases | error |\n| --- | --- | --- |")
    for path in sorted(options.folder.glob("*.onnx")):
        try:
            cases, worst = check(path, options.level)
            text = f"{worst:.1e}"
        except whet.Error as problem:
            cases, worst, text = 0, float("inf"), str(problem)
        failed += worst > 1e-4
        print(f"| {path.stem} | {cases} | {text} |", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
