// SPDX-License-Identifier: Apache-2.0
#include "kern_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rng = 88172645463325252u;
void whet_case_seed(uint64_t seed) { rng ^= seed * 0x9e3779b97f4a7c15u; }
static uint64_t next(void) {
    rng ^= rng << 13, rng ^= rng >> 7;
    return rng ^= rng << 17;
}
int64_t whet_case_below(int64_t n) { return (int64_t)(next() % (uint64_t)n); }
static float uniform(void) { return (float)(next() >> 40) / 8388608.0f - 1.0f; }

int64_t whet_case_count(const whet_port *p) { return whet_dims_count(p->dims, p->rank); }
void *whet_case_memory(size_t bytes) {
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes ? bytes : 64)) exit(2);
    return p;
}
static whet_port port(int32_t rank, const int64_t *dims, bool constant) {
    whet_port p = {.dtype = WHET_DTYPE_F32, .rank = rank, .constant = constant};
    if (rank) memcpy(p.dims, dims, sizeof *dims * (size_t)rank);
    return p;
}
static float *fill(const bench_case *b, const whet_port *p) {
    int64_t n = count(p);
    float *v = memory(sizeof *v * (size_t)n);
    if (p->dtype == WHET_DTYPE_BOOL) {
        for (int64_t i = 0; i < n; i++) ((char *)v)[i] = below(5) != 0;
        return v;
    }
    if (p->dtype == WHET_DTYPE_U8 || p->dtype == WHET_DTYPE_I8) {
        for (int64_t i = 0; i < n; i++) ((char *)v)[i] = (char)below(256);
        return v;
    }
    if (b->quantized && p->dtype == WHET_DTYPE_F32) {
        for (int64_t i = 0; i < n; i++) v[i] = 0.01f;
        return v;
    }
    for (int64_t i = 0; i < n; i++) v[i] = b->integers ? (float)(below(9) - 4) : uniform();
    for (int64_t i = 0; b->in + 3 == p && i < n; i++) v[i] = below(9) ? v[i] : -INFINITY;
    return v;
}
void whet_case_fill(bench_case *b) {
    for (int32_t i = 0; i < b->n_in; i++)
        b->data[i] = b->in[i].dtype ? fill(b, &b->in[i]) : NULL;
    b->other = b->epi.binary ? fill(b, &b->out) : NULL;
    b->epi.other = b->epi.binary ? b->out : (whet_port){0};
}
void whet_case_free(bench_case *b) {
    for (int32_t i = 0; i < b->n_in; i++) free(b->data[i]);
    free(b->other);
}

void whet_case_conv(bench_case *b, conv_shape s, int32_t spatial, bool bias) {
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
void whet_case_transpose(bench_case *b, conv_shape s, int32_t spatial, bool bias, int32_t more) {
    whet_case_conv(b, s, spatial, bias);
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

void whet_case_matmul(bench_case *b, matmul_shape s, int bias) {
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

void whet_case_gemm(bench_case *b, matmul_shape s, int bias) {
    whet_case_matmul(b, s, 0);
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

void whet_case_quantize(bench_case *b) {
    bool conv = !strcmp(b->op, "conv");
    whet_quant_stages any = {-INFINITY, INFINITY, -INFINITY, INFINITY};
    whet_port bias = b->n_in > 2 ? b->in[2] : (whet_port){0}, one = port(0, NULL, true);
    if (conv) {
        any.low = 0;
        whet_conv_attrs a = b->attrs.conv;
        b->attrs.quant_conv = (whet_quant_conv_attrs){a.window, a.group, any};
    } else {
        b->attrs.quant_matmul = (whet_quant_matmul_attrs){b->attrs.matmul.trans_b, any};
    }
    b->op = conv ? "quant_conv" : "quant_matmul";
    b->quantized = true;
    b->epi = (whet_epilogue){0};
    b->in[WHET_QF_X].dtype = b->out.dtype = WHET_DTYPE_U8;
    b->in[WHET_QF_W].dtype = WHET_DTYPE_I8;
    b->in[WHET_QF_BIAS] = bias;
    b->in[WHET_QF_X_SCALE] = b->in[WHET_QF_Y_SCALE] = one;
    int64_t channels = b->out.dims[conv ? 1 : b->out.rank - 1];
    b->in[WHET_QF_W_SCALE] = port(1, &channels, true);
    b->n_in = WHET_QF_COUNT;
}

void whet_case_attention(bench_case *b, attention_shape s) {
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

static void job_fork(void *user, int32_t index, int32_t n) {
    job *j = user;
    whet_call c = {.p = &j->p, .params = j->params, .state = j->state, .in = j->in_ptr,
                   .out = j->out_ptr, .other = j->other, .packed = j->packed_ptr,
                   .workspace = j->workspace, .scratch = j->scratch[index], .err = &j->err,
                   .node = "bench"};
    int64_t from = j->tasks * index / n, to = j->tasks * (index + 1) / n;
    if (from < to) j->k->run(&c, j->phase, from, to);
}
whet_status whet_job_run(void *user) {
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
    if (block > 1 && to->dtype == WHET_DTYPE_F32) { // garbage lanes must not matter
        int64_t blocks = (to->dims[1] + block - 1) / block, size = count(to) / to->dims[1];
        size /= to->dims[0];
        for (int64_t n = 0; n < to->dims[0]; n++)
            for (int64_t s = 0; s < size; s++)
                for (int64_t c = to->dims[1] % block; c && c < block; c++)
                    v[((n * blocks + blocks - 1) * size + s) * block + c] = NAN;
    }
    return v;
}

bool whet_job_ports(job *j, const bench_case *b, int32_t threads, whet_layout l,
                    whet_store store) {
    whet_cpu_info info;
    whet_cpu_identify(&info);
    memcpy(j->in, b->in, sizeof j->in);
    j->out = b->out;
    j->p = (whet_problem){.op = b->op, .attrs = &b->attrs, .n_in = b->n_in, .n_out = 1,
                          .in = j->in, .out = &j->out, .epi = b->epi, .threads = threads,
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
    for (int32_t i = 0; i < b->n_in; i++) {
        j->in[i].layout = in[i];
        if (b->in[i].constant) j->in[i].data = b->data[i];
    }
    j->out.layout = j->p.epi.other.layout = out[0];
    whet_problem_store(&j->p, store);
    return j->k->accepts(&j->p);
}

void whet_job_open(job *j, const bench_case *b) {
    const whet_kernel *k = j->k;
    for (int32_t i = 0; i < b->n_in; i++) {
        if (!b->in[i].dtype) continue;
        j->buf[i] = to_layout(&b->in[i], b->data[i], &j->in[i]);
        j->in_ptr[i] = j->buf[i];
        size_t bytes = b->in[i].constant && k->pack_bytes ? k->pack_bytes(&j->p, j->params, i) : 0;
        if (!bytes) continue;
        j->packed[i] = memory(bytes);
        whet_tensor t = {.dtype = b->in[i].dtype, .rank = b->in[i].rank, .data = b->data[i]};
        memcpy(t.dims, b->in[i].dims, sizeof t.dims);
        t.bytes = whet_tensor_bytes(t.dtype, count(&b->in[i]));
        k->pack(&j->p, j->params, i, &t, j->packed[i]);
        j->packed_ptr[i] = j->packed[i];
        j->in_ptr[i] = NULL;
    }
    j->other = b->other ? to_layout(&b->out, b->other, &j->out) : NULL;
    size_t bytes = whet_layout_bytes(j->out.layout, j->out.dtype, j->out.rank, j->out.dims);
    j->y = memory(bytes + 64);
    memset(j->y, 0xff, bytes + 64);
    j->out_ptr[0] = j->y;
    j->state = memory(k->state_bytes);
    if (k->prepare) k->prepare(&j->p, j->params, j->state);
    j->workspace = memory(k->workspace ? k->workspace(&j->p, j->params) : 0);
    for (int32_t i = 0; i < j->p.threads; i++)
        j->scratch[i] = memory(k->scratch ? k->scratch(&j->p, j->params) : 0);
}

void whet_job_close(job *j) {
    for (int32_t i = 0; i < MAX_IN; i++) free(j->buf[i]), free(j->packed[i]);
    for (int32_t i = 0; i < j->p.threads; i++) free(j->scratch[i]);
    free(j->y), free(j->other), free(j->state), free(j->workspace);
}

const conv_shape whet_case_convs[] = {
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
const int32_t whet_case_n_convs = WHET_COUNT(whet_case_convs);

const matmul_shape whet_case_matmuls[] = {
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
const int32_t whet_case_n_matmuls = WHET_COUNT(whet_case_matmuls);
