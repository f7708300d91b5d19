// SPDX-License-Identifier: Apache-2.0
// test: labels=threads
#define _GNU_SOURCE
#include "support/failing_alloc.h"
#include "support/failing_threads.h"
#include "support/test.h"

#include "base/bench.h"
#include "base/cpu_list.h"
#include "base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 16

typedef struct job {
    int32_t n;
    int32_t plain[MAX_THREADS]; // not atomic on purpose: a race would show under tsan
    _Atomic(int32_t) calls;
} job;

static void mark(void *user, int32_t index, int32_t n) {
    job *j = user;
    if (index == 0) j->n = n;
    j->plain[index]++;
    atomic_fetch_add(&j->calls, 1);
}

static whet_workers *make(int32_t threads) {
    whet_workers *ws = NULL;
    assert_int_equal(whet_workers_create(threads, &ws, NULL), WHET_OK);
    assert_int_equal(whet_workers_count(ws), threads);
    return ws;
}

// The caller runs once, each other participant at most once, and none beyond n.
static bool shared_well(const job *j) {
    int32_t sum = j->plain[0];
    if (j->plain[0] != 1) return false;
    for (int32_t i = 1; i < MAX_THREADS; i++) {
        sum += j->plain[i];
        if (j->plain[i] < 0 || j->plain[i] > (i < j->n)) return false;
    }
    return sum == j->calls;
}

static void no_participant_runs_twice(void **state) {
    (void)state;
    for (int32_t threads = 1; threads <= 8; threads++) {
        whet_workers *ws = make(threads);
        for (int32_t want = -1; want <= 10; want++) {
            for (int round = 0; round < 50; round++) {
                job j = {0};
                whet_workers_fork(ws, want, mark, &j);
                int32_t n = want < 1 ? 1 : want > threads ? threads : want;
                assert_int_equal(j.n, n);
                assert_true(shared_well(&j));
            }
        }
        whet_workers_destroy(ws);
    }
    whet_workers_destroy(NULL);
}

static void bad_counts_are_refused(void **state) {
    (void)state;
    whet_error e = {0};
    whet_workers *ws = NULL;
    assert_int_equal(whet_workers_create(0, &ws, &e), WHET_E_INVALID);
    assert_int_equal(whet_workers_create(-3, &ws, &e), WHET_E_INVALID);
    assert_null(ws);
    for (int64_t n = 0;; n++) {
        test_alloc_fail_at(n);
        whet_status status = whet_workers_create(4, &ws, &e);
        if (!test_alloc_end()) break;
        assert_int_equal(status, WHET_E_NOMEM);
    }
    whet_workers_destroy(ws);
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); }

static void sleeping_workers_wake(void **state) {
    (void)state;
    whet_workers *ws = make(4);
    for (int round = 0; round < 20; round++) {
        job j = {0};
        whet_workers_fork(ws, 4, mark, &j);
        assert_true(shared_well(&j));
        nap();
    }
    // asleep, they use no processor
    struct timespec before, after;
    nap();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t used = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
    assert_true(used < 10000000);
    whet_workers_destroy(ws);
}

static void late(void *user, int32_t index, int32_t n) {
    if (index) nap();
    mark(user, index, n);
}

static void a_sleeping_fork_wakes(void **state) {
    (void)state;
    whet_workers *ws = make(3);
    for (int round = 0; round < 20; round++) {
        job j = {0};
        whet_workers_fork(ws, 3, late, &j);
        assert_true(shared_well(&j));
    }
    whet_workers_destroy(ws);
}

typedef struct nested {
    whet_workers *ws;
    _Atomic(int32_t) inner;
} nested;

static void count_inner(void *user, int32_t index, int32_t n) {
    (void)index, (void)n;
    atomic_fetch_add(&((nested *)user)->inner, 1);
}

static void fork_again(void *user, int32_t index, int32_t n) {
    (void)index, (void)n;
    whet_workers_fork(((nested *)user)->ws, 4, count_inner, user);
}

static void forks_nest(void **state) {
    (void)state;
    nested x = {.ws = make(4)};
    for (int round = 0; round < 100; round++) {
        atomic_store(&x.inner, 0);
        whet_workers_fork(x.ws, 4, fork_again, &x);
        assert_true(x.inner >= 1 && x.inner <= 16);
    }
    whet_workers_destroy(x.ws);
}

static void *fork_many(void *user) {
    whet_workers *ws = user;
    intptr_t bad = 0;
    for (int round = 0; round < 2000; round++) {
        job j = {0};
        whet_workers_fork(ws, 1 + round % 5, mark, &j);
        bad += j.n < 1 || j.n > 1 + round % 5 || !shared_well(&j);
    }
    return (void *)bad;
}

static void several_threads_fork_at_once(void **state) {
    (void)state;
    for (int32_t threads = 1; threads <= 7; threads += 3) {
        whet_workers *ws = make(threads);
        pthread_t t[4];
        for (size_t i = 0; i < COUNT(t); i++)
            assert_int_equal(pthread_create(&t[i], NULL, fork_many, ws), 0);
        for (size_t i = 0; i < COUNT(t); i++) {
            void *bad;
            pthread_join(t[i], &bad);
            assert_null(bad);
        }
        whet_workers_destroy(ws);
    }
}

static void forks_allocate_nothing(void **state) {
    (void)state;
    whet_workers *ws = make(4);
    test_alloc_count();
    for (int round = 0; round < 100; round++) {
        job j = {0};
        whet_workers_fork(ws, 4, mark, &j);
    }
    assert_int_equal(test_alloc_counted(), 0);
    whet_workers_destroy(ws);
}

// Threads that cannot be started are done without, and not asked for again.
static void works_when_threads_do_not_start(void **state) {
    (void)state;
    for (int32_t limit = 0; limit < 3; limit++) {
        whet_workers *ws = make(4);
        test_threads_limit(limit);
        job j = {0};
        whet_workers_fork(ws, 4, mark, &j);
        test_threads_limit(INT64_MAX);
        assert_int_equal(j.n, 1 + limit);
        assert_true(shared_well(&j));
        j = (job){0};
        whet_workers_fork(ws, 4, mark, &j);
        assert_int_equal(j.n, 1 + limit);
        whet_workers_destroy(ws);
    }
}

typedef struct pinned {
    int32_t cpu;
    _Atomic(int32_t) elsewhere;
} pinned;

static void look_where(void *user, int32_t index, int32_t n) {
    pinned *p = user;
    (void)n;
    if (index && sched_getcpu() != p->cpu) atomic_fetch_add(&p->elsewhere, 1);
    if (!index) nap(); // so that the others begin
}

static void workers_stay_where_they_are_put(void **state) {
    (void)state;
    int32_t cpu = sched_getcpu();
    for (int32_t spin = 0; spin < 2; spin++) {
        whet_workers_options o = {.threads = 3, .spin_seconds = spin * 1e-3,
                                  .cpus = (int32_t[]){cpu, cpu, cpu}};
        whet_workers *ws = NULL;
        assert_int_equal(whet_workers_create_with(&o, &ws, NULL), WHET_OK);
        pinned p = {.cpu = cpu};
        for (int round = 0; round < 5; round++) whet_workers_fork(ws, 3, look_where, &p);
        assert_int_equal(p.elsewhere, 0);
        whet_workers_destroy(ws);
    }
}

static void *fork_share(void *user) {
    whet_workers *ws = user;
    for (int round = 0; round < 1000; round++) {
        job j = {0};
        whet_workers_fork_in(ws, 2, 2, mark, &j);
        if (j.n > 2 || !shared_well(&j)) return user;
    }
    return NULL;
}

// Threads 0 and 1 for one caller, 2 and 3 for the other: each always gets its worker.
static void shares_are_kept(void **state) {
    (void)state;
    whet_workers *ws = make(4);
    pthread_t other;
    void *bad;
    assert_int_equal(pthread_create(&other, NULL, fork_share, ws), 0);
    for (int round = 0; round < 1000; round++) {
        job j = {0};
        whet_workers_fork_in(ws, 0, 2, mark, &j);
        assert_int_equal(j.n, 2);
        assert_true(shared_well(&j));
    }
    assert_int_equal(pthread_join(other, &bad), 0);
    assert_null(bad);
    job j = {0};
    whet_workers_fork_in(ws, 3, 4, mark, &j); // there are none behind the last
    assert_int_equal(j.n, 1);
    whet_workers_destroy(ws);
}

static void lists_of_processors(void **state) {
    (void)state;
    int32_t cpus[WHET_MAX_CPUS], n;
    whet_error err;
    char here[16];
    snprintf(here, sizeof here, "%d", sched_getcpu());
    const char *bad[] = {"", "x", "0,", "0-", "-1", "0,0", "1-0", "0x", "99999999999", "node",
                         "node9999", "1023"};
    assert_int_equal(whet_cpu_list_parse(here, cpus, &n, &err), WHET_OK);
    assert_int_equal(n, 1);
    assert_int_equal(cpus[0], atoi(here));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(whet_cpu_list_parse(bad[i], cpus, &n, &err), WHET_E_INVALID);
    if (access("/sys/devices/system/node/node0/cpulist", R_OK)) return;
    assert_int_equal(whet_cpu_list_parse("node0", cpus, &n, &err), WHET_OK);
    assert_true(n >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_participant_runs_twice),
        cmocka_unit_test(bad_counts_are_refused),
        cmocka_unit_test(sleeping_workers_wake),
        cmocka_unit_test(a_sleeping_fork_wakes),
        cmocka_unit_test(forks_nest),
        cmocka_unit_test(several_threads_fork_at_once),
        cmocka_unit_test(forks_allocate_nothing),
        cmocka_unit_test(works_when_threads_do_not_start),
        cmocka_unit_test(workers_stay_where_they_are_put),
        cmocka_unit_test(shares_are_kept),
        cmocka_unit_test(lists_of_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
