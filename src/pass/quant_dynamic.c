// SPDX-License-Identifier: Apache-2.0
// Products of integers whose scales are known only when they run: matmul_integer and conv_integer,
// cast to float and multiplied by the product of the scales, as dynamic quantization writes them.
#include <float.h>

#include "ops/quant_fused.h"
#include "pass/quant_match.h"

#define MOST_DEPTH 32768 // products of computed operands: sums stay below 2^31

static bool is_one_number(const whet_value *v) {
    return v->type.rank >= 0 && v->type.rank < 2 && whet_value_count(v) == 1;
}

// The integer operator of which a cast gives the result in float; used for nothing else.
static whet_node *cast_integers(const whet_node *cast) {
    if (!cast || cast->out[0]->type.dtype != WHET_DTYPE_F32) return NULL;
    whet_node *n = whet_match_only(cast->in[0], &whet_op_matmul_integer);
    return n ? n : whet_match_only(cast->in[0], &whet_op_conv_integer);
}

// One number, or a vector of as many as the result has channels.
static bool is_scale(const whet_value *s, const whet_node *n) {
    const whet_type *w = &n->in[1]->type, *t = &s->type;
    if (t->dtype != WHET_DTYPE_F32) return false;
    if (is_one_number(s)) return true;
    return n->op == &whet_op_matmul_integer && t->rank == 1 && w->rank >= 2 &&
           whet_dim_is_const(t->dims[0]) && t->dims[0] == w->dims[w->rank - 1];
}

// Constant as soon as it is folded.
static bool is_fixed(const whet_value *v) {
    const whet_node *n = v->producer;
    for (int32_t i = 0; n && i < n->n_in; i++)
        if (n->in[i] && !whet_value_is_const(n->in[i])) return false;
    return n != NULL;
}

// The product of two operands as they are: of one depth, with the same batches or weights of two
// dimensions, and with one scale.
static bool multiplies_both(const whet_node *n, const whet_value *scale) {
    const whet_type *a = &n->in[0]->type, *b = &n->in[1]->type;
    const whet_value *zero = whet_input(n, 3);
    if (n->op != &whet_op_matmul_integer || !is_one_number(scale) || b->rank < 2 ||
        (zero && !is_one_number(zero)))
        return false;
    whet_dim depth = b->dims[b->rank - 2];
    if (!whet_dim_is_const(depth) || depth > MOST_DEPTH) return false;
    if (whet_value_is_const(n->in[1])) return b->rank == 2;
    if (is_fixed(n->in[1]) || b->rank != a->rank) return false;
    for (int32_t d = 0; d < a->rank - 2; d++)
        if (a->dims[d] != b->dims[d]) return false;
    return true;
}

static bool has_kernel(const whet_node *n) {
    const whet_value *x = n->in[0], *zero = whet_input(n, 2);
    int32_t rank = x->type.rank;
    if (whet_demand_is_float(n->demand.compute)) return false;
    if (whet_value_is_const(x) || rank < 2 || (zero && !is_one_number(zero))) return false;
    return n->op == &whet_op_matmul_integer || rank == 3 || rank == 4;
}

// Weights of 8 bits with a zero point of 0; NULL where there are none.
static whet_status signed_weights(const whet_node *n, whet_value **i8, whet_error *err) {
    whet_dq w = {.q = n->in[1], .zero = whet_input(n, 3)};
    *i8 = NULL;
    if (!whet_value_is_const(w.q) || (w.zero && !whet_value_is_const(w.zero))) return WHET_OK;
    if (n->op == &whet_op_matmul_integer && w.q->type.rank != 2) return WHET_OK;
    return whet_quant_weights(&w, i8, err);
}

// The sums times the scale (NULL: as they are) take the place of n.
static whet_status fuse(whet_node *integers, whet_value *scale, whet_node *n, int32_t *changed,
                        whet_error *err) {
    static const whet_quant_stages none = {-FLT_MAX, FLT_MAX, -FLT_MAX, FLT_MAX};
    whet_value *one = whet_make_number(n->out[0], "one", 1, err);
    if (!one) return whet_failed(err);
    if (!scale) scale = one;
    whet_value *in[WHET_QF_COUNT] = {0};
    WHET_TRY(signed_weights(integers, &in[WHET_QF_W], err));
    if (!in[WHET_QF_W]) {
        if (!multiplies_both(integers, scale)) return WHET_OK;
        in[WHET_QF_W] = integers->in[1], in[WHET_QF_W_ZERO] = whet_input(integers, 3);
    }
    in[WHET_QF_X] = integers->in[0], in[WHET_QF_X_ZERO] = whet_input(integers, 2);
    in[WHET_QF_X_SCALE] = one, in[WHET_QF_W_SCALE] = scale;
    whet_quant_matmul_attrs matmul = {false, none};
    whet_quant_conv_attrs conv = {.stages = none};
    bool is_conv = integers->op == &whet_op_conv_integer;
    if (is_conv) {
        const whet_conv_attrs *a = integers->attrs;
        conv.window = a->window, conv.group = a->group;
    }
    const char *name = integers->name;
    whet_node *fresh = whet_make_node(is_conv ? &whet_op_quant_conv : &whet_op_quant_matmul,
                                      is_conv ? (void *)&conv : (void *)&matmul, in, WHET_QF_COUNT,
                                      n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    WHET_TRY(whet_take_over(fresh, n, err));
    fresh->name = name;
    return WHET_OK;
}

whet_status whet_quant_dynamic_rule(whet_node *n, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < 2; i++) {
        whet_node *integers = cast_integers(whet_match_only(n->in[i], &whet_op_cast));
        whet_value *scale = n->in[1 - i];
        if (!integers || whet_demand_is_float(n->demand.compute) || !has_kernel(integers) ||
            !is_scale(scale, integers) || n->out[0]->type.rank != integers->out[0]->type.rank)
            continue;
        return fuse(integers, scale, n, changed, err);
    }
    return WHET_OK;
}

whet_status whet_quant_sums_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_node *integers = cast_integers(n);
    return integers && has_kernel(integers) ? fuse(integers, NULL, n, changed, err) : WHET_OK;
}
