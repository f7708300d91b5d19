// SPDX-License-Identifier: Apache-2.0
// y[j] += sum over p of coef[p] * rows[p][j]: what factoring a matrix and updating rows by it comes
// down to. Terms are added in order of p; y may be none of the rows. For the build (GPTQ).
#ifndef WHET_KERN_ADDROWS_H
#define WHET_KERN_ADDROWS_H

#include <stdint.h>

// n floats; row p begins at rows + p * pitch.
typedef void (*whet_add_rows_fn)(float *y, int64_t n, const float *rows, int64_t pitch,
                                 const float *coef, int64_t count);
whet_add_rows_fn whet_add_rows_for(uint32_t cpu);

#define WHET_ADD_ROWS(isa)                                                                         \
    void whet_add_rows_##isa(float *y, int64_t n, const float *rows, int64_t pitch,                \
                             const float *coef, int64_t count)
WHET_ADD_ROWS(scalar);
WHET_ADD_ROWS(avx2);
WHET_ADD_ROWS(avx512);
WHET_ADD_ROWS(neon);

#endif
