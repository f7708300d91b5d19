// SPDX-License-Identifier: Apache-2.0
// The one inner kernel of convolutions and matrix products: a tile of up to `rows` pixels (rows of
// a matrix) by 1 or 2 vectors of output columns, kept in registers over the whole reduction:
//   y[i][j] = epilogue(bias[j] + row_bias[i] + sum over k of a[i][k] w[k][j])
// The reduction is a walk of n0 x n1 x n2 runs: run (u, v, x) starts at a + u s0 + v s1 + x s2 and
// takes `len` consecutive floats (`last` in the runs of the last u); w goes on by `w_step` floats a
// step, through all runs. AVX-512: 14 x 2 accumulators, 2 weights, 1 broadcast = 31 registers.
#ifndef WHET_KERN_MICROTILE_H
#define WHET_KERN_MICROTILE_H

#include "kern/epilogue.h"

typedef struct whet_walk {
    int64_t n0, n1, n2, s0, s1, s2;
    int64_t len, last;
    int64_t w_step;
    // each step prefetches: from next on through all runs, or where it is NULL from run + ahead on,
    // ahead_step floats further each time; all 0: no need
    int64_t ahead, ahead_step;
    const float *next;
} whet_walk;

typedef struct whet_tile_out {
    float *y;
    const float *other;    // epilogue operand, laid out like y
    int64_t pixel, vec, row; // floats between pixels, vectors, the two rows of a two-row tile
    int64_t cols;          // real columns; those behind are not stored (only when vec is the width)
    const float *bias;     // whole vectors, or NULL
    const float *init;     // sums so far instead of a bias, or NULL: vectors side by side,
    int64_t init_pixel;    // floats between pixels; one-row tiles only
    const float *row_bias; // a float a pixel, or NULL; one-row tiles only
    const whet_epilogue *epi;
    whet_epi_plan plan;
} whet_tile_out;

// Pixel i of row r is at a + r a_row + i a_pixel; weights of a step are `vectors` consecutive
// vectors.
typedef void (*whet_tile_fn)(const float *a, int64_t a_pixel, int64_t a_row, const float *w,
                             const whet_walk *walk, const whet_tile_out *out);

typedef struct whet_tiles {
    int32_t width;       // floats of a vector
    int32_t pixels;      // most pixels of a one-row tile
    int32_t pair;        // most pixels a row of a two-row tile
    whet_tile_fn one[2][15], two[2][8]; // [vectors - 1][pixels]
} whet_tiles;

// Tactic names end in these; kernels are declared per instruction set by the same.
#define TILE_ID V_PICK_NAME(avx512_14x2, avx2_6x2, neon_6x2, scalar)
#define TILE_NAME V_PICK_NAME("avx512_14x2", "avx2_6x2", "neon_6x2", "scalar")
// What cost models assume of a core: floating-point operations and bytes a second.
#define KERN_PEAK V_PICK(200e9, 100e9, 12e9)
#define KERN_BANDWIDTH 30e9

extern const whet_tiles whet_tiles_scalar, whet_tiles_avx2, whet_tiles_avx512, whet_tiles_neon;

#endif
