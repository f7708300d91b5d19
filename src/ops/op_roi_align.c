// SPDX-License-Identifier: Apache-2.0
// Regions of feature maps by bilinear samples: X [n, c, h, w], rois [r, 4], batch_indices [r] to
// [r, c, output_height, output_width].
#include <math.h>

#include "ops/indices.h"
#include "ops/move.h"

enum { HALF_PIXEL, OUTPUT_HALF_PIXEL };
enum { AVG, MAX };
static const char *const coordinate_modes[] = {"half_pixel", "output_half_pixel", NULL};
static const char *const modes[] = {"avg", "max", NULL};

typedef struct roi_align_attrs {
    int32_t coordinate_mode, mode;
    int64_t output_height, output_width, sampling_ratio; // 0: by the size of the region
    float spatial_scale;
} roi_align_attrs;

#define MAX_SAMPLES 65536 // a bin and dimension

static whet_status infer(whet_infer *ctx) {
    const roi_align_attrs *a = ctx->attrs;
    WHET_TRY(whet_infer_rank(ctx, 0, 4));
    WHET_TRY(whet_infer_rank(ctx, 1, 2));
    WHET_TRY(whet_infer_rank(ctx, 2, 1));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[1], 4, "numbers of a region"));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[0], ctx->in[2]->dims[0],
                             "regions and batch_indices"));
    whet_infer_shape(ctx, 0, 4, (const whet_dim[]){ctx->in[1]->dims[0], ctx->in[0]->dims[1],
                                                   a->output_height, a->output_width});
    return WHET_OK;
}

// One dimension of a region: `grid` samples in each of `bins` bins.
typedef struct roi_span {
    double start, bin;
    int64_t bins, grid, size; // size of the map
} roi_span;

static whet_status span_init(whet_eval *e, double from, double to, int64_t bins, int64_t size,
                             roi_span *s) {
    const roi_align_attrs *a = e->attrs;
    double offset = a->coordinate_mode == HALF_PIXEL ? 0.5 : 0, scale = (double)a->spatial_scale;
    double length = to * scale - from * scale;
    if (a->coordinate_mode == OUTPUT_HALF_PIXEL && !(length >= 1)) length = 1;
    double grid = a->sampling_ratio > 0 ? (double)a->sampling_ratio : ceil(length / (double)bins);
    if (!isfinite(from) || !isfinite(length) || grid > MAX_SAMPLES)
        WHET_FAIL(e->err, WHET_E_RANGE, "a region from %g to %g is too large", from, to);
    *s = (roi_span){from * scale - offset, length / (double)bins, bins,
                    grid > 0 ? (int64_t)grid : 0, size};
    return WHET_OK;
}

// The two neighbours of sample i of a bin and the weight of the upper one; false outside the map.
static bool sample(const roi_span *s, int64_t bin, int64_t i, int64_t *low, int64_t *high,
                   double *weight) {
    double x = s->start + (double)bin * s->bin +
               ((double)i + 0.5) * s->bin / (double)s->grid;
    if (!(x >= -1 && x <= (double)s->size)) return false;
    if (x < 0) x = 0;
    *low = (int64_t)x;
    if (*low >= s->size - 1) {
        *low = *high = s->size - 1;
        *weight = 0;
    } else {
        *high = *low + 1;
        *weight = x - (double)*low;
    }
    return true;
}

static double pool(const roi_align_attrs *a, const roi_span *sy, const roi_span *sx, int64_t by,
                   int64_t bx, const double *map) {
    double result = 0;
    bool first = true;
    for (int64_t iy = 0; iy < sy->grid; iy++)
        for (int64_t ix = 0; ix < sx->grid; ix++) {
            int64_t y[2], x[2];
            double wy, wx, v = 0;
            bool inside = sample(sy, by, iy, &y[0], &y[1], &wy) &&
                          sample(sx, bx, ix, &x[0], &x[1], &wx);
            for (int32_t k = 0; inside && k < 4; k++) {
                double w = (k & 2 ? wy : 1 - wy) * (k & 1 ? wx : 1 - wx);
                double part = w * map[y[k >> 1] * sx->size + x[k & 1]];
                // the largest of the weighted corners, as ONNX defines it
                if (a->mode == AVG) v += part;
                else if (k == 0 || part > v) v = part;
            }
            if (a->mode == AVG) result += v;
            else if (first || v > result) result = v;
            first = false;
        }
    int64_t count = sy->grid * sx->grid;
    return a->mode == AVG && count > 0 ? result / (double)count : result;
}

static whet_status eval(whet_eval *e) {
    const roi_align_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t plane = x->dims[2] * x->dims[3], channels = x->dims[1], at = 0;
    const int64_t *batch;
    if (e->in[1].dims[1] != 4 || e->in[1].dims[0] != e->in[2].dims[0])
        WHET_FAIL(e->err, WHET_E_SHAPE, "regions and batch_indices do not fit");
    WHET_TRY(whet_eval_indices(e, 2, x->dims[0], &batch));
    const double *v = whet_eval_f64(e, 0), *rois = whet_eval_f64(e, 1);
    if (!v || !rois) return WHET_E_NOMEM;
    if (plane == 0 && whet_tensor_count(y) > 0)
        WHET_FAIL(e->err, WHET_E_SHAPE, "the feature map is empty");
    for (int64_t r = 0; r < y->dims[0]; r++) {
        roi_span sy, sx;
        WHET_TRY(span_init(e, rois[4 * r], rois[4 * r + 2], a->output_width, x->dims[3], &sx));
        WHET_TRY(span_init(e, rois[4 * r + 1], rois[4 * r + 3], a->output_height, x->dims[2], &sy));
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < sy.bins; i++)
                for (int64_t j = 0; j < sx.bins; j++)
                    whet_store_f64(y->data, y->dtype, at++,
                                   pool(a, &sy, &sx, i, j, v + (batch[r] * channels + c) * plane));
    }
    return WHET_OK;
}

static const whet_arg in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'}, {"rois", WHET_DTYPES_FLOAT, 'T'},
    {"batch_indices", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0}};
static const whet_arg out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
#define AT(field) offsetof(roi_align_attrs, field)
static const whet_attr attrs[] = {
    {"coordinate_transformation_mode", WHET_ATTR_ENUM, AT(coordinate_mode),
     .choices = coordinate_modes},
    {"mode", WHET_ATTR_ENUM, AT(mode), .choices = modes},
    {"output_height", WHET_ATTR_INT, AT(output_height), .def = 1, .min = 1, .max = 65536},
    {"output_width", WHET_ATTR_INT, AT(output_width), .def = 1, .min = 1, .max = 65536},
    {"sampling_ratio", WHET_ATTR_INT, AT(sampling_ratio), .min = 0, .max = 65536},
    {"spatial_scale", WHET_ATTR_FLOAT, AT(spatial_scale), .def = 1}};
// roi_align_10: coordinate_transformation_mode is output_half_pixel.
static const whet_onnx_row onnx[] = {
    {"", "RoiAlign", 10, 15, "roi_align_10"}, {"", "RoiAlign", 16, 0, NULL}};
const whet_op whet_op_roi_align = {
    .name = "roi_align", .in = in, .n_in = 3, .out = out, .n_out = 1, .attrs = attrs,
    .n_attrs = WHET_COUNT(attrs), .attrs_size = sizeof(roi_align_attrs), .onnx = onnx,
    .n_onnx = 2, .infer = infer, .eval = eval};
