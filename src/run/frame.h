// SPDX-License-Identifier: Apache-2.0
// A segment bound to one signature: shapes, problems, offsets. Made at the first run of a
// signature, kept in a small cache of the context. Inside run/ only.
#ifndef WHET_RUN_FRAME_H
#define WHET_RUN_FRAME_H

#include "run/engine_impl.h"

// Where a tensor's bytes are.
typedef enum whet_place {
    WHET_PLACE_NONE = 0,
    WHET_PLACE_CONST,  // in the engine
    WHET_PLACE_INPUT,  // the caller's input
    WHET_PLACE_OUTPUT, // the caller's output, or the context's when the caller gives none
    WHET_PLACE_ARENA,  // at an offset of the context's arena
    WHET_PLACE_CROSS,  // its own block: lives across segments, or has a shape known only when made
} whet_place;

typedef struct whet_slot {
    whet_place place;
    int32_t index;  // input, output or tensor number
    size_t offset;  // in the arena, or in a larger tensor
    size_t bytes;
} whet_slot;

typedef struct whet_frame {
    whet_arena arena;
    int64_t *key;       // signature
    int64_t n_key, cap_key;
    uint64_t used;      // clock of the last use
    whet_type *types;   // [values] as inferred up to this segment's end
    whet_vshape *shapes;
    whet_step *steps;   // [n_steps] of the segment; those with kernel NULL have nothing to do
    whet_step *live;    // those that run, in order
    int32_t *live_step; // their plan step
    int32_t n_live;
    whet_slot *slots;   // [tensors]
    size_t arena_bytes, workspace_bytes, scratch_bytes;
    size_t workspace_offset;
} whet_frame;

// What a frame is made for.
typedef struct whet_frame_input {
    whet_env *env;
    const whet_pgraph *graph;
    const whet_plan *plan;
    int32_t segment;
    int32_t threads;
    const whet_tensor *inputs;         // of the run
    // [values] contents that shape functions may ask for, or NULL
    const void *const *host_values;
    // [values] made shapes of dynamic outputs (dtype NONE: not yet)
    const whet_tensor *dynamic;
} whet_frame_input;

// Begins a frame anew, keeping its memory: types and shapes.
whet_status whet_frame_infer(const whet_frame_input *in, whet_frame *f, whet_error *err);
// Whether both were made for the same shapes, so that one serves as well as the other.
bool whet_frame_same(const whet_frame_input *in, const whet_frame *a, const whet_frame *b);
// The rest, after whet_frame_infer.
whet_status whet_frame_finish(const whet_frame_input *in, whet_frame *f, whet_error *err);
void whet_frame_destroy(whet_frame *f);
// Lays out the segment's tensors: views, concatenations in place, in-place steps, arena offsets.
whet_status whet_frame_place(const whet_frame_input *in, whet_frame *f, whet_error *err);

#endif
