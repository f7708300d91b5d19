// SPDX-License-Identifier: Apache-2.0
#include "support/failing_alloc.h"
#include "support/test.h"

#include "base/bytes.h"

static void numbers_are_little_endian(void **state) {
    (void)state;
    whet_writer w;
    whet_writer_init(&w);
    whet_write_u8(&w, 0x01);
    whet_write_u16(&w, 0x0302);
    whet_write_u32(&w, 0x07060504);
    whet_write_u64(&w, UINT64_C(0x0f0e0d0c0b0a0908));
    whet_write_f32(&w, 1.0f);
    static const uint8_t want[] = {1, 2,  3,  4,  5,  6,  7, 8, 9,    10,
                                   11, 12, 13, 14, 15, 0, 0, 0x80, 0x3f};
    assert_false(w.failed);
    assert_int_equal(w.size, sizeof want);
    assert_memory_equal(w.data, want, sizeof want);
    whet_writer_fini(&w);
}

static void all_kinds_round_trip(void **state) {
    (void)state;
    whet_writer w;
    whet_writer_init(&w);
    for (int i = 0; i < 100; i++) {
        whet_write_u8(&w, (uint8_t)(i * 5));
        whet_write_i64(&w, INT64_MIN + i);
        whet_write_f64(&w, -1.5 * i);
        whet_write_text(&w, i % 2 ? "name" : NULL);
        whet_write_align(&w, 16);
        whet_write_bytes(&w, "xyz", 3);
        whet_write_bytes(&w, NULL, 0);
    }
    whet_reader r;
    whet_reader_init(&r, w.data, w.size);
    for (int i = 0; i < 100; i++) {
        size_t n;
        assert_int_equal(whet_read_u8(&r), (uint8_t)(i * 5));
        assert_int_equal(whet_read_i64(&r), INT64_MIN + i);
        assert_true(whet_read_f64(&r) == -1.5 * i);
        const char *text = whet_read_text(&r, &n);
        assert_int_equal(n, i % 2 ? 4 : 0);
        assert_memory_equal(text, "name", n);
        whet_read_align(&r, 16);
        assert_int_equal(r.at % 16, 0);
        assert_memory_equal(whet_read_span(&r, 3), "xyz", 3);
    }
    assert_int_equal(whet_reader_left(&r), 0);
    assert_false(r.failed);
    whet_writer_fini(&w);
}

static void reads_past_the_end_stay_failed(void **state) {
    (void)state;
    static const uint8_t data[] = {1, 2, 3};
    whet_reader r;
    whet_reader_init(&r, data, sizeof data);
    assert_int_equal(whet_read_u16(&r), 0x0201);
    assert_int_equal(whet_read_u16(&r), 0);
    assert_true(r.failed);
    assert_int_equal(whet_read_u8(&r), 0); // although one byte is left
    assert_null(whet_read_span(&r, 0));
    assert_true(whet_read_f32(&r) == 0);
    assert_int_equal(whet_reader_left(&r), 1);
    whet_reader_init(&r, NULL, 0);
    assert_non_null(whet_read_span(&r, 0));
    assert_null(whet_read_span(&r, SIZE_MAX));
    assert_true(r.failed);
}

static void every_truncation_fails(void **state) {
    (void)state;
    whet_writer w;
    whet_writer_init(&w);
    whet_write_text(&w, "abc");
    whet_write_align(&w, 8);
    whet_write_u64(&w, 9);
    for (size_t size = 0; size <= w.size; size++) {
        uint8_t *copy = malloc(size ? size : 1); // exact, so that a sanitizer sees any over-read
        memcpy(copy, w.data, size);
        whet_reader r;
        size_t n;
        whet_reader_init(&r, copy, size);
        whet_read_text(&r, &n);
        whet_read_align(&r, 8);
        uint64_t v = whet_read_u64(&r);
        assert_int_equal(r.failed, size < w.size);
        assert_int_equal(v, size < w.size ? 0 : 9);
        free(copy);
    }
    whet_writer_fini(&w);
}

static uint32_t count_of(uint32_t stored, size_t left, size_t min_bytes, uint32_t limit) {
    whet_writer w;
    whet_writer_init(&w);
    whet_write_u32(&w, stored);
    for (size_t i = 0; i < left; i++) whet_write_u8(&w, 0);
    whet_reader r;
    whet_reader_init(&r, w.data, w.size);
    uint32_t n = whet_read_count(&r, min_bytes, limit);
    uint32_t result = r.failed ? UINT32_MAX : n;
    whet_writer_fini(&w);
    return result;
}

static void counts_are_bounded(void **state) {
    (void)state;
    assert_int_equal(count_of(5, 20, 4, 100), 5);
    assert_int_equal(count_of(6, 20, 4, 100), UINT32_MAX);
    assert_int_equal(count_of(5, 20, 4, 4), UINT32_MAX);
    assert_int_equal(count_of(5, 0, 0, 5), 5);
    assert_int_equal(count_of(0, 0, 8, 0), 0);
    assert_int_equal(count_of(0xffffffff, 10, 1, 0xffffffff), UINT32_MAX);
}

static void writer_remembers_lack_of_memory(void **state) {
    (void)state;
    for (int64_t n = 0; n < 4; n++) {
        whet_writer w;
        whet_writer_init(&w);
        test_alloc_fail_at(n);
        for (int i = 0; i < 1000; i++) whet_write_u32(&w, 7);
        assert_true(test_alloc_end());
        assert_true(w.failed);
        assert_true(w.size < 4000 && w.size <= w.cap);
        size_t before = w.size;
        whet_write_u8(&w, 1);
        whet_write_bytes(&w, "abc", 3);
        whet_write_align(&w, 4096);
        assert_int_equal(w.size, before);
        whet_writer_fini(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(all_kinds_round_trip),
        cmocka_unit_test(reads_past_the_end_stay_failed),
        cmocka_unit_test(every_truncation_fails),
        cmocka_unit_test(counts_are_bounded),
        cmocka_unit_test(writer_remembers_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
