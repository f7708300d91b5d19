// SPDX-License-Identifier: Apache-2.0
// pad and center_crop_pad. Negative pads crop first; the other modes then continue what is left.
#include <string.h>

#include "ops/indices.h"
#include "ops/move.h"

enum { CONSTANT, REFLECT, EDGE, WRAP };
static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};

typedef struct pad_attrs {
    int32_t mode;
} pad_attrs;

#define NO_PAD INT64_C(0x3fffffffffffffff) // no pad is as large

// ---- pad ----

// The axes that pads are for: input 3, or all. false: not known.
static whet_status pad_axes(whet_infer *ctx, const int64_t **axes, int64_t *n, bool *known) {
    *axes = NULL;
    *n = ctx->in[0]->rank;
    *known = !whet_infer_has(ctx, 3) || whet_infer_ints(ctx, 3, axes, n);
    bool seen[WHET_MAX_RANK] = {false};
    for (int64_t i = 0; *known && *axes && i < *n; i++) {
        int32_t axis;
        WHET_TRY(whet_infer_axis(ctx, (*axes)[i], ctx->in[0]->rank, &axis));
        if (seen[axis])
            WHET_FAIL(ctx->err, WHET_E_INVALID, "axis %lld is named twice", (long long)(*axes)[i]);
        seen[axis] = true;
    }
    return WHET_OK;
}

static whet_status pad_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    const int64_t *axes;
    const whet_dim *pads;
    int64_t n, n_pads;
    bool known;
    whet_dim dims[WHET_MAX_RANK];
    WHET_TRY(pad_axes(ctx, &axes, &n, &known));
    if (!whet_infer_value(ctx, 1, &pads, &n_pads) || !known) {
        whet_infer_unknown(ctx, 0, x->rank);
        return WHET_OK;
    }
    if (n_pads != 2 * n)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld pads for %lld axes", (long long)n_pads,
                  (long long)n);
    for (int32_t i = 0; i < x->rank; i++) dims[i] = x->dims[i];
    for (int64_t i = 0; i < n; i++) {
        whet_dim *d = &dims[axes ? whet_axis(axes[i], x->rank) : i];
        whet_dim more = whet_dim_add(ctx->dims, pads[i], pads[n + i]);
        *d = whet_dim_add(ctx->dims, *d, more);
    }
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

// One dimension: what is left of the input after cropping, and the pads around it.
typedef struct pad_dim {
    int64_t first, size, before; // of what is left; of the pad
    int64_t out;
    int64_t *source;             // [out], index in the input
} pad_dim;

static whet_status pad_lists(whet_eval *e, int64_t begin[], int64_t end[]) {
    int32_t rank = e->in[0].rank;
    int64_t n = whet_eval_has(e, 3) ? whet_tensor_count(&e->in[3]) : rank;
    const int64_t *pads = whet_eval_i64(e, 1);
    const int64_t *axes = whet_eval_has(e, 3) ? whet_eval_i64(e, 3) : NULL;
    if (!pads || (whet_eval_has(e, 3) && !axes)) return WHET_E_NOMEM;
    if (whet_tensor_count(&e->in[1]) != 2 * n || n > rank)
        WHET_FAIL(e->err, WHET_E_SHAPE, "%lld pads for %lld axes",
                  (long long)whet_tensor_count(&e->in[1]), (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t axis = axes ? axes[i] : i;
        if (axis < -rank || axis >= rank || pads[i] < -NO_PAD || pads[i] > NO_PAD ||
            pads[n + i] < -NO_PAD || pads[n + i] > NO_PAD)
            WHET_FAIL(e->err, WHET_E_RANGE, "axis %lld or its pads are out of range",
                      (long long)axis);
        begin[whet_axis(axis, rank)] = pads[i];
        end[whet_axis(axis, rank)] = pads[n + i];
    }
    return WHET_OK;
}

// Where position i before, in or behind n elements is taken from.
static int64_t pad_source(int32_t mode, int64_t i, int64_t n) {
    if (i >= 0 && i < n) return i;
    if (mode == EDGE || n == 1) return i < 0 ? 0 : n - 1;
    int64_t period = mode == WRAP ? n : 2 * (n - 1);
    i %= period;
    if (i < 0) i += period;
    return i < n ? i : period - i;
}

static whet_status pad_resolve(whet_eval *e, pad_dim *d) {
    const pad_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t begin[WHET_MAX_RANK] = {0}, end[WHET_MAX_RANK] = {0};
    WHET_TRY(pad_lists(e, begin, end));
    for (int32_t k = 0; k < x->rank; k++, d++) {
        int64_t low = begin[k] < 0 ? -begin[k] : 0, high = end[k] < 0 ? -end[k] : 0;
        // cropping more than there is takes from the pad of the other side
        low = low > x->dims[k] ? x->dims[k] : low;
        high = high > x->dims[k] - low ? x->dims[k] - low : high;
        *d = (pad_dim){low, x->dims[k] - low - high, begin[k] + low, y->dims[k], NULL};
        if (y->dims[k] != x->dims[k] + begin[k] + end[k])
            WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d is not that of the padded input", k);
        if (a->mode == CONSTANT) continue;
        if (d->size == 0 && d->out > 0)
            WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d has no elements to continue", k);
        d->source = whet_eval_scratch_i64(e, d->out);
        if (!d->source) return WHET_E_NOMEM;
        for (int64_t i = 0; i < d->out; i++)
            d->source[i] = d->first + pad_source(a->mode, i - d->before, d->size);
    }
    return WHET_OK;
}

static whet_status pad_constant(whet_eval *e, const pad_dim *d) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0], *v = &e->in[2];
    size_t size = whet_element_bytes(x->dtype);
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK], at = 0, offset = 0;
    uint64_t zero[2] = {0}; // the widest element is complex128
    whet_move m = {0};
    if (whet_eval_has(e, 2) && whet_tensor_count(v) != 1)
        WHET_FAIL(e->err, WHET_E_SHAPE, "the constant value must have one element");
    whet_move_fill(y->data, whet_tensor_count(y), whet_eval_has(e, 2) ? v->data : zero, size);
    whet_strides(x->rank, x->dims, from);
    whet_strides(y->rank, y->dims, to);
    for (int32_t k = 0; k < x->rank; k++) {
        // a pad below zero here has cropped everything
        int64_t skip = d[k].before < 0 ? -d[k].before : 0, place = d[k].before + skip;
        int64_t n = d[k].size - skip;
        if (n > d[k].out - place) n = d[k].out - place;
        if (n <= 0) return WHET_OK;
        at += place * to[k];
        offset += (d[k].first + skip) * from[k];
        whet_move_add(&m, n, to[k], from[k]);
    }
    whet_move_run(&m, size, whet_element_at(y->data, at, size),
                  whet_element_at(x->data, offset, size));
    return WHET_OK;
}

static whet_status pad_eval(whet_eval *e) {
    const pad_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    size_t size = whet_element_bytes(x->dtype);
    int64_t from[WHET_MAX_RANK], at[WHET_MAX_RANK] = {0};
    pad_dim d[WHET_MAX_RANK];
    int32_t last = x->rank - 1;
    WHET_TRY(pad_resolve(e, d));
    if (whet_tensor_count(y) == 0) return WHET_OK;
    if (a->mode == CONSTANT || x->rank == 0) return pad_constant(e, d);
    whet_strides(x->rank, x->dims, from);
    char *row = y->data;
    do {
        int64_t offset = 0;
        for (int32_t k = 0; k < last; k++) offset += d[k].source[at[k]] * from[k];
        for (int64_t i = 0; i < d[last].out; i++, row += size)
            memcpy(row, whet_element_at(x->data, offset + d[last].source[i], size), size);
    } while (whet_index_next(last, y->dims, at));
    return WHET_OK;
}

static const whet_arg pad_in[] = {
    {"data", 0, 'T'}, {"pads", WHET_DTYPES_INDEX, 0, WHET_ARG_VALUE},
    {"constant_value", 0, 'T', WHET_ARG_OPTIONAL},
    {"axes", WHET_DTYPES_INDEX, 0, WHET_ARG_OPTIONAL | WHET_ARG_VALUE}};
static const whet_arg pad_out[] = {{"output", 0, 'T'}};
static const whet_attr pad_attr_rows[] = {
    {"mode", WHET_ATTR_ENUM, offsetof(pad_attrs, mode), .choices = modes}};
// pad_2: the attribute `pads` (`paddings` in version 1) becomes a constant i64 input 1, `value`
// (0 when absent) a scalar constant input 2 of the dtype of the data.
static const whet_onnx_row pad_onnx[] = {
    {"", "Pad", 1, 10, "pad_2"}, {"", "Pad", 11, 0, NULL}, {"com.microsoft", "Pad", 1, 0, NULL}};
const whet_op whet_op_pad = {
    .name = "pad", .in = pad_in, .n_in = 4, .out = pad_out, .n_out = 1, .attrs = pad_attr_rows,
    .n_attrs = 1, .attrs_size = sizeof(pad_attrs), .onnx = pad_onnx, .n_onnx = 3,
    .flags = WHET_OP_MOVES, .infer = pad_infer, .eval = pad_eval};

// ---- center_crop_pad ----

typedef struct center_attrs {
    whet_ints axes; // absent: all
} center_attrs;

static whet_status center_infer(whet_infer *ctx) {
    const center_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    const whet_dim *shape;
    whet_dim dims[WHET_MAX_RANK];
    int64_t n;
    int32_t n_axes = a->axes.v ? a->axes.n : x->rank;
    bool known = whet_infer_value(ctx, 1, &shape, &n);
    if (known && n != n_axes)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld sizes for %d axes", (long long)n, n_axes);
    for (int32_t i = 0; i < x->rank; i++) dims[i] = x->dims[i];
    for (int32_t i = 0; i < n_axes; i++) {
        int32_t axis;
        WHET_TRY(whet_infer_axis(ctx, a->axes.v ? a->axes.v[i] : i, x->rank, &axis));
        bool use = known && (whet_dim_is_const(shape[i]) ||
                             whet_dim_known_nonnegative(ctx->dims, shape[i]));
        dims[axis] = use ? shape[i] : whet_dim_fresh(ctx->dims);
    }
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

static whet_status center_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    size_t size = whet_element_bytes(x->dtype);
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK], at = 0, offset = 0;
    uint64_t zero[2] = {0}; // the widest element is complex128
    whet_move m = {0};
    if (whet_tensor_count(y) == 0) return WHET_OK;
    whet_move_fill(y->data, whet_tensor_count(y), zero, size);
    whet_strides(x->rank, x->dims, from);
    whet_strides(y->rank, y->dims, to);
    for (int32_t k = 0; k < x->rank; k++) {
        int64_t in = x->dims[k], out = y->dims[k];
        if (in > out) offset += (in - out) / 2 * from[k];
        else at += (out - in) / 2 * to[k];
        whet_move_add(&m, in < out ? in : out, to[k], from[k]);
    }
    whet_move_run(&m, size, whet_element_at(y->data, at, size),
                  whet_element_at(x->data, offset, size));
    return WHET_OK;
}

static const whet_arg center_in[] = {
    {"input_data", 0, 'T'}, {"shape", WHET_DTYPES_INDEX, 0, WHET_ARG_SHAPE}};
static const whet_arg center_out[] = {{"output_data", 0, 'T'}};
static const whet_attr center_attr_rows[] = {
    {"axes", WHET_ATTR_INTS, offsetof(center_attrs, axes)}};
static const whet_onnx_row center_onnx[] = {{"", "CenterCropPad", 18, 0, NULL}};
const whet_op whet_op_center_crop_pad = {
    .name = "center_crop_pad", .in = center_in, .n_in = 2, .out = center_out, .n_out = 1,
    .attrs = center_attr_rows, .n_attrs = 1, .attrs_size = sizeof(center_attrs),
    .onnx = center_onnx, .n_onnx = 1,
    .flags = WHET_OP_MOVES, .infer = center_infer, .eval = center_eval};
