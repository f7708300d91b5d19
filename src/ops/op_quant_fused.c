// SPDX-License-Identifier: Apache-2.0
// quant_conv and quant_matmul; the header has the formula. Sums are exact, the rest is double.
#include <float.h>
#include <math.h>

#include "ops/attrs.h"
#include "ops/conv_ref.h"
#include "ops/matmul_ref.h"
#include "ops/matrix.h"
#include "ops/quant_fused.h"
#include "ops/quant_ref.h"

// ---- shapes ----

static whet_status check_scales(whet_infer *ctx, whet_dim channels) {
    static const int32_t single[] = {
        WHET_QF_X_SCALE, WHET_QF_X_ZERO, WHET_QF_MID_SCALE, WHET_QF_MID_ZERO, WHET_QF_OTHER_SCALE,
        WHET_QF_OTHER_ZERO, WHET_QF_SUM_SCALE, WHET_QF_SUM_ZERO, WHET_QF_Y_SCALE, WHET_QF_Y_ZERO};
    for (int32_t i = 0; i < WHET_COUNT(single); i++)
        WHET_TRY(whet_quant_check(ctx, single[i], 0));
    WHET_TRY(whet_quant_check(ctx, WHET_QF_W_SCALE, channels));
    return whet_quant_check(ctx, WHET_QF_W_ZERO, channels);
}

// Behind the shape: the type, and that `other` has the shape of the result.
static whet_status finish_infer(whet_infer *ctx, whet_dim channels) {
    WHET_TRY(check_scales(ctx, channels));
    whet_type *y = &ctx->out[0];
    y->dtype = !whet_infer_has(ctx, WHET_QF_Y_SCALE)  ? WHET_DTYPE_F32
               : !whet_infer_has(ctx, WHET_QF_Y_ZERO) ? WHET_DTYPE_U8
                                                      : ctx->in[WHET_QF_Y_ZERO]->dtype;
    if (!whet_infer_has(ctx, WHET_QF_OTHER)) return WHET_OK;
    const whet_type *other = ctx->in[WHET_QF_OTHER];
    if (whet_dtype_is_float(other->dtype) == whet_infer_has(ctx, WHET_QF_OTHER_SCALE))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "other has a scale if and only if it is quantized");
    WHET_TRY(whet_infer_rank(ctx, WHET_QF_OTHER, y->rank));
    for (int32_t d = 0; d < y->rank; d++)
        WHET_TRY(whet_infer_same(ctx, y->dims[d], other->dims[d], "other and the result"));
    return WHET_OK;
}

static whet_status quant_conv_infer(whet_infer *ctx) {
    const whet_quant_conv_attrs *a = ctx->attrs;
    WHET_TRY(whet_conv_infer(ctx, &a->window, a->group, WHET_QF_X, WHET_QF_W));
    whet_dim m = ctx->in[WHET_QF_W]->dims[0];
    WHET_TRY(whet_conv_infer_bias(ctx, WHET_QF_BIAS, m));
    return finish_infer(ctx, m);
}

static whet_status quant_matmul_infer(whet_infer *ctx) {
    const whet_quant_matmul_attrs *a = ctx->attrs;
    whet_dim n;
    WHET_TRY(whet_matmul_infer(ctx, WHET_QF_X, false, WHET_QF_W, a->trans_b, &n));
    if (whet_infer_has(ctx, WHET_QF_BIAS)) {
        WHET_TRY(whet_infer_rank(ctx, WHET_QF_BIAS, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[WHET_QF_BIAS]->dims[0], n, "bias and columns"));
    }
    return finish_infer(ctx, n);
}

// ---- references ----

static double clamp(double v, double low, double high) {
    return v < low ? low : v > high ? high : v;
}

static whet_dtype type_of_zero(const whet_eval *e, int32_t zero) {
    return whet_eval_has(e, zero) ? e->in[zero].dtype : WHET_DTYPE_U8;
}

// The number that stands for v.
static double quantized(const whet_eval *e, int32_t scale, double v) {
    double zero = whet_quant_param(e, scale + 1, 0, 0);
    bool is_signed = type_of_zero(e, scale + 1) == WHET_DTYPE_I8;
    return clamp(nearbyint(v / whet_quant_param(e, scale, 0, 1)) + zero, is_signed ? -128 : 0,
                 is_signed ? 127 : 255);
}

static double requantized(const whet_eval *e, int32_t scale, double v) {
    if (!whet_eval_has(e, scale)) return v;
    return (quantized(e, scale, v) - whet_quant_param(e, scale + 1, 0, 0)) *
           whet_quant_param(e, scale, 0, 1);
}

// sums [.., channels, inner]
static void finish_eval(whet_eval *e, const whet_quant_stages *s, const double *sums,
                        int64_t channels, int64_t inner) {
    const whet_tensor *y = &e->out[0], *other = &e->in[WHET_QF_OTHER];
    int64_t n = whet_tensor_count(y);
    double x_scale = whet_quant_param(e, WHET_QF_X_SCALE, 0, 1);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i / inner % channels;
        double v = sums[i] * x_scale * whet_quant_param(e, WHET_QF_W_SCALE, c, 1);
        if (whet_eval_has(e, WHET_QF_BIAS)) v += whet_quant_param(e, WHET_QF_BIAS, c, 0);
        v = clamp(v, (double)s->low, (double)s->high);
        v = requantized(e, WHET_QF_MID_SCALE, v);
        if (whet_eval_has(e, WHET_QF_OTHER))
            v += (whet_load_f64(other->data, other->dtype, i) -
                  whet_quant_param(e, WHET_QF_OTHER_ZERO, 0, 0)) *
                 whet_quant_param(e, WHET_QF_OTHER_SCALE, 0, 1);
        v = requantized(e, WHET_QF_SUM_SCALE, v);
        v = clamp(v, (double)s->sum_low, (double)s->sum_high);
        if (whet_eval_has(e, WHET_QF_Y_SCALE)) v = quantized(e, WHET_QF_Y_SCALE, v);
        whet_store_f64(y->data, y->dtype, i, v);
    }
}

static whet_status quant_conv_eval(whet_eval *e) {
    const whet_quant_conv_attrs *a = e->attrs;
    const whet_tensor *w = &e->in[WHET_QF_W], *y = &e->out[0];
    whet_conv_ref r;
    whet_conv_ref_init(&r, &a->window, a->group, &e->in[WHET_QF_X], w, y);
    int64_t taps = whet_dims_count(w->dims + 1, w->rank - 1);
    const double *vx = whet_quant_load(e, WHET_QF_X, WHET_QF_X_ZERO, 1);
    const double *vw = whet_quant_load(e, WHET_QF_W, WHET_QF_W_ZERO, taps ? taps : 1);
    double *sums = whet_eval_raw_f64(e, whet_tensor_count(y));
    if (!vx || !vw || !sums) return WHET_E_NOMEM;
    WHET_TRY(whet_conv_ref_run(e, &r, vx, vw, NULL, sums));
    finish_eval(e, &a->stages, sums, y->dims[1], whet_dims_count(y->dims + 2, y->rank - 2));
    return WHET_OK;
}

// B less its zero points, [.., k, n].
static double *load_b(whet_eval *e, bool trans) {
    const whet_tensor *b = &e->in[WHET_QF_W];
    int64_t rows = b->rank > 1 ? b->dims[b->rank - 2] : 1, cols = b->dims[b->rank - 1];
    double *v = whet_quant_load(e, WHET_QF_W, WHET_QF_W_ZERO, trans ? cols ? cols : 1 : 1);
    if (!v || !trans || b->rank < 2) return v;
    int64_t count = whet_tensor_count(b);
    double *out = whet_eval_raw_f64(e, count);
    for (int64_t at = 0; out && at < count; at += rows * cols)
        whet_matrix_transpose_f64(rows, cols, v + at, out + at);
    return out;
}

static whet_status quant_matmul_eval(whet_eval *e) {
    const whet_quant_matmul_attrs *a = e->attrs;
    whet_matmul_ref r;
    whet_matmul_ref_init(&r, &e->in[WHET_QF_X], false, &e->in[WHET_QF_W], a->trans_b);
    const double *va = whet_quant_load(e, WHET_QF_X, WHET_QF_X_ZERO, 1);
    const double *vb = load_b(e, a->trans_b);
    double *sums = whet_eval_scratch_f64(e, whet_tensor_count(&e->out[0]));
    if (!va || !vb || !sums) return WHET_E_NOMEM;
    whet_matmul_ref_f64(&r, va, vb, sums);
    finish_eval(e, &a->stages, sums, r.n, 1);
    return WHET_OK;
}

static double quant_conv_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                               const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_conv_flops(&in[WHET_QF_W], &out[0]);
}
static double quant_matmul_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                 const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_matmul_flops(&in[WHET_QF_X], false, &out[0]);
}

// ---- descriptors ----

#define F32 WHET_DTYPE_BIT(WHET_DTYPE_F32)
#define SCALE(name)                                                                                \
    {name "_scale", F32, 0, WHET_ARG_OPTIONAL}, {                                                  \
        name "_zero", WHET_DTYPES_QUANT, 0, WHET_ARG_OPTIONAL                                      \
    }
static const whet_arg fused_in[WHET_QF_COUNT] = {
    {"x", WHET_DTYPES_QUANT, 'X'},
    {"w", WHET_DTYPES_QUANT, 'W'},
    {"bias", F32, 0, WHET_ARG_OPTIONAL},
    {"x_scale", F32},
    {"x_zero", WHET_DTYPES_QUANT, 'X', WHET_ARG_OPTIONAL},
    {"w_scale", F32},
    {"w_zero", WHET_DTYPES_QUANT, 'W', WHET_ARG_OPTIONAL},
    SCALE("mid"),
    {"other", WHET_DTYPES_QUANT | F32, 'O', WHET_ARG_OPTIONAL},
    {"other_scale", F32, 0, WHET_ARG_OPTIONAL},
    {"other_zero", WHET_DTYPES_QUANT, 'O', WHET_ARG_OPTIONAL},
    SCALE("sum"),
    SCALE("y"),
};
// f64 is for judging kernels without rounding; infer gives f32
static const whet_arg fused_out[] = {
    {"y", WHET_DTYPES_QUANT | F32 | WHET_DTYPE_BIT(WHET_DTYPE_F64)}};

#define STAGE_ROWS(type)                                                                           \
    {"low", WHET_ATTR_FLOAT, offsetof(type, stages.low), .def = -FLT_MAX},                         \
    {"high", WHET_ATTR_FLOAT, offsetof(type, stages.high), .def = FLT_MAX},                        \
    {"sum_low", WHET_ATTR_FLOAT, offsetof(type, stages.sum_low), .def = -FLT_MAX},                 \
    {"sum_high", WHET_ATTR_FLOAT, offsetof(type, stages.sum_high), .def = FLT_MAX}

const whet_op whet_op_quant_conv = {
    .name = "quant_conv",
    .in = fused_in,
    .n_in = WHET_QF_COUNT,
    .out = fused_out,
    .n_out = 1,
    WHET_ATTRS(whet_quant_conv_attrs, WHET_WINDOW_ROWS(whet_quant_conv_attrs, false),
               {"group", WHET_ATTR_INT, offsetof(whet_quant_conv_attrs, group), .def = 1,
                .min = 1, .max = INT32_MAX},
               STAGE_ROWS(whet_quant_conv_attrs)),
    .infer = quant_conv_infer,
    .eval = quant_conv_eval,
    .flops = quant_conv_flops,
};
const whet_op whet_op_quant_matmul = {
    .name = "quant_matmul",
    .in = fused_in,
    .n_in = WHET_QF_COUNT,
    .out = fused_out,
    .n_out = 1,
    WHET_ATTRS(whet_quant_matmul_attrs,
               {"transB", WHET_ATTR_BOOL, offsetof(whet_quant_matmul_attrs, trans_b)},
               STAGE_ROWS(whet_quant_matmul_attrs)),
    .infer = quant_matmul_infer,
    .eval = quant_matmul_eval,
    .flops = quant_matmul_flops,
};
