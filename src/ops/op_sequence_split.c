// SPDX-License-Identifier: Apache-2.0
// Between a tensor and the sequence of its parts along an axis.
#include <string.h>

#include "ops/indices.h"
#include "ops/move.h"
#include "ops/objects.h"

// A tensor as [outer, length, inner] around an axis, in bytes.
typedef struct around {
    int64_t outer, length;
    size_t inner; // bytes
} around;

static around around_axis(const whet_tensor *t, int32_t axis) {
    return (around){whet_dims_product(t->dims, 0, axis), t->dims[axis],
                    (size_t)whet_dims_product(t->dims, axis + 1, t->rank) *
                        whet_element_bytes(t->dtype)};
}

// ---- concat_from_sequence ----

typedef struct concat_attrs {
    int64_t axis;
    bool new_axis;
} concat_attrs;

static whet_status concat_infer(whet_infer *ctx) { return whet_infer_item(ctx, 0, 0); }

static whet_status check_parts(const whet_eval *e, const whet_object *s, int32_t axis,
                               bool new_axis, int64_t *length) {
    const whet_tensor *first = &s->items[0];
    *length = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const whet_tensor *t = &s->items[i];
        bool same = t->rank == first->rank && t->dtype == first->dtype;
        for (int32_t d = 0; same && d < t->rank; d++)
            same = (d == axis && !new_axis) || t->dims[d] == first->dims[d];
        if (!same)
            WHET_FAIL(e->err, WHET_E_SHAPE, "item %lld does not fit to the first one",
                      (long long)i);
        if (__builtin_add_overflow(*length, new_axis ? 1 : t->dims[axis], length))
            WHET_FAIL(e->err, WHET_E_LIMIT, "the result is too large");
    }
    return WHET_OK;
}

static void join(const whet_object *s, int32_t axis, bool new_axis, whet_tensor *out) {
    around all = around_axis(out, axis);
    char *to = out->data;
    if (!all.inner || !all.length) return;
    for (int64_t i = 0; i < all.outer; i++)
        for (int64_t k = 0; k < s->n; k++) {
            const whet_tensor *t = &s->items[k];
            size_t bytes = (new_axis ? 1 : (size_t)t->dims[axis]) * all.inner;
            if (bytes) memcpy(to, (const char *)t->data + (size_t)i * bytes, bytes);
            to += bytes;
        }
}

static whet_status concat_eval(whet_eval *e) {
    const concat_attrs *a = e->attrs;
    const whet_object *s = whet_eval_object(e, 0);
    int64_t dims[WHET_MAX_RANK + 1], length;
    if (!s) return WHET_E_INVALID;
    if (!s->n) WHET_FAIL(e->err, WHET_E_INVALID, "an empty sequence cannot be concatenated");
    const whet_tensor *first = &s->items[0];
    int32_t rank = first->rank + a->new_axis;
    if (first->dtype != e->out[0].dtype || whet_dtype_is_object(first->dtype) ||
        whet_dtype_bits(first->dtype) < 8)
        WHET_FAIL(e->err, WHET_E_DTYPE, "sequences of %s cannot be concatenated",
                  whet_dtype_text(first->dtype));
    if (rank < 1 || rank > WHET_MAX_RANK || a->axis < -rank || a->axis >= rank)
        WHET_FAIL(e->err, WHET_E_RANGE, "axis %lld of a result with %d dimensions",
                  (long long)a->axis, rank);
    int32_t axis = whet_axis(a->axis, rank);
    WHET_TRY(check_parts(e, s, axis, a->new_axis, &length));
    for (int32_t d = 0, k = 0; d < rank; d++)
        dims[d] = d == axis && a->new_axis ? 0 : first->dims[k++];
    dims[axis] = length;
    WHET_TRY(whet_eval_output(e, 0, rank, dims));
    join(s, axis, a->new_axis, &e->out[0]);
    return WHET_OK;
}

const whet_op whet_op_concat_from_sequence = {
    .name = "concat_from_sequence",
    WHET_IN({"input_sequence", WHET_DTYPES_SEQUENCE}),
    WHET_OUT({"concat_result", WHET_DTYPES_TENSOR}),
    WHET_ATTRS(concat_attrs,
               {"axis", WHET_ATTR_INT, offsetof(concat_attrs, axis), .required = true},
               {"new_axis", WHET_ATTR_BOOL, offsetof(concat_attrs, new_axis)}),
    WHET_ONNX({"", "ConcatFromSequence", 11, 0, "concat_from_sequence"}),
    .flags = WHET_OP_ANY_RANK | WHET_OP_DYNAMIC_OUT, .infer = concat_infer, .eval = concat_eval,
};

// ---- split_to_sequence ----

typedef struct split_attrs {
    int64_t axis;
    bool keepdims;
} split_attrs;

static whet_status split_infer(whet_infer *ctx) {
    const split_attrs *a = ctx->attrs;
    int32_t axis;
    if (ctx->in[0]->rank >= 0)
        WHET_TRY(whet_infer_axis(ctx, a->axis, ctx->in[0]->rank, &axis));
    whet_infer_object(ctx, 0, WHET_DTYPE_SEQUENCE, (whet_elem)ctx->in[0]->dtype);
    return WHET_OK;
}

// Sizes of the parts in scratch: from the input, equal ones, or one each.
static whet_status part_sizes(whet_eval *e, int64_t length, const int64_t **sizes, int64_t *n) {
    bool given = whet_eval_has(e, 1);
    if (given && e->in[1].rank == 1) {
        int64_t sum = 0;
        *n = e->in[1].dims[0];
        if (!(*sizes = whet_eval_i64(e, 1))) return WHET_E_NOMEM;
        for (int64_t i = 0; i < *n; i++)
            if ((*sizes)[i] < 0 || (*sizes)[i] > length - sum)
                WHET_FAIL(e->err, WHET_E_RANGE, "part %lld of size %lld does not fit",
                          (long long)i, (long long)(*sizes)[i]);
            else sum += (*sizes)[i];
        if (sum != length)
            WHET_FAIL(e->err, WHET_E_SHAPE, "the parts take %lld of %lld", (long long)sum,
                      (long long)length);
        return WHET_OK;
    }
    if (given && e->in[1].rank > 1)
        WHET_FAIL(e->err, WHET_E_SHAPE, "the sizes of the parts are one number or a list");
    int64_t step = given ? whet_load_i64(e->in[1].data, e->in[1].dtype, 0) : 1;
    if (step < 1)
        WHET_FAIL(e->err, WHET_E_RANGE, "parts of size %lld are not possible", (long long)step);
    *n = length / step + (length % step != 0);
    int64_t *made = whet_eval_scratch_i64(e, *n);
    if (!made) return WHET_E_NOMEM;
    for (int64_t i = 0; i < *n; i++) made[i] = i + 1 < *n ? step : length - i * step;
    *sizes = made;
    return WHET_OK;
}

static bool cut(whet_eval *e, int32_t axis, int64_t first, int64_t size, whet_tensor *part) {
    const whet_tensor *x = &e->in[0];
    around from = around_axis(x, axis);
    *part = *x;
    part->dims[axis] = size;
    part->bytes = whet_tensor_bytes(part->dtype, whet_tensor_count(part));
    char *to = part->data = whet_arena_alloc_raw(e->scratch, part->bytes);
    for (int64_t i = 0; to && part->bytes && i < from.outer; i++) {
        size_t bytes = (size_t)size * from.inner;
        memcpy(to, (const char *)x->data + (size_t)(i * from.length + first) * from.inner, bytes);
        to += bytes;
    }
    return part->data;
}

static void drop_axis(whet_tensor *t, int32_t axis) {
    t->rank--;
    for (int32_t d = axis; d < t->rank; d++) t->dims[d] = t->dims[d + 1];
}

static whet_status split_eval(whet_eval *e) {
    const split_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    const int64_t *sizes = NULL;
    const whet_object *o;
    int64_t n = 0, first = 0;
    int32_t axis = whet_axis(a->axis, x->rank);
    WHET_TRY(part_sizes(e, x->dims[axis], &sizes, &n));
    WHET_TRY(whet_object_make(e->objects, WHET_DTYPE_SEQUENCE, (whet_elem)x->dtype, NULL, 0, &o,
                              e->err));
    for (int64_t i = 0; i < n; i++) {
        whet_tensor part;
        if (!cut(e, axis, first, sizes[i], &part)) return WHET_NOMEM(e->err);
        if (!a->keepdims && !whet_eval_has(e, 1)) drop_axis(&part, axis);
        WHET_TRY(whet_object_insert(e->objects, o, o->n, &part, &o, e->err));
        first += sizes[i];
    }
    whet_eval_put(e, 0, o);
    return WHET_OK;
}

const whet_op whet_op_split_to_sequence = {
    .name = "split_to_sequence",
    WHET_IN({"input", WHET_DTYPES_TENSOR & ~WHET_DTYPES_PACKED},
            {"split", WHET_DTYPES_INDEX, 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"output_sequence", WHET_DTYPES_SEQUENCE}),
    WHET_ATTRS(split_attrs, {"axis", WHET_ATTR_INT, offsetof(split_attrs, axis)},
               {"keepdims", WHET_ATTR_BOOL, offsetof(split_attrs, keepdims), .def = 1}),
    WHET_ONNX({"", "SplitToSequence", 11, 0, "split_to_sequence"}),
    .flags = WHET_OP_ANY_RANK, .infer = split_infer, .eval = split_eval,
};
