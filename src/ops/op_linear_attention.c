// SPDX-License-Identifier: Apache-2.0
// linear_attention: attention whose memory is a matrix S [d_k, d_v] of each head of keys, updated
// row by row of the sequence and read by the queries. With decay g, rate b, row (q, k, v):
//     S = exp(g) S;  v = b (v - S' k) in the delta rules;  S = S + k v';  o = scale S' q
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ops/op.h"

enum { QUERY, KEY, VALUE, PAST, DECAY, BETA };
enum { RULE_LINEAR, RULE_GATED, RULE_DELTA, RULE_GATED_DELTA };
static const char *const rules[] = {"linear", "gated", "delta", "gated_delta", NULL};

typedef struct linear_attention_attrs {
    int64_t q_num_heads, kv_num_heads, chunk_size;
    float scale; // 0: 1 / sqrt(d_k)
    int32_t rule;
} linear_attention_attrs;

static bool is_gated(const linear_attention_attrs *a) {
    return a->rule == RULE_GATED || a->rule == RULE_GATED_DELTA;
}
static bool is_delta(const linear_attention_attrs *a) { return a->rule >= RULE_DELTA; }

// Width of one head in the rows of input i.
static whet_status head_size(whet_infer *ctx, int32_t i, int64_t heads, whet_dim *d) {
    WHET_TRY(whet_infer_rank(ctx, i, 3));
    whet_dim wide = ctx->in[i]->dims[2];
    if (whet_dim_is_const(wide) && wide % heads)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s: %" PRId64 " is no multiple of %" PRId64 " heads",
                  ctx->op->in[i].name, wide, heads);
    *d = whet_dim_floordiv(ctx->dims, wide, heads);
    return WHET_OK;
}

static whet_status check_rows(whet_infer *ctx, int32_t i) {
    if (!whet_infer_has(ctx, i)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, i, 3));
    for (int32_t k = 0; k < 2; k++)
        WHET_TRY(whet_infer_same(ctx, ctx->in[QUERY]->dims[k], ctx->in[i]->dims[k],
                                 "batch and length of the inputs"));
    return WHET_OK;
}

static whet_status check_gates(whet_infer *ctx, whet_dim d) {
    const linear_attention_attrs *a = ctx->attrs;
    if (whet_infer_has(ctx, DECAY) != is_gated(a) || whet_infer_has(ctx, BETA) != is_delta(a))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "update rule %s %s decay and %s beta", rules[a->rule],
                  is_gated(a) ? "needs" : "takes no", is_delta(a) ? "needs" : "takes no");
    if (is_gated(a)) {
        whet_dim last = ctx->in[DECAY]->dims[2];
        if (last != a->kv_num_heads)
            WHET_TRY(whet_infer_same(ctx, last, whet_dim_mul(ctx->dims, d, a->kv_num_heads),
                                     "decays and keys"));
    }
    if (is_delta(a) && ctx->in[BETA]->dims[2] != 1)
        return whet_infer_same(ctx, ctx->in[BETA]->dims[2], a->kv_num_heads, "betas and heads");
    return WHET_OK;
}

static whet_status linear_attention_infer(whet_infer *ctx) {
    const linear_attention_attrs *a = ctx->attrs;
    whet_dim d, dk, dv;
    if (a->q_num_heads % a->kv_num_heads)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "q_num_heads is no multiple of kv_num_heads");
    WHET_TRY(head_size(ctx, QUERY, a->q_num_heads, &d));
    WHET_TRY(head_size(ctx, KEY, a->kv_num_heads, &dk));
    WHET_TRY(head_size(ctx, VALUE, a->kv_num_heads, &dv));
    WHET_TRY(whet_infer_same(ctx, d, dk, "head sizes of query and key"));
    for (int32_t i = KEY; i <= BETA; i++)
        if (i != PAST) WHET_TRY(check_rows(ctx, i));
    WHET_TRY(check_gates(ctx, d));
    const whet_dim *q = ctx->in[QUERY]->dims;
    const whet_dim state[4] = {q[0], a->kv_num_heads, d, dv};
    if (whet_infer_has(ctx, PAST)) {
        WHET_TRY(whet_infer_rank(ctx, PAST, 4));
        for (int32_t i = 0; i < 4; i++)
            WHET_TRY(whet_infer_same(ctx, ctx->in[PAST]->dims[i], state[i], "past_state"));
    }
    if (ctx->n_out > 1)
        ctx->out[1].dtype = ctx->in[whet_infer_has(ctx, PAST) ? PAST : QUERY]->dtype;
    whet_infer_shape(ctx, 0, 3, (const whet_dim[]){
                                    q[0], q[1], whet_dim_mul(ctx->dims, dv, a->q_num_heads)});
    whet_infer_shape(ctx, 1, 4, state);
    return WHET_OK;
}

typedef struct run {
    const linear_attention_attrs *a;
    int64_t batch, len, d, dv;
    const double *in[6]; // NULL where absent
    int64_t wide[6];     // last dimensions
    double *y, *fresh;   // result; [dv]
} run;

static const double *row(const run *r, int32_t i, int64_t b, int64_t t) {
    return r->in[i] + (b * r->len + t) * r->wide[i];
}

// One row of the sequence changes the memory s of head h.
static void update(const run *r, int64_t b, int64_t t, int64_t h, double *s) {
    const double *k = row(r, KEY, b, t) + h * r->d, *v = row(r, VALUE, b, t) + h * r->dv;
    if (is_gated(r->a)) {
        bool each = r->wide[DECAY] != r->a->kv_num_heads;
        const double *g = row(r, DECAY, b, t) + (each ? h * r->d : h);
        for (int64_t i = 0; i < r->d * r->dv; i++) s[i] *= exp(g[each ? i / r->dv : 0]);
    }
    for (int64_t j = 0; j < r->dv; j++) {
        double known = 0, beta = 1;
        for (int64_t i = 0; is_delta(r->a) && i < r->d; i++) known += s[i * r->dv + j] * k[i];
        if (is_delta(r->a)) beta = row(r, BETA, b, t)[r->wide[BETA] == 1 ? 0 : h];
        r->fresh[j] = beta * (v[j] - known);
    }
    for (int64_t i = 0; i < r->d * r->dv; i++) s[i] += k[i / r->dv] * r->fresh[i % r->dv];
}

static void read_memory(const run *r, int64_t b, int64_t t, int64_t h, const double *s) {
    int64_t group = r->a->q_num_heads / r->a->kv_num_heads;
    double scale = r->a->scale != 0 ? (double)r->a->scale : 1 / sqrt((double)r->d);
    for (int64_t n = h * group; n < (h + 1) * group; n++) {
        const double *q = row(r, QUERY, b, t) + n * r->d;
        double *y = r->y + ((b * r->len + t) * r->a->q_num_heads + n) * r->dv;
        for (int64_t j = 0; j < r->dv; j++) {
            double sum = 0;
            for (int64_t i = 0; i < r->d; i++) sum += q[i] * s[i * r->dv + j];
            y[j] = scale * sum;
        }
    }
}

static whet_status linear_attention_eval(whet_eval *e) {
    run r = {.a = e->attrs, .batch = e->in[QUERY].dims[0], .len = e->in[QUERY].dims[1]};
    int64_t heads = r.a->kv_num_heads;
    for (int32_t i = 0; i <= BETA; i++) {
        if (!whet_eval_has(e, i)) continue;
        if (!(r.in[i] = whet_eval_f64(e, i))) return WHET_E_NOMEM;
        r.wide[i] = e->in[i].dims[e->in[i].rank - 1];
    }
    r.d = r.wide[QUERY] / r.a->q_num_heads;
    r.dv = r.wide[VALUE] / heads;
    int64_t one, size;
    if (__builtin_mul_overflow(r.d, r.dv, &one) ||
        __builtin_mul_overflow(one, r.batch * heads, &size))
        size = -1;
    double *state = whet_eval_scratch_f64(e, size);
    r.y = whet_eval_scratch_f64(e, r.batch * r.len * r.a->q_num_heads * r.dv);
    r.fresh = whet_eval_scratch_f64(e, r.dv);
    if (!state || !r.y || !r.fresh) return WHET_E_NOMEM;
    if (r.in[PAST] && size) memcpy(state, r.in[PAST], (size_t)size * sizeof *state);
    for (int64_t i = 0; i < r.batch * heads; i++)
        for (int64_t t = 0; t < r.len; t++) {
            update(&r, i / heads, t, i % heads, state + i * one);
            read_memory(&r, i / heads, t, i % heads, state + i * one);
        }
    if (whet_eval_wants(e, 0)) whet_eval_store(e, 0, r.y);
    if (whet_eval_wants(e, 1)) whet_eval_store(e, 1, state);
    return WHET_OK;
}

static double linear_attention_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                     const whet_tensor *out, int32_t n_out) {
    const linear_attention_attrs *a = attrs;
    (void)n_in, (void)out, (void)n_out;
    double d = (double)in[QUERY].dims[2] / (double)a->q_num_heads;
    return 6 * d * (double)whet_tensor_count(&in[VALUE]);
}

#define FIELD(name) offsetof(linear_attention_attrs, name)
const whet_op whet_op_linear_attention = {
    .name = "linear_attention",
    WHET_IN({"query", WHET_DTYPES_FLOAT, 'T'}, {"key", WHET_DTYPES_FLOAT, 'T'},
            {"value", WHET_DTYPES_FLOAT, 'T'},
            {"past_state", WHET_DTYPES_FLOAT, 0, WHET_ARG_OPTIONAL},
            {"decay", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
            {"beta", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL}),
    WHET_OUT({"output", WHET_DTYPES_FLOAT, 'T'},
             {"present_state", WHET_DTYPES_FLOAT, 0, WHET_ARG_OPTIONAL}),
    WHET_ATTRS(linear_attention_attrs,
               {"q_num_heads", WHET_ATTR_INT, FIELD(q_num_heads), .required = true, .min = 1,
                .max = INT32_MAX},
               {"kv_num_heads", WHET_ATTR_INT, FIELD(kv_num_heads), .required = true, .min = 1,
                .max = INT32_MAX},
               {"chunk_size", WHET_ATTR_INT, FIELD(chunk_size), .def = 64},
               {"scale", WHET_ATTR_FLOAT, FIELD(scale)},
               {"update_rule", WHET_ATTR_ENUM, FIELD(rule), .def = RULE_GATED_DELTA,
                .choices = rules}),
    WHET_ONNX({"", "LinearAttention", 27, 0, NULL}),
    .infer = linear_attention_infer, .eval = linear_attention_eval,
    .flops = linear_attention_flops};
