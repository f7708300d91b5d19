# SPDX-License-Identifier: Apache-2.0
"""Exports keras networks with random weights through tf2onnx and stores what TensorFlow computes.

usage: export_keras.py FOLDER [NAME ...]          (files as export_torch.py)"""

import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf

FOLDER = pathlib.Path(sys.argv[1])
MODELS = {"keras_resnet50": tf.keras.applications.ResNet50,
          "keras_mobilenet_v2": tf.keras.applications.MobileNetV2,
          "keras_efficientnet_b0": tf.keras.applications.EfficientNetB0}


def train_statistics(model):
    """Running means and variances from random batches: the default ones make outputs constant."""
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.5
        if isinstance(layer, tf.keras.layers.Dropout):
            layer.rate = 0.0
    for _ in range(4):
        model(np.random.standard_normal((4, 224, 224, 3)).astype(np.float32), training=True)


def save(name, model):
    for number, batch in enumerate((1, 3)):
        x = np.random.standard_normal((batch, 224, 224, 3)).astype(np.float32)
        np.savez(FOLDER / f"{name}.{number}.npz", **{"in:0": x,
                                                     "out:0": model(x, training=False).numpy()})
    model.export(str(FOLDER / name))
    subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(FOLDER / name),
                    "--output", str(FOLDER / (name + ".onnx")), "--opset", "17"], check=True)


if __name__ == "__main__":
    for chosen in sys.argv[2:] or MODELS:
        tf.keras.utils.set_random_seed(0)
        network = MODELS[chosen](weights=None)
        train_statistics(network)
        save(chosen, network)
        print("exported", chosen, flush=True)
