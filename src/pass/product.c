// SPDX-License-Identifier: Apache-2.0
#include "pass/match.h"

#define MAX_NUMBERS (2 * WHET_MAX_FACTORS)

static bool collect(whet_value *v, bool root, whet_product *p);

static bool add_factor(whet_value *v, whet_product *p) {
    double number;
    if (p->n_numbers < MAX_NUMBERS && whet_value_number(v, &number)) {
        p->number *= number;
        p->numbers[p->n_numbers++] = v;
        return true;
    }
    if (p->n == WHET_MAX_FACTORS) return false;
    p->factors[p->n++] = v;
    return true;
}

// Factors of operand v: those of the product that makes it, or v itself.
static bool add_operand(whet_value *v, whet_product *p) {
    whet_product before = *p;
    if (collect(v, false, p)) return true;
    *p = before;
    return add_factor(v, p);
}

// x^2 and x^3: the operand is shared by its factors, so it is not looked into.
static bool add_power(const whet_node *n, whet_product *p) {
    double exponent;
    if (p->n_numbers == MAX_NUMBERS || !whet_value_number(n->in[1], &exponent) ||
        (exponent != 2 && exponent != 3))
        return false;
    p->numbers[p->n_numbers++] = n->in[1];
    for (int32_t i = 0; i < (int32_t)exponent; i++)
        if (!add_factor(n->in[0], p)) return false;
    return true;
}

static bool collect(whet_value *v, bool root, whet_product *p) {
    const whet_node *n = v->producer;
    double number;
    if (!n || n->recipe || (!root && !whet_used_once(v)) || p->n_nodes == WHET_MAX_FACTORS)
        return false;
    if (!whet_is(n, &whet_op_mul) && !whet_is(n, &whet_op_div) && !whet_is(n, &whet_op_pow))
        return false;
    p->n_nodes++;
    if (whet_is(n, &whet_op_mul) && n->in[0] == n->in[1])
        return add_factor(n->in[0], p) && add_factor(n->in[0], p);
    if (whet_is(n, &whet_op_mul)) return add_operand(n->in[0], p) && add_operand(n->in[1], p);
    if (whet_is(n, &whet_op_pow)) return add_power(n, p);
    if (p->n_numbers == MAX_NUMBERS || !whet_value_number(n->in[1], &number) || number == 0)
        return false;
    p->number /= number;
    p->numbers[p->n_numbers++] = n->in[1];
    return add_operand(n->in[0], p);
}

bool whet_match_product(whet_value *v, whet_product *p) {
    *p = (whet_product){.number = 1};
    return collect(v, true, p);
}

double whet_product_number(const whet_product *p) {
    for (int32_t i = 0; i < p->n_numbers; i++) whet_value_decide(p->numbers[i]);
    return p->number;
}

bool whet_product_is(const whet_product *p, double want) {
    return whet_near(p->number, want) && whet_product_number(p) != 0;
}

bool whet_product_take(whet_product *p, const whet_value *factor) {
    for (int32_t i = 0; i < p->n; i++) {
        if (p->factors[i] != factor) continue;
        p->factors[i] = p->factors[--p->n];
        return true;
    }
    return false;
}
