# SPDX-License-Identifier: Apache-2.0
"""Writes pairwise.onnx: the two smallest distances from each of n points to 3 others.

usage: make_pairwise.py [FILE]
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

POINTS = np.array([[0, 0], [3, 4], [6, 8]], np.float32)


def model():
    nodes = [
        helper.make_node("PairwiseDistance", ["x", "points"], ["d"], "distance",
                         domain="mydomain", p=2),
        helper.make_node("TopK", ["d", "k"], ["nearest", "which"], largest=0),
    ]
    graph = helper.make_graph(
        nodes, "pairwise",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("nearest", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(POINTS, "points"),
         numpy_helper.from_array(np.array([2], np.int64), "k")])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("mydomain", 1)],
        ir_version=8)


if __name__ == "__main__":
    onnx.save(model(), sys.argv[1] if len(sys.argv) > 1 else "pairwise.onnx")
