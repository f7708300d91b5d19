// SPDX-License-Identifier: Apache-2.0
#include "base/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLE_SECONDS 20e-6
#define MAX_CALLS 1000000

double whet_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Seconds a call, or -1 with *status set.
static double time_calls(whet_bench_fn fn, void *user, int64_t calls, whet_status *status) {
    double start = whet_now();
    for (int64_t i = 0; i < calls; i++)
        if ((*status = fn(user)) != WHET_OK) return -1;
    return (whet_now() - start) / (double)calls;
}

// Warms up and picks the calls a sample from the fastest call seen. Calls too short for the clock
// are timed in groups that double.
static whet_status warm_up(whet_bench_fn fn, void *user, const whet_bench_options *options,
                           int64_t *calls) {
    whet_status status = WHET_OK;
    double start = whet_now(), best = INFINITY;
    int64_t group = 1;
    do {
        double t = time_calls(fn, user, group, &status);
        if (status != WHET_OK) return status;
        if (t < best) best = t;
        if (t * (double)group < SAMPLE_SECONDS / 4 && group < MAX_CALLS) group *= 2;
    } while (whet_now() - start < options->warmup_seconds);
    *calls = options->calls;
    if (*calls > 0) return WHET_OK;
    // without a warm-up time the group may still be too small to tell
    while (best * (double)group < SAMPLE_SECONDS / 4 && group < MAX_CALLS) {
        group *= 2;
        double t = time_calls(fn, user, group, &status);
        if (status != WHET_OK) return status;
        if (t < best) best = t;
    }
    double want = best > 0 ? ceil(SAMPLE_SECONDS / best) : MAX_CALLS;
    *calls = want < 1 ? 1 : want > MAX_CALLS ? MAX_CALLS : (int64_t)want;
    return WHET_OK;
}

static void reverse(double *v, int64_t n) {
    for (int64_t i = 0, j = n - 1; i < j; i++, j--) {
        double t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

whet_status whet_bench_run(whet_bench_fn fn, void *user, const whet_bench_options *options,
                           double *samples, int64_t max_samples, whet_bench_result *result) {
    if (max_samples < 1 || (uint64_t)max_samples > SIZE_MAX / sizeof *samples)
        return WHET_E_INVALID;
    int64_t calls, total = 0;
    WHET_TRY(warm_up(fn, user, options, &calls));
    int64_t min_runs = options->min_runs > 1 ? options->min_runs : 1;
    int64_t max_runs = options->max_runs > 0 ? options->max_runs : INT64_MAX;
    whet_status status = WHET_OK;
    double start = whet_now();
    do {
        double t = time_calls(fn, user, calls, &status);
        if (status != WHET_OK) return status;
        samples[total++ % max_samples] = t;
    } while (total < max_runs && (total < min_runs || whet_now() - start < options->seconds));

    int64_t n = total < max_samples ? total : max_samples;
    if (total > n) { // the oldest lies at total % n: rotate it to the front
        int64_t at = total % n;
        reverse(samples, at);
        reverse(samples + at, n - at);
        reverse(samples, n);
    }
    double *copy = malloc((size_t)n * sizeof *copy);
    if (!copy) return WHET_E_NOMEM;
    memcpy(copy, samples, (size_t)n * sizeof *copy);
    whet_bench_summarize(copy, n, result);
    free(copy);
    return WHET_OK;
}

double whet_bench_percentile(const double *sorted, int64_t n, double p) {
    int64_t i = n - 1 - (int64_t)floor((1 - p) * (double)n);
    return sorted[i < 0 ? 0 : i];
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void whet_bench_summarize(double *samples, int64_t n, whet_bench_result *result) {
    *result = (whet_bench_result){.n = n};
    if (n < 1) return;
    qsort(samples, (size_t)n, sizeof *samples, compare);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += samples[i];
    result->min = samples[0];
    result->max = samples[n - 1];
    result->mean = sum / (double)n;
    result->median = (samples[(n - 1) / 2] + samples[n / 2]) / 2;
    result->p90 = whet_bench_percentile(samples, n, 0.90);
    result->p95 = whet_bench_percentile(samples, n, 0.95);
    result->p99 = whet_bench_percentile(samples, n, 0.99);
    // ranks from the normal approximation of the binomial; the whole range for few samples
    double half = 1.96 * sqrt((double)n);
    int64_t low = (int64_t)floor(((double)n - half) / 2) - 1;
    int64_t high = (int64_t)ceil(1 + ((double)n + half) / 2) - 1;
    result->low = samples[low < 0 ? 0 : low];
    result->high = samples[high > n - 1 ? n - 1 : high];
}
