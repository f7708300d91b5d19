// SPDX-License-Identifier: Apache-2.0
// The first part of a network that treats the images of a batch alike runs for one or two images
// after the other, as the block of a Scan: what one layer makes is still in a near cache when the
// next one reads it, while a whole batch of it would go to memory and back. Weights are read more
// often instead, so the part ends where that costs more. What the costs are is guessed from sizes.
//
//   x [n,...] -> reshape [n/b, b,...] -> scan { the part, for b images } -> reshape [n,...]
#include "ir/link.h"
#include "ops/flow.h"
#include "pass/match.h"
#include "pass/pass.h"

#define GAIN_MIN 3e-4 // seconds saved that are worth it
#define STEP_COST 5e-7 // of one more step of an iteration

typedef struct {
    whet_graph *g;
    whet_arena arena;
    int64_t n;             // images
    int64_t b;             // of them at once
    int32_t n_values;
    bool *split;           // by value id: a slice of it an image, made in the part or an input
    whet_node **nodes;     // that can be in the part, in order
    int32_t n_nodes, cap_nodes;
    int32_t *made, *used;  // by value id: index in nodes; the last user's, INT32_MAX: outside
    whet_value **in, **out; // of the part
    int32_t n_in, n_out;
} split;

// ---- what treats images alike ----

static bool is_batch(const split *s, const whet_value *v) {
    const whet_type *t = &v->type;
    if (t->dtype != WHET_DTYPE_F32 || t->rank < 2 || v->data) return false;
    for (int32_t i = 0; i < t->rank; i++)
        if (!whet_dim_is_const(t->dims[i]) || t->dims[i] < 1) return false;
    return t->dims[0] == s->n;
}

static bool is_part(const split *s, const whet_value *v) {
    return v && v->id < s->n_values && s->split[v->id];
}

// A constant (or nothing) that has no images when it meets a tensor of `rank` dimensions.
static bool is_shared(const whet_value *v, int32_t rank) {
    if (!v) return true;
    return v->data && (v->type.rank < rank || (v->type.rank == rank && v->type.dims[0] == 1));
}

static bool rest_constant(const whet_node *n, int32_t from) {
    for (int32_t i = from; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data) return false;
    return true;
}

static bool all_split(const split *s, const whet_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (!is_part(s, n->in[i])) return false;
    return true;
}

static bool pointwise_splits(const split *s, const whet_node *n) {
    bool any = false;
    int32_t rank = n->out[0]->type.rank;
    for (int32_t i = 0; i < n->n_in; i++) {
        bool part = is_part(s, n->in[i]) && n->in[i]->type.rank == rank;
        if (!part && !is_shared(n->in[i], rank)) return false;
        any = any || part;
    }
    return any;
}

// Operators whose first input alone has images, in dimension 0, whatever their attributes.
static bool is_spatial(const whet_op *op) {
    const whet_op *const ops[] = {
        &whet_op_conv, &whet_op_conv_transpose, &whet_op_max_pool, &whet_op_average_pool,
        &whet_op_global_average_pool, &whet_op_global_max_pool, &whet_op_lrn,
        &whet_op_instance_norm, &whet_op_group_norm,
    };
    for (int32_t i = 0; i < WHET_COUNT(ops); i++)
        if (ops[i] == op) return true;
    return false;
}

// Views that keep dimension 0: the caller has seen that it has the same size before and after.
static bool is_view(const whet_op *op) {
    return op == &whet_op_reshape || op == &whet_op_flatten || op == &whet_op_squeeze ||
           op == &whet_op_unsqueeze;
}

static bool product_splits(const whet_node *n) {
    if (whet_is(n, &whet_op_gemm))
        return !((const whet_gemm_attrs *)n->attrs)->trans_a && is_shared(whet_input(n, 2), 2);
    return !((const whet_matmul_attrs *)n->attrs)->trans_a && n->in[1]->type.rank == 2;
}

static bool node_splits(const split *s, const whet_node *n) {
    const whet_op *op = n->op;
    if (n->recipe || n->n_subgraphs || op->flags & (WHET_OP_IMPURE | WHET_OP_DYNAMIC_OUT))
        return false;
    if (n->n_out < 1 || !n->out[0] || !is_batch(s, n->out[0])) return false;
    for (int32_t i = 1; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->n_uses) return false;
    if (op->flags & WHET_OP_POINTWISE) return pointwise_splits(s, n);
    if (n->n_in < 1 || !is_part(s, n->in[0])) return false;
    int32_t rank = n->in[0]->type.rank;
    if (op == &whet_op_concat)
        return whet_axis(((const whet_axis_attrs *)n->attrs)->axis, rank) != 0 && all_split(s, n);
    if (!rest_constant(n, 1)) return false;
    if (is_spatial(op) || is_view(op)) return true;
    if (op == &whet_op_softmax || op == &whet_op_log_softmax)
        return whet_axis(((const whet_softmax_attrs *)n->attrs)->axis, rank) != 0;
    if (op == &whet_op_transpose) {
        const whet_ints *perm = &((const whet_transpose_attrs *)n->attrs)->perm;
        return perm->v && perm->v[0] == 0;
    }
    uint32_t axes;
    if (op == &whet_op_reduce_mean) return whet_match_axes(n, &axes) && !(axes & 1);
    return (op == &whet_op_gemm || op == &whet_op_matmul) && product_splits(n);
}

// ---- which part ----

static bool collect(split *s) {
    whet_graph *g = s->g;
    s->n_values = g->root->n_values;
    s->split = WHET_NEW_ARRAY(&s->arena, bool, s->n_values);
    s->made = WHET_NEW_ARRAY(&s->arena, int32_t, s->n_values);
    s->used = WHET_NEW_ARRAY(&s->arena, int32_t, s->n_values);
    if (!s->split || !s->made || !s->used) return false;
    for (int32_t i = 0; i < s->n_values; i++) s->made[i] = s->used[i] = -1;
    for (int32_t i = 0; i < g->n_inputs; i++)
        s->split[g->inputs[i]->id] = is_batch(s, g->inputs[i]);
    WHET_FOR_NODES(g, n) {
        bool part = node_splits(s, n);
        for (int32_t i = 0; i < n->n_in; i++)
            if (n->in[i]) s->used[n->in[i]->id] = part ? s->n_nodes : INT32_MAX;
        if (!part) continue;
        s->split[n->out[0]->id] = true;
        s->made[n->out[0]->id] = s->n_nodes;
        if (!WHET_ARENA_PUSH(&s->arena, s->nodes, s->n_nodes, s->cap_nodes, n)) return false;
    }
    // a use outside counts however early its node stands
    WHET_FOR_NODES(g, n) {
        bool part = n->n_out > 0 && n->out[0] && s->made[n->out[0]->id] >= 0;
        for (int32_t i = 0; i < n->n_in && !part; i++)
            if (n->in[i]) s->used[n->in[i]->id] = INT32_MAX;
    }
    for (int32_t i = 0; i < g->n_outputs; i++) s->used[g->outputs[i]->id] = INT32_MAX;
    return true;
}

// Seconds to move so many bytes once: from a near cache, a shared one, memory.
static double move_cost(double bytes) {
    double price = bytes < 0.4e6 ? 0.008e-9 : bytes < 6e6 ? 0.02e-9 : 0.05e-9;
    return bytes * price;
}

static double value_bytes(const whet_value *v) {
    double n = 4;
    for (int32_t i = 0; i < v->type.rank; i++) n *= (double)v->type.dims[i];
    return n;
}

static double weight_bytes(const whet_node *n) {
    double bytes = 0;
    for (int32_t i = 1; i < n->n_in; i++)
        if (n->in[i] && n->in[i]->data && n->in[i]->type.rank >= 2) bytes += value_bytes(n->in[i]);
    return bytes;
}

// What it saves to run the first `count` nodes for few images after the other. Half of the weights'
// way is hidden behind computation, not so where they serve a single row.
static double gain_of(const split *s, int32_t count) {
    double gain = 0, weights = 0, times = (double)(s->n / s->b);
    for (int32_t i = 0; i < count; i++) {
        const whet_value *v = s->nodes[i]->out[0];
        bool row = v->type.rank == 2;
        weights += weight_bytes(s->nodes[i]) * (row ? 4 : 1);
        if (is_view(s->nodes[i]->op)) continue;
        gain -= STEP_COST * (times - 1);
        if (s->used[v->id] >= count) continue; // it leaves the part
        double all = value_bytes(v);
        gain += 3 * (move_cost(all) - times * move_cost(all / times));
    }
    double far = weights < 8e6 ? 0.02e-9 : 0.05e-9;
    return gain - 0.5 * (times - 1) * weights * far;
}

static int32_t best_part(const split *s) {
    double best = GAIN_MIN;
    int32_t count = 0;
    for (int32_t i = 1; i <= s->n_nodes; i++) {
        double gain = gain_of(s, i);
        if (gain > best) best = gain, count = i;
    }
    return count;
}

// ---- moving it ----

static bool find_borders(split *s, int32_t count) {
    s->in = WHET_NEW_ARRAY(&s->arena, whet_value *, s->g->n_inputs);
    s->out = WHET_NEW_ARRAY(&s->arena, whet_value *, count);
    if (!s->in || !s->out) return false;
    for (int32_t i = 0; i < s->g->n_inputs; i++) {
        whet_value *v = s->g->inputs[i];
        bool used = false;
        for (int32_t k = 0; k < count && !used && s->split[v->id]; k++)
            for (int32_t j = 0; j < s->nodes[k]->n_in; j++) used |= s->nodes[k]->in[j] == v;
        if (used) s->in[s->n_in++] = v;
    }
    for (int32_t i = 0; i < count; i++) {
        whet_value *v = s->nodes[i]->out[0];
        if (s->used[v->id] >= count) s->out[s->n_out++] = v;
    }
    return true;
}

static whet_node *make_reshape(whet_value *x, const int64_t *dims, int32_t rank, whet_node *before,
                               whet_error *err) {
    whet_value *shape = whet_make_ints(before->graph, "shape", dims, rank, err);
    whet_value *in[] = {x, shape};
    return shape ? whet_make_node(&whet_op_reshape, NULL, in, 2, before, err) : NULL;
}

static whet_value *block_input(split *s, whet_graph *body, const whet_value *v) {
    whet_dim dims[WHET_MAX_RANK];
    for (int32_t i = 0; i < v->type.rank; i++) dims[i] = i ? v->type.dims[i] : s->b;
    whet_value *inner = whet_graph_value(body, whet_graph_unique_name(s->g, v->name));
    if (!inner) return NULL;
    whet_value_set_type(inner, v->type.dtype, v->type.rank, dims);
    return whet_graph_add_input(body, inner) ? inner : NULL;
}

// A reshape in the part to the shape that it has for one image.
static whet_status shrink_reshape(whet_node *n, int64_t b, whet_error *err) {
    const whet_type *t = &n->out[0]->type;
    int64_t dims[WHET_MAX_RANK];
    for (int32_t i = 0; i < t->rank; i++) dims[i] = i ? t->dims[i] : b;
    whet_value *shape = whet_make_ints(n->graph->root, "shape", dims, t->rank, err);
    if (!shape) return whet_failed(err);
    whet_node_set_input(n, 1, shape);
    return WHET_OK;
}

static whet_status move_nodes(split *s, whet_graph *body, int32_t count, whet_error *err) {
    for (int32_t i = 0; i < s->n_in; i++) {
        whet_value *inner = block_input(s, body, s->in[i]);
        if (!inner) return WHET_NOMEM(err);
        for (int32_t k = 0; k < count; k++)
            for (int32_t j = 0; j < s->nodes[k]->n_in; j++)
                if (s->nodes[k]->in[j] == s->in[i]) whet_node_set_input(s->nodes[k], j, inner);
    }
    for (int32_t i = 0; i < count; i++) {
        whet_node *n = s->nodes[i];
        if (whet_is(n, &whet_op_reshape)) WHET_TRY(shrink_reshape(n, s->b, err));
        whet_node_unlink(n);
        n->graph = body;
        whet_node_link(n, NULL);
        for (int32_t k = 0; k < n->n_out; k++)
            if (n->out[k]) n->out[k]->graph = body;
    }
    return WHET_OK;
}

// The nodes of g and its results take `to` for `from`, which is in the block now.
static void replace_outside(whet_graph *g, whet_value *from, whet_value *to) {
    WHET_FOR_NODES(g, n)
        for (int32_t i = 0; i < n->n_in; i++)
            if (n->in[i] == from) whet_node_set_input(n, i, to);
    for (int32_t i = 0; i < g->n_outputs; i++) {
        if (g->outputs[i] != from) continue;
        g->outputs[i] = to;
        from->n_uses--, to->n_uses++;
    }
}

static whet_status make_scan(split *s, int32_t count, whet_error *err) {
    whet_graph *g = s->g;
    whet_node *at = s->nodes[0];
    int64_t dims[WHET_MAX_RANK + 1];
    whet_value **in = WHET_NEW_ARRAY(&s->arena, whet_value *, s->n_in + 1);
    whet_graph *body = whet_graph_sub(g, whet_op_scan.blocks[0]);
    if (!in || !body) return WHET_NOMEM(err);
    for (int32_t i = 0; i < s->n_in; i++) {
        const whet_type *t = &s->in[i]->type;
        dims[0] = s->n / s->b, dims[1] = s->b;
        for (int32_t d = 1; d < t->rank; d++) dims[d + 1] = t->dims[d];
        whet_node *r = make_reshape(s->in[i], dims, t->rank + 1, at, err);
        if (!r) return whet_failed(err);
        in[i + 1] = r->out[0];
    }
    whet_flow_attrs attrs = {.scanned = s->n_in};
    whet_node *scan = whet_graph_node(g, &whet_op_scan, "batch", &attrs, in, s->n_in + 1, s->n_out,
                                      at);
    if (!scan) return WHET_NOMEM(err);
    scan->subgraphs = WHET_NEW_ARRAY(g->arena, whet_graph *, 1);
    if (!scan->subgraphs) return WHET_NOMEM(err);
    scan->subgraphs[0] = body, scan->n_subgraphs = 1;
    whet_node *mark = whet_graph_node(g, &whet_op_identity, "batch_end", NULL, &s->in[0], 1, 1, at);
    if (!mark) return WHET_NOMEM(err);
    whet_type *types = WHET_NEW_ARRAY(&s->arena, whet_type, s->n_out);
    for (int32_t i = 0; types && i < s->n_out; i++) types[i] = s->out[i]->type;
    if (!types) return WHET_NOMEM(err);
    WHET_TRY(move_nodes(s, body, count, err));
    for (int32_t i = 0; i < s->n_out; i++)
        if (!whet_graph_add_output(body, s->out[i], s->out[i]->name)) return WHET_NOMEM(err);
    WHET_TRY(whet_graph_infer_node(scan, err));
    for (int32_t i = 0; i < s->n_out; i++) {
        for (int32_t d = 0; d < types[i].rank; d++) dims[d] = types[i].dims[d];
        whet_node *r = make_reshape(scan->out[i], dims, types[i].rank, mark, err);
        if (!r) return whet_failed(err);
        replace_outside(g, s->out[i], r->out[0]);
    }
    whet_node_remove(mark);
    return whet_graph_sort(g, err);
}

static whet_status run_split(split *s, int32_t *changed, whet_error *err) {
    if (!collect(s)) return WHET_NOMEM(err);
    int32_t count = best_part(s);
    if (!count) return WHET_OK;
    if (!find_borders(s, count)) return WHET_NOMEM(err);
    if (!s->n_in || !s->n_out) return WHET_OK;
    ++*changed;
    return make_scan(s, count, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    split s = {.g = g};
    for (int32_t i = 0; i < g->n_inputs && !s.n; i++) {
        const whet_type *t = &g->inputs[i]->type;
        if (t->dtype == WHET_DTYPE_F32 && t->rank >= 2 && whet_dim_is_const(t->dims[0]))
            s.n = t->dims[0];
    }
    if (s.n < 2) return WHET_OK;
    s.b = s.n > 2 && s.n % 2 == 0 ? 2 : 1; // one for each of two threads
    whet_arena_init(&s.arena);
    whet_status status = run_split(&s, changed, err);
    whet_arena_fini(&s.arena);
    return status;
}

const whet_pass whet_pass_batch = {
    .name = "batch",
    .help = "runs the first layers image by image where a batch of them would not stay in caches",
    .level = 1,
    .run = run,
};
