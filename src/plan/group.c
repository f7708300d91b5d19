// SPDX-License-Identifier: Apache-2.0
// Grouping: liveness (shape-only nodes do not run), segments, epilogues of heavy operators, chains
// of pointwise operators, views. A group runs at the position of its last node, which is right
// because everything it needs from outside is made before that and nothing inside is seen before
// it.
#include "plan/group.h"

#include <stdio.h>
#include <string.h>

#include "ops/attrs.h"

typedef struct {
    const whet_pgraph *g;
    whet_env *env;
    const whet_plan_options *o;
    const whet_vshape *shapes;
    whet_arena *arena;
    whet_grouping *out;
    int32_t *uses;       // [n_values] by needed nodes and graph outputs
    int32_t *user;       // [n_values] the last needed node that uses it
    int32_t *group_of;   // [n_nodes] index into groups, -1
    whet_group *groups;
    int32_t n_groups, cap_groups;
    whet_error *err;
} grouper;

// ---- what has to run ----

static bool arg_is_shape(const whet_pnode *n, int32_t i) {
    int32_t k = i < n->op->n_in ? i : n->op->n_in - 1;
    return k >= 0 && (n->op->in[k].flags & WHET_ARG_SHAPE);
}

bool whet_plan_reads(const whet_pnode *n, int32_t i) {
    if (n->in[i] < 0) return false;
    if (i < 64 && (n->needs_value >> i & 1)) return true;
    return !arg_is_shape(n, i);
}

static bool find_needed(grouper *c) {
    const whet_pgraph *g = c->g;
    bool *wanted = WHET_NEW_ARRAY(c->arena, bool, g->n_values);
    if (!wanted) return false;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        wanted[g->outputs[i]] = true;
        c->uses[g->outputs[i]]++;
    }
    // values that shape functions of nodes ask for must be computed even if the node is not needed
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        const whet_pnode *n = &g->nodes[i];
        if (n->recipe) continue;
        bool needed = false;
        for (int32_t k = 0; k < n->n_out; k++)
            if (n->out[k] >= 0 && wanted[n->out[k]]) needed = true;
        c->out->needed[i] = needed;
        for (int32_t k = 0; k < n->n_in; k++) {
            bool value_for_infer = k < 64 && (n->needs_value >> k & 1) && n->in[k] >= 0;
            if (!(needed && whet_plan_reads(n, k)) && !value_for_infer) continue;
            wanted[n->in[k]] = true;
            c->uses[n->in[k]]++;
            if (c->user[n->in[k]] < i) c->user[n->in[k]] = i;
        }
    }
    return true;
}

static bool find_segments(grouper *c) {
    const whet_pgraph *g = c->g;
    whet_grouping *o = c->out;
    o->segment_start = WHET_NEW_ARRAY(c->arena, int32_t, g->n_nodes + 2);
    if (!o->segment_start) return false;
    int32_t n = 0;
    bool cut = false;
    o->segment_start[n++] = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_pnode *node = &g->nodes[i];
        if (node->recipe) {
            o->segment_of[i] = n - 1;
            continue;
        }
        bool asks = false; // for something that is computed, not fed
        for (int32_t k = 0; k < node->n_in && k < 64; k++)
            if ((node->needs_value >> k & 1) && node->in[k] >= 0 &&
                g->values[node->in[k]].kind == WHET_PVALUE_NODE)
                asks = true;
        if ((cut || asks) && o->segment_start[n - 1] < i) o->segment_start[n++] = i;
        cut = node->op->flags & WHET_OP_DYNAMIC_OUT;
        o->segment_of[i] = n - 1;
    }
    o->n_segments = n;
    o->segment_start[n] = g->n_nodes;
    return true;
}

// ---- groups ----

static bool push_node(grouper *c, int32_t group, int32_t node) {
    whet_group *gr = &c->groups[group];
    if (!WHET_ARENA_PUSH(c->arena, gr->nodes, gr->n_nodes, gr->cap_nodes, node)) return false;
    if (node > gr->position) gr->position = node;
    gr->demand = whet_demand_merge(gr->demand, c->g->nodes[node].demand);
    c->group_of[node] = group;
    return true;
}

static int32_t new_group(grouper *c, whet_group_kind kind, int32_t node) {
    whet_group gr = {.kind = kind, .other = -1, .position = node};
    if (!WHET_ARENA_PUSH(c->arena, c->groups, c->n_groups, c->cap_groups, gr)) return -1;
    return push_node(c, c->n_groups - 1, node) ? c->n_groups - 1 : -1;
}

static bool f32_value(const grouper *c, int32_t v) {
    return v >= 0 && c->g->values[v].type.dtype == WHET_DTYPE_F32;
}

static bool same_shape(const whet_pgraph *g, int32_t a, int32_t b) {
    const whet_type *x = &g->values[a].type, *y = &g->values[b].type;
    return x->rank >= 0 && x->rank == y->rank &&
           !memcmp(x->dims, y->dims, (size_t)x->rank * sizeof x->dims[0]);
}

static bool is_pointwise_f32(const grouper *c, const whet_pnode *n) {
    if (!(n->op->flags & WHET_OP_POINTWISE) || n->n_out != 1 || n->out[0] < 0) return false;
    if (whet_pw_inputs((whet_pw)n->op->pw) != n->n_in || !f32_value(c, n->out[0])) return false;
    if (c->g->values[n->out[0]].type.rank < 0) return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (!f32_value(c, n->in[i])) return false;
    return true;
}

// One that turns 8-bit numbers into floats or back, with a constant scale and zero point.
static whet_pw quant_function(const grouper *c, const whet_pnode *n) {
    bool back = n->op == &whet_op_dequantize_linear;
    if ((!back && n->op != &whet_op_quantize_linear) || n->n_in != 3 || n->n_out != 1 ||
        n->out[0] < 0 || n->in[2] < 0)
        return WHET_PW_NONE;
    const whet_type *x = &c->g->values[n->in[0]].type, *y = &c->g->values[n->out[0]].type;
    const whet_type *integer = back ? x : y, *real = back ? y : x;
    if (real->dtype != WHET_DTYPE_F32 || real->rank < 0 ||
        (integer->dtype != WHET_DTYPE_U8 && integer->dtype != WHET_DTYPE_I8))
        return WHET_PW_NONE;
    for (int32_t i = 1; i < 3; i++) {
        const whet_pvalue *v = &c->g->values[n->in[i]];
        bool one = v->type.rank == 0 || (v->type.rank == 1 && v->type.dims[0] == 1);
        if (!whet_pvalue_is_const(v) || !one || v->type.rank > real->rank ||
            (i == 1 && v->type.dtype != WHET_DTYPE_F32))
            return WHET_PW_NONE;
    }
    const whet_quantize_attrs *a = n->attrs;
    if (!back && a->precision && a->precision != WHET_DTYPE_F32) return WHET_PW_NONE;
    return back ? WHET_PW_DEQUANTIZE : WHET_PW_QUANTIZE;
}

// The function of a node that chains take; NONE: they do not.
static whet_pw chain_function(const grouper *c, const whet_pnode *n) {
    return is_pointwise_f32(c, n) ? (whet_pw)n->op->pw : quant_function(c, n);
}

static void chain_params(const grouper *c, const whet_pnode *n, float p[2]) {
    if (n->op->flags & WHET_OP_POINTWISE) {
        whet_pw_params(n->op, n->attrs, p);
        return;
    }
    bool is_signed = c->g->values[n->out[0]].type.dtype == WHET_DTYPE_I8;
    p[0] = is_signed ? -128 : 0;
    p[1] = is_signed ? 127 : 255;
}

static whet_port port_of(const grouper *c, int32_t v) {
    whet_port p = {0};
    if (v < 0) return p;
    const whet_vshape *s = &c->shapes[v];
    p.dtype = s->dtype;
    p.rank = s->rank;
    p.constant = whet_pvalue_is_const(&c->g->values[v]);
    memcpy(p.dims, s->dims, sizeof p.dims);
    p.data = c->g->values[v].data;
    return p;
}

static void base_problem(const grouper *c, whet_problem *p) {
    const whet_env *env = c->env;
    *p = (whet_problem){.threads = c->o->threads, .cpu = env->cpu,
                        .l1d_bytes = env->cpu_info.l1d_bytes, .l2_bytes = env->cpu_info.l2_bytes,
                        .l3_bytes = env->cpu_info.l3_bytes};
}

// ---- epilogues ----

static bool epilogue_accepted(grouper *c, const whet_pnode *root, const whet_epilogue *epi,
                              int32_t other) {
    whet_port *in = WHET_NEW_ARRAY(c->arena, whet_port, root->n_in);
    whet_port *out = WHET_NEW_ARRAY(c->arena, whet_port, root->n_out);
    if (!in || !out) return false;
    whet_problem p;
    base_problem(c, &p);
    p.op = root->op->name;
    p.attrs = root->attrs;
    p.n_in = root->n_in;
    p.n_out = root->n_out;
    for (int32_t i = 0; i < root->n_in; i++) in[i] = port_of(c, root->in[i]);
    for (int32_t i = 0; i < root->n_out; i++) out[i] = port_of(c, root->out[i]);
    p.in = in;
    p.out = out;
    p.epi = *epi;
    p.epi.other = port_of(c, other);
    return whet_plan_acceptable(c->env, c->o, &p);
}

// The needed node that alone uses v, in the same segment as `at`; -1.
static int32_t sole_user(const grouper *c, int32_t v, int32_t at) {
    if (v < 0 || c->uses[v] != 1) return -1;
    int32_t u = c->user[v];
    if (u < 0 || c->group_of[u] >= 0 || c->out->segment_of[u] != c->out->segment_of[at]) return -1;
    return u;
}

static bool is_binary_stage(whet_pw f) {
    return f == WHET_PW_ADD || f == WHET_PW_MUL || f == WHET_PW_SUB || f == WHET_PW_DIV ||
           f == WHET_PW_MAX || f == WHET_PW_MIN;
}

// Adds node u, which uses value v, as the next stage of the epilogue. False: does not fit.
static bool add_stage(grouper *c, int32_t root, whet_epilogue *e, int32_t *other, int32_t u,
                      int32_t v) {
    const whet_pnode *n = &c->g->nodes[u];
    if (!is_pointwise_f32(c, n) || !same_shape(c->g, v, n->out[0])) return false;
    whet_pw f = (whet_pw)n->op->pw;
    if (n->n_in == 1) {
        whet_pw *slot = e->binary ? &e->act2 : &e->act1;
        if (*slot) return false;
        *slot = f;
        whet_pw_params(n->op, n->attrs, e->binary ? e->p2 : e->p1);
        return true;
    }
    if (n->n_in != 2 || e->binary || e->act2 || !is_binary_stage(f)) return false;
    int32_t operand = n->in[0] == v ? n->in[1] : n->in[0];
    if (operand == v || whet_pvalue_is_const(&c->g->values[operand])) return false;
    if (n->in[0] != v && (f == WHET_PW_SUB || f == WHET_PW_DIV)) return false;
    if (!same_shape(c->g, operand, v)) return false;
    // when the other side is made by a later heavy node, that one takes the addition
    int32_t made = c->g->values[operand].node;
    if (made > root && sole_user(c, operand, made) == u &&
        !strcmp(c->g->nodes[made].op->name, c->g->nodes[root].op->name))
        return false;
    e->binary = f;
    *other = operand;
    return true;
}

static bool grow_epilogue(grouper *c, int32_t group) {
    int32_t root = c->groups[group].nodes[0];
    const whet_pnode *r = &c->g->nodes[root];
    if (c->o->no_fusion || r->n_out != 1 || !f32_value(c, r->out[0])) return true;
    int32_t v = r->out[0];
    whet_epilogue e = {0};
    int32_t other = -1;
    for (;;) {
        int32_t u = sole_user(c, v, root);
        if (u < 0 || !whet_demand_agree(c->groups[group].demand, c->g->nodes[u].demand))
            return true;
        whet_epilogue next = e;
        int32_t next_other = other;
        if (!add_stage(c, root, &next, &next_other, u, v)) return true;
        // a stage that no kernel takes alone may become good with the next one; not worth a search
        if (!epilogue_accepted(c, r, &next, next_other)) return true;
        e = next;
        other = next_other;
        if (!push_node(c, group, u)) return false;
        c->groups[group].epi = e;
        c->groups[group].other = other;
        v = c->g->nodes[u].out[0];
    }
}

// ---- chains ----

static bool chain_function_known(grouper *c, const whet_pnode *n) {
    whet_chain chain = {.n_in = n->n_in, .n_ops = 1, .n_out = 1};
    chain.ops[0].f = chain_function(c, n);
    for (int32_t i = 0; i < n->n_in; i++) chain.ops[0].src[i] = (int16_t)i;
    chain_params(c, n, chain.ops[0].p);
    chain.out[0] = (int16_t)n->n_in;
    whet_port in[3], out;
    for (int32_t i = 0; i < n->n_in; i++) in[i] = port_of(c, n->in[i]);
    out = port_of(c, n->out[0]);
    whet_problem p;
    base_problem(c, &p);
    p.op = "chain";
    p.chain = &chain;
    p.n_in = n->n_in;
    p.n_out = 1;
    p.in = in;
    p.out = &out;
    return whet_plan_acceptable(c->env, c->o, &p);
}

// Distinct values that the nodes of both groups and n read from outside.
static int32_t outside_inputs(const grouper *c, const int32_t *nodes, int32_t n, int32_t *list,
                              int32_t cap) {
    int32_t count = 0;
    for (int32_t i = 0; i < n; i++) {
        const whet_pnode *node = &c->g->nodes[nodes[i]];
        for (int32_t k = 0; k < node->n_in; k++) {
            int32_t v = node->in[k], made = c->g->values[v].node;
            bool inside = false;
            for (int32_t j = 0; j < n; j++) inside |= made >= 0 && nodes[j] == made;
            for (int32_t j = 0; j < count && !inside; j++) inside |= list[j] == v;
            if (inside) continue;
            if (count == cap) return cap + 1;
            list[count++] = v;
        }
    }
    return count;
}

// Joins the chain group `from` into `into`; node order stays topological because ids are.
static bool merge_groups(grouper *c, int32_t into, int32_t from) {
    for (int32_t i = 0; i < c->groups[from].n_nodes; i++)
        if (!push_node(c, into, c->groups[from].nodes[i])) return false;
    c->groups[from].n_nodes = 0;
    return true;
}

static void sort_ids(int32_t *v, int32_t n) {
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0 && v[k] < v[k - 1]; k--) {
            int32_t t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
}

static bool fits_chain(const grouper *c, const whet_group *a, const whet_group *b) {
    int32_t nodes[WHET_CHAIN_MAX_OPS], list[WHET_CHAIN_MAX_IN], n = 0;
    if (a->n_nodes + b->n_nodes > WHET_CHAIN_MAX_OPS) return false;
    for (int32_t i = 0; i < a->n_nodes; i++) nodes[n++] = a->nodes[i];
    for (int32_t i = 0; i < b->n_nodes; i++) nodes[n++] = b->nodes[i];
    return outside_inputs(c, nodes, n, list, WHET_CHAIN_MAX_IN) <= WHET_CHAIN_MAX_IN;
}

static bool chain_node(grouper *c, int32_t i) {
    const whet_pnode *n = &c->g->nodes[i];
    int32_t group = new_group(c, WHET_GROUP_CHAIN, i);
    if (group < 0) return false;
    if (c->o->no_fusion || !chain_function_known(c, n)) return true;
    for (int32_t k = 0; k < n->n_in; k++) {
        int32_t v = n->in[k], made = c->g->values[v].node;
        if (made < 0 || c->uses[v] != 1 || c->group_of[made] < 0) continue;
        int32_t other = c->group_of[made];
        if (other == group || c->groups[other].kind != WHET_GROUP_CHAIN) continue;
        if (c->out->segment_of[made] != c->out->segment_of[i] ||
            !whet_demand_agree(c->groups[other].demand, c->groups[group].demand))
            continue;
        if (!same_shape(c->g, v, n->out[0]) || !fits_chain(c, &c->groups[group], &c->groups[other]))
            continue;
        if (!chain_function_known(c, &c->g->nodes[c->groups[other].nodes[0]])) continue;
        if (!merge_groups(c, group, other)) return false;
    }
    return true;
}

// Whether node n takes apart again what the node before it, in this group, has quantized.
static bool requantizes(const grouper *c, const whet_group *gr, const whet_pnode *n, int32_t *at) {
    if (quant_function(c, n) != WHET_PW_DEQUANTIZE || c->uses[n->in[0]] != 1) return false;
    for (int32_t i = 0; i < gr->n_nodes; i++) {
        const whet_pnode *q = &c->g->nodes[gr->nodes[i]];
        *at = i;
        if (q->out[0] == n->in[0] && quant_function(c, q) == WHET_PW_QUANTIZE)
            return q->in[1] == n->in[1] && q->in[2] == n->in[2];
    }
    return false;
}

static bool build_chain(grouper *c, whet_group *gr) {
    int32_t list[WHET_CHAIN_MAX_IN], made[WHET_CHAIN_MAX_OPS], before;
    sort_ids(gr->nodes, gr->n_nodes);
    whet_chain *chain = WHET_NEW(c->arena, whet_chain);
    gr->in = WHET_NEW_ARRAY(c->arena, int32_t, WHET_CHAIN_MAX_IN);
    gr->out = WHET_NEW_ARRAY(c->arena, int32_t, 1);
    if (!chain || !gr->in || !gr->out) return false;
    gr->n_in = outside_inputs(c, gr->nodes, gr->n_nodes, list, WHET_CHAIN_MAX_IN);
    memcpy(gr->in, list, (size_t)gr->n_in * sizeof list[0]);
    chain->n_in = gr->n_in;
    chain->n_out = 1;
    for (int32_t i = 0; i < gr->n_nodes; i++) {
        const whet_pnode *n = &c->g->nodes[gr->nodes[i]];
        if (requantizes(c, gr, n, &before)) {
            made[i] = made[before];
            chain->ops[made[i]].f = WHET_PW_REQUANTIZE;
            continue;
        }
        int32_t at = made[i] = chain->n_ops++;
        chain->ops[at].f = chain_function(c, n);
        chain_params(c, n, chain->ops[at].p);
        for (int32_t k = 0; k < n->n_in; k++) {
            int16_t src = -1;
            for (int32_t j = 0; j < gr->n_in; j++)
                if (gr->in[j] == n->in[k]) src = (int16_t)j;
            for (int32_t j = 0; j < i && src < 0; j++)
                if (c->g->nodes[gr->nodes[j]].out[0] == n->in[k])
                    src = (int16_t)(gr->n_in + made[j]);
            chain->ops[at].src[k] = src;
        }
    }
    gr->n_out = 1;
    gr->out[0] = c->g->nodes[gr->nodes[gr->n_nodes - 1]].out[0];
    chain->out[0] = (int16_t)(chain->n_in + made[gr->n_nodes - 1]);
    gr->chain = chain;
    return true;
}

// ---- all together ----

static bool is_view(const grouper *c, const whet_pnode *n) {
    if (!(n->op->flags & WHET_OP_VIEW) || n->n_in < 1 || n->in[0] < 0) return false;
    for (int32_t i = 1; i < n->n_out; i++)
        if (n->out[i] >= 0 && c->uses[n->out[i]]) return false;
    return n->out[0] >= 0 &&
           c->g->values[n->in[0]].type.dtype == c->g->values[n->out[0]].type.dtype;
}

static bool finish_group(grouper *c, whet_group *gr) {
    const whet_pnode *n = &c->g->nodes[gr->nodes[0]];
    if (gr->n_nodes == 1 && !(n->op->flags & WHET_OP_POINTWISE) && gr->kind == WHET_GROUP_CHAIN)
        gr->kind = WHET_GROUP_OP; // quantizing alone has kernels of its own
    if (gr->kind == WHET_GROUP_CHAIN) return build_chain(c, gr);
    gr->in = n->in;
    gr->n_in = n->n_in;
    gr->out = n->out;
    gr->n_out = n->n_out;
    if (gr->n_nodes == 1) return true;
    gr->out = WHET_NEW_ARRAY(c->arena, int32_t, 1);
    if (!gr->out) return false;
    gr->n_out = 1;
    gr->out[0] = c->g->nodes[gr->nodes[gr->n_nodes - 1]].out[0];
    return true;
}

static void sort_groups(whet_group *v, int32_t n, whet_group *tmp) {
    if (n < 2) return;
    int32_t h = n / 2;
    sort_groups(v, h, tmp);
    sort_groups(v + h, n - h, tmp);
    memcpy(tmp, v, (size_t)n * sizeof *v);
    for (int32_t a = 0, b = h, i = 0; i < n; i++)
        v[i] = b == n || (a < h && tmp[a].position <= tmp[b].position) ? tmp[a++] : tmp[b++];
}

static bool make_groups(grouper *c) {
    const whet_pgraph *g = c->g;
    // heavy operators take their epilogues first, so that chains get what is left
    for (int32_t pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < g->n_nodes; i++) {
            const whet_pnode *n = &g->nodes[i];
            if (n->recipe || !c->out->needed[i] || c->group_of[i] >= 0) continue;
            whet_pw f = chain_function(c, n);
            bool pointwise = f != WHET_PW_NONE;
            if (pointwise != (pass == 1)) continue;
            if (pointwise && f != WHET_PW_IDENTITY) {
                if (!chain_node(c, i)) return false;
                continue;
            }
            bool view = is_view(c, n);
            int32_t group = new_group(c, view ? WHET_GROUP_VIEW : WHET_GROUP_OP, i);
            if (group < 0 || (!view && !grow_epilogue(c, group))) return false;
        }
    int32_t n = 0;
    for (int32_t i = 0; i < c->n_groups; i++)
        if (c->groups[i].n_nodes) c->groups[n++] = c->groups[i];
    for (int32_t i = 0; i < n; i++)
        if (!finish_group(c, &c->groups[i])) return false;
    whet_group *tmp = WHET_NEW_ARRAY(c->arena, whet_group, n);
    if (!tmp) return false;
    sort_groups(c->groups, n, tmp);
    c->out->groups = c->groups;
    c->out->n = n;
    return true;
}

whet_status whet_plan_group(const whet_pgraph *g, whet_env *env, const whet_plan_options *o,
                            const whet_vshape *shapes, whet_arena *arena, whet_grouping *out,
                            whet_error *err) {
    grouper c = {.g = g, .env = env, .o = o, .shapes = shapes, .arena = arena, .out = out,
                 .err = err};
    *out = (whet_grouping){0};
    c.uses = WHET_NEW_ARRAY(arena, int32_t, g->n_values);
    c.user = WHET_NEW_ARRAY(arena, int32_t, g->n_values);
    c.group_of = WHET_NEW_ARRAY(arena, int32_t, g->n_nodes);
    out->segment_of = WHET_NEW_ARRAY(arena, int32_t, g->n_nodes);
    out->needed = WHET_NEW_ARRAY(arena, bool, g->n_nodes);
    if (!c.uses || !c.user || !c.group_of || !out->segment_of || !out->needed)
        return WHET_NOMEM(err);
    for (int32_t i = 0; i < g->n_values; i++) c.user[i] = -1;
    for (int32_t i = 0; i < g->n_nodes; i++) c.group_of[i] = -1;
    if (!find_needed(&c) || !find_segments(&c) || !make_groups(&c)) return WHET_NOMEM(err);
    return WHET_OK;
}
