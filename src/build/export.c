// SPDX-License-Identifier: Apache-2.0
#include "build/export.h"

#include <string.h>

// One graph on its way; blocks are exported with their node.
typedef struct level {
    const whet_graph *from;
    whet_pgraph *to;
    struct level *around;
    const char *path; // of a block, the beginning of its nodes' names
    int32_t cap_values;
    // constants: open addressing over ids of values, as each level numbers them anew
    struct {
        int32_t key, id; // key: id of the value + 1
    } *slots;
    int32_t n_slots, n_used;
} level;

typedef struct {
    int32_t *id; // [from values] id in its own graph, -1: not there yet; not of constants
    whet_arena scratch;
    whet_error *err;
} exporter;

// Dimensions are moved between pools through their text.
static whet_status move_dim(exporter *x, const level *l, whet_dim d, whet_dim *out) {
    *out = d;
    if (whet_dim_is_const(d)) return WHET_OK;
    whet_str s;
    whet_str_init(&s);
    whet_dim_print(l->from->dims, d, &s);
    const char *text = whet_str_text(&s);
    whet_status status = whet_dim_parse(l->to->dims, &text, out, x->err);
    whet_str_fini(&s);
    return status;
}

// ---- values ----

static whet_status add_value(exporter *x, level *l, const whet_value *v, whet_pvalue_kind kind,
                             int32_t *id) {
    whet_pgraph *g = l->to;
    whet_pvalue empty = {.kind = kind, .node = -1, .type_set = v->type_set, .type = v->type};
    if (!WHET_ARENA_PUSH(&g->arena, g->values, g->n_values, l->cap_values, empty))
        return WHET_NOMEM(x->err);
    *id = g->n_values - 1;
    whet_pvalue *p = &g->values[*id];
    p->name = *v->name ? whet_arena_strdup(&g->arena, v->name)
                       : whet_arena_printf(&g->arena, "%%%d", v->id);
    p->type.value = NULL;
    if (v->data) p->data = v->data->data;
    for (int32_t d = 0; d < p->type.rank; d++) {
        WHET_TRY(move_dim(x, l, v->type.dims[d], &p->type.dims[d]));
        if (v->dim_names[d]) p->dim_names[d] = whet_arena_strdup(&g->arena, v->dim_names[d]);
    }
    return p->name ? WHET_OK : WHET_NOMEM(x->err);
}

static int32_t find_slot(const level *l, int32_t key) {
    int32_t i = (int32_t)((uint32_t)key * 2654435761u & (uint32_t)(l->n_slots - 1));
    while (l->slots[i].key && l->slots[i].key != key) i = (i + 1) & (l->n_slots - 1);
    return i;
}

static bool grow_slots(exporter *x, level *l) {
    level old = *l;
    if (l->n_used * 2 < l->n_slots) return true;
    l->n_slots = l->n_slots ? l->n_slots * 2 : 16;
    l->slots = whet_arena_array(&x->scratch, (size_t)l->n_slots, sizeof *l->slots);
    if (!l->slots) return false;
    for (int32_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].key) l->slots[find_slot(l, old.slots[i].key)] = old.slots[i];
    return true;
}

// The id of a constant, which may lie in a graph around this one.
static whet_status constant_id(exporter *x, level *l, const whet_value *v, int32_t *id) {
    if (!grow_slots(x, l)) return WHET_NOMEM(x->err);
    int32_t slot = find_slot(l, v->id + 1), outer = 0;
    if (l->slots[slot].key) {
        *id = l->slots[slot].id;
        return WHET_OK;
    }
    whet_pvalue_kind kind = v->producer ? WHET_PVALUE_DERIVED : WHET_PVALUE_SOURCE;
    if (v->graph != l->from) {
        if (!l->around)
            WHET_FAIL(x->err, WHET_E_INTERNAL, "constant \"%s\" is in no graph around", v->name);
        WHET_TRY(constant_id(x, l->around, v, &outer));
        kind = WHET_PVALUE_OUTER;
    }
    WHET_TRY(add_value(x, l, v, kind, id));
    l->to->values[*id].outer = outer;
    l->slots[slot].key = v->id + 1;
    l->slots[slot].id = *id;
    l->n_used++;
    return WHET_OK;
}

static whet_status value_id(exporter *x, level *l, const whet_value *v, int32_t *id) {
    if (v->data) return constant_id(x, l, v, id);
    *id = v->graph == l->from ? x->id[v->id] : -1;
    if (*id < 0)
        WHET_FAIL(x->err, WHET_E_INTERNAL, "value \"%s\" is not made before its use", v->name);
    return WHET_OK;
}

// ---- nodes ----

static whet_status export_level(exporter *x, level *l);

static whet_status add_blocks(exporter *x, level *l, const whet_node *n, whet_pnode *p) {
    p->first_block = l->to->n_blocks;
    p->n_blocks = n->n_subgraphs;
    if (n->n_subgraphs && l->to->depth == WHET_PGRAPH_MAX_DEPTH)
        WHET_FAIL(x->err, WHET_E_LIMIT, "%s: blocks nested deeper than %d", n->name,
                  WHET_PGRAPH_MAX_DEPTH);
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        level block = {.from = n->subgraphs[i], .to = whet_pgraph_block(l->to), .around = l,
                       .path = whet_arena_printf(&x->scratch, "%s/", p->name)};
        if (!block.to || !block.path) return WHET_NOMEM(x->err);
        WHET_TRY(export_level(x, &block));
    }
    return WHET_OK;
}

// In a block the node's path is the beginning of its name.
static const char *node_name(const level *l, const whet_node *n) {
    if (!strncmp(n->name, l->path, strlen(l->path)))
        return whet_arena_strdup(&l->to->arena, n->name);
    return whet_arena_printf(&l->to->arena, "%s%s", l->path, n->name);
}

static whet_status add_node(exporter *x, level *l, const whet_node *n) {
    whet_pgraph *g = l->to;
    int32_t index = g->n_nodes++;
    whet_pnode p = {.op = n->op, .n_in = n->n_in, .n_out = n->n_out, .recipe = n->recipe,
                    .demand = n->demand};
    p.name = node_name(l, n);
    p.origin = whet_arena_strdup(&g->arena, n->origin ? n->origin : n->name);
    p.attrs = whet_op_attr_copy(n->op, n->attrs, &g->arena);
    p.in = WHET_NEW_ARRAY(&g->arena, int32_t, n->n_in);
    p.out = WHET_NEW_ARRAY(&g->arena, int32_t, n->n_out);
    if (!p.name || !p.origin || !p.attrs || !p.in || !p.out) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n->n_in; i++) {
        p.in[i] = -1;
        if (n->in[i]) WHET_TRY(value_id(x, l, n->in[i], &p.in[i]));
    }
    WHET_TRY(add_blocks(x, l, n, &p));
    for (int32_t i = 0; i < n->n_out; i++) {
        const whet_value *v = n->out[i];
        p.out[i] = -1;
        if (!v || (!v->n_uses && !n->recipe)) continue;
        if (v->data) WHET_TRY(constant_id(x, l, v, &p.out[i]));
        else WHET_TRY(add_value(x, l, v, WHET_PVALUE_NODE, &x->id[v->id]));
        if (!v->data) p.out[i] = x->id[v->id];
        g->values[p.out[i]].node = index;
    }
    g->nodes[index] = p;
    return WHET_OK;
}

// ---- graphs ----

static whet_status add_inputs(exporter *x, level *l) {
    const whet_graph *g = l->from;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        if (g->inputs[i]->type.rank < 0 && !l->around)
            WHET_FAIL(x->err, WHET_E_UNSUPPORTED,
                      "input \"%s\" has no rank in the model: fix its shape (--shapes=%s:...)",
                      g->inputs[i]->name, g->inputs[i]->name);
        WHET_TRY(add_value(x, l, g->inputs[i], WHET_PVALUE_INPUT, &x->id[g->inputs[i]->id]));
        l->to->inputs[l->to->n_inputs++] = x->id[g->inputs[i]->id];
    }
    return WHET_OK;
}

static whet_status add_outputs(exporter *x, level *l) {
    const whet_graph *g = l->from;
    whet_pgraph *to = l->to;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        WHET_TRY(value_id(x, l, g->outputs[i], &to->outputs[i]));
        to->output_names[i] = whet_arena_strdup(&to->arena, g->output_names[i]);
        if (!to->output_names[i]) return WHET_NOMEM(x->err);
        to->n_outputs++;
    }
    return WHET_OK;
}

static whet_status export_level(exporter *x, level *l) {
    const whet_graph *g = l->from;
    whet_pgraph *to = l->to;
    int32_t n_nodes = 0;
    WHET_FOR_NODES(g, n) n_nodes++;
    to->nodes = WHET_NEW_ARRAY(&to->arena, whet_pnode, n_nodes + 1);
    to->inputs = WHET_NEW_ARRAY(&to->arena, int32_t, g->n_inputs + 1);
    to->outputs = WHET_NEW_ARRAY(&to->arena, int32_t, g->n_outputs + 1);
    to->output_names = WHET_NEW_ARRAY(&to->arena, const char *, g->n_outputs + 1);
    to->name = whet_arena_strdup(&to->arena, g->name ? g->name : "");
    if (!to->nodes || !to->inputs || !to->outputs || !to->output_names || !to->name)
        return WHET_NOMEM(x->err);
    to->imported_nodes = g->n_imported_nodes;
    WHET_TRY(add_inputs(x, l));
    WHET_FOR_NODES(g, n) WHET_TRY(add_node(x, l, n));
    return add_outputs(x, l);
}

whet_status whet_export_graph(const whet_graph *g, whet_pgraph **out, whet_error *err) {
    exporter x = {.err = err};
    level root = {.from = g, .to = whet_pgraph_create(), .path = ""};
    if (!root.to) return WHET_NOMEM(err);
    whet_arena_init(&x.scratch);
    x.id = WHET_NEW_ARRAY(&x.scratch, int32_t, g->root->n_values + 1);
    whet_status status = x.id ? WHET_OK : WHET_NOMEM(err);
    for (int32_t i = 0; x.id && i < g->root->n_values; i++) x.id[i] = -1;
    if (status == WHET_OK) status = export_level(&x, &root);
    if (status == WHET_OK) status = whet_pgraph_infer(root.to, err);
    whet_arena_fini(&x.scratch);
    if (status != WHET_OK) {
        whet_pgraph_destroy(root.to);
        return status;
    }
    *out = root.to;
    return WHET_OK;
}
