// SPDX-License-Identifier: Apache-2.0
// If, Loop and Scan.
#include <string.h>

#include "onnx/importer.h"
#include "ops/flow.h"

// Results that the ONNX node does not want stay inside.
void whet_import_flow_node(whet_import_node *n, const whet_flow_attrs *attrs,
                           whet_value *const *own, int32_t n_own,
                           const whet_import_captures *captures,
                           whet_import_block *const *blocks, int32_t n_blocks) {
    whet_importer *imp = n->imp;
    whet_graph *g = imp->graph;
    int32_t n_out = blocks[0]->graph->n_outputs - (n->op == &whet_op_loop);
    whet_value **in = WHET_NEW_ARRAY(imp->arena, whet_value *, n_own + captures->n);
    whet_type *types = WHET_NEW_ARRAY(imp->arena, whet_type, n_out);
    whet_graph **graphs = WHET_NEW_ARRAY(g->arena, whet_graph *, n_blocks);
    void *copy = whet_op_attr_copy(n->op, attrs, g->arena);
    if (!in || !types || !graphs || !copy) {
        n->failed = true;
        whet_import_nomem(imp);
        return;
    }
    if (n_own) memcpy(in, own, (size_t)n_own * sizeof *in);
    if (captures->n) memcpy(in + n_own, captures->outer, (size_t)captures->n * sizeof *in);
    if (n->onnx->n_out > n_out) {
        whet_import_fail(n, WHET_E_MODEL, "it has %d results, its subgraph gives %d",
                         n->onnx->n_out, n_out);
        return;
    }
    n_own += captures->n;
    whet_node *node = whet_graph_node(g, n->op, n->name, copy, in, n_own, n_out, NULL);
    if (!node) {
        n->failed = true;
        whet_import_nomem(imp);
        return;
    }
    for (int32_t i = 0; i < n_blocks; i++) graphs[i] = blocks[i]->graph;
    node->subgraphs = graphs;
    node->n_subgraphs = n_blocks;
    whet_status status = whet_graph_infer_results(node, types, imp->arena, imp->err);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "%s", imp->err->text);
        return;
    }
    for (int32_t i = 0; i < n_out; i++) {
        node->out[i]->type = types[i];
        node->out[i]->type_set = WHET_DTYPE_BIT(types[i].dtype);
        if (whet_import_wants(n, i)) n->out[i] = node->out[i];
    }
}

// ---- If ----

// Where the condition is known the branch taken stands for the node; the other one is not even
// looked at.
static void read_if(whet_import_node *n, const whet_onnx_graph *g) {
    static const char *const names[] = {"then", "else"};
    whet_import_captures captures = {0};
    whet_import_block b[2] = {{.captures = &captures}, {.captures = &captures}};
    for (int32_t i = 0; i < 2; i++)
        if (!whet_import_block_read(n, &g[i], names[i], NULL, 0, &b[i])) n->failed = true;
    if (n->failed) return;
    if (b[0].graph->n_outputs != b[1].graph->n_outputs) {
        whet_import_fail(n, WHET_E_MODEL, "its branches have %d and %d results",
                         b[0].graph->n_outputs, b[1].graph->n_outputs);
        return;
    }
    for (int32_t i = 0; i < 2; i++)
        if (!whet_import_block_complete(n, &b[i])) n->failed = true;
    static const whet_flow_attrs none;
    if (!n->failed)
        whet_import_flow_node(n, &none, n->in, 1, &captures,
                              (whet_import_block *[]){&b[0], &b[1]}, 2);
}

void whet_import_if(whet_import_node *n) {
    const whet_onnx_attr *yes = whet_import_attr_of(n, "then_branch", WHET_ONNX_GRAPH);
    const whet_onnx_attr *no = whet_import_attr_of(n, "else_branch", WHET_ONNX_GRAPH);
    int64_t truth = 0;
    if (!yes || !no || !yes->g.data || !no->g.data) {
        whet_import_fail(n, WHET_E_MODEL, "then_branch and else_branch are required");
    } else if (!whet_import_in(n, 0)) {
        whet_import_fail(n, WHET_E_MODEL, "its condition is missing");
    } else if (whet_import_known(whet_import_in(n, 0), &truth)) {
        whet_import_inline(n, (truth ? yes : no)->g);
    } else {
        whet_onnx_graph *g = WHET_NEW_ARRAY(n->imp->arena, whet_onnx_graph, 2);
        if (!g) {
            n->failed = true;
            whet_import_nomem(n->imp);
        } else if (whet_import_block_parse(n, "then_branch", &g[0]) &&
                   whet_import_block_parse(n, "else_branch", &g[1])) {
            read_if(n, g);
        } else {
            n->failed = true;
        }
    }
}

// ---- Loop and Scan ----

typedef struct {
    whet_import_node *n;
    whet_infer ctx;      // for the types that enter
    whet_flow flow;
    whet_flow_attrs attrs;
    whet_value **own;    // inputs of the node but the captures
    int32_t n_own;
    int32_t n_types;
    whet_type *begin, *types; // of the block's inputs
    whet_onnx_graph *g;
    bool *optional;      // [carried] enters as an optional of what leaves
} repeated;

enum { MAX_READINGS = 64, FORGET_DIMS = 3, FORGET_RANKS = 5 };

static whet_status enter(repeated *r) {
    for (int32_t i = 0; i < r->n_types; i++) {
        WHET_TRY(whet_flow_enter(&r->ctx, &r->flow, i, &r->begin[i]));
        r->types[i] = r->begin[i];
    }
    return WHET_OK;
}

// What leaves an iteration may enter the next one as an optional.
static whet_status wrap(repeated *r, whet_graph *block, int32_t i) {
    whet_importer *imp = r->n->imp;
    whet_value **slot = &block->outputs[r->flow.block_out + i], *from = *slot;
    const whet_type *in = &r->types[r->flow.block_in + i];
    r->optional[i] = in->dtype == WHET_DTYPE_OPTIONAL && from->type.dtype != in->dtype;
    if (!r->optional[i]) return WHET_OK;
    whet_graph *outside = imp->graph;
    imp->graph = block;
    r->n->n_emitted++;
    whet_value *v = whet_import_emit(r->n, "optional", NULL, WHET_VALUES(from));
    imp->graph = outside;
    if (!v) return imp->err->status != WHET_OK ? imp->err->status : WHET_E_MODEL;
    *slot = v;
    from->n_uses--;
    v->n_uses++;
    return WHET_OK;
}

static whet_status widen(repeated *r, whet_graph *block, bool *changed) {
    const whet_flow *f = &r->flow;
    *changed = false;
    if (block->n_outputs < f->block_out + f->carried)
        WHET_FAIL(r->ctx.err, WHET_E_MODEL, "its subgraph gives %d results for %d carried values",
                  block->n_outputs, f->carried);
    for (int32_t i = 0; i < f->carried; i++) {
        int32_t k = f->block_in + i;
        WHET_TRY(wrap(r, block, i));
        WHET_TRY(whet_flow_widen(&r->ctx, &r->begin[k], &r->types[k],
                                 &block->outputs[f->block_out + i]->type, changed));
    }
    return WHET_OK;
}

static void forget(repeated *r, bool ranks) {
    for (int32_t i = 0; i < r->flow.carried; i++)
        whet_flow_forget(&r->ctx, &r->types[r->flow.block_in + i], ranks);
}

// One reading; *again: the block was no good for the types that come back to it.
static bool read_once(repeated *r, int32_t reading, whet_import_block *b, bool *again) {
    whet_import_node *n = r->n;
    int64_t found = n->imp->import->n_found;
    *again = false;
    bool good = whet_import_block_read(n, r->g, n->op->blocks[0], r->types, r->n_types, b);
    if (n->imp->stopped) return false;
    if (!good || n->imp->import->n_found != found) { // maybe because the types are too narrow
        *again = reading == 0 && r->flow.carried > 0;
        if (*again) forget(r, false);
        return false;
    }
    bool changed;
    whet_status status = widen(r, b->graph, &changed);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", n->imp->err->text);
    if (status != WHET_OK || !changed) return status == WHET_OK;
    *again = true;
    if (reading >= FORGET_DIMS) forget(r, reading >= FORGET_RANKS);
    return false;
}

static void read_repeated(repeated *r) {
    whet_import_node *n = r->n;
    whet_importer *imp = n->imp;
    whet_import_captures captures;
    whet_import_block b;
    bool again = true, good = false;
    for (int32_t reading = 0; again && reading < MAX_READINGS && !imp->stopped; reading++) {
        whet_import_mark mark = whet_import_mark_set(imp);
        captures = (whet_import_captures){0};
        b = (whet_import_block){.captures = &captures};
        imp->rereading += reading > 0;
        good = read_once(r, reading, &b, &again);
        imp->rereading -= reading > 0;
        if (again) {
            n->failed = false;
            whet_graph_clear(b.graph);
            whet_import_mark_undo(imp, &mark);
        }
        whet_import_mark_end(imp);
    }
    if (!good || imp->stopped) {
        n->failed = true;
        return;
    }
    whet_import_flow_node(n, &r->attrs, r->own, r->n_own, &captures,
                          (whet_import_block *[]){&b}, 1);
    for (int32_t i = 0; i < r->flow.carried && !n->failed; i++)
        if (r->optional[i] && whet_import_wants(n, i))
            n->out[i] = whet_import_emit(n, "optional_get_element", NULL, WHET_VALUES(n->out[i]));
}

static void import_repeated(repeated *r) {
    whet_import_node *n = r->n;
    whet_arena *arena = n->imp->arena;
    const whet_type **in = WHET_NEW_ARRAY(arena, const whet_type *, r->n_own);
    r->g = WHET_NEW(arena, whet_onnx_graph);
    if (!in || !r->g) {
        n->failed = true;
        whet_import_nomem(n->imp);
        return;
    }
    for (int32_t i = 0; i < r->n_own; i++) in[i] = r->own[i] ? &r->own[i]->type : NULL;
    r->ctx = (whet_infer){.op = n->op, .attrs = &r->attrs, .node = n->name,
                          .dims = n->imp->graph->dims, .n_in = r->n_own, .in = in, .arena = arena,
                          .err = n->imp->err};
    whet_status status = whet_flow_of(n->op, &r->attrs, r->n_own, INT32_MAX, &r->flow, n->imp->err);
    r->n_types = whet_flow_inputs(&r->flow);
    r->begin = WHET_NEW_ARRAY(arena, whet_type, r->n_types);
    r->types = WHET_NEW_ARRAY(arena, whet_type, r->n_types);
    r->optional = WHET_NEW_ARRAY(arena, bool, r->flow.carried);
    if (!r->begin || !r->types || !r->optional) status = WHET_NOMEM(n->imp->err);
    if (status == WHET_OK) status = enter(r);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", n->imp->err->text);
    else if (whet_import_block_parse(n, "body", r->g)) read_repeated(r);
    else n->failed = true;
}

// All inputs, absent ones at the end too; those behind the first `optional` must be there.
static bool take_inputs(repeated *r, int32_t optional) {
    whet_import_node *n = r->n;
    r->n_own = n->onnx->n_in > optional ? n->onnx->n_in : optional;
    r->own = WHET_NEW_ARRAY(n->imp->arena, whet_value *, r->n_own);
    if (!r->own) {
        n->failed = true;
        return whet_import_nomem(n->imp);
    }
    for (int32_t i = 0; i < r->n_own; i++) {
        r->own[i] = whet_import_object(n, i);
        if (!r->own[i] && i >= optional)
            whet_import_fail(n, WHET_E_MODEL, "its input %d is missing", i);
    }
    return !n->failed;
}

void whet_import_loop(whet_import_node *n) {
    repeated r = {.n = n};
    if (!take_inputs(&r, 2)) return;
    r.attrs.carried = r.n_own - 2;
    import_repeated(&r);
}

static void import_scan(repeated *r, int32_t first) {
    whet_import_node *n = r->n;
    if (n->failed) return;
    int64_t scanned = whet_import_int(n, "num_scan_inputs", 0);
    if (scanned < 1 || scanned > r->n_own - first) {
        whet_import_fail(n, WHET_E_MODEL, "num_scan_inputs is %lld, of %d inputs",
                         (long long)scanned, r->n_own - first);
        return;
    }
    r->attrs.scanned = scanned;
    r->attrs.carried = r->n_own - first - scanned;
    if (!n->failed) import_repeated(r);
}

void whet_import_scan(whet_import_node *n) {
    repeated r = {.n = n};
    if (!take_inputs(&r, 0)) return;
    whet_value **own = WHET_NEW_ARRAY(n->imp->arena, whet_value *, r.n_own + 1);
    if (!own) {
        n->failed = true;
        whet_import_nomem(n->imp);
        return;
    }
    if (r.n_own) memcpy(own + 1, r.own, (size_t)r.n_own * sizeof *own);
    r.own = own;
    r.n_own++;
    whet_import_ints(n, "scan_input_axes", &r.attrs.in_axes);
    whet_import_ints(n, "scan_input_directions", &r.attrs.in_directions);
    whet_import_ints(n, "scan_output_axes", &r.attrs.out_axes);
    whet_import_ints(n, "scan_output_directions", &r.attrs.out_directions);
    import_scan(&r, 1);
}

// Opset 8: a batch of sequences, each of its own length.
void whet_import_scan_8(whet_import_node *n) {
    repeated r = {.n = n};
    if (!take_inputs(&r, 1)) return;
    r.attrs.batched = true;
    whet_import_ints(n, "directions", &r.attrs.in_directions);
    import_scan(&r, 1);
}
