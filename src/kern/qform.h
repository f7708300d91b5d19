// SPDX-License-Identifier: Apache-2.0
// The numbers that the tiles of qtile.h multiply, by instruction set:
//   AVX-512 VNNI: x in u8, w in i8, 4 of k in a 32-bit word; an i8 x is
//     flipped to u8, that is + 128
//   NEON with dot products: both in i8, 4; a u8 x is flipped to i8, that is - 128
//   elsewhere: both in i16, less their zero points, 2
// Where bytes are multiplied the zero point of x (Q_BYTES: q_zero) times the sums of the weights is
// taken from the sums by what they start with.
#ifndef WHET_KERN_QFORM_H
#define WHET_KERN_QFORM_H

#include "kern/qtile.h"
#include "kern/simd.h"

#if V_W == 16
#define Q_BYTES 1
#define Q_X WHET_DTYPE_U8
typedef uint8_t x_t;
typedef int8_t w_t;
#elif defined(WHET_SIMD_DOT)
#define Q_BYTES 1
#define Q_X WHET_DTYPE_I8
typedef int8_t x_t;
typedef int8_t w_t;
#else
#define Q_BYTES 0
#define Q_X WHET_DTYPE_I16
typedef int16_t x_t;
typedef int16_t w_t;
#endif
#define GROUP (Q_BYTES ? 4 : 2)
#if defined(WHET_SIMD_DOT)
#define Q_PEAK 300e9 // operations a second, about
#elif defined(WHET_SIMD_NEON)
#define Q_PEAK 50e9
#else
#define Q_PEAK V_PICK(400e9, 80e9, 4e9)
#endif
#define Q_CPU (V_CPU | V_PICK(WHET_CPU_AVX512_VNNI, 0, 0))
#define Q_ISA V_PICK(avx512_vnni, V_ISA, V_ISA)
#define Q_NAME V_PICK("avx512_vnni", V_NAME, V_NAME)

// What an 8-bit x is XORed with, as far as it goes by its type.
V_FN int32_t q_flip(bool is_signed) {
    return Q_BYTES && is_signed != (Q_X == WHET_DTYPE_I8) ? 128 : 0;
}

// The zero point of x as the tiles see it.
V_FN int32_t q_zero(int32_t zero, bool is_signed) {
    if (!Q_BYTES) return 0;
    return zero + (Q_X == WHET_DTYPE_I8 ? -q_flip(is_signed) : q_flip(is_signed));
}

// n numbers of x in the form of the tiles.
V_FN void q_convert(x_t *dst, const uint8_t *src, int64_t n, bool is_signed, int32_t zero) {
#if Q_BYTES
    (void)zero;
    if (!q_flip(is_signed)) memcpy(dst, src, (size_t)n);
    else for (int64_t i = 0; i < n; i++) dst[i] = (x_t)(src[i] ^ 0x80);
#else
    if (is_signed) for (int64_t i = 0; i < n; i++) dst[i] = (x_t)((int8_t)src[i] - zero);
    else for (int64_t i = 0; i < n; i++) dst[i] = (x_t)(src[i] - zero);
#endif
}

#endif
