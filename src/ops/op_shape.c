// SPDX-License-Identifier: Apache-2.0
// shape, size and constant_of_shape: between tensors and their shapes.
#include <string.h>

#include "ops/move.h"

#define I64 WHET_DTYPE_BIT(WHET_DTYPE_I64)
#define INDEX (I64 | WHET_DTYPE_BIT(WHET_DTYPE_I32))

// ---- shape ----

typedef struct shape_attrs {
    int64_t start, end; // end ABSENT: the rank
} shape_attrs;

static int32_t clamp(int64_t v, int32_t rank) {
    if (v < 0) v += rank;
    return (int32_t)(v < 0 ? 0 : v > rank ? rank : v);
}

static int32_t shape_range(const shape_attrs *a, int32_t rank, int32_t *start) {
    int32_t end = a->end == WHET_ATTR_ABSENT ? rank : clamp(a->end, rank);
    *start = clamp(a->start, rank);
    return end > *start ? end - *start : 0;
}

static whet_status shape_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    if (x->rank < 0) {
        whet_infer_unknown(ctx, 0, 1);
        return WHET_OK;
    }
    int32_t start, n = shape_range(ctx->attrs, x->rank, &start);
    whet_dim *value = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    if (!value) return WHET_NOMEM(ctx->err);
    for (int32_t i = 0; i < n; i++) value[i] = x->dims[start + i];
    whet_infer_shape(ctx, 0, 1, (const whet_dim[]){n});
    ctx->out[0].value = value;
    return WHET_OK;
}

static whet_status shape_eval(whet_eval *e) {
    int32_t start, n = shape_range(e->attrs, e->in[0].rank, &start);
    if (n) memcpy(e->out[0].data, e->in[0].dims + start, (size_t)n * sizeof(int64_t));
    return WHET_OK;
}

static const whet_arg shape_in[] = {{"data", WHET_DTYPES_TENSOR, 0}};
static const whet_arg shape_out[] = {{"shape", I64, 0}};
static const whet_attr shape_attr_rows[] = {
    {"start", WHET_ATTR_INT, offsetof(shape_attrs, start)},
    {"end", WHET_ATTR_INT, offsetof(shape_attrs, end), .def = -0x1p63}};
static const whet_onnx_row shape_onnx[] = {{"", "Shape", 1, 0, NULL}};
const whet_op whet_op_shape = {
    .name = "shape", .in = shape_in, .n_in = 1, .out = shape_out, .n_out = 1,
    .attrs = shape_attr_rows, .n_attrs = 2, .attrs_size = sizeof(shape_attrs),
    .onnx = shape_onnx, .n_onnx = 1, .flags = WHET_OP_ANY_RANK,
    .infer = shape_infer, .eval = shape_eval};

// ---- size ----

static whet_status size_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    whet_dim *value = WHET_NEW(ctx->arena, whet_dim);
    if (!value) return WHET_NOMEM(ctx->err);
    *value = 1;
    for (int32_t i = 0; i < x->rank; i++) *value = whet_dim_mul(ctx->dims, *value, x->dims[i]);
    whet_infer_shape(ctx, 0, 0, NULL);
    if (x->rank < 0) return WHET_OK;
    ctx->out[0].value = value;
    return WHET_OK;
}

static whet_status size_eval(whet_eval *e) {
    *(int64_t *)e->out[0].data = whet_tensor_count(&e->in[0]);
    return WHET_OK;
}

static const whet_arg size_out[] = {{"size", I64, 0}};
static const whet_onnx_row size_onnx[] = {{"", "Size", 1, 0, NULL}};
const whet_op whet_op_size = {
    .name = "size", .in = shape_in, .n_in = 1, .out = size_out, .n_out = 1,
    .onnx = size_onnx, .n_onnx = 1, .flags = WHET_OP_ANY_RANK,
    .infer = size_infer, .eval = size_eval};

// ---- constant_of_shape ----

typedef struct fill_attrs {
    const whet_tensor *value; // one element; absent: 0.0f
} fill_attrs;

static whet_status fill_dims(whet_infer *ctx) {
    const whet_dim *shape;
    whet_dim dims[WHET_MAX_RANK];
    int64_t n;
    if (ctx->in[0]->rank < 0) {
        whet_infer_unknown(ctx, 0, -1);
        return WHET_OK;
    }
    WHET_TRY(whet_infer_rank(ctx, 0, 1));
    whet_dim rank = ctx->in[0]->dims[0];
    if (whet_dim_is_const(rank) && rank > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    if (!whet_infer_value(ctx, 0, &shape, &n)) {
        whet_infer_unknown(ctx, 0, whet_dim_is_const(rank) ? (int32_t)rank : -1);
        return WHET_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        bool known = whet_dim_known_nonnegative(ctx->dims, shape[i]);
        if (whet_dim_is_const(shape[i]) && !known)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %lld would be %lld", (long long)i,
                      (long long)shape[i]);
        dims[i] = known ? shape[i] : whet_dim_fresh(ctx->dims);
    }
    whet_infer_shape(ctx, 0, (int32_t)n, dims);
    return WHET_OK;
}

static whet_status fill_infer(whet_infer *ctx) {
    const whet_tensor *v = ((const fill_attrs *)ctx->attrs)->value;
    whet_type *y = &ctx->out[0];
    y->dtype = v ? v->dtype : WHET_DTYPE_F32;
    if (v && whet_tensor_count(v) != 1)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "attribute value must have one element");
    WHET_TRY(fill_dims(ctx));
    int64_t n = 1;
    for (int32_t i = 0; i < y->rank && n >= 0; i++) n = whet_dim_is_const(y->dims[i]) ? n : -1;
    if (n > 0 && y->rank >= 0) n = whet_dims_count(y->dims, y->rank);
    if (y->rank < 0 || n < 0 || n > WHET_VALUE_LIMIT || !whet_dtype_is_integral(y->dtype))
        return WHET_OK;
    whet_dim *value = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    whet_dim element = whet_load_i64(v->data, v->dtype, 0);
    if (!value) return WHET_NOMEM(ctx->err);
    if (!whet_dim_is_const(element)) return WHET_OK;
    for (int64_t i = 0; i < n; i++) value[i] = element;
    y->value = value;
    return WHET_OK;
}

static whet_status fill_eval(whet_eval *e) {
    const whet_tensor *v = ((const fill_attrs *)e->attrs)->value;
    static const float zero = 0;
    int64_t n = whet_tensor_count(&e->out[0]);
    if (v && whet_dtype_bits(v->dtype) < 8) { // a byte of it, again and again
        uint8_t element, many[8], byte;
        whet_unpack(&element, v->data, v->dtype, 1);
        memset(many, element, sizeof many);
        whet_pack(&byte, v->dtype, many, 8 / whet_dtype_bits(v->dtype));
        if (n > 0) memset(e->out[0].data, byte, whet_tensor_bytes(v->dtype, n));
        return WHET_OK;
    }
    whet_move_fill(e->out[0].data, n, v ? v->data : &zero,
                   whet_element_bytes(e->out[0].dtype));
    return WHET_OK;
}

static const whet_arg fill_in[] = {{"input", INDEX, 0, WHET_ARG_SHAPE}};
static const whet_arg fill_out[] = {{"output", 0, 0}};
static const whet_attr fill_attr_rows[] = {
    {"value", WHET_ATTR_TENSOR, offsetof(fill_attrs, value)}};
static const whet_onnx_row fill_onnx[] = {{"", "ConstantOfShape", 9, 0, NULL}};
const whet_op whet_op_constant_of_shape = {
    .name = "constant_of_shape", .in = fill_in, .n_in = 1, .out = fill_out, .n_out = 1,
    .attrs = fill_attr_rows, .n_attrs = 1, .attrs_size = sizeof(fill_attrs),
    .onnx = fill_onnx, .n_onnx = 1, .flags = WHET_OP_ANY_RANK | WHET_OP_MOVES,
    .infer = fill_infer, .eval = fill_eval};
