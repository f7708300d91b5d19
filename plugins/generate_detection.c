// SPDX-License-Identifier: Apache-2.0
// GenerateDetection_TRT: delta_bbox [N, R, 4 C, 1, 1] (dy, dx, dh, dw in units of 0.1, 0.1, 0.2,
// 0.2), score [N, R, C, 1, 1], roi [N, R, 4] in pixels, last ones included. Each region becomes the
// box of its best class; those of class 0, the background, or below score_threshold go, then those
// that overlap a better one of their class by more than iou_threshold. The keep_topk best are the
// result [N, keep_topk, 6]: (y1, x1, y2, x2, class, score), zeros follow.
#include "plugin_boxes.h"

static whet_status shapes(whet_plugin_node *n) {
    int64_t classes = whet_plugin_int(n, "num_classes");
    int32_t count;
    const int64_t *size = whet_plugin_ints(n, "image_size", &count);
    if (count != 3 || size[1] < 1 || size[2] < 1)
        return whet_plugin_fail(n, WHET_E_INVALID,
                                "'image_size' must be channels, height and width");
    for (int32_t i = 0; i < 3; i++) {
        int64_t numbers = i == 0 ? 4 * classes : i == 1 ? classes : 4;
        if (whet_plugin_in_rank(n, i) < 3) return plugin_check_rank(n, i, 3);
        for (int32_t k = 3; k < whet_plugin_in_rank(n, i); k++)
            PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, k), 1, "last dimensions"));
        for (int32_t k = 0; k < 2; k++)
            PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, k),
                                         whet_plugin_in_dim(n, 2, k), "images and regions"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 2), numbers,
                                       "numbers of a region"));
    }
    whet_plugin_dim keep = whet_plugin_dim_number(n, whet_plugin_int(n, "keep_topk"));
    whet_plugin_set_shape(n, 0, 3,
                          (const whet_plugin_dim[]){whet_plugin_in_dim(n, 2, 0), keep,
                                                    whet_plugin_dim_number(n, 6)});
    return WHET_OK;
}

static int64_t collect(whet_plugin_node *n, int64_t image, plugin_candidate *c) {
    int64_t regions = whet_plugin_in_dims(n, 2)[1], classes = whet_plugin_int(n, "num_classes");
    int32_t three;
    const int64_t *size = whet_plugin_ints(n, "image_size", &three);
    float least = (float)whet_plugin_float(n, "score_threshold");
    int64_t count = 0;
    for (int64_t r = image * regions; r < (image + 1) * regions; r++) {
        const float *scores = (const float *)whet_plugin_in(n, 1) + r * classes;
        const float *box = (const float *)whet_plugin_in(n, 2) + r * 4;
        int64_t best = 0;
        for (int64_t k = 1; k < classes; k++)
            if (scores[k] > scores[best]) best = k;
        if (best == 0 || !(scores[best] >= least)) continue;
        const float *v = (const float *)whet_plugin_in(n, 0) + (r * classes + best) * 4;
        c[count] = (plugin_candidate){.score = scores[best], .class = (int32_t)best, .index = r};
        for (int32_t k = 0; k < 2; k++)
            plugin_refine((double)box[k], (double)box[k + 2], (double)v[k] / 10,
                          (double)v[k + 2] / 5, (double)(size[k + 1] - 1), c[count].box + k);
        count++;
    }
    return count;
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t keep = whet_plugin_int(n, "keep_topk");
    plugin_suppress rule = {.iou = whet_plugin_float(n, "iou_threshold"), .most = keep};
    for (int64_t i = begin; i < end && whet_plugin_out(n, 0); i++) {
        float *y = (float *)whet_plugin_out(n, 0) + i * keep * 6;
        plugin_candidate *c;
        PLUGIN_TRY(plugin_candidates(n, whet_plugin_in_dims(n, 2)[1], &c));
        int64_t count = collect(n, i, c);
        plugin_sort(c, count);
        count = plugin_keep_best(c, count, &rule);
        memset(y, 0, (size_t)keep * 6 * sizeof *y);
        for (int64_t k = 0; k < count; k++, y += 6) {
            memcpy(y, c[k].box, sizeof c->box);
            y[4] = (float)c[k].class, y[5] = c[k].score;
        }
        free(c);
    }
    return WHET_OK;
}

extern const whet_plugin plugin_generate_detection;
const whet_plugin plugin_generate_detection = {
    WHET_PLUGIN_SIZES,
    .name = "GenerateDetection_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "num_classes", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 20},
                 {.name = "keep_topk", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 20},
                 {.name = "score_threshold", .type = WHET_PLUGIN_FLOAT, .required = true},
                 {.name = "iou_threshold", .type = WHET_PLUGIN_FLOAT, .required = true},
                 {.name = "image_size", .type = WHET_PLUGIN_INTS,
                  .def_list = (const double[]){3, 832, 1344}, .n_def = 3}),
    PLUGIN_INPUTS({"delta_bbox", WHET_PLUGIN_F32, 'T', 0}, {"score", WHET_PLUGIN_F32, 'T', 0},
                  {"roi", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"detections", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = run}),
    .shapes = shapes,
};
