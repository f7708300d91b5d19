// SPDX-License-Identifier: Apache-2.0
// Packed weights in memory of their own instead of the mapped file's.
#include "run/engine_impl.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK ((size_t)2 << 20) // a large page

typedef struct {
    const char *from;
    char *to;
    size_t size;
    _Atomic(size_t) next;
} copy_state;

static void copy_main(void *user, int32_t index, int32_t n) {
    copy_state *s = user;
    (void)index, (void)n;
    for (size_t at; (at = atomic_fetch_add(&s->next, CHUNK)) < s->size;)
        memcpy(s->to + at, s->from + at, s->size - at < CHUNK ? s->size - at : CHUNK);
}

whet_status whet_engine_copy_weights(whet_engine *e, const whet_section *packed, whet_error *err) {
    size_t size = packed->size;
    if (!size) return WHET_OK;
    // a page more than asked for, so that large pages fit
    e->weights_bytes = size + CHUNK;
    void *map = mmap(NULL, e->weights_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);
    if (map == MAP_FAILED) return WHET_NOMEM(err);
    e->weights_map = map;
    e->weights = (void *)(((uintptr_t)map + CHUNK - 1) & ~(uintptr_t)(CHUNK - 1));
#ifdef MADV_HUGEPAGE
    madvise(e->weights, size, MADV_HUGEPAGE); // a hint
#endif
    copy_state s = {.from = (const char *)packed->data, .to = e->weights, .size = size};
    whet_workers_fork(e->env->workers, e->env->threads, copy_main, &s);
    // what was copied need not stay mapped in this process; it is a file's, so nothing is lost
    madvise((void *)packed->data, size & ~(size_t)(WHET_ENGINE_ALIGN - 1), MADV_DONTNEED);
    return WHET_OK;
}

void whet_engine_drop_weights(whet_engine *e) {
    if (e->weights_map) munmap(e->weights_map, e->weights_bytes);
    e->weights_map = e->weights = NULL;
}
