// SPDX-License-Identifier: Apache-2.0
// The weights of an engine: which bytes its constants and packed forms are. A refit makes a new
// set, with the graph's and plans' tables of its own and all else shared, and puts it in the place
// of the engine's; contexts hold the one that they run with and take the newest when they begin a
// run. Sets and memory are counted under the engine's lock.
#ifndef WHET_RUN_WEIGHT_SET_H
#define WHET_RUN_WEIGHT_SET_H

#include <pthread.h>
#include <stdatomic.h>

#include "plan/plan.h"

typedef struct whet_weight_memory { // shared by the sets that refer to something in it
    int32_t refs;
    void *map;
    size_t map_bytes, size; // size: of data
    char *data;             // on a large page's border
} whet_weight_memory;

typedef struct whet_weight_set {
    int32_t refs;
    whet_pgraph *graph;
    whet_plan **plans; // [n_plans of the engine]
    whet_arena arena;  // of what is its own
    whet_weight_memory **memory;
    int32_t n_memory;
    void *file; // the engine file with these weights, made when asked for
    size_t file_bytes;
} whet_weight_set;

// Tables of their own with the same contents; all pointers to data are as in `from`. The arena of
// the set is initialized. WHET_E_NOMEM.
whet_status whet_weight_set_copy(const whet_weight_set *from, int32_t n_plans,
                                 whet_weight_set **copy);

#endif
