// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "base/error.h"

static void set_stores_and_returns(void **state) {
    (void)state;
    whet_error e = {0};
    assert_int_equal(whet_error_set(&e, WHET_E_SHAPE, "node %s: axis %d", "a", 3), WHET_E_SHAPE);
    assert_int_equal(e.status, WHET_E_SHAPE);
    assert_string_equal(e.text, "node a: axis 3");
    assert_int_equal(whet_error_set(NULL, WHET_E_IO, "x"), WHET_E_IO);
}

static void arguments_may_be_the_text_itself(void **state) {
    (void)state;
    whet_error e = {0};
    whet_error_set(&e, WHET_E_IO, "inner");
    whet_error_set(&e, WHET_E_IO, "outer: %s", e.text);
    assert_string_equal(e.text, "outer: inner");
}

static void prefix_keeps_status(void **state) {
    (void)state;
    whet_error e = {0};
    whet_error_set(&e, WHET_E_IO, "cannot open");
    assert_int_equal(whet_error_prefix(&e, WHET_E_IO, "file %d", 7), WHET_E_IO);
    assert_string_equal(e.text, "file 7: cannot open");
    assert_int_equal(whet_error_prefix(NULL, WHET_E_IO, "x"), WHET_E_IO);
    whet_error_clear(&e);
    assert_int_equal(e.status, WHET_OK);
    assert_string_equal(e.text, "");
    whet_error_clear(NULL);
}

static void long_text_is_cut(void **state) {
    (void)state;
    static char text[2 * WHET_ERROR_TEXT];
    whet_error e = {0};
    memset(text, 'a', sizeof text - 1);
    whet_error_set(&e, WHET_E_IO, "%s", text);
    assert_int_equal(strlen(e.text), WHET_ERROR_TEXT - 1);
    for (int i = 0; i < 20; i++) whet_error_prefix(&e, WHET_E_IO, "%s", text);
    assert_int_equal(strlen(e.text), WHET_ERROR_TEXT - 1);
}

static void numbers_are_pinned(void **state) {
    (void)state;
    static const struct {
        whet_status status;
        int number;
        const char *name;
    } rows[] = {
        {WHET_OK, 0, "WHET_OK"},
        {WHET_E_NOMEM, -1, "WHET_E_NOMEM"},
        {WHET_E_INVALID, -2, "WHET_E_INVALID"},
        {WHET_E_IO, -3, "WHET_E_IO"},
        {WHET_E_PARSE, -4, "WHET_E_PARSE"},
        {WHET_E_MODEL, -5, "WHET_E_MODEL"},
        {WHET_E_UNSUPPORTED, -6, "WHET_E_UNSUPPORTED"},
        {WHET_E_SHAPE, -7, "WHET_E_SHAPE"},
        {WHET_E_DTYPE, -8, "WHET_E_DTYPE"},
        {WHET_E_RANGE, -9, "WHET_E_RANGE"},
        {WHET_E_LIMIT, -10, "WHET_E_LIMIT"},
        {WHET_E_VERSION, -11, "WHET_E_VERSION"},
        {WHET_E_CHECKSUM, -12, "WHET_E_CHECKSUM"},
        {WHET_E_BUFFER, -13, "WHET_E_BUFFER"},
        {WHET_E_NOT_FOUND, -14, "WHET_E_NOT_FOUND"},
        {WHET_E_VERIFY, -15, "WHET_E_VERIFY"},
        {WHET_E_BACKEND, -16, "WHET_E_BACKEND"},
        {WHET_E_CANCELLED, -17, "WHET_E_CANCELLED"},
        {WHET_E_INTERNAL, -18, "WHET_E_INTERNAL"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(rows[i].status, rows[i].number);
        assert_string_equal(whet_status_name(rows[i].status), rows[i].name);
        assert_true(*whet_status_text(rows[i].status));
    }
    assert_string_equal(whet_status_text((whet_status)-999), "unknown status");
    assert_non_null(whet_status_name((whet_status)5));
}

static whet_status forwards(whet_status inner) {
    WHET_TRY(inner);
    return WHET_E_INTERNAL;
}

static void try_forwards_failures(void **state) {
    (void)state;
    assert_int_equal(forwards(WHET_E_IO), WHET_E_IO);
    assert_int_equal(forwards(WHET_OK), WHET_E_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_stores_and_returns),
        cmocka_unit_test(arguments_may_be_the_text_itself),
        cmocka_unit_test(prefix_keeps_status),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(numbers_are_pinned),
        cmocka_unit_test(try_forwards_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
