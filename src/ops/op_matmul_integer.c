// SPDX-License-Identifier: Apache-2.0
// matmul_integer and qlinear_matmul. Parameters of A are one number, a vector with one a row, or
// [.., M, 1] with one a row of each matrix; those of B one number, one a column, or [.., 1, N].
#include "ops/broadcast.h"
#include "ops/matmul_ref.h"
#include "ops/matrix.h"
#include "ops/quant_ref.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO }; // inputs of qlinear_matmul

// Input i in the form that broadcasts to matrices: a vector of rows is a column.
static whet_tensor param_of(const whet_eval *e, int32_t i, bool rows) {
    whet_tensor t = {0};
    if (!whet_eval_has(e, i)) return t;
    t = e->in[i];
    if (whet_tensor_count(&t) == 1) t.rank = 0;
    if (t.rank == 1 && rows) t.dims[t.rank++] = 1;
    return t;
}

// Input i as doubles less its zero points.
static const double *load(whet_eval *e, int32_t i, int32_t zero, bool rows) {
    const whet_tensor *t = &e->in[i];
    whet_tensor z = param_of(e, zero, rows);
    double *v = whet_eval_raw_f64(e, whet_tensor_count(t));
    if (!v) return NULL;
    whet_load_f64_array(v, t->data, t->dtype, whet_tensor_count(t));
    if (!z.dtype) return v;
    whet_broadcast b;
    whet_broadcast_init(&b, t, &z, 1);
    while (whet_broadcast_next(&b))
        for (int64_t k = 0; k < b.length; k++)
            v[b.out + k] -= whet_load_f64(z.data, z.dtype, b.in[0] + k * b.step[0]);
    return v;
}

// Sums of the product of inputs a and b less their zero points; exact for integers.
static double *sums(whet_eval *e, int32_t a, int32_t a_zero, int32_t b, int32_t b_zero,
                    whet_matmul_ref *r) {
    whet_matmul_ref_init(r, &e->in[a], false, &e->in[b], false);
    const double *va = load(e, a, a_zero, true);
    const double *vb = load(e, b, b_zero, false);
    double *y = whet_eval_scratch_f64(e, whet_tensor_count(&e->out[0]));
    if (!va || !vb || !y) return NULL;
    whet_matmul_ref_f64(r, va, vb, y);
    return y;
}

// Input i, a parameter of input `of`, or of the output (-1): one number, a vector of `n` (0: none),
// or as many dimensions as what it belongs to, each of its size or 1, that at `one` from the end 1.
static whet_status check_param(whet_infer *ctx, int32_t i, int32_t of, whet_dim n, int32_t one) {
    const whet_type *p = whet_infer_has(ctx, i) ? ctx->in[i] : NULL;
    const whet_type *x = of < 0 ? &ctx->out[0] : ctx->in[of];
    bool vectors = of < 0 && (ctx->in[A]->rank < 2 || ctx->in[B]->rank < 2);
    if (!p || p->rank < 2 || x->rank < 0 || vectors) return whet_quant_check(ctx, i, n);
    if (p->rank != x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "input %d (%s) has %d dimensions where %d are needed", i,
                  ctx->op->in[i].name, p->rank, x->rank);
    for (int32_t k = 0; k < p->rank; k++)
        if (p->dims[k] != 1 || p->rank - k == one)
            WHET_TRY(whet_infer_same(ctx, p->dims[k], p->rank - k == one ? 1 : x->dims[k],
                                     ctx->op->in[i].name));
    return WHET_OK;
}

static whet_dim rows_of(const whet_type *a) { return a->rank > 1 ? a->dims[a->rank - 2] : 1; }

static whet_status matmul_integer_infer(whet_infer *ctx) {
    whet_dim n;
    WHET_TRY(whet_matmul_infer(ctx, 0, false, 1, false, &n));
    WHET_TRY(check_param(ctx, 2, 0, rows_of(ctx->in[0]), 1));
    return check_param(ctx, 3, 1, n, 2);
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
    WHET_TRY(check_param(ctx, A_SCALE, A, m, 1));
    WHET_TRY(check_param(ctx, A_ZERO, A, m, 1));
    WHET_TRY(check_param(ctx, B_SCALE, B, n, 2));
    WHET_TRY(check_param(ctx, B_ZERO, B, n, 2));
    WHET_TRY(check_param(ctx, Y_SCALE, -1, 0, 0));
    return check_param(ctx, Y_ZERO, -1, 0, 0);
}

// The output with the dimensions of both matrices, of which a vector has one less.
static whet_tensor whole_output(const whet_eval *e, const whet_matmul_ref *r) {
    whet_tensor y = e->out[0];
    y.rank = r->rank;
    for (int32_t k = 0; k < r->rank; k++) y.dims[k] = r->dims[k];
    y.dims[y.rank++] = r->m;
    y.dims[y.rank++] = r->n;
    return y;
}

static whet_status qlinear_matmul_eval(whet_eval *e) {
    whet_matmul_ref r;
    const double *acc = sums(e, A, A_ZERO, B, B_ZERO, &r);
    if (!acc) return WHET_E_NOMEM;
    const whet_tensor p[4] = {param_of(e, A_SCALE, true), param_of(e, B_SCALE, false),
                              param_of(e, Y_SCALE, false), param_of(e, Y_ZERO, false)};
    const whet_tensor y = whole_output(e, &r);
    whet_broadcast b;
    whet_broadcast_init(&b, &y, p, 4);
    while (whet_broadcast_next(&b))
        for (int64_t k = 0; k < b.length; k++) {
            double v[4];
            for (int32_t i = 0; i < 4; i++)
                v[i] = whet_load_f64(p[i].data, p[i].dtype, b.in[i] + k * b.step[i]);
            whet_quant_store(&e->out[0], b.out + k, acc[b.out + k] * (v[0] * v[1] / v[2]), v[3]);
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

#define EIGHT_BITS (WHET_DTYPES_QUANT | WHET_DTYPES_FLOAT8)

static const whet_arg matmul_integer_in[] = {
    {"A", WHET_DTYPES_QUANT, 'A'},
    {"B", WHET_DTYPES_QUANT, 'B'},
    {"a_zero_point", WHET_DTYPES_QUANT, 'A', WHET_ARG_OPTIONAL},
    {"b_zero_point", WHET_DTYPES_QUANT, 'B', WHET_ARG_OPTIONAL},
};
static const whet_arg matmul_integer_out[] = {{"Y", WHET_DTYPE_BIT(WHET_DTYPE_I32)}};
static const whet_onnx_row matmul_integer_onnx[] = {{"", "MatMulInteger", 10, 0, NULL}};

static const whet_arg qlinear_matmul_in[] = {
    {"a", EIGHT_BITS, 'A'},
    {"a_scale", SCALES, 'S'},
    {"a_zero_point", EIGHT_BITS, 'A'},
    {"b", EIGHT_BITS, 'B'},
    {"b_scale", SCALES, 'S'},
    {"b_zero_point", EIGHT_BITS, 'B'},
    {"y_scale", SCALES, 'S'},
    {"y_zero_point", EIGHT_BITS, 'Y'},
};
static const whet_arg qlinear_matmul_out[] = {{"y", EIGHT_BITS, 'Y'}};
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
