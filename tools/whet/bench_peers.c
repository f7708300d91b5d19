// SPDX-License-Identifier: Apache-2.0
// Each peer is a process of Python that gets the inputs as files and then, for each line of seconds
// that it reads, runs so long and answers with the seconds of each run.
#include "bench_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 4
#define MOST 100000 // samples of one runtime

static const char script[] =
    "import sys, time\n"
    "peer, model, folder, threads, bf16, *names = sys.argv[1:]\n"
    "def onnxruntime(feed):\n"
    "    import onnxruntime as ort\n"
    "    o = ort.SessionOptions()\n"
    "    o.intra_op_num_threads = int(threads)\n"
    "    o.inter_op_num_threads = 1\n"
    "    o.log_severity_level = 3\n"
    "    s = ort.InferenceSession(model, o, providers=['CPUExecutionProvider'])\n"
    "    return lambda: s.run(None, feed)\n"
    "def openvino(feed):\n"
    "    import openvino as ov\n"
    "    core = ov.Core()\n"
    "    m = core.read_model(model)\n"
    "    m.reshape({n: list(a.shape) for n, a in feed.items()})\n"
    "    c = {'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': '1',\n"
    "         'INFERENCE_NUM_THREADS': int(threads),\n"
    "         'INFERENCE_PRECISION_HINT': 'bf16' if bf16 == '1' else 'f32'}\n"
    "    if bf16 == '1':  # its fused attention is wrong in bf16 on some processors\n"
    "        c['SNIPPETS_MODE'] = 'DISABLE'\n"
    "    r = core.compile_model(m, 'CPU', c).create_infer_request()\n"
    "    return lambda: r.infer(feed, share_inputs=True, share_outputs=True)\n"
    "try:\n"
    "    import numpy as np\n"
    "    feed = {n: np.load(f'{folder}/in{i}.npy') for i, n in enumerate(names)}\n"
    "    begin = time.perf_counter()\n"
    "    call = {'onnxruntime': onnxruntime, 'openvino': openvino}[peer](feed)\n"
    "    call()\n"
    "    print(time.perf_counter() - begin, flush=True)\n"
    "except Exception as e:\n"
    "    sys.exit(f'{sys.executable}: {peer}: {type(e).__name__}: {e}')\n"
    "for line in sys.stdin:\n"
    "    call()\n"
    "    times, end = [], time.perf_counter() + float(line)\n"
    "    while len(times) < 3 or time.perf_counter() < end:\n"
    "        begin = time.perf_counter()\n"
    "        call()\n"
    "        times.append(time.perf_counter() - begin)\n"
    "    print(*times, flush=True)\n";

typedef struct {
    const char *name;
    pid_t pid;
    FILE *to, *from; // NULL: whet itself
    double ready, *samples;
    int64_t n;
} runtime;

// ---- processes ----

static bool start(const bench_peers *b, const char *folder, int32_t threads, runtime *r) {
    int32_t n = whet_engine_input_count(b->engine);
    const char **argv = calloc((size_t)n + 9, sizeof *argv);
    int to[2], from[2];
    char number[16];
    if (!argv || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) return free((void *)argv), false;
    snprintf(number, sizeof number, "%d", threads);
    const char *head[] = {b->python, "-c", script, r->name, b->model, folder, number,
                          b->bf16 ? "1" : "0"};
    memcpy((void *)argv, head, sizeof head);
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info;
        argv[8 + i] = whet_engine_input(b->engine, i, &info) ? "" : info.name;
    }
    fflush(stdout);
    r->pid = fork();
    if (r->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execvp(b->python, (char *const *)argv);
        fprintf(stderr, "whet: %s: cannot start it: %s\n", b->python, strerror(errno));
        _exit(127);
    }
    free((void *)argv);
    close(to[0]);
    close(from[1]);
    r->to = fdopen(to[1], "w");
    r->from = fdopen(from[0], "r");
    return r->pid > 0 && r->to && r->from;
}

// Seconds up to the end of a line; false when there are none.
static bool read_times(runtime *r) {
    char *line = NULL;
    size_t cap = 0;
    bool good = getline(&line, &cap, r->from) > 0;
    char *at = line, *end;
    for (double v; good && (v = strtod(at, &end), end != at); at = end) {
        if (r->ready < 0) r->ready = v;
        else if (r->n < MOST) r->samples[r->n++] = v;
    }
    free(line);
    return good && r->ready >= 0;
}

static void stop(runtime *r) {
    if (r->to) fclose(r->to);
    if (r->from) fclose(r->from);
    if (r->pid > 0)
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) continue;
    free(r->samples);
}

// ---- figures ----

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(runtime *r) {
    qsort(r->samples, (size_t)r->n, sizeof *r->samples, by_value);
    return r->n ? (r->samples[(r->n - 1) / 2] + r->samples[r->n / 2]) / 2 : 0;
}

static void print(const bench_peers *b, runtime *r, int32_t n, int32_t threads) {
    double mine = median(&r[0]), best = INFINITY;
    if (b->json) {
        printf("{\"model\":");
        whet_cli_print_json_string(stdout, b->model);
        printf(",\"threads\":%d,\"ms\":{", threads);
    }
    for (int32_t i = 0; i < n; i++) {
        double ms = median(&r[i]) * 1e3;
        if (i && ms < best) best = ms;
        if (b->json) printf("%s\"%s\":%.6g", i ? "," : "", r[i].name, ms);
        else if (!i) printf("%-12s %9.4g ms, %lld runs\n", r[i].name, ms, (long long)r[i].n);
        else printf("%-12s %9.4g ms, %lld runs, ready in %.2g s, ratio %.3f\n", r[i].name, ms,
                    (long long)r[i].n, r[i].ready, mine * 1e3 / ms);
    }
    if (b->json) printf("},\"ratio\":%.4g}\n", mine * 1e3 / best);
    else printf("%d threads, medians of %d turns; ratio to the fastest: %.3f\n", threads, ROUNDS,
                mine * 1e3 / best);
}

// ---- the turns ----

static bool visit_whet(const bench_peers *b, whet_context *c, runtime *r) {
    int64_t n = 0;
    whet_status status = whet_context_bench(c, b->in->v, b->in->n, 0, b->seconds / ROUNDS, 3,
                                            r->samples + r->n, MOST / ROUNDS, &n);
    r->n += n;
    if (status != WHET_OK) whet_cli_fail_status(status, c);
    return status == WHET_OK;
}

static bool visit(const bench_peers *b, whet_context *c, runtime *r) {
    if (!r->to) return visit_whet(b, c, r);
    fprintf(r->to, "%g\n", b->seconds / ROUNDS);
    if (fflush(r->to) || !read_times(r))
        return whet_cli_fail("%s stopped answering", r->name), false;
    usleep(20000); // threads of theirs that spin after a run
    return true;
}

static bool take_turns(const bench_peers *b, runtime *r, int32_t n) {
    whet_context *c = NULL;
    bool good = whet_context_create(b->engine, &c) == WHET_OK;
    if (!good) whet_cli_fail("out of memory");
    good = good && whet_cli_enter_stream(b->cli, c, 0, 1);
    for (int32_t round = 0; round < ROUNDS && good; round++)
        for (int32_t i = 0; i < n && good; i++) good = visit(b, c, &r[round % 2 ? n - 1 - i : i]);
    whet_context_destroy(c);
    return good;
}

static bool known(const char *name) {
    if (!strcmp(name, "onnxruntime") || !strcmp(name, "openvino")) return true;
    return whet_cli_fail("option --compare: \"%s\", expected onnxruntime or openvino", name), false;
}

static int32_t threads_of(whet_env *env) {
    const char *at = strstr(whet_env_describe(env), "\"threads\":");
    return at ? (int32_t)strtol(at + 10, NULL, 10) : 1;
}

static bool with_folder(const bench_peers *b, const char *folder, runtime *r, int32_t n) {
    char path[512];
    int32_t threads = threads_of(b->cli->env);
    for (int32_t i = 0; i < b->in->n; i++) {
        snprintf(path, sizeof path, "%s/in%d.npy", folder, i);
        if (!whet_cli_write_npy(path, &b->in->v[i])) return false;
    }
    for (int32_t i = 0; i < n; i++) {
        r[i].samples = malloc(MOST * sizeof(double));
        if (!r[i].samples) return whet_cli_fail("out of memory"), false;
        if (!i) continue;
        r[i].ready = -1;
        if (!start(b, folder, threads, &r[i]) || !read_times(&r[i]))
            return whet_cli_fail("%s could not run %s with %s", b->python, b->model, r[i].name),
                   false;
    }
    if (!take_turns(b, r, n)) return false;
    print(b, r, n, threads);
    return true;
}

bool bench_peers_run(const bench_peers *b) {
    runtime r[1 + BENCH_PEERS_MOST] = {{.name = "whet"}};
    char names[256], folder[400], path[512], *save = NULL;
    int32_t n = 1;
    snprintf(names, sizeof names, "%s", b->names);
    for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        if (n > BENCH_PEERS_MOST || !known(name)) return false;
        r[n++].name = name;
    }
    if (n == 1) return known("");
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/whet-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder))
        return whet_cli_fail("%s: cannot make a folder: %s", folder, strerror(errno)), false;
    signal(SIGPIPE, SIG_IGN); // a peer that ended is found by reading
    bool good = with_folder(b, folder, r, n);
    for (int32_t i = 0; i < n; i++) stop(&r[i]);
    for (int32_t i = 0; i < b->in->n; i++) {
        snprintf(path, sizeof path, "%s/in%d.npy", folder, i);
        unlink(path);
    }
    rmdir(folder);
    return good;
}
