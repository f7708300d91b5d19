// SPDX-License-Identifier: Apache-2.0
// Divisions, remainders, minima and maxima of dimension expressions, and exact polynomial division.
#include <string.h>

#include "shape/dim_pool.h"

static bool usable(const whet_dims *pool, whet_dim d) {
    return whet_dim_is_const(d) || whet_dim_as_expr(pool, d);
}

bool whet_dim_floor(int64_t a, int64_t b, int64_t *quotient) {
    if (a == INT64_MIN && b == -1) return false;
    *quotient = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

// ---- exact division ----

static bool poly_divide(whet_dims *pool, dim_poly rest, const dim_poly *b, dim_poly *quotient) {
    *quotient = (dim_poly){.n = 0};
    if (rest.state != DIM_FINE || b->state != DIM_FINE || b->n == 0) return false;
    // every step removes the leading monomial, so only wide intermediate results need the bound
    for (int32_t step = 0; rest.n && step < 4 * DIM_MAX_TERMS; step++) {
        const dim_term *lead = &rest.terms[0];
        uint32_t mono;
        if (lead->coef == INT64_MIN || lead->coef % b->terms[0].coef ||
            !whet_dim_mono_divide(pool, lead->mono, b->terms[0].mono, &mono))
            return false;
        int64_t coef = lead->coef / b->terms[0].coef;
        whet_dim_poly_add(pool, quotient, coef, mono);
        whet_dim_poly_add_scaled(pool, &rest, -coef, mono, b);
        if (rest.state != DIM_FINE || quotient->state != DIM_FINE) return false;
    }
    return rest.n == 0;
}

bool whet_dim_divides(whet_dims *pool, whet_dim a, whet_dim b, whet_dim *quotient) {
    if (b == 0 || !usable(pool, a) || !usable(pool, b)) return false;
    if (whet_dim_is_const(a) && whet_dim_is_const(b)) {
        if (b == -1) *quotient = whet_dim_constant(-a);
        else if (a % b) return false;
        else *quotient = a / b;
        return !whet_dim_is_error(*quotient);
    }
    dim_poly p, q, r;
    whet_dim_poly_load(pool, a, &p);
    whet_dim_poly_load(pool, b, &q);
    if (!poly_divide(pool, p, &q, &r)) return false;
    *quotient = whet_dim_poly_intern(pool, &r, false);
    return !whet_dim_is_error(*quotient);
}

// ---- floor division and remainder ----

static dim_range floordiv_range(const whet_dims *pool, whet_dim a, whet_dim b) {
    dim_range x = whet_dim_range(pool, a), y = whet_dim_range(pool, b);
    dim_range r = {INT64_MIN, INT64_MAX};
    if (whet_dim_is_const(b) && b > 0) {
        if (x.lo != INT64_MIN) whet_dim_floor(x.lo, b, &r.lo);
        if (x.hi != INT64_MAX) whet_dim_floor(x.hi, b, &r.hi);
    } else if (x.lo >= 0 && y.lo >= 0) { // a zero divisor has no value at all
        r = (dim_range){0, x.hi};
    }
    return r;
}

static whet_dim floordiv_atom(whet_dims *pool, whet_dim a, whet_dim b) {
    dim_atom atom = {.kind = DIM_FLOORDIV, .args = {a, b}, .n_args = 2,
                     .range = floordiv_range(pool, a, b)};
    return whet_dim_atom(pool, &atom);
}

// Splits p / b, b > 1, into whole + floor(p / b): what divides goes out, then common factors.
static bool split_by_constant(const whet_dims *pool, dim_poly *p, int64_t *b, dim_poly *whole) {
    dim_poly rest = {.n = 0};
    int64_t common = *b;
    for (int32_t i = 0; i < p->n; i++) {
        dim_term t = p->terms[i];
        int64_t quotient = t.coef / *b;
        if (t.mono == 0) whet_dim_floor(t.coef, *b, &quotient);
        whet_dim_poly_add(pool, whole, quotient, t.mono);
        whet_dim_poly_add(pool, &rest, t.coef - quotient * *b, t.mono);
        if (t.mono) common = gcd(common, t.coef - quotient * *b);
    }
    if (common > 1) {
        for (int32_t i = 0; i < rest.n; i++) rest.terms[i].coef /= common;
        if (rest.n && rest.terms[rest.n - 1].coef == 0) rest.n--;
        *b /= common;
    }
    *p = rest;
    return whole->state == DIM_FINE;
}

// floor((floor(x / c) + k) / b) = floor((x + k c) / (b c)) for constants b, c > 0.
static bool merge_nested(whet_dims *pool, const dim_poly *p, int64_t b, whet_dim *a,
                         int64_t *product) {
    int64_t k = whet_dim_poly_constant(p), kc;
    if (p->n != (k ? 2 : 1) || p->terms[0].coef != 1) return false;
    dim_poly alone = {.n = 1, .terms = {p->terms[0]}};
    const dim_atom *atom = whet_dim_as_atom(pool, whet_dim_poly_intern(pool, &alone, false));
    if (!atom || atom->kind != DIM_FLOORDIV || !whet_dim_is_const(atom->args[1]) ||
        atom->args[1] <= 0)
        return false;
    whet_dim x = atom->args[0], c = atom->args[1];
    if (__builtin_mul_overflow(b, c, product) || __builtin_mul_overflow(k, c, &kc) ||
        !whet_dim_is_const(*product) || !whet_dim_is_const(kc))
        return false;
    *a = whet_dim_add(pool, x, kc);
    return !whet_dim_is_error(*a);
}

static whet_dim floordiv_by_constant(whet_dims *pool, whet_dim a, int64_t b) {
    dim_poly p, whole = {.n = 0};
    whet_dim_poly_load(pool, a, &p);
    if (b < 0) {
        dim_poly negated = {.n = 0};
        whet_dim_poly_add_scaled(pool, &negated, -1, 0, &p);
        p = negated;
        b = -b;
    }
    if (p.state == DIM_FAILED || !split_by_constant(pool, &p, &b, &whole)) return WHET_DIM_ERROR;
    whet_dim quotient = whet_dim_poly_intern(pool, &whole, false);
    if (b == 1) return whet_dim_add(pool, quotient, whet_dim_poly_intern(pool, &p, false));
    if (p.n == 0 || (p.n == 1 && p.terms[0].mono == 0)) return quotient;
    whet_dim inner;
    int64_t product;
    whet_dim rest = merge_nested(pool, &p, b, &inner, &product)
                        ? floordiv_by_constant(pool, inner, product)
                        : floordiv_atom(pool, whet_dim_poly_intern(pool, &p, false), b);
    return whet_dim_add(pool, quotient, rest);
}

// Cancels the monomial of a one-term divisor where all of a has it.
static bool cancel_monomial(whet_dims *pool, whet_dim a, whet_dim b, whet_dim *x, int64_t *c) {
    dim_poly p, q, r;
    whet_dim_poly_load(pool, b, &q);
    if (q.n != 1) return false;
    *c = q.terms[0].coef;
    q.terms[0].coef = 1;
    whet_dim_poly_load(pool, a, &p);
    if (!whet_dim_is_const(*c) || !poly_divide(pool, p, &q, &r)) return false;
    *x = whet_dim_poly_intern(pool, &r, false);
    return !whet_dim_is_error(*x);
}

whet_dim whet_dim_floordiv(whet_dims *pool, whet_dim a, whet_dim b) {
    int64_t c;
    whet_dim x;
    if (b == 0 || !usable(pool, a) || !usable(pool, b)) return WHET_DIM_ERROR;
    if (whet_dim_is_const(a) && whet_dim_is_const(b))
        return whet_dim_floor(a, b, &c) ? whet_dim_constant(c) : WHET_DIM_ERROR;
    if (whet_dim_is_const(b)) return floordiv_by_constant(pool, a, b);
    if (whet_dim_divides(pool, a, b, &x)) return x;
    if (cancel_monomial(pool, a, b, &x, &c)) return whet_dim_floordiv(pool, x, c);
    return floordiv_atom(pool, a, b);
}

whet_dim whet_dim_ceildiv(whet_dims *pool, whet_dim a, whet_dim b) {
    whet_dim exact;
    if (whet_dim_divides(pool, a, b, &exact)) return exact;
    if (whet_dim_known_positive(pool, b) && !(whet_dim_is_const(a) && whet_dim_is_const(b)))
        return whet_dim_floordiv(pool, whet_dim_add(pool, a, whet_dim_sub(pool, b, 1)), b);
    return whet_dim_sub(pool, 0, whet_dim_floordiv(pool, whet_dim_sub(pool, 0, a), b));
}

static whet_dim mod_by_constant(whet_dims *pool, whet_dim a, int64_t b) {
    dim_poly p, rest = {.n = 0};
    whet_dim_poly_load(pool, a, &p);
    for (int32_t i = 0; i < p.n; i++) {
        int64_t r = p.terms[i].coef % b;
        whet_dim_poly_add(pool, &rest, r < 0 ? r + b : r, p.terms[i].mono);
    }
    whet_dim x = whet_dim_poly_intern(pool, &rest, true);
    dim_range range = whet_dim_range(pool, x);
    if (whet_dim_is_error(x) || (range.lo >= 0 && range.hi < b)) return x;
    dim_atom atom = {.kind = DIM_MOD, .args = {x, b}, .n_args = 2, .range = {0, b - 1}};
    return whet_dim_atom(pool, &atom);
}

whet_dim whet_dim_mod(whet_dims *pool, whet_dim a, whet_dim b) {
    whet_dim exact;
    if (b == 0 || !usable(pool, a) || !usable(pool, b)) return WHET_DIM_ERROR;
    if (whet_dim_is_const(a) && whet_dim_is_const(b)) {
        int64_t r = b == -1 ? 0 : a % b;
        return r && (r < 0) != (b < 0) ? r + b : r;
    }
    if (whet_dim_divides(pool, a, b, &exact)) return 0;
    if (whet_dim_is_const(b) && b > 0) return mod_by_constant(pool, a, b);
    dim_atom atom = {.kind = DIM_MOD, .args = {a, b}, .n_args = 2, .range = {INT64_MIN, INT64_MAX}};
    dim_range y = whet_dim_range(pool, b);
    if (y.lo >= 0) atom.range = (dim_range){0, y.hi == INT64_MAX ? INT64_MAX : y.hi - 1};
    return whet_dim_atom(pool, &atom);
}

// ---- minimum and maximum ----

// Whether a <= b for sure.
static bool known_order(whet_dims *pool, whet_dim a, whet_dim b) {
    dim_poly p, q;
    if (b == INT64_MAX) return true;
    whet_dim_poly_load(pool, b, &p);
    whet_dim_poly_load(pool, a, &q);
    whet_dim_poly_add_scaled(pool, &p, -1, 0, &q);
    return whet_dim_poly_nonnegative(pool, &p);
}

// Adds d to the operands, leaving out what another one makes superfluous. False: too many.
static bool operand_add(whet_dims *pool, dim_atom *atom, whet_dim d) {
    bool min = atom->kind == DIM_MIN;
    int32_t kept = 0;
    for (int32_t i = 0; i < atom->n_args; i++) {
        whet_dim x = atom->args[i];
        if (x == d || known_order(pool, min ? x : d, min ? d : x)) return true;
    }
    for (int32_t i = 0; i < atom->n_args; i++) {
        whet_dim x = atom->args[i];
        if (!known_order(pool, min ? d : x, min ? x : d)) atom->args[kept++] = x;
    }
    atom->n_args = kept;
    if (kept == DIM_MAX_ARGS) return false;
    while (kept > 0 && atom->args[kept - 1] > d) {
        atom->args[kept] = atom->args[kept - 1];
        kept--;
    }
    atom->args[kept] = d;
    atom->n_args++;
    return true;
}

static bool operands_add(whet_dims *pool, dim_atom *atom, whet_dim d) {
    const dim_atom *nested = whet_dim_as_atom(pool, d);
    if (!nested || nested->kind != atom->kind) return operand_add(pool, atom, d);
    dim_atom copy = *nested;
    for (int32_t i = 0; i < copy.n_args; i++)
        if (!operand_add(pool, atom, copy.args[i])) return false;
    return true;
}

static whet_dim extremum(whet_dims *pool, dim_kind kind, whet_dim a, whet_dim b) {
    if (!usable(pool, a) || !usable(pool, b)) return WHET_DIM_ERROR;
    if (whet_dim_is_const(a) && whet_dim_is_const(b)) return (kind == DIM_MIN) == (a < b) ? a : b;
    dim_range x = whet_dim_range(pool, a), y = whet_dim_range(pool, b), r;
    r.lo = (kind == DIM_MIN) == (x.lo < y.lo) ? x.lo : y.lo;
    r.hi = (kind == DIM_MIN) == (x.hi < y.hi) ? x.hi : y.hi;
    dim_atom atom = {.kind = kind, .range = r};
    if (!operands_add(pool, &atom, a) || !operands_add(pool, &atom, b))
        return r.lo >= 0 ? whet_dim_fresh(pool) : whet_dim_unknown(pool);
    return atom.n_args == 1 ? atom.args[0] : whet_dim_atom(pool, &atom);
}

whet_dim whet_dim_min(whet_dims *pool, whet_dim a, whet_dim b) {
    return extremum(pool, DIM_MIN, a, b);
}
whet_dim whet_dim_max(whet_dims *pool, whet_dim a, whet_dim b) {
    return extremum(pool, DIM_MAX, a, b);
}
