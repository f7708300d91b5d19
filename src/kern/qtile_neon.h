// SPDX-License-Identifier: Apache-2.0
// The tile of qtile_tmpl.h on NEON registers, of which a vector is two: 6 x 2 x 2 accumulators,
// 4 of weights, 1 group of x = 29. Without dot products both numbers of a group are multiplied by
// lane, which wants the weights of each in registers of their own.
#ifndef WHET_KERN_QTILE_NEON_H
#define WHET_KERN_QTILE_NEON_H

#include "kern/qform.h"

#define HALF 4 // columns of a register

typedef struct qweights {
#if Q_BYTES
    int8x16_t h[4];
#else
    int16x8_t k[2][2]; // [number of the group][vector]
#endif
} qweights;

V_FN void weights_load(qweights *b, const w_t *w, int nv) {
#if Q_BYTES
    UNROLL for (int h = 0; h < 2 * nv; h++) b->h[h] = vld1q_s8(w + h * HALF * GROUP);
#else
    UNROLL for (int v = 0; v < nv; v++) {
        int16x8x2_t two = vld2q_s16(w + v * V_W * GROUP);
        b->k[0][v] = two.val[0], b->k[1][v] = two.val[1];
    }
#endif
}

// One group of one row; rows need not begin at multiples of 4. In one asm: the compiler would move
// the loads of x up and run out of registers.
V_FN void row_step(int32x4_t *acc, const x_t *at, const qweights *b, int nv) {
#if Q_BYTES
    if (nv > 1)
        __asm__ volatile("ldr s31, %4\n\tsdot %0.4s, %5.16b, v31.4b[0]\n\t"
                         "sdot %1.4s, %6.16b, v31.4b[0]\n\tsdot %2.4s, %7.16b, v31.4b[0]\n\t"
                         "sdot %3.4s, %8.16b, v31.4b[0]"
                         : "+w"(acc[0]), "+w"(acc[1]), "+w"(acc[2]), "+w"(acc[3])
                         : "m"(*(const int32_any *)at), "w"(b->h[0]), "w"(b->h[1]), "w"(b->h[2]),
                           "w"(b->h[3])
                         : "v31");
    else
        __asm__ volatile("ldr s31, %2\n\tsdot %0.4s, %3.16b, v31.4b[0]\n\t"
                         "sdot %1.4s, %4.16b, v31.4b[0]"
                         : "+w"(acc[0]), "+w"(acc[1])
                         : "m"(*(const int32_any *)at), "w"(b->h[0]), "w"(b->h[1])
                         : "v31");
#else
    // lanes of 16 bits are those of v0 to v15
    UNROLL for (int v = 0; v < nv; v++)
        __asm__ volatile("ldr s15, %2\n\tsmlal %0.4s, %3.4h, v15.h[0]\n\t"
                         "smlal2 %1.4s, %3.8h, v15.h[0]\n\tsmlal %0.4s, %4.4h, v15.h[1]\n\t"
                         "smlal2 %1.4s, %4.8h, v15.h[1]"
                         : "+w"(acc[2 * v]), "+w"(acc[2 * v + 1])
                         : "m"(*(const int32_any *)at), "w"(b->k[0][v]), "w"(b->k[1][v])
                         : "v15");
#endif
}

// np rows by nv vectors; constants at every call
V_FN void tile(int nv, int np, const x_t *a, int64_t step, const w_t *w, const whet_qwalk *k,
               const int32_t *init, int32_t *sums) {
    const int nh = 2 * nv; // registers of a row of weights
    int32x4_t acc[4 * ROWS];
    UNROLL for (int i = 0; i < np; i++)
        UNROLL for (int h = 0; h < nh; h++) acc[i * nh + h] = vld1q_s32(init + h * HALF);
    for (int64_t y = 0; y < k->n1; y++) {
        const x_t *run = a + y * k->s1;
        for (int64_t x = 0; x < k->n2; x++, run += k->s2) {
            const x_t *p[ROWS];
            UNROLL for (int i = 0; i < np; i++) p[i] = run + i * step;
            for (int64_t g = 0; g < k->groups; g++, w += nv * V_W * GROUP) {
                qweights b;
                weights_load(&b, w, nv);
                UNROLL for (int i = 0; i < np; i++)
                    row_step(acc + i * nh, p[i] + g * GROUP, &b, nv);
            }
        }
    }
    UNROLL for (int i = 0; i < np * nh; i++) vst1q_s32(sums + i * HALF, acc[i]);
}

#endif
