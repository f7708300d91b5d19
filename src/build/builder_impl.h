// SPDX-License-Identifier: Apache-2.0
#ifndef WHET_BUILD_BUILDER_IMPL_H
#define WHET_BUILD_BUILDER_IMPL_H

#include "base/file.h"
#include "base/str.h"
#include "build/config_impl.h"
#include "build/network_impl.h"
#include "build/tuner.h"
#include "engine/verified.h"
#include "env/env.h"
#include "onnx/import.h"
#include "pass/pass.h"
#include "run/engine_impl.h"

struct whet_builder {
    whet_handle handle;
    whet_env *env;
    whet_map map;             // of the model file
    const void *data;         // the model's bytes
    size_t size;
    char *external_dir;       // NULL: refused
    whet_import import;
    bool loaded;              // import is open
    bool fresh;               // its graph has not been optimized yet
    whet_status load_status;
    whet_network *network;    // NULL: never asked for; then builds take it, not the import
    whet_str report;
};

// One build, or one tuning of an engine that is there.
typedef struct whet_build {
    whet_builder *b; // NULL when an engine is tuned
    const whet_config *c;
    whet_env *env;
    whet_error *err;
    int32_t threads;
    whet_graph *copy; // of the builder's network, or NULL
    whet_pgraph *graph;
    whet_pgraph *imported; // as it was before the passes, for verify=full; NULL
    const whet_verified *verified; // to be written; NULL
    const whet_value **listed; // [n_listed] constants of the model, by name
    uint8_t *listed_rows;      // [n_listed] whet_weight_rows
    int32_t n_listed;
    whet_boxes profiles; // n 0: one plan, open dimensions taken as 1
    whet_plan **plans;   // [n_plans] packed
    int32_t n_plans;
    whet_engine *before; // the engine that is tuned, or NULL
    whet_timing_cache *cache;
    whet_tuner *tuner;
    whet_cost_source source; // the tuner
    struct whet_accuracy *accuracy; // NULL: no budget is stated, or none that applies
    bool calibrated;         // the graph got its quantization from this build
    bool bf16;               // values may be stored as bf16
    bool fp16;               // weights as f16
    whet_arena arena;
    int32_t steps_after; // about as many are to be tuned after the graph in progress
    const char *phase;
    double begin, phase_start;
    whet_pass_stats *stats;
} whet_build;
void whet_build_init(whet_build *x, whet_env *env, const whet_config *config, whet_error *err);
void whet_build_fini(whet_build *x);
// Tells how far the phase is; false: cancelled.
bool whet_build_report(whet_build *x, int64_t done, int64_t total);
whet_status whet_build_start(whet_build *x, const char *phase);
// Passes, and the portable graph that they leave. quiet: nothing is logged.
whet_status whet_build_optimize(whet_build *x, whet_graph *g, bool quiet, whet_pgraph **graph);
// How the build plans; the tuner is made when first asked for. o->cost is x->source.
whet_status whet_build_plan_options(whet_build *x, whet_plan_options *o);
// Seconds of one run of a plan on random input; negative when it cannot run.
double whet_build_time_plan(whet_build *x, whet_pgraph *graph, whet_plan *plan);
// Notes the constants that the model has, before anything is done to it.
whet_status whet_list_weights(whet_build *x, const whet_graph *g);
// Behind the passes: decides what the graph's shape functions and plugins look at.
void whet_list_decide(const whet_graph *g);
// The WEIGHTS section, once x->graph is there.
whet_status whet_list_encode(whet_build *x, whet_writer *out);
// Keeps weights in f32 that FP16 has no numbers for, or only such of few digits.
whet_status whet_half_check(whet_build *x);
// Makes x->plans of x->graph, packed, one for each profile.
whet_status whet_build_plan(whet_build *x);
// The engine of graph and plan.
whet_status whet_build_write(whet_build *x, whet_engine **engine);
// The same, verified as the config says.
whet_status whet_build_finish(whet_build *x, whet_engine **engine);

// What the precision "best" does not bring here (best.c).
void whet_build_log_best(whet_build *x, const whet_graph *g);
// Looks for islands of a model that states its quantization, times them, reports what slows the
// engine down, and takes it out of g where that is allowed (islands.c).
whet_status whet_islands(whet_build *x, whet_graph *g);
// Refuses options that choose types where the model's hold (constraints.c). WHET_E_INVALID.
whet_status whet_config_check_typed(const whet_config *c, whet_error *err);
// Sets the demands of the graph's nodes as the options say (constraints.c). WHET_E_NOT_FOUND: there
// is no such layer.
// quantizing: the graph will get scales in any case.
whet_status whet_constraints_apply(whet_build *x, whet_graph *g, bool quantizing);
// Whether the plans meet them: refuses or warns.
whet_status whet_constraints_check(whet_build *x);

#define WHET_SAMPLE_ITERATIONS 10000 // of a loop, when a sample runs

// Random inputs of a graph at the tuned point of a profile (NULL: open dimensions are 1), in the
// arena.
whet_status whet_sample_inputs(const whet_pgraph *g, const whet_box *box, whet_arena *arena,
                               whet_tensor **inputs, whet_error *err);

#endif
