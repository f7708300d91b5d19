// SPDX-License-Identifier: Apache-2.0
// alpha A' B' + bias. alpha and the transposes are those of FusedMatMul; bias [n] is added by
// passes (ONNX's MatMul has none).
#include "ops/attrs.h"
#include "ops/matmul_ref.h"
#include "ops/matrix.h"

static whet_status matmul_infer(whet_infer *ctx) {
    const whet_matmul_attrs *a = ctx->attrs;
    whet_dim n;
    WHET_TRY(whet_matmul_infer(ctx, 0, a->trans_a, 1, a->trans_b, &n));
    if (!whet_infer_has(ctx, 2)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, 2, 1));
    return whet_infer_same(ctx, ctx->in[2]->dims[0], n, "bias and columns of B");
}

// Input i with its last two dimensions swapped when asked for.
static const double *operand_f64(whet_eval *e, int32_t i, bool trans) {
    const whet_tensor *t = &e->in[i];
    const double *v = whet_eval_f64(e, i);
    if (!v || !trans || t->rank < 2) return v;
    int64_t rows = t->dims[t->rank - 2], cols = t->dims[t->rank - 1];
    int64_t count = whet_tensor_count(t);
    double *out = whet_eval_raw_f64(e, count);
    for (int64_t at = 0; out && at < count; at += rows * cols)
        whet_matrix_transpose_f64(rows, cols, v + at, out + at);
    return out;
}
static const int64_t *operand_i64(whet_eval *e, int32_t i, bool trans) {
    const whet_tensor *t = &e->in[i];
    const int64_t *v = whet_eval_i64(e, i);
    if (!v || !trans || t->rank < 2) return v;
    int64_t rows = t->dims[t->rank - 2], cols = t->dims[t->rank - 1];
    int64_t count = whet_tensor_count(t);
    int64_t *out = whet_eval_scratch_i64(e, count);
    for (int64_t at = 0; out && at < count; at += rows * cols)
        whet_matrix_transpose_i64(rows, cols, v + at, out + at);
    return out;
}

static whet_status eval_f64(whet_eval *e, const whet_matmul_attrs *at, const whet_matmul_ref *r) {
    const double *a = operand_f64(e, 0, at->trans_a), *b = operand_f64(e, 1, at->trans_b);
    const double *bias = whet_eval_has(e, 2) ? whet_eval_f64(e, 2) : NULL;
    int64_t n = whet_tensor_count(&e->out[0]);
    double *c = whet_eval_scratch_f64(e, n);
    if (!a || !b || !c || (whet_eval_has(e, 2) && !bias)) return WHET_E_NOMEM;
    whet_matmul_ref_f64(r, a, b, c);
    for (int64_t i = 0; at->alpha != 1 && i < n; i++) c[i] *= (double)at->alpha;
    for (int64_t i = 0; bias && i < n; i++) c[i] += bias[i % r->n];
    whet_eval_store(e, 0, c);
    return WHET_OK;
}

static whet_status eval_i64(whet_eval *e, const whet_matmul_attrs *at, const whet_matmul_ref *r) {
    if (at->alpha != 1)
        WHET_FAIL(e->err, WHET_E_UNSUPPORTED, "alpha of an integer product must be 1");
    const int64_t *a = operand_i64(e, 0, at->trans_a), *b = operand_i64(e, 1, at->trans_b);
    const int64_t *bias = whet_eval_has(e, 2) ? whet_eval_i64(e, 2) : NULL;
    int64_t n = whet_tensor_count(&e->out[0]);
    int64_t *c = whet_eval_scratch_i64(e, n);
    if (!a || !b || !c || (whet_eval_has(e, 2) && !bias)) return WHET_E_NOMEM;
    whet_matmul_ref_i64(r, a, b, c);
    for (int64_t i = 0; bias && i < n; i++)
        c[i] = (int64_t)((uint64_t)c[i] + (uint64_t)bias[i % r->n]);
    for (int64_t i = 0; i < n; i++) whet_store_i64(e->out[0].data, e->out[0].dtype, i, c[i]);
    return WHET_OK;
}

static whet_status matmul_eval(whet_eval *e) {
    const whet_matmul_attrs *a = e->attrs;
    whet_matmul_ref r;
    whet_matmul_ref_init(&r, &e->in[0], a->trans_a, &e->in[1], a->trans_b);
    return whet_dtype_is_float(e->in[0].dtype) ? eval_f64(e, a, &r) : eval_i64(e, a, &r);
}

static double matmul_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                           const whet_tensor *out, int32_t n_out) {
    (void)n_in, (void)n_out;
    return whet_matmul_flops(&in[0], ((const whet_matmul_attrs *)attrs)->trans_a, &out[0]);
}

static const whet_arg matmul_in[] = {
    {"A", WHET_DTYPES_NUMERIC, 'T'},
    {"B", WHET_DTYPES_NUMERIC, 'T'},
    {"bias", WHET_DTYPES_NUMERIC, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg matmul_out[] = {{"Y", WHET_DTYPES_NUMERIC, 'T'}};
static const whet_attr matmul_attr_rows[] = {
    {"transA", WHET_ATTR_BOOL, offsetof(whet_matmul_attrs, trans_a)},
    {"transB", WHET_ATTR_BOOL, offsetof(whet_matmul_attrs, trans_b)},
    {"alpha", WHET_ATTR_FLOAT, offsetof(whet_matmul_attrs, alpha), .def = 1},
};
// FusedMatMul: transA, transB and alpha have the same names here; transBatchA and transBatchB move
// the first dimension behind the others of the batch before.
static const whet_onnx_row matmul_onnx[] = {
    {"", "MatMul", 1, 0, NULL},
    {"com.microsoft", "FusedMatMul", 1, 0, "fused_matmul"},
    {"com.microsoft", "TransposeMatMul", 1, 0, "fused_matmul"},
};

const whet_op whet_op_matmul = {
    .name = "matmul",
    .in = matmul_in,
    .n_in = WHET_COUNT(matmul_in),
    .out = matmul_out,
    .n_out = WHET_COUNT(matmul_out),
    .attrs = matmul_attr_rows,
    .n_attrs = WHET_COUNT(matmul_attr_rows),
    .attrs_size = sizeof(whet_matmul_attrs),
    .onnx = matmul_onnx,
    .n_onnx = WHET_COUNT(matmul_onnx),
    .flags = WHET_OP_MONOTONE, .infer = matmul_infer,
    .eval = matmul_eval,
    .flops = matmul_flops,
};
