// SPDX-License-Identifier: Apache-2.0
// Products with weights of few bits ("block_matmul", "ms_matmul_nbits"): their numbers, checked,
// and the packed forms.
//   weights: [panel][ceil(k / 8)][lane of the panel] words of 8 numbers, the first in the low bits,
//     each less 8 as 4 bits of two's complement
//   scales: [panel][block][lane], f16 where the model has them so, else f32
//   zero points: [panel][block][lane] bytes, less 8
// Panels are as those of gemm: two vectors of columns, the last one may be one vector wide.
#ifndef WHET_KERN_GEMM_BLOCK_H
#define WHET_KERN_GEMM_BLOCK_H

#include "kern/gemm/gemm_geom.h"

typedef struct whet_block_geom {
    int64_t k, n, block, blocks; // block: all of k when there is one
    int64_t words;               // of a column: ceil(k / 8)
    int32_t w_in, scale_in, zero_in, bias_in; // inputs; -1 absent
    int32_t zero;      // of all blocks, less 8; when zero_in is absent
    bool f16;          // scales
    // number (k, col) of w, scale and zero point (block, col) in the operands
    int64_t w_k, w_n, s_block, s_n, z_block, z_n;
} whet_block_geom;

// The weights alone: what packing depends on. False unless all of it is there and constant.
bool whet_block_weights(whet_block_geom *w, const whet_problem *p);
// The whole product; g is that of one without batches.
bool whet_block_geom_init(whet_block_geom *w, whet_gemm_geom *g, const whet_problem *p);
// Packed bytes of input i for vectors of `width` floats; 0: it is used as it is.
size_t whet_block_pack_bytes(const whet_block_geom *w, int64_t width, int32_t i);
void whet_block_pack(const whet_block_geom *w, int64_t width, int32_t i, const whet_tensor *src,
                     void *dst);

#endif
