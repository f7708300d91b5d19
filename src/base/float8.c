// SPDX-License-Identifier: Apache-2.0
// Floats of 8, 6 and 4 bits. They differ in exponent bias and in which codes are infinity and NaN.
#include <math.h>

#include "base/dtype.h"

typedef enum specials {
    IEEE,   // infinity, then NaNs
    NAN_7F, // NaN where all bits below the sign are set, no infinity
    NAN_80, // NaN is what would be -0, no infinity
    FINITE, // neither
} specials;

typedef struct format {
    int32_t exponent, mantissa, bias;
    specials kind;
    double max;
} format;

static format format_of(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_F8E4M3FN: return (format){4, 3, 7, NAN_7F, 448};
    case WHET_DTYPE_F8E4M3FNUZ: return (format){4, 3, 8, NAN_80, 240};
    case WHET_DTYPE_F8E5M2: return (format){5, 2, 15, IEEE, 57344};
    case WHET_DTYPE_F8E5M2FNUZ: return (format){5, 2, 16, NAN_80, 57344};
    case WHET_DTYPE_F6E2M3: return (format){2, 3, 1, FINITE, 7.5};
    case WHET_DTYPE_F6E3M2: return (format){3, 2, 3, FINITE, 28};
    default: return (format){2, 1, 1, FINITE, 6};
    }
}

static double e8m0_load(uint8_t bits) {
    return bits == 255 ? (double)NAN : ldexp(1, bits - 127);
}

double whet_float8_load(whet_dtype dtype, uint8_t bits) {
    if (dtype == WHET_DTYPE_F8E8M0) return e8m0_load(bits);
    format f = format_of(dtype);
    int32_t m = bits & ((1 << f.mantissa) - 1);
    int32_t e = bits >> f.mantissa & ((1 << f.exponent) - 1);
    bool negative = bits >> (f.mantissa + f.exponent) & 1;
    if (f.kind == NAN_80 && bits == 0x80) return (double)NAN;
    if (f.kind == NAN_7F && (bits & 0x7f) == 0x7f) return negative ? -(double)NAN : (double)NAN;
    if (f.kind == IEEE && e == (1 << f.exponent) - 1) {
        double v = m ? (double)NAN : (double)INFINITY;
        return negative ? -v : v;
    }
    double v = e ? ldexp((1 << f.mantissa) + m, e - f.bias - f.mantissa)
                 : ldexp(m, 1 - f.bias - f.mantissa);
    return negative ? -v : v;
}

static uint8_t nan_of(const format *f, uint8_t sign) {
    switch (f->kind) {
    case IEEE: return sign | 0x7e;
    case NAN_7F: return sign | 0x7f;
    case NAN_80: return 0x80;
    default: return (uint8_t)(1 << (f->mantissa + f->exponent)); // -0
    }
}

// Bits of a finite number that is not too large, without sign.
static uint8_t magnitude(const format *f, double a) {
    int e;
    if (a == 0) return 0;
    frexp(a, &e);
    e -= 1;
    if (e < 1 - f->bias) e = 1 - f->bias;
    int32_t units = (int32_t)nearbyint(ldexp(a, f->mantissa - e));
    // the implicit bit, and a carry out of the mantissa, add to the exponent by themselves
    return (uint8_t)(((e + f->bias - 1) << f->mantissa) + units);
}

// The largest finite magnitude follows from the code: round first, compare with `max` after.
uint8_t whet_float8_store(whet_dtype dtype, double v, bool saturate) {
    if (dtype == WHET_DTYPE_F8E8M0) return whet_e8m0_store(v, saturate, WHET_E8M0_UP);
    format f = format_of(dtype);
    uint8_t sign = signbit(v) ? (uint8_t)(1 << (f.mantissa + f.exponent)) : 0;
    if (isnan(v)) return nan_of(&f, sign);
    double a = fabs(v);
    uint8_t top = magnitude(&f, f.max);
    uint8_t bits = a >= 2 * f.max ? UINT8_MAX : magnitude(&f, a);
    if (bits > top) {
        if (saturate || f.kind == FINITE) bits = top;
        else if (f.kind == IEEE) bits = 0x7c;
        else return nan_of(&f, sign);
    }
    if (f.kind == NAN_80 && bits == 0) return 0;
    return sign | bits;
}

// Negative numbers go by their magnitude; what the rounding is said to do is in their absolute
// value. Without saturation, what is out of range (0 too) is NaN.
uint8_t whet_e8m0_store(double v, bool saturate, whet_e8m0_round round) {
    int e;
    double a = fabs(v);
    if (isnan(v)) return 255;
    if (isinf(v)) return saturate ? 254 : 255;
    if (a == 0) return saturate ? 0 : 255;
    double m = frexp(a, &e) * 2; // in [1, 2)
    e += 126;
    if (round == WHET_E8M0_UP ? m > 1 : round == WHET_E8M0_NEAREST && m >= 1.5) e++;
    if (e < 0) return saturate ? 0 : 255;
    if (e > 254) return saturate ? 254 : 255;
    return (uint8_t)e;
}
