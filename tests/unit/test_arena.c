// SPDX-License-Identifier: Apache-2.0
#include "support/failing_alloc.h"
#include "support/test.h"

#include "base/arena.h"

static void memory_is_aligned_zeroed_and_apart(void **state) {
    (void)state;
    whet_arena a;
    whet_arena_init(&a);
    uint64_t seed = 1;
    enum { N = 2000 };
    static unsigned char *p[N];
    static size_t size[N];
    for (int i = 0; i < N; i++) {
        size[i] = test_random(&seed) % (i % 50 ? 200 : 100000);
        p[i] = whet_arena_alloc(&a, size[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % (size[i] >= 64 ? 64 : 16), 0);
        for (size_t k = 0; k < size[i]; k++) assert_int_equal(p[i][k], 0);
        memset(p[i], i & 0xff, size[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++) assert_int_equal(p[i][k], i & 0xff);
    whet_arena_fini(&a);
}

static void overflow_gives_null(void **state) {
    (void)state;
    whet_arena a;
    whet_arena_init(&a);
    assert_null(whet_arena_alloc(&a, SIZE_MAX));
    assert_null(whet_arena_alloc_raw(&a, SIZE_MAX - 63));
    assert_null(whet_arena_array(&a, SIZE_MAX / 2, 4));
    assert_non_null(whet_arena_array(&a, 0, 8));
    whet_arena_fini(&a);
}

static void reset_reuses_the_chunks(void **state) {
    (void)state;
    whet_arena a;
    whet_arena_init(&a);
    for (int round = 0; round < 4; round++) {
        if (round == 1) test_alloc_count();
        whet_arena_reset(&a);
        for (int i = 0; i < 3000; i++) {
            char *p = whet_arena_alloc(&a, (size_t)i);
            for (int k = 0; k < i; k++) assert_int_equal(p[k], 0);
            memset(p, 0xee, (size_t)i);
        }
    }
    assert_int_equal(test_alloc_counted(), 0);
    whet_arena_fini(&a);
}

static void text_is_copied(void **state) {
    (void)state;
    whet_arena a;
    whet_arena_init(&a);
    assert_string_equal(whet_arena_strdup(&a, "weights"), "weights");
    assert_string_equal(whet_arena_strndup(&a, "weights", 3), "wei");
    assert_string_equal(whet_arena_strndup(&a, NULL, 0), "");
    assert_string_equal(whet_arena_printf(&a, "%s_%d", "conv", 12), "conv_12");
    assert_memory_equal(whet_arena_memdup(&a, "ab\0c", 4), "ab\0c", 4);
    char *big = whet_arena_printf(&a, "%*d", 200000, 7);
    assert_int_equal(strlen(big), 200000);
    whet_arena_fini(&a);
}

static void push_grows(void **state) {
    (void)state;
    whet_arena a;
    whet_arena_init(&a);
    int32_t *v = NULL, n = 0, cap = 0;
    for (int32_t i = 0; i < 1000; i++) assert_true(WHET_ARENA_PUSH(&a, v, n, cap, i * 3));
    assert_int_equal(n, 1000);
    for (int32_t i = 0; i < n; i++) assert_int_equal(v[i], i * 3);
    whet_arena_fini(&a);
}

static void out_of_memory_gives_null(void **state) {
    (void)state;
    for (int64_t n = 0; n < 2; n++) {
        whet_arena a;
        whet_arena_init(&a);
        test_alloc_fail_from(n);
        void *p = whet_arena_alloc(&a, 100);
        assert_true(test_alloc_end());
        assert_null(p);
        assert_non_null(whet_arena_alloc(&a, 100));
        whet_arena_fini(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_zeroed_and_apart),
        cmocka_unit_test(overflow_gives_null),
        cmocka_unit_test(reset_reuses_the_chunks),
        cmocka_unit_test(text_is_copied),
        cmocka_unit_test(push_grows),
        cmocka_unit_test(out_of_memory_gives_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
