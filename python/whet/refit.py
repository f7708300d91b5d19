# SPDX-License-Identifier: Apache-2.0
"""New weights for engines that are there (docs/refit.md)."""

import os

import numpy as np

from . import _whet
from .dtypes import array_of, buffer_of, number_of, numpy_of


def _item(value, dtype=None):
    array = np.asarray(value, order="C")
    number = number_of(array.dtype, dtype)
    return buffer_of(array, number), number, array.shape


class Refitter:
    """Gives an engine other weights by the names that they have in the model. Contexts may run
    meanwhile: each run that begins after `run` takes the new ones."""

    def __init__(self, engine):
        self.engine = engine
        self._handle = _whet.refitter(engine._handle)
        self._given = {}

    @property
    def weights(self):
        """{name: (numpy dtype, shape, refittable)} of the model's constants."""
        return {name: (numpy_of(dtype), shape, refittable)
                for name, dtype, shape, refittable in self._handle.weights()}

    def __getitem__(self, name):
        """A copy of what the engine has now."""
        return array_of(*self._handle.get(name))

    def __setitem__(self, name, array):
        self.set(name, array)

    def set(self, name, array):
        """An array for a weight; checked and applied by `run`."""
        self._given[name] = array

    def load(self, path):
        """All weights of a model (.onnx) or of a file (.npz, .safetensors) that the engine has."""
        self._handle.load(os.fspath(path))

    @property
    def missing(self):
        """Names that must be given too, beside what was loaded from files."""
        return [name for name in self._handle.missing() if name not in self._given]

    def add_lora(self, adapter, name, a, b, alpha=0):
        """Adds scale alpha/r b a to the weight; a [r, in], b [out, r]; alpha 0 stands for r."""
        self._handle.add_lora(adapter, name, [_item(a), _item(b)], alpha)

    def load_lora(self, adapter, path, alpha=0):
        """All pairs NAME.lora_A, NAME.lora_B of a .safetensors or .npz file."""
        self._handle.load_lora(adapter, os.fspath(path), alpha)

    def set_adapter(self, adapter, scale):
        """The scale of an adapter; 0 takes it away."""
        self._handle.set_adapter(adapter, scale)

    def clear(self):
        """Forgets what was given."""
        self._given.clear()
        self._handle.clear()

    def run(self):
        """Gives the engine what was given. After an error nothing has changed, and what was given
        is forgotten."""
        types = {name: dtype for name, dtype, *_ in self._handle.weights()}
        given, self._given = self._given, {}
        self._handle.run(list(given), [_item(v, types.get(k)) for k, v in given.items()])
