// SPDX-License-Identifier: Apache-2.0
// Subgraphs of control flow become blocks: graphs that see nothing around them but constants. What
// else they use enters as an input behind their own ones (a capture), as it enters the node.
// The block of a loop is read for the types that enter it; where an iteration leaves others, it is
// read again for types that fit both, since what is made of a node may depend on them.
#include <string.h>

#include "engine/pgraph.h"
#include "onnx/importer.h"

// ---- captures ----

static uint32_t slot_of(const whet_import_captures *c, const whet_value *v) {
    uint32_t mask = (uint32_t)c->n_slots - 1;
    uint32_t i = (uint32_t)v->id * 2654435761u & mask;
    while (c->slots[i] && c->outer[c->slots[i] - 1] != v) i = (i + 1) & mask;
    return i;
}

static bool grow_slots(whet_importer *imp, whet_import_captures *c) {
    if (c->n * 2 < c->n_slots) return true;
    c->n_slots = c->n_slots ? c->n_slots * 2 : 16;
    c->slots = WHET_NEW_ARRAY(imp->arena, int32_t, c->n_slots);
    if (!c->slots) return whet_import_nomem(imp);
    for (int32_t i = 0; i < c->n; i++) c->slots[slot_of(c, c->outer[i])] = i + 1;
    return true;
}

// The place of v among the captures of a node; -1: out of memory.
static int32_t place_of(whet_importer *imp, whet_import_captures *c, whet_value *v) {
    if (!grow_slots(imp, c)) return -1;
    uint32_t i = slot_of(c, v);
    if (c->slots[i]) return c->slots[i] - 1;
    if (!WHET_ARENA_PUSH(imp->arena, c->outer, c->n, c->cap, v)) {
        whet_import_nomem(imp);
        return -1;
    }
    c->slots[i] = c->n;
    return c->n - 1;
}

whet_value *whet_import_block_input(whet_importer *imp, const whet_import_block *b,
                                    const char *name, const whet_type *type) {
    name = whet_import_unique(imp, &imp->value_names, b->prefix, name);
    whet_value *v = name ? whet_graph_value(b->graph, name) : NULL;
    if (!v || !whet_graph_add_input(b->graph, v)) {
        if (!imp->stopped) whet_import_nomem(imp);
        return NULL;
    }
    v->type = *type;
    v->type_set = WHET_DTYPE_BIT(type->dtype);
    return v;
}

// Inputs for the captures of the node up to number `n`.
static bool fill_inputs(whet_importer *imp, whet_import_block *b, int32_t n) {
    for (int32_t i = b->n_inner; i < n; i++) {
        const whet_value *outer = b->captures->outer[i];
        const char *name = *outer->name ? outer->name : "captured";
        const char *path = b->around ? b->around->prefix : "";
        if (!strncmp(name, path, strlen(path))) name += strlen(path); // of that block, not of both
        whet_value *v = whet_import_block_input(imp, b, name, &outer->type);
        if (!v) return false;
        if (!WHET_ARENA_PUSH(imp->arena, b->inner, b->n_inner, b->cap_inner, v))
            return whet_import_nomem(imp);
    }
    return true;
}

static whet_value *capture(whet_importer *imp, whet_import_block *b, whet_value *v) {
    if (!v || v->data || !b || v->graph == b->graph) return v;
    if (!b->around || v->graph != b->around->graph) v = capture(imp, b->around, v);
    int32_t i = v ? place_of(imp, b->captures, v) : -1;
    return i >= 0 && fill_inputs(imp, b, i + 1) ? b->inner[i] : NULL;
}

whet_value *whet_import_captured(whet_importer *imp, whet_value *v) {
    return capture(imp, imp->block, v);
}

const whet_import_list *whet_import_captured_list(whet_importer *imp,
                                                  const whet_import_list *list) {
    if (!list || !imp->block) return list;
    whet_import_list *own = whet_arena_memdup(imp->arena, list, sizeof *list);
    whet_value **v = WHET_NEW_ARRAY(imp->arena, whet_value *, list->n);
    if (!own || !v) return whet_import_nomem(imp), NULL;
    for (int32_t i = 0; i < list->n; i++) {
        v[i] = whet_import_captured(imp, list->v[i]);
        if (!v[i]) return NULL;
    }
    own->v = v;
    own->inner = whet_import_captured_list(imp, list->inner);
    return own->inner || !list->inner ? own : NULL;
}

// ---- one reading of a block ----

static bool bind_inputs(whet_import_node *n, whet_import_block *b, whet_scope *scope,
                        const whet_type *types, int32_t n_types) {
    const whet_onnx_graph *g = scope->graph;
    if (g->n_inputs != n_types) {
        whet_import_fail(n, WHET_E_MODEL, "its subgraph has %d inputs, not %d", g->n_inputs,
                         n_types);
        return false;
    }
    for (int32_t i = 0; i < n_types; i++) {
        whet_binding *own = whet_scope_put(n->imp, scope, g->inputs[i].name);
        if (!own) return false;
        if (own->defined) {
            whet_import_fail(n, WHET_E_MODEL, "input '%s' of its subgraph is there twice",
                             g->inputs[i].name);
            return false;
        }
        own->value = whet_import_block_input(n->imp, b, g->inputs[i].name, &types[i]);
        own->defined = true;
        if (!own->value) return false;
    }
    return true;
}

whet_value *whet_import_block_result(whet_import_node *n, whet_import_block *b,
                                     const whet_scope *scope, int32_t i) {
    const whet_onnx_graph *g = scope->graph;
    const char *name = i < g->n_outputs ? g->outputs[i].name : "";
    const whet_binding *own = *name ? whet_scope_find(scope, name) : NULL;
    if (!own || !(own->defined || own->node >= 0)) {
        whet_import_fail(n, WHET_E_MODEL, "its subgraph does not define result %d", i);
        return NULL;
    }
    whet_value *v = own->value ? capture(n->imp, b, own->value) : NULL;
    if (own->list) {
        n->n_emitted++; // the node's name is not for what makes the list a value
        const whet_import_list *list = whet_import_captured_list(n->imp, own->list);
        v = list ? whet_import_list_value(n, list) : NULL;
    }
    if (!v) n->failed = true; // for a reason already reported
    return v;
}

static bool take_outputs(whet_import_node *n, whet_import_block *b, const whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const char *name = g->outputs[i].name;
        whet_value *v = whet_import_block_result(n, b, scope, i);
        if (!v) return false;
        if (!whet_graph_add_output(b->graph, v, *v->name ? v->name : name))
            return whet_import_nomem(n->imp);
    }
    return true;
}

bool whet_import_block_read(whet_import_node *n, const whet_onnx_graph *g, const char *name,
                            const whet_type *types, int32_t n_types, whet_import_block *b) {
    whet_importer *imp = n->imp;
    const whet_scope *around = n->scope;
    b->prefix = whet_arena_printf(imp->arena, "%s/%s/", n->name, name);
    b->graph = whet_graph_sub(imp->graph, name);
    b->around = imp->block;
    if (!b->prefix || !b->graph) return whet_import_nomem(imp);
    n->read = true;
    whet_scope scope = {.caller = n->scope, .outer = around, .fn = around->fn,
                        .call = around->call, .prefix = b->prefix, .opsets = around->opsets,
                        .graph = g, .depth = around->depth + 1};
    whet_graph *outside = imp->graph;
    imp->block = b;
    imp->graph = b->graph;
    whet_import_constants(imp, &scope);
    bool good = !imp->stopped &&
                (b->enter ? b->enter(n, b, &scope) : bind_inputs(n, b, &scope, types, n_types)) &&
                whet_scope_declare(imp, &scope);
    if (good) {
        whet_scope_order(imp, &scope);
        whet_import_nodes(imp, &scope);
        good = !imp->stopped &&
               (b->leave ? b->leave(n, b, &scope) : take_outputs(n, b, &scope));
    }
    imp->graph = outside;
    imp->block = b->around;
    return good;
}

bool whet_import_block_parse(whet_import_node *n, const char *attr, whet_onnx_graph *g) {
    whet_importer *imp = n->imp;
    const whet_onnx_attr *a = whet_import_attr_of(n, attr, WHET_ONNX_GRAPH);
    if (!a || !a->g.data) {
        whet_import_fail(n, WHET_E_MODEL, "the required attribute '%s' is missing", attr);
        return false;
    }
    if (n->scope->depth + 1 > imp->max_depth) {
        whet_import_limit(imp, "levels of subgraphs", imp->max_depth);
        return false;
    }
    int32_t depth = 0;
    for (const whet_import_block *b = imp->block; b; b = b->around) depth++;
    if (depth >= WHET_PGRAPH_MAX_DEPTH) {
        whet_import_limit(imp, "blocks in one another", WHET_PGRAPH_MAX_DEPTH);
        return false;
    }
    return whet_import_graph_read(imp, a->g, g);
}

bool whet_import_block_complete(whet_import_node *n, whet_import_block *b) {
    return fill_inputs(n->imp, b, b->captures->n);
}

// ---- readings that are taken back ----

whet_import_mark whet_import_mark_set(whet_importer *imp) {
    imp->trials++;
    return (whet_import_mark){imp->import->n_problems, imp->n_claims, imp->import->n_found,
                              imp->n_visited, imp->n_calls};
}

// Names given since the mark are free again, problems are forgotten.
void whet_import_mark_undo(whet_importer *imp, const whet_import_mark *m) {
    for (int32_t i = m->n_claims; i < imp->n_claims; i++) {
        whet_name_slot *slot =
            whet_names_put(imp->claims[i].names, imp->arena, imp->claims[i].name);
        if (slot) slot->item = NULL;
    }
    imp->n_claims = m->n_claims;
    imp->import->n_problems = m->n_problems;
    imp->import->n_found = m->n_found;
    imp->n_wasted += imp->n_visited - m->n_visited - (imp->n_calls - m->n_calls);
}

void whet_import_mark_end(whet_importer *imp) {
    if (!--imp->trials) imp->n_claims = 0;
}
