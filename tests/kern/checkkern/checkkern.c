// SPDX-License-Identifier: Apache-2.0
// checkkern [--kernel=GLOB] [--test=GLOB] [--cases=N] [--repeat=N] [--seed=N] [--cpumask=LEVEL]
//           [--bench] [--json=FILE] [--list]
// --kernel matches kernel names, --test names of operators. Exit status 1 when anything failed.
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "checkkern.h"

typedef struct options {
    const char *kernel, *test, *mask, *json;
    int32_t cases, repeat;
    uint64_t seed;
    bool bench, list;
} options;

static const char *const levels[] = {"scalar", "neon", "avx2", "avx512", "native"};

static double value_of(ck_rng *rng, ck_fill fill, ck_source source, bool nonfinite) {
    static const double edges[] = {0, -0.0, 1, -1, 1e-40, -1e-40, 1e3, -1e3, 88.5, -103,
                                   1e9, -1e9, INFINITY, -INFINITY, NAN};
    double v = fill == CK_INTEGERS ? (double)ck_int(rng, -3, 3) : ck_normal(rng);
    if (fill == CK_EDGES && ck_chance(rng, 4)) v = edges[ck_int(rng, 0, nonfinite ? 14 : 9)];
    if (source == CK_POSITIVE) v = isfinite(v) ? fmin(fabs(v), 8) + 0.5 : 1;
    return v;
}

static void fill_inputs(ck_case *c, ck_values *v, ck_fill fill) {
    for (int32_t i = 0; i < c->n_in; i++) {
        const whet_port *p = &c->in[i];
        int64_t n = p->dtype ? whet_dims_count(p->dims, p->rank) : 0;
        if (!p->dtype) continue;
        v->in[i] = whet_arena_alloc(c->arena, whet_tensor_bytes(p->dtype, n) + 8);
        bool floats = whet_dtype_is_float(p->dtype);
        for (int64_t e = 0; e < n && c->source[i] != CK_FIXED; e++) {
            double x = floats ? value_of(c->rng, fill, c->source[i], c->nonfinite) : 0;
            // its instructions take denormals for zero
            if (c->bf16) x = fabs(x) < 1e-37 ? 0 : (double)whet_bf16_to_f32(whet_f64_to_bf16(x));
            // weights of FP16: as many as it has
            if (c->half && p->constant && fabs(x) > 65504) x = 1;
            if (c->half && p->constant) x = (double)whet_f16_to_f32(whet_f64_to_f16(x));
            if (floats) whet_store_f64(v->in[i], p->dtype, e, x);
            else whet_store_i64(v->in[i], p->dtype, e, ck_int(c->rng, 0, 99));
        }
        if (c->source[i] == CK_FIXED) memcpy(v->in[i], c->fixed[i], whet_tensor_bytes(p->dtype, n));
        if (!floats) continue;
        v->in64[i] = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
        whet_load_f64_array(v->in64[i], v->in[i], p->dtype, n);
    }
}

// The reference of absolute values: sum |a||b| for everything linear.
static bool absolute_magnitude(const ck_case *c, ck_values *v) {
    double *in64[CK_PORTS] = {0};
    void *out[CK_PORTS] = {0};
    for (int32_t i = 0; i < c->n_in; i++) {
        if (!v->in64[i]) continue;
        int64_t n = whet_dims_count(c->in[i].dims, c->in[i].rank);
        in64[i] = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
        for (int64_t e = 0; e < n; e++) in64[i][e] = fabs(v->in64[i][e]);
    }
    if (!ck_eval(c, in64, v->in, v->magnitude, out)) return false;
    for (int32_t o = 0; o < c->n_out; o++) {
        int64_t n = v->magnitude[o] ? whet_dims_count(c->out[o].dims, c->out[o].rank) : 0;
        for (int64_t e = 0; e < n; e++) v->magnitude[o][e] = fabs(v->magnitude[o][e]);
    }
    return true;
}

static bool make_values(ck_case *c, const ck_family *f, ck_fill fill, ck_values *v) {
    memset(v, 0, sizeof *v);
    fill_inputs(c, v, fill);
    if (f->reference ? !f->reference(c, v) : !ck_eval(c, v->in64, v->in, v->out64, v->out))
        return false;
    if (!f->magnitude) return absolute_magnitude(c, v);
    for (int32_t o = 0; o < c->n_out; o++)
        if (v->out64[o] && !v->magnitude[o])
            v->magnitude[o] = whet_arena_alloc(
                c->arena, (size_t)whet_dims_count(c->out[o].dims, c->out[o].rank) * 8 + 8);
    f->magnitude(c, v);
    return true;
}

// Lets the operator's shape function say what the outputs are.
static bool infer_outputs(ck_case *c, whet_error *err) {
    static whet_type in[CK_PORTS], out[CK_PORTS];
    const whet_type *in_at[CK_PORTS];
    whet_tensor data[CK_PORTS] = {0};
    const whet_tensor *data_at[CK_PORTS];
    for (int32_t i = 0; i < c->n_in; i++) {
        const whet_port *p = &c->in[i];
        in[i] = (whet_type){.dtype = p->dtype, .rank = p->rank};
        memcpy(in[i].dims, p->dims, sizeof p->dims);
        in_at[i] = p->dtype ? &in[i] : NULL;
        data[i] = (whet_tensor){.dtype = p->dtype, .rank = p->rank, .data = c->fixed[i]};
        memcpy(data[i].dims, p->dims, sizeof p->dims);
        data[i].bytes = whet_tensor_bytes(p->dtype, whet_dims_count(p->dims, p->rank));
        data_at[i] = p->dtype && c->fixed[i] ? &data[i] : NULL;
    }
    memset(out, 0, sizeof out);
    int32_t n_out = c->n_out ? c->n_out : 1;
    whet_infer ctx = {.op = c->op, .attrs = c->attrs, .node = "case", .n_in = c->n_in,
                      .n_out = n_out, .in = in_at, .data = data_at, .out = out,
                      .arena = c->arena, .err = err};
    if (whet_op_infer(&ctx) != WHET_OK) return false;
    c->n_out = n_out;
    for (int32_t i = 0; i < n_out; i++) {
        c->out[i] = (whet_port){.dtype = out[i].dtype, .rank = out[i].rank};
        memcpy(c->out[i].dims, out[i].dims, sizeof out[i].dims);
    }
    return true;
}

bool ck_case_make(ck_case *c, const ck_family *f, const char *op, int32_t i, bool bench,
                  whet_arena *arena, ck_rng *rng) {
    static whet_error err;
    memset(c, 0, sizeof *c);
    c->arena = arena;
    c->rng = rng;
    c->op_name = op;
    c->k = 1;
    c->op = whet_op_find(whet_ops_builtin(), op);
    if (c->op) {
        c->attrs = whet_arena_alloc(arena, c->op->attrs_size + 8);
        whet_op_attr_defaults(c->op, c->attrs);
    }
    if (!(bench ? f->bench && f->bench(c, i) : f->build(c, i))) return false;
    if (!c->op || (c->n_out && c->out[0].dtype)) return true;
    if (infer_outputs(c, &err)) return true;
    printf("FAIL %s case %d: %s\n", op, i, err.text);
    return false;
}

static const ck_family *family_of(const char *op) {
    for (int32_t f = 0; ck_families[f]; f++)
        for (int32_t i = 0; ck_families[f]->ops[i]; i++)
            if (!strcmp(ck_families[f]->ops[i], op)) return ck_families[f];
    return NULL;
}

static void describe(const ck_case *c, ck_fill fill, int32_t i, uint64_t seed, char *text,
                     size_t n) {
    static const char *const fills[] = {"integers", "normal", "edges"};
    size_t at = (size_t)snprintf(text, n, "%s case %d, %s, seed %llu:", c->op_name, i, fills[fill],
                                 (unsigned long long)seed);
    for (int32_t p = 0; p < c->n_in && at < n; p++) {
        at += (size_t)snprintf(text + at, n - at, " %s[", whet_dtype_text(c->in[p].dtype));
        for (int32_t d = 0; d < c->in[p].rank && at < n; d++)
            at += (size_t)snprintf(text + at, n - at, d ? ",%lld" : "%lld",
                                   (long long)c->in[p].dims[d]);
        if (at < n) at += (size_t)snprintf(text + at, n - at, "]");
    }
}

// The features of the lowest level that has everything the kernel needs; false: this machine lacks
// it.
static bool level_of(const whet_kernel *k, const char *limit, uint32_t *cpu) {
    for (int32_t l = 0; l < (int32_t)WHET_COUNT(levels); l++) {
        uint32_t features = whet_cpu_features();
        if (whet_cpu_mask(levels[l], &features) && !(k->cpu & ~features)) {
            *cpu = features;
            return true;
        }
        if (limit && !strcmp(limit, levels[l])) return false;
    }
    return false;
}

static void check_case(const whet_kernel *k, uint32_t cpu, const ck_family *f, int32_t i,
                       uint64_t seed, ck_result *r, bool *more) {
    whet_arena arena;
    whet_arena_init(&arena);
    ck_rng rng = {whet_hash64_text(k->op, seed * 1000003 + (uint64_t)i)};
    ck_case c;
    ck_values v;
    char where[512];
    *more = ck_case_make(&c, f, k->op, i, false, &arena, &rng);
    c.half = k->stores & WHET_STORE_BIT(WHET_STORE_HALF);
    c.bf16 = !c.half && (k->stores & ~WHET_STORE_BIT(WHET_STORE_OWN));
    for (int32_t fill = 0; *more && fill < CK_FILLS; fill++) {
        if (fill == CK_EDGES && c.no_edges) continue;
        describe(&c, (ck_fill)fill, i, seed, where, sizeof where);
        if (!make_values(&c, f, (ck_fill)fill, &v)) {
            printf("FAIL %s: no reference\n", where);
            r->failures++;
            break;
        }
        if (!ck_check(k, cpu, &c, &v, (ck_fill)fill, where, r)) break;
    }
    whet_arena_fini(&arena);
}

static bool check_kernel(const whet_kernel *k, uint32_t cpu, const options *o) {
    const ck_family *f = family_of(k->op);
    ck_result r = {0};
    if (!f) {
        printf("FAIL %s: no family makes cases for operator %s\n", k->name, k->op);
        return false;
    }
    for (int32_t repeat = 0; repeat < o->repeat; repeat++) {
        bool more = true;
        for (int32_t i = 0; i < o->cases && more && r.failures < 3; i++)
            check_case(k, cpu, f, i, o->seed + (uint64_t)repeat, &r, &more);
    }
    if (r.runs == 0 && r.failures == 0) {
        printf("FAIL %s: accepts no case\n", k->name);
        r.failures++;
    }
    printf("%s %-36s %6lld runs, worst error %.2f of the limit, %.3g k u sum|a||b|\n",
           r.failures ? "FAIL" : "ok  ", k->name, (long long)r.runs, r.worst, r.worst_units);
    fflush(stdout);
    return r.failures == 0;
}

static bool option(const char *arg, const char *name, const char **value) {
    size_t n = strlen(name);
    if (strncmp(arg, name, n)) return false;
    *value = arg[n] == '=' ? arg + n + 1 : arg + n;
    return arg[n] == '=' || arg[n] == 0;
}

static bool parse(options *o, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *v;
        if (option(argv[i], "--kernel", &v)) o->kernel = v;
        else if (option(argv[i], "--test", &v)) o->test = v;
        else if (option(argv[i], "--cpumask", &v)) o->mask = v;
        else if (option(argv[i], "--json", &v)) o->json = v;
        else if (option(argv[i], "--cases", &v)) o->cases = atoi(v);
        else if (option(argv[i], "--repeat", &v)) o->repeat = atoi(v);
        else if (option(argv[i], "--seed", &v)) o->seed = strtoull(v, NULL, 10);
        else if (option(argv[i], "--bench", &v)) o->bench = true;
        else if (option(argv[i], "--list", &v)) o->list = true;
        else return false;
    }
    return true;
}

static bool save(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    if (!file) return false;
    bool ok = fputs(text, file) >= 0;
    return !fclose(file) && ok;
}

int main(int argc, char **argv) {
    options o = {.kernel = "*", .test = "*", .cases = 40, .repeat = 1, .seed = 1};
    const whet_kernel_table *table = whet_kernels_builtin();
    int32_t failed = 0, tested = 0;
    whet_str json;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "checkkern: unknown option; the head of checkkern.c lists them\n");
        return 2;
    }
    whet_str_init(&json);
    whet_json_array(&json, NULL);
    printf("seed %llu\n", (unsigned long long)o.seed);
    for (int32_t i = 0; i < table->n; i++) {
        const whet_kernel *k = table->kernels[i];
        uint32_t cpu = 0;
        if (fnmatch(o.kernel, k->name, 0) || fnmatch(o.test, k->op, 0)) continue;
        if (!level_of(k, o.mask, &cpu)) continue;
        ck_rng rng = {o.seed};
        if (o.list) printf("%s %s\n", k->name, k->op);
        else if (!o.bench) failed += !check_kernel(k, cpu, &o);
        else if (family_of(k->op)) failed += !ck_bench(k, cpu, family_of(k->op), &rng, &json);
        tested++;
    }
    whet_json_end_array(&json);
    if (o.json && !save(o.json, whet_str_text(&json))) failed++;
    whet_str_fini(&json);
    printf("%d kernels, %d failed\n", tested, failed);
    return failed || !tested;
}
