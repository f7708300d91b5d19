// SPDX-License-Identifier: Apache-2.0
// Templates that serve two ways of storing: f32, and bf16 in files that end in _avx512bf16.c or
// _neonbf16.c, which are the same kernels with values widened when loaded and rounded when stored.
// vx is an element.
#ifndef WHET_KERN_TYPED_H
#define WHET_KERN_TYPED_H

#include "kern/kernel.h"
#include "kern/simd.h"

#if defined(__AVX512BF16__) || defined(WHET_SIMD_BF16)
#include "kern/bf16.h"
#define X_BF16 1
#define X_ISA V_CAT(bf16_, V_ISA)
#define X_NAME "bf16_" V_NAME
#define X_DTYPE WHET_DTYPE_BF16
#define X_STORES WHET_STORE_BIT(WHET_STORE_BF16)
typedef uint16_t vx;
V_FN vf x_load(const vx *p) { return v_load_bf(p); }
V_FN vf x_load_n(const vx *p, int64_t n) { return v_load_bf_n(p, n); }
V_FN void x_store(vx *p, vf x) { v_store_bf(p, x); }
V_FN void x_store_n(vx *p, vf x, int64_t n) { v_store_bf_n(p, x, n); }
V_FN float x_widen(vx x) { return whet_bf16_to_f32(x); }
V_FN vx x_narrow(float x) { return whet_f32_to_bf16(x); }
#else
#define X_BF16 0
#define X_ISA V_CAT(f32_, V_ISA)
#define X_NAME "f32_" V_NAME
#define X_DTYPE WHET_DTYPE_F32
#define X_STORES WHET_STORE_BIT(WHET_STORE_OWN)
typedef float vx;
V_FN vf x_load(const vx *p) { return v_load(p); }
V_FN vf x_load_n(const vx *p, int64_t n) { return v_load_n(p, n); }
V_FN void x_store(vx *p, vf x) { v_store(p, x); }
V_FN void x_store_n(vx *p, vf x, int64_t n) { v_store_n(p, x, n); }
V_FN float x_widen(vx x) { return x; }
V_FN vx x_narrow(float x) { return x; }
#endif

#endif
