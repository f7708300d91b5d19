// SPDX-License-Identifier: Apache-2.0
// Layout conversions: the case says both layouts.
#include <string.h>

#include "checkkern.h"

static void ports(ck_case *c, whet_dtype dtype, whet_dtype out, int32_t rank, const int64_t *dims,
                  whet_layout from, whet_layout to) {
    c->plain_epilogue = true;
    c->nonfinite = true;
    ck_in(c, ck_port(dtype, false, rank, dims));
    c->in[0].layout = from;
    c->n_out = 1;
    c->out[0] = c->in[0];
    c->out[0].layout = to;
    c->out[0].dtype = out;
    if (out == WHET_DTYPE_BF16) c->out[0].type = WHET_DTYPE_F32;
}

static bool build(ck_case *c, int32_t i) {
    static const whet_dtype dtypes[] = {WHET_DTYPE_F32, WHET_DTYPE_U8, WHET_DTYPE_F32,
                                        WHET_DTYPE_F16, WHET_DTYPE_I64};
    static const whet_dtype stored[][2] = {{WHET_DTYPE_F32, WHET_DTYPE_BF16},
                                           {WHET_DTYPE_BF16, WHET_DTYPE_F32},
                                           {WHET_DTYPE_BF16, WHET_DTYPE_BF16}};
    int64_t dims[5] = {ck_int(c->rng, 1, 2), ck_edge(c->rng, 70)};
    int32_t rank = (int32_t)ck_int(c->rng, 3, 5), from = i / 2 % 4, to = (from + 1 + i / 8 % 3) % 4;
    for (int32_t d = 2; d < rank; d++) dims[d] = ck_edge(c->rng, rank == 5 ? 8 : 35);
    if (ck_chance(c->rng, 8)) dims[2] = 600;
    if (i % 2) {
        ports(c, dtypes[i / 2 % 5], dtypes[i / 2 % 5], rank, dims, (whet_layout)from,
              (whet_layout)to);
        return true;
    }
    if (ck_chance(c->rng, 4)) to = from;
    if (to == from && ck_chance(c->rng, 2)) rank = 2, from = to = WHET_LAYOUT_PLAIN;
    const whet_dtype *pair = stored[i / 2 % 3];
    ports(c, pair[0], pair[1], rank, dims, (whet_layout)from, (whet_layout)to);
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[][4] = {{1, 64, 56, 56}, {1, 512, 7, 7}};
    if (i >= 24) return false;
    int32_t from = i / 6, to = i / 2 % 3;
    if (to >= from) to++;
    ports(c, WHET_DTYPE_F32, WHET_DTYPE_F32, 4, dims[i % 2], (whet_layout)from, (whet_layout)to);
    return true;
}

static bool reference(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->in[0].dims, c->in[0].rank);
    if (v->in64[0]) {
        v->out64[0] = v->in64[0];
        v->magnitude[0] = whet_arena_alloc(c->arena, (size_t)n * 8);
    }
    v->out[0] = v->in[0];
    return true;
}

static void magnitude(const ck_case *c, ck_values *v) { (void)c, (void)v; }

const ck_family ck_family_reorder = {(const char *const[]){"reorder", NULL}, build, bench,
                                     reference, magnitude};
