// SPDX-License-Identifier: Apache-2.0
// Trees as a model gives them, any order and any links, and the check that makes a tree_ensemble of
// them: ops/tree.h says how that keeps them.
#ifndef WHET_ONNX_ML_TREE_H
#define WHET_ONNX_ML_TREE_H

#include "onnx/ml.h"
#include "ops/tree.h"

typedef struct whet_ml_branch {
    int64_t feature;
    int64_t child[2]; // if true, if false: a node, or ~leaf
    double split;
    int32_t mode, set; // WHET_TREE_..., number of the set of members
    bool missing_true, reached;
} whet_ml_branch;

typedef struct whet_ml_trees {
    whet_ml_branch *branches;
    int64_t n_branches, n_leaves, n_votes, n_targets;
    int64_t *roots;   // like children
    int32_t n_roots;
    // leaf k votes with rows leaf_start[k] to leaf_start[k + 1]; NULL: with row k
    int32_t *leaf_start, *targets;
    double *weights;
    const double *members;
    int32_t *member_start;
    int64_t n_members, n_sets;
    bool wide_splits, wide_weights;
    int32_t aggregate;
    bool whole; // every branch belongs to a tree
} whet_ml_trees;

// Checks links, features and targets and emits the node; its result is f64 where weights are wide.
whet_value *whet_ml_trees_emit(whet_import_node *n, const whet_ml_trees *t, whet_value *x);
// Zeroed memory of the import; NULL and the node failed when there is none.
void *whet_ml_array(whet_import_node *n, int64_t count, size_t size);

#endif
