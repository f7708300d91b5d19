// SPDX-License-Identifier: Apache-2.0
// Timing: median of a kernel on its family's bench cases, share of this machine's measured peaks of
// one thread, and how much faster than the C reference.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/bench.h"
#include "checkkern.h"

#if defined(__x86_64__)
#define CHAINS 12
__attribute__((target("avx512f"))) static void fma_512(float *a, int64_t n) {
    __m512 x[CHAINS], m = _mm512_loadu_ps(a);
    for (int c = 0; c < CHAINS; c++) x[c] = _mm512_loadu_ps(a + 16 * c);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < CHAINS; c++) x[c] = _mm512_fmadd_ps(x[c], m, m);
    for (int c = 0; c < CHAINS; c++) _mm512_storeu_ps(a + 16 * c, x[c]);
}
__attribute__((target("avx2,fma"))) static void fma_256(float *a, int64_t n) {
    __m256 x[CHAINS], m = _mm256_loadu_ps(a);
    for (int c = 0; c < CHAINS; c++) x[c] = _mm256_loadu_ps(a + 8 * c);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < CHAINS; c++) x[c] = _mm256_fmadd_ps(x[c], m, m);
    for (int c = 0; c < CHAINS; c++) _mm256_storeu_ps(a + 8 * c, x[c]);
}
// FLOP a second of one thread.
static double peak_flops(void) {
    static float a[16 * CHAINS];
    uint32_t cpu = whet_cpu_features();
    double best = 0;
    for (int i = 0; i < 20 && cpu & WHET_CPU_AVX2; i++) {
        int64_t n = 200000;
        double t = whet_now();
        if (cpu & WHET_CPU_AVX512) fma_512(a, n);
        else fma_256(a, n);
        double f = (double)n * CHAINS * (cpu & WHET_CPU_AVX512 ? 32 : 16) / (whet_now() - t);
        if (f > best) best = f;
    }
    return best;
}
#else
static double peak_flops(void) { return 0; }
#endif

static whet_status call(void *user) {
    return ck_execute(user, NULL, 1);
}

static double time_reference(const ck_case *c, ck_values *v) {
    double t = whet_now();
    double *out64[CK_PORTS] = {0};
    void *out[CK_PORTS] = {0};
    if (!c->op || !ck_eval(c, v->in64, v->in, out64, out)) return 0;
    return whet_now() - t;
}

static void bench_values(ck_case *c, ck_values *v) {
    memset(v, 0, sizeof *v);
    for (int32_t i = 0; i < c->n_in; i++) {
        const whet_port *p = &c->in[i];
        if (!p->dtype) continue;
        int64_t n = whet_dims_count(p->dims, p->rank);
        v->in[i] = whet_arena_alloc(c->arena, whet_tensor_bytes(p->dtype, n) + 8);
        v->in64[i] = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
        if (c->fixed[i]) {
            memcpy(v->in[i], c->fixed[i], whet_tensor_bytes(p->dtype, n));
            continue;
        }
        for (int64_t e = 0; e < n; e++) {
            double x = (double)(ck_next(c->rng) >> 40) * 0x1p-24 +
                       (c->source[i] == CK_POSITIVE ? 0.5 : -0.5);
            whet_store_f64(v->in[i], p->dtype, e, x);
            v->in64[i][e] = whet_load_f64(v->in[i], p->dtype, e);
        }
    }
}

static void report(ck_setup *s, const whet_bench_result *b, double ref, whet_str *json) {
    static double peak;
    if (peak == 0) peak = peak_flops();
    double flops = whet_problem_flops(&s->p), bytes = whet_problem_bytes(&s->p);
    char shape[128] = "";
    size_t at = 0;
    for (int32_t d = 0; d < s->in[0].rank && at < sizeof shape; d++)
        at += (size_t)snprintf(shape + at, sizeof shape - at, d ? "x%lld" : "%lld",
                               (long long)s->in[0].dims[d]);
    printf(
        "%-32s %-18s %-5s %d,%d,%d %10.2f us +-%2.0f%% %8.2f GFLOP/s %3.0f%% %7.2f GB/s %8.1fx\n",
        s->kernel->name, shape, whet_layout_text(s->out[0].layout), s->params[0], s->params[1],
        s->params[2], b->median * 1e6, 50 * (b->high - b->low) / b->median,
        flops / b->median * 1e-9, peak > 0 ? 100 * flops / b->median / peak : 0,
        bytes / b->median * 1e-9, ref / b->median);
    fflush(stdout);
    whet_json_object(json, NULL);
    whet_json_text(json, "kernel", s->kernel->name);
    whet_json_text(json, "shape", shape);
    whet_json_text(json, "layout", whet_layout_text(s->out[0].layout));
    whet_json_int(json, "param0", s->params[0]);
    whet_json_double(json, "median_s", b->median);
    whet_json_double(json, "low_s", b->low);
    whet_json_double(json, "high_s", b->high);
    whet_json_double(json, "gflops", flops / b->median * 1e-9);
    whet_json_double(json, "gbps", bytes / b->median * 1e-9);
    whet_json_double(json, "peak_share", peak > 0 ? flops / b->median / peak : 0);
    whet_json_double(json, "times_reference", ref / b->median);
    whet_json_end_object(json);
}

static bool bench_variant(ck_setup *s, ck_case *c, ck_values *v, double ref, whet_str *json) {
    static double samples[4096];
    static whet_error err;
    whet_bench_options o = {.warmup_seconds = 0.02, .seconds = 0.1, .min_runs = 3};
    ck_setup base = *s;
    for (int32_t i = 0; i < 4; i++) {
        *s = base;
        s->p.in = s->in;
        s->p.out = s->out;
        if (s->kernel->param ? !s->kernel->param(&s->p, i, s->params) : i > 0) return true;
        whet_bench_result b;
        bool ok = ck_setup_make(s, v, NULL, c->rng);
        s->call.err = &err;
        ok = ok && whet_bench_run(call, s, &o, samples, WHET_COUNT(samples), &b) == WHET_OK;
        if (ok) report(s, &b, ref, json);
        ck_setup_free(s);
        if (!ok) return false;
    }
    return true;
}

bool ck_bench(const whet_kernel *k, uint32_t cpu, const ck_family *f, ck_rng *rng, whet_str *json) {
    static ck_setup s;
    uint32_t layouts = k->layouts ? k->layouts : WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN);
    bool ok = true;
    if (!strcmp(k->op, "reorder")) layouts = 1;
    for (int32_t i = 0; ok; i++) {
        whet_arena arena;
        whet_arena_init(&arena);
        ck_case c;
        ck_values v;
        bool more = ck_case_make(&c, f, k->op, i, true, &arena, rng);
        double ref = -1;
        for (int32_t n = 0; more && n < WHET_LAYOUT_COUNT * WHET_STORE_COUNT; n++) {
            int32_t l = n / WHET_STORE_COUNT, store = n % WHET_STORE_COUNT;
            if (!(layouts & WHET_LAYOUT_BIT(l)) || !ck_stores(k, (whet_store)store)) continue;
            ck_layouts(&s, k, &c, (whet_layout)l, (whet_store)store);
            s.p.cpu = cpu;
            if (!k->accepts(&s.p)) continue;
            if (ref < 0) {
                bench_values(&c, &v);
                ref = time_reference(&c, &v);
            }
            ok = ok && bench_variant(&s, &c, &v, ref, json);
        }
        whet_arena_fini(&arena);
        if (!more) break;
    }
    return ok;
}
