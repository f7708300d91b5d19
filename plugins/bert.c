// SPDX-License-Identifier: Apache-2.0
// Plugins of TensorRT's BERT: skip layer normalisation, embeddings, fully connected. Hidden states
// are [S, B, E] with any number of trailing ones, S: positions, B: samples, E: hidden size;
// normalisation adds 1e-12 to the variance (1e-5 where `epsilon` does not say otherwise).
#include "plugin_util.h"

// The third dimension is the last that is not 1.
static whet_status check_hidden(whet_plugin_node *n) {
    int32_t rank = whet_plugin_in_rank(n, 0);
    if (rank < 3) return plugin_check_rank(n, 0, 3);
    for (int32_t k = 3; k < rank; k++)
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, k), 1, "trailing dimension"));
    return WHET_OK;
}

static whet_status check_weights(whet_plugin_node *n, const char *name, whet_plugin_dim length,
                                 bool needed) {
    const whet_tensor *t;
    PLUGIN_TRY(needed ? plugin_weights_needed(n, name, -1, &t) : plugin_weights(n, name, -1, &t));
    return t ? plugin_check_number(n, length, plugin_weights_count(t), name) : WHET_OK;
}

static void layer_norm(float *y, const double *x, int64_t width, const float *gamma,
                       const float *beta, double epsilon) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < width; i++) sum += x[i];
    double mean = sum / (double)width;
    for (int64_t i = 0; i < width; i++) squares += (x[i] - mean) * (x[i] - mean);
    double factor = 1 / sqrt(squares / (double)width + epsilon);
    for (int64_t i = 0; i < width; i++)
        y[i] = (float)((x[i] - mean) * factor * gamma[i] + beta[i]);
}

// ---- CustomSkipLayerNormPluginDynamic: layer norm of input + skip + bias ----

static whet_status skip_shapes(whet_plugin_node *n) {
    PLUGIN_TRY(check_hidden(n));
    PLUGIN_TRY(plugin_check_like(n, 1, 0));
    whet_plugin_dim width = whet_plugin_in_dim(n, 0, 2);
    PLUGIN_TRY(check_weights(n, "beta", width, true));
    PLUGIN_TRY(check_weights(n, "gamma", width, true));
    PLUGIN_TRY(check_weights(n, "bias", width, false));
    if (whet_plugin_int(n, "ld") > 0)
        PLUGIN_TRY(plugin_check_number(n, width, whet_plugin_int(n, "ld"), "ld"));
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static size_t row_scratch(whet_plugin_node *n) {
    return (size_t)whet_plugin_out_dims(n, 0)[2] * sizeof(double);
}

static whet_status skip_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const whet_tensor *bias = whet_plugin_tensor(n, "bias");
    const float *b = bias ? bias->data : NULL, *x = whet_plugin_in(n, 0);
    const float *skip = whet_plugin_in(n, 1), *gamma = whet_plugin_tensor(n, "gamma")->data;
    const float *beta = whet_plugin_tensor(n, "beta")->data;
    int64_t width = whet_plugin_in_dims(n, 0)[2];
    double *row = whet_plugin_scratch(n), epsilon = whet_plugin_float(n, "epsilon");
    float *y = whet_plugin_out(n, 0);
    for (int64_t at = begin * width; width > 0 && at < end * width; at += width) {
        for (int64_t i = 0; i < width; i++)
            row[i] = (double)x[at + i] + skip[at + i] + (b ? b[i] : 0);
        layer_norm(y + at, row, width, gamma, beta, epsilon);
    }
    return WHET_OK;
}

#define SKIP_LAYER_NORM(number)                                                                    \
    extern const whet_plugin plugin_skip_layer_norm_##number;                                      \
    const whet_plugin plugin_skip_layer_norm_##number = {                                          \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "CustomSkipLayerNormPluginDynamic",                                                \
        .version = #number,                                                                        \
        PLUGIN_ATTRS(PLUGIN_TYPE_ID, {.name = "ld", .type = WHET_PLUGIN_INT},                      \
                     {.name = "epsilon", .type = WHET_PLUGIN_FLOAT, .def = 1e-5},                  \
                     {.name = "beta", .type = WHET_PLUGIN_TENSOR},                                 \
                     {.name = "gamma", .type = WHET_PLUGIN_TENSOR},                                \
                     {.name = "bias", .type = WHET_PLUGIN_TENSOR}),                                \
        PLUGIN_INPUTS({"input", WHET_PLUGIN_F32, 'T', 0}, {"skip", WHET_PLUGIN_F32, 'T', 0}),      \
        PLUGIN_OUTPUTS({"output", 0, 'T', 0}),                                                     \
        PLUGIN_TACTICS({.name = "rows", .tasks = plugin_planes, .scratch = row_scratch,            \
                        .run = skip_run}),                                                         \
        .shapes = skip_shapes,                                                                     \
    }
SKIP_LAYER_NORM(1);
SKIP_LAYER_NORM(2);
SKIP_LAYER_NORM(5);
SKIP_LAYER_NORM(6);

// ---- CustomEmbLayerNormPluginDynamic ----

static const char *const word = "bert_embeddings_word_embeddings",
                  *const kind = "bert_embeddings_token_type_embeddings",
                  *const place = "bert_embeddings_position_embeddings",
                  *const emb_beta = "bert_embeddings_layernorm_beta",
                  *const emb_gamma = "bert_embeddings_layernorm_gamma";

static whet_status embedding_shapes(whet_plugin_node *n) {
    const whet_tensor *table;
    int64_t width = 0, positions;
    for (int32_t i = 0; i < 3; i++) PLUGIN_TRY(plugin_check_rank(n, i, 2));
    PLUGIN_TRY(plugin_check_like(n, 1, 0));
    PLUGIN_TRY(plugin_check_like(n, 2, 0));
    const char *const names[] = {word, kind, place};
    for (int32_t i = 0; i < 3; i++) {
        PLUGIN_TRY(plugin_weights_needed(n, names[i], 2, &table));
        if (i == 0) width = table->dims[1];
        if (table->dims[1] != width)
            return whet_plugin_fail(n, WHET_E_SHAPE, "'%s' has rows of %lld, not of %lld", names[i],
                                    (long long)table->dims[1], (long long)width);
    }
    if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, 0), &positions) &&
        positions > table->dims[0])
        return whet_plugin_fail(n, WHET_E_SHAPE, "%lld positions, but embeddings for %lld",
                                (long long)positions, (long long)table->dims[0]);
    PLUGIN_TRY(check_weights(n, emb_beta, whet_plugin_dim_number(n, width), true));
    PLUGIN_TRY(check_weights(n, emb_gamma, whet_plugin_dim_number(n, width), true));
    if (whet_plugin_int(n, "full_mask") || whet_plugin_int(n, "mha_type_id") ||
        whet_plugin_int(n, "output_fp16"))
        return whet_plugin_fail(n, WHET_E_UNSUPPORTED,
                                "full_mask, mha_type_id and output_fp16 other than 0 are forms of "
                                "fused GPU kernels that are not here; set them to 0");
    whet_plugin_dim one = whet_plugin_dim_number(n, 1), dims[5] = {
        whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 0, 1), whet_plugin_dim_number(n, width),
        one, one};
    whet_plugin_set_shape(n, 0, 5, dims);
    whet_plugin_set_shape(n, 1, 1, dims + 1);
    return WHET_OK;
}

static whet_status out_of_range(whet_plugin_node *n, const char *what, int64_t id, int64_t size) {
    return whet_plugin_fail(n, WHET_E_RANGE, "%s %lld is outside of [0, %lld)", what, (long long)id,
                            (long long)size);
}

// Valid positions at the start of sample b; a mask with holes is refused.
static whet_status mask_length(whet_plugin_node *n, int64_t b, int32_t *length) {
    const int64_t *d = whet_plugin_in_dims(n, 2);
    const int32_t *mask = whet_plugin_in(n, 2);
    *length = 0;
    while (*length < d[0] && mask[*length * d[1] + b]) ++*length;
    for (int64_t s = *length; s < d[0]; s++)
        if (mask[s * d[1] + b])
            return whet_plugin_fail(n, WHET_E_INVALID, "the mask of sample %lld has holes",
                                    (long long)b);
    return WHET_OK;
}

// A task is one sample.
static int64_t samples(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_in_dims(n, 0)[1];
}

static whet_status embedding_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const whet_tensor *words = whet_plugin_tensor(n, word), *kinds = whet_plugin_tensor(n, kind);
    const float *places = whet_plugin_tensor(n, place)->data;
    const float *beta = whet_plugin_tensor(n, emb_beta)->data;
    const float *gamma = whet_plugin_tensor(n, emb_gamma)->data;
    const int32_t *ids = whet_plugin_in(n, 0), *segments = whet_plugin_in(n, 1);
    int64_t positions = whet_plugin_in_dims(n, 0)[0], count = whet_plugin_in_dims(n, 0)[1];
    int64_t width = words->dims[1];
    double *row = whet_plugin_scratch(n);
    float *y = whet_plugin_out(n, 0);
    int32_t *lengths = whet_plugin_out(n, 1), length;
    for (int64_t b = begin; b < end; b++) {
        PLUGIN_TRY(mask_length(n, b, &length));
        if (lengths) lengths[b] = length;
        for (int64_t s = 0; y && s < positions; s++) {
            int64_t at = s * count + b, id = ids[at], segment = segments[at];
            if (id < 0 || id >= words->dims[0])
                return out_of_range(n, "token", id, words->dims[0]);
            if (segment < 0 || segment >= kinds->dims[0])
                return out_of_range(n, "segment", segment, kinds->dims[0]);
            for (int64_t i = 0; i < width; i++)
                row[i] = (double)((const float *)words->data)[id * width + i] +
                         ((const float *)kinds->data)[segment * width + i] + places[s * width + i];
            layer_norm(y + at * width, row, width, gamma, beta, 1e-12);
        }
    }
    return WHET_OK;
}

static size_t embedding_scratch(whet_plugin_node *n) {
    return (size_t)whet_plugin_tensor(n, word)->dims[1] * sizeof(double);
}

#define EMB_LAYER_NORM(number)                                                                     \
    extern const whet_plugin plugin_emb_layer_norm_##number;                                       \
    const whet_plugin plugin_emb_layer_norm_##number = {                                           \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "CustomEmbLayerNormPluginDynamic",                                                 \
        .version = #number,                                                                        \
        PLUGIN_ATTRS({.name = "output_fp16", .type = WHET_PLUGIN_INT},                             \
                     {.name = "full_mask", .type = WHET_PLUGIN_INT},                               \
                     {.name = "mha_type_id", .type = WHET_PLUGIN_INT},                             \
                     {.name = "bert_embeddings_layernorm_beta", .type = WHET_PLUGIN_TENSOR},       \
                     {.name = "bert_embeddings_layernorm_gamma", .type = WHET_PLUGIN_TENSOR},      \
                     {.name = "bert_embeddings_word_embeddings", .type = WHET_PLUGIN_TENSOR},      \
                     {.name = "bert_embeddings_token_type_embeddings",                             \
                      .type = WHET_PLUGIN_TENSOR},                                                 \
                     {.name = "bert_embeddings_position_embeddings",                               \
                      .type = WHET_PLUGIN_TENSOR}),                                                \
        PLUGIN_INPUTS({"token_id", PLUGIN_I32, 0, 0}, {"segment_id", PLUGIN_I32, 0, 0},            \
                      {"input_mask", PLUGIN_I32, 0, 0}),                                           \
        PLUGIN_OUTPUTS({"embedded_input", WHET_PLUGIN_F32, 0, 0}, {"maskIdx", PLUGIN_I32, 0, 0}),  \
        PLUGIN_TACTICS({.name = "samples", .tasks = samples, .scratch = embedding_scratch,         \
                        .run = embedding_run}),                                                    \
        .shapes = embedding_shapes,                                                                \
    }
EMB_LAYER_NORM(1);
EMB_LAYER_NORM(4);

// ---- CustomFCPluginDynamic: [N, B, K, 1, 1] times W [K, out_dims] ----

static whet_status connected_shapes(whet_plugin_node *n) {
    const whet_tensor *w;
    int32_t rank = whet_plugin_in_rank(n, 0);
    PLUGIN_TRY(check_hidden(n));
    PLUGIN_TRY(plugin_weights_needed(n, "W", -1, &w));
    int64_t outputs = whet_plugin_int(n, "out_dims"), count = plugin_weights_count(w);
    if (count % outputs)
        return whet_plugin_fail(n, WHET_E_SHAPE, "%lld weights do not make columns of %lld",
                                (long long)count, (long long)outputs);
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 2), count / outputs, "rows of W"));
    whet_plugin_dim dims[WHET_MAX_RANK];
    for (int32_t k = 0; k < rank; k++) dims[k] = whet_plugin_in_dim(n, 0, k);
    dims[2] = whet_plugin_dim_number(n, outputs);
    whet_plugin_set_shape(n, 0, rank, dims);
    return WHET_OK;
}

static whet_status connected_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *w = whet_plugin_tensor(n, "W")->data, *x = whet_plugin_in(n, 0);
    int64_t inner = whet_plugin_in_dims(n, 0)[2], outer = whet_plugin_out_dims(n, 0)[2];
    float *y = whet_plugin_out(n, 0);
    for (int64_t row = begin; row < end; row++) {
        for (int64_t j = 0; j < outer; j++) y[row * outer + j] = 0;
        for (int64_t i = 0; i < inner; i++)
            for (int64_t j = 0; j < outer; j++)
                y[row * outer + j] += x[row * inner + i] * w[i * outer + j];
    }
    return WHET_OK;
}

extern const whet_plugin plugin_fully_connected;
const whet_plugin plugin_fully_connected = {
    WHET_PLUGIN_SIZES,
    .name = "CustomFCPluginDynamic",
    .version = "1",
    PLUGIN_ATTRS(PLUGIN_TYPE_ID,
                 {.name = "out_dims", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 30},
                 {.name = "W", .type = WHET_PLUGIN_TENSOR}),
    PLUGIN_INPUTS({"input", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"output", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "rows", .tasks = plugin_planes, .run = connected_run}),
    .shapes = connected_shapes,
};
