// SPDX-License-Identifier: Apache-2.0
#include "onnx/ml_tree.h"

void *whet_ml_array(whet_import_node *n, int64_t count, size_t size) {
    void *p = count < 0 ? NULL : whet_arena_array(n->imp->arena, (size_t)count + 1, size);
    if (!p) n->failed = !whet_import_nomem(n->imp);
    return p;
}

// ---- checks ----

static bool check_child(whet_import_node *n, const whet_ml_trees *t, int64_t child) {
    if (child < t->n_branches && ~child < t->n_leaves) return true;
    whet_import_fail(n, WHET_E_MODEL, "a tree leads to %s %lld of %lld",
                     child < 0 ? "leaf" : "node",
                     (long long)(child < 0 ? ~child : child),
                     (long long)(child < 0 ? t->n_leaves : t->n_branches));
    return false;
}

static bool check_branch(whet_import_node *n, const whet_ml_trees *t, int64_t i,
                         whet_dim features) {
    const whet_ml_branch *b = &t->branches[i];
    int64_t most = whet_dim_is_const(features) ? features - 1 : WHET_TREE_MAX_FEATURE;
    if (b->feature < 0 || b->feature > most || b->feature > WHET_TREE_MAX_FEATURE) {
        whet_import_fail(n, WHET_E_MODEL, "node %lld looks at feature %lld of %lld", (long long)i,
                         (long long)b->feature, (long long)most + 1);
        return false;
    }
    if (b->mode == WHET_TREE_MEMBER && b->set >= t->n_sets) {
        whet_import_fail(n, WHET_E_MODEL, "there are only %lld sets of members",
                         (long long)t->n_sets);
        return false;
    }
    return check_child(n, t, b->child[0]) && check_child(n, t, b->child[1]);
}

static bool check(whet_import_node *n, const whet_ml_trees *t, whet_dim features) {
    if (t->n_branches > INT32_MAX / 2 || t->n_leaves > INT32_MAX / 2 || t->n_votes > INT32_MAX / 2)
        whet_import_fail(n, WHET_E_LIMIT, "the trees have too many nodes");
    else if (t->n_targets < 1 || t->n_targets > 1 << 24)
        whet_import_fail(n, WHET_E_MODEL, "it has %lld targets", (long long)t->n_targets);
    else if (!t->n_roots)
        whet_import_fail(n, WHET_E_MODEL, "it has no trees");
    for (int64_t i = 0; i < t->n_votes && !n->failed; i++)
        if (t->targets[i] < 0 || t->targets[i] >= t->n_targets)
            whet_import_fail(n, WHET_E_MODEL, "a leaf votes for target %d of %lld", t->targets[i],
                             (long long)t->n_targets);
    for (int64_t i = 0; i < t->n_branches && !n->failed; i++)
        if (!check_branch(n, t, i, features)) return false;
    for (int32_t i = 0; i < t->n_roots && !n->failed; i++) check_child(n, t, t->roots[i]);
    return !n->failed;
}

// ---- laying out ----

typedef struct pending {
    int64_t node;
    int32_t *to; // where its new number goes
} pending;

static void write_node(const whet_ml_trees *t, const whet_ml_branch *b, int32_t *words) {
    float f = (float)b->split;
    words[0] = (int32_t)(b->feature << 4 | (b->missing_true ? 8 : 0) | b->mode);
    if (b->mode == WHET_TREE_MEMBER) words[3] = b->set;
    else if (t->wide_splits) memcpy(words + 3, &b->split, sizeof b->split);
    else memcpy(words + 3, &f, sizeof f);
}

// Depth first, the true side next to its parent: children come behind parents. A node that is
// reached twice, and so every cycle, is refused.
static bool lay_out(whet_import_node *n, const whet_ml_trees *t, int64_t words, int32_t *nodes,
                    int32_t *roots, int64_t *n_nodes) {
    pending *stack = whet_ml_array(n, t->n_branches + t->n_roots, sizeof *stack);
    int64_t top = 0, made = 0;
    for (int32_t i = t->n_roots; stack && i-- > 0;)
        stack[top++] = (pending){t->roots[i], &roots[i]};
    while (stack && top > 0) {
        pending p = stack[--top];
        *p.to = (int32_t)p.node;
        if (p.node < 0) continue;
        whet_ml_branch *b = &t->branches[p.node];
        if (b->reached) {
            whet_import_fail(n, WHET_E_MODEL, "node %lld is reached twice: this is no tree",
                             (long long)p.node);
            return false;
        }
        b->reached = true;
        int32_t *w = nodes + made * words;
        *p.to = (int32_t)made++;
        write_node(t, b, w);
        if (b->child[1] >= 0) stack[top++] = (pending){b->child[1], &w[2]};
        else w[2] = (int32_t)b->child[1];
        if (b->child[0] >= 0) stack[top++] = (pending){b->child[0], &w[1]};
        else w[1] = (int32_t)b->child[0];
    }
    *n_nodes = made;
    if (t->whole && made < t->n_branches)
        whet_import_fail(n, WHET_E_MODEL, "%lld nodes lead in a circle",
                         (long long)(t->n_branches - made));
    return !n->failed;
}

static whet_value *reals(whet_import_node *n, const double *v, int64_t count, bool wide) {
    whet_tensor t = {.dtype = WHET_DTYPE_F64, .rank = 1, .dims = {count},
                     .data = (void *)(uintptr_t)v};
    return wide ? whet_import_helper(n, &t) : whet_ml_f32(n, v, 1, &count);
}

whet_value *whet_ml_trees_emit(whet_import_node *n, const whet_ml_trees *t, whet_value *x) {
    int64_t words = t->wide_splits ? WHET_TREE_WORDS_F64 : WHET_TREE_WORDS_F32, n_nodes = 0;
    if (n->failed || !x || !check(n, t, x->type.dims[1])) return NULL;
    int32_t *nodes = whet_ml_array(n, t->n_branches * words, sizeof *nodes);
    int32_t *roots = whet_ml_array(n, t->n_roots, sizeof *roots);
    if (n->failed || !lay_out(n, t, words, nodes, roots, &n_nodes)) return NULL;
    whet_value *in[WHET_TREE_INPUTS] = {x};
    in[WHET_TREE_NODES] = whet_ml_i32(n, nodes, 2, (const int64_t[]){n_nodes, words});
    in[WHET_TREE_ROOTS] = whet_ml_i32(n, roots, 1, (const int64_t[]){t->n_roots});
    in[WHET_TREE_TARGETS] = whet_ml_i32(n, t->targets, 1, &t->n_votes);
    in[WHET_TREE_WEIGHTS] = reals(n, t->weights, t->n_votes, t->wide_weights);
    if (t->leaf_start)
        in[WHET_TREE_LEAF_START] = whet_ml_i32(n, t->leaf_start, 1,
                                               (const int64_t[]){t->n_leaves + 1});
    if (t->n_sets) {
        in[WHET_TREE_MEMBERS] = reals(n, t->members, t->n_members, t->wide_splits);
        in[WHET_TREE_MEMBER_START] = whet_ml_i32(n, t->member_start, 1,
                                                 (const int64_t[]){t->n_sets + 1});
    }
    return whet_import_emit(
        n, "tree_ensemble",
        WHET_SETS({"aggregate", .number = t->aggregate},
                  {"n_targets", .number = (double)t->n_targets},
                  {"dtype", .number = t->wide_weights ? WHET_DTYPE_F64 : WHET_DTYPE_F32}),
        in, WHET_TREE_INPUTS);
}
