# SPDX-License-Identifier: Apache-2.0
"""LeNet-5 made by hand from trained weights (train_lenet.py): reads handwritten-like digits that it
has not seen. lenet.c does the same in C.

usage: lenet.py [IMAGE.png ...]      (default: the test digits; an image has dark ink on white)"""

import pathlib
import sys

import numpy as np

import whet

HERE = pathlib.Path(__file__).resolve().parent


def make_network(weights):
    """image f32 [batch, 1, 28, 28], ink is 1 -> odds f32 [batch, 10]."""
    net = whet.Network()
    net.name = "lenet"
    x = net.input("image", np.float32, ("batch", 1, 28, 28))

    def weight(name):
        return net.constant(weights.read(name, np.float32), name=name)

    for name in ("conv1", "conv2"):
        x = net.convolution(x, weight(name + ".weight"), weight(name + ".bias"), name=name)
        x = net.pooling(net.activation(x, "relu"), "average", 2, stride=2)
    x = net.shuffle(x, reshape=(0, -1))
    for name in ("fc1", "fc2", "fc3"):
        x = net.matmul(x, weight(name + ".weight"), b_op="transpose") + weight(name + ".bias")
        if name != "fc3":
            x = net.activation(x, "relu")
    net.output(net.softmax(x, 1), "odds")
    return net


def read_image(path):
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("L").resize((28, 28)), np.float32)
    return 1 - pixels[None] / 255


def main():
    context = make_network(whet.load_weights(HERE / "lenet.npz")).build(level=1).context()
    if len(sys.argv) > 1:
        odds = context.run({"image": np.stack([read_image(p) for p in sys.argv[1:]])})["odds"]
        for path, row in zip(sys.argv[1:], odds):
            print(f"{path}: {row.argmax()}, {row.max():.3f}")
        return
    digits = whet.load_weights(HERE / "digits.npz")
    images = digits["images"][:, None].astype(np.float32) / 255
    right = context.run({"image": images})["odds"].argmax(1) == digits["labels"]
    print(f"{right.sum()} of {len(right)} digits right")


if __name__ == "__main__":
    main()
