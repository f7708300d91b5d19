// SPDX-License-Identifier: Apache-2.0
// Gradient (domain ai.onnx.preview.training): derivatives of a value by values before it, as nodes
// behind those that made it. Nodes are visited from the last to the first; each hands the gradient
// of its result on to its inputs, by a rule of its operator (gradient_rules.c).
#include <string.h>

#include "onnx/gradient.h"

static bool is_real(const whet_value *v) { return WHET_DTYPES_FLOAT >> v->type.dtype & 1; }

whet_value *whet_gradient_fill(whet_tape *t, whet_value *like, double v) {
    whet_import_node *n = t->n;
    return whet_import_emit(
        n, "expand", NULL,
        WHET_VALUES(whet_import_scalar(n, like->type.dtype, v),
                    whet_import_emit(n, "shape", NULL, WHET_VALUES(like))));
}

static whet_value *sum_over(whet_tape *t, whet_value *g, const int64_t *axes, int32_t count,
                            bool keep) {
    if (!count) return g;
    return whet_import_emit(t->n, "reduce_sum", WHET_SETS({"keepdims", .number = keep}),
                            WHET_VALUES(g, whet_import_i64(t->n, axes, count)));
}

// Sums over the dimensions that were repeated to make v as large as g.
static whet_value *unbroadcast(whet_tape *t, whet_value *g, const whet_value *v) {
    int64_t axes[WHET_MAX_RANK];
    int32_t count = 0, lead = g->type.rank - v->type.rank;
    if (g->type.rank < 0 || v->type.rank < 0 || lead < 0) {
        whet_import_fail(t->n, WHET_E_UNSUPPORTED, "the shapes of what it differentiates must be "
                                                   "known");
        return NULL;
    }
    for (int32_t i = 0; i < lead; i++) axes[i] = i;
    g = sum_over(t, g, axes, lead, false);
    for (int32_t i = 0; g && i < v->type.rank; i++) {
        whet_dim from = v->type.dims[i], to = g->type.dims[i];
        if (from == to || (whet_dim_is_const(from) && from != 1)) continue;
        if (from == 1) axes[count++] = i;
        else
            whet_import_fail(t->n, WHET_E_UNSUPPORTED,
                             "whether dimension %d of '%s' is repeated must be known", (int)i,
                             v->name);
    }
    return t->n->failed ? NULL : sum_over(t, g, axes, count, true);
}

void whet_gradient_push(whet_tape *t, const whet_value *v, whet_value *g) {
    if (!v || t->n->failed || v->id >= t->n_values || !t->depends[v->id]) return;
    g = unbroadcast(t, g, v);
    whet_value **sum = &t->gradients[v->id];
    *sum = *sum && g ? whet_import_emit(t->n, "add", NULL, WHET_VALUES(*sum, g)) : g;
}

// ---- what is differentiated ----

// The value of a name here; NULL and a problem when it has none.
static whet_value *value_of(whet_import_node *n, whet_span name) {
    const char *text = whet_arena_strndup(n->imp->arena, (const char *)name.data, name.size);
    const whet_binding *b = text ? whet_scope_find(n->scope, text) : NULL;
    whet_value *v = b ? whet_import_captured(n->imp, b->value) : NULL;
    if (!text) whet_import_nomem(n->imp);
    else if (!v)
        whet_import_fail(n, WHET_E_MODEL, "'%s' is no tensor made before it", text);
    return v;
}

// Marks the values that stand at names of the list, which the node's inputs must be.
static bool take_inputs(whet_tape *t, const whet_onnx_attr *list, int32_t first, bool depends) {
    whet_import_node *n = t->n;
    for (int32_t i = 0; list && i < list->n_strings; i++) {
        whet_value *v = value_of(n, list->strings[i]);
        if (!v) return false;
        if (whet_import_in(n, first + i) != v) {
            whet_import_fail(n, WHET_E_UNSUPPORTED,
                             "input %d is not the tensor '%s' that is differentiated by",
                             (int)(first + i), v->name);
            return false;
        }
        if (depends && !is_real(v)) {
            whet_import_fail(n, WHET_E_DTYPE, "'%s' has no real numbers", v->name);
            return false;
        }
        t->leaf[v->id] = true;
        t->depends[v->id] = depends;
    }
    return true;
}

// Gradients of gradients grow fast: what they take counts as nodes of the model do.
static bool count_work(whet_import_node *n, int64_t work) {
    whet_importer *imp = n->imp;
    imp->n_visited += work;
    imp->n_wasted += work;
    if (imp->n_visited <= imp->budget.max_nodes) return true;
    whet_import_limit(imp, "nodes, those of gradients too", imp->budget.max_nodes);
    n->failed = true;
    return false;
}

static bool open_tape(whet_tape *t, whet_import_node *n) {
    const whet_graph *g = n->imp->graph;
    *t = (whet_tape){.n = n, .n_values = g->root->n_values};
    if (!count_work(n, t->n_values / 8)) return false;
    t->depends = WHET_NEW_ARRAY(n->imp->arena, bool, t->n_values);
    t->leaf = WHET_NEW_ARRAY(n->imp->arena, bool, t->n_values);
    t->gradients = WHET_NEW_ARRAY(n->imp->arena, whet_value *, t->n_values);
    if (!t->depends || !t->leaf || !t->gradients) return whet_import_nomem(n->imp);
    return true;
}

// What follows from the independent values. Integers and truth values have no gradients.
static void spread(whet_tape *t, const whet_graph *g) {
    for (const whet_node *f = g->first; f; f = f->next) {
        bool any = false;
        for (int32_t i = 0; i < f->n_in; i++) any |= f->in[i] && t->depends[f->in[i]->id];
        for (int32_t i = 0; i < f->n_out && any; i++)
            if (f->out[i] && !t->leaf[f->out[i]->id] && is_real(f->out[i]))
                t->depends[f->out[i]->id] = true;
    }
}

static void visit(whet_tape *t, whet_node *f) {
    for (int32_t i = 0; i < f->n_out; i++) {
        const whet_value *v = f->out[i];
        if (!v || v->id >= t->n_values || t->leaf[v->id] || !t->gradients[v->id]) continue;
        whet_gradient_rule rule = i ? NULL : whet_gradient_rule_find(f->op->name);
        if (rule && count_work(t->n, 8)) rule(t, f, t->gradients[v->id]);
        else if (!rule)
            whet_import_fail(t->n, WHET_E_UNSUPPORTED,
                             "the derivative of %s (node '%s') is not supported", f->op->name,
                             f->name);
    }
}

void whet_import_gradient(whet_import_node *n) {
    const whet_onnx_attr *xs = whet_import_attr_of(n, "xs", WHET_ONNX_STRINGS);
    const whet_onnx_attr *zs = whet_import_attr_of(n, "zs", WHET_ONNX_STRINGS);
    const whet_onnx_attr *name = whet_import_attr_of(n, "y", WHET_ONNX_STRING);
    whet_tape t;
    if (n->failed) return;
    if (!xs || !name) {
        whet_import_fail(n, WHET_E_MODEL, "xs and y are required");
        return;
    }
    whet_value *y = value_of(n, name->s);
    if (!y || !open_tape(&t, n) || !take_inputs(&t, xs, 0, true) ||
        !take_inputs(&t, zs, xs->n_strings, false))
        return;
    whet_graph *g = n->imp->graph;
    whet_node *last = g->last;
    spread(&t, g);
    whet_gradient_push(&t, y, t.depends[y->id] ? whet_gradient_fill(&t, y, 1) : NULL);
    for (whet_node *f = last; f && !n->failed; f = f->prev) visit(&t, f);
    for (int32_t i = 0; i < xs->n_strings && !n->failed; i++) {
        whet_value *x = n->in[i], *made = t.gradients[x->id];
        if (whet_import_wants(n, i))
            whet_import_result(n, i, made ? made : whet_gradient_fill(&t, x, 0));
    }
}
