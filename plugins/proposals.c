// SPDX-License-Identifier: Apache-2.0
// Regions from a region proposal network (arXiv 1506.01497), of one feature map: Proposal and
// ProposalDynamic; and of a pyramid (arXiv 1612.03144): ProposalLayer_TRT and
// MultilevelProposeROI_TRT. Of an image the best anchors before suppression, moved and scaled by
// their deltas, cut to the image; without those that overlap a better one by more than the
// threshold the best are the result, zeros follow.
#include "plugin_boxes.h"

// Cuts (low, high) to [0, most].
static void cut(float *v, double low, double high, double most) {
    v[0] = (float)fmin(fmax(low, 0), most);
    v[2] = (float)fmin(fmax(high, 0), most);
}

static whet_plugin_dim images_of(whet_plugin_node *n) { return whet_plugin_in_dim(n, 0, 0); }

// ---- Proposal, ProposalDynamic ----
// scores [N, A, H, W], deltas [N, 4 A, H, W] (dx, dy, dw, dh), A = sizes x ratios; an anchor of
// size s and ratio r is s r wide and s / r high. Results [N, post_nms_top_n, 4, 1]: (y1, x1, y2,
// x2), 1 being the last pixel. A third input, the image, tells its size where the attributes do
// not. Regions with a side of roi_min_size or less are left out.

// Models and documents spell the two counts in either way.
static int64_t top_n(whet_plugin_node *n, const char *name, const char *other) {
    int64_t v = whet_plugin_int(n, name);
    return v ? v : whet_plugin_int(n, other);
}

static whet_status proposal_shapes(whet_plugin_node *n) {
    int32_t sizes, ratios;
    whet_plugin_floats(n, "anchor_sizes", &sizes);
    whet_plugin_floats(n, "anchor_ratios", &ratios);
    int64_t anchors = (int64_t)sizes * ratios;
    bool sized = whet_plugin_int(n, "input_height") > 0 && whet_plugin_int(n, "input_width") > 0;
    if (!top_n(n, "pre_nms_top_n", "pre_nms_top_N") ||
        !top_n(n, "post_nms_top_n", "post_nms_top_N"))
        return whet_plugin_fail(n, WHET_E_INVALID, "pre_nms_top_n or post_nms_top_n is missing");
    if (!anchors) return whet_plugin_fail(n, WHET_E_INVALID, "there are no anchors");
    if (!sized && !whet_plugin_has(n, 2))
        return whet_plugin_fail(n, WHET_E_INVALID, "the size of the image is missing");
    if (whet_plugin_has(n, 2)) PLUGIN_TRY(plugin_check_rank(n, 2, 4));
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    PLUGIN_TRY(plugin_check_rank(n, 1, 4));
    for (int32_t k = 0; k < 4; k++)
        if (k != 1)
            PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 0, k),
                                         whet_plugin_in_dim(n, 1, k), "scores and deltas"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 1), anchors, "anchors of scores"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 1, 1), 4 * anchors,
                                   "anchors of deltas"));
    int64_t most = top_n(n, "post_nms_top_n", "post_nms_top_N");
    whet_plugin_dim keep = whet_plugin_dim_number(n, most);
    whet_plugin_set_shape(n, 0, 4,
                          (const whet_plugin_dim[]){images_of(n), keep,
                                                    whet_plugin_dim_number(n, 4),
                                                    whet_plugin_dim_number(n, 1)});
    return WHET_OK;
}

static double side_of_image(whet_plugin_node *n, const char *name, int32_t axis) {
    int64_t given = whet_plugin_int(n, name);
    return (double)(given > 0 ? given : whet_plugin_in_dims(n, 2)[axis]);
}

// The box (x1, y1, x2, y2) of candidate c, whose index says which anchor it is.
static void proposal_box(whet_plugin_node *n, int64_t image, plugin_candidate *c) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t plane = d[2] * d[3], anchor = c->index / plane, cell = c->index % plane;
    int32_t sizes, ratios;
    const float *size = whet_plugin_floats(n, "anchor_sizes", &sizes);
    const float *ratio = whet_plugin_floats(n, "anchor_ratios", &ratios);
    double stride = (double)whet_plugin_int(n, "rpn_stride");
    const float *v = (const float *)whet_plugin_in(n, 1) + (image * d[1] + anchor) * 4 * plane;
    for (int32_t k = 0; k < 2; k++) {
        double r = (double)ratio[anchor % ratios], s = (double)size[anchor / ratios];
        double length = k ? s / r : s * r;
        double most = side_of_image(n, k ? "input_height" : "input_width", k ? 2 : 3) - 1;
        double at = ((double)(k ? cell / d[3] : cell % d[3]) + 0.5) * stride +
                    length * (double)v[k * plane + cell];
        double half = length * exp((double)v[(k + 2) * plane + cell]) / 2;
        cut(c->box + k, at - half, at + half, most);
    }
}

static whet_status proposal_image(whet_plugin_node *n, int64_t image, plugin_candidate *c) {
    int64_t count = whet_plugin_in_count(n, 0) / whet_plugin_in_dims(n, 0)[0], used = 0;
    int64_t top = top_n(n, "pre_nms_top_n", "pre_nms_top_N");
    int64_t keep = top_n(n, "post_nms_top_n", "post_nms_top_N");
    double least = whet_plugin_float(n, "roi_min_size");
    plugin_suppress rule = {.iou = whet_plugin_float(n, "nms_iou_threshold"), .one = 1,
                            .most = keep};
    const float *scores = (const float *)whet_plugin_in(n, 0) + image * count;
    float *y = (float *)whet_plugin_out(n, 0) + image * keep * 4;
    for (int64_t i = 0; i < count; i++) {
        c[used] = (plugin_candidate){.score = scores[i], .index = i};
        if (isnan(scores[i])) continue;
        proposal_box(n, image, &c[used]);
        const float *b = c[used].box;
        used += (double)b[2] - (double)b[0] > least && (double)b[3] - (double)b[1] > least;
    }
    plugin_sort(c, used);
    used = plugin_keep_best(c, used < top ? used : top, &rule);
    double h = side_of_image(n, "input_height", 2) - 1, w = side_of_image(n, "input_width", 3) - 1;
    memset(y, 0, (size_t)keep * 4 * sizeof *y);
    for (int64_t i = 0; i < used; i++)
        for (int32_t k = 0; k < 4; k++)
            y[i * 4 + k] = (float)((double)c[i].box[k ^ 1] / (k & 1 ? w : h));
    return WHET_OK;
}

static whet_status proposal_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && whet_plugin_out(n, 0); i++) {
        plugin_candidate *c;
        int64_t images = whet_plugin_in_dims(n, 0)[0];
        PLUGIN_TRY(plugin_candidates(n, whet_plugin_in_count(n, 0) / images + 1, &c));
        whet_status status = proposal_image(n, i, c);
        free(c);
        PLUGIN_TRY(status);
    }
    return WHET_OK;
}

#define COUNT_ATTR(id)                                                                             \
    {.name = id, .type = WHET_PLUGIN_INT, .required = true, .min = 1, .max = 1 << 20}
#define TOP_ATTR(id) {.name = id, .type = WHET_PLUGIN_INT, .max = 1 << 20}
#define PROPOSAL(id, op_type)                                                                      \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = op_type,                                                                           \
        .version = "1",                                                                            \
        PLUGIN_ATTRS({.name = "input_height", .type = WHET_PLUGIN_INT, .max = 1 << 30},            \
                     {.name = "input_width", .type = WHET_PLUGIN_INT, .max = 1 << 30},             \
                     {.name = "rpn_stride", .type = WHET_PLUGIN_INT, .def = 16, .min = 1,          \
                      .max = 1 << 20},                                                             \
                     {.name = "roi_min_size", .type = WHET_PLUGIN_FLOAT, .def = 1},                \
                     {.name = "nms_iou_threshold", .type = WHET_PLUGIN_FLOAT, .def = 0.7},         \
                     TOP_ATTR("pre_nms_top_n"), TOP_ATTR("pre_nms_top_N"),                         \
                     TOP_ATTR("post_nms_top_n"), TOP_ATTR("post_nms_top_N"),                       \
                     {.name = "anchor_sizes", .type = WHET_PLUGIN_FLOATS},                         \
                     {.name = "anchor_ratios", .type = WHET_PLUGIN_FLOATS}),                       \
        PLUGIN_INPUTS({"scores", WHET_PLUGIN_F32, 'T', 0}, {"deltas", WHET_PLUGIN_F32, 'T', 0},    \
                      {"image", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL}),                  \
        PLUGIN_OUTPUTS({"rois", 0, 'T', 0}),                                                       \
        PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = proposal_run}),             \
        .shapes = proposal_shapes,                                                                 \
    }
PROPOSAL(proposal, "Proposal");
PROPOSAL(proposal_dynamic, "ProposalDynamic");

// ---- anchors of a pyramid ----
// Levels 2 to 6 have strides of 4 to 64 and three anchors a cell.

#define LEVELS 5

static int64_t cells_of(int64_t side, int64_t first, int64_t stride) {
    return side > first ? (side - first + stride - 1) / stride : 0;
}

static whet_status image_size(whet_plugin_node *n, int64_t size[2]) {
    int32_t count;
    const int64_t *v = whet_plugin_ints(n, "image_size", &count);
    size[0] = size[1] = 0;
    if (count != 3 || v[1] < 2 || v[2] < 2 || v[1] > 1 << 20 || v[2] > 1 << 20)
        return whet_plugin_fail(n, WHET_E_INVALID,
                                "'image_size' must be channels, height and width");
    size[0] = v[1], size[1] = v[2];
    return WHET_OK;
}

// ---- ProposalLayer_TRT, Mask R-CNN's of matterport ----
// scores [N, A, 2, 1] (background, object), deltas [N, A, 4, 1] (dy, dx, dh, dw) in units of 0.1,
// 0.1, 0.2, 0.2 of the anchor's size; anchors of all levels one after the other, scales 32 to 512,
// ratios 1/2, 1, 2, around the pixels (i stride, j stride). Results [N, keep_topk, 4]: (y1, x1, y2,
// x2), parts of the image. prenms_topk anchors go into suppression.

static int64_t layer_anchors(const int64_t size[2], int32_t level) {
    int64_t stride = 4 << level;
    return cells_of(size[0], 0, stride) * cells_of(size[1], 0, stride) * 3;
}

static whet_status layer_shapes(whet_plugin_node *n) {
    int64_t size[2], anchors = 0;
    PLUGIN_TRY(image_size(n, size));
    for (int32_t i = 0; i < LEVELS; i++) anchors += layer_anchors(size, i);
    for (int32_t i = 0; i < 2; i++) {
        if (whet_plugin_in_rank(n, i) < 3) return plugin_check_rank(n, i, 3);
        for (int32_t k = 3; k < whet_plugin_in_rank(n, i); k++)
            PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, k), 1, "last dimensions"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 1), anchors, "anchors"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 2), i ? 4 : 2,
                                       "numbers of an anchor"));
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 0), images_of(n), "images"));
    }
    whet_plugin_dim keep = whet_plugin_dim_number(n, whet_plugin_int(n, "keep_topk"));
    whet_plugin_set_shape(
        n, 0, 3, (const whet_plugin_dim[]){images_of(n), keep, whet_plugin_dim_number(n, 4)});
    return WHET_OK;
}

// Anchor `index` of all levels, moved by its deltas.
static void layer_box(const int64_t size[2], int64_t index, const float *v, float *box) {
    static const double ratios[3] = {0.5, 1, 2};
    int32_t level = 0;
    while (level < LEVELS - 1 && index >= layer_anchors(size, level))
        index -= layer_anchors(size, level++);
    int64_t stride = 4 << level, across = cells_of(size[1], 0, stride), cell = index / 3;
    double root = sqrt(ratios[index % 3]), scale = (double)(32 << level);
    for (int32_t k = 0; k < 2; k++) {
        double length = k ? scale * root : scale / root, unit = (double)(size[k] - 1);
        double at = (double)((k ? cell % across : cell / across) * stride);
        double low = (at - length / 2) / unit, high = (at + length / 2 - 1) / unit;
        double side = high - low, middle = (low + high) / 2 + 0.1 * (double)v[k] * side;
        double half = side * exp(0.2 * (double)v[k + 2]) / 2;
        cut(box + k, middle - half, middle + half, 1);
    }
}

static void write_boxes(float *y, const plugin_candidate *c, int64_t count, int64_t keep) {
    memset(y, 0, (size_t)keep * 4 * sizeof *y);
    for (int64_t i = 0; i < count && i < keep; i++) memcpy(y + i * 4, c[i].box, sizeof c->box);
}

static whet_status layer_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t size[2], anchors = whet_plugin_in_dims(n, 0)[1];
    int64_t keep = whet_plugin_int(n, "keep_topk"), top = whet_plugin_int(n, "prenms_topk");
    plugin_suppress rule = {.iou = whet_plugin_float(n, "iou_threshold"), .most = keep};
    PLUGIN_TRY(image_size(n, size));
    for (int64_t i = begin; i < end && whet_plugin_out(n, 0); i++) {
        const float *scores = (const float *)whet_plugin_in(n, 0) + i * anchors * 2;
        const float *deltas = (const float *)whet_plugin_in(n, 1) + i * anchors * 4;
        plugin_candidate *c;
        int64_t count = 0;
        PLUGIN_TRY(plugin_candidates(n, anchors, &c));
        for (int64_t a = 0; a < anchors; a++)
            if (scores[a * 2 + 1] >= 0)
                c[count++] = (plugin_candidate){.score = scores[a * 2 + 1], .index = a};
        plugin_sort(c, count);
        if (count > top) count = top;
        for (int64_t k = 0; k < count; k++)
            layer_box(size, c[k].index, deltas + c[k].index * 4, c[k].box);
        count = plugin_keep_best(c, count, &rule);
        write_boxes((float *)whet_plugin_out(n, 0) + i * keep * 4, c, count, keep);
        free(c);
    }
    return WHET_OK;
}

extern const whet_plugin plugin_proposal_layer;
const whet_plugin plugin_proposal_layer = {
    WHET_PLUGIN_SIZES,
    .name = "ProposalLayer_TRT",
    .version = "1",
    PLUGIN_ATTRS(COUNT_ATTR("prenms_topk"), COUNT_ATTR("keep_topk"),
                 {.name = "iou_threshold", .type = WHET_PLUGIN_FLOAT, .required = true},
                 {.name = "image_size", .type = WHET_PLUGIN_INTS,
                  .def_list = (const double[]){3, 1024, 1024}, .n_def = 3}),
    PLUGIN_INPUTS({"object_score", WHET_PLUGIN_F32, 'T', 0},
                  {"object_delta", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"rois", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = layer_run}),
    .shapes = layer_shapes,
};

// ---- MultilevelProposeROI_TRT ----
// For each level deltas [N, A, 4, 1] (dy, dx, dh, dw), then scores [N, A, 1, 1]; anchors of scale 8
// strides and sides (1, 1), (0.7, 1.4), (1.4, 0.7) around the pixels stride / 2 + (i stride, j
// stride). Each level proposes prenms_topk anchors, of which those at fg_threshold or more pass
// suppression; the keep_topk best of all levels are the result [N, keep_topk, 4], in pixels.

static int64_t level_anchors(const int64_t size[2], int32_t level) {
    int64_t stride = 4 << level;
    return cells_of(size[0], stride / 2, stride) * cells_of(size[1], stride / 2, stride) * 3;
}

static whet_status multilevel_shapes(whet_plugin_node *n) {
    int64_t size[2];
    PLUGIN_TRY(image_size(n, size));
    for (int32_t i = 0; i < 2 * LEVELS; i++) {
        if (whet_plugin_in_rank(n, i) < 3) return plugin_check_rank(n, i, 3);
        for (int32_t k = 3; k < whet_plugin_in_rank(n, i); k++)
            PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, k), 1, "last dimensions"));
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 0), images_of(n), "images"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 1), level_anchors(size, i / 2),
                                       "anchors of a level"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 2), i % 2 ? 1 : 4,
                                       "numbers of an anchor"));
    }
    whet_plugin_dim keep = whet_plugin_dim_number(n, whet_plugin_int(n, "keep_topk"));
    whet_plugin_set_shape(
        n, 0, 3, (const whet_plugin_dim[]){images_of(n), keep, whet_plugin_dim_number(n, 4)});
    return WHET_OK;
}

static void level_box(const int64_t size[2], int32_t level, int64_t index, const float *v,
                      float *box) {
    static const float sides[3][2] = {{1, 1}, {0.7f, 1.4f}, {1.4f, 0.7f}}; // height, width
    int64_t stride = 4 << level, across = cells_of(size[1], stride / 2, stride), cell = index / 3;
    for (int32_t k = 0; k < 2; k++) {
        double length = (double)(8 * stride) * (double)sides[index % 3][k];
        double at = (double)((k ? cell % across : cell / across) * stride + stride / 2);
        plugin_refine(at - length / 2, at + length / 2, (double)v[k], (double)v[k + 2],
                      (double)(size[k] - 1), box + k);
    }
}

// The best of one level behind c[0]; returns their number.
static int64_t level_best(whet_plugin_node *n, int64_t image, int32_t level, const int64_t size[2],
                          plugin_candidate *c) {
    int64_t anchors = level_anchors(size, level), count = 0;
    int64_t top = whet_plugin_int(n, "prenms_topk");
    float least = (float)whet_plugin_float(n, "fg_threshold");
    plugin_suppress rule = {.iou = whet_plugin_float(n, "iou_threshold"),
                            .most = whet_plugin_int(n, "keep_topk")};
    const float *deltas = (const float *)whet_plugin_in(n, 2 * level) + image * anchors * 4;
    const float *scores = (const float *)whet_plugin_in(n, 2 * level + 1) + image * anchors;
    for (int64_t a = 0; a < anchors; a++)
        if (scores[a] >= least) c[count++] = (plugin_candidate){.score = scores[a], .index = a};
    plugin_sort(c, count);
    if (count > top) count = top;
    for (int64_t k = 0; k < count; k++)
        level_box(size, level, c[k].index, deltas + c[k].index * 4, c[k].box);
    return plugin_keep_best(c, count, &rule);
}

static whet_status multilevel_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t size[2], keep = whet_plugin_int(n, "keep_topk"), all = 0;
    PLUGIN_TRY(image_size(n, size));
    for (int32_t level = 0; level < LEVELS; level++) all += level_anchors(size, level);
    for (int64_t i = begin; i < end && whet_plugin_out(n, 0); i++) {
        plugin_candidate *c;
        int64_t count = 0;
        PLUGIN_TRY(plugin_candidates(n, all, &c));
        for (int32_t level = 0; level < LEVELS; level++)
            count += level_best(n, i, level, size, c + count);
        plugin_sort(c, count);
        write_boxes((float *)whet_plugin_out(n, 0) + i * keep * 4, c, count, keep);
        free(c);
    }
    return WHET_OK;
}

extern const whet_plugin plugin_multilevel_propose_roi;
const whet_plugin plugin_multilevel_propose_roi = {
    WHET_PLUGIN_SIZES,
    .name = "MultilevelProposeROI_TRT",
    .version = "1",
    PLUGIN_ATTRS(COUNT_ATTR("prenms_topk"), COUNT_ATTR("keep_topk"),
                 {.name = "fg_threshold", .type = WHET_PLUGIN_FLOAT},
                 {.name = "iou_threshold", .type = WHET_PLUGIN_FLOAT, .required = true},
                 {.name = "image_size", .type = WHET_PLUGIN_INTS,
                  .def_list = (const double[]){3, 832, 1344}, .n_def = 3}),
    PLUGIN_INPUTS({"delta_p2", WHET_PLUGIN_F32, 'T', 0}, {"score_p2", WHET_PLUGIN_F32, 'T', 0},
                  {"delta_p3", WHET_PLUGIN_F32, 'T', 0}, {"score_p3", WHET_PLUGIN_F32, 'T', 0},
                  {"delta_p4", WHET_PLUGIN_F32, 'T', 0}, {"score_p4", WHET_PLUGIN_F32, 'T', 0},
                  {"delta_p5", WHET_PLUGIN_F32, 'T', 0}, {"score_p5", WHET_PLUGIN_F32, 'T', 0},
                  {"delta_p6", WHET_PLUGIN_F32, 'T', 0}, {"score_p6", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"rois", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = multilevel_run}),
    .shapes = multilevel_shapes,
};
