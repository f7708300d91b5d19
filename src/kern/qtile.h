// SPDX-License-Identifier: Apache-2.0
// The inner kernel of quant_conv and quant_matmul, and the stages behind it (ops/quant_fused.h).
//   sums[i][j] = init[j] + sum over k of x[i][k] w[k][j]
// for a tile of up to `pixels` rows by 1 or 2 vectors of columns. k comes in groups of `group`,
// which one 32-bit word of x holds. AVX-512 with VNNI: x in u8, 4 a group; zero points are in init.
// NEON with dot products: the same, x in i8. Elsewhere x is i16 less its zero point, 2 a group,
// since 8-bit products of pairs would saturate. See qform.h.
//   packed weights: [group of k][vector][column][k in the group], i8 or i16
#ifndef WHET_KERN_QTILE_H
#define WHET_KERN_QTILE_H

#include "kern/kernel.h"

#define WHET_QTILE_PIXELS 14

// n1 x n2 runs of `groups` groups each, at a + y s1 + x s2 (elements of x).
typedef struct whet_qwalk {
    int64_t n1, n2, s1, s2, groups;
} whet_qwalk;

// Row i at a + i step (elements). sums [pixels][vectors][width]; init [vectors][width].
typedef void (*whet_qtile_fn)(const void *a, int64_t step, const void *w, const whet_qwalk *walk,
                              const int32_t *init, int32_t *sums);

// Clamps and scales between the stages; each stage counts in units of the next rounding.
typedef struct whet_qstages {
    bool mid, sum;
    whet_dtype other, out;          // NONE: there is no other
    float unit;                     // of the sums' scale and of the bias
    float low[3], high[3];          // on the sums, before rounding `sum`, at the end
    float mid_mul, other_mul, add;  // v mid_mul + other other_mul + add
    float sum_mul;
    int32_t zero;                   // of the result
    // For 8-bit results: the last clamp in bytes, and whether what is rounded last is sure to be
    // within 32 bits before it as far as the stages behind the sums go.
    uint8_t least, most;
    bool tame;
} whet_qstages;

typedef struct whet_qout {
    void *y;
    const void *other;
    int64_t pixel, column; // elements between pixels and between columns, of y and other
    int64_t cols;          // real ones
    const float *scale, *bias; // [vectors][width]
    bool tame;                 // they keep all sums within 32 bits
} whet_qout;

typedef struct whet_qtiles {
    int32_t width, pixels, group; // columns of a vector, most rows, k in a group
    whet_dtype x, w;              // types that they are wanted in: U8 or I8 and I8, or I16
    whet_qtile_fn tile[2][WHET_QTILE_PIXELS + 1]; // [vectors - 1][rows]
    // Sums of `pixels` rows through the stages.
    void (*store)(const whet_qstages *s, const whet_qout *o, const int32_t *sums, int64_t pixels,
                  int64_t vectors);
} whet_qtiles;
extern const whet_qtiles whet_qtiles_scalar, whet_qtiles_avx2, whet_qtiles_avx512,
    whet_qtiles_neon, whet_qtiles_neon_dot;

// Whether the types, shapes and layouts of everything but x and w are what store needs; channels:
// of the result. Clamps must be numbers.
bool whet_qstages_accepts(const whet_problem *p, int64_t channels);
// From the contents of the inputs.
void whet_qstages_init(whet_qstages *s, const whet_call *c);
// One number of input i, or `absent`.
double whet_qinput(const whet_call *c, int32_t i, double absent);
// scale and bias of columns [first, first + count), zeros up to `room`. Whether they are tame.
bool whet_qcolumns(const whet_call *c, const whet_qstages *s, int64_t first, int64_t count,
                   int64_t room, float *scale, float *bias);

#endif
