// SPDX-License-Identifier: Apache-2.0
// Tiles of 4x4 accumulators over packed panels of b: simple, and fast enough that the references of
// whole networks run in seconds.
#include "ops/matrix.h"

#include <string.h>

typedef double f64x2 __attribute__((vector_size(16), aligned(8), may_alias));

enum { TILE = 4, K_BLOCK = 256 };

// c[4][4] += a[4][k] panel[k][4]
static void tile_full(int64_t k, const double *a, int64_t lda, const double *panel, double *c,
                      int64_t ldc) {
    f64x2 acc[TILE][2];
    for (int i = 0; i < TILE; i++) {
        acc[i][0] = *(const f64x2 *)(c + i * ldc);
        acc[i][1] = *(const f64x2 *)(c + i * ldc + 2);
    }
    for (int64_t p = 0; p < k; p++) {
        f64x2 b0 = *(const f64x2 *)(panel + p * TILE);
        f64x2 b1 = *(const f64x2 *)(panel + p * TILE + 2);
        for (int i = 0; i < TILE; i++) {
            f64x2 v = {a[i * lda + p], a[i * lda + p]};
            acc[i][0] += v * b0;
            acc[i][1] += v * b1;
        }
    }
    for (int i = 0; i < TILE; i++) {
        *(f64x2 *)(c + i * ldc) = acc[i][0];
        *(f64x2 *)(c + i * ldc + 2) = acc[i][1];
    }
}

static void tile_edge(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                      const double *panel, double *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = c[i * ldc + j];
            for (int64_t p = 0; p < k; p++) sum += a[i * lda + p] * panel[p * TILE + j];
            c[i * ldc + j] = sum;
        }
}

static void panel_pack(int64_t k, int64_t n, const double *b, int64_t ldb, double *panel) {
    if (n < TILE) memset(panel, 0, (size_t)(k * TILE) * sizeof *panel);
    for (int64_t p = 0; p < k; p++) memcpy(panel + p * TILE, b + p * ldb, (size_t)n * sizeof *b);
}

void whet_matrix_mul_f64(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                         const double *b, int64_t ldb, double *c, int64_t ldc) {
    double panel[K_BLOCK * TILE];
    for (int64_t p = 0; p < k; p += K_BLOCK) {
        int64_t kc = k - p < K_BLOCK ? k - p : K_BLOCK;
        for (int64_t j = 0; j < n; j += TILE) {
            int64_t nc = n - j < TILE ? n - j : TILE;
            panel_pack(kc, nc, b + p * ldb + j, ldb, panel);
            for (int64_t i = 0; i < m; i += TILE) {
                int64_t mc = m - i < TILE ? m - i : TILE;
                const double *rows = a + i * lda + p;
                double *to = c + i * ldc + j;
                if (mc == TILE && nc == TILE) tile_full(kc, rows, lda, panel, to, ldc);
                else tile_edge(mc, nc, kc, rows, lda, panel, to, ldc);
            }
        }
    }
}

void whet_matrix_mul_i64(int64_t m, int64_t n, int64_t k, const int64_t *a, int64_t lda,
                         const int64_t *b, int64_t ldb, int64_t *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t p = 0; p < k; p++) {
            uint64_t v = (uint64_t)a[i * lda + p];
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] = (int64_t)((uint64_t)c[i * ldc + j] + v * (uint64_t)b[p * ldb + j]);
        }
}

void whet_matrix_transpose_f64(int64_t m, int64_t n, const double *from, double *to) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) to[j * m + i] = from[i * n + j];
}
void whet_matrix_transpose_i64(int64_t m, int64_t n, const int64_t *from, int64_t *to) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) to[j * m + i] = from[i * n + j];
}

double whet_eval_scalar(const whet_eval *e, int32_t i, double absent) {
    return whet_eval_has(e, i) ? whet_load_f64(e->in[i].data, e->in[i].dtype, 0) : absent;
}

double *whet_eval_raw_f64(whet_eval *e, int64_t n) {
    size_t bytes;
    double *p = NULL;
    if (n >= 0 && !__builtin_mul_overflow((size_t)n, sizeof(double), &bytes))
        p = whet_arena_alloc_raw(e->scratch, bytes);
    if (!p) WHET_NOMEM(e->err);
    return p;
}
