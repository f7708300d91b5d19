// SPDX-License-Identifier: Apache-2.0
// Batch normalization of inference, and any multiplication of channels by constants, is folded into
// the weights of the convolution or matrix product before it; elsewhere batch normalization becomes
// a multiplication and an addition, which pointwise chains take up.
#include "pass/match.h"
#include "pass/pass.h"

typedef struct {
    whet_value *scale, *shift; // [channels]
} affine;

static bool is_inference(const whet_node *n) {
    const whet_batch_norm_attrs *a = n->attrs;
    if (a->training_mode || n->in[0]->type.rank < 2) return false;
    for (int32_t i = 1; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->n_uses) return false;
    for (int32_t i = 1; i < 5; i++)
        if (!whet_value_is_const(n->in[i]) || n->in[i]->type.dtype != n->in[0]->type.dtype)
            return false;
    return true;
}

// scale / sqrt(var + epsilon), and bias - mean * that.
static whet_status batch_norm_affine(const whet_node *n, affine *a, whet_error *err) {
    whet_value *const *in = n->in;
    double epsilon = (double)((const whet_batch_norm_attrs *)n->attrs)->epsilon;
    whet_value *v = whet_make_number(in[4], "epsilon", epsilon, err);
    if (v) v = whet_derive(&whet_op_add, in[4], v, err);
    if (v) v = whet_derive(&whet_op_sqrt, v, NULL, err);
    if (v) v = whet_derive(&whet_op_div, in[1], v, err);
    a->scale = v;
    if (v) v = whet_derive(&whet_op_mul, in[3], v, err);
    a->shift = v ? whet_derive(&whet_op_sub, in[2], v, err) : NULL;
    return a->shift ? WHET_OK : whet_failed(err);
}

// Folds into the producer of x, of which `n` is the only user.
static whet_status fold_into(whet_node *producer, whet_node *n, const affine *a, bool *done,
                             whet_error *err) {
    WHET_TRY(whet_affine_scale(producer, a->scale, done, err));
    if (!*done) return WHET_OK;
    WHET_TRY(whet_affine_bias(producer, a->scale, a->shift, err));
    return whet_fuse_into(producer, n, err);
}

static whet_status make_pointwise(whet_node *n, const affine *a, whet_error *err) {
    int64_t dims[WHET_MAX_RANK] = {a->scale->data->dims[0]};
    int32_t rank = n->in[0]->type.rank - 1;
    for (int32_t i = 1; i < rank; i++) dims[i] = 1;
    whet_value *scale = whet_derive_shape(a->scale, dims, rank, err);
    whet_value *shift = whet_derive_shape(a->shift, dims, rank, err);
    if (!scale || !shift) return whet_failed(err);
    whet_value *in[] = {n->in[0], scale};
    whet_node *mul = whet_make_node(&whet_op_mul, NULL, in, 2, n, err);
    if (!mul) return whet_failed(err);
    whet_value *sum[] = {mul->out[0], shift};
    whet_node *add = whet_make_node(&whet_op_add, NULL, sum, 2, n, err);
    if (!add) return whet_failed(err);
    mul->name = n->name;
    mul->demand = n->demand;
    return whet_take_over(add, n, err);
}

static whet_status batch_norm_rule(whet_node *n, int32_t *changed, whet_error *err) {
    affine a;
    int32_t axis;
    int64_t channels;
    bool done = false;
    if (!is_inference(n)) return WHET_OK;
    whet_node *producer = n->in[0]->producer;
    bool fits = producer && whet_used_once(n->in[0]) &&
                whet_is_affine(producer, &axis, &channels) && axis == 1;
    WHET_TRY(batch_norm_affine(n, &a, err));
    if (fits) WHET_TRY(fold_into(producer, n, &a, &done, err));
    if (!done) WHET_TRY(make_pointwise(n, &a, err));
    ++*changed;
    return WHET_OK;
}

static whet_status mul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    affine a = {0};
    whet_value *x, *c;
    int32_t axis;
    int64_t channels;
    bool done = false;
    if (!whet_match_const(n, &whet_op_mul, &x, &c) || !whet_used_once(x)) return WHET_OK;
    if (!x->producer || !whet_is_affine(x->producer, &axis, &channels)) return WHET_OK;
    WHET_TRY(whet_channel_vector(c, x->type.rank, axis, channels, &a.scale, err));
    if (a.scale) WHET_TRY(fold_into(x->producer, n, &a, &done, err));
    *changed += done;
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_batch_norm, batch_norm_rule},
        {&whet_op_mul, mul_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_bn_fold = {
    .name = "bn_fold",
    .help = "folds batch normalization and scaled channels into weights",
    .run = run,
};
