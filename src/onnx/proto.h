// SPDX-License-Identifier: Apache-2.0
// Writing protobuf's wire format: fields appended to a whet_writer.
#ifndef WHET_ONNX_PROTO_H
#define WHET_ONNX_PROTO_H

#include "base/bytes.h"

void whet_proto_varint(whet_writer *w, uint64_t v);
void whet_proto_int(whet_writer *w, uint32_t field, int64_t v);
void whet_proto_float(whet_writer *w, uint32_t field, float v);
// Tag and length of a field whose `n` bytes the caller appends, or writes elsewhere.
void whet_proto_head(whet_writer *w, uint32_t field, uint64_t n);
void whet_proto_bytes(whet_writer *w, uint32_t field, const void *data, size_t n);
void whet_proto_text(whet_writer *w, uint32_t field, const char *text);
// A message, which is emptied.
void whet_proto_message(whet_writer *w, uint32_t field, whet_writer *message);

#endif
