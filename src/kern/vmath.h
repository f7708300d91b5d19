// SPDX-License-Identifier: Apache-2.0
// Vector math on simd.h. Each function states its largest error in units in the last place (ulp) of
// the result, measured against libm in double on every instruction set; NaN gives NaN and
// infinities their limits. Coefficients are own minimax fits. Results below the smallest normal
// number may be rounded twice or flushed to zero.
#ifndef WHET_KERN_VMATH_H
#define WHET_KERN_VMATH_H

#include "kern/simd.h"

V_FN vf vmath_poly_(vf x, const float *c, int n) { // c[0] + c[1] x + ... + c[n] x^n
    vf y = v_set1(c[n]);
    for (int i = n - 1; i >= 0; i--) y = v_fma(y, x, v_set1(c[i]));
    return y;
}
#define V_POLY(x, ...)                                                                             \
    vmath_poly_((x), (const float[]){__VA_ARGS__},                                                 \
                (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)) - 1)

// Nearest integer of |x| < 2^22 as float and as int.
V_FN vf vmath_near_(vf x, vi *n) {
    vf t = x + v_set1(12582912.0f);
    *n = (vi)t - vi_set1(0x4b400000);
    return t - v_set1(12582912.0f);
}

// y 2^n for n in [-252, 254]; the factors are made from exponents
V_FN vf vmath_scale_(vf y, vi n) {
#if defined(__AVX512F__)
    return (vf)_mm512_scalef_ps((__m512)y, (__m512)vi_to_f(n));
#else
    vi h = n >> 1;
    vf a = (vf)((h + vi_set1(127)) << 23), b = (vf)((n - h + vi_set1(127)) << 23);
    return y * a * b;
#endif
}

// x = n ln 2 + r; q = (e^r - 1 - r) / r^2 within 2.5e-10 of r^2 / (e^r - 1)
V_FN vf vmath_exp_reduce_(vf x, vi *n, vf *q) {
    vf f = vmath_near_(x * v_set1(1.44269504f), n);
    vf r = v_fnma(f, v_set1(0.693145752f), x); // ln 2 in 16 bits and a rest
    r = v_fnma(f, v_set1(1.42860677e-6f), r);
    *q = V_POLY(r, 5.000000000e-01f, 1.666666567e-01f, 4.166636243e-02f, 8.333389647e-03f,
                1.394062769e-03f, 1.984587725e-04f);
    return r;
}

// e^x, 2 ulp. Overflows to infinity above 88.72, to zero below -103.97.
V_FN vf v_exp(vf x) {
    vi n;
    vf q;
    x = v_min(v_set1(89.0f), v_max(v_set1(-105.0f), x));
    vf r = vmath_exp_reduce_(x, &n, &q);
    vf y = v_fma(q, r * r, r) + v_set1(1.0f);
    return vmath_scale_(y, n);
}

// e^x for softmax and the like: x <= 0 (or NaN); results below 2^-126 are zero. 2 ulp.
V_FN vf v_exp_neg(vf x) {
    vi n;
    vf q;
    vm tiny = v_lt(x, v_set1(-87.3f));
    x = v_max(v_set1(-87.3f), x);
    vf r = vmath_exp_reduce_(x, &n, &q);
    vf y = v_fma(q, r * r, r) + v_set1(1.0f);
    return v_select(tiny, v_zero(), (vf)((vi)y + (n << 23)));
}

// e^x - 1, 3 ulp.
V_FN vf v_expm1(vf x) {
    vi n;
    vf q;
    vf c = v_min(v_set1(89.0f), v_max(v_set1(-20.0f), x));
    vf r = vmath_exp_reduce_(c, &n, &q);
    vf p = v_fma(q, r * r, r); // e^r - 1
    vf one = v_set1(1.0f), s = vmath_scale_(one, n);
    // n reaches 128, where 2^n alone overflows
    vm high = v_gt(x, v_set1(88.0f));
    vf y = v_fma(p, s, s - one);
    y = v_select(high, vmath_scale_(p + one, n), y);
    return v_select(v_eq(x, v_zero()), x, y);
}

// ln x, 1.5 ulp; -inf at 0, NaN below.
V_FN vf v_log(vf x) {
    vm small = v_lt(x, v_set1(1.17549435e-38f));
    vf y = v_select(small, x * v_set1(8388608.0f), x);
    vi bits = (vi)y;
    // m in [sqrt(1/2), sqrt(2))
    vi e = (bits - vi_set1(0x3f3504f3)) >> 23;
    vf m = (vf)(bits - (e << 23)), f = m - v_set1(1.0f);
    vf k = vi_to_f(e) - v_select(small, v_set1(23.0f), v_zero());
    vf p = V_POLY(f, 3.333331347e-01f, -2.500000894e-01f, 2.000211924e-01f, -1.666799635e-01f,
                  1.421955228e-01f, -1.240558922e-01f, 1.188816279e-01f, -1.167565137e-01f,
                  6.746638566e-02f);
    vf f2 = f * f;
    vf t = v_fma(k, v_set1(1.42860677e-6f), f2 * f * p);
    t = v_fma(f2, v_set1(-0.5f), t) + f;
    vf r = v_fma(k, v_set1(0.693145752f), t);
    r = v_select(v_eq(x, v_set1(INFINITY)), x, r);
    r = v_select(v_eq(x, v_zero()), v_set1(-INFINITY), r);
    r = v_select(v_lt(x, v_zero()), v_set1(NAN), r);
    return v_select(v_isnan(x), x, r);
}

// ln(1 + x), 3 ulp.
V_FN vf v_log1p(vf x) {
    vf one = v_set1(1.0f), u = x + one;
    // what rounding 1 + x lost, relative to u
    vf y = v_log(u) + (x - (u - one)) / u;
    vm keep = v_eq(u, one); // tiny x, zeros
    y = v_select(keep, x, y);
    return v_select(v_eq(x, v_set1(INFINITY)), x, v_select(v_le(u, v_zero()), v_log(u), y));
}

// 1 / (1 + e^-x), 3 ulp above the smallest normal number.
V_FN vf v_sigmoid(vf x) {
    vf one = v_set1(1.0f);
    return one / (one + v_exp(-x));
}

// tanh x, 3 ulp.
V_FN vf v_tanh(vf x) {
    vi n;
    vf q, a = v_min(v_set1(10.0f), v_abs(x));
    vf r = vmath_exp_reduce_(a + a, &n, &q);
    vf p = v_fma(q, r * r, r), one = v_set1(1.0f);
    vf s = (vf)((n + vi_set1(127)) << 23);
    vf e = v_fma(p, s, s - one); // e^2a - 1
    vf y = v_copysign(e / (e + v_set1(2.0f)), x);
    return v_select(v_isnan(x), x, y);
}

// erf x, 3 ulp.
V_FN vf v_erf(vf x) {
    vf a = v_abs(x), z = x * x;
    vf small = x * V_POLY(z, 1.128379226e+00f, -3.761263788e-01f, 1.128378212e-01f,
                          -2.686540037e-02f, 5.220945459e-03f, -8.482828853e-04f,
                          1.125694835e-04f, -9.641516954e-06f);
    vf b = v_min(v_set1(4.0f), a); // erf is 1 in float from 3.92
    vf p = V_POLY(b, 1.880370546e-04f, -1.129578352e+00f, -6.332198977e-01f, -1.084185541e-01f,
                  2.520824037e-02f, -4.204556346e-03f, 4.413352872e-04f, -2.168676292e-05f);
    vf large = v_copysign(v_set1(1.0f) - v_exp_neg(p), x);
    vf y = v_select(v_lt(a, v_set1(1.0f)), small, large);
    return v_select(v_isnan(x), x, y);
}

// x = n pi/2 + r for |x| <= 8192, |r| <= pi/4 and a bit
V_FN vf vmath_trig_reduce_(vf x, vi *n) {
    vf f = vmath_near_(x * v_set1(0.636619772f), n);
    vf r = v_fnma(f, v_set1(1.5703125f), x); // pi/2 in pieces of 8, 11, 11 and 24 bits
    r = v_fnma(f, v_set1(4.83512878e-4f), r);
    r = v_fnma(f, v_set1(3.13855708e-7f), r);
    return v_fnma(f, v_set1(6.07710051e-11f), r);
}
V_FN vf vmath_sin_poly_(vf r) {
    vf z = r * r;
    return v_fma(r * z, V_POLY(z, -1.666665524e-01f, 8.332177065e-03f, -1.951716986e-04f), r);
}
V_FN vf vmath_cos_poly_(vf r) {
    vf z = r * r;
    vf p = V_POLY(z, 4.166664556e-02f, -1.388736651e-03f, 2.443830635e-05f);
    return v_fma(z * z, p, v_fma(z, v_set1(-0.5f), v_set1(1.0f)));
}
// sine of x + turn pi/2
V_FN vf vmath_sin_turn_(vf x, int32_t turn, float (*exact)(float)) {
    if (vm_any(vm_not(v_le(v_abs(x), v_set1(8192.0f))))) return v_map(exact, x);
    vi n;
    vf r = vmath_trig_reduce_(x, &n);
    n += vi_set1(turn);
    vm odd = vi_eq(n & vi_set1(1), vi_set1(1));
    vf y = v_select(odd, vmath_cos_poly_(r), vmath_sin_poly_(r));
    return (vf)((vi)y ^ ((n & vi_set1(2)) << 30));
}
// sin x, cos x: absolute error 1e-7; libm lane by lane when a lane is beyond 8192.
V_FN vf v_sin(vf x) {
    vf y = vmath_sin_turn_(x, 0, sinf);
    return v_select(v_eq(x, v_zero()), x, y);
}
V_FN vf v_cos(vf x) { return vmath_sin_turn_(x, 1, cosf); }

// ---- activations; formulas as in ops/pointwise.h, NaN at -inf where those give it ----

// x (1 + erf(x / sqrt 2)) / 2: absolute error 2e-7 max(1, |x|).
V_FN vf v_gelu_erf(vf x) {
    vf h = x * v_set1(0.5f);
    return v_fma(h, v_erf(x * v_set1(0.707106781f)), h);
}
// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: as above.
V_FN vf v_gelu_tanh(vf x) {
    vf u = v_fma(x * x * x, v_set1(0.044715f), x) * v_set1(0.797884561f);
    vf h = x * v_set1(0.5f);
    return v_fma(h, v_tanh(u), h);
}
// x sigmoid(a x), 4 ulp.
V_FN vf v_swish(vf x, vf a) { return x * v_sigmoid(a * x); }
// ln(1 + e^x), 3 ulp.
V_FN vf v_softplus(vf x) {
    vf y = v_log1p(v_exp(-v_abs(x)));
    return v_select(v_isnan(x), x, y + v_max(v_zero(), x));
}
// x tanh(softplus x), with e = e^x: x e (e + 2) / (e (e + 2) + 2); 4 ulp.
V_FN vf v_mish(vf x) {
    vf e = v_exp(v_min(v_set1(20.0f), x)), u = e * (e + v_set1(2.0f));
    return x * (u / (u + v_set1(2.0f)));
}

#endif
