// SPDX-License-Identifier: Apache-2.0
// How the vector kernels apply an epilogue. Clamps and an addition are done on registers by the
// tile (microtile.h); everything else on the stored tile, which is in the first-level cache.
#ifndef WHET_KERN_EPILOGUE_H
#define WHET_KERN_EPILOGUE_H

#include "kern/kernel.h"

typedef enum whet_epi_mode {
    WHET_EPI_NONE,
    WHET_EPI_CLAMP, // min(max(acc, lo), hi)
    WHET_EPI_ADD,   // min(max(acc + other, lo), hi)
    WHET_EPI_STORED // whet_epilogue_apply_<isa> after storing
} whet_epi_mode;

typedef struct whet_epi_plan {
    whet_epi_mode mode;
    float lo, hi;
} whet_epi_plan;

// Whether apply takes it: known functions, and an operand of the dtype, the shape and the layout of
// `out`.
bool whet_epilogue_accepts(const whet_epilogue *e, const whet_port *out);
whet_epi_plan whet_epilogue_plan(const whet_epilogue *e);

// y[i] = epilogue(y[i], other[i]) for n floats.
typedef void (*whet_epilogue_apply_fn)(const whet_epilogue *e, float *y, const float *other,
                                       int64_t n);
void whet_epilogue_apply_scalar(const whet_epilogue *e, float *y, const float *other, int64_t n);
void whet_epilogue_apply_avx2(const whet_epilogue *e, float *y, const float *other, int64_t n);
void whet_epilogue_apply_neon(const whet_epilogue *e, float *y, const float *other, int64_t n);
void whet_epilogue_apply_avx512(const whet_epilogue *e, float *y, const float *other, int64_t n);
// For results that are rounded to bf16: some functions are right to 12 bits only.
void whet_epilogue_apply_bf16(const whet_epilogue *e, float *y, const float *other, int64_t n);

#endif
