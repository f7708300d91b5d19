// SPDX-License-Identifier: Apache-2.0
// CoordConvAC: [N, C, H, W] with two more channels, the row and the column of each position, evenly
// spaced from -1 to 1. (arXiv 1807.03247)
#include "plugin_util.h"

static whet_status shapes(whet_plugin_node *n) {
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    whet_plugin_dim dims[4];
    for (int32_t k = 0; k < 4; k++) dims[k] = whet_plugin_in_dim(n, 0, k);
    dims[1] = whet_plugin_dim_add(n, dims[1], whet_plugin_dim_number(n, 2));
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static float place(int64_t i, int64_t n) {
    return n > 1 ? (float)(-1 + 2.0 * (double)i / (double)(n - 1)) : -1.0f;
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t channels = d[1], height = d[2], width = d[3], plane = height * width;
    const float *x = whet_plugin_in(n, 0);
    for (int64_t task = begin; plane > 0 && task < end; task++) {
        float *y = (float *)whet_plugin_out(n, 0) + task * (channels + 2) * plane;
        if (channels > 0)
            memcpy(y, x + task * channels * plane, (size_t)(channels * plane) * sizeof *y);
        y += channels * plane;
        for (int64_t i = 0; i < plane; i++) {
            y[i] = place(i / width, height);
            y[plane + i] = place(i % width, width);
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_coord_conv_ac;
const whet_plugin plugin_coord_conv_ac = {
    WHET_PLUGIN_SIZES,
    .name = "CoordConvAC",
    .version = "1",
    PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "samples", .tasks = plugin_rows, .run = run}),
    .shapes = shapes,
};
