// SPDX-License-Identifier: Apache-2.0
// Looking at values and their users.
#include "ir/graph.h"

bool whet_value_is_output(const whet_value *v) {
    for (int32_t i = 0; i < v->graph->n_outputs; i++)
        if (v->graph->outputs[i] == v) return true;
    return false;
}

whet_uses *whet_graph_uses(whet_graph *g, whet_arena *arena) {
    int32_t n_values = g->root->n_values;
    whet_uses *uses = WHET_NEW(arena, whet_uses);
    int32_t *start = WHET_NEW_ARRAY(arena, int32_t, (int64_t)n_values + 2);
    if (!uses || !start) return NULL;
    // counts two places on, so that filling leaves start[id] at the begin of id
    WHET_FOR_NODES(g, n)
    for (int32_t i = 0; !n->recipe && i < n->n_in; i++)
        if (n->in[i]) start[n->in[i]->id + 2]++;
    for (int32_t i = 2; i <= n_values + 1; i++) start[i] += start[i - 1];
    whet_node **nodes = WHET_NEW_ARRAY(arena, whet_node *, start[n_values + 1]);
    if (!nodes) return NULL;
    WHET_FOR_NODES(g, n)
    for (int32_t i = 0; !n->recipe && i < n->n_in; i++)
        if (n->in[i]) nodes[start[n->in[i]->id + 1]++] = n;
    *uses = (whet_uses){.n_values = n_values, .start = start, .nodes = nodes};
    return uses;
}

whet_node *whet_value_single_user(const whet_uses *uses, const whet_value *v) {
    if (v->n_uses != 1 || v->id >= uses->n_values) return NULL;
    int32_t begin = uses->start[v->id];
    if (uses->start[v->id + 1] - begin != 1) return NULL;
    whet_node *user = uses->nodes[begin];
    for (int32_t i = 0; i < user->n_in; i++) // it may have changed since
        if (user->in[i] == v) return user;
    return NULL;
}

bool whet_value_number(const whet_value *v, double *out) {
    if (!whet_value_is_const(v) || whet_dims_count(v->data->dims, v->data->rank) != 1)
        return false;
    *out = whet_load_f64(v->data->data, v->data->dtype, 0);
    return true;
}

bool whet_value_scalar(const whet_value *v, double *out) {
    if (!whet_value_number(v, out)) return false;
    whet_value_decide(v);
    return true;
}

// Adds v to a list of those to be looked at.
static void push_decided(whet_value **list, whet_value *v) {
    if (!v || v->decided || !(v->data || v->type.value)) return;
    v->decided = true;
    v->decide_next = *list;
    *list = v;
}

// Recipes, and shapes that are computed from contents known while building, are looked through.
// Chains of them may be long.
void whet_value_decide(const whet_value *v) {
    whet_value *list = NULL;
    push_decided(&list, (whet_value *)(uintptr_t)v);
    while (list) {
        const whet_node *n = list->producer;
        list = list->decide_next;
        for (int32_t i = 0; n && i < n->n_in; i++) push_decided(&list, n->in[i]);
    }
}

int64_t whet_value_count(const whet_value *v) {
    if (v->type.rank < 0) return -1;
    for (int32_t i = 0; i < v->type.rank; i++)
        if (!whet_dim_is_const(v->type.dims[i])) return -1;
    return whet_dims_count(v->type.dims, v->type.rank);
}
