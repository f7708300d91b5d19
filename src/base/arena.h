// SPDX-License-Identifier: Apache-2.0
// Bump allocation in chained chunks, freed all at once. NULL only when memory is out, or above the
// limit where one is set.
// Memory is zeroed. Not thread-safe.
#ifndef WHET_BASE_ARENA_H
#define WHET_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct whet_arena_chunk whet_arena_chunk;
typedef struct whet_arena {
    whet_arena_chunk *first, *current;
    size_t used;         // in `current`
    size_t total, limit; // bytes given out since the last reset, and how many may be; 0: any
    bool limited;        // an allocation was refused because of the limit
} whet_arena;

void whet_arena_init(whet_arena *arena);
void whet_arena_fini(whet_arena *arena);
// Forgets every allocation but keeps the chunks, so that a repeated pattern allocates nothing new.
void whet_arena_reset(whet_arena *arena);

// 64-byte aligned when bytes >= 64, 16-byte aligned otherwise.
void *whet_arena_alloc(whet_arena *arena, size_t bytes);
// The same without zeroing.
void *whet_arena_alloc_raw(whet_arena *arena, size_t bytes);
// NULL on overflow too.
void *whet_arena_array(whet_arena *arena, size_t count, size_t size);
char *whet_arena_strdup(whet_arena *arena, const char *text);
char *whet_arena_strndup(whet_arena *arena, const char *text, size_t bytes);
char *whet_arena_printf(whet_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void *whet_arena_memdup(whet_arena *arena, const void *data, size_t bytes);

#define WHET_NEW(arena, type) ((type *)whet_arena_alloc((arena), sizeof(type)))
#define WHET_NEW_ARRAY(arena, type, count)                                                         \
    ((type *)whet_arena_array((arena), (size_t)(count), sizeof(type)))

// Growable array in an arena: `T *v; int32_t n, cap;`. Evaluates to false when memory is out.
#define WHET_ARENA_PUSH(arena, v, n, cap, item)                                                    \
    (((n) < (cap) ||                                                                               \
      whet_arena_grow((arena), (void **)&(v), &(cap), (n), sizeof *(v))) &&                        \
     ((v)[(n)++] = (item), 1))
int whet_arena_grow(whet_arena *arena, void **v, int32_t *cap, int32_t n, size_t size);

#endif
