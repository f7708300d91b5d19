// SPDX-License-Identifier: Apache-2.0
// What the recurrent kernels of all instruction sets share. W and R must be constant: both are
// packed to [direction][column block][k][columns of a block], columns being gates x hidden, zeros
// behind.
#ifndef WHET_KERN_RNN_H
#define WHET_KERN_RNN_H

#include "kern/kernel.h"

enum { RNN_X, RNN_W, RNN_R, RNN_B, RNN_LENS, RNN_H0, RNN_C0, RNN_P };

typedef struct rnn_shape {
    int64_t seq, batch, input, hidden, dirs, gates;
    int64_t n;      // gates hidden
    int64_t blocks; // of columns
    int64_t width;  // columns of a block
    int64_t rows, parts; // of the batch that are computed together, and how many such
} rnn_shape;

// rows: most that are computed together.
rnn_shape whet_rnn_shape(const whet_problem *p, int64_t width, int64_t rows);
// dtype: as what inputs, outputs and states are stored.
bool whet_rnn_accepts(const whet_problem *p, whet_dtype dtype, int64_t width);
size_t whet_rnn_pack_bytes(const whet_problem *p, int64_t width, int32_t i);
void whet_rnn_pack(const whet_problem *p, int64_t width, int32_t i, const float *src, float *dst);
// In half the bytes: [direction][column block][pair of k][column][2].
void whet_rnn_pack_bf16(const whet_problem *p, int64_t width, int32_t i, const float *src,
                        uint16_t *dst);
size_t whet_rnn_workspace(const rnn_shape *s);
size_t whet_rnn_scratch(const rnn_shape *s);

#endif
