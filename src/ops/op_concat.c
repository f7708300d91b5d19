// SPDX-License-Identifier: Apache-2.0
// concat and split: blocks of rows along one axis.
#include <string.h>

#include "ops/attrs.h"
#include "ops/move.h"

// ---- concat ----

static whet_status concat_infer(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    whet_type result = *ctx->in[0];
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, result.rank, &axis));
    for (int32_t i = 1; i < ctx->n_in; i++) {
        const whet_type *x = ctx->in[i];
        WHET_TRY(whet_infer_rank(ctx, i, result.rank));
        for (int32_t k = 0; k < x->rank; k++) {
            whet_dim *d = &result.dims[k];
            if (k == axis) {
                *d = whet_dim_add(ctx->dims, *d, x->dims[k]);
                continue;
            }
            WHET_TRY(whet_infer_same(ctx, *d, x->dims[k], "concatenated shapes"));
            if (!whet_dim_is_const(*d) && !whet_dim_is_error(x->dims[k])) *d = x->dims[k];
        }
    }
    whet_infer_shape(ctx, 0, result.rank, result.dims);
    whet_infer_move(ctx, UINT64_MAX);
    return WHET_OK;
}

static whet_status concat_eval(whet_eval *e) {
    const whet_axis_attrs *a = e->attrs;
    whet_tensor *y = &e->out[0];
    size_t size = whet_element_bytes(y->dtype);
    int32_t axis = whet_axis(a->axis, y->rank);
    int64_t rows = whet_dims_product(y->dims, 0, axis);
    int64_t row = whet_dims_product(y->dims, axis, y->rank), at = 0;
    for (int32_t i = 0; i < e->n_in; i++) {
        int64_t part = whet_dims_product(e->in[i].dims, axis, e->in[i].rank);
        if (at + part > row)
            WHET_FAIL(e->err, WHET_E_SHAPE, "the inputs are larger than the output");
        whet_move m = {0};
        whet_move_add(&m, rows, row, part);
        whet_move_add(&m, part, 1, 1);
        whet_move_run(&m, size, whet_element_at(y->data, at, size), e->in[i].data);
        at += part;
    }
    return WHET_OK;
}

static const whet_arg concat_in[] = {{"inputs", 0, 'T', WHET_ARG_VARIADIC}};
static const whet_arg concat_out[] = {{"concat_result", 0, 'T'}};
static const whet_attr concat_attrs[] = {
    {"axis", WHET_ATTR_INT, offsetof(whet_axis_attrs, axis), .required = true}};
// concat_1: the attribute `axis` is 1 when absent.
static const whet_onnx_row concat_onnx[] = {
    {"", "Concat", 1, 3, "concat_1"}, {"", "Concat", 4, 0, NULL}};
const whet_op whet_op_concat = {
    .name = "concat", .in = concat_in, .n_in = 1, .out = concat_out, .n_out = 1, .min_in = 1,
    .attrs = concat_attrs, .n_attrs = 1, .attrs_size = sizeof(whet_axis_attrs),
    .onnx = concat_onnx, .n_onnx = 2,
    .flags = WHET_OP_MONOTONE | WHET_OP_MOVES, .infer = concat_infer, .eval = concat_eval};

// ---- split ----

typedef struct split_attrs {
    int64_t axis, num_outputs; // num_outputs ABSENT: equal parts
} split_attrs;

static whet_status split_given(whet_infer *ctx, int32_t axis, const whet_dim *parts, int64_t n) {
    whet_dim total = 0;
    if (n != ctx->n_out)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld sizes for %d outputs", (long long)n, ctx->n_out);
    for (int32_t i = 0; i < ctx->n_out; i++) {
        if (whet_dim_is_const(parts[i]) && parts[i] < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "size %d is %lld", i, (long long)parts[i]);
        ctx->out[i].dims[axis] =
            whet_dim_known_nonnegative(ctx->dims, parts[i]) ? parts[i] : whet_dim_fresh(ctx->dims);
        total = whet_dim_add(ctx->dims, total, parts[i]);
    }
    return whet_infer_same(ctx, total, ctx->in[0]->dims[axis], "sum of the sizes and dimension");
}

static whet_status split_equal(whet_infer *ctx, int32_t axis) {
    const split_attrs *a = ctx->attrs;
    whet_dim d = ctx->in[0]->dims[axis], part = whet_dim_ceildiv(ctx->dims, d, ctx->n_out);
    bool uneven = a->num_outputs != WHET_ATTR_ABSENT;
    if (uneven && a->num_outputs != ctx->n_out)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "num_outputs is %lld for %d outputs",
                  (long long)a->num_outputs, ctx->n_out);
    if (!uneven && whet_dim_is_const(d) && d % ctx->n_out)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "a dimension of %lld has no %d equal parts",
                  (long long)d, ctx->n_out);
    if (!uneven) part = whet_dim_floordiv(ctx->dims, d, ctx->n_out);
    for (int32_t i = 0; i < ctx->n_out; i++) ctx->out[i].dims[axis] = part;
    if (uneven)
        ctx->out[ctx->n_out - 1].dims[axis] =
            whet_dim_sub(ctx->dims, d, whet_dim_mul(ctx->dims, part, ctx->n_out - 1));
    return WHET_OK;
}

static whet_status split_infer(whet_infer *ctx) {
    const split_attrs *a = ctx->attrs;
    const whet_dim *parts;
    int64_t n;
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    for (int32_t i = 0; i < ctx->n_out; i++) whet_infer_copy_shape(ctx, i, 0);
    if (!whet_infer_has(ctx, 1)) {
        WHET_TRY(split_equal(ctx, axis));
    } else if (whet_infer_value(ctx, 1, &parts, &n)) {
        WHET_TRY(split_given(ctx, axis, parts, n));
    } else {
        for (int32_t i = 0; i < ctx->n_out; i++)
            ctx->out[i].dims[axis] = whet_dim_fresh(ctx->dims);
    }
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

// Rows of part i along the axis.
static int64_t split_part(const whet_eval *e, const int64_t *parts, int64_t dim, int32_t i) {
    const split_attrs *a = e->attrs;
    if (parts) return parts[i];
    if (a->num_outputs == WHET_ATTR_ABSENT) return dim / e->n_out;
    int64_t part = dim / e->n_out + (dim % e->n_out != 0);
    return i < e->n_out - 1 ? part : dim - part * (e->n_out - 1);
}

static whet_status split_eval(whet_eval *e) {
    const split_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    size_t size = whet_element_bytes(x->dtype);
    int32_t axis = whet_axis(a->axis, x->rank);
    int64_t rows = whet_dims_product(x->dims, 0, axis), at = 0;
    int64_t inner = whet_dims_product(x->dims, axis + 1, x->rank);
    const int64_t *parts = NULL;
    if (whet_eval_has(e, 1)) {
        if (whet_tensor_count(&e->in[1]) != e->n_out)
            WHET_FAIL(e->err, WHET_E_SHAPE, "%lld sizes for %d outputs",
                      (long long)whet_tensor_count(&e->in[1]), e->n_out);
        if (!(parts = whet_eval_i64(e, 1))) return WHET_E_NOMEM;
    }
    for (int32_t i = 0; i < e->n_out; i++) {
        int64_t part = split_part(e, parts, x->dims[axis], i);
        if (part < 0 || part > x->dims[axis] - at ||
            (whet_eval_wants(e, i) && e->out[i].dims[axis] != part))
            WHET_FAIL(e->err, WHET_E_SHAPE, "part %d has size %lld", i, (long long)part);
        whet_move m = {0};
        whet_move_add(&m, rows, part * inner, x->dims[axis] * inner);
        whet_move_add(&m, part * inner, 1, 1);
        if (whet_eval_wants(e, i))
            whet_move_run(&m, size, e->out[i].data, whet_element_at(x->data, at * inner, size));
        at += part;
    }
    return WHET_OK;
}

static const whet_arg split_in[] = {
    {"input", 0, 'T'},
    {"split", WHET_DTYPE_BIT(WHET_DTYPE_I64) | WHET_DTYPE_BIT(WHET_DTYPE_I32), 0,
     WHET_ARG_OPTIONAL | WHET_ARG_VALUE}};
static const whet_arg split_out[] = {{"outputs", 0, 'T', WHET_ARG_VARIADIC}};
static const whet_attr split_attr_rows[] = {
    {"axis", WHET_ATTR_INT, offsetof(split_attrs, axis)},
    {"num_outputs", WHET_ATTR_INT, offsetof(split_attrs, num_outputs), .def = -0x1p63}};
// split_2: the attribute `split`, when present, becomes a constant i64 input 1 (version 1 has
// either the attribute or an input 1, which stays).
static const whet_onnx_row split_onnx[] = {
    {"", "Split", 1, 12, "split_2"}, {"", "Split", 13, 0, NULL}};
const whet_op whet_op_split = {
    .name = "split", .in = split_in, .n_in = 2, .out = split_out, .n_out = 1,
    .attrs = split_attr_rows, .n_attrs = 2, .attrs_size = sizeof(split_attrs),
    .onnx = split_onnx, .n_onnx = 2,
    .flags = WHET_OP_MOVES, .infer = split_infer, .eval = split_eval};
