// SPDX-License-Identifier: Apache-2.0
// Zero points, scales and requantization of the integer operators' references. Sums of products of
// 8-bit numbers are exact in double.
#ifndef WHET_OPS_QUANT_REF_H
#define WHET_OPS_QUANT_REF_H

#include "ops/op.h"

#define WHET_DTYPES_QUANT (WHET_DTYPE_BIT(WHET_DTYPE_I8) | WHET_DTYPE_BIT(WHET_DTYPE_U8))

// Input i (if there) is one number or, when n is not 0, a vector of n.
whet_status whet_quant_check(whet_infer *ctx, int32_t i, whet_dim n);
// Number k of input i: of its vector, or its only one; `absent` when the input is not there.
double whet_quant_param(const whet_eval *e, int32_t i, int64_t k, double absent);
// Input i as doubles less one zero point or, where input `zero` is a vector, one for each `step`
// elements in turn. NULL: out of memory, error set.
double *whet_quant_load(whet_eval *e, int32_t i, int32_t zero, int64_t step);
// Rounds half to even, adds the zero point, saturates and stores as element i of t. Floats are
// rounded only when they are stored.
void whet_quant_store(const whet_tensor *t, int64_t i, double v, double zero);

#endif
