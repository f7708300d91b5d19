// SPDX-License-Identifier: Apache-2.0
#include "ops/block_matmul.h"

#include "ops/matmul_ref.h"
#include "ops/matrix.h"

static int64_t blocks_of(const whet_block_matmul_attrs *a, int64_t k) {
    return a->block ? (k - 1) / a->block + 1 : 1;
}

// One number, one a column, or blocks by columns in the order of w.
static whet_status check_params(whet_infer *ctx, int32_t i) {
    const whet_block_matmul_attrs *a = ctx->attrs;
    const whet_type *w = ctx->in[WHET_BM_W], *p = ctx->in[i];
    whet_dim k = w->dims[a->trans_b], n = w->dims[!a->trans_b];
    if (!a->block) {
        if (p->rank == 0 || (p->rank == 1 && p->dims[0] == 1)) return WHET_OK;
        WHET_TRY(whet_infer_rank(ctx, i, 1));
        return whet_infer_same(ctx, p->dims[0], n, "scales and columns");
    }
    WHET_TRY(whet_infer_rank(ctx, i, 2));
    whet_dim blocks = whet_dim_ceildiv(ctx->dims, k, a->block);
    WHET_TRY(whet_infer_same(ctx, p->dims[a->trans_b], blocks, "blocks of w and parameters"));
    return whet_infer_same(ctx, p->dims[!a->trans_b], n, "scales and columns");
}

static whet_status block_matmul_infer(whet_infer *ctx) {
    const whet_block_matmul_attrs *a = ctx->attrs;
    whet_dim n;
    WHET_TRY(whet_infer_rank(ctx, WHET_BM_W, 2));
    WHET_TRY(check_params(ctx, WHET_BM_SCALE));
    if (whet_infer_has(ctx, WHET_BM_ZERO)) WHET_TRY(check_params(ctx, WHET_BM_ZERO));
    WHET_TRY(whet_matmul_infer(ctx, WHET_BM_X, false, WHET_BM_W, a->trans_b, &n));
    if (!whet_infer_has(ctx, WHET_BM_BIAS)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, WHET_BM_BIAS, 1));
    return whet_infer_same(ctx, ctx->in[WHET_BM_BIAS]->dims[0], n, "bias and columns");
}

static double param_at(const whet_eval *e, int32_t i, int64_t block, int64_t col, int64_t blocks,
                       int64_t n) {
    const whet_block_matmul_attrs *a = e->attrs;
    const whet_tensor *t = &e->in[i];
    int64_t at = a->trans_b ? col * blocks + block : block * n + col;
    return whet_load_f64(t->data, t->dtype, whet_tensor_count(t) == 1 ? 0 : at);
}

// w as numbers, [k, n].
static double *dequantize(whet_eval *e, int64_t k, int64_t n) {
    const whet_block_matmul_attrs *a = e->attrs;
    const whet_tensor *w = &e->in[WHET_BM_W];
    int64_t blocks = blocks_of(a, k);
    double *v = whet_eval_raw_f64(e, whet_tensor_count(w));
    for (int64_t i = 0; v && i < k; i++)
        for (int64_t col = 0; col < n; col++) {
            int64_t block = a->block ? i / a->block : 0;
            double q = whet_load_f64(w->data, w->dtype, a->trans_b ? col * k + i : i * n + col);
            if (whet_eval_has(e, WHET_BM_ZERO))
                q -= param_at(e, WHET_BM_ZERO, block, col, blocks, n);
            v[i * n + col] = q * param_at(e, WHET_BM_SCALE, block, col, blocks, n);
        }
    return v;
}

static whet_status block_matmul_eval(whet_eval *e) {
    const whet_block_matmul_attrs *a = e->attrs;
    const whet_tensor *w = &e->in[WHET_BM_W];
    int64_t k = w->dims[a->trans_b], n = w->dims[!a->trans_b];
    int64_t count = whet_tensor_count(&e->out[0]);
    const double *x = whet_eval_f64(e, WHET_BM_X), *v = dequantize(e, k, n), *bias = NULL;
    double *y = whet_eval_scratch_f64(e, count);
    if (whet_eval_has(e, WHET_BM_BIAS) && !(bias = whet_eval_f64(e, WHET_BM_BIAS)))
        return WHET_E_NOMEM;
    if (!x || !v || !y) return WHET_E_NOMEM;
    if (n) whet_matrix_mul_f64(count / n, n, k, x, k, v, n, y, n);
    for (int64_t i = 0; bias && i < count; i++) y[i] += bias[i % n];
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static double block_matmul_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                 const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_matmul_flops(&in[WHET_BM_X], false, &out[0]);
}

#define STORED                                                                                     \
    (WHET_DTYPES_INT4 | WHET_DTYPES_FLOAT8 | WHET_DTYPE_BIT(WHET_DTYPE_I8) |                       \
     WHET_DTYPE_BIT(WHET_DTYPE_U8))

const whet_op whet_op_block_matmul = {
    .name = "block_matmul",
    WHET_IN({"x", WHET_DTYPES_FLOAT, 'T'}, {"w", STORED, 'W'},
            {"bias", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
            {"scale", WHET_DTYPES_FLOAT | WHET_DTYPE_BIT(WHET_DTYPE_F8E8M0)},
            {"zero", STORED, 'W', WHET_ARG_OPTIONAL}),
    WHET_OUT({"y", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(whet_block_matmul_attrs,
               {"transB", WHET_ATTR_BOOL, offsetof(whet_block_matmul_attrs, trans_b)},
               {"block", WHET_ATTR_INT, offsetof(whet_block_matmul_attrs, block), .min = 0,
                .max = INT32_MAX}),
    .infer = block_matmul_infer,
    .eval = block_matmul_eval,
    .flops = block_matmul_flops,
};
