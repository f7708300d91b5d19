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

// [groups] to [channels]: every element channels / groups times.
static whet_value *repeat(whet_import_node *n, whet_value *v, int64_t groups, int64_t channels) {
    int64_t one = 1, wide[2] = {groups, channels / groups};
    v = whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(v, whet_import_i64(n, &one, 1)));
    v = whet_import_emit(n, "expand", NULL, WHET_VALUES(v, whet_import_i64(n, wide, 2)));
    return whet_import_emit(n, "reshape", NULL, WHET_VALUES(v, whet_import_i64(n, &channels, 1)));
}

void whet_import_group_norm_18(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    whet_value *scale = whet_import_in(n, 1), *bias = whet_import_in(n, 2);
    int64_t groups = whet_import_int(n, "num_groups", 0);
    if (whet_import_rank(x) < 2 || !whet_dim_is_const(x->type.dims[1])) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the number of channels must be known");
        return;
    }
    int64_t channels = x->type.dims[1];
    if (groups < 1 || channels % groups)
        whet_import_fail(n, WHET_E_SHAPE, "%lld channels do not make %lld groups",
                         (long long)channels, (long long)groups);
    else if (!scale || !bias)
        whet_import_fail(n, WHET_E_MODEL, "scale and bias are required");
    else
        whet_import_own(n, NULL, WHET_VALUES(x, repeat(n, scale, groups, channels),
                                             repeat(n, bias, groups, channels)));
}
