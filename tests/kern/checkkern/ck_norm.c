// SPDX-License-Identifier: Apache-2.0
// Normalisations.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"

static bool rows(const ck_case *c) {
    return !strcmp(c->op_name, "layer_norm") || !strcmp(c->op_name, "rms_norm");
}

static void params(ck_case *c, int64_t channels) {
    bool batch = !strcmp(c->op_name, "batch_norm");
    for (int32_t i = 1; i < (batch ? 5 : 3); i++) {
        if (i == 4) c->source[i] = CK_POSITIVE;
        ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, &channels));
    }
}

static bool build(ck_case *c, int32_t i) {
    int64_t dims[5];
    int32_t rank = (int32_t)ck_int(c->rng, 2, 5);
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_edge(c->rng, d == 0 ? 3 : rank > 4 ? 9 : 20);
    c->n_out = 1;
    if (rows(c)) {
        int32_t axis = i % 2 ? -1 : (int32_t)ck_int(c->rng, 0, rank - 1);
        dims[rank - 1] = ck_chance(c->rng, 6) ? 2000 : ck_edge(c->rng, 70);
        ((whet_norm_attrs *)c->attrs)->axis = axis;
        axis = whet_axis(axis, rank);
        ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
        for (int32_t k = 1; k < (!strcmp(c->op_name, "rms_norm") || ck_chance(c->rng, 3) ? 2 : 3);
             k++)
            ck_in(c, ck_port(WHET_DTYPE_F32, true, rank - axis, dims + axis));
        c->k = 4 + 0.1 * (double)whet_dims_count(dims + axis, rank - axis);
        return true;
    }
    dims[1] = ck_edge(c->rng, 40);
    if (!strcmp(c->op_name, "group_norm")) {
        int64_t groups = ck_int(c->rng, 1, 4);
        dims[1] = groups * (i % 2 ? 16 * ck_int(c->rng, 1, 2) : ck_int(c->rng, 1, 9));
        ((whet_group_norm_attrs *)c->attrs)->num_groups = groups;
    }
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    params(c, dims[1]);
    c->k = 4 + 0.1 * (double)whet_dims_count(dims + 1, rank - 1);
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[][4] = {{1, 1, 128, 768}, {1, 64, 56, 56}};
    if (i >= 2) return false;
    if (rows(c) && i) return false;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims[i]));
    c->n_out = 1;
    if (!rows(c)) params(c, dims[i][1]);
    else ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, dims[i] + 3));
    return true;
}

// Group size and the number of values that share a scale, for element e.
static void shape_of(const ck_case *c, int64_t *group, int64_t *inner, int64_t *channels) {
    const whet_port *x = &c->in[0];
    *inner = whet_dims_count(x->dims + 2, x->rank - 2);
    *channels = x->dims[1];
    if (rows(c)) {
        int32_t axis = whet_axis(((const whet_norm_attrs *)c->attrs)->axis, x->rank);
        *group = *channels = whet_dims_count(x->dims + axis, x->rank - axis);
        *inner = 1;
    } else if (!strcmp(c->op_name, "instance_norm")) {
        *group = *inner;
    } else {
        *group = *channels / ((const whet_group_norm_attrs *)c->attrs)->num_groups * *inner;
    }
}

static void statistics(const double *x, int64_t n, bool rms, double *size, double *var) {
    double mean = 0;
    *size = *var = 0;
    for (int64_t i = 0; i < n; i++) *size += fabs(x[i]), mean += rms ? 0 : x[i];
    *size /= (double)n, mean /= (double)n;
    for (int64_t i = 0; i < n; i++) *var += (x[i] - mean) * (x[i] - mean);
    *var /= (double)n;
}

// Rounding of x and of the mean, magnified by scale / deviation.
static void magnitude(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->in[0].dims, c->in[0].rank), group = 1, inner, channels;
    bool batch = !strcmp(c->op_name, "batch_norm"), rms = !strcmp(c->op_name, "rms_norm");
    if (batch)
        inner = whet_dims_count(c->in[0].dims + 2, c->in[0].rank - 2), channels = c->in[0].dims[1];
    else shape_of(c, &group, &inner, &channels);
    double size = 0, var = 0;
    for (int64_t e = 0; e < n; e++) {
        int64_t ch = e / inner % channels;
        double bias = c->n_in > 2 ? fabs(v->in64[2][ch]) : 0, y = fabs(v->out64[0][e]);
        if (batch) size = fabs(v->in64[3][ch]), var = v->in64[4][ch];
        else if (e % group == 0) statistics(v->in64[0] + e, group, rms, &size, &var);
        v->magnitude[0][e] =
            (fabs(v->in64[0][e]) + size) / sqrt(var + 1e-5) * fabs(v->in64[1][ch]) + y + bias;
    }
}

const ck_family ck_family_norm = {.ops =
                                      (const char *const[]){"layer_norm", "rms_norm", "group_norm",
                                                            "instance_norm", "batch_norm", NULL},
                                  .build = build,
                                  .bench = bench,
                                  .magnitude = magnitude};
