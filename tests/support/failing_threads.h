// SPDX-License-Identifier: Apache-2.0
// Lets a number of threads start and refuses those after them, as a process at its limit would.
#ifndef WHET_TESTS_FAILING_THREADS_H
#define WHET_TESTS_FAILING_THREADS_H

#include <stdint.h>

// INT64_MAX: no limit.
void test_threads_limit(int64_t n);
// Times that the library has locked a mutex.
int64_t test_mutex_locks(void);

#endif
