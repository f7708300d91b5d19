// SPDX-License-Identifier: Apache-2.0
// resize (nearest, linear) and lrn.
#include <math.h>
#include <string.h>

#include "checkkern.h"

static bool lrn(ck_case *c) {
    int32_t rank = (int32_t)ck_int(c->rng, 2, 5);
    int64_t dims[5] = {ck_int(c->rng, 1, 2), ck_edge(c->rng, 40)};
    for (int32_t d = 2; d < rank; d++) dims[d] = ck_edge(c->rng, rank > 4 ? 8 : 20);
    ck_attr_int(c, "size", ck_int(c->rng, 1, 7));
    ck_attr_float(c, "alpha", (float)ck_int(c->rng, 1, 8) / 8);
    ck_attr_float(c, "beta", ck_chance(c->rng, 2) ? 0.75f : (float)ck_int(c->rng, 1, 8) / 4);
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    c->k = 8;
    return true;
}

static bool resize(ck_case *c, int32_t i) {
    int32_t rank = (int32_t)ck_int(c->rng, 3, 5);
    int64_t dims[5] = {ck_int(c->rng, 1, 2), ck_edge(c->rng, 35)}, sizes[5];
    float scales[5];
    int64_t none = 0;
    ck_attr_int(c, "mode", i % 2);
    ck_attr_int(c, "coordinate_transformation_mode", i % 12 == 3 ? 5 : ck_int(c->rng, 0, 4));
    ck_attr_int(c, "nearest_mode", ck_int(c->rng, 0, 4));
    for (int32_t d = 2; d < rank; d++) dims[d] = ck_edge(c->rng, rank == 5 ? 7 : 20);
    for (int32_t d = 0; d < rank; d++) {
        static const float usual[] = {2, 3, 0.5f, 1.5f, 0.7f, 4, 1};
        scales[d] = d < 2 ? 1 : usual[ck_int(c->rng, 0, 6)];
        if (d < 2 && i % 10 == 9) scales[d] = 2;
        if ((float)dims[d] * scales[d] < 1) scales[d] = 1;
        sizes[d] = d < 2 ? dims[d] : ck_edge(c->rng, 30);
    }
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    ck_in_absent(c);
    if (i % 3) {
        c->source[2] = CK_FIXED;
        c->fixed[2] = whet_arena_memdup(c->arena, scales, (size_t)rank * sizeof *scales);
        ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, (int64_t[]){rank}));
    } else {
        c->source[2] = CK_FIXED;
        c->fixed[2] = whet_arena_memdup(c->arena, &none, 8);
        ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, &none));
        ck_in_i64(c, rank, sizes);
    }
    c->k = 8;
    return true;
}

static bool build(ck_case *c, int32_t i) {
    return strcmp(c->op_name, "lrn") ? resize(c, i) : lrn(c);
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[] = {1, 64, 56, 56};
    static const float scales[] = {1, 1, 2, 2};
    if (i >= 2) return false;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims));
    if (!strcmp(c->op_name, "lrn")) return i == 0 && ck_attr_int(c, "size", 5);
    ck_in_absent(c);
    c->source[2] = CK_FIXED;
    c->fixed[2] = whet_arena_memdup(c->arena, scales, sizeof scales);
    ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, (int64_t[]){4}));
    return ck_attr_int(c, "mode", i);
}

// Weights of a resize are not negative; lrn only scales.
static void magnitude(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->out[0].dims, c->out[0].rank),
            in = whet_dims_count(c->in[0].dims, c->in[0].rank);
    double *x = whet_arena_alloc(c->arena, (size_t)in * 8 + 8), *in64[CK_PORTS] = {x};
    double *out64[CK_PORTS] = {0};
    void *out[CK_PORTS];
    for (int32_t i = 1; i < c->n_in; i++) in64[i] = v->in64[i];
    for (int64_t i = 0; i < in; i++) x[i] = fabs(v->in64[0][i]);
    if (ck_eval(c, in64, v->in, out64, out)) memcpy(v->magnitude[0], out64[0], (size_t)n * 8);
}

const ck_family ck_family_resize = {.ops = (const char *const[]){"resize", "lrn", NULL},
                                    .build = build,
                                    .bench = bench,
                                    .magnitude = magnitude};
