// SPDX-License-Identifier: Apache-2.0
// Gates z, r, h.
//     h = g(X Wh' + Wbh + (r H) Rh' + Rbh), or with linear_before_reset
//     h = g(X Wh' + Wbh + r (H Rh' + Rbh));  H' = (1 - z) h + z H
#include "ops/rnn_ref.h"

enum { Z, R, H, GATES };
#define DEFAULTS "Sigmoid,Tanh"

static double gate(const whet_rnn_run *r, const double *xw, const double *hr, int32_t g,
                   int64_t j) {
    int64_t at = g * r->hidden + j;
    double sum = xw[at] + hr[at] + whet_rnn_bias(r, 0, g, j) + whet_rnn_bias(r, 1, g, j);
    return whet_rnn_activate(r, 0, sum);
}

// tmp = (reset H) Rh'
static void reset_product(const whet_rnn_run *r, const double *xw, const double *hr,
                          const double *h) {
    int64_t n = r->hidden;
    for (int64_t j = 0; j < n; j++) r->tmp[j] = 0;
    for (int64_t k = 0; k < n; k++) {
        double v = gate(r, xw, hr, R, k) * h[k];
        const double *row = r->rt + k * GATES * n + H * n;
        for (int64_t j = 0; j < n; j++) r->tmp[j] += v * row[j];
    }
}

static void gru_cell(const whet_rnn_run *r, const double *xw, const double *hr, double *h,
                     double *c) {
    int64_t n = r->hidden;
    (void)c;
    if (!r->a->linear_before_reset) reset_product(r, xw, hr, h);
    for (int64_t j = 0; j < n; j++) {
        double recurrent = whet_rnn_bias(r, 1, H, j);
        if (r->a->linear_before_reset)
            recurrent = gate(r, xw, hr, R, j) * (hr[H * n + j] + recurrent);
        else
            recurrent += r->tmp[j];
        double fresh = xw[H * n + j] + whet_rnn_bias(r, 0, H, j) + recurrent;
        double z = gate(r, xw, hr, Z, j);
        h[j] = (1 - z) * whet_rnn_activate(r, 1, fresh) + z * h[j];
    }
}

static whet_status gru_infer(whet_infer *ctx) { return whet_rnn_infer(ctx, GATES, DEFAULTS, 2); }
static whet_status gru_eval(whet_eval *e) { return whet_rnn_eval(e, GATES, DEFAULTS, 2, gru_cell); }
static double gru_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                        const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return whet_rnn_flops(&in[WHET_RNN_X], &in[WHET_RNN_R]);
}

static const whet_arg gru_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"W", WHET_DTYPES_FLOAT, 'T'},
    {"R", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"sequence_lens", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, WHET_ARG_OPTIONAL},
    {"initial_h", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg gru_out[] = {
    {"Y", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"Y_h", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_attr gru_attrs[] = {
    WHET_RNN_ROWS,
    {"linear_before_reset", WHET_ATTR_BOOL, offsetof(whet_rnn_attrs, linear_before_reset)},
};
// As for LSTM.
static const whet_onnx_row gru_onnx[] = {
    {"", "GRU", 1, 6, "rnn_1"},
    {"", "GRU", 7, 0, NULL},
};

const whet_op whet_op_gru = {
    .name = "gru",
    .in = gru_in,
    .n_in = WHET_COUNT(gru_in),
    .out = gru_out,
    .n_out = WHET_COUNT(gru_out),
    .attrs = gru_attrs,
    .n_attrs = WHET_COUNT(gru_attrs),
    .attrs_size = sizeof(whet_rnn_attrs),
    .onnx = gru_onnx,
    .n_onnx = WHET_COUNT(gru_onnx),
    .infer = gru_infer,
    .eval = gru_eval,
    .flops = gru_flops,
};
