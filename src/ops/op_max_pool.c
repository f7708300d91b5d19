// SPDX-License-Identifier: Apache-2.0
// Taps in the padding do not count; a NaN never wins; a window without taps gives the lowest value.
#include <math.h>

#include "ops/pool_ref.h"

static whet_status max_pool_infer(whet_infer *ctx) {
    const whet_pool_attrs *a = ctx->attrs;
    if (a->storage_order != 0 && a->storage_order != 1)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "storage_order is %lld, must be 0 or 1",
                  (long long)a->storage_order);
    WHET_TRY(whet_pool_infer(ctx, 0));
    if (ctx->n_out > 1) whet_infer_shape(ctx, 1, ctx->out[0].rank, ctx->out[0].dims);
    return WHET_OK;
}

// Index of the largest tap; -1 when there is none.
static int64_t largest(const whet_window *w, const whet_pool_taps *t, const double *plane,
                       double *value) {
    int64_t best = -1;
    *value = -INFINITY;
    for (int64_t z = t->first[0]; z < t->last[0]; z++)
        for (int64_t y = t->first[1]; y < t->last[1]; y++)
            for (int64_t x = t->first[2]; x < t->last[2]; x++) {
                int64_t at = whet_pool_index(w, t, z, y, x);
                if (best >= 0 && !(plane[at] > *value)) continue;
                best = at;
                if (plane[at] > *value) *value = plane[at];
            }
    return best;
}

// Column-major index: the first spatial dimension runs fastest.
static int64_t column_major(const whet_window *w, int64_t at) {
    int64_t x = at % w->in[2], y = at / w->in[2] % w->in[1], z = at / w->in[2] / w->in[1];
    return z + w->in[0] * (y + w->in[1] * x);
}

static whet_status max_pool_eval(whet_eval *e) {
    const whet_pool_attrs *a = e->attrs;
    whet_pool_ref r;
    whet_pool_ref_init(&r, e);
    const double *x = whet_eval_f64(e, 0);
    if (!x) return WHET_E_NOMEM;
    int64_t in = whet_pool_area(r.window.in), out = whet_pool_area(r.window.out);
    for (int64_t p = 0; p < r.planes; p++)
        for (int64_t i = 0; i < out; i++) {
            whet_pool_taps taps;
            double value;
            whet_pool_ref_taps(&r.window, i, &taps);
            int64_t best = largest(&r.window, &taps, x + p * in, &value);
            if (whet_eval_wants(e, 0))
                whet_store_f64(e->out[0].data, e->out[0].dtype, p * out + i, value);
            if (!whet_eval_wants(e, 1)) continue;
            if (best >= 0 && a->storage_order) best = column_major(&r.window, best);
            ((int64_t *)e->out[1].data)[p * out + i] = best < 0 ? -1 : p * in + best;
        }
    return WHET_OK;
}

#define MAX_POOL_DTYPES                                                                            \
    (WHET_DTYPES_FLOAT | WHET_DTYPE_BIT(WHET_DTYPE_I8) | WHET_DTYPE_BIT(WHET_DTYPE_U8))

static const whet_arg max_pool_in[] = {{"X", MAX_POOL_DTYPES, 'T'}};
static const whet_arg max_pool_out[] = {
    {"Y", MAX_POOL_DTYPES, 'T'},
    {"Indices", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL},
};
static const whet_attr max_pool_attrs[] = {
    WHET_POOL_ROWS,
    {"storage_order", WHET_ATTR_INT, offsetof(whet_pool_attrs, storage_order), .min = 0, .max = 1},
};
static const whet_onnx_row max_pool_onnx[] = {{"", "MaxPool", 1, 0, NULL}};

const whet_op whet_op_max_pool = {
    .name = "max_pool",
    .in = max_pool_in,
    .n_in = WHET_COUNT(max_pool_in),
    .out = max_pool_out,
    .n_out = WHET_COUNT(max_pool_out),
    .attrs = max_pool_attrs,
    .n_attrs = WHET_COUNT(max_pool_attrs),
    .attrs_size = sizeof(whet_pool_attrs),
    .onnx = max_pool_onnx,
    .n_onnx = WHET_COUNT(max_pool_onnx),
    .infer = max_pool_infer,
    .eval = max_pool_eval,
    .flops = whet_pool_flops,
};
