// SPDX-License-Identifier: Apache-2.0
// How a pointwise chain walks memory, worked out once a signature and shared by all instruction
// sets. The output is seen as nested loops; dimensions that every tensor walks alike are merged. A
// tile is `chunk` steps of loop `split` with all loops inside it, at most CHAIN_TILE elements: it
// is computed one instruction at a time, results staying in the L1 cache.
#ifndef WHET_KERN_CHAIN_PLAN_H
#define WHET_KERN_CHAIN_PLAN_H

#include "kern/kernel.h"

#define CHAIN_TILE 1024 // floats
#define CHAIN_PITCH (CHAIN_TILE + 32) // between tiles in scratch: not a power of two apart
#define CHAIN_GRAIN 16 // tiles are computed in whole grains; operands step by one or stay
#define CHAIN_LOOPS (WHET_MAX_RANK + 1)

typedef enum chain_kind {
    CHAIN_FULL,    // contiguous over a tile
    CHAIN_REPEAT,  // the same grain all over a tile: a scalar, or the lanes of a channel block
    CHAIN_GATHER,  // anything else, copied out element by element
} chain_kind;

typedef struct chain_input {
    chain_kind kind;
    bool ragged; // plain, in a blocked problem, channels no multiple of the block
    int64_t stride[CHAIN_LOOPS];
} chain_input;

typedef struct chain_plan {
    int32_t n, split;
    int32_t channel_loop; // that counts channel blocks; -1 when nothing is ragged
    int64_t size[CHAIN_LOOPS], channels;
    int64_t chunk, inner, chunks, tiles; // inner: elements in one step of loop split
    chain_input in[WHET_CHAIN_MAX_IN];
    // where results live: slot >= 0 of the scratch, or ~o for directly in output o
    int32_t slot[WHET_CHAIN_MAX_OPS], slots;
    int32_t copy[WHET_CHAIN_MAX_OUT]; // value to copy to the output at the end, or -1
} chain_plan;

// False when the problem is no valid chain or has an unexpected layout or shape.
bool whet_chain_plan_make(const whet_problem *p, chain_plan *plan);
void whet_chain_ports(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out);
bool whet_chain_inplace(const whet_problem *p, int32_t i);
// Copies `n` elements of input i, of that type, from loop position `at` (its index in each loop)
// into out.
void whet_chain_gather(const chain_plan *plan, int32_t i, const void *in, whet_dtype type,
                       const int64_t *at, int64_t n, float *out);
// The largest magnitude among n numbers; infinite when one is not finite.
double whet_chain_largest(const float *x, int64_t n);
bool whet_chain_stored(const whet_problem *p); // any port stored as bf16
size_t whet_chain_scratch(const whet_problem *p, const int32_t *params);
int64_t whet_chain_tasks(const whet_problem *p, const int32_t *params, int32_t phase);
void whet_chain_prepare(const whet_problem *p, const int32_t *params, void *state);

#endif
