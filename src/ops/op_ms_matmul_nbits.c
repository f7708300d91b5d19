// SPDX-License-Identifier: Apache-2.0
// com.microsoft MatMulNBits: A times the transpose of B [n, k], whose rows are stored in blocks of
// block_size numbers of `bits` bits (low ones first in each byte), each block with a scale and a
// zero point (half the range when absent). g_idx names the block of each column instead.
#include <inttypes.h>

#include "ops/block_matmul.h"
#include "ops/matrix.h"

enum {
    A = WHET_NBITS_A,
    B = WHET_NBITS_B,
    SCALES = WHET_NBITS_SCALES,
    ZEROS = WHET_NBITS_ZEROS,
    GROUPS = WHET_NBITS_GROUPS,
    BIAS = WHET_NBITS_BIAS
};
typedef whet_nbits_attrs nbits_attrs;

static int64_t blocks_of(const nbits_attrs *a) { return (a->k - 1) / a->block_size + 1; }
static int64_t zero_bytes(const nbits_attrs *a) { return (blocks_of(a) * a->bits + 7) / 8; }

// Input `in` has `want` elements in whatever shape.
static whet_status check_count(whet_infer *ctx, int32_t in, int64_t want) {
    const whet_type *t = ctx->in[in];
    whet_dim count = 1;
    for (int32_t i = 0; i < t->rank; i++) count = whet_dim_mul(ctx->dims, count, t->dims[i]);
    return whet_infer_same(ctx, count, want, ctx->op->in[in].name);
}

static whet_status check_params(whet_infer *ctx, const nbits_attrs *a) {
    int64_t blocks = blocks_of(a);
    if ((a->bits != 2 && a->bits != 4 && a->bits != 8) || a->block_size & (a->block_size - 1))
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED,
                  "%" PRId64 " bits in blocks of %" PRId64 "; 2, 4 and 8 in powers of two are"
                  " supported", a->bits, a->block_size);
    if (whet_infer_has(ctx, GROUPS)) { // may be there for the unused end of the last block too
        whet_dim groups = ctx->in[GROUPS]->dims[0];
        WHET_TRY(whet_infer_rank(ctx, GROUPS, 1));
        if (groups != blocks * a->block_size)
            WHET_TRY(whet_infer_same(ctx, groups, a->k, "elements of g_idx and K"));
    }
    int64_t bytes;
    if (__builtin_mul_overflow(a->n * blocks, a->block_size * a->bits / 8, &bytes))
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "B is too large");
    WHET_TRY(check_count(ctx, B, bytes));
    WHET_TRY(check_count(ctx, SCALES, a->n * blocks));
    if (whet_infer_has(ctx, ZEROS)) {
        whet_dtype dtype = ctx->in[ZEROS]->dtype;
        if (dtype != WHET_DTYPE_U8 && dtype != ctx->in[SCALES]->dtype)
            WHET_FAIL(ctx->err, WHET_E_DTYPE, "zero_points are %s, scales %s",
                      whet_dtype_text(dtype), whet_dtype_text(ctx->in[SCALES]->dtype));
        WHET_TRY(check_count(ctx, ZEROS, a->n * (dtype == WHET_DTYPE_U8 ? zero_bytes(a) : blocks)));
    }
    return whet_infer_has(ctx, BIAS) ? check_count(ctx, BIAS, a->n) : WHET_OK;
}

static whet_status nbits_infer(whet_infer *ctx) {
    const nbits_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[A];
    whet_dim dims[WHET_MAX_RANK];
    WHET_TRY(check_params(ctx, a));
    if (x->rank < 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "A is a scalar");
    WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - 1], a->k, "columns of A and K"));
    for (int32_t i = 0; i < x->rank; i++) dims[i] = i < x->rank - 1 ? x->dims[i] : a->n;
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

static double bits_at(const uint8_t *data, int64_t i, int64_t bits) {
    int64_t per_byte = 8 / bits;
    return (double)(data[i / per_byte] >> (i % per_byte * bits) & ((1 << bits) - 1));
}

static double zero_at(const whet_eval *e, const nbits_attrs *a, int64_t row, int64_t block) {
    if (!whet_eval_has(e, ZEROS)) return (double)(1 << (a->bits - 1));
    const whet_tensor *t = &e->in[ZEROS];
    if (t->dtype == WHET_DTYPE_U8)
        return bits_at((const uint8_t *)t->data + row * zero_bytes(a), block, a->bits);
    return whet_load_f64(t->data, t->dtype, row * blocks_of(a) + block);
}

// The block of each column of A. NULL: out of memory, or an index outside (error set).
static const int64_t *block_numbers(whet_eval *e, const nbits_attrs *a) {
    int64_t *v = whet_eval_scratch_i64(e, a->k);
    for (int64_t i = 0; v && i < a->k; i++) {
        v[i] = i / a->block_size;
        if (!whet_eval_has(e, GROUPS)) continue;
        v[i] = whet_load_i64(e->in[GROUPS].data, e->in[GROUPS].dtype, i);
        if (v[i] < 0 || v[i] >= blocks_of(a)) {
            whet_error_set(e->err, WHET_E_RANGE, "g_idx %" PRId64 " is %" PRId64 " of %" PRId64, i,
                           v[i], blocks_of(a));
            return NULL;
        }
    }
    return v;
}

// B as numbers, transposed: [k, n].
static double *dequantize(whet_eval *e, const nbits_attrs *a) {
    int64_t blocks = blocks_of(a), block_bytes = a->block_size * a->bits / 8, size;
    const int64_t *block = block_numbers(e, a);
    if (!block) return NULL;
    if (__builtin_mul_overflow(a->k, a->n, &size)) size = -1;
    double *w = whet_eval_raw_f64(e, size);
    for (int64_t row = 0; w && row < a->n; row++)
        for (int64_t i = 0; i < a->k; i++) {
            const uint8_t *data = e->in[B].data;
            data += (row * blocks + i / a->block_size) * block_bytes;
            double scale = whet_load_f64(e->in[SCALES].data, e->in[SCALES].dtype,
                                         row * blocks + block[i]);
            double q = bits_at(data, i % a->block_size, a->bits) - zero_at(e, a, row, block[i]);
            w[i * a->n + row] = q * scale;
        }
    return w;
}

static whet_status nbits_eval(whet_eval *e) {
    const nbits_attrs *a = e->attrs;
    int64_t count = whet_tensor_count(&e->out[0]), m = count / a->n;
    const double *x = whet_eval_f64(e, A), *w = dequantize(e, a), *bias = NULL;
    double *y = whet_eval_scratch_f64(e, count);
    if (whet_eval_has(e, BIAS) && !(bias = whet_eval_f64(e, BIAS))) return WHET_E_NOMEM;
    if (!x || !w || !y) return e->err && e->err->status ? e->err->status : WHET_E_NOMEM;
    whet_matrix_mul_f64(m, a->n, a->k, x, a->k, w, a->n, y, a->n);
    for (int64_t i = 0; bias && i < count; i++) y[i] += bias[i % a->n];
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static double nbits_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                          const whet_tensor *out, int32_t n_out) {
    (void)in, (void)n_in, (void)n_out;
    return 2 * (double)((const nbits_attrs *)attrs)->k * (double)whet_tensor_count(&out[0]);
}

static const whet_arg nbits_in[] = {
    {"A", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPE_BIT(WHET_DTYPE_U8)},
    {"scales", WHET_DTYPES_FLOAT, 'T'},
    {"zero_points", WHET_DTYPES_FLOAT | WHET_DTYPE_BIT(WHET_DTYPE_U8), 0, WHET_ARG_OPTIONAL},
    {"g_idx", WHET_DTYPE_BIT(WHET_DTYPE_I32), 0, WHET_ARG_OPTIONAL},
    {"bias", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg nbits_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
#define FIELD(name) offsetof(nbits_attrs, name)
static const whet_attr nbits_rows[] = {
    {"K", WHET_ATTR_INT, FIELD(k), true, .min = 1, .max = INT32_MAX},
    {"N", WHET_ATTR_INT, FIELD(n), true, .min = 1, .max = INT32_MAX},
    {"bits", WHET_ATTR_INT, FIELD(bits), .def = 4, .min = 1, .max = 8},
    {"block_size", WHET_ATTR_INT, FIELD(block_size), true, .min = 16, .max = INT32_MAX},
    {"accuracy_level", WHET_ATTR_INT, FIELD(accuracy_level)}, // a hint for speed
    {"weight_prepacked", WHET_ATTR_INT, FIELD(weight_prepacked), .min = 0, .max = 0.5},
};
static const whet_onnx_row nbits_onnx[] = {{"com.microsoft", "MatMulNBits", 1, 0, NULL}};

const whet_op whet_op_ms_matmul_nbits = {
    .name = "ms_matmul_nbits",
    .in = nbits_in,
    .n_in = WHET_COUNT(nbits_in),
    .out = nbits_out,
    .n_out = WHET_COUNT(nbits_out),
    .attrs = nbits_rows,
    .n_attrs = WHET_COUNT(nbits_rows),
    .attrs_size = sizeof(nbits_attrs),
    .onnx = nbits_onnx,
    .n_onnx = WHET_COUNT(nbits_onnx),
    .infer = nbits_infer,
    .eval = nbits_eval,
    .flops = nbits_flops,
};
