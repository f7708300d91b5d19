// SPDX-License-Identifier: Apache-2.0
#include "support/failing_alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
int __real_posix_memalign(void **p, size_t align, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
int __wrap_posix_memalign(void **p, size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

// Allocations number first .. last fail.
static _Atomic(int64_t) counted, first = INT64_MAX, last = -1, failed;

static bool must_fail(void) {
    int64_t n = atomic_fetch_add(&counted, 1);
    if (n < atomic_load(&first) || n > atomic_load(&last)) return false;
    atomic_fetch_add(&failed, 1);
    return true;
}

static void start(int64_t from, int64_t to) {
    atomic_store(&failed, 0);
    atomic_store(&counted, 0);
    atomic_store(&last, to);
    atomic_store(&first, from);
}

void test_alloc_count(void) { start(INT64_MAX, -1); }
void test_alloc_fail_at(int64_t n) { start(n, n); }
void test_alloc_fail_from(int64_t n) { start(n, INT64_MAX); }

bool test_alloc_end(void) {
    atomic_store(&first, INT64_MAX);
    return atomic_load(&failed) > 0;
}

int64_t test_alloc_counted(void) { return atomic_load(&counted); }

void *__wrap_malloc(size_t size) { return must_fail() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) {
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size) { return must_fail() ? NULL : __real_realloc(p, size); }

int __wrap_posix_memalign(void **p, size_t align, size_t size) {
    return must_fail() ? ENOMEM : __real_posix_memalign(p, align, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size) {
    return must_fail() ? NULL : __real_aligned_alloc(align, size);
}
