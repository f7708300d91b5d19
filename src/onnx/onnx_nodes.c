// SPDX-License-Identifier: Apache-2.0
// Nodes of a graph or a function's body, one after the other.
#include <string.h>

#include "onnx/importer.h"

int64_t whet_import_opset(const whet_onnx_opsets *opsets, const char *domain) {
    for (int32_t i = 0; i < opsets->n; i++)
        if (!strcmp(opsets->v[i].domain, domain)) return opsets->v[i].version;
    return 0;
}

bool whet_import_count_op(whet_importer *imp, const whet_onnx_node *node, bool supported) {
    whet_import *import = imp->import;
    const char *key = *node->domain
                          ? whet_arena_printf(imp->arena, "%s\n%s", node->domain, node->op_type)
                          : node->op_type;
    whet_name_slot *slot = key ? whet_names_put(&imp->op_counts, imp->arena, key) : NULL;
    if (slot && !slot->item) {
        whet_import_op_count row = {node->domain, node->op_type, 0, supported};
        uintptr_t index = (uintptr_t)import->n_op_counts + 1;
        if (!WHET_ARENA_PUSH(imp->arena, import->op_counts, import->n_op_counts,
                             import->cap_op_counts, row))
            return whet_import_nomem(imp);
        slot->item = (void *)index;
    }
    if (!slot) return whet_import_nomem(imp);
    if (!imp->rereading) import->op_counts[(uintptr_t)slot->item - 1].count++;
    return true;
}

// ---- inputs and results ----

// Reports undefined names. *poisoned: an input could not be made, for a reason already reported.
static bool collect_inputs(whet_import_node *n, int32_t index, bool *poisoned) {
    const whet_onnx_node *node = n->onnx;
    n->in = WHET_NEW_ARRAY(n->imp->arena, whet_value *, node->n_in);
    n->in_lists = WHET_NEW_ARRAY(n->imp->arena, const whet_import_list *, node->n_in);
    if (!n->in || !n->in_lists) return whet_import_nomem(n->imp);
    for (int32_t i = 0; i < node->n_in; i++) {
        if (!*node->in[i]) continue;
        const whet_binding *b = whet_scope_find(n->scope, node->in[i]);
        if (b && b->absent) continue;
        n->n_in = i + 1;
        if (b && b->defined && (b->value || b->list)) {
            n->in[i] = whet_import_captured(n->imp, b->value);
            n->in_lists[i] = whet_import_captured_list(n->imp, b->list);
            if (n->imp->stopped) return false;
            continue;
        }
        *poisoned = true;
        const whet_binding *own = whet_scope_own(n->scope, node->in[i]);
        if ((b && b->defined) || (own && own->node >= index)) continue; // reported already
        whet_import_problem_add(n->imp, n, WHET_E_MODEL, "its input %d '%s' is not defined", i,
                                node->in[i]);
    }
    return true;
}

static void name_result(whet_import_node *n, const char *name, whet_value *v) {
    if (*v->name) return; // an input, an initializer, or named before
    v->name = n->scope->caller ? whet_import_unique(n->imp, &n->imp->value_names, n->scope->prefix,
                                                    name)
                               : name;
    v->name = v->name ? whet_arena_strdup(n->imp->graph->arena, v->name) : NULL;
    if (v->name) return;
    v->name = "";
    if (!n->imp->stopped) whet_import_nomem(n->imp);
}

static void define_results(whet_import_node *n) {
    for (int32_t i = 0; i < n->onnx->n_out; i++) {
        const char *name = n->onnx->out[i];
        if (!*name) continue;
        whet_value *v = n->failed ? NULL : n->out[i];
        if (v) {
            const whet_binding *b = whet_scope_own(n->scope, name);
            name_result(n, name, v);
            if (b) whet_import_compare(n->imp, n, v, b->info);
        }
        whet_scope_define(n->imp, n->scope, name, v, n->failed ? NULL : n->out_lists[i]);
    }
}

static void report_unused_attrs(whet_import_node *n) {
    // opset 1 let any operator say which inputs it may overwrite
    if (!*n->onnx->domain && n->version < 6) whet_import_ignore(n, "consumed_inputs");
    for (int32_t i = 0; i < n->onnx->n_attrs && !n->failed; i++)
        if (!n->used[i])
            whet_import_fail(n, WHET_E_UNSUPPORTED,
                             "attribute '%s' is not known for %s of opset %lld",
                             n->onnx->attrs[i].name, n->onnx->op_type, (long long)n->version);
}

static void report_missing_results(whet_import_node *n) {
    for (int32_t i = 0; i < n->onnx->n_out && !n->failed; i++)
        if (whet_import_wants(n, i) && !n->out[i] && !n->out_lists[i])
            whet_import_fail(n, WHET_E_UNSUPPORTED, "its result %d '%s' is not supported", i,
                             n->onnx->out[i]);
}

// ---- one node ----

static bool only_objects(const whet_arg *args, int32_t n) {
    uint64_t set = n ? args[0].dtypes : 0;
    return set && !(set & ~WHET_DTYPES_OBJECT);
}

// Functions without an operator and those of sequences know what to do with lists; the others get
// values.
static bool lists_fit(whet_import_node *n, const whet_import_row *row) {
    if (!n->op) return true;
    bool takes = only_objects(n->op->in, n->op->n_in) || only_objects(n->op->out, n->op->n_out);
    for (int32_t i = 0; i < n->n_in && !(row && row->import && takes); i++)
        if (n->in_lists[i]) n->in[i] = whet_import_object(n, i);
    return !n->failed;
}

// By its row, or by the plugin when it has none.
static void import_by(whet_import_node *n, const whet_import_row *row, const whet_op *plugin) {
    n->op = row ? row->op : plugin;
    if (!lists_fit(n, row)) return;
    if (!row) whet_import_plugin(n, plugin);
    else if (row->import) row->import(n);
    else whet_import_own(n, NULL, n->in, n->n_in);
    report_unused_attrs(n);
    report_missing_results(n);
}

const char *whet_import_node_name(whet_importer *imp, const whet_onnx_node *node, int32_t index) {
    if (*node->name) return node->name;
    const char *name = whet_arena_printf(imp->arena, "%s_%d", node->op_type, index);
    if (!name) whet_import_nomem(imp);
    return name;
}

static const char *node_name(whet_import_node *n, int32_t index) {
    const char *name = whet_import_node_name(n->imp, n->onnx, index);
    if (!name) return NULL;
    return whet_import_unique(n->imp, &n->imp->node_names, n->scope->prefix, name);
}

static bool prepare(whet_import_node *n, int32_t index, bool *poisoned) {
    whet_importer *imp = n->imp;
    n->onnx = whet_import_resolve(imp, n->scope, &n->scope->graph->nodes[index]);
    if (!n->onnx) return false;
    n->name = node_name(n, index);
    n->out = WHET_NEW_ARRAY(imp->arena, whet_value *, n->onnx->n_out);
    n->out_lists = WHET_NEW_ARRAY(imp->arena, const whet_import_list *, n->onnx->n_out);
    n->used = WHET_NEW_ARRAY(imp->arena, bool, n->onnx->n_attrs);
    if (!n->name) return false;
    if (!n->out || !n->out_lists || !n->used) return whet_import_nomem(imp);
    n->version = whet_import_opset(n->scope->opsets, n->onnx->domain);
    return collect_inputs(n, index, poisoned);
}

static void import_node(whet_importer *imp, whet_scope *scope, int32_t index) {
    whet_import_node n = {.imp = imp, .scope = scope};
    bool poisoned = false;
    if (++imp->n_visited > imp->budget.max_nodes) {
        whet_import_limit(imp, "nodes, those of functions in every call", imp->budget.max_nodes);
        return;
    }
    if (!prepare(&n, index, &poisoned)) return;
    const whet_op *plugin = imp->options->plugin_override ? whet_import_plugin_find(&n) : NULL;
    const whet_onnx_function *fn = plugin ? NULL : whet_import_function_find(imp, n.onnx);
    if (fn) {
        whet_import_count_op(imp, n.onnx, true);
        whet_import_function_call(&n, fn);
        return;
    }
    const whet_import_row *row = n.version && !plugin
                                     ? whet_import_row_find(&imp->rows, n.onnx->domain,
                                                            n.onnx->op_type, n.version)
                                     : NULL;
    if (!row && !plugin) plugin = whet_import_plugin_find(&n);
    bool known = row || plugin;
    if (!whet_import_count_op(imp, n.onnx, known)) return;
    n.failed = poisoned || !known;
    if (!known && !n.version && whet_import_newest_opset(n.onnx->domain))
        whet_import_problem_add(imp, &n, WHET_E_MODEL, "opset_import has no version of domain '%s'",
                                *n.onnx->domain ? n.onnx->domain : "ai.onnx");
    else if (!known)
        whet_import_row_missing(imp, &n);
    else if (!poisoned)
        import_by(&n, row, plugin);
    if (n.failed && !n.read) whet_import_subgraphs(imp, scope, n.onnx);
    if (!imp->stopped) define_results(&n);
}

void whet_import_nodes(whet_importer *imp, whet_scope *scope) {
    for (int32_t i = 0; i < scope->graph->n_nodes && !imp->stopped; i++)
        import_node(imp, scope, i);
}
