// SPDX-License-Identifier: Apache-2.0
// Movement of any dtype: all exact.
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"

static whet_dtype dtype_of(ck_case *c, int32_t i) {
    static const whet_dtype dtypes[] = {WHET_DTYPE_F32, WHET_DTYPE_F32, WHET_DTYPE_U8,
                                        WHET_DTYPE_F16, WHET_DTYPE_I64, WHET_DTYPE_I32,
                                        WHET_DTYPE_BOOL};
    (void)c;
    return dtypes[i % 7];
}

static int32_t random_dims(ck_case *c, int64_t *dims, int64_t max) {
    int32_t rank = (int32_t)ck_int(c->rng, 1, 5);
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_edge(c->rng, rank > 3 ? 9 : max);
    if (ck_chance(c->rng, 10)) dims[rank - 1] = 5000;
    return rank;
}

static bool concat(ck_case *c, int32_t i) {
    int64_t dims[5];
    int32_t rank = random_dims(c, dims, 20), n = (int32_t)ck_int(c->rng, 1, 4);
    bool blocks = rank > 2 && ck_chance(c->rng, 2);
    int32_t axis = blocks ? 1 : (int32_t)ck_int(c->rng, 0, rank - 1);
    ((whet_axis_attrs *)c->attrs)->axis = ck_chance(c->rng, 2) ? axis : axis - rank;
    for (int32_t k = 0; k < n; k++) {
        dims[axis] = blocks ? 16 * ck_int(c->rng, 1, 3) - (k == n - 1 ? ck_int(c->rng, 0, 3) : 0)
                            : ck_int(c->rng, 1, 20);
        ck_in(c, ck_port(dtype_of(c, i), false, rank, dims));
    }
    return true;
}

static bool split(ck_case *c, int32_t i) {
    int64_t dims[5], parts[4];
    int32_t rank = random_dims(c, dims, 20), n = (int32_t)ck_int(c->rng, 1, 4);
    bool blocks = rank > 2 && ck_chance(c->rng, 2);
    int32_t axis = blocks ? 1 : (int32_t)ck_int(c->rng, 0, rank - 1);
    ck_attr_int(c, "axis", axis);
    dims[axis] = 0;
    for (int32_t k = 0; k < n; k++)
        dims[axis] += parts[k] = blocks ? 16 * ck_int(c->rng, 1, 3) : ck_int(c->rng, 0, 20);
    ck_in(c, ck_port(dtype_of(c, i), false, rank, dims));
    ck_in_i64(c, n, parts);
    c->n_out = n;
    return true;
}

static bool slice(ck_case *c, int32_t i) {
    int64_t dims[5], start[5], end[5], axes[5], step[5];
    int32_t rank = random_dims(c, dims, 35), n = 0;
    for (int32_t d = 0; d < rank; d++) {
        if (ck_chance(c->rng, 3)) continue;
        axes[n] = ck_chance(c->rng, 2) ? d : d - rank;
        step[n] = ck_chance(c->rng, 2) ? 1 : ck_int(c->rng, -3, 3);
        if (step[n] == 0) step[n] = 1;
        start[n] = ck_int(c->rng, -dims[d] - 2, dims[d] + 2);
        end[n++] = ck_int(c->rng, -dims[d] - 2, dims[d] + 2);
    }
    ck_in(c, ck_port(dtype_of(c, i), false, rank, dims));
    ck_in_i64(c, n, start);
    ck_in_i64(c, n, end);
    ck_in_i64(c, n, axes);
    ck_in_i64(c, n, step);
    return true;
}

static bool expand(ck_case *c, int32_t i) {
    int64_t dims[5], shape[5];
    int32_t rank = random_dims(c, shape, 20), lead = (int32_t)ck_int(c->rng, 0, rank);
    bool tile = !strcmp(c->op_name, "tile");
    if (tile) lead = 0;
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_chance(c->rng, 2) ? 1 : shape[d];
    if (tile)
        for (int32_t d = 0; d < rank; d++) shape[d] = ck_int(c->rng, 1, dims[d] > 100 ? 1 : 3);
    ck_in(c, ck_port(dtype_of(c, i), false, rank - lead, dims + lead));
    ck_in_i64(c, rank, shape);
    return true;
}

static bool gather(ck_case *c, int32_t i) {
    int64_t dims[5], n[2] = {ck_int(c->rng, 1, 3), ck_int(c->rng, 1, 9)};
    int32_t rank = random_dims(c, dims, 35), axis = (int32_t)ck_int(c->rng, 0, rank - 1);
    int32_t index_rank = (int32_t)ck_int(c->rng, 0, 2);
    int64_t count = whet_dims_count(n, index_rank);
    ((whet_axis_attrs *)c->attrs)->axis = axis;
    ck_in(c, ck_port(dtype_of(c, i), ck_chance(c->rng, 2), rank, dims));
    whet_dtype dtype = ck_chance(c->rng, 2) ? WHET_DTYPE_I64 : WHET_DTYPE_I32;
    c->source[1] = CK_FIXED;
    c->fixed[1] = whet_arena_alloc(c->arena, (size_t)count * 8);
    for (int64_t k = 0; k < count; k++)
        whet_store_i64(c->fixed[1], dtype, k, ck_int(c->rng, -dims[axis], dims[axis] - 1));
    ck_in(c, ck_port(dtype, false, index_rank, n));
    return true;
}

static bool where(ck_case *c, int32_t i) {
    int64_t dims[5], part[5];
    int32_t rank = random_dims(c, dims, 35);
    whet_dtype dtype = dtype_of(c, i);
    for (int32_t k = 0; k < 3; k++) {
        bool whole = ck_chance(c->rng, 2);
        for (int32_t d = 0; d < rank; d++) part[d] = whole || ck_chance(c->rng, 2) ? dims[d] : 1;
        int32_t lead = whole ? 0 : (int32_t)ck_int(c->rng, 0, rank);
        ck_in(c, ck_port(k ? dtype : WHET_DTYPE_BOOL, false, rank - lead, part + lead));
        if (k) continue;
        int64_t n = whet_dims_count(part + lead, rank - lead);
        uint8_t *v = whet_arena_alloc(c->arena, (size_t)n);
        for (int64_t e = 0; e < n; e++) v[e] = ck_chance(c->rng, 2);
        c->source[0] = CK_FIXED;
        c->fixed[0] = v;
    }
    return true;
}

static bool space(ck_case *c, int32_t i) {
    int64_t b = ck_int(c->rng, 1, 3), bb = b * b;
    bool deep = !strcmp(c->op_name, "depth_to_space");
    int64_t dims[4] = {ck_int(c->rng, 1, 2), ck_edge(c->rng, 9) * (deep ? bb : 1),
                       ck_edge(c->rng, 9) * (deep ? 1 : b), ck_edge(c->rng, 20) * (deep ? 1 : b)};
    ck_attr_int(c, "blocksize", b);
    if (deep) ck_attr_int(c, "mode", ck_chance(c->rng, 2));
    ck_in(c, ck_port(dtype_of(c, i), false, 4, dims));
    return true;
}

static bool pad(ck_case *c, int32_t i) {
    int64_t dims[5], pads[10];
    int32_t rank = random_dims(c, dims, 20), mode = (int32_t)ck_int(c->rng, 0, 3);
    ck_attr_int(c, "mode", mode);
    for (int32_t d = 0; d < rank; d++) {
        int64_t most = mode == 1 ? dims[d] - 1 : mode == 3 ? dims[d] : 5;
        pads[d] = ck_int(c->rng, dims[d] > 4 ? -2 : 0, most < 5 ? most : 5);
        pads[rank + d] = ck_int(c->rng, dims[d] > 4 ? -2 : 0, most < 5 ? most : 5);
        if (ck_chance(c->rng, 2)) pads[d] = pads[rank + d] = 0;
    }
    ck_in(c, ck_port(dtype_of(c, i), false, rank, dims));
    ck_in_i64(c, 2 * rank, pads);
    if (ck_chance(c->rng, 2)) ck_in(c, ck_port(dtype_of(c, i), true, 0, dims));
    return true;
}

static bool transpose(ck_case *c, int32_t i) {
    int64_t dims[5], perm[5];
    int32_t rank = random_dims(c, dims, 70);
    for (int32_t d = 0; d < rank; d++) perm[d] = d;
    for (int32_t d = rank - 1; d > 0; d--) {
        int64_t k = ck_int(c->rng, 0, d), t = perm[d];
        perm[d] = perm[k];
        perm[k] = t;
    }
    ck_in(c, ck_port(dtype_of(c, i), false, rank, dims));
    if (i % 5) ck_attr_ints(c, "perm", rank, perm);
    return true;
}

static const struct {
    const char *op;
    bool (*build)(ck_case *c, int32_t i);
} builders[] = {{"concat", concat}, {"split", split}, {"slice", slice}, {"expand", expand},
                {"tile", expand},   {"gather", gather}, {"pad", pad},   {"transpose", transpose},
                {"where", where},   {"depth_to_space", space}, {"space_to_depth", space}};

static bool build(ck_case *c, int32_t i) {
    c->plain_epilogue = c->exact = c->nonfinite = true;
    for (int32_t k = 0; k < WHET_COUNT(builders); k++)
        if (!strcmp(builders[k].op, c->op_name)) return builders[k].build(c, i);
    return false;
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[][4] = {{1, 128, 12, 64}, {1, 64, 56, 56}, {1, 56, 56, 64}};
    static const int64_t perms[][4] = {{0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}};
    if (!strcmp(c->op_name, "transpose")) {
        if (i >= 3) return false;
        ck_attr_ints(c, "perm", 4, perms[i]);
        ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims[i]));
        return true;
    }
    if (strcmp(c->op_name, "concat") || i) return false;
    ((whet_axis_attrs *)c->attrs)->axis = 1;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims[1]));
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims[1]));
    return true;
}

static void magnitude(const ck_case *c, ck_values *v) { (void)c, (void)v; }

const ck_family ck_family_move = {
    .ops = (const char *const[]){"concat", "split", "slice", "expand", "tile", "gather", "pad",
                                 "transpose", "where", "depth_to_space", "space_to_depth", NULL},
    .build = build,
    .bench = bench,
    .magnitude = magnitude};
