// SPDX-License-Identifier: Apache-2.0
// A context: the memory and the frames of one request at a time. Inside run/ and api/ only.
#ifndef WHET_RUN_CONTEXT_IMPL_H
#define WHET_RUN_CONTEXT_IMPL_H

#include "run/engine_impl.h"
#include "run/frame.h"
#include "run/query.h"
#include "run/watch.h"

#define WHET_OBJECT_BYTES ((size_t)1 << 30) // of strings and objects in a run, unless set
#define WHET_LOOP_ITERATIONS INT64_C(100000000) // of one loop, unless set
#define WHET_OUTPUT_ALIGN 64
#define WHET_FRAMES_KEPT 8 // signatures remembered for each segment

typedef struct whet_block_memory { // grows, never shrinks
    void *data;
    size_t cap;
} whet_block_memory;

// What a context keeps for one plan of the engine.
typedef struct whet_lane {
    const whet_plan *plan;
    whet_frame **frames;          // [segments][WHET_FRAMES_KEPT]
    whet_block_memory *cross;     // [tensors]
    void **pointers;              // [tensors] where each is in this run
    void **device_packed;         // [packed] copies in the memory of other backends
    void **device_constant;       // [tensors] likewise for constants read as they are
    double *times;                // [steps of the running segment]
    double *sums;                 // [steps] of a block: seconds of all iterations, to be told
    const whet_kernel **ran;      // [steps] of a block: with what
} whet_lane;

// Options of a run of the whole, with its blocks.
typedef struct whet_run_limits {
    int64_t iterations; // of one loop
    double seconds;     // 0: any
    double until;       // of the run in progress, 0: none
} whet_run_limits;

typedef struct whet_block_run whet_block_run;

struct whet_context {
    whet_handle handle;
    whet_engine *engine;
    whet_weight_set *weights;     // that it runs with; blocks have their parent's
    bool stale;                   // taking newer ones has failed half-way
    const whet_pgraph *graph;     // that runs
    whet_lane *lane;              // of the plan that runs
    whet_lane *lanes;             // [n_lanes] one for each plan
    int32_t n_lanes;
    int32_t asked;                // profile asked for, -1: the first that fits
    bool tuned, told;             // the last shapes lie inside its profile; said that some do not
    bool chosen;                  // a profile has been chosen
    int32_t threads;              // cap given by the user, 0: the environment's
    int32_t stream, n_streams;    // its share of the threads; n_streams 0 or 1: any
    uint64_t clock;
    int64_t *key;                 // signature of the run so far
    int64_t n_key, cap_key;
    whet_block_memory arena;
    whet_block_memory *outputs;   // [outputs] for callers that bring no memory
    whet_block_memory scratch;    // of the workers
    size_t scratch_stride;
    int32_t scratch_threads;
    whet_error *errors;           // [threads]
    whet_block_memory counters;   // of the CPU backend
    whet_arena eval;              // of the reference kernel
    whet_arena own_objects;       // texts and objects made in a run, forgotten when the next begins
    whet_arena *objects;          // the same, or that of the run that this one is part of
    whet_tensor *dynamic;         // [values] shapes of dynamic outputs made in this run
    const void **host_values;     // [values]
    void **streams;               // [backends]
    whet_profile_fn profile;
    void *profile_user;
    whet_tap_fn tap;
    void *tap_user;
    whet_watch_fn watch;
    void *watch_user;
    whet_arena query_memory;
    whet_query query;             // the last one, in there
    whet_output_allocator *allocators; // [outputs], reallocate NULL: none
    whet_block_memory *taken;     // [outputs] the caller's memory in this run
    bool short_of_room;           // the caller's memory did not suffice
    whet_error room_error;        // the first time
    whet_context *parent;         // of a block: whose graph has it
    int32_t number;               // among the blocks there
    whet_context **blocks;        // [blocks of the graph], NULL until entered
    whet_block_run *block;        // of a block (control.h)
    whet_run_limits own_limits;
    const whet_run_limits *limits; // those, or of the run that this one is part of
    // of the run in progress
    const whet_tensor *inputs;
    whet_tensor *run_outputs;
    whet_frame *frame, *draft;    // draft: memory for the next frame that is made
    int32_t segment;
    size_t arena_bytes;
};

// The backend of that number; the host's for -1.
const whet_backend *whet_context_backend(const whet_context *c, int32_t i);
// Number of the first of the threads that it takes.
int32_t whet_context_first_thread(const whet_context *c);
// For block number k of c's graph; shares streams, objects and limits with c.
whet_status whet_context_create_block(whet_context *c, int32_t k, whet_context **block);
// At least so many bytes of the host's memory; what was in there is lost when it grows.
whet_status whet_context_grow(whet_context *c, whet_block_memory *m, size_t bytes);
void whet_context_free(whet_block_memory *m); // of the host
// Takes the engine's newest weights where they are not the ones it has.
whet_status whet_context_update_weights(whet_context *c);
// From c->inputs to c->run_outputs, which are not checked.
whet_status whet_context_run_graph(whet_context *c);
// Takes the lane of the profile that c->inputs lie in: the one asked for, else the first that fits,
// else the nearest.
void whet_context_choose_lane(whet_context *c);
// Finds or makes the frame of c->inputs for the first segment.
whet_status whet_context_start(whet_context *c);
// The same, but c->frame is NULL when it is not there yet.
whet_status whet_context_look_up(whet_context *c);
// Checks inputs against the engine's: count, dtype, rank, fixed and equally named dimensions,
// bytes. Without with_data, data may be missing.
whet_status whet_context_check_inputs(whet_context *c, const whet_tensor *inputs, int32_t n,
                                      bool with_data, whet_error *err);

#endif
