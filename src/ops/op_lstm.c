// SPDX-License-Identifier: Apache-2.0
// Gates i, o, f, c; peepholes i, o, f.
//     i = f(.. + Pi C), f = f(.. + Pf C), c = g(..), C' = f C + i c, o = f(.. + Po C'), H = o h(C')
// clip bounds the gates' sums but not C', as other runtimes read the specification.
#include "ops/rnn_ref.h"

enum { I, O, F, C, GATES };
#define DEFAULTS "Sigmoid,Tanh,Tanh"

static void lstm_cell(const whet_rnn_run *r, const double *xw, const double *hr, double *h,
                      double *c) {
    int64_t n = r->hidden;
    for (int64_t j = 0; j < n; j++) {
        double sum[GATES];
        for (int32_t g = 0; g < GATES; g++)
            sum[g] = xw[g * n + j] + hr[g * n + j] + whet_rnn_bias(r, 0, g, j) +
                     whet_rnn_bias(r, 1, g, j);
        if (r->peep) sum[I] += r->peep[I * n + j] * c[j];
        if (r->peep) sum[F] += r->peep[F * n + j] * c[j];
        double in = whet_rnn_activate(r, 0, sum[I]);
        double forget = r->a->input_forget ? 1 - in : whet_rnn_activate(r, 0, sum[F]);
        c[j] = forget * c[j] + in * whet_rnn_activate(r, 1, sum[C]);
        if (r->peep) sum[O] += r->peep[O * n + j] * c[j];
        h[j] = whet_rnn_activate(r, 0, sum[O]) * whet_rnn_act_apply(&r->acts[2], c[j]);
    }
}

static whet_status lstm_infer(whet_infer *ctx) { return whet_rnn_infer(ctx, GATES, DEFAULTS, 3); }
static whet_status lstm_eval(whet_eval *e) {
    return whet_rnn_eval(e, GATES, DEFAULTS, 3, lstm_cell);
}
static double lstm_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return whet_rnn_flops(&in[WHET_RNN_X], &in[WHET_RNN_R]);
}

static const whet_arg lstm_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"W", WHET_DTYPES_FLOAT, 'T'},
    {"R", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"sequence_lens", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, WHET_ARG_OPTIONAL},
    {"initial_h", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"initial_c", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"P", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg lstm_out[] = {
    {"Y", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"Y_h", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
    {"Y_c", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_attr lstm_attrs[] = {
    WHET_RNN_ROWS,
    {"input_forget", WHET_ATTR_BOOL, offsetof(whet_rnn_attrs, input_forget)},
};
// `activations` is a list of strings in ONNX: joined by commas. Before version 7: the attribute
// output_sequence is dropped (it only says whether Y is given).
static const whet_onnx_row lstm_onnx[] = {
    {"", "LSTM", 1, 6, "rnn_1"},
    {"", "LSTM", 7, 0, NULL},
    {"com.microsoft", "DynamicQuantizeLSTM", 1, 0, "dynamic_quantize_lstm"},
};

const whet_op whet_op_lstm = {
    .name = "lstm",
    .in = lstm_in,
    .n_in = WHET_COUNT(lstm_in),
    .out = lstm_out,
    .n_out = WHET_COUNT(lstm_out),
    .attrs = lstm_attrs,
    .n_attrs = WHET_COUNT(lstm_attrs),
    .attrs_size = sizeof(whet_rnn_attrs),
    .onnx = lstm_onnx,
    .n_onnx = WHET_COUNT(lstm_onnx),
    .infer = lstm_infer,
    .eval = lstm_eval,
    .flops = lstm_flops,
};
