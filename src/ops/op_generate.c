// SPDX-License-Identifier: Apache-2.0
// Tensors made from a few numbers: range, eye_like, one_hot, and the triangles of trilu.
#include <math.h>
#include <string.h>

#include "ops/attrs.h"
#include "ops/move.h"

#define I64 WHET_DTYPE_BIT(WHET_DTYPE_I64)

// The one element of input i as double, for shape functions; asks for it when it is not known.
static bool scalar_f64(whet_infer *ctx, int32_t i, double *v) {
    const whet_tensor *t = ctx->data ? ctx->data[i] : NULL;
    if (!t || whet_tensor_count(t) != 1) {
        if (i < 64) ctx->needs_value |= UINT64_C(1) << i;
        return false;
    }
    *v = whet_load_f64(t->data, t->dtype, 0);
    return true;
}

// One element, however many dimensions of 1 up to one.
static bool may_be_scalar(const whet_type *t) {
    return t->rank == 0 || (t->rank == 1 && (t->dims[0] == 1 || !whet_dim_is_const(t->dims[0])));
}

// ---- range ----

// Elements of [start, limit) in steps of delta; -1: too many or no number.
static int64_t range_count_f64(double start, double limit, double delta) {
    double n = ceil((limit - start) / delta);
    if (isnan(n) || n > 0x1p59) return -1;
    return n > 0 ? (int64_t)n : 0;
}

static int64_t range_count_i64(int64_t start, int64_t limit, int64_t delta) {
    if (delta > 0 ? start >= limit : start <= limit) return 0;
    uint64_t gap = (uint64_t)limit - (uint64_t)start;
    if (delta < 0) gap = 0 - gap;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    uint64_t n = (gap - 1) / step + 1;
    return n > UINT64_C(1) << 59 ? -1 : (int64_t)n;
}

static whet_status range_set(whet_infer *ctx, double delta, int64_t n) {
    if (delta == 0) WHET_FAIL(ctx->err, WHET_E_RANGE, "delta is 0");
    if (n < 0) WHET_FAIL(ctx->err, WHET_E_RANGE, "the range has no end or too many elements");
    whet_infer_shape(ctx, 0, 1, &n);
    return WHET_OK;
}

static whet_status range_floats(whet_infer *ctx) {
    double v[3];
    bool known = true;
    for (int32_t i = 0; i < 3; i++) known = scalar_f64(ctx, i, &v[i]) && known;
    if (known) return range_set(ctx, v[2], v[2] == 0 ? 0 : range_count_f64(v[0], v[1], v[2]));
    whet_infer_unknown(ctx, 0, 1);
    return WHET_OK;
}

static whet_status range_values(whet_infer *ctx, whet_dim start, whet_dim delta, whet_dim n) {
    if (!whet_dim_is_const(n) || n > WHET_VALUE_LIMIT) return WHET_OK;
    whet_dim *value = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    if (!value) return WHET_NOMEM(ctx->err);
    for (int64_t i = 0; i < n; i++)
        value[i] = whet_dim_add(ctx->dims, start, whet_dim_mul(ctx->dims, delta, i));
    ctx->out[0].value = value;
    return WHET_OK;
}

static whet_status range_infer(whet_infer *ctx) {
    const whet_dim *v[3];
    int64_t n;
    bool known = true, numbers = true;
    for (int32_t i = 0; i < 3; i++)
        if (!may_be_scalar(ctx->in[i]))
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "input %d must be a scalar", i);
    if (whet_dtype_is_float(ctx->in[0]->dtype)) return range_floats(ctx);
    for (int32_t i = 0; i < 3; i++) {
        known = whet_infer_value(ctx, i, &v[i], &n) && known;
        numbers = numbers && known && whet_dim_is_const(v[i][0]);
    }
    if (!known) {
        whet_infer_unknown(ctx, 0, 1);
        return WHET_OK;
    }
    whet_dim start = v[0][0], limit = v[1][0], delta = v[2][0], count;
    if (numbers) {
        n = delta == 0 ? 0 : range_count_i64(start, limit, delta);
        WHET_TRY(range_set(ctx, (double)delta, n));
        return range_values(ctx, start, delta, n);
    }
    if (!whet_dim_known_positive(ctx->dims, delta)) {
        whet_infer_unknown(ctx, 0, 1);
        return WHET_OK;
    }
    count = whet_dim_max(ctx->dims, whet_dim_sub(ctx->dims, limit, start), 0);
    count = whet_dim_ceildiv(ctx->dims, count, delta);
    whet_infer_shape(ctx, 0, 1, &count);
    return range_values(ctx, start, delta, count);
}

static whet_status range_eval(whet_eval *e) {
    whet_tensor *y = &e->out[0];
    int64_t n = y->dims[0];
    for (int32_t i = 0; i < 3; i++)
        if (whet_tensor_count(&e->in[i]) != 1)
            WHET_FAIL(e->err, WHET_E_SHAPE, "input %d must be a scalar", i);
    if (whet_dtype_is_float(y->dtype)) {
        double start = whet_load_f64(e->in[0].data, y->dtype, 0);
        double delta = whet_load_f64(e->in[2].data, y->dtype, 0);
        for (int64_t i = 0; i < n; i++)
            whet_store_f64(y->data, y->dtype, i, start + (double)i * delta);
        return WHET_OK;
    }
    uint64_t v = (uint64_t)whet_load_i64(e->in[0].data, y->dtype, 0);
    uint64_t delta = (uint64_t)whet_load_i64(e->in[2].data, y->dtype, 0);
    for (int64_t i = 0; i < n; i++, v += delta) whet_store_i64(y->data, y->dtype, i, (int64_t)v);
    return WHET_OK;
}

static const whet_arg range_in[] = {
    {"start", WHET_DTYPES_NUMERIC, 'T'}, {"limit", WHET_DTYPES_NUMERIC, 'T'},
    {"delta", WHET_DTYPES_NUMERIC, 'T'}};
static const whet_arg range_out[] = {{"output", WHET_DTYPES_NUMERIC, 'T'}};
static const whet_onnx_row range_onnx[] = {
    {"", "Range", 11, 26, NULL}, {"", "Range", 27, 0, "range_27"},
    {"com.microsoft", "Range", 1, 0, "ms_range"}};
const whet_op whet_op_range = {
    .name = "range", .in = range_in, .n_in = 3, .out = range_out, .n_out = 1,
    .onnx = range_onnx, .n_onnx = 3, .infer = range_infer, .eval = range_eval};

// ---- eye_like ----

typedef struct eye_attrs {
    int32_t dtype; // NONE: that of the input
    int64_t k;
} eye_attrs;

static whet_status eye_infer(whet_infer *ctx) {
    const eye_attrs *a = ctx->attrs;
    ctx->out[0].dtype = a->dtype ? (whet_dtype)a->dtype : ctx->in[0]->dtype;
    whet_infer_unknown(ctx, 0, 2);
    if (ctx->in[0]->rank < 0) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, 0, 2));
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

static whet_status eye_eval(whet_eval *e) {
    const eye_attrs *a = e->attrs;
    whet_tensor *y = &e->out[0];
    int64_t rows = y->dims[0], columns = y->dims[1], n = whet_tensor_count(y);
    if (n > 0) memset(y->data, 0, whet_tensor_bytes(y->dtype, n));
    if (a->k >= columns || a->k <= -rows) return WHET_OK;
    for (int64_t i = a->k < 0 ? -a->k : 0; i < rows && i + a->k < columns; i++)
        whet_store_i64(y->data, y->dtype, i * columns + i + a->k, 1);
    return WHET_OK;
}

static const whet_arg eye_in[] = {{"input", 0, 0}};
static const whet_arg eye_out[] = {{"output", WHET_DTYPES_ALL, 0}};
static const whet_attr eye_attr_rows[] = {
    {"dtype", WHET_ATTR_DTYPE, offsetof(eye_attrs, dtype)},
    {"k", WHET_ATTR_INT, offsetof(eye_attrs, k)}};
static const whet_onnx_row eye_onnx[] = {{"", "EyeLike", 9, 0, NULL}};
const whet_op whet_op_eye_like = {
    .name = "eye_like", .in = eye_in, .n_in = 1, .out = eye_out, .n_out = 1,
    .attrs = eye_attr_rows, .n_attrs = 2, .attrs_size = sizeof(eye_attrs),
    .onnx = eye_onnx, .n_onnx = 1, .flags = WHET_OP_ANY_RANK, .infer = eye_infer, .eval = eye_eval};

// ---- one_hot ----

static whet_status one_hot_depth(whet_infer *ctx, whet_dim *depth) {
    const whet_dim *v;
    int64_t n;
    double number;
    if (whet_dtype_is_float(ctx->in[1]->dtype)) {
        if (!scalar_f64(ctx, 1, &number)) *depth = whet_dim_fresh(ctx->dims);
        else *depth = number >= 0 && number < 0x1p59 ? (whet_dim)number : -1;
    } else if (whet_infer_value(ctx, 1, &v, &n) && n == 1 &&
               (whet_dim_is_const(v[0]) || whet_dim_known_nonnegative(ctx->dims, v[0]))) {
        *depth = v[0];
    } else {
        *depth = whet_dim_fresh(ctx->dims);
    }
    if (whet_dim_is_const(*depth) && *depth < 0)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "depth is negative or too large");
    return WHET_OK;
}

static whet_status one_hot_infer(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim dims[WHET_MAX_RANK];
    int32_t axis;
    if (x->rank == WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank + 1, &axis));
    WHET_TRY(whet_infer_rank(ctx, 2, 1));
    WHET_TRY(whet_infer_same(ctx, ctx->in[2]->dims[0], 2, "number of values"));
    WHET_TRY(one_hot_depth(ctx, &dims[axis]));
    for (int32_t i = 0, j = 0; i <= x->rank; i++)
        if (i != axis) dims[i] = x->dims[j++];
    whet_infer_shape(ctx, 0, x->rank + 1, dims);
    return WHET_OK;
}

static whet_status one_hot_eval(whet_eval *e) {
    const whet_axis_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *values = &e->in[2];
    whet_tensor *y = &e->out[0];
    int32_t axis = whet_axis(a->axis, y->rank);
    size_t size = whet_element_bytes(y->dtype);
    int64_t depth = y->dims[axis], inner = whet_dims_product(y->dims, axis + 1, y->rank);
    int64_t n = whet_tensor_count(x);
    if (whet_tensor_count(values) != 2)
        WHET_FAIL(e->err, WHET_E_SHAPE, "values must have two elements");
    whet_move_fill(y->data, whet_tensor_count(y), values->data, size);
    const char *on = whet_element_at(values->data, 1, size);
    for (int64_t i = 0; i < n && depth > 0; i++) {
        double v = whet_load_f64(x->data, x->dtype, i);
        if (!(v >= (double)-depth && v < (double)depth)) continue;
        int64_t at = (int64_t)v + (v < 0 ? depth : 0);
        if (at >= depth) continue; // in (-1, 0)
        memcpy(whet_element_at(y->data, (i / inner * depth + at) * inner + i % inner, size), on,
               size);
    }
    return WHET_OK;
}

static const whet_arg one_hot_in[] = {
    {"indices", WHET_DTYPES_NUMERIC, 0}, {"depth", WHET_DTYPES_NUMERIC, 0, WHET_ARG_SHAPE},
    {"values", 0, 'T'}};
static const whet_arg one_hot_out[] = {{"output", 0, 'T'}};
static const whet_attr one_hot_attrs[] = {
    {"axis", WHET_ATTR_INT, offsetof(whet_axis_attrs, axis), .def = -1}};
static const whet_onnx_row one_hot_onnx[] = {{"", "OneHot", 9, 0, NULL}};
const whet_op whet_op_one_hot = {
    .name = "one_hot", .in = one_hot_in, .n_in = 3, .out = one_hot_out, .n_out = 1,
    .attrs = one_hot_attrs, .n_attrs = 1, .attrs_size = sizeof(whet_axis_attrs),
    .onnx = one_hot_onnx, .n_onnx = 1,
    .flags = WHET_OP_MOVES, .infer = one_hot_infer, .eval = one_hot_eval};

// ---- trilu ----

typedef struct trilu_attrs {
    bool upper;
} trilu_attrs;

static whet_status trilu_infer(whet_infer *ctx) {
    if (ctx->in[0]->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "a tensor of %d dimensions has no triangle",
                  ctx->in[0]->rank);
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

static whet_status trilu_eval(whet_eval *e) {
    const trilu_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1], k = 0;
    size_t size = whet_element_bytes(x->dtype);
    if (whet_eval_has(e, 1)) {
        if (whet_tensor_count(&e->in[1]) != 1)
            WHET_FAIL(e->err, WHET_E_SHAPE, "k must be a scalar");
        k = whet_load_i64(e->in[1].data, e->in[1].dtype, 0);
    }
    k = k < -rows ? -rows : k > columns ? columns : k;
    int64_t n = columns ? whet_tensor_count(x) / columns : 0;
    for (int64_t i = 0; i < n; i++) {
        // columns from `split` on are the upper triangle; the lower one has the diagonal too
        int64_t split = i % rows + k + (a->upper ? 0 : 1);
        split = split < 0 ? 0 : split > columns ? columns : split;
        int64_t begin = a->upper ? split : 0, count = a->upper ? columns - split : split;
        char *y = whet_element_at(e->out[0].data, i * columns, size);
        const char *row = whet_element_at(x->data, i * columns, size);
        memmove(y + begin * (int64_t)size, row + begin * (int64_t)size, (size_t)count * size);
        if (a->upper) memset(y, 0, (size_t)split * size);
        else memset(y + split * (int64_t)size, 0, (size_t)(columns - split) * size);
    }
    return WHET_OK;
}

static const whet_arg trilu_in[] = {{"input", 0, 'T'}, {"k", I64, 0, WHET_ARG_OPTIONAL}};
static const whet_arg trilu_out[] = {{"output", 0, 'T'}};
static const whet_attr trilu_attr_rows[] = {
    {"upper", WHET_ATTR_BOOL, offsetof(trilu_attrs, upper), .def = 1}};
static const whet_onnx_row trilu_onnx[] = {
    {"", "Trilu", 14, 0, NULL}, {"com.microsoft", "Trilu", 1, 0, NULL}};
const whet_op whet_op_trilu = {
    .name = "trilu", .in = trilu_in, .n_in = 2, .out = trilu_out, .n_out = 1,
    .attrs = trilu_attr_rows, .n_attrs = 1, .attrs_size = sizeof(trilu_attrs),
    .onnx = trilu_onnx, .n_onnx = 2, .flags = WHET_OP_INPLACE | WHET_OP_MOVES,
    .infer = trilu_infer, .eval = trilu_eval};
