// SPDX-License-Identifier: Apache-2.0
// Loads and stores of single elements, and of whole arrays.
#include <math.h>

#include "base/dtype.h"

// ---- elements of less than a byte ----

// Those of 6 bits may lie in two bytes.
static uint8_t packed_load(const void *data, int32_t bits, int64_t i) {
    const uint8_t *byte = (const uint8_t *)data + i * bits / 8;
    int32_t shift = (int32_t)(i * bits % 8);
    uint32_t v = *byte;
    if (shift + bits > 8) v |= (uint32_t)byte[1] << 8;
    return (uint8_t)(v >> shift & ((1u << bits) - 1));
}

static void packed_store(void *data, int32_t bits, int64_t i, uint8_t v) {
    uint8_t *byte = (uint8_t *)data + i * bits / 8;
    int32_t shift = (int32_t)(i * bits % 8);
    uint32_t mask = ((1u << bits) - 1) << shift, put = (uint32_t)v << shift & mask;
    *byte = (uint8_t)((*byte & ~mask) | put);
    if (shift + bits > 8) byte[1] = (uint8_t)((byte[1] & ~(mask >> 8)) | put >> 8);
}

static int64_t with_sign(uint8_t v, int32_t bits) {
    return v >> (bits - 1) & 1 ? (int64_t)v - (1 << bits) : v;
}

void whet_unpack(uint8_t *out, const void *data, whet_dtype dtype, int64_t n) {
    int32_t bits = whet_dtype_bits(dtype);
    bool sign = whet_dtype_is_signed(dtype);
    for (int64_t i = 0; i < n; i++) {
        uint8_t v = packed_load(data, bits, i);
        out[i] = sign ? (uint8_t)with_sign(v, bits) : v;
    }
}

void whet_pack(void *out, whet_dtype dtype, const uint8_t *in, int64_t n) {
    int32_t bits = whet_dtype_bits(dtype);
    if (n > 0) ((uint8_t *)out)[whet_tensor_bytes(dtype, n) - 1] = 0;
    for (int64_t i = 0; i < n; i++) packed_store(out, bits, i, in[i]);
}

// ---- loads ----

#define LOAD(T, suffix, expr)                                                                      \
    case WHET_DTYPE_##suffix: {                                                                    \
        T v = ((const T *)data)[i];                                                                \
        return expr;                                                                               \
    }

double whet_load_f64(const void *data, whet_dtype dtype, int64_t i) {
    switch (dtype) {
        LOAD(float, F32, (double)v)
        LOAD(double, F64, v)
        LOAD(uint16_t, F16, (double)whet_f16_to_f32(v))
        LOAD(uint16_t, BF16, (double)whet_bf16_to_f32(v))
        LOAD(int8_t, I8, (double)v)
        LOAD(uint8_t, U8, (double)v)
        LOAD(int16_t, I16, (double)v)
        LOAD(uint16_t, U16, (double)v)
        LOAD(int32_t, I32, (double)v)
        LOAD(uint32_t, U32, (double)v)
        LOAD(int64_t, I64, (double)v)
        LOAD(uint64_t, U64, (double)v)
        LOAD(uint8_t, BOOL, (double)(v != 0))
        LOAD(uint8_t, F8E4M3FN, whet_float8_load(dtype, v))
        LOAD(uint8_t, F8E4M3FNUZ, whet_float8_load(dtype, v))
        LOAD(uint8_t, F8E5M2, whet_float8_load(dtype, v))
        LOAD(uint8_t, F8E5M2FNUZ, whet_float8_load(dtype, v))
        LOAD(uint8_t, F8E8M0, whet_float8_load(dtype, v))
    case WHET_DTYPE_F4E2M1: return whet_float8_load(dtype, packed_load(data, 4, i));
    case WHET_DTYPE_F6E2M3:
    case WHET_DTYPE_F6E3M2: return whet_float8_load(dtype, packed_load(data, 6, i));
    case WHET_DTYPE_U4: return packed_load(data, 4, i);
    case WHET_DTYPE_U2: return packed_load(data, 2, i);
    case WHET_DTYPE_I4: return (double)with_sign(packed_load(data, 4, i), 4);
    case WHET_DTYPE_I2: return (double)with_sign(packed_load(data, 2, i), 2);
    case WHET_DTYPE_C64: return (double)((const float *)data)[2 * i];
    case WHET_DTYPE_C128: return ((const double *)data)[2 * i];
    default: return 0;
    }
}

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

// ---- stores ----

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
    case WHET_DTYPE_U4:
    case WHET_DTYPE_I4: packed_store(data, 4, i, (uint8_t)v); break;
    case WHET_DTYPE_U2:
    case WHET_DTYPE_I2: packed_store(data, 2, i, (uint8_t)v); break;
    case WHET_DTYPE_F32: ((float *)data)[i] = (float)v; break;
    case WHET_DTYPE_C64:
        ((float *)data)[2 * i] = (float)v;
        ((float *)data)[2 * i + 1] = 0;
        break;
    default: whet_store_f64(data, dtype, i, (double)v); break;
    }
}

void whet_store_u64(void *data, whet_dtype dtype, int64_t i, uint64_t v) {
    if (dtype == WHET_DTYPE_F32) ((float *)data)[i] = (float)v;
    else if (whet_dtype_is_float(dtype) || dtype == WHET_DTYPE_C64 || dtype == WHET_DTYPE_C128)
        whet_store_f64(data, dtype, i, (double)v);
    else whet_store_i64(data, dtype, i, (int64_t)v);
}

static void store_complex(void *data, whet_dtype dtype, int64_t i, double v) {
    if (dtype == WHET_DTYPE_C64) {
        ((float *)data)[2 * i] = (float)v;
        ((float *)data)[2 * i + 1] = 0;
    } else {
        ((double *)data)[2 * i] = v;
        ((double *)data)[2 * i + 1] = 0;
    }
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
    case WHET_DTYPE_I4: packed_store(data, 4, i, (uint8_t)f64_to_i64(v, -8, 7)); break;
    case WHET_DTYPE_U4: packed_store(data, 4, i, (uint8_t)f64_to_i64(v, 0, 15)); break;
    case WHET_DTYPE_I2: packed_store(data, 2, i, (uint8_t)f64_to_i64(v, -2, 1)); break;
    case WHET_DTYPE_U2: packed_store(data, 2, i, (uint8_t)f64_to_i64(v, 0, 3)); break;
    case WHET_DTYPE_F4E2M1: packed_store(data, 4, i, whet_float8_store(dtype, v, true)); break;
    case WHET_DTYPE_F6E2M3:
    case WHET_DTYPE_F6E3M2: packed_store(data, 6, i, whet_float8_store(dtype, v, true)); break;
    case WHET_DTYPE_F8E4M3FN:
    case WHET_DTYPE_F8E4M3FNUZ:
    case WHET_DTYPE_F8E5M2:
    case WHET_DTYPE_F8E5M2FNUZ:
    case WHET_DTYPE_F8E8M0: ((uint8_t *)data)[i] = whet_float8_store(dtype, v, true); break;
    case WHET_DTYPE_C64:
    case WHET_DTYPE_C128: store_complex(data, dtype, i, v); break;
    case WHET_DTYPE_STRING:
    case WHET_DTYPE_SEQUENCE:
    case WHET_DTYPE_OPTIONAL:
    case WHET_DTYPE_MAP:
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
