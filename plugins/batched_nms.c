// SPDX-License-Identifier: Apache-2.0
// BatchedNMS_TRT and BatchedNMSDynamic_TRT: boxes [N, B, 1 or C, 4], scores [N, B, C]. Of each
// class but backgroundLabelId the topK best scores above scoreThreshold; of those the ones that
// overlap no better one of the class by more than iouThreshold; of all classes the keepTopK best.
// Results are filled up with boxes and scores of 0 and class -1. isNormalized: sides of boxes are
// high - low, else that plus one pixel. scoreBits and caffeSemantics tune the order of GPU work.
#include "plugin_boxes.h"

static whet_status shapes(whet_plugin_node *n) {
    whet_plugin_dim images = whet_plugin_in_dim(n, 0, 0);
    int64_t classes = whet_plugin_int(n, "numClasses");
    whet_plugin_dim keep = whet_plugin_dim_number(n, whet_plugin_int(n, "keepTopK"));
    whet_plugin_dim one = whet_plugin_dim_number(n, 1), four = whet_plugin_dim_number(n, 4);
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    PLUGIN_TRY(plugin_check_rank(n, 1, 3));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 3), 4, "numbers of a box"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 2),
                                   whet_plugin_int(n, "shareLocation") ? 1 : classes,
                                   "boxes of classes"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 1, 2), classes, "classes"));
    for (int32_t k = 0; k < 2; k++)
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 0, k), whet_plugin_in_dim(n, 1, k),
                                     "boxes and scores"));
    whet_plugin_set_shape(n, 0, 2, (const whet_plugin_dim[]){images, one});
    if (whet_plugin_out_n(n) > 1)
        whet_plugin_set_shape(n, 1, 3, (const whet_plugin_dim[]){images, keep, four});
    for (int32_t i = 2; i < whet_plugin_out_n(n); i++)
        whet_plugin_set_shape(n, i, 2, (const whet_plugin_dim[]){images, keep});
    return WHET_OK;
}

// The best boxes of one class behind c[0]; returns their number.
static int64_t best_of_class(whet_plugin_node *n, int64_t image, int64_t class,
                             plugin_candidate *c) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t boxes = d[1], per_box = d[2], classes = whet_plugin_in_dims(n, 1)[2], count = 0;
    int64_t most = whet_plugin_int(n, "topK");
    float least = (float)whet_plugin_float(n, "scoreThreshold");
    const float *v = (const float *)whet_plugin_in(n, 0) + image * boxes * per_box * 4;
    const float *scores = (const float *)whet_plugin_in(n, 1) + image * boxes * classes;
    plugin_suppress rule = {.iou = whet_plugin_float(n, "iouThreshold"), .most = boxes,
                            .one = whet_plugin_int(n, "isNormalized") ? 0 : 1};
    for (int64_t i = 0; i < boxes; i++) {
        float score = scores[i * classes + class];
        if (!(score > least)) continue;
        c[count] = (plugin_candidate){.score = score, .class = (int32_t)class, .index = i};
        memcpy(c[count++].box, v + (i * per_box + (per_box > 1 ? class : 0)) * 4,
               sizeof c->box);
    }
    plugin_sort(c, count);
    return plugin_keep_best(c, most > 0 && most < count ? most : count, &rule);
}

static void write_image(whet_plugin_node *n, int64_t i, const plugin_candidate *c, int64_t count) {
    int64_t keep = whet_plugin_int(n, "keepTopK");
    bool clip = whet_plugin_int(n, "clipBoxes") != 0;
    int32_t *number = whet_plugin_out(n, 0);
    float *boxes = whet_plugin_out(n, 1), *scores = whet_plugin_out(n, 2);
    float *classes = whet_plugin_out(n, 3);
    if (count > keep) count = keep;
    if (number) number[i] = (int32_t)count;
    for (int64_t k = 0; k < keep; k++) {
        const plugin_candidate none = {.class = -1}, *d = k < count ? &c[k] : &none;
        for (int32_t v = 0; boxes && v < 4; v++)
            boxes[(i * keep + k) * 4 + v] = clip ? plugin_unit(d->box[v]) : d->box[v];
        if (scores) scores[i * keep + k] = d->score;
        if (classes) classes[i * keep + k] = (float)d->class;
    }
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t boxes = whet_plugin_in_dims(n, 1)[1], classes = whet_plugin_in_dims(n, 1)[2];
    int64_t keep = whet_plugin_int(n, "keepTopK");
    for (int64_t i = begin; i < end; i++) {
        plugin_candidate *c;
        int64_t count = 0;
        PLUGIN_TRY(plugin_candidates(n, boxes + keep, &c));
        for (int64_t class = 0; class < classes; class++) {
            if (class == whet_plugin_int(n, "backgroundLabelId")) continue;
            count += best_of_class(n, i, class, c + count);
            plugin_sort(c, count); // only the keepTopK best of those so far can stay
            if (count > keep) count = keep;
        }
        write_image(n, i, c, count);
        free(c);
    }
    return WHET_OK;
}

#define BATCHED_NMS(id, op_type)                                                                   \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = op_type,                                                                           \
        .version = "1",                                                                            \
        PLUGIN_ATTRS({.name = "shareLocation", .type = WHET_PLUGIN_INT, .def = 1, .max = 1},       \
                     {.name = "backgroundLabelId", .type = WHET_PLUGIN_INT, .def = -1},            \
                     {.name = "numClasses", .type = WHET_PLUGIN_INT, .required = true, .min = 1,   \
                      .max = 1 << 24},                                                             \
                     {.name = "topK", .type = WHET_PLUGIN_INT, .required = true},                  \
                     {.name = "keepTopK", .type = WHET_PLUGIN_INT, .required = true, .min = 1,     \
                      .max = 1 << 24},                                                             \
                     {.name = "scoreThreshold", .type = WHET_PLUGIN_FLOAT},                        \
                     {.name = "iouThreshold", .type = WHET_PLUGIN_FLOAT, .required = true},        \
                     {.name = "isNormalized", .type = WHET_PLUGIN_INT, .def = 1, .max = 1},        \
                     {.name = "clipBoxes", .type = WHET_PLUGIN_INT, .def = 1, .max = 1},           \
                     {.name = "scoreBits", .type = WHET_PLUGIN_INT, .def = 16},                    \
                     {.name = "caffeSemantics", .type = WHET_PLUGIN_INT, .def = 1}),               \
        PLUGIN_INPUTS({"boxes", WHET_PLUGIN_F32, 'T', 0}, {"scores", WHET_PLUGIN_F32, 'T', 0}),    \
        PLUGIN_OUTPUTS({"num_detections", PLUGIN_I32, 0, 0}, {"nmsed_boxes", 0, 'T', 0},           \
                       {"nmsed_scores", 0, 'T', 0}, {"nmsed_classes", 0, 'T', 0}),                 \
        PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = run}),                      \
        .shapes = shapes,                                                                          \
    }
BATCHED_NMS(batched_nms, "BatchedNMS_TRT");
BATCHED_NMS(batched_nms_dynamic, "BatchedNMSDynamic_TRT");
