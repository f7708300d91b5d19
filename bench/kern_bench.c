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

#include "base/bench.h"
#include "base/workers.h"
#include "kern/kernel.h"

#define MAX_IN 8

typedef struct options {
    int32_t threads, check;
    uint64_t seed;
    const char *kernel, *op;
    double seconds;
    bool params, cold;
} options;

// One problem with its data in plain layout.
typedef struct bench_case {
    const char *op;
    char title[96];
    union {
        whet_conv_attrs conv;
        whet_conv_transpose_attrs transpose;
        whet_matmul_attrs matmul;
        whet_gemm_attrs gemm;
        whet_attention_attrs attention;
    } attrs;
    int64_t strides[3], dilations[3], pads[6], opads[3];
    int32_t n_in;
    whet_port in[MAX_IN], out;
    whet_epilogue epi;
    float *data[MAX_IN], *other;
    bool integers;
} bench_case;

static uint64_t rng = 88172645463325252u;
static uint64_t next(void) {
    rng ^= rng << 13, rng ^= rng >> 7;
    return rng ^= rng << 17;
}
static int64_t below(int64_t n) { return (int64_t)(next() % (uint64_t)n); }
static float uniform(void) { return (float)(next() >> 40) / 8388608.0f - 1.0f; }

static int64_t count(const whet_port *p) { return whet_dims_count(p->dims, p->rank); }
static void *memory(size_t bytes) {
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes ? bytes : 64)) exit(2);
    return p;
}
static whet_port port(int32_t rank, const int64_t *dims, bool constant) {
    whet_port p = {.dtype = WHET_DTYPE_F32, .rank = rank, .constant = constant};
    memcpy(p.dims, dims, sizeof *dims * (size_t)rank);
    return p;
}
static float *fill(const bench_case *b, const whet_port *p) {
    int64_t n = count(p);
    float *v = memory(sizeof *v * (size_t)n);
    if (p->dtype == WHET_DTYPE_BOOL) {
        for (int64_t i = 0; i < n; i++) ((char *)v)[i] = below(5) != 0;
        return v;
    }
    for (int64_t i = 0; i < n; i++) v[i] = b->integers ? (float)(below(9) - 4) : uniform();
    for (int64_t i = 0; b->in + 3 == p && i < n; i++) v[i] = below(9) ? v[i] : -INFINITY;
    return v;
}
static void case_fill(bench_case *b) {
    for (int32_t i = 0; i < b->n_in; i++)
        b->data[i] = b->in[i].dtype ? fill(b, &b->in[i]) : NULL;
    b->other = b->epi.binary ? fill(b, &b->out) : NULL;
    b->epi.other = b->epi.binary ? b->out : (whet_port){0};
}
static void case_free(bench_case *b) {
    for (int32_t i = 0; i < b->n_in; i++) free(b->data[i]);
    free(b->other);
}

// ---- cases ----

typedef struct conv_shape {
    int32_t n, c, h, w, k, ker, stride, pad, dil, group;
} conv_shape;

static void conv_case(bench_case *b, conv_shape s, int32_t spatial, bool bias) {
    snprintf(b->title, sizeof b->title, "n%d c%d %dx%d k%d ker%d s%d p%d d%d g%d %dd", s.n, s.c,
             s.h, s.w, s.k, s.ker, s.stride, s.pad, s.dil, s.group, spatial);
    b->op = "conv";
    for (int i = 0; i < 3; i++)
        b->strides[i] = s.stride, b->dilations[i] = s.dil, b->pads[i] = b->pads[i + 3] = s.pad;
    whet_window_attrs *a = &b->attrs.conv.window;
    a->strides = (whet_ints){b->strides, spatial};
    a->dilations = (whet_ints){b->dilations, spatial};
    a->pads = (whet_ints){b->pads, 2 * spatial};
    b->attrs.conv.group = s.group;
    int64_t x[5] = {s.n, s.c}, w[5] = {s.k, s.c / s.group}, y[5] = {s.n, s.k};
    int64_t size[3] = {s.h, s.w, s.w};
    if (spatial == 1) size[0] = s.w;
    for (int i = 0; i < spatial; i++) {
        x[2 + i] = size[i], w[2 + i] = s.ker;
        y[2 + i] = (size[i] + 2 * s.pad - (s.ker - 1) * s.dil - 1) / s.stride + 1;
    }
    b->in[0] = port(2 + spatial, x, false);
    b->in[1] = port(2 + spatial, w, true);
    b->in[2] = port(1, y + 1, true);
    b->n_in = bias ? 3 : 2;
    b->out = port(2 + spatial, y, false);
}

// The transposed convolution with the window of `s`; `more`: output padding.
static void transpose_case(bench_case *b, conv_shape s, int32_t spatial, bool bias, int32_t more) {
    conv_case(b, s, spatial, bias);
    b->op = "conv_transpose";
    whet_window_attrs a = b->attrs.conv.window;
    for (int i = 0; i < 3; i++) b->opads[i] = more;
    b->attrs.transpose = (whet_conv_transpose_attrs){.window = a, .group = s.group};
    b->attrs.transpose.output_padding = (whet_ints){b->opads, spatial};
    b->in[1].dims[0] = s.c, b->in[1].dims[1] = s.k / s.group;
    for (int i = 0; i < spatial; i++)
        b->out.dims[2 + i] = (b->in[0].dims[2 + i] - 1) * s.stride + more +
                             (s.ker - 1) * s.dil + 1 - 2 * s.pad;
}

typedef struct matmul_shape {
    int32_t batch, m, k, n;
    bool constant, trans_a, trans_b;
    int32_t b_batch; // of B: 0 none, else 1 or batch
} matmul_shape;

static void matmul_case(bench_case *b, matmul_shape s, int bias) {
    snprintf(b->title, sizeof b->title, "%dx %dx%dx%d%s%s%s b%d bias%d", s.batch, s.m, s.k, s.n,
             s.constant ? " const" : "", s.trans_a ? " ta" : "", s.trans_b ? " tb" : "", s.b_batch,
             bias);
    b->op = "matmul";
    b->attrs.matmul = (whet_matmul_attrs){s.trans_a, s.trans_b, 1};
    int64_t x[3] = {s.batch, s.trans_a ? s.k : s.m, s.trans_a ? s.m : s.k};
    int64_t w[3] = {s.b_batch, s.trans_b ? s.n : s.k, s.trans_b ? s.k : s.n};
    int64_t y[3] = {s.batch, s.m, s.n};
    b->in[0] = port(3, x, false);
    b->in[1] = s.b_batch ? port(3, w, s.constant) : port(2, w + 1, s.constant);
    b->in[2] = port(1, y + 2, true);
    b->n_in = bias ? 3 : 2;
    b->out = port(3, y, false);
}

static void gemm_case(bench_case *b, matmul_shape s, int bias) {
    matmul_case(b, s, 0);
    b->op = "gemm";
    b->attrs.gemm = (whet_gemm_attrs){0.5f, bias == 2 ? 1 : 0.25f, s.trans_a, s.trans_b};
    int64_t c[2] = {bias == 2 ? s.m : 1, bias == 1 ? s.n : 1};
    for (int i = 0; i < 2; i++) {
        whet_port *p = i ? &b->out : &b->in[0];
        p->rank = 2, p->dims[0] = p->dims[1], p->dims[1] = p->dims[2];
    }
    b->in[2] = port(2, c, true);
    b->n_in = bias ? 3 : 2;
}

typedef struct attention_shape {
    int32_t batch, heads, kv_heads, rows, keys, depth, width;
    bool causal, three;
    int32_t mask; // 0 none, 1 [keys], 2 [rows, keys], 3 full, 4 full bool
} attention_shape;

static void attention_case(bench_case *b, attention_shape s) {
    snprintf(b->title, sizeof b->title, "b%d h%d/%d %dx%d d%d/%d%s%s mask%d", s.batch, s.heads,
             s.kv_heads, s.rows, s.keys, s.depth, s.width, s.causal ? " causal" : "",
             s.three ? " 3d" : "", s.mask);
    b->op = "attention";
    b->attrs.attention = (whet_attention_attrs){.is_causal = s.causal};
    int64_t d[4][4] = {{s.batch, s.heads, s.rows, s.depth}, {s.batch, s.kv_heads, s.keys, s.depth},
                       {s.batch, s.kv_heads, s.keys, s.width}, {s.batch, s.heads, s.rows, s.width}};
    for (int i = 0; i < 4; i++) {
        int64_t three[3] = {s.batch, d[i][2], d[i][1] * d[i][3]};
        whet_port p = s.three ? port(3, three, false) : port(4, d[i], false);
        if (i < 3) b->in[i] = p;
        else b->out = p;
    }
    if (s.three)
        b->attrs.attention.q_num_heads = s.heads, b->attrs.attention.kv_num_heads = s.kv_heads;
    int64_t m[4] = {s.batch, s.heads, s.rows, s.keys};
    int32_t rank = s.mask == 1 ? 1 : s.mask == 2 ? 2 : 4;
    b->in[3] = port(rank, m + 4 - rank, false);
    if (s.mask == 4) b->in[3].dtype = WHET_DTYPE_BOOL;
    b->n_in = s.mask ? 4 : 3;
}

// ---- running one kernel ----

typedef struct job {
    const whet_kernel *k;
    whet_problem p;
    whet_port in[MAX_IN], out;
    int32_t params[WHET_MAX_PARAMS];
    float *buf[MAX_IN], *y, *other;
    void *packed[MAX_IN], *state, *workspace;
    void *scratch[64];
    const void *in_ptr[MAX_IN], *packed_ptr[MAX_IN];
    void *out_ptr[1];
    whet_workers *workers;
    whet_error err;
    int64_t tasks;
    int32_t phase;
} job;

static void job_fork(void *user, int32_t index, int32_t n) {
    job *j = user;
    whet_call c = {.p = &j->p, .params = j->params, .state = j->state, .in = j->in_ptr,
                   .out = j->out_ptr, .other = j->other, .packed = j->packed_ptr,
                   .workspace = j->workspace, .scratch = j->scratch[index], .err = &j->err,
                   .node = "bench"};
    int64_t from = j->tasks * index / n, to = j->tasks * (index + 1) / n;
    if (from < to) j->k->run(&c, j->phase, from, to);
}
static whet_status job_run(void *user) {
    job *j = user;
    int32_t phases = j->k->phases ? j->k->phases : 1;
    for (j->phase = 0; j->phase < phases; j->phase++) {
        j->tasks = j->k->tasks ? j->k->tasks(&j->p, j->params, j->phase) : 1;
        whet_workers_fork(j->workers, j->p.threads, job_fork, j);
    }
    return WHET_OK;
}

static float *to_layout(const whet_port *from, const float *data, const whet_port *to) {
    size_t bytes = whet_layout_bytes(to->layout, to->dtype, to->rank, to->dims);
    float *v = memory(bytes);
    whet_reorder_ref(from, data, to, v);
    int64_t block = whet_layout_block(to->layout);
    if (block > 1) { // garbage lanes must not matter
        int64_t blocks = (to->dims[1] + block - 1) / block, size = count(to) / to->dims[1];
        size /= to->dims[0];
        for (int64_t n = 0; n < to->dims[0]; n++)
            for (int64_t s = 0; s < size; s++)
                for (int64_t c = to->dims[1] % block; c && c < block; c++)
                    v[((n * blocks + blocks - 1) * size + s) * block + c] = NAN;
    }
    return v;
}

static bool job_ports(job *j, const bench_case *b, const options *o, whet_layout l) {
    whet_cpu_info info;
    whet_cpu_identify(&info);
    memcpy(j->in, b->in, sizeof j->in);
    j->out = b->out;
    j->p = (whet_problem){.op = b->op, .attrs = &b->attrs, .n_in = b->n_in, .n_out = 1,
                          .in = j->in, .out = &j->out, .epi = b->epi, .threads = o->threads,
                          .cpu = whet_cpu_features(), .l1d_bytes = info.l1d_bytes,
                          .l2_bytes = info.l2_bytes, .l3_bytes = info.l3_bytes};
    whet_layout in[MAX_IN] = {0}, out[1] = {0};
    if (j->k->ports) {
        j->k->ports(&j->p, l, in, out);
    } else {
        for (int32_t i = 0; i < b->n_in; i++)
            if (!b->in[i].constant && b->in[i].rank == b->out.rank) in[i] = l;
        out[0] = l;
    }
    for (int32_t i = 0; i < b->n_in; i++) j->in[i].layout = in[i];
    j->out.layout = j->p.epi.other.layout = out[0];
    return j->k->accepts(&j->p);
}

static void job_open(job *j, const bench_case *b) {
    const whet_kernel *k = j->k;
    for (int32_t i = 0; i < b->n_in; i++) {
        if (!b->in[i].dtype) continue;
        j->buf[i] = to_layout(&b->in[i], b->data[i], &j->in[i]);
        j->in_ptr[i] = j->buf[i];
        size_t bytes = b->in[i].constant && k->pack_bytes ? k->pack_bytes(&j->p, j->params, i) : 0;
        if (!bytes) continue;
        j->packed[i] = memory(bytes);
        whet_tensor t = {.dtype = WHET_DTYPE_F32, .rank = b->in[i].rank, .data = b->data[i]};
        memcpy(t.dims, b->in[i].dims, sizeof t.dims);
        t.bytes = sizeof(float) * (size_t)count(&b->in[i]);
        k->pack(&j->p, j->params, i, &t, j->packed[i]);
        j->packed_ptr[i] = j->packed[i];
        j->in_ptr[i] = NULL;
    }
    j->other = b->other ? to_layout(&b->out, b->other, &j->out) : NULL;
    size_t bytes = whet_layout_bytes(j->out.layout, WHET_DTYPE_F32, j->out.rank, j->out.dims);
    j->y = memory(bytes + 64);
    memset(j->y, 0xff, bytes + 64);
    j->out_ptr[0] = j->y;
    j->state = memory(k->state_bytes);
    if (k->prepare) k->prepare(&j->p, j->params, j->state);
    j->workspace = memory(k->workspace ? k->workspace(&j->p, j->params) : 0);
    for (int32_t i = 0; i < j->p.threads; i++)
        j->scratch[i] = memory(k->scratch ? k->scratch(&j->p, j->params) : 0);
}

static void job_close(job *j) {
    for (int32_t i = 0; i < MAX_IN; i++) free(j->buf[i]), free(j->packed[i]);
    for (int32_t i = 0; i < j->p.threads; i++) free(j->scratch[i]);
    free(j->y), free(j->other), free(j->state), free(j->workspace);
}

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
        job_run(j);
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
    else whet_bench_run(job_run, j, &opt, samples, 4096, &r);
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
    case_fill(b);
    if (o->check) ref = reference(b, &scale);
    for (int32_t i = 0; i < table->n; i++) {
        const whet_kernel *k = table->kernels[i];
        if (strcmp(k->op, b->op) || (k->cpu & ~whet_cpu_features())) continue;
        if (o->kernel && !strstr(k->name, o->kernel)) continue;
        for (int32_t l = 0; l < WHET_LAYOUT_COUNT; l++) {
            if (!((k->layouts ? k->layouts : 1) >> l & 1)) continue;
            for (int32_t v = 0; v < (o->params || o->check ? 64 : 1); v++) {
                static job j;
                memset(&j, 0, sizeof j);
                j.k = k, j.workers = workers;
                if (!job_ports(&j, b, o, (whet_layout)l)) break;
                if (k->param ? !k->param(&j.p, v, j.params) : v > 0) break;
                if (k->valid && !k->valid(&j.p, j.params)) bad++, printf("invalid params\n");
                job_open(&j, b);
                if (o->check) {
                    job_run(&j);
                    bad += !job_check(&j, b, ref, scale);
                } else {
                    job_time(&j, b, o, peak);
                }
                job_close(&j);
            }
        }
    }
    free(ref);
    case_free(b);
    return bad;
}

static const conv_shape conv_shapes[] = {
    {1, 64, 56, 56, 64, 3, 1, 1, 1, 1},     {1, 128, 28, 28, 128, 3, 1, 1, 1, 1},
    {1, 256, 14, 14, 256, 3, 1, 1, 1, 1},   {1, 512, 7, 7, 512, 3, 1, 1, 1, 1},
    {1, 128, 56, 56, 128, 3, 2, 1, 1, 1},   {1, 64, 56, 56, 64, 1, 1, 0, 1, 1},
    {1, 64, 56, 56, 256, 1, 1, 0, 1, 1},    {1, 256, 56, 56, 64, 1, 1, 0, 1, 1},
    {1, 128, 28, 28, 512, 1, 1, 0, 1, 1},   {1, 512, 28, 28, 128, 1, 1, 0, 1, 1},
    {1, 256, 14, 14, 1024, 1, 1, 0, 1, 1},  {1, 1024, 14, 14, 256, 1, 1, 0, 1, 1},
    {1, 512, 7, 7, 2048, 1, 1, 0, 1, 1},    {1, 2048, 7, 7, 512, 1, 1, 0, 1, 1},
    {1, 256, 56, 56, 512, 1, 2, 0, 1, 1},   {1, 3, 224, 224, 64, 7, 2, 3, 1, 1},
    {1, 3, 224, 224, 32, 3, 2, 1, 1, 1},    {1, 256, 56, 56, 256, 3, 1, 1, 1, 1},
    {1, 64, 224, 224, 64, 3, 1, 1, 1, 1},   {1, 32, 112, 112, 32, 3, 1, 1, 1, 32},
    {1, 96, 112, 112, 96, 3, 2, 1, 1, 96},  {1, 384, 14, 14, 384, 3, 1, 1, 1, 384},
    {1, 672, 14, 14, 672, 5, 1, 2, 1, 672}, {1, 960, 7, 7, 960, 3, 1, 1, 1, 960},
    {1, 128, 56, 56, 128, 3, 1, 1, 1, 32},  {1, 240, 28, 28, 240, 1, 1, 0, 1, 3},
};

static const conv_shape transpose_shapes[] = {
    {1, 64, 64, 64, 64, 2, 2, 0, 1, 1}, {1, 256, 16, 16, 128, 4, 2, 1, 1, 1},
    {1, 512, 7, 7, 256, 3, 2, 1, 1, 1}, {1, 64, 128, 128, 3, 9, 1, 4, 1, 1},
};

static const matmul_shape matmul_shapes[] = {
    {1, 512, 768, 768, true, false, false, 0},   {1, 128, 768, 768, true, false, false, 0},
    {1, 128, 768, 3072, true, false, false, 0},  {1, 128, 3072, 768, true, false, false, 0},
    {1, 384, 1024, 4096, true, false, false, 0}, {1, 384, 4096, 1024, true, false, false, 0},
    {12, 128, 64, 128, false, false, true, 12},  {12, 128, 128, 64, false, false, false, 12},
    {16, 384, 64, 384, false, false, true, 16},  {16, 384, 384, 64, false, false, false, 16},
    {1, 1024, 1024, 1024, false, false, false, 0}, {1, 197, 768, 768, true, false, false, 0},
    {1, 1, 2048, 1000, true, false, false, 0},   {1, 1, 4096, 4096, true, false, false, 0},
    {1, 8, 4096, 4096, true, false, false, 0},   {1, 1, 25088, 4096, true, false, false, 0},
    {1, 1, 1024, 1024, false, false, false, 0},  {1, 1, 1024, 1024, false, false, true, 0},
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
    conv_case(b, s, spatial, below(2));
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
    transpose_case(b, s, spatial, below(2), s.stride > 1 ? (int)below(2) : 0);
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
    if (below(3)) matmul_case(b, s, (int)below(2));
    else s.b_batch = 0, s.batch = 1, gemm_case(b, s, (int)below(4));
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
    attention_case(b, s);
}

static int check_all(const options *o, whet_workers *workers) {
    int bad = 0;
    rng ^= o->seed * 0x9e3779b97f4a7c15u;
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
        for (int i = 0; i < WHET_COUNT(conv_shapes) && (!o.op || !strcmp(o.op, "conv")); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            conv_case(&b, conv_shapes[i], 2, true);
            b.epi.act1 = WHET_PW_RELU;
            run_case(&b, &o, workers, peak);
        }
        for (int i = 0; i < WHET_COUNT(transpose_shapes); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            if (o.op && strcmp(o.op, "conv_transpose")) break;
            transpose_case(&b, transpose_shapes[i], 2, true, 0);
            run_case(&b, &o, workers, peak);
        }
        for (int i = 0; i < WHET_COUNT(matmul_shapes) && (!o.op || !strcmp(o.op, "matmul")); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            matmul_case(&b, matmul_shapes[i], matmul_shapes[i].constant);
            run_case(&b, &o, workers, peak);
        }
        for (int i = 0; i < WHET_COUNT(attention_shapes); i++) {
            bench_case b;
            memset(&b, 0, sizeof b);
            if (o.op && strcmp(o.op, "attention")) break;
            attention_case(&b, attention_shapes[i]);
            run_case(&b, &o, workers, peak);
        }
    }
    whet_workers_destroy(workers);
    return rc;
}
