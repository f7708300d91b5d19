// SPDX-License-Identifier: Apache-2.0
// Control flow made small: captured constants go into the blocks, captures and results that nobody
// uses go away, what a loop carries but never changes becomes a capture, and an If whose condition
// is known becomes the branch taken.
#include <string.h>

#include "ir/link.h"
#include "ops/flow.h"
#include "pass/pass.h"

typedef struct {
    whet_node *n;
    whet_flow f;
    int32_t changed;
    bool retype; // a block knows more now
} flow_node;

// ---- lists without one element ----

static void drop_value(whet_value **v, int32_t *n, int32_t i) {
    memmove(&v[i], &v[i + 1], (size_t)(*n - i - 1) * sizeof *v);
    --*n;
}

static void drop_input(flow_node *x, int32_t i) { // of the node and its blocks; not its own ones
    whet_node *n = x->n;
    if (n->in[i]) n->in[i]->n_uses--;
    drop_value(n->in, &n->n_in, i);
    for (int32_t k = 0; k < n->n_subgraphs; k++)
        drop_value(n->subgraphs[k]->inputs, &n->subgraphs[k]->n_inputs,
                   x->f.block_in + i - x->f.own);
    x->changed++;
}

static bool drop_int(whet_node *n, whet_ints *ints, int32_t i) {
    if (!ints->v) return true;
    int64_t *v = whet_arena_memdup(n->graph->arena, ints->v, (size_t)ints->n * sizeof *v);
    if (!v) return false;
    memmove(&v[i], &v[i + 1], (size_t)(ints->n - i - 1) * sizeof *v);
    *ints = (whet_ints){v, ints->n - 1};
    return true;
}

// Result i of the node and what the blocks give for it.
static bool drop_output(flow_node *x, int32_t i) {
    whet_node *n = x->n;
    int32_t k = i - x->f.carried;
    if (k >= 0 && x->f.kind == WHET_FLOW_SCAN) {
        whet_flow_attrs *a = n->attrs;
        if (!drop_int(n, &a->out_axes, k) || !drop_int(n, &a->out_directions, k)) return false;
    }
    if (n->out[i]) n->out[i]->producer = NULL;
    drop_value(n->out, &n->n_out, i);
    for (int32_t b = 0; b < n->n_subgraphs; b++) {
        whet_graph *g = n->subgraphs[b];
        int32_t o = x->f.block_out + i;
        int32_t names = g->n_outputs;
        g->outputs[o]->n_uses--;
        drop_value(g->outputs, &g->n_outputs, o);
        memmove(&g->output_names[o], &g->output_names[o + 1],
                (size_t)(names - o - 1) * sizeof g->output_names[0]);
    }
    x->changed++;
    return true;
}

static whet_status count(flow_node *x, whet_error *err) {
    return whet_flow_of(x->n->op, x->n->attrs, x->n->n_in, x->n->n_out, &x->f, err);
}

// ---- captures ----

static whet_value *inner(const flow_node *x, int32_t block, int32_t i) {
    return x->n->subgraphs[block]->inputs[x->f.block_in + i - x->f.own];
}

static bool used_inside(const flow_node *x, int32_t i) {
    for (int32_t b = 0; b < x->n->n_subgraphs; b++)
        if (inner(x, b, i)->n_uses) return true;
    return false;
}

static int32_t captured_before(const flow_node *x, int32_t first, int32_t i) {
    for (int32_t k = first; k < i && k < first + 64; k++)
        if (x->n->in[k] == x->n->in[i]) return k;
    return -1;
}

static void tidy_captures(flow_node *x) {
    int32_t first = x->f.own + x->f.carried + x->f.scanned;
    for (int32_t i = x->n->n_in - 1; i >= first; i--) {
        whet_value *v = x->n->in[i];
        int32_t same = captured_before(x, first, i);
        for (int32_t b = 0; b < x->n->n_subgraphs && (v->data || same >= 0); b++)
            whet_value_replace(inner(x, b, i), v->data ? v : inner(x, b, same));
        x->retype = x->retype || v->data;
        if (!used_inside(x, i)) drop_input(x, i);
    }
}

// ---- results ----

static bool is_wanted(const whet_node *n, int32_t i) { return n->out[i] && n->out[i]->n_uses; }

// Carried value i leaves each iteration as it came.
static bool is_invariant(const flow_node *x, int32_t i) {
    const whet_graph *g = x->n->subgraphs[0];
    return !x->f.attrs->batched &&
           g->outputs[x->f.block_out + i] == g->inputs[x->f.block_in + i];
}

static bool tidy_carried(flow_node *x, whet_error *err) {
    for (int32_t i = x->f.carried - 1; i >= 0; i--) {
        whet_node *n = x->n;
        int32_t at = x->f.own + i;
        whet_graph *g = n->subgraphs[0];
        bool still = is_invariant(x, i);
        whet_value *v = n->in[at], *own = inner(x, 0, at);
        if (still && n->out[i]) whet_value_replace(n->out[i], v);
        bool unused = !is_wanted(n, i) && own->n_uses == 0;
        if (!still && !unused) continue;
        bool captured = still && own->n_uses > 1; // beside the result that goes away
        if (!drop_output(x, i)) return false;
        drop_input(x, at);
        ((whet_flow_attrs *)n->attrs)->carried--;
        if (captured && (!whet_node_add_input(n, v) || !whet_graph_add_input(g, own))) return false;
        if (count(x, err) != WHET_OK) return false;
    }
    return true;
}

static bool tidy_results(flow_node *x, whet_error *err) {
    for (int32_t i = x->n->n_out - 1; i >= x->f.carried && x->n->n_out > 1; i--)
        if (!is_wanted(x->n, i) && !drop_output(x, i)) return false;
    return x->f.kind == WHET_FLOW_IF || tidy_carried(x, err);
}

// ---- If with a known condition ----

// Values of the graph `from` that g's nodes read belong to `to` now.
static void rehome(whet_graph *g, const whet_graph *from, whet_graph *to) {
    WHET_FOR_NODES(g, n) {
        for (int32_t i = 0; i < n->n_in; i++)
            if (n->in[i] && n->in[i]->graph == from) n->in[i]->graph = to;
        for (int32_t i = 0; i < n->n_out; i++)
            if (n->out[i] && n->out[i]->graph == from) n->out[i]->graph = to;
        for (int32_t i = 0; i < n->n_subgraphs; i++) {
            if (n->subgraphs[i]->parent == from) n->subgraphs[i]->parent = to;
            rehome(n->subgraphs[i], from, to);
        }
    }
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i]->graph == from) g->outputs[i]->graph = to;
}

static void take_branch(whet_node *n, whet_graph *branch) {
    whet_graph *g = n->graph;
    for (int32_t i = 0; i < branch->n_inputs; i++)
        whet_value_replace(branch->inputs[i], n->in[i + 1]);
    rehome(branch, branch, g);
    while (branch->first) {
        whet_node *moved = branch->first;
        whet_node_unlink(moved);
        moved->graph = g;
        whet_node_link(moved, moved->recipe ? whet_graph_recipes_end(g) : n);
    }
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) whet_value_replace(n->out[i], branch->outputs[i]);
    whet_node_remove(n);
}

// ---- the walk ----

typedef struct {
    int32_t changed;
    bool inlined;
} counts;

static whet_status simplify(whet_node *n, counts *c, whet_error *err) {
    flow_node x = {.n = n};
    WHET_TRY(count(&x, err));
    const whet_tensor *cond = x.f.kind == WHET_FLOW_IF && n->in[0] ? n->in[0]->data : NULL;
    if (cond && whet_tensor_count(cond) == 1) {
        whet_value_decide(n->in[0]);
        take_branch(n, n->subgraphs[whet_load_i64(cond->data, cond->dtype, 0) ? 0 : 1]);
        c->changed++;
        c->inlined = true;
        return WHET_OK;
    }
    if (!tidy_results(&x, err)) return WHET_NOMEM(err);
    for (int32_t i = 0; x.changed && i < n->n_subgraphs; i++) whet_graph_sweep(n->subgraphs[i]);
    tidy_captures(&x);
    c->changed += x.changed;
    if (!x.retype) return WHET_OK;
    whet_error own = {0}; // a branch may be wrong for these numbers as long as it is not taken
    whet_status status = whet_graph_infer_node(n, &own);
    return status == WHET_E_NOMEM ? WHET_NOMEM(err) : WHET_OK;
}

static whet_status run_graph(whet_graph *g, counts *c, whet_error *err) {
    WHET_FOR_NODES_SAFE(g, n) {
        for (int32_t i = 0; i < n->n_subgraphs; i++) WHET_TRY(run_graph(n->subgraphs[i], c, err));
        if (n->n_subgraphs && whet_op_is_flow(n->op)) WHET_TRY(simplify(n, c, err));
    }
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    counts c = {0};
    WHET_TRY(run_graph(g, &c, err));
    *changed += c.changed;
    if (!c.changed) return WHET_OK;
    whet_graph_sweep(g);
    if (!c.inlined) return WHET_OK;
    whet_error own = {0};
    whet_status status = whet_graph_infer(g, &own); // what is wrong is said when it is exported
    return status == WHET_E_NOMEM ? WHET_NOMEM(err) : WHET_OK;
}

const whet_pass whet_pass_blocks = {
    .name = "blocks",
    .help = "takes known branches, puts constants into blocks, drops what nobody uses there",
    .run = run,
};
