# SPDX-License-Identifier: Apache-2.0
"""Trains a recurrent network (GRU of 64) with numpy alone to continue sentences of a small language
letter by letter, and writes char_rnn.npz (float16).

usage: train_char_rnn.py [STEPS]      about a minute"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
RNG = np.random.default_rng(3)
LETTERS = "\n abcdefghijklmnopqrstuvwxyz.,"
WORDS = {
    "det": "the a every one some".split(),
    "adj": "small old green quiet clever tired bright hungry".split(),
    "noun": "cat dog bird farmer sailor river house garden engine teacher".split(),
    "verb": "sees likes follows finds paints hears helps".split(),
    "place": ["in the morning", "near the sea", "at night", "behind the hill", "every day"],
}
SIZE = 64


def sentence():
    """Such as "the old sailor hears a bird near the sea." """
    def pick(kind):
        return str(RNG.choice(WORDS[kind]))

    def thing():
        return f"{pick('det')} {pick('adj')} {pick('noun')}" if RNG.random() < 0.5 else \
            f"{pick('det')} {pick('noun')}"

    text = f"{thing()} {pick('verb')} {thing()}"
    if RNG.random() < 0.4:
        text += f" {pick('place')}"
    if RNG.random() < 0.25:
        text += f", and {thing()} {pick('verb')} {thing()}"
    return text + ".\n"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run(p, ids, h):
    """States and what the way back needs; ids [steps, batch]."""
    kept, states = [], []
    for row in ids:
        a, u = p["input"][row] + p["bias"], h @ p["state"]
        r, z = (sigmoid(a[:, at:at + SIZE] + u[:, at:at + SIZE]) for at in (0, SIZE))
        n = np.tanh(a[:, 2 * SIZE:] + r * u[:, 2 * SIZE:])
        kept.append((row, h, r, z, n, u))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states), kept, h


def gradients(p, ids, wanted, h):
    states, kept, last = run(p, ids, h)
    logits = states @ p["output"] + p["output_bias"]
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    odds /= odds.sum(-1, keepdims=True)
    chosen = np.take_along_axis(odds, wanted[..., None], -1)
    loss = -np.log(chosen + 1e-9).mean()
    np.put_along_axis(odds, wanted[..., None], chosen - 1, -1)
    odds /= wanted.size
    g = {k: np.zeros_like(v) for k, v in p.items()}
    g["output"] = np.tensordot(states, odds, ([0, 1], [0, 1]))
    g["output_bias"] = odds.sum((0, 1))
    dh = np.zeros_like(h)
    for t in range(len(ids) - 1, -1, -1):
        row, before, r, z, n, u = kept[t]
        dh = dh + odds[t] @ p["output"].T
        dn = dh * (1 - z) * (1 - n * n)
        dz = dh * (before - n) * z * (1 - z)
        dr = dn * u[:, 2 * SIZE:] * r * (1 - r)
        da = np.concatenate([dr, dz, dn], 1)
        du = np.concatenate([dr, dz, dn * r], 1)
        np.add.at(g["input"], row, da)
        g["bias"] += da.sum(0)
        g["state"] += before.T @ du
        dh = dh * z + du @ p["state"].T
    return g, loss, last


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    text = "".join(sentence() for _ in range(6000))
    data = np.array([LETTERS.index(c) for c in text])
    n = len(LETTERS)
    p = {"input": RNG.normal(0, 0.3, (n, 3 * SIZE)), "bias": np.zeros(3 * SIZE),
         "state": RNG.normal(0, 1 / np.sqrt(SIZE), (SIZE, 3 * SIZE)),
         "output": RNG.normal(0, 0.1, (SIZE, n)), "output_bias": np.zeros(n)}
    p = {k: v.astype(np.float32) for k, v in p.items()}
    m = {k: [np.zeros_like(v), np.zeros_like(v)] for k, v in p.items()}
    for i in range(1, steps + 1):
        starts = RNG.integers(0, len(data) - 65, 32)
        block = np.stack([data[s:s + 65] for s in starts], 1)
        g, loss, _ = gradients(p, block[:-1], block[1:], np.zeros((32, SIZE), np.float32))
        rate = 5e-3 * (1 - i / (steps + 1))
        for k, v in g.items():  # Adam
            v = np.clip(v, -1, 1)
            m[k][0] = 0.9 * m[k][0] + 0.1 * v
            m[k][1] = 0.999 * m[k][1] + 0.001 * v * v
            p[k] -= (rate * (m[k][0] / (1 - 0.9 ** i))
                     / (np.sqrt(m[k][1] / (1 - 0.999 ** i)) + 1e-8)).astype(np.float32)
        if i % 250 == 0:
            print(f"step {i}: loss {loss:.3f}", flush=True)
    np.savez_compressed(HERE / "char_rnn.npz", **{k: v.astype(np.float16) for k, v in p.items()})


if __name__ == "__main__":
    main()
