// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bench_peers.h"
#include "bench_streams.h"

typedef struct {
    whet_cli cli;
    whet_cli_list inputs;
    const char *shapes, *compare, *python;
    double warmup, seconds;
    int64_t min_runs, streams;
    bool profile, json;
} bench_args;

static const bench_args defaults = {.warmup = 0.5, .seconds = 3, .min_runs = 10, .streams = 1,
                                    .python = "python3"};

static const whet_cli_option options[] = {
    {"warmup", 0, "SECONDS", WHET_CLI_NUMBER, offsetof(bench_args, warmup),
     "run so long before measuring [0.5]"},
    {"seconds", 0, "SECONDS", WHET_CLI_NUMBER, offsetof(bench_args, seconds),
     "measure at least so long [3]"},
    {"min-runs", 0, "N", WHET_CLI_INT, offsetof(bench_args, min_runs),
     "measure at least so many runs [10]"},
    {"streams", 0, "N", WHET_CLI_INT, offsetof(bench_args, streams),
     "so many runs at the same time, each on its share of the threads [1]"},
    {"input", 'i', "NAME:FILE", WHET_CLI_LIST, offsetof(bench_args, inputs),
     "values of an input, as for run; the others are random"},
    {"shapes", 0, "INPUT:1x3x8,...", WHET_CLI_TEXT, offsetof(bench_args, shapes),
     "shapes of inputs; dimensions that stay unknown are 1"},
    {"refit", 0, "FILE", WHET_CLI_TEXT, offsetof(bench_args, cli.refit),
     "weights that the engine gets when it is loaded: a model (.onnx), .npz or .safetensors"},
    {"profile", 0, NULL, WHET_CLI_FLAG, offsetof(bench_args, profile),
     "print the time of each step"},
    {"compare", 0, "onnxruntime,openvino", WHET_CLI_TEXT, offsetof(bench_args, compare),
     "also time these runtimes on the same model and inputs, turn by turn, by Python"},
    {"python", 0, "PROGRAM", WHET_CLI_TEXT, offsetof(bench_args, python),
     "the Python that has them [python3]"},
    {"json", 0, NULL, WHET_CLI_FLAG, offsetof(bench_args, json), "print JSON"},
};

// ---- the profile ----

typedef struct {
    char *name, *kernel;
    double seconds;
} layer;

typedef struct {
    layer *v;
    int32_t n, at; // at: step of the run in progress
    int32_t runs;
    bool failed;
} profile;

static void add_step(void *user, const char *name, const char *kernel, double seconds) {
    profile *p = user;
    if (p->at == p->n) {
        layer *grown = realloc(p->v, (size_t)(p->n + 1) * sizeof *grown);
        if (!grown) {
            p->failed = true;
            return;
        }
        p->v = grown;
        p->v[p->n++] = (layer){strdup(name), strdup(kernel), 0};
    }
    p->v[p->at++].seconds += seconds;
}

static whet_status make_profile(whet_context *context, const whet_cli_inputs *in, int32_t n_out,
                                int32_t runs, profile *p) {
    whet_tensor *outputs = calloc((size_t)n_out + 1, sizeof *outputs);
    if (!outputs) return WHET_E_NOMEM;
    whet_context_set_profiler(context, add_step, p);
    whet_status status = WHET_OK;
    for (; p->runs < runs && status == WHET_OK; p->runs++) {
        p->at = 0;
        memset(outputs, 0, (size_t)n_out * sizeof *outputs);
        status = whet_context_run(context, in->v, in->n, outputs, n_out);
    }
    whet_context_set_profiler(context, NULL, NULL);
    free(outputs);
    return p->failed ? WHET_E_NOMEM : status;
}

static void free_profile(profile *p) {
    for (int32_t i = 0; i < p->n; i++) {
        free(p->v[i].name);
        free(p->v[i].kernel);
    }
    free(p->v);
}

// ---- figures ----

typedef struct {
    double median, p90, p95, p99, min, max, mean, per_second;
    int64_t runs, streams;
} figures;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, int64_t n, double p) {
    int64_t i = (int64_t)ceil(p / 100 * (double)n) - 1;
    return sorted[i < 0 ? 0 : i];
}

static figures summarize(double *samples, int64_t n) {
    qsort(samples, (size_t)n, sizeof *samples, by_value);
    figures f = {.runs = n, .min = samples[0], .max = samples[n - 1]};
    for (int64_t i = 0; i < n; i++) f.mean += samples[i] / (double)n;
    f.per_second = f.mean > 0 ? 1 / f.mean : 0;
    f.median = (samples[(n - 1) / 2] + samples[n / 2]) / 2;
    f.p90 = percentile(samples, n, 90);
    f.p95 = percentile(samples, n, 95);
    f.p99 = percentile(samples, n, 99);
    return f;
}

static void print_text(const figures *f, const profile *p, size_t arena) {
    printf("%lld runs: median %.4g ms, p90 %.4g, p95 %.4g, p99 %.4g (min %.4g, mean %.4g, max "
           "%.4g)\n", (long long)f->runs, f->median * 1e3, f->p90 * 1e3, f->p95 * 1e3, f->p99 * 1e3,
           f->min * 1e3, f->mean * 1e3, f->max * 1e3);
    printf("throughput %.5g runs/s, %zu bytes of activations", f->per_second, arena);
    printf(f->streams > 1 ? " for each of %lld streams\n" : "\n", (long long)f->streams);
    double sum = 0;
    for (int32_t i = 0; i < p->n; i++) sum += p->v[i].seconds;
    for (int32_t i = 0; i < p->n; i++)
        printf("%4d %9.4f ms %5.1f%%  %-28s %s\n", i, p->v[i].seconds / p->runs * 1e3,
               sum > 0 ? p->v[i].seconds / sum * 100 : 0, p->v[i].kernel, p->v[i].name);
}

static void print_json(const figures *f, const profile *p, size_t arena) {
    printf("{\"runs\":%lld,\"median_ms\":%.6g,\"p90_ms\":%.6g,\"p95_ms\":%.6g,\"p99_ms\":%.6g,"
           "\"min_ms\":%.6g,\"mean_ms\":%.6g,\"max_ms\":%.6g,\"runs_per_second\":%.6g,"
           "\"streams\":%lld,\"arena_bytes\":%zu",
           (long long)f->runs, f->median * 1e3, f->p90 * 1e3, f->p95 * 1e3, f->p99 * 1e3,
           f->min * 1e3, f->mean * 1e3, f->max * 1e3, f->per_second, (long long)f->streams, arena);
    for (int32_t i = 0; i < p->n; i++) {
        printf("%s{\"name\":", i ? "," : ",\"layers\":[");
        whet_cli_print_json_string(stdout, p->v[i].name);
        printf(",\"kernel\":");
        whet_cli_print_json_string(stdout, p->v[i].kernel);
        printf(",\"ms\":%.6g}", p->v[i].seconds / p->runs * 1e3);
    }
    printf("%s}\n", p->n ? "]" : "");
}

static bool show(const bench_args *a, whet_engine *engine, whet_context *context,
                 const whet_cli_inputs *in, figures *f) {
    profile p = {0};
    whet_status status = WHET_OK;
    if (a->profile) {
        double runs = f->mean > 0 ? a->seconds / f->mean : 100;
        status = make_profile(context, in, whet_engine_output_count(engine),
                              runs > 100 ? 100 : runs < 5 ? 5 : (int32_t)runs, &p);
        if (status != WHET_OK) whet_cli_fail_status(status, context);
    }
    if (status == WHET_OK)
        (a->json ? print_json : print_text)(f, &p, whet_context_arena_bytes(context));
    free_profile(&p);
    return status == WHET_OK;
}

static bool measure(bench_args *a, whet_engine *engine, const whet_cli_inputs *in) {
    bench_streams s = {.cli = &a->cli, .engine = engine, .in = in, .warmup = a->warmup,
                       .seconds = a->seconds, .min_runs = a->min_runs, .n = a->streams};
    bool good = bench_streams_run(&s);
    if (good) {
        figures f = summarize(s.samples, s.n_samples);
        f.streams = s.n;
        if (s.n > 1) f.per_second = s.per_second;
        good = show(a, engine, s.contexts[0], in, &f);
    }
    bench_streams_free(&s);
    return good;
}

// Whether the build may compute in bf16.
static bool wants_bf16(const whet_cli *cli) {
    for (int32_t i = 0; i + 1 < cli->settings.n; i += 2) {
        const char *name = cli->settings.v[i], *value = cli->settings.v[i + 1];
        if (!strcmp(name, "bf16") && !strcmp(value, "true")) return true;
        if (!strcmp(name, "best") && !strcmp(value, "true")) return true;
        if (!strcmp(name, "precision") && (strstr(value, "bf16") || strstr(value, "best")))
            return true;
    }
    return false;
}

static bool compare(bench_args *a, whet_engine *engine, const whet_cli_inputs *in) {
    bench_peers b = {.cli = &a->cli, .python = a->python, .model = a->cli.args.v[0],
                     .names = a->compare, .engine = engine, .in = in, .seconds = a->seconds,
                     .bf16 = wants_bf16(&a->cli), .json = a->json};
    return bench_peers_run(&b);
}

static int run(whet_cli *cli) {
    bench_args *a = (bench_args *)cli;
    whet_cli_feed feed = {&a->inputs, a->shapes, true, 0};
    whet_cli_inputs in = {0};
    if (a->streams < 1 || a->streams > BENCH_STREAMS_MOST)
        return whet_cli_fail("option --streams: expected 1 to %d", BENCH_STREAMS_MOST);
    if (a->compare && (a->streams > 1 || a->profile))
        return whet_cli_fail("option --compare goes with neither --streams nor --profile");
    if (a->compare && whet_cli_is_engine(cli->args.v[0]))
        return whet_cli_fail("option --compare: %s is an engine, others run models",
                             cli->args.v[0]);
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_engine *engine = whet_cli_open_engine(cli, cli->args.v[0], a->shapes);
    if (!engine) return WHET_CLI_FAILED;
    bool good = whet_cli_make_inputs(engine, &feed, &in) &&
                (a->compare ? compare : measure)(a, engine, &in);
    whet_cli_free_inputs(&in);
    whet_engine_destroy(engine);
    return good ? WHET_CLI_OK : WHET_CLI_FAILED;
}

const whet_cli_command whet_cli_bench = {
    .name = "bench", .args = "ENGINE.whet|MODEL.onnx",
    .summary = "Measure how long runs take.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(bench_args),
    .defaults = &defaults, .min_args = 1, .max_args = 1, .builds = true, .run = run,
};
