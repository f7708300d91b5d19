// SPDX-License-Identifier: Apache-2.0
// Masks of the attention operators of the domain com.microsoft.
#ifndef WHET_OPS_MS_ATTENTION_REF_H
#define WHET_OPS_MS_ATTENTION_REF_H

#include "ops/attention_ref.h"

// Input `mask` (integers; optional) has one of the shapes
//     [b] keys that count, [2 b] end and start of those, [b, t], [b, s, t], [b, 1, m, m] (m >= t:
//     the last s of the first t rows) with 0 where a key does not count;
// input `bias` (optional) is [b or 1, heads or 1, s, t].
whet_status whet_ms_mask_infer(whet_infer *ctx, int32_t mask, int32_t bias, whet_dim batch,
                               whet_dim heads, whet_dim s, whet_dim t);
// Sets r->bias to their sum, `filter` being added where the mask has 0. The sizes of r are set.
whet_status whet_ms_mask_load(whet_eval *e, whet_attention_ref *r, int32_t mask, int32_t bias,
                              double filter);
// An input whose use is not supported must be absent.
whet_status whet_ms_absent(whet_infer *ctx, int32_t in);

#endif
