// SPDX-License-Identifier: Apache-2.0
// mean of any number of tensors that broadcast together.
#include "ops/broadcast.h"
#include "ops/op.h"

static whet_status mean_infer(whet_infer *ctx) {
    return whet_infer_broadcast(ctx, 0, 0, ctx->n_in);
}

static whet_status mean_eval(whet_eval *e) {
    int64_t n = whet_tensor_count(&e->out[0]);
    double *sum = whet_eval_scratch_f64(e, n);
    if (!sum) return WHET_E_NOMEM;
    for (int32_t i = 0; i < e->n_in; i++) {
        whet_broadcast b;
        whet_broadcast_init(&b, &e->out[0], &e->in[i], 1);
        while (whet_broadcast_next(&b))
            for (int64_t k = 0; k < b.length; k++)
                sum[b.out + k] +=
                    whet_load_f64(e->in[i].data, e->in[i].dtype, b.in[0] + k * b.step[0]);
    }
    for (int64_t k = 0; k < n; k++) sum[k] /= e->n_in;
    whet_eval_store(e, 0, sum);
    return WHET_OK;
}

static double mean_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)in, (void)n_out;
    return (double)whet_tensor_count(&out[0]) * n_in;
}

const whet_op whet_op_mean = {
    .name = "mean",
    WHET_IN({"data", WHET_DTYPES_FLOAT, 'T', WHET_ARG_VARIADIC}),
    WHET_OUT({"mean", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ONNX({"", "Mean", 1, 0, NULL}),
    .infer = mean_infer,
    .eval = mean_eval,
    .flops = mean_flops,
};
