// SPDX-License-Identifier: Apache-2.0
// Activations for results that are rounded to bf16 (u = 2^-8): errors stay below 2^-12 of the
// result, for gelu of the argument. NaN gives NaN. Coefficients are own minimax fits.
#ifndef WHET_KERN_VMATH_BF16_H
#define WHET_KERN_VMATH_BF16_H

#include "kern/bf16.h"
#include "kern/vmath.h"

// e^x within 8e-5; below 2^-125 and above 2^125 the result is that power, which keeps reciprocals
// away from denormals: they are slow.
V_FN vf v_exp_bf(vf x) {
    vf t = v_min(v_set1(125), v_max(v_set1(-125), x * v_set1(1.44269504f))), n = v_round(t);
    vf y = V_POLY(t - n, 0.99992808f, 0.69326101f, 0.24261099f, 0.05517144f);
#if defined(WHET_SIMD_NEON)
    return y * (vf)((v_to_i(n) + vi_set1(127)) << 23);
#else
    return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
#endif
}

V_FN vf v_sigmoid_bf(vf x) {
    vf d = v_set1(1) + v_exp_bf(-x);
#if defined(WHET_SIMD_NEON)
    vf r = V_HALVES(vrecpeq_f32, d); // 8 bits, doubled by a step of Newton's
    return r * (v_set1(2) - d * r);
#else
    return (vf)_mm512_rcp14_ps((__m512)d);
#endif
}

V_FN vf v_swish_bf(vf x, vf a) { return x * v_sigmoid_bf(a * x); }

// x (1/2 + t), t an odd polynomial that passes 1/2 just before 4.
V_FN vf v_gelu_erf_bf(vf x) {
    vf half = v_set1(0.5f), c = v_min(v_set1(4), v_max(v_set1(-4), x));
    vf t = c * V_POLY(c * c, 0.398906058f, -0.0663277892f, 0.00981641383f, -0.00111292462f,
                      9.49459294e-05f, -5.860934e-06f, 2.44097467e-07f, -6.0671999e-09f,
                      6.74068446e-11f);
    return x * (half + v_min(half, v_max(-half, t)));
}

// x sigmoid(2 u), u as in v_gelu_tanh.
V_FN vf v_gelu_tanh_bf(vf x) {
    vf u = v_fma(x * x * x, v_set1(0.044715f), x) * v_set1(1.595769122f);
    return x * v_sigmoid_bf(u);
}

#endif
