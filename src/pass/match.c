// SPDX-License-Identifier: Apache-2.0
#include "pass/match.h"

#include <math.h>

// ---- driver ----

static whet_status rewrite_graph(whet_graph *g, const whet_rewrite *rows, int32_t n_rows,
                                 int32_t *changed, whet_error *err) {
    WHET_FOR_NODES_SAFE(g, n) {
        for (int32_t i = 0; i < n->n_subgraphs; i++)
            WHET_TRY(rewrite_graph(n->subgraphs[i], rows, n_rows, changed, err));
        int32_t before = *changed;
        for (int32_t i = 0; i < n_rows && *changed == before; i++)
            if (whet_is(n, rows[i].root)) WHET_TRY(rows[i].run(n, changed, err));
    }
    return WHET_OK;
}

whet_status whet_rewrite_run(whet_graph *g, const whet_rewrite *rows, int32_t n_rows,
                             int32_t *changed, whet_error *err) {
    int32_t before = *changed;
    WHET_TRY(rewrite_graph(g, rows, n_rows, changed, err));
    if (*changed != before) whet_graph_sweep(g);
    return WHET_OK;
}

// ---- looking ----

whet_node *whet_match_op(const whet_value *v, const whet_op *op) {
    return v && whet_is(v->producer, op) && v->producer->out[0] == v ? v->producer : NULL;
}

whet_node *whet_match_only(const whet_value *v, const whet_op *op) {
    return v && whet_used_once(v) ? whet_match_op(v, op) : NULL;
}

bool whet_match_const(const whet_node *n, const whet_op *op, whet_value **x, whet_value **c) {
    if (!whet_is(n, op) || n->n_in != 2) return false;
    bool first = whet_value_is_const(n->in[0]);
    if (first == whet_value_is_const(n->in[1])) return false;
    *c = n->in[first ? 0 : 1];
    *x = n->in[first ? 1 : 0];
    return true;
}

bool whet_match_number(const whet_value *v, double want) {
    double have;
    if (!v || !whet_value_number(v, &have) || fabs(have - want) > 1e-6 * fabs(want)) return false;
    whet_value_decide(v);
    return true;
}

bool whet_match_number_arg(const whet_node *n, const whet_op *op, double want, whet_value **x) {
    whet_value *c;
    return whet_match_const(n, op, x, &c) && whet_match_number(c, want);
}

bool whet_same_type(const whet_value *a, const whet_value *b) {
    if (a->type.rank < 0 || a->type.rank != b->type.rank || a->type.dtype != b->type.dtype)
        return false;
    for (int32_t i = 0; i < a->type.rank; i++)
        if (a->type.dims[i] != b->type.dims[i] || whet_dim_is_error(a->type.dims[i]))
            return false;
    return true;
}

bool whet_is_float(const whet_value *v) { return whet_dtype_is_float(v->type.dtype); }

int32_t whet_match_ints(const whet_value *v, int64_t out[16]) {
    if (!whet_value_is_const(v) || !whet_dtype_is_int(v->data->dtype)) return -1;
    int64_t n = whet_tensor_count(v->data);
    if (n > 16) return -1;
    whet_value_decide(v);
    for (int64_t i = 0; i < n; i++) out[i] = whet_load_i64(v->data->data, v->data->dtype, i);
    return (int32_t)n;
}

bool whet_match_axes(const whet_node *reduce, uint32_t *axes) {
    int64_t v[16];
    int32_t rank = reduce->in[0]->type.rank;
    int32_t n = whet_input(reduce, 1) ? whet_match_ints(reduce->in[1], v) : 0;
    if (rank < 0 || n < 0) return false;
    *axes = 0;
    for (int32_t i = 0; i < n; i++) {
        if (v[i] < -rank || v[i] >= rank) return false;
        *axes |= 1u << whet_axis(v[i], rank);
    }
    const whet_reduce_attrs *a = reduce->attrs;
    if (n == 0 && !a->noop_with_empty_axes) *axes = (1u << rank) - 1;
    return true;
}

// ---- making ----

whet_node *whet_make_node(const whet_op *op, const void *attrs, whet_value *const *in,
                          int32_t n_in, whet_node *before, whet_error *err) {
    whet_graph *g = before->graph;
    void *own = NULL;
    if (attrs && !(own = whet_op_attr_copy(op, attrs, g->arena))) return WHET_NOMEM(err), NULL;
    whet_node *n = whet_graph_node(g, op, NULL, own, in, n_in, 1, before);
    if (!n) return WHET_NOMEM(err), NULL;
    n->demand = whet_demand_exact(before->demand);
    if (whet_graph_infer_node(n, err) == WHET_OK) return n;
    whet_node_remove(n);
    return NULL;
}

whet_value *whet_make_value(const whet_op *op, const void *attrs, whet_value *const *in,
                            int32_t n_in, whet_node *before, whet_error *err) {
    bool constant = true;
    for (int32_t i = 0; i < n_in; i++) constant = constant && (!in[i] || in[i]->data);
    if (constant) return whet_graph_const_derive(before->graph, op, attrs, in, n_in, err);
    whet_node *n = whet_make_node(op, attrs, in, n_in, before, err);
    return n ? n->out[0] : NULL;
}

whet_value *whet_make_number(const whet_value *like, const char *hint, double v, whet_error *err) {
    uint64_t element = 0;
    whet_tensor t = {.dtype = like->type.dtype, .data = &element};
    whet_store_f64(&element, t.dtype, 0, v);
    whet_value *made = whet_graph_literal(like->graph, hint, &t);
    if (!made) WHET_NOMEM(err);
    return made;
}

whet_value *whet_make_ints(whet_graph *g, const char *hint, const int64_t *v, int32_t n,
                           whet_error *err) {
    whet_value *made = whet_graph_const_i64(g, hint, v, n);
    if (!made) WHET_NOMEM(err);
    return made;
}

static void *attr_field(const whet_node *n, const char *name) {
    return (char *)n->attrs + whet_op_attr_find(n->op, name)->offset;
}

void whet_set_float(whet_node *n, const char *name, double v) {
    *(float *)attr_field(n, name) = (float)v;
}

void whet_set_enum(whet_node *n, const char *name, int32_t v) {
    *(int32_t *)attr_field(n, name) = v;
}

int32_t whet_get_enum(const whet_node *n, const char *name) {
    return *(const int32_t *)attr_field(n, name);
}

static void move_output(whet_value *from, whet_value *to) {
    to->name = from->name;
    from->name = "";
    whet_value_replace(from, to);
}

// A node that nobody uses any more was part of what `to` now stands for.
static whet_status absorb_unused(whet_node *to, whet_node *n, int depth, whet_error *err) {
    if (!n || n->recipe || depth == 32) return WHET_OK; // what is left is swept
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->n_uses) return WHET_OK;
    int32_t n_in = n->n_in;
    whet_value **in = n->in;
    if (!whet_node_absorb(to, n)) return WHET_NOMEM(err);
    whet_node_remove(n);
    for (int32_t i = 0; i < n_in; i++)
        if (in[i]) WHET_TRY(absorb_unused(to, in[i]->producer, depth + 1, err));
    return WHET_OK;
}

whet_status whet_take_over(whet_node *fresh, whet_node *old, whet_error *err) {
    fresh->name = old->name;
    fresh->origin = old->origin;
    move_output(old->out[0], fresh->out[0]);
    return absorb_unused(fresh, old, 0, err);
}

whet_status whet_fuse_into(whet_node *kept, whet_node *gone, whet_error *err) {
    move_output(gone->out[0], kept->out[0]);
    return absorb_unused(kept, gone, 0, err);
}

whet_node *whet_make_unary(const whet_op *op, whet_value *x, whet_node *n, int32_t *changed,
                           whet_error *err) {
    whet_node *fresh = whet_make_node(op, NULL, &x, 1, n, err);
    if (!fresh) return NULL;
    ++*changed;
    return whet_take_over(fresh, n, err) == WHET_OK ? fresh : NULL;
}

void whet_bypass(whet_node *n, whet_value *v) {
    whet_value_replace(n->out[0], v);
    whet_node_remove(n);
}

// The graph of a or b that sees both.
static whet_graph *inner_graph(const whet_value *a, const whet_value *b) {
    for (whet_graph *g = b ? b->graph : NULL; g; g = g->parent)
        if (g == a->graph) return b->graph;
    return a->graph;
}

whet_value *whet_derive(const whet_op *op, whet_value *a, whet_value *b, whet_error *err) {
    whet_value *in[] = {a, b};
    return whet_graph_const_derive(inner_graph(a, b), op, NULL, in, b ? 2 : 1, err);
}

whet_value *whet_derive_shape(whet_value *v, const int64_t *dims, int32_t rank, whet_error *err) {
    bool same = v->data->rank == rank;
    for (int32_t i = 0; same && i < rank; i++) same = v->data->dims[i] == dims[i];
    if (same) return v;
    whet_value *shape = whet_make_ints(v->graph, "shape", dims, rank, err);
    return shape ? whet_derive(&whet_op_reshape, v, shape, err) : NULL;
}
