// SPDX-License-Identifier: Apache-2.0
// Region_TRT (YOLOv2, arXiv 1612.08242): [N, num (coords + 1 + classes), H, W]; of each box the
// offsets x and y and the objectness go through a sigmoid, the classes through a softmax, width and
// height stay. Trees of classes (softmaxTree) are refused.
#include "plugin_util.h"

static whet_status shapes(whet_plugin_node *n) {
    int64_t fields = whet_plugin_int(n, "coords") + 1 + whet_plugin_int(n, "classes");
    PLUGIN_TRY(plugin_check_rank(n, 0, 4));
    if (whet_plugin_int(n, "coords") != 4)
        return whet_plugin_fail(n, WHET_E_UNSUPPORTED, "coords must be 4");
    if (whet_plugin_int(n, "hasSoftmaxTree"))
        return whet_plugin_fail(n, WHET_E_UNSUPPORTED, "a tree of classes is not here");
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 1),
                                   whet_plugin_int(n, "num") * fields,
                                   "num (coords + 1 + classes)"));
    static const char *const sizes[] = {"C", "H", "W"};
    for (int32_t k = 0; k < 3; k++)
        if (whet_plugin_int(n, sizes[k]) > 0)
            PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, k + 1),
                                           whet_plugin_int(n, sizes[k]), sizes[k]));
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static float sigmoid(float x) { return (float)(1 / (1 + exp(-(double)x))); }

// One box of one position; fields are `step` floats apart.
static void box(const float *x, float *y, int64_t step, int64_t classes) {
    for (int64_t f = 0; f < 5; f++)
        y[f * step] = f == 2 || f == 3 ? x[f * step] : sigmoid(x[f * step]);
    double high = -HUGE_VAL, sum = 0;
    for (int64_t c = 5; c < 5 + classes; c++) high = x[c * step] > high ? x[c * step] : high;
    for (int64_t c = 5; c < 5 + classes; c++) sum += exp(x[c * step] - high);
    for (int64_t c = 5; c < 5 + classes; c++)
        y[c * step] = (float)(exp(x[c * step] - high) / sum);
}

static int64_t boxes(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_in_dims(n, 0)[0] * whet_plugin_int(n, "num");
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t plane = d[2] * d[3], classes = whet_plugin_int(n, "classes");
    int64_t size = (5 + classes) * plane;
    for (int64_t i = begin; i < end; i++)
        for (int64_t p = 0; p < plane; p++)
            box((const float *)whet_plugin_in(n, 0) + i * size + p,
                (float *)whet_plugin_out(n, 0) + i * size + p, plane, classes);
    return WHET_OK;
}

extern const whet_plugin plugin_region;
const whet_plugin plugin_region = {
    WHET_PLUGIN_SIZES,
    .name = "Region_TRT",
    .version = "1",
    PLUGIN_ATTRS({.name = "num", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 20},
                 {.name = "coords", .type = WHET_PLUGIN_INT, .def = 4},
                 {.name = "classes", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 20},
                 {.name = "hasSoftmaxTree", .type = WHET_PLUGIN_BOOL},
                 {.name = "C", .type = WHET_PLUGIN_INT}, {.name = "H", .type = WHET_PLUGIN_INT},
                 {.name = "W", .type = WHET_PLUGIN_INT}),
    PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "boxes", .tasks = boxes, .run = run}),
    .shapes = shapes,
};
