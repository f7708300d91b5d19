// SPDX-License-Identifier: Apache-2.0
// Layer normalization from its arithmetic. The core (x - mean) / sqrt(var + epsilon) becomes
// layer_norm with ones; a product and a sum with constants behind it become its scale and bias.
#include "pass/norm.h"
#include "pass/pass.h"

static bool is_f32(const whet_node *n) { return n->out[0]->type.dtype == WHET_DTYPE_F32; }

static whet_status core_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_normalized m;
    whet_value *x;
    if (!is_f32(n) || !whet_match_normalized(n, &m) || m.s != m.d ||
        !whet_match_centered(m.d, m.axis, &x) || !whet_same_type(x, n->out[0]))
        return WHET_OK;
    return whet_make_norm(&whet_op_layer_norm, n, x, NULL, NULL, &m, changed, err);
}

static whet_status scale_rule(whet_node *n, int32_t *changed, whet_error *err) {
    return whet_norm_scale_rule(&whet_op_layer_norm, n, changed, err);
}

static whet_status bias_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x, *c, *vector;
    if (!whet_match_const(n, &whet_op_add, &x, &c)) return WHET_OK;
    whet_node *norm = whet_match_only(x, &whet_op_layer_norm);
    if (!norm || norm->n_out > 1 || whet_input(norm, 2) || !whet_same_type(x, n->out[0]))
        return WHET_OK;
    WHET_TRY(whet_norm_vector(norm, c, &vector, err));
    if (!vector) return WHET_OK;
    if (norm->n_in > 2) whet_node_set_input(norm, 2, vector);
    else if (!whet_node_add_input(norm, vector)) return WHET_NOMEM(err);
    ++*changed;
    return whet_fuse_into(norm, n, err);
}

// ---- the form x r + (beta - mean r), r = gamma / sqrt(var + epsilon), as Keras writes it ----

typedef struct {
    whet_value *x, *mean, *gamma, *beta;
    whet_normalized m;
} keras_form;

// v is r: gamma times the inverse deviation.
static bool match_factor(const whet_value *v, keras_form *k) {
    const whet_node *mul = whet_match_op(v, &whet_op_mul);
    k->gamma = NULL;
    for (int32_t i = 0; i < 2 && mul; i++) {
        k->gamma = mul->in[1 - i];
        if (whet_value_is_const(k->gamma) && whet_match_inverse(mul->in[i], &k->m)) return true;
    }
    return false;
}

// v is beta - mean r.
static bool match_offset(const whet_value *v, const whet_value *r, keras_form *k) {
    const whet_node *sub = whet_match_only(v, &whet_op_sub);
    const whet_node *mul = sub ? whet_match_only(sub->in[1], &whet_op_mul) : NULL;
    if (!mul || !whet_value_is_const(sub->in[0])) return false;
    k->beta = sub->in[0];
    k->mean = mul->in[mul->in[0] == r];
    return mul->in[0] == r || mul->in[1] == r;
}

static bool match_keras(const whet_node *n, int32_t side, keras_form *k) {
    const whet_node *mul = whet_match_only(n->in[side], &whet_op_mul);
    for (int32_t i = 0; i < 2 && mul; i++) {
        const whet_value *r = mul->in[i];
        int32_t axis;
        whet_value *of, *centered;
        k->x = mul->in[1 - i];
        if (r->n_uses != 2 || !match_factor(r, k) || !match_offset(n->in[1 - side], r, k)) continue;
        return whet_match_mean(k->mean, &of, &axis) && of == k->x && axis == k->m.axis &&
               whet_match_centered(k->m.s, axis, &centered) && centered == k->x;
    }
    return false;
}

// Whether c has the normalized dimensions of x at its end, and only ones before.
static bool fits(const whet_value *c, const whet_value *x, int32_t axis) {
    const whet_tensor *t = c->data;
    int32_t rank = x->type.rank - axis;
    if (t->rank < rank) return false;
    for (int32_t i = 0; i < t->rank; i++) {
        int32_t j = i - (t->rank - rank);
        if (t->dims[i] != (j < 0 ? 1 : x->type.dims[axis + j])) return false;
    }
    return true;
}

static whet_value *flat(whet_value *c, int32_t rank, whet_error *err) {
    return whet_derive_shape(c, c->data->dims + c->data->rank - rank, rank, err);
}

static whet_status keras_rule(whet_node *n, int32_t *changed, whet_error *err) {
    keras_form k;
    if (!is_f32(n) || (!match_keras(n, 0, &k) && !match_keras(n, 1, &k))) return WHET_OK;
    if (!whet_same_type(k.x, n->out[0]) || !fits(k.gamma, k.x, k.m.axis) ||
        !fits(k.beta, k.x, k.m.axis))
        return WHET_OK;
    int32_t rank = k.x->type.rank - k.m.axis;
    whet_value *gamma = flat(k.gamma, rank, err), *beta = flat(k.beta, rank, err);
    if (!gamma || !beta) return whet_failed(err);
    return whet_make_norm(&whet_op_layer_norm, n, k.x, gamma, beta, &k.m, changed, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_div, core_rule},  {&whet_op_mul, core_rule}, {&whet_op_mul, scale_rule},
        {&whet_op_add, keras_rule}, {&whet_op_add, bias_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_layer_norm = {
    .name = "layer_norm",
    .help = "recognises layer normalization, its scale and its bias",
    .run = run,
};
