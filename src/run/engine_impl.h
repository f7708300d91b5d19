// SPDX-License-Identifier: Apache-2.0
// The engine as the runtime holds it. Shared, and immutable after loading but for its weights
// (weight_set.h).
#ifndef WHET_RUN_ENGINE_IMPL_H
#define WHET_RUN_ENGINE_IMPL_H

#include "base/str.h"
#include "engine/engine_file.h"
#include "engine/model_weights.h"
#include "engine/pgraph.h"
#include "env/env.h"
#include "plan/plan.h"
#include "run/weight_set.h"

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
    whet_model_weights listed; // by name; in the graph's arena
    bool lists;          // the file has that list
    atomic_bool stripped; // it holds no weights yet, so nothing runs
    bool attached;       // states of plugins are there
    void *reserved;      // addresses that its packed weights had in the file
    size_t reserved_bytes;
    // weights
    pthread_mutex_t lock; // of what follows
    whet_weight_set base; // as loaded: graph and plans are those above
    _Atomic(whet_weight_set *) current;
    whet_weight_memory *spare; // of weights that nobody uses, for the next refit
    int32_t n_refitters;
    pthread_mutex_t refit_lock; // one refit at a time, of what follows too
    whet_arena *scratch;  // [threads of the environment] of refits, kept between them
};

// ---- weights (weight_set.c) ----

void whet_weight_set_init(whet_engine *e);
void whet_weight_set_fini(whet_engine *e);
// The newest weights, which stay until they are given back.
whet_weight_set *whet_weight_set_ref(whet_engine *e);
void whet_weight_set_unref(whet_engine *e, whet_weight_set *s); // NULL: nothing
// Makes them the newest; takes the caller's count.
void whet_weight_set_put(whet_engine *e, whet_weight_set *s);
// At least so many bytes, used before where such memory is there. NULL: out of memory.
whet_weight_memory *whet_weight_memory_take(whet_engine *e, size_t size);
void whet_weight_memory_release(whet_engine *e, whet_weight_memory *m);
// Frees what is kept for the next refit.
void whet_weight_memory_forget(whet_engine *e);
// The bytes of the engine file with the newest weights; of the engine, until the next refit.
// strip: without contents of those that a refit may change; then the caller frees them.
whet_status whet_engine_store(whet_engine *e, bool strip, void **data, size_t *size,
                              whet_error *err);
// Whether the engine has its source weights beside the packed ones, as one that was stripped has
// when it has got them.
static inline bool whet_engine_keeps_sources(whet_engine *e) {
    return e->listed.stripped || whet_engine_file_find(&e->file, WHET_SECTION_SOURCES, 0);
}
// The plans of an engine whose graph has got its weights. Packed bytes are not there.
whet_status whet_engine_plan_stripped(whet_engine *e, whet_error *err);

// Takes `owned` (freed with the engine) when not NULL; data then lies in it. data is 64-byte
// aligned.
whet_status whet_engine_open(whet_env *env, const void *data, size_t size, void *owned,
                             whet_engine **engine, whet_error *err);
// The same, also for engines without weights.
whet_status whet_engine_open_stripped(whet_env *env, const void *data, size_t size, void *owned,
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
