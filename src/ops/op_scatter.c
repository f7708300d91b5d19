// SPDX-License-Identifier: Apache-2.0
// scatter_elements and scatter_nd, with reductions: a copy of the data, then updates in order.
#include <math.h>
#include <string.h>

#include "ops/indices.h"
#include "ops/move.h"

enum { NONE, ADD, MUL, MAX, MIN };
static const char *const reductions[] = {"none", "add", "mul", "max", "min", NULL};

typedef struct scatter_attrs {
    int64_t axis; // scatter_elements
    int32_t reduction;
} scatter_attrs;

static double reduce_f64(int32_t how, double a, double b) {
    switch (how) {
    case ADD: return a + b;
    case MUL: return a * b;
    default: break;
    }
    if (isnan(a) || isnan(b)) return NAN;
    return (how == MAX) == (a > b) ? a : b;
}

static uint64_t reduce_int(int32_t how, bool is_signed, uint64_t a, uint64_t b) {
    bool less = is_signed ? (int64_t)a < (int64_t)b : a < b;
    switch (how) {
    case ADD: return a + b;
    case MUL: return a * b;
    case MAX: return less ? b : a;
    default: return less ? a : b;
    }
}

static void reduce_complex(int32_t how, whet_tensor *data, int64_t at, const whet_tensor *updates,
                           int64_t i) {
    whet_dtype part = whet_dtype_part(data->dtype);
    double a = whet_load_f64(data->data, part, 2 * at);
    double b = whet_load_f64(data->data, part, 2 * at + 1);
    double c = whet_load_f64(updates->data, part, 2 * i);
    double d = whet_load_f64(updates->data, part, 2 * i + 1);
    whet_store_f64(data->data, part, 2 * at, how == ADD ? a + c : a * c - b * d);
    whet_store_f64(data->data, part, 2 * at + 1, how == ADD ? b + d : a * d + b * c);
}

// Element `at` of data becomes what it is reduced with element i of updates.
static void reduce(int32_t how, whet_tensor *data, int64_t at, const whet_tensor *updates,
                   int64_t i) {
    whet_dtype dtype = data->dtype;
    if (whet_dtype_is_complex(dtype)) {
        reduce_complex(how, data, at, updates, i);
        return;
    }
    if (whet_dtype_is_float(dtype)) {
        double a = whet_load_f64(data->data, dtype, at), b = whet_load_f64(updates->data, dtype, i);
        whet_store_f64(data->data, dtype, at, reduce_f64(how, a, b));
        return;
    }
    uint64_t a = whet_load_u64(data->data, dtype, at), b = whet_load_u64(updates->data, dtype, i);
    a = reduce_int(how, whet_dtype_is_signed(dtype), a, b);
    whet_store_u64(data->data, dtype, at, a);
}

// n elements from element i of updates on, to element `at` on.
static void update(int32_t how, whet_tensor *data, int64_t at, const whet_tensor *updates,
                   int64_t i, int64_t n) {
    size_t size = whet_element_bytes(data->dtype);
    if (how != NONE)
        for (int64_t k = 0; k < n; k++) reduce(how, data, at + k, updates, i + k);
    else if (n)
        memcpy(whet_element_at(data->data, at, size), whet_element_at(updates->data, i, size),
               (size_t)n * size);
}

static whet_status check_reduction(whet_infer *ctx) {
    whet_dtype dtype = ctx->in[0]->dtype;
    int32_t how = ((const scatter_attrs *)ctx->attrs)->reduction;
    if (how == NONE || WHET_DTYPES_ALL >> dtype & 1) return WHET_OK;
    if (whet_dtype_is_complex(dtype) && (how == ADD || how == MUL)) return WHET_OK;
    WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "%s elements cannot be reduced",
              whet_dtype_text(dtype));
}

// ---- scatter_elements ----

static whet_status elements_infer(whet_infer *ctx) {
    const scatter_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0], *index = ctx->in[1];
    int32_t axis;
    WHET_TRY(check_reduction(ctx));
    WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
    WHET_TRY(whet_infer_rank(ctx, 1, x->rank));
    WHET_TRY(whet_infer_rank(ctx, 2, x->rank));
    for (int32_t i = 0; i < x->rank; i++) {
        whet_dim d = whet_dim_sub(ctx->dims, x->dims[i], index->dims[i]);
        WHET_TRY(whet_infer_same(ctx, index->dims[i], ctx->in[2]->dims[i], "indices and updates"));
        if (i != axis && whet_dim_is_const(d) && d < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "the indices are larger than the data in dimension "
                      "%d", i);
    }
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

static whet_status elements_eval(whet_eval *e) {
    const scatter_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *t = &e->in[1], *updates = &e->in[2];
    int32_t axis = whet_axis(a->axis, x->rank);
    int64_t strides[WHET_MAX_RANK], at[WHET_MAX_RANK] = {0}, n = whet_tensor_count(t);
    for (int32_t k = 0; k < x->rank; k++)
        if (t->dims[k] != updates->dims[k] || (k != axis && t->dims[k] > x->dims[k]))
            WHET_FAIL(e->err, WHET_E_SHAPE, "data, indices and updates do not fit in dimension %d",
                      k);
    const int64_t *index;
    WHET_TRY(whet_eval_indices(e, 1, x->dims[axis], &index));
    WHET_TRY(whet_eval_copy(e));
    whet_strides(x->rank, x->dims, strides);
    for (int64_t i = 0; i < n; i++) {
        int64_t to = index[i] * strides[axis];
        for (int32_t k = 0; k < x->rank; k++) to += k == axis ? 0 : at[k] * strides[k];
        update(a->reduction, &e->out[0], to, updates, i, 1);
        whet_index_next(x->rank, t->dims, at);
    }
    return WHET_OK;
}

static const whet_arg in[] = {
    {"data", 0, 'T'}, {"indices", WHET_DTYPES_INDEX, 0}, {"updates", 0, 'T'}};
static const whet_arg out[] = {{"output", 0, 'T'}};
static const whet_attr elements_attrs[] = {
    {"axis", WHET_ATTR_INT, offsetof(scatter_attrs, axis)},
    {"reduction", WHET_ATTR_ENUM, offsetof(scatter_attrs, reduction), .choices = reductions}};
static const whet_onnx_row elements_onnx[] = {
    {"", "Scatter", 9, 10, NULL}, {"", "ScatterElements", 11, 0, NULL}};
const whet_op whet_op_scatter_elements = {
    .name = "scatter_elements", .in = in, .n_in = 3, .out = out, .n_out = 1,
    .attrs = elements_attrs, .n_attrs = 2, .attrs_size = sizeof(scatter_attrs),
    .onnx = elements_onnx, .n_onnx = 2, .flags = WHET_OP_INPLACE | WHET_OP_MOVES,
    .infer = elements_infer, .eval = elements_eval};

// ---- scatter_nd ----

static whet_status nd_infer(whet_infer *ctx) {
    WHET_TRY(check_reduction(ctx));
    const whet_type *x = ctx->in[0], *index = ctx->in[1], *updates = ctx->in[2];
    if (index->rank < 1 || x->rank < 1)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "data and indices must have dimensions");
    whet_dim length = index->dims[index->rank - 1];
    whet_infer_copy_shape(ctx, 0, 0);
    if (!whet_dim_is_const(length)) return WHET_OK;
    if (length < 1 || length > x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "indices of %lld dimensions into data of %d",
                  (long long)length, x->rank);
    int32_t lead = index->rank - 1, whole = (int32_t)length;
    WHET_TRY(whet_infer_rank(ctx, 2, lead + x->rank - whole));
    for (int32_t i = 0; i < lead; i++)
        WHET_TRY(whet_infer_same(ctx, index->dims[i], updates->dims[i], "indices and updates"));
    for (int32_t i = whole; i < x->rank; i++)
        WHET_TRY(whet_infer_same(ctx, x->dims[i], updates->dims[lead + i - whole],
                                 "data and updates"));
    return WHET_OK;
}

static whet_status nd_eval(whet_eval *e) {
    const scatter_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *t = &e->in[1], *updates = &e->in[2];
    int64_t n = whet_dims_product(t->dims, 0, t->rank - 1), length = t->dims[t->rank - 1];
    if (length < 1 || length > x->rank)
        WHET_FAIL(e->err, WHET_E_SHAPE, "indices of %lld dimensions into data of %d",
                  (long long)length, x->rank);
    int64_t block = whet_dims_product(x->dims, (int32_t)length, x->rank);
    if (whet_tensor_count(updates) != n * block)
        WHET_FAIL(e->err, WHET_E_SHAPE, "the updates do not fit the data and the indices");
    const int64_t *at;
    WHET_TRY(whet_eval_index_tuples(e, 1, x, 0, &at));
    WHET_TRY(whet_eval_copy(e));
    for (int64_t i = 0; i < n; i++)
        update(a->reduction, &e->out[0], at[i], updates, i * block, block);
    return WHET_OK;
}

static const whet_onnx_row nd_onnx[] = {{"", "ScatterND", 11, 0, NULL}};
const whet_op whet_op_scatter_nd = {
    .name = "scatter_nd", .in = in, .n_in = 3, .out = out, .n_out = 1,
    .attrs = elements_attrs + 1, .n_attrs = 1, .attrs_size = sizeof(scatter_attrs),
    .onnx = nd_onnx, .n_onnx = 1, .flags = WHET_OP_INPLACE | WHET_OP_MOVES,
    .infer = nd_infer, .eval = nd_eval};
