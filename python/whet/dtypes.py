# SPDX-License-Identifier: Apache-2.0
"""Numbers of the library's data types and their numpy counterparts, and arrays as buffers."""

import numpy as np

from . import _whet

_NUMPY = {
    _whet.DTYPE_F32: np.dtype(np.float32), _whet.DTYPE_F64: np.dtype(np.float64),
    _whet.DTYPE_F16: np.dtype(np.float16), _whet.DTYPE_BOOL: np.dtype(np.bool_),
    _whet.DTYPE_I8: np.dtype(np.int8), _whet.DTYPE_I16: np.dtype(np.int16),
    _whet.DTYPE_I32: np.dtype(np.int32), _whet.DTYPE_I64: np.dtype(np.int64),
    _whet.DTYPE_U8: np.dtype(np.uint8), _whet.DTYPE_U16: np.dtype(np.uint16),
    _whet.DTYPE_U32: np.dtype(np.uint32), _whet.DTYPE_U64: np.dtype(np.uint64),
    _whet.DTYPE_C64: np.dtype(np.complex64), _whet.DTYPE_C128: np.dtype(np.complex128),
}
# Types that numpy has from the package ml_dtypes, when it is installed; else arrays of these types
# are arrays of the second one: the same bits, one element each.
_EXTRA = {
    _whet.DTYPE_BF16: ("bfloat16", np.uint16),
    _whet.DTYPE_F8E4M3FN: ("float8_e4m3fn", np.uint8),
    _whet.DTYPE_F8E4M3FNUZ: ("float8_e4m3fnuz", np.uint8),
    _whet.DTYPE_F8E5M2: ("float8_e5m2", np.uint8),
    _whet.DTYPE_F8E5M2FNUZ: ("float8_e5m2fnuz", np.uint8),
    _whet.DTYPE_F8E8M0: ("float8_e8m0fnu", np.uint8),
    _whet.DTYPE_F4E2M1: ("float4_e2m1fn", np.uint8),
    _whet.DTYPE_U4: ("uint4", np.uint8), _whet.DTYPE_I4: ("int4", np.int8),
    _whet.DTYPE_U2: ("uint2", np.uint8), _whet.DTYPE_I2: ("int2", np.int8),
    _whet.DTYPE_F6E2M3: ("float6_e2m3fn", np.uint8),
    _whet.DTYPE_F6E3M2: ("float6_e3m2fn", np.uint8),
}
_OBJECTS = (_whet.DTYPE_STRING, _whet.DTYPE_SEQUENCE, _whet.DTYPE_OPTIONAL, _whet.DTYPE_MAP)
_NUMBERS = {dtype: number for number, dtype in _NUMPY.items()}
try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None
for _number, (_name, _bits) in _EXTRA.items():
    if hasattr(ml_dtypes, _name):
        _NUMPY[_number] = np.dtype(getattr(ml_dtypes, _name))
        _NUMBERS[_NUMPY[_number]] = _number
    else:
        _NUMPY[_number] = np.dtype(_bits)
# Bits of an element where they are less than a byte.
_PACKED = {_whet.DTYPE_U4: 4, _whet.DTYPE_I4: 4, _whet.DTYPE_F4E2M1: 4,
           _whet.DTYPE_U2: 2, _whet.DTYPE_I2: 2, _whet.DTYPE_F6E2M3: 6, _whet.DTYPE_F6E3M2: 6}


def number_of(dtype, wanted=None):
    """The library's number for a numpy dtype; TypeError when it has none. `wanted` is a number that
    is taken where the dtype stands for it."""
    dtype = np.dtype(dtype)
    if wanted is not None and _NUMPY.get(wanted) == dtype:
        return wanted
    if wanted in _EXTRA and dtype == np.dtype(_EXTRA[wanted][1]):
        return wanted
    if dtype not in _NUMBERS:
        raise TypeError(f"arrays of {dtype} are not supported")
    return _NUMBERS[dtype]


def numpy_of(number):
    """The numpy dtype of a number; one of the same bits when ml_dtypes does not bring it."""
    if number in _OBJECTS:
        return np.dtype(object)
    return _NUMPY[number]


def buffer_of(array, number=None):
    """What holds an array's elements for the library: the array itself, a view that exports a
    buffer, or packed bytes."""
    if number in _PACKED:
        bits = _PACKED[number]
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if array.dtype.name in ("int8", "uint8"):
            low = -(1 << bits - 1) if array.dtype == np.int8 else 0
            if array.size and (array.min() < low or array.max() >= low + (1 << bits)):
                raise ValueError(f"a value does not fit {bits} bits")
        loose = np.unpackbits(flat[:, None], axis=1, bitorder="little", count=bits)
        return np.packbits(loose, bitorder="little")
    if number in _EXTRA:
        return array.view(_EXTRA[number][1])
    return array


def buffer_for(array, number):
    """A buffer for the library to write an output into, which `finish` makes the array's."""
    if number in _PACKED:
        return np.empty(-(-array.size * _PACKED[number] // 8), np.uint8)
    return buffer_of(array, number)


def finish(array, number, buffer):
    """Called when the library has written the buffer."""
    if number in _PACKED:
        array[...] = array_of(buffer, number, array.shape)


def is_packed(number):
    """Whether several elements of the type share a byte."""
    return number in _PACKED


def array_of(data, number, shape):
    """An array of its own from the bytes of a tensor."""
    if number not in _PACKED:
        return np.frombuffer(bytearray(data), _NUMPY[number]).reshape(shape)
    bits, count = _PACKED[number], int(np.prod(shape, dtype=np.int64))
    loose = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little", count=count * bits)
    values = np.packbits(loose.reshape(count, bits), axis=1, bitorder="little").reshape(-1)
    if number in (_whet.DTYPE_I4, _whet.DTYPE_I2):  # with their signs
        values = ((values ^ (1 << (bits - 1))) - (1 << (bits - 1))).astype(np.int8)
    return values.view(_NUMPY[number]).reshape(shape)
