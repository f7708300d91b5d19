// SPDX-License-Identifier: Apache-2.0
// The tile of microtile_tmpl.h on NEON registers: a vector there is two of them, and compilers keep
// wider ones in memory. 6 x 2 x 2 accumulators, 4 weights, 1 broadcast = 29 registers.
#ifndef WHET_KERN_MICROTILE_NEON_H
#define WHET_KERN_MICROTILE_NEON_H

#include <arm_neon.h>

#include "kern/microtile.h"
#include "kern/simd.h"

#define HALF 4 // floats of a register

static inline float32x4_t neon_clamp(float32x4_t x, float32x4_t lo, float32x4_t hi) {
    // the bound when x is no number would lose it: keep x where neither comparison holds
    x = vbslq_f32(vcltq_f32(x, lo), lo, x);
    return vbslq_f32(vcgtq_f32(x, hi), hi, x);
}

// One step of one pixel. In one asm: the compiler would move the loads up and run out of registers.
V_FN void pixel_step(float32x4_t *acc, const float *at, const float32x4_t *b, int nv) {
    if (nv > 1)
        __asm__ volatile("ldr s31, %4\n\tfmla %0.4s, %5.4s, v31.s[0]\n\t"
                         "fmla %1.4s, %6.4s, v31.s[0]\n\tfmla %2.4s, %7.4s, v31.s[0]\n\t"
                         "fmla %3.4s, %8.4s, v31.s[0]"
                         : "+w"(acc[0]), "+w"(acc[1]), "+w"(acc[2]), "+w"(acc[3])
                         : "m"(*at), "w"(b[0]), "w"(b[1]), "w"(b[2]), "w"(b[3])
                         : "v31");
    else
        __asm__ volatile("ldr s31, %2\n\tfmla %0.4s, %3.4s, v31.s[0]\n\t"
                         "fmla %1.4s, %4.4s, v31.s[0]"
                         : "+w"(acc[0]), "+w"(acc[1])
                         : "m"(*at), "w"(b[0]), "w"(b[1])
                         : "v31");
}

// np pixels by nv vectors by nr rows; constants at every call
V_FN void tile(int nv, int nr, int np, const float *a, int64_t ps, int64_t a_row, const float *w,
               const whet_walk *k, const whet_tile_out *o) {
    float32x4_t acc[4 * TILE_MAX];
    const int nh = 2 * nv; // registers of a row of weights
    UNROLL for (int h = 0; h < nh; h++) {
        float32x4_t b = o->bias ? vld1q_f32(o->bias + h * HALF) : vdupq_n_f32(0);
        UNROLL for (int i = 0; i < nr * np; i++) acc[i * nh + h] = b;
    }
    if (nr == 1 && o->init)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int h = 0; h < nh; h++)
                acc[i * nh + h] = vld1q_f32(o->init + i * o->init_pixel + h * HALF);
    for (int64_t u = 0; u < k->n0; u++) {
        const int64_t len = u + 1 < k->n0 ? k->len : k->last;
        for (int64_t y = 0; y < k->n1; y++) {
            const float *run = a + u * k->s0 + y * k->s1;
            for (int64_t x = 0; x < k->n2; x++, run += k->s2) {
                const float *p[2 * TILE_MAX];
                UNROLL for (int i = 0; i < nr * np; i++)
                    p[i] = run + (i / np) * a_row + (i % np) * ps;
                for (int64_t n = 0; n < len; n++, w += k->w_step) {
                    float32x4_t b[4];
                    UNROLL for (int h = 0; h < nh; h++) b[h] = vld1q_f32(w + h * HALF);
                    UNROLL for (int i = 0; i < nr * np; i++)
                        pixel_step(acc + i * nh, p[i] + n, b, nv);
                }
            }
        }
    }
    if (o->row_bias)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int h = 0; h < nh; h++)
                acc[i * nh + h] = vaddq_f32(acc[i * nh + h], vdupq_n_f32(o->row_bias[i]));
    const bool rows = o->pixel != V_W && o->plan.mode == WHET_EPI_STORED;
    if (rows || o->cols < nv * V_W) {
        float t[2 * TILE_MAX * V_W];
        UNROLL for (int i = 0; i < nr * np * nh; i++) vst1q_f32(t + i * HALF, acc[i]);
        (rows ? store_applied : store_tail)(o, t, nv, nr, np);
    } else {
        bool add = o->plan.mode == WHET_EPI_ADD, clamp = add || o->plan.mode == WHET_EPI_CLAMP;
        float32x4_t lo = vdupq_n_f32(o->plan.lo), hi = vdupq_n_f32(o->plan.hi);
        UNROLL for (int i = 0; i < nr * np; i++) UNROLL for (int h = 0; h < nh; h++) {
            int64_t at = (i / np) * o->row + (i % np) * o->pixel + h / 2 * o->vec + h % 2 * HALF;
            float32x4_t x = acc[i * nh + h];
            if (add) x = vaddq_f32(x, vld1q_f32(o->other + at));
            if (clamp) x = neon_clamp(x, lo, hi);
            vst1q_f32(o->y + at, x);
        }
    }
    if (o->plan.mode == WHET_EPI_STORED && !rows) finish_stored(o, nv, nr, np);
}

#endif
