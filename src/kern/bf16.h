// SPDX-License-Identifier: Apache-2.0
// bfloat16 in vectors: what is loaded is widened to f32, what is stored is rounded to nearest even.
// Pairs for the dot product of BF16 lie in the order of memory: element 2 i in the low half. Only
// for files compiled with AVX-512 BF16, whose instructions take denormals for zero.
#ifndef WHET_KERN_BF16_H
#define WHET_KERN_BF16_H

#include "kern/simd.h"

V_FN vf v_widen(__m256i x) {
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16);
}
V_FN __m256i v_narrow(vf x) { return (__m256i)_mm512_cvtneps_pbh((__m512)x); }

V_FN vf v_load_bf(const uint16_t *p) {
    return v_widen(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
V_FN void v_store_bf(uint16_t *p, vf x) {
    _mm256_storeu_si256((__m256i *)(void *)p, v_narrow(x));
}
// The first n lanes, zeros behind.
V_FN vf v_load_bf_n(const uint16_t *p, int64_t n) {
    if (n >= V_W) return v_load_bf(p);
    return v_widen(_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
}
V_FN void v_store_bf_n(uint16_t *p, vf x, int64_t n) {
    if (n >= V_W) v_store_bf(p, x);
    else _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), v_narrow(x));
}

// acc += the sum of two products a lane
V_FN vf v_dot_bf(vf acc, vi a, vi b) {
    return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b);
}

#endif
