// SPDX-License-Identifier: Apache-2.0
// Load time and memory of a process that loads an engine and runs it once on zeros.
// usage: footprint ENGINE.whet [THREADS]      (links libwhet_rt; prints one line)
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <whet/whet.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Of this program: what getrusage says counts the program that started it as well.
static double peak_mb(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kb = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (f) fclose(f);
    if (kb > 0) return (double)kb * 1024 / 1e6;
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_maxrss * 1024 / 1e6;
}

#define RUNS 21

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    whet_engine *engine = NULL;
    whet_context *context = NULL;
    whet_tensor in[16] = {{0}}, out[16] = {{0}};
    if (argc < 2 || argc > 3) return 2;
    whet_env *env = NULL;
    whet_env_options options = {.struct_size = sizeof options, .verbosity = WHET_LOG_WARNING,
                                .threads = argc > 2 ? atoi(argv[2]) : 0};
    if (whet_env_create(&options, &env)) return 1;
    double before = peak_mb(), start = now();
    if (whet_engine_load(env, argv[1], &engine)) {
        fprintf(stderr, "%s\n", whet_error_text(env));
        return 1;
    }
    double loaded = now() - start;
    int32_t n_in = whet_engine_input_count(engine), n_out = whet_engine_output_count(engine);
    if (n_in > 16 || n_out > 16 || whet_context_create(engine, &context)) return 1;
    for (int32_t i = 0; i < n_in; i++) {
        whet_io_info info;
        int64_t count = 1;
        whet_engine_input(engine, i, &info);
        in[i].dtype = info.dtype;
        in[i].rank = info.rank;
        for (int32_t d = 0; d < info.rank; d++)
            count *= in[i].dims[d] = info.dims[d] < 0 ? 1 : info.dims[d];
        in[i].bytes = whet_tensor_bytes(info.dtype, count);
        in[i].data = calloc(1, in[i].bytes);
    }
    start = now();
    if (whet_context_run(context, in, n_in, out, n_out)) {
        fprintf(stderr, "%s\n", whet_error_text(context));
        return 1;
    }
    double first = now() - start;
    double later[RUNS];
    for (int i = 0; i < RUNS; i++) {
        for (int32_t k = 0; k < n_out; k++) out[k] = (whet_tensor){0};
        start = now();
        whet_context_run(context, in, n_in, out, n_out);
        later[i] = now() - start;
    }
    qsort(later, RUNS, sizeof *later, by_value);
    printf("load %.1f ms, first run %.1f ms, later runs %.1f ms, peak %.1f MB over %.1f MB, "
           "arena %.1f MB\n", loaded * 1e3, first * 1e3, later[RUNS / 2] * 1e3,
           peak_mb() - before, before, (double)whet_context_arena_bytes(context) / 1e6);
    whet_context_destroy(context);
    whet_engine_destroy(engine);
    whet_env_destroy(env);
    return 0;
}
