// SPDX-License-Identifier: Apache-2.0
// With count_include_pad the divisor counts taps in the input and its paddings, but none that
// ceil_mode lets reach beyond them. A window without taps gives 0.
#include "ops/pool_ref.h"

static whet_status average_pool_infer(whet_infer *ctx) { return whet_pool_infer(ctx, 0); }

static double window_sum(const whet_window *w, const whet_pool_taps *t, const double *plane) {
    double sum = 0;
    for (int64_t z = t->first[0]; z < t->last[0]; z++)
        for (int64_t y = t->first[1]; y < t->last[1]; y++)
            for (int64_t x = t->first[2]; x < t->last[2]; x++)
                sum += plane[whet_pool_index(w, t, z, y, x)];
    return sum;
}

static int64_t divisor(const whet_window *w, const whet_pool_taps *t, bool include_pad) {
    int64_t n = 1;
    for (int32_t d = 0; d < WHET_WINDOW_MAX; d++) {
        int64_t taps = t->last[d] - t->first[d];
        if (include_pad) {
            int64_t room = w->in[d] + w->pad_end[d] - t->start[d];
            taps = room > 0 ? (room - 1) / w->dilation[d] + 1 : 0;
            if (taps > w->kernel[d]) taps = w->kernel[d];
        }
        n *= taps > 0 ? taps : 0;
    }
    return n;
}

static whet_status average_pool_eval(whet_eval *e) {
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
            int64_t n = divisor(&r.window, &taps, a->count_include_pad);
            double sum = n ? window_sum(&r.window, &taps, x + p * in) / (double)n : 0;
            whet_store_f64(e->out[0].data, e->out[0].dtype, p * out + i, sum);
        }
    return WHET_OK;
}

static const whet_arg average_pool_in[] = {{"X", WHET_DTYPES_FLOAT, 'T'}};
static const whet_arg average_pool_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr average_pool_attrs[] = {
    WHET_POOL_ROWS,
    {"count_include_pad", WHET_ATTR_BOOL, offsetof(whet_pool_attrs, count_include_pad)},
};
static const whet_onnx_row average_pool_onnx[] = {{"", "AveragePool", 1, 0, NULL}};

const whet_op whet_op_average_pool = {
    .name = "average_pool",
    .in = average_pool_in,
    .n_in = WHET_COUNT(average_pool_in),
    .out = average_pool_out,
    .n_out = WHET_COUNT(average_pool_out),
    .attrs = average_pool_attrs,
    .n_attrs = WHET_COUNT(average_pool_attrs),
    .attrs_size = sizeof(whet_pool_attrs),
    .onnx = average_pool_onnx,
    .n_onnx = WHET_COUNT(average_pool_onnx),
    .infer = average_pool_infer,
    .eval = average_pool_eval,
    .flops = whet_pool_flops,
};
