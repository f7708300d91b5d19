// SPDX-License-Identifier: Apache-2.0
// lstm and gru.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"

static void ports(ck_case *c, int64_t seq, int64_t batch, int64_t input, int64_t hidden,
                  int64_t dirs, int32_t n_in) {
    bool lstm = !strcmp(c->op_name, "lstm");
    int64_t n = (lstm ? 4 : 3) * hidden;
    int64_t dims[][3] = {
        {seq, batch, input},   {dirs, n, input},     {dirs, n, hidden}, {dirs, 2 * n}, {0},
        {dirs, batch, hidden}, {dirs, batch, hidden}};
    ((whet_rnn_attrs *)c->attrs)->hidden_size = hidden;
    for (int32_t i = 0; i < n_in; i++) {
        if (i == 4) ck_in_absent(c);
        else ck_in(c, ck_port(WHET_DTYPE_F32, i > 0 && i < 4, i == 3 ? 2 : 3, dims[i]));
    }
    c->n_out = lstm ? 3 : 2;
    c->plain_epilogue = c->no_edges = true;
    // rounding of a step goes on through all later ones
    c->k = (double)((input + hidden) * (seq < 8 ? seq : 8));
}

static bool build(ck_case *c, int32_t i) {
    bool lstm = !strcmp(c->op_name, "lstm");
    whet_rnn_attrs *a = c->attrs;
    static const int32_t counts[] = {3, 4, 6, 7};
    int32_t n_in = counts[i % 4];
    if (!lstm && n_in > 6) n_in = 6;
    a->direction = (int32_t)ck_int(c->rng, 0, 2);
    if (!lstm) a->linear_before_reset = ck_chance(c->rng, 2);
    ports(c, ck_int(c->rng, 1, 6), ck_edge(c->rng, 17), ck_edge(c->rng, 35), ck_edge(c->rng, 35),
          a->direction == WHET_RNN_BIDIRECTIONAL ? 2 : 1, n_in);
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    if (i >= 2) return false;
    ports(c, 64, i ? 8 : 1, 256, 256, 1, 4);
    return true;
}

// States are in [-1, 1] (a memory within the number of steps); sums of k products of inputs decide.
static void magnitude(const ck_case *c, ck_values *v) {
    double big = 0, start = 0;
    for (int32_t i = 0; i < 4 && i < c->n_in; i++)
        for (int64_t e = 0; e < whet_dims_count(c->in[i].dims, c->in[i].rank); e++)
            if (i == 1 || i == 2) big = fmax(big, fabs(v->in64[i][e]));
    for (int32_t i = 5; i < c->n_in; i++)
        for (int64_t e = 0; e < whet_dims_count(c->in[i].dims, c->in[i].rank); e++)
            start = fmax(start, fabs(v->in64[i][e]));
    for (int32_t o = 0; o < c->n_out; o++)
        for (int64_t e = 0; e < whet_dims_count(c->out[o].dims, c->out[o].rank); e++)
            v->magnitude[o][e] = 4 * (1 + big) * (1 + start);
}

const ck_family ck_family_rnn = {.ops = (const char *const[]){"lstm", "gru", NULL},
                                 .build = build,
                                 .bench = bench,
                                 .magnitude = magnitude};
