# SPDX-License-Identifier: Apache-2.0
"""The plugin of pairwise_distance.c written in Python: an operator of this process.

usage: pairwise_distance.py      (needs numpy and onnx)
"""
import numpy as np

import make_pairwise
import whet


@whet.plugin("mydomain::PairwiseDistance")
def pairwise_distance(x, y, *, p=2):
    """Distances [n, m] between the rows of x [n, c] and those of y [m, c]."""
    return np.linalg.norm(x[:, None] - y[None], ord=p, axis=-1)


@pairwise_distance.shapes
def pairwise_shape(x, y, p):
    if x.ndim != 2 or y.ndim != 2:
        raise ValueError(f"x and y must be matrices, not of rank {x.ndim} and {y.ndim}")
    return (x.shape[0], y.shape[0])


def main():
    engine = whet.build(make_pairwise.model())
    points = np.array([[0, 1], [3, 3], [5, 8]], np.float32)
    nearest = engine.context().run({"x": points})["nearest"]
    want = np.sort(pairwise_distance(points, make_pairwise.POINTS))[:, :2]
    assert np.allclose(nearest, want)
    print(nearest)


if __name__ == "__main__":
    main()
