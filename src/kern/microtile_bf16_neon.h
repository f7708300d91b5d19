// SPDX-License-Identifier: Apache-2.0
// The sums of microtile_bf16_tmpl.h on NEON registers, of which a vector is two: 6 x 2 x 2
// accumulators, 4 weights, 1 pair = 29 registers.
#ifndef WHET_KERN_MICROTILE_BF16_NEON_H
#define WHET_KERN_MICROTILE_BF16_NEON_H

#include "kern/bf16tile.h"

#define HALF 4 // floats of a register

// One pair of one pixel. In one asm: the compiler would move the loads up and run out of registers.
V_FN void pixel_step(float32x4_t *acc, const uint16_t *at, const uint16x8_t *b, int nv) {
    const pair_any *pair = (const pair_any *)(const void *)at;
    if (nv > 1)
        __asm__ volatile("ldr s31, %4\n\tbfdot %0.4s, %5.8h, v31.2h[0]\n\t"
                         "bfdot %1.4s, %6.8h, v31.2h[0]\n\tbfdot %2.4s, %7.8h, v31.2h[0]\n\t"
                         "bfdot %3.4s, %8.8h, v31.2h[0]"
                         : "+w"(acc[0]), "+w"(acc[1]), "+w"(acc[2]), "+w"(acc[3])
                         : "m"(*pair), "w"(b[0]), "w"(b[1]), "w"(b[2]), "w"(b[3])
                         : "v31");
    else
        __asm__ volatile("ldr s31, %2\n\tbfdot %0.4s, %3.8h, v31.2h[0]\n\t"
                         "bfdot %1.4s, %4.8h, v31.2h[0]"
                         : "+w"(acc[0]), "+w"(acc[1])
                         : "m"(*pair), "w"(b[0]), "w"(b[1])
                         : "v31");
}

// The sums of np pixels by nv vectors by nr rows; these are constants at every call.
V_FN void reduce(int nv, int nr, int np, const uint16_t *a, int64_t ps, int64_t a_row,
                 const uint16_t *w, const whet_walk *k, const whet_bf16_out *o, vf *out) {
    const int nh = 2 * nv; // registers of a row of weights
    float32x4_t acc[4 * BF16_PIXELS];
    UNROLL for (int i = 0; i < nr * np * nh; i++) acc[i] = vdupq_n_f32(0);
    if (nr == 1 && o->init)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int h = 0; h < nh; h++)
                acc[i * nh + h] = vld1q_f32(o->init + i * o->init_pixel + h * HALF);
    for (int64_t u = 0; u < k->n0; u++) {
        const int64_t len = u + 1 < k->n0 ? k->len : k->last;
        for (int64_t y = 0; y < k->n1; y++) {
            const uint16_t *run = a + u * k->s0 + y * k->s1;
            for (int64_t x = 0; x < k->n2; x++, run += k->s2) {
                const uint16_t *p[2 * BF16_PIXELS];
                UNROLL for (int i = 0; i < nr * np; i++)
                    p[i] = run + (i / np) * a_row + (i % np) * ps;
                for (int64_t n = 0; n < len; n++, w += k->w_step) {
                    uint16x8_t b[4];
                    UNROLL for (int h = 0; h < nh; h++) b[h] = vld1q_u16(w + 2 * h * HALF);
                    UNROLL for (int i = 0; i < nr * np; i++)
                        pixel_step(acc + i * nh, p[i] + 2 * n, b, nv);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < nr * np * nv; i++) out[i] = v_join(acc[2 * i], acc[2 * i + 1]);
}

#endif
