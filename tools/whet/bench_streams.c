// SPDX-License-Identifier: Apache-2.0
// A stream is a thread with a context and its share of the environment's threads. All begin to
// measure together.
#include "bench_streams.h"

#include <pthread.h>
#include <stdlib.h>

#define MAX_SAMPLES 1000000 // of all streams

typedef struct {
    bench_streams *b;
    int64_t index;
    double *samples;
    int64_t n, most;
    whet_status status;
    bool placed;
    pthread_t thread;
} stream;

static void *run_stream(void *user) {
    stream *s = user;
    const bench_streams *b = s->b;
    whet_context *c = b->contexts[s->index];
    s->placed = whet_cli_enter_stream(b->cli, c, s->index, b->n);
    if (!s->placed) return NULL;
    int64_t min_runs = b->min_runs < s->most ? b->min_runs : s->most;
    s->status = whet_context_bench(c, b->in->v, b->in->n, b->warmup, b->seconds, min_runs,
                                   s->samples, s->most, &s->n);
    return NULL;
}

// Those that could be started; one more could not when it is less than n.
static int64_t run_all(stream *s, int64_t n) {
    int64_t started = 1;
    for (; started < n; started++)
        if (pthread_create(&s[started].thread, NULL, run_stream, &s[started])) break;
    run_stream(&s[0]);
    for (int64_t i = 1; i < started; i++) pthread_join(s[i].thread, NULL);
    return started;
}

static bool gather(bench_streams *b, const stream *s) {
    for (int64_t i = 0; i < b->n; i++) {
        if (!s[i].placed) return false;
        if (s[i].status != WHET_OK)
            return whet_cli_fail_status(s[i].status, b->contexts[i]), false;
        double sum = 0;
        for (int64_t k = 0; k < s[i].n; k++) {
            sum += s[i].samples[k];
            b->samples[b->n_samples++] = s[i].samples[k]; // never before where it is read
        }
        if (sum > 0) b->per_second += (double)s[i].n / sum;
    }
    return true;
}

bool bench_streams_run(bench_streams *b) {
    int64_t most = MAX_SAMPLES / b->n;
    stream *s = calloc((size_t)b->n, sizeof *s);
    b->contexts = calloc((size_t)b->n, sizeof(whet_context *));
    b->samples = malloc((size_t)(most * b->n) * sizeof *b->samples);
    bool good = s && b->contexts && b->samples;
    for (int64_t i = 0; i < b->n && good; i++) {
        good = whet_context_create(b->engine, &b->contexts[i]) == WHET_OK;
        s[i] = (stream){.b = b, .index = i, .samples = b->samples + i * most, .most = most};
    }
    if (!good) {
        whet_cli_fail("out of memory");
    } else if (run_all(s, b->n) < b->n) {
        whet_cli_fail("cannot start %lld threads", (long long)b->n);
        good = false;
    } else {
        good = gather(b, s);
    }
    free(s);
    return good;
}

void bench_streams_free(bench_streams *b) {
    for (int64_t i = 0; b->contexts && i < b->n; i++) whet_context_destroy(b->contexts[i]);
    free(b->contexts);
    free(b->samples);
}
