// SPDX-License-Identifier: Apache-2.0
// Index tensors of the gather and scatter families: checked before anything is moved.
#ifndef WHET_OPS_INDICES_H
#define WHET_OPS_INDICES_H

#include "ops/op.h"

#define WHET_DTYPES_INDEX (WHET_DTYPE_BIT(WHET_DTYPE_I64) | WHET_DTYPE_BIT(WHET_DTYPE_I32))

// Indices into dimensions of `dim` elements, negative ones counted from the end: now all in
// [0, dim). WHET_E_RANGE, WHET_E_NOMEM.
whet_status whet_eval_indices(whet_eval *e, int32_t in, int64_t dim, const int64_t **indices);

// Tuples of n indices in the last dimension of input `in` to offsets of the blocks that they name
// in a tensor with these dims; `batch` leading dims are indexed by the position in the index
// tensor. offsets: one a tuple, in elements. WHET_E_SHAPE, WHET_E_RANGE, WHET_E_NOMEM.
whet_status whet_eval_index_tuples(whet_eval *e, int32_t in, const whet_tensor *data,
                                   int32_t batch, const int64_t **offsets);

#endif
