// SPDX-License-Identifier: Apache-2.0
// The k largest or smallest along an axis, in order, ties to the lower index; NaN counts as
// largest. A heap holds the k best of a line, the worst of them on top.
#include <math.h>

#include "ops/move.h"

typedef struct top_k_attrs {
    int64_t axis;
    bool largest, sorted; // the result is in order either way
} top_k_attrs;

static whet_status infer(whet_infer *ctx) {
    const top_k_attrs *a = ctx->attrs;
    const whet_dim *v;
    int64_t n;
    int32_t axis;
    WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    whet_dim dim = ctx->in[0]->dims[axis], k = WHET_DIM_ERROR;
    if (whet_infer_value(ctx, 1, &v, &n)) {
        if (n != 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "K must have one element");
        k = v[0];
        if (whet_dim_is_const(k) && (k < 0 || (whet_dim_is_const(dim) && k > dim)))
            WHET_FAIL(ctx->err, WHET_E_RANGE, "K is %lld for a dimension of %lld", (long long)k,
                      (long long)(whet_dim_is_const(dim) ? dim : -1));
    }
    if (!whet_dim_known_nonnegative(ctx->dims, k)) k = whet_dim_fresh(ctx->dims);
    for (int32_t i = 0; i < ctx->n_out; i++) {
        whet_infer_copy_shape(ctx, i, 0);
        ctx->out[i].dims[axis] = k;
    }
    return WHET_OK;
}

// One line: keys as double (floats) or int64 that order like the elements.
typedef struct line {
    const double *f;
    const int64_t *i;
    bool largest;
} line;

static bool before(const line *l, int64_t a, int64_t b) {
    int order;
    if (l->f) {
        double x = l->f[a], y = l->f[b];
        order = isnan(x) || isnan(y) ? isnan(x) - isnan(y) : (x > y) - (x < y);
    } else {
        order = (l->i[a] > l->i[b]) - (l->i[a] < l->i[b]);
    }
    return order ? (order > 0) == l->largest : a < b;
}

// Lets heap[at] sink until no child is worse.
static void sink(const line *l, int64_t *heap, int64_t n, int64_t at) {
    for (;;) {
        int64_t child = 2 * at + 1, moved = heap[at];
        if (child >= n) return;
        if (child + 1 < n && before(l, heap[child], heap[child + 1])) child++;
        if (!before(l, moved, heap[child])) return;
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static void select_best(const line *l, int64_t n, int64_t *heap, int64_t k) {
    if (k == 0) return;
    for (int64_t i = 0; i < k; i++) heap[i] = i;
    for (int64_t i = k / 2; i-- > 0;) sink(l, heap, k, i);
    for (int64_t i = k; i < n; i++)
        if (before(l, i, heap[0])) {
            heap[0] = i;
            sink(l, heap, k, 0);
        }
    for (int64_t last = k - 1; last > 0; last--) { // the worst goes to the end
        int64_t worst = heap[0];
        heap[0] = heap[last];
        heap[last] = worst;
        sink(l, heap, last, 0);
    }
}

// K is at most the dimension.
static whet_status bound(whet_infer *ctx) {
    for (int32_t i = 0; i < ctx->n_out; i++) whet_infer_copy_shape(ctx, i, 0);
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    const top_k_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    const whet_tensor *y = whet_eval_wants(e, 0) ? &e->out[0] : &e->out[1];
    int32_t axis = whet_axis(a->axis, x->rank);
    int64_t dim = x->dims[axis], k = y->dims[axis];
    int64_t rows = whet_dims_product(x->dims, 0, axis);
    int64_t inner = whet_dims_product(x->dims, axis + 1, x->rank);
    bool floats = whet_dtype_is_float(x->dtype);
    double *f = floats ? whet_eval_scratch_f64(e, dim) : NULL;
    int64_t *v = floats ? NULL : whet_eval_scratch_i64(e, dim);
    if (k > dim)
        WHET_FAIL(e->err, WHET_E_RANGE, "K is %lld for a dimension of %lld", (long long)k,
                  (long long)dim);
    int64_t *heap = whet_eval_scratch_i64(e, k);
    if (!heap || (!f && !v)) return WHET_E_NOMEM;
    size_t size = whet_element_bytes(x->dtype);
    line l = {f, v, a->largest};
    for (int64_t r = 0; r < rows * inner; r++) {
        int64_t from = r / inner * dim * inner + r % inner, to = r / inner * k * inner + r % inner;
        for (int64_t i = 0; i < dim; i++) {
            if (floats) f[i] = whet_load_f64(x->data, x->dtype, from + i * inner);
            else v[i] = whet_load_i64(x->data, x->dtype, from + i * inner);
            if (x->dtype == WHET_DTYPE_U64) v[i] = (int64_t)((uint64_t)v[i] ^ UINT64_C(1) << 63);
        }
        select_best(&l, dim, heap, k);
        for (int64_t i = 0; i < k; i++) {
            if (whet_eval_wants(e, 0))
                whet_move_fill(whet_element_at(e->out[0].data, to + i * inner, size), 1,
                               whet_element_at(x->data, from + heap[i] * inner, size), size);
            if (whet_eval_wants(e, 1)) ((int64_t *)e->out[1].data)[to + i * inner] = heap[i];
        }
    }
    return WHET_OK;
}

static const whet_arg in[] = {
    {"X", WHET_DTYPES_NUMERIC, 'T'}, {"K", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_SHAPE}};
static const whet_arg out[] = {
    {"Values", WHET_DTYPES_NUMERIC, 'T'}, {"Indices", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0}};
static const whet_attr attrs[] = {
    {"axis", WHET_ATTR_INT, offsetof(top_k_attrs, axis), .def = -1},
    {"largest", WHET_ATTR_BOOL, offsetof(top_k_attrs, largest), .def = 1},
    {"sorted", WHET_ATTR_BOOL, offsetof(top_k_attrs, sorted), .def = 1}};
// top_k_1: the attribute `k` becomes a constant i64 input 1 of one element.
static const whet_onnx_row onnx[] = {{"", "TopK", 1, 9, "top_k_1"}, {"", "TopK", 10, 0, NULL}};
const whet_op whet_op_top_k = {
    .name = "top_k", .in = in, .n_in = 2, .out = out, .n_out = 2, .attrs = attrs, .n_attrs = 3,
    .attrs_size = sizeof(top_k_attrs), .onnx = onnx, .n_onnx = 2, .infer = infer, .bound = bound,
    .eval = eval};
