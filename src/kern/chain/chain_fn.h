// SPDX-License-Identifier: Apache-2.0
// The elementwise functions on vectors, and a table of loops over tiles.
// A loop computes dst[0 .. n) of n / CHAIN_GRAIN grains; operand s advances by step[s] floats (a
// grain or 0) a grain. dst may be an operand. Where it quantizes what another function gives,
// operands 0 to 2 are that one's, CHAIN_SCALE and CHAIN_ZERO those of the rounding.
#ifndef WHET_KERN_CHAIN_FN_H
#define WHET_KERN_CHAIN_FN_H

#include "kern/chain/chain_plan.h"
#include "kern/vmath.h"

enum { CHAIN_SCALE = 3, CHAIN_ZERO, CHAIN_OPERANDS };
typedef void (*chain_fn)(float *dst, const float *const *src, const int32_t *step, const float *p,
                         int64_t n);

V_FN vf chain_bool(vm m) { return v_select(m, v_set1(1.0f), v_zero()); }
V_FN vm chain_true(vf x) { return v_ne(x, v_zero()); }

V_FN vf chain_clip(vf x, vf lo, vf hi) { return v_min(hi, v_max(lo, x)); }
// a expm1(x / a) below zero
V_FN vf chain_elu(vf x, vf a) { return v_select(v_lt(x, v_zero()), a * v_expm1(x), x); }
V_FN vf chain_celu(vf x, vf a) { return v_select(v_lt(x, v_zero()), a * v_expm1(x / a), x); }
V_FN vf chain_selu(vf x, vf a, vf g) {
    return g * v_select(v_le(x, v_zero()), a * v_expm1(x), x);
}
V_FN vf chain_shrink(vf x, vf l, vf b) {
    vf y = v_select(v_gt(x, l), x - b, v_select(v_isnan(x), x, v_zero()));
    return v_select(v_lt(x, -l), x + b, y);
}
V_FN vf chain_sign(vf x) {
    vf y = v_select(v_gt(x, v_zero()), v_set1(1.0f), v_zero());
    y = v_select(v_lt(x, v_zero()), v_set1(-1.0f), y);
    return v_select(v_isnan(x), x, y);
}
V_FN vf chain_is_inf(vf x, vf negative, vf positive) {
    vm lo = vm_and(v_eq(x, v_set1(-INFINITY)), chain_true(negative));
    return chain_bool(vm_or(lo, vm_and(v_eq(x, v_set1(INFINITY)), chain_true(positive))));
}
V_FN vf chain_map2(float (*f)(float, float), vf a, vf b) {
    vf y = a;
    for (int i = 0; i < V_W; i++) y[i] = f(a[i], b[i]);
    return y;
}
// Squares are common (norms written out), the rest is libm.
V_FN vf chain_pow(vf a, vf b) {
    if (!vm_any(v_ne(b, v_set1(2.0f)))) return a * a;
    return chain_map2(powf, a, b);
}
static inline float chain_floor_mod(float a, float b) {
    float r = fmodf(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
V_FN vf chain_mod(vf a, vf b, vf c_rules) {
    return chain_map2(c_rules[0] != 0 ? fmodf : chain_floor_mod, a, b);
}

// X(name, inputs, value): x, y, z are the operands, p0 and p1 the parameters
#define CHAIN_FN_MAP(X)                                                                            \
    X(IDENTITY, 1, x)                                                                              \
    X(RELU, 1, v_max(v_zero(), x))                                                                 \
    X(CLIP, 1, chain_clip(x, p0, p1))                                                              \
    X(LEAKY_RELU, 1, v_select(v_lt(x, v_zero()), p0 * x, x))                                       \
    X(ELU, 1, chain_elu(x, p0))                                                                    \
    X(SELU, 1, chain_selu(x, p0, p1))                                                              \
    X(CELU, 1, chain_celu(x, p0))                                                                  \
    X(SIGMOID, 1, v_sigmoid(x))                                                                    \
    X(TANH, 1, v_tanh(x))                                                                          \
    X(HARD_SIGMOID, 1, chain_clip(v_fma(p0, x, p1), v_zero(), v_set1(1.0f)))                       \
    X(HARD_SWISH, 1, x * chain_clip(v_fma(p0, x, p1), v_zero(), v_set1(1.0f)))                     \
    X(SWISH, 1, v_swish(x, p0))                                                                    \
    X(MISH, 1, v_mish(x))                                                                          \
    X(SOFTPLUS, 1, v_softplus(x))                                                                  \
    X(SOFTSIGN, 1, x / (v_set1(1.0f) + v_abs(x)))                                                  \
    X(THRESHOLDED_RELU, 1, v_select(v_le(x, p0), v_zero(), x))                                     \
    X(SHRINK, 1, chain_shrink(x, p0, p1))                                                          \
    X(GELU, 1, p0[0] != 0 ? v_gelu_tanh(x) : v_gelu_erf(x))                                        \
    X(EXP, 1, v_exp(x))                                                                            \
    X(LOG, 1, v_log(x))                                                                            \
    X(SQRT, 1, v_sqrt(x))                                                                          \
    X(RECIPROCAL, 1, v_set1(1.0f) / x)                                                             \
    X(ABS, 1, v_abs(x))                                                                            \
    X(NEG, 1, -x)                                                                                  \
    X(ERF, 1, v_erf(x))                                                                            \
    X(CEIL, 1, v_ceil(x))                                                                          \
    X(FLOOR, 1, v_floor(x))                                                                        \
    X(ROUND, 1, v_round(x))                                                                        \
    X(SIGN, 1, chain_sign(x))                                                                      \
    X(SIN, 1, v_sin(x))                                                                            \
    X(COS, 1, v_cos(x))                                                                            \
    X(TAN, 1, v_map(tanf, x))                                                                      \
    X(ASIN, 1, v_map(asinf, x))                                                                    \
    X(ACOS, 1, v_map(acosf, x))                                                                    \
    X(ATAN, 1, v_map(atanf, x))                                                                    \
    X(SINH, 1, v_map(sinhf, x))                                                                    \
    X(COSH, 1, v_map(coshf, x))                                                                    \
    X(ASINH, 1, v_map(asinhf, x))                                                                  \
    X(ACOSH, 1, v_map(acoshf, x))                                                                  \
    X(ATANH, 1, v_map(atanhf, x))                                                                  \
    X(NOT, 1, chain_bool(v_eq(x, v_zero())))                                                       \
    X(IS_NAN, 1, chain_bool(v_isnan(x)))                                                           \
    X(IS_INF, 1, chain_is_inf(x, p0, p1))                                                          \
    X(ADD, 2, x + y)                                                                               \
    X(SUB, 2, x - y)                                                                               \
    X(MUL, 2, x * y)                                                                               \
    X(DIV, 2, x / y)                                                                               \
    X(POW, 2, chain_pow(x, y))                                                                     \
    X(MIN, 2, v_min_nan(x, y))                                                                     \
    X(MAX, 2, v_max_nan(x, y))                                                                     \
    X(MOD, 2, chain_mod(x, y, p0))                                                                 \
    X(PRELU, 2, v_select(v_lt(x, v_zero()), x * y, x))                                             \
    X(EQUAL, 2, chain_bool(v_eq(x, y)))                                                            \
    X(LESS, 2, chain_bool(v_lt(x, y)))                                                             \
    X(LESS_OR_EQUAL, 2, chain_bool(v_le(x, y)))                                                    \
    X(GREATER, 2, chain_bool(v_gt(x, y)))                                                          \
    X(GREATER_OR_EQUAL, 2, chain_bool(v_ge(x, y)))                                                 \
    X(AND, 2, chain_bool(vm_and(chain_true(x), chain_true(y))))                                    \
    X(OR, 2, chain_bool(vm_or(chain_true(x), chain_true(y))))                                      \
    X(XOR, 2, chain_bool(v_ne(chain_bool(chain_true(x)), chain_bool(chain_true(y)))))              \
    X(WHERE, 3, v_select(chain_true(x), y, z))                                                     \
    X(DEQUANTIZE, 3, (x - z) * y)

#define CHAIN_OPERAND_1 vf x = v_load(a + u);
#define CHAIN_OPERAND_2 CHAIN_OPERAND_1 vf y = v_load(b + u);
#define CHAIN_OPERAND_3 CHAIN_OPERAND_2 vf z = v_load(c + u);
#define CHAIN_LOOP(name, inputs, value)                                                            \
    static void chain_do_##name(float *dst, const float *const *src, const int32_t *step,          \
                                const float *p, int64_t n) {                                       \
        const vf p0 = v_set1(p[0]), p1 = v_set1(p[1]);                                             \
        const float *a = src[0], *b = src[1], *c = src[2];                                         \
        const int64_t sa = step[0], sb = step[1], sc = step[2]; /* stores may not change them */   \
        (void)p0, (void)p1;                                                                        \
        for (int64_t i = 0; i < n; i += CHAIN_GRAIN) {                                             \
            for (int u = 0; u < CHAIN_GRAIN; u += V_W) {                                           \
                CHAIN_OPERAND_##inputs v_store(dst + i + u, (value));                              \
            }                                                                                      \
            a += sa, b += sb, c += sc;                                                             \
        }                                                                                          \
    }
CHAIN_FN_MAP(CHAIN_LOOP)

// Scale and zero point are one number each: a grain that repeats. The quotient is the product with
// the reciprocal, corrected to what the division gives, which would take longer than all the rest.
// x is clamped before: infinities could not be corrected.
#define CHAIN_QUANTIZE(name, value)                                                                \
    static void chain_do_##name(float *dst, const float *const *src, const int32_t *step,          \
                                const float *p, int64_t n) {                                       \
        const vf scale = v_set1(src[1][0]), zero = v_set1(src[2][0]), inverse = v_set1(1) / scale; \
        const vf lo = (v_set1(p[0]) - zero) * scale, hi = (v_set1(p[1]) - zero) * scale;           \
        const float *a = src[0];                                                                   \
        const int64_t sa = step[0];                                                                \
        for (int64_t i = 0; i < n; i += CHAIN_GRAIN, a += sa)                                      \
            for (int u = 0; u < CHAIN_GRAIN; u += V_W) {                                           \
                vf x = v_load(a + u), c = chain_clip(x, lo, hi), q = c * inverse;                  \
                q = v_round(v_fma(v_fnma(q, scale, c), inverse, q));                               \
                q = v_select(v_isnan(x), -zero, q);                                                \
                v_store(dst + i + u, (value));                                                     \
            }                                                                                      \
    }
CHAIN_QUANTIZE(QUANTIZE, q + zero)
CHAIN_QUANTIZE(REQUANTIZE, q * scale)

// The same of what a function before it gives, none of it being infinite or NaN.
#define CHAIN_TAME(name, value, before, inputs, x_value)                                           \
    static void chain_do_##name##_##before(float *dst, const float *const *src,                    \
                                           const int32_t *step, const float *p, int64_t n) {       \
        const vf scale = v_set1(src[CHAIN_SCALE][0]), zero = v_set1(src[CHAIN_ZERO][0]);           \
        const vf inverse = v_set1(1) / scale;                                                      \
        const vf lo = (v_set1(p[0]) - zero) * scale, hi = (v_set1(p[1]) - zero) * scale;           \
        const float *a = src[0], *b = src[1], *c = src[2];                                         \
        const int64_t sa = step[0], sb = step[1], sc = step[2];                                    \
        for (int64_t i = 0; i < n; i += CHAIN_GRAIN) {                                             \
            for (int u = 0; u < CHAIN_GRAIN; u += V_W) {                                           \
                CHAIN_OPERAND_##inputs vf v = chain_clip((x_value), lo, hi), q = v * inverse;      \
                q = v_round(v_fma(v_fnma(q, scale, v), inverse, q));                               \
                v_store(dst + i + u, (value));                                                     \
            }                                                                                      \
            a += sa, b += sb, c += sc;                                                             \
        }                                                                                          \
    }
#define CHAIN_TAME_MAP(X)                                                                          \
    X(IDENTITY, 1, x)                                                                              \
    X(RELU, 1, v_max(v_zero(), x))                                                                 \
    X(ADD, 2, x + y)                                                                               \
    X(MUL, 2, x * y)                                                                               \
    X(DEQUANTIZE, 3, (x - z) * y)
#define CHAIN_BOTH(before, inputs, x_value)                                                        \
    CHAIN_TAME(QUANTIZE, q + zero, before, inputs, x_value)                                        \
    CHAIN_TAME(REQUANTIZE, q * scale, before, inputs, x_value)
CHAIN_TAME_MAP(CHAIN_BOTH)

// f, which quantizes, of what `before` gives; NULL: the two have no common form
static chain_fn chain_fn_tame(whet_pw f, whet_pw before) {
    switch (before) {
#define CHAIN_CASE(before, inputs, value)                                                          \
    case WHET_PW_##before:                                                                         \
        return f == WHET_PW_QUANTIZE ? chain_do_QUANTIZE_##before : chain_do_REQUANTIZE_##before;
        CHAIN_TAME_MAP(CHAIN_CASE)
#undef CHAIN_CASE
    default: return NULL;
    }
}

// NULL: no float form
static chain_fn chain_fn_of(whet_pw f) {
    switch (f) {
#define CHAIN_CASE(name, inputs, value)                                                            \
    case WHET_PW_##name: return chain_do_##name;
        CHAIN_FN_MAP(CHAIN_CASE)
    case WHET_PW_QUANTIZE: return chain_do_QUANTIZE;
    case WHET_PW_REQUANTIZE: return chain_do_REQUANTIZE;
#undef CHAIN_CASE
    default: return NULL;
    }
}

#endif
