#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""INT8 of whet and of onnxruntime's quantize_static on the trained models.

Top-1 on the test set and the ratio of signal to noise of the logits against FP32, in one run. Needs
onnxruntime; openvino is used where it is there.

    python3 bench/quantize.py --calibration glyph_calibration.npz MODEL.onnx...
"""

import argparse
import contextlib
import io
import logging
import pathlib
import tempfile

import numpy as np
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

import whet

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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--calibration", default=GLYPHS / "glyph_calibration.npz")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--level", type=int, default=0)
    args = parser.parse_args()
    samples = images_of(args.calibration)[0][:args.samples]
    test = images_of(GLYPHS / "glyph_test.npz")
    with tempfile.TemporaryDirectory() as folder:
        good = [measure(str(m), samples, test, args, folder) for m in args.models]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
