// SPDX-License-Identifier: Apache-2.0
// EfficientNMS_TRT and its forms for ONNX and TensorFlow. Of each image, boxes whose score for a
// class is score_threshold or more, best first; those that overlap a better one of their class (or,
// class_agnostic, of any) by more than iou_threshold go. No number of candidates is cut off before
// that, where TensorRT goes on with the 4096 best.
#include "plugin_boxes.h"

typedef struct settings {
    float score;
    bool sigmoid, center, clip, class_first; // class_first: scores [N, C, boxes]
    int64_t background;
    plugin_suppress rule;
} settings;

// ---- shapes ----

// boxes [N, B, 4] or [N, B, C, 4], scores [N, B, C] or, class_first, [N, C, B].
static whet_status check_inputs(whet_plugin_node *n, bool class_first) {
    int32_t rank = whet_plugin_in_rank(n, 0);
    if (rank != 3 && (rank != 4 || class_first)) return plugin_check_rank(n, 0, 3);
    PLUGIN_TRY(plugin_check_rank(n, 1, 3));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, rank - 1), 4, "numbers of a box"));
    PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 1, 0),
                                 "images of boxes and scores"));
    PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 0, 1),
                                 whet_plugin_in_dim(n, 1, class_first ? 2 : 1),
                                 "boxes and their scores"));
    if (rank == 3) return WHET_OK;
    int64_t per_box;
    if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, 2), &per_box) && per_box == 1)
        return WHET_OK;
    return plugin_check_same(n, whet_plugin_in_dim(n, 0, 2), whet_plugin_in_dim(n, 1, 2),
                             "boxes of classes");
}

static whet_status check_anchors(whet_plugin_node *n) {
    int64_t images;
    if (!whet_plugin_has(n, 2)) return WHET_OK;
    PLUGIN_TRY(plugin_check_rank(n, 2, 3));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 2, 2), 4, "numbers of an anchor"));
    PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 2, 1), whet_plugin_in_dim(n, 0, 1),
                                 "anchors and boxes"));
    if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 2, 0), &images) && images == 1)
        return WHET_OK;
    return plugin_check_same(n, whet_plugin_in_dim(n, 2, 0), whet_plugin_in_dim(n, 0, 0),
                             "images of anchors");
}

// num_detections [N, 1], boxes [N, most, 4], scores and classes [N, most].
static whet_status set_shapes(whet_plugin_node *n, whet_plugin_dim most) {
    whet_plugin_dim images = whet_plugin_in_dim(n, 0, 0);
    whet_plugin_dim one = whet_plugin_dim_number(n, 1), four = whet_plugin_dim_number(n, 4);
    whet_plugin_set_shape(n, 0, 2, (const whet_plugin_dim[]){images, one});
    if (whet_plugin_out_n(n) > 1)
        whet_plugin_set_shape(n, 1, 3, (const whet_plugin_dim[]){images, most, four});
    for (int32_t i = 2; i < whet_plugin_out_n(n); i++)
        whet_plugin_set_shape(n, i, 2, (const whet_plugin_dim[]){images, most});
    return WHET_OK;
}

static whet_status shapes(whet_plugin_node *n) {
    PLUGIN_TRY(check_inputs(n, false));
    PLUGIN_TRY(check_anchors(n));
    return set_shapes(n, whet_plugin_dim_number(n, whet_plugin_int(n, "max_output_boxes")));
}

// ---- candidates of an image ----

// To corners; with an anchor the four numbers are offsets from it.
static void decode(const float *v, const float *anchor, bool center, float *out) {
    float b[4];
    memcpy(b, v, sizeof b);
    if (anchor && !center) {
        for (int32_t k = 0; k < 4; k++) b[k] += anchor[k];
    } else if (anchor) {
        for (int32_t k = 0; k < 2; k++) {
            b[k] = b[k] * anchor[k + 2] + anchor[k];
            b[k + 2] = expf(b[k + 2]) * anchor[k + 2];
        }
    }
    for (int32_t k = 0; k < 2; k++) {
        float low = center ? b[k] - b[k + 2] / 2 : b[k];
        float high = center ? b[k] + b[k + 2] / 2 : b[k + 2];
        out[k] = low < high ? low : high;
        out[k + 2] = low < high ? high : low;
    }
}

typedef struct image {
    const float *boxes, *scores, *anchors;
    int64_t n_boxes, n_classes, per_box; // per_box: boxes of each, 1 or n_classes
} image;

static image image_of(whet_plugin_node *n, int64_t i, bool class_first) {
    const int64_t *b = whet_plugin_in_dims(n, 0), *s = whet_plugin_in_dims(n, 1);
    image m = {.n_boxes = b[1], .n_classes = s[class_first ? 1 : 2],
               .per_box = whet_plugin_in_rank(n, 0) == 4 ? b[2] : 1};
    m.boxes = (const float *)whet_plugin_in(n, 0) + i * m.n_boxes * m.per_box * 4;
    m.scores = (const float *)whet_plugin_in(n, 1) + i * m.n_boxes * m.n_classes;
    if (!class_first && whet_plugin_has(n, 2)) {
        int64_t at = whet_plugin_in_dims(n, 2)[0] == 1 ? 0 : i;
        m.anchors = (const float *)whet_plugin_in(n, 2) + at * m.n_boxes * 4;
    }
    return m;
}

static float score_of(const image *m, const settings *s, int64_t box, int64_t class) {
    float v = m->scores[s->class_first ? class * m->n_boxes + box : box * m->n_classes + class];
    return s->sigmoid ? plugin_sigmoid(v) : v;
}

// Candidates of the image, and, c not NULL, what they are.
static int64_t collect(const image *m, const settings *s, plugin_candidate *c) {
    int64_t count = 0;
    for (int64_t box = 0; box < m->n_boxes; box++)
        for (int64_t class = 0; class < m->n_classes; class++) {
            float score = score_of(m, s, box, class);
            if (class == s->background || !(score >= s->score)) continue;
            if (c) {
                int64_t at = m->per_box == 1 ? box : box * m->n_classes + class;
                c[count] = (plugin_candidate){
                    .score = score, .class = (int32_t)class, .index = box};
                decode(m->boxes + at * 4, m->anchors ? m->anchors + box * 4 : NULL, s->center,
                       c[count].box);
            }
            count++;
        }
    return count;
}

static whet_status select_best(whet_plugin_node *n, int64_t i, const settings *s,
                               plugin_candidate **c, int64_t *count) {
    image m = image_of(n, i, s->class_first);
    PLUGIN_TRY(plugin_candidates(n, collect(&m, s, NULL), c));
    *count = collect(&m, s, *c);
    plugin_sort(*c, *count);
    *count = plugin_keep_best(*c, *count, &s->rule);
    return WHET_OK;
}

// ---- results ----

static void write_image(whet_plugin_node *n, int64_t i, int64_t most, bool clip,
                        const plugin_candidate *c, int64_t count) {
    int32_t *number = whet_plugin_out(n, 0), *classes = whet_plugin_out(n, 3);
    float *boxes = whet_plugin_out(n, 1), *scores = whet_plugin_out(n, 2);
    if (number) number[i] = (int32_t)count;
    for (int64_t k = 0; k < most; k++) {
        const plugin_candidate none = {.score = 0}, *d = k < count ? &c[k] : &none;
        for (int32_t v = 0; boxes && v < 4; v++)
            boxes[(i * most + k) * 4 + v] = clip ? plugin_unit(d->box[v]) : d->box[v];
        if (scores) scores[i * most + k] = d->score;
        if (classes) classes[i * most + k] = d->class;
    }
}

static whet_status run_images(whet_plugin_node *n, int64_t begin, int64_t end, const settings *s) {
    for (int64_t i = begin; i < end; i++) {
        plugin_candidate *c;
        int64_t count;
        PLUGIN_TRY(select_best(n, i, s, &c, &count));
        write_image(n, i, s->rule.most, s->clip, c, count);
        free(c);
    }
    return WHET_OK;
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    settings s = {.score = (float)whet_plugin_float(n, "score_threshold"),
                  .sigmoid = whet_plugin_int(n, "score_activation") != 0,
                  .center = whet_plugin_int(n, "box_coding") == 1,
                  .background = whet_plugin_int(n, "background_class"),
                  .rule = {.iou = whet_plugin_float(n, "iou_threshold"),
                           .agnostic = whet_plugin_int(n, "class_agnostic") != 0,
                           .most = whet_plugin_int(n, "max_output_boxes")}};
    return run_images(n, begin, end, &s);
}

#define COUNT_ATTR(id)                                                                             \
    {.name = id, .type = WHET_PLUGIN_INT, .required = true, .min = 1, .max = 1 << 20}
#define FLAG(id) {.name = id, .type = WHET_PLUGIN_INT, .max = 1}
#define THRESHOLDS                                                                                 \
    {.name = "score_threshold", .type = WHET_PLUGIN_FLOAT},                                        \
        {.name = "iou_threshold", .type = WHET_PLUGIN_FLOAT, .def = 0.5}
#define DETECTIONS                                                                                 \
    PLUGIN_OUTPUTS({"num_detections", PLUGIN_I32, 0, 0}, {"detection_boxes", 0, 'T', 0},           \
                   {"detection_scores", 0, 'T', 0}, {"detection_classes", PLUGIN_I32, 0, 0})

extern const whet_plugin plugin_efficient_nms;
const whet_plugin plugin_efficient_nms = {
    WHET_PLUGIN_SIZES,
    .name = "EfficientNMS_TRT",
    .version = "1",
    PLUGIN_ATTRS(THRESHOLDS, COUNT_ATTR("max_output_boxes"),
                 {.name = "background_class", .type = WHET_PLUGIN_INT, .def = -1},
                 FLAG("score_activation"), FLAG("class_agnostic"), FLAG("box_coding")),
    PLUGIN_INPUTS({"boxes", WHET_PLUGIN_F32, 'T', 0}, {"scores", WHET_PLUGIN_F32, 'T', 0},
                  {"anchors", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL}),
    DETECTIONS,
    PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = run}),
    .shapes = shapes,
};

// ---- TensorFlow's combined_non_max_suppression ----
// At most max_output_size_per_class of a class and max_total_size in all; with pad_per_class the
// results are no longer than all classes together can be. clip_boxes: to [0, 1].

static whet_status tf_shapes(whet_plugin_node *n) {
    int64_t most = whet_plugin_int(n, "max_total_size");
    whet_plugin_dim size = whet_plugin_dim_number(n, most);
    PLUGIN_TRY(check_inputs(n, false));
    if (whet_plugin_int(n, "pad_per_class")) {
        int64_t each = whet_plugin_int(n, "max_output_size_per_class");
        whet_plugin_dim all = whet_plugin_dim_mul(n, whet_plugin_in_dim(n, 1, 2),
                                                  whet_plugin_dim_number(n, each));
        size = whet_plugin_dim_min(n, size, all);
    }
    return set_shapes(n, size);
}

static whet_status tf_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t each = whet_plugin_int(n, "max_output_size_per_class");
    int64_t most = whet_plugin_int(n, "max_total_size");
    int64_t all = each * whet_plugin_in_dims(n, 1)[2];
    if (whet_plugin_int(n, "pad_per_class") && all < most) most = all;
    settings s = {.score = (float)whet_plugin_float(n, "score_threshold"), .background = -1,
                  .clip = whet_plugin_int(n, "clip_boxes") != 0,
                  .rule = {.iou = whet_plugin_float(n, "iou_threshold"), .most = most,
                           .most_of_class = each}};
    return run_images(n, begin, end, &s);
}

#define TF_FORM(id, op_type)                                                                       \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = op_type,                                                                           \
        .version = "1",                                                                            \
        PLUGIN_ATTRS(THRESHOLDS, COUNT_ATTR("max_output_size_per_class"),                          \
                     COUNT_ATTR("max_total_size"), FLAG("pad_per_class"), FLAG("clip_boxes")),     \
        PLUGIN_INPUTS({"boxes", WHET_PLUGIN_F32, 'T', 0}, {"scores", WHET_PLUGIN_F32, 'T', 0}),    \
        DETECTIONS,                                                                                \
        PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = tf_run}),                   \
        .shapes = tf_shapes,                                                                       \
    }
TF_FORM(efficient_nms_explicit_tf, "EfficientNMS_Explicit_TF_TRT");
TF_FORM(efficient_nms_implicit_tf, "EfficientNMS_Implicit_TF_TRT");

// ---- ONNX's NonMaxSuppression ----
// boxes [N, B, 4], scores [N, C, B] to selected (image, class, box) [N C most, 3], int32; images
// one after the other, each from its best score down. Rows behind the last result repeat it.

static whet_status onnx_shapes(whet_plugin_node *n) {
    int64_t each = whet_plugin_int(n, "max_output_boxes_per_class");
    PLUGIN_TRY(check_inputs(n, true));
    whet_plugin_dim rows = whet_plugin_dim_mul(n, whet_plugin_in_dim(n, 1, 0),
                                               whet_plugin_in_dim(n, 1, 1));
    rows = whet_plugin_dim_mul(n, rows, whet_plugin_dim_number(n, each));
    whet_plugin_set_shape(n, 0, 2,
                          (const whet_plugin_dim[]){rows, whet_plugin_dim_number(n, 3)});
    return WHET_OK;
}

static whet_status onnx_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    int64_t rows = whet_plugin_out_dims(n, 0)[0], used = 0;
    int64_t each = whet_plugin_int(n, "max_output_boxes_per_class");
    int32_t *y = whet_plugin_out(n, 0);
    settings s = {.score = (float)whet_plugin_float(n, "score_threshold"), .class_first = true,
                  .center = whet_plugin_int(n, "center_point_box") != 0, .background = -1,
                  .rule = {.iou = whet_plugin_float(n, "iou_threshold"), .most_of_class = each,
                           .most = each * whet_plugin_in_dims(n, 1)[1]}};
    for (int64_t i = 0; y && i < whet_plugin_in_dims(n, 0)[0]; i++) {
        plugin_candidate *c;
        int64_t count;
        PLUGIN_TRY(select_best(n, i, &s, &c, &count));
        for (int64_t k = 0; k < count && used < rows; k++, used++)
            memcpy(y + used * 3, (const int32_t[]){(int32_t)i, c[k].class, (int32_t)c[k].index},
                   3 * sizeof *y);
        free(c);
    }
    if (y && !used && rows) memset(y, 0, 3 * sizeof *y), used = 1;
    for (; y && used < rows; used++) memcpy(y + used * 3, y + used * 3 - 3, 3 * sizeof *y);
    return WHET_OK;
}

extern const whet_plugin plugin_efficient_nms_onnx;
const whet_plugin plugin_efficient_nms_onnx = {
    WHET_PLUGIN_SIZES,
    .name = "EfficientNMS_ONNX_TRT",
    .version = "1",
    PLUGIN_ATTRS(THRESHOLDS, COUNT_ATTR("max_output_boxes_per_class"), FLAG("center_point_box")),
    PLUGIN_INPUTS({"boxes", WHET_PLUGIN_F32, 'T', 0}, {"scores", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"selected_indices", PLUGIN_I32, 0, 0}),
    PLUGIN_TACTICS({.name = "plain", .run = onnx_run}),
    .shapes = onnx_shapes,
};
