// SPDX-License-Identifier: Apache-2.0
// Fixed rearrangements: depth_to_space, space_to_depth, reverse_sequence.
#include <string.h>

#include "ops/indices.h"
#include "ops/move.h"

enum { DCR, CRD };
static const char *const modes[] = {"DCR", "CRD", NULL};

typedef struct space_attrs {
    int64_t blocksize;
    int32_t mode;
} space_attrs;

// dims[k] / by must be whole; symbolic dims are taken to be multiples.
static whet_status divide(whet_infer *ctx, int32_t k, int64_t by, whet_dim *quotient) {
    whet_dim d = ctx->in[0]->dims[k];
    if (whet_dim_is_const(d) && d % by)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d (%lld) is no multiple of %lld", k,
                  (long long)d, (long long)by);
    *quotient = whet_dim_floordiv(ctx->dims, d, by);
    return WHET_OK;
}

static whet_status to_space_infer(whet_infer *ctx) {
    int64_t b = ((const space_attrs *)ctx->attrs)->blocksize;
    WHET_TRY(whet_infer_rank(ctx, 0, 4));
    whet_dim dims[4] = {ctx->in[0]->dims[0]};
    WHET_TRY(divide(ctx, 1, b * b, &dims[1]));
    for (int32_t k = 2; k < 4; k++) dims[k] = whet_dim_mul(ctx->dims, ctx->in[0]->dims[k], b);
    whet_infer_shape(ctx, 0, 4, dims);
    return WHET_OK;
}

static whet_status to_depth_infer(whet_infer *ctx) {
    int64_t b = ((const space_attrs *)ctx->attrs)->blocksize;
    WHET_TRY(whet_infer_rank(ctx, 0, 4));
    whet_dim dims[4] = {ctx->in[0]->dims[0], whet_dim_mul(ctx->dims, ctx->in[0]->dims[1], b * b)};
    for (int32_t k = 2; k < 4; k++) WHET_TRY(divide(ctx, k, b, &dims[k]));
    whet_infer_shape(ctx, 0, 4, dims);
    return WHET_OK;
}

// Copies between deep [n, blocks and c, h, w] and wide [n, c, h b, w b].
static whet_status rearrange(whet_eval *e, const whet_tensor *deep, const whet_tensor *wide,
                             bool channels_first, bool to_wide) {
    int64_t b = ((const space_attrs *)e->attrs)->blocksize;
    int64_t c = wide->dims[1], h = deep->dims[2], w = deep->dims[3], plane = h * w;
    int64_t deep_c = channels_first ? b * b * plane : plane;
    int64_t deep_b = channels_first ? plane : c * plane;
    whet_move m = {0};
    const int64_t rows[6][3] = { // dim, stride in wide, stride in deep
        {deep->dims[0], c * plane * b * b, c * plane * b * b},
        {c, plane * b * b, deep_c},
        {h, w * b * b, w},
        {b, w * b, deep_b * b},
        {w, b, 1},
        {b, 1, deep_b}};
    if (deep->dims[1] != c * b * b || wide->dims[2] != h * b || wide->dims[3] != w * b)
        WHET_FAIL(e->err, WHET_E_SHAPE, "dimensions are no multiples of the block size");
    for (int32_t i = 0; i < 6; i++)
        whet_move_add(&m, rows[i][0], rows[i][to_wide ? 1 : 2], rows[i][to_wide ? 2 : 1]);
    whet_move_run(&m, whet_element_bytes(deep->dtype), e->out[0].data, e->in[0].data);
    return WHET_OK;
}

static whet_status to_space_eval(whet_eval *e) {
    bool channels_first = ((const space_attrs *)e->attrs)->mode == CRD;
    return rearrange(e, &e->in[0], &e->out[0], channels_first, true);
}
static whet_status to_depth_eval(whet_eval *e) {
    bool channels_first = ((const space_attrs *)e->attrs)->mode == CRD;
    return rearrange(e, &e->out[0], &e->in[0], channels_first, false);
}

static const whet_arg space_in[] = {{"input", 0, 'T'}};
static const whet_arg space_out[] = {{"output", 0, 'T'}};
static const whet_attr space_attr_rows[] = {
    {"blocksize", WHET_ATTR_INT, offsetof(space_attrs, blocksize), .required = true, .min = 1,
     .max = 65536},
    {"mode", WHET_ATTR_ENUM, offsetof(space_attrs, mode), .choices = modes}};
static const whet_onnx_row to_space_onnx[] = {{"", "DepthToSpace", 1, 0, NULL}};
const whet_op whet_op_depth_to_space = {
    .name = "depth_to_space", .in = space_in, .n_in = 1, .out = space_out, .n_out = 1,
    .attrs = space_attr_rows, .n_attrs = 2, .attrs_size = sizeof(space_attrs),
    .onnx = to_space_onnx, .n_onnx = 1,
    .flags = WHET_OP_MOVES, .infer = to_space_infer, .eval = to_space_eval};

static const whet_onnx_row to_depth_onnx[] = {{"", "SpaceToDepth", 1, 0, NULL}};
const whet_op whet_op_space_to_depth = {
    .name = "space_to_depth", .in = space_in, .n_in = 1, .out = space_out, .n_out = 1,
    .attrs = space_attr_rows, .n_attrs = 2, .attrs_size = sizeof(space_attrs),
    .onnx = to_depth_onnx, .n_onnx = 1,
    .flags = WHET_OP_MOVES, .infer = to_depth_infer, .eval = to_depth_eval};

// ---- reverse_sequence ----

typedef struct reverse_attrs {
    int64_t batch_axis, time_axis;
} reverse_attrs;

static whet_status reverse_infer(whet_infer *ctx) {
    const reverse_attrs *a = ctx->attrs;
    if (ctx->in[0]->rank < 2 || a->batch_axis == a->time_axis)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "batch and time must be the two leading dimensions");
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[0], ctx->in[0]->dims[a->batch_axis],
                             "lengths and batch"));
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

static whet_status reverse_eval(whet_eval *e) {
    const reverse_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    int64_t batch = x->dims[a->batch_axis], time = x->dims[a->time_axis];
    size_t size = whet_element_bytes(x->dtype);
    int64_t inner = whet_dims_product(x->dims, 2, x->rank);
    int64_t batch_step = (a->batch_axis ? 1 : time) * inner;
    int64_t time_step = (a->time_axis ? 1 : batch) * inner;
    const int64_t *lengths = whet_eval_i64(e, 1);
    if (!lengths) return WHET_E_NOMEM;
    if (whet_tensor_count(&e->in[1]) != batch)
        WHET_FAIL(e->err, WHET_E_SHAPE, "there must be one length a batch entry");
    for (int64_t b = 0; b < batch; b++)
        if (lengths[b] < 0 || lengths[b] > time)
            WHET_FAIL(e->err, WHET_E_RANGE, "length %lld of a sequence of %lld",
                      (long long)lengths[b], (long long)time);
    for (int64_t b = 0; inner && b < batch; b++)
        for (int64_t t = 0; t < time; t++) {
            int64_t from = t < lengths[b] ? lengths[b] - 1 - t : t;
            memcpy(whet_element_at(e->out[0].data, b * batch_step + t * time_step, size),
                   whet_element_at(x->data, b * batch_step + from * time_step, size),
                   (size_t)inner * size);
        }
    return WHET_OK;
}

static const whet_arg reverse_in[] = {
    {"input", 0, 'T'}, {"sequence_lens", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0}};
static const whet_arg reverse_out[] = {{"Y", 0, 'T'}};
static const whet_attr reverse_attr_rows[] = {
    {"batch_axis", WHET_ATTR_INT, offsetof(reverse_attrs, batch_axis), .def = 1, .min = 0,
     .max = 1},
    {"time_axis", WHET_ATTR_INT, offsetof(reverse_attrs, time_axis), .min = 0, .max = 1}};
static const whet_onnx_row reverse_onnx[] = {{"", "ReverseSequence", 10, 0, NULL}};
const whet_op whet_op_reverse_sequence = {
    .name = "reverse_sequence", .in = reverse_in, .n_in = 2, .out = reverse_out, .n_out = 1,
    .attrs = reverse_attr_rows, .n_attrs = 2, .attrs_size = sizeof(reverse_attrs),
    .onnx = reverse_onnx, .n_onnx = 1,
    .flags = WHET_OP_MOVES, .infer = reverse_infer, .eval = reverse_eval};
