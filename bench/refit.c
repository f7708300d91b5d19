// SPDX-License-Identifier: Apache-2.0
// Milliseconds of a refit of all weights from memory: into a second buffer (the first time), into a
// reused one (the times after that), and the time of a run before and behind.
// usage: refit ENGINE.whet [THREADS] [TIMES]      (links libwhet_rt)
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <whet/refit.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Noise for an engine that was stripped.
static int fill(whet_refitter *r) {
    int32_t n = whet_refitter_count(r);
    whet_tensor *v = calloc((size_t)n + 1, sizeof *v);
    uint32_t random = 1;
    for (int32_t i = 0; i < n; i++) {
        whet_weight_info info;
        whet_refitter_weight(r, i, &info);
        if (!info.refittable || info.dtype != WHET_DTYPE_F32) continue;
        size_t count = 1;
        for (int32_t d = 0; d < info.rank; d++) count *= (size_t)info.dims[d];
        float *data = malloc(count * sizeof *data + 1);
        for (size_t k = 0; k < count; k++)
            data[k] = (float)((random = random * 1664525u + 1013904223u) >> 8) * 1e-9f + 1e-3f;
        v[i] = (whet_tensor){.dtype = info.dtype, .rank = info.rank, .data = data};
        memcpy(v[i].dims, info.dims, sizeof v[i].dims);
        whet_refitter_set(r, info.name, &v[i]);
    }
    int status = whet_refitter_run(r);
    for (int32_t i = 0; i < n; i++) free(v[i].data);
    free(v);
    return status;
}

// Other weights of about the same size, so that all bytes are new.
static whet_tensor *make_weights(whet_refitter *r, double *bytes) {
    int32_t n = whet_refitter_count(r);
    whet_tensor *v = calloc((size_t)n, sizeof *v);
    for (int32_t i = 0; i < n; i++) {
        whet_weight_info info;
        whet_refitter_weight(r, i, &info);
        if (!info.refittable || whet_refitter_get(r, info.name, &v[i])) continue;
        char *copy = malloc(v[i].bytes + 64);
        memcpy(copy, v[i].data, v[i].bytes);
        v[i].data = copy;
        *bytes += (double)v[i].bytes;
        if (info.dtype != WHET_DTYPE_F32) continue;
        for (size_t k = 0; k < v[i].bytes / 4; k++) ((float *)v[i].data)[k] *= 1.0001f;
    }
    return v;
}

static double run_ms(whet_engine *e) {
    whet_context *c = NULL;
    whet_tensor in[16] = {{0}};
    if (whet_context_create(e, &c)) return -1;
    int32_t n = whet_engine_input_count(e);
    for (int32_t i = 0; i < n && i < 16; i++) {
        whet_io_info info;
        whet_engine_input(e, i, &info);
        in[i].dtype = info.dtype;
        in[i].rank = info.rank;
        in[i].bytes = 4; // engines of the figures take f32
        for (int32_t d = 0; d < info.rank; d++) {
            in[i].dims[d] = info.dims[d] < 0 ? 1 : info.dims[d];
            in[i].bytes *= (size_t)in[i].dims[d];
        }
        in[i].data = calloc(1, in[i].bytes);
    }
    double samples[256];
    int64_t count = 0;
    if (whet_context_bench(c, in, n, 0.3, 2, 10, samples, 256, &count)) {
        fprintf(stderr, "%s\n", whet_error_text(c));
        return -1;
    }
    qsort(samples, (size_t)count, sizeof *samples, by_value);
    for (int32_t i = 0; i < n && i < 16; i++) free(in[i].data);
    whet_context_destroy(c);
    return samples[count / 2] * 1e3;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) return 2;
    int threads = argc > 2 ? atoi(argv[2]) : 0, times = argc > 3 ? atoi(argv[3]) : 11;
    whet_env *env = NULL;
    whet_engine *e = NULL;
    whet_refitter *r = NULL;
    whet_env_options o = {.struct_size = sizeof o, .threads = threads,
                          .verbosity = WHET_LOG_WARNING};
    if (whet_env_create(&o, &env) || whet_engine_load_stripped(env, argv[1], &e)) {
        fprintf(stderr, "%s\n", whet_error_text(env));
        return 1;
    }
    if (whet_refitter_create(e, &r)) {
        fprintf(stderr, "%s\n", whet_error_text(e));
        return 1;
    }
    if (whet_engine_is_stripped(e) && fill(r)) {
        fprintf(stderr, "%s\n", whet_error_text(r));
        return 1;
    }
    double bytes = 0, *spent = calloc((size_t)times + 1, sizeof *spent), before = run_ms(e);
    whet_tensor *v = make_weights(r, &bytes);
    for (int t = 0; t < times; t++) {
        for (int32_t i = 0; i < whet_refitter_count(r); i++) {
            whet_weight_info info;
            whet_refitter_weight(r, i, &info);
            if (v[i].data) whet_refitter_set(r, info.name, &v[i]);
        }
        double start = now();
        if (whet_refitter_run(r)) {
            fprintf(stderr, "%s\n", whet_error_text(r));
            return 1;
        }
        spent[t] = (now() - start) * 1e3;
    }
    printf("%s: %.1f MB of weights: second buffer %.1f ms", argv[1], bytes / 1e6, spent[0]);
    int reused = times > 2 ? times - 2 : 0; // the second may still be into new memory
    qsort(spent + 2, (size_t)reused, sizeof *spent, by_value);
    if (reused)
        printf(", reused %.1f ms (median of %d, least %.1f)", spent[2 + reused / 2], reused,
               spent[2]);
    printf("; a run takes %.2f ms, before %.2f ms\n", run_ms(e), before);
    whet_refitter_destroy(r);
    whet_engine_destroy(e);
    whet_env_destroy(env);
    return 0;
}
