// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "ops/attrs.h"
#include "ops/matmul_ref.h"
#include "ops/matrix.h"

// C broadcasts one way, to [m, n].
static whet_status check_addend(whet_infer *ctx, const whet_type *c, const whet_dim *dims) {
    if (c->rank > 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "C has rank %d, at most 2", (int)c->rank);
    for (int32_t d = 1; d <= c->rank; d++) {
        whet_dim v = c->dims[c->rank - d];
        if (v != 1) WHET_TRY(whet_infer_same(ctx, v, dims[2 - d], "C and the product"));
    }
    return WHET_OK;
}

static whet_status gemm_infer(whet_infer *ctx) {
    const whet_gemm_attrs *a = ctx->attrs;
    whet_dim n;
    WHET_TRY(whet_infer_rank(ctx, 0, 2));
    WHET_TRY(whet_infer_rank(ctx, 1, 2));
    WHET_TRY(whet_matmul_infer(ctx, 0, a->trans_a, 1, a->trans_b, &n));
    if (!whet_infer_has(ctx, 2)) return WHET_OK;
    whet_dim dims[2] = {ctx->in[0]->dims[a->trans_a ? 1 : 0], n};
    return check_addend(ctx, ctx->in[2], dims);
}

// Index in C of element (i, j).
static int64_t addend_at(const whet_tensor *c, int64_t i, int64_t j) {
    int64_t cols = c->rank ? c->dims[c->rank - 1] : 1, rows = c->rank == 2 ? c->dims[0] : 1;
    return (rows == 1 ? 0 : i) * cols + (cols == 1 ? 0 : j);
}

static whet_status eval_f64(whet_eval *e, const whet_gemm_attrs *at, const whet_matmul_ref *r) {
    const double *a = whet_eval_f64(e, 0), *b = whet_eval_f64(e, 1), *add = NULL;
    double *c = whet_eval_scratch_f64(e, r->m * r->n), *ta = NULL, *tb = NULL;
    if (whet_eval_has(e, 2) && !(add = whet_eval_f64(e, 2))) return WHET_E_NOMEM;
    if (at->trans_a && !(ta = whet_eval_raw_f64(e, r->m * r->k))) return WHET_E_NOMEM;
    if (at->trans_b && !(tb = whet_eval_raw_f64(e, r->k * r->n))) return WHET_E_NOMEM;
    if (!a || !b || !c) return WHET_E_NOMEM;
    if (ta) whet_matrix_transpose_f64(r->k, r->m, a, ta);
    if (tb) whet_matrix_transpose_f64(r->n, r->k, b, tb);
    whet_matmul_ref_f64(r, ta ? ta : a, tb ? tb : b, c);
    for (int64_t i = 0; i < r->m; i++)
        for (int64_t j = 0; j < r->n; j++) {
            double v = (double)at->alpha * c[i * r->n + j];
            if (add && at->beta != 0) v += (double)at->beta * add[addend_at(&e->in[2], i, j)];
            c[i * r->n + j] = v;
        }
    whet_eval_store(e, 0, c);
    return WHET_OK;
}

// Factors other than 0 and 1 are applied in double and the result truncated.
static int64_t scaled(float factor, int64_t v) {
    double out = (double)factor * (double)v;
    int64_t result;
    if (factor == 1 || factor == 0) return factor == 1 ? v : 0;
    whet_store_f64(&result, WHET_DTYPE_I64, 0, out);
    return result;
}

static whet_status eval_i64(whet_eval *e, const whet_gemm_attrs *at, const whet_matmul_ref *r) {
    const int64_t *a = whet_eval_i64(e, 0), *b = whet_eval_i64(e, 1), *add = NULL;
    int64_t *c = whet_eval_scratch_i64(e, r->m * r->n), *ta = NULL, *tb = NULL;
    if (whet_eval_has(e, 2) && !(add = whet_eval_i64(e, 2))) return WHET_E_NOMEM;
    if (at->trans_a && !(ta = whet_eval_scratch_i64(e, r->m * r->k))) return WHET_E_NOMEM;
    if (at->trans_b && !(tb = whet_eval_scratch_i64(e, r->k * r->n))) return WHET_E_NOMEM;
    if (!a || !b || !c) return WHET_E_NOMEM;
    if (ta) whet_matrix_transpose_i64(r->k, r->m, a, ta);
    if (tb) whet_matrix_transpose_i64(r->n, r->k, b, tb);
    whet_matmul_ref_i64(r, ta ? ta : a, tb ? tb : b, c);
    for (int64_t i = 0; i < r->m; i++)
        for (int64_t j = 0; j < r->n; j++) {
            uint64_t v = (uint64_t)scaled(at->alpha, c[i * r->n + j]);
            if (add) v += (uint64_t)scaled(at->beta, add[addend_at(&e->in[2], i, j)]);
            whet_store_i64(e->out[0].data, e->out[0].dtype, i * r->n + j, (int64_t)v);
        }
    return WHET_OK;
}

static whet_status gemm_eval(whet_eval *e) {
    const whet_gemm_attrs *a = e->attrs;
    whet_matmul_ref r;
    whet_matmul_ref_init(&r, &e->in[0], a->trans_a, &e->in[1], a->trans_b);
    return whet_dtype_is_float(e->in[0].dtype) ? eval_f64(e, a, &r) : eval_i64(e, a, &r);
}

static double gemm_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)n_in, (void)n_out;
    return whet_matmul_flops(&in[0], ((const whet_gemm_attrs *)attrs)->trans_a, &out[0]);
}

static const whet_arg gemm_in[] = {
    {"A", WHET_DTYPES_NUMERIC, 'T'},
    {"B", WHET_DTYPES_NUMERIC, 'T'},
    {"C", WHET_DTYPES_NUMERIC, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg gemm_out[] = {{"Y", WHET_DTYPES_NUMERIC, 'T'}};
static const whet_attr gemm_attr_rows[] = {
    {"alpha", WHET_ATTR_FLOAT, offsetof(whet_gemm_attrs, alpha), .def = 1},
    {"beta", WHET_ATTR_FLOAT, offsetof(whet_gemm_attrs, beta), .def = 1},
    {"transA", WHET_ATTR_BOOL, offsetof(whet_gemm_attrs, trans_a)},
    {"transB", WHET_ATTR_BOOL, offsetof(whet_gemm_attrs, trans_b)},
};
// Before version 7: drop the attribute `broadcast`. The shapes it allowed are among those that the
// later rule allows; without it C is [m, n].
static const whet_onnx_row gemm_onnx[] = {
    {"", "Gemm", 1, 6, "gemm_1"},
    {"", "Gemm", 7, 0, NULL},
};

const whet_op whet_op_gemm = {
    .name = "gemm",
    .in = gemm_in,
    .n_in = WHET_COUNT(gemm_in),
    .out = gemm_out,
    .n_out = WHET_COUNT(gemm_out),
    .attrs = gemm_attr_rows,
    .n_attrs = WHET_COUNT(gemm_attr_rows),
    .attrs_size = sizeof(whet_gemm_attrs),
    .onnx = gemm_onnx,
    .n_onnx = WHET_COUNT(gemm_onnx),
    .infer = gemm_infer,
    .eval = gemm_eval,
    .flops = gemm_flops,
};
