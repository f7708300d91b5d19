// SPDX-License-Identifier: Apache-2.0
// The library of operators with dependencies: what is said when it is not there.
#include "support/test.h"

#include "env/env.h"

static whet_env *env_with(const char *library) {
    whet_env_options o = {.struct_size = sizeof o, .ops_library = library};
    whet_env *env = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    return env;
}

static void a_missing_library_is_named(void **state) {
    (void)state;
    whet_env *env = env_with("nowhere/libwhet_ops.so");
    whet_error err;
    for (int again = 0; again < 2; again++) {
        assert_null(whet_op_get(whet_env_ops(env), "image_decoder", &err));
        assert_int_equal(err.status, WHET_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "operator image_decoder is in libwhet_ops.so"));
        assert_non_null(strstr(err.text, "nowhere/libwhet_ops.so"));
    }
    assert_null(whet_op_get(whet_env_ops(env), "frobnicate", &err));
    assert_int_equal(err.status, WHET_OK);
    assert_non_null(whet_op_get(whet_env_ops(env), "add", &err));
    whet_env_destroy(env);
}

static void another_library_is_refused(void **state) {
    (void)state;
    whet_env *env = env_with("libm.so.6");
    whet_error err;
    assert_null(whet_op_get(whet_env_ops(env), "regex_full_match", &err));
    assert_int_equal(err.status, WHET_E_VERSION);
    assert_non_null(strstr(err.text, "belongs to another version of whet"));
    whet_env_destroy(env);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_missing_library_is_named),
                                       cmocka_unit_test(another_library_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
