// SPDX-License-Identifier: Apache-2.0
// Times the kernels of convolutions and matrix products one by one, or checks them against the C
// references on random shapes.
//   kern_bench [--threads=N] [--kernel=PART] [--op=NAME] [--seconds=S] [--cold] [--params]
//   kern_bench --check=COUNT [--seed=N] ...
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern_case.h"

typedef struct options {
    int32_t threads, check;
    uint64_t seed;
    const char *kernel, *op;
    double seconds;
    bool params, cold;
} options;

// ---- checking ----

// What the operator's own evaluation and the epilogue reference give.
static double *reference(const bench_case *b, double *scale) {
    const whet_op *op = whet_op_find(whet_ops_builtin(), b->op);
    whet_tensor in[MAX_IN] = {0}, out = {.dtype = WHET_DTYPE_F32, .rank = b->out.rank};
    int64_t n = count(&b->out);
    double *acc = memory(sizeof *acc * (size_t)n), *other = NULL;
    float *y = memory(sizeof *y * (size_t)n);
    for (int32_t i = 0; i < b->n_in; i++) {
        in[i] = (whet_tensor){b->in[i].dtype, b->in[i].rank, {0}, b->data[i], 0};
        memcpy(in[i].dims, b->in[i].dims, sizeof in[i].dims);
    }
    memcpy(out.dims, b->out.dims, sizeof out.dims);
    out.data = y;
    static whet_error err;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_eval e = {.op = op, .attrs = &b->attrs, .node = b->title, .n_in = b->n_in, .n_out = 1,
                   .in = in, .out = &out, .scratch = &arena, .err = &err};
    if (whet_op_eval(&e)) {
        fprintf(stderr, "reference: %s\n", err.text);
        exit(2);
    }
    *scale = 0;
    if (b->other) other = memory(sizeof *other * (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        acc[i] = y[i];
        if (other) other[i] = b->other[i];
        if (fabs(acc[i]) > *scale) *scale = fabs(acc[i]);
    }
    whet_epilogue_ref(&b->epi, acc, other, n);
    whet_arena_fini(&arena);
    free(y), free(other);
    return acc;
}

static bool job_check(job *j, const bench_case *b, const double *ref, double scale) {
    int64_t n = count(&b->out);
    float *y = memory(sizeof *y * (size_t)n);
    whet_reorder_ref(&j->out, j->y, &b->out, y);
    double worst = 0, limit = 3e-5 * (scale + 1);
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = fabs(y[i] - ref[i]);
        if (isinf(ref[i]) || isnan(ref[i])) e = isnan(ref[i]) ? isnan(y[i]) ? 0 : 1e9
                                                              : y[i] == ref[i] ? 0 : 1e9;
        if (fabs(ref[i]) > 1) e /= fabs(ref[i]);
        if (!(e <= worst)) worst = e, at = i;
    }
    size_t bytes = whet_layout_bytes(j->out.layout, WHET_DTYPE_F32, j->out.rank, j->out.dims);
    for (int i = 0; i < 64; i++)
        if (((unsigned char *)j->y)[bytes + (size_t)i] != 0xff) worst = INFINITY;
    bool ok = worst <= limit;
    if (!ok)
        printf("WRONG %s [%d]: %s %s act1=%d bin=%d act2=%d: error %g at %" PRId64
               " (%g, want %g)\n", j->k->name, j->params[0], b->op, b->title, b->epi.act1,
               b->epi.binary, b->epi.act2, worst, at, y[at], ref[at]);
    free(y);
    return ok;
}

// ---- the table ----

static double peak_flops(void);

// Single calls, everything out of the caches before each.
static void time_cold(job *j, const options *o, double *samples, whet_bench_result *r) {
    static char *flush;
    const size_t size = (size_t)192 << 20;
    if (!flush) flush = memory(size);
    double begin = whet_now();
    int n = 0;
    for (; n < 5 || (n < 64 && whet_now() - begin < 10 * o->seconds); n++) {
        memset(flush, n, size);
        double t = whet_now();
        whet_job_run(j);
        samples[n] = whet_now() - t;
    }
    whet_bench_summarize(samples, n, r);
}

static void job_time(job *j, const bench_case *b, const options *o, double peak) {
    static double samples[4096];
    whet_bench_options opt = {.warmup_seconds = o->seconds / 4, .seconds = o->seconds,
                              .min_runs = 5};
    whet_bench_result r;
    if (o->cold) time_cold(j, o, samples, &r);
    else whet_bench_run(whet_job_run, j, &opt, samples, 4096, &r);
    double flops = whet_problem_flops(&j->p);
    printf("%-28s %d %-38s median %9.2f us, best %9.2f us %6.1f GFLOP/s %5.1f %% %6.1f GB/s, "
           "predicted %.1f us\n",
           j->k->name, j->params[0], b->title, r.median * 1e6, r.min * 1e6, flops / r.min * 1e-9,
           100 * flops / r.min / (peak * o->threads), whet_problem_bytes(&j->p) / r.min * 1e-9,
           j->k->cost ? j->k->cost(&j->p, j->params) * 1e6 : 0.0);
    fflush(stdout);
}

static int run_case(bench_case *b, const options *o, whet_workers *workers, double peak) {
    const whet_kernel_table *table = whet_kernels_builtin();
    double scale = 0, *ref = NULL;
    int bad = 0;
    whet_case_fill(b);
    if (o->check) ref = reference(b, &scale);
    for (int32_t i = 0; i < table->n; i++) {
        const whet_kernel *k = table->kernels[i];
        if (strcmp(k->op, b->op) || (k->cpu & ~whet_cpu_features())) continue;
        if (o->kernel && !strstr(k->name, o->kernel)) continue;
        if (k->stores && !(k->stores & WHET_STORE_BIT(WHET_STORE_OWN))) continue;
        for (int32_t l = 0; l < WHET_LAYOUT_COUNT; l++) {
            if (!((k->layouts ? k->layouts : 1) >> l & 1)) continue;
            for (int32_t v = 0; v < (o->params || o->check ? 64 : 1); v++) {
                static job j;
                memset(&j, 0, sizeof j);
                j.k = k, j.workers = workers;
                if (!whet_job_ports(&j, b, o->threads, (whet_layout)l, WHET_STORE_OWN)) break;
                if (k->param ? !k->param(&j.p, v, j.params) : v > 0) break;
                if (k->valid && !k->valid(&j.p, j.params)) bad++, printf("invalid params\n");
                whet_job_open(&j, b);
                if (o->check) {
                    whet_job_run(&j);
                    bad += !job_check(&j, b, ref, scale);
                } else {
                    job_time(&j, b, o, peak);
                }
                whet_job_close(&j);
            }
        }
    }
    free(ref);
    whet_case_free(b);
    return bad;
}

static const conv_shape transpose_shapes[] = {
    {1, 64, 64, 64, 64, 2, 2, 0, 1, 1}, {1, 256, 16, 16, 128, 4, 2, 1, 1, 1},
    {1, 512, 7, 7, 256, 3, 2, 1, 1, 1}, {1, 64, 128, 128, 3, 9, 1, 4, 1, 1},
};

static const attention_shape attention_shapes[] = {
    {1, 12, 12, 128, 128, 64, 64, false, false, 0}, {1, 12, 12, 384, 384, 64, 64, false, false, 1},
    {1, 16, 16, 512, 512, 64, 64, false, true, 0},  {1, 12, 12, 197, 197, 64, 64, false, false, 0},
    {1, 12, 12, 1024, 1024, 64, 64, true, false, 0}, {1, 32, 8, 1, 1024, 128, 128, false, false, 0},
    {1, 8, 8, 4096, 4096, 40, 40, false, false, 0},
};

static const whet_pw check_acts[] = {WHET_PW_NONE, WHET_PW_NONE, WHET_PW_RELU, WHET_PW_CLIP,
                                     WHET_PW_LEAKY_RELU, WHET_PW_HARD_SWISH, WHET_PW_SWISH,
                                     WHET_PW_GELU, WHET_PW_TANH, WHET_PW_SIGMOID, WHET_PW_ELU};
static const whet_pw check_binaries[] = {WHET_PW_NONE, WHET_PW_NONE, WHET_PW_ADD, WHET_PW_ADD,
                                         WHET_PW_SUB, WHET_PW_MUL, WHET_PW_MAX};

static void random_epilogue(bench_case *b) {
    b->epi.act1 = check_acts[below(WHET_COUNT(check_acts))];
    b->epi.binary = check_binaries[below(WHET_COUNT(check_binaries))];
    b->epi.act2 = below(2) ? check_acts[below(WHET_COUNT(check_acts))] : WHET_PW_NONE;
    b->epi.p1[0] = b->epi.p2[0] = 0.25f, b->epi.p1[1] = b->epi.p2[1] = 0.5f;
}

static void random_conv(bench_case *b) {
    static const int channels[] = {1, 2, 3, 4, 5, 8, 12, 16, 17, 24, 31, 32, 33, 40, 48, 64, 80};
    conv_shape s = {.n = 1 + (int)below(2), .ker = 1 + (int)below(4), .group = 1};
    s.c = channels[below(WHET_COUNT(channels))], s.k = channels[below(WHET_COUNT(channels))];
    int kind = (int)below(6);
    if (kind == 0) s.group = s.k = s.c;
    if (kind == 1) s.group = 1 + (int)below(4), s.c *= s.group, s.k *= s.group;
    if (kind == 2) s.ker = 1;
    if (kind == 3) s.group = s.c, s.k = 2 * s.c;
    if (kind == 4) s.group = 1 + (int)below(12), s.c = s.k = s.group << below(4);
    s.stride = 1 + (int)below(3) % 2, s.dil = below(4) ? 1 : 2, s.pad = (int)below(s.ker + 1);
    if (kind == 2 && below(2)) s.pad = 0, s.stride = 1;
    int least = (s.ker - 1) * s.dil + 1 - 2 * s.pad;
    if (least < 1) least = 1;
    s.h = least + (int)below(20), s.w = least + (int)below(36);
    int32_t spatial = below(5) ? 2 : below(2) ? 1 : 3;
    if (spatial == 3) s.h = least + (int)below(4), s.w = least + (int)below(8);
    whet_case_conv(b, s, spatial, below(2));
}

static void random_transpose(bench_case *b) {
    conv_shape s = {.n = 1 + (int)below(2), .c = 1 + (int)below(40), .k = 1 + (int)below(40),
                    .ker = 1 + (int)below(4), .group = 1 + (int)below(3) / 2,
                    .stride = 1 + (int)below(3), .dil = 1 + (int)below(2),
                    .h = 1 + (int)below(12), .w = 1 + (int)below(30)};
    s.c *= s.group, s.k *= s.group;
    s.pad = (int)below((s.ker - 1) * s.dil / 2 + 1);
    int32_t spatial = below(5) ? 2 : below(2) ? 1 : 3;
    if (spatial == 3) s.h = 1 + (int)below(4), s.w = 1 + (int)below(8);
    whet_case_transpose(b, s, spatial, below(2), s.stride > 1 ? (int)below(2) : 0);
}

static void random_matmul(bench_case *b) {
    matmul_shape s = {.batch = 1 + (int)below(3), .m = 1 + (int)below(70), .k = 1 + (int)below(80),
                      .n = 1 + (int)below(80), .constant = below(2), .trans_a = !below(3),
                      .trans_b = below(2)};
    if (!below(4)) s.m = 1 + (int)below(4);
    if (!below(6)) s.k = below(2) ? 512 : 1100 + (int)below(400);
    if (!below(5)) s.n = 150;
    if (!below(12)) s.m = 300 + (int)below(300), s.k = 600 + (int)below(500);
    s.b_batch = below(2) ? 0 : below(2) ? 1 : s.batch;
    if (below(3)) whet_case_matmul(b, s, (int)below(2));
    else s.b_batch = 0, s.batch = 1, whet_case_gemm(b, s, (int)below(4));
    if (!strcmp(b->op, "matmul") && below(2)) b->attrs.matmul.alpha = 0.5f;
}

static void random_attention(bench_case *b) {
    attention_shape s = {.batch = 1 + (int)below(2), .kv_heads = 1 + (int)below(3),
                         .rows = 1 + (int)below(70), .keys = 1 + (int)below(70),
                         .depth = 1 + (int)below(70), .width = 1 + (int)below(70),
                         .causal = !below(3), .three = !below(3), .mask = (int)below(5)};
    s.heads = s.kv_heads * (1 + (int)below(2));
    if (!below(4)) s.keys = 500 + (int)below(600);
    if (!below(4)) s.rows = 1 + (int)below(4);
    if (!below(8)) s.rows = 500 + (int)below(200);
    whet_case_attention(b, s);
}

static int check_all(const options *o, whet_workers *workers) {
    int bad = 0;
    whet_case_seed(o->seed);
    for (int32_t i = 0; i < o->check; i++) {
        bench_case b;
        memset(&b, 0, sizeof b);
        b.integers = below(2);
        static const char *const ops[] = {"conv", "matmul", "attention", "conv_transpose"};
        const char *op = o->op ? o->op : ops[below(4)];
        if (!strcmp(op, "attention")) random_attention(&b);
        else if (!strcmp(op, "matmul")) random_matmul(&b);
        else if (!strcmp(op, "conv_transpose")) random_transpose(&b);
        else random_conv(&b);
        if (strcmp(op, "attention") && below(3)) random_epilogue(&b);
        bad += run_case(&b, o, workers, 1);
    }
    printf("%d cases, %d wrong\n", o->check, bad);
    return bad != 0;
}

#if defined(__x86_64__)
// 24 independent accumulators, no memory
__attribute__((target("avx512f"))) static void fma512(int64_t n) {
#define F(r) "vfmadd231ps %%zmm31, %%zmm31, %%zmm" #r "\n"
    for (int64_t i = 0; i < n; i++)
        __asm__ volatile(F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13)
                         F(14) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23)::: "memory");
#undef F
}
__attribute__((target("avx2,fma"))) static void fma256(int64_t n) {
#define F(r) "vfmadd231ps %%ymm15, %%ymm15, %%ymm" #r "\n"
    for (int64_t i = 0; i < n; i++)
        __asm__ volatile(F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
                         F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)::: "memory");
#undef F
}
static double peak_flops(void) {
    double best = 0;
    bool wide = whet_cpu_features() & WHET_CPU_AVX512;
    if (!(whet_cpu_features() & WHET_CPU_AVX2)) return 1e10;
    for (int i = 0; i < 5; i++) {
        double t = whet_now();
        (wide ? fma512 : fma256)(1000000);
        t = 24e6 * (wide ? 32 : 16) / (whet_now() - t);
        if (t > best) best = t;
    }
    return best;
}
#else
static double peak_flops(void) { return 1e10; }
#endif

int main(int argc, char **argv) {
    options o = {.threads = 1, .seconds = 0.2};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!strncmp(a, "--threads=", 10)) o.threads = atoi(a + 10);
        else if (!strncmp(a, "--check=", 8)) o.check = atoi(a + 8);
        else if (!strncmp(a, "--seed=", 7)) o.seed = strtoull(a + 7, NULL, 10);
        else if (!strncmp(a, "--kernel=", 9)) o.kernel = a + 9;
        else if (!strncmp(a, "--op=", 5)) o.op = a + 5;
        else if (!strncmp(a, "--seconds=", 10)) o.seconds = atof(a + 10);
        else if (!strcmp(a, "--params")) o.params = true;
        else if (!strcmp(a, "--cold")) o.cold = true;
        else return fprintf(stderr, "unknown option %s\n", a), 2;
    }
    if (o.threads < 1 || o.threads > 64) return 2;
    whet_workers *workers;
    static whet_error err;
    if (whet_workers_create(o.threads, &workers, &err)) return 2;
    int rc = 0;
    if (o.check) {
        rc = check_all(&o, workers);
    } else {
        double peak = peak_flops();
        printf("peak of one core %.1f GFLOP/s, %d threads\n", peak * 1e-9, o.threads);
        for (int i = 0; i < whet_case_n_convs && (!o.op || !strcmp(o.op, "conv")); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            whet_case_conv(&b, whet_case_convs[i], 2, true);
            b.epi.act1 = WHET_PW_RELU;
            run_case(&b, &o, workers, peak);
        }
        for (int i = 0; i < WHET_COUNT(transpose_shapes); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            if (o.op && strcmp(o.op, "conv_transpose")) break;
            whet_case_transpose(&b, transpose_shapes[i], 2, true, 0);
            run_case(&b, &o, workers, peak);
        }
        for (int i = 0; i < whet_case_n_matmuls && (!o.op || !strcmp(o.op, "matmul")); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            whet_case_matmul(&b, whet_case_matmuls[i], whet_case_matmuls[i].constant);
            run_case(&b, &o, workers, peak);
        }
        for (int i = 0; i < WHET_COUNT(attention_shapes); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            if (o.op && strcmp(o.op, "attention")) break;
            whet_case_attention(&b, attention_shapes[i]);
            run_case(&b, &o, workers, peak);
        }
    }
    whet_workers_destroy(workers);
    return rc;
}
