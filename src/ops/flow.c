// SPDX-License-Identifier: Apache-2.0
#include "ops/flow.h"

#include <string.h>

whet_status whet_flow_of(const whet_op *op, const void *attrs, int32_t n_in, int32_t n_out,
                         whet_flow *f, whet_error *err) {
    static const whet_flow_attrs none;
    bool loop = op == &whet_op_loop, scan = op == &whet_op_scan;
    const whet_flow_attrs *a = op->n_attrs ? attrs : &none;
    *f = (whet_flow){.kind = loop ? WHET_FLOW_LOOP : scan ? WHET_FLOW_SCAN : WHET_FLOW_IF,
                     .attrs = a, .own = loop ? 2 : 1, .block_in = loop ? 2 : 0,
                     .block_out = loop ? 1 : 0};
    if (n_in < f->own || a->carried > n_out || a->carried + a->scanned > n_in - f->own)
        WHET_FAIL(err, WHET_E_INVALID,
                  "%s: %d inputs and %d results do not fit %lld carried and %lld scanned values",
                  op->name, n_in, n_out, (long long)a->carried, (long long)a->scanned);
    f->carried = (int32_t)a->carried;
    f->scanned = (int32_t)a->scanned;
    f->captured = n_in - f->own - f->carried - f->scanned;
    f->collected = n_out - f->carried;
    return WHET_OK;
}

// ---- into a block ----

static whet_status drop_dim(whet_infer *ctx, whet_type *t, int64_t axis, const char *what) {
    if (t->rank < 0) return WHET_OK;
    int32_t at;
    if (t->rank == 0) WHET_FAIL(ctx->err, WHET_E_SHAPE, "a scalar has no %s", what);
    WHET_TRY(whet_infer_axis(ctx, axis, t->rank, &at));
    memmove(&t->dims[at], &t->dims[at + 1], (size_t)(t->rank - at - 1) * sizeof t->dims[0]);
    t->rank--;
    return WHET_OK;
}

whet_status whet_flow_enter(whet_infer *ctx, const whet_flow *f, int32_t i, whet_type *type) {
    if (i < f->block_in) { // of a loop: its number and whether it goes on
        *type = (whet_type){.dtype = i ? WHET_DTYPE_BOOL : WHET_DTYPE_I64};
        return WHET_OK;
    }
    int32_t from = i - f->block_in;
    const whet_type *t = ctx->in[f->own + from];
    if (!t) WHET_FAIL(ctx->err, WHET_E_INVALID, "input %d is missing", f->own + from);
    *type = *t;
    if (from >= f->carried + f->scanned) return WHET_OK;
    type->value = NULL;
    if (f->attrs->batched) WHET_TRY(drop_dim(ctx, type, 0, "batch"));
    if (from < f->carried) return WHET_OK;
    int64_t axis = whet_flow_at(f->attrs->in_axes, from - f->carried);
    return drop_dim(ctx, type, axis, "axis to scan");
}

whet_status whet_flow_widen(whet_infer *ctx, const whet_type *begin, whet_type *in,
                            const whet_type *out, bool *changed) {
    if (in->dtype != out->dtype)
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "a carried value enters as %s and leaves as %s",
                  whet_dtype_text(in->dtype), whet_dtype_text(out->dtype));
    whet_elem elem = in->elem;
    if (!whet_elem_merge(in->elem, out->elem, &elem))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "a carried %s leaves with other things in it",
                  whet_dtype_text(in->dtype));
    *changed = *changed || elem != in->elem;
    in->elem = elem;
    if (in->rank < 0) return WHET_OK;
    if (out->rank != in->rank) {
        in->rank = -1;
        *changed = true;
        return WHET_OK;
    }
    for (int32_t d = 0; d < in->rank; d++) {
        bool widened = begin->rank != in->rank || begin->dims[d] != in->dims[d];
        if (out->dims[d] == in->dims[d] || widened) continue;
        in->dims[d] = whet_dim_fresh(ctx->dims);
        *changed = true;
    }
    return WHET_OK;
}

void whet_flow_forget(whet_infer *ctx, whet_type *in, bool rank) {
    if (rank) in->rank = -1;
    for (int32_t d = 0; d < in->rank; d++) in->dims[d] = whet_dim_fresh(ctx->dims);
}

// ---- out of a block ----

static void find_unknown(void *user, const char *name) {
    if (name[0] == '?') *(bool *)user = true;
}

// Dimensions named in a block by inference may be others in each iteration.
static whet_dim leave(whet_infer *ctx, whet_dim d) {
    bool unknown = false;
    if (whet_dim_is_const(d)) return d;
    if (whet_dim_is_error(d)) return whet_dim_fresh(ctx->dims);
    whet_dim_names(ctx->dims, d, find_unknown, &unknown);
    return unknown ? whet_dim_fresh(ctx->dims) : d;
}

static void leave_type(whet_infer *ctx, whet_type *t, const whet_type *from) {
    *t = *from;
    t->value = NULL;
    for (int32_t d = 0; d < t->rank; d++) t->dims[d] = leave(ctx, t->dims[d]);
}

// A type that both have.
static whet_status join(whet_infer *ctx, whet_type *t, const whet_type *other, int32_t i) {
    if (t->dtype != other->dtype || !whet_elem_merge(t->elem, other->elem, &t->elem))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "result %d is %s or %s", i, whet_dtype_text(t->dtype),
                  whet_dtype_text(other->dtype));
    if (t->rank != other->rank) t->rank = -1;
    for (int32_t d = 0; d < t->rank; d++)
        if (t->dims[d] != other->dims[d]) t->dims[d] = whet_dim_fresh(ctx->dims);
    return WHET_OK;
}

static whet_status insert_dim(whet_infer *ctx, whet_type *t, int64_t axis, whet_dim size) {
    int32_t at;
    if (t->rank < 0) return WHET_OK;
    if (t->rank == WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "results collected would have more than %d dimensions",
                  WHET_MAX_RANK);
    WHET_TRY(whet_infer_axis(ctx, axis, t->rank + 1, &at));
    memmove(&t->dims[at + 1], &t->dims[at], (size_t)(t->rank - at) * sizeof t->dims[0]);
    t->dims[at] = size;
    t->rank++;
    return WHET_OK;
}

static bool is_true(const whet_tensor *t) {
    return t && t->data && whet_tensor_count(t) == 1 && whet_load_i64(t->data, t->dtype, 0);
}

// The condition that a loop's block leaves is true in every iteration.
static bool always_goes_on(const whet_infer *ctx) {
    const whet_block_types *b = &ctx->blocks[0];
    const whet_tensor *end = b->out_data ? b->out_data[0] : NULL, *begin = ctx->data[1];
    if (ctx->in[1] && !is_true(begin)) return false;
    return b->out[0] == b->in[1] || is_true(end);
}

// Iterations as a dimension.
static whet_dim trips(whet_infer *ctx, const whet_flow *f) {
    const whet_dim *v;
    int64_t n;
    if (f->kind == WHET_FLOW_SCAN) {
        const whet_type *t = f->scanned ? ctx->in[f->own + f->carried] : NULL;
        int64_t axis = whet_flow_at(f->attrs->in_axes, 0);
        if (!t || t->rank < 1) return whet_dim_fresh(ctx->dims);
        return t->dims[f->attrs->batched ? 1 : whet_axis(axis, t->rank)];
    }
    if (!ctx->in[0] || !always_goes_on(ctx) || !whet_infer_peek(ctx, 0, &v, &n) || n != 1)
        return whet_dim_fresh(ctx->dims);
    return whet_dim_known_nonnegative(ctx->dims, v[0]) ? v[0] : whet_dim_max(ctx->dims, v[0], 0);
}

static whet_status leave_repeated(whet_infer *ctx, const whet_flow *f) {
    const whet_block_types *b = &ctx->blocks[0];
    whet_dim count = trips(ctx, f), batch = WHET_DIM_ERROR;
    if (f->attrs->batched) {
        const whet_type *t = f->scanned ? ctx->in[f->own + f->carried] : ctx->in[f->own];
        batch = t && t->rank > 0 ? t->dims[0] : whet_dim_fresh(ctx->dims);
    }
    for (int32_t i = 0; i < ctx->n_out; i++) {
        bool carried = i < f->carried;
        whet_type *t = &ctx->out[i];
        leave_type(ctx, t, carried ? b->in[f->block_in + i] : b->out[f->block_out + i]);
        int32_t k = i - f->carried;
        if (!carried) WHET_TRY(insert_dim(ctx, t, whet_flow_at(f->attrs->out_axes, k), count));
        if (f->attrs->batched) WHET_TRY(insert_dim(ctx, t, 0, batch));
    }
    return WHET_OK;
}

// ---- checks ----

static whet_status check_border(whet_infer *ctx, const whet_type *declared, const whet_type *t,
                                const char *what, int32_t i) {
    whet_elem elem;
    if (declared->dtype != t->dtype || !whet_elem_merge(declared->elem, t->elem, &elem))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "%s %d of its block is %s, but %s is there", what, i,
                  whet_dtype_text(declared->dtype), whet_dtype_text(t->dtype));
    if (declared->rank < 0 || t->rank < 0) return WHET_OK;
    if (declared->rank != t->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s %d of its block has %d dimensions, not %d", what, i,
                  declared->rank, t->rank);
    for (int32_t d = 0; d < t->rank; d++)
        if (whet_dim_is_const(declared->dims[d]) && whet_dim_is_const(t->dims[d]) &&
            declared->dims[d] != t->dims[d])
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d of %s %d of its block is %lld, not "
                      "%lld", d, what, i, (long long)declared->dims[d], (long long)t->dims[d]);
    return WHET_OK;
}

static whet_status check_block(whet_infer *ctx, const whet_flow *f, const whet_block_types *b) {
    if (b->n_in != whet_flow_inputs(f) || b->n_out != whet_flow_outputs(f))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "a block of %s has %d inputs and %d results, not %d "
                  "and %d", ctx->op->name, b->n_in, b->n_out, whet_flow_inputs(f),
                  whet_flow_outputs(f));
    for (int32_t i = 0; i < b->n_in; i++) {
        whet_type t;
        WHET_TRY(whet_flow_enter(ctx, f, i, &t));
        WHET_TRY(check_border(ctx, b->in[i], &t, "input", i));
    }
    for (int32_t i = 0; i < f->carried; i++)
        WHET_TRY(check_border(ctx, b->in[f->block_in + i], b->out[f->block_out + i],
                              "carried value", i));
    if (f->kind == WHET_FLOW_LOOP && b->out[0]->dtype != WHET_DTYPE_BOOL)
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "the condition that its block leaves is %s",
                  whet_dtype_text(b->out[0]->dtype));
    return WHET_OK;
}

static whet_status check_own(whet_infer *ctx, const whet_flow *f) {
    static const whet_dtype dtypes[3][2] = {{WHET_DTYPE_BOOL, WHET_DTYPE_NONE},
                                            {WHET_DTYPE_I64, WHET_DTYPE_BOOL},
                                            {WHET_DTYPE_I64, WHET_DTYPE_NONE}};
    for (int32_t i = 0; i < f->own; i++) {
        const whet_type *t = ctx->in[i];
        if (!t && f->kind != WHET_FLOW_IF) continue;
        if (!t) WHET_FAIL(ctx->err, WHET_E_INVALID, "the condition is missing");
        if (t->dtype != dtypes[f->kind][i])
            WHET_FAIL(ctx->err, WHET_E_DTYPE, "input %d is %s, not %s", i,
                      whet_dtype_text(t->dtype), whet_dtype_text(dtypes[f->kind][i]));
        bool numbers = t->rank >= 0 && f->kind != WHET_FLOW_SCAN;
        for (int32_t d = 0; d < t->rank; d++) numbers &= whet_dim_is_const(t->dims[d]);
        if (numbers && whet_dims_count(t->dims, t->rank) != 1)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "input %d has more than one element or none", i);
    }
    return WHET_OK;
}

static whet_status check_attrs(whet_infer *ctx, const whet_flow *f) {
    const whet_ints *in[] = {&f->attrs->in_axes, &f->attrs->in_directions};
    const whet_ints *out[] = {&f->attrs->out_axes, &f->attrs->out_directions};
    for (int32_t i = 0; i < 2; i++)
        if ((in[i]->v && in[i]->n != f->scanned) || (out[i]->v && out[i]->n != f->collected))
            WHET_FAIL(ctx->err, WHET_E_INVALID, "axes or directions for %d scanned and %d "
                      "collected values are expected", f->scanned, f->collected);
    if (f->kind == WHET_FLOW_SCAN && !f->scanned)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "it has nothing to scan");
    return WHET_OK;
}

whet_status whet_flow_infer(whet_infer *ctx) {
    whet_flow f;
    WHET_TRY(whet_flow_of(ctx->op, ctx->attrs, ctx->n_in, ctx->n_out, &f, ctx->err));
    WHET_TRY(check_own(ctx, &f));
    WHET_TRY(check_attrs(ctx, &f));
    for (int32_t i = 0; i < ctx->n_blocks; i++) WHET_TRY(check_block(ctx, &f, &ctx->blocks[i]));
    if (f.kind != WHET_FLOW_IF) return leave_repeated(ctx, &f);
    for (int32_t i = 0; i < ctx->n_out; i++) {
        leave_type(ctx, &ctx->out[i], ctx->blocks[0].out[i]);
        whet_type other;
        leave_type(ctx, &other, ctx->blocks[1].out[i]);
        WHET_TRY(join(ctx, &ctx->out[i], &other, i));
    }
    return WHET_OK;
}
