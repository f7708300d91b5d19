// SPDX-License-Identifier: Apache-2.0
// Planning: group, list candidates, solve for layouts and stored types over the whole graph, emit
// steps, conversions, copies between memories, views and segments.
#include <stdlib.h>
#include <string.h>

#include "plan/candidates.h"
#include "plan/pbqp.h"

#define FORMS (2 * WHET_LAYOUT_COUNT) // ways in which a value may lie in memory
#define COPY_COST 1e-5 // seconds for moving a value between memories, where nothing better is known

typedef struct {
    const whet_pgraph *g;
    whet_env *env;
    const whet_plan_options *o;
    whet_error *err;
    whet_arena scratch;
    const whet_vshape *inputs; // of a block
    whet_vshape *shapes;
    whet_grouping grouping;
    whet_candidates *cands;
    int32_t *choice;     // [groups]
    int32_t *maker;      // [values] group that makes it, -1
    whet_plan *plan;
    int32_t *first;      // [values] newest tensor of the value, -1
    int32_t *next;       // [tensors] older tensor of the same value
    int32_t cap_next;
    int32_t *segment_of; // [steps]
    int32_t cap_segment, n_segment_of;
    double *reorder_memo; // [values][FORMS][FORMS], < 0 unknown
} maker;

// ---- prices of moving values ----

static const whet_form own_plain = {WHET_LAYOUT_PLAIN, WHET_DTYPE_NONE};

static size_t form_number(whet_form f) {
    return f.layout + (f.stored ? (size_t)WHET_LAYOUT_COUNT : 0);
}

static double reorder_price(maker *m, int32_t v, whet_form from, whet_form to) {
    if (whet_form_same(from, to)) return 0;
    double *memo =
        &m->reorder_memo[((size_t)v * FORMS + form_number(from)) * FORMS + form_number(to)];
    if (*memo >= 0) return *memo;
    whet_candidate c;
    if (whet_plan_reorder(m->env, m->o, &m->shapes[v], from, to, &m->scratch, &c, m->err)) return 1;
    return *memo = c.cost;
}

static double move_price(maker *m, int32_t v, whet_form from, int32_t from_backend,
                         whet_form to, int32_t to_backend) {
    double weight = m->o->move_scale > 0 ? m->o->move_scale : 1;
    if (from_backend == to_backend) return weight * reorder_price(m, v, from, to);
    return weight * (reorder_price(m, v, from, own_plain) + COPY_COST +
                     reorder_price(m, v, own_plain, to));
}

// ---- the solve ----

static whet_form cand_form(const whet_group *gr, const whet_candidate *c, int32_t value) {
    for (int32_t i = 0; i < gr->n_out; i++)
        if (gr->out[i] == value) return c->out[i];
    return own_plain;
}

static whet_form operand_form(const whet_group *gr, const whet_candidate *c, int32_t i) {
    return i < gr->n_in ? c->in[i] : c->out[0];
}

static int32_t operand(const whet_group *gr, int32_t i) {
    return i < gr->n_in ? gr->in[i] : gr->other;
}

static bool moves(const maker *m, int32_t v) {
    return v >= 0 && !whet_pvalue_is_const(&m->g->values[v]);
}

static bool add_edges(maker *m, whet_pbqp *p, int32_t group) {
    const whet_group *gr = &m->grouping.groups[group];
    const whet_candidates *mine = &m->cands[group];
    for (int32_t i = 0; i < gr->n_in + (gr->other >= 0); i++) {
        int32_t v = operand(gr, i);
        if (!moves(m, v) || m->maker[v] < 0) continue;
        int32_t from = m->maker[v];
        const whet_group *fg = &m->grouping.groups[from];
        const whet_candidates *theirs = &m->cands[from];
        double *costs = WHET_NEW_ARRAY(&m->scratch, double, (size_t)theirs->n * (size_t)mine->n);
        if (!costs) return false;
        for (int32_t a = 0; a < theirs->n; a++)
            for (int32_t b = 0; b < mine->n; b++)
                costs[a * mine->n + b] =
                    move_price(m, v, cand_form(fg, &theirs->v[a], v), theirs->v[a].backend,
                               operand_form(gr, &mine->v[b], i), mine->v[b].backend);
        if (!whet_pbqp_edge(p, from, group, costs)) return false;
    }
    return true;
}

static bool is_output(const maker *m, int32_t v) {
    for (int32_t i = 0; i < m->g->n_outputs; i++)
        if (m->g->outputs[i] == v) return true;
    return false;
}

static bool solve(maker *m) {
    int32_t n = m->grouping.n;
    whet_pbqp *p = whet_pbqp_create(&m->scratch, n);
    if (!p) return false;
    for (int32_t i = 0; i < n; i++) {
        const whet_group *gr = &m->grouping.groups[i];
        double *costs = WHET_NEW_ARRAY(&m->scratch, double, m->cands[i].n);
        if (!costs) return false;
        for (int32_t k = 0; k < m->cands[i].n; k++) {
            const whet_candidate *c = &m->cands[i].v[k];
            costs[k] = c->price;
            for (int32_t j = 0; j < gr->n_in + (gr->other >= 0); j++) {
                int32_t v = operand(gr, j);
                if (moves(m, v) && m->maker[v] < 0)
                    costs[k] += move_price(m, v, own_plain, 0, operand_form(gr, c, j),
                                           c->backend);
            }
            for (int32_t j = 0; j < gr->n_out; j++)
                if (gr->out[j] >= 0 && is_output(m, gr->out[j]))
                    costs[k] += move_price(m, gr->out[j], c->out[j], c->backend, own_plain, 0);
        }
        if (!whet_pbqp_node(p, i, m->cands[i].n, costs)) return false;
    }
    for (int32_t i = 0; i < n; i++)
        if (!add_edges(m, p, i)) return false;
    return whet_pbqp_solve(p, m->choice);
}

// ---- emission ----

static int32_t find_tensor(const maker *m, int32_t v, whet_form form, int32_t backend) {
    for (int32_t t = m->first[v]; t >= 0; t = m->next[t])
        if (whet_form_same(whet_ptensor_form(&m->plan->tensors[t]), form) &&
            m->plan->tensors[t].backend == backend)
            return t;
    return -1;
}

static int32_t new_tensor(maker *m, int32_t v, whet_form form, int32_t backend) {
    whet_plan *p = m->plan;
    whet_ptensor t = {.value = v, .layout = (whet_layout)form.layout,
                      .stored = (whet_dtype)form.stored, .backend = backend, .alias = -1};
    int32_t n = p->n_tensors;
    if (!WHET_ARENA_PUSH(&p->arena, p->tensors, p->n_tensors, p->cap_tensors, t) ||
        !WHET_ARENA_PUSH(&m->scratch, m->next, n, m->cap_next, m->first[v]))
        return -1;
    m->first[v] = p->n_tensors - 1;
    return m->first[v];
}

static whet_pstep *new_step(maker *m, int32_t n_in, int32_t n_out, int32_t segment) {
    whet_plan *p = m->plan;
    whet_pstep s = {.n_in = n_in, .n_out = n_out, .other = -1};
    s.in = WHET_NEW_ARRAY(&p->arena, int32_t, n_in);
    s.out = WHET_NEW_ARRAY(&p->arena, int32_t, n_out);
    s.packed = WHET_NEW_ARRAY(&p->arena, int32_t, n_in);
    if (!s.in || !s.out || !s.packed ||
        !WHET_ARENA_PUSH(&p->arena, p->steps, p->n_steps, p->cap_steps, s) ||
        !WHET_ARENA_PUSH(&m->scratch, m->segment_of, m->n_segment_of, m->cap_segment, segment))
        return NULL;
    for (int32_t i = 0; i < n_in; i++) s.packed[i] = -1;
    return &p->steps[p->n_steps - 1];
}

static int32_t emit_reorder(maker *m, int32_t from, whet_form to, int32_t position,
                            int32_t segment) {
    whet_ptensor t = m->plan->tensors[from];
    whet_candidate c;
    if (whet_plan_reorder(m->env, m->o, &m->shapes[t.value], whet_ptensor_form(&t), to,
                          &m->scratch, &c, m->err))
        return -1;
    int32_t made = new_tensor(m, t.value, to, t.backend);
    whet_pstep *s = made < 0 ? NULL : new_step(m, 1, 1, segment);
    if (!s) return -1;
    s->kernel = c.kernel;
    memcpy(s->params, c.params, sizeof s->params);
    s->cost = c.cost;
    s->backend = t.backend;
    s->position = position;
    s->in[0] = from;
    s->out[0] = made;
    s->name = m->g->values[t.value].name;
    return made;
}

static int32_t emit_copy(maker *m, int32_t from, int32_t backend, int32_t position,
                         int32_t segment) {
    whet_ptensor t = m->plan->tensors[from];
    int32_t made = new_tensor(m, t.value, whet_ptensor_form(&t), backend);
    whet_pstep *s = made < 0 ? NULL : new_step(m, 1, 1, segment);
    if (!s) return -1;
    s->kernel = &whet_kernel_copy;
    s->cost = COPY_COST;
    s->backend = -1;
    s->position = position;
    s->in[0] = from;
    s->out[0] = made;
    s->name = m->g->values[t.value].name;
    return made;
}

// What to convert from, of the tensors of v in this memory: one of the same type if there is one,
// so that nothing is rounded and widened again.
static int32_t nearest_tensor(const maker *m, int32_t v, whet_form form, int32_t backend) {
    int32_t any = -1;
    for (int32_t t = m->first[v]; t >= 0; t = m->next[t]) {
        const whet_ptensor *pt = &m->plan->tensors[t];
        if (pt->backend != backend) continue;
        if ((uint8_t)pt->stored == form.stored) return t;
        if (any < 0 || !pt->stored) any = t;
    }
    return any;
}

// The tensor of v in this form and memory, converting and copying what there is.
static int32_t want_tensor(maker *m, int32_t v, whet_form form, int32_t backend,
                           int32_t position, int32_t segment) {
    int32_t t = find_tensor(m, v, form, backend);
    if (t >= 0) return t;
    if (whet_pvalue_is_const(&m->g->values[v]) && backend == 0) return new_tensor(m, v, form, 0);
    // prefer something in the same memory; the plain one of the CPU is the hub between memories
    t = nearest_tensor(m, v, form, backend);
    if (t >= 0) return emit_reorder(m, t, form, position, segment);
    if (backend == 0) {
        t = m->first[v];
        if (t < 0) return -1;
        if (!whet_form_same(whet_ptensor_form(&m->plan->tensors[t]), own_plain))
            t = want_tensor(m, v, own_plain, m->plan->tensors[t].backend, position, segment);
        t = t < 0 ? -1 : emit_copy(m, t, 0, position, segment);
    } else {
        t = want_tensor(m, v, own_plain, 0, position, segment);
        t = t < 0 ? -1 : emit_copy(m, t, backend, position, segment);
    }
    if (t < 0 || whet_form_same(form, own_plain)) return t;
    return emit_reorder(m, t, form, position, segment);
}

static bool emit_view(maker *m, const whet_group *gr, whet_form form, int32_t segment) {
    int32_t in = gr->in[0];
    int32_t t = want_tensor(m, in, form, 0, gr->position, segment);
    int32_t made = t < 0 ? -1 : new_tensor(m, gr->out[0], form, 0);
    if (made < 0) return false;
    m->plan->tensors[made].alias = t;
    return true;
}

static const char *group_name(maker *m, const whet_group *gr) {
    whet_str s;
    whet_str_init(&s);
    for (int32_t i = 0; i < gr->n_nodes; i++)
        whet_str_printf(&s, "%s%s", i ? " + " : "", m->g->nodes[gr->nodes[i]].name);
    char *name = s.failed ? NULL : whet_arena_strdup(&m->plan->arena, whet_str_text(&s));
    whet_str_fini(&s);
    return name;
}

static bool emit_group(maker *m, int32_t group) {
    const whet_group *gr = &m->grouping.groups[group];
    const whet_candidate *c = &m->cands[group].v[m->choice[group]];
    int32_t segment = m->grouping.segment_of[gr->position];
    if (gr->kind == WHET_GROUP_VIEW) return emit_view(m, gr, c->out[0], segment);
    int32_t *in = WHET_NEW_ARRAY(&m->scratch, int32_t, gr->n_in);
    int32_t other = -1;
    if (!in) return false;
    for (int32_t i = 0; i < gr->n_in; i++) {
        in[i] = -1;
        if (gr->in[i] < 0) continue;
        // shape operands that nothing computes are read by shape functions only
        if (gr->kind == WHET_GROUP_OP && !whet_plan_reads(&m->g->nodes[gr->nodes[0]], i) &&
            moves(m, gr->in[i]) && m->first[gr->in[i]] < 0)
            continue;
        // constants of other memories are copied there by packing
        int32_t memory = moves(m, gr->in[i]) ? c->backend : 0;
        in[i] = want_tensor(m, gr->in[i], c->in[i], memory, gr->position, segment);
        if (in[i] < 0) return false;
    }
    if (gr->other >= 0) {
        other = want_tensor(m, gr->other, c->out[0], c->backend, gr->position, segment);
        if (other < 0) return false;
    }
    whet_pstep *s = new_step(m, gr->n_in, gr->n_out, segment);
    if (!s) return false;
    if (gr->n_in) memcpy(s->in, in, (size_t)gr->n_in * sizeof *in);
    s->other = other;
    s->kernel = c->kernel;
    memcpy(s->params, c->params, sizeof s->params);
    s->backend = whet_kernel_is_host(c->kernel) ? -1 : c->backend;
    s->cost = c->cost;
    s->position = gr->position;
    s->epi = gr->epi;
    s->nodes = whet_arena_memdup(&m->plan->arena, gr->nodes, (size_t)gr->n_nodes * sizeof(int32_t));
    s->n_nodes = gr->n_nodes;
    s->name = group_name(m, gr);
    if (gr->kind == WHET_GROUP_CHAIN) {
        s->chain = whet_arena_memdup(&m->plan->arena, gr->chain, sizeof *gr->chain);
        if (!s->chain) return false;
    } else {
        s->op = m->g->nodes[gr->nodes[0]].op;
        s->attrs = m->g->nodes[gr->nodes[0]].attrs;
    }
    if (!s->nodes || !s->name) return false;
    m->plan->n_fused += gr->n_nodes - 1;
    for (int32_t i = 0; i < gr->n_out; i++) {
        s->out[i] = gr->out[i] < 0 ? -1 : new_tensor(m, gr->out[i], c->out[i], c->backend);
        if (gr->out[i] >= 0 && s->out[i] < 0) return false;
    }
    return true;
}

// ---- what steps want packed, and constants read as they are ----

static bool push_packed(maker *m, whet_packed k) {
    whet_plan *p = m->plan;
    return WHET_ARENA_PUSH(&p->arena, p->packed, p->n_packed, p->cap_packed, k);
}

static whet_status list_packed(maker *m) {
    whet_plan *p = m->plan;
    bool *plain = WHET_NEW_ARRAY(&m->scratch, bool, m->g->n_values);
    if (!plain) return WHET_NOMEM(m->err);
    whet_problem_ports ports = {0};
    for (int32_t i = 0; i < p->n_steps; i++) {
        whet_pstep *s = &p->steps[i];
        whet_problem pr;
        if (whet_plan_problem(p, m->g, s, m->shapes, m->env, m->o->threads, &m->scratch, &ports,
                              &pr))
            return WHET_NOMEM(m->err);
        for (int32_t k = 0; k < s->n_in; k++) {
            if (s->in[k] < 0) continue;
            int32_t v = p->tensors[s->in[k]].value;
            if (!whet_pvalue_is_const(&m->g->values[v])) continue;
            size_t bytes = s->kernel->pack_bytes ? s->kernel->pack_bytes(&pr, s->params, k) : 0;
            if (bytes) {
                s->packed[k] = p->n_packed;
                if (!push_packed(m, (whet_packed){i, k, v, bytes, 0, NULL}))
                    return WHET_NOMEM(m->err);
            } else {
                plain[v] = true;
            }
        }
    }
    for (int32_t i = 0; i < m->g->n_outputs; i++)
        if (whet_pvalue_is_const(&m->g->values[m->g->outputs[i]])) plain[m->g->outputs[i]] = true;
    for (int32_t i = 0; i < p->n_tensors; i++) { // constants seen through views
        int32_t alias = p->tensors[i].alias;
        if (alias >= 0 && whet_pvalue_is_const(&m->g->values[p->tensors[alias].value]))
            plain[p->tensors[alias].value] = true;
    }
    // every constant that some step reads lies in the plan, unless it is inline in the graph;
    // sources may share the bytes of the source section
    for (int32_t v = 0; v < m->g->n_values; v++) {
        if (!plain[v]) continue;
        if (whet_pvalue_inline(&m->g->values[v])) continue;
        whet_tensor t = whet_pvalue_tensor(&m->g->values[v]);
        if (!push_packed(m, (whet_packed){-1, 0, v, t.bytes, 0, NULL})) return WHET_NOMEM(m->err);
    }
    return WHET_OK;
}

static bool make_segments(maker *m) {
    whet_plan *p = m->plan;
    int32_t cap = 0, last = -1;
    for (int32_t part = 0; part < m->grouping.n_segments; part++) {
        int32_t from = m->grouping.segment_start[part], to = m->grouping.segment_start[part + 1];
        int32_t first = last + 1, i = first;
        bool any = false;
        while (i < p->n_steps && m->segment_of[i] <= part) {
            int32_t begin = i, backend = p->steps[i].backend;
            while (i < p->n_steps && m->segment_of[i] <= part && p->steps[i].backend == backend)
                i++;
            whet_psegment s = {begin, i - begin, any ? to : from, to, backend};
            if (!WHET_ARENA_PUSH(&p->arena, p->segments, p->n_segments, cap, s)) return false;
            any = true;
        }
        last = i - 1;
        if (any) continue;
        whet_psegment s = {i, 0, from, to, 0}; // nothing runs, but shapes are inferred
        if (!WHET_ARENA_PUSH(&p->arena, p->segments, p->n_segments, cap, s)) return false;
    }
    return true;
}

static whet_status emit(maker *m) {
    whet_plan *p = m->plan;
    const whet_pgraph *g = m->g;
    p->inputs = WHET_NEW_ARRAY(&p->arena, int32_t, g->n_inputs);
    p->outputs = WHET_NEW_ARRAY(&p->arena, int32_t, g->n_outputs);
    if (!p->inputs || !p->outputs) return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < g->n_inputs; i++) {
        p->inputs[i] = new_tensor(m, g->inputs[i], own_plain, 0);
        if (p->inputs[i] < 0) return WHET_NOMEM(m->err);
    }
    for (int32_t i = 0; i < m->grouping.n; i++)
        if (!emit_group(m, i)) return WHET_NOMEM(m->err);
    int32_t last = g->n_nodes ? m->grouping.segment_of[g->n_nodes - 1] : 0;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        p->outputs[i] = want_tensor(m, g->outputs[i], own_plain, 0, g->n_nodes, last);
        if (p->outputs[i] < 0) return WHET_NOMEM(m->err);
    }
    for (int32_t i = 0; i < p->n_steps; i++) p->cost += p->steps[i].cost;
    WHET_TRY(list_packed(m));
    return make_segments(m) ? WHET_OK : WHET_NOMEM(m->err);
}

// Nothing runs: plain and free, in the type that what is viewed has.
static bool view_candidates(maker *m, const whet_group *gr, whet_candidates *out) {
    bool exact = whet_demand_any(whet_demand_exact(gr->demand));
    bool both = m->o->bf16 && !exact && moves(m, gr->in[0]) &&
                !m->g->values[gr->out[0]].host_value &&
                m->shapes[gr->in[0]].dtype == WHET_DTYPE_F32;
    out->v = WHET_NEW_ARRAY(&m->scratch, whet_candidate, 2);
    out->n = both ? 2 : 1;
    for (int32_t k = 0; out->v && k < out->n; k++) {
        whet_candidate *c = &out->v[k];
        c->kernel = &whet_kernel_reference;
        c->in = WHET_NEW_ARRAY(&m->scratch, whet_form, gr->n_in);
        c->out = WHET_NEW_ARRAY(&m->scratch, whet_form, gr->n_out);
        if (!c->in || !c->out) return false;
        if (k) c->in[0].stored = c->out[0].stored = WHET_DTYPE_BF16;
    }
    return out->v != NULL;
}

static whet_status make(maker *m) {
    const whet_pgraph *g = m->g;
    m->plan->box = m->o->box;
    m->shapes = WHET_NEW_ARRAY(&m->scratch, whet_vshape, g->n_values);
    m->maker = WHET_NEW_ARRAY(&m->scratch, int32_t, g->n_values);
    m->first = WHET_NEW_ARRAY(&m->scratch, int32_t, g->n_values);
    size_t memo = (size_t)g->n_values * FORMS * FORMS;
    m->reorder_memo = WHET_NEW_ARRAY(&m->scratch, double, memo);
    if (!m->shapes || !m->maker || !m->first || !m->reorder_memo) return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < g->n_values; i++) m->maker[i] = m->first[i] = -1;
    for (size_t i = 0; i < memo; i++) m->reorder_memo[i] = -1;
    if (whet_plan_shapes(g, m->o->box, m->inputs, &m->scratch, m->shapes))
        return WHET_NOMEM(m->err);
    WHET_TRY(whet_plan_group(g, m->env, m->o, m->shapes, &m->scratch, &m->grouping, m->err));
    int32_t n = m->grouping.n;
    m->cands = WHET_NEW_ARRAY(&m->scratch, whet_candidates, n);
    m->choice = WHET_NEW_ARRAY(&m->scratch, int32_t, n);
    if (!m->cands || !m->choice) return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < n; i++) {
        const whet_group *gr = &m->grouping.groups[i];
        for (int32_t k = 0; k < gr->n_out; k++)
            if (gr->out[k] >= 0) m->maker[gr->out[k]] = i;
        if (m->o->progress && !m->o->progress(m->o->progress_user, i, n))
            WHET_FAIL(m->err, WHET_E_CANCELLED, "the build was cancelled");
        if (gr->kind != WHET_GROUP_VIEW)
            WHET_TRY(whet_plan_candidates(g, m->env, m->o, gr, m->shapes, &m->scratch,
                                          &m->cands[i], m->err));
        else if (!view_candidates(m, gr, &m->cands[i])) return WHET_NOMEM(m->err);
    }
    if (!solve(m)) return WHET_NOMEM(m->err);
    return emit(m);
}

static whet_status make_plan(const whet_pgraph *g, whet_env *env, const whet_plan_options *options,
                             const whet_vshape *inputs, whet_plan **plan, whet_error *err);

static whet_status make_blocks(maker *m) {
    whet_plan *p = m->plan;
    p->blocks = WHET_NEW_ARRAY(&p->arena, whet_plan *, m->g->n_blocks);
    if (!p->blocks) return WHET_NOMEM(m->err);
    for (int32_t i = 0; i < m->g->n_blocks; i++) {
        whet_vshape *inputs;
        if (whet_plan_block_inputs(m->g, i, m->shapes, &m->scratch, &inputs))
            return WHET_NOMEM(m->err);
        WHET_TRY(make_plan(m->g->blocks[i], m->env, m->o, inputs, &p->blocks[i], m->err));
        p->n_blocks++;
    }
    return WHET_OK;
}

static whet_status make_plan(const whet_pgraph *g, whet_env *env, const whet_plan_options *options,
                             const whet_vshape *inputs, whet_plan **plan, whet_error *err) {
    maker m = {.g = g, .env = env, .o = options, .inputs = inputs, .err = err};
    m.plan = calloc(1, sizeof *m.plan);
    if (!m.plan) return WHET_NOMEM(err);
    whet_arena_init(&m.plan->arena);
    whet_arena_init(&m.scratch);
    whet_status status = make(&m);
    if (status == WHET_OK) status = make_blocks(&m);
    whet_arena_fini(&m.scratch);
    if (status != WHET_OK) {
        whet_plan_destroy(m.plan);
        return status;
    }
    *plan = m.plan;
    return WHET_OK;
}

whet_status whet_plan_make(const whet_pgraph *g, whet_env *env, const whet_plan_options *options,
                           whet_plan **plan, whet_error *err) {
    return make_plan(g, env, options, NULL, plan, err);
}

void whet_plan_destroy(whet_plan *p) {
    if (!p) return;
    for (int32_t i = 0; i < p->n_blocks; i++) whet_plan_destroy(p->blocks[i]);
    free(p->owned);
    whet_arena_fini(&p->arena);
    free(p);
}

bool whet_plan_same(const whet_plan *a, const whet_plan *b) {
    if (a->n_steps != b->n_steps || a->n_blocks != b->n_blocks) return false;
    for (int32_t i = 0; i < a->n_steps; i++)
        if (a->steps[i].kernel != b->steps[i].kernel ||
            memcmp(a->steps[i].params, b->steps[i].params, sizeof a->steps[i].params))
            return false;
    for (int32_t i = 0; i < a->n_blocks; i++)
        if (!whet_plan_same(a->blocks[i], b->blocks[i])) return false;
    return true;
}

uint32_t whet_plan_features(const whet_plan *p) {
    uint32_t features = 0;
    for (int32_t i = 0; i < p->n_steps; i++) features |= p->steps[i].kernel->cpu;
    for (int32_t i = 0; i < p->n_blocks; i++) features |= whet_plan_features(p->blocks[i]);
    return features;
}
