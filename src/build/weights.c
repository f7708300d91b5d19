// SPDX-License-Identifier: Apache-2.0
// Files of weights: opening, looking up, converting.
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "build/inflate.h"
#include "build/weights_impl.h"

whet_weight *whet_weights_push(whet_weights *w, const char *name) {
    whet_weight e = {.name = name};
    if (w->n == WHET_WEIGHTS_MAX) {
        whet_error_set(&w->handle.error, WHET_E_LIMIT, "more than %d tensors", WHET_WEIGHTS_MAX);
        return NULL;
    }
    if (!name || !WHET_ARENA_PUSH(&w->arena, w->entries, w->n, w->cap, e)) {
        WHET_NOMEM(&w->handle.error);
        return NULL;
    }
    return &w->entries[w->n - 1];
}

// Elements other than 0 and 1 would break those who take them as numbers.
static bool bools_clean(const whet_tensor *t) {
    const uint8_t *v = t->data;
    uint8_t seen = 0;
    for (size_t i = 0; t->dtype == WHET_DTYPE_BOOL && i < t->bytes; i++) seen |= v[i];
    return seen <= 1;
}

whet_status whet_weights_place(whet_weights *w, whet_weight *e, const uint8_t *data,
                               uint64_t bytes) {
    whet_tensor *t = &e->tensor;
    int64_t count = whet_dims_count(t->dims, t->rank);
    size_t need = count < 0 ? SIZE_MAX : whet_tensor_bytes(t->dtype, count);
    if (need == SIZE_MAX || need != bytes)
        WHET_FAIL(&w->handle.error, WHET_E_PARSE,
                  "%s: its shape and type do not take the %llu bytes that it has", e->name,
                  (unsigned long long)bytes);
    size_t align = (size_t)whet_dtype_bits(t->dtype) / 8;
    if (align > 8) align = 8;
    t->bytes = need;
    t->data = (void *)(uintptr_t)data;
    bool clean = bools_clean(t);
    if (!need || (align && (uintptr_t)data % align) || !clean)
        t->data = whet_arena_memdup(&w->arena, data, need);
    if (!t->data) return WHET_NOMEM(&w->handle.error);
    uint8_t *own = t->data;
    for (size_t i = 0; !clean && i < need; i++) own[i] = own[i] != 0;
    return WHET_OK;
}

// ---- opening ----

typedef struct {
    const char *name;
    int32_t index;
} key;

static int compare_keys(const void *a, const void *b) {
    const key *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static whet_status sort_names(whet_weights *w) {
    key *keys = calloc((size_t)w->n + 1, sizeof *keys);
    w->sorted = WHET_NEW_ARRAY(&w->arena, int32_t, w->n + 1);
    if (!keys || !w->sorted) {
        free(keys);
        return WHET_NOMEM(&w->handle.error);
    }
    for (int32_t i = 0; i < w->n; i++) keys[i] = (key){w->entries[i].name, i};
    qsort(keys, (size_t)w->n, sizeof *keys, compare_keys);
    const char *twice = NULL;
    for (int32_t i = 0; i < w->n; i++) {
        w->sorted[i] = keys[i].index;
        if (i && !strcmp(keys[i].name, keys[i - 1].name)) twice = keys[i].name;
    }
    free(keys);
    if (twice) WHET_FAIL(&w->handle.error, WHET_E_PARSE, "%s is in it twice", twice);
    return WHET_OK;
}

// A .npy file is as an .npz file with one member, which has no name.
static whet_status read_npy(whet_weights *w) {
    whet_weight *e = whet_weights_push(w, "");
    if (!e) return w->handle.error.status;
    e->packed = w->data;
    e->packed_bytes = e->bytes = w->size;
    e->crc = whet_crc32(w->data, w->size);
    w->npz = true;
    return sort_names(w);
}

static whet_status read_list(whet_weights *w) {
    if (w->size >= 6 && !memcmp(w->data, "\x93NUMPY", 6)) return read_npy(w);
    w->npz = w->size >= 4 && !memcmp(w->data, "PK", 2) && (w->data[2] == 3 || w->data[2] == 5);
    WHET_TRY(w->npz ? whet_weights_read_npz(w) : whet_weights_read_safetensors(w));
    return sort_names(w);
}

static whet_status open_weights(whet_env *env, const char *path, const void *data, size_t bytes,
                                whet_weights **weights) {
    env = whet_env_get(env);
    if (!weights || (!path && !data && bytes)) return WHET_E_INVALID;
    whet_weights *w = env ? calloc(1, sizeof *w) : NULL;
    if (!w) return WHET_E_NOMEM;
    whet_error *err = &w->handle.error;
    w->handle.magic = WHET_HANDLE_MAGIC;
    whet_arena_init(&w->arena);
    whet_status status = path ? whet_map_open(&w->map, path, err) : WHET_OK;
    w->data = path ? w->map.data : data;
    w->size = path ? w->map.size : bytes;
    if (status == WHET_OK) {
        status = read_list(w);
        if (status != WHET_OK && path) whet_error_prefix(err, status, "%s", path);
    }
    if (status == WHET_OK) {
        *weights = w;
        return WHET_OK;
    }
    whet_error_set(&env->handle.error, status, "%s", err->text);
    whet_weights_close(w);
    return status;
}

whet_status whet_weights_open(whet_env *env, const char *path, whet_weights **weights) {
    return path ? open_weights(env, path, NULL, 0, weights) : WHET_E_INVALID;
}

whet_status whet_weights_open_memory(whet_env *env, const void *data, size_t bytes,
                                     whet_weights **weights) {
    return open_weights(env, NULL, data, bytes, weights);
}

void whet_weights_close(whet_weights *w) {
    if (!w) return;
    whet_map_close(&w->map);
    whet_arena_fini(&w->arena);
    free(w);
}

// ---- looking up ----

int32_t whet_weights_count(const whet_weights *w) { return w ? w->n : 0; }

const char *whet_weights_name(const whet_weights *w, int32_t i) {
    return w && i >= 0 && i < w->n ? w->entries[i].name : NULL;
}

static whet_weight *find(whet_weights *w, const char *name) {
    int32_t lo = 0, hi = w->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(w->entries[w->sorted[mid]].name, name);
        if (!c) return &w->entries[w->sorted[mid]];
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

static bool is_number(whet_dtype dtype) {
    return whet_dtype_is_float(dtype) || whet_dtype_is_int(dtype) || dtype == WHET_DTYPE_BOOL;
}

static whet_status convert(whet_weights *w, const whet_weight *e, whet_dtype dtype,
                           whet_tensor *out) {
    const whet_tensor *t = &e->tensor;
    whet_error *err = &w->handle.error;
    if (!whet_dtype_known((int32_t)dtype) || !is_number(dtype) || !is_number(t->dtype))
        WHET_FAIL(err, WHET_E_DTYPE, "%s: %s cannot be converted to %s", e->name,
                  whet_dtype_text(t->dtype), whet_dtype_text(dtype));
    int64_t n = whet_dims_count(t->dims, t->rank);
    whet_tensor c = *t;
    c.dtype = dtype;
    c.bytes = whet_tensor_bytes(dtype, n);
    c.data = c.bytes == SIZE_MAX ? NULL : whet_arena_alloc(&w->arena, c.bytes);
    if (!c.data) return WHET_NOMEM(err);
    bool real = whet_dtype_is_float(dtype) || whet_dtype_is_float(t->dtype),
         wide = t->dtype == WHET_DTYPE_U64;
    for (int64_t i = 0; i < n; i++) {
        if (real) whet_store_f64(c.data, dtype, i, whet_load_f64(t->data, t->dtype, i));
        else if (wide) whet_store_u64(c.data, dtype, i, whet_load_u64(t->data, t->dtype, i));
        else whet_store_i64(c.data, dtype, i, whet_load_i64(t->data, t->dtype, i));
    }
    *out = c;
    return WHET_OK;
}

whet_status whet_weights_find(whet_weights *w, const char *name, whet_dtype dtype,
                              whet_tensor *tensor) {
    if (!w || !tensor) return WHET_E_INVALID;
    whet_error *err = &w->handle.error;
    whet_error_clear(err);
    if (!name) WHET_FAIL(err, WHET_E_INVALID, "whet_weights_find: name is NULL");
    whet_weight *e = find(w, name);
    if (!e) WHET_FAIL(err, WHET_E_NOT_FOUND, "there is no tensor called %s", name);
    if (w->npz && !e->loaded) {
        WHET_TRY(whet_weights_load_npy(w, e));
        e->loaded = true;
    }
    if (e->problem) WHET_FAIL(err, WHET_E_UNSUPPORTED, "%s: %s", name, e->problem);
    if (dtype == WHET_DTYPE_NONE || dtype == e->tensor.dtype) {
        *tensor = e->tensor;
        return WHET_OK;
    }
    return convert(w, e, dtype, tensor);
}
