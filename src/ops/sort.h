// SPDX-License-Identifier: Apache-2.0
// Stable sort of index arrays.
#ifndef WHET_OPS_SORT_H
#define WHET_OPS_SORT_H

#include <stdbool.h>
#include <stdint.h>

// Whether element a comes strictly before element b.
typedef bool (*whet_before_fn)(const void *user, int64_t a, int64_t b);
// Sorts index[0 .. n); scratch: n more of them.
void whet_sort_indices(int64_t *index, int64_t n, int64_t *scratch, whet_before_fn before,
                       const void *user);

#endif
