// SPDX-License-Identifier: Apache-2.0
// The engine as the runtime holds it. Shared and immutable after loading.
#ifndef WHET_RUN_ENGINE_IMPL_H
#define WHET_RUN_ENGINE_IMPL_H

#include "base/str.h"
#include "engine/engine_file.h"
#include "engine/pgraph.h"
#include "env/env.h"
#include "plan/plan.h"

struct whet_engine {
    whet_handle handle;
    whet_env *env;
    whet_map map;        // when loaded from a path
    void *owned;         // when it owns its bytes
    void *weights;       // a copy of the packed section (whet_env_options.copy_weights), or NULL
    void *weights_map;   // the memory that it lies in
    size_t weights_bytes;
    whet_engine_file file;
    whet_pgraph *graph;
    whet_plan *plan;     // plans[0]
    whet_plan **plans;   // of each profile; one when there are none
    int32_t n_plans;
    whet_boxes profiles; // in the graph's arena, or borrowed
    bool borrowed;       // graph and plans are somebody else's
    bool exact;          // tuned for this machine
    uint32_t machine;    // id of the sections that the plans are from, 0: planned anew
    char note[256];      // why it is not
    whet_str text;       // of the last inspection
};

// Takes `owned` (freed with the engine) when not NULL; data then lies in it. data is 64-byte
// aligned.
whet_status whet_engine_open(whet_env *env, const void *data, size_t size, void *owned,
                             whet_engine **engine, whet_error *err);
// An engine over a graph and a plan, both borrowed, without a file (for verification and tuning).
whet_status whet_engine_wrap(whet_env *env, whet_pgraph *graph, whet_plan *plan,
                             whet_engine **engine, whet_error *err);
// A copy of the section in memory that the workers touch first, with the engine. WHET_E_NOMEM.
whet_status whet_engine_copy_weights(whet_engine *e, const whet_section *packed, whet_error *err);
void whet_engine_drop_weights(whet_engine *e);
// Sees that the plugins of the file's graph are there. WHET_E_UNSUPPORTED says which are not.
whet_status whet_engine_find_plugins(whet_engine *e, whet_error *err);
// Points the graph's source constants at those in the file, where it has them.
whet_status whet_engine_attach_sources(whet_engine_file *file, whet_pgraph *graph, whet_error *err);
// Whether a section for that machine is 2: exact, 1: usable, 0: neither, here.
int32_t whet_machine_fit(const whet_machine *file, const whet_machine *here);
void whet_machine_here(const whet_env *env, whet_machine *m);

#endif
