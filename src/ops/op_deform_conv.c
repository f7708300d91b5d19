// SPDX-License-Identifier: Apache-2.0
// Convolution whose taps are moved by offsets (of each dimension, for every tap) and weighed by a
// mask; values between pixels are interpolated, outside they are 0. One to three spatial
// dimensions.
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

// Offsets (factor: numbers a tap) or mask: [n, offset_group kernel factor, out].
static whet_status check_taps(whet_infer *ctx, int32_t in, int64_t factor) {
    const deform_attrs *a = ctx->attrs;
    if (!whet_infer_has(ctx, in)) return WHET_OK;
    const whet_dim *w = ctx->in[W]->dims, *t = ctx->in[in]->dims;
    int32_t rank = ctx->in[X]->rank;
    whet_dim taps = whet_dim_mul(ctx->dims, factor, a->offset_group);
    for (int32_t i = 2; i < rank; i++) taps = whet_dim_mul(ctx->dims, taps, w[i]);
    WHET_TRY(whet_infer_rank(ctx, in, rank));
    for (int32_t i = 0; i < rank; i++) {
        whet_dim want = i == 0 ? ctx->in[X]->dims[0] : i == 1 ? taps : ctx->out[0].dims[i];
        WHET_TRY(whet_infer_same(ctx, t[i], want, ctx->op->in[in].name));
    }
    return WHET_OK;
}

static whet_status deform_conv_infer(whet_infer *ctx) {
    const deform_attrs *a = ctx->attrs;
    WHET_TRY(whet_conv_infer(ctx, &a->window, a->group, X, W));
    whet_dim c = ctx->in[X]->dims[1];
    if (whet_dim_is_const(c) && c % a->offset_group)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " channels in %" PRId64 " offset groups", c,
                  a->offset_group);
    WHET_TRY(whet_conv_infer_bias(ctx, B, ctx->in[W]->dims[0]));
    WHET_TRY(check_taps(ctx, OFFSET, ctx->in[X]->rank - 2));
    return check_taps(ctx, MASK, 1);
}

// The value at a position in a plane of that size, linear between its up to eight neighbours.
static double sample(const double *plane, const int64_t *size, const double *at) {
    int64_t low[3];
    double rest[3], sum = 0;
    for (int k = 0; k < 3; k++) {
        if (!(at[k] > -1 && at[k] < (double)size[k])) return 0;
        low[k] = (int64_t)floor(at[k]);
        rest[k] = at[k] - (double)low[k];
    }
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1;
        int64_t index = 0;
        for (int k = 0; k < 3; k++) {
            int64_t i = low[k] + (corner >> k & 1);
            weight *= corner >> k & 1 ? rest[k] : 1 - rest[k];
            if (i < 0 || i >= size[k]) weight = 0;
            index = index * size[k] + i;
        }
        if (weight != 0) sum += weight * plane[index];
    }
    return sum;
}

typedef struct deform_run {
    whet_conv_ref r;
    const double *x, *offset, *mask;
    int64_t offset_group;
    int32_t spatial; // dimensions, the last ones of the window's three
} deform_run;

// Values under tap `tap` of channel c at output positions [at, at + n) of image b.
static void tap_row(const deform_run *g, int64_t b, int64_t c, int64_t tap, int64_t at, int64_t n,
                    double *row) {
    const whet_window *w = &g->r.window;
    int64_t channels = g->r.c * g->r.group, area = w->out[0] * w->out[1] * w->out[2];
    int64_t taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
    int64_t index = (b * g->offset_group + c / (channels / g->offset_group)) * taps + tap;
    const double *plane = g->x + (b * channels + c) * w->in[0] * w->in[1] * w->in[2];
    for (int64_t i = 0; i < n; i++) {
        int64_t out = at + i, kernel = tap;
        double place[3];
        for (int32_t k = 2; k >= 0; k--) {
            int32_t d = k - (3 - g->spatial); // which of the offsets
            place[k] = (double)(out % w->out[k] * w->stride[k] - w->pad_begin[k] +
                                kernel % w->kernel[k] * w->dilation[k]);
            if (d >= 0) place[k] += g->offset[(index * g->spatial + d) * area + at + i];
            out /= w->out[k], kernel /= w->kernel[k];
        }
        row[i] = sample(plane, w->in, place) * (g->mask ? g->mask[index * area + at + i] : 1);
    }
}

static whet_status run(whet_eval *e, const deform_run *g, const double *w, double *y) {
    const whet_window *win = &g->r.window;
    int64_t taps = win->kernel[0] * win->kernel[1] * win->kernel[2], k = g->r.c * taps;
    int64_t area = win->out[0] * win->out[1] * win->out[2], size;
    if (__builtin_mul_overflow(k, (int64_t)CHUNK, &size)) size = -1;
    double *col = whet_eval_raw_f64(e, size);
    if (!col) return WHET_E_NOMEM;
    for (int64_t i = 0; i < g->r.batch * g->r.group; i++) {
        int64_t b = i / g->r.group, group = i % g->r.group;
        for (int64_t at = 0; at < area; at += CHUNK) {
            int64_t n = area - at < CHUNK ? area - at : CHUNK;
            double *row = col;
            for (int64_t c = 0; c < g->r.c; c++)
                for (int64_t tap = 0; tap < taps; tap++, row += n)
                    tap_row(g, b, group * g->r.c + c, tap, at, n, row);
            whet_matrix_mul_f64(g->r.m, n, k, w + group * g->r.m * k, k, col, n,
                                y + i * g->r.m * area + at, area);
        }
    }
    return WHET_OK;
}

static whet_status deform_conv_eval(whet_eval *e) {
    const deform_attrs *a = e->attrs;
    const whet_tensor *t = &e->out[0];
    deform_run g = {.offset_group = a->offset_group, .spatial = t->rank - 2};
    whet_conv_ref_init(&g.r, &a->window, a->group, &e->in[X], &e->in[W], t);
    int64_t count = whet_tensor_count(t), area = 1;
    for (int32_t i = 2; i < t->rank; i++) area *= t->dims[i];
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
