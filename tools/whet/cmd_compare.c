// SPDX-License-Identifier: Apache-2.0
// The tuned engine against the slow and simple one: the first value that differs tells the layer.
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "compare_ort.h"
#include "compare_slice.h"
#include "compare_values.h"

typedef struct {
    whet_cli cli;
    whet_cli_list inputs;
    const char *shapes;
    int64_t seed;
    double tolerance;
    bool same_passes, onnxruntime, json;
    const char *python, *save_failing;
} compare_args;

static const compare_args defaults = {.tolerance = 1e-3, .python = "python3"};

static const whet_cli_option options[] = {
    {"input", 'i', "NAME:FILE", WHET_CLI_LIST, offsetof(compare_args, inputs),
     "values of an input, as for run (NAME:FILE, or FILE.npz for several); the others are random"},
    {"shapes", 0, "INPUT:1x3x8,...", WHET_CLI_TEXT, offsetof(compare_args, shapes),
     "fix the shapes of inputs"},
    {"seed", 0, "N", WHET_CLI_INT, offsetof(compare_args, seed), "start of the random values"},
    {"tolerance", 0, "X", WHET_CLI_NUMBER, offsetof(compare_args, tolerance),
     "largest error that is none, as a part of a value's largest element [0.001]"},
    {"same-passes", 0, NULL, WHET_CLI_FLAG, offsetof(compare_args, same_passes),
     "let the passes change the reference too, so that only the kernels are compared"},
    {"onnxruntime", 0, NULL, WHET_CLI_FLAG, offsetof(compare_args, onnxruntime),
     "compare with Python's onnxruntime instead: the outputs, and where they differ the values "
     "between, by bisection"},
    {"python", 0, "PROGRAM", WHET_CLI_TEXT, offsetof(compare_args, python),
     "the Python that has onnxruntime [python3]"},
    {"save-failing", 0, "FILE.onnx", WHET_CLI_TEXT, offsetof(compare_args, save_failing),
     "write the smallest part of the model that differs by itself, with its inputs beside it as "
     "FILE.npz"},
    {"json", 0, NULL, WHET_CLI_FLAG, offsetof(compare_args, json), "print JSON"},
};

// ---- engines ----

static whet_engine *build(compare_args *a, const char *path, const char *shapes,
                          bool reference) {
    static const char *const plain[] = {"plan",   "reference",    "verify",
                                        "off",    "disable-pass", "all"};
    static const char *const tuned[] = {"verify", "off"};
    const char *const *extra = reference ? plain : tuned;
    int32_t n = reference ? (a->same_passes ? 4 : 6) : 2;
    whet_cli_list *s = &a->cli.settings;
    const char **all = malloc((size_t)(s->n + n) * sizeof *all);
    if (!all) return whet_cli_fail("out of memory"), NULL;
    if (s->n) memcpy((void *)all, s->v, (size_t)s->n * sizeof *all);
    memcpy((void *)(all + s->n), extra, (size_t)n * sizeof *all);
    whet_cli_list given = *s;
    *s = (whet_cli_list){all, given.n + n};
    whet_engine *engine = whet_cli_build_engine(&a->cli, path, shapes);
    *s = given;
    free((void *)all);
    return engine;
}

// ---- comparing ----

// One model in both ways.
typedef struct {
    compare_args *a;
    const char *path, *shapes;
    whet_cli_list *files;
    whet_engine *tuned, *plain; // plain NULL: onnxruntime
    whet_cli_inputs in;
    whet_cli_values all; // in the order of the tuned engine's steps
    int32_t first;       // that differs, -1: none
} pair;

static void close_pair(pair *p) {
    whet_cli_values_free(&p->all);
    whet_cli_free_inputs(&p->in);
    whet_engine_destroy(p->plain);
    whet_engine_destroy(p->tuned);
}

static void find_first(pair *p) {
    p->first = -1;
    for (int32_t i = 0; i < p->all.n && p->first < 0; i++)
        if (whet_cli_seen_differs(&p->all.v[i], p->a->tolerance)) p->first = i;
}

#define PROBES 15 // values that onnxruntime gives at once

// Narrows down which value is the first that differs: those at `low` and before agree, the one at
// `high` differs.
static bool bisect(pair *p, const whet_cli_slicer *s) {
    int32_t low = -1, high = p->first;
    for (;;) {
        const char *probes[PROBES];
        int32_t at[PROBES], n = 0, left = 0;
        for (int32_t i = low + 1; i < high; i++)
            left += !p->all.v[i].compared && whet_cli_slicer_makes(s, p->all.v[i].name);
        if (!left) break;
        for (int32_t i = low + 1, seen = 0; i < high && n < PROBES; i++) {
            if (p->all.v[i].compared || !whet_cli_slicer_makes(s, p->all.v[i].name)) continue;
            if ((int64_t)seen++ * (PROBES + 1) / (left + 1) < n && left > PROBES) continue;
            probes[n] = p->all.v[i].name;
            at[n++] = i;
        }
        if (!whet_cli_run_ort(p->a->python, p->path, p->tuned, &p->in, probes, n,
                              whet_cli_values_compare, &p->all))
            return false;
        bool any = false;
        for (int32_t k = 0; k < n; k++) {
            const whet_cli_seen *v = &p->all.v[at[k]];
            any |= v->compared;
            if (at[k] >= high || !v->compared) continue;
            if (whet_cli_seen_differs(v, p->a->tolerance)) high = at[k];
            else if (at[k] > low) low = at[k];
        }
        if (!any) break; // onnxruntime has no such values
    }
    p->first = high;
    return true;
}

static bool compare_ort(pair *p) {
    whet_cli_values *all = &p->all;
    if (!whet_cli_values_run(p->tuned, &p->in, whet_cli_values_keep_outputs, all) ||
        !whet_cli_run_ort(p->a->python, p->path, p->tuned, &p->in, NULL, 0,
                          whet_cli_values_compare, all))
        return false;
    find_first(p);
    if (p->first < 0) return true;
    whet_cli_slicer *s = whet_cli_slicer_open(p->path);
    bool good = s && whet_cli_values_run(p->tuned, &p->in, whet_cli_values_keep, all) &&
                bisect(p, s);
    whet_cli_slicer_close(s);
    return good;
}

static bool compare_pair(pair *p) {
    compare_args *a = p->a;
    whet_cli_feed feed = {p->files, p->shapes, true, a->seed, 0};
    p->first = -1;
    p->tuned = build(a, p->path, p->shapes, false);
    if (p->tuned && !a->onnxruntime) p->plain = build(a, p->path, p->shapes, true);
    if (!p->tuned || (!p->plain && !a->onnxruntime) ||
        !whet_cli_make_inputs(p->tuned, &feed, &p->in) ||
        !whet_cli_values_run(p->tuned, &p->in, whet_cli_values_want, &p->all))
        return false;
    if (a->onnxruntime) return compare_ort(p);
    // only what the tuned engine computes is kept of the reference
    if (!whet_cli_values_run(p->plain, &p->in, whet_cli_values_keep, &p->all) ||
        !whet_cli_values_run(p->tuned, &p->in, whet_cli_values_compare, &p->all))
        return false;
    find_first(p);
    return true;
}

// ---- the part that fails ----

// Inputs of the model, and values before the first that differs.
static const whet_tensor *held(void *user, const char *name) {
    const pair *p = user;
    for (int32_t i = 0; i < p->in.n; i++) {
        whet_io_info info;
        if (!whet_engine_input(p->tuned, i, &info) && !strcmp(info.name, name))
            return whet_cli_is_number(p->in.v[i].dtype) ? &p->in.v[i] : NULL;
    }
    const whet_cli_seen *v = whet_cli_values_find(&p->all, name);
    bool before = v && v - p->all.v < p->first && v->tensor.data;
    return before && !whet_cli_seen_differs(v, p->a->tolerance) ? &v->tensor : NULL;
}

static bool fails_alone(const pair *whole, const char *model, const char *inputs, bool *fails) {
    const char *feed[] = {inputs};
    whet_cli_list files = {feed, 1};
    pair p = {.a = whole->a, .path = model, .files = &files};
    bool good = compare_pair(&p);
    *fails = good && p.first >= 0;
    close_pair(&p);
    return good;
}

static const char *value_name(const whet_cli_seen *v) {
    return strncmp(v->name, "output ", 7) ? v->name : v->name + 7;
}

// The nodes behind the first value that differs, more and more of them until they differ by
// themselves.
static bool save_failing(const pair *p) {
    const char *model = p->a->save_failing;
    const whet_cli_seen *v = &p->all.v[p->first];
    size_t n = strlen(model);
    if (n > 5 && !strcmp(model + n - 5, ".onnx")) n -= 5;
    char *inputs = malloc(n + 5);
    whet_cli_slicer *s = inputs ? whet_cli_slicer_open(p->path) : NULL;
    if (!inputs) whet_cli_fail("out of memory");
    if (inputs) sprintf(inputs, "%.*s.npz", (int)n, model);
    bool good = s && whet_cli_slicer_makes(s, value_name(v));
    if (s && !good)
        whet_cli_fail("\"%s\" is made inside a block or a function: it cannot be cut out", v->name);
    for (int32_t depth = 0, nodes; good; depth = depth ? depth * 2 : 1) {
        bool whole, fails;
        whet_cli_slice slice = {value_name(v), &v->tensor, depth, held, (void *)(uintptr_t)p};
        good = whet_cli_slicer_write(s, &slice, model, inputs, &nodes, &whole) &&
               fails_alone(p, model, inputs, &fails);
        if (!good || (!fails && !whole)) continue;
        if (!p->a->json)
            printf("%s (nodes: %d): %s by itself; inputs in %s\n", model, nodes,
                   fails ? "differs" : "does not differ", inputs);
        break;
    }
    whet_cli_slicer_close(s);
    free(inputs);
    return good;
}

// ---- the report ----

static void print_value(const whet_cli_seen *v) {
    char type[512];
    whet_cli_print_type(type, sizeof type, v->tensor.dtype, v->tensor.rank, v->tensor.dims, NULL);
    if (v->why) printf("%s %s: %s\n", v->name, type, v->why);
    else
        printf("%s %s: largest error %.3g at element %lld, largest value %.3g\n", v->name, type,
               v->error, (long long)v->at, v->scale);
}

static void print_json_value(const whet_cli_seen *v) {
    printf("{\"name\":");
    whet_cli_print_json_string(stdout, v->name);
    if (v->why) printf(",\"problem\":\"%s\"}", v->why);
    else if (isinf(v->error)) printf(",\"problem\":\"not finite\",\"element\":%lld}",
                                     (long long)v->at);
    else printf(",\"error\":%.9g,\"element\":%lld,\"largest\":%.9g}", v->error, (long long)v->at,
                v->scale);
}

static void report(const pair *p) {
    const compare_args *a = p->a;
    const whet_cli_values *all = &p->all;
    const whet_cli_seen *first = p->first < 0 ? NULL : &all->v[p->first];
    int32_t n = 0, n_differ = 0;
    if (a->json) printf("{\"values\":[");
    for (int32_t i = 0; i < all->n; i++) {
        const whet_cli_seen *v = &all->v[i];
        if (!v->compared) continue;
        bool bad = whet_cli_seen_differs(v, a->tolerance);
        if (a->json && n) putchar(',');
        if (a->json) print_json_value(v);
        else if (a->cli.verbose || !strncmp(v->name, "output ", 7)) print_value(v);
        n++;
        n_differ += bad;
    }
    if (a->json) {
        printf("],\"tolerance\":%.9g,\"differ\":%d,\"first\":", a->tolerance, n_differ);
        if (first) whet_cli_print_json_string(stdout, first->name);
        else printf("null");
        printf("}\n");
    } else {
        printf("%d values compared, %d differ\n", n, n_differ);
        if (first) {
            printf("the first that differs: ");
            print_value(first);
        }
    }
}

static int run(whet_cli *cli) {
    compare_args *a = (compare_args *)cli;
    pair p = {.a = a, .path = cli->args.v[0], .shapes = a->shapes, .files = &a->inputs};
    int code = WHET_CLI_FAILED;
    if (!whet_cli_open_env(cli)) return code;
    if (compare_pair(&p)) {
        report(&p);
        code = p.first < 0 ? WHET_CLI_OK : WHET_CLI_FAILED;
        if (p.first >= 0 && a->save_failing) save_failing(&p);
    }
    close_pair(&p);
    return code;
}

const whet_cli_command whet_cli_compare = {
    .name = "compare", .args = "MODEL.onnx",
    .summary = "Find the first value that optimizations change.",
    .notes = "Runs the model tuned, and once more without passes and fusions on the C references. "
             "Values inside a fused step are not seen. --save-failing cuts out the nodes behind "
             "the first value that differs, as few as differ by themselves, with weights as the "
             "model has them; what was computed before becomes inputs. whet compare PART.onnx "
             "-i PART.npz repeats it. The exit code is 1 when something differs.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(compare_args),
    .defaults = &defaults, .min_args = 1, .max_args = 1, .builds = true, .run = run,
};
