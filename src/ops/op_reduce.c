// SPDX-License-Identifier: Apache-2.0
// The reductions over axes. No axes: all of them, or none with noop_with_empty_axes, where the
// steps around the reduction (square, logarithm, ...) still happen. Reduced nothing: sum 0,
// product 1, max the lowest value, min the highest, mean NaN. Import function "reduce_axes": before
// opset 13 (ReduceSum) or 18 (the others) axes is an attribute, which becomes a constant second
// input.
#include <math.h>

#include "ops/attrs.h"
#include "ops/broadcast.h"

typedef enum reduction {
    SUM, MEAN, MAX, MIN, PROD, L1, L2, LOG_SUM, LOG_SUM_EXP, SUM_SQUARE
} reduction;

// ---- shapes ----

// Bit k: dimension k is reduced. False when the axes are not known.
static whet_status axes_mask(whet_infer *ctx, uint32_t *mask, bool *known) {
    const whet_reduce_attrs *a = ctx->attrs;
    const int64_t *axes = NULL;
    int64_t n = 0;
    int32_t rank = ctx->in[0]->rank, axis;
    *mask = 0;
    *known = !whet_infer_has(ctx, 1) || whet_infer_ints(ctx, 1, &axes, &n);
    if (*known && n == 0 && !a->noop_with_empty_axes) *mask = (1u << rank) - 1;
    for (int64_t i = 0; *known && i < n; i++) {
        WHET_TRY(whet_infer_axis(ctx, axes[i], rank, &axis));
        if (*mask >> axis & 1)
            WHET_FAIL(ctx->err, WHET_E_INVALID, "axis %lld is given twice", (long long)axes[i]);
        *mask |= 1u << axis;
    }
    return WHET_OK;
}

// Without axes the result keeps the rank, or loses as many dimensions as there are axes.
static whet_status unknown_axes(whet_infer *ctx) {
    const whet_reduce_attrs *a = ctx->attrs;
    int32_t rank = ctx->in[0]->rank;
    if (ctx->in[1]->rank > 1)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "axes must have one dimension");
    whet_dim n = ctx->in[1]->rank ? ctx->in[1]->dims[0] : 1;
    if (!a->keepdims)
        rank = whet_dim_is_const(n) && n > 0 && n <= rank ? rank - (int32_t)n : -1;
    whet_infer_unknown(ctx, 0, rank);
    return WHET_OK;
}

static whet_status reduce_infer(whet_infer *ctx) {
    const whet_reduce_attrs *a = ctx->attrs;
    whet_dim dims[WHET_MAX_RANK];
    uint32_t mask;
    bool known;
    int32_t rank = 0;
    WHET_TRY(axes_mask(ctx, &mask, &known));
    if (!known) return unknown_axes(ctx);
    for (int32_t k = 0; k < ctx->in[0]->rank; k++) {
        bool reduced = mask >> k & 1;
        if (!reduced || a->keepdims) dims[rank++] = reduced ? 1 : ctx->in[0]->dims[k];
    }
    whet_infer_shape(ctx, 0, rank, dims);
    return WHET_OK;
}

// Contents of a vector that is reduced to one number; wrapping is not tracked.
static whet_status infer_folded(whet_infer *ctx, whet_dim start,
                                whet_dim (*fold)(whet_dims *, whet_dim, whet_dim)) {
    const whet_dim *v;
    int64_t n;
    WHET_TRY(reduce_infer(ctx));
    const whet_type *out = &ctx->out[0];
    if (ctx->in[0]->rank > 1 || (out->dtype != WHET_DTYPE_I64 && out->dtype != WHET_DTYPE_I32) ||
        !whet_infer_peek(ctx, 0, &v, &n))
        return WHET_OK;
    for (int32_t k = 0; k < out->rank; k++)
        if (out->dims[k] != 1) return WHET_OK;
    if (ctx->needs_value || (n == 0 && whet_dim_is_error(start))) return WHET_OK;
    whet_dim *value = WHET_NEW(ctx->arena, whet_dim);
    if (!value) return WHET_NOMEM(ctx->err);
    *value = whet_dim_is_error(start) ? v[0] : start;
    for (int64_t i = 0; i < n; i++) *value = fold(ctx->dims, *value, v[i]);
    bool small = out->dtype == WHET_DTYPE_I64 || !whet_dim_is_const(*value) ||
                 (*value >= INT32_MIN && *value <= INT32_MAX);
    if (small && !whet_dim_is_error(*value)) ctx->out[0].value = value;
    return WHET_OK;
}
static whet_status sum_infer(whet_infer *ctx) { return infer_folded(ctx, 0, whet_dim_add); }
static whet_status prod_infer(whet_infer *ctx) { return infer_folded(ctx, 1, whet_dim_mul); }
static whet_status max_infer(whet_infer *ctx) {
    return infer_folded(ctx, WHET_DIM_ERROR, whet_dim_max);
}
static whet_status min_infer(whet_infer *ctx) {
    return infer_folded(ctx, WHET_DIM_ERROR, whet_dim_min);
}

// ---- reference ----

typedef struct job {
    whet_eval *e;
    reduction kind;
    whet_tensor kept; // the output with the reduced dimensions kept
    int64_t n_out, each;
} job;

static whet_status job_init(job *j, whet_eval *e, reduction kind) {
    const whet_reduce_attrs *a = e->attrs;
    const whet_tensor *in = &e->in[0];
    bool given = whet_eval_has(e, 1) && whet_tensor_count(&e->in[1]) > 0;
    uint32_t mask = given || a->noop_with_empty_axes ? 0 : (1u << in->rank) - 1;
    int64_t n = given ? whet_tensor_count(&e->in[1]) : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t axis = whet_load_i64(e->in[1].data, e->in[1].dtype, i);
        if (axis < -in->rank || axis >= in->rank)
            WHET_FAIL(e->err, WHET_E_RANGE, "axis %lld is outside a tensor of %d dimensions",
                      (long long)axis, in->rank);
        mask |= 1u << whet_axis(axis, in->rank);
    }
    *j = (job){.e = e, .kind = kind, .kept = *in, .each = 1};
    for (int32_t k = 0; k < in->rank; k++) {
        if (mask >> k & 1) j->each *= in->dims[k], j->kept.dims[k] = 1;
    }
    j->n_out = whet_tensor_count(&j->kept);
    if (j->n_out != whet_tensor_count(&e->out[0]))
        WHET_FAIL(e->err, WHET_E_SHAPE, "the axes do not give the output's shape");
    return WHET_OK;
}

static double take_f64(reduction kind, double acc, double x) {
    switch (kind) {
    case MAX: return isnan(acc) || acc > x ? acc : x;
    case MIN: return isnan(acc) || acc < x ? acc : x;
    case PROD: return acc * x;
    case L1: return acc + fabs(x);
    case L2:
    case SUM_SQUARE: return acc + x * x;
    default: return acc + x;
    }
}

static double start_f64(reduction kind) {
    return kind == MAX ? -INFINITY : kind == MIN ? INFINITY : kind == PROD;
}

static double finish_f64(reduction kind, double acc, double n) {
    switch (kind) {
    case MEAN: return acc / n;
    case L2: return sqrt(acc);
    case LOG_SUM: return log(acc);
    default: return acc;
    }
}

// Calls `body` for element `at` of the input that goes to element `to` of the output.
#define FOR_ELEMENTS(j, at, to)                                                                    \
    whet_broadcast b;                                                                              \
    whet_broadcast_init(&b, &(j)->e->in[0], &(j)->kept, 1);                                        \
    while (whet_broadcast_next(&b))                                                                \
        for (int64_t k = 0, at = b.out, to = b.in[0]; k < b.length; k++, at++, to += b.step[0])

static void sum_exp(const job *j, double *acc, const double *max) {
    const whet_tensor *in = &j->e->in[0];
    FOR_ELEMENTS(j, at, to) {
        double x = whet_load_f64(in->data, in->dtype, at);
        acc[to] += isinf(max[to]) ? 0 : exp(x - max[to]);
    }
    for (int64_t i = 0; i < j->n_out; i++) acc[i] = max[i] + (isinf(max[i]) ? 0 : log(acc[i]));
}

static whet_status reduce_f64(const job *j) {
    const whet_tensor *in = &j->e->in[0];
    reduction kind = j->kind == LOG_SUM_EXP ? MAX : j->kind;
    double *acc = whet_eval_scratch_f64(j->e, j->n_out), *sum = acc;
    if (!acc) return WHET_E_NOMEM;
    for (int64_t i = 0; i < j->n_out; i++) acc[i] = start_f64(kind);
    FOR_ELEMENTS(j, at, to)
        acc[to] = take_f64(kind, acc[to], whet_load_f64(in->data, in->dtype, at));
    if (j->kind == LOG_SUM_EXP) {
        sum = whet_eval_scratch_f64(j->e, j->n_out);
        if (!sum) return WHET_E_NOMEM;
        sum_exp(j, sum, acc);
    }
    for (int64_t i = 0; i < j->n_out; i++) sum[i] = finish_f64(j->kind, sum[i], (double)j->each);
    whet_eval_store(j->e, 0, sum);
    return WHET_OK;
}

static uint64_t take_u64(reduction kind, uint64_t acc, uint64_t x) {
    switch (kind) {
    case MAX: return acc > x ? acc : x;
    case MIN: return acc < x ? acc : x;
    case PROD: return acc * x;
    case SUM_SQUARE: return acc + x * x;
    default: return acc + x;
    }
}
static int64_t take_i64(reduction kind, int64_t acc, int64_t x) {
    if (kind == MAX) return acc > x ? acc : x;
    if (kind == MIN) return acc < x ? acc : x;
    if (kind == L1 && x < 0) return (int64_t)((uint64_t)acc - (uint64_t)x);
    return (int64_t)take_u64(kind, (uint64_t)acc, (uint64_t)x); // the same bits
}

// Sums and products wrap; a mean is cut toward zero, as a cast from the real mean would be.
#define REDUCE_FUNCTION(name, T, suffix, lowest, highest)                                          \
    static whet_status name(const job *j) {                                                        \
        const whet_tensor *in = &j->e->in[0];                                                      \
        whet_tensor *out = &j->e->out[0];                                                          \
        T *acc = (T *)whet_eval_scratch_i64(j->e, j->n_out);                                       \
        if (!acc) return WHET_E_NOMEM;                                                             \
        T start = j->kind == MAX ? lowest : j->kind == MIN ? highest : j->kind == PROD;            \
        for (int64_t i = 0; i < j->n_out; i++) acc[i] = start;                                     \
        FOR_ELEMENTS(j, at, to)                                                                    \
            acc[to] = take_##suffix(j->kind, acc[to],                                              \
                                    whet_load_##suffix(in->data, in->dtype, at));                  \
        for (int64_t i = 0; i < j->n_out; i++)                                                     \
            whet_store_##suffix(out->data, out->dtype, i,                                          \
                                j->kind == MEAN ? acc[i] / (T)j->each : acc[i]);                   \
        return WHET_OK;                                                                            \
    }
REDUCE_FUNCTION(reduce_i64, int64_t, i64, (INT64_MIN >> (64 - whet_dtype_bits(in->dtype))),
                (INT64_MAX >> (64 - whet_dtype_bits(in->dtype))))
REDUCE_FUNCTION(reduce_u64, uint64_t, u64, 0, (UINT64_MAX >> (64 - whet_dtype_bits(in->dtype))))

static whet_status reduce(whet_eval *e, reduction kind) {
    job j;
    WHET_TRY(job_init(&j, e, kind));
    whet_dtype dtype = e->in[0].dtype;
    if (whet_dtype_is_float(dtype) || kind == L2 || kind == LOG_SUM || kind == LOG_SUM_EXP)
        return reduce_f64(&j);
    if (kind == MEAN && j.each == 0 && j.n_out > 0)
        WHET_FAIL(e->err, WHET_E_RANGE, "the integer mean of no elements");
    return whet_dtype_is_signed(dtype) ? reduce_i64(&j) : reduce_u64(&j);
}

static double reduce_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                           const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return (double)whet_tensor_count(&in[0]);
}

// ---- descriptors ----

#define REDUCE(id, KIND, onnx_name, axes_input, set, infer_function)                               \
    static whet_status id##_eval(whet_eval *e) { return reduce(e, KIND); }                         \
    const whet_op whet_op_##id = {                                                                 \
        .name = #id,                                                                               \
        WHET_IN({"data", set, 'T'}, {"axes", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0,                    \
                                     WHET_ARG_OPTIONAL | WHET_ARG_VALUE}),                         \
        WHET_OUT({"reduced", set, 'T'}),                                                           \
        WHET_ATTRS(whet_reduce_attrs,                                                              \
                   {"keepdims", WHET_ATTR_BOOL, offsetof(whet_reduce_attrs, keepdims), .def = 1},  \
                   {"noop_with_empty_axes", WHET_ATTR_BOOL,                                        \
                    offsetof(whet_reduce_attrs, noop_with_empty_axes)}),                           \
        WHET_ONNX({"", onnx_name, 1, axes_input - 1, "reduce_axes"},                               \
                  {"", onnx_name, axes_input, 0, NULL}),                                           \
        .infer = infer_function,                                                                   \
        .eval = id##_eval,                                                                         \
        .flops = reduce_flops,                                                                     \
    };
#define WITH_BOOL (WHET_DTYPES_NUMERIC | WHET_DTYPES_BOOL)
REDUCE(reduce_l1, L1, "ReduceL1", 18, WHET_DTYPES_NUMERIC, reduce_infer)
REDUCE(reduce_l2, L2, "ReduceL2", 18, WHET_DTYPES_NUMERIC, reduce_infer)
REDUCE(reduce_log_sum, LOG_SUM, "ReduceLogSum", 18, WHET_DTYPES_NUMERIC, reduce_infer)
REDUCE(reduce_log_sum_exp, LOG_SUM_EXP, "ReduceLogSumExp", 18, WHET_DTYPES_NUMERIC, reduce_infer)
REDUCE(reduce_max, MAX, "ReduceMax", 18, WITH_BOOL, max_infer)
REDUCE(reduce_mean, MEAN, "ReduceMean", 18, WHET_DTYPES_NUMERIC, reduce_infer)
REDUCE(reduce_min, MIN, "ReduceMin", 18, WITH_BOOL, min_infer)
REDUCE(reduce_prod, PROD, "ReduceProd", 18, WHET_DTYPES_NUMERIC, prod_infer)
REDUCE(reduce_sum, SUM, "ReduceSum", 13, WHET_DTYPES_NUMERIC, sum_infer)
REDUCE(reduce_sum_square, SUM_SQUARE, "ReduceSumSquare", 18, WHET_DTYPES_NUMERIC, reduce_infer)
