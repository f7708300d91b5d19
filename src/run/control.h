// SPDX-License-Identifier: Apache-2.0
// Running If, Loop and Scan: steps of the host between segments, each of whose blocks has a context
// of its own. Inside run/ only.
#ifndef WHET_RUN_CONTROL_H
#define WHET_RUN_CONTROL_H

#include "ops/flow.h"
#include "run/context_impl.h"

// What the context of a block has beside what every context has.
struct whet_block_run {
    whet_tensor *in, *out;        // of an iteration
    whet_block_memory *spare;     // [outputs] results of the iteration before
    whet_block_memory *slices;    // [inputs] scanned along another axis than the first
    whet_block_memory *collected; // [outputs]
    whet_tensor *each;            // [outputs] shape that each iteration's part has
    whet_tensor *node_in;         // [inputs of the node]
    int64_t number;               // of the iteration, as the block sees it
    bool goes_on;
};

// Runs the control flow step c->frame->live[live].
whet_status whet_control_run(whet_context *c, int32_t live);

// The context of a block of node n, made when it is not there yet.
whet_status whet_block_context(whet_context *c, const whet_pnode *n, int32_t block,
                               whet_context **out);
// Runs block->in to block->out; the error is left in c.
whet_status whet_block_run_once(whet_context *c, whet_context *b);
// Type and shape that the output would have for block->in; what is not known without running is 0.
void whet_block_shape(whet_context *b, int32_t output, whet_tensor *t);
void whet_block_run_free(whet_context *c);

// Tells the profiler the sums over all iterations.
void whet_block_report(whet_context *b);
void whet_block_report_step(whet_context *c, const whet_pstep *s);
double whet_block_seconds(const whet_context *c, const whet_pnode *n); // not told yet

#endif
