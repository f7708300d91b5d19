// SPDX-License-Identifier: Apache-2.0
// Subgraphs of nodes: no operator here takes one, but a report names what is in them all the same.
#include "onnx/importer.h"

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
    whet_status status = whet_onnx_graph_read(&imp->reader, span, &g);
    if (status != WHET_OK) {
        if (!imp->stopped)
            whet_import_problem_add(imp, NULL, status, "%s", imp->reader.w.err->text);
        imp->stopped = true; // the reader does not go on after a failure
        return;
    }
    for (int32_t i = 0; i < g.n_nodes && !imp->stopped; i++) {
        check_node(imp, scope, &g.nodes[i], i);
        for (int32_t k = 0; k < g.nodes[i].n_attrs; k++)
            if (g.nodes[i].attrs[k].g.data) check_graph(imp, scope, g.nodes[i].attrs[k].g, depth + 1);
    }
}

void whet_import_subgraphs(whet_importer *imp, const whet_scope *scope,
                           const whet_onnx_node *node) {
    for (int32_t i = 0; i < node->n_attrs && !imp->stopped; i++)
        if (node->attrs[i].g.data) check_graph(imp, scope, node->attrs[i].g, 1);
}
