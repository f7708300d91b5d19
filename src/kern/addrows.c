// SPDX-License-Identifier: Apache-2.0
#include "kern/addrows.h"

#include "base/cpu.h"

whet_add_rows_fn whet_add_rows_for(uint32_t cpu) {
#if defined(__x86_64__)
    if (cpu & WHET_CPU_AVX512) return whet_add_rows_avx512;
    if (cpu & WHET_CPU_AVX2) return whet_add_rows_avx2;
#elif defined(__aarch64__)
    if (cpu & WHET_CPU_NEON) return whet_add_rows_neon;
#endif
    (void)cpu;
    return whet_add_rows_scalar;
}
