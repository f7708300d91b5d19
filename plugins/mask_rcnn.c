// SPDX-License-Identifier: Apache-2.0
// Plugins of Mask R-CNN (arXiv 1703.06870); boxes (y1, x1, y2, x2) are parts of the image, 0 to 1.
#include "plugin_util.h"

// ---- DetectionLayer_TRT ----
// Each region becomes its best class's box: centre moved by 0.1 (dy, dx) of its size, height and
// width times exp(0.2 (dh, dw)), cut to the image. Regions of the background (class 0) or below
// score_threshold are dropped, then those that overlap a better one of their class by more than
// iou_threshold; the best keep_topk stay as (y1, x1, y2, x2, class, score), zeros follow.

static whet_status detection_shapes(whet_plugin_node *n) {
    int64_t classes = whet_plugin_int(n, "num_classes");
    for (int32_t i = 0; i < 2; i++) {
        int32_t rank = whet_plugin_in_rank(n, i);
        if (rank < 3) return plugin_check_rank(n, i, 3);
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 2), i ? classes : 4 * classes,
                                       "predictions of a region"));
        for (int32_t k = 3; k < rank; k++)
            PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, k), 1, "last dimensions"));
        for (int32_t k = 0; k < 2; k++)
            PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, k),
                                         whet_plugin_in_dim(n, 2, k), "samples and regions"));
    }
    PLUGIN_TRY(plugin_check_rank(n, 2, 3));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 2, 2), 4, "numbers of a region"));
    whet_plugin_dim dims[3] = {whet_plugin_in_dim(n, 2, 0),
                               whet_plugin_dim_number(n, whet_plugin_int(n, "keep_topk")),
                               whet_plugin_dim_number(n, 6)};
    whet_plugin_set_shape(n, 0, 3, dims);
    return WHET_OK;
}

typedef struct detection {
    double box[4], score;
    int64_t class, region;
    bool dropped;
} detection;

static size_t detection_scratch(whet_plugin_node *n) {
    return (size_t)whet_plugin_in_dims(n, 2)[1] * sizeof(detection);
}

static int by_score(const void *a, const void *b) {
    const detection *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->region < y->region ? -1 : x->region > y->region;
}

static double within(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

static void refine(const float *roi, const float *delta, double out[4]) {
    for (int k = 0; k < 2; k++) {
        double size = (double)roi[2 + k] - roi[k];
        double middle = roi[k] + 0.5 * size + 0.1 * delta[k] * size;
        size *= exp(0.2 * delta[2 + k]);
        out[k] = within(middle - 0.5 * size);
        out[2 + k] = within(middle + 0.5 * size);
    }
}

static double area(const double b[4]) { return (b[2] - b[0]) * (b[3] - b[1]); }

static double overlap(const double a[4], const double b[4]) {
    double both = 1;
    for (int k = 0; k < 2; k++) {
        double low = a[k] > b[k] ? a[k] : b[k], high = a[2 + k] < b[2 + k] ? a[2 + k] : b[2 + k];
        both *= high > low ? high - low : 0;
    }
    double either = area(a) + area(b) - both;
    return either > 0 ? both / either : 0;
}

// Candidates of sample b, best first.
static int64_t candidates(whet_plugin_node *n, int64_t b, detection *d) {
    int64_t regions = whet_plugin_in_dims(n, 2)[1], classes = whet_plugin_int(n, "num_classes");
    double least = whet_plugin_float(n, "score_threshold");
    int64_t count = 0;
    for (int64_t r = b * regions; r < (b + 1) * regions; r++) {
        const float *scores = (const float *)whet_plugin_in(n, 1) + r * classes;
        int64_t best = 0;
        for (int64_t c = 1; c < classes; c++)
            if (scores[c] > scores[best]) best = c;
        if (best == 0 || !(scores[best] >= least)) continue;
        d[count] = (detection){.score = scores[best], .class = best, .region = r};
        refine((const float *)whet_plugin_in(n, 2) + r * 4,
               (const float *)whet_plugin_in(n, 0) + (r * classes + best) * 4, d[count].box);
        count++;
    }
    if (count) qsort(d, (size_t)count, sizeof *d, by_score);
    return count;
}

static whet_status detection_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t keep = whet_plugin_int(n, "keep_topk");
    double most = whet_plugin_float(n, "iou_threshold");
    for (int64_t b = begin; b < end; b++) {
        detection *d = whet_plugin_scratch(n);
        float *y = (float *)whet_plugin_out(n, 0) + b * keep * 6;
        int64_t count = candidates(n, b, d), used = 0;
        memset(y, 0, (size_t)keep * 6 * sizeof *y);
        for (int64_t i = 0; i < count && used < keep; i++) {
            if (d[i].dropped) continue;
            for (int64_t j = i + 1; j < count; j++)
                if (d[j].class == d[i].class && overlap(d[i].box, d[j].box) > most)
                    d[j].dropped = true;
            for (int k = 0; k < 4; k++) y[k] = (float)d[i].box[k];
            y[4] = (float)d[i].class, y[5] = (float)d[i].score;
            y += 6, used++;
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_detection_layer;
const whet_plugin plugin_detection_layer = {
    WHET_PLUGIN_SIZES,
    .name = "DetectionLayer_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "num_classes", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 24},
                 {.name = "keep_topk", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 24},
                 {.name = "score_threshold", .type = WHET_PLUGIN_FLOAT, .required = true},
                 {.name = "iou_threshold", .type = WHET_PLUGIN_FLOAT, .required = true}),
    PLUGIN_INPUTS({"delta_bbox", WHET_PLUGIN_F32, 'T', 0}, {"score", WHET_PLUGIN_F32, 'T', 0},
                  {"roi", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"detections", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "samples", .tasks = plugin_rows, .scratch = detection_scratch,
                    .run = detection_run}),
    .shapes = detection_shapes,
};

// ---- PyramidROIAlign_TRT ----
// Region of size h x w (parts of the image) is read from map 4 + round(log2(sqrt(h w) sqrt(image
// area) / fpn_scale)) of the pyramid, whose first is map 2 (arXiv 1612.03144): pooled_size x
// pooled_size values, bilinear, evenly spaced from corner to corner of the region, where 1 is the
// last row or column; zero outside of the map.

static whet_status pyramid_shapes(whet_plugin_node *n) {
    int32_t count;
    const int64_t *size = whet_plugin_ints(n, "image_size", &count);
    if (count != 3 || size[1] < 1 || size[2] < 1)
        return whet_plugin_fail(n, WHET_E_INVALID,
                                "'image_size' must be channels, height and width");
    if (whet_plugin_in_n(n) < 2)
        return whet_plugin_fail(n, WHET_E_MODEL, "there are no feature maps");
    PLUGIN_TRY(plugin_check_rank(n, 0, 3));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 2), 4, "numbers of a region"));
    for (int32_t i = 1; i < whet_plugin_in_n(n); i++) {
        PLUGIN_TRY(plugin_check_rank(n, i, 4));
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 0), whet_plugin_in_dim(n, 0, 0),
                                     "samples"));
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 1), whet_plugin_in_dim(n, 1, 1),
                                     "channels of the maps"));
    }
    whet_plugin_dim pooled = whet_plugin_dim_number(n, whet_plugin_int(n, "pooled_size"));
    whet_plugin_dim dims[5] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 0, 1),
                               whet_plugin_in_dim(n, 1, 1), pooled, pooled};
    whet_plugin_set_shape(n, 0, 5, dims);
    return WHET_OK;
}

static int32_t map_of(whet_plugin_node *n, const float *roi) {
    int32_t count, maps = whet_plugin_in_n(n) - 1;
    const int64_t *size = whet_plugin_ints(n, "image_size", &count);
    double h = (double)roi[2] - roi[0], w = (double)roi[3] - roi[1];
    double level = rint(log2(sqrt(h * w * (double)size[1] * (double)size[2]) /
                             whet_plugin_float(n, "fpn_scale"))) + 2;
    if (!(level > 0)) return 1; // empty regions too
    return level >= maps ? maps : 1 + (int32_t)level;
}

// Where sample i of `count` lies between a and b of `size` pixels.
static double position(double a, double b, int64_t i, int64_t count, int64_t size) {
    double last = (double)(size - 1);
    if (count == 1) return 0.5 * (a + b) * last;
    return a * last + (double)i * (b - a) * last / (double)(count - 1);
}

static double value_at(const float *plane, int64_t h, int64_t w, double y, double x) {
    if (!(y >= 0 && x >= 0 && y <= (double)(h - 1) && x <= (double)(w - 1))) return 0;
    int64_t top = (int64_t)y, left = (int64_t)x;
    int64_t bottom = top + 1 < h ? top + 1 : top, right = left + 1 < w ? left + 1 : left;
    double down = y - (double)top, along = x - (double)left;
    double upper = plane[top * w + left] * (1 - along) + plane[top * w + right] * along;
    double lower = plane[bottom * w + left] * (1 - along) + plane[bottom * w + right] * along;
    return upper * (1 - down) + lower * down;
}

// A task is one region.
static whet_status pyramid_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t regions = whet_plugin_in_dims(n, 0)[1], channels = whet_plugin_in_dims(n, 1)[1];
    int64_t pooled = whet_plugin_int(n, "pooled_size");
    float *y = (float *)whet_plugin_out(n, 0) + begin * channels * pooled * pooled;
    for (int64_t r = begin; r < end; r++) {
        const float *roi = (const float *)whet_plugin_in(n, 0) + r * 4;
        int32_t map = map_of(n, roi);
        int64_t h = whet_plugin_in_dims(n, map)[2], w = whet_plugin_in_dims(n, map)[3];
        for (int64_t c = 0; c < channels; c++) {
            const float *plane =
                (const float *)whet_plugin_in(n, map) + (r / regions * channels + c) * h * w;
            for (int64_t i = 0; i < pooled; i++)
                for (int64_t j = 0; j < pooled; j++)
                    *y++ = (float)value_at(plane, h, w, position(roi[0], roi[2], i, pooled, h),
                                           position(roi[1], roi[3], j, pooled, w));
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_pyramid_roi_align;
const whet_plugin plugin_pyramid_roi_align = {
    WHET_PLUGIN_SIZES,
    .name = "PyramidROIAlign_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "pooled_size", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 12},
                 {.name = "fpn_scale", .type = WHET_PLUGIN_FLOAT, .def = 224, .min = 1, .max = 1e9},
                 {.name = "image_size", .type = WHET_PLUGIN_INTS,
                  .def_list = (const double[]){3, 1024, 1024}, .n_def = 3}),
    PLUGIN_INPUTS({"roi", WHET_PLUGIN_F32, 'T', 0},
                  {"feature_maps", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_VARIADIC}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "regions", .tasks = plugin_planes, .run = pyramid_run}),
    .shapes = pyramid_shapes,
};
