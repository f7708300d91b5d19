// SPDX-License-Identifier: Apache-2.0
// The kernel harness. It runs every kernel of the built-in table on cases that a family makes for
// the kernel's operator and compares with the operator's C reference; a new kernel needs no edit
// here.
#ifndef WHET_TESTS_CHECKKERN_H
#define WHET_TESTS_CHECKKERN_H

#include "base/arena.h"
#include "base/str.h"
#include "kern/kernel.h"

#define CK_PORTS 16

// ---- random numbers ----

typedef struct ck_rng {
    uint64_t state;
} ck_rng;
uint64_t ck_next(ck_rng *rng);
int64_t ck_int(ck_rng *rng, int64_t lo, int64_t hi); // both ends included
bool ck_chance(ck_rng *rng, int32_t one_in);
double ck_normal(ck_rng *rng);
// A size at or around a tile edge (1, t-1, t, t+1, 2t+3 for t = 4, 8, 16, 32), at most max.
int64_t ck_edge(ck_rng *rng, int64_t max);

// ---- cases ----

typedef enum ck_fill { CK_INTEGERS, CK_NORMAL, CK_EDGES, CK_FILLS } ck_fill;
typedef enum ck_source {
    CK_RANDOM,
    CK_POSITIVE, // absolute values, away from zero
    CK_FIXED,    // `fixed` holds the contents
} ck_source;

typedef struct ck_case {
    whet_arena *arena;
    ck_rng *rng;
    const char *op_name;    // of the problem
    const whet_op *op;      // NULL for chain and reorder
    void *attrs;            // defaults are filled in
    whet_chain *chain;
    int32_t n_in, n_out;
    whet_port in[CK_PORTS], out[CK_PORTS]; // out: by shape function, unless the family sets n_out
    ck_source source[CK_PORTS];
    void *fixed[CK_PORTS];
    bool plain_epilogue;    // no epilogue is tried
    bool exact;             // integer fills must agree exactly
    bool no_edges;          // skip the fill with edge values
    bool nonfinite;         // edge values include infinities and NaN
    bool half;              // constants hold what f16 can, for kernels that pack them so
    bool bf16;              // f32 inputs hold what bf16 can, for kernels that store them so
    int32_t steps;          // 8-bit results may be that many steps off
    double k;               // length of the sums behind an output element
} ck_case;

whet_port ck_port(whet_dtype dtype, bool constant, int32_t rank, const int64_t *dims);
void ck_in(ck_case *c, whet_port port);     // appends an input
void ck_in_absent(ck_case *c);
// Appends a constant input with these contents (int64).
void ck_in_i64(ck_case *c, int32_t n, const int64_t *v);
// Sets attribute `name` of the operator, whatever its struct; false when there is none.
bool ck_attr_int(ck_case *c, const char *name, int64_t v);   // INT, BOOL, ENUM, DTYPE
bool ck_attr_float(ck_case *c, const char *name, float v);
bool ck_attr_ints(ck_case *c, const char *name, int32_t n, const int64_t *v);

// Values behind a case: inputs as doubles and as they are, outputs of the reference.
typedef struct ck_values {
    void *in[CK_PORTS];          // plain, in the dtype of the port
    double *in64[CK_PORTS];      // float inputs
    double *out64[CK_PORTS];     // float outputs
    void *out[CK_PORTS];         // other outputs
    double *magnitude[CK_PORTS]; // sum |a||b| of each float output element
} ck_values;

typedef struct ck_family {
    const char *const *ops; // NULL-terminated names of problems
    // The i-th case of operator c->op_name, random but for some that must not be missed. False
    // behind the last one (NULL-free families give any number of cases).
    bool (*build)(ck_case *c, int32_t i);
    // The i-th case to time; false behind the last.
    bool (*bench)(ck_case *c, int32_t i);
    // Fills v->out64 or v->out from the inputs; NULL: whet_op_eval.
    bool (*reference)(const ck_case *c, ck_values *v);
    // Fills v->magnitude; NULL: the reference of absolute values.
    void (*magnitude)(const ck_case *c, ck_values *v);
} ck_family;
extern const ck_family *const ck_families[]; // NULL-terminated
// Makes case i (or bench case i) of problem name op; false behind the last.
bool ck_case_make(ck_case *c, const ck_family *f, const char *op, int32_t i, bool bench,
                  whet_arena *arena, ck_rng *rng);
bool ck_eval(const ck_case *c, double *const *in64, void *const *in, double **out64, void **out);

// ---- memory that ends at a forbidden page ----

typedef struct ck_block {
    void *map;
    size_t map_bytes;
    uint8_t *data; // `bytes` of it; canaries fill the rest of the pages
    size_t bytes, front, back;
} ck_block;
// align 1: the end touches the forbidden page; else data is aligned and ends less than `align`
// before.
bool ck_block_make(ck_block *b, size_t bytes, size_t align);
const char *ck_block_check(const ck_block *b); // NULL when the canaries are whole
void ck_block_free(ck_block *b);

// ---- running ----

typedef struct ck_setup {
    const whet_kernel *kernel;
    whet_problem p;
    whet_port in[CK_PORTS], out[CK_PORTS];
    int32_t params[WHET_MAX_PARAMS];
    ck_block in_mem[CK_PORTS], out_mem[CK_PORTS], packed_mem[CK_PORTS];
    ck_block other_mem, workspace_mem, scratch_mem, state_mem;
    int32_t inplace; // input that shares memory with output 0, or -1
    whet_call call;
    const void *call_in[CK_PORTS], *call_packed[CK_PORTS];
    void *call_out[CK_PORTS];
} ck_setup;

typedef struct ck_result {
    int64_t runs, failures;
    double worst;       // largest error in units of the limit
    double worst_units; // the same in units of k u sum|a||b|
} ck_result;

// Fills in the ports for the variant (l, store).
void ck_layouts(ck_setup *s, const whet_kernel *k, const ck_case *c, whet_layout l,
                whet_store store);
bool ck_stores(const whet_kernel *k, whet_store store);
bool ck_setup_make(ck_setup *s, const ck_values *v, const double *other, ck_rng *rng);
void ck_setup_free(ck_setup *s);
// All phases; tasks in `parts` contiguous random ranges a phase.
whet_status ck_execute(ck_setup *s, ck_rng *rng, int32_t parts);
// Runs the kernel on the case, all layouts, epilogues and parameters, one fill; false on a failure.
bool ck_check(const whet_kernel *k, uint32_t cpu, const ck_case *c, const ck_values *v,
              ck_fill fill, const char *where, ck_result *r);
bool ck_bench(const whet_kernel *k, uint32_t cpu, const ck_family *f, ck_rng *rng, whet_str *json);

#endif
