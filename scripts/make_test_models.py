#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small models of tests/data (needs the onnx package).

usage: make_test_models.py [FOLDER]

Each function below makes one model named after it; tests/unit/test_import*.c say what the importer
must make of it. Files are deterministic, so a second run changes nothing.
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

MODELS = {}


def model(fn):
    MODELS[fn.__name__] = fn
    return fn


def info(name, shape=("n", 4), dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def make(nodes, inputs=None, outputs=None, opset=17, init=(), ir=8, **more):
    opsets = more.pop("opsets", None)
    if opsets is None:
        opsets = [h.make_opsetid("", opset)] if opset else []
    graph = h.make_graph(nodes, "g", inputs if inputs is not None else [info("x")],
                         outputs if outputs is not None else [info("y")], list(init),
                         value_info=more.pop("infos", []))
    m = h.make_model(graph, opset_imports=opsets or [h.make_opsetid("", 1)], producer_name="test",
                     producer_version="1", functions=more.pop("functions", []))
    if not opsets:
        del m.opset_import[:]
    m.ir_version = ir
    return m


def const(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype), name)


def typed(name, dtype, dims, values):
    return h.make_tensor(name, dtype, dims, values)


@model
def add():
    return make([h.make_node("Add", ["x", "b"], ["s"], "sum"), h.make_node("Relu", ["s"], ["y"])],
                init=[const("b", [1, -2, 3, -4])])


@model
def dims():
    """Named, unnamed and unspeakable dimensions."""
    inputs = [info("x", ("n", None, 3)), info("z", ("n", "2 * n", "?q")),
              h.make_tensor_value_info("w", T.FLOAT, None)]
    outputs = [info("a", None), info("b", None), info("c", None)]
    return make([h.make_node("Relu", ["x"], ["a"]), h.make_node("Relu", ["z"], ["b"]),
                 h.make_node("Relu", ["w"], ["c"])], inputs, outputs)


@model
def dtypes():
    """Every element type as raw bytes and in its typed field."""
    rows = [("f32", T.FLOAT, np.float32), ("u8", T.UINT8, np.uint8), ("i8", T.INT8, np.int8),
            ("u16", T.UINT16, np.uint16), ("i16", T.INT16, np.int16), ("i32", T.INT32, np.int32),
            ("i64", T.INT64, np.int64), ("bool", T.BOOL, np.bool_), ("f16", T.FLOAT16, np.float16),
            ("f64", T.DOUBLE, np.float64), ("u32", T.UINT32, np.uint32),
            ("u64", T.UINT64, np.uint64)]
    nodes, outputs, init = [], [], []
    for name, dtype, kind in rows:
        for form in ("raw", "typed"):
            values = [1, 0, 1] if dtype == T.BOOL else [1, 2, 3]
            n = f"{name}_{form}"
            init.append(const(n, values, kind) if form == "raw" else typed(n, dtype, [3], values))
            nodes.append(h.make_node("Identity", [n], [n + "_out"]))
            outputs.append(info(n + "_out", (3,), dtype))
    bf16 = T(name="bf16", data_type=T.BFLOAT16, dims=[3], int32_data=[0x3F80, 0x4000, 0x4040])
    nodes.append(h.make_node("Identity", ["bf16"], ["bf16_out"]))
    outputs.append(info("bf16_out", (3,), T.BFLOAT16))
    return make(nodes, [], outputs, init=init + [bf16])


@model
def constants():
    """All forms of Constant that are supported."""
    nodes = [h.make_node("Constant", [], ["a"], value=const("", [1, 2, 3, 4])),
             h.make_node("Constant", [], ["b"], value_float=2.0),
             h.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0, 4.0]),
             h.make_node("Constant", [], ["d"], value_int=4),
             h.make_node("Constant", [], ["e"], value_ints=[-1, 4]),
             h.make_node("Add", ["x", "a"], ["p"]), h.make_node("Mul", ["p", "b"], ["q"]),
             h.make_node("Add", ["q", "c"], ["r"]), h.make_node("Reshape", ["r", "e"], ["y"])]
    return make(nodes, outputs=[info("y"), info("d", (), T.INT64)])


def external_model(location, offset=None, length=None):
    t = T(name="w", data_type=T.FLOAT, dims=[4], data_location=T.EXTERNAL)
    entries = {"location": location, "offset": offset, "length": length}
    for key, value in entries.items():
        if value is not None:
            t.external_data.add(key=key, value=str(value))
    return make([h.make_node("Add", ["x", "w"], ["y"])], init=[t])


@model
def external():
    return external_model("external.bin", 16, 16)


@model
def external_rest():
    return external_model("external.bin")


@model
def external_unaligned():
    return external_model("external.bin", 17)


@model
def external_absolute():
    return external_model("/etc/hostname")


@model
def external_dotdot():
    return external_model("sub/../../external.bin")


@model
def external_link():
    return external_model("link.bin")


@model
def external_short():
    return external_model("external.bin", 24)


@model
def external_length():
    return external_model("external.bin", 0, 12)


@model
def external_missing():
    return external_model("nowhere.bin")


@model
def external_folder():
    return external_model(".")


@model
def external_nolocation():
    return external_model(None)


@model
def external_number():
    return external_model("external.bin", "x1")


def leaky(name="Leaky", nodes=None, attrs=("slope",), defaults=(), opset=17):
    nodes = nodes or [h.make_node("LeakyRelu", ["a"], ["t"], "inner"),
                      h.make_node("Identity", ["t"], ["b"])]
    if nodes[0].op_type == "LeakyRelu":
        ref = nodes[0].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
        ref.ref_attr_name = "slope"
    return h.make_function("local", name, ["a"], ["b"], nodes, [h.make_opsetid("", opset),
                           h.make_opsetid("local", 1)], attrs, list(defaults))


LOCAL = [h.make_opsetid("", 17), h.make_opsetid("local", 1)]


@model
def functions():
    """Nested calls; an attribute by reference, by default, and absent."""
    outer = leaky("Outer", [h.make_node("Leaky", ["a"], ["t"], domain="local", slope=0.5),
                            h.make_node("Defaulted", ["t"], ["b"], domain="local")], attrs=())
    defaulted = leaky("Defaulted", attrs=(), defaults=[h.make_attribute("slope", 0.25)])
    nodes = [h.make_node("Outer", ["x"], ["t"], "call", domain="local"),
             h.make_node("Leaky", ["t"], ["u"], "absent", domain="local"),
             h.make_node("Leaky", ["u"], ["y"], "call", domain="local", slope=0.125)]
    return make(nodes, opsets=LOCAL, functions=[outer, leaky(), defaulted])


@model
def function_recursive():
    again = leaky("Again", [h.make_node("Again", ["a"], ["b"], domain="local")], attrs=())
    return make([h.make_node("Again", ["x"], ["y"], domain="local")], opsets=LOCAL,
                functions=[again])


@model
def function_bad():
    """Too many inputs, an unknown attribute, a result that is not defined."""
    empty = leaky("Empty", [h.make_node("Relu", ["a"], ["other"])], attrs=())
    nodes = [h.make_node("Leaky", ["x", "x"], ["t"], domain="local"),
             h.make_node("Leaky", ["x"], ["u"], domain="local", slip=1.0),
             h.make_node("Empty", ["x"], ["y"], domain="local")]
    return make(nodes, opsets=LOCAL, functions=[leaky(), empty])


@model
def function_deep():
    """2^16 nodes from 16 functions, each calling the next one twice."""
    fns = []
    for i in range(16):
        callee = dict(op_type=f"F{i + 1}", domain="local") if i < 15 else dict(op_type="Relu")
        body = [h.make_node(inputs=["a"], outputs=["t"], **callee),
                h.make_node(inputs=["t"], outputs=["b"], **callee)]
        fns.append(leaky(f"F{i}", body, attrs=()))
    return make([h.make_node("F0", ["x"], ["y"], domain="local")], opsets=LOCAL, functions=fns)


@model
def reference_outside():
    node = h.make_node("LeakyRelu", ["x"], ["y"])
    node.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    return make([node])


@model
def overridable():
    """IR version 3: initializers are inputs too."""
    return make([h.make_node("Add", ["x", "b"], ["y"])], [info("x"), info("b", (4,))], opset=7,
                init=[const("b", [1, 2, 3, 4])], ir=3)


@model
def problems():
    nodes = [h.make_node("Frobnicate", ["x"], [f"t{i}"]) for i in range(250)]
    return make(nodes, outputs=[info("t0")])


@model
def cycle():
    return make([h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Relu", ["a"], ["b"]),
                 h.make_node("Relu", ["b"], ["y"])])


@model
def unordered():
    return make([h.make_node("Relu", ["t"], ["y"]), h.make_node("Relu", ["x"], ["t"])])


@model
def duplicate():
    return make([h.make_node("Relu", ["x"], ["y"]), h.make_node("Abs", ["x"], ["y"])],
                init=[const("c", [1]), const("c", [2])], inputs=[info("x"), info("x")],
                outputs=[info("y"), info("y")])


@model
def undefined():
    return make([h.make_node("Add", ["x", "nothing"], ["y"])],
                outputs=[info("y"), info("neither")])


@model
def misspelt():
    return make([h.make_node("Reluu", ["x"], ["t"]), h.make_node("softmax", ["t"], ["y"])])


@model
def too_old():
    return make([h.make_node("Gelu", ["x"], ["y"])], opset=17)


@model
def newer():
    return make([h.make_node("Relu", ["x"], ["y"])], opset=99)


@model
def no_opset():
    return make([h.make_node("Relu", ["x"], ["y"])], opset=0)


@model
def no_opset_ir2():
    return make([h.make_node("Relu", ["x"], ["y"], consumed_inputs=[0])], opset=0, ir=2)


@model
def unknown_domain():
    return make([h.make_node("Relu", ["x"], ["t"], domain="nobody"),
                 h.make_node("Gelu", ["t"], ["y"], domain="com.microsoft")])


@model
def other_domain():
    return make([h.make_node("BiasGelu", ["x", "x"], ["y"])])


@model
def attributes():
    """Every way in which attributes can be wrong."""
    nodes = [h.make_node("LeakyRelu", ["x"], ["a"], alpha="a"),
             h.make_node("LeakyRelu", ["x"], ["b"], beta=1.0),
             h.make_node("Concat", ["x", "x"], ["c"]),
             h.make_node("Gelu", ["x"], ["d"], approximate="fast"),
             h.make_node("Cast", ["x"], ["e"], to=99),
             h.make_node("Gemm", ["x", "x"], ["f"], transB=2),
             h.make_node("Relu", ["x"], ["g", "h", "i"])]
    return make(nodes, outputs=[info("a")], opset=20)


@model
def sparse():
    m = make([h.make_node("Add", ["x", "s"], ["y"])])
    for name, at, dims in (("s", [2], [4]), ("far", [4], [4]), ("back", [2, 1], [4]),
                           ("flat", [[1, 2]], [2, 2]), ("short", [1, 2], [4]),
                           ("huge", [1], [1 << 15, 1 << 15])):
        values = const(name, [1.0] * (1 if name == "short" else len(at)))
        m.graph.sparse_initializer.add().CopyFrom(
            h.make_sparse_tensor(values, const("i", at, np.int64), dims))
    return m


@model
def branches():
    """If, with a node that is not known inside."""
    def branch(name, op):
        return h.make_graph([h.make_node(op, ["x"], [name])], name, [], [info(name)])

    node = h.make_node("If", ["c"], ["y"], then_branch=branch("t", "Relu"),
                       else_branch=branch("e", "Frobnicate"))
    return make([node], [info("x"), info("c", (), T.BOOL)])


@model
def branches_known():
    """If on a rank, nested, with an initializer and an outer name; the other branch is unknown."""
    inner = h.make_graph([h.make_node("Add", ["t", "k"], ["r"])], "i", [], [info("r")],
                         [const("k", [1, 2, 3, 4])])
    never = h.make_graph([h.make_node("Frobnicate", ["x"], ["r"])], "n", [], [info("r")])
    then = h.make_graph([h.make_node("Relu", ["x"], ["t"]),
                         h.make_node("If", ["c"], ["u"], "in", then_branch=inner,
                                     else_branch=never)], "t", [], [info("u")])
    nodes = [h.make_node("Shape", ["x"], ["s"]), h.make_node("Size", ["s"], ["rank"]),
             h.make_node("Equal", ["rank", "two"], ["c"]),
             h.make_node("If", ["c"], ["y"], "out", then_branch=then, else_branch=never)]
    return make(nodes, init=[const("two", 2, np.int64)])


@model
def sequences():
    """Every sequence operator, resolved while reading."""
    nodes = [h.make_node("SplitToSequence", ["x"], ["s"], axis=0, keepdims=0),
             h.make_node("SequenceLength", ["s"], ["n"]),
             h.make_node("SequenceAt", ["s", "minus"], ["last"]),
             h.make_node("SequenceInsert", ["s", "last", "zero"], ["more"]),
             h.make_node("SequenceErase", ["more"], ["less"]),
             h.make_node("Optional", ["less"], ["o"]),
             h.make_node("OptionalGetElement", ["o"], ["back"]),
             h.make_node("OptionalHasElement", ["o"], ["has"]),
             h.make_node("OptionalHasElement", [""], ["not"]),
             h.make_node("ConcatFromSequence", ["back"], ["a"], axis=0, new_axis=1),
             h.make_node("SequenceConstruct", ["last", "last"], ["two"]),
             h.make_node("ConcatFromSequence", ["two"], ["b"], axis=-1),
             h.make_node("SequenceEmpty", [], ["none"], dtype=T.FLOAT),
             h.make_node("SequenceInsert", ["none", "b"], ["one"]),
             h.make_node("SequenceAt", ["one", "zero"], ["c"]),
             h.make_node("SplitToSequence", ["c", "three"], ["u"], axis=0),
             h.make_node("SplitToSequence", ["c", "pair"], ["v"], axis=0),
             h.make_node("SequenceAt", ["u", "two_at"], ["d"]),
             h.make_node("SequenceAt", ["v", "zero"], ["e"])]
    outputs = [info("n", (), T.INT64), info("has", (), T.BOOL), info("not", (), T.BOOL),
               info("a", (3, 4)), info("d", (2,)), info("e", (2,))]
    init = [const("minus", -1, np.int64), const("zero", 0, np.int64), const("three", 3, np.int64),
            const("pair", [2, 6], np.int64), const("two_at", 2, np.int64)]
    return make(nodes, [info("x", (3, 4))], outputs, opset=18, init=init)


@model
def sequences_bad():
    nodes = [h.make_node("SequenceConstruct", ["x", "x"], ["s"]),
             h.make_node("Relu", ["s"], ["a"]), h.make_node("SequenceAt", ["x", "k"], ["b"]),
             h.make_node("SequenceAt", ["s", "k"], ["c"]),
             h.make_node("SequenceErase", ["s", "i"], ["d"]),
             h.make_node("SplitToSequence", ["x"], ["e"]),
             h.make_node("Optional", [], ["f"])]
    return make(nodes, [info("x"), info("i", (), T.INT64)],
                [h.make_tensor_sequence_value_info("s", T.FLOAT, None)],
                init=[const("k", 2, np.int64)])


@model
def declared():
    """Declared types that contradict the computed ones, and one that helps after a problem."""
    nodes = [h.make_node("Relu", ["x"], ["a"]), h.make_node("Relu", ["x"], ["b"]),
             h.make_node("Relu", ["x"], ["c"]), h.make_node("Frobnicate", ["x"], ["d"]),
             h.make_node("Concat", ["d", "x"], ["y"], axis=0)]
    infos = [info("a", ("n", 4), T.DOUBLE), info("b", ("n", 5)), info("c", (4,)),
             info("d", ("m", 5))]
    return make(nodes, infos=infos)


@model
def bad_tensors():
    tensors = [T(name="count", data_type=T.FLOAT, dims=[3], float_data=[1, 2]),
               T(name="raw", data_type=T.FLOAT, dims=[3], raw_data=b"1234"),
               T(name="negative", data_type=T.FLOAT, dims=[-1]),
               T(name="huge", data_type=T.DOUBLE, dims=[1 << 40, 1 << 40]),
               T(name="string", data_type=T.STRING, dims=[1], string_data=[b"a"]),
               T(name="number", data_type=77, dims=[1]),
               T(name="rank", data_type=T.FLOAT, dims=[1] * 13, float_data=[1]),
               T(name="fit", data_type=T.UINT8, dims=[1], int32_data=[300]),
               T(data_type=T.FLOAT, dims=[1], float_data=[1])]
    return make([h.make_node("Relu", ["x"], ["y"])], init=tensors)


@model
def bools():
    t = T(name="c", data_type=T.BOOL, dims=[3], raw_data=b"\x02\x00\xff")
    return make([h.make_node("Identity", ["c"], ["y"])], [], [info("y", (3,), T.BOOL)], init=[t])


@model
def legacy():
    """Opset 6: axis broadcasting, attributes that are inputs today."""
    nodes = [h.make_node("Add", ["x", "b"], ["s"], axis=1, broadcast=1),
             h.make_node("Unsqueeze", ["s"], ["u"], axes=[0]),
             h.make_node("Squeeze", ["u"], ["q"], axes=[0]),
             h.make_node("Slice", ["q"], ["r"], starts=[0], ends=[1], axes=[2]),
             h.make_node("Softmax", ["r"], ["t"]),
             h.make_node("Dropout", ["t"], ["v"], is_test=1),
             h.make_node("ReduceSum", ["v"], ["w"], axes=[2], keepdims=0),
             h.make_node("Sum", ["w", "w", "w"], ["y"])]
    return make(nodes, [info("x", (2, 3, 5))], [info("y", (2, 3))], opset=6,
                init=[const("b", [1, 2, 3])])


@model
def training():
    graph = h.make_graph(
        [h.make_node("Add", ["a", "b"], ["s"]), h.make_node("Ceil", ["s"], ["c"]),
         h.make_node("Gradient", ["a", "b"], ["da", "db"], domain="ai.onnx.preview.training",
                     xs=["a", "b"], y="c")],
        "g", [info("a", (1,)), info("b", (1,))], [info("da", (1,))])
    return h.make_model(graph, ir_version=7, opset_imports=[
        h.make_opsetid("", 12), h.make_opsetid("ai.onnx.preview.training", 1)])


@model
def microsoft():
    nodes = [h.make_node("BiasGelu", ["x", "b"], ["a"], domain="com.microsoft"),
             h.make_node("FastGelu", ["a", "b"], ["c"], domain="com.microsoft"),
             h.make_node("QuickGelu", ["c"], ["d"], domain="com.microsoft"),
             h.make_node("FusedMatMul", ["d", "m"], ["y"], domain="com.microsoft", transB=1,
                         alpha=0.5)]
    opsets = [h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)]
    return make(nodes, opsets=opsets, init=[const("b", [1, 2, 3, 4]), const("m", np.ones((4, 4)))])


@model
def no_graph():
    m = onnx.ModelProto(ir_version=8, producer_name="nobody")
    return m


@model
def no_outputs():
    return make([h.make_node("Relu", ["x"], ["y"])], outputs=[])


@model
def plugin():
    """An operator that only a plugin can be: an int for a float, no opset of its domain."""
    return make([h.make_node("Times", ["x"], ["t"], "times", domain="mydomain", factor=3),
                 h.make_node("Relu", ["t"], ["y"])])


@model
def plugin_version():
    return make([h.make_node("Times", ["x"], ["y"], domain="trt.plugins", factor=0.5,
                             plugin_version="2", plugin_namespace="mydomain")])


@model
def plugin_constant():
    """Of constants: folded when the model is built."""
    return make([h.make_node("Times", ["c"], ["t"], "times", domain="mydomain", factor=2.0),
                 h.make_node("Add", ["x", "t"], ["y"])], init=[const("c", [1, 2, 3, 4])])


@model
def plugin_wrong():
    return make([h.make_node("Times", ["x"], ["y"], "times", domain="mydomain", colour=3)])


def sums(back):
    """A branch: the sum of the rows of w, by a scan from one end or the other."""
    body = h.make_graph([h.make_node("Add", ["s", "row"], ["s2"])], "rows",
                        [info("s", (3,)), info("row", (3,))], [info("s2", (3,))])
    scan = h.make_node("Scan", ["zero", "w"], ["sum"], "walk", num_scan_inputs=1, body=body,
                       scan_input_directions=[back])
    return h.make_graph([scan], "sums", [], [info("sum", (3,))])


@model
def loop_flow():
    """A Scan in an If in a Loop."""
    body = h.make_graph(
        [h.make_node("Identity", ["ci"], ["co"]),
         h.make_node("Mod", ["i", "two"], ["rest"]), h.make_node("Equal", ["rest", "one"], ["odd"]),
         h.make_node("If", ["odd"], ["more"], "choose", then_branch=sums(0), else_branch=sums(1)),
         h.make_node("Add", ["acc", "more"], ["acc2"], "sum"),
         h.make_node("Identity", ["acc2"], ["part"])],
        "turn", [info("i", (), T.INT64), info("ci", (), T.BOOL), info("acc", (3,))],
        [info("co", (), T.BOOL), info("acc2", (3,)), info("part", (3,))])
    return make([h.make_node("Loop", ["m", "c", "v"], ["y", "ys"], "outer", body=body)],
                [info("m", (), T.INT64), info("c", (), T.BOOL), info("v", (3,)),
                 info("w", ("n", 3))], [info("y", (3,)), info("ys", ("k", 3))],
                init=[const("two", 2, np.int64), const("one", 1, np.int64),
                      const("zero", [0, 0, 0])])


@model
def found_shapes():
    """Texts, items and indices whose shapes only running tells, and what reads them."""
    return make([h.make_node("SequenceConstruct", ["x", "x"], ["s"]),
                 h.make_node("SequenceAt", ["s", "i"], ["t"]), h.make_node("Neg", ["t"], ["y"]),
                 h.make_node("StringSplit", ["w"], ["u", "count"]),
                 h.make_node("Concat", ["u", "u"], ["words"], axis=0),
                 h.make_node("NonZero", ["t"], ["nz"]), h.make_node("Transpose", ["nz"], ["z"])],
                [info("w", ("n",), T.STRING), info("x", ("n",)), info("i", (), T.INT64)],
                [info("words", ("a", "b"), T.STRING), info("y", ("c",)),
                 info("z", ("d", 1), T.INT64)], opset=20)


@model
def objects_out():
    """Results that are no tensors of numbers."""
    nodes = [h.make_node("SequenceConstruct", ["x", "x"], ["both"]),
             h.make_node("Optional", ["x"], ["maybe"]),
             h.make_node("ZipMap", ["x"], ["maps"], classlabels_strings=["a\"b", "c"],
                         domain="ai.onnx.ml"),
             h.make_node("StringConcat", ["w", "w"], ["twice"])]
    tensor = h.make_tensor_type_proto(T.FLOAT, ("n", 2))
    types = {"both": h.make_sequence_type_proto(tensor),
             "maybe": h.make_optional_type_proto(tensor),
             "maps": h.make_sequence_type_proto(h.make_map_type_proto(
                 T.STRING, h.make_tensor_type_proto(T.FLOAT, [])))}
    outputs = [h.make_value_info(name, t) for name, t in types.items()]
    return make(nodes, [info("x", ("n", 2)), info("w", ("k",), T.STRING)],
                [*outputs, info("twice", ("k",), T.STRING)],
                opsets=[h.make_opsetid("", 20), h.make_opsetid("ai.onnx.ml", 3)])


@model
def object_in():
    """The length of a sequence that comes from outside."""
    tensor = h.make_tensor_type_proto(T.FLOAT, ("n",))
    return make([h.make_node("SequenceLength", ["s"], ["y"])],
                [h.make_value_info("s", h.make_sequence_type_proto(tensor))],
                [info("y", (), T.INT64)])


@model
def libraries():
    """A plugin of libwhet_plugins.so and an operator of libwhet_ops.so."""
    nodes = [h.make_node("CustomGeluPluginDynamic", ["x"], ["y"], domain="trt.plugins",
                         plugin_version="1", type_id=0),
             h.make_node("ImageDecoder", ["image"], ["pixels"])]
    return make(nodes, [info("x", (1, 1, 2, 1, 1)), info("image", ("n",), T.UINT8)],
                [info("y", None), info("pixels", ("h", "w", 3), T.UINT8)],
                opsets=[h.make_opsetid("", 20), h.make_opsetid("trt.plugins", 1)])


@model
def loop_product():
    """Products with a constant and with a captured matrix in a Loop, and one before it."""
    body = h.make_graph(
        [h.make_node("Identity", ["ci"], ["co"]), h.make_node("MatMul", ["v", "k"], ["p"]),
         h.make_node("Tanh", ["p"], ["t"]), h.make_node("MatMul", ["t", "w"], ["v2"]),
         h.make_node("Neg", ["v2"], ["part"])],
        "turn", [info("i", (), T.INT64), info("ci", (), T.BOOL), info("v", ("n", 4))],
        [info("co", (), T.BOOL), info("v2", ("n", 4)), info("part", ("n", 4))])
    k = np.arange(16).reshape(4, 4) % 5 / 4 - 0.5
    return make([h.make_node("MatMul", ["x", "k"], ["v0"]),
                 h.make_node("Loop", ["m", "", "v0"], ["y", "ys"], "outer", body=body)],
                [info("m", (), T.INT64), info("x"), info("w", (4, 4))],
                [info("y"), info("ys", ("t", "n", 4))], init=[const("k", k)])


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(__file__).resolve().parent.parent / "tests" / "data")
    folder.mkdir(parents=True, exist_ok=True)
    for name, fn in MODELS.items():
        (folder / f"{name}.onnx").write_bytes(fn().SerializeToString(deterministic=True))
    (folder / "external.bin").write_bytes(np.arange(9, dtype=np.float32).tobytes())


if __name__ == "__main__":
    main()
