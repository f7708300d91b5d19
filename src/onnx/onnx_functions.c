// SPDX-License-Identifier: Apache-2.0
// Functions of the model are inlined where they are called: a scope of their own, names behind the
// call's name, references to attributes replaced by the values at the call.
#include <string.h>

#include "onnx/importer.h"

const whet_onnx_function *whet_import_function_find(const whet_importer *imp,
                                                    const whet_onnx_node *node) {
    const whet_onnx_function *fn = whet_names_get(&imp->functions, node->op_type);
    while (fn && (strcmp(fn->domain, node->domain) || strcmp(fn->overload, node->overload)))
        fn = fn->same_name;
    return fn;
}

// The first of several with the same name, domain and overload counts.
bool whet_import_functions_index(whet_importer *imp) {
    for (int32_t i = imp->model.n_functions - 1; i >= 0; i--) {
        whet_onnx_function *fn = &imp->model.functions[i];
        whet_name_slot *slot = whet_names_put(&imp->functions, imp->arena, fn->name);
        if (!slot) return whet_import_nomem(imp);
        fn->same_name = slot->item;
        slot->item = fn;
    }
    return true;
}

// ---- attributes ----

static const whet_onnx_attr *find_attr(const whet_onnx_attr *attrs, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(attrs[i].name, name)) return &attrs[i];
    return NULL;
}

static bool has_references(const whet_onnx_node *node) {
    for (int32_t i = 0; i < node->n_attrs; i++)
        if (node->attrs[i].ref) return true;
    return false;
}

const whet_onnx_node *whet_import_resolve(whet_importer *imp, const whet_scope *scope,
                                          const whet_onnx_node *node) {
    if (!has_references(node)) return node;
    if (!scope->fn) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                "a node '%s' (%s) refers to an attribute outside of a function",
                                node->name, node->op_type);
        return NULL;
    }
    whet_onnx_node *copy = whet_arena_memdup(imp->arena, node, sizeof *node);
    whet_onnx_attr *attrs = WHET_NEW_ARRAY(imp->arena, whet_onnx_attr, node->n_attrs);
    if (!copy || !attrs) return whet_import_nomem(imp), NULL;
    copy->attrs = attrs;
    copy->n_attrs = 0;
    for (int32_t i = 0; i < node->n_attrs; i++) {
        const whet_onnx_attr *a = &node->attrs[i], *value = a;
        if (a->ref) value = find_attr(scope->call->attrs, scope->call->n_attrs, a->ref);
        if (!value) value = find_attr(scope->fn->attrs, scope->fn->n_attrs, a->ref);
        if (!value) continue; // absent at the call: absent here
        attrs[copy->n_attrs] = *value;
        attrs[copy->n_attrs].ref = NULL;
        attrs[copy->n_attrs++].name = a->name;
    }
    return copy;
}

static void check_attrs(const whet_import_node *n, const whet_onnx_function *fn) {
    for (int32_t i = 0; i < n->onnx->n_attrs; i++) {
        const char *name = n->onnx->attrs[i].name;
        bool known = find_attr(fn->attrs, fn->n_attrs, name) != NULL;
        for (int32_t k = 0; k < fn->n_attr_names; k++) known |= !strcmp(fn->attr_names[k], name);
        if (!known)
            whet_import_problem_add(n->imp, n, WHET_E_MODEL,
                                    "function %s has no attribute '%s'", fn->name, name);
    }
}

// ---- calls ----

static bool bind_inputs(const whet_import_node *n, whet_scope *scope,
                        const whet_onnx_function *fn) {
    for (int32_t i = 0; i < fn->n_in; i++) {
        whet_binding *b = whet_scope_put(n->imp, scope, fn->in[i]);
        if (!b) return false;
        bool named = i < n->onnx->n_in && *n->onnx->in[i];
        const whet_binding *from = named ? whet_scope_find(n->scope, n->onnx->in[i]) : NULL;
        b->defined = true;
        b->absent = !named || (from && from->absent);
        b->value = from ? from->value : NULL;
        b->list = from ? from->list : NULL;
    }
    return true;
}

static void bind_outputs(const whet_import_node *n, const whet_scope *scope,
                         const whet_onnx_function *fn) {
    for (int32_t i = 0; i < n->onnx->n_out; i++) {
        const char *name = n->onnx->out[i];
        if (!*name) continue;
        const whet_binding *b = i < fn->n_out ? whet_scope_find(scope, fn->out[i]) : NULL;
        if (i >= fn->n_out || !b || !(b->defined || b->node >= 0))
            whet_import_problem_add(n->imp, n, WHET_E_MODEL,
                                    "function %s does not define result %d", fn->name, i);
        whet_value *v = b ? b->value : NULL;
        const whet_binding *own = whet_scope_find(n->scope, name);
        if (b) whet_scope_rename(n->imp, n->scope, name, b);
        if (own) whet_import_compare(n->imp, n, v, own->info);
        whet_scope_define(n->imp, n->scope, name, v, b ? b->list : NULL);
    }
}

static bool is_active(const whet_scope *scope, const whet_onnx_function *fn) {
    for (; scope; scope = scope->caller)
        if (scope->fn == fn) return true;
    return false;
}

static bool may_call(const whet_import_node *n, const whet_onnx_function *fn) {
    whet_status status = WHET_E_MODEL;
    const char *text = NULL;
    if (is_active(n->scope, fn)) text = "function %s calls itself";
    else if (n->onnx->n_in > fn->n_in) text = "it has more inputs than function %s";
    else if (n->scope->depth + 1 > n->imp->max_depth) {
        status = WHET_E_LIMIT;
        text = "the call of function %s is nested too deeply";
    }
    if (!text) return true;
    whet_import_problem_add(n->imp, n, status, text, fn->name);
    for (int32_t i = 0; i < n->onnx->n_out; i++)
        if (*n->onnx->out[i]) whet_scope_define(n->imp, n->scope, n->onnx->out[i], NULL, NULL);
    return false;
}

void whet_import_function_call(whet_import_node *n, const whet_onnx_function *fn) {
    n->imp->n_calls++;
    if (!may_call(n, fn)) return;
    const char *prefix = whet_arena_printf(n->imp->arena, "%s/", n->name);
    whet_scope scope = {.caller = n->scope, .fn = fn, .call = n->onnx, .prefix = prefix,
                        .opsets = fn->opsets.n ? &fn->opsets : n->scope->opsets,
                        .graph = &fn->body, .depth = n->scope->depth + 1};
    if (!prefix) {
        whet_import_nomem(n->imp);
        return;
    }
    check_attrs(n, fn);
    if (!bind_inputs(n, &scope, fn) || !whet_scope_declare(n->imp, &scope)) return;
    whet_scope_order(n->imp, &scope);
    whet_import_nodes(n->imp, &scope);
    bind_outputs(n, &scope, fn);
}
