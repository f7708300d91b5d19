// SPDX-License-Identifier: Apache-2.0
// Every input position adds its channel vector times the weights to a window of the output.
#include <inttypes.h>

#include "ops/attrs.h"
#include "ops/conv_ref.h"
#include "ops/matrix.h"

enum { CHUNK = 512 }; // input positions at a time

static whet_status conv_transpose_infer(whet_infer *ctx) {
    const whet_conv_transpose_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0], *w = ctx->in[1];
    if (x->rank < 3)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has rank %d, must be [n, c, spatial...]",
                  (int)x->rank);
    WHET_TRY(whet_infer_rank(ctx, 1, x->rank));
    WHET_TRY(whet_infer_same(ctx, x->dims[1], w->dims[0], "channels of X and W"));
    whet_dim c = whet_dim_is_const(x->dims[1]) ? x->dims[1] : w->dims[0];
    if (a->group < 1 || (whet_dim_is_const(c) && c % a->group))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " channels in %" PRId64 " groups", c,
                  a->group);
    whet_dim m = whet_dim_mul(ctx->dims, w->dims[1], a->group);
    whet_dim dims[WHET_MAX_RANK] = {x->dims[0], m};
    WHET_TRY(whet_window_infer_transposed(ctx, &a->window, a->output_padding, a->output_shape,
                                          x->rank - 2, x->dims + 2, w->dims + 2, dims + 2));
    whet_infer_shape(ctx, 0, x->rank, dims);
    return whet_conv_infer_bias(ctx, 2, m);
}

static int64_t volume(const int64_t *v) { return v[0] * v[1] * v[2]; }

// Adds `row`, products at input positions [at, at + n) under one tap, to an output plane.
static void scatter(const whet_window *w, const double *row, const int64_t tap[3], int64_t at,
                    int64_t n, double *plane) {
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = at + i, to[3];
        bool inside = true;
        for (int32_t d = 2; d >= 0; d--) {
            to[d] = rest % w->in[d] * w->stride[d] - w->pad_begin[d] + tap[d] * w->dilation[d];
            rest /= w->in[d];
            inside = inside && to[d] >= 0 && to[d] < w->out[d];
        }
        if (inside) plane[(to[0] * w->out[1] + to[1]) * w->out[2] + to[2]] += row[i];
    }
}

static void scatter_all(const whet_window *w, int64_t m, const double *col, int64_t at, int64_t n,
                        double *y) {
    int64_t tap[3];
    for (int64_t i = 0; i < m; i++)
        for (tap[0] = 0; tap[0] < w->kernel[0]; tap[0]++)
            for (tap[1] = 0; tap[1] < w->kernel[1]; tap[1]++)
                for (tap[2] = 0; tap[2] < w->kernel[2]; tap[2]++, col += n)
                    scatter(w, col, tap, at, n, y + i * volume(w->out));
}

typedef struct sizes {
    int64_t batch, group, c, m; // channels of one group
    int64_t rows;               // m times the kernel's volume
    whet_window window;
} sizes;

static whet_status run(whet_eval *e, const sizes *s, const double *x, const double *w, double *y) {
    int64_t area = volume(s->window.in), size, out = volume(s->window.out);
    if (__builtin_mul_overflow(s->rows, (int64_t)CHUNK, &size))
        WHET_FAIL(e->err, WHET_E_LIMIT, "the convolution's window is too large");
    double *col = whet_eval_raw_f64(e, size), *wt = whet_eval_raw_f64(e, s->rows * s->c);
    if (!col || !wt) return WHET_E_NOMEM;
    for (int64_t g = 0; g < s->group; g++) {
        whet_matrix_transpose_f64(s->c, s->rows, w + g * s->c * s->rows, wt);
        for (int64_t b = 0; b < s->batch; b++) {
            const double *xg = x + (b * s->group + g) * s->c * area;
            double *yg = y + (b * s->group + g) * s->m * out;
            for (int64_t at = 0; at < area; at += CHUNK) {
                int64_t n = area - at < CHUNK ? area - at : CHUNK;
                for (int64_t i = 0; i < s->rows * n; i++) col[i] = 0;
                whet_matrix_mul_f64(s->rows, n, s->c, wt, s->c, xg + at, area, col, n);
                scatter_all(&s->window, s->m, col, at, n, yg);
            }
        }
    }
    return WHET_OK;
}

static whet_status conv_transpose_eval(whet_eval *e) {
    const whet_conv_transpose_attrs *a = e->attrs;
    const whet_tensor *tx = &e->in[0], *tw = &e->in[1], *ty = &e->out[0];
    sizes s = {tx->dims[0], a->group, tx->dims[1] / a->group, tw->dims[1]};
    whet_window_resolve_transposed(&s.window, &a->window, a->output_padding, a->output_shape,
                                   tx->rank - 2, tx->dims + 2, ty->dims + 2, tw->dims + 2);
    whet_window_expand(&s.window);
    s.rows = s.m * volume(s.window.kernel);
    int64_t count = whet_tensor_count(ty), channels = s.group * s.m, out = volume(s.window.out);
    const double *x = whet_eval_f64(e, 0), *w = whet_eval_f64(e, 1), *bias = NULL;
    double *y = whet_eval_scratch_f64(e, count);
    if (whet_eval_has(e, 2) && !(bias = whet_eval_f64(e, 2))) return WHET_E_NOMEM;
    if (!x || !w || !y) return WHET_E_NOMEM;
    for (int64_t i = 0; bias && i < count; i++) y[i] = bias[i / out % channels];
    WHET_TRY(run(e, &s, x, w, y));
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static double conv_transpose_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                                   const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    double taps = 2;
    for (int32_t i = 1; i < in[1].rank; i++) taps *= (double)in[1].dims[i];
    return taps * (double)whet_tensor_count(&in[0]);
}

static const whet_arg conv_transpose_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"W", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg conv_transpose_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr conv_transpose_attrs[] = {
    WHET_WINDOW_ROWS(whet_conv_transpose_attrs, false),
    {"group", WHET_ATTR_INT, offsetof(whet_conv_transpose_attrs, group), .def = 1, .min = 1,
     .max = INT32_MAX},
    {"output_padding", WHET_ATTR_INTS, offsetof(whet_conv_transpose_attrs, output_padding),
     .min = 0, .max = INT32_MAX},
    {"output_shape", WHET_ATTR_INTS, offsetof(whet_conv_transpose_attrs, output_shape), .min = 0,
     .max = INT32_MAX},
};
static const whet_onnx_row conv_transpose_onnx[] = {{"", "ConvTranspose", 1, 0, NULL}};

const whet_op whet_op_conv_transpose = {
    .name = "conv_transpose",
    .in = conv_transpose_in,
    .n_in = WHET_COUNT(conv_transpose_in),
    .out = conv_transpose_out,
    .n_out = WHET_COUNT(conv_transpose_out),
    .attrs = conv_transpose_attrs,
    .n_attrs = WHET_COUNT(conv_transpose_attrs),
    .attrs_size = sizeof(whet_conv_transpose_attrs),
    .onnx = conv_transpose_onnx,
    .n_onnx = WHET_COUNT(conv_transpose_onnx),
    .infer = conv_transpose_infer,
    .eval = conv_transpose_eval,
    .flops = conv_transpose_flops,
};
