// SPDX-License-Identifier: Apache-2.0
// negative_log_likelihood_loss and softmax_cross_entropy_loss, which takes the log softmax first.
#include <inttypes.h>
#include <math.h>

#include "ops/matrix.h"

enum { NONE, MEAN, SUM };
static const char *const reductions[] = {"none", "mean", "sum", NULL};

typedef struct loss_attrs {
    int64_t ignore_index; // WHET_ATTR_ABSENT: none
    int32_t reduction;
} loss_attrs;

static whet_status loss_infer(whet_infer *ctx) {
    const loss_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0], *t = ctx->in[1];
    if (x->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "input has rank %d, must be [n, c, ...]", (int)x->rank);
    WHET_TRY(whet_infer_rank(ctx, 1, x->rank - 1));
    for (int32_t i = 0; i < t->rank; i++)
        WHET_TRY(whet_infer_same(ctx, t->dims[i], x->dims[i ? i + 1 : 0], "input and target"));
    if (whet_infer_has(ctx, 2)) {
        WHET_TRY(whet_infer_rank(ctx, 2, 1));
        WHET_TRY(whet_infer_same(ctx, ctx->in[2]->dims[0], x->dims[1], "weights and classes"));
    }
    if (a->reduction == NONE) whet_infer_copy_shape(ctx, 0, 1);
    else whet_infer_shape(ctx, 0, 0, NULL);
    if (ctx->n_out > 1) whet_infer_copy_shape(ctx, 1, 0);
    return WHET_OK;
}

// Losses from log probabilities x [n, c, inner], reduced into output 0.
static whet_status loss_store(whet_eval *e, const double *x) {
    const loss_attrs *a = e->attrs;
    const whet_tensor *target = &e->in[1], *y = &e->out[0];
    int64_t classes = e->in[0].dims[1], n = whet_tensor_count(target);
    int64_t inner = whet_dims_count(e->in[0].dims + 2, e->in[0].rank - 2);
    const double *weights = NULL;
    double sum = 0, total = 0;
    if (whet_eval_has(e, 2) && !(weights = whet_eval_f64(e, 2))) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        int64_t t = whet_load_i64(target->data, target->dtype, i);
        double w = 0, loss = 0;
        if (a->ignore_index == WHET_ATTR_ABSENT || t != a->ignore_index) {
            if (t < 0 || t >= classes)
                WHET_FAIL(e->err, WHET_E_RANGE, "target %" PRId64 " is outside %" PRId64 " classes",
                          t, classes);
            w = weights ? weights[t] : 1;
            loss = -w * x[(i / inner * classes + t) * inner + i % inner];
        }
        sum += loss;
        total += w;
        if (a->reduction == NONE) whet_store_f64(y->data, y->dtype, i, loss);
    }
    if (a->reduction != NONE)
        whet_store_f64(y->data, y->dtype, 0, a->reduction == MEAN ? sum / total : sum);
    return WHET_OK;
}

static whet_status nll_eval(whet_eval *e) {
    const double *x = whet_eval_f64(e, 0);
    return x ? loss_store(e, x) : WHET_E_NOMEM;
}

// Over dimension 1 of [n, c, inner].
static void log_softmax(const double *x, int64_t n, int64_t c, int64_t inner, double *y) {
    for (int64_t i = 0; i < n * inner; i++) {
        int64_t at = i / inner * c * inner + i % inner;
        double max = -INFINITY, sum = 0;
        for (int64_t k = 0; k < c; k++)
            if (!(x[at + k * inner] <= max)) max = x[at + k * inner];
        for (int64_t k = 0; k < c; k++) sum += exp(x[at + k * inner] - max);
        for (int64_t k = 0; k < c; k++) y[at + k * inner] = x[at + k * inner] - max - log(sum);
    }
}

static whet_status sce_eval(whet_eval *e) {
    const whet_tensor *t = &e->in[0];
    const double *x = whet_eval_f64(e, 0);
    double *y = whet_eval_raw_f64(e, whet_tensor_count(t));
    if (!x || !y) return WHET_E_NOMEM;
    log_softmax(x, t->dims[0], t->dims[1], whet_dims_count(t->dims + 2, t->rank - 2), y);
    if (whet_eval_wants(e, 1)) whet_eval_store(e, 1, y);
    return whet_eval_wants(e, 0) ? loss_store(e, y) : WHET_OK;
}

#define TARGETS (WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64))
static const whet_arg loss_in[] = {
    {"input", WHET_DTYPES_FLOAT, 'T'},
    {"target", TARGETS, 0},
    {"weight", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg loss_out[] = {
    {"loss", WHET_DTYPES_FLOAT, 'T'},
    {"log_prob", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_attr loss_rows[] = {
    {"ignore_index", WHET_ATTR_INT, offsetof(loss_attrs, ignore_index),
     .def = (double)WHET_ATTR_ABSENT},
    {"reduction", WHET_ATTR_ENUM, offsetof(loss_attrs, reduction), .def = MEAN,
     .choices = reductions},
};
static const whet_onnx_row nll_onnx[] = {{"", "NegativeLogLikelihoodLoss", 12, 0, NULL}};
static const whet_onnx_row sce_onnx[] = {{"", "SoftmaxCrossEntropyLoss", 12, 0, NULL}};

const whet_op whet_op_negative_log_likelihood_loss = {
    .name = "negative_log_likelihood_loss",
    .in = loss_in,
    .n_in = WHET_COUNT(loss_in),
    .out = loss_out,
    .n_out = 1,
    .attrs = loss_rows,
    .n_attrs = WHET_COUNT(loss_rows),
    .attrs_size = sizeof(loss_attrs),
    .onnx = nll_onnx,
    .n_onnx = WHET_COUNT(nll_onnx),
    .infer = loss_infer,
    .eval = nll_eval,
};
const whet_op whet_op_softmax_cross_entropy_loss = {
    .name = "softmax_cross_entropy_loss",
    .in = loss_in,
    .n_in = WHET_COUNT(loss_in),
    .out = loss_out,
    .n_out = WHET_COUNT(loss_out),
    .attrs = loss_rows,
    .n_attrs = WHET_COUNT(loss_rows),
    .attrs_size = sizeof(loss_attrs),
    .onnx = sce_onnx,
    .n_onnx = WHET_COUNT(sce_onnx),
    .infer = loss_infer,
    .eval = sce_eval,
};
