// SPDX-License-Identifier: Apache-2.0
// Attention with user-defined functions, causal convolution with state, and parts of attention in
// the forms of onnxruntime (domain com.microsoft).
#include <math.h>
#include <string.h>

#include "onnx/importer.h"

// One element of a shape as i64[1].
static whet_value *size_of(whet_import_node *n, whet_value *shape, int64_t axis) {
    return whet_import_emit(n, "gather", NULL, WHET_VALUES(shape, whet_import_i64(n, &axis, 1)));
}

static whet_value *as_scalar(whet_import_node *n, whet_value *v) {
    return whet_import_emit(n, "squeeze", NULL, WHET_VALUES(v));
}

// A single position is that of the first token of every sequence: [1] to [batch, sequence].
static whet_value *positions(whet_import_node *n, whet_value *x, whet_value *first) {
    whet_value *shape = whet_import_emit(n, "shape", NULL, WHET_VALUES(x));
    whet_value *length = size_of(n, shape, whet_import_rank(x) == 4 ? 2 : 1);
    whet_value *steps = whet_import_emit(
        n, "range", NULL,
        WHET_VALUES(whet_import_scalar(n, WHET_DTYPE_I64, 0), as_scalar(n, length),
                    whet_import_scalar(n, WHET_DTYPE_I64, 1)));
    whet_value *row = whet_import_emit(n, "add", NULL, WHET_VALUES(steps, first));
    whet_value *all = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 0}),
                                       WHET_VALUES(size_of(n, shape, 0), length));
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

// Dimension i of an input where it must be known: a problem when it is not, and 0.
static int64_t known_dim(whet_import_node *n, const whet_value *v, int32_t i, const char *what) {
    if (n->failed || whet_import_rank_known(n, v, what) < 0) return 0;
    if (i < v->type.rank && whet_dim_is_const(v->type.dims[i])) return v->type.dims[i];
    whet_import_fail(n, WHET_E_UNSUPPORTED, "dimension %d of %s must be known", i, what);
    return 0;
}

// Keys or values [b, heads, t, d], each head for a group of heads of the queries.
static whet_value *repeat_heads(whet_import_node *n, whet_value *v, int64_t heads) {
    int64_t have = known_dim(n, v, 1, "keys and values");
    if (n->failed || have == heads) return v;
    if (have < 1 || heads % have || heads > 1 << 20) {
        whet_import_fail(n, WHET_E_SHAPE, "%lld heads of queries cannot share %lld heads of keys",
                         (long long)heads, (long long)have);
        return NULL;
    }
    int64_t *from = WHET_NEW_ARRAY(n->imp->arena, int64_t, heads);
    if (!from) return whet_import_nomem(n->imp), NULL;
    for (int64_t i = 0; i < heads; i++) from[i] = i / (heads / have);
    return whet_import_emit(n, "gather", WHET_SETS({"axis", .number = 1}),
                            WHET_VALUES(v, whet_import_i64(n, from, (int32_t)heads)));
}

static whet_value *modify(whet_import_node *n, const whet_onnx_attr *graph, whet_value *v) {
    if (!graph) return v;
    whet_value *made = whet_import_apply(n, graph->g, v);
    if (made && made->type.dtype != v->type.dtype)
        whet_import_fail(n, WHET_E_DTYPE, "%s changes the data type", graph->name);
    return made;
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
    if (isnan(scale)) scale = 1 / sqrt((double)known_dim(n, q, 3, "the queries"));
    int64_t heads = known_dim(n, q, 1, "the queries");
    k = repeat_heads(n, k, heads);
    v = repeat_heads(n, v, heads);
    whet_value *s = whet_import_emit(
        n, "matmul", WHET_SETS({"transB", .number = 1}, {"alpha", .number = scale}),
        WHET_VALUES(q, k));
    s = modify(n, score, cast_to(n, s, (whet_dtype)precision));
    s = whet_import_emit(n, "softmax", WHET_SETS({"axis", .number = -1}), WHET_VALUES(s));
    s = modify(n, prob, s);
    s = whet_import_emit(n, "matmul", NULL, WHET_VALUES(s, cast_to(n, v, (whet_dtype)precision)));
    whet_import_result(n, 0, cast_to(n, s, q->type.dtype));
}

// ---- CausalConvWithState ----

// Depthwise convolution behind k - 1 earlier columns, zeros unless given; the last k - 1 of all
// are the next ones.
void whet_import_causal_conv(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *w = whet_import_in(n, 1), *past = whet_import_in(n, 3);
    const char *name = whet_import_string(n, "activation", "none");
    bool silu = !strcmp(name, "silu") || !strcmp(name, "swish");
    if (!silu && strcmp(name, "none") != 0)
        whet_import_fail(n, WHET_E_UNSUPPORTED, "activation '%s' is not supported", name);
    if (!x || !w) whet_import_fail(n, WHET_E_MODEL, "input and weight are required");
    int64_t channels = known_dim(n, w, 0, "the weight"), k = known_dim(n, w, 2, "the weight");
    if (n->failed) return;
    const int64_t pads[6] = {0, 0, k - 1}, start = k > 1 ? 1 - k : 0, axis = 2;
    const int64_t end = k > 1 ? INT64_MAX : 0;
    whet_value *all = past ? whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 2}),
                                              WHET_VALUES(past, x))
                           : whet_import_emit(n, "pad", NULL,
                                              WHET_VALUES(x, whet_import_i64(n, pads, 6)));
    whet_value *y = whet_import_emit(n, "conv", WHET_SETS({"group", .number = (double)channels}),
                                     WHET_VALUES(all, w, whet_import_in(n, 2)));
    if (silu) y = whet_import_emit(n, "swish", NULL, WHET_VALUES(y));
    whet_import_result(n, 0, y);
    if (!whet_import_wants(n, 1)) return;
    whet_import_result(
        n, 1, whet_import_emit(n, "slice", NULL,
                               WHET_VALUES(all, whet_import_i64(n, &start, 1),
                                           whet_import_i64(n, &end, 1),
                                           whet_import_i64(n, &axis, 1))));
}
