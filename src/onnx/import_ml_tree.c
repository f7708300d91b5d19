// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: TreeEnsembleRegressor and TreeEnsembleClassifier (nodes named by tree and number) and
// TreeEnsemble (nodes and leaves by position), all of which become a tree_ensemble.
#include <math.h>
#include <stdlib.h>

#include "onnx/ml_tree.h"

// ---- nodes named by tree and number ----

typedef struct node_name {
    int64_t tree, node, at; // at: position in the arrays
} node_name;

typedef struct named_nodes {
    node_name *names; // sorted
    int64_t *place;   // of each position: a branch, or ~leaf
    int64_t n;
} named_nodes;

static int compare_names(const void *a, const void *b) {
    const node_name *x = a, *y = b;
    if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

static const node_name *find_node(const named_nodes *s, int64_t tree, int64_t node) {
    node_name key = {tree, node, 0};
    return bsearch(&key, s->names, (size_t)s->n, sizeof key, compare_names);
}

// An attribute of integers with exactly `count` elements (negative: any number).
static whet_ints counted(whet_import_node *n, const char *name, int64_t count) {
    whet_ints v;
    whet_import_ints(n, name, &v);
    if (count >= 0 && v.n != count)
        whet_import_fail(n, WHET_E_MODEL, "%s has %d elements, not %lld", name, v.n,
                         (long long)count);
    return v;
}

static int32_t mode_of(whet_import_node *n, whet_span s) {
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
    for (int32_t i = 0; i < WHET_COUNT(modes); i++)
        if (s.size == strlen(modes[i]) && !memcmp(s.data, modes[i], s.size)) return i;
    whet_import_fail(n, WHET_E_MODEL, "a node has the unknown mode %.*s",
                     s.size < 40 ? (int)s.size : 40, (const char *)s.data);
    return 0;
}

static bool name_nodes(whet_import_node *n, named_nodes *s, whet_ints trees, whet_ints ids) {
    bool sorted = true;
    s->n = trees.n;
    s->names = whet_ml_array(n, s->n, sizeof *s->names);
    s->place = whet_ml_array(n, s->n, sizeof *s->place);
    if (n->failed) return false;
    for (int64_t i = 0; i < s->n; i++) {
        s->names[i] = (node_name){trees.v[i], ids.v[i], i};
        sorted = sorted && (!i || compare_names(&s->names[i - 1], &s->names[i]) < 0);
    }
    if (!sorted) qsort(s->names, (size_t)s->n, sizeof *s->names, compare_names);
    for (int64_t i = 1; i < s->n; i++)
        if (!compare_names(&s->names[i - 1], &s->names[i])) {
            whet_import_fail(n, WHET_E_MODEL, "tree %lld has node %lld twice",
                             (long long)s->names[i].tree, (long long)s->names[i].node);
            return false;
        }
    return true;
}

// Positions become branches and leaves, and the children of branches are looked up.
static void read_branches(whet_import_node *n, whet_ml_trees *t, named_nodes *s, whet_ints trees) {
    const whet_onnx_attr *modes = whet_import_attr_of(n, "nodes_modes", WHET_ONNX_STRINGS);
    whet_ml_numbers splits = whet_ml_floats(n, "nodes_values", true);
    whet_ints features = counted(n, "nodes_featureids", s->n);
    whet_ints children[2] = {counted(n, "nodes_truenodeids", s->n),
                             counted(n, "nodes_falsenodeids", s->n)};
    whet_ints missing = counted(n, "nodes_missing_value_tracks_true", -1);
    if (!n->failed && (!modes || modes->n_strings != s->n || splits.n != s->n ||
                       (missing.n && missing.n != s->n)))
        whet_import_fail(n, WHET_E_MODEL, "attributes nodes_* have different lengths");
    t->branches = whet_ml_array(n, s->n, sizeof *t->branches);
    t->wide_splits = splits.wide;
    for (int64_t i = 0; i < s->n && !n->failed; i++) {
        int32_t mode = mode_of(n, modes->strings[i]);
        if (mode == WHET_TREE_MEMBER)
            whet_import_fail(n, WHET_E_MODEL, "BRANCH_MEMBER has no members here");
        s->place[i] = mode == WHET_TREE_MODES ? ~t->n_leaves++ : t->n_branches;
        if (s->place[i] < 0) continue;
        t->branches[t->n_branches++] =
            (whet_ml_branch){.feature = features.v[i], .split = splits.v[i], .mode = mode,
                             .missing_true = missing.n && missing.v[i]};
    }
    for (int64_t i = 0; i < s->n && !n->failed; i++)
        for (int32_t k = 0; k < 2 && s->place[i] >= 0; k++) {
            const node_name *to = find_node(s, trees.v[i], children[k].v[i]);
            if (!to) {
                whet_import_fail(n, WHET_E_MODEL, "tree %lld has no node %lld",
                                 (long long)trees.v[i], (long long)children[k].v[i]);
                return;
            }
            t->branches[s->place[i]].child[k] = s->place[to->at];
        }
}

// The root of a tree is the one node that no other leads to.
static void find_roots(whet_import_node *n, whet_ml_trees *t, const named_nodes *s) {
    bool *branch_led = whet_ml_array(n, t->n_branches, sizeof *branch_led);
    bool *leaf_led = whet_ml_array(n, t->n_leaves, sizeof *leaf_led);
    t->roots = whet_ml_array(n, s->n, sizeof *t->roots);
    if (n->failed) return;
    for (int64_t i = 0; i < t->n_branches; i++)
        for (int32_t k = 0; k < 2; k++) {
            int64_t c = t->branches[i].child[k];
            if (c < 0) leaf_led[~c] = true;
            else branch_led[c] = true;
        }
    for (int64_t i = 0, begin = 0; i < s->n && !n->failed; i++) {
        if (!i || s->names[i].tree != s->names[i - 1].tree) begin = t->n_roots;
        int64_t p = s->place[s->names[i].at];
        if (!(p < 0 ? leaf_led[~p] : branch_led[p])) t->roots[t->n_roots++] = p;
        bool last = i + 1 == s->n || s->names[i + 1].tree != s->names[i].tree;
        if (last && t->n_roots != begin + 1)
            whet_import_fail(n, WHET_E_MODEL, "tree %lld has %lld roots",
                             (long long)s->names[i].tree, (long long)(t->n_roots - begin));
    }
}

// What a vote needs: names of its attributes.
typedef struct vote_names {
    const char *trees, *nodes, *ids, *weights;
} vote_names;

// Votes at a branch count for nothing. `leaf` gets the leaf of each vote, or -1.
static void sort_votes(whet_import_node *n, whet_ml_trees *t, const int64_t *leaf, whet_ints ids,
                       whet_ml_numbers weights) {
    t->leaf_start = whet_ml_array(n, t->n_leaves + 1, sizeof *t->leaf_start);
    t->targets = whet_ml_array(n, ids.n, sizeof *t->targets);
    t->weights = whet_ml_array(n, ids.n, sizeof *t->weights);
    int32_t *next = whet_ml_array(n, t->n_leaves, sizeof *next);
    if (n->failed) return;
    for (int32_t i = 0; i < ids.n; i++)
        if (leaf[i] >= 0) t->leaf_start[leaf[i] + 1]++;
    for (int64_t k = 0; k < t->n_leaves; k++) {
        next[k] = t->leaf_start[k];
        t->leaf_start[k + 1] += t->leaf_start[k];
    }
    t->n_votes = t->leaf_start[t->n_leaves];
    bool simple = t->n_votes == t->n_leaves;
    for (int32_t i = 0; i < ids.n; i++) {
        if (leaf[i] < 0) continue;
        int32_t at = next[leaf[i]]++;
        t->targets[at] = ids.v[i] < 0 || ids.v[i] > INT32_MAX ? -1 : (int32_t)ids.v[i];
        t->weights[at] = weights.v[i];
    }
    for (int64_t k = 0; k < t->n_leaves; k++) simple = simple && t->leaf_start[k] == k;
    if (simple) t->leaf_start = NULL;
}

static void read_votes(whet_import_node *n, whet_ml_trees *t, const named_nodes *s,
                       const vote_names *v) {
    whet_ints ids = counted(n, v->ids, -1), trees = counted(n, v->trees, ids.n);
    whet_ints nodes = counted(n, v->nodes, ids.n);
    whet_ml_numbers weights = whet_ml_floats(n, v->weights, true);
    int64_t *leaf = whet_ml_array(n, ids.n, sizeof *leaf);
    if (!n->failed && weights.n != ids.n)
        whet_import_fail(n, WHET_E_MODEL, "%s has %lld elements, not %d", v->weights,
                         (long long)weights.n, ids.n);
    for (int32_t i = 0; i < ids.n && !n->failed; i++) {
        const node_name *at = find_node(s, trees.v[i], nodes.v[i]);
        if (!at)
            whet_import_fail(n, WHET_E_MODEL, "tree %lld has no node %lld that could vote",
                             (long long)trees.v[i], (long long)nodes.v[i]);
        else
            leaf[i] = s->place[at->at] < 0 ? ~s->place[at->at] : -1;
    }
    t->wide_weights = weights.wide;
    if (!n->failed) sort_votes(n, t, leaf, ids, weights);
}

static void read_named(whet_import_node *n, whet_ml_trees *t, const vote_names *v) {
    whet_ints trees = counted(n, "nodes_treeids", -1), ids = counted(n, "nodes_nodeids", trees.n);
    named_nodes s = {0};
    t->whole = true;
    whet_import_ignore(n, "nodes_hitrates");
    whet_import_ignore(n, "nodes_hitrates_as_tensor");
    if (n->failed || !name_nodes(n, &s, trees, ids)) return;
    read_branches(n, t, &s, trees);
    if (!n->failed) find_roots(n, t, &s);
    if (!n->failed) read_votes(n, t, &s, v);
}

// ---- results ----

// f32 stays, everything else is compared in double.
static whet_value *tree_rows(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    whet_dtype dtype = x ? x->type.dtype : WHET_DTYPE_F32;
    bool single = dtype == WHET_DTYPE_F32 || dtype == WHET_DTYPE_F16;
    return whet_ml_rows(n, single ? WHET_DTYPE_F32 : WHET_DTYPE_F64);
}

static whet_value *add_base(whet_import_node *n, whet_value *scores, whet_ml_numbers base) {
    whet_tensor t = {.dtype = WHET_DTYPE_F64, .rank = 1, .dims = {base.n},
                     .data = (void *)(uintptr_t)base.v};
    if (!base.n || !scores) return scores;
    whet_value *b = scores->type.dtype == WHET_DTYPE_F64 ? whet_import_helper(n, &t)
                                                         : whet_ml_f32(n, base.v, 1, &base.n);
    return whet_import_emit(n, "add", NULL, WHET_VALUES(scores, b));
}

void whet_import_tree_regressor(whet_import_node *n) {
    static const vote_names votes = {"target_treeids", "target_nodeids", "target_ids",
                                     "target_weights"};
    static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX", NULL};
    whet_ml_trees t = {0};
    int32_t transform = whet_ml_post_transform(n);
    whet_ml_numbers base = whet_ml_floats(n, "base_values", true);
    t.n_targets = whet_import_int(n, "n_targets", 1);
    t.aggregate = whet_ml_choice(n, "aggregate_function", "SUM", aggregates);
    read_named(n, &t, &votes);
    if (!n->failed && base.n && base.n != t.n_targets)
        whet_import_fail(n, WHET_E_MODEL, "%lld base values are not for %lld targets",
                         (long long)base.n, (long long)t.n_targets);
    whet_value *y = add_base(n, whet_ml_trees_emit(n, &t, tree_rows(n)), base);
    whet_import_result(n, 0, whet_ml_transform(n, whet_ml_cast(n, y, WHET_DTYPE_F32), transform));
}

// Whether all votes are for one class, moved to column 0 then.
static bool single_column(whet_ml_trees *t, int32_t *class) {
    *class = t->n_votes ? t->targets[0] : 0;
    if (*class < 0 || *class > 1) return false;
    for (int64_t i = 0; i < t->n_votes; i++)
        if (t->targets[i] != *class) return false;
    for (int64_t i = 0; i < t->n_votes; i++) t->targets[i] = 0;
    t->n_targets = 1;
    return true;
}

// Two classes and one score, as converters write them: where no weight is negative it is the
// probability of the second class, else above 0 for it. onnxruntime gives the scores as (1 - s, s)
// or (-s, s) for votes at class 0 and as (0, s) for votes at class 1.
static void two_classes(whet_import_node *n, const whet_ml_trees *t, whet_ml_labels labels,
                        whet_value *s, int32_t class, int32_t transform) {
    bool positive = true;
    for (int64_t i = 0; i < t->n_votes; i++) positive = positive && t->weights[i] >= 0;
    whet_ml_label_result(n, labels, whet_ml_above(n, s, positive ? 0.5 : 0));
    if (!class) {
        whet_import_result(n, 1, whet_ml_two(n, s, positive, transform));
        return;
    }
    whet_value *none = whet_ml_with(n, "mul", s, 0);
    whet_value *both = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 1}),
                                        WHET_VALUES(none, s));
    whet_import_result(n, 1, whet_ml_transform(n, both, transform));
}

void whet_import_tree_classifier(whet_import_node *n) {
    static const vote_names votes = {"class_treeids", "class_nodeids", "class_ids",
                                     "class_weights"};
    whet_ml_trees t = {.aggregate = WHET_TREE_SUM};
    int32_t transform = whet_ml_post_transform(n), class = 0;
    whet_ml_labels labels = whet_ml_labels_of(n, "classlabels_int64s", "classlabels_strings");
    whet_ml_numbers base = whet_ml_floats(n, "base_values", true);
    t.n_targets = labels.n;
    read_named(n, &t, &votes);
    if (n->failed) return;
    bool two = labels.n == 2 && base.n < 2 && single_column(&t, &class);
    if (base.n && base.n != t.n_targets)
        whet_import_fail(n, WHET_E_MODEL, "%lld base values are not for %lld classes",
                         (long long)base.n, (long long)labels.n);
    whet_value *y = add_base(n, whet_ml_trees_emit(n, &t, tree_rows(n)), base);
    y = whet_ml_cast(n, y, WHET_DTYPE_F32);
    if (n->failed) return;
    if (two) {
        two_classes(n, &t, labels, y, class, transform);
        return;
    }
    whet_ml_label_result(n, labels, whet_ml_best(n, y));
    whet_import_result(n, 1, whet_ml_transform(n, y, transform));
}

// ---- nodes and leaves by position ----

static whet_ml_numbers tensor_numbers(whet_import_node *n, const char *name, whet_dtype *dtype) {
    whet_tensor t;
    *dtype = WHET_DTYPE_NONE;
    if (!whet_ml_tensor(n, name, &t)) return (whet_ml_numbers){0};
    int64_t count = whet_dims_count(t.dims, t.rank);
    double *v = whet_ml_array(n, count, sizeof *v);
    if (!v || t.dtype == WHET_DTYPE_STRING) return (whet_ml_numbers){0};
    whet_load_f64_array(v, t.data, t.dtype, count);
    *dtype = t.dtype;
    return (whet_ml_numbers){v, count, t.dtype == WHET_DTYPE_F64};
}

// Sets end with a NaN each (the last may lack it), which equals nothing and stays in.
static void read_members(whet_import_node *n, whet_ml_trees *t) {
    whet_dtype dtype;
    whet_ml_numbers m = tensor_numbers(n, "membership_values", &dtype);
    if (!m.n || n->failed) return;
    t->members = m.v;
    t->n_members = m.n;
    t->member_start = whet_ml_array(n, m.n + 1, sizeof *t->member_start);
    for (int64_t i = 0; i < m.n && !n->failed && m.n < INT32_MAX; i++)
        if (isnan(m.v[i]) || i + 1 == m.n) t->member_start[++t->n_sets] = (int32_t)i + 1;
}

static void read_positions(whet_import_node *n, whet_ml_trees *t, whet_ml_numbers splits) {
    whet_dtype dtype;
    whet_ml_numbers modes = tensor_numbers(n, "nodes_modes", &dtype);
    int64_t count = t->n_branches = splits.n;
    whet_ints features = counted(n, "nodes_featureids", count);
    whet_ints to[2] = {counted(n, "nodes_truenodeids", count),
                       counted(n, "nodes_falsenodeids", count)};
    whet_ints is_leaf[2] = {counted(n, "nodes_trueleafs", count),
                            counted(n, "nodes_falseleafs", count)};
    whet_ints missing = counted(n, "nodes_missing_value_tracks_true", -1);
    if (!n->failed && (modes.n != count || (missing.n && missing.n != count)))
        whet_import_fail(n, WHET_E_MODEL, "attributes nodes_* have different lengths");
    t->branches = whet_ml_array(n, count, sizeof *t->branches);
    for (int64_t i = 0, set = 0; i < count && !n->failed; i++) {
        whet_ml_branch *b = &t->branches[i];
        *b = (whet_ml_branch){.feature = features.v[i], .split = splits.v[i],
                              .missing_true = missing.n && missing.v[i]};
        if (!(modes.v[i] >= 0 && modes.v[i] < WHET_TREE_MODES))
            whet_import_fail(n, WHET_E_MODEL, "a node has the unknown mode %g", modes.v[i]);
        else if ((b->mode = (int32_t)modes.v[i]) == WHET_TREE_MEMBER)
            b->set = (int32_t)(set++ & INT32_MAX);
        for (int32_t k = 0; k < 2; k++) {
            if (to[k].v[i] < 0)
                whet_import_fail(n, WHET_E_MODEL, "a tree leads to node %lld",
                                 (long long)to[k].v[i]);
            b->child[k] = is_leaf[k].v[i] ? ~to[k].v[i] : to[k].v[i];
        }
    }
}

static void read_leaves(whet_import_node *n, whet_ml_trees *t, whet_dtype *dtype) {
    whet_ml_numbers weights = tensor_numbers(n, "leaf_weights", dtype);
    whet_ints ids = counted(n, "leaf_targetids", weights.n);
    int64_t most = 0;
    t->n_leaves = t->n_votes = weights.n;
    t->weights = (double *)(uintptr_t)weights.v;
    t->wide_weights = weights.wide;
    t->targets = whet_ml_array(n, ids.n, sizeof *t->targets);
    for (int32_t i = 0; i < ids.n && !n->failed; i++) {
        t->targets[i] = ids.v[i] < 0 || ids.v[i] > INT32_MAX ? -1 : (int32_t)ids.v[i];
        if (ids.v[i] > most) most = ids.v[i];
    }
    t->n_targets = whet_import_int(n, "n_targets", most < INT32_MAX ? most + 1 : most);
}

void whet_import_tree_ensemble(whet_import_node *n) {
    whet_ml_trees t = {0};
    whet_dtype dtype, ignored;
    int64_t transform = whet_import_int(n, "post_transform", 0);
    t.aggregate = (int32_t)whet_import_int(n, "aggregate_function", 1);
    if (transform < 0 || transform > WHET_ML_PROBIT || t.aggregate < 0 || t.aggregate > 3)
        whet_import_fail(n, WHET_E_MODEL, "aggregate_function or post_transform is out of range");
    whet_ml_numbers splits = tensor_numbers(n, "nodes_splits", &ignored);
    whet_ints roots = counted(n, "tree_roots", -1);
    whet_import_ignore(n, "nodes_hitrates");
    t.wide_splits = splits.wide;
    read_members(n, &t);
    read_positions(n, &t, splits);
    read_leaves(n, &t, &dtype);
    t.roots = whet_ml_array(n, roots.n, sizeof *t.roots);
    for (int32_t i = 0; i < roots.n && !n->failed; i++) {
        t.roots[t.n_roots++] = roots.v[i];
        if (roots.v[i] < 0)
            whet_import_fail(n, WHET_E_MODEL, "a root is node %lld", (long long)roots.v[i]);
    }
    whet_value *y = whet_ml_trees_emit(n, &t, tree_rows(n));
    y = whet_ml_transform(n, y, (int32_t)transform);
    whet_import_result(n, 0, whet_ml_cast(n, y, dtype));
}
