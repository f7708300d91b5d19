// SPDX-License-Identifier: Apache-2.0
// A kernel is a tactic: one way to compute one operator (with an epilogue) on one kind of
// processor. A descriptor is a const whet_kernel in its family's file plus one row KERNEL(isa,
// name) in kern/<family>/<family>.def, which kern/kernels.def includes. Engines store the name and
// params.
#ifndef WHET_KERN_KERNEL_H
#define WHET_KERN_KERNEL_H

#include "base/cpu.h"
#include "ops/attrs.h"
#include "ops/op.h"
#include "ops/pointwise.h"

// ---- layouts ----

// Blocked layouts split dimension 1 (channels): C8 is [n, ceil(c/8), spatial..., 8], for rank 3 to
// 5. Lanes of the last block beyond c hold anything: no consumer may let them reach a real output.
typedef enum whet_layout {
    WHET_LAYOUT_PLAIN = 0, // row major
    WHET_LAYOUT_C8 = 1,
    WHET_LAYOUT_C16 = 2,
    WHET_LAYOUT_NHWC = 3,  // channels last, [n, spatial..., c]
    WHET_LAYOUT_COUNT
} whet_layout;
#define WHET_LAYOUT_BIT(layout) (1u << (layout))
const char *whet_layout_text(whet_layout layout); // "plain", "c8", "c16", "nhwc"
int32_t whet_layout_parse(const char *text);      // -1 when unknown
static inline int64_t whet_layout_block(whet_layout l) {
    return l == WHET_LAYOUT_C8 ? 8 : l == WHET_LAYOUT_C16 ? 16 : 1;
}
// Bytes of a tensor in a layout; SIZE_MAX on overflow.
size_t whet_layout_bytes(whet_layout layout, whet_dtype dtype, int32_t rank, const int64_t *dims);

// ---- storage ----

// What is not constant and of the type f32 may be stored as bf16, where the build allows it. These
// are the ways in which a kernel offers to take a problem: the values' own types, or bf16 for all
// such inputs and outputs, for inputs only, for outputs only. HALF kernels are candidates where the
// build allows f16. An epilogue's operand is stored like
// output 0.
typedef enum whet_store {
    WHET_STORE_OWN = 0,
    WHET_STORE_BF16 = 1,
    WHET_STORE_BF16_IN = 2,
    WHET_STORE_BF16_OUT = 3,
    WHET_STORE_HALF = 4, // as OWN, but constants are packed as f16
    WHET_STORE_COUNT
} whet_store;
#define WHET_STORE_BIT(store) (1u << (store))

// ---- problems ----

typedef struct whet_port {
    whet_dtype dtype; // as it lies in memory; NONE: absent
    whet_dtype type;  // of the value, where that is another (f32 stored as bf16); else NONE
    whet_layout layout;
    int32_t rank;
    bool constant;
    int64_t dims[WHET_MAX_RANK];
    const void *data; // plain contents of a constant where they are held, else NULL
} whet_port;

struct whet_problem;
// out = act2(act1(acc) binary other): stages with NONE (0) are absent. `other` has the shape, dtype
// and layout of output 0. For SUB and DIV act1(acc) is the left operand.
typedef struct whet_epilogue {
    whet_pw act1, binary, act2; // binary: ADD, SUB, MUL, DIV, MAX, MIN
    float p1[2], p2[2];
    whet_port other;            // dtype NONE when there is no binary
} whet_epilogue;
static inline bool whet_epilogue_empty(const whet_epilogue *e) {
    return !e->act1 && !e->binary && !e->act2;
}

// A pointwise chain in single assignment: value i < n_in is input i, value n_in + k the result of
// instruction k. All f32; inputs and outputs that are u8 or i8 in memory count as the numbers that
// they hold. Inputs broadcast to the shape of the outputs, which all have the same.
#define WHET_CHAIN_MAX_IN 16
#define WHET_CHAIN_MAX_OPS 32
#define WHET_CHAIN_MAX_OUT 4
typedef struct whet_chain {
    int32_t n_in, n_ops, n_out;
    struct {
        whet_pw f;
        int16_t src[3];
        float p[2];
    } ops[WHET_CHAIN_MAX_OPS];
    int16_t out[WHET_CHAIN_MAX_OUT];
} whet_chain;

static inline whet_dtype whet_port_type(const whet_port *p) { return p->type ? p->type : p->dtype; }
// Stores all ports of the problem, whose dtypes may be any, as `store` says.
void whet_problem_store(struct whet_problem *p, whet_store store);

typedef struct whet_problem {
    const char *op;        // operator name, or "chain", "reorder"
    const whet_op *desc;   // the operator; NULL for chains and conversions
    const void *attrs;     // of the operator
    const whet_chain *chain;
    int32_t n_in, n_out;
    const whet_port *in, *out;
    whet_epilogue epi;
    int32_t threads;       // that the step will use
    uint32_t cpu;          // features, masked
    uint32_t l1d_bytes, l2_bytes, l3_bytes;
} whet_problem;

// The window of a conv or pooling problem (in[0], out[0], kernel from in[1] or the attributes).
void whet_problem_window(const whet_problem *p, whet_window *w);
double whet_problem_flops(const whet_problem *p);
double whet_problem_bytes(const whet_problem *p); // read and written, weights included

// ---- kernels ----

#define WHET_MAX_PARAMS 8

typedef struct whet_call {
    const whet_problem *p;
    const int32_t *params;
    const void *state;         // what prepare wrote
    const void *const *in;     // [n_in]; NULL where absent, and where packed is used instead
    void *const *out;          // [n_out]; NULL where not wanted
    const void *other;         // epilogue operand
    const void *const *packed; // [n_in]; NULL where not packed
    void *workspace;           // shared by the step, 64-byte aligned
    void *scratch;             // of this worker, 64-byte aligned
    whet_error *err;           // of this worker
    const char *node;
    // For steps of one task only, on the calling thread: memory that is forgotten after the call,
    // and memory for outputs whose shape only the computation knows.
    whet_arena *arena;
    whet_arena *objects; // of texts and objects: lasts as long as the run's outputs
    whet_status (*alloc)(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims);
    void *alloc_user;
} whet_call;

typedef struct whet_kernel {
    const char *name;          // tactic id, style.md 3.3
    const char *op;            // operator name, "chain", "reorder"
    const char *backend;       // NULL: cpu
    uint32_t revision;         // raised when its timing may have changed
    uint32_t cpu;              // features it needs
    uint32_t layouts;          // WHET_LAYOUT_BIT variants offered; 0 means PLAIN only
    uint32_t stores;           // WHET_STORE_BIT variants offered, each in every layout; 0: OWN only
    // Sets the layouts of all ports (and epilogue operand) for the variant `l`. NULL: variant l on
    // every non-constant port that has the rank of out[0] when that is 3 to 5, PLAIN on the others.
    void (*ports)(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out);
    // Whether this problem, layouts filled in, can be computed. Must check everything that run
    // relies on: dtypes, ranks, layouts, attributes, epilogue. A hostile engine ends here.
    bool (*accepts)(const whet_problem *p);
    // The i-th parameter setting for this problem, false behind the last; cheapest guess first.
    // NULL: one setting, all zeros. `valid` re-checks parameters read from a file (NULL: must be
    // all zeros).
    bool (*param)(const whet_problem *p, int32_t i, int32_t params[WHET_MAX_PARAMS]);
    bool (*valid)(const whet_problem *p, const int32_t params[WHET_MAX_PARAMS]);
    // Predicted seconds on one machine of this class; orders candidates. NULL: from flops and
    // bytes.
    double (*cost)(const whet_problem *p, const int32_t *params);
    // Bytes of the packed form of constant input i, 0 when it is used as it is. Depends on shapes
    // of constant ports, attributes and params only, never on the shapes of activations.
    size_t (*pack_bytes)(const whet_problem *p, const int32_t *params, int32_t i);
    whet_status (*pack)(const whet_problem *p, const int32_t *params, int32_t i,
                        const whet_tensor *src, void *dst);
    size_t (*workspace)(const whet_problem *p, const int32_t *params); // NULL: 0
    size_t (*scratch)(const whet_problem *p, const int32_t *params);   // per worker; NULL: 0
    size_t state_bytes;
    void (*prepare)(const whet_problem *p, const int32_t *params, void *state); // once a signature
    // Work is tasks 0 .. n-1 of each phase, any contiguous split over workers; a barrier between
    // phases.
    int32_t phases;            // 0 means 1
    int64_t (*tasks)(const whet_problem *p, const int32_t *params, int32_t phase); // NULL: 1
    whet_status (*run)(const whet_call *c, int32_t phase, int64_t begin, int64_t end);
    // Output 0 may share memory with input i (same layout, dtype, shape). NULL: never.
    bool (*inplace)(const whet_problem *p, int32_t i);
    double tolerance;          // c in |new - ref| <= c k u sum|a||b|; 0: exact
} whet_kernel;

typedef struct whet_kernel_table {
    const whet_kernel *const *kernels;
    int32_t n;
} whet_kernel_table;
const whet_kernel_table *whet_kernels_builtin(void);

#define KERNEL(isa, name) extern const whet_kernel whet_kernel_##name;
#include "kern/kernels.def"
#undef KERNEL

// ---- the epilogue reference ----

// Applies the epilogue in double to n accumulators; other: n values or NULL.
void whet_epilogue_ref(const whet_epilogue *e, double *acc, const double *other, int64_t n);
// Converts between layouts, any dtype, and between f32 and bf16, plain C: the reference of the
// reorder kernels.
void whet_reorder_ref(const whet_port *from, const void *in, const whet_port *to, void *out);

#endif
