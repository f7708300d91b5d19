// SPDX-License-Identifier: Apache-2.0
#include "build/export.h"

#include <string.h>

typedef struct {
    const whet_graph *from;
    whet_pgraph *to;
    int32_t *id; // [from values] id in `to`, -1: not needed
    whet_error *err;
} exporter;

// Dimensions are moved between pools through their text.
static whet_status move_dim(exporter *x, whet_dim d, whet_dim *out) {
    *out = d;
    if (whet_dim_is_const(d)) return WHET_OK;
    whet_str s;
    whet_str_init(&s);
    whet_dim_print(x->from->dims, d, &s);
    const char *text = whet_str_text(&s);
    whet_status status = whet_dim_parse(x->to->dims, &text, out, x->err);
    whet_str_fini(&s);
    return status;
}

static whet_status add_value(exporter *x, const whet_value *v, whet_pvalue_kind kind) {
    if (x->id[v->id] >= 0) return WHET_OK;
    whet_pgraph *g = x->to;
    whet_pvalue *p = &g->values[g->n_values];
    x->id[v->id] = g->n_values++;
    p->name = whet_arena_strdup(&g->arena, v->name && *v->name ? v->name : "");
    if (!p->name) return WHET_NOMEM(x->err);
    if (!*p->name) p->name = whet_arena_printf(&g->arena, "%%%d", v->id);
    p->kind = kind;
    p->node = -1;
    p->type_set = v->type_set;
    p->type = v->type;
    p->type.value = NULL;
    if (v->data) p->data = v->data->data;
    for (int32_t d = 0; d < p->type.rank; d++) {
        WHET_TRY(move_dim(x, v->type.dims[d], &p->type.dims[d]));
        if (v->dim_names[d]) p->dim_names[d] = whet_arena_strdup(&g->arena, v->dim_names[d]);
    }
    return p->name ? WHET_OK : WHET_NOMEM(x->err);
}

static whet_status add_node(exporter *x, const whet_node *n) {
    whet_pgraph *g = x->to;
    if (n->n_subgraphs)
        WHET_FAIL(x->err, WHET_E_UNSUPPORTED, "%s: control flow (%s) is not supported", n->name,
                  n->op->name);
    whet_pnode *p = &g->nodes[g->n_nodes++];
    *p = (whet_pnode){.op = n->op, .n_in = n->n_in, .n_out = n->n_out, .recipe = n->recipe};
    p->name = whet_arena_strdup(&g->arena, n->name ? n->name : n->op->name);
    p->origin = whet_arena_strdup(&g->arena, n->origin ? n->origin : p->name);
    p->attrs = whet_op_attr_copy(n->op, n->attrs, &g->arena);
    p->in = WHET_NEW_ARRAY(&g->arena, int32_t, n->n_in);
    p->out = WHET_NEW_ARRAY(&g->arena, int32_t, n->n_out);
    if (!p->name || !p->origin || !p->attrs || !p->in || !p->out) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n->n_in; i++) {
        p->in[i] = -1;
        if (!n->in[i]) continue;
        if (!n->in[i]->producer && n->in[i]->data)
            WHET_TRY(add_value(x, n->in[i], WHET_PVALUE_SOURCE));
        p->in[i] = x->id[n->in[i]->id];
        if (p->in[i] < 0)
            WHET_FAIL(x->err, WHET_E_INTERNAL, "%s: input %d is made after it", n->name, i);
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        p->out[i] = -1;
        if (!n->out[i] || (!n->out[i]->n_uses && !n->recipe)) continue;
        WHET_TRY(add_value(x, n->out[i], n->recipe ? WHET_PVALUE_DERIVED : WHET_PVALUE_NODE));
        p->out[i] = x->id[n->out[i]->id];
        g->values[p->out[i]].node = g->n_nodes - 1;
    }
    return WHET_OK;
}

static whet_status export_all(exporter *x) {
    const whet_graph *g = x->from;
    whet_pgraph *to = x->to;
    int32_t n_nodes = 0;
    WHET_FOR_NODES(g, n) n_nodes++;
    to->values = WHET_NEW_ARRAY(&to->arena, whet_pvalue, g->root->n_values + 1);
    to->nodes = WHET_NEW_ARRAY(&to->arena, whet_pnode, n_nodes + 1);
    to->inputs = WHET_NEW_ARRAY(&to->arena, int32_t, g->n_inputs + 1);
    to->outputs = WHET_NEW_ARRAY(&to->arena, int32_t, g->n_outputs + 1);
    to->output_names = WHET_NEW_ARRAY(&to->arena, const char *, g->n_outputs + 1);
    x->id = WHET_NEW_ARRAY(&to->arena, int32_t, g->root->n_values + 1);
    to->name = whet_arena_strdup(&to->arena, g->name ? g->name : "");
    if (!to->values || !to->nodes || !to->inputs || !to->outputs || !to->output_names || !x->id ||
        !to->name)
        return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < g->root->n_values; i++) x->id[i] = -1;
    to->imported_nodes = g->n_imported_nodes;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        if (g->inputs[i]->type.rank < 0)
            WHET_FAIL(x->err, WHET_E_UNSUPPORTED,
                      "input \"%s\" has no rank in the model: fix its shape (--shapes=%s:...)",
                      g->inputs[i]->name, g->inputs[i]->name);
        WHET_TRY(add_value(x, g->inputs[i], WHET_PVALUE_INPUT));
        to->inputs[to->n_inputs++] = x->id[g->inputs[i]->id];
    }
    WHET_FOR_NODES(g, n) WHET_TRY(add_node(x, n));
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const whet_value *v = g->outputs[i];
        if (!v->producer && v->data) WHET_TRY(add_value(x, v, WHET_PVALUE_SOURCE));
        if (x->id[v->id] < 0)
            WHET_FAIL(x->err, WHET_E_INTERNAL, "output \"%s\" has no producer", g->output_names[i]);
        to->outputs[i] = x->id[v->id];
        to->output_names[i] = whet_arena_strdup(&to->arena, g->output_names[i]);
        if (!to->output_names[i]) return WHET_NOMEM(x->err);
        to->n_outputs++;
    }
    return whet_pgraph_infer(to, x->err);
}

whet_status whet_export_graph(const whet_graph *g, whet_pgraph **out, whet_error *err) {
    exporter x = {.from = g, .to = whet_pgraph_create(), .err = err};
    if (!x.to) return WHET_NOMEM(err);
    whet_status status = export_all(&x);
    if (status != WHET_OK) {
        whet_pgraph_destroy(x.to);
        return status;
    }
    *out = x.to;
    return WHET_OK;
}
