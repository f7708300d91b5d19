// SPDX-License-Identifier: Apache-2.0
// Sequences and optionals. What is known of them when the model is read dissolves into tensors; the
// rest is made when the model runs.
#include <string.h>

#include "onnx/importer.h"

enum { MAX_LIST = 1024 };

// The node as it is, lists made into values.
static void at_run(whet_import_node *n, const whet_import_set *sets) {
    whet_value **in = whet_arena_memdup(n->imp->arena, n->in, (size_t)n->n_in * sizeof *in);
    if (!in) {
        whet_import_nomem(n->imp);
        return;
    }
    for (int32_t i = 0; i < n->n_in; i++) in[i] = whet_import_object(n, i);
    whet_import_own(n, sets, in, n->n_in);
}

// The sequence that input 0 is, as far as it is known now.
static const whet_import_list *sequence(whet_import_node *n) {
    const whet_import_list *list = whet_import_in_list(n, 0);
    const whet_value *v = whet_import_in(n, 0);
    bool is = list ? list->kind == WHET_DTYPE_SEQUENCE : v && v->type.dtype == WHET_DTYPE_SEQUENCE;
    if (!is) whet_import_fail(n, WHET_E_MODEL, "its first input must be a sequence");
    return list;
}

// A position in [-n, last], the last one when absent; -1 after a failure, -2 when not known.
static int32_t position(whet_import_node *n, int32_t input, int32_t count, int32_t last) {
    int64_t at = last;
    if (whet_import_in(n, input) && !whet_import_known(whet_import_in(n, input), &at)) return -2;
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
    for (int32_t i = 0; i <= list->n; i++) {
        if (v && i == at) items[count++] = v;
        if (i < list->n && i != skip) items[count++] = list->v[i];
    }
    whet_import_result_list(n, 0, items, count, list->kind, list->elem);
}

void whet_import_sequence_construct(whet_import_node *n) {
    bool tensors = n->n_in <= MAX_LIST;
    for (int32_t i = 0; i < n->n_in; i++) {
        const whet_value *v = n->in[i];
        if (!v && !n->in_lists[i])
            whet_import_fail(n, WHET_E_MODEL, "its input %d must be a tensor", i);
        tensors = tensors && v && !whet_dtype_is_object(v->type.dtype);
        if (tensors && v->type.dtype != n->in[0]->type.dtype)
            whet_import_fail(n, WHET_E_DTYPE, "its inputs are of several types");
    }
    if (!n->n_in) whet_import_fail(n, WHET_E_MODEL, "it has no inputs");
    if (n->failed) return;
    if (tensors)
        whet_import_result_list(n, 0, n->in, n->n_in, WHET_DTYPE_SEQUENCE,
                                (whet_elem)n->in[0]->type.dtype);
    else
        at_run(n, NULL);
}

void whet_import_sequence_empty(whet_import_node *n) {
    int64_t dtype = whet_import_int(n, "dtype", WHET_DTYPE_F32);
    if (dtype != (int32_t)dtype || !whet_dtype_known((int32_t)dtype) ||
        whet_dtype_is_object((whet_dtype)dtype))
        whet_import_fail(n, WHET_E_MODEL, "attribute 'dtype' is %lld, which is no type",
                         (long long)dtype);
    whet_import_result_list(n, 0, NULL, 0, WHET_DTYPE_SEQUENCE, (whet_elem)dtype);
}

void whet_import_sequence_insert(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    whet_value *v = whet_import_in(n, 1);
    if (!v && !whet_import_in_list(n, 1))
        whet_import_fail(n, WHET_E_MODEL, "its tensor is missing");
    if (n->failed) return;
    bool known = list && v && list->n < MAX_LIST && list->elem == (whet_elem)v->type.dtype;
    int32_t at = known ? position(n, 2, list->n, list->n) : -2;
    if (at >= 0) edited(n, list, -1, at, v);
    else if (at == -2) at_run(n, NULL);
}

void whet_import_sequence_erase(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    if (n->failed) return;
    int32_t at = list ? position(n, 1, list->n, list->n - 1) : -2;
    if (at >= 0) edited(n, list, at, -1, NULL);
    else if (at == -2) at_run(n, NULL);
}

void whet_import_sequence_at(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    if (n->failed) return;
    int32_t at = list ? position(n, 1, list->n, list->n - 1) : -2;
    if (at >= 0) whet_import_result(n, 0, list->v[at]);
    else if (at == -2) at_run(n, NULL);
}

void whet_import_sequence_length(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    int64_t count = list ? list->n : 0;
    if (n->failed) return;
    if (list) whet_import_result(n, 0, whet_import_i64(n, &count, -1));
    else at_run(n, NULL);
}

void whet_import_concat_from_sequence(whet_import_node *n) {
    const whet_import_list *list = sequence(n);
    whet_value *items[MAX_LIST];
    int64_t axis = whet_import_int(n, "axis", 0);
    bool widen = whet_import_int(n, "new_axis", 0) != 0;
    if (!whet_import_attr(n, "axis"))
        whet_import_fail(n, WHET_E_MODEL, "the required attribute 'axis' is missing");
    if (n->failed) return;
    if (!list) {
        at_run(n, NULL);
        return;
    }
    whet_value *axes = widen ? whet_import_i64(n, &axis, 1) : NULL;
    for (int32_t i = 0; i < list->n; i++)
        items[i] = widen ? whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(list->v[i], axes))
                         : list->v[i];
    whet_value *y = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = (double)axis}),
                                     items, list->n);
    whet_import_result(n, 0, y);
}

// Sizes of the parts as an i64 constant, or the input that holds them; NULL when their number is
// known only at run time.
static whet_value *part_sizes(whet_import_node *n, whet_dim length, int64_t *count) {
    whet_value *split = whet_import_in(n, 1);
    int64_t sizes[MAX_LIST], step = 1;
    if (whet_import_rank(split) == 1) {
        *count = whet_dim_is_const(split->type.dims[0]) ? split->type.dims[0] : -1;
        return *count > 0 && *count <= MAX_LIST ? split : NULL;
    }
    if (split && (whet_import_rank(split) != 0 || !whet_import_known(split, &step))) return NULL;
    if (step < 1) whet_import_fail(n, WHET_E_RANGE, "parts of size %lld", (long long)step);
    if (n->failed || !whet_dim_is_const(length)) return NULL;
    *count = length / step + (length % step != 0);
    if (*count < 1 || *count > MAX_LIST) return NULL;
    for (int64_t i = 0; i < *count; i++) sizes[i] = i + 1 < *count ? step : length - i * step;
    return whet_import_i64(n, sizes, (int32_t)*count);
}

void whet_import_split_to_sequence(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *parts[MAX_LIST];
    int32_t rank = whet_import_rank(x);
    int64_t axis = whet_import_int(n, "axis", 0), count = 0;
    bool keep = whet_import_int(n, "keepdims", 1) || whet_import_in(n, 1);
    if (rank == 0) whet_import_fail(n, WHET_E_SHAPE, "a scalar cannot be split");
    int32_t at = n->failed || rank < 0 ? 0 : whet_import_axis(n, axis, rank);
    whet_value *sizes = n->failed || rank < 0 ? NULL : part_sizes(n, x->type.dims[at], &count);
    if (n->failed) return;
    if (!sizes) {
        at_run(n, NULL);
        return;
    }
    whet_import_emit_many(n, "split", WHET_SETS({"axis", .number = at}), WHET_VALUES(x, sizes),
                          parts, (int32_t)count);
    int64_t drop = at;
    whet_value *axes = keep ? NULL : whet_import_i64(n, &drop, 1);
    for (int64_t i = 0; i < count && !keep; i++)
        parts[i] = whet_import_emit(n, "squeeze", NULL, WHET_VALUES(parts[i], axes));
    whet_import_result_list(n, 0, parts, (int32_t)count, WHET_DTYPE_SEQUENCE,
                            (whet_elem)x->type.dtype);
}

// ---- optionals ----

static whet_elem type_attribute(whet_import_node *n) {
    const whet_onnx_attr *a = whet_import_attr_of(n, "type", WHET_ONNX_TYPE_PROTO);
    whet_onnx_value v;
    whet_elem elem = 0;
    if (!a) return 0;
    whet_status status = whet_onnx_type_read(&n->imp->reader, a->tp, &v);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "attribute 'type': %s", n->imp->reader.w.err->text);
        n->imp->stopped = true; // the reader does not go on after a failure
        return 0;
    }
    whet_dtype dtype = v.object ? v.object : (whet_dtype)v.elem_type;
    if (!whet_dtype_known((int32_t)dtype) || !whet_elem_make(dtype, v.elem, &elem) ||
        !whet_elem_valid(WHET_DTYPE_OPTIONAL, elem))
        whet_import_fail(n, WHET_E_UNSUPPORTED, "attribute 'type' is a type that is not supported");
    return elem;
}

static void optional_list(whet_import_node *n, const whet_import_list *inner) {
    whet_elem elem = (whet_elem)WHET_DTYPE_SEQUENCE | inner->elem << 8;
    whet_import_list list = {.inner = inner, .kind = WHET_DTYPE_OPTIONAL, .elem = elem};
    n->out_lists[0] = whet_arena_memdup(n->imp->arena, &list, sizeof list);
    if (!n->out_lists[0]) whet_import_nomem(n->imp);
}

void whet_import_optional(whet_import_node *n) {
    whet_elem elem = type_attribute(n);
    whet_value *v = whet_import_in(n, 0);
    if (n->failed) return;
    const whet_import_list *list = whet_import_in_list(n, 0);
    if (list && list->kind == WHET_DTYPE_SEQUENCE) optional_list(n, list);
    else if (!n->n_in && !elem) whet_import_fail(n, WHET_E_MODEL, "it has neither input nor type");
    else if (!n->n_in) whet_import_result_list(n, 0, NULL, 0, WHET_DTYPE_OPTIONAL, elem);
    else if (v && !whet_dtype_is_object(v->type.dtype))
        whet_import_result_list(n, 0, &v, 1, WHET_DTYPE_OPTIONAL, (whet_elem)v->type.dtype);
    else at_run(n, WHET_SETS({"elem", .number = elem}));
}

void whet_import_optional_get_element(whet_import_node *n) {
    const whet_import_list *list = whet_import_in_list(n, 0);
    whet_value *v = whet_import_in(n, 0);
    if (list && (list->inner || list->kind == WHET_DTYPE_SEQUENCE))
        n->out_lists[0] = list->inner ? list->inner : list;
    else if (list && !list->n)
        whet_import_fail(n, WHET_E_MODEL, "its optional is empty");
    else if (list) whet_import_result(n, 0, list->v[0]);
    else if (v && v->type.dtype == WHET_DTYPE_OPTIONAL) at_run(n, NULL);
    else if (v) whet_import_result(n, 0, v);
    else whet_import_fail(n, WHET_E_MODEL, "its input is missing");
}

void whet_import_optional_has_element(whet_import_node *n) {
    const whet_import_list *list = whet_import_in_list(n, 0);
    const whet_value *v = whet_import_in(n, 0);
    if (v && v->type.dtype == WHET_DTYPE_OPTIONAL) {
        at_run(n, NULL);
        return;
    }
    bool there = list ? list->kind != WHET_DTYPE_OPTIONAL || list->n || list->inner : v != NULL;
    whet_import_result(n, 0, whet_import_scalar(n, WHET_DTYPE_BOOL, there));
}
