// SPDX-License-Identifier: Apache-2.0
// The order of lookup's keys, which import sorts by.
#ifndef WHET_OPS_LOOKUP_H
#define WHET_OPS_LOOKUP_H

#include "ops/op.h"

// Sign of element i of a against element k of b; NaN is above all numbers and like itself.
int whet_lookup_compare(whet_dtype dtype, const void *a, int64_t i, const void *b, int64_t k);

#endif
