// SPDX-License-Identifier: Apache-2.0
// Maps of ai.onnx.ml. zip_map makes one of each row of X [n, c], the keys being given; cast_map and
// dict_vectorizer lay the values of a map out as a row, in the order of the keys, at the places
// that the keys name, or by a vocabulary.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/lookup.h"
#include "ops/objects.h"

#define MAPS WHET_DTYPE_BIT(WHET_DTYPE_MAP)
#define KEYS (WHET_DTYPE_BIT(WHET_DTYPE_I64) | WHET_DTYPE_BIT(WHET_DTYPE_STRING))
#define VALUES (WHET_DTYPES_NUMERIC | WHET_DTYPE_BIT(WHET_DTYPE_STRING))

// ---- zip_map ----

static whet_status zip_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0], *keys = ctx->in[1];
    if (x->rank != 1 && x->rank != 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has %d dimensions, it must be [n, keys]", x->rank);
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - 1], keys->dims[0], "columns and keys"));
    whet_elem elem = (whet_elem)WHET_DTYPE_MAP | (whet_elem)keys->dtype << 8 |
                     (whet_elem)x->dtype << 16;
    whet_infer_object(ctx, 0, WHET_DTYPE_SEQUENCE, elem);
    return WHET_OK;
}

static whet_status zip_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *keys = &e->in[1];
    int64_t rows = x->rank == 2 ? x->dims[0] : 1, columns = x->dims[x->rank - 1];
    whet_elem elem = (whet_elem)keys->dtype | (whet_elem)x->dtype << 8;
    size_t bytes = whet_tensor_bytes(x->dtype, columns);
    if (keys->dims[0] != columns) WHET_FAIL(e->err, WHET_E_SHAPE, "columns and keys differ");
    const whet_object **maps = WHET_NEW_ARRAY(e->scratch, const whet_object *, rows);
    whet_tensor *items = WHET_NEW_ARRAY(e->scratch, whet_tensor, rows);
    if (!maps || !items) return WHET_NOMEM(e->err);
    for (int64_t i = 0; i < rows; i++) {
        whet_tensor pair[2] = {*keys, {.dtype = x->dtype, .rank = 1, .dims = {columns},
                                       .data = (char *)x->data + (size_t)i * bytes,
                                       .bytes = bytes}};
        WHET_TRY(whet_object_make(e->objects, WHET_DTYPE_MAP, elem, pair, 2, &maps[i], e->err));
        items[i] = (whet_tensor){
            .dtype = WHET_DTYPE_MAP, .data = &maps[i], .bytes = sizeof maps[i]};
    }
    const whet_object *all;
    WHET_TRY(whet_object_make(e->objects, WHET_DTYPE_SEQUENCE,
                              (whet_elem)WHET_DTYPE_MAP | elem << 8, items, rows, &all, e->err));
    whet_eval_put(e, 0, all);
    return WHET_OK;
}

const whet_op whet_op_zip_map = {
    .name = "zip_map", WHET_IN({"X", VALUES, 0}, {"keys", KEYS, 0}),
    WHET_OUT({"Z", WHET_DTYPES_SEQUENCE}), .infer = zip_infer, .eval = zip_eval};

// ---- maps to rows ----

// Keys and values of the map that input 0 is, of the types that infer has seen.
static whet_status open_map(whet_eval *e, whet_dtype value, const whet_tensor **keys,
                            const whet_tensor **values) {
    const whet_object *o = whet_eval_object(e, 0);
    if (!o) return WHET_E_INVALID;
    if (o->n != 2 || o->items[0].rank != 1 || o->items[1].rank != 1 ||
        o->items[0].dims[0] != o->items[1].dims[0] || !(KEYS >> o->items[0].dtype & 1) ||
        (value && o->items[1].dtype != value))
        WHET_FAIL(e->err, WHET_E_INVALID, "X is no map of the right type");
    *keys = &o->items[0];
    *values = &o->items[1];
    return WHET_OK;
}

static whet_status vectorizer_infer(whet_infer *ctx) {
    whet_dtype key = whet_elem_dtype(ctx->in[0]->elem);
    whet_dtype value = whet_elem_dtype(whet_elem_inner(ctx->in[0]->elem));
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    if (!(VALUES >> value & 1) || (value == WHET_DTYPE_NONE))
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "the types in the map are not known");
    if (key != ctx->in[1]->dtype)
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "the map has keys of %s, the vocabulary is %s",
                  whet_dtype_text(key), whet_dtype_text(ctx->in[1]->dtype));
    ctx->out[0].dtype = value;
    whet_infer_shape(ctx, 0, 2, (const whet_dim[]){1, ctx->in[1]->dims[0]});
    return WHET_OK;
}

// Keys that the vocabulary lacks are left out, words that the map lacks are 0 or empty.
static whet_status vectorizer_eval(whet_eval *e) {
    const whet_tensor *keys, *values, *words = &e->in[1];
    whet_tensor *y = &e->out[0];
    WHET_TRY(open_map(e, y->dtype, &keys, &values));
    size_t size = whet_tensor_bytes(y->dtype, 1);
    memset(y->data, 0, size * (size_t)words->dims[0]);
    if (keys->dtype != words->dtype)
        WHET_FAIL(e->err, WHET_E_DTYPE, "keys and vocabulary are not of one type");
    for (int64_t i = 0; i < words->dims[0]; i++)
        for (int64_t k = 0; k < keys->dims[0]; k++)
            if (!whet_lookup_compare(keys->dtype, keys->data, k, words->data, i)) {
                memcpy((char *)y->data + (size_t)i * size,
                       (const char *)values->data + (size_t)k * size, size);
                break;
            }
    return WHET_OK;
}

const whet_op whet_op_dict_vectorizer = {
    .name = "dict_vectorizer", WHET_IN({"X", MAPS, 0}, {"vocabulary", KEYS, 0}),
    WHET_OUT({"Y", VALUES, 0}), .infer = vectorizer_infer, .eval = vectorizer_eval};

// ---- cast_map ----

typedef struct cast_attrs {
    int32_t dtype;
    bool sparse;
    int64_t max_map;
} cast_attrs;

static whet_status cast_infer(whet_infer *ctx) {
    const cast_attrs *a = ctx->attrs;
    whet_dtype key = whet_elem_dtype(ctx->in[0]->elem);
    if (key != WHET_DTYPE_NONE && key != WHET_DTYPE_I64)
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "the keys of the map are %s, not i64",
                  whet_dtype_text(key));
    whet_infer_unknown(ctx, 0, 2);
    ctx->out[0].dims[0] = 1;
    if (a->sparse) ctx->out[0].dims[1] = a->max_map;
    return WHET_OK;
}

static whet_status parse(whet_eval *e, const whet_text *t, double *v) {
    char copy[64], *end = copy;
    size_t n = t->size < sizeof copy ? t->size : sizeof copy - 1;
    if (n) memcpy(copy, t->data, n);
    copy[n] = 0;
    *v = strtod(copy, &end);
    if (!n || n != t->size || end != copy + n)
        WHET_FAIL(e->err, WHET_E_RANGE, "\"%s\" is no number", copy);
    return WHET_OK;
}

// The shortest text that gives the same float again.
static whet_status format(whet_eval *e, const whet_tensor *from, int64_t i, whet_text *to) {
    char copy[64];
    int n = 0;
    if (whet_dtype_is_float(from->dtype)) {
        double v = whet_load_f64(from->data, from->dtype, i);
        for (int digits = 1; digits <= 17; digits++) {
            n = snprintf(copy, sizeof copy, "%.*g", digits, v);
            double back = strtod(copy, NULL);
            if (isnan(v) || (from->dtype == WHET_DTYPE_F64 ? back == v : (float)back == (float)v))
                break;
        }
    } else {
        n = snprintf(copy, sizeof copy, "%" PRId64, whet_load_i64(from->data, from->dtype, i));
    }
    char *text = whet_arena_strndup(e->objects, copy, (size_t)n);
    if (!text) return whet_arena_failure(e->objects, e->err);
    *to = (whet_text){text, (size_t)n};
    return WHET_OK;
}

static whet_status store(whet_eval *e, const whet_tensor *from, int64_t i, int64_t at) {
    whet_tensor *y = &e->out[0];
    const whet_text *text = from->dtype == WHET_DTYPE_STRING ? (whet_text *)from->data + i : NULL;
    double v;
    if (y->dtype == WHET_DTYPE_STRING) {
        whet_text *to = (whet_text *)y->data + at;
        if (!text) return format(e, from, i, to);
        *to = *text; // the characters are the object's
        return WHET_OK;
    }
    if (text) WHET_TRY(parse(e, text, &v));
    else v = whet_load_f64(from->data, from->dtype, i);
    if (!text && !whet_dtype_is_float(from->dtype) && y->dtype == WHET_DTYPE_I64)
        whet_store_i64(y->data, y->dtype, at, whet_load_i64(from->data, from->dtype, i));
    else
        whet_store_f64(y->data, y->dtype, at, v);
    return WHET_OK;
}

typedef struct key_row {
    int64_t key, row;
} key_row;

static int by_key(const void *a, const void *b) {
    const key_row *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static whet_status cast_eval(whet_eval *e) {
    const cast_attrs *a = e->attrs;
    const whet_tensor *keys, *values;
    WHET_TRY(open_map(e, WHET_DTYPE_NONE, &keys, &values));
    if (keys->dtype != WHET_DTYPE_I64 || !(VALUES >> values->dtype & 1))
        WHET_FAIL(e->err, WHET_E_DTYPE, "the map is not one from i64 to numbers or texts");
    int64_t n = keys->dims[0], length = a->sparse ? a->max_map : n;
    key_row *rows = WHET_NEW_ARRAY(e->scratch, key_row, n);
    if (!rows) return WHET_NOMEM(e->err);
    for (int64_t i = 0; i < n; i++) rows[i] = (key_row){((const int64_t *)keys->data)[i], i};
    if (n) qsort(rows, (size_t)n, sizeof *rows, by_key);
    WHET_TRY(whet_eval_output(e, 0, 2, (const int64_t[]){1, length}));
    if (length) memset(e->out[0].data, 0, whet_tensor_bytes(e->out[0].dtype, length));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = a->sparse ? rows[i].key : i;
        if (at < 0 || at >= length)
            WHET_FAIL(e->err, WHET_E_RANGE, "key %" PRId64 " is outside of %" PRId64 " places", at,
                      length);
        WHET_TRY(store(e, values, rows[i].row, at));
    }
    return WHET_OK;
}

const whet_op whet_op_cast_map = {
    .name = "cast_map", WHET_IN({"X", MAPS, 0}), WHET_OUT({"Y", VALUES, 0}),
    WHET_ATTRS(cast_attrs,
               {"dtype", WHET_ATTR_DTYPE, offsetof(cast_attrs, dtype), .def = WHET_DTYPE_F32},
               {"sparse", WHET_ATTR_BOOL, offsetof(cast_attrs, sparse)},
               {"max_map", WHET_ATTR_INT, offsetof(cast_attrs, max_map), .def = 1, .min = 0,
                .max = 1 << 30}),
    .flags = WHET_OP_DYNAMIC_OUT, .infer = cast_infer, .eval = cast_eval};
