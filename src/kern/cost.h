// SPDX-License-Identifier: Apache-2.0
// Rough predictions for kernels that are bound by memory or by simple vector work. They only order
// candidates; measured times replace them.
#ifndef WHET_KERN_COST_H
#define WHET_KERN_COST_H

#include "kern/kernel.h"

// Seconds to stream the tensors of the problem once, plus `cycles` of one core an output element.
static inline double whet_cost_stream(const whet_problem *p, double cycles) {
    int32_t threads = p->threads > 1 ? p->threads : 1;
    double elements = 1;
    for (int32_t d = 0; d < p->out[0].rank; d++) elements *= (double)p->out[0].dims[d];
    double bytes = whet_problem_bytes(p);
    double fits = p->l2_bytes ? (double)p->l2_bytes : 1e6;
    double rate = bytes < fits ? 4e10 : 1.2e10;
    return 5e-7 + (bytes / rate + elements * cycles / 3e9) / threads;
}

#endif
