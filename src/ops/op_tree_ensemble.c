// SPDX-License-Identifier: Apache-2.0
// tree_ensemble: every tree leads a row to a leaf, whose votes are summed, averaged over the trees,
// or their least or greatest kept, for each target; a target without votes is 0.
#include <inttypes.h>
#include <math.h>

#include "ops/tree.h"

static whet_status infer(whet_infer *ctx) {
    const whet_tree_attrs *a = ctx->attrs;
    static const int8_t ranks[WHET_TREE_INPUTS] = {2, 2, 1, 1, 1, 1, 1, 1};
    for (int32_t i = 0; i < WHET_TREE_INPUTS; i++)
        if (whet_infer_has(ctx, i)) WHET_TRY(whet_infer_rank(ctx, i, ranks[i]));
    whet_dim words = ctx->in[WHET_TREE_NODES]->dims[1];
    if (whet_dim_is_const(words) && words != WHET_TREE_WORDS_F32 && words != WHET_TREE_WORDS_F64)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "a node has %lld words, not 4 or 6", (long long)words);
    WHET_TRY(whet_infer_same(ctx, ctx->in[WHET_TREE_TARGETS]->dims[0],
                             ctx->in[WHET_TREE_WEIGHTS]->dims[0], "targets and weights"));
    whet_infer_shape(ctx, 0, 2, (const whet_dim[]){ctx->in[0]->dims[0], a->n_targets});
    return WHET_OK;
}

typedef struct trees {
    const int32_t *nodes, *roots, *targets, *leaf_start, *member_start;
    int64_t n_nodes, words, n_roots, n_votes, n_leaves, n_sets, n_members, features;
    const double *weights, *members;
} trees;

static whet_status load(whet_eval *e, trees *t) {
    const whet_tensor *nodes = &e->in[WHET_TREE_NODES];
    *t = (trees){.nodes = nodes->data, .n_nodes = nodes->dims[0], .words = nodes->dims[1],
                 .roots = e->in[WHET_TREE_ROOTS].data, .n_roots = e->in[WHET_TREE_ROOTS].dims[0],
                 .targets = e->in[WHET_TREE_TARGETS].data,
                 .n_votes = e->in[WHET_TREE_TARGETS].dims[0], .features = e->in[0].dims[1]};
    if (t->words != WHET_TREE_WORDS_F32 && t->words != WHET_TREE_WORDS_F64)
        WHET_FAIL(e->err, WHET_E_SHAPE, "a node has %" PRId64 " words, not 4 or 6", t->words);
    if (e->in[WHET_TREE_WEIGHTS].dims[0] != t->n_votes)
        WHET_FAIL(e->err, WHET_E_SHAPE, "targets and weights do not fit each other");
    t->n_leaves = t->n_votes;
    if (!(t->weights = whet_eval_f64(e, WHET_TREE_WEIGHTS))) return WHET_E_NOMEM;
    if (whet_eval_has(e, WHET_TREE_LEAF_START)) {
        t->leaf_start = e->in[WHET_TREE_LEAF_START].data;
        t->n_leaves = e->in[WHET_TREE_LEAF_START].dims[0] - 1;
    }
    if (whet_eval_has(e, WHET_TREE_MEMBERS) && whet_eval_has(e, WHET_TREE_MEMBER_START)) {
        if (!(t->members = whet_eval_f64(e, WHET_TREE_MEMBERS))) return WHET_E_NOMEM;
        t->n_members = e->in[WHET_TREE_MEMBERS].dims[0];
        t->member_start = e->in[WHET_TREE_MEMBER_START].data;
        t->n_sets = e->in[WHET_TREE_MEMBER_START].dims[0] - 1;
    }
    return WHET_OK;
}

static whet_status is_member(whet_eval *e, const trees *t, int32_t set, double x, bool *yes) {
    *yes = false;
    if (set < 0 || set >= t->n_sets)
        WHET_FAIL(e->err, WHET_E_RANGE, "set of members %d is outside %" PRId64, set, t->n_sets);
    int32_t begin = t->member_start[set], end = t->member_start[set + 1];
    if (begin < 0 || end > t->n_members)
        WHET_FAIL(e->err, WHET_E_RANGE, "set of members %d is outside its table", set);
    for (int32_t i = begin; i < end; i++) *yes |= t->members[i] == x;
    return WHET_OK;
}

static double split_of(const trees *t, const int32_t *node) {
    float f;
    double d;
    memcpy(&f, node + 3, sizeof f);
    if (t->words == WHET_TREE_WORDS_F32) return (double)f;
    memcpy(&d, node + 3, sizeof d);
    return d;
}

// The next node or leaf of row x.
static whet_status branch(whet_eval *e, const trees *t, const int32_t *node, int64_t row,
                          int32_t *next) {
    int32_t feature = node[0] >> 4, mode = node[0] & 7;
    bool yes;
    if (feature < 0 || feature >= t->features)
        WHET_FAIL(e->err, WHET_E_SHAPE, "feature %d is outside rows of %" PRId64, feature,
                  t->features);
    double x = whet_load_f64(e->in[0].data, e->in[0].dtype, row * t->features + feature);
    if (mode == WHET_TREE_MEMBER) WHET_TRY(is_member(e, t, node[3], x, &yes));
    else yes = whet_tree_compare(mode, x, split_of(t, node));
    *next = yes || (node[0] & 8 && isnan(x)) ? node[1] : node[2];
    return WHET_OK;
}

static whet_status vote(whet_eval *e, const trees *t, int64_t leaf, double *score, bool *voted) {
    const whet_tree_attrs *a = e->attrs;
    int64_t begin = leaf, end = leaf + 1;
    if (leaf >= t->n_leaves)
        WHET_FAIL(e->err, WHET_E_RANGE, "leaf %" PRId64 " is outside %" PRId64, leaf, t->n_leaves);
    if (t->leaf_start) begin = t->leaf_start[leaf], end = t->leaf_start[leaf + 1];
    if (begin < 0 || end > t->n_votes)
        WHET_FAIL(e->err, WHET_E_RANGE, "the votes of leaf %" PRId64 " are outside", leaf);
    for (int64_t i = begin; i < end; i++) {
        int32_t target = t->targets[i];
        if (target < 0 || target >= a->n_targets)
            WHET_FAIL(e->err, WHET_E_RANGE, "target %d is outside %" PRId64, target, a->n_targets);
        double *s = &score[target], w = t->weights[i];
        bool less = a->aggregate == WHET_TREE_MIN, more = a->aggregate == WHET_TREE_MAX;
        if (!less && !more) *s += w;
        else if (!voted[target] || (less ? w < *s : w > *s)) *s = w;
        voted[target] = true;
    }
    return WHET_OK;
}

static whet_status walk(whet_eval *e, const trees *t, int32_t root, int64_t row, double *score,
                        bool *voted) {
    int32_t at = root, before = -1;
    while (at >= 0) {
        if (at >= t->n_nodes || at <= before)
            WHET_FAIL(e->err, WHET_E_RANGE, "a tree leads to node %d from node %d", at, before);
        before = at;
        WHET_TRY(branch(e, t, t->nodes + at * t->words, row, &at));
    }
    return vote(e, t, ~(int64_t)at, score, voted);
}

static whet_status eval(whet_eval *e) {
    const whet_tree_attrs *a = e->attrs;
    const whet_tensor *y = &e->out[0];
    trees t;
    WHET_TRY(load(e, &t));
    double *score = whet_eval_scratch_f64(e, a->n_targets);
    bool *voted = WHET_NEW_ARRAY(e->scratch, bool, a->n_targets);
    if (!score || !voted) return WHET_NOMEM(e->err);
    for (int64_t row = 0; row < e->in[0].dims[0]; row++) {
        for (int64_t k = 0; k < a->n_targets; k++) score[k] = 0, voted[k] = false;
        for (int64_t i = 0; i < t.n_roots; i++)
            WHET_TRY(walk(e, &t, t.roots[i], row, score, voted));
        for (int64_t k = 0; k < a->n_targets; k++) {
            if (a->aggregate == WHET_TREE_AVERAGE && t.n_roots) score[k] /= (double)t.n_roots;
            whet_store_f64(y->data, y->dtype, row * a->n_targets + k, score[k]);
        }
    }
    return WHET_OK;
}

// A walk of about ten steps for each row and tree.
static double flops(const void *attrs, const whet_tensor *in, int32_t n_in, const whet_tensor *out,
                    int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 40.0 * (double)in[0].dims[0] * (double)in[WHET_TREE_ROOTS].dims[0];
}

#define F (WHET_DTYPE_BIT(WHET_DTYPE_F32) | WHET_DTYPE_BIT(WHET_DTYPE_F64))
#define I WHET_DTYPE_BIT(WHET_DTYPE_I32)
static const whet_arg in[] = {
    {"X", F, 0},
    {"nodes", I, 0},
    {"roots", I, 0},
    {"targets", I, 0},
    {"weights", F, 0},
    {"leaf_start", I, 0, WHET_ARG_OPTIONAL},
    {"members", F, 0, WHET_ARG_OPTIONAL},
    {"member_start", I, 0, WHET_ARG_OPTIONAL},
};
static const whet_arg out[] = {{"Y", F, 0}};
static const whet_attr attrs[] = {
    {"aggregate", WHET_ATTR_INT, offsetof(whet_tree_attrs, aggregate), .def = WHET_TREE_SUM,
     .min = 0, .max = 3},
    {"n_targets", WHET_ATTR_INT, offsetof(whet_tree_attrs, n_targets), .def = 1, .min = 1,
     .max = 1 << 24},
    {"dtype", WHET_ATTR_DTYPE, offsetof(whet_tree_attrs, dtype), .def = WHET_DTYPE_F32},
};
const whet_op whet_op_tree_ensemble = {
    .name = "tree_ensemble", .in = in, .n_in = WHET_COUNT(in), .out = out, .n_out = 1,
    .attrs = attrs, .n_attrs = WHET_COUNT(attrs), .attrs_size = sizeof(whet_tree_attrs),
    .infer = infer, .eval = eval, .flops = flops};
