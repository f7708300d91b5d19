// SPDX-License-Identifier: Apache-2.0
// Operators of libwhet_ops.so, which asking for them opens.
#include "onnx/import_ctx.h"

void whet_import_image_decoder(whet_import_node *n) { whet_import_as(n, "image_decoder"); }
void whet_import_ms_tokenizer(whet_import_node *n) { whet_import_as(n, "tokenizer"); }
void whet_import_regex_full_match(whet_import_node *n) { whet_import_as(n, "regex_full_match"); }
