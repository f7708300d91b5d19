// SPDX-License-Identifier: Apache-2.0
// The refitter: checks what it is given and runs the refit.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc_fork.h"
#include "run/refitter_impl.h"

whet_status whet_refitter_create(whet_engine *e, whet_refitter **refitter) {
    if (!e || !refitter) return WHET_E_INVALID;
    whet_error_clear(&e->handle.error);
    if (!e->lists)
        WHET_FAIL(&e->handle.error, WHET_E_UNSUPPORTED,
                  "the engine was written before engines listed their weights: build it again");
    whet_section *sources = whet_engine_file_find(&e->file, WHET_SECTION_SOURCES, 0);
    if (sources && !whet_engine_file_find(&e->file, WHET_SECTION_SUMS, 0)) {
        pthread_mutex_lock(&e->refit_lock); // nothing else would check them
        whet_status status = whet_section_check(sources, e->env->workers, &e->handle.error);
        pthread_mutex_unlock(&e->refit_lock);
        WHET_TRY(status);
    }
    whet_refitter *r = calloc(1, sizeof *r);
    if (!r) return WHET_NOMEM(&e->handle.error);
    r->handle.magic = WHET_HANDLE_MAGIC;
    r->engine = e;
    whet_arena_init(&r->arena);
    whet_arena_init(&r->lent);
    r->given = WHET_NEW_ARRAY(&r->arena, const whet_tensor *, e->listed.n + 1);
    r->base = WHET_NEW_ARRAY(&r->arena, void *, e->listed.n + 1);
    pthread_mutex_lock(&e->lock);
    e->n_refitters++;
    pthread_mutex_unlock(&e->lock);
    if (r->given && r->base && whet_refit_places(e, &r->arena, &r->places) == WHET_OK) {
        *refitter = r;
        return WHET_OK;
    }
    whet_refitter_destroy(r);
    return WHET_NOMEM(&e->handle.error);
}

static void forget(whet_refitter *r) {
    for (int32_t i = 0; i < r->n_files; i++) r->files[i].close(r->files[i].handle);
    r->files = NULL;
    r->n_files = r->cap_files = 0;
    if (r->given) memset(r->given, 0, ((size_t)r->engine->listed.n + 1) * sizeof *r->given);
    whet_arena_fini(&r->lent);
    whet_arena_init(&r->lent);
}

void whet_refitter_destroy(whet_refitter *r) {
    if (!r) return;
    whet_engine *e = r->engine;
    forget(r);
    for (int32_t i = 0; r->base && i < e->listed.n; i++) free(r->base[i]);
    for (int32_t i = 0; i < r->n_loras; i++) {
        free(r->loras[i].a.data);
        free(r->loras[i].b.data);
    }
    pthread_mutex_lock(&e->lock);
    bool last = --e->n_refitters == 0;
    pthread_mutex_unlock(&e->lock);
    if (last) {
        whet_weight_memory_forget(e);
        pthread_mutex_lock(&e->refit_lock);
        whet_refit_drop_scratch(e);
        pthread_mutex_unlock(&e->refit_lock);
    }
    whet_arena_fini(&r->lent);
    whet_arena_fini(&r->arena);
    free(r);
}

void whet_refitter_clear(whet_refitter *r) {
    if (r) forget(r);
}

whet_status whet_refitter_hold(whet_refitter *r, void *handle, void (*close)(void *handle)) {
    whet_refit_file f = {handle, close};
    if (WHET_ARENA_PUSH(&r->lent, r->files, r->n_files, r->cap_files, f)) return WHET_OK;
    close(handle);
    return WHET_NOMEM(&r->handle.error);
}

// ---- looking ----

int32_t whet_refitter_count(const whet_refitter *r) { return r ? r->engine->listed.n : 0; }

int32_t whet_refitter_find(const whet_refitter *r, const char *name) {
    const whet_model_weights *w = &r->engine->listed;
    const whet_model_weight *m = whet_model_weights_find(w, name);
    return m ? (int32_t)(m - w->v) : -1;
}

static bool is_free(const whet_refitter *r, int32_t i) {
    return r->places[i].level >= 0 && r->engine->listed.v[i].state == WHET_WEIGHT_FREE;
}

whet_status whet_refitter_weight(const whet_refitter *r, int32_t i, whet_weight_info *info) {
    if (!r || !info || i < 0 || i >= r->engine->listed.n) return WHET_E_RANGE;
    const whet_model_weight *w = &r->engine->listed.v[i];
    *info = (whet_weight_info){.name = w->name, .dtype = w->dtype, .rank = w->rank,
                               .refittable = is_free(r, i), .given = r->given[i] != NULL};
    memcpy(info->dims, w->dims, sizeof info->dims);
    return WHET_OK;
}

static const whet_pvalue *value_at(const whet_pgraph *g, int32_t *level, int32_t value) {
    if ((*level)-- == 0) return &g->values[value];
    for (int32_t i = 0; i < g->n_blocks; i++) {
        const whet_pvalue *v = value_at(g->blocks[i], level, value);
        if (v) return v;
    }
    return NULL;
}

bool whet_refitter_now(whet_refitter *r, int32_t i, whet_tensor *t) {
    int32_t level = r->places[i].level;
    if (level < 0) return false;
    whet_weight_set *s = whet_weight_set_ref(r->engine);
    *t = whet_pvalue_tensor(value_at(s->graph, &level, r->places[i].value));
    whet_weight_set_unref(r->engine, s); // the engine has it until the next refit
    return t->data != NULL;
}

whet_status whet_refitter_check(whet_refitter *r, int32_t i, const whet_tensor *t) {
    int32_t level = r->places[i].level;
    const whet_pvalue *v = value_at(r->engine->graph, &level, r->places[i].value);
    if (v->data != t->data || !v->summed || whet_crc32c_fork(NULL, t->data, t->bytes) == v->sum)
        return WHET_OK;
    WHET_FAIL(&r->handle.error, WHET_E_CHECKSUM, "engine file: constant \"%s\" is damaged",
              v->name);
}

whet_status whet_refitter_get(whet_refitter *r, const char *name, whet_tensor *tensor) {
    if (!r) return WHET_E_INVALID;
    whet_error *err = &r->handle.error;
    whet_error_clear(err);
    if (!name || !tensor) WHET_FAIL(err, WHET_E_INVALID, "whet_refitter_get: NULL argument");
    int32_t i = whet_refitter_find(r, name);
    if (i < 0) WHET_FAIL(err, WHET_E_NOT_FOUND, "the engine has no weight \"%s\"", name);
    if (!whet_refitter_now(r, i, tensor))
        WHET_FAIL(err, WHET_E_NOT_FOUND, "the engine does not hold weight \"%s\" by itself", name);
    return whet_refitter_check(r, i, tensor);
}

// ---- giving ----

static void type_text(char *text, size_t size, whet_dtype dtype, int32_t rank,
                      const int64_t *dims) {
    int n = snprintf(text, size, "%s[", whet_dtype_text(dtype));
    for (int32_t i = 0; i < rank && n > 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%lld", i ? "," : "", (long long)dims[i]);
    if (n > 0 && (size_t)n < size) snprintf(text + n, size - (size_t)n, "]");
}

static whet_status check_type(const whet_model_weight *w, const whet_tensor *t, whet_error *err) {
    bool shape = t->rank == w->rank;
    for (int32_t d = 0; shape && d < w->rank; d++) shape = t->dims[d] == w->dims[d];
    char want[256], got[256];
    if (t->rank < 0 || t->rank > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_SHAPE, "weight \"%s\": rank %d", w->name, t->rank);
    type_text(want, sizeof want, w->dtype, w->rank, w->dims);
    type_text(got, sizeof got, t->dtype, t->rank, t->dims);
    if (t->dtype != w->dtype || !shape)
        WHET_FAIL(err, shape ? WHET_E_DTYPE : WHET_E_SHAPE,
                  "weight \"%s\": the engine has %s, given is %s", w->name, want, got);
    size_t bytes = whet_tensor_bytes(w->dtype, whet_dims_count(w->dims, w->rank));
    if ((t->bytes && t->bytes != bytes) || (bytes && !t->data))
        WHET_FAIL(err, WHET_E_BUFFER, "weight \"%s\": %s takes %zu bytes, given are %zu", w->name,
                  want, bytes, t->data ? t->bytes : 0);
    return WHET_OK;
}

whet_status whet_refitter_set(whet_refitter *r, const char *name, const whet_tensor *t) {
    if (!r) return WHET_E_INVALID;
    whet_error *err = &r->handle.error;
    whet_error_clear(err);
    if (!name || !t) WHET_FAIL(err, WHET_E_INVALID, "whet_refitter_set: NULL argument");
    int32_t i = whet_refitter_find(r, name);
    if (i < 0) WHET_FAIL(err, WHET_E_NOT_FOUND, "the engine has no weight \"%s\"", name);
    const whet_model_weight *w = &r->engine->listed.v[i];
    WHET_TRY(check_type(w, t, err));
    if (!is_free(r, i)) {
        size_t bytes = whet_tensor_bytes(w->dtype, whet_dims_count(w->dims, w->rank));
        if (whet_crc32c_fork(NULL, t->data, bytes) == w->sum) return WHET_OK;
        if (w->state == WHET_WEIGHT_ROUNDED)
            WHET_FAIL(err, WHET_E_UNSUPPORTED,
                      "weight \"%s\" is not what it was, and the build has rounded it to a few "
                      "bits, with corrections that take the samples of the calibration: build the "
                      "engine again", name);
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "weight \"%s\" is not what it was, and the engine was made for what it held (a "
                  "shape, a number that a fusion took up): build it again", name);
    }
    whet_tensor *copy = whet_arena_memdup(&r->lent, t, sizeof *t);
    if (!copy) return WHET_NOMEM(err);
    r->given[i] = copy;
    return WHET_OK;
}

// ---- what is missing ----

static bool is_changing(const whet_refitter *r, int32_t i) {
    if (r->given[i]) return true;
    for (int32_t k = 0; k < r->n_loras; k++)
        if (r->loras[k].weight == i && r->adapters[r->loras[k].adapter].changed) return true;
    return false;
}

const char *whet_refitter_missing(whet_refitter *r, int32_t index) {
    if (!r || index < 0) return NULL;
    if (index == 0) {
        const whet_model_weights *w = &r->engine->listed;
        uint8_t *needed = calloc((size_t)w->n + 1, 1);
        r->n_missing = 0;
        if (!r->missing) r->missing = WHET_NEW_ARRAY(&r->arena, const char *, w->n + 1);
        for (int32_t i = 0; needed && i < w->n; i++) needed[i] = is_changing(r, i);
        if (!needed || !r->missing || whet_refit_needed(r->engine, needed) != WHET_OK) {
            free(needed);
            return NULL;
        }
        for (int32_t i = 0; i < w->n; i++) {
            whet_tensor t;
            bool held = !atomic_load(&r->engine->stripped) && whet_refitter_now(r, i, &t);
            if (needed[i] && is_free(r, i) && !r->given[i] && !held && !r->base[i])
                r->missing[r->n_missing++] = w->v[i].name;
        }
        free(needed);
    }
    return index < r->n_missing ? r->missing[index] : NULL;
}

static whet_status check_missing(whet_refitter *r) {
    const char *first = whet_refitter_missing(r, 0);
    if (!first) return WHET_OK;
    char more[64] = "";
    if (r->n_missing > 1) snprintf(more, sizeof more, " and %d others", r->n_missing - 1);
    bool stripped = atomic_load(&r->engine->stripped);
    WHET_FAIL(&r->handle.error, WHET_E_NOT_FOUND,
              "%s \"%s\"%s: give %s too",
              stripped ? "the engine was stripped of its weights and has not been given"
                       : "the engine holds no source weights (portable=none), and what changes is "
                         "made from weights not given:",
              first, more, r->n_missing > 1 ? "them" : "it");
}

// ---- running ----

// Lends the graph what an engine without weights is planned with.
static whet_status fill_stripped(whet_refitter *r, const whet_tensor *const *all) {
    whet_engine *e = r->engine;
    for (int32_t i = 0; i < e->listed.n; i++) {
        int32_t level = r->places[i].level;
        if (!all[i] || level < 0) continue;
        whet_pvalue *v =
            (whet_pvalue *)(uintptr_t)value_at(e->graph, &level, r->places[i].value);
        v->data = all[i]->data;
    }
    return whet_engine_plan_stripped(e, &r->handle.error);
}

static whet_status run(whet_refitter *r, whet_arena *arena) {
    whet_engine *e = r->engine;
    const whet_tensor **all = whet_arena_memdup(
        arena, r->given, ((size_t)e->listed.n + 1) * sizeof *all);
    if (!all) return WHET_NOMEM(&r->handle.error);
    WHET_TRY(whet_refit_adapt(r, arena, all));
    bool stripped = atomic_load(&e->stripped), any = stripped;
    for (int32_t i = 0; i < e->listed.n; i++) any = any || all[i];
    if (!any) return WHET_OK;
    if (stripped) WHET_TRY(fill_stripped(r, all));
    whet_weight_set *s;
    WHET_TRY(whet_refit_make_set(e, all, stripped, &s, &r->handle.error));
    whet_status status = whet_refit_keep(r);
    if (status != WHET_OK) {
        whet_weight_set_unref(e, s);
        return status;
    }
    whet_weight_set_put(e, s);
    atomic_store(&e->stripped, false);
    return WHET_OK;
}

whet_status whet_refitter_run(whet_refitter *r) {
    if (!r) return WHET_E_INVALID;
    whet_error_clear(&r->handle.error);
    WHET_TRY(check_missing(r));
    whet_arena arena;
    whet_arena_init(&arena);
    pthread_mutex_lock(&r->engine->refit_lock);
    whet_status status = run(r, &arena);
    pthread_mutex_unlock(&r->engine->refit_lock);
    whet_arena_fini(&arena);
    if (status != WHET_OK) return status;
    for (int32_t i = 0; i < r->n_adapters; i++) r->adapters[i].changed = false;
    forget(r);
    return WHET_OK;
}
