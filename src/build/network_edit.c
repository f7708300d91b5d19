// SPDX-License-Identifier: Apache-2.0
// Edits of a network. Each infers all types again and is taken back when that fails.
#include <string.h>

#include "build/network_impl.h"

static const char *name_of(const whet_value *v) { return *v->name ? v->name : "the value"; }

// ---- names ----

static whet_status set_name(whet_network *net, const char **slot, const char *name) {
    const char *copy = whet_arena_strdup(net->graph->arena, name);
    if (!copy) return WHET_NOMEM(&net->handle.error);
    *slot = copy;
    return WHET_OK;
}

whet_status whet_network_set_value_name(whet_network *net, whet_value *v, const char *name) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_set_value_name"));
    if (name && !strcmp(name, v->name)) return WHET_OK;
    WHET_TRY(whet_network_check_name(net, name, "whet_network_set_value_name"));
    return set_name(net, &v->name, name);
}

whet_status whet_network_set_node_name(whet_network *net, whet_node *n, const char *name) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_node(net, n, "whet_network_set_node_name"));
    const whet_node *other = whet_network_find_node(net, name);
    if (!name || !*name || (other && other != n))
        WHET_FAIL(&net->handle.error, WHET_E_INVALID,
                  "whet_network_set_node_name: the name is empty or another node's");
    return set_name(net, &n->name, name);
}

// ---- contents ----

whet_status whet_network_set_attribute(whet_network *net, whet_node *n, const whet_attribute *a) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_node(net, n, "whet_network_set_attribute"));
    if (!a) WHET_FAIL(err, WHET_E_INVALID, "whet_network_set_attribute: the attribute is NULL");
    whet_arena *arena = net->graph->arena;
    void *before = n->attrs, *attrs = whet_arena_memdup(arena, n->attrs, n->op->attrs_size);
    if (!attrs) return WHET_NOMEM(err);
    whet_status status = whet_network_attr_set(n->op, a, attrs, arena, err);
    if (status == WHET_OK) status = whet_op_attr_check(n->op, attrs, err);
    if (status != WHET_OK) return whet_error_prefix(err, status, "%s", n->name);
    n->attrs = whet_op_attr_copy(n->op, attrs, arena);
    status = n->attrs ? whet_network_infer(net, err) : WHET_NOMEM(err);
    if (status == WHET_OK) return WHET_OK;
    n->attrs = before;
    whet_network_infer(net, NULL);
    return status;
}

whet_status whet_network_set_data(whet_network *net, whet_value *v, const whet_tensor *tensor,
                                  bool copy) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_set_data"));
    if (!v->data || v->producer)
        WHET_FAIL(err, WHET_E_INVALID, "whet_network_set_data: %s is no constant", name_of(v));
    WHET_TRY(whet_network_check_tensor(net, tensor, "whet_network_set_data"));
    const whet_value *made = whet_graph_constant(net->graph, "", tensor, copy);
    if (!made) return WHET_NOMEM(err);
    const whet_tensor *t = made->data;
    whet_value before = *v;
    v->data = t;
    whet_value_set_type(v, t->dtype, t->rank, t->dims);
    whet_status status = whet_network_infer(net, err);
    if (status == WHET_OK) return WHET_OK;
    v->data = before.data;
    v->type = before.type;
    v->type_set = before.type_set;
    whet_network_infer(net, NULL);
    return status;
}

// ---- uses ----

static whet_status check_scope(whet_network *net, const whet_value *v, const char *call) {
    if (v->graph == net->graph || v->data) return WHET_OK;
    WHET_FAIL(&net->handle.error, WHET_E_INVALID, "%s: %s is a value of another block", call,
              name_of(v));
}

// Sorts and infers after a change.
static whet_status settle(whet_network *net, whet_error *err) {
    WHET_TRY(whet_graph_sort(net->graph, err));
    return whet_network_infer(net, err);
}

static bool pad_inputs(whet_node *n, int32_t n_in) {
    while (n->n_in < n_in)
        if (!whet_node_add_input(n, NULL)) return false;
    return true;
}

static void trim_inputs(whet_node *n) {
    while (n->n_in > 0 && !n->in[n->n_in - 1]) n->n_in--;
}

whet_status whet_network_set_node_input(whet_network *net, whet_node *n, int32_t i,
                                        whet_value *v) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_node(net, n, "whet_network_set_node_input"));
    if (v) WHET_TRY(whet_network_check_value(net, v, "whet_network_set_node_input"));
    if (v && !whet_network_encloses(net, v))
        WHET_FAIL(err, WHET_E_INVALID,
                  "whet_network_set_node_input: %s is a value of another block", name_of(v));
    if (v && !(v = whet_network_capture(net, v, err))) return err->status;
    bool list = n->op->n_in && n->op->in[n->op->n_in - 1].flags & WHET_ARG_VARIADIC;
    if (i < 0 || (i >= n->op->n_in && !(list && i <= n->n_in)))
        WHET_FAIL(err, WHET_E_RANGE, "%s: input %d, %s has %d", n->name, i, n->op->name,
                  n->op->n_in);
    if (!pad_inputs(n, i + 1)) return WHET_NOMEM(err);
    whet_value *before = n->in[i];
    whet_node_set_input(n, i, v);
    trim_inputs(n);
    whet_status status = settle(net, err);
    if (status == WHET_OK) return WHET_OK;
    if (pad_inputs(n, i + 1)) whet_node_set_input(n, i, before);
    trim_inputs(n);
    settle(net, NULL);
    return status;
}

typedef struct {
    whet_node *node;
    int32_t input;
} change;

typedef struct {
    whet_arena arena;
    change *v;
    int32_t n, cap;
} changes;

// Nodes that `to` is computed from keep `from`.
static whet_status replace_inputs(whet_network *net, changes *c, whet_value *from,
                                  whet_value *to) {
    bool *above = whet_graph_above(net->graph, to, &c->arena);
    if (!above) return WHET_NOMEM(&net->handle.error);
    WHET_FOR_NODES(net->graph, n) {
        const whet_value *out = NULL;
        for (int32_t i = 0; i < n->n_out && !out; i++) out = n->out[i];
        if (out && above[out->id]) continue;
        for (int32_t i = 0; i < n->n_in; i++) {
            change x = {n, i};
            if (n->in[i] != from) continue;
            if (!WHET_ARENA_PUSH(&c->arena, c->v, c->n, c->cap, x))
                return WHET_NOMEM(&net->handle.error);
            whet_node_set_input(n, i, to);
        }
    }
    return WHET_OK;
}

static void replace_outputs(whet_graph *g, whet_value *from, whet_value *to) {
    for (int32_t i = 0; i < g->n_outputs; i++) {
        if (g->outputs[i] != from) continue;
        g->outputs[i] = to;
        from->n_uses--;
        to->n_uses++;
    }
}

static whet_status replace(whet_network *net, changes *c, whet_value *from, whet_value *to) {
    whet_status status = replace_inputs(net, c, from, to);
    if (status == WHET_OK) status = settle(net, &net->handle.error);
    if (status == WHET_OK) {
        replace_outputs(net->graph, from, to);
        return WHET_OK;
    }
    for (int32_t i = 0; i < c->n; i++) whet_node_set_input(c->v[i].node, c->v[i].input, from);
    settle(net, NULL);
    return status;
}

whet_status whet_network_replace(whet_network *net, whet_value *from, whet_value *to) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_value(net, from, "whet_network_replace"));
    WHET_TRY(whet_network_check_value(net, to, "whet_network_replace"));
    WHET_TRY(check_scope(net, from, "whet_network_replace"));
    WHET_TRY(check_scope(net, to, "whet_network_replace"));
    if (from == to) return WHET_OK;
    changes c = {.n = 0};
    whet_arena_init(&c.arena);
    whet_status status = replace(net, &c, from, to);
    whet_arena_fini(&c.arena);
    return status;
}

// ---- removal ----

static void forget(whet_node *n) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) n->out[i]->graph = NULL;
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        whet_graph *g = n->subgraphs[i];
        for (int32_t k = 0; k < g->n_inputs; k++) g->inputs[k]->graph = NULL;
        WHET_FOR_NODES(g, inner) forget(inner);
    }
}

void whet_network_drop_node(whet_node *n) {
    forget(n);
    whet_node_remove(n);
    n->graph = NULL;
}

static const whet_value *used_output(const whet_node *n) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->n_uses > 0) return n->out[i];
    return NULL;
}

whet_status whet_network_remove(whet_network *net, whet_node *n) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_node(net, n, "whet_network_remove"));
    const whet_value *used = used_output(n);
    const whet_node *user = used ? whet_network_next_user(net, used, NULL) : NULL;
    if (used)
        WHET_FAIL(&net->handle.error, WHET_E_INVALID, "%s cannot be removed: its output is %s%s",
                  n->name, user ? "read by " : "an output of the network", user ? user->name : "");
    whet_network_drop_node(n);
    return WHET_OK;
}

int32_t whet_network_sweep(whet_network *net) {
    int32_t removed = 0;
    if (!net) return 0;
    whet_error_clear(&net->handle.error);
    for (whet_node *n = net->graph->last, *prev; n; n = prev) {
        prev = n->prev;
        if (used_output(n)) continue;
        removed += !n->recipe;
        whet_network_drop_node(n);
    }
    return removed;
}
