# SPDX-License-Identifier: Apache-2.0
"""Operators of text against plain Python and onnxruntime."""

import numpy as np
import onnx
import onnx.helper as oh
import onnxruntime
import pytest

import whet


def context(op, inputs, n_out=1, rank=None, **attrs):
    """One node; the inputs' shapes are as given, their strings too."""
    names = [f"x{i}" for i in range(len(inputs))]
    types = [onnx.TensorProto.STRING if a.dtype == object else onnx.TensorProto.INT64
             for a in inputs]
    node = oh.make_node(op, names, [f"y{i}" for i in range(n_out)], **attrs)
    graph = oh.make_graph(
        [node], "g", [oh.make_tensor_value_info(n, t, a.shape)
                      for n, t, a in zip(names, types, inputs)],
        [onnx.ValueInfoProto(name=f"y{i}") for i in range(n_out)])
    model = oh.make_model(graph, opset_imports=[
        oh.make_opsetid("", 20), oh.make_opsetid("com.microsoft", 1)], ir_version=9)
    engine = whet.build(model.SerializeToString(), verify="off", level=0)
    run = whet.loads(engine.serialize()).context()
    return run.run(dict(zip(names, inputs)))


def words(*texts):
    return np.array(texts, dtype=object)


TEXTS = words("", " ", "a", "a b", "  a\t\nb  c ", "a,b,,c", ",", "\u00a0é\u3000😀 x", "a  b  c  ")


@pytest.mark.parametrize("delimiter", ["", " ", ",", "  ", "b"])
@pytest.mark.parametrize("maxsplit", [None, 0, 1, 2])
def test_split_is_pythons(delimiter, maxsplit):
    attrs = {"delimiter": delimiter} | ({} if maxsplit is None else {"maxsplit": maxsplit})
    got = context("StringSplit", [TEXTS], 2, **attrs)
    want = [t.split(delimiter or None, -1 if maxsplit is None else maxsplit) for t in TEXTS]
    width = max(map(len, want))
    assert got["y0"].tolist() == [w + [""] * (width - len(w)) for w in want]
    assert got["y1"].tolist() == [len(w) for w in want]


def test_concat_broadcasts():
    x, y = words("a", "", "é"), np.array([["0"], ["1\0"]], dtype=object)
    assert (context("StringConcat", [x, y])["y0"] == x + y).all()


def test_normalizer_changes_case_and_drops_words():
    x = words("Straße", "ÉCOLE", "The", "the", "δΩ", "ab")
    lower = context("StringNormalizer", [x], case_change_action="LOWER", stopwords=["THE"])
    assert lower["y0"].tolist() == ["straße", "école", "δω", "ab"]
    upper = context("StringNormalizer", [x], case_change_action="UPPER", is_case_sensitive=1,
                    stopwords=["the", "ab"])
    assert upper["y0"].tolist() == ["STRAßE", "ÉCOLE", "THE", "ΔΩ"]
    nothing = context("StringNormalizer", [words("a")], stopwords=["A"])
    assert nothing["y0"].tolist() == [""]
    bad = words(b"a\xff".decode("utf-8", "surrogateescape"))
    with pytest.raises(whet.Error, match="no UTF-8"):
        context("StringNormalizer", [bad], case_change_action="UPPER")


def count(row, grams, width, skips, low, high):
    """Occurrences of each n-gram, gaps of up to `skips` tokens between its tokens."""
    counts = np.zeros(width)
    for gram, column in grams:
        n = len(gram)
        if not low <= n <= high:
            continue
        for step in range(1, 2 if n == 1 else skips + 2):
            for i in range(len(row) - (n - 1) * step):
                counts[column] += tuple(row[i:i + (n - 1) * step + 1:step]) == gram
    return counts


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("text", [False, True])
def test_tf_idf_counts_by_definition(mode, text):
    rng = np.random.default_rng(5)
    grams = [(0,), (3,), (1, 2), (2, 2), (0, 3), (1, 1, 2), (3, 0, 3)]
    columns = rng.permutation(9)[:7]
    weights = rng.random(7).astype(np.float32)
    pool = [t for gram in grams for t in gram]
    x = rng.integers(0, 5, (4, 12))
    pools = {"pool_strings": [f"t{t}" for t in pool]} if text else {"pool_int64s": pool}
    fed = np.array([[f"t{t}" for t in row] for row in x], dtype=object) if text else x
    for skips, low, high in ((0, 1, 1), (0, 1, 3), (3, 2, 3), (20, 1, 2)):
        got = context("TfIdfVectorizer", [fed], mode=mode, max_gram_length=high,
                      min_gram_length=low, max_skip_count=skips, ngram_counts=[0, 2, 8],
                      ngram_indexes=columns.tolist(), weights=weights.tolist(), **pools)["y0"]
        want = np.array([count(row, list(zip(grams, columns)), columns.max() + 1, skips, low, high)
                         for row in x])
        scale = np.zeros(columns.max() + 1)
        scale[columns] = weights
        want = {"TF": want, "IDF": (want > 0) * scale, "TFIDF": want * scale}[mode]
        assert np.allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("change, words_", [
    ({"ngram_counts": [0, 3]}, "ngram_counts does not divide the pool"),
    ({"ngram_counts": [2, 0]}, "ngram_counts does not divide the pool"),
    ({"ngram_indexes": [0]}, "the pool has 3 n-grams"),
    ({"weights": [1.0]}, "the pool has 3 n-grams"),
    ({"pool_strings": ["a"]}, "either pool_strings or pool_int64s"),
    ({"ngram_indexes": [0, 1, -1]}, "ngram_indexes"),
])
def test_wrong_pools_are_refused(change, words_):
    attrs = {"mode": "TF", "max_gram_length": 2, "min_gram_length": 1, "max_skip_count": 0,
             "ngram_counts": [0, 2], "ngram_indexes": [0, 1, 2], "pool_int64s": [1, 2, 3, 4]}
    with pytest.raises(whet.Error, match=words_):
        context("TfIdfVectorizer", [np.array([1, 2])], **{**attrs, **change})


def tokens(x, **attrs):
    """What whet and onnxruntime make of it, with the same declared result."""
    attrs = {"mark": 0, "mincharnum": 1, "pad_value": "#", **attrs}
    graph = oh.make_graph(
        [oh.make_node("Tokenizer", ["x"], ["y"], domain="com.microsoft", **attrs)], "g",
        [oh.make_tensor_value_info("x", onnx.TensorProto.STRING, [None] * x.ndim)],
        [onnx.ValueInfoProto(name="y")])
    model = oh.make_model(graph, ir_version=9, opset_imports=[
        oh.make_opsetid("", 20), oh.make_opsetid("com.microsoft", 1)]).SerializeToString()
    engine = whet.loads(whet.build(model, verify="off", level=0).serialize())
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return engine.context().run({"x": x})["y"], session.run(None, {"x": x})[0]


SENTENCES = words("ab, cd", "e  \u00e9,ab", "", "a b a b,,b", "xx\u00e9 babb", "A\nb")


@pytest.mark.parametrize("mark", [0, 1])
@pytest.mark.parametrize("attrs", [
    *({"separators": s} for s in ([""], [" "], [",", " "], ["c", "cd"], ["b", "a b"], ["a|ab"],
                                  ["b", "^c"], ["[ ,]+"], ["\u00e9"], ["a$"])),
    *({"tokenexp": e} for e in ("[a-z]+", ".", "a*", "(a)(b)", "a|ab", "\u00e9*", "x*y*",
                                r"\ba", "^a", "[^b]*", "Q")),
    {"tokenexp": "[a-z]+", "mincharnum": 2}, {"separators": [" "], "mincharnum": 3},
    {"tokenexp": "a", "separators": ["a"]}, {"tokenexp": "a", "pad_value": ""}],
    ids=str)
def test_tokenizer(attrs, mark):
    for x in (SENTENCES, SENTENCES.reshape(3, 2), words("", "")):
        got, want = tokens(x, mark=mark, **attrs)
        assert got.shape == want.shape and got.tolist() == want.tolist()


@pytest.mark.parametrize("attrs, text", [
    ({"tokenexp": "("}, "is no regular expression of RE2"),
    ({"separators": ["a", "b*"]}, "separator 1 matches an empty text"),
    ({}, "neither separators nor tokenexp"), ({"tokenexp": "a", "mincharnum": 0}, "mincharnum"),
    ({"tokenexp": ".", "mincharnum": 2}, "tokens of one character")])
def test_tokenizer_is_refused(attrs, text):
    with pytest.raises(whet.Error, match=text):
        tokens(SENTENCES, **attrs)


def test_tokenizer_of_what_is_no_text():
    x = words(b"a\xff".decode("utf-8", "surrogateescape"))
    with pytest.raises(whet.Error, match="no UTF-8"):
        context("Tokenizer", [x], domain="com.microsoft", mark=0, mincharnum=1, pad_value="",
                tokenexp="a")
    with pytest.raises(whet.Error, match="matches an empty text"):
        context("Tokenizer", [words("ab")], domain="com.microsoft", mark=0, mincharnum=1,
                pad_value="", separators=[r"\b"])
