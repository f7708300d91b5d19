// SPDX-License-Identifier: Apache-2.0
// What a refitter has been given. Inside run/ and build/ only.
#ifndef WHET_RUN_REFITTER_IMPL_H
#define WHET_RUN_REFITTER_IMPL_H

#include <whet/refit.h>

#include "run/refit_make.h"

typedef struct whet_lora { // of one adapter, for one weight
    int32_t adapter, weight;
    double alpha;
    whet_tensor a, b; // own copies, f64
} whet_lora;

typedef struct whet_adapter {
    const char *name;
    double scale;
    bool changed; // since the last run
} whet_adapter;

// A file that lends what was given from it; closed when that is forgotten.
typedef struct whet_refit_file {
    void *handle;
    void (*close)(void *handle);
} whet_refit_file;

struct whet_refitter {
    whet_handle handle;
    whet_engine *engine;
    whet_arena arena;          // lasts
    whet_arena lent;           // until what was given is forgotten
    whet_refit_place *places;  // [listed weights]
    const whet_tensor **given; // [listed weights]; in `lent`
    void **base;               // [listed weights] what adapters are added to, or NULL
    whet_refit_file *files;
    int32_t n_files, cap_files;
    whet_adapter *adapters;
    int32_t n_adapters, cap_adapters;
    whet_lora *loras;
    int32_t n_loras, cap_loras;
    const char **missing;      // of the last question
    int32_t n_missing;
};

// Number among the listed weights, -1: there is none of that name.
int32_t whet_refitter_find(const whet_refitter *r, const char *name);
// The contents that the engine has now; false: it does not hold them.
bool whet_refitter_now(whet_refitter *r, int32_t weight, whet_tensor *t);
// Whether those are what the engine's file had when it was written. WHET_E_CHECKSUM.
whet_status whet_refitter_check(whet_refitter *r, int32_t weight, const whet_tensor *t);
// Keeps a file open until what was given is forgotten; closes it when that fails. WHET_E_NOMEM.
whet_status whet_refitter_hold(whet_refitter *r, void *handle, void (*close)(void *handle));
// Weights with adapters that changed, in `all` [listed weights], from `given` where that has them.
// Memory is the arena's. refit_lora.c
whet_status whet_refit_adapt(whet_refitter *r, whet_arena *arena, const whet_tensor **all);
// What was given for weights with adapters becomes what these are added to. WHET_E_NOMEM.
whet_status whet_refit_keep(whet_refitter *r);

#endif
