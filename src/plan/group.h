// SPDX-License-Identifier: Apache-2.0
// Grouping: which nodes run as one step. Inside plan/ only.
#ifndef WHET_PLAN_GROUP_H
#define WHET_PLAN_GROUP_H

#include "plan/plan.h"

typedef enum { WHET_GROUP_OP, WHET_GROUP_CHAIN, WHET_GROUP_VIEW } whet_group_kind;

typedef struct whet_group {
    whet_group_kind kind;
    int32_t *nodes, n_nodes, cap_nodes; // root first for OP, in order for CHAIN
    int32_t position;                   // last node
    whet_demand demand;                 // the strictest of its nodes, which agree
    int32_t *in, n_in;                  // values; -1 absent
    int32_t *out, n_out;
    whet_epilogue epi;
    int32_t other;                      // value or -1
    whet_chain *chain;
} whet_group;

typedef struct whet_grouping {
    whet_group *groups; // sorted by position
    int32_t n;
    int32_t *segment_of; // [n_nodes]
    int32_t n_segments;
    int32_t *segment_start; // [n_segments + 1] first node of each
    bool *needed;           // [n_nodes] has to run
} whet_grouping;

// Everything lives in the arena.
whet_status whet_plan_group(const whet_pgraph *g, whet_env *env, const whet_plan_options *o,
                            const whet_vshape *shapes, whet_arena *arena, whet_grouping *out,
                            whet_error *err);
// Whether running the node needs input i computed (not just its shape).
bool whet_plan_reads(const whet_pnode *n, int32_t i);
// Whether some kernel other than the reference accepts this problem in some layout.
bool whet_plan_acceptable(const whet_env *env, const whet_plan_options *o, whet_problem *p);
// Sets layouts and dtypes of the problem's ports for the variant (l, store) of kernel k.
void whet_plan_set_forms(const whet_kernel *k, whet_layout l, whet_store store, whet_problem *p);
// Whether these options let kernel k take a problem stored so.
bool whet_plan_stores(const whet_plan_options *o, const whet_kernel *k, whet_store store);
bool whet_kernel_disabled(const whet_plan_options *o, const whet_kernel *k);

#endif
