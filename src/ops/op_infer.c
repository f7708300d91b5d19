// SPDX-License-Identifier: Apache-2.0
// Around every shape function: arity, dtypes and type variables before, completeness after.
#include <string.h>

#include "ops/op.h"

#define N_VARS 128

static const whet_arg *arg_of(const whet_arg *args, int32_t n, int32_t i) {
    if (i < n) return &args[i];
    return n > 0 && args[n - 1].flags & WHET_ARG_VARIADIC ? &args[n - 1] : NULL;
}

static int32_t min_inputs(const whet_op *op) {
    if (op->min_in) return op->min_in;
    int32_t n = op->n_in;
    while (n > 0 && op->in[n - 1].flags & WHET_ARG_OPTIONAL) n--;
    return n;
}

static whet_status check_arity(const whet_infer *ctx) {
    const whet_op *op = ctx->op;
    int32_t least = min_inputs(op);
    if (ctx->n_in < least || (ctx->n_in > 0 && !arg_of(op->in, op->n_in, ctx->n_in - 1)))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "%s takes %s%d inputs, not %d", op->name,
                  ctx->n_in < least ? "at least " : "at most ",
                  ctx->n_in < least ? least : op->n_in, ctx->n_in);
    if (ctx->n_out < 1 || !arg_of(op->out, op->n_out, ctx->n_out - 1))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "%s gives at most %d outputs, not %d", op->name,
                  op->n_out, ctx->n_out);
    for (int32_t i = 0; i < ctx->n_in; i++) {
        const whet_arg *a = arg_of(op->in, op->n_in, i);
        if (!ctx->in[i] && (i < least || !(a->flags & WHET_ARG_OPTIONAL)) &&
            !(a->flags & WHET_ARG_OPTIONAL))
            WHET_FAIL(ctx->err, WHET_E_INVALID, "input %d (%s) is missing", i, a->name);
    }
    return WHET_OK;
}

static uint64_t allowed(const whet_op *op, const whet_arg *a) {
    if (a->dtypes) return a->dtypes;
    bool packed = op->flags & (WHET_OP_VIEW | WHET_OP_MOVES) || a->flags & WHET_ARG_SHAPE;
    return packed ? WHET_DTYPES_TENSOR : WHET_DTYPES_TENSOR & ~WHET_DTYPES_PACKED;
}

// What the type variables stand for so far.
typedef struct {
    whet_dtype dtype[N_VARS];
    whet_elem elem[N_VARS];
} type_vars;

static whet_status check_dtypes(const whet_infer *ctx, type_vars *vars) {
    const whet_op *op = ctx->op;
    for (int32_t i = 0; i < ctx->n_in; i++) {
        if (!ctx->in[i]) continue;
        const whet_arg *a = arg_of(op->in, op->n_in, i);
        whet_dtype dtype = ctx->in[i]->dtype;
        if (!whet_dtype_known(dtype))
            WHET_FAIL(ctx->err, WHET_E_DTYPE, "input %d (%s) has no data type", i, a->name);
        if (!(allowed(op, a) >> dtype & 1))
            WHET_FAIL(ctx->err, WHET_E_DTYPE, "input %d (%s) of %s cannot be %s", i, a->name,
                      op->name, whet_dtype_text(dtype));
        int32_t at = a->var & (N_VARS - 1);
        whet_dtype *var = &vars->dtype[at];
        if (!a->var) continue;
        if (!whet_elem_merge(vars->elem[at], ctx->in[i]->elem, &vars->elem[at]))
            WHET_FAIL(ctx->err, WHET_E_DTYPE,
                      "input %d (%s) of %s holds other things than the inputs before it", i,
                      a->name, op->name);
        if (*var == dtype) continue;
        if (*var != WHET_DTYPE_NONE)
            WHET_FAIL(ctx->err, WHET_E_DTYPE, "input %d (%s) of %s is %s where %s is needed", i,
                      a->name, op->name, whet_dtype_text(dtype), whet_dtype_text(*var));
        *var = dtype;
    }
    return WHET_OK;
}

static whet_dtype attr_dtype(const whet_infer *ctx) {
    for (int32_t i = 0; i < ctx->op->n_attrs; i++) {
        const whet_attr *a = &ctx->op->attrs[i];
        int32_t v;
        if (a->type == WHET_ATTR_TENSOR) { // what a tensor is filled with: 0.0f when absent
            const whet_tensor *t;
            memcpy(&t, (const char *)ctx->attrs + a->offset, sizeof t);
            return t ? t->dtype : WHET_DTYPE_F32;
        }
        if (a->type != WHET_ATTR_DTYPE) continue;
        memcpy(&v, (const char *)ctx->attrs + a->offset, sizeof v);
        return (whet_dtype)v;
    }
    return WHET_DTYPE_NONE;
}

static whet_dtype only_dtype(uint64_t set) {
    return set && !(set & (set - 1)) ? (whet_dtype)__builtin_ctzll(set) : WHET_DTYPE_NONE;
}

static void preset_outputs(whet_infer *ctx, const type_vars *vars) {
    for (int32_t i = 0; i < ctx->n_out; i++) {
        const whet_arg *a = arg_of(ctx->op->out, ctx->op->n_out, i);
        whet_type *t = &ctx->out[i];
        t->dtype = a->var ? vars->dtype[a->var & (N_VARS - 1)] : WHET_DTYPE_NONE;
        t->elem = a->var ? vars->elem[a->var & (N_VARS - 1)] : 0;
        if (t->dtype == WHET_DTYPE_NONE) t->dtype = only_dtype(a->dtypes);
        if (t->dtype == WHET_DTYPE_NONE) t->dtype = attr_dtype(ctx);
        t->rank = INT32_MIN;
        t->value = NULL;
    }
}

// The shape function cannot be called yet; when it is, at run time, it may ask for these.
static void ask_contents(whet_infer *ctx) {
    for (int32_t i = 0; i < ctx->n_in && i < 64; i++) {
        const whet_arg *a = arg_of(ctx->op->in, ctx->op->n_in, i);
        bool asks = a->flags & (WHET_ARG_SHAPE | WHET_ARG_VALUE);
        bool known = ctx->data && ctx->data[i];
        if (asks && ctx->in[i] && !known) ctx->needs_value |= UINT64_C(1) << i;
    }
}

static bool rank_unknown(const whet_infer *ctx) {
    for (int32_t i = 0; i < ctx->n_in; i++)
        if (ctx->in[i] && ctx->in[i]->rank < 0) return true;
    return false;
}

// Whether dimensions may be unknown without a pool: the executor learns them from the outputs.
static bool may_be_late(const whet_infer *ctx) {
    if (ctx->dims) return false;
    if (ctx->op->flags & WHET_OP_DYNAMIC_OUT || ctx->needs_value) return true;
    if (rank_unknown(ctx)) return true;
    for (int32_t i = 0; i < ctx->n_in; i++)
        for (int32_t k = 0; ctx->in[i] && k < ctx->in[i]->rank; k++)
            if (!whet_dim_is_const(ctx->in[i]->dims[k])) return true;
    return false;
}

static whet_status check_dims(const whet_infer *ctx, int32_t i, bool late) {
    const whet_type *t = &ctx->out[i];
    bool numbers = true;
    for (int32_t k = 0; k < t->rank; k++) {
        whet_dim d = t->dims[k];
        if (whet_dim_is_error(d) && !late)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d of output %d cannot be computed", k, i);
        if (whet_dim_is_const(d) && d < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE, "dimension %d of output %d would be %lld", k, i,
                      (long long)d);
        numbers = numbers && whet_dim_is_const(d);
    }
    if (numbers && t->rank > 0 && whet_dims_count(t->dims, t->rank) < 0)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "output %d would have too many elements", i);
    return WHET_OK;
}

static whet_status check_outputs(const whet_infer *ctx) {
    bool late = may_be_late(ctx);
    for (int32_t i = 0; i < ctx->n_out; i++) {
        const whet_type *t = &ctx->out[i];
        if (t->rank < -1 || t->rank > WHET_MAX_RANK)
            WHET_FAIL(ctx->err, WHET_E_INTERNAL, "%s left the shape of output %d open",
                      ctx->op->name, i);
        if (!whet_dtype_known(t->dtype))
            WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "the data type of output %d is not known", i);
        const whet_arg *a = arg_of(ctx->op->out, ctx->op->n_out, i);
        if (!(allowed(ctx->op, a) >> t->dtype & 1))
            WHET_FAIL(ctx->err, WHET_E_DTYPE, "output %d (%s) of %s cannot be %s", i, a->name,
                      ctx->op->name, whet_dtype_text(t->dtype));
        WHET_TRY(check_dims(ctx, i, late));
    }
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx, whet_status (*call)(whet_infer *ctx)) {
    type_vars vars = {0};
    ctx->needs_value = 0;
    if (ctx->n_blocks != ctx->op->n_blocks)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "%s has %d blocks, not %d", ctx->op->name,
                  ctx->op->n_blocks, ctx->n_blocks);
    WHET_TRY(check_arity(ctx));
    WHET_TRY(check_dtypes(ctx, &vars));
    if (ctx->op->n_attrs) WHET_TRY(whet_op_attr_check(ctx->op, ctx->attrs, ctx->err));
    preset_outputs(ctx, &vars);
    if (rank_unknown(ctx) && !(ctx->op->flags & WHET_OP_ANY_RANK)) {
        for (int32_t i = 0; i < ctx->n_out; i++) ctx->out[i].rank = -1;
        ask_contents(ctx);
    } else if (call) {
        WHET_TRY(call(ctx));
    }
    return check_outputs(ctx);
}

whet_status whet_op_infer(whet_infer *ctx) {
    const char *node = ctx->node && *ctx->node ? ctx->node : ctx->op->name;
    whet_status status = infer(ctx, ctx->op->infer);
    if (status == WHET_OK || !ctx->err || !strncmp(ctx->err->text, node, strlen(node)))
        return status;
    return whet_error_prefix(ctx->err, status, "%s", node);
}

whet_status whet_op_bound(whet_infer *ctx) {
    return ctx->op->bound ? infer(ctx, ctx->op->bound) : WHET_E_UNSUPPORTED;
}
