#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""INT8 of whet: accuracy beside onnxruntime's quantize_static, mixes of precisions, and speed.

Accuracy of the trained models: top-1 on the test set and the ratio of signal to noise of the logits
against FP32, in one run with onnxruntime. Mixes: what --accuracy=0.1% loses on the test set, and
its time beside BF16 alone at batch 64. Speed, of the models of --large on random samples: quantized
by whet, INT8 + BF16, beside openvino on the same quantized model, FP32 without Winograd, and the
mix beside BF16. Needs onnxruntime; openvino is used where it is there.

    python3 bench/quantize.py [--calibration SAMPLES.npz] [--parts accuracy,mix,speed]
                              [--large resnet50.onnx ...] [MODEL.onnx ...]
"""

import argparse
import contextlib
import importlib.util
import io
import json
import logging
import pathlib
import statistics
import tempfile
import time

import numpy as np
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

import whet

import compare

ROOT = pathlib.Path(__file__).resolve().parents[1]
GLYPHS = ROOT / "tests/data/glyphs"
MODELS = [GLYPHS / "glyph_resnet18.onnx", ROOT / "examples/glyphs/glyph_mobilenetv2.onnx",
          GLYPHS / "glyph_vit.onnx"]
METHODS = ["mse", "entropy", "minmax", "percentile", "legacy"]
BATCH = 50


def images_of(path):
    data = np.load(path)
    images = ((data["image"].astype(np.float32) / 255 - 0.45) / 0.3)[:, None]
    return np.ascontiguousarray(images, np.float32), data["label"]


def in_batches(call, images):
    return np.concatenate([call(images[i:i + BATCH]) for i in range(0, len(images), BATCH)])


def run_ort(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return in_batches(lambda x: session.run(None, {"image": x})[0], images)


def run_whet(model, images, level, **options):
    context = whet.build(model, level=level, **options).context()
    return in_batches(lambda x: context.run({"image": x})["logits"], images)


def run_openvino(path, images):
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU")
    return in_batches(lambda x: compiled({"image": x})[0], images)


class Reader(quantization.CalibrationDataReader):
    def __init__(self, samples):
        self.batches = iter(np.split(samples, range(8, len(samples), 8)))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def quantize_ort(model, samples, method, kind, folder):
    plain, out = f"{folder}/plain.onnx", f"{folder}/ort.onnx"
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        quant_pre_process(model, plain, skip_symbolic_shape=True)
        quantization.quantize_static(
            plain, out, Reader(samples), quant_format=quantization.QuantFormat.QDQ,
            per_channel=True, activation_type=getattr(quantization.QuantType, kind),
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=getattr(quantization.CalibrationMethod, method))
    return out


def measure(model, samples, test, args, folder):
    images, labels = test
    want = run_ort(model, images)

    def show(what, logits):
        ratio = 10 * np.log10((want ** 2).sum() / ((want - logits) ** 2).sum())
        top1 = 100 * (logits.argmax(1) == labels).mean()
        print(f"  {what:34} top-1 {top1:6.2f} %   SNR {ratio:6.2f} dB", flush=True)
        return top1, ratio

    print(f"{pathlib.Path(model).stem}: {len(images)} images, {len(samples)} samples")
    top1 = 100 * (want.argmax(1) == labels).mean()
    print(f"  {'FP32':34} top-1 {top1:6.2f} %")
    best = max(show(f"onnxruntime {method} {kind}",
                    run_ort(quantize_ort(model, samples, method, kind, folder), images))[1]
               for method in ("MinMax", "Entropy", "Percentile") for kind in ("QUInt8", "QInt8"))
    batches = np.split(samples, range(8, len(samples), 8))
    for method in METHODS:
        result = show(f"whet {method}", run_whet(
            model, images, args.level, precision="int8", calibration=batches,
            options={"calib-method": method}))
        if method == "mse":
            default = result
    out = f"{folder}/whet.onnx"
    whet.quantize(model, out, batches)
    show("whet's model in onnxruntime", run_ort(out, images))
    with contextlib.suppress(ImportError):
        show("whet's model in openvino", run_openvino(out, images))
    good = default[0] >= top1 - 0.1 and default[1] >= best
    print(f"  loss {top1 - default[0]:.2f} points, {default[1] - best:+.2f} dB against the best of "
          f"onnxruntime: {'ok' if good else 'MISSED'}")
    return good


def time_both(engines, inputs, threads, seconds=2.0):
    """Medians in ms, turn by turn."""
    contexts = {k: e.context(threads) for k, e in engines.items()}
    times = {k: [] for k in contexts}
    end = time.perf_counter() + seconds * len(contexts)
    while time.perf_counter() < end:
        for name, context in contexts.items():
            context.run(inputs)
            for _ in range(3):
                begin = time.perf_counter()
                context.run(inputs)
                times[name].append(time.perf_counter() - begin)
    return {k: 1e3 * statistics.median(v) for k, v in times.items()}


def build_mix(model, budget, samples, folder, **options):
    report = f"{folder}/mix.json"
    engine = whet.build(model, accuracy=budget, calibration=samples,
                        options={"accuracy-report": report}, **options)
    with open(report, encoding="utf-8") as file:
        said = json.load(file)
    kinds = [layer["type"] for layer in said["layers"]]
    print(f"  mix for {budget}: " + ", ".join(f"{kinds.count(k)} {k}" for k in sorted(set(kinds))) +
          f" layers, {said['runs']} runs, decided by: {said['decided_by']}, SNR "
          f"{said['figures']['snr_db'] or np.inf:.1f} dB", flush=True)
    return engine


def mix(model, samples, test, folder):
    """Whether a budget of 0.1 % holds on the test set, and the mix beats BF16 at batch 64."""
    print(f"{pathlib.Path(model).stem}, --accuracy=0.1%")
    np.savez(f"{folder}/samples.npz", image=samples[0], label=samples[1])
    engine = build_mix(model, "0.1%", f"{folder}/samples.npz", folder)
    context = engine.context()
    got = in_batches(lambda x: context.run({"image": x})["logits"], test[0])
    top1 = [100 * (logits.argmax(1) == test[1]).mean()
            for logits in (run_ort(model, test[0]), got)]
    good = top1[1] >= top1[0] - 0.1
    print(f"  top-1 {top1[1]:.2f} %, FP32 {top1[0]:.2f} %: loss {top1[0] - top1[1]:.2f} points: "
          f"{'ok' if good else 'MISSED'}", flush=True)
    shapes = {"image": (64, *test[0].shape[1:])}
    engines = {"mix": build_mix(model, "0.1%", f"{folder}/samples.npz", folder, shapes=shapes),
               "BF16": whet.build(model, precision="bf16", shapes=shapes)}
    times = time_both(engines, {"image": test[0][:64]}, None)
    faster = times["mix"] < times["BF16"]
    wanted = "resnet" in pathlib.Path(model).stem
    print(f"  batch 64: mix {times['mix']:.2f} ms, BF16 {times['BF16']:.2f} ms"
          + (f": {'ok' if faster else 'MISSED'}" if wanted else ""), flush=True)
    return good and (faster or not wanted)


def build_direct(model, **options):
    """FP32 without Winograd, whatever such kernels are called here."""
    disabled = set()
    while True:
        engine = whet.build(model, options={"disable-kernels": ",".join(sorted(disabled))},
                            **options)
        found = {layer["kernel"] for layer in engine.inspect()["layers"]}
        found = {kernel for kernel in found if "winograd" in kernel}
        if not found:
            return engine
        disabled |= found


def speed(model, threads, folder):
    """A model of random weights: quantized by whet, beside openvino and other precisions."""
    name = pathlib.Path(model).stem
    shapes = compare.open_shapes(compare.read_ports(whet.check(model)["inputs"]), 1)
    plain = whet.build(model, level=0, shapes=shapes or None)
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(8):
        batch = {k: compare.make_input(k, shape, dtype, 1)
                 for k, (dtype, shape) in plain.inputs.items()}
        samples.append({k: rng.permuted(v.ravel()).reshape(v.shape) for k, v in batch.items()})
    good, out = True, f"{folder}/{name}_int8.onnx"
    whet.quantize(model, out, samples)
    if importlib.util.find_spec("openvino"):
        options = argparse.Namespace(peers=["openvino"], precision="bf16", level=3, option=[],
                                     openvino=[], clock="wall", runs=3, rounds=4, seconds=0.3,
                                     bound=1.05)
        row = compare.compare(out, threads, 1, options)
        compare.show(row)
        good = not row["fails"]
    build = {"threads": threads, "shapes": shapes or None}
    engines = {
        "INT8 + BF16": whet.build(out, precision="bf16", **build),
        "mix": build_mix(model, "snr:20dB", samples, folder, **build),
        "BF16": whet.build(model, precision="bf16", **build),
        "FP32 direct": build_direct(model, **build)}
    times = time_both(engines, samples[0], threads)
    ratio = times["FP32 direct"] / times["INT8 + BF16"]
    beaten = times["mix"] < times["BF16"]
    print(f"  {name} {threads} threads: " + ", ".join(f"{k} {v:.2f} ms" for k, v in times.items()) +
          f"; INT8 is {ratio:.2f} times as fast as FP32, the mix "
          f"{times['BF16'] / times['mix']:.2f} times as BF16", flush=True)
    wanted = "resnet50" in name
    return good and (not wanted or (ratio >= 3.3 and beaten))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--calibration", default=GLYPHS / "glyph_calibration.npz")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--level", type=int, default=0)
    parser.add_argument("--parts", default="accuracy,mix,speed")
    parser.add_argument("--large", nargs="*", default=[])
    parser.add_argument("--threads", default="1,2")
    args = parser.parse_args()
    parts = args.parts.split(",")
    samples = [part[:args.samples] for part in images_of(args.calibration)]
    test = images_of(GLYPHS / "glyph_test.npz")
    good = []
    with tempfile.TemporaryDirectory() as folder:
        for model in map(str, args.models):
            if "accuracy" in parts:
                good.append(measure(model, samples[0], test, args, folder))
            if "mix" in parts:
                good.append(mix(model, samples, test, folder))
        for model in args.large if "speed" in parts else ():
            for threads in map(int, args.threads.split(",")):
                good.append(speed(model, threads, folder))
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
