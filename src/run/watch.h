// SPDX-License-Identifier: Apache-2.0
// Looking at single steps while they run: what verification is built on.
#ifndef WHET_RUN_WATCH_H
#define WHET_RUN_WATCH_H

#include "run/engine_impl.h"

typedef struct whet_watched {
    const whet_pgraph *graph;   // that the step belongs to: the engine's, or one of its blocks
    const whet_plan *plan;
    int32_t index;              // of the step in the plan
    const whet_step *step;      // bound to this run; pointers are those of its backend. NULL: it
                                // has nothing to do, what it makes is empty or there already
    const whet_backend *backend;
    void *stream;
} whet_watched;

// Called before and after each step but those of the host, on the thread of the run (once for those
// with nothing to do); steps run one by one then. A status that is not WHET_OK ends the run.
typedef whet_status (*whet_watch_fn)(void *user, const whet_watched *w, bool after,
                                     whet_error *err);
// watch NULL: off.
void whet_context_set_watch(whet_context *c, whet_watch_fn watch, void *user);

#endif
