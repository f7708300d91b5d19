// SPDX-License-Identifier: Apache-2.0
// The problem of a step at given shapes.
#include <string.h>

#include "plan/group.h"

static void set_port(const whet_plan *p, const whet_pgraph *g, const whet_vshape *shapes,
                     int32_t tensor, whet_port *port) {
    *port = (whet_port){0};
    if (tensor < 0) return;
    const whet_ptensor *t = &p->tensors[tensor];
    const whet_vshape *s = &shapes[t->value];
    port->dtype = whet_ptensor_dtype(t, s->dtype);
    port->type = t->stored ? s->dtype : WHET_DTYPE_NONE;
    port->layout = t->layout;
    port->rank = s->rank;
    port->constant = whet_pvalue_is_const(&g->values[t->value]);
    memcpy(port->dims, s->dims, sizeof port->dims);
    port->data = g->values[t->value].data;
}

static const char *problem_name(const whet_pstep *s) {
    if (s->op) return s->op->name;
    return s->chain ? "chain" : "reorder";
}

static bool grow_ports(whet_arena *arena, whet_port **ports, int32_t *cap, int32_t n) {
    if (n <= *cap && *ports) return true;
    *cap = n < 8 ? 8 : n * 2;
    *ports = WHET_NEW_ARRAY(arena, whet_port, *cap);
    return *ports != NULL;
}

whet_status whet_plan_problem(const whet_plan *p, const whet_pgraph *g, const whet_pstep *s,
                              const whet_vshape *shapes, const whet_env *env, int32_t threads,
                              whet_arena *arena, whet_problem_ports *ports, whet_problem *problem) {
    if (!grow_ports(arena, &ports->in, &ports->cap_in, s->n_in) ||
        !grow_ports(arena, &ports->out, &ports->cap_out, s->n_out))
        return WHET_E_NOMEM;
    for (int32_t i = 0; i < s->n_in; i++) set_port(p, g, shapes, s->in[i], &ports->in[i]);
    for (int32_t i = 0; i < s->n_out; i++) set_port(p, g, shapes, s->out[i], &ports->out[i]);
    *problem = (whet_problem){.op = problem_name(s), .desc = s->op, .attrs = s->attrs,
                              .chain = s->chain, .n_in = s->n_in, .n_out = s->n_out,
                              .in = ports->in, .out = ports->out, .epi = s->epi,
                              .threads = threads, .cpu = env->cpu,
                              .l1d_bytes = env->cpu_info.l1d_bytes,
                              .l2_bytes = env->cpu_info.l2_bytes,
                              .l3_bytes = env->cpu_info.l3_bytes};
    set_port(p, g, shapes, s->other, &problem->epi.other);
    return WHET_OK;
}

// The variant's default: l on what has the output's rank and is computed, plain elsewhere.
static void default_layouts(whet_layout l, whet_problem *p) {
    whet_port *in = (whet_port *)p->in, *out = (whet_port *)p->out;
    int32_t rank = p->out[0].rank;
    bool blocked = rank >= 3 && rank <= 5;
    for (int32_t i = 0; i < p->n_in; i++)
        in[i].layout = blocked && !in[i].constant && in[i].rank == rank ? l : WHET_LAYOUT_PLAIN;
    for (int32_t i = 0; i < p->n_out; i++)
        out[i].layout = blocked && out[i].rank == rank ? l : WHET_LAYOUT_PLAIN;
}

void whet_plan_set_forms(const whet_kernel *k, whet_layout l, whet_store store, whet_problem *p) {
    whet_problem_store(p, store);
    default_layouts(l, p);
    if (k->ports) {
        whet_layout in[256], out[64];
        if (p->n_in > 256 || p->n_out > 64) return;
        whet_port *pin = (whet_port *)p->in, *pout = (whet_port *)p->out;
        for (int32_t i = 0; i < p->n_in; i++) in[i] = pin[i].layout;
        for (int32_t i = 0; i < p->n_out; i++) out[i] = pout[i].layout;
        k->ports(p, l, in, out);
        for (int32_t i = 0; i < p->n_in; i++) pin[i].layout = in[i];
        for (int32_t i = 0; i < p->n_out; i++) pout[i].layout = out[i];
    }
    if (p->epi.other.dtype != WHET_DTYPE_NONE) p->epi.other.layout = p->out[0].layout;
}

bool whet_plan_stores(const whet_plan_options *o, const whet_kernel *k, whet_store store) {
    if (store == WHET_STORE_OWN) return !k->stores || (k->stores & WHET_STORE_BIT(store));
    if (store == WHET_STORE_HALF && !o->fp16) return false;
    return (o->bf16 || store == WHET_STORE_HALF) && (k->stores & WHET_STORE_BIT(store));
}

// Comma-separated names, each with at most one '*' at its end.
bool whet_kernel_disabled(const whet_plan_options *o, const whet_kernel *k) {
    for (const char *p = o->disable_kernels; p && *p;) {
        const char *end = strchr(p, ',');
        size_t n = end ? (size_t)(end - p) : strlen(p);
        bool prefix = n && p[n - 1] == '*';
        if (prefix ? !strncmp(p, k->name, n - 1) : strlen(k->name) == n && !strncmp(p, k->name, n))
            return true;
        p = end ? end + 1 : NULL;
    }
    return false;
}

bool whet_plan_acceptable(const whet_env *env, const whet_plan_options *o, whet_problem *p) {
    const whet_kernel_table *t = whet_env_kernels(env);
    for (int32_t i = 0; i < t->n; i++) {
        const whet_kernel *k = t->kernels[i];
        if (strcmp(k->op, p->op) || !whet_env_can_run(env, k) || whet_kernel_disabled(o, k))
            continue;
        if (!whet_plan_stores(o, k, WHET_STORE_OWN)) continue;
        uint32_t layouts = k->layouts ? k->layouts : WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN);
        for (int32_t l = 0; l < WHET_LAYOUT_COUNT; l++) {
            if (!(layouts >> l & 1) || (o->plain_only && l != WHET_LAYOUT_PLAIN)) continue;
            whet_plan_set_forms(k, (whet_layout)l, WHET_STORE_OWN, p);
            if (k->accepts(p)) return true;
        }
    }
    return false;
}

double whet_kernel_cost(const whet_kernel *k, const whet_problem *p, const int32_t *params) {
    if (k->cost) return k->cost(p, params);
    // a class of machine, not this one: 20 GFLOP/s, 8 GB/s, and the price of a step
    return whet_problem_flops(p) / 20e9 + whet_problem_bytes(p) / 8e9 + 1e-6;
}

bool whet_kernel_params_valid(const whet_kernel *k, const whet_problem *p, const int32_t *params) {
    if (k->valid) return k->valid(p, params);
    static const int32_t zeros[WHET_MAX_PARAMS];
    return !memcmp(params, zeros, sizeof zeros);
}
