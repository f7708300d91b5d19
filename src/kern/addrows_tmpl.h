// SPDX-License-Identifier: Apache-2.0
// Template of whet_add_rows_<isa>: four vectors of y stay in registers over all rows.
#include "kern/addrows.h"
#include "kern/simd.h"

V_FN void add_columns(float *y, int64_t n, const float *rows, int64_t pitch, const float *coef,
                      int64_t count, int nv) {
    vf acc[4];
    for (int v = 0; v < nv; v++) acc[v] = v_load_n(y + v * V_W, n - v * V_W);
    for (int64_t p = 0; p < count; p++) {
        const float *row = rows + p * pitch;
        vf c = v_set1(coef[p]);
        for (int v = 0; v < nv; v++)
            acc[v] = v_fma(c, v_load_n(row + v * V_W, n - v * V_W), acc[v]);
    }
    for (int v = 0; v < nv; v++) v_store_n(y + v * V_W, acc[v], n - v * V_W);
}

void V_CAT(whet_add_rows_, V_ISA)(float *y, int64_t n, const float *rows, int64_t pitch,
                                  const float *coef, int64_t count) {
    int64_t j = 0;
    for (; j + 4 * V_W <= n; j += 4 * V_W)
        add_columns(y + j, 4 * V_W, rows + j, pitch, coef, count, 4);
    for (; j < n; j += V_W) add_columns(y + j, n - j, rows + j, pitch, coef, count, 1);
}
