// SPDX-License-Identifier: Apache-2.0
// com.microsoft GatherBlockQuantized: gather of numbers that are quantized in blocks of block_size
// along one axis. u8 data holds numbers of `bits` bits, packed along the last dimension, low ones
// first; zero points lie as the data does.
#include "ops/indices.h"
#include "ops/move.h"

enum { DATA, INDICES, SCALES, ZEROS };

typedef struct gather_block_attrs {
    int64_t block_size, gather_axis, quantize_axis, bits;
} gather_block_attrs;

// Numbers in an element of the data.
static int64_t packing(const gather_block_attrs *a, whet_dtype dtype) {
    return dtype == WHET_DTYPE_U8 ? 8 / a->bits : 1;
}

static whet_status check_attrs(whet_infer *ctx, int32_t *gather, int32_t *quantize) {
    const gather_block_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[DATA];
    if (a->bits != 2 && a->bits != 4 && a->bits != 8)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "%lld bits; 2, 4 and 8 are supported",
                  (long long)a->bits);
    if (a->block_size & (a->block_size - 1))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "blocks of %lld: no power of two",
                  (long long)a->block_size);
    if (x->rank < 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "data is a scalar");
    WHET_TRY(whet_infer_axis(ctx, a->gather_axis, x->rank, gather));
    WHET_TRY(whet_infer_axis(ctx, a->quantize_axis, x->rank, quantize));
    if (packing(a, x->dtype) > 1 && (*quantize != x->rank - 1 || *gather == x->rank - 1))
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED,
                  "packed numbers need the last axis for blocks and another one to gather");
    return WHET_OK;
}

// Blocks of the data, each of them `per` in an element.
static whet_status check_blocks(whet_infer *ctx, int32_t in, int32_t quantize, int64_t per) {
    const gather_block_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[DATA], *p = ctx->in[in];
    WHET_TRY(whet_infer_rank(ctx, in, x->rank));
    for (int32_t k = 0; k < x->rank; k++) {
        whet_dim want = x->dims[k];
        if (k == quantize) {
            want = whet_dim_mul(ctx->dims, want, packing(a, x->dtype));
            want = whet_dim_ceildiv(ctx->dims, want, a->block_size);
            want = whet_dim_ceildiv(ctx->dims, want, per);
        }
        WHET_TRY(whet_infer_same(ctx, p->dims[k], want, ctx->op->in[in].name));
    }
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const gather_block_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[DATA], *index = ctx->in[INDICES];
    int64_t per = packing(a, x->dtype);
    whet_dim dims[2 * WHET_MAX_RANK];
    int32_t gather, quantize, n = 0;
    WHET_TRY(check_attrs(ctx, &gather, &quantize));
    WHET_TRY(check_blocks(ctx, SCALES, quantize, 1));
    if (whet_infer_has(ctx, ZEROS)) WHET_TRY(check_blocks(ctx, ZEROS, quantize, per));
    for (int32_t k = 0; k < x->rank; k++)
        for (int32_t j = 0; j < (k == gather ? index->rank : 1); j++)
            dims[n++] = k == gather ? index->dims[j] : x->dims[k];
    if (n > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "the output would have %d dimensions", n);
    if (per > 1) dims[n - 1] = whet_dim_mul(ctx->dims, dims[n - 1], per);
    whet_infer_shape(ctx, 0, n, dims);
    return WHET_OK;
}

// Element i of data or zero points.
static double number_at(const whet_tensor *t, int64_t i, int64_t bits) {
    if (t->dtype != WHET_DTYPE_U8) return whet_load_f64(t->data, t->dtype, i);
    int64_t per = 8 / bits;
    return (double)(((const uint8_t *)t->data)[i / per] >> (i % per * bits) & ((1 << bits) - 1));
}

// Number at `at` of the data, less its zero point, times its scale.
static double value_at(const whet_eval *e, int32_t quantize, const int64_t *dims,
                       const int64_t *at) {
    const gather_block_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[DATA], *s = &e->in[SCALES];
    bool zeros = whet_eval_has(e, ZEROS);
    int64_t from = 0, scale = 0, zero = 0;
    for (int32_t k = 0; k < x->rank; k++) {
        int64_t block = k == quantize ? at[k] / a->block_size : at[k];
        from = from * dims[k] + at[k];
        scale = scale * s->dims[k] + block;
        if (!zeros) continue;
        int64_t wide = k == quantize ? packing(a, x->dtype) : 1;
        zero = zero * e->in[ZEROS].dims[k] * wide + block;
    }
    double z = x->dtype == WHET_DTYPE_U8 ? (double)(1 << (a->bits - 1)) : 0;
    if (zeros) z = number_at(&e->in[ZEROS], zero, a->bits);
    return (number_at(x, from, a->bits) - z) * whet_load_f64(s->data, s->dtype, scale);
}

static whet_status eval(whet_eval *e) {
    const gather_block_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[DATA], *y = &e->out[0];
    int32_t gather = whet_axis(a->gather_axis, x->rank), rank = x->rank;
    int32_t quantize = whet_axis(a->quantize_axis, x->rank);
    int64_t dims[WHET_MAX_RANK], over[WHET_MAX_RANK], at[WHET_MAX_RANK] = {0}, to = 0;
    const int64_t *index;
    WHET_TRY(whet_eval_indices(e, INDICES, x->dims[gather], &index));
    for (int32_t k = 0; k < rank; k++)
        dims[k] = over[k] = x->dims[k] * (k == rank - 1 ? packing(a, x->dtype) : 1);
    over[gather] = whet_tensor_count(&e->in[INDICES]);
    if (whet_tensor_count(y) == 0) return WHET_OK;
    do {
        int64_t place[WHET_MAX_RANK];
        for (int32_t k = 0; k < rank; k++) place[k] = k == gather ? index[at[k]] : at[k];
        whet_store_f64(y->data, y->dtype, to++, value_at(e, quantize, dims, place));
    } while (whet_index_next(rank, over, at));
    return WHET_OK;
}

#define DATA_TYPES                                                                                 \
    (WHET_DTYPES_INT4 | WHET_DTYPE_BIT(WHET_DTYPE_U8) | WHET_DTYPES_FLOAT8 |                       \
     WHET_DTYPE_BIT(WHET_DTYPE_F4E2M1))
#define FIELD(name) offsetof(gather_block_attrs, name)

const whet_op whet_op_ms_gather_block_quantized = {
    .name = "ms_gather_block_quantized",
    WHET_IN({"data", DATA_TYPES, 'D'}, {"indices", WHET_DTYPES_INDEX},
            {"scales", WHET_DTYPES_FLOAT, 'T'},
            {"zero_points", DATA_TYPES, 'D', WHET_ARG_OPTIONAL}),
    WHET_OUT({"output", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(gather_block_attrs,
               {"block_size", WHET_ATTR_INT, FIELD(block_size), .def = 128, .min = 16,
                .max = INT32_MAX},
               {"gather_axis", WHET_ATTR_INT, FIELD(gather_axis)},
               {"quantize_axis", WHET_ATTR_INT, FIELD(quantize_axis), .def = 1},
               {"bits", WHET_ATTR_INT, FIELD(bits), .def = 4, .min = 2, .max = 8}),
    WHET_ONNX({"com.microsoft", "GatherBlockQuantized", 1, 0, NULL}),
    .infer = infer,
    .eval = eval,
};
