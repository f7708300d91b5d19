// SPDX-License-Identifier: Apache-2.0
#include "ops/matmul_ref.h"

#include "ops/matrix.h"

static void matrix_dims(const whet_tensor *t, bool trans, int64_t *rows, int64_t *cols) {
    int64_t r = t->dims[t->rank - 2], c = t->dims[t->rank - 1];
    *rows = trans ? c : r;
    *cols = trans ? r : c;
}

// Batch dimension d, counted from the last one; 1 where the operand has none.
static int64_t batch_dim(const whet_tensor *t, int32_t d) {
    return d < t->rank - 2 ? t->dims[t->rank - 3 - d] : 1;
}

void whet_matmul_ref_init(whet_matmul_ref *r, const whet_tensor *a, bool trans_a,
                          const whet_tensor *b, bool trans_b) {
    int64_t k;
    *r = (whet_matmul_ref){.m = 1, .n = 1, .k = a->dims[0], .batches = 1};
    if (a->rank > 1) matrix_dims(a, trans_a, &r->m, &r->k);
    if (b->rank > 1) matrix_dims(b, trans_b, &k, &r->n);
    int32_t rank = a->rank > b->rank ? a->rank : b->rank;
    r->rank = rank > 2 ? rank - 2 : 0;
    int64_t step_a = 1, step_b = 1;
    for (int32_t d = 0; d < r->rank; d++) {
        int32_t at = r->rank - 1 - d;
        int64_t da = batch_dim(a, d), db = batch_dim(b, d);
        r->dims[at] = da == 1 ? db : da;
        r->step_a[at] = da == 1 ? 0 : step_a;
        r->step_b[at] = db == 1 ? 0 : step_b;
        step_a *= da;
        step_b *= db;
        r->batches *= r->dims[at];
    }
}

void whet_matmul_ref_at(const whet_matmul_ref *r, int64_t i, int64_t *ia, int64_t *ib) {
    *ia = *ib = 0;
    for (int32_t d = r->rank - 1; d >= 0; d--) {
        int64_t at = i % r->dims[d];
        i /= r->dims[d];
        *ia += at * r->step_a[d];
        *ib += at * r->step_b[d];
    }
}

#define MATMUL_REF(T, suffix)                                                                      \
    void whet_matmul_ref_##suffix(const whet_matmul_ref *r, const T *a, const T *b, T *c) {        \
        for (int64_t i = 0; i < r->batches; i++) {                                                 \
            int64_t ia, ib;                                                                        \
            whet_matmul_ref_at(r, i, &ia, &ib);                                                    \
            whet_matrix_mul_##suffix(r->m, r->n, r->k, a + ia * r->m * r->k, r->k,                 \
                                     b + ib * r->k * r->n, r->n, c + i * r->m * r->n, r->n);       \
        }                                                                                          \
    }
MATMUL_REF(double, f64)
MATMUL_REF(int64_t, i64)

static whet_dim batch_type(const whet_type *t, int32_t d) {
    return d < t->rank - 2 ? t->dims[t->rank - 3 - d] : 1;
}

whet_status whet_matmul_infer(whet_infer *ctx, int32_t a, bool trans_a, int32_t b, bool trans_b,
                              whet_dim *n) {
    const whet_type *ta = ctx->in[a], *tb = ctx->in[b];
    if (ta->rank < 1 || tb->rank < 1)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "a matrix product of scalars");
    int32_t ra = ta->rank, rb = tb->rank, wide = ra > rb ? ra : rb;
    whet_dim ka = ra == 1 ? ta->dims[0] : ta->dims[trans_a ? ra - 2 : ra - 1];
    whet_dim kb = rb == 1 ? tb->dims[0] : tb->dims[trans_b ? rb - 1 : rb - 2];
    WHET_TRY(whet_infer_same(ctx, ka, kb, "inner dimensions of A and B"));
    int32_t batch = wide > 2 ? wide - 2 : 0, rank = batch;
    whet_dim dims[WHET_MAX_RANK];
    for (int32_t d = 0; d < batch; d++)
        WHET_TRY(whet_infer_broadcast_dim(ctx, batch_type(ta, d), batch_type(tb, d),
                                          &dims[batch - 1 - d]));
    if (ra > 1) dims[rank++] = ta->dims[trans_a ? ra - 1 : ra - 2];
    *n = rb > 1 ? tb->dims[trans_b ? rb - 2 : rb - 1] : 1;
    if (rb > 1) dims[rank++] = *n;
    whet_infer_shape(ctx, 0, rank, dims);
    return WHET_OK;
}

double whet_matmul_flops(const whet_tensor *a, bool trans_a, const whet_tensor *out) {
    int64_t m, k = a->rank == 1 ? a->dims[0] : 0;
    if (a->rank > 1) matrix_dims(a, trans_a, &m, &k);
    return 2.0 * (double)k * (double)whet_tensor_count(out);
}
