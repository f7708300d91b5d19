# SPDX-License-Identifier: Apache-2.0
"""The examples of networks by hand."""

import importlib.util
import pathlib

import numpy as np
import pytest

import whet

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lenet_reads_digits():
    example = load(EXAMPLES / "lenet/lenet.py")
    net = example.make_network(whet.load_weights(EXAMPLES / "lenet/lenet.npz"))
    digits = whet.load_weights(EXAMPLES / "lenet/digits.npz")
    images = digits["images"][:, None].astype(np.float32) / 255
    odds = net.build(level=0).context().run({"image": images})["odds"]
    assert np.mean(odds.argmax(1) == digits["labels"]) > 0.93


def test_char_rnn_writes_words_that_it_learned():
    example = load(EXAMPLES / "char_rnn/char_rnn.py")
    words = load(EXAMPLES / "char_rnn/train_char_rnn.py").WORDS
    known = {w for group in words.values() for text in group for w in text.split()} | {"and"}
    writer = example.Writer(level=0)
    texts = [writer("the old ", seed=seed) for seed in range(5)]
    assert len(set(texts)) > 1
    assert all(text.startswith("the old ") for text in texts)
    made = [w for text in texts for w in text.replace(",", " ").replace(".", " ").split()[:-1]]
    assert np.mean([w in known for w in made]) > 0.9
    assert writer("the old ", seed=3) == texts[3]
    assert len(writer("a ", count=7)) <= 9


@pytest.fixture(scope="module")
def minilm():
    example = load(EXAMPLES / "minilm/minilm.py")
    try:
        folder = example.model_folder()
    except RuntimeError as error:
        pytest.skip(str(error))
    return example, folder


def test_minilm_splits_words(minilm):
    example, folder = minilm
    tokenizer = example.Tokenizer(folder / "vocab.txt")
    words = {i: w for w, i in tokenizer.ids.items()}

    def pieces(text):
        return [words[i] for i in tokenizer(text)[1:-1]]

    assert pieces("Hello, World!") == ["hello", ",", "world", "!"]
    assert pieces("unaffable") == ["una", "##ffa", "##ble"]
    assert pieces("Café\tau lait\u00a0中文") == ["cafe", "au", "lai", "##t", "中", "文"]
    assert pieces("\U0001f600") == ["[UNK]"]
    assert len(tokenizer("word " * 1000)) == 256


def test_minilm_puts_related_sentences_close(minilm):
    example, folder = minilm
    encode = example.Encoder(folder, level=0, verify="off")
    pairs = [("A man is eating food.", "Someone is having a meal."),
             ("The new movie is awesome.", "I liked that film a lot."),
             ("How do I reset my password?", "I forgot my login and need a new one."),
             ("The stock market fell today.", "Shares dropped sharply this afternoon.")]
    vectors = encode([s for pair in pairs for s in pair])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    near = vectors @ vectors.T
    for i in range(0, len(vectors), 2):
        others = [near[i, j] for j in range(len(vectors)) if j // 2 != i // 2]
        assert near[i, i + 1] > max(others) + 0.1
    alone = encode(["A man is eating food."])  # what fills a batch up changes nothing
    np.testing.assert_allclose(alone[0], vectors[0], atol=1e-4)


def test_minilm_in_int8_says_the_same(minilm):
    example, folder = minilm
    options = {"level": 0, "verify": "off"}
    _, texts = example.sentences()
    want = example.Encoder(folder, **options)
    got = example.Encoder(folder, int8=True, **options)
    cosines = [float(np.sum(want([text]) * got([text]))) for text in texts]
    assert len(cosines) == 50
    assert min(cosines) >= 0.99
