// SPDX-License-Identifier: Apache-2.0
// softmax and log_softmax.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"

static bool build(ck_case *c, int32_t i) {
    int32_t rank = (int32_t)ck_int(c->rng, 1, 4);
    int64_t dims[4];
    whet_softmax_attrs *a = c->attrs;
    a->axis = i % 2 ? -1 : ck_int(c->rng, -rank, rank - 1);
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_edge(c->rng, 20);
    dims[whet_axis(a->axis, rank)] = ck_chance(c->rng, 8) ? 1000 : ck_edge(c->rng, 70);
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    c->k = 4 + 0.1 * (double)dims[whet_axis(a->axis, rank)];
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[][4] = {
        {1, 12, 128, 128}, {1, 1, 1, 1000}, {1, 21, 65, 65}, {1, 8, 512, 512}};
    if (i >= WHET_COUNT(dims)) return false;
    if (i == 2) ((whet_softmax_attrs *)c->attrs)->axis = 1;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims[i]));
    return true;
}

// x - m is rounded, which the exponential magnifies by |x - m|.
static void magnitude(const ck_case *c, ck_values *v) {
    const whet_port *x = &c->in[0];
    int32_t axis = whet_axis(((const whet_softmax_attrs *)c->attrs)->axis, x->rank);
    int64_t inner = whet_dims_count(x->dims + axis + 1, x->rank - axis - 1), n = x->dims[axis];
    int64_t count = whet_dims_count(x->dims, x->rank);
    bool log = !strcmp(c->op_name, "log_softmax");
    for (int64_t i = 0; i < count; i++) {
        const double *first = v->in64[0] + i / (n * inner) * n * inner + i % inner;
        double max = -INFINITY;
        for (int64_t k = 0; k < n; k++) max = fmax(max, first[k * inner]);
        double d = fabs(v->in64[0][i] - max), y = fabs(v->out64[0][i]);
        v->magnitude[0][i] = log ? 1 + d + y + fabs(max) : y * (1 + d);
    }
}

const ck_family ck_family_softmax = {.ops = (const char *const[]){"softmax", "log_softmax", NULL},
                                     .build = build, .bench = bench, .magnitude = magnitude};
