// SPDX-License-Identifier: Apache-2.0
// Sequences and optionals that are known when the model is read: they dissolve into their tensors.
#include <string.h>

#include "onnx/importer.h"

enum { MAX_LIST = 1024 };

static bool fits(whet_import_node *n, int64_t count) {
    if (count > MAX_LIST)
        whet_import_fail(n, WHET_E_UNSUPPORTED, "sequences are limited to %d tensors", MAX_LIST);
    return !n->failed;
}

static const whet_import_list *sequence(whet_import_node *n) {
    const whet_import_list *list = whet_import_in_list(n, 0);
    if (!list) whet_import_fail(n, WHET_E_MODEL, "its first input must be a sequence");
    return list;
}

// A position in [-n, last], the last one when absent; -1 after a failure.
static int32_t position(whet_import_node *n, int32_t input, int32_t count, int32_t last) {
    int64_t at = last;
    if (whet_import_in(n, input) && !whet_import_known(whet_import_in(n, input), &at)) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the position must be known");
        return -1;
    }
    if (at < -(int64_t)count || at > last) {
        whet_import_fail(n, WHET_E_RANGE, "position %lld is outside of a sequence of %d",
                         (long long)at, count);
        return -1;
    }
    return (int32_t)(at < 0 ? at + count : at);
}

// `list` without element `skip` (-1: none) and with v before element `at` (NULL: none).
static void edited(whet_import_node *n, const whet_import_list *list, int32_t skip, int32_t at,
                   whet_value *v) {
    whet_value *items[MAX_LIST + 1];
    int32_t count = 0;
    if (!fits(n, list->n)) return;
    for (int32_t i = 0; i <= list->n; i++) {
        if (v && i == at) items[count++] = v;
        if (i < list->n && i != skip) items[count++] = list->v[i];
    }
    whet_import_result_list(n, 0, items, count);
}

void whet_import_sequence_construct(whet_import_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (!n->in[i]) whet_import_fail(n, WHET_E_MODEL, "its input %d must be a tensor", i);
    if (!n->n_in) whet_import_fail(n, WHET_E_MODEL, "it has no inputs");
    whet_import_result_list(n, 0, n->in, n->n_in);
}

void whet_import_sequence_empty(whet_import_node *n) {
    whet_import_ignore(n, "dtype");
    whet_import_result_list(n, 0, NULL, 0);
}

void whet_import_sequence_insert(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    if (!whet_import_in(n, 1)) whet_import_fail(n, WHET_E_MODEL, "its tensor is missing");
    int32_t at = n->failed ? -1 : position(n, 2, list->n, list->n);
    if (at >= 0) edited(n, list, -1, at, whet_import_in(n, 1));
}

void whet_import_sequence_erase(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    int32_t at = n->failed ? -1 : position(n, 1, list->n, list->n - 1);
    if (at >= 0) edited(n, list, at, -1, NULL);
}

void whet_import_sequence_at(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    int32_t at = n->failed ? -1 : position(n, 1, list->n, list->n - 1);
    if (at >= 0) whet_import_result(n, 0, list->v[at]);
}

void whet_import_sequence_length(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    int64_t count = list ? list->n : 0;
    whet_import_result(n, 0, whet_import_i64(n, &count, -1));
}

void whet_import_concat_from_sequence(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    whet_value *items[MAX_LIST];
    int64_t axis = whet_import_int(n, "axis", 0);
    bool widen = whet_import_int(n, "new_axis", 0) != 0;
    if (!whet_import_attr(n, "axis"))
        whet_import_fail(n, WHET_E_MODEL, "the required attribute 'axis' is missing");
    if (n->failed || !fits(n, list->n)) return;
    whet_value *axes = widen ? whet_import_i64(n, &axis, 1) : NULL;
    for (int32_t i = 0; i < list->n; i++)
        items[i] = widen ? whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(list->v[i], axes))
                         : list->v[i];
    whet_value *y = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = (double)axis}),
                                     items, list->n);
    whet_import_result(n, 0, y);
}

// Sizes of the parts as an i64 constant, or the input that holds them; NULL after a failure.
static whet_value *part_sizes(whet_import_node *n, whet_dim length, int64_t *count) {
    whet_value *split = whet_import_in(n, 1);
    int64_t sizes[MAX_LIST], step = 1;
    if (whet_import_rank(split) == 1) {
        *count = whet_dim_is_const(split->type.dims[0]) ? split->type.dims[0] : -1;
        if (*count > 0 && *count <= MAX_LIST) return split;
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the number of parts must be known, at most %d",
                         MAX_LIST);
        return NULL;
    }
    if (!whet_dim_is_const(length) || (split && (!whet_import_known(split, &step) || step < 1))) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the sizes of the parts must be known");
        return NULL;
    }
    *count = length / step + (length % step != 0);
    if (*count < 1 || *count > MAX_LIST) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "%lld parts; 1 to %d are supported",
                         (long long)*count, MAX_LIST);
        return NULL;
    }
    for (int64_t i = 0; i < *count; i++) sizes[i] = i + 1 < *count ? step : length - i * step;
    return whet_import_i64(n, sizes, (int32_t)*count);
}

void whet_import_split_to_sequence(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *parts[MAX_LIST];
    int32_t rank = whet_import_rank_known(n, x, "the input");
    int64_t axis = whet_import_int(n, "axis", 0), count = 0;
    bool keep = whet_import_int(n, "keepdims", 1) || whet_import_in(n, 1);
    if (rank < 1) whet_import_fail(n, WHET_E_SHAPE, "a scalar cannot be split");
    int32_t at = n->failed ? 0 : whet_import_axis(n, axis, rank);
    whet_value *sizes = n->failed ? NULL : part_sizes(n, x->type.dims[at], &count);
    if (n->failed) return;
    whet_import_emit_many(n, "split", WHET_SETS({"axis", .number = at}), WHET_VALUES(x, sizes),
                          parts, (int32_t)count);
    int64_t drop = at;
    whet_value *axes = keep ? NULL : whet_import_i64(n, &drop, 1);
    for (int64_t i = 0; i < count && !keep; i++)
        parts[i] = whet_import_emit(n, "squeeze", NULL, WHET_VALUES(parts[i], axes));
    whet_import_result_list(n, 0, parts, (int32_t)count);
}

// ---- optionals: what is in them, or nothing ----

void whet_import_optional(whet_import_node *n) {
    whet_import_ignore(n, "type");
    const whet_import_list *list = whet_import_in_list(n, 0);
    if (list) whet_import_result_list(n, 0, list->v, list->n);
    else if (whet_import_in(n, 0)) whet_import_result(n, 0, whet_import_in(n, 0));
    else whet_import_fail(n, WHET_E_UNSUPPORTED, "an empty optional is not supported");
}

void whet_import_optional_has_element(whet_import_node *n) {
    bool there = whet_import_in_list(n, 0) || whet_import_in(n, 0);
    whet_import_result(n, 0, whet_import_scalar(n, WHET_DTYPE_BOOL, there));
}
