// SPDX-License-Identifier: Apache-2.0
// MultiscaleDeformableAttnPlugin_TRT (arXiv 2010.04159): value [N, S, M, D] holds L feature maps
// one behind the other (sizes [L, 2] as height and width, starts [L]); each of Lq queries samples P
// points of every map, bilinear, zero outside: y[n, q, m D + d] = sum over l, p of
// weight[n, q, m, l, p] map_l(location[n, q, m, l, p]) with locations (x, y) in [0, 1] of the map.
#include "plugin_util.h"

static whet_status shapes(whet_plugin_node *n) {
    static const int32_t ranks[5] = {4, 2, 1, 6, 5};
    for (int32_t i = 0; i < 5; i++) PLUGIN_TRY(plugin_check_rank(n, i, ranks[i]));
    // axes of the locations that others share: input, its axis, axis of the locations
    static const int32_t same[][3] = {{0, 0, 0}, {0, 2, 2}, {1, 0, 3}, {2, 0, 3},
                                      {4, 0, 0}, {4, 1, 1}, {4, 2, 2}, {4, 3, 3}, {4, 4, 4}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, same[i][0], same[i][1]),
                                     whet_plugin_in_dim(n, 3, same[i][2]),
                                     "dimensions of the locations"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 1, 1), 2, "height and width"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 3, 5), 2, "x and y"));
    whet_plugin_dim dims[4] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 3, 1),
                               whet_plugin_in_dim(n, 0, 2), whet_plugin_in_dim(n, 0, 3)};
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

// The L maps lie inside of the S positions.
static whet_status check_maps(whet_plugin_node *n) {
    int64_t positions = whet_plugin_in_dims(n, 0)[1];
    for (int64_t l = 0; l < whet_plugin_in_dims(n, 2)[0]; l++) {
        int64_t h = plugin_index(n, 1, 2 * l), w = plugin_index(n, 1, 2 * l + 1);
        int64_t start = plugin_index(n, 2, l);
        if (h < 0 || w < 0 || start < 0 || start > positions || h > positions || w > positions ||
            h * w > positions - start)
            return whet_plugin_fail(n, WHET_E_RANGE,
                                    "map %lld of %lld x %lld from %lld leaves %lld positions",
                                    (long long)l, (long long)h, (long long)w, (long long)start,
                                    (long long)positions);
    }
    return WHET_OK;
}

// Adds weight times the map's value at (x, y); `step` floats between positions.
static void sample(float *out, const float *map, int64_t h, int64_t w, int64_t step, int64_t size,
                   double x, double y, double weight) {
    if (!(x > -1 && y > -1 && x < (double)w && y < (double)h)) return;
    int64_t left = (int64_t)floor(x), top = (int64_t)floor(y);
    for (int64_t corner = 0; corner < 4; corner++) {
        int64_t row = top + corner / 2, column = left + corner % 2;
        if (row < 0 || column < 0 || row >= h || column >= w) continue;
        double share = (corner / 2 ? y - (double)top : 1 - (y - (double)top)) *
                       (corner % 2 ? x - (double)left : 1 - (x - (double)left)) * weight;
        const float *at = map + (row * w + column) * step;
        for (int64_t d = 0; d < size; d++) out[d] += (float)(share * at[d]);
    }
}

// A task is one query of one sample.
static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    PLUGIN_TRY(check_maps(n));
    const int64_t *d = whet_plugin_in_dims(n, 3);
    int64_t heads = d[2], levels = d[3], points = d[4], size = whet_plugin_in_dims(n, 0)[3];
    int64_t positions = whet_plugin_in_dims(n, 0)[1];
    const float *value = whet_plugin_in(n, 0), *places = whet_plugin_in(n, 3);
    const float *weights = whet_plugin_in(n, 4);
    for (int64_t task = begin; task < end; task++)
        for (int64_t m = 0; m < heads; m++) {
            float *out = (float *)whet_plugin_out(n, 0) + (task * heads + m) * size;
            const float *maps = value + (task / d[1] * positions * heads + m) * size;
            for (int64_t i = 0; i < size; i++) out[i] = 0;
            for (int64_t k = 0; k < levels * points; k++) {
                int64_t l = k / points, at = (task * heads + m) * levels * points + k;
                int64_t h = plugin_index(n, 1, 2 * l), w = plugin_index(n, 1, 2 * l + 1);
                sample(out, maps + plugin_index(n, 2, l) * heads * size, h, w, heads * size, size,
                       (double)places[2 * at] * (double)w - 0.5,
                       (double)places[2 * at + 1] * (double)h - 0.5, weights[at]);
            }
        }
    return WHET_OK;
}

#define DEFORMABLE(number)                                                                         \
    extern const whet_plugin plugin_deformable_attention_##number;                                 \
    const whet_plugin plugin_deformable_attention_##number = {                                     \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "MultiscaleDeformableAttnPlugin_TRT",                                              \
        .version = #number,                                                                        \
        PLUGIN_INPUTS({"value", WHET_PLUGIN_F32, 'T', 0},                                          \
                      {"spatial_shapes", WHET_PLUGIN_INDEX_TYPES, 0, 0},                           \
                      {"level_start_index", WHET_PLUGIN_INDEX_TYPES, 0, 0},                        \
                      {"sampling_locations", WHET_PLUGIN_F32, 'T', 0},                             \
                      {"attention_weights", WHET_PLUGIN_F32, 'T', 0}),                             \
        PLUGIN_OUTPUTS({"output", 0, 'T', 0}),                                                     \
        PLUGIN_TACTICS({.name = "queries", .tasks = plugin_planes, .run = run}),                   \
        .shapes = shapes,                                                                          \
    }
DEFORMABLE(1);
DEFORMABLE(2);
