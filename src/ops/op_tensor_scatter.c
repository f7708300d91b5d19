// SPDX-License-Identifier: Apache-2.0
// tensor_scatter: rows of `update` written into a cache from a place that each batch entry has for
// itself, round the end when circular.
#include <inttypes.h>
#include <string.h>

#include "ops/move.h"

enum { LINEAR, CIRCULAR };
static const char *const modes[] = {"linear", "circular", NULL};

typedef struct tensor_scatter_attrs {
    int64_t axis;
    int32_t mode;
} tensor_scatter_attrs;

static whet_status scatter_infer(whet_infer *ctx) {
    const tensor_scatter_attrs *a = ctx->attrs;
    const whet_type *past = ctx->in[0], *update = ctx->in[1];
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, past->rank, &axis));
    if (axis == 0) WHET_FAIL(ctx->err, WHET_E_RANGE, "axis is the batch dimension");
    WHET_TRY(whet_infer_rank(ctx, 1, past->rank));
    for (int32_t i = 0; i < past->rank; i++)
        if (i != axis)
            WHET_TRY(whet_infer_same(ctx, past->dims[i], update->dims[i], "cache and update"));
    if (whet_dim_is_const(past->dims[axis]) && whet_dim_is_const(update->dims[axis]) &&
        past->dims[axis] < update->dims[axis])
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the update is longer than the cache");
    if (whet_infer_has(ctx, 2)) {
        WHET_TRY(whet_infer_rank(ctx, 2, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[2]->dims[0], past->dims[0], "write_indices"));
    }
    return whet_infer_same_as_input(ctx);
}

// Where batch entry b starts to write, in [0, length).
static whet_status write_index(whet_eval *e, int64_t b, int64_t length, int64_t rows,
                               int64_t *at) {
    const tensor_scatter_attrs *a = e->attrs;
    int64_t v = whet_eval_has(e, 2) ? ((const int64_t *)e->in[2].data)[b] : 0;
    *at = v;
    if (a->mode == CIRCULAR && length > 0) *at = v % length + (v % length < 0 ? length : 0);
    else if (v < 0 || v > length - rows)
        WHET_FAIL(e->err, WHET_E_RANGE,
                  "write_indices[%" PRId64 "] is %" PRId64 ": %" PRId64
                  " rows do not fit into %" PRId64, b, v, rows, length);
    return WHET_OK;
}

static whet_status scatter_eval(whet_eval *e) {
    const whet_tensor *past = &e->in[0], *update = &e->in[1];
    whet_tensor *y = &e->out[0];
    int32_t axis = whet_axis(((const tensor_scatter_attrs *)e->attrs)->axis, past->rank);
    int64_t n = whet_tensor_count(past), length = past->dims[axis], rows = update->dims[axis];
    size_t size = whet_element_bytes(past->dtype);
    int64_t outer = whet_dims_product(past->dims, 1, axis);
    size_t row = (size_t)whet_dims_product(past->dims, axis + 1, past->rank) * size;
    if (y->data != past->data && n > 0) memcpy(y->data, past->data, (size_t)n * size);
    if (whet_tensor_count(update) == 0) return WHET_OK;
    if (rows > length) WHET_FAIL(e->err, WHET_E_SHAPE, "the update is longer than the cache");
    for (int64_t b = 0; b < past->dims[0]; b++) {
        int64_t at;
        WHET_TRY(write_index(e, b, length, rows, &at));
        for (int64_t i = b * outer; i < (b + 1) * outer; i++)
            for (int64_t s = 0; s < rows; s++) {
                int64_t to = (at + s) % length;
                memcpy((char *)y->data + (size_t)(i * length + to) * row,
                       (const char *)update->data + (size_t)(i * rows + s) * row, row);
            }
    }
    return WHET_OK;
}

const whet_op whet_op_tensor_scatter = {
    .name = "tensor_scatter",
    WHET_IN({"past_cache", 0, 'T'}, {"update", 0, 'T'},
            {"write_indices", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"present_cache", 0, 'T'}),
    WHET_ATTRS(tensor_scatter_attrs,
               {"axis", WHET_ATTR_INT, offsetof(tensor_scatter_attrs, axis), .def = -2},
               {"mode", WHET_ATTR_ENUM, offsetof(tensor_scatter_attrs, mode), .choices = modes}),
    WHET_ONNX({"", "TensorScatter", 24, 0, NULL}), .flags = WHET_OP_INPLACE | WHET_OP_MOVES,
    .infer = scatter_infer, .eval = scatter_eval};
