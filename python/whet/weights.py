# SPDX-License-Identifier: Apache-2.0
"""Files of weights."""

import collections.abc
import os

import numpy as np

from . import _whet
from .dtypes import array_of, is_packed, number_of, numpy_of


class Weights(collections.abc.Mapping):
    """Named arrays of a .npz or SafeTensors file: {name: array}. The file is mapped; arrays that
    lie in it as they are needed are not copied, and cannot be written to."""

    def __init__(self, path):
        self._handle = _whet.weights(os.fspath(path))
        self._names = self._handle.names()

    def get(self, name, default=None, dtype=None):
        """The array, converted to `dtype` when that is given."""
        return self.read(name, dtype) if name in self._names else default

    def read(self, name, dtype=None):
        """The array, converted to `dtype` when that is given; whet.Error when there is none."""
        data, number, shape = self._handle.find(name, 0 if dtype is None else number_of(dtype))
        if is_packed(number) or 0 in shape:
            return array_of(data, number, shape)
        return np.frombuffer(data, numpy_of(number)).reshape(shape)

    def __getitem__(self, name):
        if name not in self._names:
            raise KeyError(name)
        return self.read(name)

    def __iter__(self):
        return iter(self._names)

    def __len__(self):
        return len(self._names)


def load_weights(path):
    """The Weights of a .npz or SafeTensors file."""
    return Weights(path)
