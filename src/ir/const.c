// SPDX-License-Identifier: Apache-2.0
// Constants: source ones, and derived ones with the recipe that made them.
#include <string.h>

#include "base/texts.h"
#include "ir/graph.h"
#include "ir/link.h"

static void set_data(whet_value *v, const whet_tensor *data) {
    v->data = data;
    whet_value_set_type(v, data->dtype, data->rank, data->dims);
}

whet_value *whet_graph_constant(whet_graph *g, const char *name, const whet_tensor *data,
                                bool copy) {
    whet_value *v = whet_graph_value(g, name);
    whet_tensor *t = whet_arena_memdup(g->arena, data, sizeof *data);
    if (!v || !t) return NULL;
    t->bytes = whet_tensor_bytes(data->dtype, whet_tensor_count(data));
    if (copy) {
        t->data = data->dtype == WHET_DTYPE_STRING
                      ? whet_texts_copy(data->data, whet_tensor_count(data), g->arena)
                      : whet_arena_memdup(g->arena, data->data, t->bytes);
        if (!t->data) return NULL;
    }
    set_data(v, t);
    return v;
}

static bool is_literal(const whet_value *v, const whet_graph *g, const whet_tensor *t) {
    if (!v->literal || v->graph != g || !v->data) return false;
    const whet_tensor *have = v->data;
    return have->dtype == t->dtype && have->rank == t->rank && have->bytes == t->bytes &&
           !memcmp(have->dims, t->dims, (size_t)t->rank * sizeof t->dims[0]) &&
           !memcmp(have->data, t->data, t->bytes);
}

whet_value *whet_graph_literal(whet_graph *g, const char *hint, const whet_tensor *data) {
    whet_tensor t = *data;
    t.bytes = whet_tensor_bytes(t.dtype, whet_tensor_count(&t));
    for (int32_t i = 0; i < g->root->n_values; i++)
        if (is_literal(g->root->values[i], g, &t)) return g->root->values[i];
    const char *name = whet_graph_unique_name(g, hint);
    whet_value *v = name ? whet_graph_constant(g, name, &t, true) : NULL;
    if (v) v->literal = true;
    return v;
}

whet_value *whet_graph_const_i64(whet_graph *g, const char *hint, const int64_t *v, int32_t n) {
    whet_tensor t = {WHET_DTYPE_I64, n < 0 ? 0 : 1, {n < 0 ? 0 : n}, (void *)v, 0};
    return whet_graph_literal(g, hint, &t);
}

whet_value *whet_graph_const_f32(whet_graph *g, const char *hint, float v) {
    whet_tensor t = {WHET_DTYPE_F32, 0, {0}, &v, sizeof v};
    return whet_graph_literal(g, hint, &t);
}

// ---- evaluation ----

static whet_status alloc_result(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    whet_tensor *t = &e->out[i];
    if (rank < 0 || rank > WHET_MAX_RANK)
        WHET_FAIL(e->err, WHET_E_LIMIT, "%s: result of rank %d", e->node, rank);
    t->rank = rank;
    for (int32_t d = 0; d < rank; d++) t->dims[d] = dims[d];
    t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(dims, rank));
    if (t->bytes == SIZE_MAX)
        WHET_FAIL(e->err, WHET_E_LIMIT, "%s: result too large", e->node);
    t->data = whet_arena_alloc(e->alloc_user, t->bytes);
    return t->data ? WHET_OK : WHET_NOMEM(e->err);
}

static whet_status check_foldable(const whet_node *n, whet_error *err) {
    if (!n->op->eval || n->n_subgraphs)
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "%s: %s cannot be folded", n->name, n->op->name);
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data)
            WHET_FAIL(err, WHET_E_INTERNAL, "%s: input %d is no constant", n->name, i);
    return WHET_OK;
}

// Shapes and allocates the results whose shape is known; others have rank -1 until eval.
static whet_status prepare_results(whet_eval *e, const whet_node *n) {
    for (int32_t i = 0; i < n->n_out; i++) {
        const whet_value *v = n->out[i];
        if (!v) continue;
        e->out[i].dtype = v->type.dtype;
        if (n->op->flags & WHET_OP_DYNAMIC_OUT) continue;
        if (whet_value_count(v) < 0)
            WHET_FAIL(e->err, WHET_E_SHAPE, "%s: output %d has no fixed shape", n->name, i);
        WHET_TRY(alloc_result(e, i, v->type.rank, v->type.dims));
    }
    return WHET_OK;
}

static whet_status store_results(whet_node *n, const whet_eval *e, whet_error *err) {
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        if (!e->out[i].data)
            WHET_FAIL(err, WHET_E_INTERNAL, "%s: output %d was not computed", n->name, i);
        const whet_tensor *t = whet_arena_memdup(n->graph->arena, &e->out[i], sizeof *t);
        if (!t) return WHET_NOMEM(err);
        set_data(n->out[i], t);
    }
    return WHET_OK;
}

whet_node *whet_graph_recipes_end(const whet_graph *g) {
    whet_node *n = g->first;
    while (n && n->recipe) n = n->next;
    return n;
}

static whet_status evaluate(whet_node *n, whet_arena *scratch, whet_error *err) {
    whet_tensor *in = WHET_NEW_ARRAY(scratch, whet_tensor, n->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(scratch, whet_tensor, n->n_out);
    if (!in || !out) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i]) in[i] = *n->in[i]->data;
    whet_eval e = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                   .n_out = n->n_out, .in = in, .out = out, .scratch = scratch,
                   .objects = n->graph->arena, .err = err,
                   .alloc = alloc_result, .alloc_user = n->graph->arena};
    WHET_TRY(prepare_results(&e, n));
    WHET_TRY(whet_op_eval(&e));
    return store_results(n, &e, err);
}

whet_status whet_graph_fold_node(whet_node *n, whet_error *err) {
    WHET_TRY(check_foldable(n, err));
    whet_arena scratch;
    whet_arena_init(&scratch);
    whet_status status = evaluate(n, &scratch, err);
    whet_arena_fini(&scratch);
    WHET_TRY(status);
    whet_node *end = whet_graph_recipes_end(n->graph);
    n->recipe = true;
    if (end != n) whet_node_move_before(n, end);
    return WHET_OK;
}

// ---- derivation ----

static bool same_derivation(const whet_node *n, const whet_op *op, const void *attrs,
                            whet_value *const *in, int32_t n_in) {
    if (n->op != op || n->n_in != n_in || n->n_out < 1 || !n->out[0]) return false;
    for (int32_t i = 0; i < n_in; i++)
        if (n->in[i] != in[i]) return false;
    return whet_op_attr_equal(op, n->attrs, attrs);
}

whet_value *whet_graph_const_derive(whet_graph *g, const whet_op *op, const void *attrs,
                                    whet_value *const *in, int32_t n_in, whet_error *err) {
    void *own = attrs ? whet_op_attr_copy(op, attrs, g->arena)
                      : whet_arena_alloc(g->arena, op->attrs_size);
    if (!own) return WHET_NOMEM(err), NULL;
    if (!attrs) whet_op_attr_defaults(op, own);
    whet_node *end = g->first;
    for (; end && end->recipe; end = end->next)
        if (same_derivation(end, op, own, in, n_in)) return end->out[0];
    whet_node *n = whet_graph_node(g, op, NULL, own, in, n_in, 1, end);
    if (!n) return WHET_NOMEM(err), NULL;
    if (whet_graph_infer_node(n, err) != WHET_OK || whet_graph_fold_node(n, err) != WHET_OK) {
        whet_node_remove(n);
        return NULL;
    }
    return n->out[0];
}
