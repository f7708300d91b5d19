# SPDX-License-Identifier: Apache-2.0
"""Operators of domain ai.onnx.ml on random models against onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whet

TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def model(op, x, outputs, opset=3, extra=(), **attrs):
    """One node; extra inputs are constants."""
    attrs = {k: v for k, v in attrs.items() if v is not None}
    names = ["X"] + [f"c{i}" for i in range(len(extra))]
    node = helper.make_node(op, names, list(outputs), domain="ai.onnx.ml", **attrs)
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("X", kind, ["n", *x.shape[1:]])],
        [helper.make_tensor_value_info(name, t, None) for name, t in outputs.items()],
        [numpy_helper.from_array(c, n) for c, n in zip(extra, names[1:], strict=True)])
    return helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", opset)]).SerializeToString()


def test_a_domain_may_be_imported_twice_at_one_version():
    """As skl2onnx writes it."""
    x = np.ones((2, 3), np.float32)
    proto = onnx.load_from_string(model("Scaler", x, {"Y": TensorProto.FLOAT}, scale=[2.0]))
    proto.opset_import.append(helper.make_opsetid("", 17))
    np.testing.assert_array_equal(run(proto.SerializeToString(), x)["Y"], 2 * x)
    proto.opset_import[-1].version = 16
    with pytest.raises(whet.Error, match="two versions"):
        whet.build(proto.SerializeToString(), level=0)


def run(data, x):
    context = whet.build(data, level=0, threads=1).context()
    return context.run({"X": x})


def compare(data, x, tolerance=1e-5):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    got = run(data, x)
    for name, want in zip(names, session.run(names, {"X": x}), strict=True):
        assert got[name].shape == want.shape and got[name].dtype == want.dtype
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got[name], want, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got[name], want)
    return got


def rows(rng, n=37, features=5, dtype=np.float32):
    if np.issubdtype(dtype, np.integer):
        return rng.integers(-3, 4, (n, features)).astype(dtype)
    return rng.standard_normal((n, features)).round(1).astype(dtype)


# ---- trees ----


def grow(rng, trees=7, features=5, depth=4, modes=("BRANCH_LEQ",)):
    """Arrays of random trees, nodes of a tree in random order; leaves are (tree, node)."""
    a = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids",
                         "falsenodeids", "missing_value_tracks_true")}
    leaves = []
    for tree in range(trees):
        nodes, pending = [], [(0, 0)]
        while pending:
            node, level = pending.pop()
            leaf = level == depth or (level > 1 and rng.random() < 0.3)
            left = len(nodes) + len(pending) + 1
            nodes.append((node, leaf, left, left + 1))
            if leaf:
                leaves.append((tree, node))
            else:
                pending += [(left, level + 1), (left + 1, level + 1)]
        for node, leaf, left, right in sorted(nodes):
            a["treeids"].append(tree)
            a["nodeids"].append(node)
            a["featureids"].append(int(rng.integers(features)))
            a["values"].append(round(float(rng.standard_normal()), 1))
            a["modes"].append("LEAF" if leaf else str(rng.choice(modes)))
            a["truenodeids"].append(0 if leaf else left)
            a["falsenodeids"].append(0 if leaf else right)
            a["missing_value_tracks_true"].append(int(rng.integers(2)))
    return {f"nodes_{k}": v for k, v in a.items()}, leaves


def votes(rng, leaves, classes, positive, kind, every=False):
    targets = range(classes) if every else None
    at = [(t, n, c) for t, n in leaves
          for c in (targets or [int(rng.integers(classes))])]
    weights = rng.random(len(at)) if positive else rng.standard_normal(len(at))
    ids = "target_ids" if kind == "target" else "class_ids"
    return {f"{kind}_treeids": [t for t, _, _ in at], f"{kind}_nodeids": [n for _, n, _ in at],
            ids: [c for _, _, c in at], f"{kind}_weights": [float(w) / 7 for w in weights]}


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("targets", [1, 3])
def test_tree_regressor(aggregate, targets):
    rng = np.random.default_rng(len(aggregate) + targets)
    for modes in (["BRANCH_LEQ"], MODES):
        nodes, leaves = grow(rng, modes=modes)
        leaf = votes(rng, leaves, targets, False, "target", every=True)
        base = [float(v) for v in rng.standard_normal(targets)]
        for dtype in (np.float32, np.float64):
            x = rows(rng, dtype=dtype)
            x[::5, 1] = np.nan
            data = model("TreeEnsembleRegressor", x, {"Y": TensorProto.FLOAT}, n_targets=targets,
                         aggregate_function=aggregate, base_values=base, **nodes, **leaf)
            compare(data, x)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("positive", [False, True])
def test_tree_classifier(transform, positive):
    rng = np.random.default_rng(positive + 2 * len(transform))
    outputs = {"Y": TensorProto.INT64, "Z": TensorProto.FLOAT}
    for classes, voted in ((2, 1), (3, 3), (4, 4)):
        nodes, leaves = grow(rng)
        leaf = votes(rng, leaves, voted, positive, "class", every=True)
        if transform == "PROBIT":
            leaf["class_weights"] = [abs(w) / 3 + 0.02 for w in leaf["class_weights"]]
        x = rows(rng, dtype=rng.choice([np.float32, np.float64, np.int64, np.int32]))
        data = model("TreeEnsembleClassifier", x, outputs, post_transform=transform,
                     classlabels_int64s=[7, -2, 5, 11][:classes], **nodes, **leaf)
        if voted == 1 and transform == "PROBIT":
            continue  # onnxruntime leaves the second column unset
        compare(data, x, 2e-3 if transform == "PROBIT" else 1e-5)


def test_tree_classifier_of_strings():
    rng = np.random.default_rng(5)
    nodes, leaves = grow(rng)
    leaf = votes(rng, leaves, 3, True, "class", every=True)
    data = model("TreeEnsembleClassifier", rows(rng),
                 {"Y": TensorProto.STRING, "Z": TensorProto.FLOAT},
                 classlabels_strings=["no", "yes", "später"], **nodes, **leaf)
    compare(data, rows(rng))


def test_tree_doubles():
    rng = np.random.default_rng(6)
    nodes, leaves = grow(rng)
    leaf = votes(rng, leaves, 1, False, "target")
    x = rows(rng, dtype=np.float64)

    def tensor(name, v):
        return numpy_helper.from_array(np.array(v), name)

    values, weights = nodes.pop("nodes_values"), leaf.pop("target_weights")
    data = model("TreeEnsembleRegressor", x, {"Y": TensorProto.FLOAT}, n_targets=1, **nodes, **leaf,
                 nodes_values_as_tensor=tensor("v", values),
                 target_weights_as_tensor=tensor("w", weights),
                 base_values_as_tensor=tensor("b", [0.25]))
    compare(data, x)


def single_tree(dtype=np.float32, **changes):
    """Two branches and three leaves; the last asks for membership."""
    def tensor(v, kind=dtype):
        return numpy_helper.from_array(np.array(v, kind))

    attrs = {"tree_roots": [0], "nodes_modes": tensor([0, 6], np.uint8),
             "nodes_featureids": [0, 1], "nodes_splits": tensor([0.5, 0]),
             "nodes_truenodeids": [1, 0], "nodes_trueleafs": [0, 1], "nodes_falsenodeids": [2, 1],
             "nodes_falseleafs": [1, 1], "leaf_targetids": [0, 1, 0],
             "leaf_weights": tensor([1, 2, 4]),
             "membership_values": tensor([1, 3, np.nan]), "n_targets": 2} | changes
    x = np.array([[0, 3], [0, 2], [1, 1], [np.nan, 3]], dtype)
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    return model("TreeEnsemble", x, {"Y": kind}, 5, **attrs), x


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_tree_ensemble(dtype):
    data, x = single_tree(dtype)
    y = run(data, x)["Y"]
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, [[1, 0], [0, 2], [4, 0], [4, 0]])


@pytest.mark.parametrize("changes,text", [
    ({"nodes_trueleafs": [0, 0]}, "reached twice"),
    ({"nodes_truenodeids": [0, 0]}, "reached twice"),
    ({"nodes_truenodeids": [9, 0]}, "node 9 of 2"),
    ({"nodes_falsenodeids": [3, 1]}, "leaf 3 of 3"),
    ({"nodes_falsenodeids": [2, -1]}, "node -1"),
    ({"nodes_featureids": [0, 2]}, "feature 2 of 2"),
    ({"nodes_featureids": [0]}, "nodes_featureids has 1 elements"),
    ({"tree_roots": [2]}, "node 2 of 2"),
    ({"tree_roots": [0, 0]}, "reached twice"),
    ({"leaf_targetids": [0, 2, 0]}, "target 2 of 2"),
    ({"leaf_targetids": [0, -1, 0]}, "target -1"),
    ({"membership_values": None}, "0 sets of members"),
    ({"post_transform": 7}, "out of range"),
    ({"n_targets": 0}, "0 targets"),
])
def test_broken_trees(changes, text):
    data, _ = single_tree(**changes)
    with pytest.raises(whet.Error, match=text):
        whet.build(data, level=0)


@pytest.mark.parametrize("changes,text", [
    ({"nodes_nodeids": [0, 0, 2]}, "node 0 twice"),
    ({"nodes_truenodeids": [5, 0, 0]}, "no node 5"),
    ({"nodes_truenodeids": [0, 0, 0]}, "1 nodes lead in a circle"),
    ({"nodes_truenodeids": [2, 0, 0]}, "tree 0 has 2 roots"),
    ({"nodes_modes": ["BRANCH_LEQ", "LEAF", "SHRUB"]}, "mode SHRUB"),
    ({"nodes_values": [0.0]}, "different lengths"),
    ({"target_nodeids": [1, 7]}, "no node 7"),
    ({"target_ids": [0, 3]}, "target 3 of 1"),
    ({"base_values": [1.0, 2.0]}, "2 base values"),
])
def test_broken_named_trees(changes, text):
    attrs = {"nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
             "nodes_values": [0.0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
             "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0],
             "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0],
             "target_weights": [1.0, 2.0], "n_targets": 1} | changes
    x = np.zeros((1, 1), np.float32)
    with pytest.raises(whet.Error, match=text):
        whet.build(model("TreeEnsembleRegressor", x, {"Y": TensorProto.FLOAT}, **attrs), level=0)


# ---- linear models and support vectors ----


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_linear(transform):
    rng = np.random.default_rng(3)
    tolerance = 2e-3 if transform == "PROBIT" else 1e-4
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        x = rows(rng, dtype=dtype)
        w = [float(v) / 20 for v in rng.random(15)]
        c = [0.4, 0.5, 0.45]
        if transform == "PROBIT":
            x = np.abs(x) if dtype == np.float32 else np.zeros_like(x)
        if dtype == np.float32:
            compare(model("LinearRegressor", x, {"Y": TensorProto.FLOAT}, targets=3,
                          coefficients=w, intercepts=c, post_transform=transform), x, tolerance)
        outputs = {"Y": TensorProto.INT64, "Z": TensorProto.FLOAT}
        compare(model("LinearClassifier", x, outputs, coefficients=w, intercepts=c,
                      classlabels_ints=[4, 2, 9], post_transform=transform), x, tolerance)
        if transform != "PROBIT":
            compare(model("LinearClassifier", x, outputs, coefficients=w[:5], intercepts=[-0.1],
                          classlabels_ints=[4, 2], post_transform=transform), x, 1e-4)


KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_svm_regressor(kernel):
    rng = np.random.default_rng(4)
    x = rows(rng)
    for one_class in (0, 1):
        for supports in (11, 0):
            count = supports or 5
            data = model("SVMRegressor", x, {"Y": TensorProto.FLOAT}, kernel_type=kernel,
                         kernel_params=[0.3, 0.2, 3.0], n_supports=supports, one_class=one_class,
                         support_vectors=[float(v) for v in rng.standard_normal(5 * supports)]
                         or None,
                         coefficients=[float(v) for v in rng.standard_normal(count)], rho=[0.17])
            compare(data, x, 1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("transform", TRANSFORMS[:4])
def test_svm_classifier(kernel, transform):
    rng = np.random.default_rng(8)
    outputs = {"Y": TensorProto.INT64, "Z": TensorProto.FLOAT}
    for classes in (2, 3, 5):
        x = rows(rng, dtype=rng.choice([np.float32, np.float64, np.int64]))
        per_class = [int(v) for v in rng.integers(1, 4, classes)]
        vectors, pairs = sum(per_class), classes * (classes - 1) // 2
        common = {"kernel_type": kernel, "kernel_params": [0.3, 0.2, 2.0],
                  "post_transform": transform, "classlabels_ints": [3, 1, 4, 15, 9][:classes]}
        machine = {"vectors_per_class": per_class,
                   "support_vectors": [float(v) for v in rng.standard_normal(5 * vectors)],
                   "coefficients": [float(v) for v in rng.standard_normal((classes - 1) * vectors)],
                   "rho": [float(v) for v in rng.standard_normal(pairs)]}
        compare(model("SVMClassifier", x, outputs, **common, **machine), x, 1e-4)
        probable = {"prob_a": [-1.5 - float(v) for v in rng.random(pairs)],
                    "prob_b": [float(v) for v in rng.standard_normal(pairs)]}
        compare(model("SVMClassifier", x, outputs, **common, **machine, **probable), x, 1e-4)
        linear = {"coefficients": [float(v) for v in rng.standard_normal(5 * classes)],
                  "rho": [0.3]}
        compare(model("SVMClassifier", x, outputs, **common, **linear), x, 1e-4)


# ---- features ----


def test_features():
    rng = np.random.default_rng(9)
    floats = {"Y": TensorProto.FLOAT}
    for dtype, kind in ((np.float32, TensorProto.FLOAT), (np.float64, TensorProto.DOUBLE),
                        (np.int64, TensorProto.INT64), (np.int32, TensorProto.INT32)):
        x = rows(rng, dtype=dtype)
        x[3] = 0
        compare(model("Scaler", x, floats, scale=[2.0], offset=[0.5]), x)
        compare(model("Scaler", x, floats, scale=[1.0, 2, 3, 4, 5],
                      offset=[0.5, 0, 0, 1, 2]), x)
        for norm in ("MAX", "L1", "L2"):
            compare(model("Normalizer", x, floats, norm=norm), x)
        if dtype == np.float32:
            compare(model("Binarizer", x, {"Y": kind}, threshold=0.5), x)
        for width in (3, 5, 8):
            compare(model("FeatureVectorizer", x, floats, inputdimensions=[width]), x)
        compare(model("ArrayFeatureExtractor", x, {"Y": kind}, extra=[np.array([3, 0, 3])]), x)


def test_binarizer_of_integers():
    x = np.array([[-3, -1, 0, 1, 2]], np.int32)
    for threshold, want in ((0.5, [0, 0, 0, 1, 1]), (-1.5, [0, 1, 1, 1, 1]), (1.0, [0, 0, 0, 0, 1]),
                            (-1e20, [1] * 5), (1e20, [0] * 5)):
        y = run(model("Binarizer", x, {"Y": TensorProto.INT32}, threshold=threshold), x)["Y"]
        np.testing.assert_array_equal(y, [want])


def test_imputer():
    x = np.array([[1, np.nan, 3], [np.nan, 1, 2]], np.float32)
    floats = {"Y": TensorProto.FLOAT}
    for fill in ([9.0], [7.0, 8.0, 9.0]):
        compare(model("Imputer", x, floats, imputed_value_floats=fill,
                      replaced_value_float=float("nan")), x)
        compare(model("Imputer", x, floats, imputed_value_floats=fill, replaced_value_float=1.0), x)
    i = np.array([[1, 2, 3], [-1, 1, 2]], np.int64)
    compare(model("Imputer", i, {"Y": TensorProto.INT64}, imputed_value_int64s=[5, 6, 7],
                  replaced_value_int64=1), i)


def test_one_dimension_is_one_row():
    x = np.array([1, -2, 3], np.float32)
    data = model("LinearRegressor", x[None], {"Y": TensorProto.FLOAT}, coefficients=[1.0, 2, 3],
                 intercepts=[0.5])
    proto = onnx.load_from_string(data)
    del proto.graph.input[0].type.tensor_type.shape.dim[0]
    np.testing.assert_array_equal(run(proto.SerializeToString(), x)["Y"], [[6.5]])


# ---- tables ----


def test_label_encoder():
    x = np.array([[5, 1], [2, 7]], np.int64)
    ints, floats = {"Y": TensorProto.INT64}, {"Y": TensorProto.FLOAT}
    compare(model("LabelEncoder", x, ints, keys_int64s=[7, 5, 1], values_int64s=[70, 50, 10]), x)
    compare(model("LabelEncoder", x, floats, keys_int64s=[7, 5, 1], values_floats=[0.7, 0.5, 0.1],
                  default_float=-3.0), x)
    f = np.array([[0.5, np.nan], [-0.0, 9]], np.float32)
    y = run(model("LabelEncoder", f, ints, 4, keys_floats=[float("nan"), 0.0, 0.5],
                  values_int64s=[1, 2, 3]), f)["Y"]
    np.testing.assert_array_equal(y, [[3, 1], [2, -1]])
    tensors = {k: numpy_helper.from_array(v) for k, v in (
        ("keys_tensor", np.array([7, 1, 5])), ("values_tensor", np.array([3, 4, 5], np.int16)),
        ("default_tensor", np.array([-8], np.int16)))}
    y = run(model("LabelEncoder", x, {"Y": TensorProto.INT16}, 4, **tensors), x)["Y"]
    np.testing.assert_array_equal(y, [[5, 4], [-8, 3]])
    repeated = model("LabelEncoder", x, ints, 4, keys_int64s=[5, 5, 1], values_int64s=[1, 2, 3])
    np.testing.assert_array_equal(run(repeated, x)["Y"], [[2, 3], [-1, -1]])


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_one_hot_encoder(dtype):
    x = np.array([[5, 1], [2, 7]], dtype)
    floats = {"Y": TensorProto.FLOAT}
    compare(model("OneHotEncoder", x, floats, cats_int64s=[1, 7, 9]), x)
    with pytest.raises(whet.Error, match="no known category"):
        run(model("OneHotEncoder", x, floats, cats_int64s=[1, 7, 9], zeros=0), x)


def test_tables_of_strings():
    x = np.array([["Bär", "ant"], ["", "cat"]], object)
    ints, texts = {"Y": TensorProto.INT64}, {"Y": TensorProto.STRING}
    compare(model("LabelEncoder", x, ints, keys_strings=["cat", "Bär", "ant"],
                  values_int64s=[1, 2, 3]), x)
    compare(model("LabelEncoder", x, texts, keys_strings=["cat", "Bär"],
                  values_strings=["Katze", "Bear"], default_string="?"), x)
    compare(model("OneHotEncoder", x, {"Y": TensorProto.FLOAT}, cats_strings=["ant", "Bär"]), x)
    for op, opset, attrs in (
            ("CategoryMapper", 1, {"cats_strings": ["ant", "Bär"], "cats_int64s": [4, 5]}),
            ("LabelEncoder", 1, {"classes_strings": ["cat", "Bär", "ant"]})):
        compare(model(op, x, ints, opset, default_int64=-3, **attrs), x)
        i = np.array([[4, 0], [1, 9]], np.int64)
        compare(model(op, i, texts, opset, default_string="none", **attrs), i)


# ---- maps ----


def typed(op, kind, outputs, **attrs):
    """One node whose input has that type."""
    graph = helper.make_graph([helper.make_node(op, ["X"], list(outputs), domain="ai.onnx.ml",
                                                **attrs)], "g",
                              [helper.make_value_info("X", kind)],
                              [helper.make_value_info(n, t) for n, t in outputs.items()])
    return helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]).SerializeToString()


def tensor(kind):
    return helper.make_tensor_type_proto(kind, None)


def map_of(key, value):
    return helper.make_map_type_proto(key, tensor(value))


FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


@pytest.mark.parametrize("keys", [{"classlabels_int64s": [7, 3, 9]},
                                  {"classlabels_strings": ["a", "b", "ü"]}])
def test_zip_map(keys):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    key = INT64 if "classlabels_int64s" in keys else STRING
    data = typed("ZipMap", helper.make_tensor_type_proto(FLOAT, ["n", 3]),
                 {"Z": helper.make_sequence_type_proto(map_of(key, FLOAT))}, **keys)
    want = onnxruntime.InferenceSession(data).run(None, {"X": x})[0]
    assert run(data, x)["Z"] == want


def test_dict_vectorizer():
    for value, kind in ((FLOAT, np.float32), (INT64, np.int64)):
        data = typed("DictVectorizer", map_of(STRING, value), {"Y": tensor(value)},
                     string_vocabulary=["a", "c", "b", "z"])
        y = run(data, {"a": kind(4), "c": kind(8)})["Y"]
        assert y.dtype == kind
        np.testing.assert_array_equal(y, [[4, 8, 0, 0]])
    data = typed("DictVectorizer", map_of(INT64, STRING), {"Y": tensor(STRING)},
                 int64_vocabulary=[5, 2])
    assert run(data, {2: "two", 9: "nine"})["Y"].tolist() == [["", "two"]]


def test_cast_map():
    def cast(value, x, cast_to, kind, **attrs):
        data = typed("CastMap", map_of(INT64, value), {"Y": tensor(kind)}, cast_to=cast_to, **attrs)
        return run(data, x)["Y"].tolist()

    numbers = {3: np.float32(1.5), 0: np.float32(-2)}
    assert cast(FLOAT, numbers, "TO_FLOAT", FLOAT) == [[-2, 1.5]]
    assert cast(FLOAT, numbers, "TO_INT64", INT64) == [[-2, 1]]
    assert cast(FLOAT, numbers, "TO_STRING", STRING) == [["-2", "1.5"]]
    sparse = {"map_form": "SPARSE", "max_map": 4}
    assert cast(FLOAT, numbers, "TO_FLOAT", FLOAT, **sparse) == [[-2, 0, 0, 1.5]]
    assert cast(STRING, {1: "2.5", 2: "x"}, "TO_STRING", STRING, **sparse) == [["", "2.5", "x", ""]]
    assert cast(STRING, {1: "2.5"}, "TO_FLOAT", FLOAT) == [[2.5]]
    with pytest.raises(whet.Error, match="no number"):
        cast(STRING, {1: "2.5x"}, "TO_FLOAT", FLOAT)
    with pytest.raises(whet.Error, match="key 4 is outside of 4"):
        cast(STRING, {4: "a"}, "TO_STRING", STRING, **sparse)


def test_a_declared_shape_that_is_wrong():
    """As skl2onnx declares the scores of a RidgeClassifier of two classes."""
    x = np.ones((3, 4), np.float32)
    proto = onnx.load_from_string(model("Scaler", x, {"Y": TensorProto.FLOAT}, scale=[2.0]))
    for dims in (["n", 2], [4], ["n", 4, 1]):
        proto.graph.output[0].CopyFrom(
            helper.make_tensor_value_info("Y", TensorProto.FLOAT, dims))
        np.testing.assert_array_equal(run(proto.SerializeToString(), x)["Y"], 2 * x)
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(whet.Error, match="'Y' is declared as INT64, but it is FLOAT"):
        whet.build(proto.SerializeToString(), level=0)
