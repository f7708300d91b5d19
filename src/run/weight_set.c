// SPDX-License-Identifier: Apache-2.0
#include "run/weight_set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run/engine_impl.h"

#define LARGE_PAGE ((size_t)2 << 20)

// ---- memory ----

static void free_memory(whet_weight_memory *m) {
    if (!m) return;
    if (m->map) munmap(m->map, m->map_bytes);
    free(m);
}

static whet_weight_memory *map_memory(size_t size) {
    whet_weight_memory *m = calloc(1, sizeof *m);
    if (!m || size > SIZE_MAX - 2 * LARGE_PAGE) return free(m), NULL;
    m->refs = 1;
    m->size = size;
    m->map_bytes = size + LARGE_PAGE;
    m->map = mmap(NULL, m->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->map == MAP_FAILED) return free(m), NULL;
    m->data = (char *)(((uintptr_t)m->map + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
#ifdef MADV_HUGEPAGE
    madvise(m->data, size, MADV_HUGEPAGE); // a hint
#endif
    return m;
}

whet_weight_memory *whet_weight_memory_take(whet_engine *e, size_t size) {
    pthread_mutex_lock(&e->lock);
    whet_weight_memory *m = e->spare;
    bool fits = m && m->size >= size && m->size / 2 <= size;
    if (fits) e->spare = NULL;
    pthread_mutex_unlock(&e->lock);
    if (!fits) return map_memory(size);
    m->refs = 1;
    return m;
}

// The engine's lock is held. One that is not needed any more is kept for the next refit.
static void release_memory(whet_engine *e, whet_weight_memory *m) {
    if (!m || --m->refs > 0) return;
    bool keep = e->n_refitters > 0 && (!e->spare || e->spare->size < m->size);
    whet_weight_memory *old = keep ? e->spare : m;
    if (keep) e->spare = m;
    free_memory(old);
}

void whet_weight_memory_release(whet_engine *e, whet_weight_memory *m) {
    pthread_mutex_lock(&e->lock);
    release_memory(e, m);
    pthread_mutex_unlock(&e->lock);
}

void whet_weight_memory_forget(whet_engine *e) {
    pthread_mutex_lock(&e->lock);
    whet_weight_memory *m = e->spare;
    e->spare = NULL;
    pthread_mutex_unlock(&e->lock);
    free_memory(m);
}

// ---- tables ----

static whet_pgraph *copy_graph(whet_arena *arena, const whet_pgraph *from, whet_pgraph *parent) {
    whet_pgraph *g = whet_arena_memdup(arena, from, sizeof *g);
    if (!g) return NULL;
    g->arena = (whet_arena){0}; // nothing may be added to it
    g->parent = parent;
    g->values =
        whet_arena_memdup(arena, from->values, (size_t)from->n_values * sizeof *g->values);
    g->blocks = WHET_NEW_ARRAY(arena, whet_pgraph *, from->n_blocks);
    if (!g->values || !g->blocks) return NULL;
    for (int32_t i = 0; i < from->n_blocks; i++)
        if (!(g->blocks[i] = copy_graph(arena, from->blocks[i], g))) return NULL;
    return g;
}

static whet_plan *copy_plan(whet_arena *arena, const whet_plan *from) {
    whet_plan *p = whet_arena_memdup(arena, from, sizeof *p);
    if (!p) return NULL;
    p->arena = (whet_arena){0};
    p->owned = NULL;
    p->packed =
        whet_arena_memdup(arena, from->packed, (size_t)from->n_packed * sizeof *p->packed);
    p->blocks = WHET_NEW_ARRAY(arena, whet_plan *, from->n_blocks);
    if (!p->packed || !p->blocks) return NULL;
    for (int32_t i = 0; i < from->n_blocks; i++)
        if (!(p->blocks[i] = copy_plan(arena, from->blocks[i]))) return NULL;
    return p;
}

whet_status whet_weight_set_copy(const whet_weight_set *from, int32_t n_plans,
                                 whet_weight_set **copy) {
    whet_weight_set *s = calloc(1, sizeof *s);
    if (!s) return WHET_E_NOMEM;
    whet_arena_init(&s->arena);
    s->refs = 1;
    s->graph = copy_graph(&s->arena, from->graph, NULL);
    s->plans = WHET_NEW_ARRAY(&s->arena, whet_plan *, n_plans);
    bool good = s->graph && s->plans;
    for (int32_t i = 0; i < n_plans && good; i++)
        good = (s->plans[i] = copy_plan(&s->arena, from->plans[i])) != NULL;
    if (good) {
        *copy = s;
        return WHET_OK;
    }
    whet_arena_fini(&s->arena);
    free(s);
    return WHET_E_NOMEM;
}

// ---- taking and putting ----

void whet_weight_set_init(whet_engine *e) {
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->refit_lock, NULL);
    e->base.refs = 1; // the engine's
    atomic_init(&e->current, &e->base);
}

whet_weight_set *whet_weight_set_ref(whet_engine *e) {
    pthread_mutex_lock(&e->lock);
    whet_weight_set *s = atomic_load(&e->current);
    s->refs++;
    pthread_mutex_unlock(&e->lock);
    return s;
}

static void unref(whet_engine *e, whet_weight_set *s) {
    if (--s->refs > 0 || s == &e->base) return;
    for (int32_t i = 0; i < s->n_memory; i++) release_memory(e, s->memory[i]);
    free(s->file);
    whet_arena_fini(&s->arena);
    free(s);
}

void whet_weight_set_unref(whet_engine *e, whet_weight_set *s) {
    if (!s) return;
    pthread_mutex_lock(&e->lock);
    unref(e, s);
    pthread_mutex_unlock(&e->lock);
}

void whet_weight_set_put(whet_engine *e, whet_weight_set *s) {
    pthread_mutex_lock(&e->lock);
    whet_weight_set *old = atomic_load(&e->current);
    atomic_store(&e->current, s);
    if (old != &e->base) unref(e, old);
    pthread_mutex_unlock(&e->lock);
}

void whet_weight_set_fini(whet_engine *e) {
    whet_weight_set *s = atomic_load(&e->current);
    if (s != &e->base) unref(e, s);
    free(e->base.file);
    free_memory(e->spare);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->refit_lock);
}
