// SPDX-License-Identifier: Apache-2.0
#include "onnx/proto.h"

#include <string.h>

void whet_proto_varint(whet_writer *w, uint64_t v) {
    for (; v >= 128; v >>= 7) whet_write_u8(w, (uint8_t)(v | 128));
    whet_write_u8(w, (uint8_t)v);
}

void whet_proto_int(whet_writer *w, uint32_t field, int64_t v) {
    whet_proto_varint(w, field << 3);
    whet_proto_varint(w, (uint64_t)v);
}

void whet_proto_float(whet_writer *w, uint32_t field, float v) {
    whet_proto_varint(w, field << 3 | 5);
    whet_write_f32(w, v);
}

void whet_proto_head(whet_writer *w, uint32_t field, uint64_t n) {
    whet_proto_varint(w, field << 3 | 2);
    whet_proto_varint(w, n);
}

void whet_proto_bytes(whet_writer *w, uint32_t field, const void *data, size_t n) {
    whet_proto_head(w, field, n);
    whet_write_bytes(w, data, n);
}

void whet_proto_text(whet_writer *w, uint32_t field, const char *text) {
    whet_proto_bytes(w, field, text, strlen(text));
}

void whet_proto_message(whet_writer *w, uint32_t field, whet_writer *message) {
    whet_proto_bytes(w, field, message->data, message->size);
    w->failed = w->failed || message->failed;
    whet_writer_fini(message);
    whet_writer_init(message);
}
