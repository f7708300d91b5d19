// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "support/temp_folder.h"
#include "support/test.h"

#include "base/cpu.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static void features_agree_with_the_compiler(void **state) {
    (void)state;
    uint32_t f = whet_cpu_features();
#if defined(__x86_64__)
    assert_int_equal(!!(f & WHET_CPU_AVX2),
                     __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                         __builtin_cpu_supports("bmi2"));
    assert_int_equal(!!(f & WHET_CPU_AVX512),
                     __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                         __builtin_cpu_supports("avx512cd"));
    assert_int_equal(f & WHET_CPU_NEON, 0);
#endif
#if defined(__aarch64__)
    assert_true(f & WHET_CPU_NEON);
    assert_int_equal(f & (WHET_CPU_AVX2 | WHET_CPU_AVX512), 0);
#else
    assert_int_equal(f & (WHET_CPU_NEON_DOT | WHET_CPU_NEON_BF16 | WHET_CPU_NEON_I8MM), 0);
#endif
    if (!(f & WHET_CPU_AVX512))
        assert_int_equal(f & (WHET_CPU_AVX512_VNNI | WHET_CPU_AVX512_BF16), 0);
    for (uint32_t bit = 1; bit; bit <<= 1)
        if (f & bit) assert_non_null(whet_cpu_feature_text(bit));
    assert_null(whet_cpu_feature_text(1u << 30));
}

static void masks_only_lower(void **state) {
    (void)state;
    const uint32_t all = WHET_CPU_AVX2 | WHET_CPU_AVX512 | WHET_CPU_AVX512_VNNI |
                         WHET_CPU_AVX512_BF16;
    static const struct {
        const char *level;
        uint32_t want;
    } rows[] = {
        {"scalar", 0},
        {"avx2", WHET_CPU_AVX2},
        {"avx512", WHET_CPU_AVX2 | WHET_CPU_AVX512},
        {"native", all},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t f = all, few = WHET_CPU_AVX2;
        assert_true(whet_cpu_mask(rows[i].level, &f));
        assert_int_equal(f, rows[i].want);
        assert_true(whet_cpu_mask(rows[i].level, &few));
        assert_int_equal(few, rows[i].want & WHET_CPU_AVX2);
    }
    uint32_t f = WHET_CPU_NEON | WHET_CPU_NEON_DOT | WHET_CPU_NEON_BF16 | WHET_CPU_NEON_I8MM;
    assert_true(whet_cpu_mask("neon", &f));
    assert_int_equal(f, WHET_CPU_NEON);
    f = all;
    assert_false(whet_cpu_mask("sse9", &f));
    assert_false(whet_cpu_mask("", &f));
    assert_int_equal(f, all);
}

static void identity_is_text(void **state) {
    (void)state;
    whet_cpu_info info;
    memset(&info, 0xee, sizeof info);
    whet_cpu_identify(&info);
    assert_true(memchr(info.vendor, 0, sizeof info.vendor));
    assert_true(memchr(info.name, 0, sizeof info.name));
    assert_true(info.name[0] != ' ');
}

static void count_follows_the_affinity(void **state) {
    (void)state;
    cpu_set_t before, one;
    assert_true(whet_cpu_count() >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(whet_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

typedef struct cgroup_file {
    const char *path, *text; // text NULL: a folder
} cgroup_file;

// Makes the files below a fresh folder and returns the quota found for the group list `list`.
static int32_t quota_with(const char *list, const cgroup_file *files, size_t n) {
    temp_folder t;
    temp_create(&t);
    char path[512];
    for (size_t i = 0; i <= n; i++) {
        const char *text = i < n ? files[i].text : list;
        snprintf(path, sizeof path, "%s/%s", t.path, i < n ? files[i].path : "list");
        if (!text) {
            assert_int_equal(mkdir(path, 0777), 0);
            continue;
        }
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    int32_t quota = whet_cpu_quota(path, t.path);
    for (size_t i = n; i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", t.path, files[i].path);
        remove(path);
    }
    temp_remove(&t);
    return quota;
}

static void quota_of_version_2(void **state) {
    (void)state;
    const cgroup_file plain[] = {{"a", NULL}, {"a/b", NULL}, {"a/b/cpu.max", "250000 100000\n"}};
    assert_int_equal(quota_with("0::/a/b\n", plain, 3), 3);
    assert_int_equal(quota_with("0::/a\n", plain, 3), 0);
    const cgroup_file above[] = {{"a", NULL},
                                 {"a/b", NULL},
                                 {"a/cpu.max", "100000 100000\n"},
                                 {"a/b/cpu.max", "max 100000\n"}};
    assert_int_equal(quota_with("0::/a/b\n", above, 4), 1);
    const cgroup_file root[] = {{"cpu.max", "50000 100000\n"}};
    assert_int_equal(quota_with("0::/\n", root, 1), 1);
    assert_int_equal(quota_with("0::/not/mounted/here\n", root, 1), 1);
    assert_int_equal(quota_with("", root, 1), 0);
    assert_int_equal(quota_with("nonsense\n1:x\n", root, 1), 0);
    const cgroup_file odd[] = {{"cpu.max", "junk\n"}};
    assert_int_equal(quota_with("0::/\n", odd, 1), 0);
}

static void quota_of_version_1(void **state) {
    (void)state;
    const cgroup_file files[] = {{"cpu", NULL},
                                 {"cpu/g", NULL},
                                 {"cpu/g/cpu.cfs_quota_us", "400000\n"},
                                 {"cpu/g/cpu.cfs_period_us", "100000\n"}};
    const char *list = "5:memory:/g\n4:cpuset:/g\n3:cpuacct,cpu:/g\n";
    assert_int_equal(quota_with(list, files, 4), 4);
    assert_int_equal(quota_with("4:cpuset:/g\n", files, 4), 0);
    const cgroup_file none[] = {{"cpu", NULL},
                                {"cpu/cpu.cfs_quota_us", "-1\n"},
                                {"cpu/cpu.cfs_period_us", "100000\n"}};
    assert_int_equal(quota_with(list, none, 3), 0);
    assert_int_equal(whet_cpu_quota("/nonexistent", "/nonexistent"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_agree_with_the_compiler),
        cmocka_unit_test(masks_only_lower),
        cmocka_unit_test(identity_is_text),
        cmocka_unit_test(count_follows_the_affinity),
        cmocka_unit_test(quota_of_version_2),
        cmocka_unit_test(quota_of_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
