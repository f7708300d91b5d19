// SPDX-License-Identifier: Apache-2.0
// Attention: softmax(scale Q K^T + mask) V.
#include <math.h>

#include "checkkern.h"
#include "ops/attrs.h"

static void ports(ck_case *c, int64_t b, int64_t h, int64_t g, int64_t s, int64_t t, int64_t d,
                  int64_t e, bool flat) {
    int64_t q[4] = {b, h, s, d}, k[4] = {b, g, t, d}, v[4] = {b, g, t, e};
    int64_t q3[3] = {b, s, h * d}, k3[3] = {b, t, g * d}, v3[3] = {b, t, g * e};
    ck_in(c, ck_port(WHET_DTYPE_F32, false, flat ? 3 : 4, flat ? q3 : q));
    ck_in(c, ck_port(WHET_DTYPE_F32, false, flat ? 3 : 4, flat ? k3 : k));
    ck_in(c, ck_port(WHET_DTYPE_F32, false, flat ? 3 : 4, flat ? v3 : v));
    c->k = (double)(d + t);
    c->n_out = 1;
}

static bool build(ck_case *c, int32_t i) {
    whet_attention_attrs *a = c->attrs;
    int64_t b = ck_int(c->rng, 1, 2), g = ck_int(c->rng, 1, 3);
    int64_t h = g * (i % 3 == 2 ? 2 : 1), s = ck_edge(c->rng, 35), t = ck_edge(c->rng, 67);
    int64_t d = ck_edge(c->rng, 35), e = ck_chance(c->rng, 2) ? d : ck_edge(c->rng, 35);
    bool flat = i % 2;
    ports(c, b, h, g, s, t, d, e, flat);
    if (flat) a->q_num_heads = h, a->kv_num_heads = g;
    a->is_causal = ck_chance(c->rng, 3);
    if (ck_chance(c->rng, 3)) a->scale = 0.25f;
    int64_t mask[4] = {ck_chance(c->rng, 2) ? b : 1, ck_chance(c->rng, 2) ? h : 1, s, t};
    int32_t kind = (int32_t)ck_int(c->rng, 0, 3);
    if (kind == 1) ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, mask));
    if (kind == 2) ck_in(c, ck_port(WHET_DTYPE_F32, false, 2, mask + 2));
    c->no_edges = true;
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    if (i >= 2) return false;
    int64_t s = i ? 512 : 128;
    ports(c, 1, 12, 12, s, s, 64, 64, false);
    return true;
}

// The largest score s = q k bounds the relative error of the weights: e^s moves by |s| u.
static void magnitude(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->out[0].dims, c->out[0].rank),
            values = whet_dims_count(c->in[2].dims, c->in[2].rank);
    double big[2] = {0, 0}, most = 0;
    for (int32_t i = 0; i < 2; i++) {
        int64_t count = whet_dims_count(c->in[i].dims, c->in[i].rank);
        for (int64_t e = 0; e < count; e++) big[i] = fmax(big[i], fabs(v->in64[i][e]));
    }
    for (int64_t e = 0; e < values; e++) most = fmax(most, fabs(v->in64[2][e]));
    for (int64_t e = 0; e < n; e++) v->magnitude[0][e] = most * (1 + big[0] * big[1]);
}

const ck_family ck_family_attention = {.ops = (const char *const[]){"attention", NULL},
                                       .build = build,
                                       .bench = bench,
                                       .magnitude = magnitude};
