// SPDX-License-Identifier: Apache-2.0
// Plugins of detection networks that only move numbers: SpecialSlice_TRT (the boxes [N, D, 4] of
// detections [N, D, 6]), BatchTilePlugin_TRT (the second input as often as the first has samples),
// FlattenConcat_TRT (inputs flattened and joined a sample, [N, C, 1, 1]) and Reorg_TRT (YOLOv2's
// reorganization of [N, C, H, W] to [N, C s s, H / s, W / s] as darknet computes it: the input is
// read as [C / s s, H s, W s], and element (k, j, i) of an output read as [C, H, W] comes from
// channel k mod C / s s, row j s + k' / s, column i s + k' mod s, where k' = k / (C / s s)).
#include "plugin_util.h"

// ---- SpecialSlice ----

static whet_status slice_shapes(whet_plugin_node *n) {
    PLUGIN_TRY(plugin_check_rank(n, 0, 3));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 2), 6, "numbers of a detection"));
    whet_plugin_dim dims[3] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 0, 1),
                               whet_plugin_dim_number(n, 4)};
    whet_plugin_set_shape(n, 0, 3, dims);
    return WHET_OK;
}

static whet_status slice_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0);
    for (int64_t i = begin; i < end; i++) memcpy(y + i * 4, x + i * 6, 4 * sizeof *y);
    return WHET_OK;
}

// ---- BatchTile ----

static whet_status tile_shapes(whet_plugin_node *n) {
    whet_plugin_dim dims[4] = {whet_plugin_in_dim(n, 0, 0)};
    for (int32_t i = 0; i < 2; i++) PLUGIN_TRY(plugin_check_rank(n, i, 4));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 1, 0), 1, "samples of input 1"));
    for (int32_t k = 1; k < 4; k++) dims[k] = whet_plugin_in_dim(n, 1, k);
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static whet_status tile_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    size_t bytes = (size_t)whet_plugin_in_count(n, 1) * sizeof(float);
    for (int64_t i = begin; bytes && i < end; i++)
        memcpy((char *)whet_plugin_out(n, 0) + (size_t)i * bytes, whet_plugin_in(n, 1), bytes);
    return WHET_OK;
}

// ---- FlattenConcat ----

static whet_status flatten_shapes(whet_plugin_node *n) {
    whet_plugin_dim one = whet_plugin_dim_number(n, 1), sum = whet_plugin_dim_number(n, 0);
    if (whet_plugin_int(n, "axis") != 1 || whet_plugin_int(n, "concatAxis") != 1 ||
        whet_plugin_int(n, "ignoreBatch"))
        return whet_plugin_fail(n, WHET_E_UNSUPPORTED,
                                "only axis 1 with ignoreBatch 0 is defined for this plugin");
    for (int32_t i = 0; i < whet_plugin_in_n(n); i++) {
        int32_t rank = whet_plugin_in_rank(n, i);
        if (rank < 2) return whet_plugin_fail(n, WHET_E_SHAPE, "input %d has no channels", i);
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 0), whet_plugin_in_dim(n, 0, 0),
                                     "samples"));
        whet_plugin_dim size = one;
        for (int32_t k = 1; k < rank; k++)
            size = whet_plugin_dim_mul(n, size, whet_plugin_in_dim(n, i, k));
        sum = whet_plugin_dim_add(n, sum, size);
    }
    whet_plugin_dim dims[4] = {whet_plugin_in_dim(n, 0, 0), sum, one, one};
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static whet_status flatten_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t samples = whet_plugin_out_dims(n, 0)[0], size = whet_plugin_out_dims(n, 0)[1];
    for (int64_t b = begin; b < end; b++) {
        float *y = (float *)whet_plugin_out(n, 0) + b * size;
        for (int32_t i = 0; i < whet_plugin_in_n(n); i++) {
            int64_t part = whet_plugin_in_count(n, i) / samples;
            if (part == 0) continue;
            memcpy(y, (const float *)whet_plugin_in(n, i) + b * part, (size_t)part * sizeof *y);
            y += part;
        }
    }
    return WHET_OK;
}

// ---- Reorg ----

static whet_status reorg_shapes(whet_plugin_node *n) {
    int64_t stride = whet_plugin_int(n, "stride"), size;
    whet_plugin_dim s = whet_plugin_dim_number(n, stride), dims[4];
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    for (int32_t k = 1; k < 4; k++)
        if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, k), &size) &&
            size % (k == 1 ? stride * stride : stride))
            return whet_plugin_fail(n, WHET_E_SHAPE, "dimension %d, %lld, is no multiple of %s", k,
                                    (long long)size, k == 1 ? "stride x stride" : "the stride");
    dims[0] = whet_plugin_in_dim(n, 0, 0);
    dims[1] = whet_plugin_dim_mul(n, whet_plugin_in_dim(n, 0, 1), whet_plugin_dim_mul(n, s, s));
    dims[2] = whet_plugin_dim_div(n, whet_plugin_in_dim(n, 0, 2), s);
    dims[3] = whet_plugin_dim_div(n, whet_plugin_in_dim(n, 0, 3), s);
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static whet_status reorg_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t s = whet_plugin_int(n, "stride"), channels = d[1], h = d[2], w = d[3];
    int64_t few = channels / (s * s);
    for (int64_t b = begin; b < end; b++) {
        const float *x = (const float *)whet_plugin_in(n, 0) + b * channels * h * w;
        float *y = (float *)whet_plugin_out(n, 0) + b * channels * h * w;
        for (int64_t k = 0; k < channels; k++)
            for (int64_t j = 0; j < h; j++)
                for (int64_t i = 0; i < w; i++) {
                    int64_t row = j * s + k / few / s, column = i * s + k / few % s;
                    *y++ = x[(k % few * h * s + row) * w * s + column];
                }
    }
    return WHET_OK;
}

// ---- the table ----

#define MOVER(id, type, number, ...)                                                               \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {WHET_PLUGIN_SIZES, .name = type, .version = number,           \
                                     PLUGIN_OUTPUTS({"y", 0, 'T', 0}), __VA_ARGS__}
#define X {"x", WHET_PLUGIN_F32, 'T', 0}
MOVER(special_slice, "SpecialSlice_TRT", "1", PLUGIN_INPUTS(X),
      PLUGIN_TACTICS({.name = "boxes", .tasks = plugin_planes, .run = slice_run}),
      .shapes = slice_shapes);
MOVER(batch_tile, "BatchTilePlugin_TRT", "1", PLUGIN_INPUTS(X, X),
      PLUGIN_TACTICS({.name = "samples", .tasks = plugin_rows, .run = tile_run}),
      .shapes = tile_shapes);
MOVER(flatten_concat, "FlattenConcat_TRT", "1",
      PLUGIN_ATTRS({.name = "axis", .type = WHET_PLUGIN_INT, .def = 1},
                   {.name = "concatAxis", .type = WHET_PLUGIN_INT, .def = 1},
                   {.name = "ignoreBatch", .type = WHET_PLUGIN_BOOL}),
      PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_VARIADIC}),
      PLUGIN_TACTICS({.name = "samples", .tasks = plugin_rows, .run = flatten_run}),
      .min_inputs = 1, .shapes = flatten_shapes);
#define REORG                                                                                      \
    PLUGIN_ATTRS({.name = "stride", .type = WHET_PLUGIN_INT, .required = true, .min = 1,           \
                  .max = 1 << 15}),                                                                \
        PLUGIN_INPUTS(X),                                                                          \
        PLUGIN_TACTICS({.name = "samples", .tasks = plugin_rows, .run = reorg_run}),               \
        .shapes = reorg_shapes
MOVER(reorg_1, "Reorg_TRT", "1", REORG);
MOVER(reorg_2, "Reorg_TRT", "2", REORG);
