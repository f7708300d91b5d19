// SPDX-License-Identifier: Apache-2.0
// expand (broadcast to a shape) and tile (repeat along axes).
#include "ops/move.h"

#define INDEX (WHET_DTYPE_BIT(WHET_DTYPE_I64) | WHET_DTYPE_BIT(WHET_DTYPE_I32))

static whet_status check_list(whet_infer *ctx, int32_t i) {
    const whet_type *t = ctx->in[i];
    WHET_TRY(whet_infer_rank(ctx, i, 1));
    if (whet_dim_is_const(t->dims[0]) && t->dims[0] > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    return WHET_OK;
}

// ---- expand ----

static whet_status expand_unknown(whet_infer *ctx) {
    whet_dim n = ctx->in[1]->dims[0];
    int32_t rank = ctx->in[0]->rank;
    bool counted = whet_dim_is_const(n);
    whet_infer_unknown(ctx, 0, !counted ? -1 : n > rank ? (int32_t)n : rank);
    return WHET_OK;
}

static whet_status expand_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    const whet_dim *shape;
    whet_dim dims[WHET_MAX_RANK];
    int64_t n;
    WHET_TRY(check_list(ctx, 1));
    if (!whet_infer_value(ctx, 1, &shape, &n)) return expand_unknown(ctx);
    int32_t rank = n > x->rank ? (int32_t)n : x->rank;
    for (int32_t i = 0; i < rank; i++) {
        int32_t j = i - (rank - x->rank);
        int64_t k = i - (rank - n);
        whet_dim have = j >= 0 ? x->dims[j] : 1, want = k >= 0 ? shape[k] : 1;
        if (whet_dim_is_const(want) && want < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d would be %lld", i, (long long)want);
        if (!whet_dim_known_nonnegative(ctx->dims, want)) want = whet_dim_fresh(ctx->dims);
        WHET_TRY(whet_infer_broadcast_dim(ctx, have, want, &dims[i]));
    }
    whet_infer_shape(ctx, 0, rank, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status expand_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK];
    int32_t lead = y->rank - x->rank;
    whet_move m = {0};
    whet_strides(x->rank, x->dims, from);
    whet_strides(y->rank, y->dims, to);
    for (int32_t i = 0; i < y->rank; i++) {
        int64_t d = i >= lead ? x->dims[i - lead] : 1;
        if (lead < 0 || (d != 1 && d != y->dims[i]))
            WHET_FAIL(e->err, WHET_E_SHAPE, "the input does not broadcast to the output");
        whet_move_add(&m, y->dims[i], to[i], d == 1 ? 0 : from[i - lead]);
    }
    whet_move_run(&m, whet_element_bytes(x->dtype), y->data, x->data);
    return WHET_OK;
}

static const whet_arg expand_in[] = {{"input", 0, 'T'}, {"shape", INDEX, 0, WHET_ARG_SHAPE}};
static const whet_arg expand_out[] = {{"output", 0, 'T'}};
static const whet_onnx_row expand_onnx[] = {{"", "Expand", 8, 0, NULL}};
const whet_op whet_op_expand = {
    .name = "expand", .in = expand_in, .n_in = 2, .out = expand_out, .n_out = 1,
    .onnx = expand_onnx, .n_onnx = 1,
    .flags = WHET_OP_MOVES, .infer = expand_infer, .eval = expand_eval};

// ---- tile ----

static whet_status tile_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    const whet_dim *repeats;
    whet_dim dims[WHET_MAX_RANK];
    int64_t n;
    WHET_TRY(check_list(ctx, 1));
    if (!whet_infer_value(ctx, 1, &repeats, &n)) {
        whet_infer_unknown(ctx, 0, x->rank);
        return WHET_OK;
    }
    if (n != x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld repeats for %d dimensions", (long long)n, x->rank);
    for (int32_t i = 0; i < x->rank; i++) {
        bool known = whet_dim_known_nonnegative(ctx->dims, repeats[i]);
        if (whet_dim_is_const(repeats[i]) && !known)
            WHET_FAIL(ctx->err, WHET_E_RANGE, "repeat %d is %lld", i, (long long)repeats[i]);
        dims[i] = known ? whet_dim_mul(ctx->dims, x->dims[i], repeats[i])
                        : whet_dim_fresh(ctx->dims);
    }
    whet_infer_shape(ctx, 0, x->rank, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status tile_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK];
    whet_move m = {0};
    if (whet_tensor_count(y) == 0) return WHET_OK;
    whet_strides(x->rank, x->dims, from);
    whet_strides(y->rank, y->dims, to);
    for (int32_t i = 0; i < x->rank; i++) {
        if (x->dims[i] == 0 || y->dims[i] % x->dims[i])
            WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d of the output is no multiple", i);
        whet_move_add(&m, y->dims[i] / x->dims[i], to[i] * x->dims[i], 0);
        whet_move_add(&m, x->dims[i], to[i], from[i]);
    }
    whet_move_run(&m, whet_element_bytes(x->dtype), y->data, x->data);
    return WHET_OK;
}

static const whet_arg tile_in[] = {{"input", 0, 'T'}, {"repeats", INDEX, 0, WHET_ARG_SHAPE}};
static const whet_arg tile_out[] = {{"output", 0, 'T'}};
// tile_1: inputs input, tiles, axis (scalars of T, must be constants) become input, repeats: i64,
// ones but for tiles at axis; needs the rank of the input.
static const whet_onnx_row tile_onnx[] = {{"", "Tile", 1, 5, "tile_1"}, {"", "Tile", 6, 0, NULL}};
const whet_op whet_op_tile = {
    .name = "tile", .in = tile_in, .n_in = 2, .out = tile_out, .n_out = 1,
    .onnx = tile_onnx, .n_onnx = 2,
    .flags = WHET_OP_MOVES, .infer = tile_infer, .eval = tile_eval};
