// SPDX-License-Identifier: Apache-2.0
// grid_sample: X [n, c, spatial] at the points of grid [n, out, d]; affine_grid makes such points.
#include <math.h>

#include "ops/indices.h"
#include "ops/move.h"
#include "ops/resize_ref.h"

enum { LINEAR, NEAREST, CUBIC, BILINEAR, BICUBIC }; // the last two are version 16's names
enum { ZEROS, BORDER, REFLECTION };
static const char *const modes[] = {"linear", "nearest", "cubic", "bilinear", "bicubic", NULL};
static const char *const paddings[] = {"zeros", "border", "reflection", NULL};

typedef struct grid_sample_attrs {
    bool align_corners;
    int32_t mode, padding_mode;
} grid_sample_attrs;

#define MAX_SPATIAL (WHET_MAX_RANK - 2)

static whet_status sample_infer(whet_infer *ctx) {
    const grid_sample_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0], *grid = ctx->in[1];
    whet_dim dims[WHET_MAX_RANK];
    if (x->rank < 3)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has %d dimensions, none of them spatial", x->rank);
    WHET_TRY(whet_infer_rank(ctx, 1, x->rank));
    WHET_TRY(whet_infer_same(ctx, x->dims[0], grid->dims[0], "batches"));
    WHET_TRY(whet_infer_same(ctx, grid->dims[x->rank - 1], x->rank - 2, "coordinates of a point"));
    if (x->dtype == WHET_DTYPE_STRING && a->mode != NEAREST)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "texts can only be sampled with mode nearest");
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int32_t i = 2; i < x->rank; i++) dims[i] = grid->dims[i - 1];
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

static double reflect(double x, double low, double high) {
    double range = high - low;
    if (!(range > 0)) return low;
    double over = x < low ? low - x : x - high;
    bool odd = fmod(floor(over / range), 2) != 0;
    double rest = fmod(over, range);
    return (x < low) != odd ? low + rest : high - rest;
}

// One dimension of the input: where a coordinate beyond its edges ends up.
typedef struct edge {
    int64_t size;
    double low, high; // of the pixels' area
    int32_t padding;
} edge;

static bool is_cubic(const grid_sample_attrs *a) {
    return a->mode == CUBIC || a->mode == BICUBIC;
}

static double place(const grid_sample_attrs *a, const edge *d, double g) {
    double size = (double)d->size;
    double x = a->align_corners ? (g + 1) / 2 * (size - 1) : ((g + 1) * size - 1) / 2;
    if (!(fabs(x) < 0x1p40)) x = x > 0 ? 0x1p40 : -0x1p40; // NaN too
    if (a->mode == NEAREST) x = nearbyint(x);
    if (is_cubic(a)) return x; // its pixels are placed one by one
    if (x >= d->low && x <= d->high) return x;
    if (d->padding == BORDER) return x < 0 ? 0 : x > size - 1 ? size - 1 : x;
    return d->padding == REFLECTION ? reflect(x, d->low, d->high) : x;
}

// The pixel that stands for position i; -1: zero.
static int64_t pixel(const edge *d, int64_t i) {
    if (i >= 0 && i < d->size) return i;
    if (d->padding == ZEROS) return -1;
    if (d->padding == REFLECTION) i = (int64_t)reflect((double)i, d->low, d->high);
    return i < 0 ? 0 : i >= d->size ? d->size - 1 : i;
}

static int32_t dim_taps(const grid_sample_attrs *a, const edge *d, double x, int64_t *at,
                        double *weight) {
    bool cubic = is_cubic(a);
    int64_t base = (int64_t)floor(x);
    double rest = x - (double)base;
    int32_t n = a->mode == NEAREST ? 1 : cubic ? 4 : 2;
    for (int32_t i = 0; i < n; i++) {
        int32_t k = cubic ? i - 1 : i;
        at[i] = pixel(d, a->mode == NEAREST ? (int64_t)nearbyint(x) : base + k);
        weight[i] = a->mode == NEAREST ? 1
                    : cubic            ? whet_cubic_weight(-0.75, rest - (double)k)
                                       : (i ? rest : 1 - rest);
    }
    return n;
}

typedef struct tap_list {
    int64_t n, *at;
    double *weight;
} tap_list;

static whet_status tap_list_make(whet_eval *e, int32_t rank, tap_list *taps) {
    int64_t most = 1;
    for (int32_t k = 0; k < rank; k++) most *= is_cubic(e->attrs) ? 4 : 2;
    taps->at = whet_eval_scratch_i64(e, most);
    taps->weight = whet_eval_scratch_f64(e, most);
    return taps->at && taps->weight ? WHET_OK : WHET_E_NOMEM;
}

// Multiplies a list by the taps of one more dimension, from its end, so that it can be done in
// place: item i becomes items [n i, n i + n), which are not before i.
static void widen(tap_list *taps, int64_t size, int32_t n, const int64_t *at,
                  const double *weight) {
    for (int64_t i = taps->n - 1; i >= 0; i--) {
        int64_t base = taps->at[i];
        double factor = taps->weight[i];
        for (int32_t j = n - 1; j >= 0; j--) {
            bool out = base < 0 || at[j] < 0;
            taps->at[i * n + j] = out ? -1 : base * size + at[j];
            taps->weight[i * n + j] = factor * weight[j];
        }
    }
    taps->n *= n;
}

// All taps of one point: the product of those of its dimensions; place -1: zero. point: last
// dimension first.
static void point_taps(const grid_sample_attrs *a, int32_t rank, const edge *edges,
                       const double *point, tap_list *taps) {
    taps->n = 1;
    taps->at[0] = 0;
    taps->weight[0] = 1;
    for (int32_t k = 0; k < rank; k++) {
        int64_t at[4];
        double weight[4];
        double x = place(a, &edges[k], point[rank - 1 - k]);
        int32_t n = dim_taps(a, &edges[k], x, at, weight);
        widen(taps, edges[k].size, n, at, weight);
    }
}

// Element `to` of the output from the pixels from `map` on.
static void sample_one(whet_eval *e, const tap_list *taps, const double *v, int64_t map,
                       int64_t to) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    if (x->dtype == WHET_DTYPE_STRING) {
        const whet_text *from = x->data;
        ((whet_text *)y->data)[to] =
            taps->n && taps->at[0] >= 0 ? from[map + taps->at[0]] : (whet_text){0};
        return;
    }
    int64_t parts = whet_dtype_parts(x->dtype);
    for (int64_t k = 0; k < parts; k++) {
        double sum = 0;
        for (int64_t t = 0; t < taps->n; t++)
            if (taps->at[t] >= 0) sum += taps->weight[t] * v[(map + taps->at[t]) * parts + k];
        whet_store_f64(y->data, whet_dtype_part(y->dtype), to * parts + k, sum);
    }
}

static whet_status sample_eval(whet_eval *e) {
    const grid_sample_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int32_t rank = x->rank - 2;
    edge edges[MAX_SPATIAL];
    int64_t plane = whet_dims_product(x->dims, 2, x->rank);
    int64_t points = whet_dims_product(y->dims, 2, y->rank), channels = x->dims[1];
    if (whet_tensor_count(&e->in[1]) != y->dims[0] * points * rank || y->dims[0] != x->dims[0])
        WHET_FAIL(e->err, WHET_E_SHAPE, "the grid does not fit the output");
    if (whet_tensor_count(y) == 0) return WHET_OK;
    if (plane == 0) WHET_FAIL(e->err, WHET_E_SHAPE, "the input is empty");
    const double *v = whet_eval_parts(e, 0), *grid = whet_eval_f64(e, 1);
    tap_list taps;
    if (!v || !grid) return WHET_E_NOMEM;
    WHET_TRY(tap_list_make(e, rank, &taps));
    for (int32_t k = 0; k < rank; k++) {
        double size = (double)x->dims[k + 2], half = a->align_corners ? 0 : 0.5;
        edges[k] = (edge){x->dims[k + 2], -half, size - 1 + half, a->padding_mode};
    }
    for (int64_t n = 0; n < y->dims[0]; n++)
        for (int64_t p = 0; p < points; p++) {
            point_taps(a, rank, edges, grid + (n * points + p) * rank, &taps);
            for (int64_t c = n * channels; c < (n + 1) * channels; c++)
                sample_one(e, &taps, v, c * plane, c * points + p);
        }
    return WHET_OK;
}

static const whet_arg sample_in[] = {
    {"X", 0, 'T'}, {"grid", WHET_DTYPES_FLOAT, 0}};
static const whet_arg sample_out[] = {{"Y", 0, 'T'}};
#define AT(field) offsetof(grid_sample_attrs, field)
static const whet_attr sample_attrs[] = {
    {"align_corners", WHET_ATTR_BOOL, AT(align_corners)},
    {"mode", WHET_ATTR_ENUM, AT(mode), .choices = modes},
    {"padding_mode", WHET_ATTR_ENUM, AT(padding_mode), .choices = paddings}};
static const whet_onnx_row sample_onnx[] = {
    {"", "GridSample", 16, 0, NULL}, {"com.microsoft", "GridSample", 1, 0, NULL}};
const whet_op whet_op_grid_sample = {
    .name = "grid_sample", .in = sample_in, .n_in = 2, .out = sample_out, .n_out = 1,
    .attrs = sample_attrs, .n_attrs = 3, .attrs_size = sizeof(grid_sample_attrs),
    .onnx = sample_onnx, .n_onnx = 2, .infer = sample_infer, .eval = sample_eval};

// ---- affine_grid ----

typedef struct affine_grid_attrs {
    bool align_corners;
} affine_grid_attrs;

static whet_status affine_infer(whet_infer *ctx) {
    const whet_type *theta = ctx->in[0];
    const whet_dim *size;
    whet_dim dims[5];
    int64_t n;
    WHET_TRY(whet_infer_rank(ctx, 0, 3));
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    // asked for in any case, so that the run knows it
    bool known = whet_infer_value(ctx, 1, &size, &n);
    whet_dim rows = theta->dims[1];
    if (!whet_dim_is_const(rows)) rows = whet_dim_sub(ctx->dims, ctx->in[1]->dims[0], 2);
    if (!whet_dim_is_const(rows)) {
        whet_infer_unknown(ctx, 0, -1);
        return WHET_OK;
    }
    if (rows != 2 && rows != 3)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "theta has %lld rows", (long long)rows);
    int32_t d = (int32_t)rows;
    WHET_TRY(whet_infer_same(ctx, theta->dims[1], d, "rows of theta and dimensions"));
    WHET_TRY(whet_infer_same(ctx, theta->dims[2], d + 1, "columns of theta and dimensions"));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[0], d + 2, "length of size"));
    whet_infer_unknown(ctx, 0, d + 2);
    dims[0] = theta->dims[0];
    dims[d + 1] = d;
    for (int32_t i = 0; i < d; i++) {
        dims[i + 1] = ctx->out[0].dims[i + 1];
        if (known && (whet_dim_is_const(size[i + 2]) ||
                      whet_dim_known_nonnegative(ctx->dims, size[i + 2])))
            dims[i + 1] = size[i + 2];
    }
    if (known) WHET_TRY(whet_infer_same(ctx, size[0], theta->dims[0], "batches"));
    whet_infer_shape(ctx, 0, d + 2, dims);
    return WHET_OK;
}

// Coordinate of pixel i of n in [-1, 1].
static double pixel_center(bool align_corners, int64_t i, int64_t n) {
    if (!align_corners) return (2 * (double)i + 1) / (double)n - 1;
    return n > 1 ? 2 * (double)i / (double)(n - 1) - 1 : 0;
}

static whet_status affine_eval(whet_eval *e) {
    const affine_grid_attrs *a = e->attrs;
    const whet_tensor *y = &e->out[0];
    int32_t d = y->rank - 2;
    int64_t index[MAX_SPATIAL + 1] = {0}, at = 0;
    if (whet_tensor_count(&e->in[0]) != y->dims[0] * d * (d + 1))
        WHET_FAIL(e->err, WHET_E_SHAPE, "theta does not fit the output");
    if (whet_tensor_count(y) == 0) return WHET_OK;
    const double *theta = whet_eval_f64(e, 0);
    if (!theta) return WHET_E_NOMEM;
    do {
        const double *t = theta + index[0] * d * (d + 1);
        for (int32_t r = 0; r < d; r++, t += d + 1) {
            double v = t[d];
            for (int32_t k = 0; k < d; k++) // x, the last dimension, comes first
                v += t[k] * pixel_center(a->align_corners, index[d - k], y->dims[d - k]);
            whet_store_f64(y->data, y->dtype, at++, v);
        }
    } while (whet_index_next(d + 1, y->dims, index));
    return WHET_OK;
}

static const whet_arg affine_in[] = {
    {"theta", WHET_DTYPES_FLOAT, 'T'}, {"size", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_SHAPE}};
static const whet_arg affine_out[] = {{"grid", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr affine_attrs[] = {
    {"align_corners", WHET_ATTR_BOOL, offsetof(affine_grid_attrs, align_corners)}};
static const whet_onnx_row affine_onnx[] = {{"", "AffineGrid", 20, 0, NULL}};
const whet_op whet_op_affine_grid = {
    .name = "affine_grid", .in = affine_in, .n_in = 2, .out = affine_out, .n_out = 1,
    .attrs = affine_attrs, .n_attrs = 1, .attrs_size = sizeof(affine_grid_attrs),
    .onnx = affine_onnx, .n_onnx = 1, .infer = affine_infer, .eval = affine_eval};
