// SPDX-License-Identifier: Apache-2.0
// Optimization profiles as a caller gives them: by names of inputs, before the model is known.
#ifndef WHET_BUILD_PROFILE_H
#define WHET_BUILD_PROFILE_H

#include "engine/boxes.h"

typedef struct whet_profile_entry {
    const char *input;
    bool contents;
    int32_t n;
    int64_t *min, *opt, *max; // [n]
} whet_profile_entry;

struct whet_profile {
    whet_handle handle;
    whet_arena arena;
    whet_profile_entry *v;
    int32_t n, cap;
};

// The profiles for this graph, complete and checked, in the arena. Errors name profile and input.
// WHET_E_INVALID, WHET_E_SHAPE, WHET_E_NOMEM.
whet_status whet_profiles_resolve(const whet_profile *const *profiles, int32_t n,
                                  const whet_pgraph *g, whet_arena *arena, whet_boxes *out,
                                  whet_error *err);
// A deep copy in the arena; NULL: out of memory.
whet_profile *whet_profile_copy(const whet_profile *p, whet_arena *arena);

#endif
