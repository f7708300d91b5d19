# SPDX-License-Identifier: Apache-2.0
"""Numbers of the library's data types and their numpy counterparts."""

import numpy as np

from . import _whet

_NUMPY = {
    _whet.DTYPE_F32: np.dtype(np.float32), _whet.DTYPE_F64: np.dtype(np.float64),
    _whet.DTYPE_F16: np.dtype(np.float16), _whet.DTYPE_BOOL: np.dtype(np.bool_),
    _whet.DTYPE_I8: np.dtype(np.int8), _whet.DTYPE_I16: np.dtype(np.int16),
    _whet.DTYPE_I32: np.dtype(np.int32), _whet.DTYPE_I64: np.dtype(np.int64),
    _whet.DTYPE_U8: np.dtype(np.uint8), _whet.DTYPE_U16: np.dtype(np.uint16),
    _whet.DTYPE_U32: np.dtype(np.uint32), _whet.DTYPE_U64: np.dtype(np.uint64),
}
_NUMBERS = {dtype: number for number, dtype in _NUMPY.items()}
try:  # numpy has no bfloat16 of its own
    import ml_dtypes

    BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    BFLOAT16 = None


def number_of(dtype):
    """The library's number for a numpy dtype; TypeError when it has none."""
    dtype = np.dtype(dtype)
    if BFLOAT16 is not None and dtype == BFLOAT16:
        return _whet.DTYPE_BF16
    if dtype not in _NUMBERS:
        raise TypeError(f"arrays of {dtype} are not supported")
    return _NUMBERS[dtype]


def numpy_of(number):
    """The numpy dtype of a number; bfloat16 is uint16 when ml_dtypes is not installed."""
    if number == _whet.DTYPE_BF16:
        return BFLOAT16 if BFLOAT16 is not None else np.dtype(np.uint16)
    return _NUMPY[number]


def buffer_of(array):
    """The array itself, or a view that exports a buffer (bfloat16 does not)."""
    if BFLOAT16 is not None and array.dtype == BFLOAT16:
        return array.view(np.uint16)
    return array
