// SPDX-License-Identifier: Apache-2.0
// Ways to run one group: a kernel, a form of every port, parameters, a price. Inside plan/ only.
#ifndef WHET_PLAN_CANDIDATES_H
#define WHET_PLAN_CANDIDATES_H

#include "plan/group.h"

typedef struct whet_candidate {
    const whet_kernel *kernel;
    int32_t params[WHET_MAX_PARAMS];
    whet_form *in, *out; // [n_in], [n_out] of the group; the epilogue operand has out[0]'s
    int32_t backend;
    double cost;           // model's, then priced
    double growth;         // bytes by which packing makes its constants larger
    double price;          // what the solve weighs: cost, and what the growth counts for
} whet_candidate;

typedef struct whet_candidates {
    whet_candidate *v; // one a distinct set of forms and backend; at least one
    int32_t n;
} whet_candidates;

whet_status whet_plan_candidates(const whet_pgraph *g, whet_env *env, const whet_plan_options *o,
                                 const whet_group *group, const whet_vshape *shapes,
                                 whet_arena *arena, whet_candidates *out, whet_error *err);
// The best kernel for a conversion and its price.
whet_status whet_plan_reorder(whet_env *env, const whet_plan_options *o, const whet_vshape *shape,
                              whet_form from, whet_form to, whet_arena *arena,
                              whet_candidate *out, whet_error *err);
int32_t whet_kernel_backend(const whet_env *env, const whet_kernel *k);

#endif
