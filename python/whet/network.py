# SPDX-License-Identifier: Apache-2.0
"""Networks made or edited by hand.

    net = whet.Network()
    x = net.input("x", np.float32, ("batch", 784))
    y = net.relu(x @ weights + bias)
    net.output(net.softmax(y, axis=-1), "probabilities")
    engine = net.build(level=3)

Every operator of the library is a method of Network: net.<operator>(inputs..., attribute=...), as
`Network.operators()` lists them; layers.py adds those of other names and habits. An array or number
among the inputs becomes a constant. Types and shapes are inferred at once, so that a mistake raises
where it is made. A network is used by one thread at a time."""

import json
import os

import numpy as np

from . import _whet
from .build import build
from .dtypes import buffer_of, number_of, numpy_of
from .layers import Layers
from .values import item_of, value_of

TEXT, INT, FLOAT, INTS, FLOATS, TENSOR, TEXTS = range(7)


class Config:
    """Options of builds, those of whet.build: Config(level=2, shapes={...})."""

    def __init__(self, **options):
        self.options = options

    def set(self, name, value):
        """Sets an option; returns the config."""
        self.options[name] = value
        return self


class Builder:
    """Makes engines of a network, an empty one or that of a model."""

    def __init__(self, model=None):
        self._builder_handle = _whet.builder()
        self._network = None
        self._names = 0  # made up for inputs of blocks
        if model is not None:
            self.load_onnx(model)

    def load_onnx(self, model):
        """Reads a model: a path, bytes or an onnx.ModelProto."""
        if hasattr(model, "SerializeToString"):
            model = model.SerializeToString()
        if not isinstance(model, (bytes, bytearray, memoryview)):
            model = os.fsdecode(os.fspath(model))
        self._builder_handle.load(model)

    @property
    def network(self):
        """The Network that this builder builds."""
        if self._network is None:
            self._network = Network(self)
        return self._network

    def build(self, config=None, **options):
        """An Engine of the network as it is now; options are those of whet.build."""
        return build(self, **{**(config.options if config else {}), **options})


class Value:
    """A tensor in a network. Has Python's operators + - * / @ ** // % ~ & | ^ < <= > >= and
    negation, elementwise with broadcasting but for @, and [...] with integers and slices."""

    __array_ufunc__ = None  # numpy leaves array + value to us

    def __init__(self, network, handle):
        self.network, self._handle = network, handle

    def __eq__(self, other):
        return isinstance(other, Value) and self._handle == other._handle

    def __hash__(self):
        return hash(self._handle)

    def __repr__(self):
        name, dtype, shape, _ = self._info()
        dims = "?" if shape is None else "x".join(str(d) for d in shape)
        return f"<whet.Value {name or 'unnamed'} {numpy_of(dtype)} {dims}>"

    def _info(self):
        return self.network._handle.value(self._handle)

    @property
    def name(self):
        """Its name, "" when it has none."""
        return self._info()[0]

    @name.setter
    def name(self, name):
        self.network._handle.set_value_name(self._handle, name)

    @property
    def dtype(self):
        """Its numpy dtype."""
        return numpy_of(self._info()[1])

    @property
    def shape(self):
        """Its dimensions; a dynamic one is a name or an expression of names, such as "2*n + 1".
        None when not even their number is known."""
        return self._info()[2]

    @property
    def rank(self):
        """The number of dimensions, None when it is not known."""
        shape = self.shape
        return None if shape is None else len(shape)

    @property
    def data(self):
        """The contents of a constant; None of other values."""
        try:
            return value_of(self.network._handle.data(self._handle))
        except _whet.Error as error:
            if error.status == _whet.WHET_E_INVALID:
                return None
            raise

    @data.setter
    def data(self, array):
        self.network._handle.set_data(self._handle, _tensor(array))

    @property
    def producer(self):
        """The Node that makes it, None for inputs and constants."""
        return self.network._node(self.network._handle.producer(self._handle))

    @property
    def users(self):
        """The Nodes that read it."""
        return [self.network._node(n) for n in self.network._handle.users(self._handle)]

    def set_type(self, dtype, shape):
        """Another type and shape for an input of the network."""
        self.network._handle.set_input_type(self._handle, _number(dtype), *_dims(shape))

    def __getitem__(self, index):
        return self.network.subscript(self, index)

    def __neg__(self):
        return self.network.neg(self)

    def __invert__(self):
        return self.network.add_node("not", self)


def _innermost(*values):
    """The network of the operand that lies in the innermost block."""
    return max((v.network for v in values if isinstance(v, Value)), key=lambda net: net._depth)


def _binary(symbol, op):
    def forward(self, other):
        return _innermost(self, other)._binary(op, self, other)

    def backward(self, other):
        return _innermost(self, other)._binary(op, other, self)

    setattr(Value, f"__{symbol}__", forward)
    if symbol not in ("lt", "le", "gt", "ge"):
        setattr(Value, f"__r{symbol}__", backward)


for _symbol, _op in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow",
                     "matmul": "matmul", "floordiv": "floor_div", "mod": "mod", "and": "and",
                     "or": "or", "xor": "xor", "lt": "less", "le": "less_or_equal",
                     "gt": "greater", "ge": "greater_or_equal"}.items():
    _binary(_symbol, _op)


class Node:
    """An operator at work in a network."""

    def __init__(self, network, handle):
        self.network, self._handle = network, handle

    def __eq__(self, other):
        return isinstance(other, Node) and self._handle == other._handle

    def __hash__(self):
        return hash(self._handle)

    def __repr__(self):
        return f"<whet.Node {self.name}: {self.op}>"

    def _info(self):
        return self.network._handle.node(self._handle)

    @property
    def name(self):
        """Its name, unique among the nodes."""
        return self._info()[0]

    @name.setter
    def name(self, name):
        self.network._handle.set_node_name(self._handle, name)

    @property
    def op(self):
        """The name of its operator."""
        return self._info()[1]

    @property
    def inputs(self):
        """Its input Values, None where absent."""
        return [self.network._value(v) for v in self._info()[2]]

    @property
    def outputs(self):
        """Its output Values, None where not wanted."""
        return [self.network._value(v) for v in self._info()[3]]

    @property
    def blocks(self):
        """The Networks that an if, loop or scan runs."""
        return [self.network._wrap(b) for b in self.network._handle.blocks(self._handle)]

    @property
    def attributes(self):
        """{name: value}, those that have their default too; None where absent."""
        values = self.network._handle.attributes(self._handle)
        return {name: value_of(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def set(self, **attributes):
        """Sets attributes."""
        for name, value in attributes.items():
            self.network._handle.set_attribute(self._handle, _attribute(name, value))

    def set_input(self, index, value):
        """Another Value (or array, or None) at an input."""
        self.network._handle.set_node_input(self._handle, index, self.network._operand(value))

    def remove(self):
        """Takes the node out; nobody may use its outputs."""
        self.network._handle.remove(self._handle)


def _number(dtype):
    """str and np.str_ stand for texts."""
    return _whet.DTYPE_STRING if np.dtype(dtype).kind in "OSTU" else number_of(dtype)


def _tensor(array, dtype=None):
    array = np.asarray(array, dtype)
    if array.dtype.kind in "OSTU":
        return item_of(array, _whet.DTYPE_STRING)
    shape = array.shape
    number = number_of(array.dtype)
    return buffer_of(np.ascontiguousarray(array).reshape(shape), number), number, shape


def _dims(shape):
    """(dimensions, names), or (None, None): rank not known. A text or None is dynamic."""
    if shape is None:
        return None, None
    dynamic = [d is None or isinstance(d, str) or d == -1 for d in shape]
    return (tuple(-1 if dyn else int(d) for d, dyn in zip(shape, dynamic)),
            tuple(d if isinstance(d, str) else None for d in shape))


def _attribute(name, value):
    if isinstance(value, (bool, int, np.integer)):
        return name, INT, int(value)
    if isinstance(value, (float, np.floating)):
        return name, FLOAT, float(value)
    if isinstance(value, str):
        return name, TEXT, value
    if isinstance(value, (type, np.dtype)):
        return name, INT, _number(value)
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return name, TENSOR, _tensor(value)
    items = tuple(value.tolist() if isinstance(value, np.ndarray) else value)
    if items and all(isinstance(v, str) for v in items):
        return name, TEXTS, items
    if any(isinstance(v, (float, np.floating)) for v in items):
        return name, FLOATS, tuple(float(v) for v in items)
    return name, INTS, tuple(int(v) for v in items)


class Network(Layers):
    """A graph to add to, look at, edit, write as ONNX and build. Network(path): that of a model."""

    _depth = 0  # of blocks

    def __init__(self, source=None):
        self._builder = source if isinstance(source, Builder) else Builder(source)
        if self._builder._network is None:
            self._builder._network = self
        self._handle = self._builder._builder_handle.network()

    @property
    def _builder_handle(self):
        return self._builder._builder_handle

    def _value(self, handle):
        return None if handle is None else Value(self, handle)

    def _node(self, handle):
        return None if handle is None else Node(self, handle)

    def _operand(self, value, like=None):
        """The handle of a Value; numbers and arrays become constants, numbers of the type of
        `like`."""
        if value is None:
            return None
        if not isinstance(value, Value):
            number = isinstance(value, (bool, int, float))
            value = self.constant(value, like.dtype if number and like is not None else None)
        return value._handle

    def _binary(self, op, a, b):
        like = a if isinstance(a, Value) else b
        if not isinstance(a, Value):
            a = Value(self, self._operand(a, like))
        if not isinstance(b, Value):
            b = Value(self, self._operand(b, like))
        return getattr(self, op)(a, b) if hasattr(type(self), op) else self.add_node(op, a, b)

    # ---- making ----

    def input(self, name, dtype, shape):
        """An input. shape: numbers; a text names a dynamic dimension, None makes one of its own.
        shape None: not even the rank is known, which a build must fix."""
        return Value(self, self._handle.input(name, _number(dtype), *_dims(shape)))

    def constant(self, array, dtype=None, name=None):
        """A constant from anything that numpy makes an array of. Python's floats become float32,
        its integers int64. Arrays that cannot be written to are borrowed, others copied."""
        if dtype is None and not hasattr(array, "dtype"):
            array = np.asarray(array)
            if array.dtype == np.float64:
                dtype = np.float32
        return Value(self, self._handle.constant(name, _tensor(array, dtype)))

    def add_node(self, op, *inputs, outputs=1, name=None, **attributes):
        """A node of any operator. Gives its output, or a list where `outputs` is more than 1.
        Attributes: numbers, texts, lists, arrays; None is left out."""
        like = next((v for v in inputs if isinstance(v, Value)), None)
        handles = tuple(self._operand(v, like) for v in inputs)
        rows = tuple(_attribute(k, v) for k, v in attributes.items() if v is not None)
        made = [Value(self, v) for v in self._handle.add(op, name, handles, rows, outputs, ())]
        return made[0] if outputs == 1 else made

    # ---- control flow ----

    def _wrap(self, handle):
        block = Network.__new__(Network)
        block._builder, block._handle, block._depth = self._builder, handle, self._depth + 1
        return block

    def _block(self, name):
        return self._wrap(self._handle.block(name))

    def _flow(self, op, inputs, blocks, name, attributes=()):
        handles = tuple(self._operand(v) for v in inputs)
        outputs = len(blocks[0].outputs) - (op == "loop")
        made = self._handle.add(op, name, handles, tuple(attributes), outputs,
                                tuple(b._handle for b in blocks))
        return [Value(self, v) for v in made]

    def _fill(self, block, results):
        for value in results:
            block.output(value if isinstance(value, Value) else block.constant(value))

    def if_(self, condition, then, otherwise, *, name=None):
        """Runs one of two functions: then(block) and otherwise(block) make nodes in the network
        that they are given, out of any values, and return a value or a list of them, of one type
        in both. Gives the list of results."""
        blocks = []
        for function, label in ((then, "then"), (otherwise, "else")):
            block = self._block(label)
            made = function(block)
            self._fill(block, made if isinstance(made, (list, tuple)) else [made])
            blocks.append(block)
        return self._flow("if", [condition], blocks, name)

    def loop(self, count, carried, body, *, condition=None, name=None):
        """Repeats body(block, number, *carried) `count` times (None: without end) or until the
        condition fails. It returns (carried values, collected values) or (carried values,
        collected values, go on). Gives the carried values after the last iteration, then the
        collected ones of all iterations stacked."""
        block = self._block("body")
        carried = [v if isinstance(v, Value) else self.constant(v) for v in carried]
        number = block.input(self._fresh("number"), np.int64, ())
        go_on = block.input(self._fresh("go_on"), np.bool_, ())
        inner = [Value(block, block._handle.input_like(None, v._handle)) for v in carried]
        made = body(block, number, *inner)
        kept, collected, *more = made
        self._fill(block, [more[0] if more else block.identity(go_on), *kept, *collected])
        count = None if count is None else self._operand_i64(count)
        return self._flow("loop", [count, condition, *carried], [block], name)

    def scan(self, carried, scanned, body, *, axes=None, reverse=None, name=None):
        """body(block, *carried, *slices) for each slice of the scanned values along their axes; it
        returns (carried values, collected values). Results as those of loop."""
        block = self._block("body")
        carried = [v if isinstance(v, Value) else self.constant(v) for v in carried]
        scanned = [v if isinstance(v, Value) else self.constant(v) for v in scanned]
        axes = [0] * len(scanned) if axes is None else list(axes)
        inner = [Value(block, block._handle.input_like(None, v._handle)) for v in carried]
        for value, axis in zip(scanned, axes):
            shape = list(value.shape)
            del shape[axis]
            inner.append(block.input(self._fresh("slice"), value.dtype, shape))
        kept, collected = body(block, *inner)
        self._fill(block, [*kept, *collected])
        attributes = [("scanned", INT, len(scanned)), ("in_axes", INTS, tuple(axes))]
        if reverse is not None:
            attributes.append(("in_directions", INTS, tuple(int(r) for r in reverse)))
        return self._flow("scan", [None, *carried, *scanned], [block], name, attributes)

    def _operand_i64(self, value):
        return value if isinstance(value, Value) else self.constant(np.int64(value))

    def _fresh(self, hint):
        self._builder._names += 1
        return f"{hint}.{self._builder._names}"

    def __getattr__(self, op):
        known = Network._known
        if op.startswith("__") or op.rstrip("_") not in known:
            raise AttributeError(f"there is no operator or method {op!r}")

        def call(*inputs, **kwargs):
            return self.add_node(op.rstrip("_"), *inputs, **kwargs)

        call.__name__ = op
        return call

    def output(self, value, name=None):
        """Makes a value an output; returns it."""
        self._handle.mark_output(value._handle, name)
        return value

    def unmark_output(self, value):
        """Takes that back."""
        self._handle.unmark_output(value._handle)

    # ---- looking ----

    @property
    def name(self):
        """The name of the network."""
        return self._handle.name()

    @name.setter
    def name(self, name):
        self._handle.set_name(name)

    @property
    def inputs(self):
        """The input Values."""
        return [Value(self, v) for v in self._handle.inputs()]

    @property
    def outputs(self):
        """{name: Value}."""
        return {name: Value(self, v) for name, v in self._handle.outputs()}

    @property
    def nodes(self):
        """The Nodes in an order in which values are made before they are used."""
        return [Node(self, n) for n in self._handle.nodes()]

    def find_node(self, name):
        """The Node of that name or None."""
        return self._node(self._handle.find_node(name))

    def find(self, name):
        """The Value of that name or None."""
        return self._value(self._handle.find_value(name))

    def text(self, max_data=16):
        """The text form; constants of more than max_data elements are shown as a hash."""
        return self._handle.text(max_data)

    def __str__(self):
        return self.text()

    _known = json.loads(_whet.builder().network().operators())

    @staticmethod
    def operators():
        """{operator: {"inputs": [...], "outputs": [...], "attributes": [...]}}."""
        return Network._known

    # ---- editing, leaving ----

    def replace(self, old, new):
        """Every use of `old` becomes `new`, but for those by which `new` is computed itself."""
        self._handle.replace(old._handle, self._operand(new))

    def sweep(self):
        """Removes nodes that contribute to no output; gives their number."""
        return self._handle.sweep()

    def save_onnx(self, path, external=False):
        """Writes an ONNX model. external: weights go to a file beside it, as they do anyway when
        they take more than 2 GB."""
        self._handle.save_onnx(os.fspath(path), external)

    def build(self, config=None, **options):
        """An Engine of the network as it is now; options are those of whet.build."""
        return self._builder.build(config, **options)
