// SPDX-License-Identifier: Apache-2.0
// Which operators will compute in integers, and which values are rounded for them: what these
// operators take and, where a sum follows one of them, the other term, so that the sum is part of
// the operator and its result can be of 8 bits again.
#include <string.h>

#include "build/calib.h"
#include "build/config_impl.h"
#include "build/builder_impl.h"
#include "ops/attrs.h"
#include "pass/match.h"

// ---- operators ----

static bool is_f32(const whet_value *v) { return v && v->type.dtype == WHET_DTYPE_F32; }

bool whet_calib_is_kept(const whet_calib *c, const whet_node *n) {
    for (const char *at = c->x->c->keep_float; at && *at;) {
        size_t k = strcspn(at, ",");
        size_t stem = k && at[k - 1] == '*' ? k - 1 : k;
        if (k && !strncmp(n->name, at, stem) && (stem < k || !n->name[k])) return true;
        at += k + (at[k] == ',');
    }
    return false;
}

// A convolution or product with constant weights in a form that has an operator on integers.
static bool is_weighted(const whet_calib *c, const whet_node *n, int64_t *channels) {
    bool conv = whet_is(n, &whet_op_conv), gemm = whet_is(n, &whet_op_gemm);
    if (!conv && !gemm && !whet_is(n, &whet_op_matmul)) return false;
    // products get weights of 4 bits instead, where both are allowed
    if (!conv && whet_config_int4(c->x->c) && n->demand.compute != WHET_DTYPE_I8) return false;
    const whet_value *x = n->in[0], *w = n->in[1], *b = whet_input(n, 2);
    if (!is_f32(x) || !is_f32(w) || !whet_value_is_const(w) || whet_value_is_const(x) ||
        (b && !whet_value_is_const(b)) || x->type.rank < 2 || whet_calib_is_kept(c, n) ||
        whet_demand_is_float(n->demand.compute))
        return false;
    const whet_matmul_attrs *m = n->attrs;
    const whet_gemm_attrs *g = n->attrs;
    if (conv) {
        *channels = w->data->dims[1] * ((const whet_conv_attrs *)n->attrs)->group;
        return (x->type.rank == 3 || x->type.rank == 4) && whet_value_count(w) > 0;
    }
    bool trans_b = gemm ? g->trans_b : m->trans_b;
    if (gemm ? g->trans_a || g->alpha != 1 || (b && g->beta != 1) : m->trans_a || m->alpha != 1)
        return false;
    if (w->data->rank != 2 || whet_value_count(w) <= 0) return false;
    *channels = w->data->dims[trans_b];
    return !b || (b->data->rank == 1 && b->data->dims[0] == w->data->dims[!trans_b]);
}

static int32_t op_of(const whet_calib *c, const whet_node *n) {
    for (int32_t i = 0; n && i < c->n_ops; i++)
        if (c->ops[i].node == n) return i;
    return -1;
}

// ---- values ----

static bool keeps_bytes(const whet_node *n) {
    return whet_is(n, &whet_op_reshape) || whet_is(n, &whet_op_flatten) ||
           whet_is(n, &whet_op_squeeze) || whet_is(n, &whet_op_unsqueeze);
}

static bool is_pool(const whet_node *n) {
    return whet_is(n, &whet_op_max_pool) && (n->n_out < 2 || !n->out[1] || !n->out[1]->n_uses);
}

whet_value *whet_calib_same_bytes(whet_value *v) {
    while (v->producer && keeps_bytes(v->producer) && is_f32(v->producer->in[0]))
        v = v->producer->in[0];
    return v;
}

// What the value is made from by moves and pools alone, if a pool is among them; else NULL.
static whet_value *before_pool(whet_value *v) {
    whet_value *found = NULL;
    for (;;) {
        v = whet_calib_same_bytes(v);
        if (!v->producer || !is_pool(v->producer)) return found;
        found = v = v->producer->in[0];
    }
}

static bool is_nonnegative(const whet_value *v) {
    static const whet_op *const always[] = {&whet_op_relu, &whet_op_sigmoid, &whet_op_softmax,
                                            &whet_op_abs};
    static const whet_op *const passing[] = {
        &whet_op_max_pool, &whet_op_average_pool, &whet_op_global_average_pool, &whet_op_reshape,
        &whet_op_flatten, &whet_op_squeeze, &whet_op_unsqueeze, &whet_op_transpose};
    for (;;) {
        const whet_node *n = v->producer;
        if (!n) return false;
        for (int32_t i = 0; i < WHET_COUNT(always); i++)
            if (n->op == always[i]) return true;
        if (n->op == &whet_op_clip) return ((const whet_clip_attrs *)n->attrs)->min >= 0;
        bool passes = false;
        for (int32_t i = 0; i < WHET_COUNT(passing); i++) passes |= n->op == passing[i];
        if (!passes) return false;
        v = n->in[0];
    }
}

static whet_status add_seen(whet_calib *c, whet_value *v, int32_t *index, whet_error *err) {
    for (*index = 0; *index < c->n_seen; ++*index)
        if (c->seen[*index].v == v) return WHET_OK;
    whet_calib_seen s = {.v = v, .nonnegative = is_nonnegative(v)};
    if (!*v->name) v->name = whet_graph_unique_name(c->g, "value");
    if (!v->name || !WHET_ARENA_PUSH(c->arena, c->seen, c->n_seen, c->cap_seen, s))
        return WHET_NOMEM(err);
    return WHET_OK;
}

static int32_t site_of(const whet_calib *c, const whet_value *v) {
    for (int32_t i = 0; i < c->n_sites; i++)
        if (c->sites[i].v == v) return i;
    return -1;
}

static whet_status add_site(whet_calib *c, whet_value *v, int32_t seen, whet_error *err) {
    whet_calib_site s = {v, seen};
    if (site_of(c, v) >= 0) return WHET_OK;
    return WHET_ARENA_PUSH(c->arena, c->sites, c->n_sites, c->cap_sites, s) ? WHET_OK
                                                                            : WHET_NOMEM(err);
}

// ---- sums ----

// The operator whose sums x is, perhaps cut off, and that nobody else reads.
static const whet_node *sole_origin(const whet_calib *c, const whet_value *x) {
    const whet_node *n = x->producer;
    if (x->n_uses != 1) return NULL;
    return op_of(c, n) >= 0 ? n : NULL;
}

// Whether x is what integers gave or will give: of an operator or sum, then cut off or pooled.
static bool from_integers(const whet_calib *c, const whet_value *x) {
    for (;;) {
        const whet_node *n = x->producer;
        if (site_of(c, x) >= 0 || op_of(c, n) >= 0) return true;
        if (!n || (!whet_is(n, &whet_op_relu) && !whet_is(n, &whet_op_clip) && !is_pool(n)))
            return false;
        x = n->in[0];
    }
}

static bool earlier(const whet_node *a, const whet_node *b) {
    for (const whet_node *n = a->next; n; n = n->next)
        if (n == b) return true;
    return false;
}

static whet_status mark(whet_calib *c, whet_value *v, whet_error *err);

static whet_status mark_terms(whet_calib *c, const whet_node *add, whet_error *err) {
    whet_value *a = add->in[0], *b = add->in[1];
    if (a == b || !whet_same_type(a, b) || whet_value_is_const(a) || whet_value_is_const(b))
        return WHET_OK;
    const whet_node *of_a = sole_origin(c, a), *of_b = sole_origin(c, b);
    // the later one adds the other's result to its sums
    if (of_a && of_b) return mark(c, earlier(of_a, of_b) ? a : b, err);
    if (of_a && from_integers(c, b)) return mark(c, b, err);
    if (of_b && from_integers(c, a)) return mark(c, a, err);
    return WHET_OK;
}

// v is to be of 8 bits.
static whet_status mark(whet_calib *c, whet_value *v, whet_error *err) {
    if (site_of(c, v) >= 0 || whet_value_is_const(v) || !is_f32(v)) return WHET_OK;
    const whet_node *maker = v->producer;
    bool feeds = false; // an operator itself
    for (int32_t i = 0; i < c->n_ops; i++) feeds = feeds || c->ops[i].node->in[0] == v;
    if (!feeds && maker && whet_demand_is_float(maker->demand.store)) return WHET_OK;
    whet_value *pooled = before_pool(v);
    int32_t seen;
    WHET_TRY(add_seen(c, pooled ? pooled : whet_calib_same_bytes(v), &seen, err));
    WHET_TRY(add_site(c, v, seen, err));
    if (pooled) WHET_TRY(add_site(c, pooled, seen, err));
    const whet_node *n = pooled ? pooled->producer : v->producer;
    while (n && (whet_is(n, &whet_op_relu) || whet_is(n, &whet_op_clip))) n = n->in[0]->producer;
    return n && whet_is(n, &whet_op_add) ? mark_terms(c, n, err) : WHET_OK;
}

static whet_status index_taps(whet_calib *c, whet_error *err) {
    int32_t n = c->g->root->n_values;
    c->n_taps = n;
    c->taps = WHET_NEW_ARRAY(c->arena, int32_t, n + 1);
    c->op_taps = WHET_NEW_ARRAY(c->arena, int32_t, n + 1);
    c->next_op = WHET_NEW_ARRAY(c->arena, int32_t, c->n_ops + 1);
    if (!c->taps || !c->op_taps || !c->next_op) return WHET_NOMEM(err);
    for (int32_t i = 0; i < c->n_seen; i++) c->taps[c->seen[i].v->id] = i + 1;
    for (int32_t i = 0; i < c->n_ops; i++) {
        whet_value *x = whet_calib_same_bytes(c->ops[i].node->in[0]);
        bool conv = c->ops[i].node->op == &whet_op_conv;
        if (conv && x != c->ops[i].node->in[0]) continue; // its channels are not found there
        if (!*x->name) x->name = whet_graph_unique_name(c->g, "value");
        c->ops[i].x = x;
        c->ops[i].sum = WHET_NEW_ARRAY(c->arena, double, c->ops[i].in_channels);
        c->ops[i].top = WHET_NEW_ARRAY(c->arena, float, c->ops[i].in_channels);
        if (!x->name || !c->ops[i].sum || !c->ops[i].top) return WHET_NOMEM(err);
        c->next_op[i] = c->op_taps[x->id];
        c->op_taps[x->id] = i + 1;
    }
    return WHET_OK;
}

whet_status whet_calib_sites_find(whet_calib *c, whet_error *err) {
    c->n_ops = c->n_sites = c->n_seen = 0;
    int32_t index = 0;
    WHET_FOR_NODES(c->g, n) {
        whet_calib_op op = {.node = n};
        if (n->recipe || !is_weighted(c, n, &op.in_channels)) continue;
        op.index = index++;
        if (c->keep && c->keep[op.index]) continue;
        if (!WHET_ARENA_PUSH(c->arena, c->ops, c->n_ops, c->cap_ops, op)) return WHET_NOMEM(err);
    }
    for (int32_t i = 0; i < c->n_ops; i++)
        WHET_TRY(mark(c, c->ops[i].node->in[0], err));
    for (int32_t i = 0; i < c->n_ops; i++)
        c->ops[i].site = site_of(c, c->ops[i].node->in[0]);
    return index_taps(c, err);
}

whet_status whet_calib_sites_choose(const whet_calib *of, whet_graph *g, const bool *keep,
                                    whet_arena *arena, whet_calib *c, whet_error *err) {
    *c = (whet_calib){.x = of->x, .g = g, .arena = arena, .keep = keep};
    WHET_TRY(whet_calib_sites_find(c, err));
    for (int32_t i = 0; i < c->n_seen; i++)
        for (int32_t k = 0; k < of->n_seen; k++)
            if (!strcmp(c->seen[i].v->name, of->seen[k].v->name)) {
                whet_value *v = c->seen[i].v;
                c->seen[i] = of->seen[k];
                c->seen[i].v = v;
            }
    for (int32_t i = 0; i < c->n_ops; i++) {
        whet_calib_op *op = &c->ops[i];
        const whet_calib_op *from = &of->ops[op->index];
        op->weights = from->weights;
        op->sum = from->sum, op->top = from->top, op->n = from->n;
    }
    return WHET_OK;
}
