// SPDX-License-Identifier: Apache-2.0
#include "support/failing_alloc.h"
#include "support/test.h"

#include "base/bench.h"

#include <math.h>
#include <time.h>

static void percentiles_follow_the_formula(void **state) {
    (void)state;
    double v[200];
    for (int i = 0; i < 200; i++) v[i] = i + 1;
    assert_true(whet_bench_percentile(v, 1, 0) == 1);
    assert_true(whet_bench_percentile(v, 1, 0.99) == 1);
    assert_true(whet_bench_percentile(v, 10, 1) == 10);
    assert_true(whet_bench_percentile(v, 10, 0) == 1);
    assert_true(whet_bench_percentile(v, 200, 0.5) == 100);
    assert_true(whet_bench_percentile(v, 100, 0.25) == 25);
}

static void summary_of_known_samples(void **state) {
    (void)state;
    double v[] = {5, 1, 4, 2, 3}, w[] = {4, 1, 3, 2}, one[] = {7};
    whet_bench_result r;
    whet_bench_summarize(v, 5, &r);
    assert_int_equal(r.n, 5);
    assert_true(r.min == 1 && r.median == 3 && r.mean == 3 && r.max == 5);
    assert_true(r.low == 1 && r.high == 5);
    assert_true(v[0] == 1 && v[4] == 5);
    whet_bench_summarize(w, 4, &r);
    assert_true(r.median == 2.5 && r.mean == 2.5);
    whet_bench_summarize(one, 1, &r);
    assert_true(r.min == 7 && r.median == 7 && r.max == 7 && r.low == 7 && r.high == 7);
    assert_true(r.p90 == 7 && r.p99 == 7);
    whet_bench_summarize(one, 0, &r);
    assert_int_equal(r.n, 0);
}

static void the_interval_holds_the_median(void **state) {
    (void)state;
    enum { N = 1000 };
    static double v[N];
    for (int i = 0; i < N; i++) v[i] = (i * 7919) % N;
    whet_bench_result r;
    whet_bench_summarize(v, N, &r);
    assert_true(r.low < r.median && r.median < r.high);
    assert_true(r.high - r.low > 55 && r.high - r.low < 70); // 2 * 1.96 * sqrt(1000) / 2
}

typedef struct script {
    int64_t calls, fail_at;
    double nap;
} script;

static whet_status step(void *user) {
    script *s = user;
    if (s->nap > 0) nanosleep(&(struct timespec){.tv_nsec = (long)(s->nap * 1e9)}, NULL);
    return ++s->calls == s->fail_at ? WHET_E_RANGE : WHET_OK;
}

static void counts_of_runs_are_kept(void **state) {
    (void)state;
    double samples[64];
    whet_bench_result r;
    script s = {0};
    whet_bench_options o = {.min_runs = 10, .calls = 3};
    assert_int_equal(whet_bench_run(step, &s, &o, samples, 64, &r), WHET_OK);
    assert_int_equal(r.n, 10);
    assert_int_equal(s.calls, 1 + 10 * 3);
    s = (script){0};
    o = (whet_bench_options){.seconds = 10, .max_runs = 7, .calls = 1};
    assert_int_equal(whet_bench_run(step, &s, &o, samples, 64, &r), WHET_OK);
    assert_int_equal(r.n, 7);
    s = (script){0};
    o = (whet_bench_options){.min_runs = 1000, .calls = 1};
    assert_int_equal(whet_bench_run(step, &s, &o, samples, 64, &r), WHET_OK);
    assert_int_equal(r.n, 64);
    assert_int_equal(s.calls, 1001);
    assert_int_equal(whet_bench_run(step, &s, &o, samples, 0, &r), WHET_E_INVALID);
}

// Call k takes about k milliseconds, so order shows in the times.
static whet_status slower(void *user) {
    script *s = user;
    s->nap = 1e-3 * (double)s->calls;
    return step(user);
}

static void the_ring_keeps_the_newest_in_order(void **state) {
    (void)state;
    double samples[5];
    whet_bench_result r;
    script s = {0};
    whet_bench_options o = {.min_runs = 8, .calls = 1};
    assert_int_equal(whet_bench_run(slower, &s, &o, samples, 5, &r), WHET_OK);
    assert_int_equal(r.n, 5);
    for (int i = 0; i < 5; i++) assert_true(samples[i] >= 1e-3 * (4 + i));
    assert_true(r.min >= 4e-3 && r.max >= 8e-3);
}

static void seconds_are_reached(void **state) {
    (void)state;
    double samples[1000];
    whet_bench_result r;
    script s = {.nap = 1e-4};
    whet_bench_options o = {.warmup_seconds = 0.02, .seconds = 0.03};
    double start = whet_now();
    assert_int_equal(whet_bench_run(step, &s, &o, samples, 1000, &r), WHET_OK);
    assert_true(whet_now() - start >= 0.05);
    assert_true(r.min >= 1e-4 && r.n >= 2);
}

static void short_calls_are_grouped(void **state) {
    (void)state;
    double samples[100];
    whet_bench_result r;
    script s = {0};
    whet_bench_options o = {.min_runs = 20};
    double start = whet_now();
    assert_int_equal(whet_bench_run(step, &s, &o, samples, 100, &r), WHET_OK);
    assert_true(s.calls > 20 * 20); // a call takes nanoseconds, a sample some 20 us
    assert_true(r.median > 0 && r.median * (double)s.calls <= (whet_now() - start) * 10);
}

static void failures_stop_at_once(void **state) {
    (void)state;
    double samples[100];
    whet_bench_result r;
    for (int64_t at = 1; at < 30; at++) {
        script s = {.fail_at = at};
        whet_bench_options o = {.min_runs = 100};
        assert_int_equal(whet_bench_run(step, &s, &o, samples, 100, &r), WHET_E_RANGE);
        assert_int_equal(s.calls, at);
    }
    script s = {0};
    whet_bench_options o = {.min_runs = 3, .calls = 1};
    test_alloc_fail_at(0);
    whet_status status = whet_bench_run(step, &s, &o, samples, 100, &r);
    assert_true(test_alloc_end());
    assert_int_equal(status, WHET_E_NOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_follow_the_formula),
        cmocka_unit_test(summary_of_known_samples),
        cmocka_unit_test(the_interval_holds_the_median),
        cmocka_unit_test(counts_of_runs_are_kept),
        cmocka_unit_test(the_ring_keeps_the_newest_in_order),
        cmocka_unit_test(seconds_are_reached),
        cmocka_unit_test(short_calls_are_grouped),
        cmocka_unit_test(failures_stop_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
