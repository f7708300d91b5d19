// SPDX-License-Identifier: Apache-2.0
// layer_norm and rms_norm over the dimensions from `axis` on; scale and bias broadcast to X.
// Import functions of the com.microsoft forms:
// "simplified_layer_norm": rms_norm(X, scale); a used second output is refused.
// "skip_layer_norm": S = input + skip (+ bias, input 4); outputs 0, 1, 2 are layer_norm(S, gamma,
//   beta?) with axis -1, output 3 is S; epsilon is 1e-12 by default; without beta, none.
// "skip_simplified_layer_norm": S = input + skip (+ bias, input 3); output 0 is rms_norm(S, gamma)
//   with axis -1, output 3 is S, used outputs 1 and 2 are refused; epsilon is 1e-12 by default.
#include <math.h>

#include "ops/attrs.h"
#include "ops/broadcast.h"

// The parameter broadcasts to X and not the other way round.
static whet_status check_parameter(whet_infer *ctx, int32_t i) {
    if (!whet_infer_has(ctx, i)) return WHET_OK;
    const whet_type *x = ctx->in[0], *p = ctx->in[i];
    if (p->rank > x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s has more dimensions than X", ctx->op->in[i].name);
    for (int32_t k = 0; k < p->rank; k++)
        if (p->dims[k] != 1)
            WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - p->rank + k], p->dims[k],
                                     ctx->op->in[i].name));
    return WHET_OK;
}

static whet_status norm_infer(whet_infer *ctx) {
    const whet_norm_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim dims[WHET_MAX_RANK];
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
    WHET_TRY(check_parameter(ctx, 1));
    WHET_TRY(check_parameter(ctx, 2));
    if (!whet_dtype_is_float((whet_dtype)a->stash_type))
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "stash_type %lld is no supported float type",
                  (long long)a->stash_type);
    for (int32_t k = 0; k < x->rank; k++) dims[k] = k < axis ? x->dims[k] : 1;
    for (int32_t i = 1; i < ctx->n_out; i++) {
        whet_infer_shape(ctx, i, x->rank, dims);
        ctx->out[i].dtype = (whet_dtype)a->stash_type;
    }
    return whet_infer_same_as_input(ctx);
}

// Normalizes v [n] in place; mean NULL: around zero.
static void normalize(double *v, int64_t n, double epsilon, double *mean, double *inverse) {
    double sum = 0, square = 0;
    for (int64_t i = 0; mean && i < n; i++) sum += v[i];
    double center = mean ? sum / (double)n : 0;
    for (int64_t i = 0; i < n; i++) {
        v[i] -= center;
        square += v[i] * v[i];
    }
    *inverse = 1 / sqrt(square / (double)n + epsilon);
    for (int64_t i = 0; i < n; i++) v[i] *= *inverse;
    if (mean) *mean = center;
}

static void store_row(whet_eval *e, int32_t out, int64_t row, double v) {
    if (whet_eval_wants(e, out)) whet_store_f64(e->out[out].data, e->out[out].dtype, row, v);
}

static void affine(whet_eval *e, double *v) {
    whet_broadcast b;
    whet_broadcast_init(&b, &e->in[0], e->in + 1, e->n_in - 1);
    bool bias = whet_eval_has(e, 2);
    while (whet_broadcast_next(&b))
        for (int64_t k = 0; k < b.length; k++) {
            double *y = &v[b.out + k];
            *y *= whet_load_f64(e->in[1].data, e->in[1].dtype, b.in[0] + k * b.step[0]);
            if (bias) *y += whet_load_f64(e->in[2].data, e->in[2].dtype, b.in[1] + k * b.step[1]);
        }
}

static whet_status norm(whet_eval *e, bool centered) {
    const whet_norm_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    int32_t axis = whet_axis(a->axis, x->rank);
    int64_t rows = whet_dims_count(x->dims, axis), total = whet_tensor_count(x);
    int64_t n = whet_dims_count(x->dims + axis, x->rank - axis);
    double *v = whet_eval_scratch_f64(e, total);
    if (!v) return WHET_E_NOMEM;
    whet_load_f64_array(v, x->data, x->dtype, total);
    for (int64_t r = 0; r < rows; r++) {
        double mean, inverse;
        normalize(v + r * n, n, (double)a->epsilon, centered ? &mean : NULL, &inverse);
        if (centered) store_row(e, 1, r, mean);
        store_row(e, 2, r, inverse);
    }
    affine(e, v);
    if (whet_eval_wants(e, 0)) whet_eval_store(e, 0, v);
    return WHET_OK;
}

static whet_status layer_norm_eval(whet_eval *e) { return norm(e, true); }
static whet_status rms_norm_eval(whet_eval *e) { return norm(e, false); }

static double norm_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 7 * (double)whet_tensor_count(&in[0]);
}

#define NORM_ATTRS                                                                                 \
    WHET_ATTRS(whet_norm_attrs,                                                                    \
               {"axis", WHET_ATTR_INT, offsetof(whet_norm_attrs, axis), .def = -1},                \
               {"epsilon", WHET_ATTR_FLOAT, offsetof(whet_norm_attrs, epsilon), .def = 1e-5},      \
               {"stash_type", WHET_ATTR_INT, offsetof(whet_norm_attrs, stash_type), .def = 1})

const whet_op whet_op_layer_norm = {
    .name = "layer_norm",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}, {"Scale", WHET_DTYPES_FLOAT, 'T'},
            {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}, {"Mean", WHET_DTYPES_FLOAT, 0, WHET_ARG_OPTIONAL},
             {"InvStdDev", WHET_DTYPES_FLOAT, 0, WHET_ARG_OPTIONAL}),
    NORM_ATTRS,
    // in ONNX from 17 on; exporters for onnxruntime wrote it into any opset before
    WHET_ONNX({"", "LayerNormalization", 1, 0, NULL},
              {"com.microsoft", "SkipLayerNormalization", 1, 0, "skip_layer_norm"}),
    .infer = norm_infer,
    .eval = layer_norm_eval,
    .flops = norm_flops,
};

// The result has the type of the scale.
const whet_op whet_op_rms_norm = {
    .name = "rms_norm",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}, {"scale", WHET_DTYPES_FLOAT, 'S'}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'S'}),
    NORM_ATTRS,
    WHET_ONNX({"", "RMSNormalization", 23, 0, NULL},
              {"", "SimplifiedLayerNormalization", 1, 0, "simplified_layer_norm"},
              {"com.microsoft", "SimplifiedLayerNormalization", 1, 0, "simplified_layer_norm"},
              {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, 0,
               "skip_simplified_layer_norm"}),
    .infer = norm_infer,
    .eval = rms_norm_eval,
    .flops = norm_flops,
};
