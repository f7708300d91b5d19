# SPDX-License-Identifier: Apache-2.0
"""Exports three scikit-learn pipelines through skl2onnx and stores what scikit-learn computes.

usage: export_sklearn.py FOLDER [NAME ...]        (files as export_torch.py)"""

import pathlib
import sys

import numpy as np
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDER = pathlib.Path(sys.argv[1])


def save(name, pipeline, types, cases, results):
    model = skl2onnx.convert_sklearn(pipeline, name, types, target_opset=17,
                                     options={id(pipeline): {"zipmap": False}}
                                     if hasattr(pipeline, "predict_proba") else None)
    (FOLDER / (name + ".onnx")).write_bytes(model.SerializeToString())
    for number, inputs in enumerate(cases):
        arrays = {"in:" + key: value for key, value in inputs.items()}
        arrays |= {f"out:{i}": np.asarray(v) for i, v in enumerate(results(inputs))}
        np.savez(FOLDER / f"{name}.{number}.npz", **arrays)


def boosting():
    x, y = load_breast_cancer(return_X_y=True)
    x = x.astype(np.float32)
    x[::7, 3] = np.nan
    pipeline = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler()),
                         ("trees", GradientBoostingClassifier(n_estimators=40, random_state=0))])
    pipeline.fit(x, y)
    save("sklearn_boosting", pipeline, [("x", FloatTensorType([None, x.shape[1]]))],
         [{"x": x[:50]}, {"x": x[300:301]}],
         lambda i: (pipeline.predict(i["x"]), pipeline.predict_proba(i["x"])))


def columns():
    rng = np.random.default_rng(0)
    count = 400
    colour = rng.choice(["red", "green", "blue"], (count, 1))
    size = rng.choice(["s", "m", "l"], (count, 1))
    number = rng.standard_normal((count, 2)).astype(np.float32)
    table = np.concatenate([colour, size], axis=1).astype(object)
    target = number[:, 0] * (colour[:, 0] == "red") + number[:, 1] ** 2
    import pandas
    frame = pandas.DataFrame({"colour": table[:, 0], "size": table[:, 1], "a": number[:, 0],
                              "b": number[:, 1]})
    pipeline = Pipeline([
        ("columns", ColumnTransformer([
            ("text", OneHotEncoder(handle_unknown="ignore"), ["colour", "size"]),
            ("number", StandardScaler(), ["a", "b"])])),
        ("forest", RandomForestRegressor(n_estimators=30, max_depth=7, random_state=0))])
    pipeline.fit(frame, target)
    types = [("colour", StringTensorType([None, 1])), ("size", StringTensorType([None, 1])),
             ("a", FloatTensorType([None, 1])), ("b", FloatTensorType([None, 1]))]

    def case(rows):
        part = frame.iloc[rows]
        return {"colour": part[["colour"]].to_numpy(str), "size": part[["size"]].to_numpy(str),
                "a": part[["a"]].to_numpy(np.float32), "b": part[["b"]].to_numpy(np.float32)}

    def results(i):
        part = pandas.DataFrame({key: value[:, 0] for key, value in i.items()})
        return (pipeline.predict(part).reshape(-1, 1),)
    save("sklearn_columns", pipeline, types, [case(slice(0, 30)), case(slice(77, 78))], results)


def text():
    good = ["a fine day in the sun", "what a lovely bright film", "good food and good friends"]
    bad = ["a grey and rainy day", "what a dull and boring film", "cold food and no friends"]
    pipeline = Pipeline([("words", TfidfVectorizer()), ("line", LogisticRegression())])
    pipeline.fit(good + bad, ["good"] * 3 + ["bad"] * 3)
    cases = [{"x": np.array(good + bad)[:, None]},
             {"x": np.array([["a rainy film with friends"]])}]
    save("sklearn_text", pipeline, [("x", StringTensorType([None, 1]))], cases,
         lambda i: (pipeline.predict(i["x"][:, 0]), pipeline.predict_proba(i["x"][:, 0])))


MODELS = {"sklearn_boosting": boosting, "sklearn_columns": columns, "sklearn_text": text}

if __name__ == "__main__":
    for chosen in sys.argv[2:] or MODELS:
        MODELS[chosen]()
        print("exported", chosen, flush=True)
