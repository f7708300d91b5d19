// SPDX-License-Identifier: Apache-2.0
// What the readers of messages share among themselves.
#ifndef WHET_ONNX_MODEL_READ_H
#define WHET_ONNX_MODEL_READ_H

#include "onnx/model.h"

// The first failure: "byte <n>: <what> <text>".
whet_status whet_onnx_reader_fail(whet_onnx_reader *r, const uint8_t *at, whet_status status,
                                  const char *what, const char *text);
bool whet_onnx_reader_nomem(whet_onnx_reader *r); // false
const char *whet_onnx_read_text(whet_onnx_reader *r, whet_wire *w, const whet_field *f,
                                const char *what);
void whet_onnx_attr_read(whet_onnx_reader *r, const whet_wire *outer, whet_span span,
                         whet_onnx_attr *attr);

#endif
