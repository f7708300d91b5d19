#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/cases: small models with inputs and the results of onnxruntime.

usage: make_onnx_cases.py [FOLDER]      (needs onnx and onnxruntime)

ONNX's own backend tests cover its current operators; these cover old spellings and those of
onnxruntime (domain com.microsoft). One folder a case, laid out as ONNX lays out its tests.
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h
from onnx import numpy_helper

CASES = {}


def case(name, op, inputs, outputs=1, opset=17, domain="", constant=(), **attrs):
    """inputs: arrays, None where absent; `constant`: indices of those that are initializers."""
    CASES[name] = (op, inputs, outputs, opset, domain, constant, attrs)


def ms(name, op, inputs, outputs=1, **more):
    case("ms_" + name, op, inputs, outputs, domain="com.microsoft", **more)


rng = np.random.default_rng(7)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i32(values):
    return np.array(values, np.int32)


def i64(values):
    return np.array(values, np.int64)


# ---- domain com.microsoft ----
ms("gelu", "Gelu", [f32(2, 3)])
ms("bias_gelu", "BiasGelu", [f32(2, 3), f32(3)])
ms("fast_gelu", "FastGelu", [f32(2, 3)])
ms("fast_gelu_bias", "FastGelu", [f32(2, 3), f32(3)])
ms("quick_gelu", "QuickGelu", [f32(2, 3)])
ms("quick_gelu_alpha", "QuickGelu", [f32(2, 3)], alpha=1.0)
ms("fused_matmul", "FusedMatMul", [f32(2, 3, 4), f32(2, 5, 4)], transB=1, alpha=0.5)
ms("fused_matmul_a", "FusedMatMul", [f32(4, 3), f32(4, 5)], transA=1)
for act, more in {"Relu": {}, "LeakyRelu": {"activation_alpha": 0.1}, "Tanh": {}}.items():
    ms("fused_gemm_" + act.lower(), "FusedGemm", [f32(3, 4), f32(4, 2), f32(2)], activation=act,
       alpha=0.5, **more)
ms("fused_conv_relu", "FusedConv", [f32(1, 2, 4, 4), f32(3, 2, 3, 3), f32(3)], activation="Relu",
   pads=[1, 1, 1, 1])
ms("fused_conv_clip", "FusedConv", [f32(1, 2, 4, 4), f32(3, 2, 3, 3)], activation="Clip",
   activation_params=[-0.5, 0.5])
ms("fused_conv_sum", "FusedConv", [f32(1, 2, 4, 4), f32(3, 2, 3, 3), f32(3), f32(1, 3, 2, 2)],
   activation="LeakyRelu", activation_params=[0.1])
for norm in ("Skip", "SkipSimplified"):
    simple = norm == "SkipSimplified"
    beta = [] if simple else [f32(4)]
    tag = "skip_simplified" if simple else "skip"
    kind = norm + "LayerNormalization"
    ms(tag + "_norm", kind, [f32(2, 3, 4), f32(2, 3, 4), f32(4)] + beta, epsilon=1e-5)
    ms(tag + "_norm_bias", kind, [f32(2, 3, 4), f32(2, 3, 4), f32(4)] + beta + [f32(4)],
       outputs=(0, 3), epsilon=1e-5)
ms("skip_norm_no_beta", "SkipLayerNormalization", [f32(2, 3, 4), f32(2, 3, 4), f32(4)])
ms("skip_norm_broadcast", "SkipLayerNormalization", [f32(2, 3, 4), f32(3, 4), f32(4), f32(4)])
case("simplified_norm", "SimplifiedLayerNormalization", [f32(2, 3, 4), f32(4)], axis=-1,
     epsilon=1e-5, stash_type=1)
half = 2
cos, sin = np.cos(f32(8, half)), np.sin(f32(8, half))
ms("rotary", "RotaryEmbedding", [f32(2, 3, 8), i64([[0, 1, 2], [3, 4, 5]]), cos, sin])
ms("rotary_offset", "RotaryEmbedding", [f32(2, 3, 8), i64([2]), cos, sin])
ms("rotary_heads", "RotaryEmbedding", [f32(2, 2, 3, 4), i64([[0, 1, 2], [3, 4, 5]]), cos, sin],
   interleaved=1)
ms("rotary_heads_offset", "RotaryEmbedding", [f32(2, 2, 3, 4), i64([4]), cos, sin])

# multi-head attention: batch 2, sequence 3, 2 heads of 4
q, k, v = f32(2, 3, 8), f32(2, 5, 8), f32(2, 5, 8)
ms("mha", "MultiHeadAttention", [q, k, v], num_heads=2)
ms("mha_bias", "MultiHeadAttention", [q, k, v, f32(24)], num_heads=2)
ms("mha_mask", "MultiHeadAttention", [q, k, v, None, i32([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]])],
   num_heads=2)
ms("mha_lengths", "MultiHeadAttention", [q, k, v, None, i32([4, 2])], num_heads=2)
ms("mha_attention_bias", "MultiHeadAttention", [q, k, v, None, None, f32(1, 2, 3, 5)], num_heads=2)
ms("mha_past", "MultiHeadAttention",
   [q, f32(2, 3, 8), f32(2, 3, 8), None, None, None, f32(2, 2, 2, 4), f32(2, 2, 2, 4)],
   outputs=3, num_heads=2)
ms("mha_unidirectional", "MultiHeadAttention", [q, f32(2, 3, 8), f32(2, 3, 8)], num_heads=2,
   unidirectional=1, scale=0.3)
x, w, b = f32(2, 3, 4), f32(4, 24), f32(24)
ms("attention", "Attention", [x, w, b], num_heads=2)
ms("attention_mask", "Attention", [x, w, b, i32([[1, 1, 0], [1, 0, 0]])], num_heads=2)
ms("attention_lengths", "Attention", [x, w, b, i32([2, 3])], num_heads=2)
ms("attention_unidirectional", "Attention", [x, w, b], num_heads=2, unidirectional=1)
ms("attention_past", "Attention", [x, w, b, None, f32(2, 2, 2, 2, 4)], outputs=2, num_heads=2)
ms("attention_sizes", "Attention", [x, f32(4, 20), f32(20)], num_heads=2,
   qkv_hidden_sizes=[8, 8, 4])

# ---- quantized, domain com.microsoft; results lie off the middle between two steps ----
def u8(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


F, U, S = np.float32, np.uint8, np.int8
QA, QB = (F(0.0173), U(120)), (F(0.0211), U(7))
ms("q_add", "QLinearAdd", [u8(2, 3), *QA, u8(3), *QB, F(0.0391), U(100)])
ms("q_mul", "QLinearMul", [u8(2, 3), *QA, u8(3), *QB, F(0.0291), U(100)])
ms("q_sigmoid", "QLinearSigmoid", [u8(2, 3), *QA, F(0.0039), U(0)])
ms("q_leaky", "QLinearLeakyRelu", [i8(2, 3), F(0.0173), S(3), F(0.0211), S(-5)], alpha=0.1)
ms("q_average", "QLinearAveragePool", [u8(1, 2, 4, 4), *QA, F(0.0191), U(110)],
   kernel_shape=[2, 2], strides=[2, 2])
ms("q_global", "QLinearGlobalAveragePool", [u8(1, 2, 4, 4), *QA, F(0.0061), U(110)])
ms("q_concat", "QLinearConcat", [F(0.0231), U(90), u8(2, 3), *QA, u8(2, 2), *QB], axis=1)
ms("q_softmax", "QLinearSoftmax", [u8(2, 5), *QA, F(1 / 256), U(0)], axis=-1, opset_=13)
ms("q_gemm", "QGemm", [u8(3, 4), *QA, i8(4, 2), F(0.0131), S(0), i32([100, -200]), F(0.0517),
                       U(99)], constant=(3, 4, 5))
ms("q_gemm_columns", "QGemm", [u8(3, 4), *QA, i8(2, 4), np.array([0.0131, 0.02], F),
                               np.array([0, 0], S), i32([100, -200])], transB=1, constant=(3, 4, 5))
ms("matmul_integer_to_float", "MatMulIntegerToFloat",
   [u8(3, 4), i8(4, 2), F(0.0173), F(0.0211), U(3), S(-4), f32(2)])
ms("dynamic_quantize_matmul", "DynamicQuantizeMatMul",
   [f32(3, 4), i8(4, 2), F(0.0211), S(0), f32(2)])

# ---- old spellings ----
case("softmax_7", "Softmax", [f32(2, 3, 4)], opset=7)
case("softmax_11_axis", "Softmax", [f32(2, 3, 4)], opset=11, axis=-2)
case("log_softmax_7", "LogSoftmax", [f32(2, 3, 4)], opset=7, axis=0)
case("hardmax_7", "Hardmax", [f32(2, 3, 4)], opset=7)
case("reduce_7", "ReduceMean", [f32(2, 3, 4)], opset=7, axes=[0, 2])
case("squeeze_7", "Squeeze", [f32(2, 1, 4)], opset=7, axes=[1])
case("unsqueeze_7", "Unsqueeze", [f32(2, 4)], opset=7, axes=[0, 2])
case("slice_7", "Slice", [f32(3, 4)], opset=7, starts=[1, -3], ends=[3, 100], axes=[0, 1])
case("split_7", "Split", [f32(6, 2)], 2, opset=7, split=[2, 4], axis=0)
case("split_equal_7", "Split", [f32(6, 2)], 3, opset=7)
case("clip_7", "Clip", [f32(3, 4)], opset=7, min=-0.5, max=0.5)
case("clip_12_constant", "Clip", [f32(3, 4), np.float32(-0.5), np.float32(0.5)], opset=12,
     constant=(1, 2))
case("pad_2", "Pad", [f32(2, 3)], opset=7, pads=[1, 0, 0, 2], value=1.5)
case("top_k_1", "TopK", [f32(3, 5)], 2, opset=7, k=2, axis=1)
case("upsample_7", "Upsample", [f32(1, 1, 2, 3)], opset=7, scales=[1.0, 1.0, 2.0, 2.0])
case("upsample_7_linear", "Upsample", [f32(1, 1, 2, 3)], opset=8, mode="linear",
     scales=[1.0, 1.0, 2.0, 3.0])
case("upsample_9", "Upsample", [f32(1, 1, 2, 3), np.array([1, 1, 2, 2], np.float32)], opset=9,
     constant=(1,))
case("resize_10", "Resize", [f32(1, 1, 4, 4), np.array([1, 1, 0.6, 1.7], np.float32)], opset=10,
     constant=(1,))
case("dropout_10", "Dropout", [f32(2, 3)], opset=10)
case("batch_norm_7", "BatchNormalization", [f32(2, 3, 4), f32(3), f32(3), f32(3), f32(3) ** 2],
     opset=7)
case("sum_8", "Sum", [f32(2, 3), f32(3), f32(2, 1)], opset=8)
case("mean_8", "Mean", [f32(2, 3), f32(3), f32(2, 1)], opset=8)
case("max_one_8", "Max", [f32(2, 3)], opset=8)
case("group_norm_18", "GroupNormalization", [f32(2, 4, 3), f32(2), f32(2)], opset=18, num_groups=2)
rois = np.array([[0, 0, 4, 5], [1, 2, 5, 4]], np.float32)
case("roi_align_10", "RoiAlign", [f32(1, 2, 6, 6), rois, i64([0, 0])], opset=10,
     output_height=2, output_width=3, sampling_ratio=2, spatial_scale=0.8)


def build(op, inputs, outputs, opset, domain, constant, attrs):
    names = [f"i{k}" if a is not None else "" for k, a in enumerate(inputs)]
    kept = outputs if isinstance(outputs, tuple) else tuple(range(outputs))
    outs = [f"o{k}" if k in kept else "" for k in range(max(kept) + 1)]
    attrs = {key.rstrip("_"): value for key, value in attrs.items()}  # opset_ is no opset
    node = h.make_node(op, names, outs, domain=domain, **attrs)
    graph_inputs = [h.make_tensor_value_info(n, h.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                    for k, (n, a) in enumerate(zip(names, inputs)) if n and k not in constant]
    init = [numpy_helper.from_array(np.asarray(inputs[k]), names[k]) for k in constant]
    graph = h.make_graph([node], "g", graph_inputs,
                         [onnx.ValueInfoProto(name=o) for o in outs if o], init)
    opsets = [h.make_opsetid("", opset)]
    if domain:
        opsets.append(h.make_opsetid(domain, 1))
    model = h.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    model.producer_name = ""
    return model


def write(folder, model, feeds):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(None, feeds)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for k, (name, array) in enumerate(feeds.items()):
        (data / f"input_{k}.pb").write_bytes(
            numpy_helper.from_array(array, name).SerializeToString(deterministic=True))
    for k, array in enumerate(results):
        (data / f"output_{k}.pb").write_bytes(
            numpy_helper.from_array(array, "").SerializeToString(deterministic=True))


def main():
    ort.set_default_logger_severity(4)
    root = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "cases"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root
    for name, row in CASES.items():
        op, inputs, outputs, opset, domain, constant, attrs = row
        feeds = {f"i{k}": np.asarray(a) for k, a in enumerate(inputs)
                 if a is not None and k not in constant}
        try:
            write(folder / name, build(*row), feeds)
        except Exception as error:  # a form that this onnxruntime does not run on the CPU
            print(f"{name}: {str(error)[:150]}", file=sys.stderr)


if __name__ == "__main__":
    main()
