// SPDX-License-Identifier: Apache-2.0
// Counts the allocations of the library and makes chosen ones fail. All tests are linked with
// --wrap for malloc, calloc, realloc, posix_memalign and aligned_alloc; what libc allocates by
// itself (strdup, fopen) passes by.
//
//     for (int64_t n = 0;; n++) {
//         test_alloc_fail_from(n);
//         whet_status status = thing();
//         if (!test_alloc_end()) break; // n allocations were enough
//         assert_int_equal(status, WHET_E_NOMEM);
//     }
#ifndef WHET_TESTS_FAILING_ALLOC_H
#define WHET_TESTS_FAILING_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

// Counting starts again at 0 and nothing fails.
void test_alloc_count(void);
// The same; the n-th allocation from now on (0 is the next one) fails and the later ones work.
void test_alloc_fail_at(int64_t n);
// The n-th and all later ones fail.
void test_alloc_fail_from(int64_t n);
// Back to normal; whether any allocation failed on purpose.
bool test_alloc_end(void);
// Allocations since the last start, by all threads.
int64_t test_alloc_counted(void);

#endif
