// SPDX-License-Identifier: Apache-2.0
// Order of nodes after edits: a depth-first walk that leaves an order that is right as it is.
#include <stdlib.h>

#include "ir/graph.h"
#include "ir/link.h"

enum { UNSEEN, OPEN, DONE };

typedef struct {
    whet_node *node;
    int32_t next_in;
} frame;

typedef struct {
    whet_graph *g;
    uint8_t *state;    // [n_values] of a node, at its first output
    frame *stack;      // [number of nodes]
    whet_node **order;
    int32_t n_nodes, n_order;
} walk;

// Nodes without outputs have no users; they keep their place.
static int32_t key(const whet_node *n) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) return n->out[i]->id;
    return -1;
}

// Below `start` first, then it. NULL, or a node on a cycle.
static whet_node *visit(walk *w, whet_node *start) {
    int32_t depth = 0;
    if (key(start) >= 0) {
        if (w->state[key(start)] == DONE) return NULL;
        w->state[key(start)] = OPEN;
    }
    w->stack[depth++] = (frame){start, 0};
    while (depth) {
        frame *f = &w->stack[depth - 1];
        if (f->next_in == f->node->n_in) {
            if (key(f->node) >= 0) w->state[key(f->node)] = DONE;
            w->order[w->n_order++] = f->node;
            depth--;
            continue;
        }
        const whet_value *v = f->node->in[f->next_in++];
        whet_node *from = v && v->graph == w->g ? v->producer : NULL;
        if (!from || w->state[key(from)] == DONE) continue;
        if (w->state[key(from)] == OPEN) return from;
        w->state[key(from)] = OPEN;
        w->stack[depth++] = (frame){from, 0};
    }
    return NULL;
}

static bool walk_init(walk *w, whet_graph *g) {
    *w = (walk){.g = g};
    WHET_FOR_NODES(g, n) w->n_nodes++;
    w->state = calloc((size_t)g->root->n_values + 1, 1);
    w->stack = calloc((size_t)w->n_nodes + 1, sizeof *w->stack);
    w->order = calloc((size_t)w->n_nodes + 1, sizeof *w->order);
    return w->state && w->stack && w->order;
}

static void walk_fini(walk *w) {
    free(w->state);
    free(w->stack);
    free(w->order);
}

static void relink(walk *w) {
    w->g->first = w->g->last = NULL;
    for (int32_t i = 0; i < w->n_order; i++) whet_node_link(w->order[i], NULL);
}

whet_status whet_graph_sort(whet_graph *g, whet_error *err) {
    walk w;
    whet_status status = WHET_OK;
    if (!walk_init(&w, g)) status = WHET_NOMEM(err);
    for (whet_node *n = g->first; n && status == WHET_OK; n = n->next) {
        const whet_node *bad = visit(&w, n);
        if (bad)
            status = whet_error_set(err, WHET_E_INVALID, "%s would depend on its own output",
                                    bad->name);
    }
    if (status == WHET_OK) relink(&w);
    walk_fini(&w);
    return status;
}

bool *whet_graph_above(whet_graph *g, const whet_value *v, whet_arena *arena) {
    walk w;
    bool *above = WHET_NEW_ARRAY(arena, bool, g->root->n_values);
    bool ok = walk_init(&w, g) && above;
    if (ok && v->graph == g && v->producer) visit(&w, v->producer);
    for (int32_t i = 0; ok && i < w.n_order; i++)
        for (int32_t k = 0; k < w.order[i]->n_out; k++)
            if (w.order[i]->out[k]) above[w.order[i]->out[k]->id] = true;
    walk_fini(&w);
    return ok ? above : NULL;
}
