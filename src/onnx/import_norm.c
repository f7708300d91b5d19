// SPDX-License-Identifier: Apache-2.0
// Normalizations: the forms of onnxruntime with a residual sum before them, and group norm of
// opset 18.
#include "onnx/importer.h"

// 1 / sqrt(mean(x x) + epsilon) over the dimensions from `axis` on.
static whet_value *inverse_rms(whet_import_node *n, whet_value *x, int64_t axis, double epsilon) {
    int32_t rank = whet_import_rank_known(n, x, "the input"), count = 0;
    int64_t axes[WHET_MAX_RANK];
    if (rank < 0) return NULL;
    for (int32_t i = whet_import_axis(n, axis, rank); i < rank; i++) axes[count++] = i;
    x = whet_import_emit(n, "cast", WHET_SETS({"to", .number = WHET_DTYPE_F32}), WHET_VALUES(x));
    x = whet_import_emit(n, "mul", NULL, WHET_VALUES(x, x));
    x = whet_import_emit(n, "reduce_mean", WHET_SETS({"keepdims", .number = 1}),
                         WHET_VALUES(x, whet_import_i64(n, axes, count)));
    x = whet_import_emit(n, "add", NULL,
                         WHET_VALUES(x, whet_import_scalar(n, WHET_DTYPE_F32, epsilon)));
    x = whet_import_emit(n, "sqrt", NULL, WHET_VALUES(x));
    return whet_import_emit(n, "reciprocal", NULL, WHET_VALUES(x));
}

void whet_import_simplified_layer_norm(whet_import_node *n) {
    double epsilon = (double)whet_import_float(n, "epsilon", 1e-5f);
    int64_t axis = whet_import_int(n, "axis", -1);
    whet_import_result(n, 0, whet_import_emit_table(n, "rms_norm", NULL, n->in, n->n_in));
    if (whet_import_wants(n, 1))
        whet_import_result(n, 1, inverse_rms(n, whet_import_in(n, 0), axis, epsilon));
}

// input + skip + bias
static whet_value *residual(whet_import_node *n, int32_t bias) {
    whet_value *sum = whet_import_emit(n, "add", NULL,
                                       WHET_VALUES(whet_import_in(n, 0), whet_import_in(n, 1)));
    if (!whet_import_in(n, bias)) return sum;
    return whet_import_emit(n, "add", NULL, WHET_VALUES(sum, whet_import_in(n, bias)));
}

// Results: normalized, mean, inverse deviation, the sum.
void whet_import_skip_layer_norm(whet_import_node *n) {
    whet_value *sum = residual(n, 4), *out[3];
    int32_t n_out = whet_import_wants(n, 2) ? 3 : whet_import_wants(n, 1) ? 2 : 1;
    double epsilon = whet_import_float(n, "epsilon", 1e-12f);
    whet_import_emit_many(n, "layer_norm",
                          WHET_SETS({"axis", .number = -1}, {"epsilon", .number = epsilon}),
                          WHET_VALUES(sum, whet_import_in(n, 2), whet_import_in(n, 3)), out, n_out);
    for (int32_t i = 0; i < n_out; i++) whet_import_result(n, i, out[i]);
    whet_import_result(n, 3, sum);
}

void whet_import_skip_simplified_layer_norm(whet_import_node *n) {
    whet_value *sum = residual(n, 3);
    double epsilon = whet_import_float(n, "epsilon", 1e-12f);
    if (whet_import_wants(n, 1))
        whet_import_fail(n, WHET_E_UNSUPPORTED, "there is no mean to give as its second result");
    if (whet_import_wants(n, 2)) whet_import_result(n, 2, inverse_rms(n, sum, -1, epsilon));
    whet_import_result(n, 0, whet_import_emit(n, "rms_norm",
                                              WHET_SETS({"axis", .number = -1},
                                                        {"epsilon", .number = epsilon}),
                                              WHET_VALUES(sum, whet_import_in(n, 2))));
    whet_import_result(n, 3, sum);
}

// [groups] to [channels]: every element channels / groups times. count: channels / groups, i64[1]
static whet_value *repeat(whet_import_node *n, whet_value *v, int64_t groups, whet_value *count) {
    int64_t one = 1, all = -1;
    whet_value *wide = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 0}),
                                        WHET_VALUES(whet_import_i64(n, &groups, 1), count));
    v = whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(v, whet_import_i64(n, &one, 1)));
    v = whet_import_emit(n, "expand", NULL, WHET_VALUES(v, wide));
    return whet_import_emit(n, "reshape", NULL, WHET_VALUES(v, whet_import_i64(n, &all, 1)));
}

void whet_import_group_norm_18(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    whet_value *scale = whet_import_in(n, 1), *bias = whet_import_in(n, 2);
    int64_t groups = whet_import_int(n, "num_groups", 0);
    if (!x || !scale || !bias) {
        whet_import_fail(n, WHET_E_MODEL, "input, scale and bias are required");
        return;
    }
    whet_dim channels = whet_import_rank(x) >= 2 ? x->type.dims[1] : WHET_DIM_ERROR;
    if (groups < 1 || (whet_dim_is_const(channels) && channels % groups)) {
        whet_import_fail(n, WHET_E_SHAPE, "the channels do not make %lld groups",
                         (long long)groups);
        return;
    }
    // open channels that turn out to make no groups are an error of the operator at run time
    int64_t each = whet_dim_is_const(channels) ? channels / groups : 0;
    whet_value *count =
        each ? whet_import_i64(n, &each, 1)
             : whet_import_emit(n, "div", NULL, WHET_VALUES(whet_import_size(n, x, 1),
                                                            whet_import_i64(n, &groups, 1)));
    whet_import_own(n, NULL, WHET_VALUES(x, repeat(n, scale, groups, count),
                                         repeat(n, bias, groups, count)));
}
