// SPDX-License-Identifier: Apache-2.0
// What gemm_tmpl.h does otherwise for weights of few bits (gemm_block.h): with many rows a panel of
// them becomes floats in the worker's scratch, which all rows of a task use; with few rows they are
// unpacked in registers, each block's sum is multiplied by its scale.
#include "kern/gemm/gemm_block.h"
#include "kern/half.h"

typedef struct block_panel { // packed operands of one panel, `width` columns wide
    const int32_t *words;
    const void *scales;
    const int8_t *zeros; // NULL: all are w->zero
    int64_t width;
} block_panel;

static block_panel panel_of(const whet_call *call, const whet_block_geom *w, int64_t panel,
                            int64_t width) {
    int64_t col = panel * 2 * V_W;
    block_panel b = {.words = (const int32_t *)call->packed[w->w_in] + col * w->words,
                     .scales = (const char *)call->packed[w->scale_in] +
                               col * w->blocks * (w->f16 ? 2 : 4),
                     .width = width};
    if (w->zero_in >= 0) b.zeros = (const int8_t *)call->packed[w->zero_in] + col * w->blocks;
    return b;
}

V_FN vf byte_vector(const int8_t *p) {
    vf y = v_zero();
    for (int i = 0; i < V_W; i++) y[i] = (float)p[i];
    return y;
}

V_FN vf block_scale(const whet_block_geom *w, const block_panel *b, int64_t block, int v) {
    int64_t at = block * b->width + v * V_W;
    return w->f16 ? v_load_f16((const uint16_t *)b->scales + at)
                  : v_load((const float *)b->scales + at);
}

V_FN vf block_zero(const whet_block_geom *w, const block_panel *b, int64_t block, int v) {
    return b->zeros ? byte_vector(b->zeros + block * b->width + v * V_W) : v_set1((float)w->zero);
}

// Number j of each word.
V_FN vf word_value(vi word, int j) {
#if defined(__AVX512F__)
    const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    return (vf)_mm512_permutexvar_ps(_mm512_srli_epi32((__m512i)word, (unsigned)(4 * j)), table);
#else
    return vi_to_f((vi)(word << (28 - 4 * j)) >> 28);
#endif
}

// ---- many rows ----

// Floats [from, to) of a panel; from is a multiple of 8.
V_FN void unpack(const whet_block_geom *w, const block_panel *b, float *dst, int64_t from,
                 int64_t to, int nv, bool shifted) {
    for (int64_t k = from; k < to;) {
        int64_t block = k / w->block, end = (block + 1) * w->block;
        if (end > to) end = to;
        vf s[2], z[2];
        for (int v = 0; v < nv; v++) s[v] = block_scale(w, b, block, v);
        for (int v = 0; v < nv && shifted; v++) z[v] = block_zero(w, b, block, v);
        for (; k < end; k += 8) {
            const int32_t *words = b->words + k / 8 * b->width;
            int64_t left = end - k;
            for (int v = 0; v < nv; v++) {
                vi word = vi_load(words + v * V_W);
#pragma GCC unroll 8
                for (int j = 0; j < 8; j++) {
                    vf x = word_value(word, j);
                    if (shifted) x -= z[v];
                    if (j < left) v_store(dst + j * nv * V_W + v * V_W, x * s[v]);
                }
            }
            dst += 8 * nv * V_W;
        }
        k = end;
    }
}

static void unpack_panel(const whet_call *call, const whet_block_geom *w, float *dst,
                         int64_t panel, int64_t width, int64_t from, int64_t to) {
    block_panel b = panel_of(call, w, panel, width);
    bool shifted = b.zeros || w->zero;
    if (width > V_W) {
        if (shifted) unpack(w, &b, dst, from, to, 2, true);
        else unpack(w, &b, dst, from, to, 2, false);
    } else if (shifted) {
        unpack(w, &b, dst, from, to, 1, true);
    } else {
        unpack(w, &b, dst, from, to, 1, false);
    }
}

// ---- few rows ----

#define FEW_ROWS V_PICK(6, 4, 2)

// `count` numbers of one word a column, times those of np rows.
V_FN void add_words(vf *acc, const float *a, int64_t lda, const int32_t *words, const vf *z,
                    int nv, int np, int parts, int count, bool shifted) {
    vi word[2];
    for (int v = 0; v < nv; v++) word[v] = vi_load(words + v * V_W);
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) {
            vf x = word_value(word[v], j);
            if (shifted) x -= z[v];
#pragma GCC unroll 8
            for (int i = 0; i < np; i++) {
                vf *to = &acc[(j % parts * np + i) * nv + v];
                *to = v_fma(v_set1(a[i * lda + j]), x, *to);
            }
        }
}

V_FN void few_rows(const whet_block_geom *w, const block_panel *b, const float *a, float *out,
                   int nv, int np, bool shifted) {
    enum { MOST = 2 * 8 };
    const int parts = np == 1 ? 2 : 1;
    vf sum[MOST], acc[MOST];
    for (int i = 0; i < np * nv; i++) sum[i] = v_zero();
    const int32_t *words = b->words;
    for (int64_t block = 0, k = 0; k < w->k; block++) {
        int64_t end = k + w->block < w->k ? k + w->block : w->k;
        vf z[2], s[2];
        for (int v = 0; v < nv; v++) s[v] = block_scale(w, b, block, v);
        for (int v = 0; v < nv && shifted; v++) z[v] = block_zero(w, b, block, v);
        for (int i = 0; i < parts * np * nv; i++) acc[i] = v_zero();
        for (; k + 8 <= end; k += 8, words += nv * V_W) {
            __builtin_prefetch(words + 16 * nv * V_W);
            if (nv > 1 && V_W == 16) __builtin_prefetch(words + 16 * nv * V_W + V_W);
            add_words(acc, a + k, w->k, words, z, nv, np, parts, 8, shifted);
        }
        for (; k < end; words += nv * V_W, k = end) { // the last word of a column
            float tail[8 * 8] = {0};
            for (int i = 0; i < np; i++)
                memcpy(tail + 8 * i, a + i * w->k + k, sizeof *a * (size_t)(end - k));
            // times nothing, but for numbers that are none
            add_words(acc, tail, 8, words, z, nv, np, parts, 8, shifted);
        }
        for (int i = 0; i < np * nv; i++) {
            vf x = parts > 1 ? acc[i] + acc[np * nv + i] : acc[i];
            sum[i] = v_fma(x, s[i % nv], sum[i]);
        }
    }
    for (int i = 0; i < np * nv; i++) v_store(out + i * V_W, sum[i]);
}

typedef void (*few_rows_fn)(const whet_block_geom *w, const block_panel *b, const float *a,
                            float *out);
#define FEW(nv, np, shifted)                                                                       \
    static void few_##nv##_##np##_##shifted(const whet_block_geom *w, const block_panel *b,        \
                                            const float *a, float *out) {                          \
        few_rows(w, b, a, out, nv, np, shifted);                                                   \
    }
#define FEW_ALL(np) FEW(1, np, 0) FEW(1, np, 1) FEW(2, np, 0) FEW(2, np, 1)
#define FEW_ROW(np)                                                                                \
    {{few_1_##np##_0, few_1_##np##_1}, {few_2_##np##_0, few_2_##np##_1}}
FEW_ALL(1) FEW_ALL(2)
#if FEW_ROWS > 2
FEW_ALL(3) FEW_ALL(4)
#endif
#if FEW_ROWS > 4
FEW_ALL(5) FEW_ALL(6)
#endif
static const few_rows_fn few_table[FEW_ROWS][2][2] = { // [rows - 1][vectors - 1][shifted]
    FEW_ROW(1), FEW_ROW(2),
#if FEW_ROWS > 2
    FEW_ROW(3), FEW_ROW(4),
#endif
#if FEW_ROWS > 4
    FEW_ROW(5), FEW_ROW(6),
#endif
};
