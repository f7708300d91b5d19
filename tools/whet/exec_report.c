// SPDX-License-Identifier: Apache-2.0
// What is printed about options and times.
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec.h"

#define MOST_LINES 200 // of the trace, at its start and at its end

static void print_line(FILE *out, char mark, const char *format, va_list args) {
    char date[32] = "";
    time_t now = time(NULL);
    struct tm t;
    if (localtime_r(&now, &t)) strftime(date, sizeof date, "%m/%d/%Y-%H:%M:%S", &t);
    if (out == stderr) fflush(stdout);
    fprintf(out, "[%s] [%c] ", date, mark);
    vfprintf(out, format, args);
    fputc('\n', out);
}

void whet_exec_info(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(stdout, 'I', format, args);
    va_end(args);
}

void whet_exec_warn(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(stderr, 'W', format, args);
    va_end(args);
}

__attribute__((format(printf, 3, 4)))
static void print_marked(FILE *out, char mark, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(out, mark, format, args);
    va_end(args);
}

void whet_exec_log(void *user, whet_severity severity, const char *text) {
    (void)user;
    bool loud = severity == WHET_LOG_ERROR || severity == WHET_LOG_WARNING;
    print_marked(loud ? stderr : stdout, "EWIV"[severity & 3], "%s", text);
}

// ---- the options ----

static const char *or_empty(const char *text) { return text ? text : ""; }

static const char *state(bool on) { return on ? "Enabled" : "Disabled"; }

static void print_build_options(const whet_exec *e) {
    whet_exec_info("=== Model Options ===");
    whet_exec_info("Format: %s", e->onnx ? "ONNX" : "*");
    whet_exec_info("Model: %s", or_empty(e->onnx));
    whet_exec_info("Output:");
    whet_exec_info("=== Build Options ===");
    whet_exec_info("Precision: FP32%s%s%s%s", e->bf16 || e->best ? "+BF16" : "",
                   e->fp16 ? "+FP16" : "", e->int8 || (e->best && e->calib) ? "+INT8" : "",
                   e->int4 ? "+INT4" : "");
    whet_exec_info("Builder optimization level: %lld", (long long)e->level);
    whet_exec_info("Save engine: %s", or_empty(e->save_engine));
    whet_exec_info("Load engine: %s", or_empty(e->load_engine));
    whet_exec_info("Profiling verbosity: %s", e->verbosity);
    whet_exec_info("Timing cache mode: %s", e->timing_cache ? "global" : "disable");
    whet_exec_info("timingCacheFile: %s", or_empty(e->timing_cache));
    whet_exec_info("Input build shapes: %s", *e->build_shapes ? e->build_shapes : "model");
}

void whet_exec_print_options(const whet_exec *e) {
    print_build_options(e);
    whet_exec_info("=== System Options ===");
    whet_exec_info("Device: 0");
    whet_exec_info("DLACore:");
    whet_exec_info("Plugins:");
    for (int32_t i = 0; i < e->cli.plugins.n; i++) whet_exec_info("%s", e->cli.plugins.v[i]);
    for (int32_t i = 0; i < e->carried.n; i++) whet_exec_info("%s", e->carried.v[i]);
    whet_exec_info("=== Inference Options ===");
    whet_exec_info("Batch: Explicit");
    whet_exec_info("Input inference shapes: %s", *e->shapes ? e->shapes : "model");
    whet_exec_info("Iterations: %lld", (long long)e->iterations);
    whet_exec_info("Duration: %gs (+ %gms warm up)", e->duration, e->warm_up);
    whet_exec_info("Sleep time: %gms", e->sleep);
    whet_exec_info("Idle time: %gms", e->idle);
    whet_exec_info("Inference Streams: %lld", (long long)e->streams);
    whet_exec_info("Multithreading: %s", state(e->threads || e->streams > 1));
    whet_exec_info("Time Deserialize: %s", state(e->deserialize));
    whet_exec_info("Separate profiling: %s", state(e->separate));
    whet_exec_info("Skip inference: %s", state(e->skip));
    whet_exec_info("Inputs:");
    for (int32_t i = 0; i < e->inputs.n; i++) whet_exec_info("%s", e->inputs.v[i]);
    whet_exec_info("=== Reporting Options ===");
    whet_exec_info("Verbose: %s", state(e->cli.verbose));
    whet_exec_info("Averages: %lld inferences", (long long)e->avg_runs);
    whet_exec_info("Percentiles: %s", e->percentiles);
    whet_exec_info("Dump output: %s", state(e->dump_output));
    whet_exec_info("Profile: %s", state(e->dump_profile));
    whet_exec_info("Export timing to JSON file: %s", or_empty(e->times_file));
    whet_exec_info("Export output to JSON file: %s", or_empty(e->output_file));
    whet_exec_info("Export profile to JSON file: %s", or_empty(e->profile_file));
}

// ---- figures ----

int whet_exec_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double whet_exec_percentile(const double *sorted, int64_t n, double p) {
    int64_t i = n - 1 - (int64_t)floor((1 - p / 100) * (double)n);
    return sorted[i > 0 ? i : 0];
}

double whet_exec_median(const double *sorted, int64_t n) {
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static void print_figures(const whet_exec *e, const char *name, const double *sorted, int64_t n) {
    char text[1024];
    double mean = 0, p;
    for (int64_t i = 0; i < n; i++) mean += sorted[i] / (double)n;
    int at = snprintf(text, sizeof text,
                      "%s: min = %g ms, max = %g ms, mean = %g ms, median = %g ms", name,
                      sorted[0], sorted[n - 1], mean, whet_exec_median(sorted, n));
    bool bad;
    for (const char *list = e->percentiles; whet_exec_next_percentile(&list, &p, &bad);)
        if (at < (int)sizeof text)
            at += snprintf(text + at, sizeof text - (size_t)at, ", percentile(%g%%) = %g ms", p,
                           whet_exec_percentile(sorted, n, p));
    whet_exec_info("%s", text);
}

static void print_averages(const whet_exec *e, const whet_exec_trace *t) {
    int64_t groups = t->n / e->avg_runs;
    for (int64_t g = 0; g < groups; g++) {
        if (g == MOST_LINES && groups > 2 * MOST_LINES) {
            whet_exec_info("...");
            g = groups - MOST_LINES;
        }
        double ms = 0;
        for (int64_t i = 0; i < e->avg_runs; i++)
            ms += t->v[g * e->avg_runs + i].seconds * 1e3 / (double)e->avg_runs;
        whet_exec_info("Average on %lld runs - GPU latency: %g ms - Host latency: %g ms (enqueue "
                       "%g ms)", (long long)e->avg_runs, ms, ms, ms);
    }
}

static void print_warnings(const whet_exec *e, const double *sorted, int64_t n, double sum) {
    double mean = sum / (double)n, square = 0;
    for (int64_t i = 0; i < n; i++) square += (sorted[i] - mean) * (sorted[i] - mean);
    double spread = mean > 0 ? sqrt(square / (double)n) / mean * 100 : 0;
    if (e->streams > 1)
        whet_exec_warn("several streams share the processor: the latency of one query alone is "
                       "lower");
    if (spread > 2.5)
        whet_exec_warn("GPU compute time is unstable, with coefficient of variance = %g%%.",
                       spread);
}

// The processor computes in the call: enqueueing is computing, and nothing is copied.
void whet_exec_print_trace(const whet_exec *e, const whet_exec_trace *t) {
    double *ms = calloc((size_t)t->n, sizeof *ms), *zero = calloc((size_t)t->n, sizeof *zero);
    if (ms && zero) {
        double sum = 0;
        for (int64_t i = 0; i < t->n; i++) sum += ms[i] = t->v[i].seconds * 1e3;
        qsort(ms, (size_t)t->n, sizeof *ms, whet_exec_by_value);
        whet_exec_info("=== Trace details ===");
        whet_exec_info("Trace averages of %lld runs:", (long long)e->avg_runs);
        print_averages(e, t);
        whet_exec_info("=== Performance summary ===");
        whet_exec_info("Throughput: %g qps", (double)t->n / t->seconds);
        print_figures(e, "Latency", ms, t->n);
        print_figures(e, "Enqueue Time", ms, t->n);
        print_figures(e, "H2D Latency", zero, t->n);
        print_figures(e, "GPU Compute Time", ms, t->n);
        print_figures(e, "D2H Latency", zero, t->n);
        whet_exec_info("Total Host Walltime: %g s", t->seconds);
        whet_exec_info("Total GPU Compute Time: %g s", sum / 1e3);
        print_warnings(e, ms, t->n, sum);
    } else {
        whet_exec_warn("out of memory: there is no summary");
    }
    free(zero);
    free(ms);
}
