// SPDX-License-Identifier: Apache-2.0
// QLinearConv and QLinearMatMul that pass quant has no integer operator for (weights with another
// zero point, two computed operands, three spatial dimensions) become the float operator between
// dequantizing and quantizing, which is what they mean, and which has kernels or another rule.
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

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_qlinear_conv, conv_rule}, {&whet_op_qlinear_matmul, matmul_rule}};
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_quant_expand = {
    .name = "quant_expand",
    .help = "states what QLinearConv and QLinearMatMul without integer kernels mean in float",
    .run = run,
};
