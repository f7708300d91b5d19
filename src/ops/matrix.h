// SPDX-License-Identifier: Apache-2.0
// Matrix products for the C references: each element is summed in order of k.
#ifndef WHET_OPS_MATRIX_H
#define WHET_OPS_MATRIX_H

#include "ops/op.h"

// c [m,n] += a [m,k] b [k,n], row major with leading dimensions lda, ldb, ldc.
void whet_matrix_mul_f64(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                         const double *b, int64_t ldb, double *c, int64_t ldc);
// The same modulo 2^64, which after truncation is right for every integer type.
void whet_matrix_mul_i64(int64_t m, int64_t n, int64_t k, const int64_t *a, int64_t lda,
                         const int64_t *b, int64_t ldb, int64_t *c, int64_t ldc);
// to [n,m] = from [m,n]
void whet_matrix_transpose_f64(int64_t m, int64_t n, const double *from, double *to);
void whet_matrix_transpose_i64(int64_t m, int64_t n, const int64_t *from, int64_t *to);

// One number of input `i` (scalar or one element); `absent` when the input is not there.
double whet_eval_scalar(const whet_eval *e, int32_t i, double absent);
// Uninitialized scratch of n doubles; NULL: out of memory or overflow, error set.
double *whet_eval_raw_f64(whet_eval *e, int64_t n);

#endif
