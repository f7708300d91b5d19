// SPDX-License-Identifier: Apache-2.0
// One vector abstraction for every instruction set. A kernel is written once, in a template header
// that x_scalar.c, x_avx2.c, x_neon.c and x_avx512.c include (x_avx512bf16.c, x_neonbf16.c: with
// their parts for BF16, see bf16.h; x_neondot.c: NEON with dot products); the suffix chooses the
// compiler flags and thereby the width V_W here: 16 (AVX-512), 8 (AVX2), and 8 as generic vectors
// elsewhere.
//   vf: V_W floats   vi: V_W int32 (use the operators + - & | ^ << >> on both)   vm: a lane mask
// Integers wrap: the files that include this are compiled with -fwrapv.
// No function here reads or writes a lane that it is not asked for.
#ifndef WHET_KERN_SIMD_H
#define WHET_KERN_SIMD_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define V_W 16
#define V_ISA avx512
#define V_NAME "avx512"
#if defined(__AVX512BF16__)
#define V_CPU (WHET_CPU_AVX2 | WHET_CPU_AVX512 | WHET_CPU_AVX512_BF16)
#else
#define V_CPU (WHET_CPU_AVX2 | WHET_CPU_AVX512)
#endif
#elif defined(__AVX2__)
#include <immintrin.h>
#define V_W 8
#define V_ISA avx2
#define V_NAME "avx2"
#define V_CPU WHET_CPU_AVX2
#elif defined(WHET_SIMD_NEON) // pairs of registers, so that a vector is a block of C8
#include <arm_neon.h>
#define V_W 8
#if defined(WHET_SIMD_BF16)
#define V_ISA neon
#define V_NAME "neon"
#define V_CPU (WHET_CPU_NEON | WHET_CPU_NEON_BF16)
#elif defined(WHET_SIMD_DOT)
#define V_ISA neon_dot
#define V_NAME "neon_dot"
#define V_CPU (WHET_CPU_NEON | WHET_CPU_NEON_DOT)
#else
#define V_ISA neon
#define V_NAME "neon"
#define V_CPU WHET_CPU_NEON
#endif
#else
#define V_W 8
#define V_ISA scalar
#define V_NAME "scalar"
#define V_CPU 0
#endif

#define V_CAT_(a, b) a##b
#define V_CAT(a, b) V_CAT_(a, b)
// Expressions that differ: V_PICK(avx512, avx2, scalar); NEON takes those of AVX2, which is as wide
// here, and has names of its own: V_PICK_NAME(avx512, avx2, neon, scalar).
#if defined(__AVX512F__)
#define V_PICK(a, b, c) a
#elif defined(__AVX2__) || defined(WHET_SIMD_NEON)
#define V_PICK(a, b, c) b
#else
#define V_PICK(a, b, c) c
#endif
#if defined(WHET_SIMD_NEON)
#define V_PICK_NAME(a, b, n, c) n
#else
#define V_PICK_NAME(a, b, n, c) V_PICK(a, b, c)
#endif

typedef float vf __attribute__((vector_size(V_W * 4), aligned(V_W * 4)));
typedef int32_t vi __attribute__((vector_size(V_W * 4), aligned(V_W * 4)));
typedef float vf_any __attribute__((vector_size(V_W * 4), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(V_W * 4), aligned(4), may_alias));
#if defined(__AVX512F__)
typedef __mmask16 vm;
#else
typedef vi vm; // all ones or zero a lane
#endif

#define V_FN static inline __attribute__((always_inline, unused))

#if defined(WHET_SIMD_NEON)
#include "kern/simd_neon.h"
#endif

// ---- constants, loads, stores ----

V_FN vf v_zero(void) { return (vf){0}; }
#if !defined(WHET_SIMD_NEON)
V_FN vf v_set1(float x) {
#if defined(__AVX512F__)
    return (vf)_mm512_set1_ps(x);
#elif defined(__AVX2__)
    return (vf)_mm256_set1_ps(x);
#else
    return (vf){x, x, x, x, x, x, x, x};
#endif
}
V_FN vi vi_set1(int32_t x) {
#if defined(__AVX512F__)
    return (vi)_mm512_set1_epi32(x);
#elif defined(__AVX2__)
    return (vi)_mm256_set1_epi32(x);
#else
    return (vi){x, x, x, x, x, x, x, x};
#endif
}
#endif
V_FN vi vi_iota(void) {
#if V_W == 16
    return (vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
    return (vi){0, 1, 2, 3, 4, 5, 6, 7};
#endif
}
#if !defined(WHET_SIMD_NEON)
V_FN vf v_load(const float *p) { return (vf)(*(const vf_any *)p); }
V_FN void v_store(float *p, vf x) { *(vf_any *)p = (vf_any)x; }
V_FN vi vi_load(const int32_t *p) { return (vi)(*(const vi_any *)p); }
V_FN void vi_store(int32_t *p, vi x) { *(vi_any *)p = (vi_any)x; }
#endif

#if !defined(__AVX512F__)
V_FN vi v_first(int32_t n) { return vi_iota() < vi_set1(n); }
#endif
// The first n lanes (n >= V_W: all), zeros behind.
V_FN vf v_load_n(const float *p, int64_t n) {
    if (n >= V_W) return v_load(p);
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return (vf)_mm256_maskload_ps(p, (__m256i)v_first((int32_t)n));
#else
    vf x = {0};
    for (int64_t i = 0; i < n; i++) x[i] = p[i];
    return x;
#endif
}
V_FN void v_store_n(float *p, vf x, int64_t n) {
    if (n >= V_W) {
        v_store(p, x);
        return;
    }
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, (__m256i)v_first((int32_t)n), (__m256)x);
#else
    for (int64_t i = 0; i < n; i++) p[i] = x[i];
#endif
}

// ---- arithmetic ----

#if !defined(WHET_SIMD_NEON)
// a b + c; fused except in scalar
V_FN vf v_fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}
#endif
V_FN vf v_fnma(vf a, vf b, vf c) { return v_fma(-a, b, c); } // c - a b

// ---- masks ----

#if defined(__AVX512F__)
#define V_CMP(name, op) \
    V_FN vm name(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, op); }
V_CMP(v_lt, _CMP_LT_OQ)
V_CMP(v_le, _CMP_LE_OQ)
V_CMP(v_gt, _CMP_GT_OQ)
V_CMP(v_ge, _CMP_GE_OQ)
V_CMP(v_eq, _CMP_EQ_OQ)
V_CMP(v_ne, _CMP_NEQ_UQ)
#undef V_CMP
V_FN vf v_select(vm m, vf a, vf b) {
    return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a);
}
V_FN vi vi_select(vm m, vi a, vi b) {
    return (vi)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
}
V_FN vm vm_and(vm a, vm b) { return a & b; }
V_FN vm vm_or(vm a, vm b) { return a | b; }
V_FN vm vm_not(vm a) { return (vm)~a; }
V_FN bool vm_any(vm a) { return a != 0; }
V_FN bool vm_lane(vm a, int i) { return a >> i & 1; }
V_FN vm vi_eq(vi a, vi b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
V_FN vm vi_lt(vi a, vi b) { return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b); }
// lane i < n
V_FN vm vm_first(int64_t n) { return n >= 16 ? (vm)0xffff : n <= 0 ? 0 : (vm)((1u << n) - 1); }
#else
#if !defined(WHET_SIMD_NEON)
V_FN vm v_lt(vf a, vf b) { return a < b; }
V_FN vm v_le(vf a, vf b) { return a <= b; }
V_FN vm v_gt(vf a, vf b) { return a > b; }
V_FN vm v_ge(vf a, vf b) { return a >= b; }
V_FN vm v_eq(vf a, vf b) { return a == b; }
V_FN vm v_ne(vf a, vf b) { return a != b; }
#if defined(__AVX2__)
V_FN vf v_select(vm m, vf a, vf b) {
    return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
#else
V_FN vf v_select(vm m, vf a, vf b) { return (vf)((m & (vi)a) | (~m & (vi)b)); }
#endif
#endif
V_FN vi vi_select(vm m, vi a, vi b) { return (m & a) | (~m & b); }
V_FN vm vm_and(vm a, vm b) { return a & b; }
V_FN vm vm_or(vm a, vm b) { return a | b; }
V_FN vm vm_not(vm a) { return ~a; }
#if !defined(WHET_SIMD_NEON)
V_FN bool vm_any(vm a) {
#if defined(__AVX2__)
    return _mm256_movemask_ps((__m256)a) != 0;
#else
    int32_t any = 0;
    for (int i = 0; i < V_W; i++) any |= a[i];
    return any != 0;
#endif
}
V_FN vm vi_eq(vi a, vi b) { return a == b; }
V_FN vm vi_lt(vi a, vi b) { return a < b; }
#endif
V_FN bool vm_lane(vm a, int i) { return a[i] != 0; }
V_FN vm vm_first(int64_t n) {
    return v_first(n > V_W ? V_W : n < 0 ? 0 : (int32_t)n);
}
#endif
V_FN vm v_isnan(vf a) { return v_ne(a, a); }

// ---- minimum, maximum: b when either operand is NaN, so write v_max(bound, x) to keep NaN of x
// ----

V_FN vf v_max(vf a, vf b) {
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_select(v_gt(a, b), a, b);
#endif
}
V_FN vf v_min(vf a, vf b) {
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return v_select(v_lt(a, b), a, b);
#endif
}
// NaN when either is
V_FN vf v_max_nan(vf a, vf b) { return v_select(v_isnan(a), a, v_max(a, b)); }
V_FN vf v_min_nan(vf a, vf b) { return v_select(v_isnan(a), a, v_min(a, b)); }

// ---- bits ----

V_FN vf v_and(vf a, vf b) { return (vf)((vi)a & (vi)b); }
V_FN vf v_or(vf a, vf b) { return (vf)((vi)a | (vi)b); }
V_FN vf v_xor(vf a, vf b) { return (vf)((vi)a ^ (vi)b); }
V_FN vf v_abs(vf a) { return (vf)((vi)a & vi_set1(0x7fffffff)); }
V_FN vf v_sign(vf a) { return (vf)((vi)a & vi_set1(INT32_MIN)); } // the sign bit alone
V_FN vf v_copysign(vf magnitude, vf sign) { return v_or(v_abs(magnitude), v_sign(sign)); }

// Applies a scalar function lane by lane.
V_FN vf v_map(float (*f)(float), vf x) {
    vf y = x;
    for (int i = 0; i < V_W; i++) y[i] = f(x[i]);
    return y;
}

// ---- rounding, roots, conversion ----

#if defined(__AVX512F__)
V_FN vf v_round(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, 8); } // half to even
V_FN vf v_floor(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, 9); }
V_FN vf v_ceil(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, 10); }
V_FN vf v_trunc(vf x) { return (vf)_mm512_roundscale_ps((__m512)x, 11); }
V_FN vf v_sqrt(vf x) { return (vf)_mm512_sqrt_ps((__m512)x); }
V_FN vf vi_to_f(vi x) { return (vf)_mm512_cvtepi32_ps((__m512i)x); }
V_FN vi v_to_i(vf x) { return (vi)_mm512_cvtps_epi32((__m512)x); } // half to even
#elif defined(__AVX2__)
V_FN vf v_round(vf x) { return (vf)_mm256_round_ps((__m256)x, 8); }
V_FN vf v_floor(vf x) { return (vf)_mm256_round_ps((__m256)x, 9); }
V_FN vf v_ceil(vf x) { return (vf)_mm256_round_ps((__m256)x, 10); }
V_FN vf v_trunc(vf x) { return (vf)_mm256_round_ps((__m256)x, 11); }
V_FN vf v_sqrt(vf x) { return (vf)_mm256_sqrt_ps((__m256)x); }
V_FN vf vi_to_f(vi x) { return (vf)_mm256_cvtepi32_ps((__m256i)x); }
V_FN vi v_to_i(vf x) { return (vi)_mm256_cvtps_epi32((__m256)x); }
#elif !defined(WHET_SIMD_NEON)
// Adding and taking away 1.5 * 2^23 rounds what is below 2^22; larger magnitudes below 2^23 may
// carry a half, so the bound is 2^23 with the sign's own constant.
V_FN vf v_round(vf x) {
    vf big = v_copysign(v_set1(8388608.0f), x), y = (x + big) - big;
    y = v_copysign(y, x);
    return v_select(v_lt(v_abs(x), v_set1(8388608.0f)), y, x);
}
V_FN vf v_floor(vf x) {
    vf y = v_round(x);
    y = v_select(v_gt(y, x), y - v_set1(1.0f), y);
    return v_copysign(y, x);
}
V_FN vf v_ceil(vf x) {
    vf y = v_round(x);
    y = v_select(v_lt(y, x), y + v_set1(1.0f), y);
    return v_copysign(y, x);
}
V_FN vf v_trunc(vf x) { return v_copysign(v_floor(v_abs(x)), x); }
V_FN vf v_sqrt(vf x) { return v_map(sqrtf, x); }
V_FN vf vi_to_f(vi x) { return __builtin_convertvector(x, vf); }
V_FN vi v_to_i(vf x) { return __builtin_convertvector(v_round(x), vi); }
#endif

#if !defined(WHET_SIMD_NEON)
// lane i takes lane index[i] of x, 0 <= index < V_W
V_FN vf v_permute(vf x, vi index) {
#if defined(__AVX512F__)
    return (vf)_mm512_permutexvar_ps((__m512i)index, (__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_permutevar8x32_ps((__m256)x, (__m256i)index);
#else
    vf y = x;
    for (int i = 0; i < V_W; i++) y[i] = x[index[i]];
    return y;
#endif
}

// ---- reductions over lanes ----

V_FN float v_sum(vf x) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)x);
#else
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
#endif
}
// NaN lanes may be lost
V_FN float v_hmax(vf x) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)x);
#else
    float m = x[0];
    for (int i = 1; i < V_W; i++) m = x[i] > m ? x[i] : m;
    return m;
#endif
}
V_FN float v_hmin(vf x) {
#if defined(__AVX512F__)
    return _mm512_reduce_min_ps((__m512)x);
#else
    float m = x[0];
    for (int i = 1; i < V_W; i++) m = x[i] < m ? x[i] : m;
    return m;
#endif
}
#endif

#endif
