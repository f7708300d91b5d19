// SPDX-License-Identifier: Apache-2.0
// Where the listed weights are in the graph of an engine.
#include <stdlib.h>
#include <string.h>

#include "run/refit_make.h"

typedef struct {
    const char *name;
    whet_refit_place at;
} named;

static int compare_names(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static bool push_sources(whet_arena *arena, const whet_pgraph *g, int32_t *level, named **v,
                         int32_t *n, int32_t *cap) {
    int32_t self = (*level)++;
    for (int32_t i = 0; i < g->n_values; i++) {
        named s = {g->values[i].name, {self, i}};
        if (g->values[i].kind == WHET_PVALUE_SOURCE && !WHET_ARENA_PUSH(arena, *v, *n, *cap, s))
            return false;
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!push_sources(arena, g->blocks[i], level, v, n, cap)) return false;
    return true;
}

// ---- what shape functions and loops look at ----

// A file could say that such constants may change. Nothing would check the shapes then.
typedef struct {
    const whet_pgraph *graph;
    uint8_t *looked; // [values]
    int32_t parent;
} looked_level;

typedef struct {
    looked_level *v;
    int32_t n, cap;
} level_list;

static bool list_levels(whet_arena *arena, const whet_pgraph *g, int32_t parent, level_list *l) {
    looked_level level = {g, WHET_NEW_ARRAY(arena, uint8_t, g->n_values), parent};
    int32_t self = l->n;
    if (!level.looked || !WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, level)) return false;
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!list_levels(arena, g->blocks[i], self, l)) return false;
    return true;
}

static bool is_small(const whet_pvalue *v) { // what ends a loop
    return whet_pvalue_is_const(v) && !whet_dtype_is_float(v->type.dtype) &&
           whet_dims_count(v->type.dims, v->type.rank) == 1;
}

static void look_at_node(const looked_level *l, const whet_pnode *n) {
    const whet_pgraph *g = l->graph;
    bool above = false; // contents of its results are looked at, and follow from its inputs
    for (int32_t i = 0; i < n->n_out; i++)
        above = above || (n->out[i] >= 0 && l->looked[n->out[i]] &&
                          (n->recipe || g->values[n->out[i]].type.value));
    for (int32_t i = 0; i < n->n_in; i++) {
        const whet_op *op = n->op;
        const whet_arg *arg = op->n_in ? &op->in[i < op->n_in ? i : op->n_in - 1] : NULL;
        if (n->in[i] < 0) continue;
        if (above || (op->ext && op->ext->attach) ||
            (arg && arg->flags & (WHET_ARG_SHAPE | WHET_ARG_VALUE)) ||
            (n->n_blocks && is_small(&g->values[n->in[i]])))
            l->looked[n->in[i]] = 1;
    }
}

static bool look_at(whet_arena *arena, const whet_pgraph *g, level_list *l) {
    if (!list_levels(arena, g, -1, l)) return false;
    for (int32_t i = l->n; i-- > 0;) { // blocks before what is around them
        const looked_level *level = &l->v[i];
        const whet_pgraph *at = level->graph;
        for (int32_t k = 0; k < at->n_outputs && level->parent >= 0; k++)
            if (is_small(&at->values[at->outputs[k]])) level->looked[at->outputs[k]] = 1;
        for (int32_t k = at->n_nodes; k-- > 0;) look_at_node(level, &at->nodes[k]);
        for (int32_t k = 0; k < at->n_values; k++)
            if (at->values[k].kind == WHET_PVALUE_OUTER && level->looked[k])
                l->v[level->parent].looked[at->values[k].outer] = 1;
    }
    return true;
}

static bool is_looked_at(const looked_level *l, whet_refit_place at) {
    return l[at.level].looked[at.value];
}

// ---- by name ----

whet_status whet_refit_places(const whet_engine *e, whet_arena *arena, whet_refit_place **places) {
    named *v = NULL;
    int32_t n = 0, cap = 0, level = 0;
    level_list l = {0};
    *places = WHET_NEW_ARRAY(arena, whet_refit_place, e->listed.n + 1);
    if (!*places || !push_sources(arena, e->graph, &level, &v, &n, &cap) ||
        !look_at(arena, e->graph, &l))
        return WHET_E_NOMEM;
    if (n) qsort(v, (size_t)n, sizeof *v, compare_names);
    for (int32_t i = 0; i < e->listed.n; i++) {
        const whet_model_weight *w = &e->listed.v[i];
        named key = {.name = w->name};
        const named *at = n ? bsearch(&key, v, (size_t)n, sizeof *v, compare_names) : NULL;
        (*places)[i] = at ? at->at : (whet_refit_place){-1, -1};
        if (!at) continue;
        const whet_type *t = &l.v[at->at.level].graph->values[at->at.value].type;
        bool same = t->dtype == w->dtype && t->rank == w->rank;
        for (int32_t d = 0; same && d < t->rank; d++) same = t->dims[d] == w->dims[d];
        if (!same || is_looked_at(l.v, at->at)) (*places)[i].level = -1; // the list is wrong
    }
    return WHET_OK;
}

