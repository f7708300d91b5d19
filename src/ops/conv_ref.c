// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_ref.h"

#include <inttypes.h>

#include "ops/matrix.h"

enum { CHUNK = 512 }; // output positions at a time

static int64_t volume(const int64_t *v) { return v[0] * v[1] * v[2]; }

void whet_conv_ref_init(whet_conv_ref *r, const whet_window_attrs *a, int64_t group,
                        const whet_tensor *x, const whet_tensor *w, const whet_tensor *y) {
    *r = (whet_conv_ref){x->dims[0], group, x->dims[1] / group, w->dims[0] / group};
    whet_window_resolve(&r->window, a, x->rank - 2, x->dims + 2, y->dims + 2, w->dims + 2);
    whet_window_expand(&r->window);
}

// Input values under tap (z, y, x) for output positions [at, at + n): one row of columns.
static void tap_row(const whet_window *w, const double *plane, const int64_t tap[3], int64_t at,
                    int64_t n, double *row) {
    int64_t wide = w->out[2], done = 0;
    while (done < n) {
        int64_t pos = at + done, ox = pos % wide, oy = pos / wide % w->out[1];
        int64_t oz = pos / wide / w->out[1];
        int64_t count = wide - ox < n - done ? wide - ox : n - done;
        int64_t iz = oz * w->stride[0] - w->pad_begin[0] + tap[0] * w->dilation[0];
        int64_t iy = oy * w->stride[1] - w->pad_begin[1] + tap[1] * w->dilation[1];
        int64_t ix = ox * w->stride[2] - w->pad_begin[2] + tap[2] * w->dilation[2];
        bool inside = iz >= 0 && iz < w->in[0] && iy >= 0 && iy < w->in[1];
        const double *line = inside ? plane + (iz * w->in[1] + iy) * w->in[2] : NULL;
        for (int64_t i = 0; i < count; i++, ix += w->stride[2])
            row[done + i] = inside && ix >= 0 && ix < w->in[2] ? line[ix] : 0;
        done += count;
    }
}

static void columns(const whet_conv_ref *r, const double *x, int64_t at, int64_t n, double *col) {
    const whet_window *w = &r->window;
    int64_t tap[3];
    for (int64_t c = 0; c < r->c; c++) {
        const double *plane = x + c * volume(w->in);
        for (tap[0] = 0; tap[0] < w->kernel[0]; tap[0]++)
            for (tap[1] = 0; tap[1] < w->kernel[1]; tap[1]++)
                for (tap[2] = 0; tap[2] < w->kernel[2]; tap[2]++, col += n)
                    tap_row(w, plane, tap, at, n, col);
    }
}

whet_status whet_conv_ref_run(whet_eval *e, const whet_conv_ref *r, const double *x,
                              const double *w, const double *bias, double *y) {
    int64_t area = volume(r->window.out), k, size;
    if (__builtin_mul_overflow(r->c, volume(r->window.kernel), &k) ||
        __builtin_mul_overflow(k, (int64_t)CHUNK, &size))
        WHET_FAIL(e->err, WHET_E_LIMIT, "the convolution's window is too large");
    double *col = whet_eval_raw_f64(e, size);
    if (!col) return WHET_E_NOMEM;
    if (r->m == 0) return WHET_OK;
    for (int64_t ng = 0; ng < r->batch * r->group; ng++) {
        int64_t g = ng % r->group;
        const double *xg = x + ng * r->c * volume(r->window.in), *wg = w + g * r->m * k;
        double *yg = y + ng * r->m * area;
        for (int64_t i = 0; i < r->m; i++)
            for (int64_t j = 0; j < area; j++)
                yg[i * area + j] = bias ? bias[g * r->m + i] : 0;
        for (int64_t at = 0; at < area; at += CHUNK) {
            int64_t n = area - at < CHUNK ? area - at : CHUNK;
            columns(r, xg, at, n, col);
            whet_matrix_mul_f64(r->m, n, k, wg, k, col, n, yg + at, area);
        }
    }
    return WHET_OK;
}

whet_status whet_conv_infer_bias(whet_infer *ctx, int32_t bias, whet_dim m) {
    if (!whet_infer_has(ctx, bias)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, bias, 1));
    return whet_infer_same(ctx, ctx->in[bias]->dims[0], m, "bias and output channels");
}

whet_status whet_conv_infer(whet_infer *ctx, const whet_window_attrs *a, int64_t group, int32_t x,
                            int32_t w) {
    const whet_type *tx = ctx->in[x], *tw = ctx->in[w];
    if (tx->rank < 3)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has rank %d, must be [n, c, spatial...]",
                  (int)tx->rank);
    WHET_TRY(whet_infer_rank(ctx, w, tx->rank));
    if (group < 1 || group > INT32_MAX)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "group is %" PRId64, group);
    WHET_TRY(whet_infer_same(ctx, tx->dims[1], whet_dim_mul(ctx->dims, tw->dims[1], group),
                             "channels of X and group times those of W"));
    whet_dim m = tw->dims[0];
    if (whet_dim_is_const(m) && m % group)
        WHET_FAIL(ctx->err, WHET_E_SHAPE,
                  "%" PRId64 " output channels in %" PRId64 " groups", m, group);
    whet_dim dims[WHET_MAX_RANK] = {tx->dims[0], m};
    WHET_TRY(whet_window_infer(ctx, a, tx->rank - 2, tx->dims + 2, tw->dims + 2, false, dims + 2));
    whet_infer_shape(ctx, 0, tx->rank, dims);
    return WHET_OK;
}

double whet_conv_flops(const whet_tensor *w, const whet_tensor *y) {
    double taps = 2;
    for (int32_t i = 1; i < w->rank; i++) taps *= (double)w->dims[i];
    return taps * (double)whet_tensor_count(y);
}
