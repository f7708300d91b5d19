// SPDX-License-Identifier: Apache-2.0
// The numbers of a matrix product, checked, for the operators "matmul" and "gemm".
#ifndef WHET_KERN_GEMM_GEOM_H
#define WHET_KERN_GEMM_GEOM_H

#include "kern/epilogue.h"
#include "ops/matmul_ref.h"

typedef enum whet_gemm_bias {
    WHET_GEMM_BIAS_NONE,
    WHET_GEMM_BIAS_COLUMNS, // [n]
    WHET_GEMM_BIAS_ROWS,    // [m]
    WHET_GEMM_BIAS_ONE      // a single number
} whet_gemm_bias;

typedef struct whet_gemm_geom {
    int64_t m, n, k;
    // products; 1 when B has no batch, whose rows of A then follow each other
    int64_t batches;
    int64_t b_batches;      // matrices that B holds
    bool trans_a, trans_b;
    float alpha, beta;
    whet_gemm_bias bias;
    whet_matmul_ref ref;    // whet_matmul_ref_at gives the operands of a batch
} whet_gemm_geom;

// False unless this is an f32 product in plain layout that holds together: positive sizes, operands
// that match, a bias that adds a row, a column or a number, a known epilogue.
bool whet_gemm_geom_init(whet_gemm_geom *g, const whet_problem *p);
// The same with operands and result stored as these; a bias is f32.
bool whet_gemm_geom_init_as(whet_gemm_geom *g, const whet_problem *p, whet_dtype da, whet_dtype db,
                            whet_dtype dy);

#endif
