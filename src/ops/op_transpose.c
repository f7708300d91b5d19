// SPDX-License-Identifier: Apache-2.0
#include "ops/attrs.h"
#include "ops/move.h"

static int32_t source_axis(const whet_transpose_attrs *a, int32_t rank, int32_t i) {
    return a->perm.v ? (int32_t)a->perm.v[i] : rank - 1 - i;
}

static whet_status check_perm(whet_infer *ctx, const whet_ints *perm, int32_t rank) {
    bool seen[WHET_MAX_RANK] = {false};
    if (!perm->v) return WHET_OK;
    if (perm->n != rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "perm has %d entries for %d dimensions", perm->n, rank);
    for (int32_t i = 0; i < rank; i++) {
        int64_t p = perm->v[i];
        if (p < 0 || p >= rank || seen[p])
            WHET_FAIL(ctx->err, WHET_E_INVALID, "perm is no permutation (%lld at %d)",
                      (long long)p, i);
        seen[p] = true;
    }
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const whet_transpose_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim dims[WHET_MAX_RANK];
    WHET_TRY(check_perm(ctx, &a->perm, x->rank));
    for (int32_t i = 0; i < x->rank; i++) dims[i] = x->dims[source_axis(a, x->rank, i)];
    whet_infer_shape(ctx, 0, x->rank, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0];
    int64_t to[WHET_MAX_RANK], from[WHET_MAX_RANK];
    whet_move m = {0};
    whet_strides(x->rank, x->dims, from);
    whet_strides(x->rank, e->out[0].dims, to);
    for (int32_t i = 0; i < x->rank; i++)
        whet_move_add(&m, e->out[0].dims[i], to[i], from[source_axis(e->attrs, x->rank, i)]);
    whet_move_run(&m, whet_element_bytes(x->dtype), e->out[0].data, x->data);
    return WHET_OK;
}

static const whet_arg in[] = {{"data", 0, 'T'}};
static const whet_arg out[] = {{"transposed", 0, 'T'}};
static const whet_attr attrs[] = {{"perm", WHET_ATTR_INTS, offsetof(whet_transpose_attrs, perm)}};
static const whet_onnx_row onnx[] = {{"", "Transpose", 1, 0, NULL}};
const whet_op whet_op_transpose = {
    .name = "transpose", .in = in, .n_in = 1, .out = out, .n_out = 1, .attrs = attrs, .n_attrs = 1,
    .attrs_size = sizeof(whet_transpose_attrs), .onnx = onnx, .n_onnx = 1,
    .flags = WHET_OP_MONOTONE | WHET_OP_MOVES, .infer = infer, .eval = eval};
