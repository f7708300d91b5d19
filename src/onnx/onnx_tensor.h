// SPDX-License-Identifier: Apache-2.0
// Contents of a TensorProto as a whet_tensor.
#ifndef WHET_ONNX_ONNX_TENSOR_H
#define WHET_ONNX_ONNX_TENSOR_H

#include "onnx/external.h"
#include "onnx/model.h"

// In place where the bytes lie aligned in the model or its external data, else converted into the
// arena. ext NULL: external data is refused. WHET_E_UNSUPPORTED names the type, WHET_E_MODEL when
// contents and shape do not agree, and the statuses of whet_external_open().
whet_status whet_onnx_tensor_load(const whet_onnx_tensor *t, whet_arena *arena,
                                  whet_external *ext, whet_tensor *out, whet_error *err);

// The dense tensor that a sparse one stands for. *room: bytes that such tensors may still take;
// this one's are subtracted. WHET_E_LIMIT when they are more; besides the statuses above.
whet_status whet_onnx_sparse_load(const whet_onnx_sparse *t, whet_arena *arena, whet_external *ext,
                                  size_t *room, whet_tensor *out, whet_error *err);

#endif
