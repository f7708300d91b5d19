// SPDX-License-Identifier: Apache-2.0
// The cases of tests/data/cases, written by scripts/make_onnx_cases.py, on the C references.
#include "support/test.h"

#include <dirent.h>

#include "support/onnx_case.h"

#define FOLDER "tests/data/cases"

static void test_cases(void **state) {
    (void)state;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    int n = 0, failed = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        char path[512];
        whet_str text;
        if (e->d_name[0] == '.') continue;
        whet_str_init(&text);
        snprintf(path, sizeof path, FOLDER "/%s", e->d_name);
        n++;
        if (onnx_case_run(path, &text) != ONNX_CASE_PASS) {
            print_message("%s: %s\n", e->d_name, whet_str_text(&text));
            failed++;
        }
        whet_str_fini(&text);
    }
    closedir(folder);
    assert_true(n > 50);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
