// SPDX-License-Identifier: Apache-2.0
// New weights from old ones and what was given: what the two parts of a refit share. Inside
// refit_*.c only.
#ifndef WHET_RUN_REFIT_MAKE_H
#define WHET_RUN_REFIT_MAKE_H

#include "run/engine_impl.h"

// A graph of the tree, numbered so that each comes behind the one around it.
typedef struct whet_refit_level {
    whet_pgraph *graph; // the set's own
    const whet_pgraph *old;
    int32_t parent, first; // first: number of its first value among those of all
} whet_refit_level;

typedef struct whet_refit_plan {
    whet_plan *plan; // the set's own
    int32_t level;
    const whet_vshape *shapes; // NULL: nothing of it is packed anew
} whet_refit_plan;

// One constant and all that is made of it.
typedef struct whet_refit_job {
    int32_t level, value;
    char *keep;          // where its contents go, NULL: nowhere
    size_t bytes, work;
    int32_t first, n;    // of its packed forms, in `forms`
} whet_refit_job;

typedef struct whet_refit_form {
    int32_t plan, packed, job;
    char *to;
} whet_refit_form;

// Another plan has it packed in the same way.
typedef struct whet_refit_alias {
    int32_t plan, packed, of_plan, of_packed;
} whet_refit_alias;

typedef struct whet_refit_make {
    whet_engine *e;
    whet_weight_set *set;
    whet_arena arena;
    whet_refit_level *levels;
    int32_t n_levels, cap_levels;
    whet_refit_plan *plans;
    int32_t n_plans, cap_plans;
    int32_t n_values;     // of all levels
    bool all;             // nothing is there yet
    uint8_t *changed;     // [values]
    const void **given;   // [values] new contents of source constants
    int32_t *job_of;      // [values] + 1
    whet_refit_job *jobs;
    int32_t n_jobs, cap_jobs;
    whet_refit_form *forms;
    int32_t n_forms, cap_forms;
    whet_refit_alias *aliases;
    int32_t n_aliases, cap_aliases;
    _Atomic(int32_t) next;
    whet_error *errors;   // [threads]
    whet_error *err;
} whet_refit_make;

// The constant of the model or the derived one that a value stands for.
static inline void whet_refit_root(const whet_refit_make *m, int32_t *level, int32_t *value) {
    while (m->levels[*level].graph->values[*value].kind == WHET_PVALUE_OUTER) {
        *value = m->levels[*level].graph->values[*value].outer;
        *level = m->levels[*level].parent;
    }
}

// Does all jobs, by the engine's threads (refit_jobs.c).
whet_status whet_refit_run_jobs(whet_refit_make *m);
// Frees the memory that is kept for them; the refit lock is held.
void whet_refit_drop_scratch(whet_engine *e);

// New weights of the engine: `given` [listed weights] has contents of those that change (NULL: as
// they are). all: of an engine without weights. WHET_E_NOT_FOUND names constants that are needed
// and not there. The caller holds the refit lock.
whet_status whet_refit_make_set(whet_engine *e, const whet_tensor *const *given, bool all,
                                whet_weight_set **set, whet_error *err);
// Adds to the listed weights that change those that their packed forms need too. WHET_E_NOMEM.
whet_status whet_refit_needed(whet_engine *e, uint8_t *weights);
// Where the listed weights are in the graph: level number and value of each, -1 where it is not.
typedef struct whet_refit_place {
    int32_t level, value;
} whet_refit_place;
whet_status whet_refit_places(const whet_engine *e, whet_arena *arena, whet_refit_place **places);

#endif
