// SPDX-License-Identifier: Apache-2.0
// InstanceNormalization_TRT 1 to 3: y = scale (x - mean) / sqrt(variance + epsilon) + bias, where
// mean and variance are over the positions of one channel of one sample; then, when `relu` is set,
// a leaky ReLU of slope `alpha`. Scale and bias are inputs, or the attributes `scales` and `bias`.
#include "plugin_util.h"

static whet_status scale_of(whet_plugin_node *n, int32_t in, const char *attr) {
    if (whet_plugin_has(n, in)) return plugin_check_vector(n, in, whet_plugin_in_dim(n, 0, 1));
    int32_t count;
    if (!whet_plugin_floats(n, attr, &count))
        return whet_plugin_fail(n, WHET_E_INVALID,
                                "neither input %d nor the attribute '%s' is there", in, attr);
    return plugin_check_number(n, whet_plugin_in_dim(n, 0, 1), count, attr);
}

static whet_status shapes(whet_plugin_node *n) {
    if (whet_plugin_in_rank(n, 0) < 3)
        return whet_plugin_fail(n, WHET_E_SHAPE, "the input needs samples, channels and positions");
    PLUGIN_TRY(scale_of(n, 1, "scales"));
    PLUGIN_TRY(scale_of(n, 2, "bias"));
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static const float *values(whet_plugin_node *n, int32_t in, const char *attr) {
    int32_t count;
    return whet_plugin_has(n, in) ? whet_plugin_in(n, in) : whet_plugin_floats(n, attr, &count);
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *scale = values(n, 1, "scales"), *bias = values(n, 2, "bias");
    int64_t size = plugin_part(n, plugin_planes(n, 0)), channels = whet_plugin_in_dims(n, 0)[1];
    double epsilon = whet_plugin_float(n, "epsilon"), alpha = whet_plugin_float(n, "alpha");
    bool relu = whet_plugin_int(n, "relu") != 0;
    for (int64_t task = begin; size > 0 && task < end; task++) {
        const float *x = (const float *)whet_plugin_in(n, 0) + task * size;
        float *y = (float *)whet_plugin_out(n, 0) + task * size;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < size; i++) sum += x[i];
        double mean = sum / (double)size;
        for (int64_t i = 0; i < size; i++) squares += (x[i] - mean) * (x[i] - mean);
        double factor = scale[task % channels] / sqrt(squares / (double)size + epsilon);
        for (int64_t i = 0; i < size; i++) {
            double v = (x[i] - mean) * factor + bias[task % channels];
            y[i] = (float)(relu && v < 0 ? v * alpha : v);
        }
    }
    return WHET_OK;
}

#define INSTANCE_NORMALIZATION(number)                                                             \
    const whet_plugin plugin_instance_normalization_##number = {                                   \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "InstanceNormalization_TRT",                                                       \
        .version = #number,                                                                        \
        PLUGIN_ATTRS({.name = "epsilon", .type = WHET_PLUGIN_FLOAT, .def = 1e-5},                  \
                     {.name = "scales", .type = WHET_PLUGIN_FLOATS},                               \
                     {.name = "bias", .type = WHET_PLUGIN_FLOATS},                                 \
                     {.name = "relu", .type = WHET_PLUGIN_BOOL},                                   \
                     {.name = "alpha", .type = WHET_PLUGIN_FLOAT}),                                \
        PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0},                                              \
                      {"scale", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL},                   \
                      {"bias", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL}),                   \
        PLUGIN_OUTPUTS({"y", 0, 'T', 0}),                                                          \
        PLUGIN_TACTICS({.name = "planes", .tasks = plugin_planes, .run = run}),                    \
        .shapes = shapes,                                                                          \
    }
extern const whet_plugin plugin_instance_normalization_1, plugin_instance_normalization_2,
    plugin_instance_normalization_3;
INSTANCE_NORMALIZATION(1);
INSTANCE_NORMALIZATION(2);
INSTANCE_NORMALIZATION(3);
