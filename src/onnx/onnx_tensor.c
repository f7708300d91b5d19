// SPDX-License-Identifier: Apache-2.0
#include "onnx/onnx_tensor.h"

#include <stdalign.h>
#include <string.h>

#include "base/dtype.h"

// Which field holds elements of a type that are not raw, and how.
typedef struct typed_field {
    uint32_t number, wire;
    const char *name;
} typed_field;

static typed_field field_of(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_C64:
    case WHET_DTYPE_F32: return (typed_field){4, WHET_WIRE_FIXED32, "float_data"};
    case WHET_DTYPE_I64: return (typed_field){7, WHET_WIRE_VARINT, "int64_data"};
    case WHET_DTYPE_C128:
    case WHET_DTYPE_F64: return (typed_field){10, WHET_WIRE_FIXED64, "double_data"};
    case WHET_DTYPE_U32:
    case WHET_DTYPE_U64: return (typed_field){11, WHET_WIRE_VARINT, "uint64_data"};
    default: return (typed_field){5, WHET_WIRE_VARINT, "int32_data"};
    }
}

static bool is_float6(whet_dtype dtype) { return WHET_DTYPES_FLOAT6 >> dtype & 1; }

// What one number of the field fills: half a complex number, a byte of packed elements; those of 6
// bits are numbers of their own there.
static int64_t numbers_of(whet_dtype dtype, int64_t count) {
    if (is_float6(dtype)) return count;
    if (WHET_DTYPES_COMPLEX >> dtype & 1) return count * 2;
    return whet_dtype_bits(dtype) < 8 ? (int64_t)whet_tensor_bytes(dtype, count) : count;
}

// Stores the number; false when an integer does not fit. Small floats come as their bits.
static bool put(whet_tensor *out, int64_t i, uint64_t v) {
    int64_t s = (int64_t)v;
    int32_t bits = whet_dtype_bits(out->dtype);
    switch (out->dtype) {
    case WHET_DTYPE_C64:
    case WHET_DTYPE_F32: ((uint32_t *)out->data)[i] = (uint32_t)v; return true;
    case WHET_DTYPE_I64:
    case WHET_DTYPE_U64:
    case WHET_DTYPE_C128:
    case WHET_DTYPE_F64: ((uint64_t *)out->data)[i] = v; return true;
    case WHET_DTYPE_I8:
    case WHET_DTYPE_I16:
    case WHET_DTYPE_I32:
        whet_store_i64(out->data, out->dtype, i, s);
        return s >= -(INT64_C(1) << (bits - 1)) && s < INT64_C(1) << (bits - 1);
    case WHET_DTYPE_F16:
    case WHET_DTYPE_BF16: ((uint16_t *)out->data)[i] = (uint16_t)v; break;
    case WHET_DTYPE_U16:
    case WHET_DTYPE_U32:
    case WHET_DTYPE_BOOL: whet_store_u64(out->data, out->dtype, i, v); break;
    default: // bytes; signed ones may be negative
        ((uint8_t *)out->data)[i] = (uint8_t)v;
        return s >= -128 && s <= 255;
    }
    return v >> bits == 0;
}

// One walk over the message: counts elements, and stores them once out->data is there.
static whet_status walk_typed(const whet_onnx_tensor *t, whet_tensor *out, int64_t *count,
                              whet_error *err) {
    typed_field typed = field_of(out->dtype);
    whet_wire w;
    whet_field f;
    bool fits = true;
    int64_t limit = out->data ? *count : INT64_MAX, n = 0;
    whet_wire_init(&w, t->message.data, t->message.size, err);
    while (whet_wire_next(&w, &f)) {
        if (f.number != typed.number) continue;
        whet_numbers it = whet_wire_numbers(&w, &f, typed.wire, typed.name);
        uint64_t v;
        while (n < limit && whet_numbers_next(&it, &v)) {
            if (out->data) fits &= put(out, n, v);
            n++;
        }
    }
    if (err->status != WHET_OK)
        return whet_error_prefix(err, err->status, "tensor '%s'", t->name);
    *count = n;
    if (!fits)
        WHET_FAIL(err, WHET_E_MODEL, "tensor '%s': an element does not fit %s", t->name,
                  whet_dtype_text(out->dtype));
    return WHET_OK;
}

static whet_status load_typed(const whet_onnx_tensor *t, whet_arena *arena, int64_t count,
                              whet_tensor *out, whet_error *err) {
    int64_t found = 0;
    count = numbers_of(out->dtype, count);
    WHET_TRY(walk_typed(t, out, &found, err));
    if (found != count)
        WHET_FAIL(err, WHET_E_MODEL,
                  "tensor '%s': its shape takes %lld numbers, but %s holds %lld", t->name,
                  (long long)count, field_of(out->dtype).name, (long long)found);
    whet_tensor loose = *out; // its elements a byte each
    size_t room = is_float6(out->dtype) ? (size_t)count : out->bytes;
    out->data = whet_arena_alloc_raw(arena, out->bytes);
    loose.data = is_float6(out->dtype) ? whet_arena_alloc_raw(arena, room) : out->data;
    if (!out->data || !loose.data) return WHET_NOMEM(err);
    WHET_TRY(walk_typed(t, &loose, &found, err));
    if (is_float6(out->dtype)) whet_pack(out->data, out->dtype, loose.data, count);
    return WHET_OK;
}

// Elements of string_data, in place.
static whet_status load_texts(const whet_onnx_tensor *t, whet_arena *arena, int64_t count,
                              whet_tensor *out, whet_error *err) {
    whet_wire w;
    whet_field f;
    int64_t n = 0;
    whet_wire_init(&w, t->message.data, t->message.size, err);
    // each takes at least two bytes of the message
    if (count > (int64_t)(t->message.size / 2)) n = -1;
    whet_text *v = n < 0 ? NULL : whet_arena_alloc(arena, out->bytes);
    if (n == 0 && !v) return WHET_NOMEM(err);
    while (v && whet_wire_next(&w, &f)) {
        if (f.number != 6 || !whet_wire_is(&w, &f, WHET_WIRE_BYTES, "string_data")) continue;
        if (n < count) v[n] = (whet_text){(const char *)f.bytes.data, f.bytes.size};
        n++;
    }
    if (err->status != WHET_OK)
        return whet_error_prefix(err, err->status, "tensor '%s'", t->name);
    if (n != count)
        WHET_FAIL(err, WHET_E_MODEL,
                  "tensor '%s': its shape takes %lld texts, but string_data holds %s", t->name,
                  (long long)count, n < count ? "fewer" : "more");
    out->data = v;
    return WHET_OK;
}

// bool elements other than 0 and 1 would break those who take them as numbers
static bool bools_clean(const uint8_t *v, size_t n) {
    uint8_t seen = 0;
    for (size_t i = 0; i < n; i++) seen |= v[i];
    return seen <= 1;
}

static whet_status load_raw(const uint8_t *data, whet_arena *arena, whet_tensor *out,
                            whet_error *err) {
    int32_t bits = whet_dtype_bits(out->dtype);
    size_t align = bits <= 8 ? 1 : bits >= 64 ? 8 : (size_t)bits / 8;
    bool dirty = out->dtype == WHET_DTYPE_BOOL && !bools_clean(data, out->bytes);
    if (out->bytes && (uintptr_t)data % align == 0 && !dirty) {
        out->data = (void *)(uintptr_t)data; // read only: constants are never written
        return WHET_OK;
    }
    uint8_t *copy = whet_arena_memdup(arena, data, out->bytes);
    if (!copy) return WHET_NOMEM(err);
    for (size_t i = 0; dirty && i < out->bytes; i++) copy[i] = copy[i] != 0;
    out->data = copy;
    return WHET_OK;
}

static whet_status load_external(const whet_onnx_tensor *t, whet_arena *arena, whet_external *ext,
                                 whet_tensor *out, whet_error *err) {
    whet_map map;
    if (!t->location)
        WHET_FAIL(err, WHET_E_MODEL, "tensor '%s': external data without location", t->name);
    whet_status status = whet_external_open(ext, arena, t->location, &map, err);
    if (status != WHET_OK) return whet_error_prefix(err, status, "tensor '%s'", t->name);
    uint64_t offset = t->offset < 0 ? 0 : (uint64_t)t->offset;
    if (t->length >= 0 && (uint64_t)t->length != out->bytes)
        WHET_FAIL(err, WHET_E_MODEL,
                  "tensor '%s': its shape takes %zu bytes, but its external data has length %lld",
                  t->name, out->bytes, (long long)t->length);
    if (offset > map.size || out->bytes > map.size - offset)
        WHET_FAIL(err, WHET_E_MODEL,
                  "tensor '%s': %zu bytes at offset %llu go beyond the end of '%s' (%zu bytes)",
                  t->name, out->bytes, (unsigned long long)offset, t->location, map.size);
    const uint8_t *data = map.data ? map.data : (const uint8_t *)"";
    return load_raw(data + offset, arena, out, err);
}

static whet_status check_head(const whet_onnx_tensor *t, whet_error *err) {
    if (!whet_dtype_known(t->data_type) || !(WHET_DTYPES_TENSOR >> t->data_type & 1))
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "tensor '%s': elements of type %s (%d) are not supported", t->name,
                  whet_onnx_dtype_text(t->data_type), t->data_type);
    if (t->rank > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "tensor '%s': %lld dimensions, at most %d are supported",
                  t->name, (long long)t->rank, WHET_MAX_RANK);
    if (t->segment)
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "tensor '%s': segments are not supported", t->name);
    return WHET_OK;
}

whet_status whet_onnx_tensor_load(const whet_onnx_tensor *t, whet_arena *arena,
                                  whet_external *ext, whet_tensor *out, whet_error *err) {
    WHET_TRY(check_head(t, err));
    *out = (whet_tensor){.dtype = (whet_dtype)t->data_type, .rank = (int32_t)t->rank};
    memcpy(out->dims, t->dims, sizeof out->dims);
    int64_t count = whet_dims_count(out->dims, out->rank);
    out->bytes = whet_tensor_bytes(out->dtype, count);
    if (count < 0 || out->bytes == SIZE_MAX)
        WHET_FAIL(err, WHET_E_MODEL, "tensor '%s': its dimensions are negative or too large",
                  t->name);
    if (out->dtype == WHET_DTYPE_STRING) {
        if (!t->external && !t->has_raw) return load_texts(t, arena, count, out, err);
        WHET_FAIL(err, WHET_E_MODEL, "tensor '%s': strings cannot be raw or external data",
                  t->name);
    }
    if (t->external) return load_external(t, arena, ext, out, err);
    if (!t->has_raw) return load_typed(t, arena, count, out, err);
    if (t->raw.size != out->bytes)
        WHET_FAIL(err, WHET_E_MODEL,
                  "tensor '%s': its shape takes %zu bytes, but raw_data has %zu", t->name,
                  out->bytes, t->raw.size);
    return load_raw(t->raw.data, arena, out, err);
}
