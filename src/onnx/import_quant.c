// SPDX-License-Identifier: Apache-2.0
// Quantized operators of onnxruntime (domain com.microsoft), as what they mean: numbers with scale
// and zero point around the operator in float. Our own passes find integer kernels for them.
#include <string.h>

#include "onnx/importer.h"

// Inputs at, at + 1, at + 2: values, scale, zero point (may be absent).
static whet_value *real(whet_import_node *n, int32_t at) {
    if (!whet_import_in(n, at) || !whet_import_in(n, at + 1))
        whet_import_fail(n, WHET_E_MODEL, "its inputs %d and %d are required", at, at + 1);
    return whet_import_emit(
        n, "dequantize_linear", NULL,
        WHET_VALUES(whet_import_in(n, at), whet_import_in(n, at + 1), whet_import_in(n, at + 2)));
}

// v with the scale and zero point of inputs at and at + 1 becomes the result.
static void quantize(whet_import_node *n, whet_value *v, int32_t at) {
    if (!whet_import_in(n, at))
        whet_import_fail(n, WHET_E_MODEL, "its input %d is required", at);
    v = whet_import_emit(n, "quantize_linear", NULL,
                         WHET_VALUES(v, whet_import_in(n, at), whet_import_in(n, at + 1)));
    whet_import_result(n, 0, v);
}

static void binary(whet_import_node *n, const char *op) {
    whet_value *a = real(n, 0), *b = real(n, 3);
    quantize(n, whet_import_emit(n, op, NULL, WHET_VALUES(a, b)), 6);
}

void whet_import_qlinear_add(whet_import_node *n) { binary(n, "add"); }
void whet_import_qlinear_mul(whet_import_node *n) { binary(n, "mul"); }

static void unary(whet_import_node *n, const char *op) {
    whet_value *x = real(n, 0);
    quantize(n, whet_import_emit_table(n, op, NULL, WHET_VALUES(x)), 3);
}

// Condition, then two values and the result.
void whet_import_qlinear_where(whet_import_node *n) {
    whet_value *x = real(n, 1), *y = real(n, 4);
    whet_value *z = whet_import_emit(n, "where", NULL, WHET_VALUES(whet_import_in(n, 0), x, y));
    quantize(n, z, 7);
}

void whet_import_qlinear_reduce_mean(whet_import_node *n) {
    whet_value *axes = whet_import_ints_constant(n, "axes"), *x = real(n, 0);
    quantize(n, whet_import_emit_table(n, "reduce_mean", NULL, WHET_VALUES(x, axes)), 3);
}

void whet_import_qlinear_sigmoid(whet_import_node *n) { unary(n, "sigmoid"); }
void whet_import_qlinear_leaky_relu(whet_import_node *n) { unary(n, "leaky_relu"); }

// Channels from the last dimension to the second, or back.
static whet_value *move_channels(whet_import_node *n, whet_value *v, bool last) {
    int64_t perm[WHET_MAX_RANK];
    int32_t rank = whet_import_rank_known(n, v, "the input");
    if (rank < 3) return v;
    for (int32_t i = 0; i < rank; i++) perm[i] = i < 1 ? i : last ? i + 1 : i - 1;
    perm[last ? rank - 1 : 1] = last ? 1 : rank - 1;
    return whet_import_emit(n, "transpose", WHET_SETS({"perm", .ints = {perm, rank}}),
                            WHET_VALUES(v));
}

// The node is read as one whose channels come second.
static bool channels_second(whet_import_node *n, bool last) {
    if (last && whet_import_in(n, 0)) n->in[0] = move_channels(n, n->in[0], false);
    return last;
}

static void channels_back(whet_import_node *n, bool last) {
    if (last && n->out[0]) whet_import_result(n, 0, move_channels(n, n->out[0], true));
}

static void pool(whet_import_node *n, const char *op) {
    bool last = channels_second(n, whet_import_int(n, "channels_last", 0) != 0);
    unary(n, op);
    channels_back(n, last);
}

void whet_import_qlinear_average_pool(whet_import_node *n) { pool(n, "average_pool"); }
void whet_import_qlinear_global_average_pool(whet_import_node *n) {
    pool(n, "global_average_pool");
}

void whet_import_ms_qlinear_conv(whet_import_node *n) {
    bool last = channels_second(n, whet_import_int(n, "channels_last", 0) != 0);
    whet_import_own(n, NULL, n->in, n->n_in);
    channels_back(n, last);
}

// The attribute opset says whose rules hold: before 13 all dimensions from axis on count as one.
void whet_import_qlinear_softmax(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    int32_t rank = whet_import_rank_known(n, x, "the input");
    int64_t axis = whet_import_int(n, "axis", -1);
    bool joined = whet_import_int(n, "opset", 13) < 13;
    if (n->failed) return;
    int32_t at = rank ? whet_import_axis(n, axis, rank) : 0;
    if (!joined || at >= rank - 1) {
        unary(n, "softmax");
        return;
    }
    whet_value *y = whet_import_emit(n, "flatten", WHET_SETS({"axis", .number = at}),
                                     WHET_VALUES(real(n, 0)));
    y = whet_import_emit(n, "softmax", WHET_SETS({"axis", .number = -1}), WHET_VALUES(y));
    y = whet_import_emit(n, "reshape", WHET_SETS({"allowzero", .number = 1}),
                         WHET_VALUES(y, whet_import_emit(n, "shape", NULL, WHET_VALUES(x))));
    quantize(n, y, 3);
}

// Inputs: scale and zero point of the result, then three for each part.
void whet_import_qlinear_concat(whet_import_node *n) {
    enum { MAX_PARTS = 256 };
    whet_value *parts[MAX_PARTS];
    int32_t count = (n->onnx->n_in - 2) / 3;
    if (count < 1 || count > MAX_PARTS || (n->onnx->n_in - 2) % 3) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "it has %d inputs; 2 and 3 for each of 1 to %d "
                         "parts are supported", n->onnx->n_in, MAX_PARTS);
        return;
    }
    for (int32_t i = 0; i < count; i++) parts[i] = real(n, 2 + 3 * i);
    quantize(n, whet_import_emit_table(n, "concat", NULL, parts, count), 0);
}

// a_scale * b_scale * factor
static whet_value *joint_scale(whet_import_node *n, int32_t a, int32_t b, float factor) {
    whet_value *s = whet_import_emit(n, "mul", NULL,
                                     WHET_VALUES(whet_import_in(n, a), whet_import_in(n, b)));
    if (factor == 1) return s;
    return whet_import_emit(n, "mul", NULL,
                            WHET_VALUES(s, whet_import_scalar(n, WHET_DTYPE_F32, factor)));
}

static whet_value *to_f32(whet_import_node *n, whet_value *v) {
    return whet_import_emit(n, "cast", WHET_SETS({"to", .number = WHET_DTYPE_F32}),
                            WHET_VALUES(v));
}

// One scale a column of B lies along its columns, whichever way they run.
static whet_value *real_columns(whet_import_node *n, int32_t at, bool transposed) {
    whet_value *v = whet_import_in(n, at), *scale = whet_import_in(n, at + 1);
    if (!v || !scale)
        whet_import_fail(n, WHET_E_MODEL, "its inputs %d and %d are required", at, at + 1);
    return whet_import_emit(n, "dequantize_linear",
                            WHET_SETS({"axis", .number = transposed ? 0 : 1}),
                            WHET_VALUES(v, scale, whet_import_in(n, at + 2)));
}

// alpha a_scale b_scale (A B + C), C being 32-bit integers; float when the result has no scale.
void whet_import_qgemm(whet_import_node *n) {
    float alpha = whet_import_float(n, "alpha", 1);
    bool trans = whet_import_int(n, "transB", 0) != 0;
    whet_value *a = real(n, 0), *b = real_columns(n, 3, trans), *c = whet_import_in(n, 6);
    if (c)
        c = whet_import_emit(n, "mul", NULL,
                             WHET_VALUES(to_f32(n, c), joint_scale(n, 1, 4, alpha)));
    whet_value *y = whet_import_emit_table(n, "gemm", NULL, WHET_VALUES(a, b, c));
    if (whet_import_in(n, 7)) quantize(n, y, 7);
    else whet_import_result(n, 0, y);
}

static void scaled_product(whet_import_node *n, whet_value *product, whet_value *scale,
                           int32_t bias) {
    whet_value *y = whet_import_emit(n, "mul", NULL, WHET_VALUES(to_f32(n, product), scale));
    if (whet_import_in(n, bias))
        y = whet_import_emit(n, "add", NULL, WHET_VALUES(y, whet_import_in(n, bias)));
    whet_import_result(n, 0, y);
}

// Inputs: A, B, scales, zero points, bias.
void whet_import_matmul_integer_to_float(whet_import_node *n) {
    whet_value *product =
        whet_import_emit(n, "matmul_integer", NULL,
                         WHET_VALUES(whet_import_in(n, 0), whet_import_in(n, 1),
                                     whet_import_in(n, 4), whet_import_in(n, 5)));
    scaled_product(n, product, joint_scale(n, 2, 3, 1), 6);
}

// Inputs: A in float, B, its scale and zero point, bias.
void whet_import_dynamic_quantize_matmul(whet_import_node *n) {
    whet_value *q[3];
    whet_import_emit_many(n, "dynamic_quantize_linear", NULL, WHET_VALUES(whet_import_in(n, 0)), q,
                          3);
    whet_value *product =
        whet_import_emit(n, "matmul_integer", NULL,
                         WHET_VALUES(q[0], whet_import_in(n, 1), q[2], whet_import_in(n, 3)));
    whet_value *scale = whet_import_emit(n, "mul", NULL, WHET_VALUES(q[1], whet_import_in(n, 2)));
    scaled_product(n, product, scale, 4);
}
