// SPDX-License-Identifier: Apache-2.0
// Reductions: the input as nested loops of which some are reduced; neighbours of a kind are merged,
// so that kinds alternate.
#ifndef WHET_KERN_REDUCE_H
#define WHET_KERN_REDUCE_H

#include "kern/kernel.h"

#define REDUCE_UNIT 16 // outputs a task

typedef struct reduce_loops {
    int32_t kept, reduced;                                          // numbers of loops
    int64_t kept_size[WHET_MAX_RANK], kept_step[WHET_MAX_RANK];     // outer to inner
    int64_t reduced_size[WHET_MAX_RANK], reduced_step[WHET_MAX_RANK];
    int64_t outputs, each;                                          // products of the sizes
} reduce_loops;

bool whet_reduce_accepts(const whet_problem *p);
// Over spatial dimensions alone, all of them; the only form in blocked layouts.
bool whet_reduce_spatial(const whet_problem *p);
// Reads and checks the axes of this call.
whet_status whet_reduce_loops(const whet_call *c, reduce_loops *r);
int64_t whet_reduce_tasks(const whet_problem *p, const int32_t *params, int32_t phase);

// The next position of a loop nest; false behind the last. pos starts as zeros.
static inline bool whet_reduce_next(int32_t n, const int64_t *size, const int64_t *step,
                                    int64_t *pos, int64_t *offset) {
    for (int32_t d = n - 1; d >= 0; d--) {
        *offset += step[d];
        if (++pos[d] < size[d]) return true;
        *offset -= size[d] * step[d];
        pos[d] = 0;
    }
    return false;
}

#endif
