// SPDX-License-Identifier: Apache-2.0
#include "ops/broadcast.h"

#include <string.h>

#include "base/dtype.h"

// Dimensions of an input are those of the output's tail; those of size 1 do not move.
static void set_strides(whet_broadcast *b, int32_t i, const whet_tensor *in, int32_t out_rank) {
    int64_t stride = 1;
    for (int32_t k = out_rank - 1, j = in->rank - 1; j >= 0 && k >= 0; k--, j--) {
        b->stride[i][k] = in->dims[j] == 1 ? 0 : stride;
        stride *= in->dims[j];
    }
}

void whet_broadcast_init(whet_broadcast *b, const whet_tensor *out, const whet_tensor *in,
                         int32_t n) {
    memset(b, 0, sizeof *b);
    b->n = n;
    b->rank = out->rank > 0 ? out->rank : 1;
    b->dims[0] = 1;
    for (int32_t k = 0; k < out->rank; k++) b->dims[k] = out->dims[k];
    for (int32_t i = 0; i < n; i++) {
        if (in[i].dtype != WHET_DTYPE_NONE) set_strides(b, i, &in[i], out->rank);
        b->step[i] = b->stride[i][b->rank - 1];
    }
    int64_t count = whet_dims_count(b->dims, b->rank);
    b->length = b->dims[b->rank - 1];
    b->rows = count > 0 ? count / b->length : 0;
    b->row = -1;
}

bool whet_broadcast_next(whet_broadcast *b) {
    if (++b->row >= b->rows) return false;
    if (b->row == 0) return true;
    b->out += b->length;
    for (int32_t k = b->rank - 2; k >= 0; k--) {
        for (int32_t i = 0; i < b->n; i++) b->in[i] += b->stride[i][k];
        if (++b->at[k] < b->dims[k]) break;
        for (int32_t i = 0; i < b->n; i++) b->in[i] -= b->stride[i][k] * b->dims[k];
        b->at[k] = 0;
    }
    return true;
}
