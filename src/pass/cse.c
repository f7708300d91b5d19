// SPDX-License-Identifier: Apache-2.0
// Merges nodes that compute the same from the same, and small constants with the same contents
// unless a refit could tell them apart.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "pass/pass.h"

// Larger constants are weights: comparing them all costs more than it finds.
#define SMALL_BYTES 4096

typedef struct {
    void **slots; // open addressing over nodes or values
    uint64_t mask;
} table;

static bool table_init(table *t, int64_t n) {
    t->mask = 63;
    while ((int64_t)t->mask < 2 * n) t->mask = t->mask * 2 + 1;
    t->slots = calloc(t->mask + 1, sizeof *t->slots);
    return t->slots;
}

// The equal entry that was there before; NULL after adding `item`.
static void *table_add(table *t, void *item, uint64_t hash,
                       bool (*equal)(const void *a, const void *b)) {
    uint64_t i = hash & t->mask;
    for (; t->slots[i]; i = (i + 1) & t->mask)
        if (equal(t->slots[i], item)) return t->slots[i];
    t->slots[i] = item;
    return NULL;
}

// ---- constants ----

static bool equal_constants(const void *a, const void *b) {
    const whet_value *x = a, *y = b;
    const whet_tensor *s = x->data, *t = y->data;
    return x->graph == y->graph && x->literal == y->literal && s->dtype == t->dtype &&
           s->rank == t->rank && x->type_set == y->type_set && s->bytes == t->bytes &&
           !memcmp(s->dims, t->dims, (size_t)s->rank * sizeof s->dims[0]) &&
           !memcmp(s->data, t->data, s->bytes);
}

// Two weights that are equal now need not stay so.
static bool is_mergeable(const whet_value *v) {
    if (!v->data || v->producer || !v->n_uses || v->data->bytes > SMALL_BYTES) return false;
    return v->literal || !whet_dtype_is_float(v->data->dtype);
}

static whet_status merge_constants(whet_graph *root, int32_t *changed, whet_error *err) {
    table t;
    if (!table_init(&t, root->n_values)) return WHET_NOMEM(err);
    for (int32_t i = 0; i < root->n_values; i++) {
        whet_value *v = root->values[i];
        if (!is_mergeable(v)) continue;
        uint64_t hash = whet_hash64(v->data->data, v->data->bytes, (uint64_t)v->data->dtype);
        whet_value *first = table_add(&t, v, hash, equal_constants);
        if (!first) continue;
        whet_value_decide(v);
        whet_value_decide(first);
        whet_value_replace(v, first);
        ++*changed;
    }
    free(t.slots);
    return WHET_OK;
}

// ---- nodes ----

static uint64_t node_hash(const whet_node *n) {
    uint64_t hash = whet_op_attr_hash(n->op, n->attrs, (uint64_t)(uintptr_t)n->op);
    for (int32_t i = 0; i < n->n_in; i++)
        hash = whet_hash64_mix(hash, n->in[i] ? (uint64_t)n->in[i]->id : UINT64_MAX);
    return hash;
}

static bool equal_nodes(const void *a, const void *b) {
    const whet_node *x = a, *y = b;
    if (x->op != y->op || x->n_in != y->n_in || x->n_out != y->n_out || x->recipe != y->recipe)
        return false;
    for (int32_t i = 0; i < x->n_in; i++)
        if (x->in[i] != y->in[i]) return false;
    for (int32_t i = 0; i < y->n_out; i++) // the first must give all that the second gives
        if (y->out[i] && (!x->out[i] || x->out[i]->type_set != y->out[i]->type_set)) return false;
    return whet_op_attr_equal(x->op, x->attrs, y->attrs);
}

// Numbers of 8 bits in float are cheaper made anew by each of their users than kept: pass quant has
// given each its own.
static bool is_cheap(const whet_node *n) {
    return n->op == &whet_op_dequantize_linear && !whet_value_is_const(n->in[0]);
}

static whet_status merge_into(whet_node *first, whet_node *n, whet_error *err) {
    if (!whet_node_absorb(first, n)) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) whet_value_replace(n->out[i], first->out[i]);
    whet_node_remove(n);
    return WHET_OK;
}

static whet_status merge_nodes(whet_graph *g, int32_t *changed, whet_error *err);

static whet_status merge_nodes_with(table *t, whet_graph *g, int32_t *changed, whet_error *err) {
    WHET_FOR_NODES_SAFE(g, n) {
        for (int32_t i = 0; i < n->n_subgraphs; i++)
            WHET_TRY(merge_nodes(n->subgraphs[i], changed, err));
        if (n->n_subgraphs || n->op->flags & WHET_OP_IMPURE || is_cheap(n)) continue;
        whet_node *first = table_add(t, n, node_hash(n), equal_nodes);
        if (!first) continue;
        WHET_TRY(merge_into(first, n, err));
        ++*changed;
    }
    return WHET_OK;
}

static whet_status merge_nodes(whet_graph *g, int32_t *changed, whet_error *err) {
    int64_t count = 0;
    WHET_FOR_NODES(g, n) count++;
    table t;
    if (!table_init(&t, count)) return WHET_NOMEM(err);
    whet_status status = merge_nodes_with(&t, g, changed, err);
    free(t.slots);
    return status;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    WHET_TRY(merge_constants(g->root, changed, err));
    return merge_nodes(g, changed, err);
}

const whet_pass whet_pass_cse = {
    .name = "cse",
    .help = "merges nodes and small constants that are the same",
    .run = run,
};
