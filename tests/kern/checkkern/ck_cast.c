// SPDX-License-Identifier: Apache-2.0
// Casts between f32 and the types of 16 bits.
#include "checkkern.h"

static bool make(ck_case *c, int32_t rank, const int64_t *dims) {
    whet_dtype half = ck_chance(c->rng, 2) ? WHET_DTYPE_F16 : WHET_DTYPE_BF16;
    bool widens = ck_chance(c->rng, 2);
    c->plain_epilogue = c->no_edges = true;
    ck_attr_int(c, "to", widens ? WHET_DTYPE_F32 : half);
    if (!widens) {
        ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
        return true;
    }
    int64_t n = whet_dims_count(dims, rank);
    uint16_t *v = whet_arena_alloc(c->arena, (size_t)n * 2 + 2);
    for (int64_t i = 0; i < n; i++) { // any number, the largest included
        uint16_t bits = (uint16_t)ck_next(c->rng), high = half == WHET_DTYPE_F16 ? 0x7c00 : 0x7f80;
        v[i] = (bits & high) == high ? bits & 0x8000 : bits;
    }
    c->source[0] = CK_FIXED;
    c->fixed[0] = v;
    ck_in(c, ck_port(half, false, rank, dims));
    return true;
}

static bool build(ck_case *c, int32_t i) {
    int64_t dims[4];
    int32_t rank = (int32_t)ck_int(c->rng, 1, 4);
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_edge(c->rng, 67 >> d);
    if (i % 8 == 0) dims[0] = 5000;
    return make(c, rank, dims);
}

static bool bench(ck_case *c, int32_t i) {
    return i < 4 && make(c, 2, (int64_t[]){256, 1024});
}

const ck_family ck_family_cast = {
    .ops = (const char *const[]){"cast", NULL}, .build = build, .bench = bench};
