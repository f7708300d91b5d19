// SPDX-License-Identifier: Apache-2.0
// The work of a refit: for each constant that changes, its contents (through the recipes that
// folding left), then the forms that kernels read.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "run/refit_make.h"

typedef struct {
    int32_t level, value;
    const void *data;
} known;

typedef struct {
    int32_t level, node;
} wanted;

typedef struct {
    whet_refit_make *m;
    whet_error *err;
    whet_arena *arena;  // of one constant
    known *known;       // derived constants computed on the way
    int32_t n_known, cap_known;
    wanted *stack;
    int32_t n_stack, cap_stack;
} worker;

static const void *look(const worker *w, int32_t level, int32_t value) {
    const whet_refit_make *m = w->m;
    whet_refit_root(m, &level, &value);
    int32_t number = m->levels[level].first + value;
    if (m->given[number]) return m->given[number];
    const whet_pvalue *v = &m->levels[level].graph->values[value];
    if (v->data && (!m->changed[number] || v->kind == WHET_PVALUE_SOURCE)) return v->data;
    for (int32_t i = 0; i < w->n_known; i++)
        if (w->known[i].level == level && w->known[i].value == value) return w->known[i].data;
    return NULL;
}

// What a value is to be computed by goes on the stack. WHET_E_NOT_FOUND: by nothing.
static whet_status push(worker *w, int32_t level, int32_t value) {
    whet_refit_root(w->m, &level, &value);
    const whet_pvalue *v = &w->m->levels[level].graph->values[value];
    if (v->kind != WHET_PVALUE_DERIVED || v->node < 0)
        WHET_FAIL(w->err, WHET_E_NOT_FOUND,
                  "weight \"%s\" is needed for what changes, and the engine does not hold it "
                  "(portable=none, or stripped): give it too", v->name);
    wanted next = {level, v->node};
    return WHET_ARENA_PUSH(w->arena, w->stack, w->n_stack, w->cap_stack, next)
               ? WHET_OK : WHET_NOMEM(w->err);
}

// Constants of the file are checked where they are first used, which may be here.
static whet_status check_sum(const worker *w, int32_t level, int32_t value) {
    whet_refit_root(w->m, &level, &value);
    const whet_pvalue *v = &w->m->levels[level].graph->values[value];
    if (!v->summed || v->checked || w->m->given[w->m->levels[level].first + value]) return WHET_OK;
    whet_tensor t = whet_pvalue_tensor(v);
    if (whet_crc32c(0, t.data, t.bytes) != v->sum)
        WHET_FAIL(w->err, WHET_E_CHECKSUM, "engine file: constant \"%s\" is damaged", v->name);
    return WHET_OK;
}

static whet_status keep_result(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    const whet_tensor *t = &((const whet_tensor *)e->alloc_user)[i];
    if (t->rank != rank || (rank && memcmp(t->dims, dims, (size_t)rank * sizeof *dims)))
        WHET_FAIL(e->err, WHET_E_UNSUPPORTED,
                  "%s: with these weights output %d has another shape: build the engine anew",
                  e->node, i);
    e->out[i].data = t->data;
    return WHET_OK;
}

// The operator must give what the file says that it gives.
static whet_status check_types(worker *w, const whet_pnode *n, const whet_tensor *in,
                               const whet_tensor *out) {
    whet_type *types = WHET_NEW_ARRAY(w->arena, whet_type, n->n_in + n->n_out);
    const whet_type **of = WHET_NEW_ARRAY(w->arena, const whet_type *, n->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(w->arena, const whet_tensor *, n->n_in);
    if (!types || !of || !data) return WHET_NOMEM(w->err);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        types[i].dtype = in[i].dtype;
        types[i].rank = in[i].rank;
        for (int32_t d = 0; d < in[i].rank; d++) types[i].dims[d] = in[i].dims[d];
        of[i] = &types[i];
        data[i] = &in[i];
    }
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                      .n_out = n->n_out, .in = of, .data = data, .out = types + n->n_in,
                      .arena = w->arena, .err = w->err};
    WHET_TRY(whet_op_infer(&ctx));
    for (int32_t i = 0; i < n->n_out && !(n->op->flags & WHET_OP_DYNAMIC_OUT); i++) {
        const whet_type *t = &ctx.out[i];
        if (n->out[i] < 0) continue;
        bool same = t->dtype == out[i].dtype && t->rank == out[i].rank;
        for (int32_t d = 0; same && d < t->rank; d++) same = t->dims[d] == out[i].dims[d];
        if (!same)
            WHET_FAIL(w->err, WHET_E_MODEL, "%s: the recipe does not give the type of its result",
                      n->name);
    }
    return WHET_OK;
}

static whet_status evaluate(worker *w, int32_t level, const whet_pnode *n) {
    const whet_pgraph *g = w->m->levels[level].graph;
    whet_tensor *in = WHET_NEW_ARRAY(w->arena, whet_tensor, n->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(w->arena, whet_tensor, n->n_out);
    if (!in || !out) return WHET_NOMEM(w->err);
    if (!n->op->eval)
        WHET_FAIL(w->err, WHET_E_MODEL, "%s: a recipe that computes nothing", n->name);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        in[i] = whet_pvalue_tensor(&g->values[n->in[i]]);
        in[i].data = (void *)(uintptr_t)look(w, level, n->in[i]);
        WHET_TRY(check_sum(w, level, n->in[i]));
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        out[i] = whet_pvalue_tensor(&g->values[n->out[i]]);
        if (out[i].bytes == SIZE_MAX)
            WHET_FAIL(w->err, WHET_E_LIMIT, "%s: a derived constant is too large", n->name);
        out[i].data = whet_arena_alloc_raw(w->arena, out[i].bytes);
        if (!out[i].data) return WHET_NOMEM(w->err);
    }
    WHET_TRY(check_types(w, n, in, out));
    // what operators do to `out` themselves does not count
    whet_tensor *out_of = whet_arena_memdup(w->arena, out, (size_t)n->n_out * sizeof *out);
    if (!out_of) return WHET_NOMEM(w->err);
    whet_eval e = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                   .n_out = n->n_out, .in = in, .out = out, .scratch = w->arena,
                   .objects = w->arena, .err = w->err, .alloc = keep_result,
                   .alloc_user = out_of};
    WHET_TRY(whet_op_eval(&e));
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        known k = {level, n->out[i], out_of[i].data};
        if (!WHET_ARENA_PUSH(w->arena, w->known, w->n_known, w->cap_known, k))
            return WHET_NOMEM(w->err);
    }
    return WHET_OK;
}

// Recipes are in topological order, so this ends; chains of them may be long.
static whet_status contents(worker *w, int32_t level, int32_t value, const void **data) {
    while (!(*data = look(w, level, value))) {
        if (!w->n_stack) WHET_TRY(push(w, level, value));
        int32_t at = w->stack[w->n_stack - 1].level, before = w->n_stack;
        const whet_pnode *n = &w->m->levels[at].graph->nodes[w->stack[w->n_stack - 1].node];
        for (int32_t i = 0; i < n->n_in && w->n_stack == before; i++)
            if (n->in[i] >= 0 && !look(w, at, n->in[i])) WHET_TRY(push(w, at, n->in[i]));
        if (w->n_stack != before) continue;
        WHET_TRY(evaluate(w, at, n));
        w->n_stack--;
    }
    return WHET_OK;
}

static whet_status pack(worker *w, const whet_refit_form *f, const whet_tensor *src) {
    const whet_refit_plan *at = &w->m->plans[f->plan];
    const whet_packed *k = &at->plan->packed[f->packed];
    const whet_pstep *s = &at->plan->steps[k->step];
    whet_problem_ports ports = {0};
    whet_problem p;
    if (whet_plan_problem(at->plan, w->m->levels[at->level].graph, s, at->shapes, w->m->e->env, 1,
                          w->arena, &ports, &p))
        return WHET_NOMEM(w->err);
    whet_status status = s->kernel->pack(&p, s->params, k->input, src, f->to);
    if (status == WHET_OK) return status;
    return whet_error_set(w->err, status, "%s: packing \"%s\" for %s failed", s->name,
                          w->m->levels[at->level].graph->values[k->value].name, s->kernel->name);
}

static whet_status do_job(worker *w, const whet_refit_job *j) {
    const void *data;
    w->known = NULL, w->n_known = w->cap_known = 0;
    w->stack = NULL, w->n_stack = w->cap_stack = 0;
    WHET_TRY(contents(w, j->level, j->value, &data));
    whet_tensor t = whet_pvalue_tensor(&w->m->levels[j->level].graph->values[j->value]);
    t.data = (void *)(uintptr_t)data;
    for (int32_t i = 0; i < j->n; i++) WHET_TRY(pack(w, &w->m->forms[j->first + i], &t));
    if (j->keep && t.bytes) memcpy(j->keep, data, t.bytes);
    return WHET_OK;
}

static void work(void *user, int32_t index, int32_t n) {
    whet_refit_make *m = user;
    (void)n;
    worker w = {.m = m, .err = &m->errors[index], .arena = &m->e->scratch[index]};
    for (int32_t i; (i = atomic_fetch_add(&m->next, 1)) < m->n_jobs;) {
        whet_arena_reset(w.arena);
        if (do_job(&w, &m->jobs[i]) != WHET_OK) break;
    }
}

static bool open_scratch(whet_engine *e) {
    if (!e->scratch) e->scratch = calloc((size_t)e->env->threads, sizeof *e->scratch);
    return e->scratch != NULL; // zeroed is initialized
}

void whet_refit_drop_scratch(whet_engine *e) {
    for (int32_t i = 0; e->scratch && i < e->env->threads; i++) whet_arena_fini(&e->scratch[i]);
    free(e->scratch);
    e->scratch = NULL;
}

whet_status whet_refit_run_jobs(whet_refit_make *m) {
    int32_t threads = m->e->env->threads;
    m->errors = WHET_NEW_ARRAY(&m->arena, whet_error, threads);
    if (!m->errors || !open_scratch(m->e)) return WHET_NOMEM(m->err);
    atomic_init(&m->next, 0);
    whet_workers_fork(m->e->env->workers, threads, work, m);
    for (int32_t i = 0; i < threads; i++)
        if (m->errors[i].status)
            return whet_error_set(m->err, m->errors[i].status, "%s", m->errors[i].text);
    return WHET_OK;
}
