// SPDX-License-Identifier: Apache-2.0
#include "plan/pbqp.h"

#include <string.h>

typedef struct edge {
    int32_t u, v;   // -1: removed
    double *costs;  // [n_u][n_v]
} edge;

typedef struct node {
    int32_t n;
    double *costs;
    int32_t *edges, n_edges, cap_edges;
    bool done;
} node;

// How a removed node is decided once its neighbours are.
typedef struct decision {
    int32_t node, degree; // degree 3: alternative fixed already
    int32_t nb[2];
    int32_t *pick;        // [n_nb0][n_nb1]
} decision;

struct whet_pbqp {
    whet_arena *arena;
    node *nodes;
    int32_t n;
    edge *edges;
    int32_t n_edges, cap_edges;
    decision *stack;
    int32_t n_stack;
};

whet_pbqp *whet_pbqp_create(whet_arena *arena, int32_t n_nodes) {
    whet_pbqp *p = WHET_NEW(arena, whet_pbqp);
    if (!p) return NULL;
    p->arena = arena;
    p->n = n_nodes;
    p->nodes = WHET_NEW_ARRAY(arena, node, n_nodes);
    p->stack = WHET_NEW_ARRAY(arena, decision, n_nodes);
    return p->nodes && p->stack ? p : NULL;
}

bool whet_pbqp_node(whet_pbqp *p, int32_t i, int32_t n, const double *costs) {
    p->nodes[i].n = n;
    p->nodes[i].costs = whet_arena_memdup(p->arena, costs, (size_t)n * sizeof *costs);
    return p->nodes[i].costs != NULL;
}

static double edge_cost(const whet_pbqp *p, const edge *e, int32_t from, int32_t i, int32_t j) {
    int32_t n_v = p->nodes[e->v].n;
    return e->u == from ? e->costs[i * n_v + j] : e->costs[j * n_v + i];
}

static edge *find_edge(whet_pbqp *p, int32_t u, int32_t v) {
    for (int32_t k = 0; k < p->nodes[u].n_edges; k++) {
        edge *e = &p->edges[p->nodes[u].edges[k]];
        if (e->u >= 0 && (e->u == v || e->v == v)) return e;
    }
    return NULL;
}

bool whet_pbqp_edge(whet_pbqp *p, int32_t u, int32_t v, const double *costs) {
    int32_t n_u = p->nodes[u].n, n_v = p->nodes[v].n;
    edge *old = find_edge(p, u, v);
    if (old) {
        for (int32_t i = 0; i < n_u; i++)
            for (int32_t j = 0; j < n_v; j++) {
                if (old->u == u) old->costs[i * n_v + j] += costs[i * n_v + j];
                else old->costs[j * n_u + i] += costs[i * n_v + j];
            }
        return true;
    }
    edge e = {u, v, whet_arena_memdup(p->arena, costs, (size_t)n_u * (size_t)n_v * sizeof *costs)};
    if (!e.costs) return false;
    int32_t id = p->n_edges;
    node *a = &p->nodes[u], *b = &p->nodes[v];
    return WHET_ARENA_PUSH(p->arena, p->edges, p->n_edges, p->cap_edges, e) &&
           WHET_ARENA_PUSH(p->arena, a->edges, a->n_edges, a->cap_edges, id) &&
           WHET_ARENA_PUSH(p->arena, b->edges, b->n_edges, b->cap_edges, id);
}

static int32_t live_edges(whet_pbqp *p, int32_t i, int32_t *out, int32_t cap) {
    node *n = &p->nodes[i];
    int32_t live = 0, count = 0;
    for (int32_t k = 0; k < n->n_edges; k++) {
        if (p->edges[n->edges[k]].u < 0) continue;
        n->edges[live++] = n->edges[k];
        if (count < cap) out[count] = n->edges[k];
        count++;
    }
    n->n_edges = live;
    return count;
}

static int32_t other_end(const edge *e, int32_t i) { return e->u == i ? e->v : e->u; }

static int32_t argmin(const double *v, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (v[i] < v[best]) best = i;
    return best;
}

static bool reduce_one(whet_pbqp *p, int32_t i, edge *e) {
    int32_t u = other_end(e, i);
    node *a = &p->nodes[i], *b = &p->nodes[u];
    decision *d = &p->stack[p->n_stack++];
    *d = (decision){.node = i, .degree = 1, .nb = {u, -1}};
    d->pick = WHET_NEW_ARRAY(p->arena, int32_t, b->n);
    if (!d->pick) return false;
    for (int32_t j = 0; j < b->n; j++) {
        double best = 0;
        for (int32_t k = 0; k < a->n; k++) {
            double c = a->costs[k] + edge_cost(p, e, i, k, j);
            if (k == 0 || c < best) {
                best = c;
                d->pick[j] = k;
            }
        }
        b->costs[j] += best;
    }
    e->u = -1;
    return true;
}

static bool reduce_two(whet_pbqp *p, int32_t i, edge *e, edge *f) {
    int32_t u = other_end(e, i), v = other_end(f, i);
    node *a = &p->nodes[i];
    int32_t n_u = p->nodes[u].n, n_v = p->nodes[v].n;
    decision *d = &p->stack[p->n_stack++];
    *d = (decision){.node = i, .degree = 2, .nb = {u, v}};
    d->pick = WHET_NEW_ARRAY(p->arena, int32_t, (size_t)n_u * (size_t)n_v);
    double *costs = WHET_NEW_ARRAY(p->arena, double, (size_t)n_u * (size_t)n_v);
    if (!d->pick || !costs) return false;
    for (int32_t x = 0; x < n_u; x++)
        for (int32_t y = 0; y < n_v; y++)
            for (int32_t k = 0; k < a->n; k++) {
                double c = a->costs[k] + edge_cost(p, e, i, k, x) + edge_cost(p, f, i, k, y);
                if (k == 0 || c < costs[x * n_v + y]) {
                    costs[x * n_v + y] = c;
                    d->pick[x * n_v + y] = k;
                }
            }
    e->u = f->u = -1;
    return whet_pbqp_edge(p, u, v, costs);
}

// Greedy: the alternative that is best if every neighbour answers best.
static bool reduce_many(whet_pbqp *p, int32_t i) {
    node *a = &p->nodes[i];
    double *total = whet_arena_memdup(p->arena, a->costs, (size_t)a->n * sizeof *total);
    if (!total) return false;
    for (int32_t x = 0; x < a->n_edges; x++) {
        edge *e = &p->edges[a->edges[x]];
        if (e->u < 0) continue;
        const node *b = &p->nodes[other_end(e, i)];
        for (int32_t k = 0; k < a->n; k++) {
            double best = 0;
            for (int32_t j = 0; j < b->n; j++) {
                double c = b->costs[j] + edge_cost(p, e, i, k, j);
                if (j == 0 || c < best) best = c;
            }
            total[k] += best;
        }
    }
    int32_t pick = argmin(total, a->n);
    for (int32_t x = 0; x < a->n_edges; x++) {
        edge *e = &p->edges[a->edges[x]];
        if (e->u < 0) continue;
        node *b = &p->nodes[other_end(e, i)];
        for (int32_t j = 0; j < b->n; j++) b->costs[j] += edge_cost(p, e, i, pick, j);
        e->u = -1;
    }
    decision *d = &p->stack[p->n_stack++];
    *d = (decision){.node = i, .degree = 3, .nb = {pick, -1}};
    return true;
}

static bool reduce(whet_pbqp *p, int32_t i, int32_t degree, const int32_t *edges) {
    p->nodes[i].done = true;
    if (degree == 0) {
        p->stack[p->n_stack++] = (decision){
            .node = i, .degree = 3, .nb = {argmin(p->nodes[i].costs, p->nodes[i].n), -1}};
        return true;
    }
    if (degree == 1) return reduce_one(p, i, &p->edges[edges[0]]);
    if (degree == 2) return reduce_two(p, i, &p->edges[edges[0]], &p->edges[edges[1]]);
    return reduce_many(p, i);
}

bool whet_pbqp_solve(whet_pbqp *p, int32_t *choice) {
    for (int32_t left = p->n; left > 0;) {
        int32_t before = left, largest = -1, degree_of_largest = 0, edges[2];
        for (int32_t i = 0; i < p->n; i++) {
            if (p->nodes[i].done) continue;
            int32_t degree = live_edges(p, i, edges, 2);
            if (degree <= 2) {
                if (!reduce(p, i, degree, edges)) return false;
                left--;
            } else if (degree > degree_of_largest) {
                largest = i;
                degree_of_largest = degree;
            }
        }
        if (left == before) {
            if (!reduce(p, largest, degree_of_largest, NULL)) return false;
            left--;
        }
    }
    for (int32_t k = p->n_stack - 1; k >= 0; k--) {
        const decision *d = &p->stack[k];
        if (d->degree == 3) choice[d->node] = d->nb[0];
        else if (d->degree == 1) choice[d->node] = d->pick[choice[d->nb[0]]];
        else choice[d->node] = d->pick[choice[d->nb[0]] * p->nodes[d->nb[1]].n + choice[d->nb[1]]];
    }
    return true;
}
