// SPDX-License-Identifier: Apache-2.0
// Checks what every pass must keep: order, use counts, ownership, names, arity, types.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ir/graph.h"

typedef struct {
    const whet_graph *root;
    whet_error *err;
    uint8_t *defined;     // [n_values]
    int32_t *uses;        // [n_values] found
    const char **names;   // open addressing
    uint32_t mask;
} verifier;

#define BAD(...) return whet_error_set(v->err, WHET_E_VERIFY, __VA_ARGS__)

static const char *text_of(const whet_value *value) {
    return *value->name ? value->name : "an unnamed value";
}

static whet_status check_name(verifier *v, const whet_value *value) {
    if (!*value->name) return WHET_OK;
    uint32_t i = (uint32_t)whet_hash64_text(value->name, 0) & v->mask;
    for (; v->names[i]; i = (i + 1) & v->mask)
        if (!strcmp(v->names[i], value->name)) BAD("two values are named %s", value->name);
    v->names[i] = value->name;
    return WHET_OK;
}

static whet_status check_data(verifier *v, const whet_value *value) {
    const whet_tensor *t = value->data;
    bool same = t->dtype == value->type.dtype && t->rank == value->type.rank;
    for (int32_t i = 0; same && i < t->rank; i++) same = t->dims[i] == value->type.dims[i];
    if (!same) BAD("the contents of %s are not of its type", text_of(value));
    size_t bytes = whet_tensor_bytes(t->dtype, whet_tensor_count(t));
    if (bytes == SIZE_MAX || t->bytes < bytes || (bytes && !t->data))
        BAD("the contents of %s have %zu bytes", text_of(value), t->bytes);
    return WHET_OK;
}

static whet_status define(verifier *v, const whet_graph *g, const whet_value *value) {
    if (value->id < 0 || value->id >= v->root->n_values ||
        v->root->values[value->id] != value)
        BAD("%s is not among the values of its graph", text_of(value));
    if (value->graph != g) BAD("%s belongs to another graph", text_of(value));
    if (v->defined[value->id]) BAD("%s is defined twice", text_of(value));
    v->defined[value->id] = 1;
    WHET_TRY(check_name(v, value));
    return value->data ? check_data(v, value) : WHET_OK;
}

static bool encloses(const whet_graph *outer, const whet_graph *g) {
    while (g && g != outer) g = g->parent;
    return g;
}

static whet_status check_use(verifier *v, const whet_graph *g, const whet_value *value,
                             const char *user) {
    if (value->id < 0 || value->id >= v->root->n_values ||
        v->root->values[value->id] != value)
        BAD("%s uses a value that is not in its graph", user);
    if (!encloses(value->graph, g)) BAD("%s uses %s of another graph", user, text_of(value));
    if (value->data && !value->producer && !v->defined[value->id])
        WHET_TRY(define(v, value->graph, value)); // a source constant
    if (value->graph != g && !value->data)
        BAD("%s uses %s of a graph around it without capturing it", user, text_of(value));
    if (!v->defined[value->id]) BAD("%s uses %s before it is defined", user, text_of(value));
    v->uses[value->id]++;
    return WHET_OK;
}

// ---- nodes ----

static whet_status check_links(verifier *v, const whet_graph *g) {
    const whet_node *prev = NULL;
    for (const whet_node *n = g->first; n; prev = n, n = n->next) {
        if (n->prev != prev || n->graph != g) BAD("%s is not linked into its graph", n->name);
        if (n->recipe && prev && !prev->recipe) BAD("%s: recipe behind other nodes", n->name);
    }
    if (g->last != prev) BAD("graph %s does not end with its last node", g->name);
    return WHET_OK;
}

static whet_status check_recipe(verifier *v, const whet_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data) BAD("%s: recipe of what is no constant", n->name);
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && !n->out[i]->data) BAD("%s: recipe without contents", n->name);
    return WHET_OK;
}

// Inference may know less than what is stored (a pass knew more), never something else.
static whet_status compare_types(verifier *v, const whet_node *n, const whet_type *out) {
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        const whet_type *stored = &n->out[i]->type;
        if (stored->dtype != out[i].dtype)
            BAD("%s: output %d is stored as %s but is %s", n->name, i,
                whet_dtype_text(stored->dtype), whet_dtype_text(out[i].dtype));
        whet_elem elem;
        if (!whet_elem_merge(stored->elem, out[i].elem, &elem))
            BAD("%s: output %d is stored with other things in it than it has", n->name, i);
        if (out[i].rank >= 0 && stored->rank != out[i].rank)
            BAD("%s: output %d is stored with %d dimensions but has %d", n->name, i,
                stored->rank, out[i].rank);
        for (int32_t d = 0; d < out[i].rank; d++)
            if (whet_dim_is_const(out[i].dims[d]) && whet_dim_is_const(stored->dims[d]) &&
                out[i].dims[d] != stored->dims[d])
                BAD("%s: dimension %d of output %d is stored as %lld but is %lld", n->name, d, i,
                    (long long)stored->dims[d], (long long)out[i].dims[d]);
    }
    return WHET_OK;
}

static whet_status infer_again(verifier *v, whet_node *n, whet_arena *arena) {
    whet_type *out = WHET_NEW_ARRAY(arena, whet_type, n->n_out);
    if (!out) return WHET_NOMEM(v->err);
    for (int32_t i = 0; i < n->n_out; i++) out[i].rank = -1;
    WHET_TRY(whet_graph_infer_results(n, out, arena, v->err));
    return compare_types(v, n, out);
}

static whet_status check_types(verifier *v, whet_node *n) {
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status = infer_again(v, n, &arena);
    whet_arena_fini(&arena);
    return status;
}

static whet_status check_graph(verifier *v, const whet_graph *g);

static whet_status check_node(verifier *v, const whet_graph *g, whet_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i]) WHET_TRY(check_use(v, g, n->in[i], n->name));
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        if (n->subgraphs[i]->parent != g) BAD("%s: a subgraph with another parent", n->name);
        WHET_TRY(check_graph(v, n->subgraphs[i]));
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        if (n->out[i]->producer != n) BAD("%s: output %d has another producer", n->name, i);
        WHET_TRY(define(v, g, n->out[i]));
    }
    whet_status status = whet_op_attr_check(n->op, n->attrs, v->err);
    if (status != WHET_OK) return whet_error_prefix(v->err, status, "%s", n->name);
    if (n->recipe) return check_recipe(v, n);
    return check_types(v, n);
}

static whet_status check_graph(verifier *v, const whet_graph *g) {
    WHET_TRY(check_links(v, g));
    for (int32_t i = 0; i < g->n_inputs; i++) WHET_TRY(define(v, g, g->inputs[i]));
    for (whet_node *n = g->first; n; n = n->next) WHET_TRY(check_node(v, g, n));
    for (int32_t i = 0; i < g->n_outputs; i++) {
        if (!g->output_names[i]) BAD("graph %s: output %d has no name", g->name, i);
        WHET_TRY(check_use(v, g, g->outputs[i], "the list of outputs"));
    }
    return WHET_OK;
}

static whet_status check_counts(verifier *v) {
    for (int32_t i = 0; i < v->root->n_values; i++) {
        const whet_value *value = v->root->values[i];
        if (value->n_uses != v->uses[i])
            BAD("%s is used %d times, its count says %d", text_of(value), v->uses[i],
                value->n_uses);
    }
    return WHET_OK;
}

whet_status whet_graph_verify(const whet_graph *g, whet_error *err) {
    verifier v = {.root = g->root, .err = err, .mask = 63};
    size_t n = (size_t)g->root->n_values;
    while (v.mask < 2 * n) v.mask = v.mask * 2 + 1;
    v.defined = calloc(n + 1, sizeof *v.defined);
    v.uses = calloc(n + 1, sizeof *v.uses);
    v.names = calloc((size_t)v.mask + 1, sizeof *v.names);
    whet_status status = WHET_E_NOMEM;
    if (!v.defined || !v.uses || !v.names) WHET_NOMEM(err);
    else status = check_graph(&v, g->root);
    if (status == WHET_OK) status = check_counts(&v);
    free(v.defined);
    free(v.uses);
    free(v.names);
    return status;
}
