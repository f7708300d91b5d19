// SPDX-License-Identifier: Apache-2.0
// Vectors of 8-bit integers, one a lane of 32 bits.
#ifndef WHET_KERN_VBYTES_H
#define WHET_KERN_VBYTES_H

#include "kern/simd.h"

// The first n numbers at `at` (n >= V_W: all), zeros behind.
V_FN vi v_bytes_load(const void *at, bool is_signed, int64_t n) {
#if V_W == 16
    __m128i b = n >= V_W ? _mm_loadu_si128(at) : _mm_maskz_loadu_epi8(vm_first(n), at);
    return (vi)(is_signed ? _mm512_cvtepi8_epi32(b) : _mm512_cvtepu8_epi32(b));
#else
    uint64_t bytes = 0;
    if (n >= V_W) memcpy(&bytes, at, V_W);
    else memcpy(&bytes, at, (size_t)n);
#if defined(WHET_SIMD_NEON)
    int16x8_t b = is_signed ? vmovl_s8(vcreate_s8(bytes))
                            : vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(bytes)));
    return vi_join(vmovl_s16(vget_low_s16(b)), vmovl_high_s16(b));
#elif defined(__AVX2__)
    __m128i b = _mm_cvtsi64_si128((int64_t)bytes);
    return (vi)(is_signed ? _mm256_cvtepi8_epi32(b) : _mm256_cvtepu8_epi32(b));
#else
    vi x;
    for (int i = 0; i < V_W; i++, bytes >>= 8)
        x[i] = is_signed ? (int8_t)(bytes & 255) : (int32_t)(bytes & 255);
    return x;
#endif
#endif
}

// The low bytes of the first n lanes.
V_FN void v_bytes_store(void *at, vi x, int64_t n) {
#if V_W == 16
    __m128i b = _mm512_cvtepi32_epi8((__m512i)x);
    if (n >= V_W) _mm_storeu_si128(at, b);
    else _mm_mask_storeu_epi8(at, vm_first(n), b);
#else
    uint64_t bytes = 0;
#if defined(WHET_SIMD_NEON)
    int16x8_t b = vmovn_high_s32(vmovn_s32(vi_half(x, 0)), vi_half(x, 1));
    bytes = vget_lane_u64(vreinterpret_u64_s8(vmovn_s16(b)), 0);
#elif defined(__AVX2__)
    const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                         -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                         -1, -1);
    __m256i b = _mm256_shuffle_epi8((__m256i)x, low);
    bytes = (uint32_t)_mm256_extract_epi32(b, 0) |
            (uint64_t)(uint32_t)_mm256_extract_epi32(b, 4) << 32;
#else
    for (int i = V_W - 1; i >= 0; i--) bytes = bytes << 8 | (uint8_t)x[i];
#endif
    if (n >= V_W) memcpy(at, &bytes, V_W);
    else memcpy(at, &bytes, (size_t)n);
#endif
}

#endif
