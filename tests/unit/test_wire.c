// SPDX-License-Identifier: Apache-2.0
// The wire cursor on hand-made bytes.
#include "support/test.h"

#include "onnx/wire.h"

static whet_error err;

static whet_wire wire(const char *bytes, size_t n) {
    whet_wire w;
    whet_wire_init(&w, bytes, n, &err);
    return w;
}
#define WIRE(text) wire(text, sizeof(text) - 1)

static void test_empty(void **state) {
    (void)state;
    whet_wire w;
    whet_field f;
    whet_wire_init(&w, NULL, 0, &err);
    assert_false(whet_wire_next(&w, &f));
    assert_int_equal(err.status, WHET_OK);
}

static void test_fields(void **state) {
    (void)state;
    // 1: varint 300; 2: bytes "ab"; 3: fixed32 1; 4: fixed64 2
    whet_wire w = WIRE("\x08\xac\x02\x12\x02"
                       "ab\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0");
    whet_field f;
    assert_true(whet_wire_next(&w, &f));
    assert_int_equal(f.number, 1);
    assert_int_equal(f.value, 300);
    assert_true(whet_wire_next(&w, &f));
    assert_int_equal(f.bytes.size, 2);
    assert_memory_equal(f.bytes.data, "ab", 2);
    assert_int_equal(f.offset, 3);
    assert_true(whet_wire_next(&w, &f));
    assert_int_equal(f.type, WHET_WIRE_FIXED32);
    assert_int_equal(f.value, 1);
    assert_true(whet_wire_next(&w, &f));
    assert_int_equal(f.value, 2);
    assert_false(whet_wire_next(&w, &f));
    assert_int_equal(err.status, WHET_OK);
}

static void test_varint_limits(void **state) {
    (void)state;
    whet_field f;
    whet_wire w = WIRE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_true(whet_wire_next(&w, &f));
    assert_true(f.value == UINT64_MAX);
    w = WIRE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
    assert_false(whet_wire_next(&w, &f));
    assert_int_equal(err.status, WHET_E_PARSE);
    w = WIRE("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00");
    assert_false(whet_wire_next(&w, &f));
    assert_string_equal(err.text, "byte 1: number longer than 64 bits");
}

static void test_malformed(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } rows[] = {
        {"\x08", 1, "byte 1: truncated number"},
        {"\x08\x80", 2, "byte 1: truncated number"},
        {"\x0d\x01\x02\x03", 4, "byte 1: truncated number"},
        {"\x09\x01\x02\x03\x04\x05\x06\x07", 8, "byte 1: truncated number"},
        {"\x12\x03"
         "ab", 4, "byte 1: length goes beyond the end of the enclosing message"},
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
         "byte 1: length goes beyond the end of the enclosing message"},
        {"\x0b\x0c", 2, "byte 0: unknown wire type (groups are not used by ONNX)"},
        {"\x0f", 1, "byte 0: unknown wire type (groups are not used by ONNX)"},
        {"\x00\x00", 2, "byte 0: field number out of range"},
        {"\x80\x80\x80\x80\x10\x00", 6, "byte 0: field number out of range"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        whet_field f;
        whet_wire w = wire(rows[i].bytes, rows[i].n);
        assert_false(whet_wire_next(&w, &f));
        assert_int_equal(err.status, WHET_E_PARSE);
        assert_string_equal(err.text, rows[i].text);
        assert_false(whet_wire_next(&w, &f)); // stays failed
    }
}

static void test_nested(void **state) {
    (void)state;
    // 1: {2: varint without its end}
    whet_wire w = WIRE("\x0a\x02\x10\x80\x08\x01");
    whet_field f, g;
    assert_true(whet_wire_next(&w, &f));
    whet_wire inner = whet_wire_open(&w, f.bytes);
    assert_false(whet_wire_next(&inner, &g));
    assert_string_equal(err.text, "byte 3: truncated number");
    assert_false(whet_wire_next(&w, &f)); // the failure ends the outer loop too
}

static void check_numbers(whet_wire w, uint32_t type, const uint64_t *want, size_t n) {
    whet_field f;
    size_t found = 0;
    while (whet_wire_next(&w, &f)) {
        uint64_t v;
        whet_numbers it = whet_wire_numbers(&w, &f, type, "list");
        while (whet_numbers_next(&it, &v)) {
            assert_true(found < n);
            assert_true(v == want[found]);
            found++;
        }
    }
    assert_int_equal(err.status, WHET_OK);
    assert_int_equal(found, n);
}

static void test_numbers(void **state) {
    (void)state;
    static const uint64_t want[] = {1, 300, 3};
    // packed {1, 300}, an empty packed one, then 3 alone
    check_numbers(WIRE("\x0a\x03\x01\xac\x02\x0a\x00\x08\x03"), WHET_WIRE_VARINT, want, 3);
    check_numbers(WIRE("\x0a\x08\x01\0\0\0\x2c\x01\0\0\x0d\x03\0\0\0"), WHET_WIRE_FIXED32, want, 3);
    check_numbers(WIRE("\x0a\x08\x01\0\0\0\0\0\0\0"), WHET_WIRE_FIXED64, want, 1);
}

static void test_numbers_malformed(void **state) {
    (void)state;
    whet_wire w = WIRE("\x0a\x03\x01\x02\x03");
    whet_field f;
    uint64_t v;
    assert_true(whet_wire_next(&w, &f));
    whet_numbers it = whet_wire_numbers(&w, &f, WHET_WIRE_FIXED32, "list");
    assert_false(whet_numbers_next(&it, &v));
    assert_int_equal(err.status, WHET_E_PARSE);
    w = WIRE("\x08\x01");
    assert_true(whet_wire_next(&w, &f));
    it = whet_wire_numbers(&w, &f, WHET_WIRE_FIXED32, "list");
    assert_false(whet_numbers_next(&it, &v));
    assert_string_equal(err.text, "byte 0: list has wire type 0 instead of 5");
}

static void test_fail(void **state) {
    (void)state;
    whet_wire w = WIRE("\x08\x01\x10\x01");
    whet_field f;
    assert_true(whet_wire_next(&w, &f));
    assert_int_equal(whet_wire_fail(&w, &f, WHET_E_MODEL, "no"), WHET_E_MODEL);
    assert_string_equal(err.text, "byte 0: no");
    assert_int_equal(whet_wire_fail(&w, &f, WHET_E_PARSE, "later"), WHET_E_MODEL);
    assert_false(whet_wire_next(&w, &f));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_fields),
        cmocka_unit_test(test_varint_limits), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_nested),        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numbers_malformed), cmocka_unit_test(test_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
