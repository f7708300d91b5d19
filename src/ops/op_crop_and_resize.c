// SPDX-License-Identifier: Apache-2.0
// crop_and_resize: X [n, c, h, w] cut at boxes [y1, x1, y2, x2], in parts of its size, and
// resampled to one size, corners on corners.
#include <inttypes.h>
#include <math.h>

#include "ops/op.h"

enum { BILINEAR, NEAREST };
static const char *const modes[] = {"bilinear", "nearest", NULL};

typedef struct crop_attrs {
    float extrapolation_value;
    int32_t mode;
} crop_attrs;

static whet_status crop_infer(whet_infer *ctx) {
    const whet_dim *size;
    int64_t n;
    whet_dim dims[4];
    for (int32_t i = 0; i < 4; i++) WHET_TRY(whet_infer_rank(ctx, i, i == 0 ? 4 : i == 1 ? 2 : 1));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[1], 4, "numbers of a box"));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[0], ctx->in[2]->dims[0], "boxes and indices"));
    WHET_TRY(whet_infer_same(ctx, ctx->in[3]->dims[0], 2, "numbers of crop_size"));
    whet_infer_unknown(ctx, 0, 4);
    dims[0] = ctx->in[1]->dims[0], dims[1] = ctx->in[0]->dims[1];
    bool known = whet_infer_value(ctx, 3, &size, &n);
    for (int32_t i = 2; i < 4; i++) {
        dims[i] = ctx->out[0].dims[i];
        if (!known) continue;
        if (whet_dim_is_const(size[i - 2]) && size[i - 2] < 1)
            WHET_FAIL(ctx->err, WHET_E_RANGE, "crop_size is %" PRId64, size[i - 2]);
        if (whet_dim_is_const(size[i - 2])) dims[i] = size[i - 2];
    }
    whet_infer_shape(ctx, 0, 4, dims);
    return WHET_OK;
}

// Where element i of n lies between low and high, parts of `size` pixels.
static double place(double low, double high, int64_t i, int64_t n, int64_t size) {
    double last = (double)(size - 1);
    if (n == 1) return 0.5 * (low + high) * last;
    return low * last + (double)i * (high - low) * last / (double)(n - 1);
}

static double sample(const double *map, int64_t h, int64_t w, double y, double x, int32_t mode) {
    if (mode == NEAREST) return map[(int64_t)round(y) * w + (int64_t)round(x)];
    int64_t top = (int64_t)floor(y), left = (int64_t)floor(x);
    int64_t bottom = top + 1 < h ? top + 1 : top, right = left + 1 < w ? left + 1 : left;
    double dy = y - (double)top, dx = x - (double)left;
    double a = map[top * w + left] * (1 - dx) + map[top * w + right] * dx;
    double b = map[bottom * w + left] * (1 - dx) + map[bottom * w + right] * dx;
    return a * (1 - dy) + b * dy;
}

static whet_status crop_eval(whet_eval *e) {
    const crop_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    whet_tensor *y = &e->out[0];
    int64_t c = x->dims[1], h = x->dims[2], w = x->dims[3], rows = y->dims[2], cols = y->dims[3];
    if (whet_tensor_count(y) == 0) return WHET_OK;
    const double *v = whet_eval_f64(e, 0), *box = whet_eval_f64(e, 1);
    if (!v || !box) return WHET_E_NOMEM;
    for (int64_t i = 0; i < whet_tensor_count(y); i++) {
        int64_t col = i % cols, row = i / cols % rows, channel = i / cols / rows % c;
        int64_t k = i / cols / rows / c, image = whet_load_i64(e->in[2].data, e->in[2].dtype, k);
        if (image < 0 || image >= x->dims[0])
            WHET_FAIL(e->err, WHET_E_RANGE, "box %" PRId64 " is of image %" PRId64 " of %" PRId64,
                      k, image, x->dims[0]);
        const double *b = box + 4 * k;
        double at_y = place(b[0], b[2], row, rows, h), at_x = place(b[1], b[3], col, cols, w);
        bool inside = at_y >= 0 && at_y <= (double)(h - 1) && at_x >= 0 && at_x <= (double)(w - 1);
        whet_store_f64(y->data, y->dtype, i,
                       inside ? sample(v + (image * c + channel) * h * w, h, w, at_y, at_x, a->mode)
                              : (double)a->extrapolation_value);
    }
    return WHET_OK;
}

#define INDEX (WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64))
const whet_op whet_op_crop_and_resize = {
    .name = "crop_and_resize",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}, {"rois", WHET_DTYPES_FLOAT, 'T'},
            {"batch_indices", INDEX, 0}, {"crop_size", INDEX, 0, WHET_ARG_SHAPE | WHET_ARG_VALUE}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(crop_attrs,
               {"extrapolation_value", WHET_ATTR_FLOAT, offsetof(crop_attrs, extrapolation_value)},
               {"mode", WHET_ATTR_ENUM, offsetof(crop_attrs, mode), .choices = modes}),
    WHET_ONNX({"com.microsoft", "CropAndResize", 1, 0, NULL}),
    .infer = crop_infer,
    .eval = crop_eval,
};
