# SPDX-License-Identifier: Apache-2.0
"""Writes a full-size ResNet-50 with random weights: the graph of the onnx package's light_resnet50
(up to onnx 1.21), whose weights are constants, at a fixed batch.

usage: make_resnet50.py OUT.onnx [BATCH]     (default batch 64)"""

import pathlib
import sys

import numpy as np
import onnx
import onnx.backend.test
from onnx import numpy_helper


def source():
    """The light model that comes with the onnx package."""
    data = pathlib.Path(onnx.backend.test.__file__).parent / "data" / "light"
    return onnx.load(data / "light_resnet50.onnx")


def weight(rng, shape, consumer, position):
    """Random values that keep activations in range through the network's depth."""
    if consumer.op_type == "BatchNormalization":
        low, high = {1: (0.5, 1), 2: (-0.1, 0.1), 3: (-0.1, 0.1), 4: (0.8, 1.2)}[position]
        return rng.uniform(low, high, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    scale = np.sqrt(2 / fan_in) if len(shape) == 4 else 0.02
    return rng.normal(0, scale, shape).astype(np.float32)


def with_random_weights(model, batch):
    rng = np.random.default_rng(0)
    graph = model.graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    users = {name: (node, i) for node in graph.node for i, name in enumerate(node.input)}
    made, nodes = [], []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        shape = tuple(int(d) for d in constants[node.input[0]])
        made.append(numpy_helper.from_array(weight(rng, shape, *users[node.output[0]]),
                                            node.output[0]))
    used = {name for node in nodes for name in node.input}
    kept = []
    for name, value in constants.items():
        if name not in used:
            continue
        if users[name][0].op_type == "Reshape" and value.size and value[0] == 1:
            value = np.concatenate([[batch], value[1:]]).astype(value.dtype)
        kept.append(numpy_helper.from_array(value, name))
    inputs = [i for i in graph.input if i.name in used and i.name not in constants]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept + made)
    graph.input.extend(inputs)
    for value in list(graph.input) + list(graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del graph.value_info[:]
    return model


def main():
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    onnx.save(with_random_weights(source(), batch), sys.argv[1])


if __name__ == "__main__":
    main()
