// SPDX-License-Identifier: Apache-2.0
#include "ops/ms_attention_ref.h"

#include "ops/matrix.h"

whet_status whet_ms_absent(whet_infer *ctx, int32_t in) {
    if (!whet_infer_has(ctx, in)) return WHET_OK;
    WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "%s: input %s is not supported", ctx->op->name,
              ctx->op->in[in].name);
}

// All but the length vectors.
static whet_status mask_shape(whet_infer *ctx, const whet_type *m, whet_dim batch, whet_dim s,
                              whet_dim t) {
    const char *what = "size of the mask";
    WHET_TRY(whet_infer_same(ctx, m->dims[0], batch, what));
    if (m->rank == 2) return whet_infer_same(ctx, m->dims[1], t, what);
    if (m->rank == 3) {
        WHET_TRY(whet_infer_same(ctx, m->dims[1], s, what));
        return whet_infer_same(ctx, m->dims[2], t, what);
    }
    WHET_TRY(whet_infer_same(ctx, m->dims[1], 1, what));
    WHET_TRY(whet_infer_same(ctx, m->dims[2], m->dims[3], what));
    if (whet_dim_is_const(m->dims[2]) && whet_dim_is_const(t) && m->dims[2] < t)
        return whet_infer_same(ctx, m->dims[2], t, what);
    return WHET_OK;
}

whet_status whet_ms_mask_infer(whet_infer *ctx, int32_t mask, int32_t bias, whet_dim batch,
                               whet_dim heads, whet_dim s, whet_dim t) {
    if (whet_infer_has(ctx, mask)) {
        const whet_type *m = ctx->in[mask];
        if (m->rank < 1 || m->rank > 4)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "the mask has %d dimensions", (int)m->rank);
        whet_dim d = m->dims[0];
        bool known = whet_dim_is_const(d) && whet_dim_is_const(batch);
        if (m->rank > 1) WHET_TRY(mask_shape(ctx, m, batch, s, t));
        else if (known && d != batch && (batch > INT32_MAX || d != 2 * batch))
            WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED,
                      "a mask of %lld lengths for %lld sequences is not supported", (long long)d,
                      (long long)batch);
    }
    if (!whet_infer_has(ctx, bias)) return WHET_OK;
    const whet_dim full[4] = {batch, heads, s, t};
    WHET_TRY(whet_infer_rank(ctx, bias, 4));
    for (int32_t i = 0; i < 4; i++) {
        whet_dim d = ctx->in[bias]->dims[i];
        if (i >= 2 || d != 1) WHET_TRY(whet_infer_same(ctx, d, full[i], "attention_bias"));
    }
    return WHET_OK;
}

// Whether key j counts for query i of batch b.
static bool counts(const whet_attention_ref *r, const whet_tensor *m, int64_t b, int64_t i,
                   int64_t j) {
    int64_t at = b * r->kv_len + j;
    if (m->rank == 1) {
        bool start = m->dims[0] == 2 * r->batch;
        return j < whet_load_i64(m->data, m->dtype, b) &&
               (!start || j >= whet_load_i64(m->data, m->dtype, r->batch + b));
    }
    if (m->rank == 3) at = (b * r->q_len + i) * r->kv_len + j;
    if (m->rank == 4) {
        int64_t row = r->kv_len - r->q_len + i, size = m->dims[2];
        if (row < 0) row = 0;
        at = (b * size + row) * size + j;
    }
    return whet_load_i64(m->data, m->dtype, at) > 0;
}

whet_status whet_ms_mask_load(whet_eval *e, whet_attention_ref *r, int32_t mask, int32_t bias,
                              double filter) {
    bool has_mask = whet_eval_has(e, mask), has_bias = whet_eval_has(e, bias);
    if (!has_mask && !has_bias) return WHET_OK;
    int64_t heads = has_bias ? e->in[bias].dims[1] : 1, area = r->q_len * r->kv_len, n;
    if (__builtin_mul_overflow(r->batch * heads, area, &n)) n = -1;
    const double *add = has_bias ? whet_eval_f64(e, bias) : NULL;
    double *sum = whet_eval_scratch_f64(e, n);
    if (!sum || (has_bias && !add)) return WHET_E_NOMEM;
    for (int64_t at = 0; at < n; at++) {
        int64_t b = at / area / heads, i = at / r->kv_len % r->q_len, j = at % r->kv_len;
        if (add) sum[at] = add[e->in[bias].dims[0] == 1 ? at % (heads * area) : at];
        if (has_mask && !counts(r, &e->in[mask], b, i, j)) sum[at] += filter;
    }
    r->bias = sum;
    r->bias_len = r->kv_len;
    r->bias_step[0] = heads * area;
    r->bias_step[1] = heads == 1 ? 0 : area;
    r->bias_step[2] = r->kv_len;
    return WHET_OK;
}
