// SPDX-License-Identifier: Apache-2.0
// arg_max and arg_min: index of the extreme along one axis. NaN counts as the extreme, as in numpy.
#include <math.h>

#include "ops/lanes.h"
#include "ops/op.h"

typedef struct arg_attrs {
    int64_t axis;
    bool keepdims, select_last_index;
} arg_attrs;

static whet_status arg_infer(whet_infer *ctx) {
    const arg_attrs *a = ctx->attrs;
    whet_dim dims[WHET_MAX_RANK];
    int32_t axis, rank = 0;
    WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    if (ctx->in[0]->dims[axis] == 0)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "axis %d is empty", axis);
    for (int32_t k = 0; k < ctx->in[0]->rank; k++)
        if (k != axis || a->keepdims) dims[rank++] = k == axis ? 1 : ctx->in[0]->dims[k];
    whet_infer_shape(ctx, 0, rank, dims);
    return WHET_OK;
}

// Sign of a - b, NaN above everything when `up`, below when not.
static int order(const whet_tensor *t, int64_t a, int64_t b, bool up) {
    if (whet_dtype_is_float(t->dtype)) {
        double x = whet_load_f64(t->data, t->dtype, a), y = whet_load_f64(t->data, t->dtype, b);
        if (isnan(x) || isnan(y)) return ((isnan(x) != 0) - (isnan(y) != 0)) * (up ? 1 : -1);
        return (x > y) - (x < y);
    }
    if (whet_dtype_is_unsigned(t->dtype)) {
        uint64_t x = whet_load_u64(t->data, t->dtype, a), y = whet_load_u64(t->data, t->dtype, b);
        return (x > y) - (x < y);
    }
    int64_t x = whet_load_i64(t->data, t->dtype, a), y = whet_load_i64(t->data, t->dtype, b);
    return (x > y) - (x < y);
}

static whet_status arg(whet_eval *e, bool up) {
    const arg_attrs *a = e->attrs;
    const whet_tensor *in = &e->in[0];
    whet_lanes lanes;
    whet_lanes_init(&lanes, in, whet_axis(a->axis, in->rank));
    if (lanes.length == 0) WHET_FAIL(e->err, WHET_E_SHAPE, "the axis is empty");
    for (int64_t i = 0; i < lanes.n; i++) {
        int64_t first = whet_lanes_start(&lanes, i), best = 0;
        for (int64_t k = 1; k < lanes.length; k++) {
            int c = order(in, first + k * lanes.step, first + best * lanes.step, up);
            if (!up) c = -c;
            if (c > 0 || (c == 0 && a->select_last_index)) best = k;
        }
        whet_store_i64(e->out[0].data, e->out[0].dtype, i, best);
    }
    return WHET_OK;
}

static whet_status arg_max_eval(whet_eval *e) { return arg(e, true); }
static whet_status arg_min_eval(whet_eval *e) { return arg(e, false); }

static double arg_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                        const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return (double)whet_tensor_count(&in[0]);
}

#define ARG(op_name, onnx_name, eval_function)                                                     \
    .name = op_name, WHET_IN({"data", WHET_DTYPES_NUMERIC, 'T'}),                                  \
    WHET_OUT({"reduced", WHET_DTYPE_BIT(WHET_DTYPE_I64)}),                                         \
    WHET_ATTRS(arg_attrs, {"axis", WHET_ATTR_INT, offsetof(arg_attrs, axis)},                      \
               {"keepdims", WHET_ATTR_BOOL, offsetof(arg_attrs, keepdims), .def = 1},              \
               {"select_last_index", WHET_ATTR_BOOL, offsetof(arg_attrs, select_last_index)}),     \
    WHET_ONNX({"", onnx_name, 1, 0, NULL}), .infer = arg_infer, .eval = eval_function,             \
    .flops = arg_flops

const whet_op whet_op_arg_max = {ARG("arg_max", "ArgMax", arg_max_eval)};
const whet_op whet_op_arg_min = {ARG("arg_min", "ArgMin", arg_min_eval)};
