# SPDX-License-Identifier: Apache-2.0
"""Compares the data types that each operator takes with those of ONNX's specification.

For every operator of ai.onnx, every version of it and every type that a type variable may stand
for, a model of one node is checked. Prints what is refused because of its type; the exit status is
1 when something is. tests/python/test_types.py runs it.

    .venv/bin/python scripts/check_types.py [OPERATOR...]
"""

import collections
import re
import sys

import onnx
from onnx import TensorProto, helper

import whet

NUMBERS = {
    "float": "FLOAT", "double": "DOUBLE", "string": "STRING", "bool": "BOOL",
    "complex64": "COMPLEX64", "complex128": "COMPLEX128",
}


def number_of(text):
    """tensor(float) to TensorProto.FLOAT; None for what is no tensor."""
    inner = re.fullmatch(r"tensor\((\w+)\)", text)
    return inner and getattr(TensorProto, NUMBERS.get(inner[1], inner[1].upper()))


# What the specification's lists of types let in, but no text of it defines.
EXCEPTIONS = {
    ("Col2Im", TensorProto.STRING): "sums of texts",
}


def types_of(schema):
    """{type variable: [numbers]}, types written out in full being variables of their own."""
    found = {c.type_param_str: [number_of(t) for t in c.allowed_type_strs if number_of(t)]
             for c in schema.type_constraints}
    for port in list(schema.inputs) + list(schema.outputs):
        if port.type_str not in found and number_of(port.type_str):
            found[port.type_str] = [number_of(port.type_str)]
    return found


def attribute_of(attribute, types, schema):
    """A value for a required attribute, or for one that names a type; None for the others."""
    kinds = onnx.defs.OpSchema.AttrType
    out = types.get(schema.outputs[0].type_str)
    if attribute.name in ("to", "dtype", "output_datatype"):
        named = schema.name == "Cast" and schema.since_version < 6 and out
        return TensorProto.DataType.Name(out) if named else out
    if attribute.name == "value" and schema.name == "ConstantOfShape":
        bits = helper.tensor_dtype_to_np_dtype(out).itemsize if out else 4
        return helper.make_tensor("v", out, [1], bytes(bits), raw=True)
    if attribute.name == "output_dtype" and schema.name in ("QuantizeLinear", "DequantizeLinear"):
        return out
    if not attribute.required:
        return None
    return {kinds.INT: 1, kinds.FLOAT: 1.0, kinds.STRING: "LEFT", kinds.INTS: [1, 1],
            kinds.FLOATS: [1.0]}.get(attribute.type)


def model_of(schema, types):
    """A model of one node, its inputs of unknown rank."""
    option = onnx.defs.OpSchema.FormalParameterOption
    inputs = []
    for i, port in enumerate(schema.inputs):
        if port.option == option.Optional and i >= schema.min_input and (i > 3 or
                                                                         port.name == "split"):
            break
        number = types.get(port.type_str)
        if number is None:
            return None
        for k in range(2 if port.option == option.Variadic else 1):
            inputs.append(helper.make_tensor_value_info(f"i{i}_{k}", number, None))
    out = types.get(schema.outputs[0].type_str)
    attributes = {}
    for a in schema.attributes.values():
        value = attribute_of(a, types, schema)
        if value is not None:
            attributes[a.name] = value
    node = helper.make_node(schema.name, [i.name for i in inputs], ["y"], **attributes)
    graph = helper.make_graph([node], "g", inputs,
                              [helper.make_tensor_value_info("y", out or 0, None)])
    return helper.make_model(graph, ir_version=13, opset_imports=[
        helper.make_opsetid("", schema.since_version)]).SerializeToString()


def refused(model):
    """The problem with the types of a model, or None."""
    for problem in whet.check(model)["problems"]:
        text = problem["text"]
        if problem["status"] == "WHET_E_DTYPE" or re.search(r"of type \w+ |cannot be|type \w+ \(",
                                                            text):
            return text
    return None


def check(schema):
    """[(type variable, number, problem)]"""
    types = types_of(schema)
    lost = []
    first = {}
    for name, numbers in types.items():  # a type that all of them usually take
        first[name] = next((n for n in (TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL)
                            if n in numbers), numbers[0] if numbers else None)
    for name, numbers in types.items():
        for number in numbers:
            chosen = {**first, name: number}
            if schema.name == "OptionalGetElement":  # two variables for one type
                chosen["O"] = chosen["V"] = number
            model = model_of(schema, chosen)
            text = model and refused(model)
            if text and (schema.name, number) not in EXCEPTIONS:
                lost.append((name, number, text))
    return lost


def lost_types(names=()):
    """{operator: [(version, type variable, number, problem)]}"""
    rows = collections.defaultdict(list)
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain or schema.deprecated or (names and schema.name not in names):
            continue
        for name, number, text in check(schema):
            rows[schema.name].append((schema.since_version, name, number, text))
    return rows


def main(names):
    rows = lost_types(names)
    for name, lost in sorted(rows.items()):
        for version, variable, number, text in sorted(lost):
            print(f"{name}-{version} {variable} {TensorProto.DataType.Name(number)}: {text}")
    print(f"{len(rows)} operators do not take all types of the specification")
    return min(len(rows), 1)


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
