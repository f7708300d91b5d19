// SPDX-License-Identifier: Apache-2.0
// com.microsoft GroupQueryAttention: causal attention of grouped heads with rotary positions, over
// a cache whose used length differs between sequences. seqlens_k holds that length less one, new
// keys included; when the query covers total_sequence_length (the prompt), the cache is not read.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ops/attention_ref.h"
#include "ops/matrix.h"
#include "ops/ms_attention_ref.h"
#include "ops/rotary_ref.h"

enum { QUERY, KEY, VALUE, PAST_K, PAST_V, SEQLENS, TOTAL, COS, SIN, POSITIONS, EXTRA, SINKS };
enum { OUT, PRESENT_K, PRESENT_V };

typedef struct gqa_attrs {
    int64_t num_heads, kv_num_heads, local_window_size, smooth_softmax;
    float scale, softcap;
    bool do_rotary, rotary_interleaved;
} gqa_attrs;

static whet_status check_scalars(whet_infer *ctx, whet_dim batch) {
    const whet_type *lens = ctx->in[SEQLENS];
    if (lens->rank == 2) {
        WHET_TRY(whet_infer_same(ctx, lens->dims[1], 1, "seqlens_k"));
    } else {
        WHET_TRY(whet_infer_rank(ctx, SEQLENS, 1));
    }
    WHET_TRY(whet_infer_same(ctx, lens->dims[0], batch, "seqlens_k and batch"));
    for (int32_t i = 0; i < ctx->in[TOTAL]->rank; i++)
        WHET_TRY(whet_infer_same(ctx, ctx->in[TOTAL]->dims[i], 1, "total_sequence_length"));
    return WHET_OK;
}

static whet_status check_past(whet_infer *ctx, whet_dim batch, whet_dim d, whet_dim *past) {
    const gqa_attrs *a = ctx->attrs;
    *past = 0;
    if (whet_infer_has(ctx, PAST_K) != whet_infer_has(ctx, PAST_V))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "past_key and past_value go together");
    for (int32_t in = PAST_K; in <= PAST_V && whet_infer_has(ctx, in); in++) {
        WHET_TRY(whet_infer_rank(ctx, in, 4));
        const whet_dim *p = ctx->in[in]->dims;
        if (in == PAST_K) *past = p[2];
        const whet_dim want[4] = {batch, a->kv_num_heads, *past, d};
        for (int32_t i = 0; i < 4; i++) WHET_TRY(whet_infer_same(ctx, p[i], want[i], "past"));
    }
    return WHET_OK;
}

static whet_status check_rotary(whet_infer *ctx, whet_dim batch, whet_dim s, whet_dim d) {
    const gqa_attrs *a = ctx->attrs;
    if (!a->do_rotary) return WHET_OK;
    if (!whet_infer_has(ctx, COS) || !whet_infer_has(ctx, SIN))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "do_rotary needs cos_cache and sin_cache");
    WHET_TRY(whet_infer_rank(ctx, COS, 2));
    WHET_TRY(whet_infer_rank(ctx, SIN, 2));
    const whet_dim *c = ctx->in[COS]->dims, *sin = ctx->in[SIN]->dims;
    for (int32_t i = 0; i < 2; i++) WHET_TRY(whet_infer_same(ctx, c[i], sin[i], "cos_cache"));
    if (whet_dim_is_const(c[1]) && whet_dim_is_const(d) && (c[1] < 0 || c[1] > d / 2))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "cos_cache has %" PRId64 " columns for heads of %" PRId64,
                  c[1], d);
    if (!whet_infer_has(ctx, POSITIONS)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, POSITIONS, 2));
    WHET_TRY(whet_infer_same(ctx, ctx->in[POSITIONS]->dims[0], batch, "position_ids"));
    return whet_infer_same(ctx, ctx->in[POSITIONS]->dims[1], s, "position_ids");
}

static whet_status check_query(whet_infer *ctx, whet_dim *d) {
    const gqa_attrs *a = ctx->attrs;
    WHET_TRY(whet_infer_rank(ctx, QUERY, 3));
    const whet_dim *q = ctx->in[QUERY]->dims;
    bool packed = !whet_infer_has(ctx, KEY);
    int64_t heads = a->num_heads + (packed ? 2 * a->kv_num_heads : 0);
    if (a->num_heads % a->kv_num_heads)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "num_heads is no multiple of kv_num_heads");
    if (packed == whet_infer_has(ctx, VALUE))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "key and value go together");
    if (whet_dim_is_const(q[2]) && (q[2] < 1 || q[2] % heads))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " is no multiple of %" PRId64 " heads", q[2],
                  heads);
    *d = whet_dim_floordiv(ctx->dims, q[2], heads);
    whet_dim wide = whet_dim_mul(ctx->dims, *d, a->kv_num_heads);
    const whet_dim want[3] = {q[0], q[1], wide};
    for (int32_t in = KEY; in <= VALUE && !packed; in++) {
        WHET_TRY(whet_infer_rank(ctx, in, 3));
        for (int32_t i = 0; i < 3; i++)
            WHET_TRY(whet_infer_same(ctx, ctx->in[in]->dims[i], want[i], "key or value"));
    }
    return WHET_OK;
}

static whet_status gqa_infer(whet_infer *ctx) {
    const gqa_attrs *a = ctx->attrs;
    whet_dim d = 0, past = 0, total;
    const whet_dim *value;
    int64_t n;
    WHET_TRY(check_query(ctx, &d));
    const whet_dim *q = ctx->in[QUERY]->dims;
    WHET_TRY(check_scalars(ctx, q[0]));
    WHET_TRY(check_past(ctx, q[0], d, &past));
    WHET_TRY(check_rotary(ctx, q[0], q[1], d));
    if (whet_infer_value(ctx, TOTAL, &value, &n) && n == 1) {
        if (whet_dim_is_const(value[0]) && value[0] < 0)
            WHET_FAIL(ctx->err, WHET_E_RANGE, "total_sequence_length is %" PRId64, value[0]);
        total = whet_dim_max(ctx->dims, past, value[0]);
    } else {
        total = whet_dim_fresh(ctx->dims);
    }
    if (whet_infer_has(ctx, EXTRA)) {
        WHET_TRY(whet_infer_rank(ctx, EXTRA, 4));
        const whet_dim *b = ctx->in[EXTRA]->dims;
        if (b[0] != 1) WHET_TRY(whet_infer_same(ctx, b[0], q[0], "attention_bias"));
        if (b[1] != 1) WHET_TRY(whet_infer_same(ctx, b[1], a->num_heads, "attention_bias"));
        WHET_TRY(whet_infer_same(ctx, b[2], q[1], "attention_bias"));
    }
    if (whet_infer_has(ctx, SINKS)) {
        WHET_TRY(whet_infer_rank(ctx, SINKS, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[SINKS]->dims[0], a->num_heads, "head_sink"));
    }
    whet_dim out = whet_dim_mul(ctx->dims, d, a->num_heads);
    whet_infer_shape(ctx, OUT, 3, (whet_dim[]){q[0], q[1], out});
    for (int32_t i = PRESENT_K; i <= PRESENT_V; i++)
        whet_infer_shape(ctx, i, 4, (whet_dim[]){q[0], a->kv_num_heads, total, d});
    return WHET_OK;
}

// ---- evaluation ----

typedef struct gqa_run {
    whet_eval *e;
    const gqa_attrs *a;
    int64_t batch, s, d, past, total; // lengths: query, cache given, cache returned
    int64_t *used, *lens;             // [batch]: cache entries read, keys in all
    const double *cos, *sin;
    int64_t half;
} gqa_run;

static whet_status load_lens(gqa_run *g) {
    whet_eval *e = g->e;
    int64_t total = whet_load_i64(e->in[TOTAL].data, e->in[TOTAL].dtype, 0);
    if (whet_tensor_count(&e->in[TOTAL]) != 1 || total < g->s || total < 0)
        WHET_FAIL(e->err, WHET_E_RANGE, "total_sequence_length must be one number >= the query's");
    g->total = total > g->past ? total : g->past;
    g->used = whet_eval_scratch_i64(e, g->batch);
    g->lens = whet_eval_scratch_i64(e, g->batch);
    if (!g->used || !g->lens) return WHET_E_NOMEM;
    for (int64_t b = 0; b < g->batch; b++) {
        int64_t len = whet_load_i64(e->in[SEQLENS].data, e->in[SEQLENS].dtype, b) + 1;
        g->lens[b] = len;
        if (g->s != total) g->used[b] = len - g->s;
        if (len < 0 || len > total || g->used[b] < 0 || g->used[b] > g->past)
            WHET_FAIL(e->err, WHET_E_RANGE, "seqlens_k[%" PRId64 "] is %" PRId64
                      " with %" PRId64 " new tokens, %" PRId64 " cached and %" PRId64 " in all",
                      b, len - 1, g->s, g->past, total);
    }
    return WHET_OK;
}

static whet_status rotate(const gqa_run *g, int64_t b, int64_t s, double *x) {
    const whet_tensor *p = whet_eval_has(g->e, POSITIONS) ? &g->e->in[POSITIONS] : NULL;
    if (!g->a->do_rotary) return WHET_OK;
    int64_t at = g->used[b] + s;
    if (at >= g->lens[b]) at = 1; // padding of the prompt: any position will do
    if (p) at = whet_load_i64(p->data, p->dtype, b * g->s + s);
    if (at < 0 || at >= g->e->in[COS].dims[0])
        WHET_FAIL(g->e->err, WHET_E_RANGE, "position %" PRId64 " is outside the cache of %" PRId64,
                  at, g->e->in[COS].dims[0]);
    whet_rotary_apply(x, g->cos + at * g->half, g->sin + at * g->half, g->half,
                      g->a->rotary_interleaved);
    return WHET_OK;
}

// Heads [first, first + n) of a source of `wide` columns, with positions applied: to
// out [batch, n, rows, d] behind `used` rows of each batch when that is not NULL.
static whet_status gather(const gqa_run *g, const double *from, int64_t wide, int64_t first,
                          int64_t n, bool positions, int64_t rows, const int64_t *used,
                          double *out) {
    for (int64_t i = 0; i < g->batch * n * g->s; i++) {
        int64_t s = i % g->s, h = i / g->s % n, b = i / g->s / n;
        double *to = out + ((b * n + h) * rows + (used ? used[b] : 0) + s) * g->d;
        memcpy(to, from + (b * g->s + s) * wide + (first + h) * g->d, (size_t)g->d * sizeof *to);
        if (positions) WHET_TRY(rotate(g, b, s, to));
    }
    return WHET_OK;
}

// The cache with the new keys or values in it; what no sequence uses is 0.
static whet_status cache(const gqa_run *g, int32_t in, int32_t past, double **out) {
    whet_eval *e = g->e;
    int64_t n = g->a->kv_num_heads, first = 0, size, wide = n * g->d;
    bool packed = !whet_eval_has(e, KEY);
    const double *from = whet_eval_f64(e, packed ? QUERY : in), *old = NULL;
    if (packed) first = g->a->num_heads + (in == VALUE ? n : 0), wide = e->in[QUERY].dims[2];
    if (__builtin_mul_overflow(g->batch * n * g->d, g->total, &size)) size = -1;
    *out = whet_eval_scratch_f64(e, size);
    if (whet_eval_has(e, past) && !(old = whet_eval_f64(e, past))) return WHET_E_NOMEM;
    if (!from || !*out) return WHET_E_NOMEM;
    for (int64_t i = 0; old && i < g->batch * n; i++)
        memcpy(*out + i * g->total * g->d, old + i * g->past * g->d,
               (size_t)(g->used[i / n] * g->d) * sizeof *old);
    return gather(g, from, wide, first, n, in == KEY, g->total, g->used, *out);
}

static void load_bias(const gqa_run *g, whet_attention_ref *r, const double *v) {
    const int64_t *d = g->e->in[EXTRA].dims;
    r->bias = v;
    r->bias_len = d[3];
    r->bias_step[2] = d[3];
    r->bias_step[1] = d[1] == 1 ? 0 : d[2] * d[3];
    r->bias_step[0] = d[0] == 1 ? 0 : d[1] * d[2] * d[3];
}

static whet_status attend(gqa_run *g, whet_attention_ref *r) {
    whet_eval *e = g->e;
    const gqa_attrs *a = g->a;
    double *q = whet_eval_raw_f64(e, g->batch * a->num_heads * g->s * g->d), *k, *v;
    const double *from = whet_eval_f64(e, QUERY);
    r->y = whet_eval_raw_f64(e, g->batch * a->num_heads * g->s * g->d);
    if (!q || !from || !r->y) return WHET_E_NOMEM;
    WHET_TRY(gather(g, from, e->in[QUERY].dims[2], 0, a->num_heads, true, g->s, NULL, q));
    WHET_TRY(cache(g, KEY, PAST_K, &k));
    WHET_TRY(cache(g, VALUE, PAST_V, &v));
    if (whet_eval_wants(e, PRESENT_K)) whet_eval_store(e, PRESENT_K, k);
    if (whet_eval_wants(e, PRESENT_V)) whet_eval_store(e, PRESENT_V, v);
    r->q = q, r->k = k, r->v = v, r->kv_len = g->total;
    r->q_step[2] = g->d, r->q_step[1] = g->s * g->d, r->q_step[0] = a->num_heads * g->s * g->d;
    r->y_step[1] = g->d, r->y_step[2] = a->num_heads * g->d, r->y_step[0] = g->s * r->y_step[2];
    if (whet_eval_has(e, EXTRA)) {
        const double *bias = whet_eval_f64(e, EXTRA);
        if (!bias) return WHET_E_NOMEM;
        load_bias(g, r, bias);
    }
    if (whet_eval_has(e, SINKS) && !(r->sinks = whet_eval_f64(e, SINKS))) return WHET_E_NOMEM;
    return whet_attention_ref_run(e, r);
}

static whet_status gqa_eval(whet_eval *e) {
    const gqa_attrs *a = e->attrs;
    const int64_t *q = e->in[QUERY].dims;
    bool packed = !whet_eval_has(e, KEY);
    gqa_run g = {e, a, q[0], q[1], q[2] / (a->num_heads + (packed ? 2 * a->kv_num_heads : 0))};
    g.past = whet_eval_has(e, PAST_K) ? e->in[PAST_K].dims[2] : 0;
    WHET_TRY(load_lens(&g));
    if (a->do_rotary) {
        g.half = e->in[COS].dims[1];
        g.cos = whet_eval_f64(e, COS);
        g.sin = whet_eval_f64(e, SIN);
        if (!g.cos || !g.sin) return WHET_E_NOMEM;
    }
    whet_attention_ref r = {g.batch, a->num_heads, a->kv_num_heads, g.s, 0, g.d, g.d};
    r.scale = a->scale != 0 ? (double)a->scale : 1 / sqrt((double)g.d);
    r.softcap = (double)a->softcap;
    r.sink = a->smooth_softmax == 1 || whet_eval_has(e, SINKS);
    r.causal = true;
    r.offsets = g.used;
    r.window = a->local_window_size;
    WHET_TRY(attend(&g, &r));
    if (!whet_eval_wants(e, OUT)) return WHET_OK;
    whet_eval_store(e, OUT, r.y);
    return WHET_OK;
}

#define FLOATS WHET_DTYPES_FLOAT
#define I32 WHET_DTYPE_BIT(WHET_DTYPE_I32)
#define OPT WHET_ARG_OPTIONAL
static const whet_arg gqa_in[] = {
    {"query", FLOATS, 'T'},
    {"key", FLOATS, 'T', OPT},
    {"value", FLOATS, 'T', OPT},
    {"past_key", FLOATS, 'T', OPT},
    {"past_value", FLOATS, 'T', OPT},
    {"seqlens_k", I32, 0},
    {"total_sequence_length", I32, 0, WHET_ARG_VALUE},
    {"cos_cache", FLOATS, 'T', OPT},
    {"sin_cache", FLOATS, 'T', OPT},
    {"position_ids", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, OPT},
    {"attention_bias", FLOATS, 'T', OPT},
    {"head_sink", FLOATS, 'T', OPT},
};
static const whet_arg gqa_out[] = {
    {"output", FLOATS, 'T'},
    {"present_key", FLOATS, 'T', OPT},
    {"present_value", FLOATS, 'T', OPT},
};
#define FIELD(name) offsetof(gqa_attrs, name)
static const whet_attr gqa_rows[] = {
    {"num_heads", WHET_ATTR_INT, FIELD(num_heads), true, .min = 1, .max = INT32_MAX},
    {"kv_num_heads", WHET_ATTR_INT, FIELD(kv_num_heads), true, .min = 1, .max = INT32_MAX},
    {"local_window_size", WHET_ATTR_INT, FIELD(local_window_size), .def = -1, .min = -1,
     .max = INT32_MAX},
    {"smooth_softmax", WHET_ATTR_INT, FIELD(smooth_softmax), .def = -1, .min = -1, .max = 1},
    {"scale", WHET_ATTR_FLOAT, FIELD(scale)},
    {"softcap", WHET_ATTR_FLOAT, FIELD(softcap)},
    {"do_rotary", WHET_ATTR_BOOL, FIELD(do_rotary)},
    {"rotary_interleaved", WHET_ATTR_BOOL, FIELD(rotary_interleaved)},
};
static const whet_onnx_row gqa_onnx[] = {{"com.microsoft", "GroupQueryAttention", 1, 0, NULL}};

const whet_op whet_op_ms_group_query_attention = {
    .name = "ms_group_query_attention",
    .in = gqa_in,
    .n_in = WHET_COUNT(gqa_in),
    .out = gqa_out,
    .n_out = WHET_COUNT(gqa_out),
    .attrs = gqa_rows,
    .n_attrs = WHET_COUNT(gqa_rows),
    .attrs_size = sizeof(gqa_attrs),
    .onnx = gqa_onnx,
    .n_onnx = WHET_COUNT(gqa_onnx),
    .infer = gqa_infer,
    .eval = gqa_eval,
};
