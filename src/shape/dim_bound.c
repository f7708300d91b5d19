// SPDX-License-Identifier: Apache-2.0
// Signs of expressions in which functions of a name meet the name itself: h - floordiv(h, 2) is not
// negative, although the bounds of its terms alone do not say so.
#include "shape/dim_pool.h"

// How often a function is replaced by what bounds it.
#define MAX_STEPS 3

static bool nonnegative(const whet_dims *pool, const dim_poly *p, int32_t steps);

// scale * p without its term i, plus times * q and a constant: a lower bound of scale * p.
static bool try_bound(const whet_dims *pool, const dim_poly *p, int32_t i, int64_t scale,
                      int64_t times, whet_dim q, int64_t constant, int32_t steps) {
    dim_poly bound = {.n = 0}, rest = *p, arg;
    rest.terms[i].coef = 0;
    whet_dim_poly_load(pool, q, &arg);
    whet_dim_poly_add_times(pool, &bound, scale, &rest);
    whet_dim_poly_add_times(pool, &bound, times, &arg);
    whet_dim_poly_add(pool, &bound, constant, 0);
    return nonnegative(pool, &bound, steps - 1);
}

// (x - b + 1) / b <= floor(x / b) <= x / b for a constant b > 0.
static bool bound_floordiv(const whet_dims *pool, const dim_poly *p, int32_t i, const dim_atom *a,
                           int32_t steps) {
    int64_t b = a->args[1], k = p->terms[i].coef, constant = 0;
    if (!whet_dim_is_const(b) || b <= 0) return false;
    if (k > 0 && __builtin_mul_overflow(k, 1 - b, &constant)) return false;
    return try_bound(pool, p, i, b, k, a->args[0], constant, steps);
}

// Term i, a coefficient times one function, replaced by what bounds the function on the right side.
static bool bound_term(const whet_dims *pool, const dim_poly *p, int32_t i, int32_t steps) {
    const dim_mono *m = &pool->monos[p->terms[i].mono];
    int64_t k = p->terms[i].coef;
    if (m->n != 1) return false;
    const dim_atom *a = &pool->atoms[m->atoms[0]];
    if (a->kind == DIM_FLOORDIV) return bound_floordiv(pool, p, i, a, steps);
    if (a->kind != (k < 0 ? DIM_MIN : DIM_MAX)) return false;
    for (int32_t j = 0; j < a->n_args; j++)
        if (try_bound(pool, p, i, 1, k, a->args[j], 0, steps)) return true;
    return false;
}

static bool nonnegative(const whet_dims *pool, const dim_poly *p, int32_t steps) {
    if (p->state != DIM_FINE) return false;
    if (whet_dim_poly_range(pool, p).lo >= 0) return true;
    for (int32_t i = 0; steps > 0 && i < p->n; i++)
        if (bound_term(pool, p, i, steps)) return true;
    return false;
}

bool whet_dim_poly_nonnegative(const whet_dims *pool, const dim_poly *p) {
    return nonnegative(pool, p, p->n > 8 ? 1 : MAX_STEPS);
}
