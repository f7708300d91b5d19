// SPDX-License-Identifier: Apache-2.0
// Making graphs, values and nodes.
#include "ir/graph.h"

#include <stdlib.h>
#include <string.h>

#include "ir/link.h"

whet_graph *whet_graph_create(const whet_op_table *ops) {
    whet_arena *arena = calloc(1, sizeof *arena);
    if (!arena) return NULL;
    whet_arena_init(arena);
    whet_graph *g = WHET_NEW(arena, whet_graph);
    whet_dims *dims = g ? whet_dims_create() : NULL;
    if (!dims) {
        whet_arena_fini(arena);
        free(arena);
        return NULL;
    }
    g->arena = arena;
    g->dims = dims;
    g->ops = ops;
    g->root = g;
    g->name = "";
    return g;
}

void whet_graph_destroy(whet_graph *root) {
    if (!root) return;
    whet_arena *arena = root->arena;
    whet_dims_destroy(root->dims);
    whet_arena_fini(arena); // the graph itself too
    free(arena);
}

whet_graph *whet_graph_sub(whet_graph *parent, const char *name) {
    whet_graph *g = WHET_NEW(parent->arena, whet_graph);
    if (!g) return NULL;
    g->arena = parent->arena;
    g->dims = parent->dims;
    g->ops = parent->ops;
    g->root = parent->root;
    g->parent = parent;
    g->name = whet_arena_strdup(parent->arena, name ? name : "");
    return g->name ? g : NULL;
}

// ---- values ----

whet_value *whet_graph_value(whet_graph *g, const char *name) {
    whet_graph *root = g->root;
    whet_value *v = WHET_NEW(g->arena, whet_value);
    if (!v) return NULL;
    v->id = root->n_values;
    v->name = name && *name ? whet_arena_strdup(g->arena, name) : "";
    v->type.rank = -1;
    v->graph = g;
    if (!v->name ||
        !WHET_ARENA_PUSH(g->arena, root->values, root->n_values, root->cap_values, v))
        return NULL;
    return v;
}

void whet_value_set_type(whet_value *v, whet_dtype dtype, int32_t rank, const whet_dim *dims) {
    v->type = (whet_type){.dtype = dtype, .rank = rank};
    for (int32_t i = 0; i < rank; i++) v->type.dims[i] = dims[i];
    v->type_set = WHET_DTYPE_BIT(dtype);
}

static bool name_taken(const whet_graph *root, const char *name) {
    for (int32_t i = 0; i < root->n_values; i++)
        if (!strcmp(root->values[i]->name, name)) return true;
    return false;
}

const char *whet_graph_unique_name(whet_graph *g, const char *hint) {
    if (!name_taken(g->root, hint)) return whet_arena_strdup(g->arena, hint);
    for (int32_t i = g->root->n_values;; i++) {
        const char *name = whet_arena_printf(g->arena, "%s.%d", hint, i);
        if (!name || !name_taken(g->root, name)) return name;
    }
}

bool whet_graph_add_input(whet_graph *g, whet_value *v) {
    return WHET_ARENA_PUSH(g->arena, g->inputs, g->n_inputs, g->cap_inputs, v);
}

bool whet_graph_add_output(whet_graph *g, whet_value *v, const char *name) {
    const char *copy = whet_arena_strdup(g->arena, name ? name : v->name);
    int32_t n_names = g->n_outputs;
    if (!copy ||
        !WHET_ARENA_PUSH(g->arena, g->output_names, n_names, g->cap_output_names, copy) ||
        !WHET_ARENA_PUSH(g->arena, g->outputs, g->n_outputs, g->cap_outputs, v))
        return false;
    v->n_uses++;
    return true;
}

// ---- nodes ----

void whet_node_link(whet_node *n, whet_node *before) {
    whet_graph *g = n->graph;
    n->next = before;
    n->prev = before ? before->prev : g->last;
    if (n->prev) n->prev->next = n;
    else g->first = n;
    if (before) before->prev = n;
    else g->last = n;
}

void whet_node_unlink(whet_node *n) {
    whet_graph *g = n->graph;
    if (n->prev) n->prev->next = n->next;
    else g->first = n->next;
    if (n->next) n->next->prev = n->prev;
    else g->last = n->prev;
    n->prev = n->next = NULL;
}

static bool node_attrs(whet_node *n, const void *attrs) {
    n->attrs = whet_arena_alloc(n->graph->arena, n->op->attrs_size);
    if (!n->attrs) return false;
    if (attrs && n->op->attrs_size) memcpy(n->attrs, attrs, n->op->attrs_size);
    else if (!attrs) whet_op_attr_defaults(n->op, n->attrs);
    return true;
}

whet_node *whet_graph_node(whet_graph *g, const whet_op *op, const char *name, const void *attrs,
                           whet_value *const *in, int32_t n_in, int32_t n_out,
                           whet_node *before) {
    whet_node *n = WHET_NEW(g->arena, whet_node);
    if (!n) return NULL;
    n->op = op;
    n->graph = g;
    n->name = whet_arena_strdup(g->arena, name ? name : op->name);
    n->in = WHET_NEW_ARRAY(g->arena, whet_value *, n_in);
    n->out = WHET_NEW_ARRAY(g->arena, whet_value *, n_out);
    if (!n->name || !n->in || !n->out || !node_attrs(n, attrs)) return NULL;
    for (int32_t i = 0; i < n_out; i++) {
        n->out[i] = whet_graph_value(g, "");
        if (!n->out[i]) return NULL;
        n->out[i]->producer = n;
    }
    n->n_in = n_in;
    n->n_out = n_out;
    for (int32_t i = 0; i < n_in; i++) {
        n->in[i] = in[i];
        if (in[i]) in[i]->n_uses++;
    }
    whet_node_link(n, before);
    return n;
}
