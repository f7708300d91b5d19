// SPDX-License-Identifier: Apache-2.0
// quantize_linear, dequantize_linear: one scale for all, for an index along `axis`, or for a block
// of block_size along it; and dynamic_quantize_linear. Quotients are rounded to the type that the
// division is specified in, then to the nearest integer (ties to even), so that results are equal
// everywhere. NaN becomes 0.
#include <math.h>

#include "ops/attrs.h"

// ---- which scale an element has ----

typedef struct grid {
    int64_t inner, axis, params, block; // X is [outer, axis, inner]; block 0: one scale
} grid;

// Element i of X to its element of the parameters, which are [outer, params, inner] when blocked
// and [params] along the axis otherwise.
static int64_t param_at(const grid *g, int64_t i, bool blocked) {
    if (!g->block) return 0;
    int64_t along = i / g->inner % g->axis;
    if (!blocked) return along;
    return (i / g->inner / g->axis * g->params + along / g->block) * g->inner + i % g->inner;
}

static grid grid_of(const whet_tensor *x, const whet_tensor *p, int64_t axis, int64_t block) {
    grid g = {1, 1, 1, 0};
    if (whet_tensor_count(p) == 1) return g;
    int32_t at = whet_axis(axis, x->rank);
    g.axis = x->dims[at];
    g.block = block ? block : 1;
    g.params = block ? p->dims[at] : p->dims[0];
    for (int32_t k = at + 1; k < x->rank; k++) g.inner *= x->dims[k];
    return g;
}

static whet_status infer_blocked(whet_infer *ctx, int32_t i, int32_t axis, int64_t block) {
    const whet_type *x = ctx->in[0], *p = ctx->in[i];
    WHET_TRY(whet_infer_rank(ctx, i, x->rank));
    for (int32_t k = 0; k < x->rank; k++) {
        whet_dim want = k == axis ? whet_dim_ceildiv(ctx->dims, x->dims[k], block) : x->dims[k];
        WHET_TRY(whet_infer_same(ctx, want, p->dims[k], "blocks of X and parameters"));
    }
    return WHET_OK;
}

static bool single(const whet_type *p) {
    for (int32_t k = 0; k < p->rank; k++)
        if (p->dims[k] != 1) return false;
    return true;
}

static whet_status infer_params(whet_infer *ctx, int32_t i, int64_t axis, int64_t block) {
    if (!whet_infer_has(ctx, i) || single(ctx->in[i])) return WHET_OK;
    const whet_type *x = ctx->in[0];
    int32_t at = 0;
    if (x->rank != 1 || block) WHET_TRY(whet_infer_axis(ctx, axis, x->rank, &at));
    if (block) return infer_blocked(ctx, i, at, block);
    WHET_TRY(whet_infer_rank(ctx, i, 1));
    return whet_infer_same(ctx, x->dims[at], ctx->in[i]->dims[0], "axis and parameters");
}

static whet_status infer_grid(whet_infer *ctx, int64_t axis, int64_t block) {
    for (int32_t i = 0; i < ctx->n_in; i++)
        if (ctx->in[i] && ctx->in[i]->rank < 0) return whet_infer_same_as_input(ctx);
    WHET_TRY(infer_params(ctx, 1, axis, block));
    WHET_TRY(infer_params(ctx, 2, axis, block));
    return whet_infer_same_as_input(ctx);
}

// ---- quantize_linear ----

static whet_status quantize_infer(whet_infer *ctx) {
    const whet_quantize_attrs *a = ctx->attrs;
    whet_dtype *out = &ctx->out[0].dtype, want = (whet_dtype)a->output_dtype;
    if (want != WHET_DTYPE_NONE && *out != want)
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "output_dtype is %s but the zero point %s",
                  whet_dtype_text(want), whet_dtype_text(*out));
    if (*out == WHET_DTYPE_NONE) *out = WHET_DTYPE_U8;
    return infer_grid(ctx, a->axis, a->block_size);
}

static double limit(whet_dtype dtype, bool upper) {
    double span = ldexp(1, whet_dtype_bits(dtype));
    if (whet_dtype_is_unsigned(dtype)) return upper ? span - 1 : 0;
    return upper ? span / 2 - 1 : -span / 2;
}

static double rounded_to(whet_dtype dtype, double v) {
    double bytes = 0; // room for any element
    if (!whet_dtype_is_float(dtype)) return v;
    whet_store_f64(&bytes, dtype, 0, v);
    return whet_load_f64(&bytes, dtype, 0);
}

// What the quotient is rounded to. A scale that is a power of two has no precision to speak of.
static whet_dtype precision_of(const whet_quantize_attrs *a, whet_dtype x, whet_dtype scale) {
    if (a->precision) return (whet_dtype)a->precision;
    return scale != WHET_DTYPE_F8E8M0 ? scale : whet_dtype_is_float(x) ? x : WHET_DTYPE_F32;
}

static whet_status quantize_eval(whet_eval *e) {
    const whet_quantize_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *s = &e->in[1], *z = &e->in[2];
    whet_tensor *y = &e->out[0];
    bool shifted = whet_eval_has(e, 2), blocked = a->block_size > 0;
    bool real = whet_dtype_is_float(y->dtype);
    whet_dtype precision = precision_of(a, x->dtype, s->dtype);
    double low = limit(y->dtype, false), high = limit(y->dtype, true);
    grid gs = grid_of(x, s, x->rank == 1 ? 0 : a->axis, a->block_size);
    grid gz = shifted ? grid_of(x, z, x->rank == 1 ? 0 : a->axis, a->block_size) : gs;
    int64_t n = whet_tensor_count(x);
    for (int64_t i = 0; i < n; i++) {
        double scale = whet_load_f64(s->data, s->dtype, param_at(&gs, i, blocked));
        double v = rounded_to(precision, whet_load_f64(x->data, x->dtype, i));
        v = rounded_to(precision, v / rounded_to(precision, scale));
        if (!real) v = nearbyint(v);
        if (shifted) v += whet_load_f64(z->data, z->dtype, param_at(&gz, i, blocked));
        if (!real) whet_store_f64(y->data, y->dtype, i, v < low ? low : v > high ? high : v);
        else if (whet_dtype_bits(y->dtype) < 8) whet_store_f64(y->data, y->dtype, i, v);
        else ((uint8_t *)y->data)[i] = whet_float8_store(y->dtype, v, a->saturate);
    }
    return WHET_OK;
}

#define QUANTIZED                                                                                  \
    (WHET_DTYPE_BIT(WHET_DTYPE_U8) | WHET_DTYPE_BIT(WHET_DTYPE_I8) |                               \
     WHET_DTYPE_BIT(WHET_DTYPE_U16) | WHET_DTYPE_BIT(WHET_DTYPE_I16) | WHET_DTYPES_FLOAT8 |        \
     WHET_DTYPES_PACKED)
#define SCALES (WHET_DTYPES_FLOAT | WHET_DTYPE_BIT(WHET_DTYPE_F8E8M0))
#define WITH_I32(set) ((set) | WHET_DTYPE_BIT(WHET_DTYPE_I32))
#define GRID_ATTRS(type)                                                                           \
    {"axis", WHET_ATTR_INT, offsetof(type, axis), .def = 1},                                       \
    {"block_size", WHET_ATTR_INT, offsetof(type, block_size), .min = 0, .max = INT32_MAX},         \
    {"output_dtype", WHET_ATTR_DTYPE, offsetof(type, output_dtype)}

static double quantize_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                             const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 3 * (double)whet_tensor_count(&in[0]);
}

const whet_op whet_op_quantize_linear = {
    .name = "quantize_linear",
    WHET_IN({"x", WITH_I32(WHET_DTYPES_FLOAT)}, {"y_scale", WITH_I32(SCALES)},
            {"y_zero_point", QUANTIZED, 'Z', WHET_ARG_OPTIONAL}),
    WHET_OUT({"y", QUANTIZED, 'Z'}),
    WHET_ATTRS(whet_quantize_attrs, GRID_ATTRS(whet_quantize_attrs),
               {"precision", WHET_ATTR_DTYPE, offsetof(whet_quantize_attrs, precision)},
               {"saturate", WHET_ATTR_BOOL, offsetof(whet_quantize_attrs, saturate), .def = 1}),
    WHET_ONNX({"", "QuantizeLinear", 10, 0, NULL}, {"com.microsoft", "QuantizeLinear", 1, 0, NULL}),
    .flags = WHET_OP_ANY_RANK,
    .infer = quantize_infer,
    .eval = quantize_eval,
    .flops = quantize_flops,
};

// ---- dequantize_linear ----

static whet_status dequantize_infer(whet_infer *ctx) {
    const whet_dequantize_attrs *a = ctx->attrs;
    if (a->output_dtype == WHET_DTYPE_NONE) ctx->out[0].dtype = ctx->in[1]->dtype;
    return infer_grid(ctx, a->axis, a->block_size);
}

// The difference is rounded to float first: only that of 32-bit integers may need it.
static whet_status dequantize_eval(whet_eval *e) {
    const whet_dequantize_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *s = &e->in[1], *z = &e->in[2];
    whet_tensor *y = &e->out[0];
    bool shifted = whet_eval_has(e, 2), blocked = a->block_size > 0;
    grid gs = grid_of(x, s, x->rank == 1 ? 0 : a->axis, a->block_size);
    grid gz = shifted ? grid_of(x, z, x->rank == 1 ? 0 : a->axis, a->block_size) : gs;
    int64_t n = whet_tensor_count(x);
    for (int64_t i = 0; i < n; i++) {
        double scale = whet_load_f64(s->data, s->dtype, param_at(&gs, i, blocked));
        double d = whet_load_f64(x->data, x->dtype, i);
        if (shifted) d -= whet_load_f64(z->data, z->dtype, param_at(&gz, i, blocked));
        if (s->dtype != WHET_DTYPE_F64) d = (double)(float)d;
        whet_store_f64(y->data, y->dtype, i, d * scale);
    }
    return WHET_OK;
}

const whet_op whet_op_dequantize_linear = {
    .name = "dequantize_linear",
    WHET_IN({"x", WITH_I32(QUANTIZED), 'T'}, {"x_scale", SCALES},
            {"x_zero_point", WITH_I32(QUANTIZED), 'T', WHET_ARG_OPTIONAL}),
    WHET_OUT({"y", WHET_DTYPES_FLOAT}),
    WHET_ATTRS(whet_dequantize_attrs, GRID_ATTRS(whet_dequantize_attrs)),
    WHET_ONNX({"", "DequantizeLinear", 10, 0, NULL},
              {"com.microsoft", "DequantizeLinear", 1, 0, NULL}),
    .flags = WHET_OP_ANY_RANK,
    .infer = dequantize_infer,
    .eval = dequantize_eval,
    .flops = quantize_flops,
};

// ---- dynamic_quantize_linear: scale and zero point from the range of x, zero included ----

static whet_status dynamic_infer(whet_infer *ctx) {
    whet_infer_shape(ctx, 1, 0, NULL);
    whet_infer_shape(ctx, 2, 0, NULL);
    return whet_infer_same_as_input(ctx);
}

static whet_status dynamic_eval(whet_eval *e) {
    const float *x = e->in[0].data;
    int64_t n = whet_tensor_count(&e->in[0]);
    float low = 0, high = 0;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
    }
    float scale = low == high ? 1 : (high - low) / 255;
    float zero = nearbyintf(0 - low / scale);
    zero = zero < 0 ? 0 : zero > 255 ? 255 : zero;
    if (whet_eval_wants(e, 1)) *(float *)e->out[1].data = scale;
    if (whet_eval_wants(e, 2)) whet_store_f64(e->out[2].data, WHET_DTYPE_U8, 0, (double)zero);
    if (!whet_eval_wants(e, 0)) return WHET_OK;
    for (int64_t i = 0; i < n; i++) {
        float v = nearbyintf(x[i] / scale) + zero;
        whet_store_f64(e->out[0].data, WHET_DTYPE_U8, i, (double)v);
    }
    return WHET_OK;
}

const whet_op whet_op_dynamic_quantize_linear = {
    .name = "dynamic_quantize_linear",
    WHET_IN({"x", WHET_DTYPE_BIT(WHET_DTYPE_F32)}),
    WHET_OUT({"y", WHET_DTYPE_BIT(WHET_DTYPE_U8)},
             {"y_scale", WHET_DTYPE_BIT(WHET_DTYPE_F32), 0, WHET_ARG_OPTIONAL},
             {"y_zero_point", WHET_DTYPE_BIT(WHET_DTYPE_U8), 0, WHET_ARG_OPTIONAL}),
    WHET_ONNX({"", "DynamicQuantizeLinear", 11, 0, NULL}),
    .infer = dynamic_infer,
    .eval = dynamic_eval,
    .flops = quantize_flops,
};
