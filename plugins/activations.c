// SPDX-License-Identifier: Apache-2.0
// Elementwise plugins of any shape: LReLU_TRT (x below zero times negSlope), Clip_TRT (into
// [clipMin, clipMax]) and CustomGeluPluginDynamic, 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715
// x^3))) of x plus an optional bias along the last dimension that is not 1.
#include "plugin_util.h"

#define PART 4096 // elements of a task

static int64_t parts(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return (whet_plugin_out_count(n, 0) + PART - 1) / PART;
}

static int64_t last(whet_plugin_node *n, int64_t end) {
    int64_t count = whet_plugin_out_count(n, 0);
    return end * PART < count ? end * PART : count;
}

static whet_status leaky(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0), slope = (float)whet_plugin_float(n, "negSlope");
    for (int64_t i = begin * PART, to = last(n, end); i < to; i++)
        y[i] = x[i] < 0 ? x[i] * slope : x[i];
    return WHET_OK;
}

static whet_status clip_shapes(whet_plugin_node *n) {
    if (whet_plugin_float(n, "clipMin") > whet_plugin_float(n, "clipMax"))
        return whet_plugin_fail(n, WHET_E_INVALID, "clipMin is above clipMax");
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static whet_status clip(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    float low = (float)whet_plugin_float(n, "clipMin");
    float high = (float)whet_plugin_float(n, "clipMax");
    float *y = whet_plugin_out(n, 0);
    for (int64_t i = begin * PART, to = last(n, end); i < to; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
    return WHET_OK;
}

// [S, B, E] or [S, B, E, 1, 1]: the bias is along E.
static whet_status gelu_shapes(whet_plugin_node *n) {
    const whet_tensor *bias;
    int32_t rank = whet_plugin_in_rank(n, 0);
    if (rank < 1) return whet_plugin_fail(n, WHET_E_SHAPE, "the input is a scalar");
    PLUGIN_TRY(plugin_weights(n, "bias", -1, &bias));
    if (bias)
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, rank == 5 ? 2 : rank - 1),
                                       plugin_weights_count(bias), "elements of 'bias'"));
    for (int32_t k = 3; rank == 5 && k < 5; k++)
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, k), 1, "trailing dimension"));
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static whet_status gelu(whet_plugin_node *n, int64_t begin, int64_t end) {
    const whet_tensor *bias = whet_plugin_tensor(n, "bias");
    const float *x = whet_plugin_in(n, 0), *b = bias ? bias->data : NULL;
    int64_t width = plugin_weights_count(bias);
    float *y = whet_plugin_out(n, 0);
    for (int64_t i = begin * PART, to = last(n, end); i < to; i++) {
        double v = x[i] + (width ? b[i % width] : 0.0);
        y[i] = (float)(0.5 * v * (1 + tanh(0.79788456080286536 * (v + 0.044715 * v * v * v))));
    }
    return WHET_OK;
}

#define ELEMENTWISE(id, type, ...)                                                                 \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES, .name = type, .version = "1",                                           \
        PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}), PLUGIN_OUTPUTS({"y", 0, 'T', 0}),           \
        __VA_ARGS__}

ELEMENTWISE(leaky_relu, "LReLU_TRT",
            PLUGIN_ATTRS({.name = "negSlope", .type = WHET_PLUGIN_FLOAT, .def = 0.01}),
            PLUGIN_TACTICS({.name = "parts", .tasks = parts, .run = leaky}));
ELEMENTWISE(clip, "Clip_TRT",
            PLUGIN_ATTRS({.name = "clipMin", .type = WHET_PLUGIN_FLOAT, .required = true},
                         {.name = "clipMax", .type = WHET_PLUGIN_FLOAT, .required = true}),
            PLUGIN_TACTICS({.name = "parts", .tasks = parts, .run = clip}), .shapes = clip_shapes);
ELEMENTWISE(gelu, "CustomGeluPluginDynamic",
            PLUGIN_ATTRS(PLUGIN_TYPE_ID, {.name = "bias", .type = WHET_PLUGIN_TENSOR}),
            PLUGIN_TACTICS({.name = "parts", .tasks = parts, .run = gelu}), .shapes = gelu_shapes);
