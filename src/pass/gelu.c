// SPDX-License-Identifier: Apache-2.0
// GELU as exporters spell it: x/2 (1 + erf(x / sqrt 2)), and the approximation
// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the factors in any order and nesting.
#include "pass/match.h"
#include "pass/pass.h"

#define SQRT_HALF 0.70710678118654752
#define SQRT_2_OVER_PI 0.79788456080286536
#define CUBIC 0.044715

// v is number + other, used once.
static whet_value *match_sum(const whet_value *v, double number) {
    whet_value *other;
    whet_node *add = whet_match_only(v, &whet_op_add);
    return add && whet_match_number_arg(add, &whet_op_add, number, &other) ? other : NULL;
}

// v is `number` times a power of x.
static bool match_power(whet_value *v, double number, const whet_value *x, int32_t exponent) {
    whet_product p;
    if (!whet_used_once(v) || !whet_match_product(v, &p) || !whet_product_is(&p, number))
        return false;
    for (int32_t i = 0; i < exponent; i++)
        if (!whet_product_take(&p, x)) return false;
    return p.n == 0;
}

// v is x + 0.044715 x^3.
static bool match_cubic_sum(const whet_value *v, const whet_value *x) {
    whet_node *add = whet_match_only(v, &whet_op_add);
    if (!add) return false;
    return (add->in[0] == x && match_power(add->in[1], CUBIC, x, 3)) ||
           (add->in[1] == x && match_power(add->in[0], CUBIC, x, 3));
}

// v is sqrt(2/pi) (x + 0.044715 x^3), or sqrt(2/pi) x (1 + 0.044715 x^2).
static bool match_tanh_argument(whet_value *v, const whet_value *x) {
    whet_product p;
    if (!whet_used_once(v) || !whet_match_product(v, &p) || !whet_product_is(&p, SQRT_2_OVER_PI))
        return false;
    if (p.n == 1) return match_cubic_sum(p.factors[0], x);
    if (p.n != 2 || !whet_product_take(&p, x)) return false;
    whet_value *square = match_sum(p.factors[0], 1);
    return square && match_power(square, CUBIC, x, 2);
}

// `gate` is 1 + erf(..) or 1 + tanh(..) of x; *tanh says which.
static bool match_gate(const whet_value *gate, const whet_value *x, bool *tanh) {
    whet_value *v = match_sum(gate, 1);
    const whet_node *n;
    *tanh = false;
    if ((n = whet_match_only(v, &whet_op_erf))) return match_power(n->in[0], SQRT_HALF, x, 1);
    *tanh = true;
    return (n = whet_match_only(v, &whet_op_tanh)) && match_tanh_argument(n->in[0], x);
}

static whet_status mul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_product p;
    bool tanh = false, found = false;
    whet_value *x = NULL;
    if (!whet_is_float(n->out[0]) || !whet_match_product(n->out[0], &p) || p.n != 2 ||
        !whet_product_is(&p, 0.5))
        return WHET_OK;
    for (int32_t i = 0; i < 2 && !found; i++) {
        x = p.factors[1 - i];
        found = match_gate(p.factors[i], x, &tanh);
    }
    if (!found || !whet_same_type(x, n->out[0])) return WHET_OK;
    whet_node *fresh = whet_make_unary(&whet_op_gelu, x, n, changed, err);
    if (!fresh) return whet_failed(err);
    whet_set_enum(fresh, "approximate", tanh);
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {{&whet_op_mul, mul_rule}, {&whet_op_div, mul_rule}};
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_gelu = {
    .name = "gelu",
    .help = "recognises GELU, exact and by tanh",
    .run = run,
};
