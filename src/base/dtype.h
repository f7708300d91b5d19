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
#define WHET_DTYPES_ALL (WHET_DTYPES_NUMERIC | WHET_DTYPES_BOOL)

bool whet_dtype_known(int32_t dtype);
int32_t whet_dtype_bits(whet_dtype dtype); // 0 when unknown
bool whet_dtype_is_float(whet_dtype dtype);
bool whet_dtype_is_signed(whet_dtype dtype);   // signed integers
bool whet_dtype_is_unsigned(whet_dtype dtype); // unsigned integers, not bool
bool whet_dtype_is_int(whet_dtype dtype);      // signed or unsigned, not bool
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

// Element `i` of an array of `dtype` as double, int64 or uint64 (C conversion rules; bool is 0 or
// 1).
double whet_load_f64(const void *data, whet_dtype dtype, int64_t i);
int64_t whet_load_i64(const void *data, whet_dtype dtype, int64_t i);
uint64_t whet_load_u64(const void *data, whet_dtype dtype, int64_t i);
// Stores rounded to the type (floats: nearest even); integer types truncate modulo 2^bits from
// int64 and uint64, and toward zero from double (out of range, NaN: the x86 result of the
// conversion is not relied on; the value saturates, NaN gives 0); bool stores v != 0.
void whet_store_f64(void *data, whet_dtype dtype, int64_t i, double v);
void whet_store_i64(void *data, whet_dtype dtype, int64_t i, int64_t v);
void whet_store_u64(void *data, whet_dtype dtype, int64_t i, uint64_t v);

// Whole arrays; n elements.
void whet_load_f64_array(double *out, const void *data, whet_dtype dtype, int64_t n);
void whet_store_f64_array(void *data, whet_dtype dtype, const double *in, int64_t n);

// Product of dims; -1 when one is negative or the product (times 16) overflows int64.
int64_t whet_dims_count(const int64_t *dims, int32_t rank);

#endif
