// SPDX-License-Identifier: Apache-2.0
// The tuned engine against the slow and simple one: the first value that differs tells the layer.
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "compare_ort.h"

typedef struct {
    whet_cli cli;
    whet_cli_list inputs;
    const char *shapes;
    int64_t seed;
    double tolerance;
    bool same_passes, onnxruntime, json;
    const char *python;
} compare_args;

static const compare_args defaults = {.tolerance = 1e-3, .python = "python3"};

static const whet_cli_option options[] = {
    {"input", 'i', "NAME:FILE", WHET_CLI_LIST, offsetof(compare_args, inputs),
     "values of an input, as for run; the others are random"},
    {"shapes", 0, "INPUT:1x3x8,...", WHET_CLI_TEXT, offsetof(compare_args, shapes),
     "fix the shapes of inputs"},
    {"seed", 0, "N", WHET_CLI_INT, offsetof(compare_args, seed), "start of the random values"},
    {"tolerance", 0, "X", WHET_CLI_NUMBER, offsetof(compare_args, tolerance),
     "largest error that is none, as a part of a value's largest element [0.001]"},
    {"same-passes", 0, NULL, WHET_CLI_FLAG, offsetof(compare_args, same_passes),
     "let the passes change the reference too, so that only the kernels are compared"},
    {"onnxruntime", 0, NULL, WHET_CLI_FLAG, offsetof(compare_args, onnxruntime),
     "compare the outputs with those of Python's onnxruntime instead"},
    {"python", 0, "PROGRAM", WHET_CLI_TEXT, offsetof(compare_args, python),
     "the Python that has onnxruntime [python3]"},
    {"json", 0, NULL, WHET_CLI_FLAG, offsetof(compare_args, json), "print JSON"},
};

// ---- values by name ----

typedef struct {
    char *name;
    whet_tensor tensor; // data NULL: wanted, not seen yet
    bool compared;
    double error, scale; // largest difference, largest element of the reference
    int64_t at;          // element of the largest difference
    const char *why;     // what else is wrong
} value;

typedef struct {
    value *v; // in the order of the tuned engine's steps
    int32_t n, cap;
    int32_t *table, table_size; // open addressing, -1 free
    bool failed;
} values;

static uint32_t hash(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static int32_t *slot(const values *all, const char *name) {
    uint32_t i = hash(name), mask = (uint32_t)all->table_size - 1;
    while (all->table[i & mask] >= 0 && strcmp(all->v[all->table[i & mask]].name, name)) i++;
    return &all->table[i & mask];
}

static value *find(const values *all, const char *name) {
    int32_t i = all->table_size ? *slot(all, name) : -1;
    return i < 0 ? NULL : &all->v[i];
}

static bool grow(values *all) {
    int32_t cap = all->cap ? all->cap * 2 : 64;
    value *grown = realloc(all->v, (size_t)cap * sizeof *grown);
    if (!grown) return false;
    all->v = grown;
    int32_t *table = malloc((size_t)cap * 2 * sizeof *table);
    if (!table) return false;
    free(all->table);
    all->table = table;
    all->cap = cap;
    all->table_size = cap * 2;
    memset(table, 0xff, (size_t)cap * 2 * sizeof *table);
    for (int32_t i = 0; i < all->n; i++) *slot(all, all->v[i].name) = i;
    return true;
}

static void free_values(values *all) {
    for (int32_t i = 0; i < all->n; i++) {
        free(all->v[i].name);
        free(all->v[i].tensor.data);
    }
    free(all->v);
    free(all->table);
}

// ---- taps ----

static void want_value(void *user, const char *name, const whet_tensor *t) {
    values *all = user;
    if (!whet_cli_is_number(t->dtype) || find(all, name)) return;
    char *copy = (all->n < all->cap || grow(all)) ? strdup(name) : NULL;
    if (!copy) {
        all->failed = true;
        return;
    }
    *slot(all, copy) = all->n;
    all->v[all->n++] = (value){.name = copy};
}

static void keep_value(void *user, const char *name, const whet_tensor *t) {
    values *all = user;
    value *v = find(all, name);
    if (!v || v->tensor.data) return;
    v->tensor = *t;
    v->tensor.data = malloc(t->bytes ? t->bytes : 1);
    if (!v->tensor.data) all->failed = true;
    else memcpy(v->tensor.data, t->data, t->bytes);
}

static void compare_value(void *user, const char *name, const whet_tensor *t) {
    values *all = user;
    value *v = find(all, name);
    if (!v || !v->tensor.data || v->compared) return;
    const whet_tensor *r = &v->tensor;
    v->compared = true;
    if (t->dtype != r->dtype) v->why = "another type";
    if (t->rank != r->rank || memcmp(t->dims, r->dims, (size_t)t->rank * sizeof t->dims[0]))
        v->why = "another shape";
    int64_t n = 1;
    for (int32_t d = 0; d < r->rank; d++) n *= r->dims[d];
    for (int64_t i = 0; i < n && !v->why; i++) {
        double a = whet_cli_value(t, i), b = whet_cli_value(r, i);
        double error = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b);
        if (isnan(error)) error = INFINITY;
        if (isfinite(b) && fabs(b) > v->scale) v->scale = fabs(b);
        if (error <= v->error) continue;
        v->error = error;
        v->at = i;
    }
}

static bool differs(const value *v, double tolerance) {
    return v->compared && (v->why || v->error > tolerance * v->scale);
}

// ---- engines ----

static whet_engine *build(compare_args *a, bool reference) {
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
    whet_engine *engine = whet_cli_build_engine(&a->cli, a->cli.args.v[0], a->shapes);
    *s = given;
    free((void *)all);
    return engine;
}

// Runs with a tap and gives the outputs to it as well, under "output NAME".
static bool run_tapped(whet_engine *engine, const whet_cli_inputs *in, whet_tap_fn tap,
                       values *all) {
    whet_context *context = NULL;
    int32_t n = whet_engine_output_count(engine);
    whet_tensor *outputs = calloc((size_t)n + 1, sizeof *outputs);
    whet_status status = outputs ? whet_context_create(engine, &context) : WHET_E_NOMEM;
    if (status == WHET_OK) {
        whet_context_set_tap(context, tap, all);
        status = whet_context_run(context, in->v, in->n, outputs, n);
        if (status != WHET_OK) whet_cli_fail_status(status, context);
    } else {
        whet_cli_fail("out of memory");
    }
    for (int32_t i = 0; i < n && status == WHET_OK; i++) {
        char name[600];
        whet_io_info info;
        if (whet_engine_output(engine, i, &info)) continue;
        snprintf(name, sizeof name, "output %s", info.name);
        tap(all, name, &outputs[i]);
    }
    whet_context_destroy(context);
    free(outputs);
    if (status == WHET_OK && all->failed) whet_cli_fail("out of memory");
    return status == WHET_OK && !all->failed;
}

static bool run_reference(const compare_args *a, whet_engine *tuned, whet_engine *plain,
                          const whet_cli_inputs *in, values *all) {
    if (!a->onnxruntime) return run_tapped(plain, in, keep_value, all);
    return whet_cli_run_ort(a->python, a->cli.args.v[0], tuned, in, keep_value, all) &&
           !all->failed;
}

// ---- the report ----

static void print_value(const value *v) {
    char type[512];
    whet_cli_print_type(type, sizeof type, v->tensor.dtype, v->tensor.rank, v->tensor.dims, NULL);
    if (v->why) printf("%s %s: %s\n", v->name, type, v->why);
    else
        printf("%s %s: largest error %.3g at element %lld, largest value %.3g\n", v->name, type,
               v->error, (long long)v->at, v->scale);
}

static void print_json_value(const value *v) {
    printf("{\"name\":");
    whet_cli_print_json_string(stdout, v->name);
    if (v->why) printf(",\"problem\":\"%s\"}", v->why);
    else if (isinf(v->error)) printf(",\"problem\":\"not finite\",\"element\":%lld}",
                                     (long long)v->at);
    else printf(",\"error\":%.9g,\"element\":%lld,\"largest\":%.9g}", v->error, (long long)v->at,
                v->scale);
}

static int report(const compare_args *a, const values *all) {
    const value *first = NULL;
    int32_t n = 0, n_differ = 0;
    if (a->json) printf("{\"values\":[");
    for (int32_t i = 0; i < all->n; i++) {
        const value *v = &all->v[i];
        if (!v->compared) continue;
        bool bad = differs(v, a->tolerance);
        if (a->json && n) putchar(',');
        if (a->json) print_json_value(v);
        else if (a->cli.verbose || !strncmp(v->name, "output ", 7)) print_value(v);
        n++;
        n_differ += bad;
        if (bad && !first) first = v;
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
    return first ? WHET_CLI_FAILED : WHET_CLI_OK;
}

static int run(whet_cli *cli) {
    compare_args *a = (compare_args *)cli;
    whet_cli_feed feed = {&a->inputs, a->shapes, true, a->seed};
    whet_cli_inputs in = {0};
    values all = {0};
    int code = WHET_CLI_FAILED;
    if (!whet_cli_open_env(cli)) return code;
    whet_engine *plain = NULL, *tuned = build(a, false);
    if (tuned && !a->onnxruntime) plain = build(a, true);
    // only what the tuned engine computes is kept of the reference
    if (tuned && (plain || a->onnxruntime) && whet_cli_make_inputs(tuned, &feed, &in) &&
        run_tapped(tuned, &in, want_value, &all) && run_reference(a, tuned, plain, &in, &all) &&
        run_tapped(tuned, &in, compare_value, &all))
        code = report(a, &all);
    free_values(&all);
    whet_cli_free_inputs(&in);
    whet_engine_destroy(plain);
    whet_engine_destroy(tuned);
    return code;
}

const whet_cli_command whet_cli_compare = {
    .name = "compare", .args = "MODEL.onnx",
    .summary = "Find the first value that optimizations change.",
    .notes = "Runs the model tuned, and once more without passes and fusions on the C references. "
             "Values inside a fused step are not seen. The exit code is 1 when something differs.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(compare_args),
    .defaults = &defaults, .min_args = 1, .max_args = 1, .builds = true, .run = run,
};
