// SPDX-License-Identifier: Apache-2.0
// Operators of the domain com.microsoft that are others in disguise, or a few others at once.
#include "onnx/importer.h"

static whet_value *op1(whet_import_node *n, const char *op, whet_value *a) {
    return whet_import_emit(n, op, NULL, WHET_VALUES(a));
}
static whet_value *op2(whet_import_node *n, const char *op, whet_value *a, whet_value *b) {
    return whet_import_emit(n, op, NULL, WHET_VALUES(a, b));
}
static whet_value *on_axis(whet_import_node *n, const char *op, int32_t axis, whet_value *a,
                           whet_value *b) {
    return whet_import_emit(n, op, WHET_SETS({"axis", .number = axis}), WHET_VALUES(a, b));
}
static whet_value *cast(whet_import_node *n, whet_value *v, whet_dtype dtype) {
    if (!v || v->type.dtype == dtype) return v;
    return whet_import_emit(n, "cast", WHET_SETS({"to", .number = dtype}), WHET_VALUES(v));
}
static whet_value *permute(whet_import_node *n, whet_value *v, const int64_t *perm, int32_t rank) {
    return whet_import_emit(n, "transpose", WHET_SETS({"perm", .ints = {perm, rank}}),
                            WHET_VALUES(v));
}
static whet_value *reshape(whet_import_node *n, whet_value *v, const int64_t *dims, int32_t rank) {
    return op2(n, "reshape", v, whet_import_i64(n, dims, rank));
}
static whet_value *numbers(whet_import_node *n, whet_dtype dtype, whet_value *end) {
    whet_value *zero = whet_import_scalar(n, dtype, 0), *one = whet_import_scalar(n, dtype, 1);
    return whet_import_emit(n, "range", NULL, WHET_VALUES(zero, end, one));
}
// Dimension `axis` of v as a scalar i64.
static whet_value *dim_of(whet_import_node *n, whet_value *v, int64_t axis) {
    whet_value *at = whet_import_i64(n, &axis, -1);
    return on_axis(n, "gather", 0, op1(n, "shape", v), at);
}
static bool required(whet_import_node *n, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        if (whet_import_in(n, i)) continue;
        whet_import_fail(n, WHET_E_MODEL, "input %d is required", i);
        return false;
    }
    return !n->failed;
}

// ---- arithmetic ----

void whet_import_bias_add(whet_import_node *n) {
    whet_value *sum = op2(n, "add", whet_import_in(n, 0), whet_import_in(n, 1));
    whet_import_result(n, 0, op2(n, "add", sum, whet_import_in(n, 2)));
}

// The left half times the gelu of the right one.
void whet_import_bias_split_gelu(whet_import_node *n) {
    whet_value *half[2], *sum = op2(n, "add", whet_import_in(n, 0), whet_import_in(n, 1));
    whet_import_emit_many(n, "split",
                          WHET_SETS({"axis", .number = -1}, {"num_outputs", .number = 2}),
                          &sum, 1, half, 2);
    whet_import_result(n, 0, op2(n, "mul", half[0], op1(n, "gelu", half[1])));
}

void whet_import_gemm_fast_gelu(whet_import_node *n) {
    whet_value *y = op2(n, "matmul", whet_import_in(n, 0), whet_import_in(n, 1));
    whet_value *bias = whet_import_in(n, 2);
    if (bias) y = op2(n, "add", y, bias);
    whet_import_result(n, 0, whet_import_emit(n, "gelu", WHET_SETS({"approximate", .text = "tanh"}),
                                              WHET_VALUES(y)));
}

void whet_import_ms_range(whet_import_node *n) {
    whet_value *start = whet_import_in(n, 0), *step = whet_import_in(n, 2);
    if (!required(n, 2)) return;
    if (!step) step = whet_import_scalar(n, start->type.dtype, 1);
    whet_import_own(n, NULL, WHET_VALUES(start, whet_import_in(n, 1), step));
}

void whet_import_expand_dims(whet_import_node *n) {
    static const int64_t one = 1;
    if (!required(n, 2)) return;
    whet_value *axis = reshape(n, cast(n, whet_import_in(n, 1), WHET_DTYPE_I64), &one, 1);
    whet_import_result(n, 0, op2(n, "unsqueeze", whet_import_in(n, 0), axis));
}

void whet_import_ms_unique(whet_import_node *n) {
    whet_value *out[4], *x = whet_import_in(n, 0);
    whet_import_emit_many(n, "unique", WHET_SETS({"sorted", .number = 0}), &x, 1, out, 4);
    whet_import_result(n, 0, out[0]);
    whet_import_result(n, 1, out[2]);
    whet_import_result(n, 2, out[3]);
}

// ---- FusedMatMul ----

// The first dimension moves behind those of the batch.
static whet_value *batch_last(whet_import_node *n, whet_value *v, const char *name) {
    int64_t perm[WHET_MAX_RANK];
    if (!whet_import_int(n, name, 0)) return v;
    int32_t rank = whet_import_rank_known(n, v, "a transposed batch");
    if (rank < 3) return v;
    for (int32_t i = 0; i < rank - 2; i++) perm[i] = i + 1;
    perm[rank - 2] = 0;
    perm[rank - 1] = rank - 1;
    return permute(n, v, perm, rank);
}

void whet_import_fused_matmul(whet_import_node *n) {
    if (!required(n, 2)) return;
    whet_value *a = batch_last(n, n->in[0], "transBatchA");
    whet_import_own(n, NULL, WHET_VALUES(a, batch_last(n, n->in[1], "transBatchB")));
}

// ---- windows ----

void whet_import_nhwc_max_pool(whet_import_node *n) {
    int64_t there[WHET_MAX_RANK], back[WHET_MAX_RANK];
    whet_value *x = whet_import_in(n, 0);
    int32_t rank = required(n, 1) ? whet_import_rank_known(n, x, "the input") : -1;
    if (rank < 3) return;
    there[0] = back[0] = 0;
    there[1] = rank - 1, back[rank - 1] = 1;
    for (int32_t i = 2; i < rank; i++) there[i] = i - 1, back[i - 1] = i;
    x = permute(n, x, there, rank);
    x = whet_import_emit_table(n, "max_pool", NULL, &x, 1);
    whet_import_result(n, 0, permute(n, x, back, rank));
}

// The whole result less what the pads, begins then ends, cut off.
void whet_import_conv_transpose_pads(whet_import_node *n) {
    whet_value *pads = whet_import_in(n, 2), *x = whet_import_in(n, 0);
    if (!required(n, 2)) return;
    whet_value *y = whet_import_emit_table(n, "conv_transpose", NULL,
                                           WHET_VALUES(x, n->in[1], whet_import_in(n, 3)));
    int64_t rank = whet_import_rank_known(n, x, "X"), spatial = rank - 2, axes[WHET_MAX_RANK];
    if (rank < 3) return;
    if (pads) {
        const int64_t zero = 0, two = 2, all = INT64_MAX;
        for (int32_t i = 0; i < spatial; i++) axes[i] = i + 2;
        whet_value *middle = whet_import_i64(n, &spatial, 1), *ends = NULL;
        whet_value *begins = whet_import_emit(n, "slice", NULL,
                                              WHET_VALUES(pads, whet_import_i64(n, &zero, 1),
                                                          middle));
        ends = whet_import_emit(n, "slice", NULL,
                                WHET_VALUES(pads, middle, whet_import_i64(n, &all, 1)));
        whet_value *size = whet_import_emit(n, "slice", NULL,
                                            WHET_VALUES(op1(n, "shape", y),
                                                        whet_import_i64(n, &two, 1),
                                                        whet_import_i64(n, &all, 1)));
        y = whet_import_emit(n, "slice", NULL,
                             WHET_VALUES(y, begins, op2(n, "sub", size, ends),
                                         whet_import_i64(n, axes, (int32_t)spatial)));
    }
    whet_import_result(n, 0, y);
}

// ---- EmbedLayerNormalization ----

// The first of the rows of positions, or those that are named.
static whet_value *position_rows(whet_import_node *n, whet_value *ids, whet_value *table) {
    whet_value *at = whet_import_in(n, 8);
    if (!at) at = numbers(n, WHET_DTYPE_I64, dim_of(n, ids, 1));
    return on_axis(n, "gather", 0, table, at);
}

// How many of each row's mask are 1; without a mask 0.
static whet_value *mask_index(whet_import_node *n, whet_value *ids, whet_value *mask) {
    static const int64_t one = 1;
    whet_value *axis = whet_import_i64(n, &one, 1);
    whet_value *v = mask ? mask : ids, *unit = whet_import_scalar(n, v->type.dtype, mask ? 1 : 0);
    v = mask ? cast(n, op2(n, "equal", v, unit), WHET_DTYPE_I32)
             : cast(n, op2(n, "mul", v, unit), WHET_DTYPE_I32);
    return whet_import_emit(n, "reduce_sum", WHET_SETS({"keepdims", .number = 0}),
                            WHET_VALUES(v, axis));
}

void whet_import_embed_layer_norm(whet_import_node *n) {
    double epsilon = (double)whet_import_float(n, "epsilon", 1e-12f);
    whet_import_ignore(n, "mask_index_type");
    whet_value *ids = whet_import_in(n, 0), *segments = whet_import_in(n, 1);
    whet_value *words = whet_import_in(n, 2), *table = whet_import_in(n, 3);
    whet_value *kinds = whet_import_in(n, 4), *gamma = whet_import_in(n, 5);
    if (!ids || !words || !table || !gamma || (segments && !kinds)) {
        whet_import_fail(n, WHET_E_MODEL, "an input is missing");
        return;
    }
    whet_value *sum = on_axis(n, "gather", 0, words, ids);
    sum = op2(n, "add", sum, position_rows(n, ids, table));
    if (segments) sum = op2(n, "add", sum, on_axis(n, "gather", 0, kinds, segments));
    whet_value *y = whet_import_emit(n, "layer_norm", WHET_SETS({"epsilon", .number = epsilon}),
                                     WHET_VALUES(sum, gamma, whet_import_in(n, 6)));
    whet_import_result(n, 0, y);
    if (whet_import_wants(n, 1))
        whet_import_result(n, 1, mask_index(n, ids, whet_import_in(n, 7)));
    if (whet_import_wants(n, 2)) whet_import_result(n, 2, sum);
}

// ---- sequences without padding, one behind the other ----

// attention of rows q, k, v [tokens, wide], each token among those of its sequence only.
static whet_value *packed_attention(whet_import_node *n, whet_value *const qkv[3],
                                    whet_value *starts) {
    static const int64_t zero = 0, one = 1, all = INT64_MAX, row[2] = {1, -1}, column[2] = {-1, 1};
    double heads = (double)whet_import_int(n, "num_heads", 0);
    double scale = (double)whet_import_float(n, "scale", 0);
    whet_import_ignore(n, "mask_filter_value");
    whet_value *in[4], *first = whet_import_i64(n, &zero, 1);
    for (int32_t i = 0; i < 3; i++) in[i] = op2(n, "unsqueeze", qkv[i], first);
    // the number of a token's sequence: how many sequences have started before it
    starts = cast(n, starts, WHET_DTYPE_I64);
    whet_value *inner = whet_import_emit(n, "slice", NULL,
                                         WHET_VALUES(starts, whet_import_i64(n, &one, 1),
                                                     whet_import_i64(n, &all, 1)));
    whet_value *tokens = numbers(n, WHET_DTYPE_I64, dim_of(n, qkv[0], 0));
    whet_value *begun = op2(n, "less_or_equal", reshape(n, inner, row, 2),
                            reshape(n, tokens, column, 2));
    whet_value *number = whet_import_emit(
        n, "reduce_sum", WHET_SETS({"keepdims", .number = 1}),
        WHET_VALUES(cast(n, begun, WHET_DTYPE_I64), whet_import_i64(n, &one, 1)));
    in[3] = op2(n, "equal", number, reshape(n, number, row, 2));
    whet_value *y = whet_import_emit(n, "attention",
                                     WHET_SETS({"q_num_heads", .number = heads},
                                               {"kv_num_heads", .number = heads},
                                               {"scale", .number = scale}),
                                     in, 4);
    return op2(n, "squeeze", y, first);
}

// Columns [0, a), [a, b) and [b, end) of v; a and b are equal parts unless `sizes` says otherwise.
static void split_columns(whet_import_node *n, whet_value *v, const whet_ints *sizes,
                          whet_value *out[3]) {
    if (sizes->n == 3) {
        whet_import_emit_many(n, "split", WHET_SETS({"axis", .number = -1}),
                              WHET_VALUES(v, whet_import_i64(n, sizes->v, 3)), out, 3);
        return;
    }
    whet_import_emit_many(n, "split",
                          WHET_SETS({"axis", .number = -1}, {"num_outputs", .number = 3}), &v, 1,
                          out, 3);
}

static void refuse_bias(whet_import_node *n, int32_t i) {
    if (whet_import_in(n, i))
        whet_import_fail(n, WHET_E_UNSUPPORTED, "attention_bias of packed sequences is not "
                         "supported");
}

void whet_import_packed_attention(whet_import_node *n) {
    whet_ints sizes = {NULL, 0};
    whet_value *qkv[3];
    whet_import_ints(n, "qkv_hidden_sizes", &sizes);
    refuse_bias(n, 5);
    if (!required(n, 5)) return;
    whet_value *all = op2(n, "add", op2(n, "matmul", n->in[0], n->in[1]), n->in[2]);
    split_columns(n, all, &sizes, qkv);
    whet_import_result(n, 0, packed_attention(n, qkv, n->in[4]));
}

void whet_import_packed_multi_head_attention(whet_import_node *n) {
    static const whet_ints equal = {NULL, 0};
    static const int64_t heads_last[4] = {0, 2, 1, 3}, flat[2] = {0, -1};
    whet_value *q = whet_import_in(n, 0), *starts = whet_import_in(n, 5), *qkv[3], *bias[3];
    refuse_bias(n, 6);
    if (!q || !starts) whet_import_fail(n, WHET_E_MODEL, "an input is missing");
    if (n->failed) return;
    for (int32_t i = 0; i < 3; i++) qkv[i] = whet_import_in(n, i);
    if (!qkv[1]) { // [tokens, heads, 3, d]
        q = reshape(n, permute(n, q, heads_last, 4), flat, 2);
        split_columns(n, q, &equal, qkv);
    }
    whet_value *sum = whet_import_in(n, 3);
    if (sum) {
        split_columns(n, sum, &equal, bias);
        for (int32_t i = 0; i < 3; i++) qkv[i] = op2(n, "add", qkv[i], bias[i]);
    }
    whet_import_result(n, 0, packed_attention(n, qkv, starts));
}

// ---- DecoderMaskedMultiHeadAttention ----

// One token for each sequence, its keys and values joined to those of the past.
void whet_import_decoder_attention(whet_import_node *n) {
    static const whet_ints equal = {NULL, 0};
    whet_value *in[8], *qkv[3], *out[3] = {NULL};
    double filter = (double)whet_import_float(n, "mask_filter_value", -10000);
    double scale = (double)whet_import_float(n, "scale", 0);
    double heads = (double)whet_import_int(n, "num_heads", 0);
    whet_import_ignore(n, "output_qk");
    if (whet_import_int(n, "past_present_share_buffer", 0) || whet_import_in(n, 9))
        whet_import_fail(n, WHET_E_UNSUPPORTED, "past_present_share_buffer and cache_indirection "
                         "are not supported");
    if (whet_import_wants(n, 3))
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the result qk is not supported");
    if (!required(n, 1)) return;
    for (int32_t i = 0; i < 3; i++) qkv[i] = whet_import_in(n, i);
    if (!qkv[1]) split_columns(n, qkv[0], &equal, qkv);
    static const int32_t from[5] = {10, 3, 4, 5, 6}; // bias, mask, attention_bias, past
    for (int32_t i = 0; i < 8; i++) in[i] = i < 3 ? qkv[i] : whet_import_in(n, from[i - 3]);
    whet_import_emit_many(n, "ms_multi_head_attention",
                          WHET_SETS({"num_heads", .number = heads}, {"scale", .number = scale},
                                    {"mask_filter_value", .number = filter}),
                          in, 8, out, 3);
    for (int32_t i = 0; i < 3; i++)
        if (whet_import_wants(n, i)) whet_import_result(n, i, out[i]);
}
