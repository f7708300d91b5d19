// SPDX-License-Identifier: Apache-2.0
// If, Loop and Scan: how the inputs and results of a node lie to those of its blocks, and the types
// at the borders. A node's inputs are those of its own (condition, trip count), the values carried
// from one iteration to the next, the tensors taken apart, and captures: values from around that
// the blocks use. A block has the last three too, in that order; nothing else enters it but
// constants. After `carried` results of the last iteration a node gives the collected ones.
//
//            node's inputs                  block's inputs                 block's results
//   if       condition | captured           captured                       results
//   loop     count?, go on? | carried |     number, go on | carried |      go on | carried |
//            captured                       captured                       collected
//   scan     lengths? | carried | scanned   carried | scanned | captured   carried | collected
//            | captured
#ifndef WHET_OPS_FLOW_H
#define WHET_OPS_FLOW_H

#include "ops/op.h"

typedef struct whet_flow_attrs {
    int64_t carried;
    int64_t scanned;                 // scan
    whet_ints in_axes, in_directions;   // scan: of each scanned tensor; absent: 0
    whet_ints out_axes, out_directions; // scan: of each collected one
    bool batched;                    // scan: the form of opset 8, dimension 0 is a batch
} whet_flow_attrs;

typedef enum { WHET_FLOW_IF, WHET_FLOW_LOOP, WHET_FLOW_SCAN } whet_flow_kind;

typedef struct whet_flow {
    whet_flow_kind kind;
    const whet_flow_attrs *attrs;
    int32_t own;      // first so many inputs of the node are its own
    int32_t block_in; // the same of the block
    int32_t block_out;
    int32_t carried, scanned, captured, collected;
} whet_flow;

static inline bool whet_op_is_flow(const whet_op *op) { return op->n_blocks > 0; }
// WHET_E_INVALID when the counts do not fit the attributes.
whet_status whet_flow_of(const whet_op *op, const void *attrs, int32_t n_in, int32_t n_out,
                         whet_flow *flow, whet_error *err);
static inline int32_t whet_flow_inputs(const whet_flow *f) { // of a block
    return f->block_in + f->carried + f->scanned + f->captured;
}
static inline int32_t whet_flow_outputs(const whet_flow *f) { // of a block
    return f->block_out + f->carried + f->collected;
}
static inline int64_t whet_flow_at(whet_ints v, int32_t i) { return v.v && i < v.n ? v.v[i] : 0; }

// The type with which input i of the node's blocks begins, from the node's inputs.
whet_status whet_flow_enter(whet_infer *ctx, const whet_flow *f, int32_t i, whet_type *type);
// A carried value that enters the next iteration as `out`: `in` (which began as `begin`) becomes a
// type that both have; dimensions that differ become unknown. WHET_E_DTYPE.
whet_status whet_flow_widen(whet_infer *ctx, const whet_type *begin, whet_type *in,
                            const whet_type *out, bool *changed);
// Every dimension (rank: the rank too) of a carried value unknown.
void whet_flow_forget(whet_infer *ctx, whet_type *in, bool rank);

whet_status whet_flow_infer(whet_infer *ctx); // infer of the three

#endif
