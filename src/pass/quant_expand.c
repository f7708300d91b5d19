// SPDX-License-Identifier: Apache-2.0
// QLinearConv and QLinearMatMul that pass quant has no integer operator for (weights with another
// zero point, two computed operands, three spatial dimensions) become the float operator between
// dequantizing and quantizing, which is what they mean, and which has kernels or another rule. So
// do MatMulInteger and ConvInteger whose sums are cast to float, where those have no kernel.
#include "ops/attrs.h"
#include "pass/pass.h"
#include "pass/quant_match.h"

static bool is_constant_f32(const whet_value *v) {
    return whet_value_is_const(v) && v->type.dtype == WHET_DTYPE_F32;
}

static bool is_8_bit(const whet_value *v) {
    return v->type.dtype == WHET_DTYPE_U8 || v->type.dtype == WHET_DTYPE_I8;
}

// Inputs at, at + 1 and at + 2: numbers, their scales along `axis` or one, their zero points.
static bool is_operand(const whet_node *n, int32_t at) {
    const whet_value *q = n->in[at], *zero = whet_input(n, at + 2);
    return is_8_bit(q) && q->type.rank >= 1 && is_constant_f32(n->in[at + 1]) &&
           n->in[at + 1]->type.rank < 2 && (!zero || whet_value_is_const(zero));
}

static whet_value *dequantize(whet_node *n, int32_t at, int64_t axis, whet_error *err) {
    whet_dequantize_attrs attrs = {.axis = axis};
    whet_value *in[] = {n->in[at], n->in[at + 1], whet_input(n, at + 2)};
    whet_node *dq =
        whet_make_node(&whet_op_dequantize_linear, &attrs, in, in[2] ? 3 : 2, n, err);
    return dq ? dq->out[0] : NULL;
}

// `op` of the operands, with the rounding of inputs at and at + 1, takes the place of n.
static whet_status expand(whet_node *n, const whet_op *op, const void *attrs, whet_value *const *in,
                          int32_t n_in, int32_t at, int32_t *changed, whet_error *err) {
    whet_node *real = whet_make_node(op, attrs, in, n_in, n, err);
    if (!real) return whet_failed(err);
    real->name = n->name;
    real->demand = n->demand;
    whet_value *out[] = {real->out[0], n->in[at], whet_input(n, at + 1)};
    whet_node *q = whet_make_node(&whet_op_quantize_linear, NULL, out, out[2] ? 3 : 2, n, err);
    if (!q) return whet_failed(err);
    ++*changed;
    return whet_take_over(q, n, err);
}

static bool rounds_to_one_step(const whet_node *n, int32_t at) {
    const whet_value *zero = whet_input(n, at + 1);
    return is_8_bit(n->out[0]) && is_constant_f32(n->in[at]) && whet_value_count(n->in[at]) == 1 &&
           zero && whet_value_is_const(zero) && whet_value_count(zero) == 1 &&
           n->in[at]->type.rank < 2 && zero->type.rank == n->in[at]->type.rank;
}

static whet_status conv_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *bias = whet_input(n, 8), *in[3];
    if (!is_operand(n, 0) || !is_operand(n, 3) || !rounds_to_one_step(n, 6) ||
        (bias && !whet_value_is_const(bias)) || whet_value_count(n->in[1]) != 1)
        return WHET_OK;
    in[0] = dequantize(n, 0, 1, err);
    in[1] = in[0] ? dequantize(n, 3, 0, err) : NULL;
    in[2] = NULL;
    if (!in[1]) return whet_failed(err);
    if (bias) WHET_TRY(whet_quant_bias(bias, n->in[1], n->in[4], &in[2], err));
    return expand(n, &whet_op_conv, n->attrs, in, bias ? 3 : 2, 6, changed, err);
}

static whet_status matmul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *in[2];
    if (!is_operand(n, 0) || !is_operand(n, 3) || !rounds_to_one_step(n, 6)) return WHET_OK;
    int32_t a = n->in[0]->type.rank, b = n->in[3]->type.rank;
    bool rows = whet_value_count(n->in[1]) != 1, columns = whet_value_count(n->in[4]) != 1;
    if ((rows && a < 2) || (columns && b < 2)) return WHET_OK;
    in[0] = dequantize(n, 0, rows ? a - 2 : 1, err);
    in[1] = in[0] ? dequantize(n, 3, columns ? b - 1 : 1, err) : NULL;
    if (!in[1]) return whet_failed(err);
    return expand(n, &whet_op_matmul, NULL, in, 2, 6, changed, err);
}

// ---- integers of which only the float is wanted ----

// What the integer operator n reads as input `at`, less its zero point, in float.
static whet_value *numbers(whet_node *n, int32_t at, int64_t axis, whet_error *err) {
    whet_dequantize_attrs attrs = {.axis = axis};
    whet_value like = {.graph = n->graph, .type.dtype = WHET_DTYPE_F32};
    whet_value *in[] = {n->in[at], whet_make_number(&like, "one", 1, err), whet_input(n, at + 2)};
    if (!in[1]) return NULL;
    whet_node *dq =
        whet_make_node(&whet_op_dequantize_linear, &attrs, in, in[2] ? 3 : 2, n, err);
    return dq ? dq->out[0] : NULL;
}

// One number, or a vector along the last axis of a product's weights (first: a convolution's).
static bool is_zero_point(const whet_value *zero) {
    return !zero || (zero->type.rank >= 0 && zero->type.rank < 2);
}

// A cast of sums with constant weights that have another zero point.
static whet_status cast_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_node *sums = whet_match_only(n->in[0], &whet_op_matmul_integer);
    bool is_conv = !sums;
    if (is_conv) sums = whet_match_only(n->in[0], &whet_op_conv_integer);
    if (!sums || n->out[0]->type.dtype != WHET_DTYPE_F32) return WHET_OK;
    whet_value *w = sums->in[1], *x_zero = whet_input(sums, 2), *w_zero = whet_input(sums, 3);
    if (!whet_value_is_const(w) || w->type.rank < 2 || sums->in[0]->type.rank < 2 ||
        (x_zero && (x_zero->type.rank > 1 || whet_value_count(x_zero) != 1)) ||
        !is_zero_point(w_zero) || (w_zero && !whet_value_is_const(w_zero)))
        return WHET_OK;
    whet_value *in[2];
    in[0] = numbers(sums, 0, 1, err);
    in[1] = in[0] ? numbers(sums, 1, is_conv ? 0 : w->type.rank - 1, err) : NULL;
    if (!in[1]) return whet_failed(err);
    whet_node *real = whet_make_node(is_conv ? &whet_op_conv : &whet_op_matmul,
                                     is_conv ? sums->attrs : NULL, in, 2, n, err);
    if (!real) return whet_failed(err);
    const char *name = sums->name;
    real->demand = sums->demand;
    ++*changed;
    WHET_TRY(whet_take_over(real, n, err));
    real->name = name;
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_qlinear_conv, conv_rule},
        {&whet_op_qlinear_matmul, matmul_rule},
        {&whet_op_cast, whet_quant_sums_rule},
        {&whet_op_cast, cast_rule}};
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_quant_expand = {
    .name = "quant_expand",
    .help = "states what QLinearConv and QLinearMatMul without integer kernels mean in float",
    .run = run,
};
