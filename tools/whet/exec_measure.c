// SPDX-License-Identifier: Apache-2.0
// The measured runs. Each stream is a thread with a context; the times need the moment of every
// run, and pauses between them, so the loop is here.
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec.h"

double whet_exec_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_ms(double ms) {
    struct timespec t = {.tv_sec = (time_t)(ms / 1e3)};
    t.tv_nsec = (long)((ms / 1e3 - (double)t.tv_sec) * 1e9);
    while (ms > 0 && nanosleep(&t, &t) && errno == EINTR) continue;
}

typedef struct {
    const whet_exec *e;
    whet_context *context;
    const whet_cli_inputs *in;
    whet_tensor *outputs;
    int32_t n_outputs, index;
    pthread_barrier_t *start; // all streams begin to measure together
    whet_exec_query *v;
    int64_t n, cap, warm_up;
    double origin, end;
    whet_status status;
    bool no_memory;
} stream;

static bool push(stream *s, double begin, double seconds) {
    if (s->n == s->cap) {
        int64_t cap = s->cap ? 2 * s->cap : 1024;
        whet_exec_query *grown = realloc(s->v, (size_t)cap * sizeof *grown);
        s->no_memory = !grown;
        if (!grown) return false;
        s->v = grown;
        s->cap = cap;
    }
    s->v[s->n++] = (whet_exec_query){begin, seconds, s->index};
    return true;
}

static bool run_once(stream *s) {
    memset(s->outputs, 0, (size_t)s->n_outputs * sizeof *s->outputs);
    s->status = whet_context_run(s->context, s->in->v, s->in->n, s->outputs, s->n_outputs);
    return s->status == WHET_OK;
}

static void *run_stream(void *user) {
    stream *s = user;
    const whet_exec *e = s->e;
    double begin = whet_exec_now(), now;
    bool good = true;
    do {
        good = run_once(s);
        s->warm_up++;
        pause_ms(e->idle);
    } while (good && whet_exec_now() - begin < e->warm_up / 1e3);
    pthread_barrier_wait(s->start);
    double origin = s->origin = whet_exec_now();
    bool endless = e->duration < 0;
    for (int64_t i = 0; good; i++) {
        now = whet_exec_now();
        if (!endless && i > 0 && i >= e->iterations && now - origin >= e->duration) break;
        good = run_once(s);
        double end = whet_exec_now();
        good = good && (endless || push(s, now - origin, end - now));
        pause_ms(e->idle);
    }
    s->end = whet_exec_now();
    return NULL;
}

static int by_begin(const void *a, const void *b) {
    const whet_exec_query *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static bool merge(stream *s, int64_t n, whet_exec_trace *trace) {
    for (int64_t k = 0; k < n; k++) trace->n += s[k].n;
    trace->v = malloc((size_t)(trace->n + 1) * sizeof *trace->v);
    if (!trace->v) return whet_cli_fail("out of memory"), false;
    int64_t at = 0;
    double first = s[0].origin, last = s[0].end;
    for (int64_t k = 0; k < n; k++) {
        first = fmin(first, s[k].origin);
        last = fmax(last, s[k].end);
        trace->warm_up += s[k].warm_up;
    }
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < s[k].n; i++) {
            trace->v[at] = s[k].v[i];
            trace->v[at++].begin += s[k].origin - first;
        }
    qsort(trace->v, (size_t)trace->n, sizeof *trace->v, by_begin);
    trace->seconds = last - first;
    return true;
}

// Starts the threads beyond this one. The barrier counts those that run, so it is made once all
// threads are there: they wait on `gate` first.
typedef struct {
    stream *s;
    pthread_mutex_t *gate;
    bool *cancelled;
} job;

static void *start_job(void *user) {
    job *j = user;
    pthread_mutex_lock(j->gate);
    bool cancelled = *j->cancelled;
    pthread_mutex_unlock(j->gate);
    return cancelled ? NULL : run_stream(j->s);
}

static bool run_all(stream *s, job *jobs, pthread_t *threads, int64_t n) {
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    bool cancelled = false;
    pthread_mutex_lock(&gate);
    int64_t started = 1;
    for (; started < n; started++) {
        jobs[started] = (job){&s[started], &gate, &cancelled};
        if (pthread_create(&threads[started], NULL, start_job, &jobs[started])) break;
    }
    cancelled = started < n;
    pthread_mutex_unlock(&gate);
    if (!cancelled) run_stream(&s[0]);
    for (int64_t k = 1; k < started; k++) pthread_join(threads[k], NULL);
    pthread_mutex_destroy(&gate);
    if (cancelled) whet_cli_fail("exec: cannot start %lld threads", (long long)n);
    return !cancelled;
}

static bool check_streams(const stream *s, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        if (s[k].no_memory) return whet_cli_fail("out of memory"), false;
        if (s[k].status != WHET_OK)
            return whet_cli_fail_status(s[k].status, s[k].context), false;
    }
    return true;
}

bool whet_exec_measure(const whet_exec *e, whet_context *const *contexts, int32_t n_outputs,
                       const whet_cli_inputs *in, whet_exec_trace *trace) {
    int64_t n = e->streams;
    stream *s = calloc((size_t)n, sizeof *s);
    job *jobs = calloc((size_t)n, sizeof *jobs);
    pthread_t *threads = calloc((size_t)n, sizeof *threads);
    pthread_barrier_t start;
    bool memory = s && jobs && threads && !pthread_barrier_init(&start, NULL, (unsigned)n);
    bool good = memory;
    for (int64_t k = 0; s && k < n; k++) {
        s[k] = (stream){.e = e, .context = contexts[k], .in = in, .n_outputs = n_outputs,
                        .index = (int32_t)k, .start = &start};
        s[k].outputs = calloc((size_t)n_outputs + 1, sizeof *s[k].outputs);
        good = good && s[k].outputs;
    }
    if (!good) whet_cli_fail("out of memory");
    pause_ms(e->sleep);
    good = good && run_all(s, jobs, threads, n) && check_streams(s, n) && merge(s, n, trace);
    if (memory) pthread_barrier_destroy(&start);
    for (int64_t k = 0; s && k < n; k++) {
        free(s[k].outputs);
        free(s[k].v);
    }
    free(threads);
    free(jobs);
    free(s);
    return good;
}
