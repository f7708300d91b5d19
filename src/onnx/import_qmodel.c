// SPDX-License-Identifier: Apache-2.0
// The larger operators of quantized transformers and recurrent networks (domain com.microsoft), as
// the operator in float on what their quantized inputs stand for. Activations that onnxruntime
// quantizes at run time stay in float, which is what its results come close to.
#include "onnx/importer.h"

static whet_value *unsqueeze(whet_import_node *n, whet_value *v, int64_t axis) {
    return whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(v, whet_import_i64(n, &axis, 1)));
}

static whet_value *dequantize(whet_import_node *n, int32_t v, int32_t scale, int32_t zero) {
    if (!whet_import_in(n, v) || !whet_import_in(n, scale))
        whet_import_fail(n, WHET_E_MODEL, "its inputs %d and %d are required", v, scale);
    return whet_import_emit(
        n, "dequantize_linear", NULL,
        WHET_VALUES(whet_import_in(n, v), whet_import_in(n, scale), whet_import_in(n, zero)));
}

// Inputs: input, weight, bias, scales of the first two, mask, zero points of the first two, past.
void whet_import_qattention(whet_import_node *n) {
    whet_value *x = dequantize(n, 0, 3, 6), *w = dequantize(n, 1, 4, 7);
    whet_import_own(n, NULL, WHET_VALUES(x, w, whet_import_in(n, 2), whet_import_in(n, 5),
                                         whet_import_in(n, 8)));
}

// ---- recurrent ----

// [directions] or [directions, columns] to what broadcasts to [directions, size, columns].
static whet_value *of_columns(whet_import_node *n, whet_value *v) {
    int32_t rank = whet_import_rank_known(n, v, "a scale or zero point");
    if (rank == 1) v = unsqueeze(n, v, 1);
    return rank < 1 ? v : unsqueeze(n, v, 1);
}

// Weights [directions, size, columns] in 8 bits to [directions, columns, size] in float.
static whet_value *weights(whet_import_node *n, int32_t at, int32_t scale) {
    static const int64_t perm[] = {0, 2, 1};
    const whet_import_set *to_float = WHET_SETS({"to", .number = WHET_DTYPE_F32});
    whet_value *w = whet_import_in(n, at), *s = whet_import_in(n, scale);
    whet_value *z = whet_import_in(n, scale + 1);
    if (!w || !s || !z) {
        whet_import_fail(n, WHET_E_MODEL, "its inputs %d, %d and %d are required", at, scale,
                         scale + 1);
        return NULL;
    }
    w = whet_import_emit(n, "cast", to_float, WHET_VALUES(w));
    z = whet_import_emit(n, "cast", to_float, WHET_VALUES(of_columns(n, z)));
    w = whet_import_emit(n, "sub", NULL, WHET_VALUES(w, z));
    w = whet_import_emit(n, "mul", NULL, WHET_VALUES(w, of_columns(n, s)));
    return whet_import_emit(n, "transpose", WHET_SETS({"perm", .ints = {perm, 3}}),
                            WHET_VALUES(w));
}

// Inputs: those of LSTM, then scales and zero points of W and R.
void whet_import_dynamic_quantize_lstm(whet_import_node *n) {
    whet_value *w = weights(n, 1, 8), *r = weights(n, 2, 10);
    whet_value *in[8] = {whet_import_in(n, 0), w, r};
    for (int32_t i = 3; i < 8; i++) in[i] = whet_import_in(n, i);
    whet_import_own(n, NULL, in, 8);
}

// ---- embeddings ----

// Rows of a table; NULL when there is none.
static whet_value *rows(whet_import_node *n, whet_value *table, whet_value *ids) {
    return table && ids ? whet_import_emit(n, "gather", NULL, WHET_VALUES(table, ids)) : NULL;
}

// 0 to the length of ids [batch, length].
static whet_value *positions(whet_import_node *n, whet_value *ids) {
    whet_value *zero = whet_import_scalar(n, WHET_DTYPE_I64, 0);
    whet_value *one = whet_import_scalar(n, WHET_DTYPE_I64, 1);
    whet_value *shape = whet_import_emit(n, "shape", NULL, WHET_VALUES(ids));
    whet_value *length = whet_import_emit(n, "gather", NULL, WHET_VALUES(shape, one));
    return whet_import_emit(n, "range", NULL, WHET_VALUES(zero, length, one));
}

// How many words of each text count: the sums of the mask; 0 without one.
static whet_value *mask_index(whet_import_node *n, whet_value *ids, whet_value *mask) {
    int64_t one = 1;
    whet_value *axes = whet_import_i64(n, &one, 1);
    if (!mask) {
        whet_value *zero = whet_import_scalar(n, WHET_DTYPE_I32, 0);
        mask = whet_import_emit(n, "mul", NULL, WHET_VALUES(ids, zero));
    }
    return whet_import_emit(n, "reduce_sum", WHET_SETS({"keepdims", .number = 0}),
                            WHET_VALUES(mask, axes));
}

typedef struct embedding {
    whet_value *word, *position, *segment, *gamma, *beta, *mask;
} embedding;

static void embed(whet_import_node *n, const embedding *e) {
    whet_value *ids = whet_import_in(n, 0), *segments = whet_import_in(n, 1);
    double epsilon = whet_import_float(n, "epsilon", 1e-12f);
    if (!ids || !e->word || !e->position || !e->gamma || !e->beta) {
        whet_import_fail(n, WHET_E_MODEL, "a required input is missing");
        return;
    }
    whet_value *words = rows(n, e->word, ids), *places = rows(n, e->position, positions(n, ids));
    whet_value *sum = whet_import_emit(n, "add", NULL, WHET_VALUES(words, places));
    if (e->segment && segments)
        sum = whet_import_emit(n, "add", NULL, WHET_VALUES(sum, rows(n, e->segment, segments)));
    whet_import_result(n, 0, whet_import_emit(n, "layer_norm",
                                              WHET_SETS({"axis", .number = -1},
                                                        {"epsilon", .number = epsilon}),
                                              WHET_VALUES(sum, e->gamma, e->beta)));
    if (whet_import_wants(n, 1)) whet_import_result(n, 1, mask_index(n, ids, e->mask));
}

// Inputs: ids, segment ids, tables of words, positions and segments, gamma, beta, mask; then scales
// and zero points of the five.
void whet_import_qembed_layer_norm(whet_import_node *n) {
    whet_value *segment = whet_import_in(n, 4) ? dequantize(n, 4, 10, 15) : NULL;
    const embedding e = {dequantize(n, 2, 8, 13),  dequantize(n, 3, 9, 14),
                         segment,                  dequantize(n, 5, 11, 16),
                         dequantize(n, 6, 12, 17), whet_import_in(n, 7)};
    embed(n, &e);
}
