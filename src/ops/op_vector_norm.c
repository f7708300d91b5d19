// SPDX-License-Identifier: Apache-2.0
// lp_norm along an axis, mean_variance_norm over axes, lrn across channels.
#include <math.h>

#include "ops/broadcast.h"
#include "ops/lanes.h"
#include "ops/op.h"

// ---- lp_norm: X / (sum |X|^p)^(1/p), 0 where the norm is 0 ----

typedef struct lp_norm_attrs {
    int64_t axis, p;
} lp_norm_attrs;

static whet_status lp_norm_infer(whet_infer *ctx) {
    const lp_norm_attrs *a = ctx->attrs;
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    return whet_infer_same_as_input(ctx);
}

static whet_status lp_norm_eval(whet_eval *e) {
    const lp_norm_attrs *a = e->attrs;
    const whet_tensor *in = &e->in[0];
    whet_lanes l;
    whet_lanes_init(&l, in, whet_axis(a->axis, in->rank));
    for (int64_t i = 0; i < l.n; i++) {
        int64_t first = whet_lanes_start(&l, i);
        double sum = 0;
        for (int64_t k = 0; k < l.length; k++) {
            double x = whet_load_f64(in->data, in->dtype, first + k * l.step);
            sum += a->p == 1 ? fabs(x) : x * x;
        }
        double length = a->p == 1 ? sum : sqrt(sum);
        for (int64_t k = 0; k < l.length; k++) {
            double x = whet_load_f64(in->data, in->dtype, first + k * l.step);
            whet_store_f64(e->out[0].data, in->dtype, first + k * l.step,
                           length == 0 ? 0 : x / length);
        }
    }
    return WHET_OK;
}

const whet_op whet_op_lp_norm = {
    .name = "lp_norm",
    WHET_IN({"input", WHET_DTYPES_FLOAT, 'T'}),
    WHET_OUT({"output", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(lp_norm_attrs, {"axis", WHET_ATTR_INT, offsetof(lp_norm_attrs, axis), .def = -1},
               {"p", WHET_ATTR_INT, offsetof(lp_norm_attrs, p), .def = 2, .min = 1, .max = 2}),
    WHET_ONNX({"", "LpNormalization", 1, 0, NULL}),
    .infer = lp_norm_infer,
    .eval = lp_norm_eval,
};

// ---- mean_variance_norm: (X - mean) / (sqrt(variance) + 1e-9) ----

typedef struct mean_variance_attrs {
    whet_ints axes; // absent: 0, 2, 3
} mean_variance_attrs;
static const int64_t default_axes[] = {0, 2, 3};

static whet_ints axes_of(const void *attrs) {
    const mean_variance_attrs *a = attrs;
    return a->axes.v ? a->axes : (whet_ints){default_axes, 3};
}

static whet_status mean_variance_infer(whet_infer *ctx) {
    whet_ints axes = axes_of(ctx->attrs);
    int32_t axis;
    for (int32_t i = 0; i < axes.n; i++)
        WHET_TRY(whet_infer_axis(ctx, axes.v[i], ctx->in[0]->rank, &axis));
    return whet_infer_same_as_input(ctx);
}

// Mean over the elements of X that share a place in `kept`: of v, or of (v - center)^2.
static void average(const whet_tensor *x, const whet_tensor *kept, const double *v,
                    const double *center, double *mean) {
    int64_t n = whet_tensor_count(kept);
    double each = (double)whet_tensor_count(x) / (double)n;
    whet_broadcast b;
    whet_broadcast_init(&b, x, kept, 1);
    while (whet_broadcast_next(&b))
        for (int64_t k = 0; k < b.length; k++) {
            int64_t to = b.in[0] + k * b.step[0];
            double d = center ? v[b.out + k] - center[to] : 0;
            mean[to] += center ? d * d : v[b.out + k];
        }
    for (int64_t i = 0; i < n; i++) mean[i] /= each;
}

static whet_status mean_variance_eval(whet_eval *e) {
    whet_ints axes = axes_of(e->attrs);
    const whet_tensor *x = &e->in[0];
    whet_tensor kept = *x;
    for (int32_t i = 0; i < axes.n; i++) kept.dims[whet_axis(axes.v[i], x->rank)] = 1;
    if (whet_tensor_count(x) == 0) return WHET_OK;
    double *mean = whet_eval_scratch_f64(e, whet_tensor_count(&kept));
    double *var = whet_eval_scratch_f64(e, whet_tensor_count(&kept));
    const double *v = whet_eval_f64(e, 0);
    if (!mean || !var || !v) return WHET_E_NOMEM;
    average(x, &kept, v, NULL, mean);
    average(x, &kept, v, mean, var);
    whet_broadcast b;
    whet_broadcast_init(&b, x, &kept, 1);
    while (whet_broadcast_next(&b))
        for (int64_t k = 0; k < b.length; k++) {
            int64_t to = b.in[0] + k * b.step[0];
            whet_store_f64(e->out[0].data, x->dtype, b.out + k,
                           (v[b.out + k] - mean[to]) / (sqrt(var[to]) + 1e-9));
        }
    return WHET_OK;
}

const whet_op whet_op_mean_variance_norm = {
    .name = "mean_variance_norm",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(mean_variance_attrs, {"axes", WHET_ATTR_INTS, offsetof(mean_variance_attrs, axes)}),
    WHET_ONNX({"", "MeanVarianceNormalization", 9, 0, NULL}),
    .infer = mean_variance_infer,
    .eval = mean_variance_eval,
};

// ---- lrn: X / (bias + alpha / size sum X^2)^beta over `size` channels around each ----

typedef struct lrn_attrs {
    float alpha, beta, bias;
    int64_t size;
} lrn_attrs;

static whet_status lrn_infer(whet_infer *ctx) {
    if (ctx->in[0]->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X needs a batch and a channel dimension");
    return whet_infer_same_as_input(ctx);
}

static whet_status lrn_eval(whet_eval *e) {
    const lrn_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    whet_lanes l;
    whet_lanes_init(&l, x, 1);
    const double *v = whet_eval_f64(e, 0);
    if (!v) return WHET_E_NOMEM;
    int64_t before = (a->size - 1) / 2, after = a->size - 1 - before;
    for (int64_t i = 0; i < l.n; i++) {
        const double *lane = v + whet_lanes_start(&l, i);
        for (int64_t c = 0; c < l.length; c++) {
            int64_t from = c < before ? 0 : c - before;
            int64_t to = after < l.length - 1 - c ? c + after : l.length - 1;
            double sum = 0;
            for (int64_t k = from; k <= to; k++) sum += lane[k * l.step] * lane[k * l.step];
            double base = (double)a->bias + (double)a->alpha / (double)a->size * sum;
            whet_store_f64(e->out[0].data, x->dtype, lane - v + c * l.step,
                           lane[c * l.step] / pow(base, (double)a->beta));
        }
    }
    return WHET_OK;
}

static double lrn_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                        const whet_tensor *out, int32_t n_out) {
    const lrn_attrs *a = attrs;
    (void)n_in, (void)out, (void)n_out;
    return (2 * (double)a->size + 20) * (double)whet_tensor_count(&in[0]);
}

const whet_op whet_op_lrn = {
    .name = "lrn",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(lrn_attrs, {"alpha", WHET_ATTR_FLOAT, offsetof(lrn_attrs, alpha), .def = 1e-4},
               {"beta", WHET_ATTR_FLOAT, offsetof(lrn_attrs, beta), .def = 0.75},
               {"bias", WHET_ATTR_FLOAT, offsetof(lrn_attrs, bias), .def = 1},
               {"size", WHET_ATTR_INT, offsetof(lrn_attrs, size), .required = true, .def = 1,
                .min = 1, .max = INT32_MAX}),
    WHET_ONNX({"", "LRN", 1, 0, NULL}),
    .infer = lrn_infer,
    .eval = lrn_eval,
    .flops = lrn_flops,
};
