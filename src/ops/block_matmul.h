// SPDX-License-Identifier: Apache-2.0
// Matrix products whose weights are stored in few bits, with a scale for each block of them:
//   block_matmul: y = x w' + bias, w' = (w - zero) * scale
//   ms_matmul_nbits: the same as onnxruntime's MatMulNBits has it
// w of block_matmul is [k, n], or [n, k] with trans_b. Scale and zero point are one number or one a
// column (block 0), or one for each `block` numbers along k: [ceil(k / block), n], or [n, ceil(k /
// block)] with trans_b. The zero point has the type of w; absent: 0.
#ifndef WHET_OPS_BLOCK_MATMUL_H
#define WHET_OPS_BLOCK_MATMUL_H

#include "ops/op.h"

enum {
    WHET_BM_X,
    WHET_BM_W,
    WHET_BM_BIAS, // [n]
    WHET_BM_SCALE,
    WHET_BM_ZERO,
    WHET_BM_COUNT
};

typedef struct whet_block_matmul_attrs {
    bool trans_b;
    int64_t block;
} whet_block_matmul_attrs;

enum {
    WHET_NBITS_A,
    WHET_NBITS_B, // [n, blocks, block_size * bits / 8] bytes
    WHET_NBITS_SCALES,
    WHET_NBITS_ZEROS,
    WHET_NBITS_GROUPS,
    WHET_NBITS_BIAS
};

typedef struct whet_nbits_attrs {
    int64_t k, n, bits, block_size, accuracy_level;
    int64_t weight_prepacked; // for devices of others: only 0
} whet_nbits_attrs;

#endif
