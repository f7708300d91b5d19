// SPDX-License-Identifier: Apache-2.0
// tree_ensemble: random trees, children behind their parents.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/tree.h"

static void fixed(ck_case *c, int32_t rank, int64_t a, int64_t b, void *v) {
    c->source[c->n_in] = CK_FIXED;
    c->fixed[c->n_in] = v;
    ck_in(c, ck_port(WHET_DTYPE_I32, true, rank, (const int64_t[]){a, b}));
}

// Every tree is a heap of 2^depth - 1 nodes.
static void trees(ck_case *c, int64_t rows, int64_t features, int64_t n, int32_t depth,
                  int64_t targets, bool leq) {
    int64_t inner = (INT64_C(1) << depth) - 1, leaves = n * (inner + 1);
    int32_t *nodes = WHET_NEW_ARRAY(c->arena, int32_t, n * inner * 4);
    int32_t *roots = WHET_NEW_ARRAY(c->arena, int32_t, n);
    int32_t *votes = WHET_NEW_ARRAY(c->arena, int32_t, leaves);
    for (int64_t t = 0; t < n; t++) {
        roots[t] = (int32_t)(t * inner);
        for (int64_t i = 0; i < inner; i++) {
            int32_t *w = nodes + (t * inner + i) * 4;
            float split = (float)ck_normal(c->rng);
            w[0] = (int32_t)(ck_int(c->rng, 0, features - 1) << 4 | ck_int(c->rng, 0, 1) << 3);
            if (!leq) w[0] |= (int32_t)ck_int(c->rng, 0, WHET_TREE_NEQ);
            for (int64_t k = 1; k <= 2; k++) {
                int64_t child = 2 * i + k;
                w[k] = (int32_t)(child < inner ? t * inner + child
                                               : ~(t * (inner + 1) + child - inner));
            }
            memcpy(w + 3, &split, sizeof split);
        }
    }
    for (int64_t i = 0; i < leaves; i++) votes[i] = (int32_t)ck_int(c->rng, 0, targets - 1);
    ck_attr_int(c, "n_targets", targets);
    ck_attr_int(c, "aggregate", leq ? WHET_TREE_SUM : ck_int(c->rng, 0, 3));
    ck_attr_int(c, "dtype", WHET_DTYPE_F32);
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 2, (const int64_t[]){rows, features}));
    fixed(c, 2, n * inner, 4, nodes);
    fixed(c, 1, n, 0, roots);
    fixed(c, 1, leaves, 0, votes);
    ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, &leaves));
    c->k = (double)n;
    c->no_edges = c->plain_epilogue = true;
}

static bool build(ck_case *c, int32_t i) {
    trees(c, ck_edge(c->rng, 150), ck_int(c->rng, 1, 9), ck_int(c->rng, 1, 9),
          (int32_t)ck_int(c->rng, 1, 5), ck_int(c->rng, 1, 4), i % 2);
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    if (i >= 2) return false;
    trees(c, i ? 1000 : 1, 30, 100, 8, 1, true);
    return true;
}

// Absolute values of X would take other ways, so: as much as all trees can give.
static void magnitude(const ck_case *c, ck_values *v) {
    double big = 0;
    for (int64_t i = 0; i < c->in[WHET_TREE_WEIGHTS].dims[0]; i++)
        big = fmax(big, fabs(v->in64[WHET_TREE_WEIGHTS][i]));
    for (int64_t i = 0; i < whet_dims_count(c->out[0].dims, 2); i++)
        v->magnitude[0][i] = big * c->k;
}

const ck_family ck_family_tree = {.ops = (const char *const[]){"tree_ensemble", NULL},
                                  .build = build, .bench = bench, .magnitude = magnitude};
