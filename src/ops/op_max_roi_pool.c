// SPDX-License-Identifier: Apache-2.0
// The largest value in each cell of a grid laid over a region. Corners of the region are rounded
// after scaling and belong to it; cells overlap where sizes do not divide; an empty cell gives 0.
#include <inttypes.h>
#include <math.h>

#include "ops/matrix.h"

typedef struct roi_attrs {
    whet_ints pooled_shape;
    float spatial_scale;
} roi_attrs;

static whet_status max_roi_pool_infer(whet_infer *ctx) {
    const roi_attrs *a = ctx->attrs;
    WHET_TRY(whet_infer_rank(ctx, 0, 4));
    WHET_TRY(whet_infer_rank(ctx, 1, 2));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[1], 5, "columns of rois"));
    if (a->pooled_shape.n != 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "pooled_shape has %d values, expected 2",
                  (int)a->pooled_shape.n);
    const int64_t *p = a->pooled_shape.v;
    whet_infer_shape(ctx, 0, 4,
                     (whet_dim[]){ctx->in[1]->dims[0], ctx->in[0]->dims[1], p[0], p[1]});
    return WHET_OK;
}

typedef struct region {
    int64_t batch, start[2], size[2]; // rows, columns
} region;

static whet_status region_read(whet_eval *e, const double *roi, double scale, int64_t i,
                               region *r) {
    double v[5];
    for (int32_t k = 0; k < 5; k++) {
        v[k] = k ? round(roi[k] * scale) : roi[k];
        if (!(fabs(v[k]) <= INT32_MAX))
            WHET_FAIL(e->err, WHET_E_RANGE, "roi %" PRId64 " holds %g", i, v[k]);
    }
    r->batch = (int64_t)v[0];
    if (v[0] < 0 || r->batch >= e->in[0].dims[0])
        WHET_FAIL(e->err, WHET_E_RANGE, "roi %" PRId64 " is of image %g of %" PRId64, i, v[0],
                  e->in[0].dims[0]);
    for (int32_t d = 0; d < 2; d++) {
        r->start[d] = (int64_t)v[2 - d];
        r->size[d] = (int64_t)v[4 - d] - r->start[d] + 1;
        if (r->size[d] < 1) r->size[d] = 1;
    }
    return WHET_OK;
}

// Rows or columns [from, to) of cell `at` of n, within [0, limit).
static void cell(const region *r, int32_t d, int64_t at, int64_t n, int64_t limit, int64_t *from,
                 int64_t *to) {
    *from = r->start[d] + at * r->size[d] / n;
    *to = r->start[d] + ((at + 1) * r->size[d] + n - 1) / n;
    if (*from < 0) *from = 0;
    if (*to > limit) *to = limit;
}

static whet_status max_roi_pool_eval(whet_eval *e) {
    const roi_attrs *a = e->attrs;
    const int64_t *in = e->in[0].dims, *out = e->out[0].dims;
    const double *x = whet_eval_f64(e, 0), *rois = whet_eval_f64(e, 1);
    int64_t count = whet_tensor_count(&e->out[0]);
    region r = {0};
    if (!x || !rois) return WHET_E_NOMEM;
    int64_t one = out[1] * out[2] * out[3];
    for (int64_t i = 0; i < count; i++) {
        int64_t top, bottom, left, right;
        if (i % one == 0)
            WHET_TRY(region_read(e, rois + i / one * 5, (double)a->spatial_scale, i / one, &r));
        const double *plane = x + (r.batch * in[1] + i / out[3] / out[2] % in[1]) * in[2] * in[3];
        cell(&r, 0, i / out[3] % out[2], out[2], in[2], &top, &bottom);
        cell(&r, 1, i % out[3], out[3], in[3], &left, &right);
        double best = top < bottom && left < right ? -INFINITY : 0;
        for (int64_t y = top; y < bottom; y++)
            for (int64_t c = left; c < right; c++)
                if (plane[y * in[3] + c] > best) best = plane[y * in[3] + c];
        whet_store_f64(e->out[0].data, e->out[0].dtype, i, best);
    }
    return WHET_OK;
}

static const whet_arg roi_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"rois", WHET_DTYPES_FLOAT, 'T'},
};
static const whet_arg roi_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr roi_rows[] = {
    {"pooled_shape", WHET_ATTR_INTS, offsetof(roi_attrs, pooled_shape), true, .min = 1,
     .max = INT32_MAX},
    {"spatial_scale", WHET_ATTR_FLOAT, offsetof(roi_attrs, spatial_scale), .def = 1},
};
static const whet_onnx_row roi_onnx[] = {{"", "MaxRoiPool", 1, 0, NULL}};

const whet_op whet_op_max_roi_pool = {
    .name = "max_roi_pool",
    .in = roi_in,
    .n_in = WHET_COUNT(roi_in),
    .out = roi_out,
    .n_out = WHET_COUNT(roi_out),
    .attrs = roi_rows,
    .n_attrs = WHET_COUNT(roi_rows),
    .attrs_size = sizeof(roi_attrs),
    .onnx = roi_onnx,
    .n_onnx = WHET_COUNT(roi_onnx),
    .infer = max_roi_pool_infer,
    .eval = max_roi_pool_eval,
};
