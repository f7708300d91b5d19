// SPDX-License-Identifier: Apache-2.0
#include "onnx/name_table.h"

#include <string.h>

#include "base/hash.h"

// The slot of the name, or the free one where it would be. There is always a free one.
static whet_name_slot *probe(const whet_names *names, const char *name) {
    size_t i = (size_t)whet_hash64_text(name, 0);
    for (;; i++) {
        whet_name_slot *slot = &names->slots[i & (names->cap - 1)];
        if (!slot->name || !strcmp(slot->name, name)) return slot;
    }
}

void *whet_names_get(const whet_names *names, const char *name) {
    return names->cap ? probe(names, name)->item : NULL;
}

static int grow(whet_names *names, whet_arena *arena) {
    whet_names fresh = {.cap = names->cap ? names->cap * 2 : 64, .n = names->n};
    fresh.slots = WHET_NEW_ARRAY(arena, whet_name_slot, fresh.cap);
    if (!fresh.slots) return 0;
    for (size_t i = 0; i < names->cap; i++)
        if (names->slots[i].name) *probe(&fresh, names->slots[i].name) = names->slots[i];
    *names = fresh;
    return 1;
}

whet_name_slot *whet_names_put(whet_names *names, whet_arena *arena, const char *name) {
    if (names->n * 2 >= names->cap && !grow(names, arena)) return NULL;
    whet_name_slot *slot = probe(names, name);
    if (!slot->name) {
        slot->name = name;
        names->n++;
    }
    return slot;
}
