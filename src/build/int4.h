// SPDX-License-Identifier: Apache-2.0
// Weights of matrix products in 4 bits, with a scale for each group of them along the inner
// dimension. docs/quantization.md.
#ifndef WHET_BUILD_INT4_H
#define WHET_BUILD_INT4_H

#include "base/workers.h"
#include "ir/graph.h"
#include "kern/addrows.h"

struct whet_build;

// The weights of one product, an output a row.
typedef struct whet_int4_matrix {
    int64_t n, k, group, groups; // groups of a row
    float *w;     // [n][k]; GPTQ changes them
    int8_t *q;    // [n][k] -8 to 7
    float *scale; // [n][groups]
    bool half;    // scales are numbers of f16
} whet_int4_matrix;

// Rounds to the nearest, with the scale for each group that makes the squared error smallest.
void whet_int4_round(whet_int4_matrix *m);
// The scale of n numbers, which may be 0 all of them.
float whet_int4_scale(const float *w, int64_t n, bool half);
static inline float whet_int4_nearest(float v, float scale) {
    float q = __builtin_rintf(v / scale);
    return q < -8 ? -8 : q > 7 ? 7 : q;
}

// What values reach on samples: the sum of x x' over rows x, its upper half.
typedef struct whet_int4_moments {
    int64_t k, rows;
    float *h; // [k][k]
} whet_int4_moments;
// add: whet_add_rows_for(); x: [rows][k]; coef: scratch of [k][WHET_INT4_ROWS].
enum { WHET_INT4_ROWS = 64 };
void whet_int4_observe(whet_int4_moments *s, const float *x, int64_t rows, float *coef,
                       whet_add_rows_fn add, whet_workers *workers, int32_t threads);
// Rounds column by column, so that later ones make up for what earlier ones lost (GPTQ, Frantar et
// al. 2022). False in *done: the sums have no inverse; nothing is changed. WHET_E_NOMEM.
whet_status whet_int4_gptq(whet_int4_matrix *m, const whet_int4_moments *s, whet_add_rows_fn add,
                           whet_workers *workers, int32_t threads, bool *done);

// Everything: constant weights of products in float become numbers of 4 bits behind a
// dequantize_linear. portable_scales: f32, for a model that other runtimes read.
whet_status whet_int4(struct whet_build *x, whet_graph *g, bool portable_scales);

#endif
