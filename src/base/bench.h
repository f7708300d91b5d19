// SPDX-License-Identifier: Apache-2.0
// The one timing core: the tuner, `whet bench`, `exec` and checkkern all use it.
#ifndef WHET_BASE_BENCH_H
#define WHET_BASE_BENCH_H

#include "base/error.h"

double whet_now(void); // seconds, monotonic

typedef struct whet_bench_options {
    double warmup_seconds;  // at least one call is always made as warm-up
    double seconds;         // measure at least this long ...
    int64_t min_runs;       // ... and at least so many samples (>= 1)
    int64_t max_runs;       // 0: no bound other than the sample buffer
    int64_t calls;          // calls a sample; 0: chosen so that a sample takes about 20 us or more
} whet_bench_options;

typedef struct whet_bench_result {
    int64_t n;              // samples
    double min, median, mean, max, p90, p95, p99; // seconds a call
    double low, high;       // interval of the median, order statistics at 95 %
} whet_bench_result;

typedef whet_status (*whet_bench_fn)(void *user);
// samples [max_samples] caller's, filled with seconds a call in order of measurement; a ring of the
// newest when there are more. Stops at the first failing call with its status.
whet_status whet_bench_run(whet_bench_fn fn, void *user, const whet_bench_options *options,
                           double *samples, int64_t max_samples, whet_bench_result *result);
// sorted[max(n - 1 - floor((1 - p) n), 0)], p in [0, 1]; sorted ascending, n >= 1.
double whet_bench_percentile(const double *sorted, int64_t n, double p);
// Sorts a copy in place of `samples` and fills result.
void whet_bench_summarize(double *samples, int64_t n, whet_bench_result *result);

#endif
