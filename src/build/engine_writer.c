// SPDX-License-Identifier: Apache-2.0
// The engine's bytes: docs/engine-format.md.
#include "build/builder_impl.h"
#include "build/carry_plugins.h"

#include "base/crc_fork.h"

typedef struct {
    whet_piece *v;
    int32_t n, cap;
} piece_list;

static const uint8_t zeros[64];

static bool push_padded(whet_arena *arena, piece_list *l, const void *data, size_t size) {
    size_t pad = (64 - size % 64) % 64;
    whet_piece a = {data, size}, b = {zeros, pad};
    return WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, a) &&
           (!pad || WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, b));
}

// Source constants that the graph still refers to, each once; then those of its blocks.
static bool list_sources(whet_build *x, const whet_pgraph *g, size_t *at, piece_list *l,
                         whet_writer *index, whet_writer *sums) {
    uint32_t n = 0;
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_pvalue *v = &g->values[i];
        n += v->kind == WHET_PVALUE_SOURCE && !whet_pvalue_inline(v);
    }
    whet_write_u32(index, n);
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_pvalue *v = &g->values[i];
        whet_tensor t = whet_pvalue_tensor(v);
        if (v->kind != WHET_PVALUE_SOURCE || whet_pvalue_inline(v)) continue;
        whet_write_u32(index, (uint32_t)i);
        whet_write_u64(index, *at);
        whet_write_u32(sums, whet_crc32c_fork(x->env->workers, t.data, t.bytes));
        if (!push_padded(&x->arena, l, t.data, t.bytes)) return false;
        *at += (t.bytes + 63) & ~(size_t)63;
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!list_sources(x, g->blocks[i], at, l, index, sums)) return false;
    return true;
}

typedef struct {
    whet_section_out *v;
    int32_t n, cap;
} section_list;

static bool push_section(whet_build *x, section_list *l, whet_section_kind kind, uint32_t id,
                         const void *data, size_t size) {
    whet_piece *piece = WHET_NEW_ARRAY(&x->arena, whet_piece, 1);
    if (!piece) return false;
    *piece = (whet_piece){data, size};
    whet_section_out s = {kind, id, piece, 1};
    return WHET_ARENA_PUSH(&x->arena, l->v, l->n, l->cap, s);
}

static void machine_of_plan(const whet_build *x, whet_machine *here) {
    whet_machine_here(x->env, here);
    here->threads = (uint32_t)x->threads;
    here->features = 0; // what the plan needs, not all that this machine has
    for (int32_t i = 0; i < x->n_plans; i++)
        here->features |= whet_plan_features(x->plans[i]);
}

// Sections of an engine that is tuned anew: all but those for this same machine, whose number is
// used again. *id: that number, or a fresh one.
static whet_status keep_sections(whet_build *x, section_list *l, uint32_t *id) {
    whet_engine_file *f = &x->before->file;
    whet_machine here, m;
    whet_machine_here(x->env, &here);
    here.threads = (uint32_t)x->threads;
    uint32_t replaced = 0, last = 0;
    for (int32_t i = 0; i < f->n_sections; i++) {
        whet_section *s = &f->sections[i];
        WHET_TRY(whet_section_check(s, x->env->workers, x->err)); // copied with a new one
        if (s->id > last) last = s->id;
        if (s->kind != WHET_SECTION_MACHINE) continue;
        WHET_TRY(whet_machine_decode(s->data, s->size, &m, x->err));
        if (whet_machine_fit(&m, &here) == 2) replaced = s->id;
    }
    if (!replaced && last == UINT32_MAX)
        WHET_FAIL(x->err, WHET_E_LIMIT, "engine file: no number is left for another machine");
    *id = replaced ? replaced : last + 1;
    for (int32_t i = 0; i < f->n_sections; i++) {
        whet_section *s = &f->sections[i];
        if (s->id && s->id == replaced) continue;
        if (!push_section(x, l, (whet_section_kind)s->kind, s->id, s->data, s->size))
            return WHET_NOMEM(x->err);
    }
    return WHET_OK;
}

static bool push_plans(whet_build *x, section_list *l, uint32_t id, bool full,
                       whet_writer *machine, whet_writer *plans) {
    piece_list packed = {0};
    whet_machine here;
    whet_piece *pieces;
    size_t n_pieces;
    machine_of_plan(x, &here);
    whet_machine_encode(&here, machine);
    if (machine->failed ||
        !push_section(x, l, WHET_SECTION_MACHINE, id, machine->data, machine->size) ||
        whet_plan_place_packed(x->plans, x->n_plans, x->graph, full, &x->arena, &pieces, &n_pieces))
        return false;
    for (int32_t i = 0; i < x->n_plans; i++) {
        whet_section_kind kind = i ? WHET_SECTION_PROFILE_PLAN : WHET_SECTION_PLAN;
        whet_plan_encode(x->plans[i], x->graph, x->env, &plans[i]);
        if (plans[i].failed || !push_section(x, l, kind, id, plans[i].data, plans[i].size))
            return false;
    }
    for (size_t i = 0; i < n_pieces; i++)
        if (!push_padded(&x->arena, &packed, pieces[i].data, pieces[i].size)) return false;
    whet_section_out s = {WHET_SECTION_PACKED, id, packed.v, (size_t)packed.n};
    return WHET_ARENA_PUSH(&x->arena, l->v, l->n, l->cap, s);
}

static bool push_verified(whet_build *x, section_list *l, uint32_t id, whet_writer *w) {
    if (!x->verified) return true;
    whet_verified_encode(x->verified, w);
    return !w->failed && push_section(x, l, WHET_SECTION_VERIFIED, id, w->data, w->size);
}

static bool push_profiles(whet_build *x, section_list *l, whet_writer *profiles) {
    if (!x->profiles.n) return true;
    whet_boxes_encode(&x->profiles, profiles);
    return !profiles->failed && push_section(x, l, WHET_SECTION_PROFILES, 0, profiles->data,
                                             profiles->size);
}

static bool push_plugins(whet_build *x, section_list *l, const whet_carried *c) {
    if (!c->records.size) return true;
    bool good = push_section(x, l, WHET_SECTION_PLUGINS, 0, c->records.data, c->records.size);
    for (int32_t i = 0; i < c->n && good; i++)
        good = push_section(x, l, WHET_SECTION_LIBRARY, 0, c->libraries[i].data,
                            c->libraries[i].size);
    return good;
}

static bool push_graph(whet_build *x, section_list *l, whet_writer *graph) {
    whet_pgraph_encode(x->graph, graph);
    return !graph->failed && push_section(x, l, WHET_SECTION_GRAPH, 0, graph->data, graph->size);
}

static bool push_sources(whet_build *x, section_list *l, whet_writer *index, whet_writer *sums) {
    piece_list sources = {0};
    size_t at = 0;
    if (!list_sources(x, x->graph, &at, &sources, index, sums) || index->failed || sums->failed)
        return false;
    whet_section_out s = {WHET_SECTION_SOURCES, 0, sources.v, (size_t)sources.n};
    return push_section(x, l, WHET_SECTION_INDEX, 0, index->data, index->size) &&
           push_section(x, l, WHET_SECTION_SUMS, 0, sums->data, sums->size) &&
           WHET_ARENA_PUSH(&x->arena, l->v, l->n, l->cap, s);
}

whet_status whet_build_write(whet_build *x, whet_engine **engine) {
    bool full = x->c->portable == WHET_PORTABLE_FULL;
    enum { GRAPH, INDEX, SUMS, MACHINE, PROFILES, VERIFIED, PLANS };
    int32_t n_writers = PLANS + x->n_plans;
    whet_writer *w = WHET_NEW_ARRAY(&x->arena, whet_writer, n_writers);
    if (!w) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n_writers; i++) whet_writer_init(&w[i]);
    section_list l = {0};
    uint32_t id = 1;
    bool good = true;
    whet_carried carried;
    whet_status status = whet_carry_plugins(x, &carried);
    if (status == WHET_OK && x->before) status = keep_sections(x, &l, &id);
    else if (status == WHET_OK)
        good = push_graph(x, &l, &w[GRAPH]) && push_plugins(x, &l, &carried) &&
               push_profiles(x, &l, &w[PROFILES]);
    good = good && push_plans(x, &l, id, full, &w[MACHINE], &w[PLANS]);
    good = good && push_verified(x, &l, id, &w[VERIFIED]);
    if (!x->before && full) good = good && push_sources(x, &l, &w[INDEX], &w[SUMS]);
    if (status == WHET_OK && !good) status = WHET_NOMEM(x->err);
    void *data = NULL;
    size_t size = 0;
    if (status == WHET_OK) status = whet_engine_file_make(l.v, l.n, &data, &size, x->err);
    for (int32_t i = 0; i < n_writers; i++) whet_writer_fini(&w[i]);
    whet_carry_drop(&carried);
    if (status != WHET_OK) return status;
    return whet_engine_open(x->env, data, size, data, engine, x->err);
}
