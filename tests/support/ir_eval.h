// SPDX-License-Identifier: Apache-2.0
// Evaluates graphs node by node with the operators' C references.
#ifndef WHET_TESTS_IR_EVAL_H
#define WHET_TESTS_IR_EVAL_H

#include "ir/graph.h"

// in: [g->n_inputs]; out: [g->n_outputs], contents in the arena.
whet_status ir_eval(const whet_graph *g, const whet_tensor *in, whet_tensor *out,
                    whet_arena *arena, whet_error *err);

// Contents for every input of g: multiples of 1/64 in [-2, 2) for floats, 0 to 3 for integers.
// Named dimensions become 2 to 4, by name.
whet_tensor *ir_eval_inputs(const whet_graph *g, uint64_t seed, whet_arena *arena);

// Whether b is a within `tolerance` relative to the larger of 1 and the element; NaN equals NaN.
// Says what differs on standard error.
bool ir_eval_same(const char *name, const whet_tensor *a, const whet_tensor *b, double tolerance);

#endif
