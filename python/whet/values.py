# SPDX-License-Identifier: Apache-2.0
"""Python values as the extension takes them, (data, dtype number, shape), and back.

Arrays go over as they are; strings as a list of bytes; sequences (lists), optionals (a value or
None) and maps (dicts) as a list of such items."""

import numpy as np

from . import _whet
from .dtypes import array_of, buffer_of, number_of, numpy_of

# Bytes that are no UTF-8 go through text unchanged.
_ERRORS = "surrogateescape"


def _text(value):
    if isinstance(value, str):
        return value.encode("utf-8", _ERRORS)
    if isinstance(value, (bytes, np.bytes_)):
        return bytes(value)
    raise TypeError(f"a string is expected, not {value!r}")


def _array(value):
    if not isinstance(value, np.ndarray):
        value = np.from_dlpack(value) if hasattr(value, "__dlpack__") else np.asarray(value)
    shape = value.shape
    return np.ascontiguousarray(value).reshape(shape)


def item_of(value, dtype, elem=0):
    """A value for an input of that type; `elem` is what is in it, as in whet.h."""
    if dtype == _whet.DTYPE_STRING:
        array = np.asarray(value, dtype=object)
        return [_text(v) for v in array.ravel().tolist()], dtype, array.shape
    inner, rest = elem & 0xff, elem >> 8
    if dtype == _whet.DTYPE_SEQUENCE:
        return [item_of(v, inner, rest) for v in value], dtype, ()
    if dtype == _whet.DTYPE_OPTIONAL:
        return [] if value is None else [item_of(value, inner, rest)], dtype, ()
    if dtype == _whet.DTYPE_MAP:
        values = list(value.values())
        if rest != _whet.DTYPE_STRING:
            values = np.array(values, numpy_of(rest))
        keys = list(value) if inner == _whet.DTYPE_STRING else np.array(list(value), np.int64)
        return [item_of(keys, inner), item_of(values, rest)], dtype, ()
    array = _array(value)
    number = number_of(array.dtype, dtype)
    return buffer_of(array, number), number, array.shape


def value_of(item):
    """What the extension gave as a Python value: array, list, value or None, dict."""
    data, dtype, shape = item
    if dtype == _whet.DTYPE_STRING:
        array = np.empty(len(data), object)
        array[:] = [text.decode("utf-8", _ERRORS) for text in data]
        return array.reshape(shape)
    if dtype == _whet.DTYPE_SEQUENCE:
        return [value_of(part) for part in data]
    if dtype == _whet.DTYPE_OPTIONAL:
        return value_of(data[0]) if data else None
    if dtype == _whet.DTYPE_MAP:
        keys, values = (value_of(part).tolist() for part in data)
        return dict(zip(keys, values))
    return array_of(data, dtype, shape)
