// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct whet_arena_chunk {
    whet_arena_chunk *next;
    size_t bytes; // usable
    char *data;   // 64-byte aligned
};

#define CHUNK_BYTES ((size_t)4 << 10) // of the first one, each further one twice that

void whet_arena_init(whet_arena *arena) { *arena = (whet_arena){0}; }

void whet_arena_fini(whet_arena *arena) {
    for (whet_arena_chunk *c = arena->first, *next; c; c = next) {
        next = c->next;
        free(c->data);
        free(c);
    }
    *arena = (whet_arena){0};
}

void whet_arena_reset(whet_arena *arena) {
    arena->current = arena->first;
    arena->used = arena->total = 0;
    arena->limited = false;
}

static whet_arena_chunk *chunk_new(size_t bytes) {
    whet_arena_chunk *c = malloc(sizeof *c);
    if (!c) return NULL;
    *c = (whet_arena_chunk){.bytes = bytes};
    if (posix_memalign((void **)&c->data, 64, bytes)) {
        free(c);
        return NULL;
    }
    return c;
}

void *whet_arena_alloc_raw(whet_arena *arena, size_t bytes) {
    size_t align = bytes >= 64 ? 64 : 16;
    if (bytes > SIZE_MAX / 2) return NULL;
    if (bytes == 0) bytes = 1;
    if (arena->limit && (arena->total > arena->limit || bytes > arena->limit - arena->total)) {
        arena->limited = true;
        return NULL;
    }
    arena->total += bytes;
    for (;;) {
        whet_arena_chunk *c = arena->current;
        if (c) {
            size_t at = (arena->used + align - 1) & ~(align - 1);
            if (at <= c->bytes && bytes <= c->bytes - at) {
                arena->used = at + bytes;
                return c->data + at;
            }
            if (c->next && c->next->bytes >= bytes) {
                arena->current = c->next;
                arena->used = 0;
                continue;
            }
        }
        size_t last = c ? c->bytes : 0;
        size_t want = last * 2 > (size_t)8 << 20 ? (size_t)8 << 20 : last * 2;
        if (want < CHUNK_BYTES) want = CHUNK_BYTES;
        if (want < bytes) want = (bytes + 63) & ~(size_t)63;
        whet_arena_chunk *fresh = chunk_new(want);
        if (!fresh) return NULL;
        if (c) {
            fresh->next = c->next;
            c->next = fresh;
        } else {
            arena->first = fresh;
        }
        arena->current = fresh;
        arena->used = 0;
    }
}

void *whet_arena_alloc(whet_arena *arena, size_t bytes) {
    void *p = whet_arena_alloc_raw(arena, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void *whet_arena_array(whet_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return whet_arena_alloc(arena, bytes);
}

void *whet_arena_memdup(whet_arena *arena, const void *data, size_t bytes) {
    void *p = whet_arena_alloc_raw(arena, bytes);
    if (p && bytes) memcpy(p, data, bytes);
    return p;
}

char *whet_arena_strndup(whet_arena *arena, const char *text, size_t bytes) {
    char *p = whet_arena_alloc_raw(arena, bytes + 1);
    if (!p) return NULL;
    if (bytes) memcpy(p, text, bytes);
    p[bytes] = 0;
    return p;
}

char *whet_arena_strdup(whet_arena *arena, const char *text) {
    return whet_arena_strndup(arena, text, strlen(text));
}

char *whet_arena_printf(whet_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : whet_arena_alloc_raw(arena, (size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

int whet_arena_grow(whet_arena *arena, void **v, int32_t *cap, int32_t n, size_t size) {
    if (*cap > INT32_MAX / 2) return 0;
    int32_t fresh = *cap ? *cap * 2 : 8;
    void *p = whet_arena_array(arena, (size_t)fresh, size);
    if (!p) return 0;
    if (n) memcpy(p, *v, (size_t)n * size);
    *v = p;
    *cap = fresh;
    return 1;
}
