// SPDX-License-Identifier: Apache-2.0
// What this CPU can do, and who it is. Feature bits gate kernels; a mask lowers them for tests.
#ifndef WHET_BASE_CPU_H
#define WHET_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WHET_CPU_AVX2 = 1 << 0,        // with FMA, F16C, BMI2
    WHET_CPU_AVX512 = 1 << 1,      // F, BW, DQ, VL, CD
    WHET_CPU_AVX512_VNNI = 1 << 2,
    WHET_CPU_AVX512_BF16 = 1 << 3,
    WHET_CPU_NEON = 1 << 4,
    WHET_CPU_NEON_DOT = 1 << 5,    // SDOT, UDOT
    WHET_CPU_NEON_BF16 = 1 << 6,   // BFDOT, BFMMLA
    WHET_CPU_NEON_I8MM = 1 << 7,   // SMMLA, USDOT
};

// Levels for WHET_CPU_MASK and --cpumask, from low to high: "scalar", "avx2", "avx512", "native";
// on aarch64 "scalar", "neon" (the base architecture; "avx2" and "avx512" are the same), "native".
uint32_t whet_cpu_features(void);           // of this machine, the OS's state support included
// Features that the level leaves of `features`; false when the name is unknown.
bool whet_cpu_mask(const char *level, uint32_t *features);
// "avx2", ... of one bit; NULL when unknown.
const char *whet_cpu_feature_text(uint32_t bit);

typedef struct whet_cpu_info {
    char vendor[16], name[64];
    uint32_t family, model, stepping;
    uint32_t l1d_bytes, l2_bytes, l3_bytes; // of one core's view; 0 when unknown
} whet_cpu_info;
void whet_cpu_identify(whet_cpu_info *info);

// Processors this process may use: the smaller of the affinity mask and the cgroup quota (v1 and
// v2, rounded up), at least 1.
int32_t whet_cpu_count(void);
// The quota alone, rounded up; 0: none. `list` is a file such as /proc/self/cgroup, `mount` the
// folder where the control groups are mounted.
int32_t whet_cpu_quota(const char *list, const char *mount);

#endif
