# SPDX-License-Identifier: Apache-2.0
"""Plugins: operators of one's own, written in Python or opened from a shared object."""

import inspect
import os
import traceback

import numpy as np

from . import _whet
from .dtypes import number_of, numpy_of

_INT, _FLOAT, _BOOL, _STRING, _INTS, _FLOATS, _TENSOR = 1, 2, 3, 6, 7, 8, 9
_OPTIONAL, _VARIADIC, _SHAPE = 1, 2, 4
_DYNAMIC, _IMPURE = 1, 2
_ADD, _SUB, _MUL, _DIV, _CEIL, _MOD, _MIN, _MAX = range(8)


# ---- dimensions of a shape function ----

def _raw(value):
    return value._raw if isinstance(value, Dim) else None if value is None else int(value)


def _wrap(raw):
    return Dim(raw) if isinstance(raw, tuple) else raw


def _math(function, a, b):
    if not isinstance(b, (Dim, int, np.integer)) or not isinstance(a, (Dim, int, np.integer)):
        return NotImplemented
    return _wrap(_whet.plugin_dim(function, _raw(a), _raw(b)))


class Dim:
    """A dimension that is not a number yet: an expression over named ones. + - * // % with ints and
    each other; the least and the largest by dim_min and dim_max."""

    def __init__(self, raw):
        self._raw = raw

    def __add__(self, other): return _math(_ADD, self, other)
    def __radd__(self, other): return _math(_ADD, other, self)
    def __sub__(self, other): return _math(_SUB, self, other)
    def __rsub__(self, other): return _math(_SUB, other, self)
    def __mul__(self, other): return _math(_MUL, self, other)
    def __rmul__(self, other): return _math(_MUL, other, self)
    def __floordiv__(self, other): return _math(_DIV, self, other)
    def __rfloordiv__(self, other): return _math(_DIV, other, self)
    def __mod__(self, other): return _math(_MOD, self, other)
    def __rmod__(self, other): return _math(_MOD, other, self)
    def __neg__(self): return _math(_SUB, 0, self)

    def __eq__(self, other):
        """Whether the two are the same for certain."""
        return isinstance(other, Dim) and self._raw == other._raw

    def __hash__(self):
        return hash(self._raw)

    def __bool__(self):
        raise TypeError("this dimension is not a number while the engine is built")

    __int__ = __index__ = __bool__

    def __repr__(self):
        return "Dim()"


def dim_min(a, b):
    """The smaller of two dimensions of a shape function."""
    return _math(_MIN, a, b)


def dim_max(a, b):
    """The larger of two dimensions of a shape function."""
    return _math(_MAX, a, b)


class Spec:
    """An input as a shape function sees it: shape (ints and Dims), dtype (numpy's), ndim."""

    def __init__(self, index, dtype, shape):
        self._index = index
        self.dtype = numpy_of(dtype)
        self.shape = tuple(_wrap(d) for d in shape)
        self.ndim = len(self.shape)

    @property
    def values(self):
        """Contents of a small input of integers as ints and Dims; None when not known yet."""
        values = _whet.plugin_values(self._index)
        return None if values is None else [_wrap(v) for v in values]


# ---- the plugin ----

def _attr_row(parameter):
    """(row for the library, conversion) of a keyword-only parameter."""
    name, value = parameter.name, parameter.default
    required = value is inspect.Parameter.empty
    kind = parameter.annotation if required else type(value)
    text = values = None
    number = 0.0
    if kind is bool:
        type_number, number = _BOOL, float(not required and value)
    elif kind is int:
        type_number, number = _INT, 0.0 if required else float(value)
    elif kind is float:
        type_number, number = _FLOAT, 0.0 if required else value
    elif kind is str:
        type_number, text = _STRING, None if required else value
    elif kind in (list, tuple) and not required:
        whole = all(isinstance(v, int) for v in value)
        type_number, values = (_INTS if whole else _FLOATS), [float(v) for v in value]
    elif kind is np.ndarray or value is None:
        type_number = _TENSOR
    else:
        known = {"list[int]": _INTS, "list[float]": _FLOATS}
        type_number = known.get(str(kind).replace("typing.", "").replace("List", "list"))
        if type_number is None:
            raise TypeError(f"attribute {name}: give a default, or annotate it as int, float, "
                            "bool, str, list[int], list[float] or numpy.ndarray")
    return (name, type_number, required, number, text, values)


def _input_row(parameter, types):
    flags = 0
    if parameter.kind is parameter.VAR_POSITIONAL:
        flags = _VARIADIC | _OPTIONAL
    elif parameter.default is None:
        flags = _OPTIONAL
    return (parameter.name, types, 0, flags)


def _type_set(types):
    return sum(1 << number_of(t) for t in types) if types else 0


class Plugin:
    """What the decorator makes of a function; still callable as the function."""

    def __init__(self, function, name, version, outputs, types, output_types, shapes, dynamic,
                 pure):
        self.domain, _, self.name = name.rpartition("::")
        self.version = str(version)
        self._output_types = output_types
        self._dynamic = dynamic
        self._set_functions(function, shapes)
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind in (
            p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
        self._rows = (
            [_attr_row(p) for p in parameters if p.kind is p.KEYWORD_ONLY],
            [_input_row(p, _type_set(types)) for p in positional],
            [(f"y{i}", 0, 0, _OPTIONAL if i else 0) for i in range(outputs)],
            (_DYNAMIC if dynamic else 0) | (0 if pure else _IMPURE))

    def _set_functions(self, function, shapes):
        self._function = function
        self._shapes = shapes
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", self.name)

    def __call__(self, *args, **attrs):
        return self._function(*args, **attrs)

    def shapes(self, function):
        """Decorator of the shape function."""
        self._shapes = function
        return function

    def _where(self, error):
        """The last line of the plugin's own file that an exception came by."""
        code = getattr(self._function, "__code__", None)
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if code and f.filename == code.co_filename] or list(frames)
        if not own:
            return ""
        return f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno}, in {own[-1].name})"

    def _failed(self, error):
        return f"{type(error).__name__}: {error}{self._where(error)}"

    def _attrs(self, attrs):
        return {name: np.frombuffer(v[0], numpy_of(v[1])).reshape(v[2])
                if isinstance(v, tuple) else v for name, v in attrs.items()}

    def _output_type(self, index, inputs):
        """Number of an output's type: given, that of an input by number, or of the first."""
        given = self._output_types
        if isinstance(given, (list, tuple)):
            given = given[index] if index < len(given) else None
        if given is None or isinstance(given, int):
            return inputs[given or 0][0]
        return number_of(given)

    def _infer(self, inputs, attrs, n_out):
        try:
            specs = [None if i is None else Spec(k, *i) for k, i in enumerate(inputs)]
            if self._shapes:
                shapes = self._shapes(*specs, **self._attrs(attrs))
                one = not isinstance(shapes, list) or (
                    shapes and not isinstance(shapes[0], (tuple, list, type(None))))
                if n_out == 1 and one:
                    shapes = [shapes]
            elif self._dynamic:
                shapes = [None] * n_out
            else:
                shapes = [specs[0].shape] * n_out
            if len(shapes) < n_out:
                raise ValueError(f"the shape function gives {len(shapes)} shapes, "
                                 f"the node has {n_out} outputs")
            return [(self._output_type(k, inputs),
                     None if shape is None else [_raw(d) for d in shape])
                    for k, shape in enumerate(shapes[:n_out])]
        except BaseException as error:  # nothing may get out: the library calls this
            return self._failed(error)

    def _run(self, inputs, attrs, outputs):
        try:
            arrays = [None if i is None else np.frombuffer(i[0], numpy_of(i[1])).reshape(i[2])
                      for i in inputs]
            results = self._function(*arrays, **self._attrs(attrs))
            results = results if isinstance(results, (list, tuple)) else [results]
            if len(results) < len(outputs):
                raise ValueError(f"{len(results)} results, the node has {len(outputs)} outputs")
            made = []
            for index, (result, out) in enumerate(zip(results, outputs)):
                if out is None:
                    made.append(None)
                    continue
                result = np.asarray(result)
                view, dtype, shape = out
                if view is None:
                    array = np.ascontiguousarray(result, numpy_of(dtype)).reshape(result.shape)
                    made.append((array.tobytes(), array.shape))
                elif result.shape != shape:
                    raise ValueError(f"output {index} has shape {result.shape}, "
                                     f"the shape function said {shape}")
                else:
                    np.copyto(np.frombuffer(view, numpy_of(dtype)).reshape(shape), result,
                              casting="same_kind")
            return made if self._dynamic else None
        except BaseException as error:
            return self._failed(error)


_registered = {}


def plugin(name, *, version="1", outputs=1, types=None, output_types=None, shapes=None,
           dynamic=False, pure=True):
    """Makes a function the operator "domain::Name" of this process: ONNX models may use it.

    Positional parameters are the inputs (default None: may be absent; *more: any number), arrays
    that are read-only and only there during the call. Keyword-only parameters are the attributes,
    with their defaults, or annotated with their types. The result is an array, or one for each of
    the `outputs`.

    types: numpy types that inputs may have (default: all numbers). output_types: of each output a
    numpy type, or the number of the input whose type it has (default: the first). shapes: function
    of Specs and attributes that gives the outputs' shapes, a list when there are several (default:
    the first input's); may be given by the decorator `@function.shapes` too. dynamic: only the
    result tells the shape; `shapes` may give None, or shapes with None in them. pure: the same
    inputs give the same result.

    An exception becomes a whet.Error that names the node, the exception and the line. Defined again
    with the same name and parameters, the new function takes the old one's place."""
    def decorate(function):
        made = Plugin(function, name, version, outputs, types, output_types, shapes, dynamic, pure)
        key = (made.domain, made.name, made.version)
        known = _registered.get(key)
        if known is not None and known._rows == made._rows:
            known._set_functions(function, shapes)
            known._output_types, known._dynamic = output_types, dynamic
            return known
        attrs, inputs, results, flags = made._rows
        status, text = _whet.register_plugin(made.domain, made.name, made.version, attrs, inputs,
                                             results, flags, made._infer, made._run)
        if status:
            error = _whet.Error(text)
            error.status = status
            raise error
        _registered[key] = made
        return made
    return decorate


def load_plugins(path):
    """Opens a library of plugins written in C or C++ for this process."""
    _whet.load_plugins(os.fspath(path))


def plugin_options(*, override=False, engine_libraries=False):
    """Options of this process. override: plugins win over operators and functions of the same name.
    engine_libraries: plugin libraries that an engine carries are loaded from it, which runs code of
    whoever wrote the engine."""
    _whet.plugin_options(override, engine_libraries)
