// SPDX-License-Identifier: Apache-2.0
// X is [b, heads, s, d] or [b, s, heads d]. Caches are [positions, w] with position_ids, [b, s, w]
// without. Beyond ONNX: position_ids [1] gives the position of the first token of every sequence,
// and 3-D X may leave num_heads 0 (heads of size 2 w).
#include <inttypes.h>
#include <string.h>

#include "ops/matrix.h"
#include "ops/rotary_ref.h"

typedef struct rotary_attrs {
    int64_t num_heads, rotary_embedding_dim;
    bool interleaved;
} rotary_attrs;

enum { X, COS, SIN, IDS };

static whet_status check_caches(whet_infer *ctx) {
    bool ids = whet_infer_has(ctx, IDS);
    const whet_type *x = ctx->in[X], *c = ctx->in[COS], *s = ctx->in[SIN];
    whet_dim seq = x->dims[x->rank == 4 ? 2 : 1];
    WHET_TRY(whet_infer_rank(ctx, COS, ids ? 2 : 3));
    WHET_TRY(whet_infer_rank(ctx, SIN, ids ? 2 : 3));
    for (int32_t i = 0; i < c->rank; i++)
        WHET_TRY(whet_infer_same(ctx, c->dims[i], s->dims[i], "cos_cache and sin_cache"));
    if (!ids) {
        WHET_TRY(whet_infer_same(ctx, c->dims[0], x->dims[0], "batch of cos_cache and X"));
        return whet_infer_same(ctx, c->dims[1], seq, "lengths of cos_cache and X");
    }
    const whet_type *p = ctx->in[IDS];
    if (p->rank == 1) return whet_infer_same(ctx, p->dims[0], 1, "size of position_ids");
    WHET_TRY(whet_infer_rank(ctx, IDS, 2));
    WHET_TRY(whet_infer_same(ctx, p->dims[0], x->dims[0], "batch of position_ids and X"));
    return whet_infer_same(ctx, p->dims[1], seq, "lengths of position_ids and X");
}

static whet_status rotary_infer(whet_infer *ctx) {
    const rotary_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[X];
    if (x->rank != 3 && x->rank != 4)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "X has %d dimensions, must have 3 or 4", (int)x->rank);
    WHET_TRY(check_caches(ctx));
    whet_dim wide = x->dims[x->rank - 1], size = wide;
    whet_dim half = ctx->in[COS]->dims[ctx->in[COS]->rank - 1];
    whet_dim rotated = a->rotary_embedding_dim ? a->rotary_embedding_dim
                                               : whet_dim_mul(ctx->dims, half, 2);
    WHET_TRY(whet_infer_same(ctx, rotated, whet_dim_mul(ctx->dims, half, 2),
                             "rotary_embedding_dim and twice the width of cos_cache"));
    if (x->rank == 3) {
        int64_t heads = a->num_heads;
        if (heads && whet_dim_is_const(wide) && wide % heads)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " is no multiple of %" PRId64 " heads",
                      wide, heads);
        if (!heads && whet_dim_is_const(wide) && whet_dim_is_const(rotated) &&
            (rotated < 1 || wide % rotated))
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " is no multiple of %" PRId64, wide,
                      rotated);
        size = heads ? whet_dim_floordiv(ctx->dims, wide, heads) : rotated;
    }
    if (!a->rotary_embedding_dim)
        WHET_TRY(whet_infer_same(ctx, rotated, size, "twice the width of cos_cache and head size"));
    if (whet_dim_is_const(size) && whet_dim_is_const(rotated) && rotated > size)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%" PRId64 " numbers of a head of %" PRId64 " to rotate",
                  rotated, size);
    whet_infer_copy_shape(ctx, 0, X);
    return WHET_OK;
}

// Row of the caches for token s of batch b.
static whet_status cache_row(whet_eval *e, int64_t b, int64_t s, int64_t seq, int64_t *row) {
    *row = b * seq + s;
    if (!whet_eval_has(e, IDS)) return WHET_OK;
    const whet_tensor *p = &e->in[IDS];
    int64_t at = p->rank == 1 ? whet_load_i64(p->data, p->dtype, 0)
                              : whet_load_i64(p->data, p->dtype, b * seq + s);
    if (p->rank == 1 && __builtin_add_overflow(at, s, &at)) at = -1;
    if (at < 0 || at >= e->in[COS].dims[0])
        WHET_FAIL(e->err, WHET_E_RANGE, "position %" PRId64 " is outside the cache of %" PRId64, at,
                  e->in[COS].dims[0]);
    *row = at;
    return WHET_OK;
}

static whet_status rotary_eval(whet_eval *e) {
    const rotary_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[X];
    int64_t half = e->in[COS].dims[e->in[COS].rank - 1], n = whet_tensor_count(x);
    bool flat = x->rank == 3;
    int64_t seq = x->dims[flat ? 1 : 2], wide = x->dims[x->rank - 1], heads = x->dims[1], d = wide;
    if (flat) {
        heads = a->num_heads ? a->num_heads : wide / (2 * half);
        d = heads ? wide / heads : 0;
    }
    const double *in = whet_eval_f64(e, X), *cos = whet_eval_f64(e, COS);
    const double *sin = whet_eval_f64(e, SIN);
    double *y = whet_eval_raw_f64(e, n);
    if (!in || !cos || !sin || !y) return WHET_E_NOMEM;
    memcpy(y, in, (size_t)n * sizeof *y);
    for (int64_t b = 0; b < x->dims[0]; b++)
        for (int64_t s = 0; s < seq; s++) {
            int64_t row;
            WHET_TRY(cache_row(e, b, s, seq, &row));
            for (int64_t h = 0; h < heads; h++) {
                int64_t at = flat ? (b * seq + s) * heads + h : (b * heads + h) * seq + s;
                whet_rotary_apply(y + at * d, cos + row * half, sin + row * half, half,
                                  a->interleaved);
            }
        }
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static const whet_arg rotary_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"cos_cache", WHET_DTYPES_FLOAT, 'T'},
    {"sin_cache", WHET_DTYPES_FLOAT, 'T'},
    {"position_ids", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL},
};
static const whet_arg rotary_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr rotary_attr_rows[] = {
    {"num_heads", WHET_ATTR_INT, offsetof(rotary_attrs, num_heads), .min = 0, .max = INT32_MAX},
    {"rotary_embedding_dim", WHET_ATTR_INT, offsetof(rotary_attrs, rotary_embedding_dim), .min = 0,
     .max = INT32_MAX},
    {"interleaved", WHET_ATTR_BOOL, offsetof(rotary_attrs, interleaved)},
};
// com.microsoft: inputs are (X, position_ids, cos_cache, sin_cache), to be reordered; `scale` must
// be 1 and is_packed_batching 0, else WHET_E_UNSUPPORTED; both are dropped.
static const whet_onnx_row rotary_onnx[] = {
    {"", "RotaryEmbedding", 23, 0, NULL},
    {"com.microsoft", "RotaryEmbedding", 1, 0, "ms_rotary_embedding"},
};

const whet_op whet_op_rotary_embedding = {
    .name = "rotary_embedding",
    .in = rotary_in,
    .n_in = WHET_COUNT(rotary_in),
    .out = rotary_out,
    .n_out = WHET_COUNT(rotary_out),
    .attrs = rotary_attr_rows,
    .n_attrs = WHET_COUNT(rotary_attr_rows),
    .attrs_size = sizeof(rotary_attrs),
    .onnx = rotary_onnx,
    .n_onnx = WHET_COUNT(rotary_onnx),
    .infer = rotary_infer,
    .eval = rotary_eval,
};
