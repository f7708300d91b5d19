// SPDX-License-Identifier: Apache-2.0
// x sigmoid(a x) is swish: SiLU for a = 1, the quick form of GELU for a = 1.702.
#include "pass/match.h"
#include "pass/pass.h"

// v is a x for a number a.
static bool match_multiple(whet_value *v, const whet_value *x, double *a) {
    whet_product p;
    *a = 1;
    if (v == x) return true;
    if (!whet_used_once(v) || !whet_match_product(v, &p)) return false;
    if (!whet_product_take(&p, x) || p.n != 0) return false;
    *a = whet_product_number(&p);
    return true;
}

static whet_status try_sides(whet_node *n, int32_t gate, int32_t *changed, whet_error *err) {
    whet_value *x = n->in[1 - gate];
    whet_node *sigmoid = whet_match_only(n->in[gate], &whet_op_sigmoid);
    double a;
    if (!sigmoid || !match_multiple(sigmoid->in[0], x, &a) ||
        !whet_same_type(x, n->out[0]))
        return WHET_OK;
    whet_node *fresh = whet_make_unary(&whet_op_swish, x, n, changed, err);
    if (!fresh) return whet_failed(err);
    whet_set_float(fresh, "alpha", a);
    return WHET_OK;
}

static whet_status mul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    int32_t before = *changed;
    WHET_TRY(try_sides(n, 1, changed, err));
    return *changed == before ? try_sides(n, 0, changed, err) : WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {{&whet_op_mul, mul_rule}};
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_silu = {
    .name = "silu",
    .help = "recognises x sigmoid(a x)",
    .run = run,
};
