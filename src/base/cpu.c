// SPDX-License-Identifier: Apache-2.0
#include "base/cpu.h"

#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

typedef struct regs {
    uint32_t a, b, c, d;
} regs;

// All zero when the CPU has no such leaf.
static regs leaf(uint32_t number, uint32_t sub) {
    regs r = {0};
    if ((uint32_t)__get_cpuid_max(number & 0x80000000u, NULL) >= number)
        __cpuid_count(number, sub, r.a, r.b, r.c, r.d);
    return r;
}

// State that the operating system saves, XCR0.
static uint64_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

uint32_t whet_cpu_features(void) {
    regs one = leaf(1, 0), seven = leaf(7, 0), seven1 = {0};
    if (seven.a >= 1) seven1 = leaf(7, 1);
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29, fma = 1u << 12;
    if (!has(one.c, osxsave | avx | f16c | fma)) return 0;
    uint64_t state = saved_state();
    const uint32_t bmi2 = 1u << 8, avx2 = 1u << 5;
    if ((state & 0x6) != 0x6 || !has(seven.b, bmi2 | avx2)) return 0;
    uint32_t features = WHET_CPU_AVX2;
    const uint32_t f = 1u << 16, dq = 1u << 17, cd = 1u << 28, bw = 1u << 30, vl = 1u << 31;
    if ((state & 0xe6) != 0xe6 || !has(seven.b, f | dq | cd | bw | vl)) return features;
    features |= WHET_CPU_AVX512;
    if (has(seven.c, 1u << 11)) features |= WHET_CPU_AVX512_VNNI;
    if (has(seven1.a, 1u << 5)) features |= WHET_CPU_AVX512_BF16;
    return features;
}

static void brand(char *name, size_t size) {
    char raw[49] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        regs r = leaf(0x80000002u + i, 0);
        memcpy(raw + 16 * i, &r, 16);
    }
    const char *from = raw + strspn(raw, " ");
    size_t n = strlen(from);
    while (n && from[n - 1] == ' ') n--;
    if (n > size - 1) n = size - 1;
    memcpy(name, from, n);
}

// Intel lists the caches in leaf 4, AMD in the same form in 0x8000001d.
static void cache_sizes(whet_cpu_info *info, uint32_t number) {
    for (uint32_t i = 0; i < 16; i++) {
        regs r = leaf(number, i);
        uint32_t type = r.a & 31, level = r.a >> 5 & 7;
        if (type == 0) break;
        uint32_t bytes = ((r.b >> 22) + 1) * ((r.b >> 12 & 0x3ff) + 1) * ((r.b & 0xfff) + 1) *
                         (r.c + 1);
        if (level == 1 && type == 1) info->l1d_bytes = bytes;
        if (level == 2 && type != 2) info->l2_bytes = bytes;
        if (level == 3 && type != 2) info->l3_bytes = bytes;
    }
}

void whet_cpu_identify(whet_cpu_info *info) {
    *info = (whet_cpu_info){0};
    regs zero = leaf(0, 0), one = leaf(1, 0);
    memcpy(info->vendor, &zero.b, 4);
    memcpy(info->vendor + 4, &zero.d, 4);
    memcpy(info->vendor + 8, &zero.c, 4);
    brand(info->name, sizeof info->name);
    info->stepping = one.a & 15;
    info->model = one.a >> 4 & 15;
    info->family = one.a >> 8 & 15;
    if (info->family == 6 || info->family == 15) info->model |= (one.a >> 16 & 15) << 4;
    if (info->family == 15) info->family += one.a >> 20 & 255;
    cache_sizes(info, 4);
    if (!info->l1d_bytes) cache_sizes(info, 0x8000001du);
}

#else

uint32_t whet_cpu_features(void) {
#if defined(__aarch64__)
    uint32_t features = WHET_CPU_NEON; // part of the base architecture
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    // bits of Linux's asm/hwcap.h
    if (first >> 20 & 1) features |= WHET_CPU_NEON_DOT;
    if (second >> 14 & 1) features |= WHET_CPU_NEON_BF16;
    if (second >> 13 & 1) features |= WHET_CPU_NEON_I8MM;
    return features;
#else
    return 0;
#endif
}

void whet_cpu_identify(whet_cpu_info *info) { *info = (whet_cpu_info){0}; }

#endif

bool whet_cpu_mask(const char *level, uint32_t *features) {
    static const struct {
        const char *name;
        uint32_t keep;
    } levels[] = {
        {"scalar", 0},
        {"neon", WHET_CPU_NEON},
        {"avx2", WHET_CPU_AVX2 | WHET_CPU_NEON},
        {"avx512", WHET_CPU_AVX2 | WHET_CPU_AVX512 | WHET_CPU_NEON},
        {"native", UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(levels[i].name, level)) continue;
        *features &= levels[i].keep;
        return true;
    }
    return false;
}

const char *whet_cpu_feature_text(uint32_t bit) {
    switch (bit) {
    case WHET_CPU_AVX2: return "avx2";
    case WHET_CPU_AVX512: return "avx512";
    case WHET_CPU_AVX512_VNNI: return "avx512_vnni";
    case WHET_CPU_AVX512_BF16: return "avx512_bf16";
    case WHET_CPU_NEON: return "neon";
    case WHET_CPU_NEON_DOT: return "neon_dot";
    case WHET_CPU_NEON_BF16: return "neon_bf16";
    case WHET_CPU_NEON_I8MM: return "neon_i8mm";
    default: return NULL;
    }
}
