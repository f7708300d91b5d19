// SPDX-License-Identifier: Apache-2.0
// Sums sliding blocks back into images: X [n, c block, blocks], image_shape [d], block_shape [d] to
// [n, c, image].
#include "ops/indices.h"
#include "ops/move.h"

typedef struct col2im_attrs {
    whet_ints dilations, pads, strides; // absent: 1, 0, 1
} col2im_attrs;

#define MAX_SPATIAL (WHET_MAX_RANK - 2)
#define MAX_NUMBER (INT64_C(1) << 31)

static int64_t number(const whet_ints *list, int32_t i, int64_t absent) {
    return list->v ? list->v[i] : absent;
}

static whet_status check_lists(whet_infer *ctx, int32_t d) {
    const col2im_attrs *a = ctx->attrs;
    if ((a->dilations.v && a->dilations.n != d) || (a->strides.v && a->strides.n != d) ||
        (a->pads.v && a->pads.n != 2 * d))
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "dilations, pads or strides do not fit %d dimensions", d);
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const whet_dim *image, *block;
    whet_dim dims[WHET_MAX_RANK], per_channel = 1;
    int64_t n;
    WHET_TRY(whet_infer_rank(ctx, 0, 3));
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    WHET_TRY(whet_infer_rank(ctx, 2, 1));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[0], ctx->in[2]->dims[0],
                             "lengths of image_shape and block_shape"));
    whet_dim length = ctx->in[1]->dims[0];
    if (!whet_dim_is_const(length)) length = ctx->in[2]->dims[0];
    if (whet_dim_is_const(length) && length > MAX_SPATIAL)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    int32_t d = whet_dim_is_const(length) ? (int32_t)length : -1;
    if (d >= 0) WHET_TRY(check_lists(ctx, d));
    whet_infer_unknown(ctx, 0, d < 0 ? -1 : d + 2);
    // asked for in any case, so that the run knows them
    bool has_block = whet_infer_value(ctx, 2, &block, &n);
    bool has_image = whet_infer_value(ctx, 1, &image, &n);
    if (d < 0) return WHET_OK;
    for (int32_t i = 0; i < d + 2; i++) dims[i] = ctx->out[0].dims[i];
    dims[0] = ctx->in[0]->dims[0];
    if (has_block) {
        for (int32_t i = 0; i < d; i++) {
            if (whet_dim_is_const(block[i]) && block[i] < 1)
                WHET_FAIL(ctx->err, WHET_E_RANGE, "block size %d is %lld", i, (long long)block[i]);
            per_channel = whet_dim_mul(ctx->dims, per_channel, block[i]);
        }
        dims[1] = whet_dim_floordiv(ctx->dims, ctx->in[0]->dims[1], per_channel);
    }
    if (has_image)
        for (int32_t i = 0; i < d; i++)
            if (whet_dim_is_const(image[i]) || whet_dim_known_nonnegative(ctx->dims, image[i]))
                dims[i + 2] = image[i];
    whet_infer_shape(ctx, 0, d + 2, dims);
    return WHET_OK;
}

// The places of a block in one dimension.
typedef struct block_dim {
    int64_t image, block, count, stride, dilation, pad;
} block_dim;

static whet_status resolve(whet_eval *e, int32_t d, block_dim *dims) {
    const col2im_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    const int64_t *block = whet_eval_i64(e, 2);
    int64_t blocks = 1, size = 1;
    if (!block) return WHET_E_NOMEM;
    if (whet_tensor_count(&e->in[2]) != d)
        WHET_FAIL(e->err, WHET_E_SHAPE, "block_shape does not have %d elements", d);
    for (int32_t i = 0; i < d; i++) {
        int64_t end = number(&a->pads, d + i, 0);
        block_dim *b = &dims[i];
        *b = (block_dim){y->dims[i + 2], block[i], 0, number(&a->strides, i, 1),
                         number(&a->dilations, i, 1), number(&a->pads, i, 0)};
        if (b->image > MAX_NUMBER || b->block < 1 || b->block > MAX_NUMBER || b->stride < 1 ||
            b->dilation < 1 || b->dilation > MAX_NUMBER || b->pad < 0 || b->pad > MAX_NUMBER ||
            end < 0 || end > MAX_NUMBER)
            WHET_FAIL(e->err, WHET_E_RANGE, "block size, stride, dilation or pad %d out of range",
                      i);
        int64_t free = b->image + b->pad + end - b->dilation * (b->block - 1) - 1;
        b->count = free < 0 ? 0 : free / b->stride + 1;
        if (__builtin_mul_overflow(blocks, b->count, &blocks) ||
            __builtin_mul_overflow(size, b->block, &size))
            WHET_FAIL(e->err, WHET_E_LIMIT, "too many blocks");
    }
    if (blocks != x->dims[2] || x->dims[1] != y->dims[1] * size)
        WHET_FAIL(e->err, WHET_E_SHAPE, "%lld blocks of %lld elements do not match the input",
                  (long long)blocks, (long long)size);
    return WHET_OK;
}

// Adds the columns of one element of the block (its index in `in_block`) to one image, each number
// having `parts` parts.
static void add_columns(int32_t d, const block_dim *dims, const int64_t *in_block,
                        const int64_t *strides, int64_t parts, const double *x, double *y) {
    int64_t counts[MAX_SPATIAL], at[MAX_SPATIAL] = {0};
    for (int32_t i = 0; i < d; i++) counts[i] = dims[i].count;
    do {
        int64_t to = 0;
        bool inside = true;
        for (int32_t i = 0; i < d; i++) {
            int64_t p = at[i] * dims[i].stride - dims[i].pad + in_block[i] * dims[i].dilation;
            inside = inside && p >= 0 && p < dims[i].image;
            to += p * strides[i];
        }
        for (int64_t k = 0; inside && k < parts; k++) y[to * parts + k] += x[k];
        x += parts;
    } while (whet_index_next(d, counts, at));
}

static whet_status eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int32_t d = y->rank - 2;
    block_dim dims[MAX_SPATIAL];
    int64_t strides[MAX_SPATIAL], block[MAX_SPATIAL];
    WHET_TRY(resolve(e, d, dims));
    int64_t n = whet_tensor_count(y), parts = whet_dtype_parts(y->dtype);
    if (whet_tensor_count(x) == 0) {
        for (int64_t i = n; i-- > 0;) whet_store_f64(y->data, y->dtype, i, 0);
        return WHET_OK;
    }
    const double *v = whet_eval_parts(e, 0);
    double *sum = whet_eval_scratch_f64(e, n * parts);
    if (!v || !sum) return WHET_E_NOMEM;
    int64_t plane = whet_dims_product(y->dims, 2, y->rank);
    whet_strides(d, y->dims + 2, strides);
    for (int32_t i = 0; i < d; i++) block[i] = dims[i].block;
    for (int64_t image = 0; image < y->dims[0] * y->dims[1]; image++) {
        int64_t at[MAX_SPATIAL] = {0};
        do {
            add_columns(d, dims, at, strides, parts, v, sum + image * plane * parts);
            v += x->dims[2] * parts;
        } while (whet_index_next(d, block, at));
    }
    whet_store_f64_array(y->data, whet_dtype_part(y->dtype), sum, n * parts);
    return WHET_OK;
}

// Texts have no sum.
#define TYPES (WHET_DTYPES_ALL | WHET_DTYPES_COMPLEX)

static const whet_arg in[] = {
    {"input", TYPES, 'T'}, {"image_shape", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0,
     WHET_ARG_SHAPE}, {"block_shape", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_VALUE}};
static const whet_arg out[] = {{"output", TYPES, 'T'}};
static const whet_attr attrs[] = {
    {"dilations", WHET_ATTR_INTS, offsetof(col2im_attrs, dilations)},
    {"pads", WHET_ATTR_INTS, offsetof(col2im_attrs, pads)},
    {"strides", WHET_ATTR_INTS, offsetof(col2im_attrs, strides)}};
static const whet_onnx_row onnx[] = {{"", "Col2Im", 18, 0, NULL}};
const whet_op whet_op_col2im = {
    .name = "col2im", .in = in, .n_in = 3, .out = out, .n_out = 1, .attrs = attrs, .n_attrs = 3,
    .attrs_size = sizeof(col2im_attrs), .onnx = onnx, .n_onnx = 1, .infer = infer, .eval = eval};
