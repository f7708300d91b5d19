// SPDX-License-Identifier: Apache-2.0
#ifndef WHET_OPS_EVAL_POINTWISE_H
#define WHET_OPS_EVAL_POINTWISE_H

#include "ops/op.h"

// eval of every POINTWISE operator: broadcasts, computes in double, int64 or uint64 by the dtype of
// the operands. Integer division by zero and quotients that do not fit are errors.
whet_status whet_pointwise_eval(whet_eval *e);

// The same for the common case of f32 and a vector (eval_f32_scalar.c); false: it is another one.
bool whet_pointwise_eval_f32(const whet_eval *e);

#endif
