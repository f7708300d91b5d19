// SPDX-License-Identifier: Apache-2.0
// bfloat16 in vectors: what is loaded is widened to f32, what is stored is rounded to nearest even.
// Pairs for the dot product of BF16 lie in the order of memory: element 2 i in the low half. Only
// for files compiled with AVX-512 BF16 or BF16 of NEON, whose dot products take denormals for zero
// (NEON: and round sums to odd instead of to even, which loses a bit).
#ifndef WHET_KERN_BF16_H
#define WHET_KERN_BF16_H

#include "kern/simd.h"

#if defined(WHET_SIMD_NEON)
V_FN vf v_widen(uint16x8_t x) {
    return v_join(vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(x), 16)),
                  vreinterpretq_f32_u32(vshll_high_n_u16(x, 16)));
}
V_FN uint16x8_t v_narrow(vf x) {
    bfloat16x8_t low = vcvtq_low_bf16_f32(v_half(x, 0));
    return vreinterpretq_u16_bf16(vcvtq_high_bf16_f32(low, v_half(x, 1)));
}
// The first n numbers, zeros behind; n may be negative.
V_FN uint16x8_t v_load_16(const uint16_t *p, int64_t n) {
    if (n >= V_W) return vld1q_u16(p);
    uint16_t t[V_W] = {0};
    for (int64_t i = 0; i < n; i++) t[i] = p[i];
    return vld1q_u16(t);
}

V_FN vf v_load_bf(const uint16_t *p) { return v_widen(vld1q_u16(p)); }
V_FN void v_store_bf(uint16_t *p, vf x) { vst1q_u16(p, v_narrow(x)); }
V_FN vf v_load_bf_n(const uint16_t *p, int64_t n) { return v_widen(v_load_16(p, n)); }
V_FN void v_store_bf_n(uint16_t *p, vf x, int64_t n) {
    uint16_t t[V_W];
    if (n >= V_W) {
        v_store_bf(p, x);
        return;
    }
    v_store_bf(t, x);
    for (int64_t i = 0; i < n; i++) p[i] = t[i];
}
// The first n numbers as they are, one a lane; n may be negative.
V_FN vi v_load_bits_n(const uint16_t *p, int64_t n) {
    uint16x8_t x = v_load_16(p, n);
    return vi_join(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(x))),
                   vreinterpretq_s32_u32(vmovl_high_u16(x)));
}

V_FN bfloat16x8_t bf_half(vi x, int i) { return vreinterpretq_bf16_s32(vi_half(x, i)); }
// acc += the sum of two products a lane
V_FN vf v_dot_bf(vf acc, vi a, vi b) {
    return v_join(vbfdotq_f32(v_half(acc, 0), bf_half(a, 0), bf_half(b, 0)),
                  vbfdotq_f32(v_half(acc, 1), bf_half(a, 1), bf_half(b, 1)));
}
#else
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
// The first n numbers as they are, one a lane; n may be negative.
V_FN vi v_load_bits_n(const uint16_t *p, int64_t n) {
    return (vi)_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(vm_first(n), p));
}

// acc += the sum of two products a lane
V_FN vf v_dot_bf(vf acc, vi a, vi b) {
    return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b);
}
#endif

#endif
