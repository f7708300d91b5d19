// SPDX-License-Identifier: Apache-2.0
// conv_integer and qlinear_conv: the float convolution on numbers less their zero points, which
// also makes padding the zero point.
#include "ops/attrs.h"
#include "ops/conv_ref.h"
#include "ops/matrix.h"
#include "ops/quant_ref.h"

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, B }; // inputs of qlinear_conv

// Exact sums: x and w are the numbers of inputs, bias that of one or -1.
static double *sums(whet_eval *e, int32_t x, int32_t x_zero, int32_t w, int32_t w_zero,
                    int32_t bias, int64_t *area) {
    const whet_conv_attrs *a = e->attrs;
    const whet_tensor *tw = &e->in[w];
    whet_conv_ref r;
    whet_conv_ref_init(&r, &a->window, a->group, &e->in[x], tw, &e->out[0]);
    int64_t taps = whet_dims_count(tw->dims + 1, tw->rank - 1);
    const double *vx = whet_quant_load(e, x, x_zero, 1);
    const double *vw = whet_quant_load(e, w, w_zero, taps ? taps : 1);
    const double *vb = bias >= 0 && whet_eval_has(e, bias) ? whet_eval_f64(e, bias) : NULL;
    double *y = whet_eval_raw_f64(e, whet_tensor_count(&e->out[0]));
    if (!vx || !vw || !y || (bias >= 0 && whet_eval_has(e, bias) && !vb)) return NULL;
    if (whet_conv_ref_run(e, &r, vx, vw, vb, y) != WHET_OK) return NULL;
    *area = whet_dims_count(e->out[0].dims + 2, e->out[0].rank - 2);
    return y;
}

static whet_status conv_integer_infer(whet_infer *ctx) {
    const whet_conv_attrs *a = ctx->attrs;
    WHET_TRY(whet_conv_infer(ctx, &a->window, a->group, 0, 1));
    WHET_TRY(whet_quant_check(ctx, 2, 0));
    return whet_quant_check(ctx, 3, ctx->in[1]->dims[0]);
}

static whet_status conv_integer_eval(whet_eval *e) {
    int64_t area, n = whet_tensor_count(&e->out[0]);
    const double *y = sums(e, 0, 2, 1, 3, -1, &area);
    if (!y) return e->err ? e->err->status : WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++)
        whet_store_i64(e->out[0].data, WHET_DTYPE_I32, i, (int64_t)y[i]);
    return WHET_OK;
}

static whet_status qlinear_conv_infer(whet_infer *ctx) {
    const whet_conv_attrs *a = ctx->attrs;
    WHET_TRY(whet_conv_infer(ctx, &a->window, a->group, X, W));
    whet_dim m = ctx->in[W]->dims[0];
    const int32_t single[] = {X_SCALE, X_ZERO, Y_SCALE, Y_ZERO};
    for (int32_t i = 0; i < WHET_COUNT(single); i++) WHET_TRY(whet_quant_check(ctx, single[i], 0));
    WHET_TRY(whet_quant_check(ctx, W_SCALE, m));
    WHET_TRY(whet_quant_check(ctx, W_ZERO, m));
    return whet_conv_infer_bias(ctx, B, m);
}

static whet_status qlinear_conv_eval(whet_eval *e) {
    const whet_tensor *y = &e->out[0];
    int64_t area, n = whet_tensor_count(y), m = y->dims[1];
    const double *acc = sums(e, X, X_ZERO, W, W_ZERO, B, &area);
    if (!acc) return e->err ? e->err->status : WHET_E_NOMEM;
    double in = whet_quant_param(e, X_SCALE, 0, 1), out = whet_quant_param(e, Y_SCALE, 0, 1);
    double zero = whet_quant_param(e, Y_ZERO, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        double scale = in * whet_quant_param(e, W_SCALE, i / area % m, 1) / out;
        whet_quant_store(y, i, acc[i] * scale, zero);
    }
    return WHET_OK;
}

static double conv_integer_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                 const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_conv_flops(&in[1], &out[0]);
}
static double qlinear_conv_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                 const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_conv_flops(&in[W], &out[0]);
}

static const whet_attr attr_rows[] = {
    WHET_WINDOW_ROWS(whet_conv_attrs, false),
    {"group", WHET_ATTR_INT, offsetof(whet_conv_attrs, group), .def = 1, .min = 1,
     .max = INT32_MAX},
};
static const whet_arg conv_integer_in[] = {
    {"x", WHET_DTYPES_QUANT, 'X'},
    {"w", WHET_DTYPES_QUANT, 'W'},
    {"x_zero_point", WHET_DTYPES_QUANT, 'X', WHET_ARG_OPTIONAL},
    {"w_zero_point", WHET_DTYPES_QUANT, 'W', WHET_ARG_OPTIONAL},
};
static const whet_arg conv_integer_out[] = {{"y", WHET_DTYPE_BIT(WHET_DTYPE_I32)}};
static const whet_onnx_row conv_integer_onnx[] = {{"", "ConvInteger", 10, 0, NULL}};

static const whet_arg qlinear_conv_in[] = {
    {"x", WHET_DTYPES_QUANT, 'X'},
    {"x_scale", WHET_DTYPE_BIT(WHET_DTYPE_F32)},
    {"x_zero_point", WHET_DTYPES_QUANT, 'X'},
    {"w", WHET_DTYPES_QUANT, 'W'},
    {"w_scale", WHET_DTYPE_BIT(WHET_DTYPE_F32)},
    {"w_zero_point", WHET_DTYPES_QUANT, 'W'},
    {"y_scale", WHET_DTYPE_BIT(WHET_DTYPE_F32)},
    {"y_zero_point", WHET_DTYPES_QUANT, 'Y'},
    {"B", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, WHET_ARG_OPTIONAL},
};
static const whet_arg qlinear_conv_out[] = {{"y", WHET_DTYPES_QUANT, 'Y'}};
static const whet_onnx_row qlinear_conv_onnx[] = {
    {"", "QLinearConv", 10, 0, NULL},
    {"com.microsoft", "QLinearConv", 1, 0, "ms_qlinear_conv"},
};

const whet_op whet_op_conv_integer = {
    .name = "conv_integer",
    .in = conv_integer_in,
    .n_in = WHET_COUNT(conv_integer_in),
    .out = conv_integer_out,
    .n_out = WHET_COUNT(conv_integer_out),
    .attrs = attr_rows,
    .n_attrs = WHET_COUNT(attr_rows),
    .attrs_size = sizeof(whet_conv_attrs),
    .onnx = conv_integer_onnx,
    .n_onnx = WHET_COUNT(conv_integer_onnx),
    .infer = conv_integer_infer,
    .eval = conv_integer_eval,
    .flops = conv_integer_flops,
};
const whet_op whet_op_qlinear_conv = {
    .name = "qlinear_conv",
    .in = qlinear_conv_in,
    .n_in = WHET_COUNT(qlinear_conv_in),
    .out = qlinear_conv_out,
    .n_out = WHET_COUNT(qlinear_conv_out),
    .attrs = attr_rows,
    .n_attrs = WHET_COUNT(attr_rows),
    .attrs_size = sizeof(whet_conv_attrs),
    .onnx = qlinear_conv_onnx,
    .n_onnx = WHET_COUNT(qlinear_conv_onnx),
    .infer = qlinear_conv_infer,
    .eval = qlinear_conv_eval,
    .flops = qlinear_conv_flops,
};
