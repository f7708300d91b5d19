// SPDX-License-Identifier: Apache-2.0
// Puts values back to the places that max_pool took them from. Indices count through the whole
// tensor of the unpooled shape; an output_shape may be larger than that.
#include <string.h>

#include "ops/indices.h"
#include "ops/move.h"

typedef struct max_unpool_attrs {
    whet_ints kernel_shape, pads, strides;
} max_unpool_attrs;

static int64_t number(const whet_ints *list, int32_t i, int64_t absent) {
    return list->v ? list->v[i] : absent;
}

static whet_status check_lists(whet_infer *ctx, const max_unpool_attrs *a, int32_t n) {
    if (n < 1 || a->kernel_shape.n != n || (a->strides.v && a->strides.n != n) ||
        (a->pads.v && a->pads.n != 2 * n))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "kernel_shape, strides or pads do not fit %d spatial "
                  "dimensions", n);
    for (int32_t i = 0; i < n; i++)
        if (a->kernel_shape.v[i] < 1 || number(&a->strides, i, 1) < 1)
            WHET_FAIL(ctx->err, WHET_E_RANGE, "kernel_shape and strides must be positive");
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const max_unpool_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    const whet_dim *shape;
    whet_dim dims[WHET_MAX_RANK];
    int64_t n;
    WHET_TRY(whet_infer_rank(ctx, 1, x->rank));
    WHET_TRY(check_lists(ctx, a, x->rank - 2));
    for (int32_t i = 0; i < x->rank; i++) {
        WHET_TRY(whet_infer_same(ctx, x->dims[i], ctx->in[1]->dims[i], "values and indices"));
        dims[i] = x->dims[i];
    }
    for (int32_t i = 0; i < x->rank - 2; i++) {
        whet_dim *d = &dims[i + 2];
        *d = whet_dim_mul(ctx->dims, whet_dim_sub(ctx->dims, *d, 1), number(&a->strides, i, 1));
        *d = whet_dim_add(ctx->dims, *d, a->kernel_shape.v[i]);
        *d = whet_dim_sub(ctx->dims, *d, number(&a->pads, i, 0));
        *d = whet_dim_sub(ctx->dims, *d, number(&a->pads, x->rank - 2 + i, 0));
    }
    if (whet_infer_has(ctx, 2) && !whet_infer_value(ctx, 2, &shape, &n)) {
        whet_infer_unknown(ctx, 0, x->rank);
        return WHET_OK;
    }
    if (whet_infer_has(ctx, 2) && n != x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "output_shape has %lld elements for %d dimensions",
                  (long long)n, x->rank);
    for (int32_t i = 0; whet_infer_has(ctx, 2) && i < x->rank; i++)
        dims[i] = whet_dim_known_nonnegative(ctx->dims, shape[i]) || whet_dim_is_const(shape[i])
                      ? shape[i] : whet_dim_fresh(ctx->dims);
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

// Dims that the indices count in; they lie in the corner of the output.
static whet_status unpooled(whet_eval *e, int64_t *dims) {
    const max_unpool_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    for (int32_t i = 0; i < x->rank; i++) {
        int32_t k = i - 2;
        dims[i] = x->dims[i];
        if (k >= 0 && (__builtin_mul_overflow(dims[i] - 1, number(&a->strides, k, 1), &dims[i]) ||
                       __builtin_add_overflow(dims[i], a->kernel_shape.v[k], &dims[i]) ||
                       __builtin_sub_overflow(dims[i], number(&a->pads, k, 0), &dims[i]) ||
                       __builtin_sub_overflow(dims[i], number(&a->pads, x->rank - 2 + k, 0),
                                              &dims[i])))
            WHET_FAIL(e->err, WHET_E_LIMIT, "dimension %d is too large", i);
        if (dims[i] < 0 || dims[i] > y->dims[i])
            WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d of the output is smaller than %lld", i,
                      (long long)dims[i]);
    }
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t dims[WHET_MAX_RANK], strides[WHET_MAX_RANK], n = whet_tensor_count(x);
    const int64_t *index;
    size_t size = whet_element_bytes(x->dtype);
    if (whet_tensor_count(y) > 0)
        memset(y->data, 0, whet_tensor_bytes(y->dtype, whet_tensor_count(y)));
    if (n == 0) return WHET_OK;
    WHET_TRY(unpooled(e, dims));
    WHET_TRY(whet_eval_indices(e, 1, whet_dims_product(dims, 0, x->rank), &index));
    if (whet_tensor_count(&e->in[1]) != n)
        WHET_FAIL(e->err, WHET_E_SHAPE, "there must be one index a value");
    whet_strides(y->rank, y->dims, strides);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = index[i], to = 0;
        for (int32_t k = x->rank - 1; k >= 0; k--) {
            to += at % dims[k] * strides[k];
            at /= dims[k];
        }
        memcpy(whet_element_at(y->data, to, size), whet_element_at(x->data, i, size), size);
    }
    return WHET_OK;
}

static const whet_arg in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'}, {"I", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0},
    {"output_shape", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL | WHET_ARG_SHAPE}};
static const whet_arg out[] = {{"output", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr attrs[] = {
    {"kernel_shape", WHET_ATTR_INTS, offsetof(max_unpool_attrs, kernel_shape), .required = true},
    {"pads", WHET_ATTR_INTS, offsetof(max_unpool_attrs, pads)},
    {"strides", WHET_ATTR_INTS, offsetof(max_unpool_attrs, strides)}};
static const whet_onnx_row onnx[] = {{"", "MaxUnpool", 9, 0, NULL}};
const whet_op whet_op_max_unpool = {
    .name = "max_unpool", .in = in, .n_in = 3, .out = out, .n_out = 1, .attrs = attrs,
    .n_attrs = 3, .attrs_size = sizeof(max_unpool_attrs), .onnx = onnx, .n_onnx = 1,
    .infer = infer, .eval = eval};
