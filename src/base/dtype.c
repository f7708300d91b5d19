// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.h"

#include <math.h>
#include <string.h>

typedef struct {
    const char *text;
    int32_t bits;
} dtype_row;

static const dtype_row rows[] = {
#define ROW(name, number, text, bits) [number] = {text, bits},
    WHET_DTYPE_MAP(ROW)
#undef ROW
};
#define N_ROWS ((int32_t)(sizeof rows / sizeof rows[0]))

bool whet_dtype_known(int32_t dtype) {
    return dtype > 0 && dtype < N_ROWS && rows[dtype].text;
}
const char *whet_dtype_text(whet_dtype dtype) {
    return (int32_t)dtype >= 0 && (int32_t)dtype < N_ROWS && rows[dtype].text ? rows[dtype].text
                                                                              : "?";
}
int32_t whet_dtype_bits(whet_dtype dtype) {
    return whet_dtype_known((int32_t)dtype) ? rows[dtype].bits : 0;
}
static bool in_set(whet_dtype dtype, uint64_t set) {
    return whet_dtype_known((int32_t)dtype) && (set >> dtype & 1);
}
#define SMALL_FLOATS                                                                               \
    (WHET_DTYPES_FLOAT8 | WHET_DTYPES_FLOAT6 | WHET_DTYPE_BIT(WHET_DTYPE_F4E2M1) |                 \
     WHET_DTYPE_BIT(WHET_DTYPE_F8E8M0))
#define SMALL_SIGNED (WHET_DTYPE_BIT(WHET_DTYPE_I4) | WHET_DTYPE_BIT(WHET_DTYPE_I2))
#define SMALL_UNSIGNED (WHET_DTYPE_BIT(WHET_DTYPE_U4) | WHET_DTYPE_BIT(WHET_DTYPE_U2))
bool whet_dtype_is_float(whet_dtype dtype) {
    return in_set(dtype, WHET_DTYPES_FLOAT | SMALL_FLOATS);
}
bool whet_dtype_is_signed(whet_dtype dtype) {
    return in_set(dtype, WHET_DTYPES_SIGNED | SMALL_SIGNED);
}
bool whet_dtype_is_unsigned(whet_dtype dtype) {
    return in_set(dtype, WHET_DTYPES_UNSIGNED | SMALL_UNSIGNED);
}
bool whet_dtype_is_int(whet_dtype dtype) {
    return in_set(dtype, WHET_DTYPES_INT | SMALL_SIGNED | SMALL_UNSIGNED);
}
bool whet_dtype_is_object(whet_dtype dtype) { return in_set(dtype, WHET_DTYPES_OBJECT); }
bool whet_dtype_is_word(whet_dtype dtype) {
    int32_t bits = whet_dtype_bits(dtype);
    return bits >= 8 && bits <= 64 && !whet_dtype_is_object(dtype);
}

whet_dtype whet_dtype_parse(const char *text) {
    for (int32_t i = 1; i < N_ROWS; i++)
        if (rows[i].text && !strcmp(rows[i].text, text)) return (whet_dtype)i;
    return WHET_DTYPE_NONE;
}

size_t whet_tensor_bytes(whet_dtype dtype, int64_t count) {
    int32_t bits = whet_dtype_bits(dtype);
    size_t total;
    if (!bits || count < 0 || __builtin_mul_overflow((size_t)count, (size_t)bits, &total) ||
        total > SIZE_MAX - 7)
        return SIZE_MAX;
    return (total + 7) / 8;
}

int64_t whet_dims_count(const int64_t *dims, int32_t rank) {
    int64_t count = 1;
    bool zero = false;
    for (int32_t i = 0; i < rank; i++) {
        if (dims[i] < 0) return -1;
        if (dims[i] == 0) {
            zero = true;
        } else if (__builtin_mul_overflow(count, dims[i], &count) || count > INT64_MAX / 16) {
            return -1;
        }
    }
    return zero ? 0 : count;
}

float whet_bf16_to_f32(uint16_t v) {
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

uint16_t whet_f32_to_bf16(float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float whet_f16_to_f32(uint16_t v) {
    uint32_t sign = (uint32_t)(v & 0x8000) << 16, exp = v >> 10 & 31, mant = v & 0x3ff, bits;
    float f;
    if (exp == 31) {
        bits = sign | 0x7f800000 | mant << 13;
    } else if (exp) {
        bits = sign | (exp + 112) << 23 | mant << 13;
    } else {
        f = (float)mant * 0x1p-24f;
        return sign ? -f : f;
    }
    memcpy(&f, &bits, 4);
    return f;
}

// Rounds to a binary format with `digits` bits of significand, smallest exponent `emin` and largest
// finite value `max`, all exactly representable in double.
static double round_to(double v, int digits, int emin, double max) {
    if (v == 0 || !isfinite(v)) return v;
    int e;
    frexp(v, &e);
    e -= 1;
    if (e < emin) e = emin;
    double unit = ldexp(1, e - digits + 1);
    double r = nearbyint(v / unit) * unit;
    return fabs(r) > max ? copysign(INFINITY, v) : r;
}

static uint16_t f16_exact(double v) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    double a = fabs(v);
    if (isnan(v)) return sign | 0x7e00;
    if (isinf(v)) return sign | 0x7c00;
    if (a < 0x1p-14) return sign | (uint16_t)(a * 0x1p24);
    int e;
    double m = frexp(a, &e); // a = m 2^e, m in [0.5, 1)
    return sign | (uint16_t)((e - 1 + 15) << 10) | (uint16_t)(m * 2048 - 1024);
}

uint16_t whet_f64_to_f16(double v) { return f16_exact(round_to(v, 11, -14, 65504)); }
uint16_t whet_f32_to_f16(float v) { return whet_f64_to_f16((double)v); }
uint16_t whet_f64_to_bf16(double v) {
    if (isnan(v)) return whet_f32_to_bf16((float)v);
    return whet_f32_to_bf16((float)round_to(v, 8, -126, 0x1.fep127));
}

