// SPDX-License-Identifier: Apache-2.0
#include "plan/candidates.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SETTINGS 64 // parameter settings considered for a kernel and layout
#define HOPELESS 6       // times what the model says of the fastest: is not priced

typedef struct {
    whet_env *env;
    const whet_plan_options *o;
    whet_arena *arena;
    whet_candidate *v;
    int32_t n, cap;
    bool fixed; // outputs are stored as their own type only
    whet_demand demand;
} list;

int32_t whet_kernel_backend(const whet_env *env, const whet_kernel *k) {
    return k->backend ? whet_env_backend_index(env, k->backend) : 0;
}

static whet_form form_of(const whet_port *p) {
    return (whet_form){(uint8_t)p->layout, p->type ? (uint8_t)p->dtype : WHET_DTYPE_NONE};
}

static bool copy_forms(list *l, const whet_problem *p, whet_candidate *c) {
    c->in = WHET_NEW_ARRAY(l->arena, whet_form, p->n_in);
    c->out = WHET_NEW_ARRAY(l->arena, whet_form, p->n_out);
    if (!c->in || !c->out) return false;
    for (int32_t i = 0; i < p->n_in; i++) c->in[i] = form_of(&p->in[i]);
    for (int32_t i = 0; i < p->n_out; i++) c->out[i] = form_of(&p->out[i]);
    return true;
}

static double growth(const whet_problem *p, const whet_kernel *k, const int32_t *params) {
    double more = 0;
    for (int32_t i = 0; i < p->n_in && k->pack_bytes; i++) {
        const whet_port *in = &p->in[i];
        if (!in->constant || in->dtype == WHET_DTYPE_NONE) continue;
        size_t pack = k->pack_bytes(p, params, i);
        size_t plain = whet_tensor_bytes(in->dtype, whet_dims_count(in->dims, in->rank));
        bool half = k->stores & WHET_STORE_BIT(WHET_STORE_HALF); // takes less, which counts too
        if (pack > plain) more += (double)(pack - plain);
        else if (half && pack) more -= (double)(plain - pack);
    }
    return more;
}

static void set_price(const list *l, whet_candidate *c) {
    // half the room is worth a little time
    bool half = c->kernel->stores & WHET_STORE_BIT(WHET_STORE_HALF);
    c->price = (half ? 0.9 : 1) * c->cost + l->o->byte_price * c->growth;
}

static bool push(list *l, const whet_problem *p, const whet_kernel *k, const int32_t *params) {
    whet_candidate c = {.kernel = k, .backend = whet_kernel_backend(l->env, k),
                        .cost = whet_kernel_cost(k, p, params)};
    memcpy(c.params, params, sizeof c.params);
    c.growth = l->o->byte_price > 0 ? growth(p, k, params) : 0;
    set_price(l, &c);
    return copy_forms(l, p, &c) && WHET_ARENA_PUSH(l->arena, l->v, l->n, l->cap, c);
}

// A constant that is not packed is used in plain layout only.
static bool constants_fit(const whet_kernel *k, const whet_problem *p, const int32_t *params) {
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].constant && p->in[i].layout != WHET_LAYOUT_PLAIN &&
            !(k->pack_bytes && k->pack_bytes(p, params, i)))
            return false;
    return true;
}

// What shape functions read stays as it is.
static bool may_store(const list *l, const whet_problem *p) {
    for (int32_t i = 0; i < p->n_out; i++)
        if (p->out[i].type && l->fixed) return false;
    return true;
}

// Whether values stored so are what is asked for.
static bool meets(whet_demand d, whet_store store) {
    bool in = store == WHET_STORE_BF16 || store == WHET_STORE_BF16_IN;
    bool out = store == WHET_STORE_BF16 || store == WHET_STORE_BF16_OUT;
    return !(d.compute == WHET_DTYPE_F32 && store != WHET_STORE_OWN) &&
           !(d.compute == WHET_DTYPE_BF16 && !in) && !(d.store == WHET_DTYPE_F32 && out) &&
           !(d.store == WHET_DTYPE_BF16 && !out) &&
           !(d.compute == WHET_DTYPE_F16 && store != WHET_STORE_HALF);
}

static bool add_kernel(list *l, const whet_kernel *k, whet_layout variant, whet_store store,
                       whet_problem *p) {
    whet_plan_set_forms(k, variant, store, p);
    if (!may_store(l, p) || !k->accepts(p)) return true;
    int32_t params[WHET_MAX_PARAMS] = {0};
    for (int32_t i = 0; i < MAX_SETTINGS; i++) {
        memset(params, 0, sizeof params);
        if (k->param ? !k->param(p, i, params) : i > 0) break;
        if (constants_fit(k, p, params) && !push(l, p, k, params)) return false;
    }
    return true;
}

static bool enumerate(list *l, whet_problem *p) {
    const whet_kernel_table *t = whet_env_kernels(l->env);
    for (int32_t i = 0; i < t->n; i++) {
        const whet_kernel *k = t->kernels[i];
        if (strcmp(k->op, p->op) || !whet_env_can_run(l->env, k) || whet_kernel_disabled(l->o, k))
            continue;
        uint32_t layouts = k->layouts ? k->layouts : WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN);
        for (int32_t v = 0; v < WHET_LAYOUT_COUNT; v++) {
            if (!(layouts >> v & 1) || (l->o->plain_only && v != WHET_LAYOUT_PLAIN)) continue;
            for (int32_t s = 0; s < WHET_STORE_COUNT; s++)
                if (whet_plan_stores(l->o, k, (whet_store)s) && meets(l->demand, (whet_store)s) &&
                    !add_kernel(l, k, (whet_layout)v, (whet_store)s, p))
                    return false;
        }
    }
    return true;
}

static int by_price(const void *a, const void *b) {
    double x = ((const whet_candidate *)a)->price, y = ((const whet_candidate *)b)->price;
    return (x > y) - (x < y);
}

static void set_form(whet_port *p, whet_form f) {
    whet_dtype type = whet_port_type(p);
    p->layout = (whet_layout)f.layout;
    p->dtype = f.stored ? (whet_dtype)f.stored : type;
    p->type = f.stored ? type : WHET_DTYPE_NONE;
}

static void set_forms(whet_problem *p, const whet_candidate *c) {
    for (int32_t i = 0; i < p->n_in; i++) set_form((whet_port *)&p->in[i], c->in[i]);
    for (int32_t i = 0; i < p->n_out; i++) set_form((whet_port *)&p->out[i], c->out[i]);
    if (p->epi.other.dtype != WHET_DTYPE_NONE) set_form(&p->epi.other, c->out[0]);
}

static bool same_ports(const whet_candidate *a, const whet_candidate *b, const whet_problem *p) {
    return a->backend == b->backend &&
           !memcmp(a->in, b->in, (size_t)p->n_in * sizeof *a->in) &&
           !memcmp(a->out, b->out, (size_t)p->n_out * sizeof *a->out);
}

// Prices the cheapest few by the model, keeps the best of each set of forms.
static void select_best(list *l, whet_problem *p) {
    qsort(l->v, (size_t)l->n, sizeof *l->v, by_price);
    const whet_cost_source *source = l->o->cost;
    if (source) {
        // of either type
        int32_t most = source->max_candidates * (l->o->bf16 || l->o->fp16 ? 2 : 1);
        int32_t priced = most && most < l->n ? most : l->n;
        int32_t kept = 0;
        double best = -1, modelled = -1; // of the fastest so far: its price, what the model says
        for (int32_t i = 0; i < priced; i++) {
            double model = l->v[i].cost;
            if (modelled >= 0 && source->max_candidates && model > HOPELESS * modelled) continue;
            set_forms(p, &l->v[i]);
            double t = source->price(source->user, p, l->v[i].kernel, l->v[i].params, best);
            if (t < 0) continue;
            if (best < 0 || t < best) best = t, modelled = model;
            l->v[i].cost = t;
            set_price(l, &l->v[i]);
            l->v[kept++] = l->v[i];
        }
        if (kept) l->n = kept;
        qsort(l->v, (size_t)l->n, sizeof *l->v, by_price);
    }
    int32_t n = 0;
    for (int32_t i = 0; i < l->n; i++) {
        bool seen = false;
        for (int32_t k = 0; k < n && !seen; k++) seen = same_ports(&l->v[k], &l->v[i], p);
        if (!seen) l->v[n++] = l->v[i];
    }
    l->n = n;
}

static whet_status fill_problem(const whet_pgraph *g, const list *l, const whet_group *gr,
                                const whet_vshape *shapes, whet_problem *p, whet_error *err) {
    whet_plan plan = {0};
    int32_t n = gr->n_in + gr->n_out + 1;
    whet_pstep s = {.n_in = gr->n_in, .n_out = gr->n_out, .chain = gr->chain, .epi = gr->epi,
                    .other = -1};
    plan.tensors = WHET_NEW_ARRAY(l->arena, whet_ptensor, n);
    s.in = WHET_NEW_ARRAY(l->arena, int32_t, gr->n_in);
    s.out = WHET_NEW_ARRAY(l->arena, int32_t, gr->n_out);
    if (!plan.tensors || !s.in || !s.out) return WHET_NOMEM(err);
    int32_t at = 0;
    for (int32_t i = 0; i < gr->n_in; i++) {
        s.in[i] = gr->in[i] < 0 ? -1 : at;
        if (gr->in[i] >= 0) plan.tensors[at++].value = gr->in[i];
    }
    for (int32_t i = 0; i < gr->n_out; i++) {
        s.out[i] = gr->out[i] < 0 ? -1 : at;
        if (gr->out[i] >= 0) plan.tensors[at++].value = gr->out[i];
    }
    if (gr->other >= 0) {
        s.other = at;
        plan.tensors[at].value = gr->other;
    }
    if (gr->kind != WHET_GROUP_CHAIN) {
        s.op = g->nodes[gr->nodes[0]].op;
        s.attrs = g->nodes[gr->nodes[0]].attrs;
    }
    whet_problem_ports ports = {0};
    if (whet_plan_problem(&plan, g, &s, shapes, l->env, l->o->threads, l->arena, &ports, p))
        return WHET_NOMEM(err);
    return WHET_OK;
}

static bool ranks_known(const whet_problem *p) {
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].dtype != WHET_DTYPE_NONE && p->in[i].rank < 0) return false;
    for (int32_t i = 0; i < p->n_out; i++)
        if (p->out[i].dtype != WHET_DTYPE_NONE && p->out[i].rank < 0) return false;
    return true;
}

whet_status whet_plan_candidates(const whet_pgraph *g, whet_env *env, const whet_plan_options *o,
                                 const whet_group *group, const whet_vshape *shapes,
                                 whet_arena *arena, whet_candidates *out, whet_error *err) {
    list l = {.env = env, .o = o, .arena = arena, .demand = group->demand};
    whet_problem p;
    for (int32_t i = 0; i < group->n_out; i++)
        if (group->out[i] >= 0 && g->values[group->out[i]].host_value) l.fixed = true;
    WHET_TRY(fill_problem(g, &l, group, shapes, &p, err));
    bool control = p.desc && p.desc->n_blocks, listed = !control && ranks_known(&p);
    if (listed && !enumerate(&l, &p)) return WHET_NOMEM(err);
    if (listed && !l.n && whet_demand_any(l.demand)) { // the build looks what was not met
        l.demand = whet_demand_exact(l.demand);
        if (!enumerate(&l, &p)) return WHET_NOMEM(err);
    }
    if (l.n == 0) { // nothing faster: the reference, in plain layout
        static const int32_t zeros[WHET_MAX_PARAMS];
        whet_problem_store(&p, WHET_STORE_OWN);
        for (int32_t i = 0; i < p.n_in; i++) ((whet_port *)p.in)[i].layout = WHET_LAYOUT_PLAIN;
        for (int32_t i = 0; i < p.n_out; i++) ((whet_port *)p.out)[i].layout = WHET_LAYOUT_PLAIN;
        p.epi.other.layout = WHET_LAYOUT_PLAIN;
        if (!push(&l, &p, control ? &whet_kernel_control : &whet_kernel_reference, zeros))
            return WHET_NOMEM(err);
    } else {
        select_best(&l, &p);
    }
    *out = (whet_candidates){l.v, l.n};
    return WHET_OK;
}

whet_status whet_plan_reorder(whet_env *env, const whet_plan_options *o, const whet_vshape *shape,
                              whet_form from, whet_form to, whet_arena *arena,
                              whet_candidate *out, whet_error *err) {
    whet_port in = {.dtype = shape->dtype, .rank = shape->rank}, dst;
    memcpy(in.dims, shape->dims, sizeof in.dims);
    dst = in;
    set_form(&in, from);
    set_form(&dst, to);
    whet_problem p = {.op = "reorder", .n_in = 1, .n_out = 1, .in = &in, .out = &dst,
                      .threads = o->threads, .cpu = env->cpu,
                      .l1d_bytes = env->cpu_info.l1d_bytes, .l2_bytes = env->cpu_info.l2_bytes,
                      .l3_bytes = env->cpu_info.l3_bytes};
    list l = {.env = env, .o = o, .arena = arena};
    int32_t params[WHET_MAX_PARAMS] = {0};
    const whet_kernel_table *t = whet_env_kernels(env);
    for (int32_t i = 0; i < t->n; i++) {
        const whet_kernel *k = t->kernels[i];
        if (strcmp(k->op, "reorder") || !whet_env_can_run(env, k) || whet_kernel_disabled(o, k))
            continue;
        if (k->accepts(&p) && !push(&l, &p, k, params)) return WHET_NOMEM(err);
    }
    if (!l.n && !push(&l, &p, &whet_kernel_reference, params)) return WHET_NOMEM(err);
    if (l.v[0].kernel != &whet_kernel_reference) select_best(&l, &p);
    *out = l.v[0];
    return WHET_OK;
}
