// SPDX-License-Identifier: Apache-2.0
// H' = f(X W' + H R' + Wb + Rb)
#include "ops/rnn_ref.h"

#define DEFAULTS "Tanh"

static void rnn_cell(const whet_rnn_run *r, const double *xw, const double *hr, double *h,
                     double *c) {
    (void)c;
    for (int64_t j = 0; j < r->hidden; j++) {
        double sum = xw[j] + hr[j] + whet_rnn_bias(r, 0, 0, j) + whet_rnn_bias(r, 1, 0, j);
        h[j] = whet_rnn_activate(r, 0, sum);
    }
}

static whet_status rnn_infer(whet_infer *ctx) { return whet_rnn_infer(ctx, 1, DEFAULTS, 1); }
static whet_status rnn_eval(whet_eval *e) { return whet_rnn_eval(e, 1, DEFAULTS, 1, rnn_cell); }
static double rnn_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                        const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return whet_rnn_flops(&in[WHET_RNN_X], &in[WHET_RNN_R]);
}

static const whet_arg rnn_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"W", WHET_DTYPES_FLOAT, 'T'},
    {"R", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"sequence_lens", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, WHET_ARG_OPTIONAL},
    {"initial_h", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg rnn_out[] = {
    {"Y", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"Y_h", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_attr rnn_attrs[] = {WHET_RNN_ROWS};
// As for LSTM.
static const whet_onnx_row rnn_onnx[] = {
    {"", "RNN", 1, 6, "rnn_1"},
    {"", "RNN", 7, 0, NULL},
};

const whet_op whet_op_rnn = {
    .name = "rnn",
    .in = rnn_in,
    .n_in = WHET_COUNT(rnn_in),
    .out = rnn_out,
    .n_out = WHET_COUNT(rnn_out),
    .attrs = rnn_attrs,
    .n_attrs = WHET_COUNT(rnn_attrs),
    .attrs_size = sizeof(whet_rnn_attrs),
    .onnx = rnn_onnx,
    .n_onnx = WHET_COUNT(rnn_onnx),
    .infer = rnn_infer,
    .eval = rnn_eval,
    .flops = rnn_flops,
};
