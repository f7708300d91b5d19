// SPDX-License-Identifier: Apache-2.0
// batch_norm: Y = scale (X - mean) / sqrt(var + epsilon) + B along dimension 1. Training mode takes
// mean and variance (over all other dimensions) from X and gives the running ones.
#include <math.h>

#include "ops/attrs.h"

static whet_status batch_norm_infer(whet_infer *ctx) {
    const whet_batch_norm_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    if (x->rank < 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has no dimensions");
    whet_dim c = x->rank > 1 ? x->dims[1] : 1;
    for (int32_t i = 1; i < 5; i++) {
        WHET_TRY(whet_infer_rank(ctx, i, 1));
        WHET_TRY(whet_infer_same(ctx, c, ctx->in[i]->dims[0], "channels and parameters"));
    }
    if (ctx->n_out > 1 && !a->training_mode)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "running statistics need training_mode = 1");
    whet_infer_shape(ctx, 1, 1, &c);
    whet_infer_shape(ctx, 2, 1, &c);
    return whet_infer_same_as_input(ctx);
}

typedef struct planes {
    int64_t n, c, inner; // X is [n, c, inner]
} planes;

static planes planes_of(const whet_tensor *x) {
    planes p = {x->dims[0], x->rank > 1 ? x->dims[1] : 1, 1};
    for (int32_t k = 2; k < x->rank; k++) p.inner *= x->dims[k];
    return p;
}

static void statistics(const planes *p, const double *x, double *mean, double *var) {
    double count = (double)p->n * (double)p->inner;
    for (int64_t c = 0; c < p->c; c++) {
        double sum = 0, square = 0;
        for (int64_t n = 0; n < p->n; n++)
            for (int64_t i = 0; i < p->inner; i++) sum += x[(n * p->c + c) * p->inner + i];
        mean[c] = sum / count;
        for (int64_t n = 0; n < p->n; n++)
            for (int64_t i = 0; i < p->inner; i++) {
                double d = x[(n * p->c + c) * p->inner + i] - mean[c];
                square += d * d;
            }
        var[c] = square / count;
    }
}

static void store_running(whet_eval *e, int32_t out, const double *old, const double *now,
                          int64_t n) {
    double momentum = (double)((const whet_batch_norm_attrs *)e->attrs)->momentum;
    if (!whet_eval_wants(e, out)) return;
    for (int64_t i = 0; i < n; i++)
        whet_store_f64(e->out[out].data, e->out[out].dtype, i,
                       old[i] * momentum + now[i] * (1 - momentum));
}

static whet_status batch_norm_eval(whet_eval *e) {
    const whet_batch_norm_attrs *a = e->attrs;
    planes p = planes_of(&e->in[0]);
    const double *in[5];
    for (int32_t i = 0; i < 5; i++)
        if (!(in[i] = whet_eval_f64(e, i))) return WHET_E_NOMEM;
    const double *mean = in[3], *var = in[4];
    if (a->training_mode) {
        double *now = whet_eval_scratch_f64(e, 2 * p.c);
        if (!now) return WHET_E_NOMEM;
        statistics(&p, in[0], now, now + p.c);
        store_running(e, 1, mean, now, p.c);
        store_running(e, 2, var, now + p.c, p.c);
        mean = now;
        var = now + p.c;
    }
    if (!whet_eval_wants(e, 0)) return WHET_OK;
    for (int64_t nc = 0; nc < p.n * p.c; nc++) {
        int64_t c = nc % p.c;
        double scale = in[1][c] / sqrt(var[c] + (double)a->epsilon);
        for (int64_t i = nc * p.inner; i < (nc + 1) * p.inner; i++)
            whet_store_f64(e->out[0].data, e->out[0].dtype, i,
                           (in[0][i] - mean[c]) * scale + in[2][c]);
    }
    return WHET_OK;
}

static double batch_norm_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                               const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 2 * (double)whet_tensor_count(&in[0]);
}

const whet_op whet_op_batch_norm = {
    .name = "batch_norm",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}, {"scale", WHET_DTYPES_FLOAT, 'S'},
            {"B", WHET_DTYPES_FLOAT, 'S'}, {"input_mean", WHET_DTYPES_FLOAT, 'M'},
            {"input_var", WHET_DTYPES_FLOAT, 'M'}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'},
             {"running_mean", WHET_DTYPES_FLOAT, 'M', WHET_ARG_OPTIONAL},
             {"running_var", WHET_DTYPES_FLOAT, 'M', WHET_ARG_OPTIONAL}),
    WHET_ATTRS(whet_batch_norm_attrs,
               {"epsilon", WHET_ATTR_FLOAT, offsetof(whet_batch_norm_attrs, epsilon), .def = 1e-5},
               {"momentum", WHET_ATTR_FLOAT, offsetof(whet_batch_norm_attrs, momentum),
                .def = 0.9},
               {"training_mode", WHET_ATTR_BOOL,
                offsetof(whet_batch_norm_attrs, training_mode)}),
    // "batch_norm_1": before, other things told that it trains, and statistics could be those of
    // each activation (spatial = 0).
    WHET_ONNX({"", "BatchNormalization", 1, 13, "batch_norm_1"},
              {"", "BatchNormalization", 14, 0, NULL}),
    .infer = batch_norm_infer,
    .eval = batch_norm_eval,
    .flops = batch_norm_flops,
};
