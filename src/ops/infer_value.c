// SPDX-License-Identifier: Apache-2.0
// Contents of small integer tensors through elementwise operators, so that sizes computed from
// shapes stay expressions. An element that is not known becomes an unknown; without a pool, an
// error dim.
#include "ops/op.h"
#include "ops/pointwise.h"

static whet_dim unknown(whet_infer *ctx) {
    return ctx->dims ? whet_dim_unknown(ctx->dims) : WHET_DIM_ERROR;
}

static bool nonnegative(whet_infer *ctx, whet_dim d) {
    return whet_dim_is_const(d) ? d >= 0 : ctx->dims && whet_dim_known_nonnegative(ctx->dims, d);
}
static bool positive(whet_infer *ctx, whet_dim d) {
    return whet_dim_is_const(d) ? d > 0 : ctx->dims && whet_dim_known_positive(ctx->dims, d);
}

// Truncating division is floor division where neither operand is negative.
static whet_dim divide(whet_infer *ctx, whet_dim a, whet_dim b) {
    if (whet_dim_is_const(a) && whet_dim_is_const(b))
        return b == 0 || (a == INT64_MIN && b == -1) ? WHET_DIM_ERROR : a / b;
    if (b == 1) return a;
    if (nonnegative(ctx, a) && positive(ctx, b)) return whet_dim_floordiv(ctx->dims, a, b);
    return WHET_DIM_ERROR;
}

static whet_dim modulo(whet_infer *ctx, whet_dim a, whet_dim b, bool c_style) {
    if (whet_dim_is_const(b) && b == 0) return WHET_DIM_ERROR;
    if (!c_style || (nonnegative(ctx, a) && positive(ctx, b)))
        return positive(ctx, b) ? whet_dim_mod(ctx->dims, a, b) : WHET_DIM_ERROR;
    if (whet_dim_is_const(a) && whet_dim_is_const(b)) return b == -1 ? 0 : a % b;
    return WHET_DIM_ERROR;
}

static whet_dim absolute(whet_infer *ctx, whet_dim a) {
    if (nonnegative(ctx, a)) return a;
    return whet_dim_is_const(a) ? -a : whet_dim_max(ctx->dims, a, whet_dim_sub(ctx->dims, 0, a));
}

// a < b: 1 or 0; WHET_DIM_ERROR when not known.
static whet_dim less(whet_infer *ctx, whet_dim a, whet_dim b) {
    whet_dim d = whet_dim_sub(ctx->dims, b, a); // positive when a < b
    if (whet_dim_is_error(d)) return WHET_DIM_ERROR;
    if (positive(ctx, d)) return 1;
    return nonnegative(ctx, whet_dim_sub(ctx->dims, a, b)) ? 0 : WHET_DIM_ERROR;
}

static whet_dim flip(whet_dim truth) { return whet_dim_is_error(truth) ? truth : !truth; }

static whet_dim equal(whet_infer *ctx, whet_dim a, whet_dim b) {
    if (a == b) return whet_dim_is_error(a) ? a : 1;
    whet_dim lt = less(ctx, a, b), gt = less(ctx, b, a);
    if (lt == 1 || gt == 1) return 0;
    return lt == 0 && gt == 0 ? 1 : WHET_DIM_ERROR;
}

static whet_dim logic(whet_pw f, whet_dim a, whet_dim b) {
    bool ka = whet_dim_is_const(a), kb = whet_dim_is_const(b);
    if (f == WHET_PW_AND && ((ka && !a) || (kb && !b))) return 0;
    if (f == WHET_PW_OR && ((ka && a) || (kb && b))) return 1;
    if (!ka || !kb) return WHET_DIM_ERROR;
    return f == WHET_PW_XOR ? (a != 0) != (b != 0) : f == WHET_PW_AND;
}

static whet_dim apply(whet_infer *ctx, const float p[2], const whet_dim *x) {
    whet_dims *dims = ctx->dims;
    switch ((whet_pw)ctx->op->pw) {
    case WHET_PW_IDENTITY: return x[0];
    case WHET_PW_RELU: return whet_dim_max(dims, x[0], 0);
    case WHET_PW_ABS: return absolute(ctx, x[0]);
    case WHET_PW_NEG: return whet_dim_sub(dims, 0, x[0]);
    case WHET_PW_SIGN:
        return positive(ctx, x[0]) ? 1 : whet_dim_is_const(x[0]) ? -(x[0] < 0) : WHET_DIM_ERROR;
    case WHET_PW_NOT: return whet_dim_is_const(x[0]) ? !x[0] : WHET_DIM_ERROR;
    case WHET_PW_ADD: return whet_dim_add(dims, x[0], x[1]);
    case WHET_PW_SUB: return whet_dim_sub(dims, x[0], x[1]);
    case WHET_PW_MUL: return whet_dim_mul(dims, x[0], x[1]);
    case WHET_PW_DIV: return divide(ctx, x[0], x[1]);
    case WHET_PW_MIN: return whet_dim_min(dims, x[0], x[1]);
    case WHET_PW_MAX: return whet_dim_max(dims, x[0], x[1]);
    case WHET_PW_MOD: return modulo(ctx, x[0], x[1], p[0] != 0);
    case WHET_PW_EQUAL: return equal(ctx, x[0], x[1]);
    case WHET_PW_LESS: return less(ctx, x[0], x[1]);
    case WHET_PW_GREATER: return less(ctx, x[1], x[0]);
    case WHET_PW_LESS_OR_EQUAL: return flip(less(ctx, x[1], x[0]));
    case WHET_PW_GREATER_OR_EQUAL: return flip(less(ctx, x[0], x[1]));
    case WHET_PW_AND:
    case WHET_PW_OR:
    case WHET_PW_XOR: return logic((whet_pw)ctx->op->pw, x[0], x[1]);
    case WHET_PW_WHERE:
        return whet_dim_is_const(x[0]) ? x[x[0] ? 1 : 2] : x[1] == x[2] ? x[1] : WHET_DIM_ERROR;
    default: return WHET_DIM_ERROR;
    }
}

// A number that the dtype cannot hold would wrap: not tracked.
static bool fits(whet_dtype dtype, whet_dim d) {
    int32_t bits = whet_dtype_bits(dtype);
    if (!whet_dim_is_const(d) || !whet_dtype_is_integral(dtype)) return true;
    if (whet_dtype_is_unsigned(dtype)) return d >= 0 && (bits == 64 || d >> bits == 0);
    if (bits == 64 || dtype == WHET_DTYPE_BOOL) return true;
    return d >> (bits - 1) == 0 || d >> (bits - 1) == -1;
}

whet_status whet_infer_pass_value(whet_infer *ctx, int32_t out, int32_t in) {
    const whet_dim *v;
    int64_t n;
    if (out >= ctx->n_out || !whet_dtype_is_integral(ctx->out[out].dtype) ||
        !whet_infer_peek(ctx, in, &v, &n))
        return WHET_OK;
    whet_dim *value = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    if (!value) return WHET_NOMEM(ctx->err);
    bool truth = ctx->out[out].dtype == WHET_DTYPE_BOOL;
    for (int64_t i = 0; i < n; i++) {
        value[i] = truth && whet_dim_is_const(v[i]) ? v[i] != 0 : v[i];
        if (whet_dim_is_error(v[i]) || (truth && !whet_dim_is_const(v[i])) ||
            !fits(ctx->out[out].dtype, value[i]))
            value[i] = unknown(ctx);
    }
    ctx->out[out].value = value;
    return WHET_OK;
}

static bool tracked(whet_pw f) {
    switch (f) {
    case WHET_PW_IDENTITY:
    case WHET_PW_RELU:
    case WHET_PW_ABS:
    case WHET_PW_NEG:
    case WHET_PW_SIGN:
    case WHET_PW_NOT:
    case WHET_PW_ADD:
    case WHET_PW_SUB:
    case WHET_PW_MUL:
    case WHET_PW_DIV:
    case WHET_PW_MIN:
    case WHET_PW_MAX:
    case WHET_PW_MOD:
    case WHET_PW_EQUAL:
    case WHET_PW_LESS:
    case WHET_PW_LESS_OR_EQUAL:
    case WHET_PW_GREATER:
    case WHET_PW_GREATER_OR_EQUAL:
    case WHET_PW_AND:
    case WHET_PW_OR:
    case WHET_PW_XOR:
    case WHET_PW_WHERE: return true;
    default: return false;
    }
}

// Index in input `t` of element `at` of the output.
static int64_t element(const whet_type *t, const whet_type *out, int64_t at) {
    int64_t index = 0, stride = 1;
    for (int32_t k = out->rank - 1, j = t->rank - 1; j >= 0; k--, j--) {
        if (t->dims[j] != 1) index += at % out->dims[k] * stride;
        at /= out->dims[k];
        stride *= t->dims[j];
    }
    return index;
}

static bool small_numbers(const whet_type *t, int64_t *n) {
    for (int32_t k = 0; k < t->rank; k++)
        if (!whet_dim_is_const(t->dims[k])) return false;
    *n = whet_dims_count(t->dims, t->rank);
    return *n >= 0 && *n <= WHET_VALUE_LIMIT;
}

static whet_status propagate(whet_infer *ctx) {
    const whet_dim *v[3];
    whet_type *out = &ctx->out[0];
    float p[2];
    int64_t n, n_in;
    if (ctx->n_in > 3 || ctx->n_in != whet_pw_inputs((whet_pw)ctx->op->pw) ||
        !small_numbers(out, &n))
        return WHET_OK;
    for (int32_t i = 0; i < ctx->n_in; i++)
        if (!whet_infer_peek(ctx, i, &v[i], &n_in)) return WHET_OK;
    whet_pw_params(ctx->op, ctx->attrs, p);
    whet_dim *value = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    if (!value) return WHET_NOMEM(ctx->err);
    for (int64_t at = 0; at < n; at++) {
        whet_dim x[3];
        for (int32_t i = 0; i < ctx->n_in; i++) x[i] = v[i][element(ctx->in[i], out, at)];
        value[at] = apply(ctx, p, x);
        if (whet_dim_is_error(value[at]) || !fits(out->dtype, value[at]))
            value[at] = unknown(ctx);
    }
    out->value = value;
    return WHET_OK;
}

whet_status whet_infer_elementwise(whet_infer *ctx) {
    WHET_TRY(whet_infer_broadcast(ctx, 0, 0, ctx->n_in));
    return tracked((whet_pw)ctx->op->pw) ? propagate(ctx) : WHET_OK;
}
