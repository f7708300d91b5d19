// SPDX-License-Identifier: Apache-2.0
// The fastest kernel beside oneDNN's primitive, each in the layouts it likes best, constants
// packed: convolutions with ReLU and products of kern_bench's shapes, FP32, BF16 and u8 by s8.
//   onednn [--threads=N] [--op=conv|matmul] [--type=f32|bf16|int8] [--seconds=S]
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "kern_case.h"

#define ROUNDS 15

typedef struct options {
    int32_t threads;
    const char *op, *type;
    double seconds;
} options;

// ---- oneDNN's side ----

typedef struct types {
    dnnl_data_type_t x, w, y;
} types;

typedef struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[4];
    dnnl_exec_arg_t args[4];
    int n_args;
} peer;

static bool describe(dnnl_memory_desc_t *d, const whet_port *p, int32_t skip, dnnl_data_type_t type,
                     bool plain) {
    static const dnnl_format_tag_t tags[] = {dnnl_a, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd};
    dnnl_dims_t dims;
    int n = p->rank - skip;
    if (n < 1 || n > 4) return false;
    for (int i = 0; i < n; i++) dims[i] = p->dims[skip + i];
    return !dnnl_memory_desc_init_by_tag(d, n, dims, type, plain ? tags[n] : dnnl_format_tag_any);
}

// A factor for each output channel where results are 8-bit numbers.
static void set_scales(dnnl_primitive_attr_t attr, types t, int64_t channels, int axis) {
    static float scales[4096];
    if (t.y != dnnl_u8 || channels > 4096) return;
    for (int i = 0; i < 4096; i++) scales[i] = 0.01f;
    dnnl_primitive_attr_set_output_scales(attr, channels, 1 << axis, scales);
}

static bool conv_open(peer *o, const bench_case *b, types t) {
    const whet_conv_attrs *a = &b->attrs.conv;
    whet_port weights = b->in[1];
    if (a->group > 1) { // oneDNN has the groups as a dimension of the weights
        weights.rank = 5;
        memmove(weights.dims + 1, weights.dims, 4 * sizeof *weights.dims);
        weights.dims[0] = a->group, weights.dims[1] /= a->group;
    }
    dnnl_memory_desc_t x, w, bias, y;
    dnnl_dims_t dims;
    memcpy(dims, weights.dims, sizeof *dims * (size_t)weights.rank);
    if (dnnl_memory_desc_init_by_tag(&w, weights.rank, dims, t.w, dnnl_format_tag_any) ||
        !describe(&x, &b->in[0], 0, t.x, false) || !describe(&y, &b->out, 0, t.y, false) ||
        !describe(&bias, &b->in[2], 0, dnnl_f32, true))
        return false;
    dnnl_dims_t strides, dilations, pads;
    for (int i = 0; i < 2; i++)
        strides[i] = b->strides[i], dilations[i] = b->dilations[i] - 1, pads[i] = b->pads[i];
    dnnl_convolution_desc_t d;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    dnnl_primitive_attr_create(&attr);
    dnnl_post_ops_create(&ops);
    dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
    dnnl_primitive_attr_set_post_ops(attr, ops);
    set_scales(attr, t, b->out.dims[1], 1);
    // "auto" lets it take Winograd where it thinks that faster
    bool ok = false;
    static const dnnl_alg_kind_t kinds[] = {dnnl_convolution_auto, dnnl_convolution_direct};
    for (int i = 0; i < 2 && !ok; i++)
        ok = !dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference, kinds[i], &x,
                                                         &w, &bias, &y, strides, dilations, pads,
                                                         pads) &&
             !dnnl_primitive_desc_create(&o->desc, &d, attr, o->engine, NULL);
    dnnl_post_ops_destroy(ops);
    dnnl_primitive_attr_destroy(attr);
    return ok;
}

static bool matmul_open(peer *o, const bench_case *b, types t) {
    dnnl_memory_desc_t x, w, y;
    int32_t skip = b->in[1].rank == 2; // the batch of 1
    dnnl_matmul_desc_t d;
    whet_port right = b->in[1];
    bool quantized = !strcmp(b->op, "quant_matmul");
    bool turn = quantized ? b->attrs.quant_matmul.trans_b : b->attrs.matmul.trans_b;
    bool turned = turn && !right.constant;
    if (turn) {
        int64_t *e = right.dims + right.rank - 2, k = e[0];
        e[0] = e[1], e[1] = k;
    }
    bool ok = describe(&x, &b->in[0], skip, t.x, true) &&
              describe(&y, &b->out, skip, t.y, true) &&
              describe(&w, &right, 0, t.w, !right.constant);
    if (ok && turned) {
        dnnl_dims_t dims;
        memcpy(dims, right.dims, sizeof *dims * (size_t)right.rank);
        ok = !dnnl_memory_desc_init_by_tag(&w, right.rank, dims, t.w,
                                           right.rank == 2 ? dnnl_ba : dnnl_acb);
    }
    dnnl_memory_desc_t bias;
    dnnl_dims_t one = {1, 1, 1};
    int n = b->out.rank - skip;
    one[n - 1] = b->out.dims[b->out.rank - 1];
    dnnl_memory_desc_init_by_tag(&bias, n, one, dnnl_f32, n == 2 ? dnnl_ab : dnnl_abc);
    dnnl_primitive_attr_t attr;
    dnnl_primitive_attr_create(&attr);
    set_scales(attr, t, one[n - 1], n - 1);
    bool biased = b->n_in > 2 && b->in[2].dtype;
    ok = ok && !dnnl_matmul_desc_init(&d, &x, &w, biased ? &bias : NULL, &y) &&
         !dnnl_primitive_desc_create(&o->desc, &d, attr, o->engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return ok;
}

// Memory in the layout that the primitive asks for; the numbers do not matter to the time.
static bool add_argument(peer *o, int arg, dnnl_query_t query, int index) {
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(o->desc, query, index);
    if (!d || !dnnl_memory_desc_get_size(d)) return true;
    dnnl_memory_t m;
    void *data = NULL;
    if (dnnl_memory_create(&m, d, o->engine, DNNL_MEMORY_ALLOCATE)) return false;
    dnnl_memory_get_data_handle(m, &data);
    size_t size = dnnl_memory_desc_get_size(d);
    for (size_t i = 0; i < size / 2; i++) // as bf16 and as f32 between 1/4 and 1
        ((uint16_t *)data)[i] = (uint16_t)(0x3e80 + below(0x100));
    o->args[o->n_args] = (dnnl_exec_arg_t){arg, m};
    o->memory[o->n_args++] = m;
    return true;
}

static bool peer_open(peer *o, const bench_case *b, const char *type) {
    types t = {dnnl_f32, dnnl_f32, dnnl_f32};
    if (!strcmp(type, "bf16")) t = (types){dnnl_bf16, dnnl_bf16, dnnl_bf16};
    if (!strcmp(type, "int8")) t = (types){dnnl_u8, dnnl_s8, dnnl_u8};
    bool conv = strstr(b->op, "conv");
    if (!(conv ? conv_open(o, b, t) : matmul_open(o, b, t))) return false;
    return add_argument(o, DNNL_ARG_SRC, dnnl_query_src_md, 0) &&
           add_argument(o, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0) &&
           add_argument(o, DNNL_ARG_BIAS, dnnl_query_weights_md, 1) &&
           add_argument(o, DNNL_ARG_DST, dnnl_query_dst_md, 0) &&
           !dnnl_primitive_create(&o->primitive, o->desc);
}

static void peer_close(peer *o) {
    dnnl_primitive_destroy(o->primitive);
    dnnl_primitive_desc_destroy(o->desc);
    for (int i = 0; i < o->n_args; i++) dnnl_memory_destroy(o->memory[i]);
    o->primitive = NULL, o->desc = NULL, o->n_args = 0;
}

static whet_status peer_run(void *user) {
    peer *o = user;
    dnnl_primitive_execute(o->primitive, o->stream, o->n_args, o->args);
    dnnl_stream_wait(o->stream);
    return WHET_OK;
}

// ---- both ----

static double median(whet_bench_fn run, void *user, double seconds) {
    static double samples[4096];
    whet_bench_options settings = {.warmup_seconds = 0, .seconds = seconds, .min_runs = 3};
    whet_bench_result r;
    whet_bench_run(run, user, &settings, samples, 4096, &r);
    return r.median;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Opens the fastest way to compute the case, by a short measurement of each.
static bool job_choose(job *best, const bench_case *b, const options *o, whet_workers *workers) {
    const whet_kernel_table *table = whet_kernels_builtin();
    whet_store store = !strcmp(o->type, "bf16") ? WHET_STORE_BF16 : WHET_STORE_OWN;
    whet_layout layout = WHET_LAYOUT_PLAIN;
    double least = INFINITY;
    static job j;
    for (int32_t i = 0; i < table->n; i++) {
        const whet_kernel *k = table->kernels[i];
        uint32_t stores = k->stores ? k->stores : 1;
        if (strcmp(k->op, b->op) || (k->cpu & ~whet_cpu_features()) || k->backend) continue;
        if (!(stores >> store & 1)) continue;
        for (int32_t n = 0; n < WHET_LAYOUT_COUNT * 64; n++) {
            int32_t l = n / 64, v = n % 64;
            memset(&j, 0, sizeof j);
            j.k = k, j.workers = workers;
            if (!((k->layouts ? k->layouts : 1) >> l & 1) ||
                !whet_job_ports(&j, b, o->threads, (whet_layout)l, store) ||
                (k->param ? !k->param(&j.p, v, j.params) : v > 0)) {
                n |= 63; // on to the next layout
                continue;
            }
            whet_job_open(&j, b);
            double t = median(whet_job_run, &j, o->seconds / 50);
            whet_job_close(&j);
            if (!(t < least)) continue;
            least = t;
            best->k = k, best->workers = workers;
            memcpy(best->params, j.params, sizeof j.params);
            layout = (whet_layout)l;
        }
    }
    if (isinf(least)) return false;
    whet_job_ports(best, b, o->threads, layout, store);
    whet_job_open(best, b);
    return true;
}

static void compare(bench_case *b, const options *o, peer *p, whet_workers *workers) {
    static job j;
    double ours[ROUNDS], theirs[ROUNDS];
    memset(&j, 0, sizeof j);
    if (!strcmp(o->type, "int8")) whet_case_quantize(b);
    whet_case_fill(b);
    if (!peer_open(p, b, o->type)) {
        printf("%-40s oneDNN does not take it\n", b->title);
    } else if (!job_choose(&j, b, o, workers)) {
        printf("%-40s no kernel\n", b->title);
    } else {
        for (int i = 0; i < ROUNDS; i++) {
            ours[i] = median(whet_job_run, &j, o->seconds / ROUNDS);
            theirs[i] = median(peer_run, p, o->seconds / ROUNDS);
        }
        qsort(ours, ROUNDS, sizeof *ours, by_value);
        qsort(theirs, ROUNDS, sizeof *theirs, by_value);
        double a = ours[ROUNDS / 2], c = theirs[ROUNDS / 2];
        const char *how = "";
        dnnl_primitive_desc_query(p->desc, dnnl_query_impl_info_str, 0, (void *)&how);
        printf("%-40s %10.2f us %10.2f us  ratio %.3f  %s | %s\n", b->title, a * 1e6, c * 1e6,
               a / c, j.k->name, how);
        fflush(stdout);
        whet_job_close(&j);
    }
    peer_close(p);
    whet_case_free(b);
}

static bool parse(options *o, int argc, char **argv) {
    *o = (options){.threads = 1, .type = "f32", .seconds = 0.5};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!strncmp(a, "--threads=", 10)) o->threads = atoi(a + 10);
        else if (!strncmp(a, "--op=", 5)) o->op = a + 5;
        else if (!strncmp(a, "--type=", 7)) o->type = a + 7;
        else if (!strncmp(a, "--seconds=", 10)) o->seconds = atof(a + 10);
        else return false;
    }
    return o->threads >= 1 && o->threads <= 64 && o->seconds > 0 &&
           (!strcmp(o->type, "f32") || !strcmp(o->type, "bf16") || !strcmp(o->type, "int8"));
}

int main(int argc, char **argv) {
    options o;
    whet_workers *workers;
    static whet_error err;
    static peer p;
    static bench_case b;
    if (!parse(&o, argc, argv)) return 2;
    omp_set_num_threads(o.threads);
    if (whet_workers_create(o.threads, &workers, &err) ||
        dnnl_engine_create(&p.engine, dnnl_cpu, 0) ||
        dnnl_stream_create(&p.stream, p.engine, dnnl_stream_default_flags))
        return 1;
    const dnnl_version_t *v = dnnl_version();
    printf("oneDNN %d.%d.%d, %s, %d threads: whet, oneDNN, whet / oneDNN\n", v->major, v->minor,
           v->patch, o.type, o.threads);
    for (int i = 0; i < whet_case_n_convs && (!o.op || !strcmp(o.op, "conv")); i++) {
        memset(&b, 0, sizeof b);
        whet_case_conv(&b, whet_case_convs[i], 2, true);
        b.epi.act1 = WHET_PW_RELU;
        compare(&b, &o, &p, workers);
    }
    for (int i = 0; i < whet_case_n_matmuls && (!o.op || !strcmp(o.op, "matmul")); i++) {
        memset(&b, 0, sizeof b);
        whet_case_matmul(&b, whet_case_matmuls[i], whet_case_matmuls[i].constant);
        if (!strcmp(o.type, "int8") && !whet_case_matmuls[i].constant) continue;
        compare(&b, &o, &p, workers);
    }
    dnnl_stream_destroy(p.stream);
    dnnl_engine_destroy(p.engine);
    whet_workers_destroy(workers);
    return 0;
}
