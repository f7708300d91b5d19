// SPDX-License-Identifier: Apache-2.0
// ROIAlign_TRT, ONNX's RoiAlign: X [N, C, H, W], rois [R, 4] of (x1, y1, x2, y2), batch_indices [R]
// to [R, C, output_height, output_width]. Each part of a region is the mean (mode 1) of samples
// between pixels, or the largest weighted pixel around any of them (mode 0).
#include "plugin_sample.h"

static whet_status shapes(whet_plugin_node *n) {
    if (!(whet_plugin_float(n, "spatial_scale") > 0))
        return whet_plugin_fail(n, WHET_E_RANGE, "spatial_scale is not above 0");
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    PLUGIN_TRY(plugin_check_rank(n, 1, 2));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 1, 1), 4, "numbers of a region"));
    PLUGIN_TRY(plugin_check_vector(n, 2, whet_plugin_in_dim(n, 1, 0)));
    whet_plugin_set_shape(
        n, 0, 4,
        (const whet_plugin_dim[]){
            whet_plugin_in_dim(n, 1, 0), whet_plugin_in_dim(n, 0, 1),
            whet_plugin_dim_number(n, whet_plugin_int(n, "output_height")),
            whet_plugin_dim_number(n, whet_plugin_int(n, "output_width"))});
    return WHET_OK;
}

// One axis of a region.
typedef struct span {
    double start, step; // of the parts
    int64_t grid, size; // samples of a part; pixels of the map
} span;

static whet_status span_of(whet_plugin_node *n, float low, float high, int64_t parts, int64_t size,
                           span *s) {
    bool half = whet_plugin_int(n, "coordinate_transformation_mode") == 1;
    double scale = whet_plugin_float(n, "spatial_scale");
    double length = ((double)high - (double)low) * scale;
    int64_t grid = whet_plugin_int(n, "sampling_ratio");
    if (!half && !(length >= 1)) length = 1;
    s->start = (double)low * scale - (half ? 0.5 : 0);
    s->step = length / (double)parts;
    s->size = size;
    if (!(fabs(s->start) < 1e12 && fabs(s->step) < 1e4))
        return whet_plugin_fail(n, WHET_E_LIMIT, "a region from %g to %g is too large", (double)low,
                                (double)high);
    s->grid = grid > 0 ? grid : s->step > 0 ? (int64_t)ceil(s->step) : 0;
    return WHET_OK;
}

// Where sample i of a part is; false outside of the map, whose border is one pixel wide.
static bool sample(const span *s, int64_t part, int64_t i, double *at) {
    *at = s->start + s->step * ((double)part + ((double)i + 0.5) / (double)s->grid);
    if (!(*at >= -1 && *at <= (double)s->size)) return false;
    if (*at < 0) *at = 0;
    if (*at > (double)(s->size - 1)) *at = (double)(s->size - 1);
    return true;
}

static double pool(const float *plane, const span *v, const span *h, int64_t part_y,
                   int64_t part_x, bool mean) {
    double result = 0, y, x;
    bool first = true;
    for (int64_t i = 0; i < v->grid; i++)
        for (int64_t k = 0; k < h->grid; k++) {
            double value = 0;
            if (sample(v, part_y, i, &y) && sample(h, part_x, k, &x)) {
                plugin_corners c = plugin_corners_of(v->size, h->size, y, x);
                value = mean ? plugin_bilinear(plane, &c) : c.weight[0] * (double)plane[c.at[0]];
                for (int32_t m = 1; m < 4 && !mean; m++)
                    value = fmax(value, c.weight[m] * (double)plane[c.at[m]]);
            }
            result = mean ? result + value : first ? value : fmax(result, value);
            first = false;
        }
    int64_t count = v->grid * h->grid;
    return mean && count > 0 ? result / (double)count : result;
}

// A task is a region.
static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0), *o = whet_plugin_out_dims(n, 0);
    bool mean = whet_plugin_int(n, "mode") == 1;
    for (int64_t r = begin; r < end; r++) {
        const float *box = (const float *)whet_plugin_in(n, 1) + r * 4;
        float *y = (float *)whet_plugin_out(n, 0) + r * o[1] * o[2] * o[3];
        int64_t image = plugin_index(n, 2, r);
        span v, h;
        if (image < 0 || image >= d[0] || d[2] < 1 || d[3] < 1)
            return whet_plugin_fail(n, WHET_E_RANGE, "region %lld is of image %lld of %lld",
                                    (long long)r, (long long)image, (long long)d[0]);
        PLUGIN_TRY(span_of(n, box[1], box[3], o[2], d[2], &v));
        PLUGIN_TRY(span_of(n, box[0], box[2], o[3], d[3], &h));
        for (int64_t c = 0; c < o[1]; c++) {
            const float *plane =
                (const float *)whet_plugin_in(n, 0) + (image * d[1] + c) * d[2] * d[3];
            for (int64_t i = 0; i < o[2] * o[3]; i++)
                *y++ = (float)pool(plane, &v, &h, i / o[3], i % o[3], mean);
        }
    }
    return WHET_OK;
}

#define ROI_ALIGN(id, number)                                                                      \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "ROIAlign_TRT",                                                                    \
        .version = number,                                                                         \
        PLUGIN_ATTRS({.name = "coordinate_transformation_mode", .type = WHET_PLUGIN_INT,           \
                      .def = 1, .max = 1},                                                         \
                     {.name = "mode", .type = WHET_PLUGIN_INT, .def = 1, .max = 1},                \
                     {.name = "output_height", .type = WHET_PLUGIN_INT, .def = 1, .min = 1,        \
                      .max = 1 << 16},                                                             \
                     {.name = "output_width", .type = WHET_PLUGIN_INT, .def = 1, .min = 1,         \
                      .max = 1 << 16},                                                             \
                     {.name = "sampling_ratio", .type = WHET_PLUGIN_INT, .max = 1 << 12},          \
                     {.name = "spatial_scale", .type = WHET_PLUGIN_FLOAT, .def = 1}),              \
        PLUGIN_INPUTS({"X", WHET_PLUGIN_F32, 'T', 0}, {"rois", WHET_PLUGIN_F32, 'T', 0},           \
                      {"batch_indices", WHET_PLUGIN_INDEX_TYPES, 0, 0}),                           \
        PLUGIN_OUTPUTS({"Y", 0, 'T', 0}),                                                          \
        PLUGIN_TACTICS({.name = "regions", .tasks = plugin_rows, .run = run}),                     \
        .shapes = shapes,                                                                          \
    }
ROI_ALIGN(roi_align_1, "1");
ROI_ALIGN(roi_align_2, "2");
