# SPDX-License-Identifier: Apache-2.0
"""From a model to an engine."""

import json
import os

import numpy as np

from . import _whet
from .calibration import metric_of, source_of
from .engine import Engine
from .plugins import load_plugins


def _source(model):
    if hasattr(model, "_builder_handle"):  # a Builder or Network
        return model._builder_handle
    if hasattr(model, "SerializeToString"):  # an onnx.ModelProto
        return model.SerializeToString()
    if isinstance(model, (bytes, bytearray, memoryview)):
        return model
    return os.fsdecode(os.fspath(model))


def _refuse(name, value, why):
    error = _whet.Error(f"{name}={value!r}: {why}")
    error.status, error.name = _whet.WHET_E_UNSUPPORTED, "WHET_E_UNSUPPORTED"
    raise error


def _entry(option, name, value):
    if "," in name:
        raise ValueError(f"{option}: {name!r}: names with commas cannot be given so")
    if isinstance(value, (tuple, list)):  # a range
        value = ":".join(repr(float(v)) for v in value)
    return f"{name}:{value}"


def settings_of(options, ranges=None):
    """Options as the library takes them: {"layer-precisions": {"conv1": "fp32"}} is one text."""
    result = {}
    given = dict(options or {})
    if ranges:
        given["ranges"] = dict(ranges)
    for name, value in given.items():
        if isinstance(value, dict):
            value = ",".join(_entry(name, k, v) for k, v in value.items())
        elif isinstance(value, bool):
            value = "true" if value else "false"
        result[name.replace("_", "-")] = str(value)
    return result


def _profiles(profiles):
    if isinstance(profiles, dict):
        profiles = [profiles]
    result = []
    for profile in profiles or ():
        rows = []
        for name, bounds in profile.items():
            low, best, high = (tuple(int(v) for v in np.ravel(b)) for b in bounds)
            if not len(low) == len(best) == len(high):
                raise ValueError(f"profile: input {name!r}: {bounds!r} are not three of one length")
            rows.append((name, low, best, high))
        result.append(rows)
    return result


def build(model, *, precision="fp32", calibration=None, profiles=None, shapes=None, threads=None,
          level=3, timing_cache=None, device="cpu", accuracy=None, metric=None, verify="auto",
          plugins=(), portable="full", deterministic=False, progress=None, options=None,
          ranges=None):
    """Builds an engine from a path, bytes, an onnx.ModelProto, a Network or a Builder.

    shapes: {input: dims} fixes shapes, None leaves a dimension open. profiles: a list of
    {input: (min, opt, max)}, shapes to tune for, each with a plan of its own; for an integer
    input of fixed shape the three may be its contents. Other shapes run too. level 0 to 5: how much
    is timed. timing_cache: a file that keeps times between builds. portable: "none" leaves source
    weights out of the engine. progress:
    called with (phase, done, total, seconds left), False cancels. calibration, with
    precision="int8", or "int4" to round better: samples as an iterable of {input: array}, a file of
    them, or a calibration cache; whet.quantize says more. ranges, beside or instead of it:
    {value: (low, high)}. accuracy: a budget, such as "0.1%" (top-1), "cosine:0.999" or "snr:30dB";
    the engine is the fastest mix of int8, bf16 and fp32 that keeps it on these samples. metric: a
    function of two lists of {output: array}, a batch each, in FP32 and as computed, that gives a
    number, larger is better; accuracy then is "0.5%" of it, "drop:0.01" or "least:0.76". verify:
    "full" compares every layer with its C reference, on samples where there are some, and keeps
    what was found in the engine. options: further options of the command line by name, those that
    list names as dicts. What is not available raises whet.Error with the reason."""
    if not isinstance(precision, str):
        names = sorted(precision)
        precision = names[0] if len(names) == 1 else ",".join(names)
    for library in [plugins] if isinstance(plugins, (str, os.PathLike)) else plugins:
        load_plugins(library)
    if device != "cpu":
        _refuse("device", device, "this version runs on the CPU")
    names = set(precision.split(","))
    chosen, samples = source_of(calibration, options, twice="int4" in names)
    mixes = accuracy is not None and precision == "fp32"  # whatever is fastest and holds
    wanted = mixes or verify == "full" or names & {"int8", "int4", "best"}
    if calibration is not None and not wanted:
        _refuse("calibration", "...",
                "it is for precision=\"int8\" or \"int4\" and verify=\"full\"")
    settings = {"precision": precision, "level": str(level), "verify": verify,
                "portable": portable, "deterministic": "true" if deterministic else "false"}
    if mixes:
        del settings["precision"]
    if accuracy is not None:
        settings["accuracy"] = str(accuracy)
    settings.update(chosen)
    if threads is not None:
        settings["threads"] = str(threads)
    if timing_cache is not None:
        settings["timing-cache"] = os.fspath(timing_cache)
    settings.update(settings_of(options, ranges))
    fixed = {name: tuple(-1 if d is None else int(d) for d in dims)
             for name, dims in (shapes or {}).items()}
    return Engine(_whet.build(_source(model), settings, fixed, _profiles(profiles), progress,
                               samples, metric_of(metric)))


def check(model):
    """The report of an import as a dict: operators, inputs, outputs and every problem."""
    status, report = _whet.check(_source(model))
    result = json.loads(report)
    result["ok"] = status == 0
    return result
