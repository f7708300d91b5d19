// SPDX-License-Identifier: Apache-2.0
// clip(x + 3, 0, 6) / 6 is hard_sigmoid, x hard_sigmoid(x) is hard_swish.
#include "ops/pointwise.h"
#include "pass/match.h"
#include "pass/pass.h"

// v is clip(x + 3, 0, 6), used once.
static const whet_node *match_clip(const whet_value *v, whet_value **x) {
    const whet_node *clip = whet_match_only(v, &whet_op_clip);
    if (!clip) return NULL;
    const whet_clip_attrs *a = clip->attrs;
    whet_node *add = whet_match_only(clip->in[0], &whet_op_add);
    bool fits = a->min == 0 && a->max == 6 && add && whet_match_number_arg(add, &whet_op_add, 3, x);
    return fits && whet_same_type(*x, clip->out[0]) ? clip : NULL;
}

static whet_status make(const whet_op *op, whet_value *x, whet_node *n, double alpha, double beta,
                        int32_t *changed, whet_error *err) {
    whet_node *fresh = whet_make_unary(op, x, n, changed, err);
    if (!fresh) return whet_failed(err);
    whet_set_float(fresh, "alpha", alpha);
    whet_set_float(fresh, "beta", beta);
    return WHET_OK;
}

// n ends a product of clip(x + 3, 0, 6) and the number 1/6: with x as the other factor it is
// hard_swish, without another one hard_sigmoid.
static whet_status clip_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_product p;
    whet_value *x = NULL;
    const whet_node *clip = NULL;
    if (!whet_match_product(n->out[0], &p) || !whet_product_is(&p, 1.0 / 6) || p.n > 2)
        return WHET_OK;
    for (int32_t i = 0; i < p.n && !clip; i++) clip = match_clip(p.factors[i], &x);
    if (!clip || !whet_product_take(&p, clip->out[0])) return WHET_OK;
    bool swish = whet_product_take(&p, x);
    if (p.n || !whet_same_type(x, n->out[0])) return WHET_OK;
    return make(swish ? &whet_op_hard_swish : &whet_op_hard_sigmoid, x, n, 1.0 / 6, 0.5, changed,
                err);
}

static whet_status gate_rule(whet_node *n, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < 2; i++) {
        whet_value *x = n->in[1 - i];
        const whet_node *gate = whet_match_only(n->in[i], &whet_op_hard_sigmoid);
        float p[2];
        if (!gate || gate->in[0] != x || !whet_same_type(x, n->out[0])) continue;
        whet_pw_params(gate->op, gate->attrs, p);
        return make(&whet_op_hard_swish, x, n, (double)p[0], (double)p[1], changed, err);
    }
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_mul, gate_rule},
        {&whet_op_mul, clip_rule},
        {&whet_op_div, clip_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_hard_swish = {
    .name = "hard_swish",
    .help = "recognises hard_sigmoid and hard_swish in their spelled-out forms",
    .run = run,
};
