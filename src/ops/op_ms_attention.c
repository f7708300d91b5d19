// SPDX-License-Identifier: Apache-2.0
// com.microsoft Attention: [q k v] = X W + b, then attention of each head over past and new keys.
#include <math.h>
#include <string.h>

#include "ops/matrix.h"
#include "ops/ms_attention_ref.h"

enum { INPUT, WEIGHTS, BIAS, MASK, PAST, EXTRA, PAST_LEN };
enum { OUT, PRESENT };

typedef struct ms_attention_attrs {
    int64_t num_heads, rotary_embedding_dim;
    float mask_filter_value, scale;
    bool unidirectional, do_rotary, past_present_share_buffer;
    whet_ints qkv_hidden_sizes;
} ms_attention_attrs;

// Hidden sizes of q (and k) and of v.
static whet_status hidden_infer(whet_infer *ctx, whet_dim *hidden, whet_dim *hidden_v) {
    const ms_attention_attrs *a = ctx->attrs;
    whet_dim wide = ctx->in[WEIGHTS]->dims[1], sum;
    *hidden = *hidden_v = whet_dim_floordiv(ctx->dims, wide, 3);
    sum = whet_dim_mul(ctx->dims, *hidden, 3);
    if (a->qkv_hidden_sizes.n) {
        const int64_t *v = a->qkv_hidden_sizes.v;
        if (a->qkv_hidden_sizes.n != 3 || v[0] != v[1])
            WHET_FAIL(ctx->err, WHET_E_INVALID, "qkv_hidden_sizes must be three, of q and k equal");
        *hidden = v[0], *hidden_v = v[2];
        sum = whet_dim_add(ctx->dims, whet_dim_mul(ctx->dims, v[0], 2), v[2]);
    }
    WHET_TRY(whet_infer_same(ctx, wide, sum, "columns of weights and hidden sizes"));
    if (whet_dim_is_const(*hidden) && whet_dim_is_const(*hidden_v) &&
        (*hidden < 1 || *hidden % a->num_heads || *hidden_v % a->num_heads))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "hidden sizes are no multiples of %lld heads",
                  (long long)a->num_heads);
    return WHET_OK;
}

static whet_status ms_attention_infer(whet_infer *ctx) {
    const ms_attention_attrs *a = ctx->attrs;
    whet_dims *pool = ctx->dims;
    whet_dim hidden, hidden_v, past = 0;
    if (a->do_rotary || a->past_present_share_buffer)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED,
                  "do_rotary and past_present_share_buffer are not supported");
    WHET_TRY(whet_ms_absent(ctx, PAST_LEN));
    WHET_TRY(whet_infer_rank(ctx, INPUT, 3));
    WHET_TRY(whet_infer_rank(ctx, WEIGHTS, 2));
    const whet_dim *x = ctx->in[INPUT]->dims;
    WHET_TRY(whet_infer_same(ctx, ctx->in[WEIGHTS]->dims[0], x[2], "sizes of input and weights"));
    WHET_TRY(hidden_infer(ctx, &hidden, &hidden_v));
    if (whet_infer_has(ctx, BIAS)) {
        WHET_TRY(whet_infer_rank(ctx, BIAS, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[BIAS]->dims[0], ctx->in[WEIGHTS]->dims[1],
                                 "sizes of bias and weights"));
    }
    whet_dim d = whet_dim_floordiv(pool, hidden, a->num_heads);
    if (whet_infer_has(ctx, PAST)) {
        WHET_TRY(whet_infer_rank(ctx, PAST, 5));
        const whet_dim *p = ctx->in[PAST]->dims, want[5] = {2, x[0], a->num_heads, p[3], d};
        for (int32_t i = 0; i < 5; i++) WHET_TRY(whet_infer_same(ctx, p[i], want[i], "past"));
        past = p[3];
    }
    if (whet_infer_has(ctx, PAST) || ctx->n_out > 1)
        WHET_TRY(whet_infer_same(ctx, hidden, hidden_v, "sizes of cached keys and values"));
    whet_dim total = whet_dim_add(pool, past, x[1]);
    WHET_TRY(whet_ms_mask_infer(ctx, MASK, EXTRA, x[0], a->num_heads, x[1], total));
    whet_infer_shape(ctx, OUT, 3, (whet_dim[]){x[0], x[1], hidden_v});
    whet_infer_shape(ctx, PRESENT, 5, (whet_dim[]){2, x[0], a->num_heads, total, d});
    return WHET_OK;
}

// X W + b: [b s, columns]
static double *project(whet_eval *e, int64_t rows) {
    const whet_tensor *w = &e->in[WEIGHTS];
    int64_t n = w->dims[1], size;
    if (__builtin_mul_overflow(rows, n, &size)) size = -1;
    const double *x = whet_eval_f64(e, INPUT), *vw = whet_eval_f64(e, WEIGHTS), *bias = NULL;
    double *y = whet_eval_scratch_f64(e, size);
    if (whet_eval_has(e, BIAS) && !(bias = whet_eval_f64(e, BIAS))) return NULL;
    if (!x || !vw || !y) return NULL;
    for (int64_t i = 0; bias && i < size; i++) y[i] = bias[i % n];
    whet_matrix_mul_f64(rows, n, w->dims[0], x, w->dims[0], vw, n, y, n);
    return y;
}

static whet_status ms_attention_eval(whet_eval *e) {
    const ms_attention_attrs *a = e->attrs;
    const int64_t *x = e->in[INPUT].dims;
    int64_t wide = e->in[WEIGHTS].dims[1], heads = a->num_heads;
    int64_t hidden = a->qkv_hidden_sizes.n ? a->qkv_hidden_sizes.v[0] : wide / 3;
    int64_t step[3] = {x[1] * wide, hidden / heads, wide}, past_len = 0;
    whet_attention_ref r = {x[0], heads, heads, x[1], 0, hidden / heads,
                            (wide - 2 * hidden) / heads};
    const double *qkv = project(e, x[0] * x[1]), *past = NULL;
    if (whet_eval_has(e, PAST)) {
        past_len = e->in[PAST].dims[3];
        if (!(past = whet_eval_f64(e, PAST))) return WHET_E_NOMEM;
    }
    if (!qkv) return WHET_E_NOMEM;
    r.kv_len = past_len + x[1];
    const double *past_v = past ? past + x[0] * heads * past_len * r.d : NULL;
    r.q = qkv;
    memcpy(r.q_step, step, sizeof step);
    r.k = whet_attention_ref_join(e, x[0], heads, r.d, past, past_len, qkv + hidden, step, x[1]);
    step[1] = r.dv;
    r.v = whet_attention_ref_join(e, x[0], heads, r.dv, past_v, past_len, qkv + 2 * hidden, step,
                                  x[1]);
    r.y = whet_eval_raw_f64(e, x[0] * x[1] * heads * r.dv);
    if (!r.k || !r.v || !r.y) return WHET_E_NOMEM;
    r.y_step[0] = x[1] * heads * r.dv, r.y_step[1] = r.dv, r.y_step[2] = heads * r.dv;
    r.scale = a->scale != 0 ? (double)a->scale : 1 / sqrt((double)r.d);
    r.causal = a->unidirectional;
    r.offset = past_len;
    WHET_TRY(whet_ms_mask_load(e, &r, MASK, EXTRA, (double)a->mask_filter_value));
    WHET_TRY(whet_attention_ref_run(e, &r));
    if (whet_eval_wants(e, OUT)) whet_eval_store(e, OUT, r.y);
    if (!whet_eval_wants(e, PRESENT)) return WHET_OK;
    const whet_tensor *t = &e->out[PRESENT];
    int64_t half = whet_tensor_count(t) / 2;
    for (int64_t i = 0; i < half; i++) {
        whet_store_f64(t->data, t->dtype, i, r.k[i]);
        whet_store_f64(t->data, t->dtype, half + i, r.v[i]);
    }
    return WHET_OK;
}

#define FLOATS WHET_DTYPES_FLOAT
#define OPT WHET_ARG_OPTIONAL
static const whet_arg ms_attention_in[] = {
    {"input", FLOATS, 'T'},
    {"weights", FLOATS, 'T'},
    {"bias", FLOATS, 'T', OPT},
    {"mask_index", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, OPT},
    {"past", FLOATS, 'T', OPT},
    {"attention_bias", FLOATS, 'T', OPT},
    {"past_sequence_length", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, OPT},
};
static const whet_arg ms_attention_out[] = {
    {"output", FLOATS, 'T'},
    {"present", FLOATS, 'T', OPT},
};
#define FIELD(name) offsetof(ms_attention_attrs, name)
static const whet_attr ms_attention_rows[] = {
    {"num_heads", WHET_ATTR_INT, FIELD(num_heads), true, .min = 1, .max = INT32_MAX},
    {"unidirectional", WHET_ATTR_BOOL, FIELD(unidirectional)},
    {"qkv_hidden_sizes", WHET_ATTR_INTS, FIELD(qkv_hidden_sizes), .min = 0, .max = INT32_MAX},
    {"mask_filter_value", WHET_ATTR_FLOAT, FIELD(mask_filter_value), .def = -10000},
    {"scale", WHET_ATTR_FLOAT, FIELD(scale)},
    {"do_rotary", WHET_ATTR_BOOL, FIELD(do_rotary)},
    {"rotary_embedding_dim", WHET_ATTR_INT, FIELD(rotary_embedding_dim)},
    {"past_present_share_buffer", WHET_ATTR_BOOL, FIELD(past_present_share_buffer)},
};
static const whet_onnx_row ms_attention_onnx[] = {
    {"com.microsoft", "Attention", 1, 0, NULL},
    {"com.microsoft", "QAttention", 1, 0, "qattention"},
};

const whet_op whet_op_ms_attention = {
    .name = "ms_attention",
    .in = ms_attention_in,
    .n_in = WHET_COUNT(ms_attention_in),
    .out = ms_attention_out,
    .n_out = WHET_COUNT(ms_attention_out),
    .attrs = ms_attention_rows,
    .n_attrs = WHET_COUNT(ms_attention_rows),
    .attrs_size = sizeof(ms_attention_attrs),
    .onnx = ms_attention_onnx,
    .n_onnx = WHET_COUNT(ms_attention_onnx),
    .infer = ms_attention_infer,
    .eval = ms_attention_eval,
};
