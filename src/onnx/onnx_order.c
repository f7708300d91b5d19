// SPDX-License-Identifier: Apache-2.0
// ONNX wants nodes in topological order. Where they are not, says which, and which lie on cycles.
#include <string.h>

#include "onnx/importer.h"

typedef struct sorter {
    int32_t *waiting;      // [n]: producers within the graph not yet placed
    int32_t *first, *next; // users of node i as a list of edges: first[i], next[edge]
    int32_t *user;         // [edges]
    int32_t *queue;
    int32_t n_edges;
} sorter;

// Producer of an input within the same graph, -1: none.
static int32_t producer_of(const whet_scope *scope, const char *name) {
    const whet_binding *b = *name ? whet_scope_own(scope, name) : NULL;
    return b && !b->defined ? b->node : -1;
}

static bool in_order(const whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; k < g->nodes[i].n_in; k++)
            if (producer_of(scope, g->nodes[i].in[k]) >= i) return false;
    return true;
}

static bool sorter_init(whet_importer *imp, const whet_scope *scope, sorter *s) {
    const whet_onnx_graph *g = scope->graph;
    int64_t edges = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) edges += g->nodes[i].n_in;
    s->waiting = WHET_NEW_ARRAY(imp->arena, int32_t, g->n_nodes);
    s->first = WHET_NEW_ARRAY(imp->arena, int32_t, g->n_nodes);
    s->queue = WHET_NEW_ARRAY(imp->arena, int32_t, g->n_nodes);
    s->next = WHET_NEW_ARRAY(imp->arena, int32_t, edges);
    s->user = WHET_NEW_ARRAY(imp->arena, int32_t, edges);
    if (!s->waiting || !s->first || !s->queue || !s->next || !s->user)
        return whet_import_nomem(imp);
    for (int32_t i = 0; i < g->n_nodes; i++) s->first[i] = -1;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; k < g->nodes[i].n_in; k++) {
            int32_t from = producer_of(scope, g->nodes[i].in[k]);
            if (from < 0) continue;
            s->user[s->n_edges] = i;
            s->next[s->n_edges] = s->first[from];
            s->first[from] = s->n_edges++;
            s->waiting[i]++;
        }
    return true;
}

// Places nodes whose producers are placed; what still waits then lies on or behind a cycle.
static void place(const whet_onnx_graph *g, sorter *s) {
    int32_t head = 0, tail = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (!s->waiting[i]) s->queue[tail++] = i;
    while (head < tail)
        for (int32_t e = s->first[s->queue[head++]]; e >= 0; e = s->next[e])
            if (!--s->waiting[s->user[e]]) s->queue[tail++] = s->user[e];
}

static void report(whet_importer *imp, const whet_scope *scope, const sorter *s) {
    const whet_onnx_graph *g = scope->graph;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_onnx_node *node = &g->nodes[i];
        for (int32_t k = 0; k < node->n_in; k++) {
            int32_t from = producer_of(scope, node->in[k]);
            if (from < i) continue;
            whet_import_problem_add(
                imp, NULL, WHET_E_MODEL,
                s->waiting[i] ? "node '%s' (%s): its input '%s' depends on its own result: the "
                                "graph has a cycle"
                              : "node '%s' (%s): its input '%s' is made by a later node; nodes "
                                "must be in topological order",
                whet_import_node_name(imp, node, i), node->op_type, node->in[k]);
        }
    }
}

bool whet_scope_order(whet_importer *imp, const whet_scope *scope) {
    if (in_order(scope)) return true;
    sorter s = {0};
    if (!sorter_init(imp, scope, &s)) return false;
    place(scope->graph, &s);
    report(imp, scope, &s);
    return false;
}
