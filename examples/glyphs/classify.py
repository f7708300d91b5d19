# SPDX-License-Identifier: Apache-2.0
"""Converts the glyph network into an engine, classifies images with it, and says how fast it is.

usage: classify.py [IMAGE.png ...]     (default: the images beside this file)"""

import pathlib
import sys
import time

import numpy as np
from PIL import Image

import whet

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def read_image(path):
    """A grey image as the network wants it: float32 [1, 48, 48]."""
    pixels = np.asarray(Image.open(path).convert("L").resize((48, 48)), np.float32)
    return (pixels / 255 - 0.45)[None] / np.float32(0.3)


def convert(model, engine_path):
    """Builds the engine, keeping measured times in a cache beside it."""
    start = time.perf_counter()
    engine = whet.build(model, timing_cache=engine_path.with_suffix(".times"))
    engine.save(engine_path)
    print(f"{model.name} -> {engine_path.name} in {time.perf_counter() - start:.2f} s, "
          f"{engine_path.stat().st_size / 1e6:.1f} MB\n")


def classify(context, paths):
    """One image at a time, as a service would."""
    print(f"{'image':28} class  probability")
    for path in paths:
        logits = context.run({"image": read_image(path)[None]})["logits"][0]
        odds = np.exp(logits - logits.max())
        best = int(odds.argmax())
        print(f"{path.name:28} {CLASSES[best]:5}  {odds[best] / odds.sum():.3f}")


def summarize(engine):
    """What became of the model's nodes."""
    info = engine.inspect()
    print(f"\n{info['model_nodes']} ONNX nodes in, {info['steps']} steps out, "
          f"{info['fused_nodes']} nodes fused into other steps")
    counts = {}
    for layer in info["layers"]:
        counts[layer["kernel"]] = counts.get(layer["kernel"], 0) + 1
    for kernel, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {count:3} x {kernel}")
    fused = next(layer for layer in info["layers"] if len(layer["nodes"]) > 1)
    print(f"  such as {fused['name']}")


def time_it(context, batch):
    """Latency and throughput at one batch size."""
    images = np.zeros((batch, 1, 48, 48), np.float32)
    seconds = context.bench({"image": images}, warmup=0.1, seconds=0.5)
    median = float(np.median(seconds))
    print(f"batch {batch:3}: median {median * 1e3:7.3f} ms, "
          f"99 % {np.percentile(seconds, 99) * 1e3:7.3f} ms, {batch / median:8.0f} images/s")


def main():
    engine_path = HERE.parent.parent / "build" / "glyph_mobilenetv2.whet"
    convert(HERE / "glyph_mobilenetv2.onnx", engine_path)
    engine = whet.load(engine_path)
    context = engine.context()
    paths = [pathlib.Path(p) for p in sys.argv[1:]] or sorted((HERE / "images").glob("*.png"))
    classify(context, paths)
    summarize(engine)
    print()
    for batch in (1, 16):
        time_it(context, batch)


if __name__ == "__main__":
    main()
