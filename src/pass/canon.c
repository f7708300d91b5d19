// SPDX-License-Identifier: Apache-2.0
// One spelling for what exporters write in several ways, so that the passes behind need to know
// only that one.
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "pass/match.h"
#include "pass/pass.h"

// ---- nothing to do ----

// A graph input that goes straight to a graph output keeps the node between them.
static bool is_needed_copy(const whet_node *n, const whet_value *v) {
    return !v->producer && whet_value_is_output(n->out[0]);
}

static whet_status drop(whet_node *n, whet_value *v, int32_t *changed) {
    if (is_needed_copy(n, v) || !whet_same_type(n->out[0], v)) return WHET_OK;
    whet_bypass(n, v);
    ++*changed;
    return WHET_OK;
}

static whet_status identity_rule(whet_node *n, int32_t *changed, whet_error *err) {
    (void)err;
    if (is_needed_copy(n, n->in[0])) return WHET_OK;
    whet_bypass(n, n->in[0]);
    ++*changed;
    return WHET_OK;
}

static whet_status cast_rule(whet_node *n, int32_t *changed, whet_error *err) {
    (void)err;
    if (n->in[0]->type.dtype != n->out[0]->type.dtype) return WHET_OK;
    return drop(n, n->in[0], changed);
}

static whet_status neutral_rule(whet_node *n, int32_t *changed, whet_error *err) {
    (void)err;
    whet_value *x, *c;
    double want = n->op == &whet_op_add || n->op == &whet_op_sub ? 0 : 1, have;
    if (!whet_match_const(n, n->op, &x, &c) || !whet_value_number(c, &have) || have != want)
        return WHET_OK;
    bool ordered = n->op == &whet_op_sub || n->op == &whet_op_div;
    if (ordered && n->in[1] != c) return WHET_OK;
    whet_value_decide(c);
    return drop(n, x, changed);
}

// Every element of a constant condition chooses alike.
static whet_status where_rule(whet_node *n, int32_t *changed, whet_error *err) {
    (void)err;
    if (!whet_value_is_const(n->in[0])) return WHET_OK;
    const whet_tensor *c = n->in[0]->data;
    int64_t count = whet_tensor_count(c);
    const uint8_t *v = c->data;
    for (int64_t i = 1; i < count; i++)
        if (!v[i] != !v[0]) return WHET_OK;
    whet_value_decide(n->in[0]);
    return count > 0 ? drop(n, n->in[v[0] ? 1 : 2], changed) : WHET_OK;
}

// ---- arithmetic ----

static whet_status replace_binary(whet_node *n, const whet_op *op, whet_value *a, whet_value *b,
                                  int32_t *changed, whet_error *err) {
    whet_value *in[] = {a, b};
    whet_node *fresh = whet_make_node(op, NULL, in, 2, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

static bool all_powers_of_two(const whet_value *c) {
    int64_t n = whet_tensor_count(c->data);
    for (int64_t i = 0; i < n; i++) {
        int exponent;
        double m = frexp(whet_load_f64(c->data->data, c->data->dtype, i), &exponent);
        if (fabs(m) != 0.5 || abs(exponent) > 14) return false;
    }
    if (n <= 65536) whet_value_decide(c);
    return n <= 65536;
}

// x / c = x * (1 / c) exactly where 1 / c is exact.
static whet_status div_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x, *c;
    if (!whet_match_const(n, &whet_op_div, &x, &c) || n->in[1] != c || !whet_is_float(c) ||
        !all_powers_of_two(c))
        return WHET_OK;
    whet_value *inverse = whet_derive(&whet_op_reciprocal, c, NULL, err);
    return inverse ? replace_binary(n, &whet_op_mul, x, inverse, changed, err) : whet_failed(err);
}

static whet_status sub_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x, *c;
    if (!whet_match_const(n, &whet_op_sub, &x, &c) || n->in[1] != c || !whet_is_float(c))
        return WHET_OK;
    whet_value *negative = whet_derive(&whet_op_neg, c, NULL, err);
    return negative ? replace_binary(n, &whet_op_add, x, negative, changed, err)
                    : whet_failed(err);
}

static whet_status pow_rule(whet_node *n, int32_t *changed, whet_error *err) {
    double exponent;
    if (!whet_value_scalar(n->in[1], &exponent) || exponent != 2 ||
        !whet_same_type(n->in[0], n->out[0]))
        return WHET_OK;
    return replace_binary(n, &whet_op_mul, n->in[0], n->in[0], changed, err);
}

static whet_status mean_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *sum = n->in[0];
    if (n->n_in == 1) return drop(n, sum, changed);
    for (int32_t i = 1; i < n->n_in; i++) {
        whet_value *in[] = {sum, n->in[i]};
        sum = whet_make_value(&whet_op_add, NULL, in, 2, n, err);
        if (!sum) return whet_failed(err);
    }
    whet_value *count = whet_make_number(n->out[0], "count", n->n_in, err);
    return count ? replace_binary(n, &whet_op_div, sum, count, changed, err) : whet_failed(err);
}

// ---- attributes instead of inputs ----

static bool bound(const whet_value *v, double absent, double *out) {
    *out = absent;
    return !v || whet_value_scalar(v, out);
}

static whet_status clip_rule(whet_node *n, int32_t *changed, whet_error *err) {
    double min, max;
    if (n->out[0]->type.dtype != WHET_DTYPE_F32 || !bound(whet_input(n, 1), -FLT_MAX, &min) ||
        !bound(whet_input(n, 2), FLT_MAX, &max))
        return WHET_OK;
    whet_clip_attrs attrs = {.min = (float)min, .max = (float)max};
    whet_node *fresh = whet_make_node(&whet_op_clip, &attrs, n->in, 1, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

static bool same_as_relu(const whet_clip_attrs *a) { return a->min == 0 && a->max == INFINITY; }

static whet_status relu_rule(whet_node *n, int32_t *changed, whet_error *err) {
    if (!same_as_relu(n->attrs) || !whet_is_float(n->in[0])) return WHET_OK;
    return whet_make_unary(&whet_op_relu, n->in[0], n, changed, err) ? WHET_OK : whet_failed(err);
}

// ---- reductions over all spatial dimensions ----

static whet_status pool_rule(whet_node *n, int32_t *changed, whet_error *err) {
    static const int64_t copy[2] = {0, 0};
    uint32_t axes;
    int32_t rank = n->in[0]->type.rank;
    bool mean = n->op == &whet_op_reduce_mean;
    if (rank < 4 || n->out[0]->type.dtype != WHET_DTYPE_F32 || !whet_match_axes(n, &axes) ||
        axes != (1u << rank) - 4)
        return WHET_OK;
    whet_node *pool = whet_make_node(mean ? &whet_op_global_average_pool : &whet_op_global_max_pool,
                                     NULL, n->in, 1, n, err);
    if (pool && !((const whet_reduce_attrs *)n->attrs)->keepdims) {
        whet_value *in[] = {pool->out[0], whet_make_ints(n->graph, "shape", copy, 2, err)};
        pool->name = n->name;
        pool->demand = n->demand;
        pool = in[1] ? whet_make_node(&whet_op_reshape, NULL, in, 2, n, err) : NULL;
    }
    if (!pool) return whet_failed(err);
    ++*changed;
    return whet_take_over(pool, n, err);
}

// ---- gemm: alpha A B + beta C ----

static whet_value *scaled(whet_value *v, float factor, whet_node *before, whet_error *err) {
    if (factor == 1) return v;
    whet_value *in[] = {v, whet_make_number(v, "factor", (double)factor, err)};
    return in[1] ? whet_make_value(&whet_op_mul, NULL, in, 2, before, err) : NULL;
}

static whet_status gemm_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_gemm_attrs *a = n->attrs;
    whet_value *c = whet_input(n, 2), *bias = NULL, *in[3] = {n->in[0], n->in[1]};
    whet_dim columns = n->out[0]->type.dims[1];
    if (!whet_is_float(n->out[0]) || n->out[0]->type.rank != 2) return WHET_OK;
    whet_matmul_attrs attrs = {a->trans_a, a->trans_b, a->alpha};
    if (whet_value_is_const(in[1])) {
        in[1] = scaled(in[1], a->alpha, n, err);
        attrs.alpha = 1;
    }
    if (c) c = scaled(c, a->beta, n, err);
    if (!in[1] || (!c && whet_input(n, 2))) return whet_failed(err);
    if (whet_value_is_const(c) && whet_dim_is_const(columns) && columns > 0)
        WHET_TRY(whet_channel_vector(c, 2, 1, columns, &bias, err));
    in[2] = bias;
    whet_node *product = whet_make_node(&whet_op_matmul, &attrs, in, bias ? 3 : 2, n, err);
    whet_node *last = product;
    if (product && c && !bias) {
        whet_value *sum[] = {product->out[0], c};
        last = whet_make_node(&whet_op_add, NULL, sum, 2, n, err);
    }
    if (!last) return whet_failed(err);
    if (last != product) product->name = n->name, product->demand = n->demand;
    ++*changed;
    return whet_take_over(last, n, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_identity, identity_rule}, {&whet_op_cast, cast_rule},
        {&whet_op_add, neutral_rule},       {&whet_op_mul, neutral_rule},
        {&whet_op_sub, neutral_rule},       {&whet_op_div, neutral_rule},
        {&whet_op_div, div_rule},           {&whet_op_sub, sub_rule},
        {&whet_op_pow, pow_rule},           {&whet_op_mean, mean_rule},
        {&whet_op_clip_t, clip_rule},       {&whet_op_clip, relu_rule},
        {&whet_op_gemm, gemm_rule},         {&whet_op_reduce_mean, pool_rule},
        {&whet_op_reduce_max, pool_rule},   {&whet_op_where, where_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_canon = {
    .name = "canon",
    .help = "one spelling for arithmetic, casts, clips, poolings and gemm; drops what does nothing",
    .run = run,
};
