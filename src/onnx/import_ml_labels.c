// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: operators that look their input up in a table, made of lookup, whose keys are sorted
// here.
#include <string.h>

#include "onnx/ml_tree.h"
#include "ops/lookup.h"

// The texts of an attribute as a string tensor; its characters stay where they are.
static whet_tensor text_tensor(whet_import_node *n, const whet_span *s, int32_t count) {
    whet_tensor t = {.dtype = WHET_DTYPE_STRING, .rank = 1, .dims = {count}};
    whet_text *v = whet_ml_array(n, count, sizeof *v);
    for (int32_t i = 0; v && i < count; i++)
        v[i] = (whet_text){(const char *)s[i].data, s[i].size};
    t.data = v;
    return t;
}

bool whet_ml_texts(whet_import_node *n, const char *name, whet_tensor *t) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_STRINGS);
    if (!a || !a->n_strings) return false;
    *t = text_tensor(n, a->strings, a->n_strings);
    return !n->failed;
}

bool whet_ml_int64s(whet_import_node *n, const char *name, whet_tensor *t) {
    whet_ints v;
    if (!whet_import_ints(n, name, &v) || !v.n) return false;
    *t = (whet_tensor){.dtype = WHET_DTYPE_I64, .rank = 1, .dims = {v.n},
                       .data = (void *)(uintptr_t)v.v};
    return true;
}

static bool float32s(whet_import_node *n, const char *name, whet_tensor *t) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_FLOATS);
    if (!a || !a->floats.n) return false;
    *t = (whet_tensor){.dtype = WHET_DTYPE_F32, .rank = 1, .dims = {a->floats.n},
                       .data = (void *)(uintptr_t)a->floats.v};
    return true;
}

static whet_tensor scalar(whet_import_node *n, whet_dtype dtype, const char *default_int,
                          const char *default_float, const char *default_string) {
    whet_tensor t = {.dtype = dtype};
    void *v = t.data = whet_ml_array(n, 1, sizeof(whet_text));
    const char *text = whet_import_string(n, default_string, "_Unused");
    double f = default_float ? (double)whet_import_float(n, default_float, -0.0f) : 0;
    int64_t i = whet_import_int(n, default_int, -1);
    if (!v) return t;
    if (dtype == WHET_DTYPE_STRING) *(whet_text *)v = (whet_text){text, strlen(text)};
    else if (whet_dtype_is_float(dtype)) whet_store_f64(v, dtype, 0, f);
    else whet_store_i64(v, dtype, 0, i);
    return t;
}

// ---- tables ----

// Rows of a table in the order of their keys, the last of equal ones only. Insertion by merging:
// qsort has no place for the table.
static void merge(const whet_tensor *keys, int64_t *rows, int64_t *spare, int64_t n) {
    if (n < 2) return;
    int64_t half = n / 2, a = 0, b = half, k = 0;
    merge(keys, rows, spare, half);
    merge(keys, rows + half, spare, n - half);
    while (a < half && b < n) {
        int c = whet_lookup_compare(keys->dtype, keys->data, rows[a], keys->data, rows[b]);
        spare[k++] = c <= 0 ? rows[a++] : rows[b++];
    }
    while (a < half) spare[k++] = rows[a++];
    while (b < n) spare[k++] = rows[b++];
    memcpy(rows, spare, (size_t)n * sizeof *rows);
}

static int64_t sorted_rows(whet_import_node *n, const whet_tensor *keys, int64_t **rows) {
    int64_t count = keys->dims[0], kept = 0;
    int64_t *spare = whet_ml_array(n, count, sizeof *spare);
    *rows = whet_ml_array(n, count, sizeof **rows);
    if (n->failed) return 0;
    for (int64_t i = 0; i < count; i++) (*rows)[i] = i;
    merge(keys, *rows, spare, count);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = (*rows)[i];
        if (kept && !whet_lookup_compare(keys->dtype, keys->data, (*rows)[kept - 1], keys->data,
                                         row))
            kept--;
        (*rows)[kept++] = row;
    }
    return kept;
}

static whet_value *pick(whet_import_node *n, const whet_tensor *t, const int64_t *rows,
                        int64_t count) {
    size_t size = whet_tensor_bytes(t->dtype, 1);
    whet_tensor picked = {.dtype = t->dtype, .rank = 1, .dims = {count}};
    char *to = whet_ml_array(n, count, size);
    for (int64_t i = 0; to && i < count; i++)
        memcpy(to + (size_t)i * size, (const char *)t->data + (size_t)rows[i] * size, size);
    picked.data = to;
    return n->failed ? NULL : whet_import_helper(n, &picked);
}

// def NULL: what is no key is an error.
static whet_value *look_up(whet_import_node *n, whet_value *x, const whet_tensor *keys,
                           const whet_tensor *values, const whet_tensor *def) {
    int64_t *rows, count;
    if (n->failed || !x) return NULL;
    if (whet_dims_count(keys->dims, keys->rank) != whet_dims_count(values->dims, values->rank)) {
        whet_import_fail(n, WHET_E_MODEL, "there are %lld keys for %lld values",
                         (long long)whet_dims_count(keys->dims, keys->rank),
                         (long long)whet_dims_count(values->dims, values->rank));
        return NULL;
    }
    count = sorted_rows(n, keys, &rows);
    return whet_import_emit(n, "lookup", NULL,
                            WHET_VALUES(x, pick(n, keys, rows, count), pick(n, values, rows, count),
                                        def ? whet_import_helper(n, def) : NULL));
}

// 0, 1, ... for as many keys.
static whet_tensor iota(whet_import_node *n, int64_t count) {
    whet_tensor t = {.dtype = WHET_DTYPE_I64, .rank = 1, .dims = {count}};
    int64_t *v = whet_ml_array(n, count, sizeof *v);
    for (int64_t i = 0; v && i < count; i++) v[i] = i;
    t.data = v;
    return t;
}

static whet_value *input(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    if (!x) whet_import_fail(n, WHET_E_MODEL, "input X is missing");
    return x;
}

// One of the attributes <name>_tensor, _int64s, _floats and _strings.
static bool table_of(whet_import_node *n, const char *const names[4], whet_tensor *t) {
    if (whet_ml_tensor(n, names[0], t)) {
        t->dims[0] = whet_dims_count(t->dims, t->rank);
        t->rank = 1;
        return true;
    }
    if (whet_ml_int64s(n, names[1], t) || float32s(n, names[2], t) ||
        whet_ml_texts(n, names[3], t))
        return true;
    whet_import_fail(n, WHET_E_MODEL, "one of %s, %s and %s is required", names[1], names[2],
                     names[3]);
    return false;
}

void whet_import_label_encoder(whet_import_node *n) {
    static const char *const keys_names[] = {"keys_tensor", "keys_int64s", "keys_floats",
                                             "keys_strings"};
    static const char *const values_names[] = {"values_tensor", "values_int64s", "values_floats",
                                               "values_strings"};
    whet_value *x = input(n);
    whet_tensor keys, values, def, given;
    if (!table_of(n, keys_names, &keys) || !table_of(n, values_names, &values)) return;
    def = scalar(n, values.dtype, "default_int64", "default_float", "default_string");
    if (whet_ml_tensor(n, "default_tensor", &given)) {
        if (given.dtype != values.dtype || whet_dims_count(given.dims, given.rank) != 1)
            whet_import_fail(n, WHET_E_MODEL, "default_tensor is not one element of %s",
                             whet_dtype_text(values.dtype));
        def = given;
        def.rank = 0;
    }
    whet_import_result(n, 0, look_up(n, x, &keys, &values, &def));
}

// Texts to their numbers, or numbers to their texts, by the type of the input.
static void both_ways(whet_import_node *n, const whet_tensor *ints, const whet_tensor *texts) {
    whet_value *x = input(n);
    if (n->failed) return;
    bool from_text = x->type.dtype == WHET_DTYPE_STRING;
    whet_tensor def = scalar(n, from_text ? WHET_DTYPE_I64 : WHET_DTYPE_STRING, "default_int64",
                             NULL, "default_string");
    whet_import_result(n, 0, look_up(n, x, from_text ? texts : ints, from_text ? ints : texts,
                                     &def));
}

void whet_import_label_encoder_1(whet_import_node *n) {
    whet_tensor texts, ints;
    if (!whet_ml_texts(n, "classes_strings", &texts)) {
        whet_import_fail(n, WHET_E_MODEL, "the attribute 'classes_strings' is missing");
        return;
    }
    ints = iota(n, texts.dims[0]);
    both_ways(n, &ints, &texts);
}

void whet_import_category_mapper(whet_import_node *n) {
    whet_tensor texts, ints;
    if (!whet_ml_texts(n, "cats_strings", &texts) || !whet_ml_int64s(n, "cats_int64s", &ints))
        whet_import_fail(n, WHET_E_MODEL, "cats_strings and cats_int64s are required");
    both_ways(n, &ints, &texts);
}

// The number of each element's category against 0, 1, ...
void whet_import_one_hot_encoder(whet_import_node *n) {
    whet_value *x = input(n);
    bool zeros = whet_import_int(n, "zeros", 1) != 0;
    whet_tensor keys, none = {.dtype = WHET_DTYPE_I64};
    int64_t axis = -1;
    if (!whet_ml_texts(n, "cats_strings", &keys) && !whet_ml_int64s(n, "cats_int64s", &keys))
        whet_import_fail(n, WHET_E_MODEL, "one of cats_strings and cats_int64s is required");
    if (n->failed) return;
    none.data = &axis;
    if (keys.dtype == WHET_DTYPE_I64) x = whet_ml_cast(n, x, WHET_DTYPE_I64);
    whet_tensor numbers = iota(n, keys.dims[0]);
    whet_value *index = look_up(n, x, &keys, &numbers, zeros ? &none : NULL);
    index = whet_import_emit(n, "unsqueeze", NULL,
                             WHET_VALUES(index, whet_import_i64(n, &axis, 1)));
    whet_value *hit = whet_import_emit(n, "equal", NULL,
                                       WHET_VALUES(index, whet_import_helper(n, &numbers)));
    whet_import_result(n, 0, whet_ml_cast(n, hit, WHET_DTYPE_F32));
}
