// SPDX-License-Identifier: Apache-2.0
// resize: inputs X, roi?, scales?, sizes?; an empty tensor counts as absent.
#include <math.h>
#include <string.h>

#include "ops/move.h"
#include "ops/resize_ref.h"

enum { STRETCH, NOT_LARGER, NOT_SMALLER };
static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
static const char *const coordinate_modes[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
    "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};
static const char *const nearest_modes[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil", "simple", NULL};
static const char *const aspect_policies[] = {"stretch", "not_larger", "not_smaller", NULL};

static int32_t n_axes(const whet_resize_attrs *a, int32_t rank) {
    return a->axes.v ? a->axes.n : rank;
}
static int32_t axis_at(const whet_resize_attrs *a, int32_t rank, int32_t i) {
    return a->axes.v ? whet_axis(a->axes.v[i], rank) : i;
}
static bool usable_scale(float s) { return s > 0 && s < 0x1p31f; }

static int64_t scaled(int64_t dim, float scale) {
    float size = floorf((float)dim * scale);
    return size < 0x1p62f ? (int64_t)size : -1;
}

// The common scale that keeps the aspect ratio; sizes and dims of the axes.
static double aspect_scale(const whet_resize_attrs *a, int32_t rank, const int64_t *dims,
                           const int64_t *sizes) {
    double scale = 0;
    for (int32_t i = 0; i < n_axes(a, rank); i++) {
        double s = (double)sizes[i] / (double)dims[axis_at(a, rank, i)];
        bool better = a->aspect_policy == NOT_LARGER ? s < scale : s > scale;
        if (i == 0 || better) scale = s;
    }
    return scale;
}

// ---- shapes ----

static bool given(const whet_infer *ctx, int32_t i) {
    return whet_infer_has(ctx, i) && !(ctx->in[i]->rank == 1 && ctx->in[i]->dims[0] == 0);
}

static whet_status check_axes(whet_infer *ctx) {
    const whet_resize_attrs *a = ctx->attrs;
    int32_t rank = ctx->in[0]->rank;
    bool seen[WHET_MAX_RANK] = {false};
    for (int32_t i = 0; i < (a->axes.v ? a->axes.n : 0); i++) {
        int32_t axis;
        WHET_TRY(whet_infer_axis(ctx, a->axes.v[i], rank, &axis));
        if (seen[axis]) WHET_FAIL(ctx->err, WHET_E_INVALID, "axis %d is named twice", axis);
        seen[axis] = true;
    }
    for (int32_t i = 2; i < 4; i++)
        if (given(ctx, i) &&
            (ctx->in[i]->rank != 1 || (whet_dim_is_const(ctx->in[i]->dims[0]) &&
                                       ctx->in[i]->dims[0] != n_axes(a, rank))))
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s must have %d elements",
                      i == 2 ? "scales" : "sizes", n_axes(a, rank));
    return WHET_OK;
}

// Scales with few fractional bits keep a symbolic dimension symbolic.
static whet_dim scaled_symbolic(whet_infer *ctx, whet_dim dim, float scale) {
    for (int32_t bits = 0; bits <= 8; bits++) {
        float up = scale * (float)(1 << bits);
        if (up == floorf(up) && up < 0x1p24f)
            return whet_dim_floordiv(ctx->dims, whet_dim_mul(ctx->dims, dim, (int64_t)up),
                                     1 << bits);
    }
    return whet_dim_fresh(ctx->dims);
}

static whet_status infer_scales(whet_infer *ctx, whet_dim *dims) {
    const whet_resize_attrs *a = ctx->attrs;
    const whet_tensor *t = ctx->data ? ctx->data[2] : NULL;
    int32_t rank = ctx->in[0]->rank;
    if (!t) ctx->needs_value |= 1 << 2;
    for (int32_t i = 0; i < n_axes(a, rank); i++) {
        whet_dim *d = &dims[axis_at(a, rank, i)];
        if (!t) {
            *d = whet_dim_fresh(ctx->dims);
            continue;
        }
        float s = ((const float *)t->data)[i];
        if (!usable_scale(s)) WHET_FAIL(ctx->err, WHET_E_RANGE, "scale %d is %g", i, (double)s);
        if (s == 1) continue;
        *d = whet_dim_is_const(*d) ? scaled(*d, s) : scaled_symbolic(ctx, *d, s);
    }
    return WHET_OK;
}

static whet_status infer_sizes(whet_infer *ctx, whet_dim *dims) {
    const whet_resize_attrs *a = ctx->attrs;
    const whet_dim *sizes;
    int64_t n;
    int32_t rank = ctx->in[0]->rank;
    bool known = whet_infer_value(ctx, 3, &sizes, &n), numbers = known;
    for (int32_t i = 0; i < n_axes(a, rank); i++) {
        int32_t axis = axis_at(a, rank, i);
        numbers = numbers && whet_dim_is_const(sizes[i]) && whet_dim_is_const(dims[axis]);
        if (known && whet_dim_is_const(sizes[i]) && sizes[i] < 0)
            WHET_FAIL(ctx->err, WHET_E_RANGE, "size %d is %lld", i, (long long)sizes[i]);
        if (numbers && a->aspect_policy != STRETCH && dims[axis] == 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "an empty dimension has no aspect ratio");
    }
    double scale = numbers && a->aspect_policy != STRETCH
                       ? aspect_scale(a, rank, dims, sizes) : 1;
    for (int32_t i = 0; i < n_axes(a, rank); i++) {
        whet_dim *d = &dims[axis_at(a, rank, i)];
        bool sure = known && whet_dim_known_nonnegative(ctx->dims, sizes[i]);
        if (a->aspect_policy == STRETCH) *d = sure ? sizes[i] : whet_dim_fresh(ctx->dims);
        else if (!numbers) *d = whet_dim_fresh(ctx->dims);
        else *d = (int64_t)fmin(floor(scale * (double)*d + 0.5), 0x1p60);
    }
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const whet_resize_attrs *a = ctx->attrs;
    whet_dim dims[WHET_MAX_RANK];
    int32_t rank = ctx->in[0]->rank;
    if (a->antialias && a->mode == WHET_RESIZE_NEAREST)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "antialias needs mode linear or cubic");
    whet_dtype dtype = ctx->in[0]->dtype;
    bool text = dtype == WHET_DTYPE_STRING;
    if (a->mode != WHET_RESIZE_NEAREST && (text || dtype == WHET_DTYPE_BOOL))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "%s can be resized in mode nearest only",
                  whet_dtype_text(dtype));
    if (a->coordinate_mode == WHET_RESIZE_TF_CROP_AND_RESIZE && text)
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "the extrapolation value is no string");
    if (a->coordinate_mode == WHET_RESIZE_TF_CROP_AND_RESIZE && !given(ctx, 1))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "tf_crop_and_resize needs input roi");
    WHET_TRY(check_axes(ctx));
    for (int32_t i = 0; i < rank; i++) dims[i] = ctx->in[0]->dims[i];
    if (given(ctx, 3)) WHET_TRY(infer_sizes(ctx, dims));
    else if (given(ctx, 2)) WHET_TRY(infer_scales(ctx, dims));
    else WHET_FAIL(ctx->err, WHET_E_INVALID, "neither scales nor sizes are given");
    whet_infer_shape(ctx, 0, rank, dims);
    return WHET_OK;
}

// ---- evaluation ----

static bool has_list(const whet_eval *e, int32_t i, int32_t n) {
    return whet_eval_has(e, i) && whet_tensor_count(&e->in[i]) == n;
}

static whet_status axis_scale(whet_eval *e, int32_t i, double aspect, whet_resize_dim *d) {
    if (aspect > 0) {
        d->scale = aspect;
    } else if (whet_eval_has(e, 2) && whet_tensor_count(&e->in[2]) > 0) {
        float s = ((const float *)e->in[2].data)[i];
        if (!usable_scale(s) || d->out != (s == 1 ? d->in : scaled(d->in, s)))
            WHET_FAIL(e->err, WHET_E_RANGE, "scale %d is %g", i, (double)s);
        d->scale = (double)s;
    } else {
        d->scale = (double)d->out / (double)d->in;
    }
    // a scale in single precision stands for the ratio when that rounds to it
    double ratio = (double)d->out / (double)d->in;
    d->scale_is_ratio = d->scale == ratio || (aspect <= 0 && (float)ratio == (float)d->scale);
    if (!(d->scale > 0)) WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d cannot be resized", i);
    return WHET_OK;
}

static whet_status resolve(whet_eval *e, whet_resize_dim *dims) {
    const whet_resize_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    int32_t n = n_axes(a, x->rank);
    double aspect = 0;
    for (int32_t k = 0; k < x->rank; k++)
        dims[k] = (whet_resize_dim){.in = x->dims[k], .out = e->out[0].dims[k], .scale = 1,
                                    .scale_is_ratio = true, .roi_end = 1};
    for (int32_t i = 1; i < 4; i++)
        if (whet_eval_has(e, i) && whet_tensor_count(&e->in[i]) > 0 &&
            !has_list(e, i, i == 1 ? 2 * n : n))
            WHET_FAIL(e->err, WHET_E_SHAPE, "input %d has %lld elements for %d axes", i,
                      (long long)whet_tensor_count(&e->in[i]), n);
    if (a->aspect_policy != STRETCH && has_list(e, 3, n)) {
        const int64_t *sizes = whet_eval_i64(e, 3);
        if (!sizes) return WHET_E_NOMEM;
        aspect = aspect_scale(a, x->rank, x->dims, sizes);
    }
    for (int32_t i = 0; i < n; i++) {
        whet_resize_dim *d = &dims[axis_at(a, x->rank, i)];
        WHET_TRY(axis_scale(e, i, aspect, d));
        if (!has_list(e, 1, 2 * n) || a->coordinate_mode != WHET_RESIZE_TF_CROP_AND_RESIZE)
            continue;
        d->roi_begin = whet_load_f64(e->in[1].data, e->in[1].dtype, i);
        d->roi_end = whet_load_f64(e->in[1].data, e->in[1].dtype, n + i);
    }
    for (int32_t k = 0; k < x->rank; k++)
        if (dims[k].scale == 1 && dims[k].in != dims[k].out && dims[k].scale_is_ratio)
            WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d is not resized", k);
    return WHET_OK;
}

static int64_t source(const whet_resize_dim *d, int64_t i) {
    if (d->identity) return i;
    return d->first[i] < 0 ? 0 : d->first[i] >= d->in ? d->in - 1 : d->first[i];
}

static bool outside(const whet_resize_dim *dims, int32_t rank, const int64_t *at) {
    for (int32_t k = 0; k < rank; k++)
        if (dims[k].outside && dims[k].outside[at[k]]) return true;
    return false;
}

static void eval_nearest(whet_eval *e, const whet_resize_dim *dims) {
    const whet_tensor *x = &e->in[0];
    int64_t strides[WHET_MAX_RANK], at[WHET_MAX_RANK] = {0};
    int32_t last = x->rank - 1;
    size_t size = whet_element_bytes(x->dtype);
    char *y = e->out[0].data;
    whet_strides(x->rank, x->dims, strides);
    do {
        int64_t row = 0;
        for (int32_t k = 0; k < last; k++) row += source(&dims[k], at[k]) * strides[k];
        for (int64_t i = 0; i < dims[last].out; i++, y += size)
            memcpy(y, whet_element_at(x->data, row + source(&dims[last], i), size), size);
    } while (whet_index_next(last, e->out[0].dims, at));
}

static whet_status eval_weighted(whet_eval *e, const whet_resize_dim *dims) {
    const whet_tensor *x = &e->in[0];
    const double *v = whet_eval_parts(e, 0);
    int64_t size[WHET_MAX_RANK], parts = whet_dtype_parts(x->dtype);
    if (!v) return WHET_E_NOMEM;
    memcpy(size, x->dims, sizeof size);
    for (int32_t k = 0; k < x->rank; k++) {
        if (dims[k].identity) continue;
        int64_t outer = whet_dims_product(size, 0, k);
        int64_t inner = whet_dims_product(size, k + 1, x->rank) * parts;
        size[k] = dims[k].out;
        int64_t n = whet_dims_count(size, x->rank);
        double *y = n < 0 ? NULL : whet_eval_scratch_f64(e, n * parts);
        if (!y) return WHET_NOMEM(e->err);
        whet_resize_pass(&dims[k], outer, inner, v, y);
        v = y;
    }
    whet_tensor *out = &e->out[0];
    int64_t n = whet_tensor_count(out) * parts;
    whet_dtype part = whet_dtype_part(out->dtype);
    // integers are cut off; a sum that is one but for rounding must not fall below it
    double nudge = whet_dtype_is_float(part) ? 0 : 1e-9;
    for (int64_t i = 0; i < n; i++)
        whet_store_f64(out->data, part, i, v[i] + copysign(nudge, v[i]));
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    const whet_resize_attrs *a = e->attrs;
    whet_resize_dim dims[WHET_MAX_RANK];
    whet_tensor *y = &e->out[0];
    int64_t n = whet_tensor_count(y), at[WHET_MAX_RANK] = {0};
    bool crop = a->coordinate_mode == WHET_RESIZE_TF_CROP_AND_RESIZE;
    if (n == 0) return WHET_OK;
    if (y->rank == 0) return whet_eval_copy(e);
    WHET_TRY(resolve(e, dims));
    for (int32_t k = 0; k < y->rank; k++) WHET_TRY(whet_resize_taps(e, a, &dims[k]));
    if (a->mode == WHET_RESIZE_NEAREST) eval_nearest(e, dims);
    else WHET_TRY(eval_weighted(e, dims));
    for (int64_t i = 0; crop && i < n; i++, whet_index_next(y->rank, y->dims, at))
        if (outside(dims, y->rank, at))
            whet_store_f64(y->data, y->dtype, i, (double)a->extrapolation_value);
    return WHET_OK;
}

static const whet_arg in[] = {
    {"X", 0, 'T'}, {"roi", WHET_DTYPES_FLOAT, 0, WHET_ARG_OPTIONAL},
    {"scales", WHET_DTYPE_BIT(WHET_DTYPE_F32), 0, WHET_ARG_OPTIONAL | WHET_ARG_VALUE},
    {"sizes", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL | WHET_ARG_VALUE}};
static const whet_arg out[] = {{"Y", 0, 'T'}};
#define AT(field) offsetof(whet_resize_attrs, field)
static const whet_attr attrs[] = {
    {"antialias", WHET_ATTR_BOOL, AT(antialias)},
    {"axes", WHET_ATTR_INTS, AT(axes)},
    {"coordinate_transformation_mode", WHET_ATTR_ENUM, AT(coordinate_mode),
     .choices = coordinate_modes},
    {"cubic_coeff_a", WHET_ATTR_FLOAT, AT(cubic_coeff_a), .def = -0.75},
    {"exclude_outside", WHET_ATTR_BOOL, AT(exclude_outside)},
    {"extrapolation_value", WHET_ATTR_FLOAT, AT(extrapolation_value)},
    {"keep_aspect_ratio_policy", WHET_ATTR_ENUM, AT(aspect_policy), .choices = aspect_policies},
    {"mode", WHET_ATTR_ENUM, AT(mode), .choices = modes},
    {"nearest_mode", WHET_ATTR_ENUM, AT(nearest_mode), .choices = nearest_modes}};
// upsample_7: the attribute `scales` becomes a constant f32 tensor, then as upsample_9. Version 1
// had the attributes height_scale and width_scale: scales are 1, 1, height_scale, width_scale.
// upsample_9 (Resize 10 too): inputs X, scales become X, absent, scales;
// coordinate_transformation_mode is asymmetric, nearest_mode is simple; mode bilinear (version 1)
// is linear.
static const whet_onnx_row onnx[] = {
    {"", "Upsample", 1, 8, "upsample_7"}, {"", "Upsample", 9, 9, "upsample_9"},
    {"", "Resize", 10, 10, "upsample_9"}, {"", "Resize", 11, 0, NULL}};
const whet_op whet_op_resize = {
    .name = "resize", .in = in, .n_in = 4, .out = out, .n_out = 1, .min_in = 1, .attrs = attrs,
    .n_attrs = WHET_COUNT(attrs), .attrs_size = sizeof(whet_resize_attrs), .onnx = onnx,
    .n_onnx = WHET_COUNT(onnx), .infer = infer, .eval = eval};
