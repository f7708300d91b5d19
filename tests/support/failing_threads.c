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

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

static _Atomic(int64_t) locks;

int64_t test_mutex_locks(void) { return atomic_load(&locks); }

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    atomic_fetch_add(&locks, 1);
    return __real_pthread_mutex_lock(mutex);
}
