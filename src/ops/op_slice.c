// SPDX-License-Identifier: Apache-2.0
// Inputs data, starts, ends, axes?, steps?; numpy's rules. Shapes come from a symbolic form of the
// same rules, with the unusual cases (a start or an end of unknown sign) left unknown.
#include "ops/move.h"

// A symbolic dimension is not expected to reach this: ends as large mean "to the end".
#define TO_THE_END INT64_C(0x7fffffff)

// begin and number of elements of [start : end : step] on a dimension of `dim`.
static void slice_numbers(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *begin,
                          int64_t *count) {
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim;
    if (start < 0) start += dim;
    if (end < 0) end += dim;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    if (step < -INT64_MAX) step = -INT64_MAX;
    *begin = start;
    if (step > 0) *count = end > start ? (end - start - 1) / step + 1 : 0;
    else *count = start > end ? (start - end - 1) / -step + 1 : 0;
}

// v as a position from the front within [0, dim]; false when its sign is not known.
static bool position(whet_infer *ctx, whet_dim dim, whet_dim v, whet_dim *at) {
    whet_dims *p = ctx->dims;
    if (whet_dim_is_const(v) && v >= TO_THE_END) *at = dim;
    else if (whet_dim_is_const(v) && v <= -TO_THE_END) *at = 0;
    else if (whet_dim_known_nonnegative(p, v)) *at = whet_dim_min(p, v, dim);
    else if (whet_dim_known_nonnegative(p, whet_dim_sub(p, -1, v)))
        *at = whet_dim_max(p, whet_dim_add(p, dim, v), 0);
    else return false;
    return true;
}

static whet_dim slice_symbolic(whet_infer *ctx, whet_dim dim, whet_dim start, whet_dim end,
                               int64_t step) {
    whet_dims *p = ctx->dims;
    whet_dim from, to, length;
    if (step < 0) {
        // the whole dimension backwards is the only usual one
        bool whole = whet_dim_is_const(start) && whet_dim_is_const(end) && end <= -TO_THE_END &&
                     (start == -1 || start >= TO_THE_END);
        return whole ? whet_dim_ceildiv(p, dim, step < -INT64_MAX ? INT64_MAX : -step)
                     : whet_dim_fresh(p);
    }
    if (whet_dim_is_error(dim) || whet_dim_is_error(start) || whet_dim_is_error(end) ||
        !position(ctx, dim, end, &to))
        return whet_dim_fresh(p);
    // all but the first n: max(dim - n, 0) is the form that "all but the last n" has too
    if (to == dim && whet_dim_known_nonnegative(p, start) && start < TO_THE_END)
        length = whet_dim_max(p, whet_dim_sub(p, dim, start), 0);
    else if (position(ctx, dim, start, &from))
        length = whet_dim_max(p, whet_dim_sub(p, to, from), 0);
    else return whet_dim_fresh(p);
    return whet_dim_ceildiv(p, length, step);
}

typedef struct slice_spec {
    const int64_t *axes, *steps; // NULL: 0, 1, ...; all 1
    const whet_dim *starts, *ends;
    int64_t n;
} slice_spec;

static whet_status slice_dim(whet_infer *ctx, const slice_spec *s, int64_t i, whet_dim *dims) {
    int32_t axis;
    int64_t begin, step = s->steps ? s->steps[i] : 1;
    WHET_TRY(whet_infer_axis(ctx, s->axes ? s->axes[i] : i, ctx->in[0]->rank, &axis));
    if (step == 0) WHET_FAIL(ctx->err, WHET_E_RANGE, "step %lld is 0", (long long)i);
    if (!s->starts || !s->ends) {
        dims[axis] = whet_dim_fresh(ctx->dims);
    } else if (whet_dim_is_const(dims[axis]) && whet_dim_is_const(s->starts[i]) &&
               whet_dim_is_const(s->ends[i])) {
        slice_numbers(dims[axis], s->starts[i], s->ends[i], step, &begin, &dims[axis]);
    } else {
        dims[axis] = slice_symbolic(ctx, dims[axis], s->starts[i], s->ends[i], step);
    }
    return WHET_OK;
}

static whet_status slice_infer(whet_infer *ctx) {
    slice_spec s = {0};
    int64_t n_ends = -1, n_starts = -1;
    whet_dim dims[WHET_MAX_RANK];
    int32_t rank = ctx->in[0]->rank;
    for (int32_t i = 0; i < rank; i++) dims[i] = ctx->in[0]->dims[i];
    bool axes = !whet_infer_has(ctx, 3) || whet_infer_ints(ctx, 3, &s.axes, &s.n);
    bool steps = !whet_infer_has(ctx, 4) || whet_infer_ints(ctx, 4, &s.steps, &s.n);
    if (!whet_infer_value(ctx, 1, &s.starts, &n_starts)) s.starts = NULL;
    if (!whet_infer_value(ctx, 2, &s.ends, &n_ends)) s.ends = NULL;
    if (!s.axes && !s.steps) s.n = s.starts ? n_starts : n_ends;
    if (!axes || !steps || s.n < 0) {
        whet_infer_unknown(ctx, 0, rank);
        return WHET_OK;
    }
    for (int32_t i = 1; i < ctx->n_in; i++)
        if (whet_infer_has(ctx, i) &&
            (ctx->in[i]->rank != 1 ||
             (whet_dim_is_const(ctx->in[i]->dims[0]) && ctx->in[i]->dims[0] != s.n)))
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "starts, ends, axes and steps differ in length");
    for (int64_t i = 0; i < s.n; i++) WHET_TRY(slice_dim(ctx, &s, i, dims));
    whet_infer_shape(ctx, 0, rank, dims);
    whet_infer_move(ctx, 1);
    return WHET_OK;
}

static whet_status slice_bound(whet_infer *ctx) {
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

static whet_status slice_lists(whet_eval *e, slice_spec *s) {
    s->n = whet_tensor_count(&e->in[1]);
    for (int32_t i = 1; i < e->n_in; i++) {
        if (!whet_eval_has(e, i)) continue;
        const int64_t *v = whet_eval_i64(e, i);
        if (!v) return WHET_E_NOMEM;
        if (whet_tensor_count(&e->in[i]) != s->n)
            WHET_FAIL(e->err, WHET_E_SHAPE, "starts, ends, axes and steps differ in length");
        *(const int64_t **[]){NULL, &s->starts, &s->ends, &s->axes, &s->steps}[i] = v;
    }
    return WHET_OK;
}

static whet_status slice_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0];
    int64_t begin[WHET_MAX_RANK] = {0}, count[WHET_MAX_RANK], step[WHET_MAX_RANK];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK], offset = 0;
    slice_spec s = {0};
    WHET_TRY(slice_lists(e, &s));
    for (int32_t k = 0; k < x->rank; k++) {
        count[k] = x->dims[k];
        step[k] = 1;
    }
    for (int64_t i = 0; i < s.n; i++) {
        int64_t axis = s.axes ? s.axes[i] : i;
        if (axis < -x->rank || axis >= x->rank || (s.steps && s.steps[i] == 0))
            WHET_FAIL(e->err, WHET_E_RANGE, "axis %lld or its step is out of range",
                      (long long)axis);
        int32_t k = whet_axis(axis, x->rank);
        step[k] = s.steps ? s.steps[i] : 1;
        slice_numbers(x->dims[k], s.starts[i], s.ends[i], step[k], &begin[k], &count[k]);
    }
    whet_strides(x->rank, x->dims, from);
    whet_strides(x->rank, count, to);
    whet_move m = {0};
    for (int32_t k = 0; k < x->rank; k++) {
        if (e->out[0].dims[k] != count[k])
            WHET_FAIL(e->err, WHET_E_SHAPE, "dimension %d is %lld, not %lld", k,
                      (long long)count[k], (long long)e->out[0].dims[k]);
        offset += count[k] ? begin[k] * from[k] : 0;
        whet_move_add(&m, count[k], to[k], count[k] > 1 ? from[k] * step[k] : 0);
    }
    size_t size = whet_element_bytes(x->dtype);
    if (whet_tensor_count(&e->out[0]) > 0)
        whet_move_run(&m, size, e->out[0].data, whet_element_at(x->data, offset, size));
    return WHET_OK;
}

#define INDEX (WHET_DTYPE_BIT(WHET_DTYPE_I64) | WHET_DTYPE_BIT(WHET_DTYPE_I32))
static const whet_arg slice_in[] = {
    {"data", 0, 'T'}, {"starts", INDEX, 'I', WHET_ARG_VALUE}, {"ends", INDEX, 'I', WHET_ARG_VALUE},
    {"axes", INDEX, 'I', WHET_ARG_OPTIONAL | WHET_ARG_VALUE},
    {"steps", INDEX, 'I', WHET_ARG_OPTIONAL | WHET_ARG_VALUE}};
static const whet_arg slice_out[] = {{"output", 0, 'T'}};
// slice_1: the attributes `starts`, `ends` and, when present, `axes` become constant i64 inputs 1
// to 3.
static const whet_onnx_row slice_onnx[] = {
    {"", "Slice", 1, 9, "slice_1"}, {"", "Slice", 10, 0, NULL}};
const whet_op whet_op_slice = {
    .name = "slice", .in = slice_in, .n_in = 5, .out = slice_out, .n_out = 1,
    .onnx = slice_onnx, .n_onnx = 2,
    .flags = WHET_OP_MOVES, .infer = slice_infer, .bound = slice_bound, .eval = slice_eval};
