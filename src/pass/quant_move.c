// SPDX-License-Identifier: Apache-2.0
// Quantization moves past operators that only pick elements: dequantizing behind them, quantizing
// before them, so that they work on bytes and convolutions and products meet what is rounded for
// them. Rounding commutes with picking, and with taking the largest; every result stays the same.
#include <math.h>
#include <string.h>

#include "pass/match.h"
#include "pass/pass.h"
#include "pass/quant_match.h"

enum { MOST = 64 }; // inputs or outputs of one operator

static bool stays_float(const whet_node *n) {
    return whet_demand_is_float(n->demand.compute) || whet_demand_is_float(n->demand.store);
}

// ---- dequantizing, behind the operator ----

static whet_node *dequantize(const whet_dq *like, whet_value *q, int64_t axis, whet_node *before,
                             whet_error *err) {
    whet_value *in[] = {q, like->scale, like->zero};
    whet_dequantize_attrs attrs = *(const whet_dequantize_attrs *)like->node->attrs;
    attrs.axis = axis;
    return whet_make_node(&whet_op_dequantize_linear, &attrs, in, like->zero ? 3 : 2, before, err);
}

static bool other_outputs(const whet_node *n) {
    for (int32_t i = 1; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->n_uses) return true;
    return false;
}

// n on the numbers themselves, with these inputs.
static whet_status move_on(whet_node *n, const whet_dq *d, whet_value *const *in, int32_t n_in,
                           int32_t *changed, whet_error *err) {
    whet_node *moved = whet_make_node(n->op, n->attrs, in, n_in, n, err);
    if (!moved) return whet_failed(err);
    moved->name = n->name;
    moved->demand = n->demand;
    whet_node *dq = dequantize(d, moved->out[0], 1, n, err);
    if (!dq) return whet_failed(err);
    ++*changed;
    return whet_take_over(dq, n, err);
}

static whet_status forward_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_dq d;
    whet_value *in[8];
    if (stays_float(n) || n->n_in > 8 || other_outputs(n) || !whet_match_dq(n->in[0], &d) ||
        !whet_dq_is_activation(&d))
        return WHET_OK;
    for (int32_t i = 0; i < n->n_in; i++) in[i] = i ? n->in[i] : d.q;
    return move_on(n, &d, in, n->n_in, changed, err);
}

// Of a table of bytes, too: so it stays one.
static whet_status gather_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_dq d;
    if (stays_float(n) || !whet_match_dq(n->in[0], &d) || whet_value_count(d.scale) != 1 ||
        (d.zero && whet_value_count(d.zero) != 1) ||
        (whet_dq_is_weight(&d) && whet_value_is_const(n->in[1])))
        return WHET_OK;
    whet_value *in[] = {d.q, n->in[1]};
    return move_on(n, &d, in, 2, changed, err);
}

// Weights behind a transpose keep a scale for each channel, along the axis where that went.
static whet_status turned_weights(whet_node *n, const whet_dq *d, int32_t *changed,
                                  whet_error *err) {
    const whet_transpose_attrs *a = n->attrs;
    int32_t rank = d->q->type.rank, axis = 0;
    for (int32_t i = 0; i < rank; i++)
        if ((a->perm.v ? a->perm.v[i] : rank - 1 - i) == d->axis) axis = i;
    whet_value *q = d->q, *turned = whet_graph_const_derive(n->graph, n->op, n->attrs, &q, 1, err);
    if (!turned) return whet_failed(err);
    whet_node *dq = dequantize(d, turned, axis, n, err);
    if (!dq) return whet_failed(err);
    ++*changed;
    return whet_take_over(dq, n, err);
}

static whet_status transpose_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_dq d;
    if (!n->recipe && whet_match_dq(n->in[0], &d) && whet_dq_is_weight(&d))
        return turned_weights(n, &d, changed, err);
    return forward_rule(n, changed, err);
}

// The number that stands for v among those of d; false: none does exactly.
static bool number_of(const whet_dq *d, double v, double *number) {
    double scale = 1, zero = 0;
    if (!whet_value_scalar(d->scale, &scale) || (d->zero && !whet_value_scalar(d->zero, &zero)))
        return false;
    bool is_signed = d->q->type.dtype == WHET_DTYPE_I8;
    *number = nearbyint(v / scale) + zero;
    return (*number - zero) * scale == v && *number >= (is_signed ? -128 : 0) &&
           *number <= (is_signed ? 127 : 255);
}

static whet_status pad_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_dq d;
    double fill = 0;
    bool constant = whet_get_enum(n, "mode") == 0;
    if (stays_float(n) || n->n_in > 4 || !whet_match_dq(n->in[0], &d) || !whet_dq_is_activation(&d))
        return WHET_OK;
    if (constant && whet_input(n, 2) && !whet_value_scalar(n->in[2], &fill)) return WHET_OK;
    if (constant && !number_of(&d, fill, &fill)) return WHET_OK;
    whet_value *in[4] = {d.q, n->in[1], NULL, whet_input(n, 3)};
    if (constant && !(in[2] = whet_make_number(d.q, "padding", fill, err))) return whet_failed(err);
    return move_on(n, &d, in, in[3] ? 4 : in[2] ? 3 : 2, changed, err);
}

static bool same_steps(const whet_dq *a, const whet_dq *b) {
    return a->q->type.dtype == b->q->type.dtype && whet_dq_same(a, b->scale, b->zero) &&
           whet_dq_is_activation(b);
}

static whet_status concat_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *in[MOST];
    whet_dq d, next;
    if (stays_float(n) || n->n_in > MOST || !whet_match_dq(n->in[0], &d) ||
        !whet_dq_is_activation(&d))
        return WHET_OK;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!whet_match_dq(n->in[i], &next) || !same_steps(&d, &next)) return WHET_OK;
        in[i] = next.q;
    }
    return move_on(n, &d, in, n->n_in, changed, err);
}

static whet_status split_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_dq d;
    if (stays_float(n) || n->n_in > 2 || n->n_out > MOST || !whet_match_dq(n->in[0], &d) ||
        !whet_dq_is_activation(&d))
        return WHET_OK;
    whet_value *in[] = {d.q, whet_input(n, 1)};
    void *attrs = whet_op_attr_copy(n->op, n->attrs, n->graph->arena);
    whet_node *moved =
        attrs ? whet_graph_node(n->graph, n->op, n->name, attrs, in, n->n_in, n->n_out, n) : NULL;
    if (!moved) return WHET_NOMEM(err);
    moved->demand = n->demand;
    moved->origin = n->origin;
    WHET_TRY(whet_graph_infer_node(moved, err));
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i] || !n->out[i]->n_uses) continue;
        whet_node *dq = dequantize(&d, moved->out[i], 1, n, err);
        if (!dq) return whet_failed(err);
        dq->out[0]->name = n->out[i]->name;
        n->out[i]->name = "";
        whet_value_replace(n->out[i], dq->out[0]);
    }
    whet_node_remove(n);
    ++*changed;
    return WHET_OK;
}

// ---- quantizing, before the operator ----

static whet_value *quantize(const whet_node *like, whet_value *x, whet_node *before,
                            whet_error *err) {
    whet_value *in[] = {x, like->in[1], whet_input(like, 2)};
    whet_node *q = whet_make_node(like->op, like->attrs, in, like->n_in, before, err);
    if (q) q->name = like->name;
    return q ? q->out[0] : NULL;
}

// Not those that drop elements, which would be rounded for nothing; poolings give what computed
// their input its rounding, which is worth more.
static bool commutes(const whet_node *n) {
    static const whet_op *const ops[] = {
        &whet_op_max_pool, &whet_op_reshape, &whet_op_transpose, &whet_op_flatten,
        &whet_op_squeeze, &whet_op_unsqueeze, &whet_op_expand, &whet_op_tile, &whet_op_concat,
        &whet_op_depth_to_space, &whet_op_space_to_depth};
    for (int32_t i = 0; i < WHET_COUNT(ops); i++)
        if (whet_is(n, ops[i])) return true;
    return false;
}

static whet_status backward_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_node *p = n->in[0]->producer;
    whet_value *in[MOST];
    if (!whet_is_quantize(n) || !whet_used_once(n->in[0]) || !commutes(p) || stays_float(p) ||
        p->n_in > MOST || other_outputs(p))
        return WHET_OK;
    int32_t n_data = p->op == &whet_op_concat ? p->n_in : 1;
    for (int32_t i = 0; i < p->n_in; i++) {
        in[i] = p->in[i];
        if (i < n_data && !(in[i] = quantize(n, p->in[i], p, err))) return whet_failed(err);
    }
    const char *name = p->name;
    whet_node *moved = whet_make_node(p->op, p->attrs, in, p->n_in, n, err);
    if (!moved) return whet_failed(err);
    ++*changed;
    WHET_TRY(whet_take_over(moved, n, err));
    moved->name = name;
    return WHET_OK;
}

// Weights in float that are quantized by the model: their numbers are known now, before
// dequantizing them is folded.
static whet_status constant_rule(whet_node *n, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !whet_value_is_const(n->in[i])) return backward_rule(n, changed, err);
    if (whet_value_is_output(n->out[0])) return WHET_OK;
    ++*changed;
    return whet_graph_fold_node(n, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_max_pool, forward_rule},       {&whet_op_reshape, forward_rule},
        {&whet_op_transpose, transpose_rule},    {&whet_op_flatten, forward_rule},
        {&whet_op_squeeze, forward_rule},        {&whet_op_unsqueeze, forward_rule},
        {&whet_op_slice, forward_rule},          {&whet_op_expand, forward_rule},
        {&whet_op_tile, forward_rule},           {&whet_op_depth_to_space, forward_rule},
        {&whet_op_space_to_depth, forward_rule}, {&whet_op_gather, gather_rule},
        {&whet_op_pad, pad_rule},                {&whet_op_concat, concat_rule},
        {&whet_op_split, split_rule},            {&whet_op_quantize_linear, constant_rule},
    };
    for (int32_t before = -1; *changed != before;) { // one operator at a time for what goes back
        before = *changed;
        WHET_TRY(whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err));
    }
    return WHET_OK;
}

const whet_pass whet_pass_quant_move = {
    .name = "quant_move",
    .help = "moves dequantizing behind and quantizing before operators that only pick elements",
    .run = run,
};
