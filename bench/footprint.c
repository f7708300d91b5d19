// SPDX-License-Identifier: Apache-2.0
// Load time and memory of a process that loads an engine and runs it once on zeros.
// usage: footprint ENGINE.whet      (links libwhet_rt; prints one line)
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

static double peak_mb(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_maxrss / 1024;
}

int main(int argc, char **argv) {
    whet_engine *engine = NULL;
    whet_context *context = NULL;
    whet_tensor in[16] = {{0}}, out[16] = {{0}};
    if (argc != 2) return 2;
    double before = peak_mb(), start = now();
    if (whet_engine_load(NULL, argv[1], &engine)) {
        fprintf(stderr, "%s\n", whet_error_text(NULL));
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
    start = now();
    for (int i = 0; i < 20; i++) {
        for (int32_t k = 0; k < n_out; k++) out[k] = (whet_tensor){0};
        whet_context_run(context, in, n_in, out, n_out);
    }
    printf("load %.1f ms, first run %.1f ms, later runs %.1f ms, peak %.1f MB over %.1f MB, "
           "arena %.1f MB\n", loaded * 1e3, first * 1e3, (now() - start) / 20 * 1e3,
           peak_mb() - before, before, (double)whet_context_arena_bytes(context) / 1e6);
    whet_context_destroy(context);
    whet_engine_destroy(engine);
    return 0;
}
