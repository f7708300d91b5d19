// SPDX-License-Identifier: Apache-2.0
// The elementwise functions: numbers (kept in engines, never reused) and scalar references.
#ifndef WHET_OPS_POINTWISE_H
#define WHET_OPS_POINTWISE_H

#include <stdint.h>

// X(NAME, number, inputs, op name). Parameters p[0], p[1] come from attributes (alpha, beta; min,
// max): see whet_pw_params. Functions of one input come first; "which" of select takes (c, x, y).
#define WHET_PW_MAP(X)                                                                             \
    X(IDENTITY, 1, 1, "identity")                                                                  \
    X(RELU, 2, 1, "relu")                                                                          \
    X(CLIP, 3, 1, "clip")               /* min(max(x, p0), p1), NaN stays NaN */                   \
    X(LEAKY_RELU, 4, 1, "leaky_relu")   /* p0 */                                                   \
    X(ELU, 5, 1, "elu")                 /* p0 */                                                   \
    X(SELU, 6, 1, "selu")               /* p0 alpha, p1 gamma */                                   \
    X(CELU, 7, 1, "celu")               /* p0 */                                                   \
    X(SIGMOID, 8, 1, "sigmoid")                                                                    \
    X(TANH, 9, 1, "tanh")                                                                          \
    X(HARD_SIGMOID, 10, 1, "hard_sigmoid") /* clip(p0 x + p1, 0, 1) */                             \
    X(HARD_SWISH, 11, 1, "hard_swish")     /* x clip(p0 x + p1, 0, 1), 1/6 and 1/2 */              \
    X(SWISH, 12, 1, "swish")               /* x sigmoid(p0 x); SiLU for p0 = 1 */                  \
    X(MISH, 13, 1, "mish")                                                                         \
    X(SOFTPLUS, 14, 1, "softplus")                                                                 \
    X(SOFTSIGN, 15, 1, "softsign")                                                                 \
    X(THRESHOLDED_RELU, 16, 1, "thresholded_relu") /* p0 */                                        \
    X(SHRINK, 17, 1, "shrink")                     /* p0 lambd, p1 bias */                         \
    X(GELU, 18, 1, "gelu")                         /* p0 = 0: erf, 1: tanh */                      \
    X(EXP, 19, 1, "exp")                                                                           \
    X(LOG, 20, 1, "log")                                                                           \
    X(SQRT, 21, 1, "sqrt")                                                                         \
    X(RECIPROCAL, 22, 1, "reciprocal")                                                             \
    X(ABS, 23, 1, "abs")                                                                           \
    X(NEG, 24, 1, "neg")                                                                           \
    X(ERF, 25, 1, "erf")                                                                           \
    X(CEIL, 26, 1, "ceil")                                                                         \
    X(FLOOR, 27, 1, "floor")                                                                       \
    X(ROUND, 28, 1, "round") /* half to even */                                                    \
    X(SIGN, 29, 1, "sign")                                                                         \
    X(SIN, 30, 1, "sin")                                                                           \
    X(COS, 31, 1, "cos")                                                                           \
    X(TAN, 32, 1, "tan")                                                                           \
    X(ASIN, 33, 1, "asin")                                                                         \
    X(ACOS, 34, 1, "acos")                                                                         \
    X(ATAN, 35, 1, "atan")                                                                         \
    X(SINH, 36, 1, "sinh")                                                                         \
    X(COSH, 37, 1, "cosh")                                                                         \
    X(ASINH, 38, 1, "asinh")                                                                       \
    X(ACOSH, 39, 1, "acosh")                                                                       \
    X(ATANH, 40, 1, "atanh")                                                                       \
    X(NOT, 41, 1, "not")                                                                           \
    X(IS_NAN, 42, 1, "is_nan")                                                                     \
    X(IS_INF, 43, 1, "is_inf") /* p0 detect negative, p1 detect positive */                        \
    X(BITWISE_NOT, 44, 1, "bitwise_not")                                                           \
    X(ADD, 64, 2, "add")                                                                           \
    X(SUB, 65, 2, "sub")                                                                           \
    X(MUL, 66, 2, "mul")                                                                           \
    X(DIV, 67, 2, "div")                                                                           \
    X(POW, 68, 2, "pow")                                                                           \
    X(MIN, 69, 2, "min") /* NaN if either is */                                                    \
    X(MAX, 70, 2, "max")                                                                           \
    X(MOD, 71, 2, "mod") /* p0 = 1: fmod */                                                        \
    X(PRELU, 72, 2, "prelu")                                                                       \
    X(EQUAL, 73, 2, "equal")                                                                       \
    X(LESS, 74, 2, "less")                                                                         \
    X(LESS_OR_EQUAL, 75, 2, "less_or_equal")                                                       \
    X(GREATER, 76, 2, "greater")                                                                   \
    X(GREATER_OR_EQUAL, 77, 2, "greater_or_equal")                                                 \
    X(AND, 78, 2, "and")                                                                           \
    X(OR, 79, 2, "or")                                                                             \
    X(XOR, 80, 2, "xor")                                                                           \
    X(BITWISE_AND, 81, 2, "bitwise_and")                                                           \
    X(BITWISE_OR, 82, 2, "bitwise_or")                                                             \
    X(BITWISE_XOR, 83, 2, "bitwise_xor")                                                           \
    X(BIT_SHIFT, 84, 2, "bit_shift") /* p0 = 0: left, 1: right */                                  \
    X(WHERE, 96, 3, "where")         /* c ? x : y */                                               \
    X(QUANTIZE, 97, 3, "quantize_linear") /* x, scale, zero; p0 to p1; NaN: 0 */                   \
    X(DEQUANTIZE, 98, 3, "dequantize_linear") /* (x - zero) scale */                               \
    X(REQUANTIZE, 99, 3, "requantize") /* one after the other */

typedef enum whet_pw {
    WHET_PW_NONE = 0,
#define WHET_PW_ENUM(name, number, inputs, op) WHET_PW_##name = number,
    WHET_PW_MAP(WHET_PW_ENUM)
#undef WHET_PW_ENUM
} whet_pw;

int32_t whet_pw_inputs(whet_pw f);       // 0 when unknown
const char *whet_pw_text(whet_pw f);     // operator name, NULL when unknown
// The function in double, for float types. x holds whet_pw_inputs(f) values.
double whet_pw_f64(whet_pw f, const float p[2], const double *x);
// Reads p[0], p[1] of a POINTWISE operator from its attribute struct (zeros where it has none).
struct whet_op;
void whet_pw_params(const struct whet_op *op, const void *attrs, float p[2]);

#endif
