// SPDX-License-Identifier: Apache-2.0
// Poolings over all spatial dimensions: global_average_pool, global_lp_pool, global_max_pool.
#include <math.h>

#include "ops/op.h"

typedef struct global_lp_attrs {
    int64_t p;
} global_lp_attrs;

static whet_status global_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    if (x->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has rank %d, must be [n, c, spatial...]",
                  (int)x->rank);
    whet_dim dims[WHET_MAX_RANK];
    for (int32_t i = 0; i < x->rank; i++) dims[i] = i < 2 ? x->dims[i] : 1;
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

static whet_status global_eval(whet_eval *e, double (*reduce)(const double *, int64_t, double),
                               double p) {
    const whet_tensor *t = &e->in[0];
    int64_t planes = t->dims[0] * t->dims[1], area = whet_dims_count(t->dims + 2, t->rank - 2);
    const double *x = whet_eval_f64(e, 0);
    if (!x) return WHET_E_NOMEM;
    for (int64_t i = 0; i < planes; i++)
        whet_store_f64(e->out[0].data, e->out[0].dtype, i, reduce(x + i * area, area, p));
    return WHET_OK;
}

static double average(const double *x, int64_t n, double p) {
    double sum = 0;
    (void)p;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}
static double largest(const double *x, int64_t n, double p) {
    double best = -INFINITY;
    (void)p;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > best) best = x[i];
    return best;
}
static double norm(const double *x, int64_t n, double p) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += pow(fabs(x[i]), p);
    return pow(sum, 1 / p);
}

static whet_status average_eval(whet_eval *e) { return global_eval(e, average, 0); }
static whet_status max_eval(whet_eval *e) { return global_eval(e, largest, 0); }
static whet_status lp_eval(whet_eval *e) {
    return global_eval(e, norm, (double)((const global_lp_attrs *)e->attrs)->p);
}

static double global_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                           const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return (double)whet_tensor_count(&in[0]);
}

static const whet_arg global_in[] = {{"X", WHET_DTYPES_FLOAT, 'T'}};
static const whet_arg global_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_onnx_row average_onnx[] = {{"", "GlobalAveragePool", 1, 0, NULL}};
static const whet_onnx_row max_onnx[] = {{"", "GlobalMaxPool", 1, 0, NULL}};
// Version 1: p is a float; as for LpPool-1.
static const whet_onnx_row lp_onnx[] = {
    {"", "GlobalLpPool", 1, 1, "lp_pool_1"},
    {"", "GlobalLpPool", 2, 0, NULL},
};
static const whet_attr lp_attrs[] = {
    {"p", WHET_ATTR_INT, offsetof(global_lp_attrs, p), .def = 2, .min = 1, .max = INT32_MAX},
};

const whet_op whet_op_global_average_pool = {
    .name = "global_average_pool",
    .in = global_in,
    .n_in = WHET_COUNT(global_in),
    .out = global_out,
    .n_out = WHET_COUNT(global_out),
    .onnx = average_onnx,
    .n_onnx = WHET_COUNT(average_onnx),
    .infer = global_infer,
    .eval = average_eval,
    .flops = global_flops,
};
const whet_op whet_op_global_lp_pool = {
    .name = "global_lp_pool",
    .in = global_in,
    .n_in = WHET_COUNT(global_in),
    .out = global_out,
    .n_out = WHET_COUNT(global_out),
    .attrs = lp_attrs,
    .n_attrs = WHET_COUNT(lp_attrs),
    .attrs_size = sizeof(global_lp_attrs),
    .onnx = lp_onnx,
    .n_onnx = WHET_COUNT(lp_onnx),
    .infer = global_infer,
    .eval = lp_eval,
    .flops = global_flops,
};
const whet_op whet_op_global_max_pool = {
    .name = "global_max_pool",
    .in = global_in,
    .n_in = WHET_COUNT(global_in),
    .out = global_out,
    .n_out = WHET_COUNT(global_out),
    .onnx = max_onnx,
    .n_onnx = WHET_COUNT(max_onnx),
    .infer = global_infer,
    .eval = max_eval,
    .flops = global_flops,
};
