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
bool whet_dtype_is_float(whet_dtype dtype) { return in_set(dtype, WHET_DTYPES_FLOAT); }
bool whet_dtype_is_signed(whet_dtype dtype) { return in_set(dtype, WHET_DTYPES_SIGNED); }
bool whet_dtype_is_unsigned(whet_dtype dtype) { return in_set(dtype, WHET_DTYPES_UNSIGNED); }
bool whet_dtype_is_int(whet_dtype dtype) { return in_set(dtype, WHET_DTYPES_INT); }

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

#define LOAD(T, suffix, expr)                                                                      \
    case WHET_DTYPE_##suffix: {                                                                    \
        T v = ((const T *)data)[i];                                                                \
        return expr;                                                                               \
    }
#define LOAD_FUNCTION(name, R)                                                                     \
    R name(const void *data, whet_dtype dtype, int64_t i) {                                        \
        switch (dtype) {                                                                           \
            LOAD(float, F32, (R)v)                                                                 \
            LOAD(double, F64, (R)v)                                                                \
            LOAD(uint16_t, F16, (R)whet_f16_to_f32(v))                                             \
            LOAD(uint16_t, BF16, (R)whet_bf16_to_f32(v))                                           \
            LOAD(int8_t, I8, (R)v)                                                                 \
            LOAD(uint8_t, U8, (R)v)                                                                \
            LOAD(int16_t, I16, (R)v)                                                               \
            LOAD(uint16_t, U16, (R)v)                                                              \
            LOAD(int32_t, I32, (R)v)                                                               \
            LOAD(uint32_t, U32, (R)v)                                                              \
            LOAD(int64_t, I64, (R)v)                                                               \
            LOAD(uint64_t, U64, (R)v)                                                              \
            LOAD(uint8_t, BOOL, (R)(v != 0))                                                       \
        case WHET_DTYPE_NONE: break;                                                               \
        }                                                                                          \
        return 0;                                                                                  \
    }
LOAD_FUNCTION(whet_load_f64, double)

static int64_t f64_to_i64(double v, double lo, double hi) {
    if (isnan(v)) return 0;
    if (v <= lo) return lo <= -0x1p63 ? INT64_MIN : (int64_t)lo;
    if (v >= hi) return hi >= 0x1p63 ? INT64_MAX : (int64_t)hi;
    return (int64_t)v;
}
static uint64_t f64_to_u64(double v) {
    if (isnan(v) || v <= 0) return 0;
    return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

int64_t whet_load_i64(const void *data, whet_dtype dtype, int64_t i) {
    switch (dtype) {
        LOAD(int8_t, I8, v)
        LOAD(uint8_t, U8, v)
        LOAD(int16_t, I16, v)
        LOAD(uint16_t, U16, v)
        LOAD(int32_t, I32, v)
        LOAD(uint32_t, U32, v)
        LOAD(int64_t, I64, v)
        LOAD(uint64_t, U64, (int64_t)v)
        LOAD(uint8_t, BOOL, v != 0)
    default: return f64_to_i64(whet_load_f64(data, dtype, i), -0x1p63, 0x1p63);
    }
}

uint64_t whet_load_u64(const void *data, whet_dtype dtype, int64_t i) {
    if (whet_dtype_is_float(dtype)) return f64_to_u64(whet_load_f64(data, dtype, i));
    return (uint64_t)whet_load_i64(data, dtype, i);
}

void whet_store_i64(void *data, whet_dtype dtype, int64_t i, int64_t v) {
    switch (dtype) {
    case WHET_DTYPE_I8: ((int8_t *)data)[i] = (int8_t)v; break;
    case WHET_DTYPE_U8: ((uint8_t *)data)[i] = (uint8_t)v; break;
    case WHET_DTYPE_I16: ((int16_t *)data)[i] = (int16_t)v; break;
    case WHET_DTYPE_U16: ((uint16_t *)data)[i] = (uint16_t)v; break;
    case WHET_DTYPE_I32: ((int32_t *)data)[i] = (int32_t)v; break;
    case WHET_DTYPE_U32: ((uint32_t *)data)[i] = (uint32_t)v; break;
    case WHET_DTYPE_I64: ((int64_t *)data)[i] = v; break;
    case WHET_DTYPE_U64: ((uint64_t *)data)[i] = (uint64_t)v; break;
    case WHET_DTYPE_BOOL: ((uint8_t *)data)[i] = v != 0; break;
    case WHET_DTYPE_F32: ((float *)data)[i] = (float)v; break;
    default: whet_store_f64(data, dtype, i, (double)v); break;
    }
}

void whet_store_u64(void *data, whet_dtype dtype, int64_t i, uint64_t v) {
    if (dtype == WHET_DTYPE_F32) ((float *)data)[i] = (float)v;
    else if (whet_dtype_is_float(dtype)) whet_store_f64(data, dtype, i, (double)v);
    else whet_store_i64(data, dtype, i, (int64_t)v);
}

void whet_store_f64(void *data, whet_dtype dtype, int64_t i, double v) {
    switch (dtype) {
    case WHET_DTYPE_F32: ((float *)data)[i] = (float)v; break;
    case WHET_DTYPE_F64: ((double *)data)[i] = v; break;
    case WHET_DTYPE_F16: ((uint16_t *)data)[i] = whet_f64_to_f16(v); break;
    case WHET_DTYPE_BF16: ((uint16_t *)data)[i] = whet_f64_to_bf16(v); break;
    case WHET_DTYPE_I8: ((int8_t *)data)[i] = (int8_t)f64_to_i64(v, -128, 127); break;
    case WHET_DTYPE_I16: ((int16_t *)data)[i] = (int16_t)f64_to_i64(v, -32768, 32767); break;
    case WHET_DTYPE_I32: ((int32_t *)data)[i] = (int32_t)f64_to_i64(v, -0x1p31, 0x1p31 - 1); break;
    case WHET_DTYPE_I64: ((int64_t *)data)[i] = f64_to_i64(v, -0x1p63, 0x1p63); break;
    case WHET_DTYPE_U8: ((uint8_t *)data)[i] = (uint8_t)f64_to_i64(v, 0, 255); break;
    case WHET_DTYPE_U16: ((uint16_t *)data)[i] = (uint16_t)f64_to_i64(v, 0, 65535); break;
    case WHET_DTYPE_U32: ((uint32_t *)data)[i] = (uint32_t)f64_to_i64(v, 0, 0x1p32 - 1); break;
    case WHET_DTYPE_U64: ((uint64_t *)data)[i] = f64_to_u64(v); break;
    case WHET_DTYPE_BOOL: ((uint8_t *)data)[i] = v != 0; break;
    case WHET_DTYPE_NONE: break;
    }
}

void whet_load_f64_array(double *out, const void *data, whet_dtype dtype, int64_t n) {
    if (dtype == WHET_DTYPE_F32)
        for (int64_t i = 0; i < n; i++) out[i] = (double)((const float *)data)[i];
    else
        for (int64_t i = 0; i < n; i++) out[i] = whet_load_f64(data, dtype, i);
}

void whet_store_f64_array(void *data, whet_dtype dtype, const double *in, int64_t n) {
    if (dtype == WHET_DTYPE_F32)
        for (int64_t i = 0; i < n; i++) ((float *)data)[i] = (float)in[i];
    else
        for (int64_t i = 0; i < n; i++) whet_store_f64(data, dtype, i, in[i]);
}
