// SPDX-License-Identifier: Apache-2.0
// Models in float16 and bfloat16 compute in f32: each node that takes or gives such numbers becomes
// the same node in f32; casts stand where the graph's inputs, outputs and what has no form in f32
// (control flow, objects, plugins, bit_cast) want the model's types. What is rounded between two
// nodes in the model is not rounded here, unless the graph is strongly typed: then casts to the
// model's types and back stand behind each node that computes.
#include <stdlib.h>
#include <string.h>

#include "pass/match.h"
#include "pass/pass.h"

typedef struct {
    whet_node *node, *fresh; // fresh NULL: a cast that nothing is computed for
} widened;

typedef struct {
    whet_value **twin; // [n] by value id: the same in f32
    int32_t n;
    widened *v;
    int32_t n_v, cap;
    whet_arena arena;
    bool strict;
    int32_t *changed;
    whet_error *err;
} widener;

static bool is_half(int32_t dtype) { return dtype == WHET_DTYPE_F16 || dtype == WHET_DTYPE_BF16; }
static bool is_half_value(const whet_value *v) { return v && is_half(v->type.dtype); }

static whet_value *twin_of(const widener *c, const whet_value *v) {
    return v->id < c->n ? c->twin[v->id] : NULL;
}
static void set_twin(widener *c, const whet_value *v, whet_value *twin) {
    if (v->id < c->n) c->twin[v->id] = twin;
}

// Attributes of a cast to this type.
static void *cast_attrs(whet_graph *g, whet_dtype to) {
    void *attrs = whet_arena_alloc(g->arena, whet_op_cast.attrs_size);
    if (!attrs) return NULL;
    whet_op_attr_defaults(&whet_op_cast, attrs);
    *(int32_t *)(void *)((char *)attrs + whet_op_attr_find(&whet_op_cast, "to")->offset) =
        (int32_t)to;
    return attrs;
}

static whet_value *make_cast(widener *c, whet_value *v, whet_dtype to, whet_node *before) {
    void *attrs = cast_attrs(before->graph, to);
    if (!attrs) return WHET_NOMEM(c->err), NULL;
    if (v->data) return whet_graph_const_derive(v->graph, &whet_op_cast, attrs, &v, 1, c->err);
    whet_node *n = whet_make_node(&whet_op_cast, attrs, &v, 1, before, c->err);
    return n ? n->out[0] : NULL;
}

// Whether the operator takes f32 wherever the node has half numbers, or gives them.
static bool may_widen(const whet_node *n) {
    bool any = false;
    if (n->recipe || n->n_subgraphs || n->op->ext || n->op == &whet_op_bit_cast) return false;
    // a table of half numbers stays so: what is picked from it is widened
    if (n->op == &whet_op_gather && whet_value_is_const(n->in[0])) return false;
    for (int32_t i = 0; i < n->n_in; i++) {
        const whet_arg *a = &n->op->in[i < n->op->n_in ? i : n->op->n_in - 1];
        if (!n->in[i]) continue;
        if (whet_dtype_is_object(n->in[i]->type.dtype)) return false;
        if (!is_half_value(n->in[i])) continue;
        any = any || !n->in[i]->data; // constants alone are read as they are: scales
        if (a->dtypes && !(a->dtypes >> WHET_DTYPE_F32 & 1)) return false;
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        const whet_arg *a = &n->op->out[i < n->op->n_out ? i : n->op->n_out - 1];
        if (!n->out[i]) continue;
        if (whet_dtype_is_object(n->out[i]->type.dtype)) return false;
        if (!is_half_value(n->out[i])) continue;
        any = true;
        if (a->dtypes && !(a->dtypes >> WHET_DTYPE_F32 & 1)) return false;
    }
    return any;
}

static whet_status want_twin(widener *c, whet_value *v, whet_node *before, whet_value **twin) {
    *twin = twin_of(c, v);
    if (*twin) return WHET_OK;
    *twin = make_cast(c, v, WHET_DTYPE_F32, before);
    if (!*twin) return whet_failed(c->err);
    ++*c->changed;
    set_twin(c, v, *twin);
    return WHET_OK;
}

static whet_status push(widener *c, whet_node *n, whet_node *fresh) {
    widened w = {n, fresh};
    return WHET_ARENA_PUSH(&c->arena, c->v, c->n_v, c->cap, w) ? WHET_OK : WHET_NOMEM(c->err);
}

// A cast between f32 and half numbers computes nothing: its result is the other's twin.
static whet_status widen_cast(widener *c, whet_node *n, bool *done) {
    whet_value *x = n->in[0], *y = n->out[0];
    bool from = is_half_value(x), to = is_half_value(y);
    *done = true;
    if (to && c->strict) { // it rounds
        if (from) WHET_TRY(want_twin(c, x, n, &x));
        if (from) whet_node_set_input(n, 0, x);
        return WHET_OK;
    }
    if (to && (from || x->type.dtype == WHET_DTYPE_F32)) {
        if (from) WHET_TRY(want_twin(c, x, n, &x));
        set_twin(c, y, x);
        return push(c, n, NULL);
    }
    *done = from && y->type.dtype == WHET_DTYPE_F32;
    if (!*done) return WHET_OK;
    whet_value *twin = twin_of(c, x);
    if (!twin && !x->data) { // this one is it
        set_twin(c, x, y);
        return WHET_OK;
    }
    WHET_TRY(want_twin(c, x, n, &twin));
    whet_bypass(n, twin);
    ++*c->changed;
    return WHET_OK;
}

static void widen_attrs(const whet_op *op, void *attrs) {
    for (int32_t i = 0; i < op->n_attrs; i++) {
        int32_t *at = (int32_t *)(void *)((char *)attrs + op->attrs[i].offset);
        if (op->attrs[i].type == WHET_ATTR_DTYPE && is_half(*at)) *at = WHET_DTYPE_F32;
    }
}

static whet_status widen_node(widener *c, whet_node *n) {
    whet_graph *g = n->graph;
    void *attrs = whet_op_attr_copy(n->op, n->attrs, g->arena);
    whet_value **in = WHET_NEW_ARRAY(&c->arena, whet_value *, n->n_in + 1);
    bool dequantizes = n->op == &whet_op_dequantize_linear; // its scale may stay as it is
    if (!attrs || !in) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = n->in[i];
        if (!is_half_value(in[i]) || (dequantizes && in[i]->data)) continue;
        WHET_TRY(want_twin(c, n->in[i], n, &in[i]));
    }
    widen_attrs(n->op, attrs);
    if (dequantizes) ((whet_dequantize_attrs *)attrs)->output_dtype = WHET_DTYPE_F32;
    whet_node *fresh = whet_graph_node(g, n->op, n->name, attrs, in, n->n_in, n->n_out, n);
    if (!fresh) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < n->n_out; i++)
        if (!n->out[i]) fresh->out[i] = NULL;
    whet_error why;
    if (whet_graph_infer_node(fresh, &why) != WHET_OK) { // stays as it is
        whet_node_remove(fresh);
        return why.status == WHET_E_NOMEM ? WHET_NOMEM(c->err) : WHET_OK;
    }
    fresh->origin = n->origin;
    fresh->demand = n->demand;
    bool rounds = c->strict && !(n->op->flags & (WHET_OP_VIEW | WHET_OP_MOVES));
    for (int32_t i = 0; i < n->n_out && !rounds; i++)
        if (is_half_value(n->out[i]) && fresh->out[i]->type.dtype == WHET_DTYPE_F32)
            set_twin(c, n->out[i], fresh->out[i]);
    ++*c->changed;
    return push(c, n, fresh);
}

// Uses that are left of a result want the model's type.
static whet_status settle_output(widener *c, whet_value *old, whet_value *now, whet_node *at) {
    if (old->n_uses && now->type.dtype != old->type.dtype) {
        whet_value *back = make_cast(c, now, old->type.dtype, at);
        if (!back) return whet_failed(c->err);
        now = back;
    }
    if (old->n_uses) whet_value_replace(old, now);
    if (!*now->name) now->name = old->name, old->name = "";
    return WHET_OK;
}

static whet_status settle(widener *c) {
    for (int32_t i = c->n_v - 1; i >= 0; i--) {
        whet_node *n = c->v[i].node, *fresh = c->v[i].fresh;
        for (int32_t k = 0; fresh && k < n->n_out; k++)
            if (n->out[k]) WHET_TRY(settle_output(c, n->out[k], fresh->out[k], n));
        if (!fresh && n->out[0]->n_uses) { // to half numbers, where they are wanted
            whet_value *x = twin_of(c, n->out[0]);
            if (x && n->in[0] != x) whet_node_set_input(n, 0, x);
            continue;
        }
        if (!fresh) ++*c->changed;
        whet_node_remove(n);
    }
    c->n_v = 0;
    return WHET_OK;
}

static whet_status widen_graph(widener *c, whet_graph *g) {
    WHET_FOR_NODES(g, n)
        for (int32_t i = 0; i < n->n_subgraphs; i++) WHET_TRY(widen_graph(c, n->subgraphs[i]));
    WHET_FOR_NODES_SAFE(g, n) {
        bool done = false;
        if (!may_widen(n)) continue;
        if (n->op == &whet_op_cast) WHET_TRY(widen_cast(c, n, &done));
        if (!done) WHET_TRY(widen_node(c, n));
    }
    return settle(c);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    widener c = {.n = g->root->n_values, .strict = g->root->strongly_typed, .changed = changed,
                 .err = err};
    whet_arena_init(&c.arena);
    c.twin = calloc((size_t)c.n + 1, sizeof *c.twin);
    whet_status status = c.twin ? widen_graph(&c, g) : WHET_NOMEM(err);
    free(c.twin);
    whet_arena_fini(&c.arena);
    return status;
}

const whet_pass whet_pass_widen = {
    .name = "widen",
    .help = "computes in f32 what the model computes in float16 or bfloat16",
    .run = run,
};
