// SPDX-License-Identifier: Apache-2.0
// How tree_ensemble keeps its trees: one table of nodes for all trees, children behind their
// parents, so that every walk ends whatever the table holds. Import makes it (onnx/ml_tree.c); the
// reference and the kernel walk it and check every index that they follow.
#ifndef WHET_OPS_TREE_H
#define WHET_OPS_TREE_H

#include <string.h>

#include "ops/op.h"

// Comparisons of x (the row's feature) with the node's split: the numbers of ONNX's nodes_modes.
enum {
    WHET_TREE_LEQ,
    WHET_TREE_LT,
    WHET_TREE_GTE,
    WHET_TREE_GT,
    WHET_TREE_EQ,
    WHET_TREE_NEQ,
    WHET_TREE_MEMBER, // the split is the number of a set of members
    WHET_TREE_MODES,
};
enum { WHET_TREE_AVERAGE, WHET_TREE_SUM, WHET_TREE_MIN, WHET_TREE_MAX };

// A node is int32s: feature << 4 | missing goes to true << 3 | mode, child if true, child if false,
// then the split: bits of a float, or of a double in two words (low first) and one of padding.
// A child >= 0 is a node, ~k is leaf k. A root is a child too.
#define WHET_TREE_WORDS_F32 4
#define WHET_TREE_WORDS_F64 6
#define WHET_TREE_MAX_FEATURE ((1 << 27) - 1)

// Inputs of tree_ensemble. Leaf k votes with rows leaf_start[k] to leaf_start[k + 1] of targets and
// weights, row k where leaf_start is absent; set k has members member_start[k] to
// member_start[k + 1].
enum {
    WHET_TREE_X,          // [n, features] f32 or f64
    WHET_TREE_NODES,      // i32 [nodes, 4 or 6]
    WHET_TREE_ROOTS,      // i32 [trees]
    WHET_TREE_TARGETS,    // i32 [votes]
    WHET_TREE_WEIGHTS,    // f32 or f64 [votes]
    WHET_TREE_LEAF_START, // i32 [leaves + 1], optional
    WHET_TREE_MEMBERS,    // f32 or f64 [members], optional
    WHET_TREE_MEMBER_START,
    WHET_TREE_INPUTS,
};

typedef struct whet_tree_attrs {
    int64_t aggregate, n_targets;
    int32_t dtype; // of the result
} whet_tree_attrs;

// Whether a comparison holds that is none of members.
static inline bool whet_tree_compare(int32_t mode, double x, double split) {
    switch (mode) {
    case WHET_TREE_LEQ: return x <= split;
    case WHET_TREE_LT: return x < split;
    case WHET_TREE_GTE: return x >= split;
    case WHET_TREE_GT: return x > split;
    case WHET_TREE_EQ: return x == split;
    default: return x != split;
    }
}

#endif
