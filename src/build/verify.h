// SPDX-License-Identifier: Apache-2.0
// Verification: engines against references. docs/numerics.md says by which rules.
#ifndef WHET_BUILD_VERIFY_H
#define WHET_BUILD_VERIFY_H

#include "build/builder_impl.h"
#include "engine/verified.h"
#include "run/watch.h"

// ---- one step ----

// A step's problem with what lay in its inputs and what it made, row-major and of the values' own
// types (dtype NONE: absent).
typedef struct whet_judged {
    whet_env *env;
    whet_arena *arena; // for everything below
    const whet_kernel *kernel; // that made `out`
    const whet_problem *p;
    const char *node;
    whet_tensor *in, *out, other;
    bool fast; // results of another kernel where the C reference takes long, parts of chains
    whet_error *err;
} whet_judged;

// What outputs must be.
typedef struct whet_expected {
    whet_tensor *out;   // of the reference, before the epilogue; own types
    double **value;     // [n_out] float outputs behind the epilogue, else NULL
    double **magnitude; // [n_out] likewise: what sum|a||b| is of each element; infinite: anything
    int64_t stride;     // only each stride-th element is looked at
    double c, k;        // c of all kernels that took part
    double slack;       // allowed beside the rule: what steps of 8 bits on the way are
    int32_t steps;      // that 8-bit results may be off
    whet_verified_rule rule;
    bool unknown;       // there is no reference in reasonable time
} whet_expected;
whet_status whet_verify_expect(const whet_judged *j, whet_expected *x);
// Of a fast look at a tensor.
int64_t whet_verify_stride(const whet_tensor *t);
// What a chain makes, one element after the other.
whet_status whet_verify_chain(const whet_judged *j, whet_expected *x);
// Results of the problem's operator without epilogue: by its C reference, or by a kernel other than
// j->kernel where j->fast asks for it. *c: the kernel's tolerance; negative: too slow, not done.
whet_status whet_verify_compute(const whet_judged *j, whet_tensor *in, whet_tensor *out,
                                double *c);
whet_status whet_verify_kernel(const whet_judged *j, const whet_kernel *k, const whet_problem *p,
                               const whet_tensor *in, whet_tensor *out);

// What was found: the record for the file and, where it differs, a text.
typedef struct whet_verdict {
    whet_verified_step step;
    char text[400];
} whet_verdict;
whet_status whet_verify_judge(const whet_judged *j, whet_verdict *v);

// ---- all steps of runs ----

typedef struct whet_checker whet_checker;
// graph: the build's, which holds the constants of the engine's. The checker is in the arena.
whet_status whet_checker_create(whet_env *env, const whet_engine *engine, const whet_pgraph *graph,
                                bool fast, whet_arena *arena, whet_checker **checker,
                                whet_error *err);
void whet_checker_destroy(whet_checker *c);
// Watches the context's runs.
void whet_checker_attach(whet_checker *c, whet_context *context);
// Looks at no more steps once that took so many seconds of the calling thread.
void whet_checker_set_budget(whet_checker *c, double seconds);
bool whet_checker_saw(const whet_checker *c, const whet_plan *plan); // it has run
whet_verified *whet_checker_result(whet_checker *c); // in the arena
// Logs what differs beyond the first, and what could not be checked; WHET_E_VERIFY when something
// differs, naming the first layer.
whet_status whet_checker_report(whet_checker *c, whet_error *err);

// ---- end to end ----

// `engine` on a sample against a plan of `graph` without fusions in plain layout. WHET_E_VERIFY.
// checker: watches the engine's run, or NULL. inputs NULL: random ones at the point of the profile.
typedef struct whet_end_to_end {
    whet_env *env;
    whet_engine *engine;
    whet_pgraph *graph;
    bool before; // that is of the model before the passes
    whet_checker *checker;
    const whet_tensor *inputs;
    int32_t profile; // -1: the one that the inputs lie in
    int32_t threads;
    bool bf16, fp16;
} whet_end_to_end;
whet_status whet_verify_end_to_end(const whet_end_to_end *v, whet_error *err);

// ---- the build's ----

// Both leave the error in the build. WHET_E_VERIFY.
whet_status whet_verify_auto(whet_build *x, whet_engine *engine);
// Fills in *found, in the build's arena.
whet_status whet_verify_full(whet_build *x, whet_engine *engine, whet_verified **found);

#endif
