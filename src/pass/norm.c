// SPDX-License-Identifier: Apache-2.0
#include "pass/norm.h"

// ---- looking ----

static bool has_fixed_end(const whet_value *x, int32_t axis) {
    for (int32_t i = axis; i < x->type.rank; i++)
        if (!whet_dim_is_const(x->type.dims[i]) || x->type.dims[i] < 1) return false;
    return true;
}

bool whet_match_mean(const whet_value *v, whet_value **x, int32_t *axis) {
    const whet_node *n = whet_match_op(v, &whet_op_reduce_mean);
    const whet_node *pool = whet_match_op(v, &whet_op_global_average_pool);
    uint32_t axes;
    if (pool) {
        *x = pool->in[0];
        *axis = 2;
        return has_fixed_end(*x, 2);
    }
    if (!n || !((const whet_reduce_attrs *)n->attrs)->keepdims || !whet_match_axes(n, &axes))
        return false;
    int32_t rank = n->in[0]->type.rank;
    *x = n->in[0];
    for (*axis = 0; *axis < rank && !(axes >> *axis & 1); ++*axis) {}
    if (*axis == rank || axes != (((1u << rank) - 1) & ~((1u << *axis) - 1))) return false;
    return has_fixed_end(*x, *axis);
}

// v is mean(s^2) + epsilon.
static bool match_variance(const whet_value *v, whet_normalized *m) {
    const whet_node *add = whet_match_only(v, &whet_op_add);
    whet_value *mean, *epsilon, *square;
    if (!add || !whet_match_const(add, &whet_op_add, &mean, &epsilon) ||
        !whet_value_scalar(epsilon, &m->epsilon) || !whet_used_once(mean) ||
        !whet_match_mean(mean, &square, &m->axis) || m->epsilon < 0)
        return false;
    double exponent;
    const whet_node *n = whet_match_only(square, &whet_op_mul);
    if (n && n->in[0] == n->in[1]) {
        m->s = n->in[0];
        return true;
    }
    n = whet_match_only(square, &whet_op_pow);
    if (!n || !whet_value_scalar(n->in[1], &exponent) || exponent != 2) return false;
    m->s = n->in[0];
    return true;
}

// v is x to the power of `want`.
static whet_value *match_power(const whet_value *v, double want) {
    double exponent;
    const whet_node *n = whet_match_only(v, &whet_op_pow);
    return n && whet_value_scalar(n->in[1], &exponent) && exponent == want ? n->in[0] : NULL;
}

static bool match_deviation(const whet_value *v, whet_normalized *m) {
    const whet_node *root = whet_match_only(v, &whet_op_sqrt);
    const whet_value *x = root ? root->in[0] : match_power(v, 0.5);
    return x && match_variance(x, m);
}

bool whet_match_inverse(const whet_value *v, whet_normalized *m) {
    const whet_node *n = whet_match_only(v, &whet_op_reciprocal);
    if (n) return match_deviation(n->in[0], m);
    n = whet_match_only(v, &whet_op_div);
    if (n) return whet_match_number(n->in[0], 1) && match_deviation(n->in[1], m);
    const whet_value *x = match_power(v, -0.5);
    return x && match_variance(x, m);
}

bool whet_match_normalized(const whet_node *n, whet_normalized *m) {
    m->d = n->in[0];
    if (whet_is(n, &whet_op_div) && match_deviation(n->in[1], m)) return true;
    for (int32_t i = 0; i < 2 && whet_is(n, &whet_op_mul); i++) {
        m->d = n->in[1 - i];
        if (whet_match_inverse(n->in[i], m)) return true;
    }
    return false;
}

bool whet_match_centered(const whet_value *v, int32_t axis, whet_value **x) {
    const whet_node *sub = whet_match_op(v, &whet_op_sub);
    int32_t mean_axis;
    whet_value *of;
    if (!sub || !whet_match_mean(sub->in[1], &of, &mean_axis)) return false;
    *x = sub->in[0];
    return of == *x && mean_axis == axis && whet_same_type(v, *x);
}

// ---- making ----

// Ones in the shape of the normalized dimensions.
static whet_value *make_ones(const whet_value *x, int32_t axis, whet_node *before,
                             whet_error *err) {
    int64_t dims[WHET_MAX_RANK];
    int32_t rank = x->type.rank - axis;
    for (int32_t i = 0; i < rank; i++) dims[i] = x->type.dims[axis + i];
    whet_value *one = whet_make_number(x, "one", 1, err);
    whet_value *in[] = {one, one ? whet_make_ints(before->graph, "shape", dims, rank, err) : NULL};
    return in[1] ? whet_make_value(&whet_op_expand, NULL, in, 2, before, err) : NULL;
}

whet_status whet_make_norm(const whet_op *op, whet_node *n, whet_value *x, whet_value *scale,
                           whet_value *bias, const whet_normalized *m, int32_t *changed,
                           whet_error *err) {
    if (!scale) scale = make_ones(x, m->axis, n, err);
    if (!scale) return whet_failed(err);
    whet_norm_attrs attrs = {m->axis - x->type.rank, (float)m->epsilon, WHET_DTYPE_F32};
    whet_value *in[] = {x, scale, bias};
    whet_node *fresh = whet_make_node(op, &attrs, in, bias ? 3 : 2, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

whet_status whet_norm_vector(const whet_node *n, whet_value *c, whet_value **vector,
                             whet_error *err) {
    const whet_norm_attrs *a = n->attrs;
    const whet_type *x = &n->in[0]->type;
    int32_t axis = whet_axis(a->axis, x->rank), rank = x->rank - axis;
    const whet_tensor *t = c->data;
    *vector = NULL;
    for (int32_t i = 0; i < rank; i++) { // the last dimensions are those of x
        int32_t j = t->rank - rank + i;
        if (j < 0 || t->dims[j] != x->dims[axis + i]) return WHET_OK;
    }
    for (int32_t j = 0; j < t->rank - rank; j++)
        if (t->dims[j] != 1) return WHET_OK;
    *vector = whet_derive_shape(c, t->dims + t->rank - rank, rank, err);
    return *vector ? WHET_OK : whet_failed(err);
}

// What make_ones made; a weight that happens to be one may change in a refit.
static bool is_ones(const whet_value *v) {
    const whet_node *n = v->producer;
    return n && n->op == &whet_op_expand && n->in[0]->literal &&
           whet_load_f64(v->data->data, v->data->dtype, 0) == 1;
}

whet_status whet_norm_scale_rule(const whet_op *op, whet_node *n, int32_t *changed,
                                 whet_error *err) {
    whet_value *x, *c, *vector;
    if (!whet_match_const(n, &whet_op_mul, &x, &c)) return WHET_OK;
    whet_node *norm = whet_match_only(x, op);
    if (!norm || whet_input(norm, 2) || !whet_value_is_const(norm->in[1]) ||
        !whet_same_type(x, n->out[0]))
        return WHET_OK;
    for (int32_t i = 1; i < norm->n_out; i++)
        if (norm->out[i] && norm->out[i]->n_uses) return WHET_OK;
    WHET_TRY(whet_norm_vector(norm, c, &vector, err));
    if (!vector) return WHET_OK;
    if (!is_ones(norm->in[1])) vector = whet_derive(&whet_op_mul, norm->in[1], vector, err);
    if (!vector) return whet_failed(err);
    whet_node_set_input(norm, 1, vector);
    ++*changed;
    return whet_fuse_into(norm, n, err);
}
