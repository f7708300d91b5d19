// SPDX-License-Identifier: Apache-2.0
// What gemm_tmpl.h does otherwise for weights that lie as FP16, in the panels of f32: with many
// rows a panel becomes floats in the worker's scratch, with few rows they are widened in registers.
#include "kern/half.h"

static void widen_panel(float *dst, const uint16_t *src, int64_t n) {
    for (int64_t i = 0; i < n; i += V_W) v_store(dst + i, v_load_f16(src + i));
}

// b [rows] floats to halves.
static void narrow_panel(uint16_t *dst, const float *src, int64_t n) {
    for (int64_t i = 0; i < n; i += V_W) v_store_f16(dst + i, v_load(src + i));
}

V_FN void few_rows(const float *a, int64_t k, const uint16_t *w, float *out, int nv, int np) {
    enum { MOST = 4 * 8 };
    const int parts = np == 1 ? 4 : np == 2 ? 2 : 1;
    vf acc[MOST];
    for (int i = 0; i < parts * np * nv; i++) acc[i] = v_zero();
    for (int64_t at = 0; at + parts <= k; at += parts, w += parts * nv * V_W) {
        __builtin_prefetch(w + 64 * V_W);
        __builtin_prefetch(w + 64 * V_W + 32);
#pragma GCC unroll 4
        for (int j = 0; j < parts; j++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++) {
                vf x = v_load_f16(w + (j * nv + v) * V_W);
#pragma GCC unroll 8
                for (int i = 0; i < np; i++) {
                    vf *to = &acc[(j * np + i) * nv + v];
                    *to = v_fma(v_set1(a[i * k + at + j]), x, *to);
                }
            }
    }
    for (int64_t at = k - k % parts; at < k; at++, w += nv * V_W)
        for (int v = 0; v < nv; v++)
            for (int i = 0; i < np; i++)
                acc[i * nv + v] =
                    v_fma(v_set1(a[i * k + at]), v_load_f16(w + v * V_W), acc[i * nv + v]);
    for (int i = 0; i < np * nv; i++) {
        vf x = acc[i];
        for (int j = 1; j < parts; j++) x += acc[j * np * nv + i];
        v_store(out + i * V_W, x);
    }
}

typedef void (*few_rows_fn)(const float *a, int64_t k, const uint16_t *w, float *out);
#define FEW_ROWS V_PICK(6, 4, 2)
#define FEW(nv, np)                                                                                \
    static void few_##nv##_##np(const float *a, int64_t k, const uint16_t *w, float *out) {        \
        few_rows(a, k, w, out, nv, np);                                                            \
    }
#define FEW_BOTH(np) FEW(1, np) FEW(2, np)
#define FEW_ROW(np) {few_1_##np, few_2_##np}
FEW_BOTH(1) FEW_BOTH(2)
#if FEW_ROWS > 2
FEW_BOTH(3) FEW_BOTH(4)
#endif
#if FEW_ROWS > 4
FEW_BOTH(5) FEW_BOTH(6)
#endif
static const few_rows_fn few_table[FEW_ROWS][2] = { // [rows - 1][vectors - 1]
    FEW_ROW(1), FEW_ROW(2),
#if FEW_ROWS > 2
    FEW_ROW(3), FEW_ROW(4),
#endif
#if FEW_ROWS > 4
    FEW_ROW(5), FEW_ROW(6),
#endif
};
