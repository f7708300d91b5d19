// SPDX-License-Identifier: Apache-2.0
// What the normalisations of all instruction sets share: shapes and checks.
#ifndef WHET_KERN_NORM_SHAPE_H
#define WHET_KERN_NORM_SHAPE_H

#include "kern/kernel.h"

// layer_norm, rms_norm: rows of n, with n scales.
typedef struct norm_rows {
    int64_t rows, n;
} norm_rows;
norm_rows whet_norm_rows(const whet_problem *p);
bool whet_norm_accepts_rows(const whet_problem *p, whet_dtype dtype);

// The others: [batch, channels, pixels], channels in blocks of `block`.
typedef struct norm_planes {
    int64_t batch, channels, pixels, block, blocks;
    int64_t groups; // of channels, 0: statistics are given
} norm_planes;
norm_planes whet_norm_planes(const whet_problem *p);
// width: lanes of a vector, which must divide a block.
bool whet_norm_accepts_planes(const whet_problem *p, whet_dtype dtype, int64_t width);

int64_t whet_norm_tasks(const whet_problem *p, const int32_t *params, int32_t phase);
bool whet_norm_inplace(const whet_problem *p, int32_t i);

#endif
