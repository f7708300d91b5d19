// SPDX-License-Identifier: Apache-2.0
// Template of whet_epilogue_apply_<isa>: one loop a function, chosen outside the loop.
#include "kern/epilogue.h"
#include "kern/vmath.h"
#if defined(__AVX512BF16__) || defined(WHET_SIMD_BF16) // before rounding to bf16
#include "kern/vmath_bf16.h"
#define EPI_ID bf16
#define EPI_FN(name) v_##name##_bf
#else
#define EPI_ID V_ISA
#define EPI_FN(name) v_##name
#endif

// y = expr of x for n floats, the rest through a masked load and store
#define LOOP(expr)                                                                                 \
    do {                                                                                           \
        int64_t i = 0;                                                                             \
        for (; i + V_W <= n; i += V_W) {                                                           \
            vf x = v_load(y + i);                                                                  \
            v_store(y + i, expr);                                                                  \
        }                                                                                          \
        if (i < n) {                                                                               \
            vf x = v_load_n(y + i, n - i);                                                         \
            v_store_n(y + i, expr, n - i);                                                         \
        }                                                                                          \
    } while (0)

V_FN vf hard_sigmoid(vf x, vf a, vf b) {
    return v_min(v_set1(1.0f), v_max(v_zero(), v_fma(a, x, b)));
}

static void act_rows(whet_pw f, const float p[2], float *y, int64_t n) {
    vf a = v_set1(p[0]), b = v_set1(p[1]), zero = v_zero();
    switch (f) {
    case WHET_PW_RELU: LOOP(v_max(zero, x)); break;
    case WHET_PW_CLIP: LOOP(v_min(b, v_max(a, x))); break;
    case WHET_PW_LEAKY_RELU: LOOP(v_select(v_lt(x, zero), a * x, x)); break;
    case WHET_PW_ELU: LOOP(v_select(v_lt(x, zero), a * v_expm1(x), x)); break;
    case WHET_PW_SIGMOID: LOOP(EPI_FN(sigmoid)(x)); break;
    case WHET_PW_TANH: LOOP(v_tanh(x)); break;
    case WHET_PW_HARD_SIGMOID: LOOP(hard_sigmoid(x, a, b)); break;
    case WHET_PW_HARD_SWISH: LOOP(x * hard_sigmoid(x, a, b)); break;
    case WHET_PW_SWISH: LOOP(EPI_FN(swish)(x, a)); break;
    case WHET_PW_MISH: LOOP(v_mish(x)); break;
    case WHET_PW_SOFTPLUS: LOOP(v_softplus(x)); break;
    case WHET_PW_GELU:
        if (p[0] != 0) LOOP(EPI_FN(gelu_tanh)(x));
        else LOOP(EPI_FN(gelu_erf)(x));
        break;
    case WHET_PW_EXP: LOOP(v_exp(x)); break;
    case WHET_PW_SQRT: LOOP(v_sqrt(x)); break;
    case WHET_PW_ABS: LOOP(v_abs(x)); break;
    case WHET_PW_NEG: LOOP(-x); break;
    case WHET_PW_ERF: LOOP(v_erf(x)); break;
    default: break;
    }
}

#define OTHER v_load_n(other + i, n - i)
static void binary_rows(whet_pw f, float *y, const float *other, int64_t n) {
    switch (f) {
    case WHET_PW_ADD: LOOP(x + OTHER); break;
    case WHET_PW_SUB: LOOP(x - OTHER); break;
    case WHET_PW_MUL: LOOP(x * OTHER); break;
    case WHET_PW_DIV: LOOP(x / OTHER); break;
    case WHET_PW_MIN: LOOP(v_min_nan(x, OTHER)); break;
    case WHET_PW_MAX: LOOP(v_max_nan(x, OTHER)); break;
    default: break;
    }
}

void V_CAT(whet_epilogue_apply_, EPI_ID)(const whet_epilogue *e, float *y, const float *other,
                                         int64_t n) {
    if (e->act1) act_rows(e->act1, e->p1, y, n);
    if (e->binary) binary_rows(e->binary, y, other, n);
    if (e->act2) act_rows(e->act2, e->p2, y, n);
}
#undef LOOP
#undef OTHER
