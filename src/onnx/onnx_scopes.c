// SPDX-License-Identifier: Apache-2.0
// Names: what they stand for in the model's graph or in a function's body, and unique ones.
#include <string.h>

#include "onnx/importer.h"

whet_binding *whet_scope_own(const whet_scope *scope, const char *name) {
    return whet_names_get(&scope->names, name);
}

whet_binding *whet_scope_find(const whet_scope *scope, const char *name) {
    for (; scope; scope = scope->outer) {
        whet_binding *b = whet_scope_own(scope, name);
        if (b) return b;
    }
    return NULL;
}

// Claims a name: the table's item counts the suffixes tried, so that many equal names stay cheap.
static whet_name_slot *claim(whet_importer *imp, whet_names *names, const char *name, bool *fresh) {
    whet_name_slot *slot = whet_names_put(names, imp->arena, name);
    *fresh = slot && !slot->item;
    if (*fresh) slot->item = WHET_NEW(imp->arena, int32_t);
    if (*fresh && imp->trials) {
        whet_import_claim c = {names, name};
        if (!WHET_ARENA_PUSH(imp->arena, imp->claims, imp->n_claims, imp->cap_claims, c))
            slot->item = NULL;
    }
    if (slot && slot->item) return slot;
    whet_import_nomem(imp);
    return NULL;
}

static const char *join(whet_importer *imp, const char *prefix, const char *name, int32_t k) {
    imp->text += (int64_t)(strlen(prefix) + strlen(name)) + 12;
    if (imp->text > imp->budget.max_text) {
        whet_import_limit(imp, "bytes of the names of all values", imp->budget.max_text);
        return NULL;
    }
    const char *text = k ? whet_arena_printf(imp->arena, "%s%s.%d", prefix, name, k)
                         : whet_arena_printf(imp->arena, "%s%s", prefix, name);
    if (!text) whet_import_nomem(imp);
    return text;
}

const char *whet_import_unique(whet_importer *imp, whet_names *names, const char *prefix,
                               const char *name) {
    bool fresh;
    const char *text = join(imp, prefix, name, 0);
    whet_name_slot *slot = text ? claim(imp, names, text, &fresh) : NULL;
    if (!slot || fresh) return slot ? text : NULL;
    int32_t *next = slot->item;
    do {
        text = join(imp, prefix, name, ++*next);
        if (!text || !claim(imp, names, text, &fresh)) return NULL;
    } while (!fresh);
    return text;
}

whet_binding *whet_scope_put(whet_importer *imp, whet_scope *scope, const char *name) {
    bool fresh;
    whet_name_slot *slot = whet_names_put(&scope->names, imp->arena, name);
    if (slot && !slot->item) {
        whet_binding *b = WHET_NEW(imp->arena, whet_binding);
        // names of the model's graph stay as they are
        if (!scope->caller && !claim(imp, &imp->value_names, name, &fresh)) return NULL;
        if (b) *b = (whet_binding){.name = name, .node = -1};
        slot->item = b;
    }
    if (!slot || !slot->item) whet_import_nomem(imp);
    return slot ? slot->item : NULL;
}

static bool declare_outputs(whet_importer *imp, whet_scope *scope, int32_t index) {
    const whet_onnx_node *node = &scope->graph->nodes[index];
    for (int32_t i = 0; i < node->n_out; i++) {
        if (!*node->out[i]) continue;
        whet_binding *b = whet_scope_put(imp, scope, node->out[i]);
        if (!b) return false;
        if (b->node >= 0 || b->defined)
            whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                    "'%s', a result of node '%s' (%s), is defined twice",
                                    node->out[i], whet_import_node_name(imp, node, index),
                                    node->op_type);
        b->node = index;
    }
    return true;
}

bool whet_scope_declare(whet_importer *imp, whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (!declare_outputs(imp, scope, i)) return false;
    for (int32_t i = 0; i < g->n_infos; i++) {
        whet_binding *b = whet_scope_put(imp, scope, g->infos[i].name);
        if (!b) return false;
        b->info = &g->infos[i];
    }
    return true;
}

void whet_scope_rename(whet_importer *imp, const whet_scope *scope, const char *name,
                       const whet_binding *from) {
    whet_value *v = from->value;
    if (scope->caller || !v || from->node < 0 || !v->producer || v->data) return;
    v->name = whet_arena_strdup(imp->graph->arena, name);
    if (v->name) return;
    v->name = "";
    whet_import_nomem(imp);
}

void whet_scope_define(whet_importer *imp, whet_scope *scope, const char *name, whet_value *v,
                       const whet_import_list *list) {
    whet_binding *b = whet_scope_put(imp, scope, name);
    if (!b) return;
    if (!v && !list && b->info) v = whet_import_stand_in(imp, b->info);
    b->value = v;
    b->list = list;
    b->defined = true;
}
