// SPDX-License-Identifier: Apache-2.0
// Types of values from the shape functions of operators.
#include "ir/graph.h"
#include "ops/flow.h"

static void take_type(whet_value *v, const whet_type *type) {
    if (v->data) return; // the data say more
    if (v->type.dtype != type->dtype || !v->type_set) v->type_set = WHET_DTYPE_BIT(type->dtype);
    v->type = *type;
}

// Arrays of one inference: of the operators with few inputs on the stack.
enum { FEW = 8 };
typedef struct {
    const whet_type *in[FEW];
    const whet_tensor *data[FEW];
    whet_type out[FEW];
} few_arrays;

static void fill(whet_node *n, const whet_type **in, const whet_tensor **data, whet_type *out,
                 whet_infer *ctx, whet_error *err) {
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] ? &n->in[i]->type : NULL;
        data[i] = n->in[i] ? n->in[i]->data : NULL;
    }
    for (int32_t i = 0; i < n->n_out; i++) out[i] = (whet_type){.rank = -1};
    *ctx = (whet_infer){.op = n->op, .attrs = n->attrs, .node = n->name, .dims = n->graph->dims,
                        .n_in = n->n_in, .n_out = n->n_out, .in = in, .data = data, .out = out,
                        .arena = n->graph->arena, .err = err};
}

static whet_status infer_with(whet_node *n, const whet_type **in, const whet_tensor **data,
                              whet_type *out, whet_error *err) {
    whet_infer ctx;
    fill(n, in, data, out, &ctx, err);
    WHET_TRY(whet_op_infer(&ctx));
    n->needs_value = ctx.needs_value;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) take_type(n->out[i], &out[i]);
    return WHET_OK;
}

// ---- control flow ----

// Types at the border of a block, in the arena.
static bool border(const whet_graph *g, whet_block_types *b, whet_arena *arena) {
    const whet_type **in = WHET_NEW_ARRAY(arena, const whet_type *, g->n_inputs);
    const whet_type **out = WHET_NEW_ARRAY(arena, const whet_type *, g->n_outputs);
    const whet_tensor **data = WHET_NEW_ARRAY(arena, const whet_tensor *, g->n_outputs);
    if (!in || !out || !data) return false;
    for (int32_t i = 0; i < g->n_inputs; i++) in[i] = &g->inputs[i]->type;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        out[i] = &g->outputs[i]->type;
        data[i] = g->outputs[i]->data;
    }
    *b = (whet_block_types){g->n_inputs, g->n_outputs, in, out, data};
    return true;
}

whet_status whet_graph_infer_results(whet_node *n, whet_type *out, whet_arena *arena,
                                     whet_error *err) {
    const whet_type **in = WHET_NEW_ARRAY(arena, const whet_type *, n->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(arena, const whet_tensor *, n->n_in);
    whet_block_types *blocks = WHET_NEW_ARRAY(arena, whet_block_types, n->n_subgraphs);
    if (!in || !data || !blocks) return WHET_NOMEM(err);
    whet_infer ctx;
    fill(n, in, data, out, &ctx, err);
    ctx.blocks = blocks;
    ctx.n_blocks = n->n_subgraphs;
    for (int32_t i = 0; i < n->n_subgraphs; i++)
        if (!border(n->subgraphs[i], &blocks[i], arena)) return WHET_NOMEM(err);
    WHET_TRY(whet_op_infer(&ctx));
    n->needs_value = ctx.needs_value;
    return WHET_OK;
}

// Inferring the blocks of one node. Carried values begin with the type that enters and widen until
// the type that leaves an iteration fits; `kept`: they begin as wide as they are, so that loops in
// loops do not start over in every round of the outer one.
typedef struct {
    whet_node *n;
    whet_infer ctx;
    whet_flow flow;
    whet_type *begin; // of the carried values
    bool kept;
} block_infer;

static whet_status infer_graph(whet_graph *g, bool kept, whet_error *err);

static void set_border_type(whet_value *v, const whet_type *type) {
    v->type = *type;
    if (!(v->type_set >> type->dtype & 1)) v->type_set = WHET_DTYPE_BIT(type->dtype);
}

static whet_status enter_block(block_infer *x, whet_graph *g) {
    if (g->n_inputs != whet_flow_inputs(&x->flow))
        WHET_FAIL(x->ctx.err, WHET_E_INVALID, "%s: a block has %d inputs, not %d", x->n->name,
                  g->n_inputs, whet_flow_inputs(&x->flow));
    for (int32_t i = 0; i < g->n_inputs; i++) {
        whet_type type, was = g->inputs[i]->type;
        WHET_TRY(whet_flow_enter(&x->ctx, &x->flow, i, &type));
        int32_t k = i - x->flow.block_in;
        if (k >= 0 && k < x->flow.carried) {
            bool changed;
            x->begin[k] = type;
            if (x->kept && was.dtype == type.dtype)
                WHET_TRY(whet_flow_widen(&x->ctx, &type, &was, &type, &changed));
            if (x->kept && was.dtype == type.dtype) type = was;
        }
        set_border_type(g->inputs[i], &type);
    }
    return WHET_OK;
}

static whet_status widen(block_infer *x, whet_graph *g, bool *changed) {
    *changed = false;
    if (g->n_outputs < x->flow.block_out + x->flow.carried)
        WHET_FAIL(x->ctx.err, WHET_E_INVALID, "%s: a block has %d results", x->n->name,
                  g->n_outputs);
    for (int32_t i = 0; i < x->flow.carried; i++) {
        whet_type type = g->inputs[x->flow.block_in + i]->type;
        WHET_TRY(whet_flow_widen(&x->ctx, &x->begin[i], &type,
                                 &g->outputs[x->flow.block_out + i]->type, changed));
        set_border_type(g->inputs[x->flow.block_in + i], &type);
    }
    return WHET_OK;
}

static whet_status infer_blocks(whet_node *n, bool kept, whet_arena *arena, whet_error *err) {
    block_infer x = {.n = n, .kept = kept};
    const whet_type **in = WHET_NEW_ARRAY(arena, const whet_type *, n->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(arena, const whet_tensor *, n->n_in);
    whet_type *out = WHET_NEW_ARRAY(arena, whet_type, n->n_out);
    if (!in || !data || !out) return WHET_NOMEM(err);
    fill(n, in, data, out, &x.ctx, err);
    WHET_TRY(whet_flow_of(n->op, n->attrs, n->n_in, n->n_out, &x.flow, err));
    x.begin = WHET_NEW_ARRAY(arena, whet_type, x.flow.carried);
    if (!x.begin) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        WHET_TRY(enter_block(&x, n->subgraphs[i]));
        for (bool changed = true, again = kept; changed; again = true) {
            WHET_TRY(infer_graph(n->subgraphs[i], again, err));
            WHET_TRY(widen(&x, n->subgraphs[i], &changed));
        }
    }
    WHET_TRY(whet_graph_infer_results(n, out, arena, err));
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) take_type(n->out[i], &out[i]);
    return WHET_OK;
}

// ---- any node ----

static whet_status infer_many(whet_node *n, bool kept, whet_error *err) {
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status = WHET_E_NOMEM;
    if (n->n_subgraphs) {
        status = infer_blocks(n, kept, &arena, err);
    } else {
        const whet_type **in = WHET_NEW_ARRAY(&arena, const whet_type *, n->n_in);
        const whet_tensor **data = WHET_NEW_ARRAY(&arena, const whet_tensor *, n->n_in);
        whet_type *out = WHET_NEW_ARRAY(&arena, whet_type, n->n_out);
        status = in && data && out ? infer_with(n, in, data, out, err) : WHET_NOMEM(err);
    }
    whet_arena_fini(&arena);
    return status;
}

static whet_status infer_node(whet_node *n, bool kept, whet_error *err) {
    few_arrays few;
    if (n->n_in > FEW || n->n_out > FEW || n->n_subgraphs) return infer_many(n, kept, err);
    return infer_with(n, few.in, few.data, few.out, err);
}

whet_status whet_graph_infer_node(whet_node *n, whet_error *err) {
    return infer_node(n, false, err);
}

static whet_status infer_graph(whet_graph *g, bool kept, whet_error *err) {
    WHET_FOR_NODES(g, n) {
        if (!n->recipe) WHET_TRY(infer_node(n, kept, err));
    }
    return WHET_OK;
}

whet_status whet_graph_infer(whet_graph *g, whet_error *err) { return infer_graph(g, false, err); }
