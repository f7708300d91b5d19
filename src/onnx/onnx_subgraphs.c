// SPDX-License-Identifier: Apache-2.0
// Subgraphs that are no blocks: one that surely runs is inlined; of those of nodes that could not
// be imported a report still names what is in them.
#include "onnx/importer.h"

bool whet_import_graph_read(whet_importer *imp, whet_span span, whet_onnx_graph *g) {
    whet_status status = whet_onnx_graph_read(&imp->reader, span, g);
    if (status == WHET_OK) return true;
    if (!imp->stopped)
        whet_import_problem_add(imp, NULL, status, "%s", imp->reader.w.err->text);
    imp->stopped = true; // the reader does not go on after a failure
    return false;
}

static void check_node(whet_importer *imp, const whet_scope *scope, const whet_onnx_node *node,
                       int32_t index) {
    whet_import_node n = {.imp = imp, .onnx = node, .name = whet_import_node_name(imp, node, index),
                          .version = whet_import_opset(scope->opsets, node->domain)};
    if (!n.name || whet_import_function_find(imp, node)) return;
    bool known = whet_import_row_find(&imp->rows, node->domain, node->op_type, n.version) != NULL;
    if (!whet_import_count_op(imp, node, known) || known) return;
    whet_import_row_missing(imp, &n);
}

static void check_graph(whet_importer *imp, const whet_scope *scope, whet_span span,
                        int32_t depth) {
    whet_onnx_graph g;
    if (depth > imp->max_depth) {
        whet_import_limit(imp, "levels of subgraphs", imp->max_depth);
        return;
    }
    if (!whet_import_graph_read(imp, span, &g)) return;
    for (int32_t i = 0; i < g.n_nodes && !imp->stopped; i++) {
        check_node(imp, scope, &g.nodes[i], i);
        for (int32_t k = 0; k < g.nodes[i].n_attrs; k++)
            if (g.nodes[i].attrs[k].g.data)
                check_graph(imp, scope, g.nodes[i].attrs[k].g, depth + 1);
    }
}

void whet_import_subgraphs(whet_importer *imp, const whet_scope *scope,
                           const whet_onnx_node *node) {
    for (int32_t i = 0; i < node->n_attrs && !imp->stopped; i++)
        if (node->attrs[i].g.data) check_graph(imp, scope, node->attrs[i].g, 1);
}

// ---- inlining ----

static void take_results(whet_import_node *n, const whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    for (int32_t i = 0; i < n->onnx->n_out; i++) {
        const char *name = i < g->n_outputs ? g->outputs[i].name : "";
        const whet_binding *b = *name ? whet_scope_find(scope, name) : NULL;
        if (!b || !(b->defined || b->node >= 0))
            whet_import_fail(n, WHET_E_MODEL, "its subgraph does not define result %d", i);
        else if (b->list)
            n->out_lists[i] = whet_import_captured_list(n->imp, b->list);
        else if (!b->value)
            n->failed = true; // for a reason already reported
        else {
            if (whet_scope_own(scope, name) && *n->onnx->out[i])
                whet_scope_rename(n->imp, n->scope, n->onnx->out[i], b);
            n->out[i] = whet_import_captured(n->imp, b->value);
        }
    }
}

// Inputs of the subgraph are names of the values given.
static bool bind_inputs(whet_import_node *n, whet_scope *scope, whet_value *const *in,
                        int32_t n_in) {
    const whet_onnx_graph *g = scope->graph;
    if (g->n_inputs != n_in) {
        whet_import_fail(n, WHET_E_MODEL, "its subgraph has %d inputs instead of %d", g->n_inputs,
                         n_in);
        return false;
    }
    for (int32_t i = 0; i < n_in; i++)
        whet_scope_define(n->imp, scope, g->inputs[i].name, in[i], NULL);
    return !n->imp->stopped;
}

static bool inline_graph(whet_import_node *n, whet_span span, whet_scope *scope,
                         whet_value *const *in, int32_t n_in) {
    whet_importer *imp = n->imp;
    const whet_scope *around = n->scope;
    const char *prefix = whet_arena_printf(imp->arena, "%s/", n->name);
    whet_onnx_graph *g = WHET_NEW(imp->arena, whet_onnx_graph);
    *scope = (whet_scope){.caller = n->scope, .outer = around, .fn = around->fn,
                          .call = around->call, .prefix = prefix, .opsets = around->opsets,
                          .graph = g, .depth = around->depth + 1};
    if (!prefix || !g) return whet_import_nomem(imp);
    n->read = true;
    if (scope->depth > imp->max_depth) {
        whet_import_limit(imp, "levels of subgraphs", imp->max_depth);
        return false;
    }
    if (!whet_import_graph_read(imp, span, g) || !bind_inputs(n, scope, in, n_in)) return false;
    whet_import_constants(imp, scope);
    if (imp->stopped || !whet_scope_declare(imp, scope)) return false;
    whet_scope_order(imp, scope);
    whet_import_nodes(imp, scope);
    return true;
}

void whet_import_inline(whet_import_node *n, whet_span span) {
    whet_scope scope;
    if (inline_graph(n, span, &scope, NULL, 0)) take_results(n, &scope);
}

void whet_import_apply_many(whet_import_node *n, whet_span span, whet_value *const *in,
                            int32_t n_in, whet_value **out, int32_t n_out) {
    whet_scope scope;
    if (n->failed || !inline_graph(n, span, &scope, in, n_in)) {
        n->failed = true;
        return;
    }
    for (int32_t i = 0; i < n_out; i++) {
        const char *name = i < scope.graph->n_outputs ? scope.graph->outputs[i].name : "";
        const whet_binding *b = *name ? whet_scope_find(&scope, name) : NULL;
        if (!b || !(b->defined || b->node >= 0))
            whet_import_fail(n, WHET_E_MODEL, "its subgraph does not define result %d", i);
        else if (b->list)
            whet_import_fail(n, WHET_E_MODEL, "result %d of its subgraph is a sequence", i);
        out[i] = b && b->value ? whet_import_captured(n->imp, b->value) : NULL;
        if (!out[i]) n->failed = true; // for a reason already reported
    }
}

whet_value *whet_import_apply(whet_import_node *n, whet_span span, whet_value *in) {
    whet_scope scope;
    if (!in || n->failed || !inline_graph(n, span, &scope, &in, 1)) return NULL;
    const whet_onnx_graph *g = scope.graph;
    const whet_binding *b = g->n_outputs == 1 ? whet_scope_find(&scope, g->outputs[0].name) : NULL;
    if (!b || !(b->defined || b->node >= 0))
        whet_import_fail(n, WHET_E_MODEL, "its subgraph does not define one result");
    else if (!b->value)
        n->failed = true; // for a reason already reported
    return b ? whet_import_captured(n->imp, b->value) : NULL;
}
