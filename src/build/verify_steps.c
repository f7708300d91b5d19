// SPDX-License-Identifier: Apache-2.0
// Every step of a run against its reference, which gets what the step got: errors do not add up, so
// that what differs is the layer at fault.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "build/verify.h"

#define TURNS 2        // times that a step in a loop is looked at
#define REPORTED 20    // layers of each kind that the log names

struct whet_checker {
    whet_env *env;
    const whet_engine *engine;
    const whet_pgraph *graph;
    bool fast;
    double budget, spent; // seconds for looking at steps, 0: any; and those gone
    whet_arena *kept;
    whet_arena step; // of the step at hand
    whet_verified *found;
    struct owner {
        const whet_plan *plan;
        const whet_pgraph *graph; // that holds the constants
        whet_verified_plan *found;
        uint8_t *turns;
        bool saw;
    } *owners;
    int32_t n_owners, cap_owners;
    whet_judged judged;   // filled in before the step runs
    bool taken;
    char *first;          // what differs first
    int32_t n_differ;
};

// ---- plans and what is found of them ----

static whet_status add_plan(whet_checker *c, const whet_plan *p, const whet_pgraph *g,
                            whet_verified_plan *v, whet_error *err) {
    v->n_steps = p->n_steps;
    v->n_blocks = p->n_blocks;
    v->steps = WHET_NEW_ARRAY(c->kept, whet_verified_step, p->n_steps + 1);
    v->blocks = WHET_NEW_ARRAY(c->kept, whet_verified_plan, p->n_blocks + 1);
    struct owner o = {p, g, v, whet_arena_alloc(c->kept, (size_t)p->n_steps + 1), false};
    if (!v->steps || !v->blocks || !o.turns ||
        !WHET_ARENA_PUSH(c->kept, c->owners, c->n_owners, c->cap_owners, o))
        return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].backend < 0) v->steps[i].state = WHET_VERIFIED_HOST;
        if (p->steps[i].kernel == &whet_kernel_reference)
            v->steps[i].state = WHET_VERIFIED_REFERENCE;
    }
    for (int32_t i = 0; i < p->n_blocks; i++)
        WHET_TRY(add_plan(c, p->blocks[i], g->blocks[i], &v->blocks[i], err));
    return WHET_OK;
}

whet_status whet_checker_create(whet_env *env, const whet_engine *engine, const whet_pgraph *graph,
                                bool fast, whet_arena *arena, whet_checker **checker,
                                whet_error *err) {
    whet_checker *c = WHET_NEW(arena, whet_checker);
    if (!c) return WHET_NOMEM(err);
    *c = (whet_checker){.env = env, .engine = engine, .graph = graph, .fast = fast, .kept = arena};
    whet_arena_init(&c->step);
    *checker = c;
    c->found = WHET_NEW(arena, whet_verified);
    if (!c->found) return WHET_NOMEM(err);
    c->found->plans = WHET_NEW_ARRAY(arena, whet_verified_plan, engine->n_plans);
    if (!c->found->plans) return WHET_NOMEM(err);
    c->found->n_plans = engine->n_plans;
    for (int32_t i = 0; i < engine->n_plans; i++)
        WHET_TRY(add_plan(c, engine->plans[i], graph, &c->found->plans[i], err));
    return WHET_OK;
}

void whet_checker_destroy(whet_checker *c) {
    if (c) whet_arena_fini(&c->step);
}

void whet_checker_set_budget(whet_checker *c, double seconds) { c->budget = seconds; }

whet_verified *whet_checker_result(whet_checker *c) { return c->found; }

static struct owner *owner_of(whet_checker *c, const whet_plan *plan) {
    for (int32_t i = 0; i < c->n_owners; i++)
        if (c->owners[i].plan == plan) return &c->owners[i];
    return NULL;
}

bool whet_checker_saw(const whet_checker *c, const whet_plan *plan) {
    for (int32_t i = 0; i < c->n_owners; i++)
        if (c->owners[i].plan == plan) return c->owners[i].saw;
    return false;
}

// ---- what lies in a step's memory ----

static size_t bytes_of(const whet_port *p) {
    return whet_layout_bytes(p->layout, p->dtype, p->rank, p->dims);
}

// The port's contents as they lie in memory, on the host; the arena's where they are a device's.
static whet_status on_host(whet_checker *c, const whet_watched *w, const whet_port *p,
                           const void *data, const void **host, whet_error *err) {
    *host = data;
    if (w->backend->host_memory) return WHET_OK;
    size_t bytes = bytes_of(p);
    void *copy = whet_arena_alloc_raw(&c->step, bytes + 64);
    if (!copy) return WHET_NOMEM(err);
    WHET_TRY(w->backend->copy_out(w->stream, copy, data, bytes, err));
    *host = copy;
    return w->backend->sync ? w->backend->sync(w->stream, err) : WHET_OK;
}

static void describe(const whet_port *p, whet_tensor *t) {
    *t = (whet_tensor){.dtype = whet_port_type(p), .rank = p->rank};
    memcpy(t->dims, p->dims, sizeof p->dims);
    if (t->dtype) t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(p->dims, p->rank));
}

// The commonest of what whet_reorder_ref does, with the lanes inside: a tenth of the time.
static void unblock(const whet_port *p, const float *from, float *to) {
    int64_t lanes = whet_layout_block(p->layout), c = p->dims[1];
    int64_t inner = whet_dims_count(p->dims + 2, p->rank - 2);
    for (int64_t i = 0; i < p->dims[0]; i++)
        for (int64_t b = 0; b < c; b += lanes, from += inner * lanes)
            for (int64_t l = 0; l < lanes && b + l < c; l++)
                for (int64_t at = 0; at < inner; at++)
                    to[((i * c) + b + l) * inner + at] = from[at * lanes + l];
}

// Row-major, of the value's own type; a copy in any case.
static whet_status read_port(whet_checker *c, const whet_watched *w, const whet_port *p,
                             const void *data, whet_tensor *t, whet_error *err) {
    describe(p, t);
    if (t->dtype == WHET_DTYPE_NONE || !data) return WHET_OK;
    const void *host;
    WHET_TRY(on_host(c, w, p, data, &host, err));
    t->data = whet_arena_alloc_raw(&c->step, t->bytes + 64);
    if (!t->data) return WHET_NOMEM(err);
    whet_port plain = *p;
    plain.layout = WHET_LAYOUT_PLAIN;
    plain.dtype = whet_port_type(p);
    plain.type = WHET_DTYPE_NONE;
    bool blocked = p->layout == WHET_LAYOUT_C8 || p->layout == WHET_LAYOUT_C16;
    if (p->layout == WHET_LAYOUT_PLAIN && !p->type) memcpy(t->data, host, t->bytes);
    else if (blocked && p->dtype == WHET_DTYPE_F32) unblock(p, host, t->data);
    else whet_reorder_ref(p, host, &plain, t->data);
    return WHET_OK;
}

// ---- before and after a step ----

static whet_status take_inputs(whet_checker *c, const whet_watched *w, const struct owner *o,
                               whet_error *err) {
    const whet_step *s = w->step;
    const whet_problem *p = &s->problem;
    const whet_pstep *ps = &w->plan->steps[w->index];
    whet_judged *j = &c->judged;
    whet_arena_reset(&c->step);
    *j = (whet_judged){.env = c->env, .arena = &c->step, .kernel = s->kernel, .p = p,
                       .node = ps->name, .fast = c->fast, .err = err};
    j->in = WHET_NEW_ARRAY(&c->step, whet_tensor, p->n_in + 1);
    j->out = WHET_NEW_ARRAY(&c->step, whet_tensor, p->n_out + 1);
    if (!j->in || !j->out) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_in; i++) {
        const whet_pvalue *v =
            ps->in[i] < 0 ? NULL : &o->graph->values[w->plan->tensors[ps->in[i]].value];
        if (!v || !whet_pvalue_is_const(v)) {
            WHET_TRY(read_port(c, w, &p->in[i], s->call.in[i], &j->in[i], err));
        } else {
            describe(&p->in[i], &j->in[i]);
            j->in[i].data = (void *)v->data; // as the model has it, not as it is packed
        }
    }
    return p->epi.binary ? read_port(c, w, &p->epi.other, s->call.other, &j->other, err) : WHET_OK;
}

static bool comparable(const whet_judged *j) {
    const whet_problem *p = j->p;
    if (p->desc && (p->desc->flags & (WHET_OP_DYNAMIC_OUT | WHET_OP_IMPURE))) return false;
    if (p->desc && !p->desc->eval) return false;
    for (int32_t i = 0; i < p->n_in; i++)
        if (j->in[i].dtype && !j->in[i].data && j->in[i].bytes) return false;
    for (int32_t i = 0; i < p->n_out; i++)
        if (whet_dtype_is_object(p->out[i].dtype)) return false;
    return true;
}

// "conv1" (nodes a, b; kernel k)
static char *layer_text(whet_arena *arena, const whet_pgraph *g, const whet_pstep *s) {
    whet_str text;
    whet_str_init(&text);
    whet_str_printf(&text, "layer \"%s\" (", s->name);
    for (int32_t i = 0; i < s->n_nodes && i < 8; i++)
        whet_str_printf(&text, "%s%s", i ? ", " : s->n_nodes > 1 ? "nodes " : "node ",
                        g->nodes[s->nodes[i]].origin);
    if (s->n_nodes > 8) whet_str_printf(&text, " and %d more", s->n_nodes - 8);
    whet_str_printf(&text, "%skernel %s)", s->n_nodes ? "; " : "conversion; ", s->kernel->name);
    char *copy = whet_arena_strdup(arena, whet_str_text(&text));
    whet_str_fini(&text);
    return copy;
}

static const char *output_name(const whet_watched *w) {
    const whet_pstep *s = &w->plan->steps[w->index];
    for (int32_t i = 0; i < s->n_out; i++)
        if (s->out[i] >= 0) return w->graph->values[w->plan->tensors[s->out[i]].value].name;
    return "";
}

static whet_status note_difference(whet_checker *c, const whet_watched *w, const whet_verdict *v,
                                   whet_error *err) {
    char *layer = layer_text(c->kept, w->graph, &w->plan->steps[w->index]);
    char *text = layer ? whet_arena_printf(c->kept, "%s: \"%s\": %s", layer, output_name(w),
                                           v->text) : NULL;
    if (!text) return WHET_NOMEM(err);
    if (!c->first) c->first = text;
    else if (c->n_differ < REPORTED)
        whet_env_log(c->env, WHET_LOG_WARNING, "verification: %s", text);
    c->n_differ++;
    return WHET_OK;
}

// In another run the same step may have had nothing to do.
static void merge(whet_verified_step *to, const whet_verified_step *v) {
    bool differs = to->state == WHET_VERIFIED_DIFFERS;
    whet_verified_step old = *to;
    *to = *v;
    if (differs) to->state = WHET_VERIFIED_DIFFERS;
    if (old.error > to->error) to->error = old.error;
    if (old.rms > to->rms) to->rms = old.rms;
    if (old.largest > to->largest) to->largest = old.largest;
}

static whet_status judge(whet_checker *c, const whet_watched *w, const struct owner *o,
                         whet_error *err) {
    const whet_problem *p = &w->step->problem;
    whet_judged *j = &c->judged;
    j->err = err;
    for (int32_t i = 0; i < p->n_out; i++)
        WHET_TRY(read_port(c, w, &p->out[i], w->step->call.out[i], &j->out[i], err));
    whet_verdict v;
    WHET_TRY(whet_verify_judge(j, &v));
    merge(&o->found->steps[w->index], &v.step);
    return v.step.state == WHET_VERIFIED_DIFFERS ? note_difference(c, w, &v, err) : WHET_OK;
}

static whet_status look(whet_checker *c, const whet_watched *w, bool after, whet_error *err) {
    struct owner *o = owner_of(c, w->plan);
    if (after) return c->taken && o ? judge(c, w, o, err) : WHET_OK;
    c->taken = false;
    if (o) o->saw = true;
    if (!o || o->turns[w->index] >= (c->fast ? 1 : TURNS)) return WHET_OK;
    whet_verified_step *found = &o->found->steps[w->index];
    if (!w->step) {
        if (found->state == WHET_VERIFIED_NEVER_RAN) found->state = WHET_VERIFIED_NOTHING;
        return WHET_OK;
    }
    if (w->step->kernel == &whet_kernel_reference) {
        if (found->state == WHET_VERIFIED_NEVER_RAN) found->state = WHET_VERIFIED_REFERENCE;
        return WHET_OK;
    }
    if (c->budget > 0 && c->spent > c->budget) return WHET_OK;
    o->turns[w->index]++;
    WHET_TRY(take_inputs(c, w, o, err));
    c->taken = comparable(&c->judged);
    if (!c->taken && found->state == WHET_VERIFIED_NEVER_RAN) found->state = WHET_VERIFIED_UNKNOWN;
    return WHET_OK;
}

// Of this thread alone: what others do on the machine is no reason to look at less.
static double seconds_used(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static whet_status watch(void *user, const whet_watched *w, bool after, whet_error *err) {
    whet_checker *c = user;
    double begin = seconds_used();
    whet_status status = look(c, w, after, err);
    c->spent += seconds_used() - begin;
    return status;
}

void whet_checker_attach(whet_checker *c, whet_context *context) {
    whet_context_set_watch(context, watch, c);
}

// ---- the report ----

static void report_unchecked(whet_checker *c, const whet_plan *p, const whet_pgraph *g,
                             const whet_verified_plan *v, int32_t *n) {
    for (int32_t i = 0; i < p->n_steps; i++) {
        int32_t state = v->steps[i].state;
        if (state != WHET_VERIFIED_NEVER_RAN && state != WHET_VERIFIED_UNKNOWN) continue;
        whet_arena_reset(&c->step);
        char *layer = layer_text(&c->step, g, &p->steps[i]);
        if ((*n)++ >= REPORTED || !layer) continue;
        whet_env_log(c->env, WHET_LOG_WARNING, "not verified: %s %s", layer,
                     state == WHET_VERIFIED_UNKNOWN ? "has no reference to compare with"
                                                    : "did not run on any sample");
    }
    for (int32_t i = 0; i < p->n_blocks; i++)
        report_unchecked(c, p->blocks[i], g->blocks[i], &v->blocks[i], n);
}

static void count_steps(const whet_verified_plan *v, int32_t *all, int32_t *seen) {
    for (int32_t i = 0; i < v->n_steps; i++) {
        uint8_t state = v->steps[i].state;
        *all += state != WHET_VERIFIED_HOST && state != WHET_VERIFIED_NOTHING;
        *seen += state == WHET_VERIFIED_AGREES || state == WHET_VERIFIED_DIFFERS ||
                 state == WHET_VERIFIED_REFERENCE;
    }
    for (int32_t i = 0; i < v->n_blocks; i++) count_steps(&v->blocks[i], all, seen);
}

whet_status whet_checker_report(whet_checker *c, whet_error *err) {
    int32_t all = 0, seen = 0;
    for (int32_t i = 0; i < c->found->n_plans; i++) count_steps(&c->found->plans[i], &all, &seen);
    if (c->fast)
        whet_env_log(c->env, WHET_LOG_VERBOSE,
                     "verification: %d of %d steps compared by themselves", seen, all);
    if (!c->fast) {
        int32_t unchecked = 0;
        for (int32_t i = 0; i < c->engine->n_plans; i++)
            report_unchecked(c, c->engine->plans[i], c->engine->graph, &c->found->plans[i],
                             &unchecked);
        if (unchecked > REPORTED)
            whet_env_log(c->env, WHET_LOG_WARNING, "not verified: %d layers more",
                         unchecked - REPORTED);
    }
    if (!c->n_differ) return WHET_OK;
    char more[64] = "";
    if (c->n_differ > 1) snprintf(more, sizeof more, " (and %d more layers)", c->n_differ - 1);
    WHET_FAIL(err, WHET_E_VERIFY, "%s%s", c->first, more);
}
