// SPDX-License-Identifier: Apache-2.0
#include "support/failing_alloc.h"
#include "support/test.h"

#include "base/str.h"

#include <locale.h>
#include <math.h>

static void text_grows(void **state) {
    (void)state;
    whet_str s;
    whet_str_init(&s);
    assert_string_equal(whet_str_text(&s), "");
    for (int i = 0; i < 1000; i++) {
        whet_str_printf(&s, "%d,", i % 10);
        whet_str_add(&s, "ab");
        whet_str_add_n(&s, "cdef", 1);
    }
    assert_int_equal(s.len, 5000);
    assert_int_equal(strlen(s.text), 5000);
    assert_memory_equal(s.text + 4995, "9,abc", 6);
    whet_str_clear(&s);
    assert_string_equal(whet_str_text(&s), "");
    whet_str_printf(&s, "%*d", 70000, 1);
    assert_int_equal(s.len, 70000);
    whet_str_fini(&s);
    assert_null(s.text);
}

static void json_nests(void **state) {
    (void)state;
    whet_str s;
    whet_str_init(&s);
    whet_json_object(&s, NULL);
    whet_json_text(&s, "name", "x");
    whet_json_array(&s, "dims");
    whet_json_int(&s, NULL, 1);
    whet_json_int(&s, NULL, INT64_MIN);
    whet_json_array(&s, NULL);
    whet_json_end_array(&s);
    whet_json_object(&s, NULL);
    whet_json_end_object(&s);
    whet_json_end_array(&s);
    whet_json_bool(&s, "ok", true);
    whet_json_text(&s, "none", NULL);
    whet_json_double(&s, "t", 0.1);
    whet_json_end_object(&s);
    assert_false(s.failed);
    assert_string_equal(s.text, "{\"name\":\"x\",\"dims\":[1,-9223372036854775808,[],{}],"
                                "\"ok\":true,\"none\":null,\"t\":0.1}");
    whet_str_fini(&s);
}

static void json_text_is_escaped(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\r\t\b\f", "\"\\n\\r\\t\\b\\f\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\x80", "\"\xef\xbf\xbd\""},                     // continuation alone
        {"a\xc3", "\"a\xef\xbf\xbd\""},                   // cut
        {"\xe2\x82z", "\"\xef\xbf\xbd\xef\xbf\xbdz\""},   // cut, goes on
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},     // overlong
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, // surrogate
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""}, // the last code point
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        whet_str s;
        whet_str_init(&s);
        // in memory of exactly its size, so that a sanitizer sees any over-read
        char *copy = malloc(strlen(rows[i].text) + 1);
        strcpy(copy, rows[i].text);
        whet_json_text(&s, NULL, copy);
        assert_string_equal(s.text, rows[i].want);
        free(copy);
        whet_str_fini(&s);
    }
}

static void check_doubles(void) {
    static const struct {
        double v;
        const char *want;
    } rows[] = {
        {0, "0"},          {-0.0, "-0"},           {1.5, "1.5"},
        {0.1, "0.1"},      {1e300, "1e+300"},      {1.0 / 3, "0.3333333333333333"},
        {-2.5, "-2.5"},    {5e-324, "4.94065645841247e-324"},
        {INFINITY, "null"}, {-INFINITY, "null"},   {NAN, "null"},
        {123456789, "123456789"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        whet_str s;
        whet_str_init(&s);
        whet_json_double(&s, NULL, rows[i].v);
        assert_string_equal(s.text, rows[i].want);
        whet_str_fini(&s);
    }
}

static void json_doubles_read_back(void **state) {
    (void)state;
    check_doubles();
    uint64_t seed = 4;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)test_random(&seed) << 32 | test_random(&seed);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) continue;
        whet_str s;
        whet_str_init(&s);
        whet_json_double(&s, NULL, v);
        assert_true(strtod(s.text, NULL) == v);
        whet_str_fini(&s);
    }
}

static void json_doubles_ignore_the_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    bool found = false;
    for (size_t i = 0; i < COUNT(names) && !found; i++) found = setlocale(LC_NUMERIC, names[i]);
    if (!found) skip();
    check_doubles();
    setlocale(LC_NUMERIC, "C");
}

static void json_too_deep_fails(void **state) {
    (void)state;
    whet_str s;
    whet_str_init(&s);
    for (int i = 0; i < 63; i++) whet_json_array(&s, NULL);
    assert_false(s.failed);
    whet_json_array(&s, NULL);
    assert_true(s.failed);
    for (int i = 0; i < 200; i++) whet_json_end_array(&s);
    whet_str_clear(&s);
    assert_false(s.failed);
    whet_str_fini(&s);
}

static void lack_of_memory_is_remembered(void **state) {
    (void)state;
    for (int64_t n = 0; n < 3; n++) {
        whet_str s;
        whet_str_init(&s);
        test_alloc_fail_at(n);
        for (int i = 0; i < 100; i++) whet_str_printf(&s, "%d %s", i, "some text");
        assert_true(test_alloc_end());
        assert_true(s.failed);
        size_t len = s.len;
        whet_str_add(&s, "x");
        assert_int_equal(s.len, len);
        assert_int_equal(strlen(whet_str_text(&s)), len);
        whet_str_fini(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(json_nests),
        cmocka_unit_test(json_text_is_escaped),
        cmocka_unit_test(json_doubles_read_back),
        cmocka_unit_test(json_doubles_ignore_the_locale),
        cmocka_unit_test(json_too_deep_fails),
        cmocka_unit_test(lack_of_memory_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
