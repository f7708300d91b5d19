// SPDX-License-Identifier: Apache-2.0
// The inner kernel of convolutions and matrix products in BF16, as microtile.h is for f32: up to 14
// (NEON: 6) pixels by 1 or 2 vectors of output columns, sums in f32. A step takes two neighbours of
// the reduction: activations [.. 2] lie as they are, weights in pairs [step][lane][2].
//   y[i][j] = epilogue(bias[j] + sum over k of a[i][2k] w[k][j][0] + a[i][2k+1] w[k][j][1])
// Strides are in elements of BF16 (2 bytes); runs of the walk and `last` count steps.
#ifndef WHET_KERN_BF16TILE_H
#define WHET_KERN_BF16TILE_H

#include "kern/microtile.h"
#include "kern/simd.h"

typedef struct whet_bf16_out {
    void *y;               // uint16_t, or float when wide
    const void *other;     // epilogue operand, laid out and stored like y
    bool wide;             // y is f32
    int64_t pixel, vec, row; // elements of y between pixels, vectors, rows of a two-row tile
    int64_t cols;          // real columns; those behind are not stored
    const float *bias;     // whole vectors, or NULL
    const float *init;     // sums so far instead of a bias, or NULL; one-row tiles only
    int64_t init_pixel;    // floats between pixels
    float scale;           // of the sums, before the bias
    const float *row_bias; // a float a pixel, or NULL; one-row tiles only
    const whet_epilogue *epi;
    whet_epi_plan plan;
} whet_bf16_out;

typedef void (*whet_bf16_tile_fn)(const uint16_t *a, int64_t a_pixel, int64_t a_row,
                                  const uint16_t *w, const whet_walk *walk,
                                  const whet_bf16_out *out);

#define BF16_PIXELS V_PICK(14, 6, 0) // most of a one-row tile
#define BF16_PAIR V_PICK(7, 3, 0)    // most a row of a two-row tile
#define BF16_PEAK V_PICK(400e9, 200e9, 0) // what cost models assume of a core

typedef struct whet_bf16_tiles {
    whet_bf16_tile_fn one[2][BF16_PIXELS + 1], two[2][BF16_PAIR + 1]; // [vectors - 1][pixels]
} whet_bf16_tiles;
extern const whet_bf16_tiles whet_bf16_tiles_avx512, whet_bf16_tiles_neon;

#endif
