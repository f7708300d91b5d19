// SPDX-License-Identifier: Apache-2.0
// Data types: sizes, classes, conversion of single elements and of whole tensors.
#ifndef WHET_BASE_DTYPE_H
#define WHET_BASE_DTYPE_H

#include <whet/whet.h>

// One bit a dtype, for sets.
#define WHET_DTYPE_BIT(dtype) (UINT64_C(1) << (dtype))
#define WHET_DTYPES_FLOAT                                                                          \
    (WHET_DTYPE_BIT(WHET_DTYPE_F32) | WHET_DTYPE_BIT(WHET_DTYPE_F16) |                             \
     WHET_DTYPE_BIT(WHET_DTYPE_BF16) | WHET_DTYPE_BIT(WHET_DTYPE_F64))
#define WHET_DTYPES_SIGNED                                                                         \
    (WHET_DTYPE_BIT(WHET_DTYPE_I8) | WHET_DTYPE_BIT(WHET_DTYPE_I16) |                              \
     WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64))
#define WHET_DTYPES_UNSIGNED                                                                       \
    (WHET_DTYPE_BIT(WHET_DTYPE_U8) | WHET_DTYPE_BIT(WHET_DTYPE_U16) |                              \
     WHET_DTYPE_BIT(WHET_DTYPE_U32) | WHET_DTYPE_BIT(WHET_DTYPE_U64))
#define WHET_DTYPES_INT (WHET_DTYPES_SIGNED | WHET_DTYPES_UNSIGNED)
#define WHET_DTYPES_NUMERIC (WHET_DTYPES_FLOAT | WHET_DTYPES_INT)
#define WHET_DTYPES_BOOL WHET_DTYPE_BIT(WHET_DTYPE_BOOL)
// The plain ones. Sets of the others are named apart, for few operators take them.
#define WHET_DTYPES_ALL (WHET_DTYPES_NUMERIC | WHET_DTYPES_BOOL)
#define WHET_DTYPES_STRING WHET_DTYPE_BIT(WHET_DTYPE_STRING)
#define WHET_DTYPES_COMPLEX (WHET_DTYPE_BIT(WHET_DTYPE_C64) | WHET_DTYPE_BIT(WHET_DTYPE_C128))
#define WHET_DTYPES_FLOAT8                                                                         \
    (WHET_DTYPE_BIT(WHET_DTYPE_F8E4M3FN) | WHET_DTYPE_BIT(WHET_DTYPE_F8E4M3FNUZ) |                 \
     WHET_DTYPE_BIT(WHET_DTYPE_F8E5M2) | WHET_DTYPE_BIT(WHET_DTYPE_F8E5M2FNUZ))
#define WHET_DTYPES_INT4 (WHET_DTYPE_BIT(WHET_DTYPE_U4) | WHET_DTYPE_BIT(WHET_DTYPE_I4))
#define WHET_DTYPES_INT2 (WHET_DTYPE_BIT(WHET_DTYPE_U2) | WHET_DTYPE_BIT(WHET_DTYPE_I2))
#define WHET_DTYPES_FLOAT6 (WHET_DTYPE_BIT(WHET_DTYPE_F6E2M3) | WHET_DTYPE_BIT(WHET_DTYPE_F6E3M2))
// Those of less than a byte.
#define WHET_DTYPES_PACKED                                                                         \
    (WHET_DTYPES_INT4 | WHET_DTYPES_INT2 | WHET_DTYPES_FLOAT6 | WHET_DTYPE_BIT(WHET_DTYPE_F4E2M1))
#define WHET_DTYPES_SMALL                                                                          \
    (WHET_DTYPES_PACKED | WHET_DTYPES_FLOAT8 | WHET_DTYPE_BIT(WHET_DTYPE_F8E8M0))
// Whatever an element of a tensor can be, and the values that are no tensors.
#define WHET_DTYPES_TENSOR                                                                         \
    (WHET_DTYPES_ALL | WHET_DTYPES_SMALL | WHET_DTYPES_COMPLEX | WHET_DTYPES_STRING)
#define WHET_DTYPES_OBJECT                                                                         \
    (WHET_DTYPE_BIT(WHET_DTYPE_SEQUENCE) | WHET_DTYPE_BIT(WHET_DTYPE_OPTIONAL) |                   \
     WHET_DTYPE_BIT(WHET_DTYPE_MAP))

bool whet_dtype_known(int32_t dtype);
int32_t whet_dtype_bits(whet_dtype dtype);     // 0 when unknown
bool whet_dtype_is_float(whet_dtype dtype);    // of any size, not complex
bool whet_dtype_is_signed(whet_dtype dtype);   // signed integers
bool whet_dtype_is_unsigned(whet_dtype dtype); // unsigned integers, not bool
bool whet_dtype_is_int(whet_dtype dtype);      // signed or unsigned, not bool
static inline bool whet_dtype_is_integral(whet_dtype dtype) {
    return whet_dtype_is_int(dtype) || dtype == WHET_DTYPE_BOOL;
}
bool whet_dtype_is_object(whet_dtype dtype);   // sequence, optional, map
static inline bool whet_dtype_is_complex(whet_dtype dtype) {
    return dtype == WHET_DTYPE_C64 || dtype == WHET_DTYPE_C128;
}
// A complex number as two numbers of another dtype; every other dtype is itself, once.
static inline int64_t whet_dtype_parts(whet_dtype dtype) {
    return whet_dtype_is_complex(dtype) ? 2 : 1;
}
static inline whet_dtype whet_dtype_part(whet_dtype dtype) {
    return dtype == WHET_DTYPE_C64    ? WHET_DTYPE_F32
           : dtype == WHET_DTYPE_C128 ? WHET_DTYPE_F64
                                      : dtype;
}
// Elements are numbers of 1, 2, 4 or 8 bytes: what kernels that only move elements can take.
bool whet_dtype_is_word(whet_dtype dtype);
// The dtype of that text ("f32") or WHET_DTYPE_NONE.
whet_dtype whet_dtype_parse(const char *text);

// Round to nearest even; overflow to infinity; NaN stays NaN.
uint16_t whet_f32_to_f16(float v);
float whet_f16_to_f32(uint16_t v);
uint16_t whet_f32_to_bf16(float v);
float whet_bf16_to_f32(uint16_t v);
// From double in one rounding.
uint16_t whet_f64_to_f16(double v);
uint16_t whet_f64_to_bf16(double v);

// Floats of 8, 6 and 4 bits (base/float8.c); `bits` are the low ones. Rounding is to nearest even.
// What is too large becomes the largest number when `saturate`, else infinity, else NaN; those of 6
// and 4 bits always saturate and take NaN for -0.
double whet_float8_load(whet_dtype dtype, uint8_t bits);
uint8_t whet_float8_store(whet_dtype dtype, double v, bool saturate);
// Powers of two.
typedef enum whet_e8m0_round { WHET_E8M0_UP, WHET_E8M0_DOWN, WHET_E8M0_NEAREST } whet_e8m0_round;
uint8_t whet_e8m0_store(double v, bool saturate, whet_e8m0_round round);

// Element `i` of an array of `dtype` as double, int64 or uint64 (C conversion rules; bool is 0 or
// 1; the real part of complex numbers; 0 of what is no number).
double whet_load_f64(const void *data, whet_dtype dtype, int64_t i);
int64_t whet_load_i64(const void *data, whet_dtype dtype, int64_t i);
uint64_t whet_load_u64(const void *data, whet_dtype dtype, int64_t i);
// Stores rounded to the type (floats: nearest even); integer types truncate modulo 2^bits from
// int64 and uint64, and toward zero from double (out of range, NaN: the x86 result of the
// conversion is not relied on; the value saturates, NaN gives 0); bool stores v != 0; small floats
// saturate; what is no number is left alone.
void whet_store_f64(void *data, whet_dtype dtype, int64_t i, double v);
void whet_store_i64(void *data, whet_dtype dtype, int64_t i, int64_t v);
void whet_store_u64(void *data, whet_dtype dtype, int64_t i, uint64_t v);

// Whole arrays; n elements.
void whet_load_f64_array(double *out, const void *data, whet_dtype dtype, int64_t n);
void whet_store_f64_array(void *data, whet_dtype dtype, const double *in, int64_t n);

// Packed elements one a byte, signed ones with their sign, and back.
void whet_unpack(uint8_t *out, const void *data, whet_dtype dtype, int64_t n);
void whet_pack(void *out, whet_dtype dtype, const uint8_t *in, int64_t n);

// Product of dims; -1 when one is negative or the product (times 16) overflows int64.
int64_t whet_dims_count(const int64_t *dims, int32_t rank);

#endif
