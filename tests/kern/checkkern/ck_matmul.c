// SPDX-License-Identifier: Apache-2.0
// Matrix products: matmul (numpy's rules) and gemm.
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"

static void swap(int64_t *a, int64_t *b) {
    int64_t t = *a;
    *a = *b;
    *b = t;
}

static bool build_gemm(ck_case *c) {
    whet_gemm_attrs *a = c->attrs;
    int64_t m = ck_edge(c->rng, 67), n = ck_edge(c->rng, 67), k = ck_edge(c->rng, 80);
    int64_t x[2] = {m, k}, w[2] = {k, n}, b[2] = {m, n};
    a->trans_a = ck_chance(c->rng, 4);
    a->trans_b = ck_chance(c->rng, 2);
    if (ck_chance(c->rng, 3)) a->alpha = 0.5f, a->beta = 2;
    if (a->trans_a) swap(&x[0], &x[1]);
    if (a->trans_b) swap(&w[0], &w[1]);
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 2, x));
    ck_in(c, ck_port(WHET_DTYPE_F32, !ck_chance(c->rng, 4), 2, w));
    switch (ck_int(c->rng, 0, 4)) {
    case 0: break;
    case 1: ck_in(c, ck_port(WHET_DTYPE_F32, true, 0, b)); break;
    case 2: b[0] = 1; // one row
        ck_in(c, ck_port(WHET_DTYPE_F32, true, 2, b));
        break;
    case 3: ck_in(c, ck_port(WHET_DTYPE_F32, ck_chance(c->rng, 2), 2, b)); break;
    default: ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, b + 1));
    }
    c->k = (double)k + 1;
    c->exact = true;
    return true;
}

static bool build_matmul(ck_case *c, int32_t i) {
    whet_matmul_attrs *a = c->attrs;
    int64_t m = ck_edge(c->rng, 67), n = ck_edge(c->rng, 67), k = ck_edge(c->rng, 80);
    int64_t x[4], w[4], b0 = ck_int(c->rng, 1, 3), b1 = ck_int(c->rng, 1, 3);
    bool constant = i % 3 != 0;
    a->trans_a = ck_chance(c->rng, 5);
    a->trans_b = ck_chance(c->rng, 3);
    if (ck_chance(c->rng, 4)) a->alpha = 0.25f;
    int32_t rx = (int32_t)ck_int(c->rng, 2, 4), rw = constant || ck_chance(c->rng, 4) ? 2 : rx;
    int64_t batch[2] = {b0, b1};
    for (int32_t d = 0; d < rx - 2; d++) x[d] = batch[d + 4 - rx];
    for (int32_t d = 0; d < rw - 2; d++) w[d] = ck_chance(c->rng, 6) ? 1 : batch[d + 4 - rw];
    x[rx - 2] = m, x[rx - 1] = k, w[rw - 2] = k, w[rw - 1] = n;
    if (a->trans_a) swap(&x[rx - 2], &x[rx - 1]);
    if (a->trans_b) swap(&w[rw - 2], &w[rw - 1]);
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rx, x));
    ck_in(c, ck_port(WHET_DTYPE_F32, constant, rw, w));
    c->k = (double)k;
    c->exact = true;
    return true;
}

static bool build(ck_case *c, int32_t i) {
    return strcmp(c->op_name, "gemm") ? build_matmul(c, i) : build_gemm(c);
}

static bool bench(ck_case *c, int32_t i) {
    static const int16_t rows[][3] = {{1, 1000, 2048}, {128, 768, 768}, {128, 3072, 768},
                                      {128, 768, 3072}, {512, 512, 512}, {1, 4096, 4096}};
    if (i >= WHET_COUNT(rows) + 2) return false;
    if (i >= WHET_COUNT(rows)) { // of attention
        if (!strcmp(c->op_name, "gemm")) return false;
        int64_t q[4] = {1, 12, 128, 64}, k[4] = {1, 12, 128, 64}, s[4] = {1, 12, 128, 128};
        bool first = i == WHET_COUNT(rows);
        ((whet_matmul_attrs *)c->attrs)->trans_b = first;
        ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, first ? q : s));
        ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, k));
        return true;
    }
    int64_t x[2] = {rows[i][0], rows[i][2]}, w[2] = {rows[i][2], rows[i][1]};
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 2, x));
    ck_in(c, ck_port(WHET_DTYPE_F32, true, 2, w));
    return true;
}

const ck_family ck_family_matmul = {
    .ops = (const char *const[]){"matmul", "gemm", NULL}, .build = build, .bench = bench};
