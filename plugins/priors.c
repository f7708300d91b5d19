// SPDX-License-Identifier: Apache-2.0
// Prior boxes of SSD (arXiv 1512.02325). PriorBox_TRT, Caffe's: for each cell of a feature map, a
// square of each minSize, one of sqrt(minSize maxSize), and for each further aspect ratio r a box
// of minSize sqrt(r) x minSize / sqrt(r). GridAnchor_TRT and GridAnchorRect_TRT, TensorFlow's
// multiple_grid_anchor_generator: scales from minSize to maxSize over the layers. The result is
// [1, 2, cells priors 4, 1]: corners as parts of the image, then variances.
#include "plugin_util.h"

// Writes a box of w x h around (x, y), all in parts of the image.
static float *put(float *y, double at_x, double at_y, double w, double h) {
    y[0] = (float)(at_x - w / 2), y[1] = (float)(at_y - h / 2);
    y[2] = (float)(at_x + w / 2), y[3] = (float)(at_y + h / 2);
    return y + 4;
}

static void put_variances(float *y, const float *v, int32_t n_v, int64_t boxes) {
    for (int64_t i = 0; i < boxes * 4; i++) y[i] = n_v == 4 ? v[i % 4] : n_v ? v[0] : 1;
}

static whet_status check_positive(whet_plugin_node *n, const char *name, bool needed) {
    int32_t count;
    const float *v = whet_plugin_floats(n, name, &count);
    if (needed && !count) return whet_plugin_fail(n, WHET_E_INVALID, "'%s' is missing", name);
    for (int32_t i = 0; i < count; i++)
        if (!(v[i] > 0))
            return whet_plugin_fail(n, WHET_E_RANGE, "'%s' holds %g, not above 0", name,
                                    (double)v[i]);
    return WHET_OK;
}

static whet_status check_variances(whet_plugin_node *n) {
    int32_t count;
    whet_plugin_floats(n, "variance", &count);
    if (count == 0 || count == 1 || count == 4) return WHET_OK;
    return whet_plugin_fail(n, WHET_E_INVALID, "'variance' must have 1 or 4 numbers, not %d",
                            count);
}

static void set_shape(whet_plugin_node *n, int32_t out, whet_plugin_dim cells, int64_t priors) {
    whet_plugin_dim one = whet_plugin_dim_number(n, 1);
    whet_plugin_dim length = whet_plugin_dim_mul(n, cells, whet_plugin_dim_number(n, priors * 4));
    whet_plugin_set_shape(n, out, 4, (const whet_plugin_dim[]){one, whet_plugin_dim_number(n, 2),
                                                               length, one});
}

// ---- PriorBox_TRT ----

// Aspect ratios but 1, each once, flipped ones behind theirs; NULL: only their number.
static int32_t ratios_of(whet_plugin_node *n, double *out) {
    int32_t count, found = 0;
    const float *v = whet_plugin_floats(n, "aspectRatios", &count);
    bool flip = whet_plugin_int(n, "flip") != 0;
    for (int32_t i = 0; i < count; i++) {
        bool known = fabsf(v[i] - 1) < 1e-6f;
        for (int32_t k = 0; k < i && !known; k++)
            known = fabsf(v[k] - v[i]) < 1e-6f || (flip && fabsf(1 / v[k] - v[i]) < 1e-6f);
        for (int32_t f = 0; f <= (known ? -1 : flip); f++, found++)
            if (out) out[found] = f ? 1 / (double)v[i] : (double)v[i];
    }
    return found;
}

static int32_t lengths(whet_plugin_node *n, int32_t *max_sizes) {
    int32_t min_sizes;
    whet_plugin_floats(n, "minSize", &min_sizes);
    whet_plugin_floats(n, "maxSize", max_sizes);
    return min_sizes;
}

static whet_status prior_shapes(whet_plugin_node *n) {
    int32_t max_sizes, min_sizes = lengths(n, &max_sizes), ratios;
    PLUGIN_TRY(check_positive(n, "minSize", true));
    PLUGIN_TRY(check_positive(n, "maxSize", false));
    PLUGIN_TRY(check_positive(n, "aspectRatios", false));
    PLUGIN_TRY(check_variances(n));
    if (max_sizes && max_sizes != min_sizes)
        return whet_plugin_fail(n, WHET_E_INVALID, "there are %d maxSize for %d minSize", max_sizes,
                                min_sizes);
    whet_plugin_floats(n, "aspectRatios", &ratios);
    if (min_sizes > 1000 || ratios > 1000)
        return whet_plugin_fail(n, WHET_E_LIMIT, "there are too many sizes or ratios");
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    bool sized = whet_plugin_int(n, "imgH") > 0 && whet_plugin_int(n, "imgW") > 0;
    if (whet_plugin_has(n, 1)) PLUGIN_TRY(plugin_check_rank(n, 1, 4));
    else if (!sized) return whet_plugin_fail(n, WHET_E_INVALID, "the size of the image is missing");
    whet_plugin_dim cells = whet_plugin_dim_mul(n, whet_plugin_in_dim(n, 0, 2),
                                                whet_plugin_in_dim(n, 0, 3));
    set_shape(n, 0, cells, (int64_t)min_sizes * (1 + ratios_of(n, NULL)) + max_sizes);
    return WHET_OK;
}

// Side of the image and step between cells along axis 2 or 3.
static void scale_of(whet_plugin_node *n, int32_t axis, double *image, double *step) {
    *image = (double)whet_plugin_int(n, axis == 2 ? "imgH" : "imgW");
    if (*image <= 0) *image = (double)whet_plugin_in_dims(n, 1)[axis];
    *step = whet_plugin_float(n, axis == 2 ? "stepH" : "stepW");
    if (!(*step > 0)) *step = *image / (double)whet_plugin_in_dims(n, 0)[axis];
}

static whet_status prior_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t boxes = whet_plugin_out_dims(n, 0)[2] / 4;
    int32_t max_sizes, min_sizes = lengths(n, &max_sizes), n_v;
    const float *min_size = whet_plugin_floats(n, "minSize", &min_sizes);
    const float *max_size = whet_plugin_floats(n, "maxSize", &max_sizes);
    const float *variance = whet_plugin_floats(n, "variance", &n_v);
    double ratio[2000], image_h, image_w, step_h, step_w, offset = whet_plugin_float(n, "offset");
    int32_t ratios = ratios_of(n, ratio);
    float *y = whet_plugin_out(n, 0), *at = y;
    if (!y) return WHET_OK;
    scale_of(n, 2, &image_h, &step_h);
    scale_of(n, 3, &image_w, &step_w);
    for (int64_t cell = 0; cell < d[2] * d[3]; cell++) {
        double cx = ((double)(cell % d[3]) + offset) * step_w / image_w;
        double cy = ((double)(cell / d[3]) + offset) * step_h / image_h;
        for (int32_t i = 0; i < min_sizes; i++) {
            double s = (double)min_size[i];
            at = put(at, cx, cy, s / image_w, s / image_h);
            double m = max_sizes ? sqrt(s * (double)max_size[i]) : 0;
            if (max_sizes) at = put(at, cx, cy, m / image_w, m / image_h);
            for (int32_t k = 0; k < ratios; k++) {
                double root = sqrt(ratio[k]);
                at = put(at, cx, cy, s * root / image_w, s / root / image_h);
            }
        }
    }
    if (whet_plugin_int(n, "clip"))
        for (int64_t i = 0; i < boxes * 4; i++) y[i] = y[i] < 0 ? 0 : y[i] > 1 ? 1 : y[i];
    put_variances(y + boxes * 4, variance, n_v, boxes);
    return WHET_OK;
}

extern const whet_plugin plugin_prior_box;
const whet_plugin plugin_prior_box = {
    WHET_PLUGIN_SIZES,
    .name = "PriorBox_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "minSize", .type = WHET_PLUGIN_FLOATS},
                 {.name = "maxSize", .type = WHET_PLUGIN_FLOATS},
                 {.name = "aspectRatios", .type = WHET_PLUGIN_FLOATS},
                 {.name = "flip", .type = WHET_PLUGIN_INT, .max = 1},
                 {.name = "clip", .type = WHET_PLUGIN_INT, .max = 1},
                 {.name = "variance", .type = WHET_PLUGIN_FLOATS},
                 {.name = "imgH", .type = WHET_PLUGIN_INT, .max = 1 << 30},
                 {.name = "imgW", .type = WHET_PLUGIN_INT, .max = 1 << 30},
                 {.name = "stepH", .type = WHET_PLUGIN_FLOAT},
                 {.name = "stepW", .type = WHET_PLUGIN_FLOAT},
                 {.name = "offset", .type = WHET_PLUGIN_FLOAT, .def = 0.5}),
    PLUGIN_INPUTS({"feature_map", WHET_PLUGIN_F32, 'T', 0},
                  {"image", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL}),
    PLUGIN_OUTPUTS({"priors", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "plain", .run = prior_run}),
    .shapes = prior_shapes,
};

// ---- GridAnchor_TRT, GridAnchorRect_TRT ----
// No inputs, one result a layer. The first layer has three boxes: scale 0.1 and ratio 1, the first
// scale with ratios 2 and 1/2; the others one for each of aspectRatios and one of ratio 1 with the
// geometric mean of this scale and the next. featureMapShapes: height and width of each layer, or
// one number where they are the same.

static whet_status grid_map(whet_plugin_node *n, int32_t layer, int64_t *h, int64_t *w) {
    int32_t count, layers = (int32_t)whet_plugin_int(n, "numLayers");
    const int64_t *d = whet_plugin_ints(n, "featureMapShapes", &count);
    if (count != layers && count != 2 * layers)
        return whet_plugin_fail(n, WHET_E_INVALID, "featureMapShapes has %d numbers for %d layers",
                                count, layers);
    *h = count == layers ? d[layer] : d[2 * layer];
    *w = count == layers ? d[layer] : d[2 * layer + 1];
    if (*h < 1 || *w < 1 || *h > 1 << 20 || *w > 1 << 20)
        return whet_plugin_fail(n, WHET_E_RANGE, "layer %d is %lld x %lld", layer, (long long)*h,
                                (long long)*w);
    return WHET_OK;
}

static whet_status grid_shapes(whet_plugin_node *n) {
    int64_t layers = whet_plugin_int(n, "numLayers"), h, w;
    int32_t ratios;
    whet_plugin_floats(n, "aspectRatios", &ratios);
    PLUGIN_TRY(check_positive(n, "aspectRatios", true));
    PLUGIN_TRY(check_variances(n));
    if (whet_plugin_out_n(n) > layers)
        return whet_plugin_fail(n, WHET_E_MODEL, "%d results of %lld layers", whet_plugin_out_n(n),
                                (long long)layers);
    for (int32_t i = 0; i < whet_plugin_out_n(n); i++) {
        PLUGIN_TRY(grid_map(n, i, &h, &w));
        set_shape(n, i, whet_plugin_dim_number(n, h * w), i ? ratios + 1 : 3);
    }
    return WHET_OK;
}

static double grid_scale(whet_plugin_node *n, int64_t layer) {
    double low = whet_plugin_float(n, "minSize"), high = whet_plugin_float(n, "maxSize");
    int64_t layers = whet_plugin_int(n, "numLayers");
    if (layer >= layers) return 1;
    return layers > 1 ? low + (high - low) * (double)layer / (double)(layers - 1) : low;
}

static float *grid_cell(whet_plugin_node *n, int32_t layer, double cx, double cy, float *y) {
    int32_t ratios;
    const float *ratio = whet_plugin_floats(n, "aspectRatios", &ratios);
    double s = grid_scale(n, layer);
    if (layer == 0) {
        y = put(y, cx, cy, 0.1, 0.1);
        y = put(y, cx, cy, s * sqrt(2), s / sqrt(2));
        return put(y, cx, cy, s / sqrt(2), s * sqrt(2));
    }
    for (int32_t k = 0; k < ratios; k++) {
        double root = sqrt((double)ratio[k]);
        y = put(y, cx, cy, s * root, s / root);
    }
    s = sqrt(s * grid_scale(n, layer + 1));
    return put(y, cx, cy, s, s);
}

static whet_status grid_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int32_t n_v;
    const float *variance = whet_plugin_floats(n, "variance", &n_v);
    (void)begin, (void)end;
    for (int32_t i = 0; i < whet_plugin_out_n(n); i++) {
        int64_t h, w;
        float *y = whet_plugin_out(n, i);
        PLUGIN_TRY(grid_map(n, i, &h, &w));
        if (!y) continue;
        for (int64_t cell = 0; cell < h * w; cell++)
            y = grid_cell(n, i, ((double)(cell % w) + 0.5) / (double)w,
                          ((double)(cell / w) + 0.5) / (double)h, y);
        put_variances(y, variance, n_v, whet_plugin_out_dims(n, i)[2] / 4);
    }
    return WHET_OK;
}

#define GRID_ANCHOR(id, op_type)                                                                   \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = op_type,                                                                           \
        .version = "1",                                                                            \
        PLUGIN_ATTRS({.name = "minSize", .type = WHET_PLUGIN_FLOAT, .def = 0.2},                   \
                     {.name = "maxSize", .type = WHET_PLUGIN_FLOAT, .def = 0.95},                  \
                     {.name = "aspectRatios", .type = WHET_PLUGIN_FLOATS},                         \
                     {.name = "featureMapShapes", .type = WHET_PLUGIN_INTS},                       \
                     {.name = "variance", .type = WHET_PLUGIN_FLOATS},                             \
                     {.name = "numLayers", .type = WHET_PLUGIN_INT, .required = true, .min = 1,    \
                      .max = 1000}),                                                               \
        PLUGIN_OUTPUTS({"priors", WHET_PLUGIN_F32, 0, WHET_PLUGIN_ARG_VARIADIC}),                  \
        PLUGIN_TACTICS({.name = "plain", .run = grid_run}),                                        \
        .shapes = grid_shapes,                                                                     \
    }
GRID_ANCHOR(grid_anchor, "GridAnchor_TRT");
GRID_ANCHOR(grid_anchor_rect, "GridAnchorRect_TRT");
