// SPDX-License-Identifier: Apache-2.0
// Explicit quantization: a convolution or matrix product between dequantize_linear and
// quantize_linear becomes an operator on integers, which then takes what follows: requantizing, a
// clamp, a residual. Every rule keeps the rounding steps that the model states. What finds no such
// form stays as it is and is computed in float.
#include <float.h>
#include <string.h>

#include "ops/quant_fused.h"
#include "pass/match.h"
#include "pass/pass.h"
#include "pass/quant_match.h"

// ---- making and changing quant_conv and quant_matmul ----

static bool is_fused(const whet_node *n) {
    return whet_is(n, &whet_op_quant_conv) || whet_is(n, &whet_op_quant_matmul);
}

static whet_quant_stages *stages_of(const whet_node *n) {
    return n->op == &whet_op_quant_conv ? &((whet_quant_conv_attrs *)n->attrs)->stages
                                        : &((whet_quant_matmul_attrs *)n->attrs)->stages;
}

// What is to be computed in float gets no integer form and becomes no part of one.
static bool stays_float(const whet_node *n) { return whet_demand_is_float(n->demand.compute); }

static bool stored_float(const whet_node *n) { return whet_demand_is_float(n->demand.store); }

static bool has(const whet_node *n, int32_t i) { return whet_input(n, i) != NULL; }

static const whet_quant_stages no_stages = {-FLT_MAX, FLT_MAX, -FLT_MAX, FLT_MAX};

static whet_status make_fused(const whet_op *op, const void *attrs, const whet_dq *x,
                              const whet_dq *w, whet_value *bias, whet_node *n, int32_t *changed,
                              whet_error *err) {
    whet_value *in[WHET_QF_COUNT] = {0}, *weights;
    WHET_TRY(whet_quant_weights(w, &weights, err));
    if (!weights) return WHET_OK;
    in[WHET_QF_X] = x->q, in[WHET_QF_X_SCALE] = x->scale, in[WHET_QF_X_ZERO] = x->zero;
    in[WHET_QF_W] = weights, in[WHET_QF_W_SCALE] = w->scale, in[WHET_QF_BIAS] = bias;
    whet_node *fresh = whet_make_node(op, attrs, in, WHET_QF_COUNT, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

// A copy of the fused node before n, to be changed and then to take over; NULL: *err set.
typedef struct edit {
    whet_value *in[WHET_QF_COUNT];
    union {
        whet_quant_conv_attrs conv;
        whet_quant_matmul_attrs matmul;
    } attrs;
    whet_quant_stages *stages;
    const whet_op *op;
    const char *name;
} edit;

static void edit_begin(edit *e, const whet_node *fused) {
    memset(e, 0, sizeof *e);
    e->op = fused->op;
    e->name = fused->name;
    memcpy(&e->attrs, fused->attrs, fused->op->attrs_size);
    e->stages = fused->op == &whet_op_quant_conv ? &e->attrs.conv.stages : &e->attrs.matmul.stages;
    for (int32_t i = 0; i < fused->n_in; i++) e->in[i] = fused->in[i];
}

static whet_status edit_end(edit *e, whet_node *n, int32_t *changed, whet_error *err) {
    whet_node *fresh = whet_make_node(e->op, &e->attrs, e->in, WHET_QF_COUNT, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    WHET_TRY(whet_take_over(fresh, n, err));
    fresh->name = e->name;
    return WHET_OK;
}

// ---- the heavy operators ----

// Axis along which the scales of a constant vary, when they do.
static bool scales_along(const whet_dq *w, int32_t axis) {
    return whet_value_count(w->scale) == 1 || w->axis == axis;
}

static whet_status conv_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_conv_attrs *a = n->attrs;
    whet_dq x, w;
    int32_t rank = n->in[0]->type.rank;
    if (stays_float(n) || rank < 3 || rank > 4 || !whet_match_dq(n->in[0], &x) ||
        !whet_dq_is_activation(&x) ||
        !whet_match_dq(n->in[1], &w) || !whet_dq_is_weight(&w) || !scales_along(&w, 0) ||
        !whet_is_settled(whet_input(n, 2)))
        return WHET_OK;
    whet_quant_conv_attrs attrs = {a->window, a->group, no_stages};
    return make_fused(&whet_op_quant_conv, &attrs, &x, &w, whet_input(n, 2), n, changed, err);
}

// Two computed operands, with the same batches if any.
static bool multiplies(const whet_dq *x, const whet_dq *w) {
    int32_t rank = x->q->type.rank;
    if (!whet_dq_is_activation(w) || w->q->type.rank != rank) return false;
    for (int32_t d = 0; d < rank - 2; d++)
        if (x->q->type.dims[d] != w->q->type.dims[d]) return false;
    return true;
}

static whet_status computed_product(whet_node *n, bool trans_b, const whet_dq *x, const whet_dq *w,
                                    int32_t *changed, whet_error *err) {
    whet_quant_matmul_attrs attrs = {trans_b, no_stages};
    whet_value *in[WHET_QF_COUNT] = {0};
    if (whet_input(n, 2) || !multiplies(x, w)) return WHET_OK;
    in[WHET_QF_X] = x->q, in[WHET_QF_X_SCALE] = x->scale, in[WHET_QF_X_ZERO] = x->zero;
    in[WHET_QF_W] = w->q, in[WHET_QF_W_SCALE] = w->scale, in[WHET_QF_W_ZERO] = w->zero;
    whet_node *fresh = whet_make_node(&whet_op_quant_matmul, &attrs, in, WHET_QF_COUNT, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

static whet_status product(whet_node *n, bool trans_b, int32_t *changed, whet_error *err) {
    whet_dq x, w;
    if (stays_float(n) || n->in[0]->type.rank < 2 || !whet_match_dq(n->in[0], &x) ||
        !whet_dq_is_activation(&x) || !whet_match_dq(n->in[1], &w))
        return WHET_OK;
    if (!whet_dq_is_weight(&w)) return computed_product(n, trans_b, &x, &w, changed, err);
    if (n->in[1]->type.rank != 2 || !scales_along(&w, trans_b ? 0 : 1)) return WHET_OK;
    whet_value *bias = whet_input(n, 2);
    if (!whet_is_settled(bias) || (bias && bias->type.rank != 1)) return WHET_OK;
    if (bias && bias->type.dims[0] != w.q->type.dims[trans_b ? 0 : 1]) return WHET_OK;
    whet_quant_matmul_attrs attrs = {trans_b, no_stages};
    return make_fused(&whet_op_quant_matmul, &attrs, &x, &w, bias, n, changed, err);
}

static whet_status matmul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_matmul_attrs *a = n->attrs;
    return a->trans_a || a->alpha != 1 ? WHET_OK : product(n, a->trans_b, changed, err);
}

static whet_status gemm_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_gemm_attrs *a = n->attrs;
    if (a->trans_a || a->alpha != 1 || (a->beta != 1 && whet_input(n, 2))) return WHET_OK;
    return product(n, a->trans_b, changed, err);
}

// ---- QLinearConv and QLinearMatMul: the same with the quantizing inside ----

// An operand of a QOperator, its scale and zero point: inputs at, at + 1, at + 2.
static bool operand(const whet_node *n, int32_t at, int32_t axis, whet_dq *d) {
    *d = (whet_dq){NULL, n->in[at], n->in[at + 1], whet_input(n, at + 2), axis};
    return whet_dq_is_known(d);
}

static whet_status quantized_result(edit *e, whet_node *n, int32_t y, int32_t *changed,
                                    whet_error *err) {
    whet_dq d = {NULL, n->out[0], n->in[y], whet_input(n, y + 1), 0};
    if (!whet_dq_is_activation(&d) || !whet_dq_is_known(&d)) return WHET_OK;
    e->in[WHET_QF_Y_SCALE] = d.scale;
    e->in[WHET_QF_Y_ZERO] = d.zero;
    e->name = n->name;
    return edit_end(e, n, changed, err);
}

// Operands into e; false in *ok where they have no integer form.
static whet_status quantized_operands(edit *e, const whet_dq *x, const whet_dq *w, bool *ok,
                                      whet_error *err) {
    whet_value *weights = NULL;
    *ok = false;
    if (!whet_dq_is_activation(x) || !whet_dq_is_weight(w)) return WHET_OK;
    WHET_TRY(whet_quant_weights(w, &weights, err));
    *ok = weights;
    e->in[WHET_QF_X] = x->q, e->in[WHET_QF_X_SCALE] = x->scale, e->in[WHET_QF_X_ZERO] = x->zero;
    e->in[WHET_QF_W] = weights, e->in[WHET_QF_W_SCALE] = w->scale;
    return WHET_OK;
}

static whet_status qlinear_conv_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_conv_attrs *a = n->attrs;
    whet_value *bias = whet_input(n, 8);
    whet_dq x, w;
    edit e = {.op = &whet_op_quant_conv};
    bool ok;
    int32_t rank = n->in[0]->type.rank;
    if (stays_float(n) || rank < 3 || rank > 4 || !operand(n, 0, 0, &x) || !operand(n, 3, 0, &w) ||
        (bias && !whet_value_is_const(bias)))
        return WHET_OK;
    WHET_TRY(quantized_operands(&e, &x, &w, &ok, err));
    if (!ok) return WHET_OK;
    if (bias) WHET_TRY(whet_quant_bias(bias, x.scale, w.scale, &e.in[WHET_QF_BIAS], err));
    e.attrs.conv = (whet_quant_conv_attrs){a->window, a->group, no_stages};
    return quantized_result(&e, n, 6, changed, err);
}

static whet_status qlinear_matmul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_dq x, w;
    edit e = {.op = &whet_op_quant_matmul};
    bool ok;
    if (stays_float(n) || n->in[0]->type.rank < 2 || n->in[3]->type.rank != 2 ||
        !operand(n, 0, 0, &x) || !operand(n, 3, 1, &w))
        return WHET_OK;
    WHET_TRY(quantized_operands(&e, &x, &w, &ok, err));
    if (!ok) return WHET_OK;
    e.attrs.matmul = (whet_quant_matmul_attrs){false, no_stages};
    return quantized_result(&e, n, 6, changed, err);
}

// ---- what follows ----

// The fused node behind x, whose only use this is. With a quantization between the two, that
// becomes a step in the middle: its number is in *scale (0: none).
static whet_node *fused_before(whet_value *x, int32_t *scale) {
    *scale = 0;
    if (!whet_used_once(x)) return NULL;
    if (is_fused(x->producer))
        return has(x->producer, WHET_QF_Y_SCALE) || stored_float(x->producer) ? NULL : x->producer;
    whet_dq d;
    if (!whet_match_dq(x, &d) || !whet_used_once(d.q) || !is_fused(d.q->producer)) return NULL;
    whet_node *n = d.q->producer;
    if (!whet_dq_same(&d, n->in[WHET_QF_Y_SCALE], n->in[WHET_QF_Y_ZERO])) return NULL;
    bool summed = has(n, WHET_QF_OTHER) || has(n, WHET_QF_MID_SCALE);
    *scale = summed ? WHET_QF_SUM_SCALE : WHET_QF_MID_SCALE;
    const whet_quant_stages *s = stages_of(n);
    // a clamp behind `mid` and before this rounding has no place
    bool clamped = s->sum_low != -FLT_MAX || s->sum_high != FLT_MAX;
    return has(n, WHET_QF_SUM_SCALE) || (summed && clamped) ? NULL : n;
}

// A clamp that is last before a rounding to `mid` is one on the sums.
static void settle_scale(edit *e, int32_t scale) {
    if (!scale) return;
    e->in[scale] = e->in[WHET_QF_Y_SCALE];
    e->in[scale + 1] = e->in[WHET_QF_Y_ZERO];
    e->in[WHET_QF_Y_SCALE] = e->in[WHET_QF_Y_ZERO] = NULL;
}

static float tighter(float low, float high, float v) { return v < low ? low : v > high ? high : v; }

static whet_status clamp(whet_node *n, float low, float high, int32_t *changed, whet_error *err) {
    int32_t scale;
    whet_node *fused = fused_before(n->in[0], &scale);
    if (!fused || stays_float(n) || !(low <= high)) return WHET_OK;
    edit e;
    edit_begin(&e, fused);
    settle_scale(&e, scale);
    bool late = e.in[WHET_QF_MID_SCALE] || e.in[WHET_QF_OTHER] || e.in[WHET_QF_SUM_SCALE];
    float *at = late ? &e.stages->sum_low : &e.stages->low;
    at[0] = tighter(low, high, at[0]);
    at[1] = tighter(low, high, at[1]);
    return edit_end(&e, n, changed, err);
}

static whet_status relu_rule(whet_node *n, int32_t *changed, whet_error *err) {
    return clamp(n, 0, FLT_MAX, changed, err);
}
static whet_status clip_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_clip_attrs *a = n->attrs;
    return clamp(n, a->min, a->max, changed, err);
}

// Nothing but scaled sums so far, in float.
static bool is_bare(const whet_node *n) {
    const whet_quant_stages *s = stages_of(n);
    for (int32_t i = WHET_QF_MID_SCALE; i < WHET_QF_COUNT; i++)
        if (has(n, i)) return false;
    return !has(n, WHET_QF_BIAS) && s->low == -FLT_MAX && s->high == FLT_MAX &&
           s->sum_low == -FLT_MAX && s->sum_high == FLT_MAX;
}

// A constant for each channel is the bias.
static whet_status bias_rule(whet_node *n, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < 2; i++) {
        whet_value *x = n->in[i], *c = n->in[1 - i], *bias;
        whet_node *fused = x->producer;
        if (!whet_used_once(x) || !is_fused(fused) || !is_bare(fused) || stored_float(fused) ||
            stays_float(n) || !whet_value_is_const(c) || !whet_same_type(x, n->out[0]))
            continue;
        int32_t rank = x->type.rank, axis = fused->op == &whet_op_quant_conv ? 1 : rank - 1;
        if (axis < 0 || !whet_dim_is_const(x->type.dims[axis])) continue;
        WHET_TRY(whet_channel_vector(c, rank, axis, x->type.dims[axis], &bias, err));
        if (!bias) continue;
        edit e;
        edit_begin(&e, fused);
        e.in[WHET_QF_BIAS] = bias;
        return edit_end(&e, n, changed, err);
    }
    return WHET_OK;
}

static bool earlier(const whet_value *a, const whet_node *n) {
    for (const whet_node *at = n->prev; at; at = at->prev)
        if (at == a->producer) return true;
    return !a->producer;
}

static whet_status add_rule(whet_node *n, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < 2; i++) {
        whet_value *x = n->in[i], *other = n->in[1 - i];
        int32_t scale, unused;
        whet_dq d;
        whet_node *fused = fused_before(x, &scale);
        if (!fused || stays_float(n) || x == other || has(fused, WHET_QF_OTHER) ||
            scale == WHET_QF_SUM_SCALE ||
            has(fused, WHET_QF_SUM_SCALE) || !whet_same_type(x, other) ||
            !whet_same_type(x, n->out[0]) || whet_value_is_const(other))
            continue;
        const whet_quant_stages *s = stages_of(fused);
        if (s->sum_low != -FLT_MAX || s->sum_high != FLT_MAX) continue;
        // of two, the later one takes the other's result as it is
        const whet_node *rival = fused_before(other, &unused);
        if (i == 0 && rival && !earlier(rival->out[0], fused)) continue;
        edit e;
        edit_begin(&e, fused);
        settle_scale(&e, scale);
        e.in[WHET_QF_OTHER] = other;
        if (whet_match_dq(other, &d) && whet_dq_is_activation(&d)) {
            e.in[WHET_QF_OTHER] = d.q;
            e.in[WHET_QF_OTHER_SCALE] = d.scale;
            e.in[WHET_QF_OTHER_ZERO] = d.zero;
        }
        return edit_end(&e, n, changed, err);
    }
    return WHET_OK;
}

// ---- rounding ----

static whet_status quantize_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x = n->in[0], *zero = whet_input(n, 2);
    whet_dq d;
    if (!whet_is_quantize(n)) return WHET_OK;
    if (whet_match_dq(x, &d) && d.q->type.dtype == n->out[0]->type.dtype &&
        whet_dq_same(&d, n->in[1], zero) && whet_same_type(d.q, n->out[0])) {
        if (!d.q->producer && whet_value_is_output(n->out[0])) return WHET_OK;
        whet_bypass(n, d.q);
        ++*changed;
        return WHET_OK;
    }
    int32_t scale;
    whet_node *fused = fused_before(x, &scale);
    if (!fused) return WHET_OK;
    edit e;
    edit_begin(&e, fused);
    settle_scale(&e, scale);
    e.in[WHET_QF_Y_SCALE] = n->in[1];
    e.in[WHET_QF_Y_ZERO] = zero;
    return edit_end(&e, n, changed, err);
}

// ---- what chains of pointwise operators want ----

static bool chains(const whet_node *n) {
    return n->op->flags & WHET_OP_POINTWISE || n->op == &whet_op_quantize_linear;
}

// Each pointwise user of dequantized numbers gets a dequantize_linear of its own, so that it can
// read the numbers themselves.
static whet_status split_node(whet_node *n, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < n->n_in; i++) {
        whet_value *v = n->in[i];
        whet_dq d;
        int32_t uses = 0;
        if (!v || !whet_match_dq(v, &d) || d.node->recipe || !whet_dq_is_activation(&d)) continue;
        for (int32_t k = 0; k < n->n_in; k++) uses += n->in[k] == v;
        if (v->n_uses == uses) continue;
        whet_node *own =
            whet_make_node(d.node->op, d.node->attrs, d.node->in, d.node->n_in, n, err);
        if (!own) return whet_failed(err);
        own->name = d.node->name;
        for (int32_t k = i; k < n->n_in; k++)
            if (n->in[k] == v) whet_node_set_input(n, k, own->out[0]);
        ++*changed;
    }
    return WHET_OK;
}

static whet_status split(whet_graph *g, int32_t *changed, whet_error *err) {
    WHET_FOR_NODES(g, n) {
        for (int32_t i = 0; i < n->n_subgraphs; i++)
            WHET_TRY(split(n->subgraphs[i], changed, err));
        if (!n->recipe && chains(n)) WHET_TRY(split_node(n, changed, err));
    }
    return WHET_OK;
}

// A zero point that is left out is written down.
static whet_status zero_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_value *integer = n->op == &whet_op_quantize_linear ? n->out[0] : n->in[0];
    if (whet_input(n, 2) || whet_value_is_const(n->in[0]) || integer->type.rank < 0 ||
        (integer->type.dtype != WHET_DTYPE_U8 && integer->type.dtype != WHET_DTYPE_I8) ||
        whet_value_count(n->in[1]) != 1)
        return WHET_OK;
    whet_value *zero = whet_make_number(integer, "zero", 0, err);
    if (!zero) return whet_failed(err);
    ++*changed;
    if (n->n_in > 2) whet_node_set_input(n, 2, zero);
    else if (!whet_node_add_input(n, zero)) return WHET_NOMEM(err);
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_conv, conv_rule},         {&whet_op_matmul, matmul_rule},
        {&whet_op_gemm, gemm_rule},         {&whet_op_relu, relu_rule},
        {&whet_op_clip, clip_rule},         {&whet_op_mul, whet_quant_dynamic_rule},
        {&whet_op_add, bias_rule},          {&whet_op_add, add_rule},
        {&whet_op_quantize_linear, quantize_rule},
        {&whet_op_qlinear_conv, qlinear_conv_rule},
        {&whet_op_qlinear_matmul, qlinear_matmul_rule},
        {&whet_op_quantize_linear, zero_rule},
        {&whet_op_dequantize_linear, zero_rule},
    };
    WHET_TRY(whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err));
    return split(g, changed, err);
}

const whet_pass whet_pass_quant = {
    .name = "quant",
    .help = "makes integer operators of those between dequantize_linear and quantize_linear",
    .run = run,
};
