// SPDX-License-Identifier: Apache-2.0
// softmax, log_softmax and hardmax along one axis. Import function "softmax_1": before opset 13 the
// tensor is taken as a matrix whose columns are the dimensions from `axis` (default 1) on: where
// that is not the last dimension alone, flatten, axis 1, and reshape back.
#include <math.h>

#include "ops/attrs.h"
#include "ops/lanes.h"

static whet_status softmax_infer(whet_infer *ctx) {
    const whet_softmax_attrs *a = ctx->attrs;
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    return whet_infer_same_as_input(ctx);
}

// v [n] in place.
static void softmax(double *v, int64_t n) {
    double max = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) max = isnan(max) || max > v[k] ? max : v[k];
    for (int64_t k = 0; k < n; k++) sum += v[k] = exp(v[k] - max);
    for (int64_t k = 0; k < n; k++) v[k] /= sum;
}

static void log_softmax(double *v, int64_t n) {
    double max = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) max = isnan(max) || max > v[k] ? max : v[k];
    for (int64_t k = 0; k < n; k++) sum += exp(v[k] - max);
    for (int64_t k = 0; k < n; k++) v[k] = v[k] - max - log(sum);
}

// 1 at the first maximum (a NaN counts as one), 0 elsewhere.
static void hardmax(double *v, int64_t n) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (!isnan(v[best]) && (isnan(v[k]) || v[k] > v[best])) best = k;
    for (int64_t k = 0; k < n; k++) v[k] = k == best;
}

static whet_status along_axis(whet_eval *e, void (*function)(double *v, int64_t n)) {
    const whet_softmax_attrs *a = e->attrs;
    const whet_tensor *in = &e->in[0];
    whet_lanes lanes;
    whet_lanes_init(&lanes, in, whet_axis(a->axis, in->rank));
    double *v = whet_eval_scratch_f64(e, lanes.length);
    if (!v) return WHET_E_NOMEM;
    for (int64_t i = 0; i < lanes.n; i++) {
        int64_t first = whet_lanes_start(&lanes, i);
        for (int64_t k = 0; k < lanes.length; k++)
            v[k] = whet_load_f64(in->data, in->dtype, first + k * lanes.step);
        function(v, lanes.length);
        for (int64_t k = 0; k < lanes.length; k++)
            whet_store_f64(e->out[0].data, in->dtype, first + k * lanes.step, v[k]);
    }
    return WHET_OK;
}

static whet_status softmax_eval(whet_eval *e) { return along_axis(e, softmax); }
static whet_status log_softmax_eval(whet_eval *e) { return along_axis(e, log_softmax); }
static whet_status hardmax_eval(whet_eval *e) { return along_axis(e, hardmax); }

static double softmax_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                            const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 5 * (double)whet_tensor_count(&in[0]);
}

#define SOFTMAX(op_name, onnx_name, eval_function)                                                 \
    .name = op_name, WHET_IN({"input", WHET_DTYPES_FLOAT, 'T'}),                                   \
    WHET_OUT({"output", WHET_DTYPES_FLOAT, 'T'}),                                                  \
    WHET_ATTRS(whet_softmax_attrs,                                                                 \
               {"axis", WHET_ATTR_INT, offsetof(whet_softmax_attrs, axis), .def = -1}),            \
    WHET_ONNX({"", onnx_name, 1, 12, "softmax_1"}, {"", onnx_name, 13, 0, NULL}),                  \
    .flags = WHET_OP_MONOTONE | WHET_OP_INPLACE, .infer = softmax_infer, .eval = eval_function,    \
    .flops = softmax_flops

const whet_op whet_op_hardmax = {SOFTMAX("hardmax", "Hardmax", hardmax_eval)};
const whet_op whet_op_log_softmax = {SOFTMAX("log_softmax", "LogSoftmax", log_softmax_eval)};
const whet_op whet_op_softmax = {SOFTMAX("softmax", "Softmax", softmax_eval)};
