// SPDX-License-Identifier: Apache-2.0
// An engine with the weights that it has now, or without them, as a file.
#include <stdlib.h>
#include <string.h>

#include "base/crc_fork.h"
#include "run/engine_sections.h"
#include "run/refit_make.h"

// ---- stripping ----

// Forgets free source constants and what is derived from them. gone: [values] of the graph around.
static whet_status forget(whet_arena *arena, whet_pgraph *g, const whet_model_weights *listed,
                          const uint8_t *around) {
    uint8_t *gone = WHET_NEW_ARRAY(arena, uint8_t, g->n_values);
    if (!gone) return WHET_E_NOMEM;
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_pvalue *v = &g->values[i];
        if (v->kind == WHET_PVALUE_OUTER) gone[i] = around[v->outer];
        if (v->kind != WHET_PVALUE_SOURCE) continue;
        const whet_model_weight *w = whet_model_weights_find(listed, v->name);
        gone[i] = w && w->state == WHET_WEIGHT_FREE;
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_pnode *n = &g->nodes[i];
        bool any = false;
        for (int32_t k = 0; k < n->n_in && n->recipe; k++)
            any = any || (n->in[k] >= 0 && gone[n->in[k]]);
        for (int32_t k = 0; k < n->n_out && any; k++)
            if (n->out[k] >= 0) gone[n->out[k]] = 1;
    }
    for (int32_t i = 0; i < g->n_values; i++)
        if (gone[i]) g->values[i].data = NULL;
    for (int32_t i = 0; i < g->n_blocks; i++)
        WHET_TRY(forget(arena, g->blocks[i], listed, gone));
    return WHET_OK;
}

// ---- the list of weights ----

static const whet_pvalue *value_at(const whet_pgraph *g, int32_t *level, int32_t value) {
    if ((*level)-- == 0) return &g->values[value];
    for (int32_t i = 0; i < g->n_blocks; i++) {
        const whet_pvalue *v = value_at(g->blocks[i], level, value);
        if (v) return v;
    }
    return NULL;
}

// Sums of what the engine holds now.
static whet_status push_weights(whet_engine *e, whet_sections *l, const whet_pgraph *g, bool strip,
                                uint64_t packed_bytes) {
    whet_model_weights w = e->listed;
    whet_refit_place *places;
    w.v = whet_arena_memdup(&l->arena, w.v, (size_t)w.n * sizeof *w.v);
    whet_writer *out = whet_sections_writer(l);
    if (!w.v || !out || whet_refit_places(e, &l->arena, &places)) return WHET_E_NOMEM;
    for (int32_t i = 0; i < w.n; i++) {
        int32_t level = places[i].level;
        const whet_pvalue *v = level < 0 ? NULL : value_at(g, &level, places[i].value);
        if (!v || !v->data || w.v[i].state != WHET_WEIGHT_FREE) continue;
        whet_tensor t = whet_pvalue_tensor(v);
        w.v[i].sum = whet_crc32c_fork(e->env->workers, t.data, t.bytes);
    }
    w.stripped = strip;
    w.packed_bytes = strip ? packed_bytes : 0;
    whet_model_weights_encode(&w, out);
    return whet_sections_push_written(l, WHET_SECTION_WEIGHTS, 0, out) ? WHET_OK : WHET_E_NOMEM;
}

// ---- the file ----

static bool is_rewritten(uint32_t kind) {
    return kind == WHET_SECTION_GRAPH || kind == WHET_SECTION_INDEX ||
           kind == WHET_SECTION_SOURCES || kind == WHET_SECTION_SUMS ||
           kind == WHET_SECTION_WEIGHTS;
}

static whet_status copy_portable(whet_engine *e, whet_sections *l, whet_error *err) {
    int32_t others = 0;
    for (int32_t i = 0; i < e->file.n_sections; i++) {
        whet_section *s = &e->file.sections[i];
        others += s->kind == WHET_SECTION_MACHINE && s->id != e->machine;
        if (s->id || (is_rewritten(s->kind) && s->kind != WHET_SECTION_SOURCES)) continue;
        WHET_TRY(whet_section_check(s, e->env->workers, err));
        if (is_rewritten(s->kind)) continue; // what is written again is right
        if (!whet_sections_push(l, (whet_section_kind)s->kind, 0, s->data, s->size))
            return WHET_NOMEM(err);
    }
    if (others)
        whet_env_log(e->env, WHET_LOG_WARNING,
                     "the engine's sections for %d other machines hold the old weights and are "
                     "left out; `whet tune` adds a machine", others);
    return WHET_OK;
}

static whet_status push_machine(whet_engine *e, whet_sections *l, const whet_weight_set *s,
                                bool full, uint64_t *packed_bytes, whet_error *err) {
    whet_section *section = whet_engine_file_find(&e->file, WHET_SECTION_MACHINE, e->machine);
    whet_machine machine;
    if (!e->machine || !section) return WHET_OK; // planned at load, not tuned
    WHET_TRY(whet_machine_decode(section->data, section->size, &machine, err));
    return whet_sections_push_plans(l, e->machine, &machine, e->env, s->graph, s->plans,
                                    e->n_plans, full, packed_bytes)
               ? WHET_OK : WHET_NOMEM(err);
}

// `now`: the set as it is; s: tables of its own, without contents where the engine is stripped.
static whet_status write_file(whet_engine *e, whet_sections *l, const whet_weight_set *now,
                              whet_weight_set *s, bool strip, void **data, size_t *size,
                              whet_error *err) {
    bool sources = whet_engine_keeps_sources(e);
    uint64_t packed_bytes = 0;
    whet_sections machine; // its size goes into the list of weights, which comes before
    whet_sections_init(&machine, e->env->workers);
    whet_status status =
        push_machine(e, &machine, s, sources, strip ? &packed_bytes : NULL, err);
    if (status == WHET_OK && strip) status = forget(&l->arena, s->graph, &e->listed, NULL);
    if (status == WHET_OK && !whet_sections_push_graph(l, s->graph)) status = WHET_NOMEM(err);
    if (status == WHET_OK) status = copy_portable(e, l, err);
    if (status == WHET_OK) status = push_weights(e, l, now->graph, strip, packed_bytes);
    for (int32_t i = 0; i < machine.n && status == WHET_OK; i++)
        if (!WHET_ARENA_PUSH(&l->arena, l->v, l->n, l->cap, machine.v[i])) status = WHET_E_NOMEM;
    if (status == WHET_OK && sources && !whet_sections_push_sources(l, s->graph))
        status = WHET_E_NOMEM;
    if (status == WHET_E_NOMEM) WHET_NOMEM(err);
    if (status == WHET_OK) status = whet_engine_file_make(l->v, l->n, data, size, err);
    whet_sections_fini(&machine);
    return status;
}

static whet_status store(whet_engine *e, const whet_weight_set *now, bool strip, void **data,
                         size_t *size, whet_error *err) {
    whet_weight_set *s = NULL;
    whet_sections l;
    whet_sections_init(&l, e->env->workers);
    whet_status status = whet_weight_set_copy(now, e->n_plans, &s);
    if (status == WHET_OK) status = write_file(e, &l, now, s, strip, data, size, err);
    else WHET_NOMEM(err);
    whet_weight_set_unref(e, s);
    whet_sections_fini(&l);
    return status;
}

whet_status whet_engine_store(whet_engine *e, bool strip, void **data, size_t *size,
                              whet_error *err) {
    whet_error_clear(err);
    if (!e->lists)
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "the engine does not list its weights: build it again");
    if (atomic_load(&e->stripped))
        WHET_FAIL(err, WHET_E_INVALID, "the engine has no weights yet");
    pthread_mutex_lock(&e->refit_lock);
    whet_weight_set *now = whet_weight_set_ref(e);
    whet_status status = WHET_OK;
    if (strip) status = store(e, now, true, data, size, err);
    else if (!now->file) status = store(e, now, false, &now->file, &now->file_bytes, err);
    if (status == WHET_OK && !strip) {
        *data = now->file;
        *size = now->file_bytes;
    }
    whet_weight_set_unref(e, now);
    pthread_mutex_unlock(&e->refit_lock);
    return status;
}
