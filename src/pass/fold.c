// SPDX-License-Identifier: Apache-2.0
// Constant folding. A node of constants is evaluated and becomes a recipe; an integer tensor whose
// symbolic contents are all numbers (a shape computation) becomes a source constant, whatever it
// was computed from. Types downstream of a change are inferred again in the same walk.
#include <stdlib.h>

#include "pass/pass.h"

// A result above this size that is also this many times larger than its inputs stays a node:
// filling memory is cheaper at run time than in the file.
#define LARGE_BYTES ((size_t)1 << 20)
#define LARGE_FACTOR 16

typedef struct {
    uint8_t *dirty; // [n_dirty] by value id: the type changed in this walk
    int32_t n_dirty;
    int32_t *changed;
    whet_error *err;
} folder;

static void mark(folder *f, const whet_value *v) {
    if (v && v->id < f->n_dirty) f->dirty[v->id] = 1;
}

// Values that came after the walk began are new constants.
static bool is_dirty(const folder *f, const whet_value *v) {
    return v && (v->id >= f->n_dirty || f->dirty[v->id]);
}

// ---- types ----

static bool same_type(const whet_type *a, const whet_type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank || a->value != b->value ||
        a->elem != b->elem) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

// What fails on the numbers known now may be a branch that is never taken.
static bool may_not_run(const whet_node *n) { return n->graph->parent || n->n_subgraphs; }

static whet_status infer_again(folder *f, whet_node *n, bool dirty) {
    for (int32_t i = 0; i < n->n_in; i++) dirty = dirty || is_dirty(f, n->in[i]);
    if (!dirty || n->n_out > 64) return WHET_OK;
    whet_type before[64];
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) before[i] = n->out[i]->type;
    whet_status status = whet_graph_infer_node(n, f->err);
    if (status != WHET_OK && (!may_not_run(n) || status == WHET_E_NOMEM)) return status;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && !same_type(&before[i], &n->out[i]->type)) mark(f, n->out[i]);
    return WHET_OK;
}

// ---- nodes of constants ----

// 0 where only the evaluation knows: such results are as large as their inputs.
static size_t type_bytes(const whet_value *v) {
    int64_t n = v ? whet_value_count(v) : 0;
    return n > 0 ? whet_tensor_bytes(v->type.dtype, n) : 0;
}

static size_t add_bytes(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

static bool grows(const whet_node *n) {
    size_t in = 0, out = 0;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i]) in = add_bytes(in, n->in[i]->data ? n->in[i]->data->bytes : 0);
    for (int32_t i = 0; i < n->n_out; i++) out = add_bytes(out, type_bytes(n->out[i]));
    return out > LARGE_BYTES && out / LARGE_FACTOR > in;
}

// Whether all inputs of n are constants, `but` left out.
static bool is_foldable(const whet_node *n, const whet_value *but) {
    if (!n->op->eval || n->n_subgraphs || n->op->flags & WHET_OP_IMPURE) return false;
    for (int32_t i = 0; i < n->n_out; i++) // these are never constants
        if (n->out[i] && whet_dtype_is_object(n->out[i]->type.dtype)) return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && n->in[i] != but && !n->in[i]->data) return false;
    return true;
}

// Whether every use of v will be folded away in turn, so that its size does not matter for long.
static bool consumers_fold(const whet_value *v) {
    int32_t uses = 0;
    for (const whet_node *n = v->producer->next; n && uses < v->n_uses; n = n->next) {
        for (int32_t i = 0; i < n->n_in; i++) {
            if (n->in[i] != v) continue;
            if (!is_foldable(n, v) || grows(n)) return false;
            uses++;
        }
    }
    return uses == v->n_uses && uses > 0;
}

static bool should_fold(const whet_node *n) {
    if (!is_foldable(n, NULL)) return false;
    if (!grows(n)) return true;
    if (type_bytes(n->out[0]) > (size_t)1 << 30) return false;
    return n->n_out == 1 && n->out[0] && consumers_fold(n->out[0]);
}

// A node that fails on its constants may be one that never runs: it stays, and fails when it does.
static whet_status fold_constants(folder *f, whet_node *n) {
    whet_error err;
    whet_status status = whet_graph_fold_node(n, &err);
    if (status == WHET_E_NOMEM) return whet_error_set(f->err, status, "%s", err.text);
    if (status != WHET_OK) return WHET_OK;
    for (int32_t i = 0; i < n->n_out; i++) mark(f, n->out[i]);
    ++*f->changed;
    return WHET_OK;
}

// ---- shape computations ----

static bool has_numbers(const whet_value *v, int64_t *n) {
    if (!v || v->data || !v->type.value || v->n_uses == 0) return false;
    *n = whet_value_count(v);
    if (*n < 0 || *n > WHET_VALUE_LIMIT) return false;
    for (int64_t i = 0; i < *n; i++)
        if (!whet_dim_is_const(v->type.value[i])) return false;
    return true;
}

static whet_status fold_numbers(folder *f, whet_value *v, int64_t n) {
    whet_graph *g = v->graph;
    whet_tensor t = {.dtype = v->type.dtype, .rank = v->type.rank};
    for (int32_t i = 0; i < t.rank; i++) t.dims[i] = v->type.dims[i];
    t.bytes = whet_tensor_bytes(t.dtype, n);
    t.data = whet_arena_alloc(g->arena, t.bytes);
    if (!t.data) return WHET_NOMEM(f->err);
    for (int64_t i = 0; i < n; i++) whet_store_i64(t.data, t.dtype, i, v->type.value[i]);
    whet_value_decide(v);
    whet_value *c = whet_graph_constant(g, "", &t, false);
    if (!c) return WHET_NOMEM(f->err);
    c->literal = true;
    c->name = v->name;
    v->name = "";
    whet_value_replace(v, c);
    ++*f->changed;
    return WHET_OK;
}

// ---- walk ----

static whet_status fold_graph(folder *f, whet_graph *g);

static whet_status fold_node(folder *f, whet_node *n) {
    WHET_TRY(infer_again(f, n, false));
    int32_t before = *f->changed;
    for (int32_t i = 0; i < n->n_subgraphs; i++) WHET_TRY(fold_graph(f, n->subgraphs[i]));
    if (*f->changed != before && n->n_subgraphs) WHET_TRY(infer_again(f, n, true));
    if (should_fold(n)) WHET_TRY(fold_constants(f, n));
    if (n->recipe || n->op->flags & WHET_OP_IMPURE) return WHET_OK;
    for (int32_t i = 0; i < n->n_out; i++) {
        int64_t count;
        if (has_numbers(n->out[i], &count)) WHET_TRY(fold_numbers(f, n->out[i], count));
    }
    return WHET_OK;
}

static whet_status fold_graph(folder *f, whet_graph *g) {
    WHET_FOR_NODES_SAFE(g, n) {
        if (!n->recipe) WHET_TRY(fold_node(f, n));
    }
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    folder f = {.n_dirty = g->root->n_values, .changed = changed, .err = err};
    f.dirty = calloc((size_t)f.n_dirty + 1, 1);
    if (!f.dirty) return WHET_NOMEM(err);
    whet_status status = fold_graph(&f, g);
    free(f.dirty);
    if (status == WHET_OK && *changed) whet_graph_sweep(g);
    return status;
}

const whet_pass whet_pass_fold = {
    .name = "fold",
    .help = "evaluates nodes of constants and shape computations",
    .run = run,
};
