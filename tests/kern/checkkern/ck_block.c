// SPDX-License-Identifier: Apache-2.0
// Products with weights of few bits: block_matmul and ms_matmul_nbits.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/block_matmul.h"

static void fixed(ck_case *c, whet_port port, void *data) {
    c->source[c->n_in] = CK_FIXED;
    c->fixed[c->n_in] = data;
    ck_in(c, port);
}

static void bytes(ck_case *c, whet_dtype t, int32_t rank, const int64_t *dims) {
    int64_t n = whet_dims_count(dims, rank);
    uint8_t *v = whet_arena_alloc(c->arena, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) v[i] = (uint8_t)ck_next(c->rng);
    fixed(c, ck_port(t, true, rank, dims), v);
}

// Half of the cases have scales that are powers of two.
static void scales(ck_case *c, whet_dtype t, int32_t rank, const int64_t *dims) {
    int64_t n = whet_dims_count(dims, rank);
    void *v = whet_arena_alloc(c->arena, (size_t)n * 4 + 4);
    for (int64_t i = 0; i < n; i++) {
        double s = ldexp(1, (int)ck_int(c->rng, -4, 2));
        if (!c->exact) s *= 0.5 + (double)ck_int(c->rng, 0, 1000) / 1000;
        whet_store_f64(v, t, i, s);
    }
    fixed(c, ck_port(t, true, rank, dims), v);
}

static void bias(ck_case *c, int64_t n) {
    if (ck_chance(c->rng, 2)) ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, &n));
    else ck_in_absent(c);
}

static void x_port(ck_case *c, int32_t rank, int64_t m, int64_t k) {
    int64_t x[3] = {ck_int(c->rng, 1, 3), m, k};
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, x + 3 - rank));
}

static void make_block(ck_case *c, int64_t m, int64_t n, int64_t k, int64_t block, whet_dtype ws,
                       whet_dtype wt, bool zero) {
    whet_block_matmul_attrs *a = c->attrs;
    int64_t blocks = block ? (k + block - 1) / block : 1, w[2] = {k, n}, s[2] = {blocks, n};
    a->block = block;
    a->trans_b = ck_chance(c->rng, 2);
    if (a->trans_b) w[0] = n, w[1] = k, s[0] = n, s[1] = blocks;
    x_port(c, (int32_t)ck_int(c->rng, 2, 3), m, k);
    bytes(c, wt, 2, w);
    bias(c, n);
    int32_t rank = block ? 2 : (int32_t)ck_int(c->rng, 0, 1);
    scales(c, ws, rank, block ? s : &n);
    if (zero) bytes(c, wt, rank, block ? s : &n);
}

static void make_nbits(ck_case *c, int64_t m, int64_t n, int64_t k, int64_t block, bool zero) {
    int64_t blocks = (k + block - 1) / block, b[3] = {n, blocks, block / 2}, s = n * blocks;
    int64_t z = n * ((blocks + 1) / 2);
    ck_attr_int(c, "K", k);
    ck_attr_int(c, "N", n);
    ck_attr_int(c, "block_size", block);
    x_port(c, (int32_t)ck_int(c->rng, 2, 3), m, k);
    bytes(c, WHET_DTYPE_U8, 3, b);
    scales(c, WHET_DTYPE_F32, 1, &s);
    if (zero) bytes(c, WHET_DTYPE_U8, 1, &z);
    else ck_in_absent(c);
    ck_in_absent(c);
    bias(c, n);
}

static bool build(ck_case *c, int32_t i) {
    static const int64_t sizes[] = {16, 32, 64, 128};
    int64_t m = i % 3 ? ck_int(c->rng, 1, 7) : ck_edge(c->rng, 67);
    int64_t n = ck_edge(c->rng, 67), k = ck_edge(c->rng, 80), block = sizes[ck_int(c->rng, 0, 3)];
    c->exact = ck_chance(c->rng, 2);
    c->k = (double)k + 1;
    bool zero = ck_chance(c->rng, 2);
    if (strcmp(c->op_name, "block_matmul")) {
        make_nbits(c, m, n, k, block, zero);
        return true;
    }
    if (ck_chance(c->rng, 3)) block = ck_chance(c->rng, 2) ? 8 : 0;
    make_block(c, m, n, k, block, ck_chance(c->rng, 2) ? WHET_DTYPE_F16 : WHET_DTYPE_F32,
               ck_chance(c->rng, 2) ? WHET_DTYPE_I4 : WHET_DTYPE_U4, zero);
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int16_t rows[][3] = {{1, 4096, 4096}, {1, 768, 3072}, {4, 4096, 4096},
                                      {32, 768, 768},  {128, 3072, 768}, {128, 768, 3072}};
    if (i >= WHET_COUNT(rows)) return false;
    int64_t m = rows[i][0], n = rows[i][1], k = rows[i][2];
    if (strcmp(c->op_name, "block_matmul")) make_nbits(c, m, n, k, 32, false);
    else make_block(c, m, n, k, 32, WHET_DTYPE_F16, WHET_DTYPE_I4, false);
    return true;
}

// |x| |w| + |bias|, w as its reference computes it: that of an x of one row at a time.
static void magnitude(const ck_case *c, ck_values *v) {
    const whet_port *x = &c->in[0], *y = &c->out[0];
    int64_t k = x->dims[x->rank - 1], n = y->dims[y->rank - 1];
    int64_t m = whet_dims_count(x->dims, x->rank) / k;
    ck_case unit = *c; // the rows of a unit matrix give w
    int32_t b = strcmp(c->op_name, "block_matmul") ? WHET_NBITS_BIAS : WHET_BM_BIAS;
    unit.in[0].rank = unit.out[0].rank = 2;
    unit.in[0].dims[0] = unit.in[0].dims[1] = unit.out[0].dims[0] = k;
    unit.out[0].dims[1] = n;
    bool biased = b < c->n_in && c->in[b].dtype;
    if (biased) unit.in[b].dtype = WHET_DTYPE_NONE;
    double *one = whet_arena_alloc(c->arena, (size_t)(k * k) * sizeof *one);
    double *in64[CK_PORTS], *out64[CK_PORTS] = {0};
    void *out[CK_PORTS] = {0};
    memcpy(in64, v->in64, sizeof in64);
    in64[0] = one;
    for (int64_t i = 0; i < k; i++) one[i * k + i] = 1;
    if (!v->magnitude[0] || !ck_eval(&unit, in64, v->in, out64, out)) return;
    for (int64_t i = 0; i < m * n; i++) {
        double sum = biased ? fabs(v->in64[b][i % n]) : 0;
        for (int64_t j = 0; j < k; j++)
            sum += fabs(v->in64[0][i / n * k + j] * out64[0][j * n + i % n]);
        v->magnitude[0][i] = sum;
    }
}

const ck_family ck_family_block = {
    .ops = (const char *const[]){"block_matmul", "ms_matmul_nbits", NULL}, .build = build,
    .bench = bench, .magnitude = magnitude};
