# SPDX-License-Identifier: Apache-2.0
"""Engines and contexts."""

import json
import os

import numpy as np

from . import _whet
from .dtypes import buffer_for, finish, numpy_of
from .refit import Refitter
from .values import item_of, value_of


def version():
    """Version of the library, such as "0.1.0"."""
    return _whet.version()


def describe():
    """Library and machine: version, CPU, instruction sets, threads, backends."""
    return json.loads(_whet.describe())


def load(path, refit=None):
    """Maps an engine file. refit: weights that it gets, as of Engine.refit; an engine that was
    stripped of its weights needs them."""
    if refit is None:
        return Engine(_whet.load(os.fspath(path)))
    engine = Engine(_whet.load_stripped(os.fspath(path)))
    engine.refit(refit)
    return engine


def loads(data):
    """An engine from the bytes of an engine file."""
    return Engine(_whet.loads(data))


class Engine:
    """A network ready to run. Immutable but for `refit`; may be shared between threads."""

    def __init__(self, handle):
        self._handle = handle
        self._inputs = handle.inputs()
        self._outputs = handle.outputs()

    @property
    def inputs(self):
        """{name: (numpy dtype, shape)}; a dynamic dimension is its name. Strings, sequences,
        optionals and maps have the dtype object."""
        return {name: (numpy_of(dtype), shape) for name, dtype, shape, _ in self._inputs}

    @property
    def outputs(self):
        """{name: (numpy dtype, shape)}; shape is None when only a run tells the rank."""
        return {name: (numpy_of(dtype), shape) for name, dtype, shape, _ in self._outputs}

    @property
    def profiles(self):
        """The optimization profiles: [{input: (min, opt, max)}]. For an input whose contents are
        bounded, (min, opt, max) of its shape are followed by those of its contents."""
        return [self._profile(rows) for rows in self._handle.profiles()]

    @staticmethod
    def _profile(rows):
        result = {}
        for name, _, *bounds in rows:
            result[name] = result.get(name, ()) + tuple(bounds)
        return result

    def save(self, path, stripped=False):
        """Writes the engine file; it appears under its name only when complete. stripped: without
        the weights that a refit gives it."""
        if stripped:
            _whet.save_stripped(self._handle, os.fspath(path))
        else:
            self._handle.save(os.fspath(path))

    def refit(self, weights):
        """Gives the engine other weights, by the names that they have in the model: a model
        (.onnx), a file (.npz, .safetensors) or {name: array}. What is not given stays."""
        refitter = Refitter(self)
        if isinstance(weights, (str, os.PathLike)):
            refitter.load(weights)
        else:
            for name in weights:
                refitter.set(name, weights[name])
        refitter.run()

    @property
    def stripped(self):
        """Whether it has no weights yet, so that it has no contexts."""
        return _whet.is_stripped(self._handle)

    def serialize(self):
        """The bytes of the engine file."""
        return self._handle.serialize()

    def inspect(self, as_text=False):
        """What the engine takes, makes and does: a dict, or text for people."""
        return self._handle.inspect(False) if as_text else json.loads(self._handle.inspect(True))

    def context(self, threads=None, stream=None):
        """A context, which runs one request at a time. Make one for each thread. stream: (index,
        count) of contexts that run at the same time, each of which gets its share of the threads
        for itself."""
        return Context(self, threads, stream)


class Context:
    """Memory and state of one request at a time."""

    def __init__(self, engine, threads=None, stream=None):
        self.engine = engine
        index, count = (0, 1) if stream is None else stream
        self._handle = engine._handle.context(int(threads or 0), int(index), int(count))
        self._allocated = set()  # outputs with an allocator
        self._shapes = {}  # input shapes -> output types, as far as shapes tell them

    def set_limits(self, iterations=100_000_000, seconds=0, object_bytes=1 << 30):
        """The most iterations of one Loop or Scan, the longest time, looked at between
        iterations (0: any), and the most memory of strings, sequences, optionals and maps
        (0: any), of a run. What is not given gets its default."""
        self._handle.set_limits(iterations, seconds, object_bytes)

    def set_profile(self, number=None):
        """Runs take the plan of this profile; None: the first whose bounds hold their shapes."""
        self._handle.set_profile(-1 if number is None else int(number))

    @property
    def profile_used(self):
        """(number, tuned) of the last run: the profile whose plan ran, and whether its bounds held
        the shapes; (None, False) before a run and for engines without profiles."""
        number, tuned = self._handle.profile_used()
        return (None if number < 0 else number), tuned

    def _feed(self, inputs):
        names = [name for name, *_ in self.engine._inputs]
        unknown = [name for name in inputs if name not in names]
        missing = [name for name in names if name not in inputs]
        if unknown or missing:
            raise ValueError(
                f"inputs given: {sorted(inputs)}; the engine's are {names}"
                + (f"; missing: {missing}" if missing else "")
                + (f"; unknown: {unknown}" if unknown else ""))
        return [item_of(inputs[name], dtype, elem)
                for name, dtype, _, elem in self.engine._inputs]

    def _output_types(self, fed):
        key = tuple((dtype, shape) for _, dtype, shape in fed)
        types = self._shapes.get(key)
        if types is None:
            types = [(dtype, shape if shape is not None and -1 not in shape else None)
                     for _, dtype, shape in self._handle.infer(fed)]
            if len(self._shapes) > 64:
                self._shapes.clear()
            if not self._reads_shapes():
                self._shapes[key] = types
        return types

    def _reads_shapes(self):
        """Whether shapes may depend on contents, so that they cannot be remembered."""
        return any(np.issubdtype(numpy_of(dtype), np.integer)
                   for _, dtype, *_ in self.engine._inputs)

    def run(self, inputs, outputs=None):
        """{name: array} -> {name: array}. Arrays that are contiguous, and anything with __dlpack__
        in host memory, are read in place; `outputs` may bring arrays to write into. Strings are
        arrays of str (dtype object), sequences lists, optionals a value or None, maps dicts."""
        fed = self._feed(inputs)
        given = outputs or {}
        names = [name for name, *_ in self.engine._outputs]
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"outputs given that the engine does not have: {unknown}")
        arrays, targets = [], []
        for i, (name, (dtype, shape)) in enumerate(zip(names, self._output_types(fed))):
            array = given.get(name)
            if (array is None and shape is not None and numpy_of(dtype) != object
                    and i not in self._allocated):
                array = np.empty(shape, numpy_of(dtype))
            if array is not None and numpy_of(dtype) == object:
                raise ValueError(f"output \"{name}\" is no array of numbers to write into")
            if array is not None and (array.dtype != numpy_of(dtype)
                                      or shape is not None and array.shape != tuple(shape)):
                raise ValueError(f"output \"{name}\" is {array.dtype}{list(array.shape)}, "
                                 f"expected {numpy_of(dtype)}{list(shape or [])}")
            arrays.append(array)
            targets.append(None if array is None else
                           (buffer_for(array, dtype), dtype, array.shape))
        made = self._handle.run(fed, targets)
        for i, array in enumerate(arrays):
            if array is None:
                if i in self._allocated and 0 not in made[i][2]:
                    _, dtype, shape, *_ = made[i]
                    whole = np.frombuffer(self._handle.given(i), numpy_of(dtype))
                    arrays[i] = whole[:int(np.prod(shape))].reshape(shape)
                else:
                    arrays[i] = value_of(made[i])
            else:
                finish(array, targets[i][1], targets[i][0])
        return dict(zip(names, arrays))

    def _feed_shapes(self, inputs):
        fed = []
        for name, dtype, _, elem in self.engine._inputs:
            value = inputs[name]
            shape = numpy_of(dtype) != object and isinstance(value, (tuple, list))
            fed.append((None, dtype, tuple(int(d) for d in value)) if shape
                       else item_of(value, dtype, elem))
        return fed

    def infer(self, inputs):
        """{name: shape or array} -> {name: shape} without running. None stands for a dimension, or
        a shape, that only a run tells or that contents not given decide: see `lacking`."""
        made = self._handle.infer(self._feed_shapes(inputs))
        return {name: None if shape is None else tuple(None if d < 0 else d for d in shape)
                for (name, *_), (_, _, shape, *_) in zip(self.engine._outputs, made)}

    @property
    def lacking(self):
        """Inputs whose contents decide shapes and that the last `infer` was not given."""
        return self._handle.lacking()

    def max_output_bytes(self, inputs, output):
        """Bytes that an output cannot exceed for inputs of these shapes (or arrays)."""
        return self._handle.max_output_bytes(self._feed_shapes(inputs), self._output(output))

    def set_output_allocator(self, output, allocate):
        """allocate(bytes) gives writable memory (a bytearray, an array) when a run knows how much
        the output takes; the run's result is a view of it. None: no allocator."""
        i = self._output(output)
        self._handle.set_allocator(i, allocate)
        if allocate is None:
            self._allocated.discard(i)
        else:
            self._allocated.add(i)

    def _output(self, name):
        names = [n for n, *_ in self.engine._outputs]
        if name not in names:
            raise ValueError(f"the engine has no output {name!r}, only {names}")
        return names.index(name)

    def bench(self, inputs, warmup=0.2, seconds=1.0, min_runs=10):
        """Seconds of single runs, measured inside the library."""
        return np.array(self._handle.bench(self._feed(inputs), warmup, seconds, min_runs))

    def profile(self, inputs):
        """[(layer, kernel, seconds)] of one run."""
        return self._handle.profile(self._feed(inputs))

    def values(self, inputs):
        """{name: array} of every value that a run makes visible (none from inside fused steps)."""
        return {name: value_of(item) for name, *item in self._handle.tap(self._feed(inputs))}

    @property
    def arena_bytes(self):
        """Bytes of the activation arena at the shapes seen so far."""
        return self._handle.arena_bytes()
