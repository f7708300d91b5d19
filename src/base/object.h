// SPDX-License-Identifier: Apache-2.0
// Values that are no tensors: sequences, optionals, maps. As a tensor such a value is one element
// of 8 bytes, a pointer to a whet_object. Objects never change after they are made; what is put in
// one is copied into the arena of the run's objects, unless it lies there already, so that values
// can be passed on without counting references.
#ifndef WHET_BASE_OBJECT_H
#define WHET_BASE_OBJECT_H

#include "base/arena.h"
#include "base/dtype.h"
#include "base/error.h"

// What is in a value, as a chain of bytes from the outside in: of a sequence of optionals of f32
// OPTIONAL | F32 << 8; of a map from its keys' type to its values' KEY | VALUE << 8. 0: not known,
// which agrees with everything.
typedef uint32_t whet_elem;

static inline whet_dtype whet_elem_dtype(whet_elem e) { return (whet_dtype)(e & 0xff); }
static inline whet_elem whet_elem_inner(whet_elem e) { return e >> 8; }
// The chain of a value of `dtype` with `inner` in it; false when it is too long.
bool whet_elem_make(whet_dtype dtype, whet_elem inner, whet_elem *out);
// Both of one type: what either knows. False when they contradict each other.
bool whet_elem_merge(whet_elem a, whet_elem b, whet_elem *out);
// Whether the chain is one that values can have, for a value of `dtype`.
bool whet_elem_valid(whet_dtype dtype, whet_elem e);

#define WHET_OBJECT_MAGIC 0x6a626f77u

struct whet_object {
    uint32_t magic;
    whet_dtype kind;           // SEQUENCE, OPTIONAL, MAP
    whet_elem elem;
    int64_t n;                 // OPTIONAL: 0 or 1; MAP: 2, keys and values
    const whet_tensor *items;
    const whet_arena *owner;   // everything of it is in there; NULL: brought by a caller
    struct whet_object_room *room; // behind the items, for the next one
};

// The object that a value of one element holds; NULL when it holds none.
static inline const whet_object *whet_object_of(const whet_tensor *t) {
    return t->data ? *(const whet_object *const *)t->data : NULL;
}

// All of these: WHET_E_DTYPE when items do not agree, WHET_E_LIMIT (the arena's limit),
// WHET_E_NOMEM. Items are copied.
whet_status whet_object_make(whet_arena *arena, whet_dtype kind, whet_elem elem,
                             const whet_tensor *items, int64_t n, const whet_object **out,
                             whet_error *err);
// `s` with the item before position `at` in [0, s->n]. At the end it costs the item alone.
whet_status whet_object_insert(whet_arena *arena, const whet_object *s, int64_t at,
                               const whet_tensor *item, const whet_object **out, whet_error *err);
// `s` without item `at`.
whet_status whet_object_erase(whet_arena *arena, const whet_object *s, int64_t at,
                              const whet_object **out, whet_error *err);
// The object itself when it lies in the arena, else a copy of all of it.
whet_status whet_object_adopt(whet_arena *arena, const whet_object *o, const whet_object **out,
                              whet_error *err);
// Why an allocation from the arena failed: its limit or the machine's memory.
whet_status whet_arena_failure(const whet_arena *arena, whet_error *err);

// Whether a caller's object is of this type through and through: WHET_E_INVALID, WHET_E_DTYPE,
// WHET_E_SHAPE, WHET_E_BUFFER with a text without the input's name.
whet_status whet_object_check(const whet_object *o, whet_dtype kind, whet_elem elem,
                              whet_error *err);
// The chain of what is in it, from its items.
whet_status whet_object_find_elem(const whet_object *o, whet_elem *elem, whet_error *err);
// The elements of a caller's string tensor.
whet_status whet_texts_check(const whet_text *v, int64_t n, whet_error *err);

#endif
