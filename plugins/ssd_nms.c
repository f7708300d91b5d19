// SPDX-License-Identifier: Apache-2.0
// NMS_TRT and NMSDynamic_TRT, SSD's detection output (arXiv 1512.02325): locations [N, B q 4, ...],
// confidences [N, B C, ...], priors [N or 1, 2, B 4, ...] (boxes, then variances), in the order
// that inputOrder gives; q is 1 with shareLocation, else C. Boxes are decoded from their priors by
// codeType. Of each class but backgroundLabelId the topK best confidences above
// confidenceThreshold, without those that overlap a better one by more than nmsThreshold; of all
// classes the keepTopK best, as (image, class, confidence, x1, y1, x2, y2), then class -1.
#include "plugin_boxes.h"

enum { CORNER, CENTER_SIZE, CORNER_SIZE, TF_CENTER };
enum { LOCATIONS, CONFIDENCES, PRIORS };

// Number of the input that is locations, confidences or priors.
static int32_t input_of(whet_plugin_node *n, int32_t what) {
    int32_t count;
    const int64_t *order = whet_plugin_ints(n, "inputOrder", &count);
    return count == 3 ? (int32_t)order[what] : what;
}

static whet_status check_order(whet_plugin_node *n) {
    int32_t count, seen = 0;
    const int64_t *order = whet_plugin_ints(n, "inputOrder", &count);
    for (int32_t i = 0; i < count && i < 3; i++)
        if (order[i] >= 0 && order[i] < 3) seen |= 1 << order[i];
    if (count == 0 || (count == 3 && seen == 7)) return WHET_OK;
    return whet_plugin_fail(n, WHET_E_INVALID, "inputOrder must hold 0, 1 and 2");
}

// Dimension `axis` and all behind it: `factor` for each prior.
static whet_status check_rows(whet_plugin_node *n, int32_t in, int32_t axis, whet_plugin_dim boxes,
                              int64_t factor) {
    whet_plugin_dim wanted = whet_plugin_dim_mul(n, boxes, whet_plugin_dim_number(n, factor));
    if (whet_plugin_in_rank(n, in) <= axis) return plugin_check_rank(n, in, axis + 1);
    for (int32_t k = axis + 1; k < whet_plugin_in_rank(n, in); k++)
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, in, k), 1, "last dimensions"));
    return plugin_check_same(n, whet_plugin_in_dim(n, in, axis), wanted, "numbers of all priors");
}

static whet_status shapes(whet_plugin_node *n) {
    PLUGIN_TRY(check_order(n));
    int32_t loc = input_of(n, LOCATIONS), conf = input_of(n, CONFIDENCES);
    int32_t prior = input_of(n, PRIORS);
    int64_t classes = whet_plugin_int(n, "numClasses"), images;
    if (whet_plugin_in_rank(n, prior) < 3) return plugin_check_rank(n, prior, 3);
    whet_plugin_dim four = whet_plugin_dim_number(n, 4), one = whet_plugin_dim_number(n, 1);
    whet_plugin_dim numbers = whet_plugin_in_dim(n, prior, 2);
    whet_plugin_dim batch = whet_plugin_in_dim(n, loc, 0);
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_dim_mod(n, numbers, four), 0,
                                   "numbers of priors beyond whole boxes"));
    whet_plugin_dim boxes = whet_plugin_dim_div(n, numbers, four);
    PLUGIN_TRY(check_rows(n, prior, 2, boxes, 4));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, prior, 1), 2, "boxes and variances"));
    PLUGIN_TRY(check_rows(n, loc, 1, boxes, whet_plugin_int(n, "shareLocation") ? 4 : 4 * classes));
    PLUGIN_TRY(check_rows(n, conf, 1, boxes, classes));
    PLUGIN_TRY(plugin_check_same(n, batch, whet_plugin_in_dim(n, conf, 0), "images"));
    if (!whet_plugin_dim_value(n, whet_plugin_in_dim(n, prior, 0), &images) || images != 1)
        PLUGIN_TRY(plugin_check_same(n, batch, whet_plugin_in_dim(n, prior, 0), "images"));
    whet_plugin_dim keep = whet_plugin_dim_number(n, whet_plugin_int(n, "keepTopK"));
    whet_plugin_set_shape(n, 0, 4, (const whet_plugin_dim[]){batch, one, keep,
                                                             whet_plugin_dim_number(n, 7)});
    if (whet_plugin_out_n(n) > 1)
        whet_plugin_set_shape(n, 1, 4, (const whet_plugin_dim[]){batch, one, one, one});
    return WHET_OK;
}

// Corners from four numbers, a prior and its variances (NULL: in the numbers already).
static void decode(int64_t code, const float *v, const float *prior, const float *variance,
                   float *out) {
    float d[4], size[2], middle[2];
    bool swapped = code == TF_CENTER; // the numbers are (y, x, h, w)
    for (int32_t k = 0; k < 4; k++) {
        int32_t from = swapped ? k ^ 1 : k;
        d[k] = v[from] * (variance ? variance[from] : 1);
    }
    for (int32_t k = 0; k < 2; k++) {
        size[k] = prior[k + 2] - prior[k];
        middle[k] = (prior[k] + prior[k + 2]) / 2;
        if (code == CORNER || code == CORNER_SIZE) {
            float unit = code == CORNER ? 1 : size[k];
            out[k] = prior[k] + d[k] * unit;
            out[k + 2] = prior[k + 2] + d[k + 2] * unit;
        } else {
            float half = expf(d[k + 2]) * size[k] / 2, at = middle[k] + d[k] * size[k];
            out[k] = at - half;
            out[k + 2] = at + half;
        }
    }
}

typedef struct image {
    const float *locations, *confidences, *priors, *variances; // variances NULL: none to apply
    int64_t boxes, classes, per_box;
} image;

static image image_of(whet_plugin_node *n, int64_t i) {
    int32_t prior = input_of(n, PRIORS);
    const int64_t *d = whet_plugin_in_dims(n, prior);
    image m = {.boxes = d[2] / 4, .classes = whet_plugin_int(n, "numClasses")};
    m.per_box = whet_plugin_int(n, "shareLocation") ? 1 : m.classes;
    m.locations = (const float *)whet_plugin_in(n, input_of(n, LOCATIONS)) +
                  i * m.boxes * m.per_box * 4;
    m.confidences = (const float *)whet_plugin_in(n, input_of(n, CONFIDENCES)) +
                    i * m.boxes * m.classes;
    m.priors = (const float *)whet_plugin_in(n, prior) + (d[0] == 1 ? 0 : i) * 8 * m.boxes;
    if (!whet_plugin_int(n, "varianceEncodedInTarget")) m.variances = m.priors + 4 * m.boxes;
    return m;
}

// The best boxes of one class behind c[0]; returns their number.
static int64_t best_of_class(whet_plugin_node *n, const image *m, int64_t class,
                             plugin_candidate *c) {
    int64_t most = whet_plugin_int(n, "topK"), code = whet_plugin_int(n, "codeType"), count = 0;
    bool sigmoid = whet_plugin_int(n, "confSigmoid") != 0;
    float least = (float)whet_plugin_float(n, "confidenceThreshold");
    plugin_suppress rule = {.iou = whet_plugin_float(n, "nmsThreshold"), .most = m->boxes,
                            .one = whet_plugin_int(n, "isNormalized") ? 0 : 1};
    for (int64_t i = 0; i < m->boxes; i++) {
        float score = m->confidences[i * m->classes + class];
        if (sigmoid) score = plugin_sigmoid(score);
        if (!(score > least)) continue;
        c[count++] = (plugin_candidate){.score = score, .class = (int32_t)class, .index = i};
    }
    plugin_sort(c, count);
    if (most > 0 && most < count) count = most;
    for (int64_t k = 0; k < count; k++) {
        int64_t i = c[k].index;
        decode(code, m->locations + (i * m->per_box + (m->per_box > 1 ? class : 0)) * 4,
               m->priors + i * 4, m->variances ? m->variances + i * 4 : NULL, c[k].box);
    }
    return plugin_keep_best(c, count, &rule);
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t keep = whet_plugin_int(n, "keepTopK");
    for (int64_t i = begin; i < end; i++) {
        image m = image_of(n, i);
        plugin_candidate *c;
        int64_t count = 0;
        PLUGIN_TRY(plugin_candidates(n, m.boxes + keep, &c));
        for (int64_t class = 0; class < m.classes; class++) {
            if (class == whet_plugin_int(n, "backgroundLabelId")) continue;
            count += best_of_class(n, &m, class, c + count);
            plugin_sort(c, count);
            if (count > keep) count = keep;
        }
        float *y = whet_plugin_out(n, 0);
        int32_t *number = whet_plugin_out(n, 1);
        if (number) number[i] = (int32_t)count;
        for (int64_t k = 0; y && k < keep; k++) {
            const plugin_candidate none = {.class = -1}, *d = k < count ? &c[k] : &none;
            float *row = y + (i * keep + k) * 7;
            row[0] = (float)i, row[1] = (float)d->class, row[2] = d->score;
            memcpy(row + 3, d->box, sizeof d->box);
        }
        free(c);
    }
    return WHET_OK;
}

#define SSD_NMS(id, op_type)                                                                       \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = op_type,                                                                           \
        .version = "1",                                                                            \
        PLUGIN_ATTRS({.name = "shareLocation", .type = WHET_PLUGIN_INT, .def = 1, .max = 1},       \
                     {.name = "varianceEncodedInTarget", .type = WHET_PLUGIN_INT, .max = 1},       \
                     {.name = "backgroundLabelId", .type = WHET_PLUGIN_INT},                       \
                     {.name = "numClasses", .type = WHET_PLUGIN_INT, .required = true, .min = 1,   \
                      .max = 1 << 24},                                                             \
                     {.name = "topK", .type = WHET_PLUGIN_INT, .required = true},                  \
                     {.name = "keepTopK", .type = WHET_PLUGIN_INT, .required = true, .min = 1,     \
                      .max = 1 << 24},                                                             \
                     {.name = "confidenceThreshold", .type = WHET_PLUGIN_FLOAT},                   \
                     {.name = "nmsThreshold", .type = WHET_PLUGIN_FLOAT, .required = true},        \
                     {.name = "inputOrder", .type = WHET_PLUGIN_INTS},                             \
                     {.name = "confSigmoid", .type = WHET_PLUGIN_INT, .max = 1},                   \
                     {.name = "isNormalized", .type = WHET_PLUGIN_INT, .def = 1, .max = 1},        \
                     {.name = "codeType", .type = WHET_PLUGIN_INT, .def = CENTER_SIZE, .max = 3},  \
                     {.name = "scoreBits", .type = WHET_PLUGIN_INT, .def = 16},                    \
                     {.name = "isBatchAgnostic", .type = WHET_PLUGIN_INT, .def = 1, .max = 1}),    \
        PLUGIN_INPUTS({"a", WHET_PLUGIN_F32, 'T', 0}, {"b", WHET_PLUGIN_F32, 'T', 0},              \
                      {"c", WHET_PLUGIN_F32, 'T', 0}),                                             \
        PLUGIN_OUTPUTS({"detections", 0, 'T', 0}, {"keep_count", PLUGIN_I32, 0, 0}),               \
        PLUGIN_TACTICS({.name = "images", .tasks = plugin_rows, .run = run}),                      \
        .shapes = shapes,                                                                          \
    }
SSD_NMS(ssd_nms, "NMS_TRT");
SSD_NMS(ssd_nms_dynamic, "NMSDynamic_TRT");
