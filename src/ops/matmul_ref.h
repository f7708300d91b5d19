// SPDX-License-Identifier: Apache-2.0
// numpy's rules of matrix products, shared by matmul, matmul_integer and qlinear_matmul.
#ifndef WHET_OPS_MATMUL_REF_H
#define WHET_OPS_MATMUL_REF_H

#include "ops/op.h"

// batches of c [m,n] = a [m,k] b [k,n]; 1-D operands count as [1,k] and [k,1].
typedef struct whet_matmul_ref {
    int64_t m, n, k, batches;
    int32_t rank; // of the batch dimensions
    int64_t dims[WHET_MAX_RANK];
    int64_t step_a[WHET_MAX_RANK], step_b[WHET_MAX_RANK]; // in matrices, 0 where broadcast
} whet_matmul_ref;

// trans: the last two dimensions are swapped (ignored for 1-D operands).
void whet_matmul_ref_init(whet_matmul_ref *r, const whet_tensor *a, bool trans_a,
                          const whet_tensor *b, bool trans_b);
// Numbers of the matrices of a and b that make matrix i of c.
void whet_matmul_ref_at(const whet_matmul_ref *r, int64_t i, int64_t *ia, int64_t *ib);
// c (zeroed) += a b, over all batches; a and b plain, not transposed.
void whet_matmul_ref_f64(const whet_matmul_ref *r, const double *a, const double *b, double *c);
void whet_matmul_ref_i64(const whet_matmul_ref *r, const int64_t *a, const int64_t *b, int64_t *c);
// Shape of output 0 from inputs a and b; *n: columns of b (1 when b is 1-D).
whet_status whet_matmul_infer(whet_infer *ctx, int32_t a, bool trans_a, int32_t b, bool trans_b,
                              whet_dim *n);
double whet_matmul_flops(const whet_tensor *a, bool trans_a, const whet_tensor *out);

#endif
