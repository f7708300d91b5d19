// SPDX-License-Identifier: Apache-2.0
// DisentangledAttention_TRT: attention scores of DeBERTa (arXiv 2006.03654) from content-to-content
// c2c [B, S, S], content-to-position c2p [B, S, 2 span] and position-to-content p2c [B, S, 2 span]:
// y[b, i, j] = factor (c2c[b, i, j] + c2p[b, i, d] + p2c[b, j, d]), where d is i - j + span within
// [0, 2 span - 1] (version 1), and i - j is first put in a logarithmic bucket (version 2, as in
// DeBERTa-V2): beyond mid = span / 2 it grows with log(r / mid) / log((512 - 1) / mid) (mid - 1).
#include "plugin_util.h"

static whet_status shapes(whet_plugin_node *n) {
    int64_t span = whet_plugin_int(n, "span");
    for (int32_t i = 0; i < 3; i++) PLUGIN_TRY(plugin_check_rank(n, i, 3));
    PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 0, 1), whet_plugin_in_dim(n, 0, 2),
                                 "rows and columns of input 0"));
    for (int32_t i = 1; i < 3; i++) {
        for (int32_t k = 0; k < 2; k++)
            PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, k),
                                         whet_plugin_in_dim(n, 0, k), "samples and rows"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 2), 2 * span, "twice the span"));
    }
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static int64_t bucket(int64_t r, int64_t span) {
    int64_t mid = span / 2, size = r < 0 ? -r : r;
    if (size <= mid || mid < 1) return r;
    double place = ceil(log((double)size / (double)mid) / log(511.0 / (double)mid) *
                        (double)(mid - 1));
    int64_t at = (int64_t)place + mid;
    return r < 0 ? -at : at;
}

static int64_t distance(int64_t r, int64_t span, bool logarithmic) {
    int64_t at = (logarithmic ? bucket(r, span) : r) + span;
    return at < 0 ? 0 : at < 2 * span ? at : 2 * span - 1;
}

static whet_status scores(whet_plugin_node *n, int64_t begin, int64_t end, bool logarithmic) {
    int64_t span = whet_plugin_int(n, "span"), size = whet_plugin_in_dims(n, 0)[1];
    const float *c2c = whet_plugin_in(n, 0), *c2p = whet_plugin_in(n, 1);
    const float *p2c = whet_plugin_in(n, 2);
    double factor = whet_plugin_float(n, "factor");
    float *y = whet_plugin_out(n, 0);
    for (int64_t row = begin; row < end; row++) {
        int64_t i = row % size, first = row - i;
        for (int64_t j = 0; j < size; j++) {
            int64_t d = distance(i - j, span, logarithmic);
            double sum = (double)c2c[row * size + j] + c2p[row * 2 * span + d];
            y[row * size + j] = (float)(factor * (sum + p2c[(first + j) * 2 * span + d]));
        }
    }
    return WHET_OK;
}

static whet_status run_1(whet_plugin_node *n, int64_t begin, int64_t end) {
    return scores(n, begin, end, false);
}
static whet_status run_2(whet_plugin_node *n, int64_t begin, int64_t end) {
    return scores(n, begin, end, true);
}

#define DISENTANGLED(number)                                                                       \
    extern const whet_plugin plugin_disentangled_attention_##number;                               \
    const whet_plugin plugin_disentangled_attention_##number = {                                   \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "DisentangledAttention_TRT",                                                       \
        .version = #number,                                                                        \
        PLUGIN_ATTRS({.name = "span", .type = WHET_PLUGIN_INT, .required = true, .min = 1,         \
                      .max = 1 << 24},                                                             \
                     {.name = "factor", .type = WHET_PLUGIN_FLOAT, .required = true}),             \
        PLUGIN_INPUTS({"c2c", WHET_PLUGIN_F32, 'T', 0}, {"c2p", WHET_PLUGIN_F32, 'T', 0},          \
                      {"p2c", WHET_PLUGIN_F32, 'T', 0}),                                           \
        PLUGIN_OUTPUTS({"result", 0, 'T', 0}),                                                     \
        PLUGIN_TACTICS({.name = "rows", .tasks = plugin_planes, .run = run_##number}),             \
        .shapes = shapes,                                                                          \
    }
DISENTANGLED(1);
DISENTANGLED(2);
