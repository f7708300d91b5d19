// SPDX-License-Identifier: Apache-2.0
// Inside of a pool of dimension expressions, for the files of shape/ only.
// An expression is a sum of terms (coefficient times monomial), monomials in descending order; a
// monomial is a product of atoms with ascending ids, repeated for powers; an atom is a name or a
// function of expressions. All three are hash-consed, so equality is equality of numbers.
#ifndef WHET_SHAPE_DIM_POOL_H
#define WHET_SHAPE_DIM_POOL_H

#include "shape/dim.h"

// Larger expressions become unknowns.
enum {
    DIM_MAX_TERMS = 64,
    DIM_MAX_DEGREE = 24,
    DIM_MAX_SIZE = 4096, // nodes written out as a tree
    DIM_MAX_DEPTH = 100, // functions within functions
    DIM_MAX_ARGS = 8,    // of min and max
};

// Bounds, INT64_MIN and INT64_MAX standing for none.
typedef struct dim_range {
    int64_t lo, hi;
} dim_range;

typedef enum dim_kind { DIM_NAME, DIM_FLOORDIV, DIM_MOD, DIM_MIN, DIM_MAX } dim_kind;

typedef struct dim_atom {
    dim_kind kind;
    const char *name; // DIM_NAME
    whet_dim args[DIM_MAX_ARGS];
    int32_t n_args;
    int32_t size, depth;
    dim_range range;
} dim_atom;

typedef struct dim_mono {
    const uint32_t *atoms;
    int32_t n;
} dim_mono;

typedef struct dim_term {
    int64_t coef;
    uint32_t mono; // 0: the empty product
} dim_term;

typedef struct dim_expr {
    const dim_term *terms;
    int32_t n;
    int32_t size, depth;
    dim_range range;
} dim_expr;

typedef struct dim_index { // open addressing, entries are id + 1
    uint32_t *slots;
    uint32_t cap, n;
} dim_index;

struct whet_dims {
    whet_arena arena;
    dim_atom *atoms;
    dim_mono *monos;
    dim_expr *exprs;
    int32_t n_atoms, cap_atoms, n_monos, cap_monos, n_exprs, cap_exprs;
    dim_index atom_index, mono_index, expr_index;
    int64_t fresh; // number of the last fresh name
};

// A polynomial being built. BIG: over the limits, the result becomes an unknown; FAILED: overflow
// or no memory.
typedef enum dim_state { DIM_FINE, DIM_BIG, DIM_FAILED } dim_state;
typedef struct dim_poly {
    dim_term terms[DIM_MAX_TERMS];
    int32_t n;
    dim_state state;
} dim_poly;

// The polynomial of a handle; FAILED for WHET_DIM_ERROR, a handle of another pool, or no pool.
void whet_dim_poly_load(const whet_dims *pool, whet_dim d, dim_poly *p);
void whet_dim_poly_add(const whet_dims *pool, dim_poly *p, int64_t coef, uint32_t mono);
// p += coef * q
void whet_dim_poly_add_times(const whet_dims *pool, dim_poly *p, int64_t coef, const dim_poly *q);
// p += coef * mono * q
void whet_dim_poly_add_scaled(whet_dims *pool, dim_poly *p, int64_t coef, uint32_t mono,
                              const dim_poly *q);
// nonnegative: what is known of the result should it become an unknown.
whet_dim whet_dim_poly_intern(whet_dims *pool, const dim_poly *p, bool nonnegative);
dim_range whet_dim_poly_range(const whet_dims *pool, const dim_poly *p);
// Whether p >= 0 for sure: by its bounds, or by those of what functions in it are bounded by.
bool whet_dim_poly_nonnegative(const whet_dims *pool, const dim_poly *p);
// The constant term.
int64_t whet_dim_poly_constant(const dim_poly *p);

// a / b when every atom of b is in a; false otherwise or when memory is out.
bool whet_dim_mono_divide(whet_dims *pool, uint32_t a, uint32_t b, uint32_t *quotient);
// The expression that is this one atom; `atom` is copied. Fills size, depth; range is the caller's.
whet_dim whet_dim_atom(whet_dims *pool, dim_atom *atom);
// The atom when d is one atom with coefficient 1, else NULL.
const dim_atom *whet_dim_as_atom(const whet_dims *pool, whet_dim d);
const dim_expr *whet_dim_as_expr(const whet_dims *pool, whet_dim d); // NULL for others
dim_range whet_dim_range(const whet_dims *pool, whet_dim d);

// Rounds down, for b != 0; false on overflow.
bool whet_dim_floor(int64_t a, int64_t b, int64_t *quotient);
// The constant, or WHET_DIM_ERROR when it is below those that are constants.
static inline whet_dim whet_dim_constant(int64_t v) {
    return whet_dim_is_const(v) ? v : WHET_DIM_ERROR;
}

#endif
