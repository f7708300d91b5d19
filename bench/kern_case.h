// SPDX-License-Identifier: Apache-2.0
// Single problems with data, and single kernels that run on them: shared by the programs here.
#ifndef WHET_BENCH_KERN_CASE_H
#define WHET_BENCH_KERN_CASE_H

#include "base/bench.h"
#include "base/workers.h"
#include "kern/kernel.h"
#include "ops/quant_fused.h"

#define MAX_IN 16 // as many as quant_conv has

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
        whet_quant_conv_attrs quant_conv;
        whet_quant_matmul_attrs quant_matmul;
    } attrs;
    int64_t strides[3], dilations[3], pads[6], opads[3];
    int32_t n_in;
    whet_port in[MAX_IN], out;
    whet_epilogue epi;
    float *data[MAX_IN], *other;
    bool integers, quantized;
} bench_case;

typedef struct conv_shape {
    int32_t n, c, h, w, k, ker, stride, pad, dil, group;
} conv_shape;

typedef struct matmul_shape {
    int32_t batch, m, k, n;
    bool constant, trans_a, trans_b;
    int32_t b_batch; // of B: 0 none, else 1 or batch
} matmul_shape;

typedef struct attention_shape {
    int32_t batch, heads, kv_heads, rows, keys, depth, width;
    bool causal, three;
    int32_t mask; // 0 none, 1 [keys], 2 [rows, keys], 3 full, 4 full bool
} attention_shape;

// The shapes of the tables, of networks in use.
extern const conv_shape whet_case_convs[];
extern const int32_t whet_case_n_convs;
extern const matmul_shape whet_case_matmuls[];
extern const int32_t whet_case_n_matmuls;

void whet_case_seed(uint64_t seed);
int64_t whet_case_below(int64_t n); // random, 0 .. n - 1
int64_t whet_case_count(const whet_port *p);
void *whet_case_memory(size_t bytes); // 64-byte aligned; ends the program when there is none
static inline int64_t below(int64_t n) { return whet_case_below(n); }
static inline int64_t count(const whet_port *p) { return whet_case_count(p); }
static inline void *memory(size_t bytes) { return whet_case_memory(bytes); }

// Each describes a problem; fill makes its data.
void whet_case_conv(bench_case *b, conv_shape s, int32_t spatial, bool bias);
// The transposed convolution with the window of `s`; `more`: output padding.
void whet_case_transpose(bench_case *b, conv_shape s, int32_t spatial, bool bias, int32_t more);
void whet_case_matmul(bench_case *b, matmul_shape s, int bias);
void whet_case_gemm(bench_case *b, matmul_shape s, int bias);
void whet_case_attention(bench_case *b, attention_shape s);
// Makes a conv (with its ReLU) or a matmul one of u8 by i8 to u8, a scale for each output channel.
void whet_case_quantize(bench_case *b);
void whet_case_fill(bench_case *b);
void whet_case_free(bench_case *b);

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

// Lays the ports of the case out as the kernel j->k wants them, stored as `store` says; false when
// it does not accept that. Then open, which packs and allocates, any number of runs, close.
bool whet_job_ports(job *j, const bench_case *b, int32_t threads, whet_layout l, whet_store store);
void whet_job_open(job *j, const bench_case *b);
whet_status whet_job_run(void *j);
void whet_job_close(job *j);

#endif
