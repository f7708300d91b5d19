// SPDX-License-Identifier: Apache-2.0
// The engine's bytes: docs/engine-format.md.
#include "build/builder_impl.h"

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

// Source constants that the graph still refers to, each once.
static bool list_sources(whet_build *x, piece_list *l, whet_writer *index) {
    size_t at = 0;
    uint32_t n = 0;
    for (int32_t i = 0; i < x->graph->n_values; i++) {
        const whet_pvalue *v = &x->graph->values[i];
        n += v->kind == WHET_PVALUE_SOURCE && !whet_pvalue_inline(v);
    }
    whet_write_u32(index, n);
    for (int32_t i = 0; i < x->graph->n_values; i++) {
        const whet_pvalue *v = &x->graph->values[i];
        whet_tensor t = whet_pvalue_tensor(v);
        if (v->kind != WHET_PVALUE_SOURCE || whet_pvalue_inline(v)) continue;
        whet_write_u32(index, (uint32_t)i);
        whet_write_u64(index, at);
        if (!push_padded(&x->arena, l, t.data, t.bytes)) return false;
        at += (t.bytes + 63) & ~(size_t)63;
    }
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
    for (int32_t i = 0; i < x->plan->n_steps; i++)
        here->features |= x->plan->steps[i].kernel->cpu;
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
        WHET_TRY(whet_section_check(s, x->err)); // what is copied gets a new checksum
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

static bool push_plan(whet_build *x, section_list *l, uint32_t id, bool full, whet_writer *machine,
                      whet_writer *plan) {
    piece_list packed = {0};
    whet_machine here;
    machine_of_plan(x, &here);
    whet_machine_encode(&here, machine);
    whet_plan_encode(x->plan, x->graph, x->env, full, plan);
    for (int32_t i = 0; i < x->plan->n_packed; i++) {
        const whet_packed *k = &x->plan->packed[i];
        if (k->offset != WHET_PACKED_SOURCE && !push_padded(&x->arena, &packed, k->data, k->bytes))
            return false;
    }
    whet_section_out s = {WHET_SECTION_PACKED, id, packed.v, (size_t)packed.n};
    return !machine->failed && !plan->failed &&
           push_section(x, l, WHET_SECTION_MACHINE, id, machine->data, machine->size) &&
           push_section(x, l, WHET_SECTION_PLAN, id, plan->data, plan->size) &&
           WHET_ARENA_PUSH(&x->arena, l->v, l->n, l->cap, s);
}

static bool push_graph(whet_build *x, section_list *l, whet_writer *graph) {
    whet_pgraph_encode(x->graph, graph);
    return !graph->failed && push_section(x, l, WHET_SECTION_GRAPH, 0, graph->data, graph->size);
}

static bool push_sources(whet_build *x, section_list *l, whet_writer *index) {
    piece_list sources = {0};
    if (!list_sources(x, &sources, index) || index->failed) return false;
    whet_section_out s = {WHET_SECTION_SOURCES, 0, sources.v, (size_t)sources.n};
    return push_section(x, l, WHET_SECTION_INDEX, 0, index->data, index->size) &&
           WHET_ARENA_PUSH(&x->arena, l->v, l->n, l->cap, s);
}

whet_status whet_build_write(whet_build *x, whet_engine **engine) {
    bool full = x->c->portable == WHET_PORTABLE_FULL;
    whet_writer graph, index, machine, plan;
    whet_writer *writers[] = {&graph, &index, &machine, &plan};
    for (int i = 0; i < 4; i++) whet_writer_init(writers[i]);
    section_list l = {0};
    uint32_t id = 1;
    whet_status status = WHET_OK;
    bool good = true;
    if (x->before) status = keep_sections(x, &l, &id);
    else good = push_graph(x, &l, &graph);
    good = good && push_plan(x, &l, id, full, &machine, &plan);
    if (!x->before && full) good = good && push_sources(x, &l, &index);
    if (status == WHET_OK && !good) status = WHET_NOMEM(x->err);
    void *data = NULL;
    size_t size = 0;
    if (status == WHET_OK) status = whet_engine_file_make(l.v, l.n, &data, &size, x->err);
    for (int i = 0; i < 4; i++) whet_writer_fini(writers[i]);
    if (status != WHET_OK) return status;
    return whet_engine_open(x->env, data, size, data, engine, x->err);
}
