// SPDX-License-Identifier: Apache-2.0
// Looking at quantize_linear and dequantize_linear, and at constants behind them.
#ifndef WHET_PASS_QUANT_MATCH_H
#define WHET_PASS_QUANT_MATCH_H

#include "pass/match.h"

// (q - zero) * scale, q being of 8 bits and the scale a constant.
typedef struct whet_dq {
    whet_node *node;
    whet_value *q, *scale, *zero; // zero NULL: absent
    int32_t axis;                 // of q, along which several scales lie
} whet_dq;
// v is the result of a dequantize_linear to f32, or was before it was folded.
bool whet_match_dq(const whet_value *v, whet_dq *d);
// The types are right, and the scales and zero points constants of one number or a vector.
bool whet_dq_is_known(const whet_dq *d);
// One scale and zero point, and not a constant.
bool whet_dq_is_activation(const whet_dq *d);
// A constant (one scale or several).
bool whet_dq_is_weight(const whet_dq *d);
// The scale and zero point are these (the values, or constants that are equal).
bool whet_dq_same(const whet_dq *d, const whet_value *scale, const whet_value *zero);
// From f32 to 8 bits with one constant scale and zero point.
bool whet_is_quantize(const whet_node *n);
// A constant, or a dequantize_linear of constants that will be folded; NULL counts as one.
bool whet_is_settled(const whet_value *v);
// The numbers of weights as i8 with a zero point of 0, NULL where that cannot be.
whet_status whet_quant_weights(const whet_dq *w, whet_value **i8, whet_error *err);
// A zero point of i8 as u8, 128 higher.
whet_status whet_quant_raised(whet_value *zero, whet_value **u8, whet_error *err);
// A bias of i32, which counts in x_scale w_scale, in float.
whet_status whet_quant_bias(whet_value *bias, whet_value *x_scale, whet_value *w_scale,
                            whet_value **f32, whet_error *err);
// On mul: sums of matmul_integer or conv_integer times computed scales (quant_dynamic.c).
whet_status whet_quant_dynamic_rule(whet_node *n, int32_t *changed, whet_error *err);
// On cast: such sums as they are.
whet_status whet_quant_sums_rule(whet_node *n, int32_t *changed, whet_error *err);

#endif
