// SPDX-License-Identifier: Apache-2.0
// Helpers that shape functions share: shapes, broadcasting, axes, contents of shape tensors.
#include <string.h>

#include "base/str.h"
#include "ops/op.h"

void whet_infer_shape(whet_infer *ctx, int32_t out, int32_t rank, const whet_dim *dims) {
    if (out >= ctx->n_out) return;
    ctx->out[out].rank = rank;
    if (rank > 0 && rank <= WHET_MAX_RANK)
        memmove(ctx->out[out].dims, dims, (size_t)rank * sizeof *dims);
}

void whet_infer_copy_shape(whet_infer *ctx, int32_t out, int32_t in) {
    whet_infer_shape(ctx, out, ctx->in[in]->rank, ctx->in[in]->dims);
}

void whet_infer_unknown(whet_infer *ctx, int32_t out, int32_t rank) {
    if (out >= ctx->n_out) return;
    ctx->out[out].rank = rank;
    for (int32_t i = 0; i < rank; i++) ctx->out[out].dims[i] = whet_dim_fresh(ctx->dims);
}

static const char *dim_text(const whet_infer *ctx, whet_dim d, whet_str *s) {
    whet_str_init(s);
    if (whet_dim_is_const(d)) whet_str_printf(s, "%lld", (long long)d);
    else whet_dim_print(ctx->dims, d, s);
    return whet_str_text(s);
}

whet_status whet_infer_same(whet_infer *ctx, whet_dim a, whet_dim b, const char *what) {
    if (a == b || whet_dim_is_error(a) || whet_dim_is_error(b)) return WHET_OK;
    whet_dim d = whet_dim_sub(ctx->dims, a, b);
    if (d == 0 || !whet_dim_is_const(d)) return WHET_OK;
    whet_str ta, tb;
    whet_status status = whet_error_set(ctx->err, WHET_E_SHAPE, "%s: %s and %s differ", what,
                                        dim_text(ctx, a, &ta), dim_text(ctx, b, &tb));
    whet_str_fini(&ta);
    whet_str_fini(&tb);
    return status;
}

// Two different expressions may be equal or one of them 1: only at run time is that known.
whet_status whet_infer_broadcast_dim(whet_infer *ctx, whet_dim a, whet_dim b, whet_dim *result) {
    bool ca = whet_dim_is_const(a), cb = whet_dim_is_const(b);
    if (a == b || b == 1) *result = a;
    else if (a == 1) *result = b;
    else if (ca && cb) return whet_infer_same(ctx, a, b, "shapes do not broadcast");
    else if (ca || cb) *result = ca ? a : b;
    else if (ctx->dims && whet_dim_known_positive(ctx->dims, a) &&
             whet_dim_known_positive(ctx->dims, b))
        *result = whet_dim_max(ctx->dims, a, b);
    else *result = whet_dim_fresh(ctx->dims);
    return WHET_OK;
}

whet_status whet_infer_broadcast(whet_infer *ctx, int32_t out, int32_t first, int32_t n) {
    whet_dim dims[WHET_MAX_RANK];
    int32_t rank = 0;
    for (int32_t i = first; i < first + n; i++)
        if (whet_infer_has(ctx, i) && ctx->in[i]->rank > rank) rank = ctx->in[i]->rank;
    for (int32_t k = 0; k < rank; k++) dims[k] = 1;
    for (int32_t i = first; i < first + n; i++) {
        if (!whet_infer_has(ctx, i)) continue;
        const whet_type *t = ctx->in[i];
        for (int32_t k = 0; k < t->rank; k++) {
            whet_dim *d = &dims[rank - t->rank + k];
            WHET_TRY(whet_infer_broadcast_dim(ctx, *d, t->dims[k], d));
        }
    }
    whet_infer_shape(ctx, out, rank, dims);
    return WHET_OK;
}

whet_status whet_infer_axis(whet_infer *ctx, int64_t axis, int32_t rank, int32_t *result) {
    if (axis < -rank || axis >= rank)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "axis %lld is outside a tensor of %d dimensions",
                  (long long)axis, rank);
    *result = whet_axis(axis, rank);
    return WHET_OK;
}

whet_status whet_infer_rank(whet_infer *ctx, int32_t in, int32_t rank) {
    if (ctx->in[in]->rank == rank) return WHET_OK;
    WHET_FAIL(ctx->err, WHET_E_SHAPE, "input %d has %d dimensions where %d are needed", in,
              ctx->in[in]->rank, rank);
}

whet_status whet_infer_same_as_input(whet_infer *ctx) {
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

// ---- contents ----

// Numbers that are no dims saturate: shape functions only compare such bounds.
static whet_dim *from_data(whet_infer *ctx, const whet_tensor *t, int64_t n) {
    whet_dim *v = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    for (int64_t i = 0; v && i < n; i++) {
        v[i] = whet_load_i64(t->data, t->dtype, i);
        if (t->dtype == WHET_DTYPE_U64 && v[i] < 0) v[i] = INT64_MAX;
        if (!whet_dim_is_const(v[i])) v[i] = WHET_DIM_EXPR_END;
    }
    return v;
}

static bool contents(whet_infer *ctx, int32_t i, int64_t limit, const whet_dim **value,
                     int64_t *n) {
    if (!whet_infer_has(ctx, i) || !whet_dtype_is_integral(ctx->in[i]->dtype)) return false;
    const whet_type *t = ctx->in[i];
    int64_t count = t->rank < 0 ? -1 : whet_dims_count(t->dims, t->rank);
    for (int32_t k = 0; k < t->rank; k++)
        if (!whet_dim_is_const(t->dims[k])) return false;
    if (count < 0 || count > limit) return false;
    const whet_tensor *data = ctx->data ? ctx->data[i] : NULL;
    const whet_dim *v = t->value;
    if (data && whet_tensor_count(data) == count) v = from_data(ctx, data, count);
    if (!v) return false;
    *value = v;
    *n = count;
    return true;
}

bool whet_infer_peek(whet_infer *ctx, int32_t i, const whet_dim **value, int64_t *n) {
    return contents(ctx, i, WHET_VALUE_LIMIT, value, n);
}

static void ask(whet_infer *ctx, int32_t i) {
    if (i < 64) ctx->needs_value |= UINT64_C(1) << i;
}

bool whet_infer_value(whet_infer *ctx, int32_t i, const whet_dim **value, int64_t *n) {
    bool known = contents(ctx, i, INT64_MAX, value, n);
    for (int64_t k = 0; known && k < *n; k++) known = !whet_dim_is_error((*value)[k]);
    if (!known) ask(ctx, i);
    return known;
}

bool whet_infer_ints(whet_infer *ctx, int32_t i, const int64_t **value, int64_t *n) {
    bool known = contents(ctx, i, INT64_MAX, value, n);
    for (int64_t k = 0; known && k < *n; k++) known = whet_dim_is_const((*value)[k]);
    if (!known) ask(ctx, i);
    return known;
}
