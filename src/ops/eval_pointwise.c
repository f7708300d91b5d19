// SPDX-License-Identifier: Apache-2.0
#include "ops/eval_pointwise.h"

#include <math.h>
#include <string.h>

#include "ops/broadcast.h"
#include "ops/pointwise.h"

typedef struct pointwise {
    whet_eval *e;
    whet_pw f;
    float p[2];
    whet_broadcast b;
    whet_dtype in, out; // of the operands and the result
} pointwise;

// Why an integer function has no value.
typedef enum fault { NONE, BY_ZERO, OVERFLOW, NEGATIVE_POWER } fault;

static whet_status report(const pointwise *w, fault why, int64_t at) {
    static const char *const text[] = {"", "integer division by zero", "integer overflow",
                                       "zero to a negative power"};
    WHET_FAIL(w->e->err, WHET_E_RANGE, "%s at element %lld", text[why], (long long)at);
}

static uint64_t power(uint64_t base, uint64_t exponent) {
    uint64_t r = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1) r *= base;
    return r;
}

static fault signed_power(int64_t base, int64_t exponent, int64_t *y) {
    *y = exponent >= 0 ? (int64_t)power((uint64_t)base, (uint64_t)exponent)
         : base == 1   ? 1
         : base == -1  ? (exponent & 1 ? -1 : 1)
                       : 0;
    return exponent < 0 && base == 0 ? NEGATIVE_POWER : NONE;
}

static fault signed_divide(whet_dtype dtype, int64_t a, int64_t b, int64_t *y) {
    if (b == 0) return BY_ZERO;
    if (b == -1 && a == INT64_MIN) return OVERFLOW;
    *y = a / b;
    return *y > INT64_MAX >> (64 - whet_dtype_bits(dtype)) ? OVERFLOW : NONE;
}

static fault signed_modulo(bool c_style, int64_t a, int64_t b, int64_t *y) {
    if (b == 0) return BY_ZERO;
    *y = b == -1 ? 0 : a % b;
    if (!c_style && *y != 0 && (*y < 0) != (b < 0)) *y += b;
    return NONE;
}

// Shifts by less than nothing or by all bits and more leave only copies of the sign.
static int64_t signed_shift(const pointwise *w, int64_t a, int64_t b) {
    bool right = w->p[0] != 0;
    if (b < 0 || b >= whet_dtype_bits(w->in)) return right && a < 0 ? -1 : 0;
    return right ? a >> b : (int64_t)((uint64_t)a << b);
}

// Sums and products wrap, as two's complement does; the store drops the higher bits.
static fault apply_i64(const pointwise *w, const int64_t *x, int64_t *y) {
    int64_t a = x[0], b = x[1];
    switch (w->f) {
    case WHET_PW_IDENTITY: *y = a; break;
    case WHET_PW_RELU: *y = a < 0 ? 0 : a; break;
    case WHET_PW_ABS: *y = a < 0 ? (int64_t)(0 - (uint64_t)a) : a; break;
    case WHET_PW_NEG: *y = (int64_t)(0 - (uint64_t)a); break;
    case WHET_PW_SIGN: *y = (a > 0) - (a < 0); break;
    case WHET_PW_BITWISE_NOT: *y = ~a; break;
    case WHET_PW_ADD: *y = (int64_t)((uint64_t)a + (uint64_t)b); break;
    case WHET_PW_SUB: *y = (int64_t)((uint64_t)a - (uint64_t)b); break;
    case WHET_PW_MUL: *y = (int64_t)((uint64_t)a * (uint64_t)b); break;
    case WHET_PW_DIV: return signed_divide(w->in, a, b, y);
    case WHET_PW_MOD: return signed_modulo(w->p[0] != 0, a, b, y);
    case WHET_PW_POW: return signed_power(a, b, y);
    case WHET_PW_PRELU: *y = a < 0 ? (int64_t)((uint64_t)a * (uint64_t)b) : a; break;
    case WHET_PW_MIN: *y = a < b ? a : b; break;
    case WHET_PW_MAX: *y = a > b ? a : b; break;
    case WHET_PW_EQUAL: *y = a == b; break;
    case WHET_PW_LESS: *y = a < b; break;
    case WHET_PW_LESS_OR_EQUAL: *y = a <= b; break;
    case WHET_PW_GREATER: *y = a > b; break;
    case WHET_PW_GREATER_OR_EQUAL: *y = a >= b; break;
    case WHET_PW_BITWISE_AND: *y = a & b; break;
    case WHET_PW_BITWISE_OR: *y = a | b; break;
    case WHET_PW_BITWISE_XOR: *y = a ^ b; break;
    case WHET_PW_BIT_SHIFT: *y = signed_shift(w, a, b); break;
    default: *y = 0; break; // infer lets no other function have signed operands
    }
    return NONE;
}

static fault apply_u64(const pointwise *w, const uint64_t *x, uint64_t *y) {
    uint64_t a = x[0], b = x[1];
    switch (w->f) {
    case WHET_PW_IDENTITY:
    case WHET_PW_ABS:
    case WHET_PW_PRELU:
    case WHET_PW_RELU: *y = a; break;
    case WHET_PW_SIGN: *y = a != 0; break;
    case WHET_PW_NOT: *y = !a; break;
    case WHET_PW_BITWISE_NOT: *y = ~a; break;
    case WHET_PW_ADD: *y = a + b; break;
    case WHET_PW_SUB: *y = a - b; break;
    case WHET_PW_MUL: *y = a * b; break;
    case WHET_PW_DIV:
        if (b == 0) return BY_ZERO;
        *y = a / b;
        break;
    case WHET_PW_MOD:
        if (b == 0) return BY_ZERO;
        *y = a % b;
        break;
    case WHET_PW_POW: *y = power(a, b); break;
    case WHET_PW_MIN: *y = a < b ? a : b; break;
    case WHET_PW_MAX: *y = a > b ? a : b; break;
    case WHET_PW_EQUAL: *y = a == b; break;
    case WHET_PW_LESS: *y = a < b; break;
    case WHET_PW_LESS_OR_EQUAL: *y = a <= b; break;
    case WHET_PW_GREATER: *y = a > b; break;
    case WHET_PW_GREATER_OR_EQUAL: *y = a >= b; break;
    case WHET_PW_AND: *y = a && b; break;
    case WHET_PW_OR: *y = a || b; break;
    case WHET_PW_XOR: *y = !a != !b; break;
    case WHET_PW_BITWISE_AND: *y = a & b; break;
    case WHET_PW_BITWISE_OR: *y = a | b; break;
    case WHET_PW_BITWISE_XOR: *y = a ^ b; break;
    case WHET_PW_BIT_SHIFT: *y = b > 63 ? 0 : w->p[0] != 0 ? a >> b : a << b; break;
    default: *y = 0; break; // infer lets no other function have unsigned operands
    }
    return NONE;
}

#define ROW_FUNCTION(name, T, suffix)                                                              \
    static whet_status name(const pointwise *w) {                                                  \
        const whet_broadcast *b = &w->b;                                                           \
        const whet_tensor *in = w->e->in;                                                          \
        whet_tensor *out = &w->e->out[0];                                                          \
        for (int64_t k = 0; k < b->length; k++) {                                                  \
            T x[2] = {0, 0}, y = 0;                                                                \
            for (int32_t i = 0; i < b->n; i++)                                                     \
                x[i] = whet_load_##suffix(in[i].data, in[i].dtype, b->in[i] + k * b->step[i]);     \
            fault why = apply_##suffix(w, x, &y);                                                  \
            if (why) return report(w, why, b->out + k);                                            \
            whet_store_##suffix(out->data, out->dtype, b->out + k, y);                             \
        }                                                                                          \
        return WHET_OK;                                                                            \
    }
ROW_FUNCTION(row_i64, int64_t, i64)
ROW_FUNCTION(row_u64, uint64_t, u64)

static fault apply_f64(const pointwise *w, const double *x, double *y) {
    *y = whet_pw_f64(w->f, w->p, x);
    return NONE;
}
ROW_FUNCTION(row_f64, double, f64)

// Moves bytes, so that every NaN stays itself.
static whet_status row_where(const pointwise *w) {
    const whet_broadcast *b = &w->b;
    const whet_tensor *in = w->e->in;
    size_t size = (size_t)whet_dtype_bits(w->out) / 8;
    for (int64_t k = 0; k < b->length; k++) {
        int32_t from = ((const uint8_t *)in[0].data)[b->in[0] + k * b->step[0]] ? 1 : 2;
        const char *src = in[from].data;
        memcpy((char *)w->e->out[0].data + (size_t)(b->out + k) * size,
               src + (size_t)(b->in[from] + k * b->step[from]) * size, size);
    }
    return WHET_OK;
}

// Integers to a real power, shrunk integers and the error function are computed as reals.
static bool in_reals(const pointwise *w) {
    return whet_dtype_is_float(w->in) || w->f == WHET_PW_SHRINK || w->f == WHET_PW_ERF ||
           (w->f == WHET_PW_POW && whet_dtype_is_float(w->e->in[1].dtype));
}

whet_status whet_pointwise_eval(whet_eval *e) {
    pointwise w = {.e = e, .f = (whet_pw)e->op->pw, .in = e->in[0].dtype, .out = e->out[0].dtype};
    if (w.f == WHET_PW_IDENTITY) {
        int64_t n = whet_tensor_count(&e->in[0]);
        if (e->out[0].data != e->in[0].data && n > 0)
            memcpy(e->out[0].data, e->in[0].data, whet_tensor_bytes(w.in, n));
        return WHET_OK;
    }
    if (e->n_in == 2 && whet_pointwise_eval_f32(e)) return WHET_OK;
    whet_pw_params(e->op, e->attrs, w.p);
    whet_broadcast_init(&w.b, &e->out[0], e->in, whet_pw_inputs(w.f));
    whet_status (*row)(const pointwise *) = w.f == WHET_PW_WHERE        ? row_where
                                            : in_reals(&w)              ? row_f64
                                            : whet_dtype_is_signed(w.in) ? row_i64
                                                                        : row_u64;
    while (whet_broadcast_next(&w.b)) WHET_TRY(row(&w));
    return WHET_OK;
}
