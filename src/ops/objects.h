// SPDX-License-Identifier: Apache-2.0
// Shared by the references of operators on sequences and optionals.
#ifndef WHET_OPS_OBJECTS_H
#define WHET_OPS_OBJECTS_H

#include "base/object.h"
#include "ops/op.h"

#define WHET_DTYPES_SEQUENCE WHET_DTYPE_BIT(WHET_DTYPE_SEQUENCE)
#define WHET_DTYPES_OPTIONAL WHET_DTYPE_BIT(WHET_DTYPE_OPTIONAL)
#define WHET_DTYPES_ANY (WHET_DTYPES_TENSOR | WHET_DTYPES_OBJECT)

// Output `out` is an object with `elem` in it.
void whet_infer_object(whet_infer *ctx, int32_t out, whet_dtype kind, whet_elem elem);
// Output `out` is what is in input `in`: of unknown rank, or an object. WHET_E_UNSUPPORTED when
// that is not known.
whet_status whet_infer_item(whet_infer *ctx, int32_t out, int32_t in);
// infer for: output 0 is an object like input 0.
whet_status whet_infer_same_object(whet_infer *ctx);

// The object of input `in`; NULL and an error when there is none.
const whet_object *whet_eval_object(whet_eval *e, int32_t in);
void whet_eval_put(whet_eval *e, int32_t out, const whet_object *o);
// Output `out` (of a DYNAMIC_OUT operator) becomes a copy of the item, whose type it must have.
whet_status whet_eval_item(whet_eval *e, int32_t out, const whet_tensor *item);
// Position from input `in` in [-n, last], negative ones counted from n; `last` when absent.
whet_status whet_eval_position(whet_eval *e, int32_t in, int64_t n, int64_t last, int64_t *at);

#endif
