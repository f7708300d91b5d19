// SPDX-License-Identifier: Apache-2.0
// quant_conv and quant_matmul: what passes make of a float operator between dequantize_linear and
// quantize_linear. Sums are of integers; everything behind them is float:
//   v = clamp(sum (x - x_zero) (w - w_zero) * x_scale * w_scale + bias, low, high)
//   v = requantized(v, mid), + (other - other_zero) * other_scale, requantized(v, sum)
//   y = quantized(clamp(v, sum_low, sum_high), y)
// with requantized(v, s) = (saturate(round(v / s_scale) + s_zero) - s_zero) * s_scale, each step
// only where its scale is there. A zero point says the type (absent: 0 of u8); without y_scale the
// result is float. `other` is float where it has no scale, and has the result's shape.
#ifndef WHET_OPS_QUANT_FUSED_H
#define WHET_OPS_QUANT_FUSED_H

#include "ops/window.h"

enum {
    WHET_QF_X,
    WHET_QF_W, // conv [m, c / group, kernel]; matmul [.., k, n], or [.., n, k] with trans_b
    WHET_QF_BIAS,
    WHET_QF_X_SCALE,
    WHET_QF_X_ZERO,
    WHET_QF_W_SCALE, // one number or one an output channel, as w_zero
    WHET_QF_W_ZERO,
    WHET_QF_MID_SCALE,
    WHET_QF_MID_ZERO,
    WHET_QF_OTHER,
    WHET_QF_OTHER_SCALE,
    WHET_QF_OTHER_ZERO,
    WHET_QF_SUM_SCALE,
    WHET_QF_SUM_ZERO,
    WHET_QF_Y_SCALE,
    WHET_QF_Y_ZERO,
    WHET_QF_COUNT
};

typedef struct whet_quant_stages {
    float low, high, sum_low, sum_high;
} whet_quant_stages;

typedef struct whet_quant_conv_attrs { // as whet_conv_attrs in its first members
    whet_window_attrs window;
    int64_t group;
    whet_quant_stages stages;
} whet_quant_conv_attrs;

typedef struct whet_quant_matmul_attrs {
    bool trans_b;
    whet_quant_stages stages;
} whet_quant_matmul_attrs;

#endif
