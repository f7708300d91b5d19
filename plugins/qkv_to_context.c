// SPDX-License-Identifier: Apache-2.0
// CustomQKVToContextPluginDynamic: self-attention of N heads of size H, E = N H, over query, key
// and value of each head side by side: softmax(Q K' / sqrt(H)) V.
//   1 and 4: input [S, B, 3 E, 1, 1] and, with has_mask, the number of valid positions of each
//            sample, int32 [B]; output [S, B, E, 1, 1].
//   2 and 5: also, with var_seqlen, samples of different lengths one behind the other: input
//            [S', 3 E, 1, 1], a mask that is not looked at, where each sample begins and the last
//            ends, int32 [B + 1], and one more input that is not looked at; output [S', E, 1, 1].
#include "plugin_util.h"

static bool packed(whet_plugin_node *n) { return whet_plugin_in_rank(n, 0) == 4; }

static whet_status shapes(whet_plugin_node *n) {
    int64_t width = whet_plugin_int(n, "hidden_size"), heads = whet_plugin_int(n, "num_heads");
    int32_t rank = whet_plugin_int(n, "var_seqlen") ? 4 : 5, channels = rank - 3;
    if (width % heads)
        return whet_plugin_fail(n, WHET_E_INVALID, "a hidden size of %lld makes no %lld heads",
                                (long long)width, (long long)heads);
    if (whet_plugin_int(n, "type_id") == 2)
        return whet_plugin_fail(n, WHET_E_UNSUPPORTED, "type_id 2 (INT8) is not here; use 0 or 1");
    PLUGIN_TRY(plugin_check_rank(n, 0, rank));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, channels), 3 * width, "3 E"));
    for (int32_t k = channels + 1; k < rank; k++)
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, k), 1, "trailing dimension"));
    if (rank == 4) {
        if (!whet_plugin_has(n, 2))
            return whet_plugin_fail(n, WHET_E_MODEL, "var_seqlen needs the starts of the samples");
        PLUGIN_TRY(plugin_check_rank(n, 2, 1));
    } else if (whet_plugin_int(n, "has_mask")) {
        if (!whet_plugin_has(n, 1))
            return whet_plugin_fail(n, WHET_E_MODEL, "has_mask is set, but there is no mask");
        PLUGIN_TRY(plugin_check_vector(n, 1, whet_plugin_in_dim(n, 0, 1)));
    }
    whet_plugin_dim dims[5];
    for (int32_t k = 0; k < rank; k++) dims[k] = whet_plugin_in_dim(n, 0, k);
    dims[channels] = whet_plugin_dim_number(n, width);
    whet_plugin_set_shape(n, 0, rank, dims);
    return WHET_OK;
}

static int64_t sample_count(whet_plugin_node *n) {
    if (!packed(n)) return whet_plugin_in_dims(n, 0)[1];
    return whet_plugin_in_dims(n, 2)[0] > 0 ? whet_plugin_in_dims(n, 2)[0] - 1 : 0;
}

// A task is one head of one sample.
static int64_t tasks(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return sample_count(n) * whet_plugin_int(n, "num_heads");
}

static size_t scratch(whet_plugin_node *n) {
    return (size_t)whet_plugin_in_dims(n, 0)[0] * sizeof(double);
}

// Where the rows of a sample begin and how far apart they are; rows that may be attended to.
typedef struct sample {
    int64_t first, step, rows, valid;
} sample;

static whet_status sample_at(whet_plugin_node *n, int64_t b, sample *s) {
    int64_t positions = whet_plugin_in_dims(n, 0)[0];
    if (packed(n)) {
        const int32_t *starts = whet_plugin_in(n, 2);
        *s = (sample){starts[b], 1, (int64_t)starts[b + 1] - starts[b], 0};
        s->valid = s->rows;
        if (s->first < 0 || s->rows < 0 || s->first + s->rows > positions)
            return whet_plugin_fail(n, WHET_E_RANGE, "sample %lld is rows %d to %d of %lld",
                                    (long long)b, starts[b], starts[b + 1], (long long)positions);
        return WHET_OK;
    }
    *s = (sample){b, whet_plugin_in_dims(n, 0)[1], positions, positions};
    if (whet_plugin_int(n, "has_mask")) s->valid = ((const int32_t *)whet_plugin_in(n, 1))[b];
    if (s->valid < 0 || s->valid > positions)
        return whet_plugin_fail(n, WHET_E_RANGE, "the mask says %lld valid positions of %lld",
                                (long long)s->valid, (long long)positions);
    return WHET_OK;
}

static void attend(const float *q, const float *k, const float *v, float *y, int64_t stride,
                   int64_t valid, int64_t size, double *weights) {
    double high = -HUGE_VAL, sum = 0;
    for (int64_t j = 0; j < valid; j++) {
        double dot = 0;
        for (int64_t i = 0; i < size; i++) dot += (double)q[i] * k[j * stride + i];
        weights[j] = dot / sqrt((double)size);
        if (weights[j] > high) high = weights[j];
    }
    for (int64_t j = 0; j < valid; j++) sum += weights[j] = exp(weights[j] - high);
    for (int64_t i = 0; i < size; i++) {
        double value = 0;
        for (int64_t j = 0; j < valid; j++) value += weights[j] * v[j * stride + i];
        y[i] = (float)(valid ? value / sum : 0);
    }
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t width = whet_plugin_int(n, "hidden_size"), heads = whet_plugin_int(n, "num_heads");
    int64_t size = width / heads;
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0);
    for (int64_t task = begin; y && task < end; task++) {
        sample s;
        PLUGIN_TRY(sample_at(n, task / heads, &s));
        int64_t head = task % heads, stride = s.step * 3 * width;
        const float *q = x + s.first * 3 * width + head * 3 * size;
        for (int64_t row = 0; row < s.rows; row++)
            attend(q + row * stride, q + size, q + 2 * size,
                   y + (s.first + row * s.step) * width + head * size, stride, s.valid, size,
                   whet_plugin_scratch(n));
    }
    return WHET_OK;
}

#define QKV_ATTRS                                                                                  \
    PLUGIN_TYPE_ID,                                                                                \
        {.name = "hidden_size", .type = WHET_PLUGIN_INT, .required = true, .min = 1,               \
         .max = 1 << 24},                                                                          \
        {.name = "num_heads", .type = WHET_PLUGIN_INT, .required = true, .min = 1, .max = 1 << 20},\
        {.name = "has_mask", .type = WHET_PLUGIN_BOOL},                                            \
        {.name = "dq_probs", .type = WHET_PLUGIN_FLOAT, .def = 1 / 127.0}
#define QKV_REST                                                                                   \
    PLUGIN_INPUTS({"input", WHET_PLUGIN_F32, 'T', 0},                                              \
                  {"input_mask", 0, 0, WHET_PLUGIN_ARG_OPTIONAL},                                  \
                  {"starts", PLUGIN_I32, 0, WHET_PLUGIN_ARG_OPTIONAL},                             \
                  {"longest", 0, 0, WHET_PLUGIN_ARG_OPTIONAL}),                                    \
        PLUGIN_OUTPUTS({"output", 0, 'T', 0}),                                                     \
        PLUGIN_TACTICS({.name = "heads", .tasks = tasks, .scratch = scratch, .run = run}),         \
        .shapes = shapes
#define QKV(number, ...)                                                                           \
    extern const whet_plugin plugin_qkv_to_context_##number;                                       \
    const whet_plugin plugin_qkv_to_context_##number = {                                           \
        WHET_PLUGIN_SIZES, .name = "CustomQKVToContextPluginDynamic", .version = #number,          \
        __VA_ARGS__, QKV_REST}
#define QKV_VARIABLE                                                                               \
    PLUGIN_ATTRS(QKV_ATTRS, {.name = "var_seqlen", .type = WHET_PLUGIN_BOOL},                      \
                 {.name = "use_int8_scale_max", .type = WHET_PLUGIN_BOOL, .def = 1})
QKV(1, PLUGIN_ATTRS(QKV_ATTRS));
QKV(2, QKV_VARIABLE);
QKV(4, PLUGIN_ATTRS(QKV_ATTRS));
QKV(5, QKV_VARIABLE);
