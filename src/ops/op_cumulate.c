// SPDX-License-Identifier: Apache-2.0
// cum_sum and cum_prod along an axis that is an input; integers wrap.
#include "ops/lanes.h"
#include "ops/op.h"

typedef struct cumulate_attrs {
    bool exclusive, reverse;
} cumulate_attrs;

static whet_status cumulate_infer(whet_infer *ctx) {
    const whet_dim *axis;
    int64_t n;
    int32_t k;
    if (whet_infer_peek(ctx, 1, &axis, &n) && n != 1)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "axis must be a single number");
    if (whet_infer_peek(ctx, 1, &axis, &n) && whet_dim_is_const(axis[0]))
        WHET_TRY(whet_infer_axis(ctx, axis[0], ctx->in[0]->rank, &k));
    return whet_infer_same_as_input(ctx);
}

#define LANE_FUNCTION(name, T, suffix)                                                             \
    static void name(whet_eval *e, const whet_lanes *l, int64_t first, bool product) {             \
        const cumulate_attrs *a = e->attrs;                                                        \
        const whet_tensor *in = &e->in[0];                                                         \
        T acc = product;                                                                           \
        for (int64_t k = 0; k < l->length; k++) {                                                  \
            int64_t at = first + (a->reverse ? l->length - 1 - k : k) * l->step;                   \
            T x = whet_load_##suffix(in->data, in->dtype, at), before = acc;                       \
            acc = product ? acc * x : acc + x;                                                     \
            whet_store_##suffix(e->out[0].data, in->dtype, at, a->exclusive ? before : acc);       \
        }                                                                                          \
    }
LANE_FUNCTION(lane_f64, double, f64)
LANE_FUNCTION(lane_u64, uint64_t, u64) // signed integers too: the same low bits

static whet_status cumulate(whet_eval *e, bool product) {
    const whet_tensor *in = &e->in[0];
    whet_lanes lanes;
    if (whet_tensor_count(&e->in[1]) != 1)
        WHET_FAIL(e->err, WHET_E_SHAPE, "axis must be a single number");
    int64_t axis = whet_load_i64(e->in[1].data, e->in[1].dtype, 0);
    if (axis < -in->rank || axis >= in->rank)
        WHET_FAIL(e->err, WHET_E_RANGE, "axis %lld is outside a tensor of %d dimensions",
                  (long long)axis, in->rank);
    whet_lanes_init(&lanes, in, whet_axis(axis, in->rank));
    for (int64_t i = 0; i < lanes.n; i++) {
        int64_t first = whet_lanes_start(&lanes, i);
        if (whet_dtype_is_float(in->dtype)) lane_f64(e, &lanes, first, product);
        else lane_u64(e, &lanes, first, product);
    }
    return WHET_OK;
}

static whet_status cum_sum_eval(whet_eval *e) { return cumulate(e, false); }
static whet_status cum_prod_eval(whet_eval *e) { return cumulate(e, true); }

#define AXIS_DTYPES (WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64))
#define CUMULATE(op_name, onnx_name, since, eval_function)                                         \
    .name = op_name, WHET_IN({"x", WHET_DTYPES_NUMERIC, 'T'}, {"axis", AXIS_DTYPES}),              \
    WHET_OUT({"y", WHET_DTYPES_NUMERIC, 'T'}),                                                     \
    WHET_ATTRS(cumulate_attrs, {"exclusive", WHET_ATTR_BOOL, offsetof(cumulate_attrs, exclusive)}, \
               {"reverse", WHET_ATTR_BOOL, offsetof(cumulate_attrs, reverse)}),                    \
    WHET_ONNX({"", onnx_name, since, 0, NULL}), .infer = cumulate_infer, .eval = eval_function

const whet_op whet_op_cum_prod = {CUMULATE("cum_prod", "CumProd", 26, cum_prod_eval)};
const whet_op whet_op_cum_sum = {CUMULATE("cum_sum", "CumSum", 11, cum_sum_eval)};
