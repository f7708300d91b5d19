// SPDX-License-Identifier: Apache-2.0
// com.microsoft MatMulBnb4: A times the transpose of B [n, k], of which each number is one of 16 of
// a table, in codes of 4 bits (high ones first), times the scale of its block of block_size numbers
// of B in a row. Tables: NF4 of Dettmers et al., "QLoRA", 2023; FP4 is a float of that many bits.
#include "ops/matrix.h"

enum { A, B, ABSMAX };

typedef struct bnb4_attrs {
    int64_t k, n, block_size, quant_type, trans_b;
    bool training_mode;
} bnb4_attrs;

static const double tables[2][16] = {
    {0, 0.00520833333333333, 0.66666666666666667, 1, 0.33333333333333333, 0.5, 0.16666666666666667,
     0.25, 0, -0.00520833333333333, -0.66666666666666667, -1, -0.33333333333333333, -0.5,
     -0.16666666666666667, -0.25},
    {-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
     -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
     0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
     0.7229568362236023, 1},
};

static whet_status check_count(whet_infer *ctx, int32_t in, int64_t want) {
    const whet_type *t = ctx->in[in];
    whet_dim count = 1;
    for (int32_t i = 0; i < t->rank; i++) count = whet_dim_mul(ctx->dims, count, t->dims[i]);
    return whet_infer_same(ctx, count, want, ctx->op->in[in].name);
}

static whet_status bnb4_infer(whet_infer *ctx) {
    const bnb4_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[A];
    whet_dim dims[WHET_MAX_RANK];
    int64_t size = a->k * a->n; // each below 2^31
    if (a->trans_b != 1)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "B must be stored transposed (transB = 1)");
    if (x->rank < 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "A is a scalar");
    WHET_TRY(check_count(ctx, B, (size + 1) / 2));
    WHET_TRY(check_count(ctx, ABSMAX, (size - 1) / a->block_size + 1));
    WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - 1], a->k, "columns of A and K"));
    for (int32_t i = 0; i < x->rank; i++) dims[i] = i < x->rank - 1 ? x->dims[i] : a->n;
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

static whet_status bnb4_eval(whet_eval *e) {
    const bnb4_attrs *a = e->attrs;
    const uint8_t *codes = e->in[B].data;
    const double *x = whet_eval_f64(e, A), *scales = whet_eval_f64(e, ABSMAX);
    int64_t count = whet_tensor_count(&e->out[0]);
    double *w = whet_eval_raw_f64(e, a->k * a->n), *y = whet_eval_scratch_f64(e, count);
    if (!x || !scales || !w || !y) return WHET_E_NOMEM;
    for (int64_t i = 0; i < a->k * a->n; i++) {
        int32_t code = codes[i / 2] >> (i % 2 ? 0 : 4) & 15;
        w[i % a->k * a->n + i / a->k] = tables[a->quant_type][code] * scales[i / a->block_size];
    }
    whet_matrix_mul_f64(count / a->n, a->n, a->k, x, a->k, w, a->n, y, a->n);
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static double bnb4_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)in, (void)n_in, (void)n_out;
    return 2 * (double)((const bnb4_attrs *)attrs)->k * (double)whet_tensor_count(&out[0]);
}

#define FIELD(name) offsetof(bnb4_attrs, name)

const whet_op whet_op_ms_matmul_bnb4 = {
    .name = "ms_matmul_bnb4",
    WHET_IN({"A", WHET_DTYPES_FLOAT, 'T'}, {"B", WHET_DTYPE_BIT(WHET_DTYPE_U8)},
            {"absmax", WHET_DTYPES_FLOAT, 'T'}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(bnb4_attrs,
               {"K", WHET_ATTR_INT, FIELD(k), true, .min = 1, .max = INT32_MAX},
               {"N", WHET_ATTR_INT, FIELD(n), true, .min = 1, .max = INT32_MAX},
               {"block_size", WHET_ATTR_INT, FIELD(block_size), true, .min = 16,
                .max = INT32_MAX},
               {"quant_type", WHET_ATTR_INT, FIELD(quant_type), true, .min = 0, .max = 1},
               {"transB", WHET_ATTR_INT, FIELD(trans_b), .def = 1},
               {"training_mode", WHET_ATTR_BOOL, FIELD(training_mode)}), // has no say here
    WHET_ONNX({"com.microsoft", "MatMulBnb4", 1, 0, NULL}),
    .infer = bnb4_infer,
    .eval = bnb4_eval,
    .flops = bnb4_flops,
};
