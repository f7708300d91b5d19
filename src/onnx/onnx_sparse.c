// SPDX-License-Identifier: Apache-2.0
// A SparseTensorProto as a dense tensor: zeros (empty texts) but at its indices, which are places
// in the whole tensor, [n], or one for each dimension, [n, rank].
#include <string.h>

#include "onnx/onnx_tensor.h"

static whet_status check_parts(const whet_onnx_sparse *t, const whet_tensor *values,
                               const whet_tensor *at, whet_error *err) {
    const char *name = t->values.name;
    if (values->rank != 1)
        WHET_FAIL(err, WHET_E_MODEL, "sparse tensor '%s': its values have %d dimensions", name,
                  (int)values->rank);
    if (at->dtype != WHET_DTYPE_I64)
        WHET_FAIL(err, WHET_E_DTYPE, "sparse tensor '%s': its indices are %s", name,
                  whet_dtype_text(at->dtype));
    if (at->rank < 1 || at->rank > 2 || at->dims[0] != values->dims[0] ||
        (at->rank == 2 && at->dims[1] != t->rank))
        WHET_FAIL(err, WHET_E_MODEL, "sparse tensor '%s': its indices do not fit its values", name);
    return WHET_OK;
}

static whet_status make_room(const whet_onnx_sparse *t, whet_arena *arena, size_t *room,
                             whet_tensor *out, whet_error *err) {
    const char *name = t->values.name;
    if (t->rank > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "sparse tensor '%s': %lld dimensions, at most %d are supported", name,
                  (long long)t->rank, WHET_MAX_RANK);
    out->rank = (int32_t)t->rank;
    memcpy(out->dims, t->dims, sizeof out->dims);
    out->bytes = whet_tensor_bytes(out->dtype, whet_dims_count(out->dims, out->rank));
    if (out->bytes == SIZE_MAX)
        WHET_FAIL(err, WHET_E_MODEL, "sparse tensor '%s': its dimensions are negative or too large",
                  name);
    if (out->bytes > *room)
        WHET_FAIL(err, WHET_E_LIMIT,
                  "sparse tensor '%s': %zu bytes are too many for a model of this size; store it "
                  "densely",
                  name, out->bytes);
    *room -= out->bytes;
    out->data = whet_arena_alloc(arena, out->bytes);
    return out->data ? WHET_OK : WHET_NOMEM(err);
}

// Place of value i in the whole tensor; -1: outside.
static int64_t place_of(const whet_tensor *at, const whet_tensor *dense, int64_t i) {
    const int64_t *index = at->data;
    int64_t place = 0;
    if (at->rank == 1) return index[i];
    for (int32_t k = 0; k < dense->rank; k++) {
        int64_t v = index[i * dense->rank + k];
        if (v < 0 || v >= dense->dims[k]) return -1;
        place = place * dense->dims[k] + v;
    }
    return place;
}

static whet_status spread(const whet_onnx_sparse *t, const whet_tensor *values,
                          const whet_tensor *at, whet_arena *arena, whet_tensor *out,
                          whet_error *err) {
    int64_t count = whet_dims_count(out->dims, out->rank), former = -1, n = values->dims[0];
    bool packed = whet_dtype_bits(out->dtype) < 8;
    size_t each = packed ? 1 : (size_t)whet_dtype_bits(out->dtype) / 8;
    const uint8_t *from = values->data;
    uint8_t *to = out->data, *loose = NULL;
    if (packed) {
        loose = whet_arena_alloc_raw(arena, (size_t)n + 1);
        to = whet_arena_alloc(arena, (size_t)count + 1);
        if (!loose || !to) return WHET_NOMEM(err);
        whet_unpack(loose, values->data, out->dtype, n);
        from = loose;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t place = place_of(at, out, i);
        if (place <= former || place >= count)
            WHET_FAIL(err, WHET_E_MODEL,
                      "sparse tensor '%s': index %lld is outside of it or out of order",
                      t->values.name, (long long)i);
        memcpy(to + (size_t)place * each, from + (size_t)i * each, each);
        former = place;
    }
    if (packed) whet_pack(out->data, out->dtype, to, count);
    return WHET_OK;
}

whet_status whet_onnx_sparse_load(const whet_onnx_sparse *t, whet_arena *arena, whet_external *ext,
                                  size_t *room, whet_tensor *out, whet_error *err) {
    whet_tensor values, at;
    WHET_TRY(whet_onnx_tensor_load(&t->values, arena, ext, &values, err));
    WHET_TRY(whet_onnx_tensor_load(&t->indices, arena, ext, &at, err));
    WHET_TRY(check_parts(t, &values, &at, err));
    *out = (whet_tensor){.dtype = values.dtype};
    WHET_TRY(make_room(t, arena, room, out, err));
    return spread(t, &values, &at, arena, out, err);
}
