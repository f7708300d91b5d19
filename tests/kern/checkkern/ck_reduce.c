// SPDX-License-Identifier: Apache-2.0
// Reductions over any axes.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"

static bool build(ck_case *c, int32_t i) {
    whet_reduce_attrs *a = c->attrs;
    int32_t rank = (int32_t)ck_int(c->rng, 1, 5), n = 0;
    int64_t dims[5], axes[5];
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_edge(c->rng, rank > 3 ? 12 : 35);
    if (ck_chance(c->rng, 10)) dims[rank - 1] = 700;
    bool spatial = i % 4 == 0 && rank > 2;
    a->keepdims = spatial || ck_chance(c->rng, 2);
    if (strstr(c->op_name, "log") || strstr(c->op_name, "prod")) c->source[0] = CK_POSITIVE;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    for (int32_t d = 0; d < rank; d++)
        if (spatial ? d > 1 : ck_chance(c->rng, 2)) axes[n++] = ck_chance(c->rng, 2) ? d : d - rank;
    if (n > 0 || ck_chance(c->rng, 2)) ck_in_i64(c, n, axes);
    a->noop_with_empty_axes = ck_chance(c->rng, 3);
    c->exact = !strstr(c->op_name, "mean") && !strstr(c->op_name, "l2") &&
               !strstr(c->op_name, "log") && !strstr(c->op_name, "prod");
    c->nonfinite = !strcmp(c->op_name, "reduce_max") || !strcmp(c->op_name, "reduce_min");
    c->no_edges = !c->nonfinite;
    for (int32_t d = 0; d < rank; d++) c->k *= (double)dims[d];
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[][3] = {{1, 128, 768}, {1, 128, 768}, {1, 512, 3136}};
    if (i >= 3) return false;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 3, dims[i]));
    ck_in_i64(c, 1, i == 1 ? (int64_t[]){1} : (int64_t[]){-1});
    return true;
}

static void magnitude(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->in[0].dims, c->in[0].rank),
            count = whet_dims_count(c->out[0].dims, c->out[0].rank);
    double *x = whet_arena_alloc(c->arena, (size_t)n * 8 + 8), *in64[2] = {x}, *out64[1];
    void *out[1];
    for (int64_t i = 0; i < n; i++) x[i] = fabs(v->in64[0][i]);
    if (!ck_eval(c, in64, v->in, out64, out)) return;
    for (int64_t i = 0; i < count; i++)
        v->magnitude[0][i] = fabs(out64[0][i]) + (strstr(c->op_name, "log") ? 1 : 0);
}

const ck_family ck_family_reduce = {
    .ops = (const char *const[]){"reduce_sum", "reduce_mean", "reduce_max", "reduce_min",
                                 "reduce_prod", "reduce_l1", "reduce_l2", "reduce_sum_square",
                                 "reduce_log_sum", NULL},
    .build = build,
    .bench = bench,
    .magnitude = magnitude};
