// SPDX-License-Identifier: Apache-2.0
// From the portable graph to a runnable plan: groups of nodes become steps, each with the kernel,
// layouts and parameters that a global solve over measured or modelled costs chose. Shapes stay
// symbolic: the run side fills them in per signature. Used by build, and by run on another machine.
#ifndef WHET_PLAN_PLAN_H
#define WHET_PLAN_PLAN_H

#include "base/file.h"
#include "engine/boxes.h"
#include "env/env.h"
#include "kern/kernel.h"

// Numbers for one value at one signature.
typedef struct whet_vshape {
    whet_dtype dtype;
    int32_t rank; // -1: not known yet
    int64_t dims[WHET_MAX_RANK];
} whet_vshape;

// How a value lies in memory: its layout, and the dtype where it is not its own (BF16 for f32).
typedef struct whet_form {
    uint8_t layout, stored; // stored: WHET_DTYPE_NONE or WHET_DTYPE_BF16
} whet_form;
static inline bool whet_form_same(whet_form a, whet_form b) {
    return a.layout == b.layout && a.stored == b.stored;
}

// One representation of a value: a form in a backend's memory.
typedef struct whet_ptensor {
    int32_t value;
    whet_layout layout;
    whet_dtype stored; // NONE: as the value's own type; BF16: of an f32
    int32_t backend;
    int32_t alias; // tensor that it is a view of (same bytes), -1
} whet_ptensor;

typedef struct whet_pstep {
    const whet_kernel *kernel; // the reference kernel where nothing else accepts
    int32_t params[WHET_MAX_PARAMS];
    int32_t backend;           // -1: the host, between segments
    int32_t *nodes, n_nodes;   // covered, root first; none for conversions
    int32_t position;          // of the last node covered; steps are sorted by it
    const whet_op *op;         // of the root; NULL for chains and conversions
    const void *attrs;
    whet_chain *chain;
    whet_epilogue epi;         // `other` port unset
    int32_t *in, *out, n_in, n_out; // tensors, -1 absent
    int32_t other;             // tensor of the epilogue operand, -1
    int32_t *packed;           // [n_in] index into plan->packed, -1
    double cost;               // seconds expected at the tuned shape
    const char *name;
} whet_pstep;

// Constant bytes that the plan brings: a packed weight (step, input), or a derived constant that a
// step reads as it is (step -1).
#define WHET_PACKED_SOURCE SIZE_MAX
typedef struct whet_packed {
    int32_t step, input;
    int32_t value;
    size_t bytes;
    size_t offset;    // in the packed section
    const void *data; // 64-byte aligned
} whet_packed;

// A longest run of steps on one backend whose shapes are known when it starts. Nodes first_node up
// to end_node are inferred before it runs.
typedef struct whet_psegment {
    int32_t first_step, n_steps, first_node, end_node, backend;
} whet_psegment;

typedef struct whet_plan {
    whet_arena arena;
    struct whet_plan **blocks; // of the graph's blocks, in their order
    int32_t n_blocks;
    whet_ptensor *tensors;
    int32_t n_tensors, cap_tensors;
    whet_pstep *steps;
    int32_t n_steps, cap_steps;
    whet_packed *packed;
    int32_t n_packed, cap_packed;
    whet_psegment *segments;
    int32_t n_segments;
    int32_t *inputs, *outputs; // tensors of the graph's inputs and outputs, plain, host memory
    const whet_box *box;       // profile planned for, borrowed; NULL: open dimensions taken as 1
    double cost;               // sum of the steps'
    void *owned;               // packed bytes when this plan made them
    int32_t n_fused;           // nodes that run inside another node's step
} whet_plan;

static inline whet_form whet_ptensor_form(const whet_ptensor *t) {
    return (whet_form){(uint8_t)t->layout, (uint8_t)t->stored};
}
static inline whet_dtype whet_ptensor_dtype(const whet_ptensor *t, whet_dtype type) {
    return t->stored ? t->stored : type;
}
// Whether two tensors lie alike, whatever their shapes.
static inline bool whet_ptensor_alike(const whet_ptensor *a, const whet_ptensor *b) {
    return a->layout == b->layout && a->stored == b->stored;
}

typedef struct whet_cost_source {
    // Seconds that the kernel takes for the problem; negative: cannot be had. best: those of the
    // fastest so far for the same problem, negative for its first; what is clearly slower need not
    // be priced well.
    double (*price)(void *user, const whet_problem *p, const whet_kernel *k, const int32_t *params,
                    double best);
    void *user;
    int32_t max_candidates; // cheapest by the model that get priced; 0: all
} whet_cost_source;

typedef struct whet_plan_options {
    int32_t threads;
    bool no_fusion, plain_only; // for verification
    const whet_cost_source *cost; // NULL: the cost model
    const whet_box *box; // profile whose tuned point is planned for; NULL: see whet_plan_shapes
    bool (*progress)(void *user, int32_t done, int32_t total); // false cancels
    void *progress_user;
    const char *disable_kernels; // comma-separated patterns with *
    bool bf16; // values of the type f32 may be stored as bf16
    bool fp16; // weights of the type f32 may be packed as f16
    double move_scale; // weight of conversions in the solve; 0: 1
    double byte_price; // seconds that a byte counts by which packing makes constants larger
} whet_plan_options;

void whet_plan_destroy(whet_plan *p);
// Plans without packing. WHET_E_CANCELLED.
whet_status whet_plan_make(const whet_pgraph *g, whet_env *env, const whet_plan_options *options,
                           whet_plan **plan, whet_error *err);
// Packs every constant that a step wants packed into one block owned by the plan; derived constants
// that are read as they are go there too. What one of the `others` (packed plans of the same graph)
// has packed alike is shared with it. The graph's constants must hold data (whet_pgraph_replay).
whet_status whet_plan_pack(whet_plan *p, const whet_pgraph *g, whet_env *env,
                           whet_plan *const *others, int32_t n_others, whet_error *err);
// Bytes that packing takes, and those that the same constants take as they are, of the plan and its
// blocks.
void whet_plan_packed_bytes(const whet_plan *p, const whet_pgraph *g, double *packed,
                            double *plain);
// Whether two plans of a graph pack the same constant in the same way.
bool whet_plan_same_packing(const whet_plan *a, const whet_packed *x, const whet_plan *b,
                            const whet_packed *y);
// Frees what was packed.
void whet_plan_unpack(whet_plan *p);
// Whether both have the same kernels and parameters for the same steps.
bool whet_plan_same(const whet_plan *a, const whet_plan *b);
// CPU features that its kernels need.
uint32_t whet_plan_features(const whet_plan *p);

// ---- shared by planning and running ----

// The kernel that can run every step: C reference, chain and reorder in plain C, any layout.
extern const whet_kernel whet_kernel_reference;
// Done by the host between segments, never run as kernels: moves a value between memories; runs
// the blocks of control flow.
extern const whet_kernel whet_kernel_copy, whet_kernel_control;
static inline bool whet_kernel_is_host(const whet_kernel *k) {
    return k == &whet_kernel_copy || k == &whet_kernel_control;
}

// Shapes of all values at the tuned point of the profile; unknown dimensions become 1. box NULL:
// every open dimension is unknown. WHET_E_NOMEM.
// inputs: of a block, what whet_plan_block_inputs gives; else NULL.
whet_status whet_plan_shapes(const whet_pgraph *g, const whet_box *box, const whet_vshape *inputs,
                             whet_arena *arena, whet_vshape *shapes);
// Shapes of the inputs of a block of g, from those of the values of g. WHET_E_NOMEM.
whet_status whet_plan_block_inputs(const whet_pgraph *g, int32_t block, const whet_vshape *shapes,
                                   whet_arena *arena, whet_vshape **inputs);
typedef struct whet_problem_ports { // storage behind a problem
    whet_port *in, *out;
    int32_t cap_in, cap_out;
} whet_problem_ports;
// Fills the problem of a step for these shapes; ports storage grows in the arena.
whet_status whet_plan_problem(const whet_plan *p, const whet_pgraph *g, const whet_pstep *s,
                              const whet_vshape *shapes, const whet_env *env, int32_t threads,
                              whet_arena *arena, whet_problem_ports *ports, whet_problem *problem);
// Of each step that runs on the CPU for want of a kernel on another backend that is there: the name
// of that backend; NULL for the others. In the arena. WHET_E_NOMEM.
whet_status whet_plan_fallbacks(const whet_plan *p, const whet_pgraph *g, const whet_env *env,
                                whet_arena *arena, const char ***lacking);
double whet_kernel_cost(const whet_kernel *k, const whet_problem *p, const int32_t *params);
bool whet_kernel_params_valid(const whet_kernel *k, const whet_problem *p, const int32_t *params);

// ---- as bytes (plan_codec.c) ----
// Sets packed[].offset of plans that share one PACKED section of the file: bytes that several refer
// to lie there once, in the order of first use. with_sources: source constants lie elsewhere in the
// file and get WHET_PACKED_SOURCE. Gives what lies there (borrowed, in the arena), each padded to
// 64 bytes by the writer.
whet_status whet_plan_place_packed(whet_plan *const *plans, int32_t n, const whet_pgraph *g,
                                   bool with_sources, whet_arena *arena, whet_piece **pieces,
                                   size_t *n_pieces);
void whet_plan_encode(const whet_plan *p, const whet_pgraph *g, const whet_env *env,
                      whet_writer *w);
// Says what is wrong when a step reads a value in the segment that finds out its shape, or before;
// NULL: nothing. Ids are those of the graph. WHET_E_NOMEM.
whet_status whet_plan_shapes_in_order(const whet_plan *p, const whet_pgraph *g,
                                      whet_arena *arena, const char **wrong);
// Checks every id, kernel and parameter against the graph and this environment. WHET_E_UNSUPPORTED
// when a kernel is not here, WHET_E_PARSE when malformed. Packed data: pointers into packed_data.
whet_status whet_plan_decode(const void *data, size_t size, const void *packed_data,
                             size_t packed_size, whet_pgraph *g, const whet_box *box,
                             whet_env *env, whet_plan **plan, whet_error *err);

#endif
