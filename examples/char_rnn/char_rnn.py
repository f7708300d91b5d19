# SPDX-License-Identifier: Apache-2.0
"""Writes text letter by letter with a loop inside the network: the recurrent network of
train_char_rnn.py, made by hand. A scan reads the beginning; a loop then draws one letter after the
other until the text has the length that was asked for or a sentence ends.

usage: char_rnn.py [BEGINNING [LETTERS]]"""

import pathlib
import sys

import numpy as np

import whet

HERE = pathlib.Path(__file__).resolve().parent
LETTERS = "\n abcdefghijklmnopqrstuvwxyz.,"


def make_network(weights):
    """beginning i64 [n], count i64, noise f32 [m, letters] -> letters i64 [at most count]."""
    p = {name: weights.read(name, np.float32) for name in weights}
    size = p["state"].shape[0]
    net = whet.Network()
    net.name = "char_rnn"
    beginning = net.input("beginning", np.int64, ("n",))
    count = net.input("count", np.int64, ())
    noise = net.input("noise", np.float32, ("m", len(LETTERS)))
    p = {name: net.constant(array, name=name) for name, array in p.items()}

    def step(b, h, letter):
        """The state [1, size] after one more letter (i64 [])."""
        a = b.gather(p["input"], letter) + p["bias"]
        u = h @ p["state"]
        r, z = (b.sigmoid(a[s:s + size] + u[:, s:s + size]) for s in (0, size))
        n = b.tanh(a[2 * size:] + r * u[:, 2 * size:])
        return (1.0 - z) * n + z * h

    def read(b, h, letter):
        return [step(b, h, letter)], []

    def write(b, i, h):
        odds = h @ p["output"] + p["output_bias"] + b.gather(noise, i)
        letter = b.arg_max(odds[0], axis=0, keepdims=False)
        go_on = b.add_node("not", b.equal(letter, np.int64(LETTERS.index("\n"))))
        return [step(b, h, letter)], [letter], go_on

    (h,) = net.scan([np.zeros((1, size), np.float32)], [beginning], read)
    _, text = net.loop(count, [h], write)
    net.output(text, "letters")
    return net


class Writer:
    """Continues texts."""

    def __init__(self, **options):
        self.network = make_network(whet.load_weights(HERE / "char_rnn.npz"))
        self.context = self.network.build(**options).context()

    def __call__(self, beginning, count=80, temperature=0.7, seed=0):
        ids = np.array([LETTERS.index(c) for c in "\n" + beginning], np.int64)
        drawn = np.random.default_rng(seed).random((count, len(LETTERS)))
        noise = (-temperature * np.log(-np.log(drawn))).astype(np.float32)  # makes argmax a draw
        made = self.context.run({"beginning": ids, "count": np.array(count, np.int64),
                                 "noise": noise})["letters"]
        return beginning + "".join(LETTERS[i] for i in made)


def main():
    beginning = sys.argv[1] if len(sys.argv) > 1 else "the old "
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 80
    writer = Writer(level=0)
    for seed in range(4):
        print(writer(beginning, count, seed=seed).rstrip())


if __name__ == "__main__":
    main()
