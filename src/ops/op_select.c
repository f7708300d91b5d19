// SPDX-License-Identifier: Apache-2.0
// Operators whose output size depends on contents: non_zero, compress, unique.
#include <math.h>
#include <string.h>

#include "base/texts.h"
#include "ops/attrs.h"
#include "ops/move.h"
#include "ops/sort.h"

#define I64 WHET_DTYPE_BIT(WHET_DTYPE_I64)

// ---- non_zero ----

static whet_status non_zero_infer(whet_infer *ctx) {
    whet_infer_unknown(ctx, 0, 2);
    ctx->out[0].dims[0] = ctx->in[0]->rank;
    return WHET_OK;
}

static whet_status non_zero_bound(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    whet_dim all = 1;
    for (int32_t i = 0; i < x->rank; i++) all = whet_dim_mul(ctx->dims, all, x->dims[i]);
    whet_infer_shape(ctx, 0, 2, (const whet_dim[]){x->rank, all});
    return WHET_OK;
}

static bool is_zero(const whet_tensor *x, int64_t i) {
    if (x->dtype == WHET_DTYPE_STRING) return ((const whet_text *)x->data)[i].size == 0;
    if (whet_dtype_is_complex(x->dtype)) {
        whet_dtype part = whet_dtype_part(x->dtype);
        return whet_load_f64(x->data, part, 2 * i) == 0 &&
               whet_load_f64(x->data, part, 2 * i + 1) == 0;
    }
    if (whet_dtype_is_float(x->dtype)) return whet_load_f64(x->data, x->dtype, i) == 0;
    return whet_load_i64(x->data, x->dtype, i) == 0;
}

static whet_status non_zero_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0];
    int64_t n = whet_tensor_count(x), count = 0, at[WHET_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++) count += !is_zero(x, i);
    WHET_TRY(whet_eval_output(e, 0, 2, (const int64_t[]){x->rank, count}));
    int64_t *y = e->out[0].data;
    for (int64_t i = 0; i < n; i++, whet_index_next(x->rank, x->dims, at)) {
        if (is_zero(x, i)) continue;
        for (int32_t k = 0; k < x->rank; k++) y[k * count] = at[k];
        y++;
    }
    return WHET_OK;
}

static const whet_arg non_zero_in[] = {{"X", 0, 0}};
static const whet_arg non_zero_out[] = {{"Y", I64, 0}};
static const whet_onnx_row non_zero_onnx[] = {{"", "NonZero", 9, 0, NULL}};
const whet_op whet_op_non_zero = {
    .name = "non_zero", .in = non_zero_in, .n_in = 1, .out = non_zero_out, .n_out = 1,
    .onnx = non_zero_onnx, .n_onnx = 1, .flags = WHET_OP_DYNAMIC_OUT,
    .infer = non_zero_infer, .bound = non_zero_bound, .eval = non_zero_eval};

// ---- compress ----

static whet_status compress_infer(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    int32_t axis;
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    whet_infer_unknown(ctx, 0, 1);
    if (a->axis == WHET_ATTR_ABSENT) return WHET_OK;
    whet_dim count = ctx->out[0].dims[0];
    WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
    whet_infer_copy_shape(ctx, 0, 0);
    ctx->out[0].dims[axis] = count;
    return WHET_OK;
}

static whet_status compress_bound(whet_infer *ctx) {
    const whet_axis_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim all = 1, *count = &ctx->out[0].dims[0];
    int32_t axis = 0;
    WHET_TRY(compress_infer(ctx));
    for (int32_t i = 0; i < x->rank; i++) all = whet_dim_mul(ctx->dims, all, x->dims[i]);
    if (a->axis != WHET_ATTR_ABSENT) {
        WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
        all = x->dims[axis];
        count = &ctx->out[0].dims[axis];
    }
    // as many as the condition has elements, were all of them true
    *count = whet_dim_min(ctx->dims, all, ctx->in[1]->dims[0]);
    return WHET_OK;
}

static whet_status compress_eval(whet_eval *e) {
    const whet_axis_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    const uint8_t *keep = e->in[1].data;
    bool flat = a->axis == WHET_ATTR_ABSENT;
    int32_t axis = flat ? 0 : whet_axis(a->axis, x->rank);
    int64_t dim = flat ? whet_tensor_count(x) : x->dims[axis], count = 0;
    int64_t rows = flat ? 1 : whet_dims_product(x->dims, 0, axis);
    int64_t inner = flat ? 1 : whet_dims_product(x->dims, axis + 1, x->rank);
    int64_t n = whet_tensor_count(&e->in[1]), dims[WHET_MAX_RANK];
    size_t size = whet_element_bytes(x->dtype), bytes = (size_t)inner * size;
    for (int64_t i = 0; i < n; i++) {
        count += keep[i] != 0;
        if (keep[i] && i >= dim)
            WHET_FAIL(e->err, WHET_E_RANGE, "condition %lld is beyond a dimension of %lld",
                      (long long)i, (long long)dim);
    }
    for (int32_t k = 0; k < x->rank; k++) dims[k] = x->dims[k];
    dims[axis] = count;
    WHET_TRY(whet_eval_output(e, 0, flat ? 1 : x->rank, dims));
    char *y = e->out[0].data;
    for (int64_t r = 0; bytes && r < rows; r++)
        for (int64_t i = 0; i < n && i < dim; i++) {
            if (!keep[i]) continue;
            memcpy(y, whet_element_at(x->data, (r * dim + i) * inner, size), bytes);
            y += bytes;
        }
    return WHET_OK;
}

static const whet_arg compress_in[] = {{"input", 0, 'T'}, {"condition", WHET_DTYPES_BOOL, 0}};
static const whet_arg compress_out[] = {{"output", 0, 'T'}};
static const whet_attr compress_attrs[] = {
    {"axis", WHET_ATTR_INT, offsetof(whet_axis_attrs, axis), .def = -0x1p63}};
static const whet_onnx_row compress_onnx[] = {{"", "Compress", 9, 0, NULL}};
const whet_op whet_op_compress = {
    .name = "compress", .in = compress_in, .n_in = 2, .out = compress_out, .n_out = 1,
    .attrs = compress_attrs, .n_attrs = 1, .attrs_size = sizeof(whet_axis_attrs),
    .onnx = compress_onnx, .n_onnx = 1, .flags = WHET_OP_DYNAMIC_OUT,
    .infer = compress_infer, .bound = compress_bound, .eval = compress_eval};

// ---- unique ----

typedef struct unique_attrs {
    int64_t axis; // ABSENT: of the flattened tensor
    bool sorted;
} unique_attrs;

static whet_status unique_infer(whet_infer *ctx) {
    const unique_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    int32_t axis = 0;
    if (a->axis != WHET_ATTR_ABSENT) WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
    for (int32_t i = 0; i < ctx->n_out; i++) whet_infer_unknown(ctx, i, 1);
    for (int32_t i = 1; i < ctx->n_out; i++)
        if (i != 2) ctx->out[i].dims[0] = ctx->out[0].dims[0];
    whet_dim count = ctx->out[0].dims[0], all = 1;
    for (int32_t i = 0; i < x->rank; i++) all = whet_dim_mul(ctx->dims, all, x->dims[i]);
    if (a->axis != WHET_ATTR_ABSENT) {
        all = x->dims[axis];
        whet_infer_copy_shape(ctx, 0, 0);
        ctx->out[0].dims[axis] = count;
    }
    if (ctx->n_out > 2) ctx->out[2].dims[0] = all;
    return WHET_OK;
}

static whet_status unique_bound(whet_infer *ctx) {
    const unique_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim all = 1;
    int32_t axis = 0;
    WHET_TRY(unique_infer(ctx));
    for (int32_t i = 0; i < x->rank; i++) all = whet_dim_mul(ctx->dims, all, x->dims[i]);
    if (a->axis != WHET_ATTR_ABSENT) {
        WHET_TRY(whet_infer_axis(ctx, a->axis, x->rank, &axis));
        all = x->dims[axis];
    }
    ctx->out[0].dims[axis] = all;
    for (int32_t i = 1; i < ctx->n_out; i++) ctx->out[i].dims[0] = all;
    return WHET_OK;
}

// The rows that are compared: element j of row i at data[i * step + j / inner * skip + j % inner].
typedef struct unique_rows {
    const void *data;
    whet_dtype dtype;
    int64_t n, length;    // rows, elements a row
    int64_t step, inner, skip;
} unique_rows;

static int compare_reals(double x, double y) {
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); // equal to each other, last
    return (x > y) - (x < y);
}

static int compare_elements(const unique_rows *r, int64_t a, int64_t b) {
    whet_dtype part = whet_dtype_part(r->dtype);
    if (r->dtype == WHET_DTYPE_STRING) {
        const whet_text *v = r->data;
        return whet_text_compare(v[a], v[b]);
    }
    if (whet_dtype_is_complex(r->dtype)) { // the real part counts first
        int c = compare_reals(whet_load_f64(r->data, part, 2 * a),
                              whet_load_f64(r->data, part, 2 * b));
        return c ? c
                 : compare_reals(whet_load_f64(r->data, part, 2 * a + 1),
                                 whet_load_f64(r->data, part, 2 * b + 1));
    }
    if (whet_dtype_is_float(r->dtype))
        return compare_reals(whet_load_f64(r->data, part, a), whet_load_f64(r->data, part, b));
    if (r->dtype == WHET_DTYPE_U64) {
        uint64_t x = whet_load_u64(r->data, r->dtype, a), y = whet_load_u64(r->data, r->dtype, b);
        return (x > y) - (x < y);
    }
    int64_t x = whet_load_i64(r->data, r->dtype, a), y = whet_load_i64(r->data, r->dtype, b);
    return (x > y) - (x < y);
}

static int compare_rows(const unique_rows *r, int64_t a, int64_t b) {
    for (int64_t j = 0; j < r->length; j++) {
        int64_t at = j / r->inner * r->skip + j % r->inner;
        int c = compare_elements(r, a * r->step + at, b * r->step + at);
        if (c) return c;
    }
    return 0;
}
static bool row_before(const void *user, int64_t a, int64_t b) {
    return compare_rows(user, a, b) < 0;
}
static bool first_before(const void *user, int64_t a, int64_t b) {
    const int64_t *first = user;
    return first[a] < first[b];
}

// Groups of equal rows in the order of the output.
typedef struct unique_groups {
    int64_t n;
    int64_t *first, *count; // [n], in the order found
    int64_t *group;         // [rows], the number in that order
    int64_t *order, *rank;  // [n]: order[k] is the group at place k; rank its inverse
} unique_groups;

static whet_status find_groups(whet_eval *e, const unique_rows *r, bool sorted, unique_groups *g) {
    int64_t *index = whet_eval_scratch_i64(e, r->n), *more = whet_eval_scratch_i64(e, r->n);
    g->first = whet_eval_scratch_i64(e, r->n);
    g->count = whet_eval_scratch_i64(e, r->n);
    g->group = whet_eval_scratch_i64(e, r->n);
    g->order = whet_eval_scratch_i64(e, r->n);
    g->rank = whet_eval_scratch_i64(e, r->n);
    g->n = 0;
    if (!index || !more || !g->first || !g->count || !g->group || !g->order || !g->rank)
        return WHET_E_NOMEM;
    for (int64_t i = 0; i < r->n; i++) index[i] = i;
    whet_sort_indices(index, r->n, more, row_before, r);
    for (int64_t i = 0; i < r->n; i++) {
        if (i == 0 || compare_rows(r, index[i - 1], index[i])) {
            g->order[g->n] = g->n;
            g->first[g->n++] = index[i]; // the sort is stable: the first one
        }
        g->group[index[i]] = g->n - 1;
        g->count[g->n - 1]++;
    }
    if (!sorted) whet_sort_indices(g->order, g->n, more, first_before, g->first);
    for (int64_t k = 0; k < g->n; k++) g->rank[g->order[k]] = k;
    return WHET_OK;
}

static whet_status unique_lists(whet_eval *e, const unique_rows *r, const unique_groups *g) {
    for (int32_t i = 1; i < e->n_out; i++) {
        if (!whet_eval_wants(e, i)) continue;
        int64_t n = i == 2 ? r->n : g->n;
        WHET_TRY(whet_eval_output(e, i, 1, &n));
        int64_t *y = e->out[i].data;
        for (int64_t k = 0; k < n; k++)
            y[k] = i == 1   ? g->first[g->order[k]]
                   : i == 2 ? g->rank[g->group[k]]
                            : g->count[g->order[k]];
    }
    return WHET_OK;
}

static whet_status unique_eval(whet_eval *e) {
    const unique_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    bool flat = a->axis == WHET_ATTR_ABSENT;
    int32_t axis = flat ? 0 : whet_axis(a->axis, x->rank);
    unique_rows r = {x->data, x->dtype, whet_tensor_count(x), 1, 1, 1, 1};
    int64_t dims[WHET_MAX_RANK] = {0}, lead = 1;
    unique_groups g;
    if (!flat) {
        lead = whet_dims_product(x->dims, 0, axis);
        r.inner = r.step = whet_dims_product(x->dims, axis + 1, x->rank);
        r.n = x->dims[axis];
        r.length = lead * r.inner;
        r.skip = r.n * r.inner;
        memcpy(dims, x->dims, sizeof dims);
    }
    WHET_TRY(find_groups(e, &r, a->sorted, &g));
    dims[axis] = g.n;
    WHET_TRY(unique_lists(e, &r, &g));
    WHET_TRY(whet_eval_output(e, 0, flat ? 1 : x->rank, dims));
    if (!whet_eval_wants(e, 0)) return WHET_OK;
    size_t size = whet_element_bytes(x->dtype), bytes = (size_t)r.inner * size;
    char *y = e->out[0].data;
    for (int64_t l = 0; bytes && l < lead; l++)
        for (int64_t k = 0; k < g.n; k++, y += bytes)
            memcpy(y, whet_element_at(x->data, l * r.skip + g.first[g.order[k]] * r.step, size),
                   bytes);
    return WHET_OK;
}

static const whet_arg unique_in[] = {{"X", 0, 'T'}};
static const whet_arg unique_out[] = {
    {"Y", 0, 'T'}, {"indices", I64, 0, WHET_ARG_OPTIONAL},
    {"inverse_indices", I64, 0, WHET_ARG_OPTIONAL}, {"counts", I64, 0, WHET_ARG_OPTIONAL}};
static const whet_attr unique_attr_rows[] = {
    {"axis", WHET_ATTR_INT, offsetof(unique_attrs, axis), .def = -0x1p63},
    {"sorted", WHET_ATTR_BOOL, offsetof(unique_attrs, sorted), .def = 1}};
static const whet_onnx_row unique_onnx[] = {{"", "Unique", 11, 0, NULL}};
const whet_op whet_op_unique = {
    .name = "unique", .in = unique_in, .n_in = 1, .out = unique_out, .n_out = 4,
    .attrs = unique_attr_rows, .n_attrs = 2, .attrs_size = sizeof(unique_attrs),
    .onnx = unique_onnx, .n_onnx = 1, .flags = WHET_OP_DYNAMIC_OUT,
    .infer = unique_infer, .bound = unique_bound, .eval = unique_eval};
