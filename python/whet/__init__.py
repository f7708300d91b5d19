# SPDX-License-Identifier: Apache-2.0
"""whet: turns a trained network into an engine tuned for this machine, and runs it."""

from ._whet import Error
from .build import build, check
from .calibration import images, quantize
from .classifier import ONNXClassifierWrapper, convert_onnx_to_engine
from .engine import Context, Engine, describe, load, loads, version
from .network import Builder, Config, Network, Node, Value
from .plugins import dim_max, dim_min, load_plugins, plugin, plugin_options
from .refit import Refitter
from .weights import Weights, load_weights

__version__ = version()
__all__ = [
    "Builder", "Config", "Context", "Engine", "Error", "Network", "Node", "ONNXClassifierWrapper",
    "Refitter", "Value", "Weights", "build", "check", "convert_onnx_to_engine", "describe",
    "dim_max", "dim_min", "images", "load", "load_plugins", "load_weights", "loads", "plugin",
    "plugin_options", "quantize", "version",
]
