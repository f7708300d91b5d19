// SPDX-License-Identifier: Apache-2.0
// A table from names to pointers, in an arena; names are borrowed.
#ifndef WHET_ONNX_NAME_TABLE_H
#define WHET_ONNX_NAME_TABLE_H

#include "base/arena.h"

typedef struct whet_name_slot {
    const char *name; // NULL: free
    void *item;
} whet_name_slot;

typedef struct whet_names {
    whet_name_slot *slots;
    size_t cap, n; // cap is a power of two or 0
} whet_names;

// NULL when absent.
void *whet_names_get(const whet_names *names, const char *name);
// The slot of the name, made with item NULL when absent; valid until the next put. NULL: out of
// memory.
whet_name_slot *whet_names_put(whet_names *names, whet_arena *arena, const char *name);

#endif
