// SPDX-License-Identifier: Apache-2.0
// A refit: finds out what changes with the weights given, lays it out in one block of memory, has
// the work done and points the tables of the new set there.
#include "run/refit_make.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN ((size_t)64)

// ---- numbering ----

static whet_status add_levels(whet_refit_make *m, whet_pgraph *g, const whet_pgraph *old,
                              int32_t parent) {
    whet_refit_level l = {g, old, parent, m->n_values};
    if (__builtin_add_overflow(m->n_values, g->n_values, &m->n_values) ||
        !WHET_ARENA_PUSH(&m->arena, m->levels, m->n_levels, m->cap_levels, l))
        return WHET_NOMEM(m->err);
    int32_t self = m->n_levels - 1;
    for (int32_t i = 0; i < g->n_blocks; i++)
        WHET_TRY(add_levels(m, g->blocks[i], old->blocks[i], self));
    return WHET_OK;
}

// Levels and plans of blocks are numbered alike.
static whet_status add_plans(whet_refit_make *m, whet_plan *p, int32_t *level) {
    whet_refit_plan r = {.plan = p, .level = (*level)++};
    if (!WHET_ARENA_PUSH(&m->arena, m->plans, m->n_plans, m->cap_plans, r))
        return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < p->n_blocks; i++) WHET_TRY(add_plans(m, p->blocks[i], level));
    return WHET_OK;
}

// ---- what changes ----

static whet_status mark_given(whet_refit_make *m, const whet_tensor *const *given) {
    whet_refit_place *places;
    if (whet_refit_places(m->e, &m->arena, &places)) return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < m->e->listed.n; i++) {
        if (!given[i]) continue;
        if (places[i].level < 0)
            WHET_FAIL(m->err, WHET_E_PARSE, "engine file: the list of weights is not of its graph");
        int32_t number = m->levels[places[i].level].first + places[i].value;
        m->changed[number] = 1;
        m->given[number] = given[i]->data;
    }
    return WHET_OK;
}

static void mark_derived(whet_refit_make *m) {
    for (int32_t l = 0; l < m->n_levels; l++) {
        const whet_refit_level *level = &m->levels[l];
        const whet_pgraph *g = level->graph;
        uint8_t *changed = &m->changed[level->first];
        for (int32_t i = 0; i < g->n_values; i++)
            if (g->values[i].kind == WHET_PVALUE_OUTER)
                changed[i] = m->changed[m->levels[level->parent].first + g->values[i].outer];
        for (int32_t i = 0; i < g->n_nodes; i++) {
            const whet_pnode *n = &g->nodes[i];
            bool any = false;
            for (int32_t k = 0; k < n->n_in && n->recipe; k++)
                any = any || (n->in[k] >= 0 && changed[n->in[k]]);
            for (int32_t k = 0; k < n->n_out && any; k++)
                if (n->out[k] >= 0) changed[n->out[k]] = 1;
        }
    }
}

// ---- jobs ----

// The job of a constant, NULL: out of memory.
static whet_refit_job *job_for(whet_refit_make *m, int32_t level, int32_t value, int32_t *index) {
    whet_refit_root(m, &level, &value);
    int32_t *at = &m->job_of[m->levels[level].first + value];
    if (!*at) {
        whet_refit_job j = {.level = level, .value = value};
        j.bytes = whet_pvalue_tensor(&m->levels[level].graph->values[value]).bytes;
        if (!WHET_ARENA_PUSH(&m->arena, m->jobs, m->n_jobs, m->cap_jobs, j)) return NULL;
        *at = m->n_jobs;
    }
    if (index) *index = *at - 1;
    return &m->jobs[*at - 1];
}

static char *const wanted = (char *)1; // a place is to be found

static whet_status keep(whet_refit_make *m, int32_t level, int32_t value) {
    whet_refit_job *j = job_for(m, level, value, NULL);
    if (!j) return WHET_NOMEM(m->err);
    j->keep = wanted;
    j->work += j->bytes;
    return WHET_OK;
}

static bool is_changed(const whet_refit_make *m, int32_t level, int32_t value) {
    return m->changed[m->levels[level].first + value];
}

// Whether the step that it names reads it, so that its size is what the kernel packs.
static bool is_own(const whet_refit_plan *r, int32_t packed) {
    const whet_packed *k = &r->plan->packed[packed];
    const whet_pstep *s = &r->plan->steps[k->step];
    return s->packed[k->input] == packed && s->kernel->pack && s->in[k->input] >= 0 &&
           r->plan->tensors[s->in[k->input]].value == k->value;
}

// Whether an earlier plan has the form; it is noted then.
static bool is_shared(whet_refit_make *m, int32_t plan, int32_t packed, bool *failed) {
    const whet_refit_plan *r = &m->plans[plan];
    for (int32_t i = 0; i < m->n_forms; i++) {
        const whet_refit_form *f = &m->forms[i];
        const whet_refit_plan *other = &m->plans[f->plan];
        if (f->plan == plan || other->level != r->level ||
            !whet_plan_same_packing(r->plan, &r->plan->packed[packed], other->plan,
                                    &other->plan->packed[f->packed]))
            continue;
        whet_refit_alias a = {plan, packed, f->plan, f->packed};
        *failed = !WHET_ARENA_PUSH(&m->arena, m->aliases, m->n_aliases, m->cap_aliases, a);
        return true;
    }
    return false;
}

static whet_status list_plan(whet_refit_make *m, int32_t plan) {
    whet_refit_plan *r = &m->plans[plan];
    bool packs = false;
    for (int32_t i = 0; i < r->plan->n_packed; i++) {
        const whet_packed *k = &r->plan->packed[i];
        if (!m->all && !is_changed(m, r->level, k->value)) continue;
        if (k->step < 0) {
            WHET_TRY(keep(m, r->level, k->value));
            continue;
        }
        if (!is_own(r, i))
            WHET_FAIL(m->err, WHET_E_PARSE, "engine plan: a packed constant of no step");
        bool failed = false;
        if (is_shared(m, plan, i, &failed)) {
            if (failed) return WHET_NOMEM(m->err);
            continue;
        }
        whet_refit_form f = {.plan = plan, .packed = i};
        whet_refit_job *j = job_for(m, r->level, k->value, &f.job);
        if (!j || !WHET_ARENA_PUSH(&m->arena, m->forms, m->n_forms, m->cap_forms, f))
            return WHET_NOMEM(m->err);
        j->n++;
        j->work += 2 * k->bytes;
        packs = true;
    }
    if (packs) r->shapes = (const whet_vshape *)wanted;
    return WHET_OK;
}

// Constants that the engine keeps as they are: sources, where the file has them, and what lies in
// its graph.
static whet_status list_kept(whet_refit_make *m) {
    bool sources = whet_engine_keeps_sources(m->e);
    for (int32_t l = 0; l < m->n_levels; l++) {
        const whet_pgraph *g = m->levels[l].graph;
        for (int32_t i = 0; i < g->n_values; i++) {
            const whet_pvalue *v = &g->values[i];
            bool kept = whet_pvalue_is_const(v) && whet_pvalue_inline(v);
            if (v->kind == WHET_PVALUE_SOURCE) kept = kept || sources;
            if (v->kind != WHET_PVALUE_OUTER && kept && is_changed(m, l, i))
                WHET_TRY(keep(m, l, i));
        }
    }
    return WHET_OK;
}

static int compare_jobs(const void *a, const void *b) { // the most work first
    const whet_refit_job *x = a, *y = b;
    if (x->work != y->work) return x->work < y->work ? 1 : -1;
    return x->level != y->level ? (x->level > y->level) - (x->level < y->level)
                                : (x->value > y->value) - (x->value < y->value);
}

static int compare_forms(const void *a, const void *b) {
    const whet_refit_form *x = a, *y = b;
    return (x->job > y->job) - (x->job < y->job);
}

static whet_status sort_jobs(whet_refit_make *m) {
    int32_t *place = WHET_NEW_ARRAY(&m->arena, int32_t, m->n_values);
    if (!place) return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < m->n_forms; i++) { // by constant, as numbers of jobs change
        const whet_refit_job *j = &m->jobs[m->forms[i].job];
        m->forms[i].job = m->levels[j->level].first + j->value;
    }
    if (m->n_jobs) qsort(m->jobs, (size_t)m->n_jobs, sizeof *m->jobs, compare_jobs);
    for (int32_t i = 0; i < m->n_jobs; i++)
        place[m->levels[m->jobs[i].level].first + m->jobs[i].value] = i;
    for (int32_t i = 0; i < m->n_forms; i++) m->forms[i].job = place[m->forms[i].job];
    if (m->n_forms) qsort(m->forms, (size_t)m->n_forms, sizeof *m->forms, compare_forms);
    for (int32_t i = 0, at = 0; i < m->n_jobs; i++) {
        m->jobs[i].first = at;
        at += m->jobs[i].n;
        m->job_of[m->levels[m->jobs[i].level].first + m->jobs[i].value] = i + 1;
    }
    return WHET_OK;
}

// ---- memory ----

static bool advance(size_t *at, size_t bytes) {
    size_t padded = (bytes + ALIGN - 1) & ~(ALIGN - 1);
    return padded >= bytes && !__builtin_add_overflow(*at, padded, at);
}

static whet_status lay_out(whet_refit_make *m) {
    size_t total = 0;
    for (int32_t pass = 0; pass < 2; pass++) {
        char *base = NULL;
        if (pass) {
            whet_weight_memory *memory = whet_weight_memory_take(m->e, total);
            int32_t n = m->set->n_memory;
            whet_weight_memory **v = WHET_NEW_ARRAY(&m->set->arena, whet_weight_memory *, n + 1);
            if (!memory || !v) {
                if (memory) whet_weight_memory_release(m->e, memory);
                return WHET_NOMEM(m->err);
            }
            v[0] = memory;
            m->set->memory = v;
            m->set->n_memory = 1;
            base = memory->data;
        }
        size_t at = 0;
        for (int32_t i = 0; i < m->n_jobs; i++) {
            if (!m->jobs[i].keep) continue;
            if (pass) m->jobs[i].keep = base + at;
            if (!advance(&at, m->jobs[i].bytes))
                WHET_FAIL(m->err, WHET_E_LIMIT, "the weights are too large");
        }
        for (int32_t i = 0; i < m->n_forms; i++) {
            const whet_refit_form *f = &m->forms[i];
            size_t bytes = m->plans[f->plan].plan->packed[f->packed].bytes, from = at;
            if (pass) m->forms[i].to = base + at;
            if (!advance(&at, bytes)) WHET_FAIL(m->err, WHET_E_LIMIT, "the weights are too large");
            if (pass) memset(base + from + bytes, 0, at - from - bytes);
        }
        total = at;
    }
    return WHET_OK;
}

// Shapes of the values of a plan and its blocks that are packed for.
static whet_status add_shapes(whet_refit_make *m, int32_t *plan, const whet_vshape *inputs) {
    whet_refit_plan *r = &m->plans[(*plan)++];
    const whet_pgraph *g = m->levels[r->level].graph;
    whet_vshape *shapes = WHET_NEW_ARRAY(&m->arena, whet_vshape, g->n_values);
    if (!shapes || whet_plan_shapes(g, r->plan->box, inputs, &m->arena, shapes))
        return WHET_NOMEM(m->err);
    r->shapes = shapes;
    for (int32_t i = 0; i < r->plan->n_blocks; i++) {
        whet_vshape *in;
        if (whet_plan_block_inputs(g, i, shapes, &m->arena, &in)) return WHET_NOMEM(m->err);
        WHET_TRY(add_shapes(m, plan, in));
    }
    return WHET_OK;
}

// ---- the new tables ----

// As a build does it: what several steps pack alike lies in the file once.
static void share_forms(whet_refit_make *m) {
    for (int32_t i = 0; i < m->n_forms; i++) {
        const whet_refit_form *f = &m->forms[i];
        whet_packed *k = &m->plans[f->plan].plan->packed[f->packed];
        k->data = f->to;
        for (int32_t j = m->jobs[f->job].first; j < i; j++) {
            const whet_refit_form *g = &m->forms[j];
            const whet_packed *other = &m->plans[g->plan].plan->packed[g->packed];
            if (g->plan != f->plan || other->bytes != k->bytes ||
                memcmp(other->data, k->data, k->bytes))
                continue;
            k->data = other->data;
            break;
        }
    }
    for (int32_t i = 0; i < m->n_aliases; i++) {
        const whet_refit_alias *a = &m->aliases[i];
        m->plans[a->plan].plan->packed[a->packed].data =
            m->plans[a->of_plan].plan->packed[a->of_packed].data;
    }
}

static void point_values(whet_refit_make *m) {
    for (int32_t l = 0; l < m->n_levels; l++) {
        whet_pgraph *g = m->levels[l].graph;
        for (int32_t i = 0; i < g->n_values; i++) {
            whet_pvalue *v = &g->values[i];
            if (v->kind == WHET_PVALUE_OUTER) {
                const whet_pgraph *around = m->levels[m->levels[l].parent].graph;
                v->data = around->values[v->outer].data;
                continue;
            }
            int32_t job = m->job_of[m->levels[l].first + i];
            const char *kept = job ? m->jobs[job - 1].keep : NULL;
            if (kept) v->data = kept;
            else if (is_changed(m, l, i)) v->data = NULL;
            if (kept) v->summed = v->checked = false;
        }
    }
    for (int32_t p = 0; p < m->n_plans; p++) {
        whet_plan *plan = m->plans[p].plan;
        const whet_pgraph *g = m->levels[m->plans[p].level].graph;
        for (int32_t i = 0; i < plan->n_packed; i++) {
            whet_packed *k = &plan->packed[i];
            if (k->step < 0) k->data = g->values[k->value].data;
        }
    }
}

// ---- memory of the set before ----

static bool lies_in(const whet_weight_memory *m, const void *p) {
    return (uintptr_t)p >= (uintptr_t)m->data && (uintptr_t)p - (uintptr_t)m->data < m->size;
}

static bool refers_to(const whet_refit_make *m, const whet_weight_memory *memory) {
    for (int32_t l = 0; l < m->n_levels; l++)
        for (int32_t i = 0; i < m->levels[l].graph->n_values; i++)
            if (lies_in(memory, m->levels[l].graph->values[i].data)) return true;
    for (int32_t p = 0; p < m->n_plans; p++)
        for (int32_t i = 0; i < m->plans[p].plan->n_packed; i++)
            if (lies_in(memory, m->plans[p].plan->packed[i].data)) return true;
    return false;
}

static whet_status keep_memory(whet_refit_make *m, const whet_weight_set *before) {
    whet_weight_memory **v =
        WHET_NEW_ARRAY(&m->set->arena, whet_weight_memory *, before->n_memory + 1);
    if (!v) return WHET_NOMEM(m->err);
    v[0] = m->set->memory[0];
    pthread_mutex_lock(&m->e->lock);
    for (int32_t i = 0; i < before->n_memory; i++) {
        if (!refers_to(m, before->memory[i])) continue;
        before->memory[i]->refs++;
        v[m->set->n_memory++] = before->memory[i];
    }
    pthread_mutex_unlock(&m->e->lock);
    m->set->memory = v;
    return WHET_OK;
}

// ---- all of it ----

static whet_status prepare(whet_refit_make *m, const whet_tensor *const *given) {
    int32_t level;
    WHET_TRY(add_levels(m, m->set->graph, m->e->graph, -1));
    for (int32_t i = 0; i < m->e->n_plans; i++) {
        level = 0;
        WHET_TRY(add_plans(m, m->set->plans[i], &level));
    }
    m->changed = WHET_NEW_ARRAY(&m->arena, uint8_t, m->n_values);
    m->given = WHET_NEW_ARRAY(&m->arena, const void *, m->n_values);
    m->job_of = WHET_NEW_ARRAY(&m->arena, int32_t, m->n_values);
    if (!m->changed || !m->given || !m->job_of) return WHET_NOMEM(m->err);
    WHET_TRY(mark_given(m, given));
    mark_derived(m);
    for (int32_t i = 0; i < m->n_plans; i++) WHET_TRY(list_plan(m, i));
    WHET_TRY(list_kept(m));
    WHET_TRY(sort_jobs(m));
    for (int32_t i = 0; i < m->n_plans;) {
        bool packs = false;
        for (int32_t k = 0; k < m->n_levels; k++) packs = packs || m->plans[i + k].shapes;
        if (packs) WHET_TRY(add_shapes(m, &i, NULL));
        else i += m->n_levels;
    }
    return lay_out(m);
}

static whet_status make(whet_refit_make *m, const whet_tensor *const *given,
                        const whet_weight_set *before) {
    WHET_TRY(prepare(m, given));
    WHET_TRY(whet_refit_run_jobs(m));
    share_forms(m);
    point_values(m);
    return keep_memory(m, before);
}

whet_status whet_refit_make_set(whet_engine *e, const whet_tensor *const *given, bool all,
                                whet_weight_set **set, whet_error *err) {
    whet_weight_set *before = whet_weight_set_ref(e);
    whet_refit_make m = {.e = e, .all = all, .err = err};
    whet_arena_init(&m.arena);
    whet_status status = whet_weight_set_copy(before, e->n_plans, &m.set);
    if (status != WHET_OK) whet_error_set(err, status, "out of memory");
    else status = make(&m, given, before);
    if (status == WHET_OK) *set = m.set;
    else whet_weight_set_unref(e, m.set);
    whet_weight_set_unref(e, before);
    whet_arena_fini(&m.arena);
    return status;
}

// ---- what else is needed ----

static void mark_backward(whet_refit_make *m, uint8_t *needed) {
    for (int32_t l = m->n_levels; l-- > 0;) {
        const whet_refit_level *level = &m->levels[l];
        const whet_pgraph *g = level->graph;
        uint8_t *of = &needed[level->first];
        for (int32_t i = g->n_nodes; i-- > 0;) {
            const whet_pnode *n = &g->nodes[i];
            bool any = false;
            for (int32_t k = 0; k < n->n_out && n->recipe; k++)
                any = any || (n->out[k] >= 0 && of[n->out[k]]);
            for (int32_t k = 0; k < n->n_in && any; k++)
                if (n->in[k] >= 0) of[n->in[k]] = 1;
        }
        for (int32_t i = 0; i < g->n_values; i++)
            if (g->values[i].kind == WHET_PVALUE_OUTER && of[i])
                needed[m->levels[level->parent].first + g->values[i].outer] = 1;
    }
}

static whet_status find_needed(whet_refit_make *m, uint8_t *weights) {
    whet_refit_place *places;
    int32_t level;
    WHET_TRY(add_levels(m, m->set->graph, m->e->graph, -1));
    for (int32_t i = 0; i < m->e->n_plans; i++) {
        level = 0;
        WHET_TRY(add_plans(m, m->set->plans[i], &level));
    }
    m->changed = WHET_NEW_ARRAY(&m->arena, uint8_t, m->n_values);
    uint8_t *needed = WHET_NEW_ARRAY(&m->arena, uint8_t, m->n_values);
    if (!m->changed || !needed || whet_refit_places(m->e, &m->arena, &places)) return WHET_E_NOMEM;
    for (int32_t i = 0; i < m->e->listed.n; i++)
        if (weights[i] && places[i].level >= 0)
            m->changed[m->levels[places[i].level].first + places[i].value] = 1;
    mark_derived(m);
    for (int32_t l = 0; l < m->n_levels; l++)
        for (int32_t i = 0; i < m->levels[l].graph->n_values; i++)
            if (is_changed(m, l, i) && whet_pvalue_inline(&m->levels[l].graph->values[i]))
                needed[m->levels[l].first + i] = 1;
    for (int32_t p = 0; p < m->n_plans; p++)
        for (int32_t i = 0; i < m->plans[p].plan->n_packed; i++) {
            int32_t value = m->plans[p].plan->packed[i].value;
            if (is_changed(m, m->plans[p].level, value))
                needed[m->levels[m->plans[p].level].first + value] = 1;
        }
    mark_backward(m, needed);
    for (int32_t i = 0; i < m->e->listed.n; i++)
        if (places[i].level >= 0 && needed[m->levels[places[i].level].first + places[i].value])
            weights[i] = 1;
    return WHET_OK;
}

whet_status whet_refit_needed(whet_engine *e, uint8_t *weights) {
    if (atomic_load(&e->stripped)) { // all of them
        memset(weights, 1, (size_t)e->listed.n);
        return WHET_OK;
    }
    if (whet_engine_keeps_sources(e)) return WHET_OK;
    whet_refit_make m = {.e = e, .set = &e->base};
    whet_arena_init(&m.arena);
    whet_status status = find_needed(&m, weights);
    whet_arena_fini(&m.arena);
    return status;
}
