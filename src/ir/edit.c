// SPDX-License-Identifier: Apache-2.0
// Edits that keep use counts and order true.
#include <string.h>

#include "ir/graph.h"
#include "ir/link.h"

void whet_node_set_input(whet_node *n, int32_t i, whet_value *v) {
    if (v) v->n_uses++;
    if (n->in[i]) n->in[i]->n_uses--;
    n->in[i] = v;
}

bool whet_node_add_input(whet_node *n, whet_value *v) {
    whet_value **in = WHET_NEW_ARRAY(n->graph->arena, whet_value *, n->n_in + 1);
    if (!in) return false;
    for (int32_t i = 0; i < n->n_in; i++) in[i] = n->in[i];
    in[n->n_in++] = v;
    n->in = in;
    if (v) v->n_uses++;
    return true;
}

static void replace_in_outputs(whet_graph *g, whet_value *from, whet_value *to) {
    for (int32_t i = 0; i < g->n_outputs; i++) {
        if (g->outputs[i] != from) continue;
        g->outputs[i] = to;
        from->n_uses--;
        to->n_uses++;
    }
}

// From node `at` on, subgraphs too; stops when no use is left.
static void replace_from(whet_graph *g, whet_node *at, whet_value *from, whet_value *to) {
    replace_in_outputs(g, from, to);
    for (; at && from->n_uses > 0; at = at->next) {
        for (int32_t i = 0; i < at->n_in; i++)
            if (at->in[i] == from) whet_node_set_input(at, i, to);
        for (int32_t i = 0; i < at->n_subgraphs; i++)
            replace_from(at->subgraphs[i], at->subgraphs[i]->first, from, to);
    }
}

void whet_value_replace(whet_value *from, whet_value *to) {
    if (from == to) return;
    whet_graph *g = from->graph;
    replace_from(g, from->producer ? from->producer->next : g->first, from, to);
}

// Takes back the uses that a subgraph makes of values, those of its parents among them.
void whet_graph_clear(whet_graph *g) {
    for (int32_t i = 0; i < g->n_outputs; i++) g->outputs[i]->n_uses--;
    g->n_outputs = 0;
    while (g->last) whet_node_remove(g->last);
}

void whet_node_remove(whet_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i]) n->in[i]->n_uses--;
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        n->out[i]->producer = NULL;
        n->out[i]->data = NULL;
    }
    for (int32_t i = 0; i < n->n_subgraphs; i++) whet_graph_clear(n->subgraphs[i]);
    n->n_in = n->n_out = n->n_subgraphs = 0;
    whet_node_unlink(n);
}

static bool unused(const whet_node *n) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->n_uses > 0) return false;
    return true;
}

int32_t whet_graph_sweep(whet_graph *g) {
    int32_t removed = 0;
    for (whet_node *n = g->last, *prev; n; n = prev) {
        prev = n->prev;
        if (unused(n)) {
            whet_node_remove(n);
            removed++;
            continue;
        }
        for (int32_t i = 0; i < n->n_subgraphs; i++)
            removed += whet_graph_sweep(n->subgraphs[i]);
    }
    return removed;
}

void whet_node_move_before(whet_node *n, whet_node *before) {
    if (n == before) return;
    whet_node_unlink(n);
    whet_node_link(n, before);
}

static const char *origin_of(const whet_node *n) { return n->origin ? n->origin : n->name; }

// Whether the comma-separated `list` has the `n` bytes at `item`.
static bool has_item(const char *list, const char *item, size_t n) {
    for (;;) {
        size_t len = strcspn(list, ",");
        if (len == n && !memcmp(list, item, n)) return true;
        if (!list[len]) return false;
        list += len + 1;
    }
}

// A longer list says no more to a reader, and growing it copies it.
#define MAX_ORIGIN 4096

bool whet_node_absorb(whet_node *to, const whet_node *from) {
    const char *list = origin_of(to);
    to->demand = whet_demand_merge(to->demand, from->demand);
    if (strlen(list) > MAX_ORIGIN) return true;
    for (const char *at = origin_of(from);;) {
        size_t len = strcspn(at, ",");
        if (len && !has_item(list, at, len))
            list = whet_arena_printf(to->graph->arena, "%s%s%.*s", list, *list ? "," : "",
                                     (int)len, at);
        if (!list) return false;
        if (!at[len]) break;
        at += len + 1;
    }
    to->origin = list;
    return true;
}
