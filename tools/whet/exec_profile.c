// SPDX-License-Identifier: Apache-2.0
// Times of layers, from runs of their own.
#include <stdlib.h>
#include <string.h>

#include "exec.h"

#define MOST_RUNS 1000

typedef struct {
    char *name;
    double *ms; // one a run
    double sum, median;
} layer;

typedef struct {
    layer *v;
    int32_t n, at; // at: step of the run in progress
    int64_t runs;
    bool failed;
} profile;

static bool add_layer(profile *p, const char *name) {
    layer *grown = realloc(p->v, (size_t)(p->n + 1) * sizeof *grown);
    if (!grown) return false;
    p->v = grown;
    layer *l = &p->v[p->n++];
    *l = (layer){strdup(name), calloc(MOST_RUNS, sizeof *l->ms), 0, 0};
    return l->name && l->ms;
}

static void add_step(void *user, const char *name, const char *kernel, double seconds) {
    (void)kernel;
    profile *p = user;
    if (p->failed || (p->at == p->n && !add_layer(p, name))) {
        p->failed = true;
        return;
    }
    layer *l = &p->v[p->at++];
    l->ms[p->runs] = seconds * 1e3;
    l->sum += seconds * 1e3;
}

static whet_status measure(const whet_exec *e, whet_context *context, const whet_cli_inputs *in,
                           whet_tensor *outputs, int32_t n, profile *p) {
    whet_status status = WHET_OK;
    double begin = whet_exec_now();
    whet_context_set_profiler(context, add_step, p);
    while (status == WHET_OK && !p->failed && p->runs < MOST_RUNS &&
           (p->runs < 1 || p->runs < e->iterations || whet_exec_now() - begin < e->duration)) {
        p->at = 0;
        memset(outputs, 0, (size_t)n * sizeof *outputs);
        status = whet_context_run(context, in->v, in->n, outputs, n);
        p->runs++;
    }
    whet_context_set_profiler(context, NULL, NULL);
    return p->failed ? WHET_E_NOMEM : status;
}

static double share(double part, double total) { return total > 0 ? part / total * 100 : 0; }

static void print_table(const profile *p, double total, double median) {
    double runs = (double)p->runs;
    whet_exec_info("=== Profile (%lld iterations ) ===", (long long)p->runs);
    whet_exec_info("   Time(ms)     Avg.(ms)   Median(ms)   Time(%%)   Layer");
    for (int32_t i = 0; i < p->n; i++) {
        const layer *l = &p->v[i];
        whet_exec_info("%11.2f %12.4f %12.4f %9.1f   %s", l->sum, l->sum / runs, l->median,
                       share(l->sum, total), l->name);
    }
    whet_exec_info("%11.2f %12.4f %12.4f %9.1f   Total", total, total / runs, median, 100.0);
}

static bool write_profile(const char *path, const profile *p, double total) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return whet_cli_fail("out of memory"), false;
    fprintf(out, "[\n  { \"count\" : %lld }\n", (long long)p->runs);
    for (int32_t i = 0; i < p->n; i++) {
        const layer *l = &p->v[i];
        fprintf(out, ", { \"name\" : ");
        whet_cli_print_json_string(out, l->name);
        fprintf(out, ", \"timeMs\" : %.6g, \"averageMs\" : %.6g, \"medianMs\" : %.6g, "
                "\"percentage\" : %.6g }\n", l->sum, l->sum / (double)p->runs, l->median,
                share(l->sum, total));
    }
    fprintf(out, "]\n");
    return whet_exec_write_text(path, out, &text, &size);
}

static bool report(const whet_exec *e, profile *p) {
    double total = 0, median = 0;
    for (int32_t i = 0; i < p->n; i++) {
        layer *l = &p->v[i];
        qsort(l->ms, (size_t)p->runs, sizeof *l->ms, whet_exec_by_value);
        l->median = whet_exec_median(l->ms, p->runs);
        total += l->sum;
        median += l->median;
    }
    if (e->dump_profile) print_table(p, total, median);
    return !e->profile_file || write_profile(e->profile_file, p, total);
}

bool whet_exec_profile(const whet_exec *e, whet_context *context, const whet_cli_inputs *in,
                       int32_t n_outputs) {
    if (!e->dump_profile && !e->profile_file) return true;
    profile p = {0};
    whet_tensor *outputs = calloc((size_t)n_outputs + 1, sizeof *outputs);
    whet_status status = WHET_E_NOMEM;
    if (outputs) status = measure(e, context, in, outputs, n_outputs, &p);
    if (status == WHET_E_NOMEM) whet_cli_fail("out of memory");
    else if (status != WHET_OK) whet_cli_fail_status(status, context);
    bool good = status == WHET_OK && report(e, &p);
    for (int32_t i = 0; i < p.n; i++) {
        free(p.v[i].name);
        free(p.v[i].ms);
    }
    free(p.v);
    free(outputs);
    return good;
}
