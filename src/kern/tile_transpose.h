// SPDX-License-Identifier: Apache-2.0
// dst[j][i] = src[i][j] for 32-bit elements, V_W x V_W at a time in registers.
#ifndef WHET_KERN_TILE_TRANSPOSE_H
#define WHET_KERN_TILE_TRANSPOSE_H

#include "kern/simd.h"

// One butterfly: lanes whose index has bit `b` swap between rows i and i + b.
#if V_W == 16
#define TT_LO(b, l) ((l) & (b) ? 16 + (l) - (b) : (l))
#define TT_HI(b, l) ((l) & (b) ? 16 + (l) : (l) + (b))
#define TT_LANES(f, b)                                                                             \
    f(b, 0), f(b, 1), f(b, 2), f(b, 3), f(b, 4), f(b, 5), f(b, 6), f(b, 7), f(b, 8), f(b, 9),      \
        f(b, 10), f(b, 11), f(b, 12), f(b, 13), f(b, 14), f(b, 15)
#else
#define TT_LO(b, l) ((l) & (b) ? 8 + (l) - (b) : (l))
#define TT_HI(b, l) ((l) & (b) ? 8 + (l) : (l) + (b))
#define TT_LANES(f, b)                                                                             \
    f(b, 0), f(b, 1), f(b, 2), f(b, 3), f(b, 4), f(b, 5), f(b, 6), f(b, 7)
#endif
#define TT_STAGE(r, b)                                                                             \
    for (int i = 0; i < V_W; i++) {                                                                \
        if (i & (b)) continue;                                                                     \
        vf lo = __builtin_shufflevector(r[i], r[i + (b)], TT_LANES(TT_LO, b));                     \
        vf hi = __builtin_shufflevector(r[i], r[i + (b)], TT_LANES(TT_HI, b));                     \
        r[i] = lo;                                                                                 \
        r[i + (b)] = hi;                                                                           \
    }
#if defined(WHET_SIMD_NEON)
// Columns of the 4 x 4 numbers in t.
V_FN void transpose_4(const float32x4_t *t, float32x4_t d[4]) {
    float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(t[0], t[1]));
    float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(t[0], t[1]));
    float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(t[2], t[3]));
    float64x2_t e = vreinterpretq_f64_f32(vtrn2q_f32(t[2], t[3]));
    d[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c)), d[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, e));
    d[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c)), d[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, e));
}
V_FN void v_transpose(vf *r) {
    float32x4_t t[2][V_W], lo[V_W], hi[V_W]; // halves of the rows; of the columns
    for (int i = 0; i < V_W; i++) t[0][i] = v_half(r[i], 0), t[1][i] = v_half(r[i], 1);
    for (int i = 0; i < 2; i++) transpose_4(t[i], lo + 4 * i), transpose_4(t[i] + 4, hi + 4 * i);
    for (int i = 0; i < V_W; i++) r[i] = v_join(lo[i], hi[i]);
}
#else
V_FN void v_transpose(vf *r) {
    TT_STAGE(r, 1)
    TT_STAGE(r, 2)
    TT_STAGE(r, 4)
#if V_W == 16
    TT_STAGE(r, 8)
#endif
}
#endif

// A tile of `rows` x `cols`, each at most V_W; strides in elements.
V_FN void tile_transpose(const float *src, int64_t src_row, int64_t rows, int64_t cols, float *dst,
                         int64_t dst_row) {
    vf r[V_W];
    if (rows == V_W && cols == V_W) {
        for (int i = 0; i < V_W; i++) r[i] = v_load(src + i * src_row);
        v_transpose(r);
        for (int i = 0; i < V_W; i++) v_store(dst + i * dst_row, r[i]);
        return;
    }
    for (int i = 0; i < V_W; i++) r[i] = i < rows ? v_load_n(src + i * src_row, cols) : v_zero();
    v_transpose(r);
    for (int i = 0; i < V_W; i++)
        if (i < cols) v_store_n(dst + i * dst_row, r[i], rows);
}

static inline void matrix_transpose(const float *src, int64_t src_row, int64_t rows, int64_t cols,
                                    float *dst, int64_t dst_row) {
    for (int64_t j = 0; j < cols; j += V_W)
        for (int64_t i = 0; i < rows; i += V_W)
            tile_transpose(src + i * src_row + j, src_row, rows - i < V_W ? rows - i : V_W,
                           cols - j < V_W ? cols - j : V_W, dst + j * dst_row + i, dst_row);
}

#endif
