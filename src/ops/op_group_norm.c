// SPDX-License-Identifier: Apache-2.0
// group_norm and instance_norm (as many groups as channels): statistics over the channels of a
// group and all spatial dimensions, scale and bias per channel.
#include <math.h>

#include "ops/attrs.h"

static whet_status group_norm_infer(whet_infer *ctx) {
    const whet_group_norm_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    if (x->rank < 2) WHET_FAIL(ctx->err, WHET_E_SHAPE, "X needs a batch and a channel dimension");
    for (int32_t i = 1; i < 3; i++) {
        WHET_TRY(whet_infer_rank(ctx, i, 1));
        WHET_TRY(whet_infer_same(ctx, x->dims[1], ctx->in[i]->dims[0], "channels and parameters"));
    }
    if (a->num_groups > 0 && whet_dim_is_const(x->dims[1]) && x->dims[1] % a->num_groups)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%lld channels do not make %lld groups",
                  (long long)x->dims[1], (long long)a->num_groups);
    return whet_infer_same_as_input(ctx);
}

// v [n] to mean 0 and variance 1.
static void normalize(double *v, int64_t n, double epsilon) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) sum += v[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean);
    double inverse = 1 / sqrt(square / (double)n + epsilon);
    for (int64_t i = 0; i < n; i++) v[i] = (v[i] - mean) * inverse;
}

static whet_status group_norm_eval(whet_eval *e) {
    const whet_group_norm_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    int64_t c = x->dims[1], total = whet_tensor_count(x);
    int64_t groups = a->num_groups > 0 ? a->num_groups : c;
    if (total == 0) return WHET_OK;
    if (c % groups) WHET_FAIL(e->err, WHET_E_SHAPE, "the channels do not make groups");
    int64_t inner = total / x->dims[0] / c, n = c / groups * inner;
    const double *scale = whet_eval_f64(e, 1), *bias = whet_eval_f64(e, 2);
    double *v = whet_eval_scratch_f64(e, total);
    if (!scale || !bias || !v) return WHET_E_NOMEM;
    whet_load_f64_array(v, x->data, x->dtype, total);
    for (int64_t g = 0; g < x->dims[0] * groups; g++)
        normalize(v + g * n, n, (double)a->epsilon);
    for (int64_t i = 0; i < total; i++) v[i] = v[i] * scale[i / inner % c] + bias[i / inner % c];
    whet_eval_store(e, 0, v);
    return WHET_OK;
}

static double group_norm_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                               const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 7 * (double)whet_tensor_count(&in[0]);
}

#define GROUP_NORM(op_name)                                                                        \
    .name = op_name,                                                                               \
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}, {"scale", WHET_DTYPES_FLOAT, 'T'},                      \
            {"bias", WHET_DTYPES_FLOAT, 'T'}),                                                     \
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}), .infer = group_norm_infer, .eval = group_norm_eval,   \
    .flops = group_norm_flops
#define EPSILON                                                                                    \
    {"epsilon", WHET_ATTR_FLOAT, offsetof(whet_group_norm_attrs, epsilon), .def = 1e-5}

const whet_op whet_op_group_norm = {
    GROUP_NORM("group_norm"),
    WHET_ATTRS(whet_group_norm_attrs, EPSILON,
               {"num_groups", WHET_ATTR_INT, offsetof(whet_group_norm_attrs, num_groups),
                .required = true, .def = 1, .min = 1, .max = INT32_MAX},
               {"stash_type", WHET_ATTR_INT, offsetof(whet_group_norm_attrs, stash_type),
                .def = 1}),
    // "group_norm_18": scale and bias are [num_groups] there, each to be repeated channels /
    // num_groups times (the channels must be known).
    WHET_ONNX({"", "GroupNormalization", 18, 20, "group_norm_18"},
              {"", "GroupNormalization", 21, 0, NULL}),
};

const whet_op whet_op_instance_norm = {
    GROUP_NORM("instance_norm"),
    WHET_ATTRS(whet_group_norm_attrs, EPSILON),
    WHET_ONNX({"", "InstanceNormalization", 1, 0, NULL}),
};
