// SPDX-License-Identifier: Apache-2.0
// Attention with user-defined functions, causal convolution with state, and parts of attention in
// the forms of onnxruntime (domain com.microsoft).
#include <math.h>
#include <string.h>

#include "onnx/importer.h"

// 0, 1, ... below the number in `count`, i64[1].
static whet_value *steps_below(whet_import_node *n, whet_value *count) {
    return whet_import_emit(n, "range", NULL,
                            WHET_VALUES(whet_import_scalar(n, WHET_DTYPE_I64, 0),
                                        whet_import_emit(n, "squeeze", NULL, WHET_VALUES(count)),
                                        whet_import_scalar(n, WHET_DTYPE_I64, 1)));
}

// A single position is that of the first token of every sequence: [1] to [batch, sequence].
static whet_value *positions(whet_import_node *n, whet_value *x, whet_value *first) {
    whet_value *length = whet_import_size(n, x, whet_import_rank(x) == 4 ? 2 : 1);
    whet_value *steps = steps_below(n, length);
    whet_value *row = whet_import_emit(n, "add", NULL, WHET_VALUES(steps, first));
    whet_value *all = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 0}),
                                       WHET_VALUES(whet_import_size(n, x, 0), length));
    return whet_import_emit(n, "expand", NULL, WHET_VALUES(row, all));
}

// Without num_heads three-dimensional inputs take the head size from the cache.
static int64_t heads_of(whet_import_node *n, const whet_value *x, const whet_value *cos) {
    int64_t heads = whet_import_int(n, "num_heads", 0);
    if (heads || whet_import_rank(x) != 3 || whet_import_rank(cos) != 2) return heads;
    whet_dim hidden = x->type.dims[2], half = cos->type.dims[1];
    if (whet_dim_is_const(hidden) && whet_dim_is_const(half) && half > 0 && hidden % half == 0)
        return hidden / half / 2;
    return 0;
}

void whet_import_ms_rotary_embedding(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *at = whet_import_in(n, 1);
    whet_value *cos = whet_import_in(n, 2), *sin = whet_import_in(n, 3);
    if (whet_import_float(n, "scale", 1) != 1 || whet_import_int(n, "is_packed_batching", 0)) {
        whet_import_fail(n, WHET_E_UNSUPPORTED,
                         "scale other than 1 and is_packed_batching are not supported");
        return;
    }
    if (!x || !at || !cos || !sin) {
        whet_import_fail(n, WHET_E_MODEL, "its four inputs are required");
        return;
    }
    double heads = (double)heads_of(n, x, cos);
    if (whet_import_rank_known(n, at, "position_ids") == 1) at = positions(n, x, at);
    whet_import_own(n, WHET_SETS({"num_heads", .number = heads}), WHET_VALUES(x, cos, sin, at));
}

// ---- FlexAttention ----

static whet_value *cast_to(whet_import_node *n, whet_value *v, whet_dtype dtype) {
    if (!v || v->type.dtype == dtype) return v;
    return whet_import_emit(n, "cast", WHET_SETS({"to", .number = dtype}), WHET_VALUES(v));
}

// v, where the integers in a and b are equal at run time.
static whet_value *only_if_equal(whet_import_node *n, whet_value *v, whet_value *a, whet_value *b,
                                 const char *message) {
    return whet_import_emit(n, "assert", WHET_SETS({"message", .text = message}),
                            WHET_VALUES(v, whet_import_emit(n, "equal", NULL, WHET_VALUES(a, b))));
}

// Keys or values [b, heads, t, d], each head for a group of heads of the queries. Open numbers of
// heads that make no groups are an error of the assertion at run time.
static whet_value *repeat_heads(whet_import_node *n, whet_value *q, whet_value *v) {
    whet_dim heads = q->type.dims[1], have = v->type.dims[1];
    if (heads == have) return v;
    if (whet_dim_is_const(heads) && whet_dim_is_const(have) && (have < 1 || heads % have)) {
        whet_import_fail(n, WHET_E_SHAPE, "%lld heads of queries cannot share %lld heads of keys",
                         (long long)heads, (long long)have);
        return NULL;
    }
    whet_value *all = whet_import_size(n, q, 1), *some = whet_import_size(n, v, 1);
    whet_value *rest = whet_import_emit(n, "mod", NULL, WHET_VALUES(all, some));
    if (!whet_dim_is_const(heads) || !whet_dim_is_const(have))
        some = only_if_equal(n, some, rest, whet_import_scalar(n, WHET_DTYPE_I64, 0),
                             "the heads of the keys cannot be shared by those of the queries");
    whet_value *group = whet_import_emit(n, "div", NULL, WHET_VALUES(all, some));
    whet_value *from = whet_import_emit(n, "div", NULL, WHET_VALUES(steps_below(n, all), group));
    return whet_import_emit(n, "gather", WHET_SETS({"axis", .number = 1}), WHET_VALUES(v, from));
}

static whet_value *modify(whet_import_node *n, const whet_onnx_attr *graph, whet_value *v) {
    if (!graph) return v;
    whet_value *made = whet_import_apply(n, graph->g, v);
    if (made && made->type.dtype != v->type.dtype)
        whet_import_fail(n, WHET_E_DTYPE, "%s changes the data type", graph->name);
    return made;
}

static bool has_rank_4(whet_import_node *n, const whet_value *v) {
    int32_t rank = whet_import_rank_known(n, v, "queries, keys and values");
    if (rank >= 0 && rank != 4)
        whet_import_fail(n, WHET_E_SHAPE, "queries, keys and values have %d dimensions, not 4",
                         (int)rank);
    return rank == 4;
}

// scale Q K'; NAN: 1 over the root of the size of a head, which may be open.
static whet_value *scores(whet_import_node *n, whet_value *q, whet_value *k, double scale,
                          whet_dtype wide) {
    bool open = isnan(scale) && !whet_dim_is_const(q->type.dims[3]);
    if (isnan(scale)) scale = open ? 1 : 1 / sqrt((double)q->type.dims[3]);
    if (open) q = cast_to(n, q, wide), k = cast_to(n, k, wide);
    whet_value *s = whet_import_emit(
        n, "matmul", WHET_SETS({"transB", .number = 1}, {"alpha", .number = scale}),
        WHET_VALUES(q, k));
    if (!open) return s;
    whet_value *size = cast_to(n, whet_import_size(n, q, 3), wide);
    return whet_import_emit(n, "div", NULL,
                            WHET_VALUES(s, whet_import_emit(n, "sqrt", NULL, WHET_VALUES(size))));
}

// softmax(scale Q K') V with functions of the scores and of their softmax.
void whet_import_flex_attention(whet_import_node *n) {
    const whet_onnx_attr *score = whet_import_attr_of(n, "score_mod", WHET_ONNX_GRAPH);
    const whet_onnx_attr *prob = whet_import_attr_of(n, "prob_mod", WHET_ONNX_GRAPH);
    whet_value *q = whet_import_in(n, 0), *k = whet_import_in(n, 1), *v = whet_import_in(n, 2);
    double scale = (double)whet_import_float(n, "scale", NAN);
    if (!q || !k || !v) {
        whet_import_fail(n, WHET_E_MODEL, "its three inputs are required");
        return;
    }
    whet_dtype wide = q->type.dtype == WHET_DTYPE_F64 ? WHET_DTYPE_F64 : WHET_DTYPE_F32;
    int64_t precision = whet_import_int(n, "softmax_precision", wide);
    if (precision < 0 || precision > INT32_MAX || !whet_dtype_known((int32_t)precision) ||
        !(WHET_DTYPES_FLOAT >> precision & 1)) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "softmax_precision %lld is no float type",
                         (long long)precision);
        return;
    }
    if (!has_rank_4(n, q) || !has_rank_4(n, k) || !has_rank_4(n, v)) return;
    k = repeat_heads(n, q, k);
    v = repeat_heads(n, q, v);
    whet_value *s = scores(n, q, k, scale, wide);
    s = modify(n, score, cast_to(n, s, (whet_dtype)precision));
    s = whet_import_emit(n, "softmax", WHET_SETS({"axis", .number = -1}), WHET_VALUES(s));
    s = modify(n, prob, s);
    s = whet_import_emit(n, "matmul", NULL, WHET_VALUES(s, cast_to(n, v, (whet_dtype)precision)));
    whet_import_result(n, 0, cast_to(n, s, q->type.dtype));
}

// ---- CausalConvWithState ----

// k - 1 as i64[1]
static whet_value *columns_before(whet_import_node *n, whet_value *w) {
    int64_t one = 1;
    return whet_import_emit(n, "sub", NULL,
                            WHET_VALUES(whet_import_size(n, w, 2), whet_import_i64(n, &one, 1)));
}

// Depthwise convolution [b, c, t + k - 1] with [c, 1, k] where c or k is open: the sum over the k
// places before each column.
static whet_value *open_conv(whet_import_node *n, whet_value *x, whet_value *all, whet_value *w,
                             whet_value *bias) {
    int64_t one = 1, last = 3;
    whet_dtype own = x->type.dtype, wide = own == WHET_DTYPE_F64 ? own : WHET_DTYPE_F32;
    whet_value *group = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 0}),
                                         WHET_VALUES(whet_import_size(n, x, 1),
                                                     whet_import_i64(n, &one, 1)));
    w = only_if_equal(n, w, whet_import_emit(n, "shape", WHET_SETS({"end", .number = 2}),
                                             WHET_VALUES(w)),
                      group, "the weight does not have the channels of the input");
    whet_value *columns = whet_import_emit(
        n, "sub", NULL, WHET_VALUES(whet_import_size(n, all, 2), columns_before(n, w)));
    whet_value *to = whet_import_emit(n, "unsqueeze", NULL,
                                      WHET_VALUES(steps_below(n, columns),
                                                  whet_import_i64(n, &one, 1)));
    whet_value *from = whet_import_emit(
        n, "add", NULL, WHET_VALUES(to, steps_below(n, whet_import_size(n, w, 2))));
    whet_value *y = whet_import_emit(n, "gather", WHET_SETS({"axis", .number = 2}),
                                     WHET_VALUES(all, from));
    y = whet_import_emit(n, "mul", NULL,
                         WHET_VALUES(cast_to(n, y, wide), cast_to(n, w, wide)));
    y = whet_import_emit(n, "reduce_sum", WHET_SETS({"keepdims", .number = 0}),
                         WHET_VALUES(y, whet_import_i64(n, &last, 1)));
    if (bias) {
        bias = whet_import_emit(n, "unsqueeze", NULL,
                                WHET_VALUES(bias, whet_import_i64(n, &one, 1)));
        y = whet_import_emit(n, "add", NULL, WHET_VALUES(y, cast_to(n, bias, wide)));
    }
    return cast_to(n, y, own);
}

// The earlier columns and x, one after the other.
static whet_value *with_past(whet_import_node *n, whet_value *x, whet_value *w, whet_value *past) {
    const int64_t zeros[3] = {0};
    if (past)
        return whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 2}),
                                WHET_VALUES(past, x));
    whet_value *pads = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 0}),
                                        WHET_VALUES(whet_import_i64(n, zeros, 2),
                                                    columns_before(n, w),
                                                    whet_import_i64(n, zeros, 3)));
    return whet_import_emit(n, "pad", NULL, WHET_VALUES(x, pads));
}

// Depthwise convolution behind k - 1 earlier columns, zeros unless given; the last k - 1 of all
// are the next ones.
void whet_import_causal_conv(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *w = whet_import_in(n, 1), *past = whet_import_in(n, 3);
    const char *name = whet_import_string(n, "activation", "none");
    bool silu = !strcmp(name, "silu") || !strcmp(name, "swish");
    if (!silu && strcmp(name, "none") != 0)
        whet_import_fail(n, WHET_E_UNSUPPORTED, "activation '%s' is not supported", name);
    if (!x || !w) whet_import_fail(n, WHET_E_MODEL, "input and weight are required");
    if (n->failed || whet_import_rank_known(n, x, "the input") < 0 ||
        whet_import_rank_known(n, w, "the weight") < 0)
        return;
    if (whet_import_rank(x) != 3 || whet_import_rank(w) != 3) {
        whet_import_fail(n, WHET_E_SHAPE, "input and weight must have 3 dimensions");
        return;
    }
    whet_value *all = with_past(n, x, w, past), *bias = whet_import_in(n, 2), *y;
    whet_dim channels = w->type.dims[0];
    if (whet_dim_is_const(channels) && whet_dim_is_const(w->type.dims[2]))
        y = whet_import_emit(n, "conv", WHET_SETS({"group", .number = (double)channels}),
                             WHET_VALUES(all, w, bias));
    else y = open_conv(n, x, all, w, bias);
    if (silu) y = whet_import_emit(n, "swish", NULL, WHET_VALUES(y));
    whet_import_result(n, 0, y);
    if (!whet_import_wants(n, 1)) return;
    const int64_t end = INT64_MAX, axis = 2;
    whet_value *start = whet_import_emit(
        n, "sub", NULL, WHET_VALUES(whet_import_size(n, all, 2), columns_before(n, w)));
    whet_import_result(n, 1, whet_import_emit(n, "slice", NULL,
                                              WHET_VALUES(all, start, whet_import_i64(n, &end, 1),
                                                          whet_import_i64(n, &axis, 1))));
}
