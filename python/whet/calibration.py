# SPDX-License-Identifier: Apache-2.0
"""Samples for INT8 and INT4: what the model's values reach on them decides how they are rounded."""

import os
import pathlib

import numpy as np

from . import _whet
from .dtypes import number_of
from .values import item_of, value_of

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff"}


def images(folder, size, *, mean=0.0, std=1.0, scale=1 / 255, gray=False, layout="NCHW", batch=8,
           crop=True):
    """Batches of the images in a folder and below it, as float32 arrays, in the order of names.

    An image is made RGB, or one channel with gray; resized (bilinear) so that it covers
    size = (height, width), the middle of which is kept, or with crop=False to exactly that size;
    then (pixel * scale - mean) / std, where mean and std are one number or one a channel. layout:
    "NCHW" or "NHWC". Needs Pillow."""
    from PIL import Image
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout={layout!r}, expected NCHW or NHWC")
    height, width = size
    files = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in IMAGES)
    if not files:
        raise FileNotFoundError(f"{folder}: no images are in this folder")
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)

    def pixels(path):
        with Image.open(path) as image:
            image = image.convert("L" if gray else "RGB")
            if crop:
                ratio = max(width / image.width, height / image.height)
                image = image.resize((max(width, round(image.width * ratio)),
                                      max(height, round(image.height * ratio))),
                                     Image.Resampling.BILINEAR)
                left, top = (image.width - width) // 2, (image.height - height) // 2
                image = image.crop((left, top, left + width, top + height))
            else:
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            array = np.asarray(image, np.float32).reshape(height, width, -1)
        array = (array * np.float32(scale) - mean) / std
        return array.transpose(2, 0, 1) if layout == "NCHW" else array

    for i in range(0, len(files), batch):
        yield np.ascontiguousarray(np.stack([pixels(p) for p in files[i:i + batch]]), np.float32)


def is_cache(path):
    with open(path, "rb") as file:
        return file.read(4) == b"TRT-"


class _Samples:
    """Called with the names of the inputs until it gives None."""

    def __init__(self, batches, twice):
        self.batches = list(batches) if twice else batches
        self.items = iter(self.batches)

    def __call__(self, names):
        batch = next(self.items, None)
        if batch is None:
            self.items = iter(self.batches)  # smoothing and int4 take them again
            return None
        if not isinstance(batch, dict):
            if len(names) != 1:
                raise ValueError(f"calibration: the model has the inputs {names}: give a dict of "
                                 "arrays for each batch")
            batch = {names[0]: batch}
        missing = [name for name in names if name not in batch]
        if missing:
            raise ValueError(f"calibration: a batch lacks {missing}; it has {sorted(batch)}")
        fed = [np.asarray(batch[name]) for name in names]
        return [item_of(array, number_of(array.dtype)) for array in fed]


def source_of(calibration, options, twice=False):
    """(options, function that gives batches or None) of what a caller gave."""
    if calibration is None:
        return {}, None
    if isinstance(calibration, (str, os.PathLike)):
        path = os.fspath(calibration)
        cache = os.path.isfile(path) and is_cache(path)
        return {"calib" if cache else "calibration": path}, None
    if isinstance(calibration, (dict, np.ndarray)):
        calibration = [calibration]
    return {}, _Samples(calibration, twice or float((options or {}).get("smooth", 0)) > 0)


def metric_of(metric):
    """The function that the extension calls, of one that takes lists of {output: array}."""
    if metric is None:
        return None

    def figure(names, *sides):
        return float(metric(*([dict(zip(names, map(value_of, batch))) for batch in side]
                              for side in sides)))
    return figure


def quantize(model, path, calibration=None, *, accuracy=None, metric=None, external=False,
             progress=None, options=None, ranges=None):
    """Quantizes a model to 8 bits and writes it to `path` as ONNX with Q/DQ, for other runtimes;
    with options={"int4": "true"} weights of matrix products to 4 bits instead.

    model: as for build; a Network or Builder states its quantization from then on. calibration: an
    iterable of {input: array} or of arrays, a file (.npz, .npy), a folder of such, or a calibration
    cache of TensorRT's. ranges: {value: (low, high)}, beside or instead of it, wins. accuracy,
    metric: as for build; what is not worth it stays in float. options: those of calibration by
    name, docs/quantization.md."""
    from .build import _source, settings_of
    settings, samples = source_of(calibration, options, twice=True)
    settings.update(settings_of(options, ranges))
    if accuracy is not None:
        settings["accuracy"] = str(accuracy)
    _whet.quantize(_source(model), settings, progress, samples, metric_of(metric), os.fspath(path),
                   external)
