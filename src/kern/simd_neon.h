// SPDX-License-Identifier: Apache-2.0
// simd.h on NEON: a vector is two registers. gcc does comparisons and conversions of such pairs
// lane by lane, so every function that is not plain arithmetic works on the halves, which stay in
// registers when joined and split again.
#ifndef WHET_KERN_SIMD_NEON_H
#define WHET_KERN_SIMD_NEON_H

typedef union v_pair {
    vf f;
    vi i;
    float32x4_t fs[2];
    int32x4_t is[2];
} v_pair;

V_FN vf v_join(float32x4_t lo, float32x4_t hi) { return ((v_pair){.fs = {lo, hi}}).f; }
V_FN vi vi_join(int32x4_t lo, int32x4_t hi) { return ((v_pair){.is = {lo, hi}}).i; }
V_FN float32x4_t v_half(vf x, int i) { return ((v_pair){.f = x}).fs[i]; }
V_FN int32x4_t vi_half(vi x, int i) { return ((v_pair){.i = x}).is[i]; }
#define V_HALVES(f, x) v_join(f(v_half(x, 0)), f(v_half(x, 1)))

// ---- constants, loads, stores ----

V_FN vf v_set1(float x) { return v_join(vdupq_n_f32(x), vdupq_n_f32(x)); }
V_FN vi vi_set1(int32_t x) { return vi_join(vdupq_n_s32(x), vdupq_n_s32(x)); }
V_FN vf v_load(const float *p) { return v_join(vld1q_f32(p), vld1q_f32(p + 4)); }
V_FN void v_store(float *p, vf x) { vst1q_f32(p, v_half(x, 0)), vst1q_f32(p + 4, v_half(x, 1)); }
V_FN vi vi_load(const int32_t *p) { return vi_join(vld1q_s32(p), vld1q_s32(p + 4)); }
V_FN void vi_store(int32_t *p, vi x) {
    vst1q_s32(p, vi_half(x, 0)), vst1q_s32(p + 4, vi_half(x, 1));
}

// ---- arithmetic, masks ----

V_FN vf v_fma(vf a, vf b, vf c) {
    return v_join(vfmaq_f32(v_half(c, 0), v_half(a, 0), v_half(b, 0)),
                  vfmaq_f32(v_half(c, 1), v_half(a, 1), v_half(b, 1)));
}
#define V_CMP(name, type, half, op)                                                                \
    V_FN vm name(type a, type b) {                                                                 \
        return vi_join((int32x4_t)(half(a, 0) op half(b, 0)),                                      \
                       (int32x4_t)(half(a, 1) op half(b, 1)));                                     \
    }
V_CMP(v_lt, vf, v_half, <)
V_CMP(v_le, vf, v_half, <=)
V_CMP(v_gt, vf, v_half, >)
V_CMP(v_ge, vf, v_half, >=)
V_CMP(v_eq, vf, v_half, ==)
V_CMP(v_ne, vf, v_half, !=)
V_CMP(vi_eq, vi, vi_half, ==)
V_CMP(vi_lt, vi, vi_half, <)
#undef V_CMP
V_FN float32x4_t half_select(vm m, vf a, vf b, int i) {
    return vbslq_f32(vreinterpretq_u32_s32(vi_half(m, i)), v_half(a, i), v_half(b, i));
}
V_FN vf v_select(vm m, vf a, vf b) {
    return v_join(half_select(m, a, b, 0), half_select(m, a, b, 1));
}
V_FN bool vm_any(vm a) {
    return vmaxvq_u32(vreinterpretq_u32_s32(vorrq_s32(vi_half(a, 0), vi_half(a, 1)))) != 0;
}

// ---- rounding, roots, conversion ----

V_FN vf v_round(vf x) { return V_HALVES(vrndnq_f32, x); } // half to even
V_FN vf v_floor(vf x) { return V_HALVES(vrndmq_f32, x); }
V_FN vf v_ceil(vf x) { return V_HALVES(vrndpq_f32, x); }
V_FN vf v_trunc(vf x) { return V_HALVES(vrndq_f32, x); }
V_FN vf v_sqrt(vf x) { return V_HALVES(vsqrtq_f32, x); }
V_FN vf vi_to_f(vi x) {
    return v_join(vcvtq_f32_s32(vi_half(x, 0)), vcvtq_f32_s32(vi_half(x, 1)));
}
V_FN vi v_to_i(vf x) { // half to even
    return vi_join(vcvtnq_s32_f32(v_half(x, 0)), vcvtnq_s32_f32(v_half(x, 1)));
}

// lane i takes lane index[i] of x, 0 <= index < V_W
V_FN float32x4_t half_permute(vf x, int32x4_t index) {
    // bytes 4 index to 4 index + 3
    uint32x4_t at = vreinterpretq_u32_s32(vmlaq_n_s32(vdupq_n_s32(0x03020100), index, 0x04040404));
    uint8x16x2_t bytes = {{vreinterpretq_u8_f32(v_half(x, 0)), vreinterpretq_u8_f32(v_half(x, 1))}};
    return vreinterpretq_f32_u8(vqtbl2q_u8(bytes, vreinterpretq_u8_u32(at)));
}
V_FN vf v_permute(vf x, vi index) {
    return v_join(half_permute(x, vi_half(index, 0)), half_permute(x, vi_half(index, 1)));
}

// ---- reductions over lanes ----

V_FN float v_sum(vf x) {
    float32x4_t s = vaddq_f32(v_half(x, 0), v_half(x, 1));
    float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}
// NaN lanes may be lost
V_FN float v_hmax(vf x) { return vmaxnmvq_f32(vmaxnmq_f32(v_half(x, 0), v_half(x, 1))); }
V_FN float v_hmin(vf x) { return vminnmvq_f32(vminnmq_f32(v_half(x, 0), v_half(x, 1))); }

#endif
