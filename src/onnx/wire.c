// SPDX-License-Identifier: Apache-2.0
#include "onnx/wire.h"

#include <string.h>

#define MAX_FIELD_NUMBER ((UINT64_C(1) << 29) - 1)

void whet_wire_init(whet_wire *w, const void *data, size_t size, whet_error *err) {
    // an empty message may come without memory
    const uint8_t *base = data ? data : (const uint8_t *)"";
    *w = (whet_wire){base, base, base + size, err};
    whet_error_clear(err);
}

whet_wire whet_wire_open(const whet_wire *w, whet_span span) {
    // a span that is not there is an empty message
    const uint8_t *data = span.data ? span.data : w->base;
    return (whet_wire){w->base, data, data + span.size, w->err};
}

static bool fail_at(whet_wire *w, const uint8_t *at, const char *text) {
    if (w->err->status == WHET_OK)
        whet_error_set(w->err, WHET_E_PARSE, "byte %zu: %s", (size_t)(at - w->base), text);
    w->at = w->end;
    return false;
}

whet_status whet_wire_fail(whet_wire *w, const whet_field *f, whet_status status,
                           const char *text) {
    if (w->err->status == WHET_OK)
        whet_error_set(w->err, status, "byte %zu: %s", f->offset, text);
    w->at = w->end;
    return w->err->status;
}

// At most ten bytes, and the tenth may only hold the top bit of 64.
static bool read_varint(whet_wire *w, uint64_t *v) {
    const uint8_t *start = w->at;
    uint64_t result = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (w->at == w->end) return fail_at(w, start, "truncated number");
        uint8_t byte = *w->at++;
        if (shift == 63 && byte > 1) break;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *v = result;
            return true;
        }
    }
    return fail_at(w, start, "number longer than 64 bits");
}

static bool read_fixed(whet_wire *w, size_t bytes, uint64_t *v) {
    if ((size_t)(w->end - w->at) < bytes) return fail_at(w, w->at, "truncated number");
    uint64_t result = 0;
    for (size_t i = 0; i < bytes; i++) result |= (uint64_t)w->at[i] << (8 * i);
    w->at += bytes;
    *v = result;
    return true;
}

static bool read_bytes(whet_wire *w, whet_span *span) {
    const uint8_t *start = w->at;
    uint64_t size;
    if (!read_varint(w, &size)) return false;
    if (size > (uint64_t)(w->end - w->at))
        return fail_at(w, start, "length goes beyond the end of the enclosing message");
    *span = (whet_span){w->at, (size_t)size};
    w->at += size;
    return true;
}

bool whet_wire_next(whet_wire *w, whet_field *f) {
    if (w->err->status != WHET_OK || w->at == w->end) return false;
    const uint8_t *start = w->at;
    uint64_t tag;
    if (!read_varint(w, &tag)) return false;
    if (!(tag >> 3) || tag >> 3 > MAX_FIELD_NUMBER)
        return fail_at(w, start, "field number out of range");
    *f = (whet_field){(uint32_t)(tag >> 3), (uint32_t)(tag & 7), 0, {w->at, 0},
                      (size_t)(start - w->base)};
    switch (f->type) {
    case WHET_WIRE_VARINT: return read_varint(w, &f->value);
    case WHET_WIRE_FIXED64: return read_fixed(w, 8, &f->value);
    case WHET_WIRE_BYTES: return read_bytes(w, &f->bytes);
    case WHET_WIRE_FIXED32: return read_fixed(w, 4, &f->value);
    default: return fail_at(w, start, "unknown wire type (groups are not used by ONNX)");
    }
}

bool whet_wire_is(whet_wire *w, const whet_field *f, uint32_t type, const char *what) {
    if (f->type == type) return true;
    if (w->err->status == WHET_OK)
        whet_error_set(w->err, WHET_E_PARSE, "byte %zu: %s has wire type %u instead of %u",
                       f->offset, what, f->type, type);
    w->at = w->end;
    return false;
}

whet_numbers whet_wire_numbers(whet_wire *w, const whet_field *f, uint32_t type,
                               const char *what) {
    whet_numbers it = {.type = type};
    if (f->type == WHET_WIRE_BYTES) {
        it.w = whet_wire_open(w, f->bytes);
    } else {
        it.w = whet_wire_open(w, (whet_span){w->at, 0});
        it.single = whet_wire_is(w, f, type, what);
        it.value = f->value;
    }
    return it;
}

bool whet_numbers_next(whet_numbers *it, uint64_t *v) {
    if (it->w.err->status != WHET_OK) return false;
    if (it->single) {
        it->single = false;
        *v = it->value;
        return true;
    }
    if (it->w.at == it->w.end) return false;
    if (it->type == WHET_WIRE_VARINT) return read_varint(&it->w, v);
    return read_fixed(&it->w, it->type == WHET_WIRE_FIXED64 ? 8 : 4, v);
}
