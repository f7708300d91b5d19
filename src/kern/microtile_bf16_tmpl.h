// SPDX-License-Identifier: Apache-2.0
// Template of whet_bf16_tiles_<isa>; see bf16tile.h. AVX-512: 14 x 2 accumulators, 2 weights, 1
// broadcast pair = 31 registers.
#include "kern/bf16.h"
#include "kern/bf16tile.h"

#define PREFETCH 32 // steps of weights ahead
#define UNROLL _Pragma("GCC unroll 32")

typedef int32_t pair_any __attribute__((aligned(2), may_alias));

static vf load_as(const whet_bf16_out *o, const void *p, int64_t at, int64_t n) {
    return o->wide ? v_load_n((const float *)p + at, n) : v_load_bf_n((const uint16_t *)p + at, n);
}

// Whatever the common case leaves out, from sums t [nr np][nv vectors].
static __attribute__((noinline)) void finish(const whet_bf16_out *o, float *t, int nv, int nr,
                                             int np) {
    float other[2 * BF16_PIXELS * V_W];
    int n = nr * np * nv;
    for (int i = 0; o->other && i < n; i++) {
        int64_t left = o->cols - i % nv * V_W;
        int64_t at = i / nv / np * o->row + i / nv % np * o->pixel + i % nv * o->vec;
        v_store(other + i * V_W, left > 0 ? load_as(o, o->other, at, left) : v_zero());
    }
    if (o->plan.mode != WHET_EPI_NONE)
        (o->wide ? V_CAT(whet_epilogue_apply_, V_ISA) : whet_epilogue_apply_bf16)(
            o->epi, t, o->other ? other : NULL, (int64_t)n * V_W);
    for (int i = 0; i < n; i++) {
        int64_t left = o->cols - i % nv * V_W;
        int64_t at = i / nv / np * o->row + i / nv % np * o->pixel + i % nv * o->vec;
        if (left <= 0) continue;
        if (o->wide) v_store_n((float *)o->y + at, v_load(t + i * V_W), left);
        else v_store_bf_n((uint16_t *)o->y + at, v_load(t + i * V_W), left);
    }
}

#if defined(WHET_SIMD_NEON)
#include "kern/microtile_bf16_neon.h"
#else
// The sums of np pixels by nv vectors by nr rows; these are constants at every call.
V_FN void reduce(int nv, int nr, int np, const uint16_t *a, int64_t ps, int64_t a_row,
                 const uint16_t *w, const whet_walk *k, const whet_bf16_out *o, vf *acc) {
    UNROLL for (int i = 0; i < nr * np * nv; i++) acc[i] = v_zero();
    if (nr == 1 && o->init)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int v = 0; v < nv; v++)
                acc[i * nv + v] = v_load(o->init + i * o->init_pixel + v * V_W);
    const int64_t ws = k->w_step;
    for (int64_t u = 0; u < k->n0; u++) {
        const int64_t len = u + 1 < k->n0 ? k->len : k->last;
        for (int64_t y = 0; y < k->n1; y++) {
            const uint16_t *run = a + u * k->s0 + y * k->s1;
            for (int64_t x = 0; x < k->n2; x++, run += k->s2) {
                // a pointer for three pixels: base, base + ps, base + 2 ps are all addressable
                const uint16_t *p[2][(BF16_PIXELS + 2) / 3];
                UNROLL for (int r = 0; r < nr; r++)
                    UNROLL for (int i = 0; i < (np + 2) / 3; i++)
                        p[r][i] = run + r * a_row + 3 * i * ps;
                const uint16_t *next = run + k->ahead;
                for (int64_t n = 0; n < len; n++) {
                    __builtin_prefetch(next);
                    next += k->ahead_step;
                    vi w0 = vi_load((const int32_t *)(const void *)w);
                    vi w1 = nv > 1 ? vi_load((const int32_t *)(const void *)(w + 2 * V_W)) : w0;
                    UNROLL for (int i = 0; i < nr * np; i++) {
                        int r = i / np, j = i % np;
                        const uint16_t *from = p[r][j / 3] + (j % 3) * ps;
                        vi x0 = vi_set1(*(const pair_any *)(const void *)from);
                        acc[i * nv] = v_dot_bf(acc[i * nv], w0, x0);
                        if (nv > 1) acc[i * nv + 1] = v_dot_bf(acc[i * nv + 1], w1, x0);
                    }
                    __builtin_prefetch(w + PREFETCH * ws);
                    if (nv > 1) __builtin_prefetch(w + PREFETCH * ws + 2 * V_W);
                    w += ws;
                    UNROLL for (int r = 0; r < nr; r++)
                        UNROLL for (int i = 0; i < (np + 2) / 3; i++) {
                            p[r][i] += 2;
                            __asm__("" : "+r"(p[r][i])); // keep the pointers apart
                        }
                }
            }
        }
    }
}
#endif

V_FN void tile(int nv, int nr, int np, const uint16_t *a, int64_t ps, int64_t a_row,
               const uint16_t *w, const whet_walk *k, const whet_bf16_out *o) {
    vf acc[2 * BF16_PIXELS];
    reduce(nv, nr, np, a, ps, a_row, w, k, o, acc);
    if (o->scale != 1)
        UNROLL for (int i = 0; i < nr * np * nv; i++) acc[i] *= v_set1(o->scale);
    if (o->bias)
        UNROLL for (int v = 0; v < nv; v++) {
            vf b = v_load(o->bias + v * V_W);
            UNROLL for (int i = 0; i < nr * np; i++) acc[i * nv + v] += b;
        }
    if (nr == 1 && o->row_bias)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int v = 0; v < nv; v++) acc[i * nv + v] += v_set1(o->row_bias[i]);
#define EACH(expr)                                                                                 \
    UNROLL for (int i = 0; i < nr * np; i++) UNROLL for (int v = 0; v < nv; v++) {                 \
        int64_t at = (i / np) * o->row + (i % np) * o->pixel + v * o->vec;                         \
        vf x = acc[i * nv + v];                                                                    \
        v_store_bf(to + at, expr);                                                                 \
    }
    uint16_t *to = o->y;
    const uint16_t *other = o->other;
    vf lo = v_set1(o->plan.lo), hi = v_set1(o->plan.hi);
    if (o->wide && o->plan.mode == WHET_EPI_NONE && o->cols >= nv * V_W) {
        float *sums = o->y;
        UNROLL for (int i = 0; i < nr * np; i++) UNROLL for (int v = 0; v < nv; v++)
            v_store(sums + (i / np) * o->row + (i % np) * o->pixel + v * o->vec, acc[i * nv + v]);
    } else if (o->wide || o->plan.mode == WHET_EPI_STORED || o->cols < nv * V_W) {
        float t[2 * BF16_PIXELS * V_W];
        UNROLL for (int i = 0; i < nr * np * nv; i++) v_store(t + i * V_W, acc[i]);
        finish(o, t, nv, nr, np);
    } else if (o->plan.mode == WHET_EPI_CLAMP) {
        EACH(v_min(hi, v_max(lo, x)))
    } else if (o->plan.mode == WHET_EPI_ADD) {
        EACH(v_min(hi, v_max(lo, x + v_load_bf(other + at))))
    } else {
        EACH(x)
    }
#undef EACH
}

#define DEFINE(nv, nr, np)                                                                         \
    static void tile_##nv##_##nr##_##np(const uint16_t *a, int64_t ps, int64_t a_row,              \
                                        const uint16_t *w, const whet_walk *k,                     \
                                        const whet_bf16_out *o) {                                  \
        tile(nv, nr, np, a, ps, a_row, w, k, o);                                                   \
    }
#define BOTH(nr, np) DEFINE(1, nr, np) DEFINE(2, nr, np)
BOTH(1, 1) BOTH(1, 2) BOTH(1, 3) BOTH(1, 4) BOTH(1, 5) BOTH(1, 6) BOTH(2, 1) BOTH(2, 2) BOTH(2, 3)
#if V_W == 16
BOTH(1, 7) BOTH(1, 8) BOTH(1, 9) BOTH(1, 10) BOTH(1, 11) BOTH(1, 12) BOTH(1, 13) BOTH(1, 14)
BOTH(2, 4) BOTH(2, 5) BOTH(2, 6) BOTH(2, 7)
#define ONE(nv)                                                                                    \
    {0, tile_##nv##_1_1, tile_##nv##_1_2, tile_##nv##_1_3, tile_##nv##_1_4, tile_##nv##_1_5,       \
     tile_##nv##_1_6, tile_##nv##_1_7, tile_##nv##_1_8, tile_##nv##_1_9, tile_##nv##_1_10,         \
     tile_##nv##_1_11, tile_##nv##_1_12, tile_##nv##_1_13, tile_##nv##_1_14}
#define TWO(nv)                                                                                    \
    {0, tile_##nv##_2_1, tile_##nv##_2_2, tile_##nv##_2_3, tile_##nv##_2_4, tile_##nv##_2_5,       \
     tile_##nv##_2_6, tile_##nv##_2_7}
#else
#define ONE(nv)                                                                                    \
    {0, tile_##nv##_1_1, tile_##nv##_1_2, tile_##nv##_1_3, tile_##nv##_1_4, tile_##nv##_1_5,       \
     tile_##nv##_1_6}
#define TWO(nv) {0, tile_##nv##_2_1, tile_##nv##_2_2, tile_##nv##_2_3}
#endif

const whet_bf16_tiles V_CAT(whet_bf16_tiles_, V_ISA) = {{ONE(1), ONE(2)}, {TWO(1), TWO(2)}};
