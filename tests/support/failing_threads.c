// SPDX-License-Identifier: Apache-2.0
#include "support/failing_threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *user);

static _Atomic(int64_t) left = INT64_MAX;

void test_threads_limit(int64_t n) { atomic_store(&left, n); }

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *user) {
    if (atomic_load(&left) != INT64_MAX && atomic_fetch_sub(&left, 1) <= 0) return EAGAIN;
    return __real_pthread_create(thread, attr, start, user);
}
