// SPDX-License-Identifier: Apache-2.0
// Walks an output row by row (a row: its last dimension) together with inputs that broadcast to it.
#ifndef WHET_OPS_BROADCAST_H
#define WHET_OPS_BROADCAST_H

#include <whet/whet.h>

#define WHET_BROADCAST_MAX 5 // inputs

typedef struct whet_broadcast {
    int32_t n, rank;                                     // rank >= 1
    int64_t dims[WHET_MAX_RANK], at[WHET_MAX_RANK];      // of the output; place of the row
    int64_t stride[WHET_BROADCAST_MAX][WHET_MAX_RANK];   // 0 where the input broadcasts
    int64_t rows, row;                                   // of the output; the current one
    // The current row: length, first element in the output and in each input, steps of the inputs.
    int64_t length, out, in[WHET_BROADCAST_MAX], step[WHET_BROADCAST_MAX];
} whet_broadcast;

// The inputs must broadcast to `out`; absent ones (dtype NONE) count as scalars.
void whet_broadcast_init(whet_broadcast *b, const whet_tensor *out, const whet_tensor *in,
                         int32_t n);
// Moves to the next row (the first on the first call); false behind the last.
bool whet_broadcast_next(whet_broadcast *b);

#endif
