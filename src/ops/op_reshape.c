// SPDX-License-Identifier: Apache-2.0
// Operators that give the same bytes another shape: reshape, flatten, squeeze, unsqueeze.
#include "ops/attrs.h"
#include "ops/move.h"

typedef struct reshape_attrs {
    bool allowzero;
} reshape_attrs;

#define INDEX (WHET_DTYPE_BIT(WHET_DTYPE_I64) | WHET_DTYPE_BIT(WHET_DTYPE_I32))

// Length of the 1-D (or scalar) input i as a rank, -1 when unknown.
static whet_status rank_from_length(whet_infer *ctx, int32_t i, int32_t *rank) {
    const whet_type *t = ctx->in[i];
    *rank = -1;
    if (t->rank < 0) return WHET_OK;
    if (t->rank != 1)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "input %d must have one dimension, not %d", i, t->rank);
    if (!whet_dim_is_const(t->dims[0])) return WHET_OK;
    if (t->dims[0] > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    *rank = (int32_t)t->dims[0];
    return WHET_OK;
}

// The dimension that -1 stands for: what is left of the input, copied dimensions on neither side.
static whet_status reshape_rest(whet_infer *ctx, whet_dim total, whet_dim others, whet_dim *rest) {
    const whet_type *x = ctx->in[0];
    *rest = WHET_DIM_ERROR;
    for (int32_t i = 0; i < x->rank; i++)
        if (whet_dim_is_error(x->dims[i])) return WHET_OK; // known when the input is
    if (whet_dim_is_error(total) || whet_dim_is_error(others))
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "the number of elements is too large");
    if (whet_dim_divides(ctx->dims, total, others, rest)) return WHET_OK;
    if (whet_dim_is_const(total) && whet_dim_is_const(others))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld elements do not fill multiples of %lld",
                  (long long)total, (long long)others);
    *rest = whet_dim_floordiv(ctx->dims, total, others);
    return WHET_OK;
}

static whet_status reshape_dims(whet_infer *ctx, const whet_dim *shape, int32_t rank) {
    const reshape_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim dims[WHET_MAX_RANK], total = 1, others = 1;
    int32_t at = -1;
    bool copied[WHET_MAX_RANK] = {false}, vague = x->rank < 0;
    for (int32_t i = 0; i < rank; i++) {
        whet_dim d = shape[i];
        if (d == 0 && !a->allowzero) {
            if (x->rank >= 0 && i >= x->rank)
                WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d cannot be copied from a tensor of "
                          "%d dimensions", i, x->rank);
            dims[i] = x->rank < 0 ? whet_dim_fresh(ctx->dims) : x->dims[i];
            copied[i] = true;
            continue;
        }
        if (d == -1 && at >= 0) WHET_FAIL(ctx->err, WHET_E_SHAPE, "more than one dimension is -1");
        if (whet_dim_is_const(d) && d < -1)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d would be %lld", i, (long long)d);
        if (d == -1) {
            at = i;
            continue;
        }
        // a number of unknown sign may turn out to be 0 or -1
        bool sure = whet_dim_is_const(d) || whet_dim_known_nonnegative(ctx->dims, d);
        vague = vague || !sure;
        dims[i] = sure ? d : whet_dim_fresh(ctx->dims);
        others = whet_dim_mul(ctx->dims, others, dims[i]);
    }
    for (int32_t i = 0; i < x->rank; i++)
        if (!copied[i]) total = whet_dim_mul(ctx->dims, total, x->dims[i]);
    if (at >= 0 && a->allowzero && others == 0)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "-1 together with a dimension of 0");
    if (at >= 0 && vague) dims[at] = whet_dim_fresh(ctx->dims);
    else if (at >= 0) WHET_TRY(reshape_rest(ctx, total, others, &dims[at]));
    else if (x->rank >= 0) WHET_TRY(whet_infer_same(ctx, total, others, "numbers of elements"));
    whet_infer_shape(ctx, 0, rank, dims);
    return WHET_OK;
}

static whet_status reshape_infer(whet_infer *ctx) {
    const whet_dim *shape;
    int64_t n;
    int32_t rank;
    WHET_TRY(rank_from_length(ctx, 1, &rank));
    if (!whet_infer_value(ctx, 1, &shape, &n)) {
        whet_infer_unknown(ctx, 0, rank);
        return WHET_OK;
    }
    WHET_TRY(reshape_dims(ctx, shape, (int32_t)n));
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static const whet_arg reshape_in[] = {
    {"data", 0, 'T'}, {"shape", INDEX, 0, WHET_ARG_SHAPE}};
static const whet_arg reshape_out[] = {{"reshaped", 0, 'T'}};
static const whet_attr reshape_attr_rows[] = {
    {"allowzero", WHET_ATTR_BOOL, offsetof(reshape_attrs, allowzero)}};
// reshape_1: the attribute `shape` becomes a constant i64 input 1; drop `consumed_inputs`.
static const whet_onnx_row reshape_onnx[] = {
    {"", "Reshape", 1, 4, "reshape_1"}, {"", "Reshape", 5, 0, NULL}};
const whet_op whet_op_reshape = {
    .name = "reshape", .in = reshape_in, .n_in = 2, .out = reshape_out, .n_out = 1,
    .attrs = reshape_attr_rows, .n_attrs = 1, .attrs_size = sizeof(reshape_attrs),
    .onnx = reshape_onnx, .n_onnx = 2, .flags = WHET_OP_VIEW | WHET_OP_ANY_RANK | WHET_OP_MONOTONE,
    .infer = reshape_infer, .eval = whet_eval_copy};

static whet_status flatten_infer(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim dims[2] = {1, 1};
    if (a->axis < -x->rank || a->axis > x->rank)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "axis %lld is outside a tensor of %d dimensions",
                  (long long)a->axis, x->rank);
    int32_t axis = whet_axis(a->axis, x->rank);
    for (int32_t i = 0; i < x->rank; i++)
        dims[i >= axis] = whet_dim_mul(ctx->dims, dims[i >= axis], x->dims[i]);
    whet_infer_shape(ctx, 0, 2, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static const whet_arg flatten_in[] = {{"input", 0, 'T'}};
static const whet_attr flatten_attr_rows[] = {
    {"axis", WHET_ATTR_INT, offsetof(whet_axis_attrs, axis), .def = 1}};
static const whet_onnx_row flatten_onnx[] = {{"", "Flatten", 1, 0, NULL}};
const whet_op whet_op_flatten = {
    .name = "flatten", .in = flatten_in, .n_in = 1, .out = flatten_in, .n_out = 1,
    .attrs = flatten_attr_rows, .n_attrs = 1, .attrs_size = sizeof(whet_axis_attrs),
    .onnx = flatten_onnx, .n_onnx = 1, .flags = WHET_OP_VIEW | WHET_OP_MONOTONE,
    .infer = flatten_infer, .eval = whet_eval_copy};

// ---- squeeze, unsqueeze ----

// Marks the axes, of a shape of `rank` dimensions.
static whet_status mark_axes(whet_infer *ctx, const int64_t *axes, int64_t n, int32_t rank,
                             bool repeats, bool marked[WHET_MAX_RANK]) {
    for (int32_t i = 0; i < WHET_MAX_RANK; i++) marked[i] = false;
    for (int64_t i = 0; i < n; i++) {
        int32_t axis;
        WHET_TRY(whet_infer_axis(ctx, axes[i], rank, &axis));
        if (marked[axis] && !repeats)
            WHET_FAIL(ctx->err, WHET_E_INVALID, "axis %lld is named twice", (long long)axes[i]);
        marked[axis] = true;
    }
    return WHET_OK;
}

static whet_status squeeze_axes(whet_infer *ctx, bool marked[WHET_MAX_RANK], bool *known) {
    const whet_type *x = ctx->in[0];
    const int64_t *axes;
    int64_t n;
    *known = true;
    if (whet_infer_has(ctx, 1)) {
        *known = whet_infer_ints(ctx, 1, &axes, &n);
        return *known ? mark_axes(ctx, axes, n, x->rank, true, marked) : WHET_OK;
    }
    for (int32_t i = 0; i < x->rank; i++) {
        marked[i] = x->dims[i] == 1;
        // whether such a dimension is 1 is known only later
        if (!whet_dim_is_const(x->dims[i]) && !whet_dim_known_positive(ctx->dims,
                whet_dim_sub(ctx->dims, x->dims[i], 1)))
            *known = false;
    }
    return WHET_OK;
}

static whet_status squeeze_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    bool marked[WHET_MAX_RANK], known;
    whet_dim dims[WHET_MAX_RANK];
    int32_t rank = 0;
    WHET_TRY(squeeze_axes(ctx, marked, &known));
    if (!known) {
        bool counted = whet_infer_has(ctx, 1) && ctx->in[1]->rank == 1 &&
                       whet_dim_is_const(ctx->in[1]->dims[0]) && ctx->in[1]->dims[0] <= x->rank;
        whet_infer_unknown(ctx, 0, counted ? x->rank - (int32_t)ctx->in[1]->dims[0] : -1);
        return WHET_OK;
    }
    for (int32_t i = 0; i < x->rank; i++) {
        if (marked[i]) WHET_TRY(whet_infer_same(ctx, x->dims[i], 1, "squeezed dimension"));
        else dims[rank++] = x->dims[i];
    }
    whet_infer_shape(ctx, 0, rank, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static const whet_arg squeeze_in[] = {
    {"data", 0, 'T'}, {"axes", INDEX, 0, WHET_ARG_SHAPE | WHET_ARG_OPTIONAL}};
static const whet_arg squeeze_out[] = {{"squeezed", 0, 'T'}};
// squeeze_1, unsqueeze_1: the attribute `axes` (optional for squeeze) becomes a constant i64 input
// 1.
static const whet_onnx_row squeeze_onnx[] = {
    {"", "Squeeze", 1, 12, "squeeze_1"}, {"", "Squeeze", 13, 0, NULL}};
const whet_op whet_op_squeeze = {
    .name = "squeeze", .in = squeeze_in, .n_in = 2, .out = squeeze_out, .n_out = 1,
    .onnx = squeeze_onnx, .n_onnx = 2, .flags = WHET_OP_VIEW,
    .infer = squeeze_infer, .eval = whet_eval_copy};

static whet_status unsqueeze_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    const int64_t *axes;
    int64_t n;
    bool marked[WHET_MAX_RANK];
    whet_dim dims[WHET_MAX_RANK];
    if (!whet_infer_ints(ctx, 1, &axes, &n)) {
        int32_t more = -1;
        WHET_TRY(rank_from_length(ctx, 1, &more));
        if (more > WHET_MAX_RANK - x->rank)
            WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
        whet_infer_unknown(ctx, 0, more < 0 ? -1 : x->rank + more);
        return WHET_OK;
    }
    if (n > WHET_MAX_RANK - x->rank)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    int32_t rank = x->rank + (int32_t)n;
    WHET_TRY(mark_axes(ctx, axes, n, rank, false, marked));
    for (int32_t i = 0, j = 0; i < rank; i++) dims[i] = marked[i] ? 1 : x->dims[j++];
    whet_infer_shape(ctx, 0, rank, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static const whet_arg unsqueeze_in[] = {{"data", 0, 'T'}, {"axes", INDEX, 0, WHET_ARG_SHAPE}};
static const whet_arg unsqueeze_out[] = {{"expanded", 0, 'T'}};
static const whet_onnx_row unsqueeze_onnx[] = {
    {"", "Unsqueeze", 1, 12, "unsqueeze_1"}, {"", "Unsqueeze", 13, 0, NULL}};
const whet_op whet_op_unsqueeze = {
    .name = "unsqueeze", .in = unsqueeze_in, .n_in = 2, .out = unsqueeze_out, .n_out = 1,
    .onnx = unsqueeze_onnx, .n_onnx = 2, .flags = WHET_OP_VIEW | WHET_OP_MONOTONE,
    .infer = unsqueeze_infer, .eval = whet_eval_copy};
