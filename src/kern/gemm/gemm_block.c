// SPDX-License-Identifier: Apache-2.0
#include "kern/gemm/gemm_block.h"

#include <string.h>

#include "ops/block_matmul.h"

#define CEIL(a, b) (((a) + (b) - 1) / (b))

// A plain constant of at least `count` numbers.
static bool holds(const whet_problem *p, int32_t i, uint64_t dtypes, int64_t count) {
    const whet_port *t = &p->in[i];
    if (!t->constant || t->layout != WHET_LAYOUT_PLAIN || t->rank > WHET_MAX_RANK) return false;
    return (dtypes >> t->dtype & 1) && whet_dims_count(t->dims, t->rank) >= count;
}

static bool has(const whet_problem *p, int32_t i) {
    return i < p->n_in && p->in[i].dtype != WHET_DTYPE_NONE;
}

static int32_t present(const whet_problem *p, int32_t i) { return has(p, i) ? i : -1; }

#define SCALES (WHET_DTYPE_BIT(WHET_DTYPE_F32) | WHET_DTYPE_BIT(WHET_DTYPE_F16))

static bool nbits_weights(whet_block_geom *w, const whet_problem *p) {
    const whet_nbits_attrs *a = p->attrs;
    if (p->n_in < 3 || p->n_in > 6 || a->bits != 4 || has(p, WHET_NBITS_GROUPS)) return false;
    *w = (whet_block_geom){.k = a->k, .n = a->n, .block = a->block_size, .w_in = WHET_NBITS_B,
                           .scale_in = WHET_NBITS_SCALES, .zero_in = present(p, WHET_NBITS_ZEROS),
                           .bias_in = present(p, WHET_NBITS_BIAS)};
    if (w->k < 1 || w->n < 1 || w->k > INT32_MAX || w->n > INT32_MAX || w->block < 8 ||
        w->block > INT32_MAX)
        return false;
    w->blocks = CEIL(w->k, w->block);
    w->w_k = 1, w->w_n = w->blocks * w->block;
    w->s_block = 1, w->s_n = w->blocks;
    w->z_block = 1, w->z_n = CEIL(w->blocks, 2) * 2; // rows of zero points begin at bytes
    if (w->w_n > INT64_MAX / 2 / w->n) return false;
    return holds(p, w->w_in, WHET_DTYPE_BIT(WHET_DTYPE_U8), CEIL(w->w_n * w->n, 2)) &&
           holds(p, w->scale_in, SCALES, w->blocks * w->n) &&
           (w->zero_in < 0 ||
            holds(p, w->zero_in, WHET_DTYPE_BIT(WHET_DTYPE_U8), w->z_n / 2 * w->n));
}

static bool block_weights(whet_block_geom *w, const whet_problem *p) {
    const whet_block_matmul_attrs *a = p->attrs;
    if (p->n_in < 4 || p->n_in > WHET_BM_COUNT || p->in[WHET_BM_W].rank != 2) return false;
    const whet_port *b = &p->in[WHET_BM_W];
    *w = (whet_block_geom){.k = b->dims[a->trans_b], .n = b->dims[!a->trans_b], .w_in = WHET_BM_W,
                           .scale_in = WHET_BM_SCALE, .zero_in = present(p, WHET_BM_ZERO),
                           .bias_in = present(p, WHET_BM_BIAS)};
    if (w->k < 1 || w->n < 1 || w->k > INT32_MAX || w->n > INT32_MAX) return false;
    w->block = a->block ? a->block : w->k;
    w->blocks = CEIL(w->k, w->block);
    w->w_k = a->trans_b ? 1 : w->n, w->w_n = a->trans_b ? w->k : 1;
    w->s_block = a->trans_b ? 1 : w->n, w->s_n = a->trans_b ? w->blocks : 1;
    w->z_block = w->s_block, w->z_n = w->s_n;
    const whet_port *scale = &p->in[w->scale_in];
    int64_t scales = w->blocks * w->n;
    if (!a->block && whet_dims_count(scale->dims, scale->rank) == 1) scales = 1, w->s_n = 0;
    if (w->zero_in >= 0) {
        const whet_port *zero = &p->in[w->zero_in];
        int64_t zeros = whet_dims_count(zero->dims, zero->rank);
        if (!a->block && zeros == 1) w->z_n = 0;
        if (zero->dtype != b->dtype || zeros < (w->z_n ? w->blocks * w->n : 1)) return false;
    } else if (b->dtype == WHET_DTYPE_U4) {
        w->zero = -8;
    }
    return holds(p, w->w_in, WHET_DTYPES_INT4, w->k * w->n) &&
           holds(p, w->scale_in, SCALES, scales) &&
           (w->zero_in < 0 || holds(p, w->zero_in, WHET_DTYPES_INT4, 1));
}

bool whet_block_weights(whet_block_geom *w, const whet_problem *p) {
    bool good = strcmp(p->op, "block_matmul") ? nbits_weights(w, p) : block_weights(w, p);
    if (!good || (w->blocks > 1 && w->block % 8)) return false;
    w->words = CEIL(w->k, 8);
    w->f16 = p->in[w->scale_in].dtype == WHET_DTYPE_F16;
    return true;
}

bool whet_block_geom_init(whet_block_geom *w, whet_gemm_geom *g, const whet_problem *p) {
    if (p->n_out != 1 || !whet_block_weights(w, p)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (x->dtype != WHET_DTYPE_F32 || y->dtype != WHET_DTYPE_F32 ||
        x->layout != WHET_LAYOUT_PLAIN || y->layout != WHET_LAYOUT_PLAIN || x->rank < 2 ||
        x->rank > WHET_MAX_RANK || x->rank != y->rank)
        return false;
    int64_t m = whet_dims_count(x->dims, x->rank - 1);
    for (int32_t d = 0; d < x->rank - 1; d++)
        if (x->dims[d] != y->dims[d] || x->dims[d] < 1) return false;
    if (m < 1 || m > INT32_MAX || x->dims[x->rank - 1] != w->k || y->dims[y->rank - 1] != w->n)
        return false;
    if (w->bias_in >= 0) {
        const whet_port *b = &p->in[w->bias_in];
        if (b->dtype != WHET_DTYPE_F32 || b->layout != WHET_LAYOUT_PLAIN ||
            whet_dims_count(b->dims, b->rank) != w->n)
            return false;
    }
    *g = (whet_gemm_geom){.m = m, .n = w->n, .k = w->k, .batches = 1, .b_batches = 1, .alpha = 1,
                          .beta = 1};
    g->bias = w->bias_in >= 0 ? WHET_GEMM_BIAS_COLUMNS : WHET_GEMM_BIAS_NONE;
    return whet_epilogue_accepts(&p->epi, y);
}

// ---- packing ----

size_t whet_block_pack_bytes(const whet_block_geom *w, int64_t width, int32_t i) {
    size_t lanes = (size_t)(CEIL(w->n, width) * width), blocks = (size_t)w->blocks;
    if (i == w->w_in) return lanes * (size_t)w->words * 4;
    if (i == w->scale_in) return lanes * blocks * (w->f16 ? 2 : 4);
    return i == w->zero_in ? lanes * blocks : 0;
}

static uint32_t nibble(const uint8_t *data, int64_t i) { return data[i / 2] >> i % 2 * 4 & 15; }

// Numbers 8 g to 8 g + 7 of a column; what is behind its end is 0.
static uint32_t pack_word(const whet_block_geom *w, const whet_tensor *src, int64_t g,
                          int64_t col) {
    uint32_t word = 0, flip = src->dtype == WHET_DTYPE_I4 ? 0 : 8;
    for (int64_t k = 8 * g; k < 8 * g + 8 && k < w->k; k++)
        word |= (nibble(src->data, k * w->w_k + col * w->w_n) ^ flip) << (k - 8 * g) * 4;
    return word;
}

static void pack_words(const whet_block_geom *w, int64_t col, int64_t width,
                       const whet_tensor *src, uint32_t *dst) {
    for (int64_t g = 0; g < w->words; g++)
        for (int64_t l = 0; l < width; l++)
            *dst++ = col + l < w->n ? pack_word(w, src, g, col + l) : 0;
}

static void pack_params(const whet_block_geom *w, int64_t col, int64_t width, bool scale,
                        const whet_tensor *src, void *dst) {
    int64_t step = scale ? w->s_block : w->z_block, along = scale ? w->s_n : w->z_n, at = 0;
    bool sign = src->dtype == WHET_DTYPE_I4;
    for (int64_t b = 0; b < w->blocks; b++)
        for (int64_t l = 0; l < width; l++, at++) {
            bool there = col + l < w->n;
            int64_t i = b * step + (col + l) * along;
            if (!scale) {
                uint32_t z = there ? nibble(src->data, i) ^ (sign ? 8 : 0) : 8;
                ((int8_t *)dst)[at] = (int8_t)((int32_t)z - 8);
            } else if (w->f16) {
                ((uint16_t *)dst)[at] = there ? ((const uint16_t *)src->data)[i] : 0;
            } else {
                ((float *)dst)[at] = there ? ((const float *)src->data)[i] : 0;
            }
        }
}

void whet_block_pack(const whet_block_geom *w, int64_t width, int32_t i, const whet_tensor *src,
                     void *dst) {
    size_t bytes = whet_block_pack_bytes(w, width, i);
    size_t of_column = bytes / (size_t)(CEIL(w->n, width) * width);
    for (int64_t col = 0; col < w->n; col += 2 * width) {
        int64_t lanes = w->n - col > width ? 2 * width : width;
        void *to = (char *)dst + (size_t)col * of_column;
        if (i == w->w_in) pack_words(w, col, lanes, src, to);
        else pack_params(w, col, lanes, i == w->scale_in, src, to);
    }
}
