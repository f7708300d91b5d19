// SPDX-License-Identifier: Apache-2.0
#include "ops/pool_ref.h"

whet_status whet_pool_infer(whet_infer *ctx, int32_t out) {
    const whet_pool_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    if (x->rank < 3)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has rank %d, must be [n, c, spatial...]",
                  (int)x->rank);
    int32_t n = x->rank - 2;
    if (a->window.kernel_shape.n != n)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "kernel_shape has %d values, expected %d",
                  (int)a->window.kernel_shape.n, (int)n);
    whet_dim dims[WHET_MAX_RANK] = {x->dims[0], x->dims[1]};
    WHET_TRY(whet_window_infer(ctx, &a->window, n, x->dims + 2, a->window.kernel_shape.v,
                               a->ceil_mode, dims + 2));
    whet_infer_shape(ctx, out, x->rank, dims);
    return WHET_OK;
}

void whet_pool_ref_init(whet_pool_ref *r, const whet_eval *e) {
    const whet_pool_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    const whet_tensor *y = whet_eval_wants(e, 0) ? &e->out[0] : &e->out[1];
    r->planes = x->dims[0] * x->dims[1];
    whet_window_resolve(&r->window, &a->window, x->rank - 2, x->dims + 2, y->dims + 2,
                        a->window.kernel_shape.v);
    whet_window_expand(&r->window);
}

void whet_pool_ref_taps(const whet_window *w, int64_t at, whet_pool_taps *taps) {
    for (int32_t d = WHET_WINDOW_MAX - 1; d >= 0; d--) {
        int64_t start = at % w->out[d] * w->stride[d] - w->pad_begin[d], step = w->dilation[d];
        at /= w->out[d];
        int64_t last = start < w->in[d] ? (w->in[d] - 1 - start) / step + 1 : 0;
        taps->start[d] = start;
        taps->first[d] = start < 0 ? (-start + step - 1) / step : 0;
        taps->last[d] = last < w->kernel[d] ? last : w->kernel[d];
    }
}

double whet_pool_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                       const whet_tensor *out, int32_t n_out) {
    const whet_pool_attrs *a = attrs;
    (void)in, (void)n_in, (void)n_out;
    double taps = 1;
    for (int32_t i = 0; i < a->window.kernel_shape.n; i++)
        taps *= (double)a->window.kernel_shape.v[i];
    return taps * (double)whet_tensor_count(&out[0]);
}
