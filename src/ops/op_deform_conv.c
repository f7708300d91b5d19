// SPDX-License-Identifier: Apache-2.0
// Convolution whose taps are moved by offsets (rows, then columns, of every tap) and weighed by a
// mask; values between pixels are interpolated, outside they are 0. Two spatial dimensions.
#include <inttypes.h>
#include <math.h>

#include "ops/attrs.h"
#include "ops/conv_ref.h"
#include "ops/matrix.h"

typedef struct deform_attrs {
    whet_window_attrs window; // auto_pad stays NOTSET
    int64_t group, offset_group;
} deform_attrs;

enum { X, W, OFFSET, B, MASK };
enum { CHUNK = 512 };

static whet_status check_taps(whet_infer *ctx, int32_t in, int64_t factor) {
    const deform_attrs *a = ctx->attrs;
    if (!whet_infer_has(ctx, in)) return WHET_OK;
    const whet_dim *w = ctx->in[W]->dims, *y = ctx->out[0].dims;
    whet_dims *pool = ctx->dims;
    whet_dim taps = whet_dim_mul(pool, whet_dim_mul(pool, w[2], w[3]), factor);
    const whet_dim want[4] = {ctx->in[X]->dims[0], whet_dim_mul(pool, taps, a->offset_group), y[2],
                              y[3]};
    WHET_TRY(whet_infer_rank(ctx, in, 4));
    for (int32_t i = 0; i < 4; i++)
        WHET_TRY(whet_infer_same(ctx, ctx->in[in]->dims[i], want[i], ctx->op->in[in].name));
    return WHET_OK;
}

static whet_status deform_conv_infer(whet_infer *ctx) {
    const deform_attrs *a = ctx->attrs;
    if (ctx->in[X]->rank != 4)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "deform_conv of %d dimensions; only 4 is supported",
                  (int)ctx->in[X]->rank);
    WHET_TRY(whet_conv_infer(ctx, &a->window, a->group, X, W));
    whet_dim c = ctx->in[X]->dims[1];
    if (whet_dim_is_const(c) && c % a->offset_group)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " channels in %" PRId64 " offset groups", c,
                  a->offset_group);
    WHET_TRY(whet_conv_infer_bias(ctx, B, ctx->in[W]->dims[0]));
    WHET_TRY(check_taps(ctx, OFFSET, 2));
    return check_taps(ctx, MASK, 1);
}

static double pixel(const double *plane, const int64_t *size, int64_t y, int64_t x) {
    return y >= 0 && y < size[0] && x >= 0 && x < size[1] ? plane[y * size[1] + x] : 0;
}

static double sample(const double *plane, const int64_t *size, double y, double x) {
    if (!(y > -1 && y < (double)size[0] && x > -1 && x < (double)size[1])) return 0;
    int64_t top = (int64_t)floor(y), left = (int64_t)floor(x);
    double fy = y - (double)top, fx = x - (double)left;
    return (1 - fy) * ((1 - fx) * pixel(plane, size, top, left) +
                       fx * pixel(plane, size, top, left + 1)) +
           fy * ((1 - fx) * pixel(plane, size, top + 1, left) +
                 fx * pixel(plane, size, top + 1, left + 1));
}

typedef struct deform_run {
    whet_conv_ref r;
    const double *x, *offset, *mask;
    int64_t offset_group;
} deform_run;

// Values under tap (ky, kx) of channel c at output positions [at, at + n) of image b.
static void tap_row(const deform_run *g, int64_t b, int64_t c, int64_t ky, int64_t kx, int64_t at,
                    int64_t n, double *row) {
    const whet_window *w = &g->r.window; // dimensions 1 and 2
    int64_t channels = g->r.c * g->r.group, area = w->out[1] * w->out[2];
    int64_t taps = w->kernel[1] * w->kernel[2];
    int64_t og = c / (channels / g->offset_group), tap = ky * w->kernel[2] + kx;
    int64_t index = (b * g->offset_group + og) * taps + tap;
    const double *plane = g->x + (b * channels + c) * w->in[1] * w->in[2];
    for (int64_t i = 0; i < n; i++) {
        int64_t p = at + i, oy = p / w->out[2], ox = p % w->out[2];
        double y = (double)(oy * w->stride[1] - w->pad_begin[1] + ky * w->dilation[1]);
        double x = (double)(ox * w->stride[2] - w->pad_begin[2] + kx * w->dilation[2]);
        y += g->offset[2 * index * area + p];
        x += g->offset[(2 * index + 1) * area + p];
        row[i] = sample(plane, w->in + 1, y, x) * (g->mask ? g->mask[index * area + p] : 1);
    }
}

static whet_status run(whet_eval *e, const deform_run *g, const double *w, double *y) {
    const whet_window *win = &g->r.window;
    int64_t k = g->r.c * win->kernel[1] * win->kernel[2], area = win->out[1] * win->out[2], size;
    if (__builtin_mul_overflow(k, (int64_t)CHUNK, &size)) size = -1;
    double *col = whet_eval_raw_f64(e, size);
    if (!col) return WHET_E_NOMEM;
    for (int64_t i = 0; i < g->r.batch * g->r.group; i++) {
        int64_t b = i / g->r.group, group = i % g->r.group;
        for (int64_t at = 0; at < area; at += CHUNK) {
            int64_t n = area - at < CHUNK ? area - at : CHUNK;
            double *row = col;
            for (int64_t c = 0; c < g->r.c; c++)
                for (int64_t ky = 0; ky < win->kernel[1]; ky++)
                    for (int64_t kx = 0; kx < win->kernel[2]; kx++, row += n)
                        tap_row(g, b, group * g->r.c + c, ky, kx, at, n, row);
            whet_matrix_mul_f64(g->r.m, n, k, w + group * g->r.m * k, k, col, n,
                                y + i * g->r.m * area + at, area);
        }
    }
    return WHET_OK;
}

static whet_status deform_conv_eval(whet_eval *e) {
    const deform_attrs *a = e->attrs;
    const whet_tensor *t = &e->out[0];
    deform_run g = {.offset_group = a->offset_group};
    whet_conv_ref_init(&g.r, &a->window, a->group, &e->in[X], &e->in[W], t);
    int64_t count = whet_tensor_count(t), area = t->dims[2] * t->dims[3];
    const double *w = whet_eval_f64(e, W), *bias = NULL;
    double *y = whet_eval_scratch_f64(e, count);
    g.x = whet_eval_f64(e, X);
    g.offset = whet_eval_f64(e, OFFSET);
    if (whet_eval_has(e, B) && !(bias = whet_eval_f64(e, B))) return WHET_E_NOMEM;
    if (whet_eval_has(e, MASK) && !(g.mask = whet_eval_f64(e, MASK))) return WHET_E_NOMEM;
    if (!g.x || !g.offset || !w || !y) return WHET_E_NOMEM;
    for (int64_t i = 0; bias && i < count; i++) y[i] = bias[i / area % t->dims[1]];
    WHET_TRY(run(e, &g, w, y));
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static double deform_conv_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_conv_flops(&in[W], &out[0]);
}

static const whet_arg deform_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"W", WHET_DTYPES_FLOAT, 'T'},
    {"offset", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"mask", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg deform_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
#define SIZES .min = 1, .max = INT32_MAX
static const whet_attr deform_rows[] = {
    {"kernel_shape", WHET_ATTR_INTS, offsetof(deform_attrs, window.kernel_shape), SIZES},
    {"strides", WHET_ATTR_INTS, offsetof(deform_attrs, window.strides), SIZES},
    {"dilations", WHET_ATTR_INTS, offsetof(deform_attrs, window.dilations), SIZES},
    {"pads", WHET_ATTR_INTS, offsetof(deform_attrs, window.pads), .min = 0, .max = INT32_MAX},
    {"group", WHET_ATTR_INT, offsetof(deform_attrs, group), .def = 1, SIZES},
    {"offset_group", WHET_ATTR_INT, offsetof(deform_attrs, offset_group), .def = 1, SIZES},
};
static const whet_onnx_row deform_onnx[] = {{"", "DeformConv", 19, 0, NULL}};

const whet_op whet_op_deform_conv = {
    .name = "deform_conv",
    .in = deform_in,
    .n_in = WHET_COUNT(deform_in),
    .out = deform_out,
    .n_out = WHET_COUNT(deform_out),
    .attrs = deform_rows,
    .n_attrs = WHET_COUNT(deform_rows),
    .attrs_size = sizeof(deform_attrs),
    .onnx = deform_onnx,
    .n_onnx = WHET_COUNT(deform_onnx),
    .infer = deform_conv_infer,
    .eval = deform_conv_eval,
    .flops = deform_conv_flops,
};
