// SPDX-License-Identifier: Apache-2.0
// (sum |x|^p)^(1/p) over the window.
#include <math.h>

#include "ops/pool_ref.h"

static whet_status lp_pool_infer(whet_infer *ctx) { return whet_pool_infer(ctx, 0); }

static double window_norm(const whet_window *w, const whet_pool_taps *t, const double *plane,
                          double p) {
    double sum = 0;
    for (int64_t z = t->first[0]; z < t->last[0]; z++)
        for (int64_t y = t->first[1]; y < t->last[1]; y++)
            for (int64_t x = t->first[2]; x < t->last[2]; x++)
                sum += pow(fabs(plane[whet_pool_index(w, t, z, y, x)]), p);
    return pow(sum, 1 / p);
}

static whet_status lp_pool_eval(whet_eval *e) {
    const whet_pool_attrs *a = e->attrs;
    whet_pool_ref r;
    whet_pool_ref_init(&r, e);
    int64_t in = whet_pool_area(r.window.in), out = whet_pool_area(r.window.out);
    const double *x = whet_eval_f64(e, 0);
    if (!x) return WHET_E_NOMEM;
    for (int64_t p = 0; p < r.planes; p++)
        for (int64_t i = 0; i < out; i++) {
            whet_pool_taps taps;
            whet_pool_ref_taps(&r.window, i, &taps);
            double v = window_norm(&r.window, &taps, x + p * in, (double)a->p);
            whet_store_f64(e->out[0].data, e->out[0].dtype, p * out + i, v);
        }
    return WHET_OK;
}

static const whet_arg lp_pool_in[] = {{"X", WHET_DTYPES_FLOAT, 'T'}};
static const whet_arg lp_pool_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr lp_pool_attrs[] = {
    WHET_POOL_ROWS,
    {"p", WHET_ATTR_INT, offsetof(whet_pool_attrs, p), .def = 2, .min = 1, .max = INT32_MAX},
};
// Version 1: p is a float; one that is a whole number >= 1 goes over, others are
// WHET_E_UNSUPPORTED. kernel_shape may be absent there: WHET_E_UNSUPPORTED too.
static const whet_onnx_row lp_pool_onnx[] = {
    {"", "LpPool", 1, 1, "lp_pool_1"},
    {"", "LpPool", 2, 0, NULL},
};

const whet_op whet_op_lp_pool = {
    .name = "lp_pool",
    .in = lp_pool_in,
    .n_in = WHET_COUNT(lp_pool_in),
    .out = lp_pool_out,
    .n_out = WHET_COUNT(lp_pool_out),
    .attrs = lp_pool_attrs,
    .n_attrs = WHET_COUNT(lp_pool_attrs),
    .attrs_size = sizeof(whet_pool_attrs),
    .onnx = lp_pool_onnx,
    .n_onnx = WHET_COUNT(lp_pool_onnx),
    .infer = lp_pool_infer,
    .eval = lp_pool_eval,
    .flops = whet_pool_flops,
};
