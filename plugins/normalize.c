// SPDX-License-Identifier: Apache-2.0
// Normalize_TRT: L2 normalisation of [N, C, H, W]: y = weight x / sqrt(eps + sum of squares). The
// sum is over a whole sample when `acrossSpatial`, else over the channels of one position. One
// weight for all channels when `channelShared`, else one each. (ParseNet, arXiv 1506.04579)
#include "plugin_util.h"

static whet_status shapes(whet_plugin_node *n) {
    int32_t count = 0;
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    whet_plugin_floats(n, "weights", &count);
    if (whet_plugin_int(n, "channelShared") ? count != 1 : false)
        return whet_plugin_fail(n, WHET_E_INVALID, "channelShared needs one weight, not %d", count);
    if (!whet_plugin_int(n, "channelShared"))
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 1), count, "weights"));
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

// One sample: squares are summed over groups of `step` positions apart.
static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t channels = d[1], plane = d[2] * d[3];
    int32_t count;
    const float *weights = whet_plugin_floats(n, "weights", &count);
    bool shared = whet_plugin_int(n, "channelShared") != 0;
    bool across = whet_plugin_int(n, "acrossSpatial") != 0;
    double eps = whet_plugin_float(n, "eps");
    for (int64_t task = begin; task < end; task++) {
        const float *x = (const float *)whet_plugin_in(n, 0) + task * channels * plane;
        float *y = (float *)whet_plugin_out(n, 0) + task * channels * plane;
        double all = 0;
        for (int64_t i = 0; across && i < channels * plane; i++) all += (double)x[i] * x[i];
        for (int64_t p = 0; p < plane; p++) {
            double squares = all;
            for (int64_t c = 0; !across && c < channels; c++)
                squares += (double)x[c * plane + p] * x[c * plane + p];
            double factor = 1 / sqrt(squares + eps);
            for (int64_t c = 0; c < channels; c++)
                y[c * plane + p] = (float)(x[c * plane + p] * factor * weights[shared ? 0 : c]);
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_normalize;
const whet_plugin plugin_normalize = {
    WHET_PLUGIN_SIZES,
    .name = "Normalize_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "weights", .type = WHET_PLUGIN_FLOATS, .required = true},
                 {.name = "acrossSpatial", .type = WHET_PLUGIN_BOOL},
                 {.name = "channelShared", .type = WHET_PLUGIN_BOOL},
                 {.name = "nbWeights", .type = WHET_PLUGIN_INT, .def = 1, .min = 1, .max = 1.5},
                 {.name = "eps", .type = WHET_PLUGIN_FLOAT, .def = 1e-10}),
    PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "samples", .tasks = plugin_rows, .run = run}),
    .shapes = shapes,
};
