// SPDX-License-Identifier: Apache-2.0
// com.microsoft MultiHeadAttention. Query, key and value come as [b, s, heads d] each, as one
// packed [b, s, heads, 3, d], as query and packed [b, t, heads, 2, d], or with keys and values
// already [b, heads, t, d]; a bias is added to all three first.
#include <math.h>

#include "ops/matrix.h"
#include "ops/ms_attention_ref.h"

enum { QUERY, KEY, VALUE, BIAS, MASK, EXTRA, PAST_K, PAST_V, PAST_LEN, INDIRECTION };
enum { OUT, PRESENT_K, PRESENT_V, QK };

typedef struct mha_attrs {
    int64_t num_heads;
    float mask_filter_value, scale;
    bool unidirectional;
} mha_attrs;

typedef struct mha_sizes {
    whet_dim batch, s, fresh, past, d, dv; // fresh: keys that are no past
} mha_sizes;

static whet_status head_size(whet_infer *ctx, whet_dim wide, int64_t heads, whet_dim *d) {
    if (whet_dim_is_const(wide) && (wide < 1 || wide % heads))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld is no multiple of %lld heads", (long long)wide,
                  (long long)heads);
    *d = whet_dim_floordiv(ctx->dims, wide, heads);
    return WHET_OK;
}

static whet_status packed_infer(whet_infer *ctx, int32_t in, whet_dim batch, int64_t heads,
                                int64_t parts, whet_dim d) {
    const whet_dim *t = ctx->in[in]->dims;
    WHET_TRY(whet_infer_rank(ctx, in, 5));
    WHET_TRY(whet_infer_same(ctx, t[0], batch, "batch"));
    WHET_TRY(whet_infer_same(ctx, t[2], heads, "heads"));
    WHET_TRY(whet_infer_same(ctx, t[3], parts, "packed parts"));
    return whet_infer_same(ctx, t[4], d, "head size");
}

// Keys (and values) apart from the query.
static whet_status key_infer(whet_infer *ctx, int64_t heads, mha_sizes *z) {
    const whet_type *k = ctx->in[KEY];
    z->dv = z->d;
    z->fresh = k->dims[1];
    if (!whet_infer_has(ctx, VALUE)) return packed_infer(ctx, KEY, z->batch, heads, 2, z->d);
    const whet_type *v = ctx->in[VALUE];
    WHET_TRY(whet_infer_rank(ctx, VALUE, k->rank));
    WHET_TRY(whet_infer_same(ctx, k->dims[0], z->batch, "batch of key"));
    WHET_TRY(whet_infer_same(ctx, v->dims[0], z->batch, "batch of value"));
    if (k->rank == 4) {
        z->fresh = k->dims[2];
        z->dv = v->dims[3];
        WHET_TRY(whet_infer_same(ctx, k->dims[1], heads, "heads of key"));
        WHET_TRY(whet_infer_same(ctx, v->dims[1], heads, "heads of value"));
        WHET_TRY(whet_infer_same(ctx, k->dims[3], z->d, "head size of key"));
        WHET_TRY(whet_ms_absent(ctx, BIAS));
        return whet_infer_same(ctx, v->dims[2], z->fresh, "lengths of key and value");
    }
    WHET_TRY(whet_infer_rank(ctx, KEY, 3));
    WHET_TRY(whet_infer_same(ctx, k->dims[2], whet_dim_mul(ctx->dims, z->d, heads), "size of key"));
    WHET_TRY(whet_infer_same(ctx, v->dims[1], z->fresh, "lengths of key and value"));
    return head_size(ctx, v->dims[2], heads, &z->dv);
}

static whet_status past_infer(whet_infer *ctx, int64_t heads, mha_sizes *z) {
    z->past = 0;
    if (whet_infer_has(ctx, PAST_K) != whet_infer_has(ctx, PAST_V))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "past_key and past_value go together");
    for (int32_t in = PAST_K; in <= PAST_V && whet_infer_has(ctx, in); in++) {
        WHET_TRY(whet_infer_rank(ctx, in, 4));
        const whet_dim *d = ctx->in[in]->dims;
        if (in == PAST_K) z->past = d[2];
        WHET_TRY(whet_infer_same(ctx, d[0], z->batch, "batch of the past"));
        WHET_TRY(whet_infer_same(ctx, d[1], heads, "heads of the past"));
        WHET_TRY(whet_infer_same(ctx, d[2], z->past, "length of the past"));
        WHET_TRY(whet_infer_same(ctx, d[3], in == PAST_K ? z->d : z->dv, "head size of the past"));
    }
    return WHET_OK;
}

static whet_status mha_infer(whet_infer *ctx) {
    const mha_attrs *a = ctx->attrs;
    const whet_type *q = ctx->in[QUERY];
    int64_t heads = a->num_heads;
    whet_dims *pool = ctx->dims;
    mha_sizes z = {q->rank > 0 ? q->dims[0] : 0, q->rank > 1 ? q->dims[1] : 0};
    WHET_TRY(whet_ms_absent(ctx, PAST_LEN));
    WHET_TRY(whet_ms_absent(ctx, INDIRECTION));
    if (!whet_infer_has(ctx, KEY)) {
        if (whet_infer_has(ctx, VALUE))
            WHET_FAIL(ctx->err, WHET_E_INVALID, "value is given without key");
        WHET_TRY(whet_infer_rank(ctx, QUERY, 5));
        z.fresh = z.s, z.d = z.dv = q->dims[4];
        WHET_TRY(packed_infer(ctx, QUERY, z.batch, heads, 3, z.d));
    } else {
        WHET_TRY(whet_infer_rank(ctx, QUERY, 3));
        WHET_TRY(head_size(ctx, q->dims[2], heads, &z.d));
        WHET_TRY(key_infer(ctx, heads, &z));
    }
    WHET_TRY(past_infer(ctx, heads, &z));
    if (a->unidirectional)
        WHET_TRY(whet_infer_same(ctx, z.s, z.fresh, "lengths of unidirectional query and key"));
    whet_dim wide = whet_dim_mul(pool, z.d, heads), out = whet_dim_mul(pool, z.dv, heads);
    if (whet_infer_has(ctx, BIAS)) {
        whet_dim sum = whet_dim_add(pool, whet_dim_mul(pool, wide, 2), out);
        WHET_TRY(whet_infer_rank(ctx, BIAS, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[BIAS]->dims[0], sum, "size of bias"));
    }
    whet_dim total = whet_dim_add(pool, z.past, z.fresh);
    WHET_TRY(whet_ms_mask_infer(ctx, MASK, EXTRA, z.batch, heads, z.s, total));
    whet_infer_shape(ctx, OUT, 3, (whet_dim[]){z.batch, z.s, out});
    whet_infer_shape(ctx, PRESENT_K, 4, (whet_dim[]){z.batch, heads, total, z.d});
    whet_infer_shape(ctx, PRESENT_V, 4, (whet_dim[]){z.batch, heads, total, z.dv});
    whet_infer_shape(ctx, QK, 4, (whet_dim[]){z.batch, heads, z.s, total});
    return WHET_OK;
}

// One of query, key and value as heads.
typedef struct part {
    const double *v;
    int64_t step[3], len, d; // steps of batch, head, row
} part;

// Part `which` (0 query, 1 key, 2 value) from wherever it lies, bias added.
static whet_status part_load(whet_eval *e, int32_t which, int64_t heads, part *p) {
    bool all = !whet_eval_has(e, KEY), pair = !all && !whet_eval_has(e, VALUE) && which > 0;
    const whet_tensor *t = &e->in[all ? QUERY : pair ? KEY : which];
    const double *v = whet_eval_f64(e, all ? QUERY : pair ? KEY : which);
    int64_t n = whet_tensor_count(t), parts = all ? 3 : 2, wide = t->dims[2];
    if (!v) return WHET_E_NOMEM;
    p->len = t->dims[t->rank == 4 ? 2 : 1];
    p->d = t->rank == 3 ? wide / heads : t->dims[t->rank - 1];
    if (t->rank == 5) {
        v += (all ? which : which - 1) * p->d;
        p->step[1] = parts * p->d, p->step[2] = heads * p->step[1];
        p->step[0] = p->len * p->step[2];
    } else if (t->rank == 4) {
        p->step[2] = p->d, p->step[1] = p->len * p->d, p->step[0] = heads * p->step[1];
    } else {
        p->step[1] = p->d, p->step[2] = wide, p->step[0] = p->len * wide;
    }
    p->v = v;
    if (!whet_eval_has(e, BIAS)) return WHET_OK;
    const double *bias = whet_eval_f64(e, BIAS);
    double *sum = whet_eval_raw_f64(e, t->rank == 5 ? n / parts : n);
    if (!bias || !sum) return WHET_E_NOMEM;
    int64_t total = whet_tensor_count(&e->in[BIAS]), own = heads * p->d;
    bias += which == 2 ? total - own : which * own;
    for (int64_t at = 0; at < e->in[QUERY].dims[0] * p->len * own; at++) {
        int64_t j = at % p->d, h = at / p->d % heads, s = at / own % p->len, b = at / own / p->len;
        sum[at] = v[b * p->step[0] + h * p->step[1] + s * p->step[2] + j] + bias[at % own];
    }
    *p = (part){sum, {p->len * own, p->d, own}, p->len, p->d};
    return WHET_OK;
}

static double *joined(whet_eval *e, const part *p, int32_t past, int32_t present, int64_t heads,
                      int64_t *len) {
    const double *old = NULL;
    int64_t past_len = 0;
    if (whet_eval_has(e, past)) {
        past_len = e->in[past].dims[2];
        if (!(old = whet_eval_f64(e, past))) return NULL;
    }
    double *all = whet_attention_ref_join(e, e->in[QUERY].dims[0], heads, p->d, old, past_len, p->v,
                                          p->step, p->len);
    *len = past_len + p->len;
    if (all && whet_eval_wants(e, present)) whet_eval_store(e, present, all);
    return all;
}

static whet_status mha_eval(whet_eval *e) {
    const mha_attrs *a = e->attrs;
    int64_t heads = a->num_heads;
    part q, k, v;
    WHET_TRY(part_load(e, 0, heads, &q));
    WHET_TRY(part_load(e, 1, heads, &k));
    WHET_TRY(part_load(e, 2, heads, &v));
    whet_attention_ref r = {e->in[QUERY].dims[0], heads, heads, q.len, 0, q.d, v.d};
    r.k = joined(e, &k, PAST_K, PRESENT_K, heads, &r.kv_len);
    r.v = joined(e, &v, PAST_V, PRESENT_V, heads, &r.kv_len);
    r.y = whet_eval_raw_f64(e, r.batch * r.q_len * heads * r.dv);
    if (!r.k || !r.v || !r.y) return WHET_E_NOMEM;
    r.q = q.v;
    for (int32_t i = 0; i < 3; i++) r.q_step[i] = q.step[i];
    r.y_step[0] = r.q_len * heads * r.dv, r.y_step[1] = r.dv, r.y_step[2] = heads * r.dv;
    r.scale = a->scale != 0 ? (double)a->scale : 1 / sqrt((double)q.d);
    r.causal = a->unidirectional;
    r.offset = r.kv_len - k.len;
    r.qk = whet_eval_wants(e, QK) ? &e->out[QK] : NULL;
    WHET_TRY(whet_ms_mask_load(e, &r, MASK, EXTRA, (double)a->mask_filter_value));
    WHET_TRY(whet_attention_ref_run(e, &r));
    if (whet_eval_wants(e, OUT)) whet_eval_store(e, OUT, r.y);
    return WHET_OK;
}

#define INT_BIT WHET_DTYPE_BIT(WHET_DTYPE_I32)
#define FLOATS WHET_DTYPES_FLOAT
#define OPT WHET_ARG_OPTIONAL
static const whet_arg mha_in[] = {
    {"query", FLOATS, 'T'},
    {"key", FLOATS, 'T', OPT},
    {"value", FLOATS, 'T', OPT},
    {"bias", FLOATS, 'T', OPT},
    {"key_padding_mask", INT_BIT, 0, OPT},
    {"attention_bias", FLOATS, 'T', OPT},
    {"past_key", FLOATS, 'T', OPT},
    {"past_value", FLOATS, 'T', OPT},
    {"past_sequence_length", INT_BIT, 0, OPT},
    {"cache_indirection", INT_BIT, 0, OPT},
};
static const whet_arg mha_out[] = {
    {"output", FLOATS, 'T'},
    {"present_key", FLOATS, 'T', OPT},
    {"present_value", FLOATS, 'T', OPT},
    {"qk", FLOATS, 'T', OPT},
};
static const whet_attr mha_attr_rows[] = {
    {"num_heads", WHET_ATTR_INT, offsetof(mha_attrs, num_heads), true, .min = 1, .max = INT32_MAX},
    {"mask_filter_value", WHET_ATTR_FLOAT, offsetof(mha_attrs, mask_filter_value), .def = -10000},
    {"scale", WHET_ATTR_FLOAT, offsetof(mha_attrs, scale)},
    {"unidirectional", WHET_ATTR_BOOL, offsetof(mha_attrs, unidirectional)},
};
static const whet_onnx_row mha_onnx[] = {{"com.microsoft", "MultiHeadAttention", 1, 0, NULL}};

const whet_op whet_op_ms_multi_head_attention = {
    .name = "ms_multi_head_attention",
    .in = mha_in,
    .n_in = WHET_COUNT(mha_in),
    .out = mha_out,
    .n_out = WHET_COUNT(mha_out),
    .attrs = mha_attr_rows,
    .n_attrs = WHET_COUNT(mha_attr_rows),
    .attrs_size = sizeof(mha_attrs),
    .onnx = mha_onnx,
    .n_onnx = WHET_COUNT(mha_onnx),
    .infer = mha_infer,
    .eval = mha_eval,
};
