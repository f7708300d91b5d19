// SPDX-License-Identifier: Apache-2.0
// matmul_integer and qlinear_matmul. Parameters of A are one number or one a row, those of B one
// number or one a column.
#include "ops/matmul_ref.h"
#include "ops/matrix.h"
#include "ops/quant_ref.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO }; // inputs of qlinear_matmul

// Exact sums of the product of inputs a and b less their zero points.
static double *sums(whet_eval *e, int32_t a, int32_t a_zero, int32_t b, int32_t b_zero,
                    whet_matmul_ref *r) {
    whet_matmul_ref_init(r, &e->in[a], false, &e->in[b], false);
    const double *va = whet_quant_load(e, a, a_zero, r->k ? r->k : 1);
    const double *vb = whet_quant_load(e, b, b_zero, 1);
    double *y = whet_eval_scratch_f64(e, whet_tensor_count(&e->out[0]));
    if (!va || !vb || !y) return NULL;
    whet_matmul_ref_f64(r, va, vb, y);
    return y;
}

static whet_dim rows_of(const whet_type *a) { return a->rank > 1 ? a->dims[a->rank - 2] : 1; }

static whet_status matmul_integer_infer(whet_infer *ctx) {
    whet_dim n;
    WHET_TRY(whet_matmul_infer(ctx, 0, false, 1, false, &n));
    WHET_TRY(whet_quant_check(ctx, 2, rows_of(ctx->in[0])));
    return whet_quant_check(ctx, 3, n);
}

static whet_status matmul_integer_eval(whet_eval *e) {
    whet_matmul_ref r;
    const double *y = sums(e, 0, 2, 1, 3, &r);
    if (!y) return WHET_E_NOMEM;
    int64_t n = whet_tensor_count(&e->out[0]);
    for (int64_t i = 0; i < n; i++)
        whet_store_i64(e->out[0].data, WHET_DTYPE_I32, i, (int64_t)y[i]);
    return WHET_OK;
}

static whet_status qlinear_matmul_infer(whet_infer *ctx) {
    whet_dim n, m = rows_of(ctx->in[A]);
    WHET_TRY(whet_matmul_infer(ctx, A, false, B, false, &n));
    WHET_TRY(whet_quant_check(ctx, A_SCALE, m));
    WHET_TRY(whet_quant_check(ctx, A_ZERO, m));
    WHET_TRY(whet_quant_check(ctx, B_SCALE, n));
    WHET_TRY(whet_quant_check(ctx, B_ZERO, n));
    WHET_TRY(whet_quant_check(ctx, Y_SCALE, 0));
    return whet_quant_check(ctx, Y_ZERO, 0);
}

static whet_status qlinear_matmul_eval(whet_eval *e) {
    whet_matmul_ref r;
    const double *acc = sums(e, A, A_ZERO, B, B_ZERO, &r);
    if (!acc) return WHET_E_NOMEM;
    int64_t n = whet_tensor_count(&e->out[0]);
    double out = whet_quant_param(e, Y_SCALE, 0, 1), zero = whet_quant_param(e, Y_ZERO, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        double scale = whet_quant_param(e, A_SCALE, i / r.n % r.m, 1);
        scale = scale * whet_quant_param(e, B_SCALE, i % r.n, 1) / out;
        whet_quant_store(&e->out[0], i, acc[i] * scale, zero);
    }
    return WHET_OK;
}

static double matmul_integer_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                   const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_matmul_flops(&in[0], false, &out[0]);
}

#define SCALES                                                                                     \
    (WHET_DTYPE_BIT(WHET_DTYPE_F32) | WHET_DTYPE_BIT(WHET_DTYPE_F16) |                             \
     WHET_DTYPE_BIT(WHET_DTYPE_BF16))

static const whet_arg matmul_integer_in[] = {
    {"A", WHET_DTYPES_QUANT, 'A'},
    {"B", WHET_DTYPES_QUANT, 'B'},
    {"a_zero_point", WHET_DTYPES_QUANT, 'A', WHET_ARG_OPTIONAL},
    {"b_zero_point", WHET_DTYPES_QUANT, 'B', WHET_ARG_OPTIONAL},
};
static const whet_arg matmul_integer_out[] = {{"Y", WHET_DTYPE_BIT(WHET_DTYPE_I32)}};
static const whet_onnx_row matmul_integer_onnx[] = {{"", "MatMulInteger", 10, 0, NULL}};

static const whet_arg qlinear_matmul_in[] = {
    {"a", WHET_DTYPES_QUANT, 'A'},
    {"a_scale", SCALES, 'S'},
    {"a_zero_point", WHET_DTYPES_QUANT, 'A'},
    {"b", WHET_DTYPES_QUANT, 'B'},
    {"b_scale", SCALES, 'S'},
    {"b_zero_point", WHET_DTYPES_QUANT, 'B'},
    {"y_scale", SCALES, 'S'},
    {"y_zero_point", WHET_DTYPES_QUANT, 'Y'},
};
static const whet_arg qlinear_matmul_out[] = {{"y", WHET_DTYPES_QUANT, 'Y'}};
static const whet_onnx_row qlinear_matmul_onnx[] = {{"", "QLinearMatMul", 10, 0, NULL}};

const whet_op whet_op_matmul_integer = {
    .name = "matmul_integer",
    .in = matmul_integer_in,
    .n_in = WHET_COUNT(matmul_integer_in),
    .out = matmul_integer_out,
    .n_out = WHET_COUNT(matmul_integer_out),
    .onnx = matmul_integer_onnx,
    .n_onnx = WHET_COUNT(matmul_integer_onnx),
    .infer = matmul_integer_infer,
    .eval = matmul_integer_eval,
    .flops = matmul_integer_flops,
};
const whet_op whet_op_qlinear_matmul = {
    .name = "qlinear_matmul",
    .in = qlinear_matmul_in,
    .n_in = WHET_COUNT(qlinear_matmul_in),
    .out = qlinear_matmul_out,
    .n_out = WHET_COUNT(qlinear_matmul_out),
    .onnx = qlinear_matmul_onnx,
    .n_onnx = WHET_COUNT(qlinear_matmul_onnx),
    .infer = qlinear_matmul_infer,
    .eval = qlinear_matmul_eval,
    .flops = matmul_integer_flops,
};
