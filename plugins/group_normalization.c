// SPDX-License-Identifier: Apache-2.0
// GroupNormalizationPlugin: channels in `num_groups` groups of neighbours;
// y = scale (x - mean) / sqrt(variance + eps) + bias with mean and variance of a sample's group and
// scale and bias of a channel. The attribute is called `eps` or `epsilon`.
#include "plugin_util.h"

static whet_status shapes(whet_plugin_node *n) {
    int64_t groups = whet_plugin_int(n, "num_groups"), channels;
    if (whet_plugin_in_rank(n, 0) < 3)
        return whet_plugin_fail(n, WHET_E_SHAPE, "the input needs samples, channels and positions");
    if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, 1), &channels) && channels % groups)
        return whet_plugin_fail(n, WHET_E_SHAPE, "%lld channels do not make %lld groups",
                                (long long)channels, (long long)groups);
    PLUGIN_TRY(plugin_check_vector(n, 1, whet_plugin_in_dim(n, 0, 1)));
    PLUGIN_TRY(plugin_check_vector(n, 2, whet_plugin_in_dim(n, 0, 1)));
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static int64_t tasks(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_in_dims(n, 0)[0] * whet_plugin_int(n, "num_groups");
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *scale = whet_plugin_in(n, 1), *bias = whet_plugin_in(n, 2);
    int64_t groups = whet_plugin_int(n, "num_groups"), size = plugin_part(n, tasks(n, 0));
    int64_t members = whet_plugin_in_dims(n, 0)[1] / groups;
    double epsilon = whet_plugin_float(n, "epsilon");
    if (whet_plugin_float(n, "eps") >= 0) epsilon = whet_plugin_float(n, "eps");
    for (int64_t task = begin; size > 0 && task < end; task++) {
        const float *x = (const float *)whet_plugin_in(n, 0) + task * size;
        float *y = (float *)whet_plugin_out(n, 0) + task * size;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < size; i++) sum += x[i];
        double mean = sum / (double)size;
        for (int64_t i = 0; i < size; i++) squares += (x[i] - mean) * (x[i] - mean);
        double factor = 1 / sqrt(squares / (double)size + epsilon);
        for (int64_t i = 0; i < size; i++) {
            int64_t channel = task % groups * members + i / (size / members);
            y[i] = (float)((x[i] - mean) * factor * scale[channel] + bias[channel]);
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_group_normalization;
const whet_plugin plugin_group_normalization = {
    WHET_PLUGIN_SIZES,
    .name = "GroupNormalizationPlugin",
    .version = "1",
    PLUGIN_ATTRS({.name = "epsilon", .type = WHET_PLUGIN_FLOAT, .def = 1e-5},
                 {.name = "eps", .type = WHET_PLUGIN_FLOAT, .def = -1},
                 {.name = "num_groups", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 24}),
    PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}, {"scale", WHET_PLUGIN_F32, 'T', 0},
                  {"bias", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "groups", .tasks = tasks, .run = run}),
    .shapes = shapes,
};
