// SPDX-License-Identifier: Apache-2.0
#include "ops/pointwise.h"

#include <math.h>
#include <string.h>

#include "ops/op.h"

int32_t whet_pw_inputs(whet_pw f) {
    switch (f) {
    case WHET_PW_NONE: return 0;
#define ROW(name, number, inputs, op)                                                              \
    case WHET_PW_##name: return inputs;
        WHET_PW_MAP(ROW)
#undef ROW
    }
    return 0;
}

const char *whet_pw_text(whet_pw f) {
    switch (f) {
    case WHET_PW_NONE: return NULL;
#define ROW(name, number, inputs, op)                                                              \
    case WHET_PW_##name: return op;
        WHET_PW_MAP(ROW)
#undef ROW
    }
    return NULL;
}

static double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}
// log(1 + exp(x)) without overflow
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
// NaN stays NaN
static double clip(double x, double lo, double hi) {
    if (x < lo) x = lo;
    return x > hi ? hi : x;
}
static double minimum(double a, double b) { return isnan(a) || a < b ? a : b; }
static double maximum(double a, double b) { return isnan(a) || a > b ? a : b; }
static double sign(double x) { return isnan(x) ? x : (x > 0) - (x < 0); }
static double shrink(double x, double lambd, double bias) {
    if (x < -lambd) return x + bias;
    return x > lambd ? x - bias : isnan(x) ? x : 0;
}
static double gelu(double x, bool tanh_form) {
    if (!tanh_form) return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}
// Sign of the divisor, as Python's; of zeros too.
static double floor_mod(double a, double b) {
    double r = fmod(a, b);
    if (r == 0) return copysign(r, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

static double activation(whet_pw f, double p0, double p1, double x) {
    switch (f) {
    case WHET_PW_RELU: return x < 0 ? 0 : x;
    case WHET_PW_CLIP: return clip(x, p0, p1);
    case WHET_PW_LEAKY_RELU: return x < 0 ? p0 * x : x;
    case WHET_PW_ELU: return x < 0 ? p0 * expm1(x) : x;
    case WHET_PW_SELU: return p1 * (x <= 0 ? p0 * expm1(x) : x);
    case WHET_PW_CELU: return x < 0 ? p0 * expm1(x / p0) : x;
    case WHET_PW_SIGMOID: return sigmoid(x);
    case WHET_PW_TANH: return tanh(x);
    case WHET_PW_HARD_SIGMOID: return clip(p0 * x + p1, 0, 1);
    case WHET_PW_HARD_SWISH: return x * clip(p0 * x + p1, 0, 1);
    case WHET_PW_SWISH: return x * sigmoid(p0 * x);
    case WHET_PW_MISH: return x * tanh(softplus(x));
    case WHET_PW_SOFTPLUS: return softplus(x);
    case WHET_PW_SOFTSIGN: return x / (1 + fabs(x));
    case WHET_PW_THRESHOLDED_RELU: return x > p0 || isnan(x) ? x : 0;
    case WHET_PW_SHRINK: return shrink(x, p0, p1);
    case WHET_PW_GELU: return gelu(x, p0 != 0);
    default: return x;
    }
}

static double unary(whet_pw f, double p0, double p1, double x) {
    switch (f) {
    case WHET_PW_EXP: return exp(x);
    case WHET_PW_LOG: return log(x);
    case WHET_PW_SQRT: return sqrt(x);
    case WHET_PW_RECIPROCAL: return 1 / x;
    case WHET_PW_ABS: return fabs(x);
    case WHET_PW_NEG: return -x;
    case WHET_PW_ERF: return erf(x);
    case WHET_PW_CEIL: return ceil(x);
    case WHET_PW_FLOOR: return floor(x);
    case WHET_PW_ROUND: return nearbyint(x);
    case WHET_PW_SIGN: return sign(x);
    case WHET_PW_SIN: return sin(x);
    case WHET_PW_COS: return cos(x);
    case WHET_PW_TAN: return tan(x);
    case WHET_PW_ASIN: return asin(x);
    case WHET_PW_ACOS: return acos(x);
    case WHET_PW_ATAN: return atan(x);
    case WHET_PW_SINH: return sinh(x);
    case WHET_PW_COSH: return cosh(x);
    case WHET_PW_ASINH: return asinh(x);
    case WHET_PW_ACOSH: return acosh(x);
    case WHET_PW_ATANH: return atanh(x);
    case WHET_PW_NOT: return x == 0;
    case WHET_PW_IS_NAN: return isnan(x) != 0;
    case WHET_PW_IS_INF: return isinf(x) && (x < 0 ? p0 != 0 : p1 != 0);
    default: return activation(f, p0, p1, x);
    }
}

static double binary(whet_pw f, double p0, double a, double b) {
    switch (f) {
    case WHET_PW_ADD: return a + b;
    case WHET_PW_SUB: return a - b;
    case WHET_PW_MUL: return a * b;
    case WHET_PW_DIV: return a / b;
    case WHET_PW_POW: return pow(a, b);
    case WHET_PW_MIN: return minimum(a, b);
    case WHET_PW_MAX: return maximum(a, b);
    case WHET_PW_MOD: return p0 != 0 ? fmod(a, b) : floor_mod(a, b);
    case WHET_PW_PRELU: return a < 0 ? a * b : a;
    case WHET_PW_EQUAL: return a == b;
    case WHET_PW_LESS: return a < b;
    case WHET_PW_LESS_OR_EQUAL: return a <= b;
    case WHET_PW_GREATER: return a > b;
    case WHET_PW_GREATER_OR_EQUAL: return a >= b;
    case WHET_PW_AND: return a != 0 && b != 0;
    case WHET_PW_OR: return a != 0 || b != 0;
    case WHET_PW_XOR: return (a != 0) != (b != 0);
    default: return NAN; // bitwise functions have no float form
    }
}

// The quotient is rounded to float, as quantize_linear has it.
static double quantized(const float p[2], const double *x) {
    double q = (double)(float)(x[0] / x[1]);
    return isnan(q) ? 0 : clip(nearbyint(q) + x[2], (double)p[0], (double)p[1]);
}

static double ternary(whet_pw f, const float p[2], const double *x) {
    switch (f) {
    case WHET_PW_WHERE: return x[0] != 0 ? x[1] : x[2];
    case WHET_PW_DEQUANTIZE: return (x[0] - x[2]) * x[1];
    case WHET_PW_QUANTIZE: return quantized(p, x);
    case WHET_PW_REQUANTIZE: return (quantized(p, x) - x[2]) * x[1];
    default: return NAN;
    }
}

double whet_pw_f64(whet_pw f, const float p[2], const double *x) {
    switch (whet_pw_inputs(f)) {
    case 1: return unary(f, (double)p[0], (double)p[1], x[0]);
    case 2: return binary(f, (double)p[0], x[0], x[1]);
    case 3: return ternary(f, p, x);
    default: return NAN;
    }
}

static const struct {
    const char *attr;
    int slot;
} param_names[] = {
    {"alpha", 0},     {"beta", 1}, {"gamma", 1},           {"min", 0},
    {"max", 1},       {"lambd", 0}, {"bias", 1},           {"approximate", 0},
    {"fmod", 0},      {"direction", 0}, {"detect_negative", 0}, {"detect_positive", 1},
};

static float as_float(const whet_attr *a, const void *attrs) {
    const void *p = (const char *)attrs + a->offset;
    switch (a->type) {
    case WHET_ATTR_FLOAT: return *(const float *)p;
    case WHET_ATTR_INT: return (float)*(const int64_t *)p;
    case WHET_ATTR_BOOL: return *(const bool *)p ? 1 : 0;
    case WHET_ATTR_ENUM: return (float)*(const int32_t *)p;
    default: return 0;
    }
}

void whet_pw_params(const whet_op *op, const void *attrs, float p[2]) {
    p[0] = p[1] = 0;
    for (int32_t i = 0; i < op->n_attrs; i++)
        for (int32_t k = 0; k < WHET_COUNT(param_names); k++)
            if (!strcmp(op->attrs[i].name, param_names[k].attr))
                p[param_names[k].slot] = as_float(&op->attrs[i], attrs);
}
