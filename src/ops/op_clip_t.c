// SPDX-License-Identifier: Apache-2.0
// clip with bounds that are tensors: min(max(X, min), max). An absent bound is the lowest or
// largest finite number of the type, so infinities do not pass.
#include <float.h>

#include "ops/op.h"
#include "ops/pointwise.h"

static whet_status check_bound(whet_infer *ctx, int32_t i) {
    if (!whet_infer_has(ctx, i)) return WHET_OK;
    const whet_type *t = ctx->in[i];
    for (int32_t k = 0; k < t->rank; k++)
        WHET_TRY(whet_infer_same(ctx, t->dims[k], 1, "a bound must be a single number"));
    return WHET_OK;
}

static whet_status clip_value(whet_infer *ctx) {
    const whet_dim *x, *bound;
    int64_t n, one;
    WHET_TRY(whet_infer_pass_value(ctx, 0, 0));
    if (!ctx->out[0].value || !whet_infer_peek(ctx, 0, &x, &n)) return WHET_OK;
    whet_dim *v = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    if (!v) return WHET_NOMEM(ctx->err);
    for (int64_t k = 0; k < n; k++) v[k] = x[k];
    ctx->out[0].value = NULL;
    for (int32_t i = 1; i < 3; i++) {
        if (!whet_infer_has(ctx, i)) continue;
        if (!whet_infer_peek(ctx, i, &bound, &one) || one != 1) return WHET_OK;
        for (int64_t k = 0; k < n; k++)
            v[k] = i == 1 ? whet_dim_max(ctx->dims, v[k], bound[0])
                          : whet_dim_min(ctx->dims, v[k], bound[0]);
    }
    ctx->out[0].value = v;
    return WHET_OK;
}

static whet_status clip_t_infer(whet_infer *ctx) {
    WHET_TRY(check_bound(ctx, 1));
    WHET_TRY(check_bound(ctx, 2));
    WHET_TRY(whet_infer_same_as_input(ctx));
    return clip_value(ctx);
}

static double largest(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_F32: return (double)FLT_MAX;
    case WHET_DTYPE_F16: return 65504;
    case WHET_DTYPE_BF16: return 0x1.fep127;
    default: return DBL_MAX;
    }
}

#define CLIP_FUNCTION(name, T, suffix, lowest, highest)                                            \
    static void name(whet_eval *e, int64_t n) {                                                    \
        const whet_tensor *in = e->in;                                                             \
        T lo = whet_eval_has(e, 1) ? whet_load_##suffix(in[1].data, in[1].dtype, 0) : lowest;      \
        T hi = whet_eval_has(e, 2) ? whet_load_##suffix(in[2].data, in[2].dtype, 0) : highest;     \
        for (int64_t i = 0; i < n; i++) {                                                          \
            T v = whet_load_##suffix(in[0].data, in[0].dtype, i);                                  \
            if (v < lo) v = lo;                                                                    \
            if (v > hi) v = hi;                                                                    \
            whet_store_##suffix(e->out[0].data, e->out[0].dtype, i, v);                            \
        }                                                                                          \
    }
CLIP_FUNCTION(clip_f64, double, f64, -largest(in[0].dtype), largest(in[0].dtype))
CLIP_FUNCTION(clip_i64, int64_t, i64, INT64_MIN, INT64_MAX)
CLIP_FUNCTION(clip_u64, uint64_t, u64, 0, UINT64_MAX)

static whet_status clip_t_eval(whet_eval *e) {
    int64_t n = whet_tensor_count(&e->out[0]);
    if (n == 0) return WHET_OK;
    for (int32_t i = 1; i < 3; i++)
        if (whet_eval_has(e, i) && whet_tensor_count(&e->in[i]) != 1)
            WHET_FAIL(e->err, WHET_E_SHAPE, "a bound must be a single number");
    if (whet_dtype_is_float(e->in[0].dtype)) clip_f64(e, n);
    else if (whet_dtype_is_signed(e->in[0].dtype)) clip_i64(e, n);
    else clip_u64(e, n);
    return WHET_OK;
}

const whet_op whet_op_clip_t = {
    .name = "clip_t",
    WHET_IN({"X", WHET_DTYPES_NUMERIC, 'T'}, {"min", WHET_DTYPES_NUMERIC, 'T', WHET_ARG_OPTIONAL},
            {"max", WHET_DTYPES_NUMERIC, 'T', WHET_ARG_OPTIONAL}),
    WHET_OUT({"Y", WHET_DTYPES_NUMERIC, 'T'}),
    // "clip": the operator `clip` when X is a float type and both bounds are constants that float
    // holds exactly (absent ones being the limits of the type), else this one.
    WHET_ONNX({"", "Clip", 11, 0, "clip"}),
    .flags = WHET_OP_INPLACE,
    .infer = clip_t_infer,
    .eval = clip_t_eval,
};
