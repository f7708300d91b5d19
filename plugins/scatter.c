// SPDX-License-Identifier: Apache-2.0
// ScatterElements 1 and 2 and ScatterND, as ONNX defines them, for models that name TensorRT's
// plugins: ScatterElements joins the updates to the data by `reduction` (none, add, mul, max, min)
// along `axis`; ScatterND overwrites slices.
#include "plugin_util.h"

enum { NONE, ADD, MUL, MAX, MIN };
static const char *const reductions[] = {"none", "add", "mul", "max", "min", NULL};

static whet_status elements_shapes(whet_plugin_node *n) {
    int32_t rank = whet_plugin_in_rank(n, 0);
    int64_t axis = whet_plugin_int(n, "axis"), have, wanted;
    if (rank < 1 || axis < -rank || axis >= rank)
        return whet_plugin_fail(n, WHET_E_RANGE, "axis %lld of %d dimensions", (long long)axis,
                                rank);
    PLUGIN_TRY(plugin_check_rank(n, 1, rank));
    PLUGIN_TRY(plugin_check_like(n, 2, 1));
    for (int32_t k = 0; k < rank; k++)
        if (k != (axis + rank) % rank &&
            whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, k), &have) &&
            whet_plugin_dim_value(n, whet_plugin_in_dim(n, 1, k), &wanted) && wanted > have)
            return whet_plugin_fail(n, WHET_E_SHAPE,
                                    "dimension %d of the indices is %lld, of the data %lld", k,
                                    (long long)wanted, (long long)have);
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static float joined(float old, float update, int64_t how) {
    switch (how) {
    case ADD: return old + update;
    case MUL: return old * update;
    case MAX: return old > update ? old : update;
    case MIN: return old < update ? old : update;
    default: return update;
    }
}

static whet_status bad_index(whet_plugin_node *n, int64_t index, int64_t size) {
    return whet_plugin_fail(n, WHET_E_RANGE, "index %lld is outside of [-%lld, %lld)",
                            (long long)index, (long long)size, (long long)size);
}

// Copies the data; false when there is nothing to write to.
static bool copy_data(whet_plugin_node *n) {
    size_t bytes = (size_t)whet_plugin_out_count(n, 0) * sizeof(float);
    if (bytes && whet_plugin_out(n, 0) != whet_plugin_in(n, 0))
        memcpy(whet_plugin_out(n, 0), whet_plugin_in(n, 0), bytes);
    return bytes > 0;
}

static whet_status elements_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    int32_t rank = whet_plugin_in_rank(n, 0);
    const int64_t *d = whet_plugin_in_dims(n, 0), *u = whet_plugin_in_dims(n, 1);
    int32_t axis = (int32_t)((whet_plugin_int(n, "axis") + rank) % rank);
    const float *updates = whet_plugin_in(n, 2);
    float *y = whet_plugin_out(n, 0);
    if (!copy_data(n) && whet_plugin_in_count(n, 1) > 0)
        return whet_plugin_fail(n, WHET_E_RANGE, "indices into empty data");
    for (int64_t i = 0, count = whet_plugin_in_count(n, 1); i < count; i++) {
        int64_t index = plugin_index(n, 1, i), at = 0, step = 1, rest = i;
        if (index < -d[axis] || index >= d[axis]) return bad_index(n, index, d[axis]);
        for (int32_t k = rank - 1; k >= 0; k--) {
            int64_t place = k == axis ? (index + d[axis]) % d[axis] : rest % u[k];
            at += place * step, step *= d[k], rest /= u[k];
        }
        y[at] = joined(y[at], updates[i], whet_plugin_int(n, "reduction"));
    }
    return WHET_OK;
}

static whet_status nd_shapes(whet_plugin_node *n) {
    int32_t rank = whet_plugin_in_rank(n, 0), outer = whet_plugin_in_rank(n, 1) - 1;
    int64_t depth;
    if (rank < 1 || outer < 0)
        return whet_plugin_fail(n, WHET_E_SHAPE, "data and indices need a dimension at least");
    if (!whet_plugin_dim_value(n, whet_plugin_in_dim(n, 1, outer), &depth) || depth < 1 ||
        depth > rank)
        return whet_plugin_fail(n, WHET_E_SHAPE,
                                "the last dimension of the indices must be a number from 1 to %d",
                                rank);
    PLUGIN_TRY(plugin_check_rank(n, 2, outer + rank - (int32_t)depth));
    for (int32_t k = 0; k < outer + rank - depth; k++) {
        whet_plugin_dim like = k < outer ? whet_plugin_in_dim(n, 1, k)
                                         : whet_plugin_in_dim(n, 0, k - outer + (int32_t)depth);
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 2, k), like,
                                     "dimension of the updates"));
    }
    whet_plugin_set_shape_of(n, 0, 0);
    return WHET_OK;
}

static whet_status nd_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    int32_t rank = whet_plugin_in_rank(n, 0);
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t depth = whet_plugin_in_dims(n, 1)[whet_plugin_in_rank(n, 1) - 1], slice = 1;
    const float *updates = whet_plugin_in(n, 2);
    float *y = whet_plugin_out(n, 0);
    bool some = copy_data(n);
    for (int32_t k = (int32_t)depth; k < rank; k++) slice *= d[k];
    for (int64_t i = 0, count = whet_plugin_in_count(n, 1) / depth; i < count; i++) {
        int64_t at = 0;
        for (int64_t k = 0; k < depth; k++) {
            int64_t index = plugin_index(n, 1, i * depth + k);
            if (index < -d[k] || index >= d[k]) return bad_index(n, index, d[k]);
            at = at * d[k] + (index + d[k]) % d[k];
        }
        if (some) memcpy(y + at * slice, updates + i * slice, (size_t)slice * sizeof *y);
    }
    return WHET_OK;
}

#define SCATTER(id, type, number, ...)                                                             \
    extern const whet_plugin plugin_##id;                                                          \
    const whet_plugin plugin_##id = {                                                              \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = type,                                                                              \
        .version = number,                                                                         \
        PLUGIN_INPUTS({"data", WHET_PLUGIN_F32, 'T', 0},                                           \
                      {"indices", WHET_PLUGIN_INDEX_TYPES, 0, 0},                                  \
                      {"updates", WHET_PLUGIN_F32, 'T', 0}),                                       \
        PLUGIN_OUTPUTS({"output", 0, 'T', 0}),                                                     \
        .flags = WHET_PLUGIN_INPLACE,                                                              \
        __VA_ARGS__}
#define ELEMENTS                                                                                   \
    PLUGIN_ATTRS({.name = "axis", .type = WHET_PLUGIN_INT},                                        \
                 {.name = "reduction", .type = WHET_PLUGIN_CHOICE, .choices = reductions}),        \
        PLUGIN_TACTICS({.name = "plain", .run = elements_run}), .shapes = elements_shapes
SCATTER(scatter_elements_1, "ScatterElements", "1", ELEMENTS);
SCATTER(scatter_elements_2, "ScatterElements", "2", ELEMENTS);
SCATTER(scatter_nd, "ScatterND", "1", PLUGIN_TACTICS({.name = "plain", .run = nd_run}),
        .shapes = nd_shapes);
