// SPDX-License-Identifier: Apache-2.0
// What the plugins of the library share: checks of shapes, and tables by macro. Names, versions and
// attributes are those of TensorRT's plugin folder; each file says what it computes. All compute in
// float32; dimensions that are still expressions while an engine is built are checked when they are
// numbers, before a run.
#ifndef WHET_PLUGIN_UTIL_H
#define WHET_PLUGIN_UTIL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whet/plugin.h>

#define PLUGIN_TRY(call)                                                                           \
    do {                                                                                           \
        whet_status plugin_status_ = (call);                                                       \
        if (plugin_status_ != WHET_OK) return plugin_status_;                                      \
    } while (0)

#define PLUGIN_ATTRS(...)                                                                          \
    .attrs = (const whet_plugin_attr[]){__VA_ARGS__},                                              \
    .n_attrs = (int32_t)(sizeof((whet_plugin_attr[]){__VA_ARGS__}) / sizeof(whet_plugin_attr))
#define PLUGIN_INPUTS(...)                                                                         \
    .inputs = (const whet_plugin_arg[]){__VA_ARGS__},                                              \
    .n_inputs = (int32_t)(sizeof((whet_plugin_arg[]){__VA_ARGS__}) / sizeof(whet_plugin_arg))
#define PLUGIN_OUTPUTS(...)                                                                        \
    .outputs = (const whet_plugin_arg[]){__VA_ARGS__},                                             \
    .n_outputs = (int32_t)(sizeof((whet_plugin_arg[]){__VA_ARGS__}) / sizeof(whet_plugin_arg))
#define PLUGIN_TACTICS(...)                                                                        \
    .tactics = (const whet_plugin_tactic[]){__VA_ARGS__},                                          \
    .n_tactics = (int32_t)(sizeof((whet_plugin_tactic[]){__VA_ARGS__}) / sizeof(whet_plugin_tactic))

#define PLUGIN_I32 WHET_PLUGIN_TYPE(WHET_DTYPE_I32)
#define PLUGIN_I64 WHET_PLUGIN_TYPE(WHET_DTYPE_I64)
// Which precision TensorRT should compute in; here the types of the inputs say it.
#define PLUGIN_TYPE_ID {.name = "type_id", .type = WHET_PLUGIN_INT, .max = 2}

static inline whet_status plugin_check_rank(whet_plugin_node *n, int32_t in, int32_t rank) {
    if (whet_plugin_in_rank(n, in) == rank) return WHET_OK;
    return whet_plugin_fail(n, WHET_E_SHAPE, "input %d has %d dimensions, %d are expected", in,
                            whet_plugin_in_rank(n, in), rank);
}

// Fails when both are numbers that differ.
static inline whet_status plugin_check_same(whet_plugin_node *n, whet_plugin_dim a,
                                            whet_plugin_dim b, const char *what) {
    int64_t x, y;
    if (!whet_plugin_dim_value(n, a, &x) || !whet_plugin_dim_value(n, b, &y) || x == y)
        return WHET_OK;
    return whet_plugin_fail(n, WHET_E_SHAPE, "%s: %lld is not %lld", what, (long long)x,
                            (long long)y);
}

static inline whet_status plugin_check_number(whet_plugin_node *n, whet_plugin_dim a, int64_t value,
                                              const char *what) {
    return plugin_check_same(n, a, whet_plugin_dim_number(n, value), what);
}

// Input `in` has the shape of input `as`.
static inline whet_status plugin_check_like(whet_plugin_node *n, int32_t in, int32_t as) {
    int32_t rank = whet_plugin_in_rank(n, as);
    PLUGIN_TRY(plugin_check_rank(n, in, rank));
    for (int32_t k = 0; k < rank; k++)
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, in, k), whet_plugin_in_dim(n, as, k),
                                     "inputs of one shape"));
    return WHET_OK;
}

// An input of rank 1 with as many elements as `length`.
static inline whet_status plugin_check_vector(whet_plugin_node *n, int32_t in,
                                              whet_plugin_dim length) {
    PLUGIN_TRY(plugin_check_rank(n, in, 1));
    return plugin_check_same(n, whet_plugin_in_dim(n, in, 0), length, "elements of a vector");
}

// A tensor attribute of float32 with `rank` dimensions; *t stays NULL when it is not given.
static inline whet_status plugin_weights(whet_plugin_node *n, const char *name, int32_t rank,
                                         const whet_tensor **t) {
    *t = whet_plugin_tensor(n, name);
    if (!*t) return WHET_OK;
    if ((*t)->dtype != WHET_DTYPE_F32)
        return whet_plugin_fail(n, WHET_E_DTYPE, "attribute '%s' must be float32", name);
    if (rank >= 0 && (*t)->rank != rank)
        return whet_plugin_fail(n, WHET_E_SHAPE,
                                "attribute '%s' has %d dimensions, %d are expected", name,
                                (*t)->rank, rank);
    return WHET_OK;
}

static inline whet_status plugin_weights_needed(whet_plugin_node *n, const char *name, int32_t rank,
                                                const whet_tensor **t) {
    PLUGIN_TRY(plugin_weights(n, name, rank, t));
    return *t ? WHET_OK
              : whet_plugin_fail(n, WHET_E_INVALID, "the attribute '%s' is missing", name);
}

static inline int64_t plugin_weights_count(const whet_tensor *t) {
    int64_t count = 1;
    for (int32_t k = 0; t && k < t->rank; k++) count *= t->dims[k];
    return t ? count : 0;
}

// Element i of an input of int32 or int64.
static inline int64_t plugin_index(whet_plugin_node *n, int32_t in, int64_t i) {
    const void *data = whet_plugin_in(n, in);
    return whet_plugin_in_type(n, in) == WHET_DTYPE_I32 ? ((const int32_t *)data)[i]
                                                        : ((const int64_t *)data)[i];
}

// Tasks: the first dimension of output 0, or its first two.
static inline int64_t plugin_rows(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_out_rank(n, 0) > 0 ? whet_plugin_out_dims(n, 0)[0] : 1;
}
static inline int64_t plugin_planes(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_out_dims(n, 0)[0] * whet_plugin_out_dims(n, 0)[1];
}
// Elements of one of `tasks` equal parts of output 0.
static inline int64_t plugin_part(whet_plugin_node *n, int64_t tasks) {
    return tasks ? whet_plugin_out_count(n, 0) / tasks : 0;
}

#endif
