// SPDX-License-Identifier: Apache-2.0
// Template of whet_tiles_<isa>; see microtile.h.
#include "kern/microtile.h"
#include "kern/simd.h"

#define TILE_MAX V_PICK(14, 6, 2)
#define PAIR_MAX V_PICK(7, 3, 1)
#define APPLY V_CAT(whet_epilogue_apply_, V_ISA)
#define PREFETCH 64 // steps of weights ahead: they come from memory once a model is large
#define UNROLL _Pragma("GCC unroll 32")

// Functions outside the register set, for pixels side by side: on what has been stored.
static __attribute__((noinline)) void finish_stored(const whet_tile_out *o, int nv, int nr,
                                                    int np) {
    for (int r = 0; r < nr; r++)
        for (int v = 0; v < nv; v++) {
            int64_t at = r * o->row + v * o->vec;
            APPLY(o->epi, o->y + at, o->other ? o->other + at : NULL, (int64_t)np * V_W);
        }
}

// The same for rows of a matrix: on all accumulators t [nr][np][nv vectors] at once, since a row of
// a tile is too short for a loop of its own.
static __attribute__((noinline)) void store_applied(const whet_tile_out *o, float *t, int nv,
                                                    int nr, int np) {
    float other[2 * TILE_MAX * V_W];
    memset(other, 0, o->other ? sizeof other : 0);
    for (int i = 0; o->other && i < nr * np * nv; i++) {
        int64_t at = i / nv / np * o->row + i / nv % np * o->pixel + i % nv * o->vec;
        int64_t left = o->cols - i % nv * V_W;
        if (left > 0) v_store(other + i * V_W, v_load_n(o->other + at, left));
    }
    APPLY(o->epi, t, o->other ? other : NULL, (int64_t)nr * np * nv * V_W);
    for (int i = 0; i < nr * np * nv; i++) {
        int64_t at = i / nv / np * o->row + i / nv % np * o->pixel + i % nv * o->vec;
        int64_t left = o->cols - i % nv * V_W;
        if (left > 0) v_store_n(o->y + at, v_load(t + i * V_W), left);
    }
}

// The last columns of a plain matrix, from accumulators t [nr][np][nv vectors].
static __attribute__((noinline)) void store_tail(const whet_tile_out *o, float *t, int nv,
                                                 int nr, int np) {
    vf lo = v_set1(o->plan.lo), hi = v_set1(o->plan.hi);
    for (int i = 0; i < nr * np; i++)
        for (int v = 0; v < nv && o->cols > v * V_W; v++) {
            int64_t at = (i / np) * o->row + (i % np) * o->pixel + v * o->vec;
            int64_t left = o->cols - v * V_W;
            vf x = v_load(t + (i * nv + v) * V_W);
            if (o->plan.mode == WHET_EPI_ADD) x += v_load_n(o->other + at, left);
            if (o->plan.mode == WHET_EPI_ADD || o->plan.mode == WHET_EPI_CLAMP)
                x = v_min(hi, v_max(lo, x));
            v_store_n(o->y + at, x, left);
        }
}

#if defined(WHET_SIMD_NEON)
#include "kern/microtile_neon.h"
#else
// np pixels by nv vectors by nr rows; constants at every call
V_FN void tile(int nv, int nr, int np, const float *a, int64_t ps, int64_t a_row, const float *w,
               const whet_walk *k, const whet_tile_out *o) {
    vf acc[2 * TILE_MAX];
    UNROLL for (int v = 0; v < nv; v++) {
        vf b = o->bias ? v_load(o->bias + v * V_W) : v_zero();
        UNROLL for (int i = 0; i < nr * np; i++) acc[i * nv + v] = b;
    }
    if (nr == 1 && o->init)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int v = 0; v < nv; v++)
                acc[i * nv + v] = v_load(o->init + i * o->init_pixel + v * V_W);
    const int64_t ws = k->w_step;
    const float *next = k->next;
    for (int64_t u = 0; u < k->n0; u++) {
        const int64_t len = u + 1 < k->n0 ? k->len : k->last;
        for (int64_t y = 0; y < k->n1; y++) {
            const float *run = a + u * k->s0 + y * k->s1;
            for (int64_t x = 0; x < k->n2; x++, run += k->s2) {
                // a pointer for three pixels: base, base + ps, base + 2 ps are all addressable
                const float *p[2][(TILE_MAX + 2) / 3];
                UNROLL for (int r = 0; r < nr; r++)
                    UNROLL for (int i = 0; i < (np + 2) / 3; i++)
                        p[r][i] = run + r * a_row + 3 * i * ps;
                if (!k->next) next = run + k->ahead;
                for (int64_t n = 0; n < len; n++) {
                    __builtin_prefetch(next);
                    next += k->ahead_step;
                    vf w0 = v_load(w), w1 = nv > 1 ? v_load(w + V_W) : w0;
                    UNROLL for (int i = 0; i < nr * np; i++) {
                        int r = i / np, j = i % np;
                        vf x0 = v_set1(p[r][j / 3][(j % 3) * ps]);
                        acc[i * nv] = v_fma(x0, w0, acc[i * nv]);
                        if (nv > 1) acc[i * nv + 1] = v_fma(x0, w1, acc[i * nv + 1]);
                    }
                    __builtin_prefetch(w + PREFETCH * ws);
                    if (nv > 1) __builtin_prefetch(w + PREFETCH * ws + V_W);
                    w += ws;
                    UNROLL for (int r = 0; r < nr; r++)
                        UNROLL for (int i = 0; i < (np + 2) / 3; i++) {
                            p[r][i]++;
                            __asm__("" : "+r"(p[r][i])); // keep the pointers apart
                        }
                }
            }
        }
    }
    if (o->row_bias)
        UNROLL for (int i = 0; i < np; i++)
            UNROLL for (int v = 0; v < nv; v++) acc[i * nv + v] += v_set1(o->row_bias[i]);

#define EACH(body)                                                                                 \
    UNROLL for (int i = 0; i < nr * np; i++) UNROLL for (int v = 0; v < nv; v++) {                 \
        int64_t at = (i / np) * o->row + (i % np) * o->pixel + v * o->vec;                         \
        vf x = acc[i * nv + v];                                                                    \
        body                                                                                       \
    }
    vf lo = v_set1(o->plan.lo), hi = v_set1(o->plan.hi);
    const bool rows = o->pixel != V_W && o->plan.mode == WHET_EPI_STORED;
    if (rows || o->cols < nv * V_W) {
        float t[2 * TILE_MAX * V_W];
        UNROLL for (int i = 0; i < nr * np * nv; i++) v_store(t + i * V_W, acc[i]);
        (rows ? store_applied : store_tail)(o, t, nv, nr, np);
    } else if (o->plan.mode == WHET_EPI_CLAMP) {
        EACH(v_store(o->y + at, v_min(hi, v_max(lo, x)));)
    } else if (o->plan.mode == WHET_EPI_ADD) {
        EACH(v_store(o->y + at, v_min(hi, v_max(lo, x + v_load(o->other + at))));)
    } else {
        EACH(v_store(o->y + at, x);)
    }
#undef EACH
    if (o->plan.mode == WHET_EPI_STORED && !rows) finish_stored(o, nv, nr, np);
}
#endif

#define DEFINE(nv, nr, np)                                                                         \
    static void tile_##nv##_##nr##_##np(const float *a, int64_t ps, int64_t a_row,                 \
                                        const float *w, const whet_walk *k,                        \
                                        const whet_tile_out *o) {                                  \
        tile(nv, nr, np, a, ps, a_row, w, k, o);                                                   \
    }
#define BOTH(nr, np) DEFINE(1, nr, np) DEFINE(2, nr, np)
BOTH(1, 1) BOTH(1, 2) BOTH(2, 1)
#if TILE_MAX >= 6
BOTH(1, 3) BOTH(1, 4) BOTH(1, 5) BOTH(1, 6) BOTH(2, 2) BOTH(2, 3)
#endif
#if V_W == 16
BOTH(1, 7) BOTH(1, 8) BOTH(1, 9) BOTH(1, 10) BOTH(1, 11) BOTH(1, 12) BOTH(1, 13) BOTH(1, 14)
BOTH(2, 4) BOTH(2, 5) BOTH(2, 6) BOTH(2, 7)
#endif

#if V_W == 16
#define ONE(nv)                                                                                    \
    {0, tile_##nv##_1_1, tile_##nv##_1_2, tile_##nv##_1_3, tile_##nv##_1_4, tile_##nv##_1_5,       \
     tile_##nv##_1_6, tile_##nv##_1_7, tile_##nv##_1_8, tile_##nv##_1_9, tile_##nv##_1_10,         \
     tile_##nv##_1_11, tile_##nv##_1_12, tile_##nv##_1_13, tile_##nv##_1_14}
#define TWO(nv)                                                                                    \
    {0, tile_##nv##_2_1, tile_##nv##_2_2, tile_##nv##_2_3, tile_##nv##_2_4, tile_##nv##_2_5,       \
     tile_##nv##_2_6, tile_##nv##_2_7}
#elif TILE_MAX >= 6
#define ONE(nv)                                                                                    \
    {0, tile_##nv##_1_1, tile_##nv##_1_2, tile_##nv##_1_3, tile_##nv##_1_4, tile_##nv##_1_5,       \
     tile_##nv##_1_6}
#define TWO(nv) {0, tile_##nv##_2_1, tile_##nv##_2_2, tile_##nv##_2_3}
#else
#define ONE(nv) {0, tile_##nv##_1_1, tile_##nv##_1_2}
#define TWO(nv) {0, tile_##nv##_2_1}
#endif

const whet_tiles V_CAT(whet_tiles_, V_ISA) = {
    V_W, TILE_MAX, PAIR_MAX, {ONE(1), ONE(2)}, {TWO(1), TWO(2)},
};
