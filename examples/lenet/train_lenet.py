# SPDX-License-Identifier: Apache-2.0
"""Trains LeNet-5 with numpy alone and writes lenet.npz (float16) and digits.npz (images that it has
not seen). Digits are drawn in the fonts of the machine, bent and blurred; half of the digits of
tests/data/glyphs join them, the other half is the test.

usage: train_lenet.py [STEPS]      a minute or two; needs pillow"""

import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = pathlib.Path(__file__).resolve().parent
GLYPHS = HERE.parents[1] / "tests/data/glyphs/glyph_test.npz"
RNG = np.random.default_rng(1)


def fonts():
    names = sorted(pathlib.Path("/usr/share/fonts").rglob("*.ttf"))
    return [ImageFont.truetype(str(p), 40) for p in names] + [ImageFont.load_default(40)]


def bend(image):
    """A random affine change, blur and noise; 28x28 floats in [0, 1], ink is 1."""
    a, s = RNG.uniform(-0.3, 0.3), RNG.uniform(0.8, 1.25)
    c, d = np.cos(a) * s, np.sin(a) * s
    x, y = RNG.uniform(-4, 4, 2)
    shear = RNG.uniform(-0.25, 0.25)
    moved = image.transform(image.size, Image.AFFINE,
                            (c, d + shear, 24 - 24 * c - 24 * (d + shear) + x,
                             -d, c, 24 + 24 * d - 24 * c + y), Image.BILINEAR)
    moved = moved.filter(ImageFilter.GaussianBlur(RNG.uniform(0, 1.2))).resize((28, 28))
    pixels = np.asarray(moved, np.float32) / 255
    return np.clip(pixels + RNG.normal(0, 0.05, pixels.shape), 0, 1)


def drawn(font, digit):
    image = Image.new("L", (48, 48))
    ImageDraw.Draw(image).text((24, 24), str(digit), 255, font=font, anchor="mm")
    return image


def glyph_digits():
    """(images of 48x48 with ink 255, labels)."""
    data = np.load(GLYPHS)
    keep = data["label"] < 10
    images = data["image"][keep]
    border = np.concatenate([images[:, 0], images[:, -1]], 1).mean(1)
    return np.where(border[:, None, None] > 127, 255 - images, images), data["label"][keep]


# ---- the network, forwards and backwards ----

def patches(x, k):
    n, c, h, w = x.shape
    view = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n, h - k + 1, w - k + 1, c * k * k)


def conv(x, w, b):
    cols = patches(x, 5)
    return (cols @ w.reshape(len(w), -1).T + b).transpose(0, 3, 1, 2), cols


def conv_back(g, cols, w, shape):
    g = g.transpose(0, 2, 3, 1)
    dw = np.tensordot(g, cols, ([0, 1, 2], [0, 1, 2])).reshape(w.shape)
    dx = np.zeros(shape, np.float32)
    back = (g @ w.reshape(len(w), -1)).reshape(*g.shape[:3], shape[1], 5, 5)
    for i in range(5):
        for j in range(5):
            dx[:, :, i:i + g.shape[1], j:j + g.shape[2]] += back[..., i, j].transpose(0, 3, 1, 2)
    return dw, g.sum((0, 1, 2)), dx


def pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def pool_back(g):
    return np.repeat(np.repeat(g, 2, 2), 2, 3) / 4


def step(p, x, labels):
    """Gradients and loss of one batch."""
    z1, c1 = conv(x, p["conv1.weight"], p["conv1.bias"])
    a1 = pool(np.maximum(z1, 0))
    z2, c2 = conv(a1, p["conv2.weight"], p["conv2.bias"])
    a2 = pool(np.maximum(z2, 0))
    h = [a2.reshape(len(x), -1)]
    for name in ("fc1", "fc2"):
        h.append(np.maximum(h[-1] @ p[name + ".weight"].T + p[name + ".bias"], 0))
    logits = h[-1] @ p["fc3.weight"].T + p["fc3.bias"]
    odds = np.exp(logits - logits.max(1, keepdims=True))
    odds /= odds.sum(1, keepdims=True)
    rows = np.arange(len(x))
    loss = -np.log(odds[rows, labels] + 1e-9).mean()
    odds[rows, labels] -= 1
    g, grads = odds / len(x), {}
    for i, name in ((2, "fc3"), (1, "fc2"), (0, "fc1")):
        grads[name + ".weight"], grads[name + ".bias"] = g.T @ h[i], g.sum(0)
        g = g @ p[name + ".weight"]
        g = g * (h[i] > 0) if i else g
    g = pool_back(g.reshape(a2.shape)) * (z2 > 0)
    grads["conv2.weight"], grads["conv2.bias"], g = conv_back(g, c2, p["conv2.weight"], a1.shape)
    g = pool_back(g) * (z1 > 0)
    grads["conv1.weight"], grads["conv1.bias"], _ = conv_back(g, c1, p["conv1.weight"], x.shape)
    return grads, loss, logits


def start():
    shapes = {"conv1": (6, 1, 5, 5), "conv2": (16, 6, 5, 5), "fc1": (120, 256), "fc2": (84, 120),
              "fc3": (10, 84)}
    p = {}
    for name, shape in shapes.items():
        p[name + ".weight"] = RNG.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        p[name + ".bias"] = np.zeros(shape[0])
    return {k: v.astype(np.float32) for k, v in p.items()}


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    images, labels = glyph_digits()
    known = [(Image.fromarray(i.astype(np.uint8)), int(n))
             for i, n in zip(images[::2], labels[::2])]
    test = np.stack([np.asarray(Image.fromarray(i.astype(np.uint8)).resize((28, 28)))
                     for i in images[1::2]])
    test_labels = labels[1::2].astype(np.uint8)
    known += [(drawn(font, n), n) for font in fonts() for n in range(10)]
    p = start()
    m = {k: [np.zeros_like(v), np.zeros_like(v)] for k, v in p.items()}
    for i in range(1, steps + 1):
        chosen = [known[k] for k in RNG.integers(0, len(known), 64)]
        x = np.stack([bend(image) for image, _ in chosen])[:, None].astype(np.float32)
        grads, loss, _ = step(p, x, np.array([n for _, n in chosen]))
        rate = 2e-3 * (1 - i / (steps + 1))
        for k, g in grads.items():  # Adam
            m[k][0] = 0.9 * m[k][0] + 0.1 * g
            m[k][1] = 0.999 * m[k][1] + 0.001 * g * g
            p[k] -= rate * (m[k][0] / (1 - 0.9 ** i)) / (np.sqrt(m[k][1] / (1 - 0.999 ** i)) + 1e-8)
        if i % 250 == 0 or i == steps:
            logits = step(p, test[:, None].astype(np.float32) / 255, test_labels)[2]
            print(f"step {i}: loss {loss:.3f}, test {np.mean(logits.argmax(1) == test_labels):.3f}",
                  flush=True)
    np.savez_compressed(HERE / "lenet.npz", **{k: v.astype(np.float16) for k, v in p.items()})
    np.savez_compressed(HERE / "digits.npz", images=test, labels=test_labels)


main()
