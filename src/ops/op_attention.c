// SPDX-License-Identifier: Apache-2.0
// ONNX's Attention: 3-D or 4-D inputs, grouped heads, masks, causality, windows, key-value cache,
// softcap. Without a past, query 0 is at position nonpad_kv_seqlen - q_len of its sequence.
// The softmax is computed in double whatever softmax_precision says; a query whose keys are all
// masked gives 0.
#include <math.h>

#include "ops/attention_ref.h"
#include "ops/attrs.h"
#include "ops/matrix.h"

enum { Q, K, V, MASK, PAST_K, PAST_V, NONPAD };
enum { Y, PRESENT_K, PRESENT_V, QK };

// batch, heads, rows and size of heads of a 3-D or 4-D input.
typedef struct heads {
    whet_dim batch, n, len, d;
} heads;

static whet_status heads_infer(whet_infer *ctx, int32_t in, int64_t n, heads *h) {
    const whet_dim *dims = ctx->in[in]->dims;
    if (ctx->in[in]->rank == 4) {
        *h = (heads){dims[0], dims[1], dims[2], dims[3]};
        return WHET_OK;
    }
    if (n < 1)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "3-D inputs need q_num_heads and kv_num_heads");
    if (whet_dim_is_const(dims[2]) && dims[2] % n)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s: %lld is no multiple of %lld heads",
                  ctx->op->in[in].name, (long long)dims[2], (long long)n);
    *h = (heads){dims[0], n, dims[1], whet_dim_floordiv(ctx->dims, dims[2], n)};
    return WHET_OK;
}

// Past of keys or values: [batch, heads, past, d]; adds its length to *total.
static whet_status past_infer(whet_infer *ctx, int32_t in, const heads *h, whet_dim *total) {
    *total = h->len;
    if (!whet_infer_has(ctx, in)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, in, 4));
    const whet_dim *d = ctx->in[in]->dims;
    WHET_TRY(whet_infer_same(ctx, d[0], h->batch, "batch of the past"));
    WHET_TRY(whet_infer_same(ctx, d[1], h->n, "heads of the past"));
    WHET_TRY(whet_infer_same(ctx, d[3], h->d, "head size of the past"));
    *total = whet_dim_add(ctx->dims, d[2], h->len);
    return WHET_OK;
}

static whet_status mask_infer(whet_infer *ctx, const heads *q, whet_dim total) {
    if (!whet_infer_has(ctx, MASK)) return WHET_OK;
    const whet_type *m = ctx->in[MASK];
    const whet_dim full[3] = {q->batch, q->n, q->len};
    if (m->rank < 1 || m->rank > 4)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "attn_mask has %d dimensions, 1 to 4 are possible",
                  (int)m->rank);
    whet_dim last = m->dims[m->rank - 1];
    if (whet_dim_is_const(last) && whet_dim_is_const(total) && last > total)
        return whet_infer_same(ctx, last, total, "attn_mask and keys");
    for (int32_t d = 0; d < m->rank - 1; d++) {
        whet_dim v = m->dims[d];
        if (v != 1)
            WHET_TRY(whet_infer_same(ctx, v, full[4 - m->rank + d], "attn_mask and scores"));
    }
    return WHET_OK;
}

static whet_status check_use(whet_infer *ctx, const whet_attention_attrs *a) {
    bool past = whet_infer_has(ctx, PAST_K);
    if (past != whet_infer_has(ctx, PAST_V))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "past_key and past_value go together");
    if (past && whet_infer_has(ctx, NONPAD))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "nonpad_kv_seqlen cannot be used with past_key");
    if (a->softmax_precision && !whet_dtype_is_float((whet_dtype)a->softmax_precision))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "softmax_precision %lld is no float type",
                  (long long)a->softmax_precision);
    int32_t rank = ctx->in[Q]->rank;
    if (rank != 3 && rank != 4)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "Q has %d dimensions, must have 3 or 4", (int)rank);
    WHET_TRY(whet_infer_rank(ctx, K, rank));
    return whet_infer_rank(ctx, V, rank);
}

static whet_status attention_infer(whet_infer *ctx) {
    const whet_attention_attrs *a = ctx->attrs;
    heads q, k, v;
    whet_dim total, total_v;
    WHET_TRY(check_use(ctx, a));
    WHET_TRY(heads_infer(ctx, Q, a->q_num_heads, &q));
    WHET_TRY(heads_infer(ctx, K, a->kv_num_heads, &k));
    WHET_TRY(heads_infer(ctx, V, a->kv_num_heads, &v));
    WHET_TRY(whet_infer_same(ctx, q.batch, k.batch, "batch of Q and K"));
    WHET_TRY(whet_infer_same(ctx, q.batch, v.batch, "batch of Q and V"));
    WHET_TRY(whet_infer_same(ctx, k.n, v.n, "heads of K and V"));
    WHET_TRY(whet_infer_same(ctx, k.len, v.len, "lengths of K and V"));
    WHET_TRY(whet_infer_same(ctx, q.d, k.d, "head sizes of Q and K"));
    if (whet_dim_is_const(q.d) && q.d < 1)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the heads of Q have size %lld", (long long)q.d);
    if (whet_dim_is_const(q.n) && whet_dim_is_const(k.n) && (k.n < 1 || q.n % k.n))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld query heads cannot share %lld key heads",
                  (long long)q.n, (long long)k.n);
    WHET_TRY(past_infer(ctx, PAST_K, &k, &total));
    WHET_TRY(past_infer(ctx, PAST_V, &v, &total_v));
    WHET_TRY(whet_infer_same(ctx, total, total_v, "lengths of keys and values"));
    WHET_TRY(mask_infer(ctx, &q, total));
    if (whet_infer_has(ctx, NONPAD)) {
        WHET_TRY(whet_infer_rank(ctx, NONPAD, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[NONPAD]->dims[0], q.batch, "nonpad_kv_seqlen"));
    }
    whet_dim wide = whet_dim_mul(ctx->dims, q.n, v.d);
    if (ctx->in[Q]->rank == 4) whet_infer_shape(ctx, Y, 4, (whet_dim[]){q.batch, q.n, q.len, v.d});
    else whet_infer_shape(ctx, Y, 3, (whet_dim[]){q.batch, q.len, wide});
    whet_infer_shape(ctx, PRESENT_K, 4, (whet_dim[]){k.batch, k.n, total, k.d});
    whet_infer_shape(ctx, PRESENT_V, 4, (whet_dim[]){v.batch, v.n, total, v.d});
    whet_infer_shape(ctx, QK, 4, (whet_dim[]){q.batch, q.n, q.len, total});
    return WHET_OK;
}

// Sizes of an input and steps of batch, head and row in it.
static heads heads_of(const whet_tensor *t, int64_t n, int64_t step[3]) {
    if (t->rank == 4) {
        heads h = {t->dims[0], t->dims[1], t->dims[2], t->dims[3]};
        step[2] = h.d, step[1] = h.len * h.d, step[0] = h.n * step[1];
        return h;
    }
    heads h = {t->dims[0], n, t->dims[1], t->dims[2] / n};
    step[1] = h.d, step[2] = t->dims[2], step[0] = h.len * t->dims[2];
    return h;
}

// Keys or values with their past, also to output `present`.
static double *joined(whet_eval *e, int32_t in, int32_t past, int32_t present, int64_t n,
                      heads *h) {
    int64_t step[3], past_len = 0;
    const double *old = NULL, *fresh = whet_eval_f64(e, in);
    *h = heads_of(&e->in[in], n, step);
    if (whet_eval_has(e, past)) {
        past_len = e->in[past].dims[2];
        if (!(old = whet_eval_f64(e, past))) return NULL;
    }
    if (!fresh) return NULL;
    double *all = whet_attention_ref_join(e, h->batch, h->n, h->d, old, past_len, fresh, step,
                                          h->len);
    h->len += past_len;
    if (all && whet_eval_wants(e, present)) whet_eval_store(e, present, all);
    return all;
}

// The mask as numbers to add: a bool mask gives 0 and -infinity.
static whet_status load_mask(whet_eval *e, whet_attention_ref *r) {
    if (!whet_eval_has(e, MASK)) return WHET_OK;
    const whet_tensor *m = &e->in[MASK];
    int64_t n = whet_tensor_count(m);
    const double *v = NULL;
    if (m->dtype == WHET_DTYPE_BOOL) {
        double *b = whet_eval_scratch_f64(e, n);
        for (int64_t i = 0; b && i < n; i++) b[i] = ((const uint8_t *)m->data)[i] ? 0 : -INFINITY;
        v = b;
    } else {
        v = whet_eval_f64(e, MASK);
    }
    if (!v) return WHET_E_NOMEM;
    whet_attention_ref_bias(r, m, v);
    return WHET_OK;
}

static whet_status load_nonpad(whet_eval *e, whet_attention_ref *r) {
    if (!whet_eval_has(e, NONPAD)) return WHET_OK;
    r->valid = whet_eval_i64(e, NONPAD);
    if (!r->valid) return WHET_E_NOMEM;
    for (int64_t b = 0; b < r->batch; b++)
        if (r->valid[b] < 0 || r->valid[b] > r->kv_len)
            WHET_FAIL(e->err, WHET_E_RANGE, "nonpad_kv_seqlen[%lld] is %lld, there are %lld keys",
                      (long long)b, (long long)r->valid[b], (long long)r->kv_len);
    int64_t *offsets = whet_eval_scratch_i64(e, r->batch);
    if (!offsets) return WHET_E_NOMEM;
    for (int64_t b = 0; b < r->batch; b++) offsets[b] = r->valid[b] - r->q_len;
    r->offsets = offsets;
    return WHET_OK;
}

// A window that reaches `size` keys, as a number of keys with the query's own; 0: no bound.
static int64_t window_of(int64_t size, int64_t keys) {
    return size < 0 || size >= keys ? 0 : size + 1;
}

static whet_status attention_eval(whet_eval *e) {
    const whet_attention_attrs *a = e->attrs;
    heads k, v;
    whet_attention_ref r = {.softcap = (double)a->softcap, .causal = a->is_causal};
    heads q = heads_of(&e->in[Q], a->q_num_heads, r.q_step);
    r.q = whet_eval_f64(e, Q);
    r.k = joined(e, K, PAST_K, PRESENT_K, a->kv_num_heads, &k);
    r.v = joined(e, V, PAST_V, PRESENT_V, a->kv_num_heads, &v);
    if (!r.q || !r.k || !r.v) return WHET_E_NOMEM;
    r.batch = q.batch, r.heads = q.n, r.q_len = q.len, r.d = q.d;
    r.kv_heads = k.n, r.kv_len = k.len, r.dv = v.d;
    r.scale = a->scale != 0 ? (double)a->scale : 1 / sqrt((double)q.d);
    // positions may lie before or behind all keys, so a window as wide as both together has no edge
    r.window = window_of(a->left_window_size, r.kv_len + r.q_len);
    r.ahead = window_of(a->right_window_size, r.kv_len + r.q_len);
    r.offset = whet_eval_has(e, PAST_K) ? e->in[PAST_K].dims[2] : 0;
    bool flat = e->in[Q].rank == 3;
    r.y = whet_eval_raw_f64(e, r.batch * r.heads * r.q_len * r.dv);
    if (!r.y) return WHET_E_NOMEM;
    r.y_step[0] = r.q_len * r.heads * r.dv;
    r.y_step[1] = flat ? r.dv : r.q_len * r.dv;
    r.y_step[2] = flat ? r.heads * r.dv : r.dv;
    r.qk = whet_eval_wants(e, QK) ? &e->out[QK] : NULL;
    r.qk_mode = a->qk_matmul_output_mode;
    WHET_TRY(load_mask(e, &r));
    WHET_TRY(load_nonpad(e, &r));
    WHET_TRY(whet_attention_ref_run(e, &r));
    if (whet_eval_wants(e, Y)) whet_eval_store(e, Y, r.y);
    return WHET_OK;
}

static double attention_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                              const whet_tensor *out, int32_t n_out) {
    const whet_attention_attrs *a = attrs;
    int64_t step[3];
    (void)out, (void)n_out;
    heads q = heads_of(&in[Q], a->q_num_heads, step), k = heads_of(&in[K], a->kv_num_heads, step);
    heads v = heads_of(&in[V], a->kv_num_heads, step);
    double keys = (double)k.len;
    if (n_in > PAST_K && in[PAST_K].dtype != WHET_DTYPE_NONE) keys += (double)in[PAST_K].dims[2];
    return 2 * (double)q.batch * (double)q.n * (double)q.len * keys * (double)(q.d + v.d);
}

static const whet_arg attention_in[] = {
    {"Q", WHET_DTYPES_FLOAT, 'T'},
    {"K", WHET_DTYPES_FLOAT, 'T'},
    {"V", WHET_DTYPES_FLOAT, 'V'},
    {"attn_mask", WHET_DTYPES_ALL, 0, WHET_ARG_OPTIONAL},
    {"past_key", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"past_value", WHET_DTYPES_FLOAT, 'V', WHET_ARG_OPTIONAL},
    {"nonpad_kv_seqlen", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL},
};
static const whet_arg attention_out[] = {
    {"Y", WHET_DTYPES_FLOAT, 'T'},
    {"present_key", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"present_value", WHET_DTYPES_FLOAT, 'V', WHET_ARG_OPTIONAL},
    {"qk_matmul_output", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
#define FIELD(name) offsetof(whet_attention_attrs, name)
static const whet_attr attention_attrs[] = {
    {"is_causal", WHET_ATTR_BOOL, FIELD(is_causal)},
    {"q_num_heads", WHET_ATTR_INT, FIELD(q_num_heads), .min = 0, .max = INT32_MAX},
    {"kv_num_heads", WHET_ATTR_INT, FIELD(kv_num_heads), .min = 0, .max = INT32_MAX},
    {"scale", WHET_ATTR_FLOAT, FIELD(scale)},
    {"softcap", WHET_ATTR_FLOAT, FIELD(softcap)},
    {"qk_matmul_output_mode", WHET_ATTR_INT, FIELD(qk_matmul_output_mode), .min = 0, .max = 3},
    {"softmax_precision", WHET_ATTR_INT, FIELD(softmax_precision), .min = 0, .max = 16},
    {"left_window_size", WHET_ATTR_INT, FIELD(left_window_size), .def = -1, .min = -1,
     .max = INT32_MAX},
    {"right_window_size", WHET_ATTR_INT, FIELD(right_window_size), .def = -1, .min = -1,
     .max = INT32_MAX},
};
static const whet_onnx_row attention_onnx[] = {{"", "Attention", 23, 0, NULL}};

const whet_op whet_op_attention = {
    .name = "attention",
    .in = attention_in,
    .n_in = WHET_COUNT(attention_in),
    .out = attention_out,
    .n_out = WHET_COUNT(attention_out),
    .attrs = attention_attrs,
    .n_attrs = WHET_COUNT(attention_attrs),
    .attrs_size = sizeof(whet_attention_attrs),
    .onnx = attention_onnx,
    .n_onnx = WHET_COUNT(attention_onnx),
    .infer = attention_infer,
    .eval = attention_eval,
    .flops = attention_flops,
};
