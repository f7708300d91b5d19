// SPDX-License-Identifier: Apache-2.0
// FP16 and BF16 in vectors without instructions of their own but F16C: what is loaded is widened to
// f32, what is stored is rounded to nearest even (FP16 beyond 65504: infinity). Kernels that
// compute on BF16 have kern/bf16.h.
#ifndef WHET_KERN_HALF_H
#define WHET_KERN_HALF_H

#include "base/dtype.h"
#include "kern/simd.h"

V_FN vf v_load_f16(const uint16_t *p) {
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif defined(__AVX2__)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#else
    vf y = v_zero();
    for (int i = 0; i < V_W; i++) y[i] = whet_f16_to_f32(p[i]);
    return y;
#endif
}

V_FN void v_store_f16(uint16_t *p, vf x) {
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph((__m512)x, 8));
#elif defined(__AVX2__)
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph((__m256)x, 8));
#else
    for (int i = 0; i < V_W; i++) p[i] = whet_f32_to_f16(x[i]);
#endif
}

V_FN vf v_load_b16(const uint16_t *p) {
#if defined(__AVX512F__)
    __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return (vf)_mm512_slli_epi32(x, 16);
#elif defined(__AVX2__)
    __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return (vf)_mm256_slli_epi32(x, 16);
#else
    vf y = v_zero();
    for (int i = 0; i < V_W; i++) y[i] = whet_bf16_to_f32(p[i]);
    return y;
#endif
}

V_FN void v_store_b16(uint16_t *p, vf x) {
#if defined(__AVX512F__) || defined(__AVX2__)
    // the bits of a NaN may carry into the sign: a quiet one instead
    vi bits = (vi)x, odd = (bits >> 16) & 1;
    vi rounded = bits + odd + 0x7fff;
    rounded = vi_select(v_isnan(x), bits | 0x400000, rounded);
#if defined(__AVX512F__)
    __m512i high = _mm512_srli_epi32((__m512i)rounded, 16);
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(high));
#else
    __m256i high = _mm256_srli_epi32((__m256i)rounded, 16);
    __m256i pairs = _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0x08);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(pairs));
#endif
#else
    for (int i = 0; i < V_W; i++) p[i] = whet_f32_to_bf16(x[i]);
#endif
}

#endif
