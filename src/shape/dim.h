// SPDX-License-Identifier: Apache-2.0
// A dimension (or an element of a shape tensor): an int64 or an expression over named dimensions.
// Constants are themselves; values below WHET_DIM_EXPR_END are handles into a pool of expressions.
// Expressions are polynomials with integer coefficients over atoms (named dimensions, floor
// divisions, minima, maxima), kept in a normal form and hash-consed: two handles are equal exactly
// when the normal forms are. Constant operands fold without touching the pool, so one shape
// function serves the build (symbolic) and the run (numbers only, pool NULL is allowed there).
#ifndef WHET_SHAPE_DIM_H
#define WHET_SHAPE_DIM_H

#include "base/arena.h"
#include "base/str.h"
#include "base/error.h"

typedef int64_t whet_dim;
#define WHET_DIM_EXPR_END (INT64_MIN + (INT64_C(1) << 32))
// What operations give on overflow, division by zero, missing memory or an unknown operand
// without a pool; poisons everything computed from it.
#define WHET_DIM_ERROR INT64_MIN

typedef struct whet_dims whet_dims;

static inline bool whet_dim_is_const(whet_dim d) { return d >= WHET_DIM_EXPR_END; }
static inline bool whet_dim_is_error(whet_dim d) { return d == WHET_DIM_ERROR; }

whet_dims *whet_dims_create(void); // NULL: out of memory
void whet_dims_destroy(whet_dims *pool);

// The dimension of that name; the same name gives the same handle. Names starting with '?' are
// reserved for fresh ones.
whet_dim whet_dim_named(whet_dims *pool, const char *name);
// A dimension that nothing is known of ("?1", "?2", ...), >= 0. Without pool: WHET_DIM_ERROR.
whet_dim whet_dim_fresh(whet_dims *pool);
// An integer of either sign that nothing is known of (element of a shape tensor).
whet_dim whet_dim_unknown(whet_dims *pool);

whet_dim whet_dim_add(whet_dims *pool, whet_dim a, whet_dim b);
whet_dim whet_dim_sub(whet_dims *pool, whet_dim a, whet_dim b);
whet_dim whet_dim_mul(whet_dims *pool, whet_dim a, whet_dim b);
// rounds down; exact where possible
whet_dim whet_dim_floordiv(whet_dims *pool, whet_dim a, whet_dim b);
whet_dim whet_dim_ceildiv(whet_dims *pool, whet_dim a, whet_dim b);
whet_dim whet_dim_mod(whet_dims *pool, whet_dim a, whet_dim b);      // sign of b
whet_dim whet_dim_min(whet_dims *pool, whet_dim a, whet_dim b);
whet_dim whet_dim_max(whet_dims *pool, whet_dim a, whet_dim b);

// Facts, named dimensions being >= 0 (and each other's equals only when the same).
bool whet_dim_known_positive(const whet_dims *pool, whet_dim d);    // > 0 for sure
bool whet_dim_known_nonnegative(const whet_dims *pool, whet_dim d); // >= 0 for sure
// Exact quotient a / b when b divides a as a polynomial; false otherwise.
bool whet_dim_divides(whet_dims *pool, whet_dim a, whet_dim b, whet_dim *quotient);

// Value when every named dimension has one: lookup returns the value of a name or -1 (unknown).
typedef int64_t (*whet_dim_lookup)(void *user, const char *name);
whet_dim whet_dim_eval(const whet_dims *pool, whet_dim d, whet_dim_lookup lookup, void *user);
// Calls visit for each distinct name in d.
void whet_dim_names(const whet_dims *pool, whet_dim d, void (*visit)(void *user, const char *name),
                    void *user);
// The name if d is a single named dimension, else NULL.
const char *whet_dim_name(const whet_dims *pool, whet_dim d);

// Text form: "12", "batch", "2*batch + 1", "floordiv(h - 1, 2) + 1", "min(a, b)", "max(a, b)".
void whet_dim_print(const whet_dims *pool, whet_dim d, whet_str *out);
// Parses that form from *text, moves *text behind it. WHET_E_PARSE.
whet_status whet_dim_parse(whet_dims *pool, const char **text, whet_dim *d, whet_error *err);

#endif
