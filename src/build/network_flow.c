// SPDX-License-Identifier: Apache-2.0
// Control flow by hand: blocks are networks of their own; what they read of the networks around
// them becomes an input of the node and of each of its blocks.
#include <stdlib.h>
#include <string.h>

#include "build/network_impl.h"
#include "ops/flow.h"

// ---- blocks ----

static whet_network *root_of(whet_network *net) {
    while (net->parent) net = net->parent;
    return net;
}

static whet_status wrap(whet_network *net, whet_graph *g, whet_network **block) {
    whet_network *b;
    WHET_TRY(whet_network_create(net->env, g, &b, &net->handle.error));
    b->parent = net;
    whet_network *root = root_of(net);
    b->next_block = root->next_block;
    root->next_block = b;
    *block = b;
    return WHET_OK;
}

whet_status whet_network_block(whet_network *net, const char *name, whet_network **block) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    if (!block) WHET_FAIL(err, WHET_E_INVALID, "whet_network_block: block is NULL");
    int32_t depth = 0;
    for (const whet_network *n = net; n; n = n->parent) depth++;
    if (depth > WHET_NETWORK_DEPTH)
        WHET_FAIL(err, WHET_E_LIMIT, "blocks nested deeper than %d", WHET_NETWORK_DEPTH);
    whet_graph *g = whet_graph_sub(net->graph, name);
    return g ? wrap(net, g, block) : WHET_NOMEM(err);
}

whet_network *whet_network_node_block(whet_network *net, const whet_node *n, int32_t i) {
    if (!net) return NULL;
    whet_error_clear(&net->handle.error);
    if (whet_network_check_node(net, n, "whet_network_node_block") != WHET_OK) return NULL;
    if (i < 0 || i >= n->n_subgraphs) return NULL;
    for (whet_network *b = root_of(net)->next_block; b; b = b->next_block)
        if (b->graph == n->subgraphs[i]) return b;
    whet_network *made = NULL;
    if (wrap(net, n->subgraphs[i], &made) != WHET_OK) return NULL;
    made->node = (whet_node *)(uintptr_t)n;
    return made;
}

// ---- captures ----

// An input of the block behind all others, with the type of a value around it.
static whet_value *add_capture(whet_graph *g, const whet_value *outer) {
    whet_value *inner = whet_graph_value(g, "");
    if (!inner || !whet_graph_add_input(g, inner)) return NULL;
    inner->type = outer->type;
    inner->type_set = outer->type_set;
    return inner;
}

// Whether the node contributes to the value, which is in its graph.
static whet_status check_order(const whet_node *n, const whet_value *v, whet_error *err) {
    whet_arena arena;
    bool cycle = false;
    whet_arena_init(&arena);
    const bool *above = whet_graph_above(n->graph, v, &arena);
    for (int32_t i = 0; above && i < n->n_out; i++)
        cycle = cycle || (n->out[i] && above[n->out[i]->id]);
    whet_arena_fini(&arena);
    if (!above) return WHET_NOMEM(err);
    if (cycle)
        WHET_FAIL(err, WHET_E_INVALID, "a block of %s would depend on its own output", n->name);
    return WHET_OK;
}

// Of a block whose node is there already: all blocks of the node get the input.
static whet_value *capture_in_node(whet_network *net, whet_value *outer, whet_error *err) {
    whet_node *n = net->node;
    whet_flow f;
    if (!n->graph)
        return whet_error_set(err, WHET_E_INVALID, "%s, whose block this is, has been removed",
                              n->name), NULL;
    if (whet_flow_of(n->op, n->attrs, n->n_in, n->n_out, &f, err) != WHET_OK ||
        check_order(n, outer, err) != WHET_OK)
        return NULL;
    int32_t first = f.own + f.carried + f.scanned, before = whet_flow_inputs(&f) - f.captured;
    for (int32_t i = 0; i < f.captured; i++)
        if (n->in[first + i] == outer) return net->graph->inputs[before + i];
    whet_value *mine = NULL;
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        whet_value *inner = add_capture(n->subgraphs[i], outer);
        if (!inner) return WHET_NOMEM(err), NULL;
        if (n->subgraphs[i] == net->graph) mine = inner;
    }
    if (!whet_node_add_input(n, outer)) return WHET_NOMEM(err), NULL;
    return whet_graph_sort(n->graph, err) == WHET_OK ? mine : NULL;
}

whet_value *whet_network_capture(whet_network *net, whet_value *v, whet_error *err) {
    if (v->data || v->graph == net->graph) return v;
    whet_value *outer = whet_network_capture(net->parent, v, err);
    if (!outer) return NULL;
    if (net->node) return capture_in_node(net, outer, err);
    for (int32_t i = 0; i < net->n_captures; i++)
        if (net->captures[i].outer == outer) return net->captures[i].inner;
    whet_capture c = {outer, add_capture(net->graph, outer)};
    if (!c.inner || !WHET_ARENA_PUSH(net->graph->arena, net->captures, net->n_captures,
                                     net->cap_captures, c))
        return WHET_NOMEM(err), NULL;
    return c.inner;
}

bool whet_network_encloses(const whet_network *net, const whet_value *v) {
    for (; net; net = net->parent)
        if (v->graph == net->graph) return true;
    return v->data != NULL;
}

void whet_network_input_first(whet_network *net) {
    whet_graph *g = net->graph;
    whet_value *last = g->inputs[g->n_inputs - 1];
    for (int32_t i = g->n_inputs - 1; i > g->n_inputs - 1 - net->n_captures; i--)
        g->inputs[i] = g->inputs[i - 1];
    g->inputs[g->n_inputs - 1 - net->n_captures] = last;
}

whet_status whet_network_input_like(whet_network *net, const char *name, const whet_value *like,
                                    whet_value **value) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_value(net, like, "whet_network_input_like"));
    if (name) WHET_TRY(whet_network_check_name(net, name, "whet_network_input_like"));
    if (!net->graph->parent || net->node)
        WHET_FAIL(err, WHET_E_INVALID, "whet_network_input_like: only for a block in the making");
    whet_value *v = whet_graph_value(net->graph, name ? name : "");
    if (!v || !whet_graph_add_input(net->graph, v)) return WHET_NOMEM(err);
    v->type = like->type;
    v->type.value = NULL;
    v->type_set = like->type_set;
    whet_network_input_first(net);
    if (value) *value = v;
    return WHET_OK;
}

// ---- nodes ----

typedef struct {
    whet_network *net;
    whet_error *err;
    const whet_op *op;
    whet_network *const *blocks;
    int32_t n_blocks, n_own; // inputs but the captures
    whet_value **in;
    int32_t n_in, cap_in;
    whet_arena scratch;
} flowing;

static whet_status check_blocks(flowing *x) {
    if (x->n_blocks != x->op->n_blocks || !x->blocks)
        WHET_FAIL(x->err, WHET_E_INVALID, "%s has %d blocks, %d are given", x->op->name,
                  x->op->n_blocks, x->n_blocks);
    for (int32_t i = 0; i < x->n_blocks; i++) {
        const whet_network *b = x->blocks[i];
        if (!b || b->parent != x->net || b->node)
            WHET_FAIL(x->err, WHET_E_INVALID,
                      "block %d is NULL, of another network or another node's already", i);
        for (int32_t k = 0; k < i; k++)
            if (x->blocks[k] == b)
                WHET_FAIL(x->err, WHET_E_INVALID, "one block is given twice");
    }
    return WHET_OK;
}

static int32_t place_of(const flowing *x, const whet_value *outer) {
    for (int32_t i = x->n_own; i < x->n_in; i++)
        if (x->in[i] == outer) return i - x->n_own;
    return -1;
}

// All that any block captures, behind the node's own inputs.
static whet_status collect(flowing *x) {
    for (int32_t i = 0; i < x->n_blocks; i++)
        for (int32_t k = 0; k < x->blocks[i]->n_captures; k++) {
            whet_value *outer = x->blocks[i]->captures[k].outer;
            if (place_of(x, outer) < 0 &&
                !WHET_ARENA_PUSH(&x->scratch, x->in, x->n_in, x->cap_in, outer))
                return WHET_NOMEM(x->err);
        }
    return WHET_OK;
}

// Gives a block an input for each capture, in the order of the node's.
static whet_status arrange(flowing *x, whet_network *b) {
    int32_t n = x->n_in - x->n_own, first = b->graph->n_inputs - b->n_captures;
    whet_value **inner = WHET_NEW_ARRAY(&x->scratch, whet_value *, n + 1);
    if (!inner) return WHET_NOMEM(x->err);
    for (int32_t k = 0; k < b->n_captures; k++)
        inner[place_of(x, b->captures[k].outer)] = b->captures[k].inner;
    for (int32_t k = 0; k < n; k++) {
        if (inner[k]) continue;
        whet_capture c = {x->in[x->n_own + k], add_capture(b->graph, x->in[x->n_own + k])};
        if (!c.inner || !WHET_ARENA_PUSH(b->graph->arena, b->captures, b->n_captures,
                                         b->cap_captures, c))
            return WHET_NOMEM(x->err);
        inner[k] = c.inner;
    }
    for (int32_t k = 0; k < n; k++) b->graph->inputs[first + k] = inner[k];
    return WHET_OK;
}

whet_status whet_network_flow_inputs(whet_network *net, const whet_op *op,
                                     whet_network *const *blocks, int32_t n_blocks,
                                     whet_value *const *own, int32_t n_own, whet_arena *arena,
                                     whet_value *const **in, int32_t *n_in) {
    flowing x = {.net = net, .err = &net->handle.error, .op = op, .blocks = blocks,
                 .n_blocks = n_blocks};
    WHET_TRY(check_blocks(&x));
    whet_arena_init(&x.scratch);
    whet_status status = WHET_OK;
    for (int32_t i = 0; i < n_own && status == WHET_OK; i++)
        if (!WHET_ARENA_PUSH(&x.scratch, x.in, x.n_in, x.cap_in, own[i]))
            status = WHET_NOMEM(x.err);
    x.n_own = n_own;
    if (status == WHET_OK) status = collect(&x);
    for (int32_t i = 0; i < n_blocks && status == WHET_OK; i++) status = arrange(&x, blocks[i]);
    *in = whet_arena_memdup(arena, x.in, (size_t)x.n_in * sizeof *x.in);
    *n_in = x.n_in;
    if (status == WHET_OK && x.n_in && !*in) status = WHET_NOMEM(x.err);
    whet_arena_fini(&x.scratch);
    return status;
}

// The number of carried values follows from that of the inputs.
void whet_network_flow_attrs(const whet_op *op, int32_t n_own, void *attrs) {
    whet_flow_attrs *a = attrs;
    if (!strcmp(op->name, "loop")) a->carried = n_own - 2;
    if (!strcmp(op->name, "scan")) a->carried = n_own - 1 - a->scanned;
}
