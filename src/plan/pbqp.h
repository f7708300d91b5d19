// SPDX-License-Identifier: Apache-2.0
// Partitioned boolean quadratic problem: pick one alternative a node so that the sum of node costs
// and edge costs is least. Reductions R0, R1 and R2 are exact, so chains and residual graphs are
// solved exactly; what is left is reduced greedily (RN). (Scholz and Eckstein, "Register allocation
// for irregular architectures", 2002; Hames and Scholz, 2006.)
#ifndef WHET_PLAN_PBQP_H
#define WHET_PLAN_PBQP_H

#include <stdbool.h>

#include "base/arena.h"

typedef struct whet_pbqp whet_pbqp;

// Everything is in the arena; NULL and false mean out of memory.
whet_pbqp *whet_pbqp_create(whet_arena *arena, int32_t n_nodes);
bool whet_pbqp_node(whet_pbqp *p, int32_t node, int32_t n, const double *costs); // n >= 1
// Adds costs[i * n_v + j] for alternatives i of u and j of v; u != v.
bool whet_pbqp_edge(whet_pbqp *p, int32_t u, int32_t v, const double *costs);
// choice[n_nodes]. Destroys the problem.
bool whet_pbqp_solve(whet_pbqp *p, int32_t *choice);

#endif
