# SPDX-License-Identifier: Apache-2.0
"""Models of one node that a plugin computes."""

import os
import pathlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = os.environ.get("WHET_PLUGIN_LIBRARY", str(ROOT / "build/lib/libwhet_plugins.so"))


def attribute(name, value):
    if isinstance(value, np.ndarray):
        return helper.make_attribute(name, numpy_helper.from_array(value, name))
    return helper.make_attribute(name, value)


def model(op_type, inputs, outputs, version="1", constants=(), **attributes):
    """One node. inputs: name to array, with open dimensions but for those in `constants`."""
    node = helper.make_node(op_type, list(inputs), [f"out{i}" for i in range(len(outputs))],
                            domain="trt.plugins")
    node.attribute.extend(attribute(key, value) for key, value in attributes.items()
                          if value is not None)
    node.attribute.append(helper.make_attribute("plugin_version", version))
    graph = helper.make_graph(
        [node], "plugin",
        [helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype),
            [f"{name}{axis}" for axis in range(array.ndim)])
         for name, array in inputs.items() if name not in constants],
        [helper.make_tensor_value_info(f"out{i}", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)),
                                       None) for i, dtype in enumerate(outputs)],
        [numpy_helper.from_array(inputs[name], name) for name in constants])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("trt.plugins", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def run(op_type, inputs, outputs=(np.float32,), version="1", constants=(), **attributes):
    """The outputs of the plugin for these inputs, through an engine."""
    data = model(op_type, inputs, outputs, version, constants, **attributes)
    engine = whet.build(data, level=0, plugins=(LIBRARY,))
    results = engine.context().run({name: array for name, array in inputs.items()
                                    if name not in constants})
    return list(results.values())


def close(got, want, tolerance=1e-5):
    assert got.shape == np.shape(want)
    limit = tolerance * max(1.0, float(np.abs(want).max(initial=0)))
    assert np.abs(got.astype(np.float64) - want).max(initial=0) <= limit
