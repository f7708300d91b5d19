// SPDX-License-Identifier: Apache-2.0
// gather (blocks along an axis), gather_elements, gather_nd.
#include <string.h>

#include "ops/attrs.h"
#include "ops/indices.h"
#include "ops/move.h"

// ---- gather ----

static whet_status gather_infer(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0], *index = ctx->in[1];
    whet_dim dims[WHET_MAX_RANK];
    int32_t axis, rank = x->rank + index->rank - 1, n = 0;
    WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
    if (rank > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    for (int32_t i = 0; i < axis; i++) dims[n++] = x->dims[i];
    for (int32_t i = 0; i < index->rank; i++) dims[n++] = index->dims[i];
    for (int32_t i = axis + 1; i < x->rank; i++) dims[n++] = x->dims[i];
    whet_infer_shape(ctx, 0, n, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status gather_eval(whet_eval *e) {
    const whet_axis_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    int32_t axis = whet_axis(a->axis, x->rank);
    size_t size = whet_element_bytes(x->dtype);
    int64_t dim = x->dims[axis], rows = whet_dims_product(x->dims, 0, axis);
    int64_t inner = whet_dims_product(x->dims, axis + 1, x->rank);
    int64_t n = whet_tensor_count(&e->in[1]);
    const int64_t *index;
    WHET_TRY(whet_eval_indices(e, 1, dim, &index));
    char *y = e->out[0].data;
    size_t bytes = (size_t)inner * size;
    for (int64_t r = 0; bytes && r < rows; r++)
        for (int64_t i = 0; i < n; i++, y += bytes)
            memcpy(y, whet_element_at(x->data, (r * dim + index[i]) * inner, size), bytes);
    return WHET_OK;
}

static const whet_arg gather_in[] = {{"data", 0, 'T'}, {"indices", WHET_DTYPES_INDEX, 0}};
static const whet_arg gather_out[] = {{"output", 0, 'T'}};
static const whet_attr axis_attrs[] = {
    {"axis", WHET_ATTR_INT, offsetof(whet_axis_attrs, axis)}};
static const whet_onnx_row gather_onnx[] = {{"", "Gather", 1, 0, NULL}};
const whet_op whet_op_gather = {
    .name = "gather", .in = gather_in, .n_in = 2, .out = gather_out, .n_out = 1,
    .attrs = axis_attrs, .n_attrs = 1, .attrs_size = sizeof(whet_axis_attrs),
    .onnx = gather_onnx, .n_onnx = 1,
    .flags = WHET_OP_MONOTONE | WHET_OP_MOVES, .infer = gather_infer, .eval = gather_eval};

// ---- gather_elements ----

static whet_status elements_infer(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    WHET_TRY(whet_infer_rank(ctx, 1, ctx->in[0]->rank));
    for (int32_t i = 0; i < ctx->in[0]->rank; i++) {
        whet_dim d = whet_dim_sub(ctx->dims, ctx->in[0]->dims[i], ctx->in[1]->dims[i]);
        if (i != axis && whet_dim_is_const(d) && d < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "the indices are larger than the data in dimension "
                      "%d", i);
    }
    whet_infer_copy_shape(ctx, 0, 1);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status elements_eval(whet_eval *e) {
    const whet_axis_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int32_t axis = whet_axis(a->axis, x->rank);
    size_t size = whet_element_bytes(x->dtype);
    int64_t strides[WHET_MAX_RANK], at[WHET_MAX_RANK] = {0}, n = whet_tensor_count(&e->in[1]);
    const int64_t *index;
    WHET_TRY(whet_eval_indices(e, 1, x->dims[axis], &index));
    for (int32_t k = 0; k < x->rank; k++)
        if (y->dims[k] != e->in[1].dims[k] || (k != axis && y->dims[k] > x->dims[k]))
            WHET_FAIL(e->err, WHET_E_SHAPE, "the indices do not fit the data in dimension %d", k);
    whet_strides(x->rank, x->dims, strides);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = index[i] * strides[axis];
        for (int32_t k = 0; k < x->rank; k++) from += k == axis ? 0 : at[k] * strides[k];
        memcpy(whet_element_at(y->data, i, size), whet_element_at(x->data, from, size), size);
        whet_index_next(x->rank, y->dims, at);
    }
    return WHET_OK;
}

static const whet_onnx_row elements_onnx[] = {{"", "GatherElements", 11, 0, NULL}};
const whet_op whet_op_gather_elements = {
    .name = "gather_elements", .in = gather_in, .n_in = 2, .out = gather_out, .n_out = 1,
    .attrs = axis_attrs, .n_attrs = 1, .attrs_size = sizeof(whet_axis_attrs),
    .onnx = elements_onnx, .n_onnx = 1,
    .flags = WHET_OP_MONOTONE | WHET_OP_MOVES, .infer = elements_infer, .eval = elements_eval};

// ---- gather_nd ----

typedef struct gather_nd_attrs {
    int64_t batch_dims;
} gather_nd_attrs;

static whet_status nd_infer(whet_infer *ctx) {
    const gather_nd_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0], *index = ctx->in[1];
    whet_dim dims[WHET_MAX_RANK];
    int32_t n = 0, batch = (int32_t)a->batch_dims;
    if (index->rank < 1 || a->batch_dims >= index->rank || a->batch_dims >= x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld batch dimensions, data of %d dimensions, indices "
                  "of %d", (long long)a->batch_dims, x->rank, index->rank);
    whet_dim length = index->dims[index->rank - 1];
    if (!whet_dim_is_const(length)) {
        whet_infer_unknown(ctx, 0, -1);
        return WHET_OK;
    }
    if (length < 1 || length > x->rank - batch)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "indices of %lld dimensions into data of %d",
                  (long long)length, x->rank);
    int32_t whole = batch + (int32_t)length;
    if (index->rank - 1 + x->rank - whole > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    for (int32_t i = 0; i < batch; i++)
        WHET_TRY(whet_infer_same(ctx, x->dims[i], index->dims[i], "batch dimensions"));
    for (int32_t i = 0; i < index->rank - 1; i++) dims[n++] = index->dims[i];
    for (int32_t i = whole; i < x->rank; i++) dims[n++] = x->dims[i];
    whet_infer_shape(ctx, 0, n, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status nd_eval(whet_eval *e) {
    const gather_nd_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *t = &e->in[1];
    int32_t batch = (int32_t)a->batch_dims;
    for (int32_t i = 0; i < batch; i++)
        if (x->dims[i] != t->dims[i])
            WHET_FAIL(e->err, WHET_E_SHAPE, "batch dimensions of data and indices differ");
    const int64_t *at;
    WHET_TRY(whet_eval_index_tuples(e, 1, x, batch, &at));
    int64_t n = whet_dims_product(t->dims, 0, t->rank - 1);
    int32_t whole = batch + (int32_t)t->dims[t->rank - 1];
    size_t size = whet_element_bytes(x->dtype);
    size_t bytes = (size_t)whet_dims_product(x->dims, whole, x->rank) * size;
    char *y = e->out[0].data;
    for (int64_t i = 0; bytes && i < n; i++, y += bytes)
        memcpy(y, whet_element_at(x->data, at[i], size), bytes);
    return WHET_OK;
}

static const whet_attr nd_attrs[] = {
    {"batch_dims", WHET_ATTR_INT, offsetof(gather_nd_attrs, batch_dims), .min = 0, .max = 11}};
static const whet_onnx_row nd_onnx[] = {
    {"", "GatherND", 11, 0, NULL}, {"com.microsoft", "GatherND", 1, 0, NULL}};
const whet_op whet_op_gather_nd = {
    .name = "gather_nd", .in = gather_in, .n_in = 2, .out = gather_out, .n_out = 1,
    .attrs = nd_attrs, .n_attrs = 1, .attrs_size = sizeof(gather_nd_attrs),
    .onnx = nd_onnx, .n_onnx = 2,
    .flags = WHET_OP_MOVES, .infer = nd_infer, .eval = nd_eval};
