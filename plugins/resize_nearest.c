// SPDX-License-Identifier: Apache-2.0
// ResizeNearest_TRT: [N, C, H, W] to [N, C, floor(H scale), floor(W scale)]; the value at (y, x) is
// that at (floor(y / scale), floor(x / scale)).
#include "plugin_util.h"

// floor(d * scale): exact for whole scales, known only as a number for others
static whet_plugin_dim scaled(whet_plugin_node *n, whet_plugin_dim d, double scale) {
    int64_t value;
    if (scale == floor(scale) && scale < 1e6)
        return whet_plugin_dim_mul(n, d, whet_plugin_dim_number(n, (int64_t)scale));
    if (whet_plugin_dim_value(n, d, &value))
        return whet_plugin_dim_number(n, (int64_t)fmin(floor((double)value * scale), 0x1p40));
    return whet_plugin_dim_unknown(n);
}

static whet_status shapes(whet_plugin_node *n) {
    double scale = whet_plugin_float(n, "scale");
    if (!(scale > 0 && scale <= 1e6))
        return whet_plugin_fail(n, WHET_E_RANGE, "scale is %g, not above 0 and at most 1e6", scale);
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    whet_plugin_dim dims[4];
    for (int32_t k = 0; k < 4; k++) dims[k] = whet_plugin_in_dim(n, 0, k);
    for (int32_t k = 2; k < 4; k++) dims[k] = scaled(n, dims[k], scale);
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static int64_t source(int64_t i, double scale, int64_t n) {
    int64_t at = (int64_t)floor((double)i / scale);
    return at < n ? at : n - 1;
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *from = whet_plugin_in_dims(n, 0), *to = whet_plugin_out_dims(n, 0);
    double scale = whet_plugin_float(n, "scale");
    for (int64_t task = begin; task < end; task++) {
        const float *x = (const float *)whet_plugin_in(n, 0) + task * from[2] * from[3];
        float *y = (float *)whet_plugin_out(n, 0) + task * to[2] * to[3];
        for (int64_t i = 0; i < to[2]; i++)
            for (int64_t k = 0; k < to[3]; k++)
                y[i * to[3] + k] =
                    x[source(i, scale, from[2]) * from[3] + source(k, scale, from[3])];
    }
    return WHET_OK;
}

extern const whet_plugin plugin_resize_nearest;
const whet_plugin plugin_resize_nearest = {
    WHET_PLUGIN_SIZES,
    .name = "ResizeNearest_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "scale", .type = WHET_PLUGIN_FLOAT, .required = true}),
    PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "planes", .tasks = plugin_planes, .run = run}),
    .shapes = shapes,
};
