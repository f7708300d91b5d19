// SPDX-License-Identifier: Apache-2.0
// Template of whet_qtiles_<isa>; see qtile.h.
#include "kern/qform.h"
#include "kern/quant/vbytes.h"

#define UNROLL _Pragma("GCC unroll 32")

// ---- sums ----

typedef int32_t int32_any __attribute__((aligned(1), may_alias));

#if V_W == 16
#define ROWS 14
#define PREFETCH 4096 // bytes of weights ahead: those of a model come from memory
// In one asm a row: the compiler would move the broadcasts up and run out of registers.
#define STEP2(at, a0, a1)                                                                          \
    __asm__ volatile("vpbroadcastd %2, %%zmm31\n\tvpdpbusd %3, %%zmm31, %0\n\t"                    \
                     "vpdpbusd %4, %%zmm31, %1"                                                    \
                     : "+v"(a0), "+v"(a1)                                                          \
                     : "m"(*(const int32_any *)(at)), "v"(w0), "v"(w1)                             \
                     : "xmm31")
#define STEP1(at, a0)                                                                              \
    __asm__ volatile("vpbroadcastd %1, %%zmm31\n\tvpdpbusd %2, %%zmm31, %0"                        \
                     : "+v"(a0)                                                                    \
                     : "m"(*(const int32_any *)(at)), "v"(w0)                                      \
                     : "xmm31")
#elif defined(WHET_SIMD_NEON)
#define ROWS 6
#else
#define ROWS V_PICK(0, 6, 2)
V_FN vi pairs(vi a, vi x, vi w) {
#if defined(__AVX2__)
    return a + (vi)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#else
    return a + (x << 16 >> 16) * (w << 16 >> 16) + (x >> 16) * (w >> 16);
#endif
}
#define STEP1(at, a0) a0 = pairs(a0, vi_set1(*(const int32_any *)(at)), w0)
#define STEP2(at, a0, a1)                                                                          \
    do {                                                                                           \
        vi x_ = vi_set1(*(const int32_any *)(at));                                                 \
        a0 = pairs(a0, x_, w0);                                                                    \
        a1 = pairs(a1, x_, w1);                                                                    \
    } while (0)
#endif
#if defined(WHET_SIMD_NEON)
#include "kern/qtile_neon.h"
#else
// np rows by nv vectors; constants at every call
V_FN void tile(int nv, int np, const x_t *a, int64_t step, const w_t *w, const whet_qwalk *k,
               const int32_t *init, int32_t *sums) {
    vi acc[2 * ROWS];
    UNROLL for (int i = 0; i < np; i++)
        UNROLL for (int v = 0; v < nv; v++) acc[i * nv + v] = vi_load(init + v * V_W);
    for (int64_t y = 0; y < k->n1; y++) {
        const x_t *run = a + y * k->s1;
        for (int64_t x = 0; x < k->n2; x++, run += k->s2) {
            // a pointer for three rows: base, base + step, base + 2 step are all addressable
            const x_t *p[(ROWS + 2) / 3];
            UNROLL for (int i = 0; i < (np + 2) / 3; i++) p[i] = run + 3 * i * step;
            for (int64_t g = 0; g < k->groups; g++) {
                vi w0 = *(const vi_any *)w, w1 = w0;
                if (nv > 1) w1 = *(const vi_any *)(w + V_W * GROUP);
#if V_W == 16
                __builtin_prefetch(w + PREFETCH);
                if (nv > 1) __builtin_prefetch(w + PREFETCH + 64);
#endif
                w += nv * V_W * GROUP;
                UNROLL for (int i = 0; i < np; i++) {
                    if (nv > 1) STEP2(p[i / 3] + (i % 3) * step, acc[i * 2], acc[i * 2 + 1]);
                    else STEP1(p[i / 3] + (i % 3) * step, acc[i]);
                }
                UNROLL for (int i = 0; i < (np + 2) / 3; i++) {
                    p[i] += GROUP;
                    __asm__("" : "+r"(p[i])); // keep the pointers apart
                }
            }
        }
    }
    UNROLL for (int i = 0; i < np * nv; i++) vi_store(sums + i * V_W, acc[i]);
}
#endif

#define DEFINE(nv, np)                                                                             \
    static void tile_##nv##_##np(const void *a, int64_t step, const void *w,                       \
                                 const whet_qwalk *k, const int32_t *init, int32_t *sums) {        \
        tile(nv, np, a, step, w, k, init, sums);                                                   \
    }
#define BOTH(np) DEFINE(1, np) DEFINE(2, np)
BOTH(1) BOTH(2)
#if ROWS > 2
BOTH(3) BOTH(4) BOTH(5) BOTH(6)
#endif
#if V_W == 16
BOTH(7) BOTH(8) BOTH(9) BOTH(10) BOTH(11) BOTH(12) BOTH(13) BOTH(14)
#define TILES(nv)                                                                                  \
    {0, tile_##nv##_1, tile_##nv##_2, tile_##nv##_3, tile_##nv##_4, tile_##nv##_5, tile_##nv##_6,  \
     tile_##nv##_7, tile_##nv##_8, tile_##nv##_9, tile_##nv##_10, tile_##nv##_11, tile_##nv##_12,  \
     tile_##nv##_13, tile_##nv##_14}
#elif ROWS > 2
#define TILES(nv)                                                                                  \
    {0, tile_##nv##_1, tile_##nv##_2, tile_##nv##_3, tile_##nv##_4, tile_##nv##_5, tile_##nv##_6}
#else
#define TILES(nv) {0, tile_##nv##_1, tile_##nv##_2}
#endif

// ---- the stages ----

// The first n numbers from at on.
V_FN vf load_other(whet_dtype type, const void *at, int64_t n) {
    if (type == WHET_DTYPE_F32) return v_load_n(at, n);
    return vi_to_f(v_bytes_load(at, type == WHET_DTYPE_I8, n));
}

V_FN void store_result(whet_dtype type, void *at, vf v, int32_t zero, int64_t n) {
    if (type == WHET_DTYPE_F32) {
        v_store_n(at, v, n);
        return;
    }
    v_bytes_store(at, v_to_i(v) + vi_set1(zero), n); // in range: clamped before
}

V_FN vf clamped(vf v, const whet_qstages *s, int i) {
    return v_min(v_set1(s->high[i]), v_max(v_set1(s->low[i]), v));
}

V_FN vf staged(const whet_qstages *s, vf v, whet_dtype other, const void *at, int64_t n) {
    v = clamped(v, s, 0);
    if (s->mid) v = v_round(v);
    if (!s->mid && !s->sum && !other) return v;
    v = v_fma(v, v_set1(s->mid_mul), v_set1(s->add));
    if (other) v = v_fma(load_other(other, at, n), v_set1(s->other_mul), v);
    if (s->sum) v = v_round(clamped(v, s, 1)) * v_set1(s->sum_mul);
    return clamped(v, s, 2);
}

static int64_t type_size(whet_dtype t) { return t == WHET_DTYPE_F32 ? 4 : 1; }

V_FN void store_rows(const whet_qstages *s, const whet_qout *o, whet_dtype other, whet_dtype out,
                     const int32_t *sums, int64_t pixels, int64_t vectors) {
    int64_t size = type_size(out), other_size = type_size(other);
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t v = 0; v < vectors; v++, sums += V_W) {
            int64_t left = o->cols - v * V_W, at = i * o->pixel + v * V_W;
            if (left <= 0) continue;
            vf x = v_fma(vi_to_f(vi_load(sums)), v_load(o->scale + v * V_W),
                         v_load(o->bias + v * V_W));
            x = staged(s, x, other, (const char *)o->other + at * other_size, left);
            store_result(out, (char *)o->y + at * size, x, s->zero, left);
        }
}

// Columns apart from each other: one vector of each pixel through memory side by side.
static void store_apart(const whet_qstages *s, const whet_qout *o, const int32_t *sums,
                        int64_t pixels, int64_t vectors) {
    int64_t size = type_size(s->out), other_size = type_size(s->other);
    char y[V_W * 4], other[V_W * 4];
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t v = 0; v < vectors; v++, sums += V_W) {
            int64_t left = o->cols - v * V_W, n = left < V_W ? left : V_W;
            int64_t at = i * o->pixel + v * V_W * o->column;
            for (int64_t c = 0; s->other && c < n; c++)
                memcpy(other + c * other_size,
                       (const char *)o->other + (at + c * o->column) * other_size,
                       (size_t)other_size);
            whet_qout one = {y, other, 0, 1, n, o->scale + v * V_W, o->bias + v * V_W, false};
            if (n > 0) store_rows(s, &one, s->other, s->out, sums, 1, 1);
            for (int64_t c = 0; c < n; c++)
                memcpy((char *)o->y + (at + c * o->column) * size, y + c * size, (size_t)size);
        }
}

#if V_W == 16
// 8-bit results of up to two vectors of columns, two rows at a time: the packing saturates, and the
// last clamp is one of bytes. n: columns that are there, of the vector.
V_FN vi packed_ints(const whet_qstages *s, bool mid, whet_dtype other, const void *at, int64_t n,
                    vi sum, vf scale, vf bias) {
    vf v = v_fma(vi_to_f(sum), scale, bias);
    if (!mid) return v_to_i(v);
    v = v_round(clamped(v, s, 0));
    if (other)
        v = v_fma(load_other(other, at, n), v_set1(s->other_mul),
                  v_fma(v, v_set1(s->mid_mul), v_set1(s->add)));
    else v *= v_set1(s->mid_mul);
    return v_to_i(v);
}

// vectors: 2 when `whole`, all of whose columns are there
V_FN void store_packed(const whet_qstages *s, const whet_qout *o, bool mid, whet_dtype other,
                       bool whole, int64_t vectors, const int32_t *sums, int64_t pixels) {
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    int32_t flip = s->out == WHET_DTYPE_I8 ? 128 : 0;
    const __m512i zero = _mm512_set1_epi16((int16_t)(s->zero + flip));
    const __m512i sign = _mm512_set1_epi8((char)flip);
    const __m512i least = _mm512_set1_epi8((char)(s->least ^ flip));
    const __m512i most = _mm512_set1_epi8((char)(s->most ^ flip));
    bool two = whole || vectors == 2;
    int64_t n0 = whole ? V_W : o->cols, n1 = whole ? V_W : o->cols - V_W;
    __mmask32 there = whole ? ~(__mmask32)0 : (__mmask32)(((uint64_t)1 << o->cols) - 1);
    vf s0 = v_load(o->scale), s1 = two ? v_load(o->scale + V_W) : v_zero();
    vf b0 = v_load(o->bias), b1 = two ? v_load(o->bias + V_W) : v_zero();
    const uint8_t *from = o->other;
    for (int64_t i = 0; i < pixels; i += 2, sums += 2 * vectors * V_W) {
        // an odd last row is computed twice
        int64_t second = i + 1 < pixels ? o->pixel : 0, at = i * o->pixel;
        const int32_t *next = second ? sums + vectors * V_W : sums;
        vi p0 = packed_ints(s, mid, other, from + at, n0, vi_load(sums), s0, b0), p1 = p0;
        if (two)
            p1 = packed_ints(s, mid, other, from + at + V_W, n1, vi_load(sums + V_W), s1, b1);
        at += second;
        vi q0 = packed_ints(s, mid, other, from + at, n0, vi_load(next), s0, b0), q1 = q0;
        if (two)
            q1 = packed_ints(s, mid, other, from + at + V_W, n1, vi_load(next + V_W), s1, b1);
        __m512i p = _mm512_packs_epi32((__m512i)p0, (__m512i)p1);
        __m512i q = _mm512_packs_epi32((__m512i)q0, (__m512i)q1);
        __m512i b = _mm512_packus_epi16(_mm512_adds_epi16(p, zero), _mm512_adds_epi16(q, zero));
        b = _mm512_min_epu8(most, _mm512_max_epu8(least, _mm512_permutexvar_epi32(order, b)));
        b = _mm512_xor_si512(b, sign);
        uint8_t *y = (uint8_t *)o->y + i * o->pixel;
        __m256i low = _mm512_castsi512_si256(b), high = _mm512_extracti64x4_epi64(b, 1);
        if (whole) {
            _mm256_storeu_si256((void *)y, low);
            if (second) _mm256_storeu_si256((void *)(y + o->pixel), high);
        } else {
            _mm256_mask_storeu_epi8(y, there, low);
            if (second) _mm256_mask_storeu_epi8(y + o->pixel, there, high);
        }
    }
}

V_FN void store_packed_any(const whet_qstages *s, const whet_qout *o, bool mid, whet_dtype other,
                           int64_t vectors, const int32_t *sums, int64_t pixels) {
    if (vectors == 2 && o->cols >= 2 * V_W)
        store_packed(s, o, mid, other, true, 2, sums, pixels);
    else store_packed(s, o, mid, other, false, vectors, sums, pixels);
}

static bool store_fast(const whet_qstages *s, const whet_qout *o, const int32_t *sums,
                       int64_t pixels, int64_t vectors) {
    if (o->cols <= 0 || s->sum || s->out == WHET_DTYPE_F32) return false;
    if (!s->tame || !(o->tame || s->mid)) return false;
    if (!s->mid) store_packed_any(s, o, false, WHET_DTYPE_NONE, vectors, sums, pixels);
    else if (!s->other) store_packed_any(s, o, true, WHET_DTYPE_NONE, vectors, sums, pixels);
    else if (s->other == WHET_DTYPE_U8)
        store_packed_any(s, o, true, WHET_DTYPE_U8, vectors, sums, pixels);
    else store_packed_any(s, o, true, WHET_DTYPE_I8, vectors, sums, pixels);
    return true;
}
#else
static bool store_fast(const whet_qstages *s, const whet_qout *o, const int32_t *sums,
                       int64_t pixels, int64_t vectors) {
    (void)s, (void)o, (void)sums, (void)pixels, (void)vectors;
    return false;
}
#endif

static void store(const whet_qstages *s, const whet_qout *o, const int32_t *sums, int64_t pixels,
                  int64_t vectors) {
    if (o->column != 1) store_apart(s, o, sums, pixels, vectors);
    else if (store_fast(s, o, sums, pixels, vectors)) return;
    else if (s->out == WHET_DTYPE_U8 && s->other == WHET_DTYPE_NONE)
        store_rows(s, o, WHET_DTYPE_NONE, WHET_DTYPE_U8, sums, pixels, vectors);
    else if (s->out == WHET_DTYPE_U8 && s->other == WHET_DTYPE_U8)
        store_rows(s, o, WHET_DTYPE_U8, WHET_DTYPE_U8, sums, pixels, vectors);
    else store_rows(s, o, s->other, s->out, sums, pixels, vectors);
}

const whet_qtiles V_CAT(whet_qtiles_, V_ISA) = {
    .width = V_W,
    .pixels = ROWS,
    .group = GROUP,
    .x = Q_X,
    .w = Q_BYTES ? WHET_DTYPE_I8 : WHET_DTYPE_I16,
    .tile = {TILES(1), TILES(2)},
    .store = store,
};
