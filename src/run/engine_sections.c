// SPDX-License-Identifier: Apache-2.0
#include "run/engine_sections.h"

#include "base/crc_fork.h"

typedef struct {
    whet_piece *v;
    int32_t n, cap;
} piece_list;

static const uint8_t zeros[64];

void whet_sections_init(whet_sections *l, whet_workers *workers) {
    *l = (whet_sections){.workers = workers};
    whet_arena_init(&l->arena);
}

void whet_sections_fini(whet_sections *l) {
    for (int32_t i = 0; i < l->n_writers; i++) whet_writer_fini(l->writers[i]);
    whet_arena_fini(&l->arena);
}

whet_writer *whet_sections_writer(whet_sections *l) {
    whet_writer *w = WHET_NEW(&l->arena, whet_writer);
    if (!w) return NULL;
    whet_writer_init(w);
    return WHET_ARENA_PUSH(&l->arena, l->writers, l->n_writers, l->cap_writers, w) ? w : NULL;
}

bool whet_sections_push(whet_sections *l, whet_section_kind kind, uint32_t id, const void *data,
                        size_t size) {
    whet_piece *piece = WHET_NEW(&l->arena, whet_piece);
    if (!piece) return false;
    *piece = (whet_piece){data, size};
    whet_section_out s = {kind, id, piece, 1};
    return WHET_ARENA_PUSH(&l->arena, l->v, l->n, l->cap, s);
}

bool whet_sections_push_written(whet_sections *l, whet_section_kind kind, uint32_t id,
                                const whet_writer *w) {
    return !w->failed && whet_sections_push(l, kind, id, w->data, w->size);
}

bool whet_sections_push_graph(whet_sections *l, const whet_pgraph *g) {
    whet_writer *w = whet_sections_writer(l);
    if (!w) return false;
    whet_pgraph_encode(g, w);
    return whet_sections_push_written(l, WHET_SECTION_GRAPH, 0, w);
}

static bool push_padded(whet_arena *arena, piece_list *l, const void *data, size_t size) {
    size_t pad = (64 - size % 64) % 64;
    whet_piece a = {data, size}, b = {zeros, pad};
    return WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, a) &&
           (!pad || WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, b));
}

static bool is_listed(const whet_pvalue *v) {
    return v->kind == WHET_PVALUE_SOURCE && v->data && !whet_pvalue_inline(v);
}

// Source constants that the graph still refers to, each once; then those of its blocks.
static bool list_sources(whet_sections *x, const whet_pgraph *g, size_t *at, piece_list *l,
                         whet_writer *index, whet_writer *sums) {
    uint32_t n = 0;
    for (int32_t i = 0; i < g->n_values; i++) n += is_listed(&g->values[i]);
    whet_write_u32(index, n);
    for (int32_t i = 0; i < g->n_values; i++) {
        if (!is_listed(&g->values[i])) continue;
        whet_tensor t = whet_pvalue_tensor(&g->values[i]);
        whet_write_u32(index, (uint32_t)i);
        whet_write_u64(index, *at);
        whet_write_u32(sums, whet_crc32c_fork(x->workers, t.data, t.bytes));
        if (!push_padded(&x->arena, l, t.data, t.bytes)) return false;
        *at += (t.bytes + 63) & ~(size_t)63;
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!list_sources(x, g->blocks[i], at, l, index, sums)) return false;
    return true;
}

bool whet_sections_push_sources(whet_sections *l, const whet_pgraph *g) {
    piece_list sources = {0};
    size_t at = 0;
    whet_writer *index = whet_sections_writer(l), *sums = whet_sections_writer(l);
    if (!index || !sums || !list_sources(l, g, &at, &sources, index, sums)) return false;
    whet_section_out s = {WHET_SECTION_SOURCES, 0, sources.v, (size_t)sources.n};
    return whet_sections_push_written(l, WHET_SECTION_INDEX, 0, index) &&
           whet_sections_push_written(l, WHET_SECTION_SUMS, 0, sums) &&
           WHET_ARENA_PUSH(&l->arena, l->v, l->n, l->cap, s);
}

static bool push_packed(whet_sections *l, uint32_t id, const whet_piece *pieces, size_t n) {
    piece_list packed = {0};
    for (size_t i = 0; i < n; i++)
        if (!push_padded(&l->arena, &packed, pieces[i].data, pieces[i].size)) return false;
    whet_section_out s = {WHET_SECTION_PACKED, id, packed.v, (size_t)packed.n};
    return WHET_ARENA_PUSH(&l->arena, l->v, l->n, l->cap, s);
}

bool whet_sections_push_plans(whet_sections *l, uint32_t id, const whet_machine *machine,
                              const whet_env *env, const whet_pgraph *g, whet_plan *const *plans,
                              int32_t n_plans, bool full, uint64_t *packed_bytes) {
    whet_piece *pieces;
    size_t n_pieces;
    whet_writer *w = whet_sections_writer(l);
    if (!w) return false;
    whet_machine_encode(machine, w);
    if (!whet_sections_push_written(l, WHET_SECTION_MACHINE, id, w) ||
        whet_plan_place_packed(plans, n_plans, g, full, &l->arena, &pieces, &n_pieces))
        return false;
    for (int32_t i = 0; i < n_plans; i++) {
        whet_section_kind kind = i ? WHET_SECTION_PROFILE_PLAN : WHET_SECTION_PLAN;
        if (!(w = whet_sections_writer(l))) return false;
        whet_plan_encode(plans[i], g, env, w);
        if (!whet_sections_push_written(l, kind, id, w)) return false;
    }
    if (!packed_bytes) return push_packed(l, id, pieces, n_pieces);
    *packed_bytes = 0;
    for (size_t i = 0; i < n_pieces; i++) *packed_bytes += (pieces[i].size + 63) & ~(uint64_t)63;
    return true;
}
