// SPDX-License-Identifier: Apache-2.0
// A bounded cursor over protobuf's wire format. Nothing is copied and nothing recursed into: a
// length-delimited field is a span, opened with whet_wire_open() by whoever wants to look inside.
// The first failure, with its byte offset, stays in the shared error and ends every loop.
#ifndef WHET_ONNX_WIRE_H
#define WHET_ONNX_WIRE_H

#include "base/error.h"

typedef struct whet_span {
    const uint8_t *data;
    size_t size;
} whet_span;

enum {
    WHET_WIRE_VARINT = 0,
    WHET_WIRE_FIXED64 = 1,
    WHET_WIRE_BYTES = 2,
    WHET_WIRE_FIXED32 = 5,
};

typedef struct whet_wire {
    const uint8_t *base; // offsets in messages count from here
    const uint8_t *at, *end;
    whet_error *err;     // never NULL; OK until something is malformed
} whet_wire;

typedef struct whet_field {
    uint32_t number, type;
    uint64_t value;  // VARINT, FIXED32, FIXED64
    whet_span bytes; // BYTES
    size_t offset;   // of the tag
} whet_field;

// err is cleared.
void whet_wire_init(whet_wire *w, const void *data, size_t size, whet_error *err);
// A cursor over a span inside the same data.
whet_wire whet_wire_open(const whet_wire *w, whet_span span);
// Moves to the next field; false at the end and after a failure (w->err->status tells which).
bool whet_wire_next(whet_wire *w, whet_field *f);
// Whether the field has that wire type; a failure naming `what` when not.
bool whet_wire_is(whet_wire *w, const whet_field *f, uint32_t type, const char *what);
// Records a failure at the field.
whet_status whet_wire_fail(whet_wire *w, const whet_field *f, whet_status status, const char *text);

// The elements of one occurrence of a repeated number, packed or not:
//     whet_numbers it = whet_wire_numbers(&w, &f, WHET_WIRE_VARINT, "dims");
//     while (whet_numbers_next(&it, &v)) ...
typedef struct whet_numbers {
    whet_wire w;
    uint32_t type;
    bool single;
    uint64_t value;
} whet_numbers;
whet_numbers whet_wire_numbers(whet_wire *w, const whet_field *f, uint32_t type, const char *what);
bool whet_numbers_next(whet_numbers *it, uint64_t *v);

#endif
