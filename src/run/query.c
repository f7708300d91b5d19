// SPDX-License-Identifier: Apache-2.0
#include "run/query.h"

#include <string.h>

typedef struct {
    const whet_pgraph *g;
    const whet_tensor *inputs;
    whet_arena *arena;
    whet_query *q;
    whet_tensor *contents; // [values] of constants and integer inputs; dtype NONE: not known
    bool *seen;            // [values] in the search for what is lacking
} querier;

static bool is_exact(const whet_type *t) {
    for (int32_t d = 0; d < t->rank; d++)
        if (!whet_dim_is_const(t->dims[d])) return false;
    return t->rank >= 0;
}

static void set_inputs(querier *s) {
    const whet_pgraph *g = s->g;
    for (int32_t i = 0; i < g->n_values; i++) {
        s->q->types[i] = (whet_type){.dtype = g->values[i].type.dtype, .rank = -1};
        if (!whet_pvalue_is_const(&g->values[i])) continue;
        s->q->types[i] = g->values[i].type;
        s->q->state[i] = WHET_SHAPE_EXACT;
        if (g->values[i].data) s->contents[i] = whet_pvalue_tensor(&g->values[i]);
    }
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const whet_tensor *t = &s->inputs[i];
        int32_t v = g->inputs[i];
        whet_type *type = &s->q->types[v];
        type->rank = t->rank;
        for (int32_t d = 0; d < t->rank; d++) type->dims[d] = t->dims[d];
        s->q->state[v] = WHET_SHAPE_EXACT;
        bool small = whet_dims_count(t->dims, t->rank) <= WHET_VALUE_LIMIT;
        if (t->data && (g->values[v].host_value || (whet_dtype_is_int(t->dtype) && small)))
            s->contents[v] = *t;
    }
}

// A shape depends on what lies behind value v and is not known.
static void find_lacking(querier *s, int32_t v) {
    const whet_pgraph *g = s->g;
    if (v < 0 || s->seen[v] || s->contents[v].dtype) return;
    s->seen[v] = true;
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (g->inputs[i] == v && !s->inputs[i].data) s->q->lacking[i] = s->q->lacks = true;
    const whet_pnode *n = g->values[v].node < 0 ? NULL : &g->nodes[g->values[v].node];
    bool search = n && !(n->op->flags & WHET_OP_DYNAMIC_OUT);
    for (int32_t i = 0; search && i < n->n_in; i++)
        if (n->in[i] >= 0 && whet_dtype_is_int(g->values[n->in[i]].type.dtype))
            find_lacking(s, n->in[i]);
}

// What symbols say of an output that numbers leave open.
static void fill_by_names(querier *s, int32_t v) {
    whet_input_names names = {s->g, s->inputs, s->g->n_inputs};
    whet_type *t = &s->q->types[v];
    const whet_type *symbolic = &s->g->values[v].type;
    if (symbolic->rank < 0) return;
    if (t->rank != symbolic->rank) {
        t->rank = symbolic->rank;
        for (int32_t d = 0; d < t->rank; d++) t->dims[d] = WHET_DIM_ERROR;
    }
    for (int32_t d = 0; d < t->rank; d++) {
        if (whet_dim_is_const(t->dims[d])) continue;
        whet_dim n = symbolic->dims[d];
        if (!whet_dim_is_const(n)) n = whet_dim_eval(s->g->dims, n, whet_input_dim, &names);
        t->dims[d] = whet_dim_is_const(n) && n >= 0 ? n : WHET_DIM_ERROR;
    }
}

static void keep_outputs(querier *s, const whet_pnode *n, const whet_type *out,
                         whet_shape_state state) {
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        s->q->types[n->out[i]] = out[i];
        // contents that follow from bounds are no contents
        if (state != WHET_SHAPE_EXACT) s->q->types[n->out[i]].value = NULL;
        s->q->state[n->out[i]] = is_exact(&out[i]) ? state : WHET_SHAPE_UNKNOWN;
    }
}

// The least that is known of an input; contents count as known where all of them are.
static whet_shape_state inputs_state(const querier *s, const whet_pnode *n) {
    whet_shape_state state = WHET_SHAPE_EXACT;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && s->q->state[n->in[i]] < state) state = s->q->state[n->in[i]];
    return state;
}

static whet_status ask(querier *s, const whet_pnode *n) {
    const whet_type **in = WHET_NEW_ARRAY(s->arena, const whet_type *, n->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(s->arena, const whet_tensor *, n->n_in);
    whet_type *out = WHET_NEW_ARRAY(s->arena, whet_type, n->n_out);
    if (!in || !data || !out) return WHET_E_NOMEM;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        in[i] = &s->q->types[n->in[i]];
        if (s->contents[n->in[i]].dtype) data[i] = &s->contents[n->in[i]];
    }
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                      .n_out = n->n_out, .in = in, .data = data, .out = out, .arena = s->arena};
    whet_shape_state state = inputs_state(s, n);
    bool exact = state == WHET_SHAPE_EXACT;
    bool grows = n->op->flags & (WHET_OP_POINTWISE | WHET_OP_MONOTONE);
    if ((exact || (grows && state == WHET_SHAPE_BOUND)) && whet_op_infer(&ctx) == WHET_OK)
        keep_outputs(s, n, out, state);
    for (int32_t i = 0; i < n->n_in && i < 64; i++)
        if (exact && (ctx.needs_value >> i & 1)) find_lacking(s, n->in[i]);
    bool open = false;
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0 || s->q->state[n->out[i]] != WHET_SHAPE_UNKNOWN) continue;
        fill_by_names(s, n->out[i]);
        if (is_exact(&s->q->types[n->out[i]])) s->q->state[n->out[i]] = WHET_SHAPE_EXACT;
        else open = true;
    }
    ctx.needs_value = 0;
    if (!open || state == WHET_SHAPE_UNKNOWN || whet_op_bound(&ctx)) return WHET_OK;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0 && s->q->state[n->out[i]] == WHET_SHAPE_UNKNOWN && is_exact(&out[i])) {
            out[i].value = NULL;
            s->q->types[n->out[i]] = out[i];
            s->q->state[n->out[i]] = WHET_SHAPE_BOUND;
        }
    return WHET_OK;
}

whet_status whet_query_shapes(const whet_pgraph *g, const whet_tensor *inputs, whet_arena *arena,
                              whet_query *q) {
    querier s = {g, inputs, arena, q, NULL, NULL};
    *q = (whet_query){WHET_NEW_ARRAY(arena, whet_type, g->n_values),
                      WHET_NEW_ARRAY(arena, whet_shape_state, g->n_values),
                      WHET_NEW_ARRAY(arena, bool, g->n_inputs), false};
    s.contents = WHET_NEW_ARRAY(arena, whet_tensor, g->n_values);
    s.seen = WHET_NEW_ARRAY(arena, bool, g->n_values);
    if (!q->types || !q->state || !q->lacking || !s.contents || !s.seen) return WHET_E_NOMEM;
    set_inputs(&s);
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].recipe) WHET_TRY(ask(&s, &g->nodes[i]));
    return WHET_OK;
}

int64_t whet_input_dim(void *user, const char *name) {
    const whet_input_names *l = user;
    for (int32_t i = 0; i < l->n; i++) {
        const whet_type *t = &l->g->values[l->g->inputs[i]].type;
        for (int32_t d = 0; d < t->rank; d++) {
            const char *n = whet_dim_is_const(t->dims[d]) ? NULL
                                                          : whet_dim_name(l->g->dims, t->dims[d]);
            if (n && !strcmp(n, name)) return l->inputs[i].dims[d];
        }
    }
    return -1;
}
