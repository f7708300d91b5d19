// SPDX-License-Identifier: Apache-2.0
// CropAndResize and CropAndResizeDynamic: feature maps [N, C, H, W], regions [N, R, 4, 1] of (y1,
// x1, y2, x2) in parts of the map, where 1 is its last row or column, to [N, R, C, crop_height,
// crop_width]: bilinear, evenly spaced from corner to corner (a single one in the middle), 0
// outside, as TensorFlow's crop_and_resize. MultilevelCropAndResize_TRT: regions [N, R, 4] in
// pixels, each read from one of five maps of the pyramid, whose strides are 4 to 64: the next one
// for each time that its area is above 112^2, 224^2, 448^2, 896^2; in the middle of each of
// pooled_size x pooled_size equal parts, the nearest pixel where that is outside of the map.
#include "plugin_sample.h"

static whet_status check_regions(whet_plugin_node *n, int32_t in, int32_t map) {
    int32_t rank = whet_plugin_in_rank(n, in);
    if (rank < 3) return plugin_check_rank(n, in, 3);
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, in, 2), 4, "numbers of a region"));
    for (int32_t k = 3; k < rank; k++)
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, in, k), 1, "last dimensions"));
    PLUGIN_TRY(plugin_check_rank(n, map, 4));
    return plugin_check_same(n, whet_plugin_in_dim(n, in, 0), whet_plugin_in_dim(n, map, 0),
                             "images");
}

static void set_shape(whet_plugin_node *n, int32_t regions, int32_t map, int64_t h, int64_t w) {
    whet_plugin_set_shape(
        n, 0, 5,
        (const whet_plugin_dim[]){
            whet_plugin_in_dim(n, regions, 0), whet_plugin_in_dim(n, regions, 1),
            whet_plugin_in_dim(n, map, 1), whet_plugin_dim_number(n, h),
            whet_plugin_dim_number(n, w)});
}

static whet_status crop_shapes(whet_plugin_node *n) {
    PLUGIN_TRY(check_regions(n, 1, 0));
    set_shape(n, 1, 0, whet_plugin_int(n, "crop_height"), whet_plugin_int(n, "crop_width"));
    return WHET_OK;
}

static double place(float low, float high, int64_t i, int64_t count, int64_t size) {
    double last = (double)(size - 1);
    if (count == 1) return 0.5 * ((double)low + (double)high) * last;
    return (double)low * last +
           (double)i * ((double)high - (double)low) * last / (double)(count - 1);
}

// A task is a region.
static whet_status crop_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0), *o = whet_plugin_out_dims(n, 0);
    int64_t plane = d[2] * d[3], part = o[3] * o[4];
    float *out = whet_plugin_out(n, 0);
    for (int64_t r = begin; out && r < end; r++) {
        const float *box = (const float *)whet_plugin_in(n, 1) + r * 4;
        const float *maps = (const float *)whet_plugin_in(n, 0) + r / o[1] * d[1] * plane;
        float *y = out + r * d[1] * part;
        for (int64_t k = 0; k < part; k++) {
            double at_y = place(box[0], box[2], k / o[4], o[3], d[2]);
            double at_x = place(box[1], box[3], k % o[4], o[4], d[3]);
            bool inside = at_y >= 0 && at_x >= 0 && at_y <= (double)(d[2] - 1) &&
                          at_x <= (double)(d[3] - 1);
            plugin_corners c = {{0}, {0}};
            if (inside) c = plugin_corners_of(d[2], d[3], at_y, at_x);
            for (int64_t channel = 0; channel < d[1]; channel++)
                y[channel * part + k] =
                    inside ? (float)plugin_bilinear(maps + channel * plane, &c) : 0;
        }
    }
    return WHET_OK;
}

#define SIDE(id) {.name = id, .type = WHET_PLUGIN_INT, .required = true, .min = 1, .max = 1 << 16}
#define CROP(id, op_type, number)                                                                  \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = op_type,                                                                           \
        .version = number,                                                                         \
        PLUGIN_ATTRS(SIDE("crop_width"), SIDE("crop_height")),                                     \
        PLUGIN_INPUTS({"feature_maps", WHET_PLUGIN_F32, 'T', 0},                                   \
                      {"rois", WHET_PLUGIN_F32, 'T', 0}),                                          \
        PLUGIN_OUTPUTS({"pfmap", 0, 'T', 0}),                                                      \
        PLUGIN_TACTICS({.name = "regions", .tasks = plugin_planes, .run = crop_run}),              \
        .shapes = crop_shapes,                                                                     \
    }
CROP(crop_and_resize, "CropAndResize", "1");
CROP(crop_and_resize_dynamic_1, "CropAndResizeDynamic", "1");
CROP(crop_and_resize_dynamic_2, "CropAndResizeDynamic", "2");

// ---- MultilevelCropAndResize_TRT ----

#define MAPS 5

static whet_status levels_shapes(whet_plugin_node *n) {
    int64_t side = whet_plugin_int(n, "pooled_size");
    int32_t count;
    whet_plugin_ints(n, "image_size", &count);
    if (count != 3)
        return whet_plugin_fail(n, WHET_E_INVALID,
                                "'image_size' must be channels, height and width");
    for (int32_t i = 1; i <= MAPS; i++) {
        PLUGIN_TRY(check_regions(n, 0, i));
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 1), whet_plugin_in_dim(n, 1, 1),
                                     "channels of the maps"));
    }
    set_shape(n, 0, 1, side, side);
    return WHET_OK;
}

static int32_t level_of(const float *box) {
    double area = ((double)box[2] - (double)box[0]) * ((double)box[3] - (double)box[1]);
    int32_t level = 0;
    for (double most = 112.0 * 112; level < MAPS - 1 && area > most; most *= 4) level++;
    return level;
}

static double middle_of(float low, float high, int64_t i, int64_t count, double stride,
                        int64_t size) {
    double step = ((double)high - (double)low) / stride / (double)count;
    double at = (double)low / stride + step * ((double)i + 0.5), last = (double)(size - 1);
    return at < last ? (at > 0 ? at : 0) : last;
}

static bool whole_box(whet_plugin_node *n, const float *box) {
    int32_t count;
    const int64_t *size = whet_plugin_ints(n, "image_size", &count);
    return box[0] >= 0 && box[1] >= 0 && box[2] <= (float)size[1] && box[3] <= (float)size[2] &&
           box[0] < box[2] && box[1] < box[3];
}

// Regions that are empty or leave the image give 0.
static whet_status levels_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *o = whet_plugin_out_dims(n, 0);
    int64_t part = o[3] * o[4], channels = o[2];
    float *out = whet_plugin_out(n, 0);
    for (int64_t r = begin; out && r < end; r++) {
        const float *box = (const float *)whet_plugin_in(n, 0) + r * 4;
        int32_t level = level_of(box);
        const int64_t *d = whet_plugin_in_dims(n, 1 + level);
        float *y = out + r * channels * part;
        memset(y, 0, (size_t)(channels * part) * sizeof *y);
        if (!whole_box(n, box) || d[2] < 1 || d[3] < 1) continue;
        const float *maps = (const float *)whet_plugin_in(n, 1 + level) +
                            r / o[1] * channels * d[2] * d[3];
        for (int64_t k = 0; k < part; k++) {
            double stride = (double)(4 << level);
            double at_y = middle_of(box[0], box[2], k / o[4], o[3], stride, d[2]);
            double at_x = middle_of(box[1], box[3], k % o[4], o[4], stride, d[3]);
            plugin_corners c = plugin_corners_of(d[2], d[3], at_y, at_x);
            for (int64_t channel = 0; channel < channels; channel++)
                y[channel * part + k] =
                    (float)plugin_bilinear(maps + channel * d[2] * d[3], &c);
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_multilevel_crop_and_resize;
const whet_plugin plugin_multilevel_crop_and_resize = {
    WHET_PLUGIN_SIZES,
    .name = "MultilevelCropAndResize_TRT",
    .version = "1",
    PLUGIN_ATTRS(SIDE("pooled_size"),
                 {.name = "image_size", .type = WHET_PLUGIN_INTS,
                  .def_list = (const double[]){3, 832, 1344}, .n_def = 3}),
    PLUGIN_INPUTS({"roi", WHET_PLUGIN_F32, 'T', 0}, {"p2", WHET_PLUGIN_F32, 'T', 0},
                  {"p3", WHET_PLUGIN_F32, 'T', 0}, {"p4", WHET_PLUGIN_F32, 'T', 0},
                  {"p5", WHET_PLUGIN_F32, 'T', 0}, {"p6", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "regions", .tasks = plugin_planes, .run = levels_run}),
    .shapes = levels_shapes,
};
