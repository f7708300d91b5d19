// SPDX-License-Identifier: Apache-2.0
// Pool of dimension expressions: hash-consing, polynomials, bounds, sums and products.
#include <stdlib.h>
#include <string.h>

#include "shape/dim_pool.h"

// Handle of expression i: INT64_MIN + 1 + i.
#define FIRST_EXPR (INT64_MIN + 1)
#define MAX_ENTRIES (1 << 24)
#define NO_LOWER INT64_MIN
#define NO_UPPER INT64_MAX

// ---- the tables ----

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t mono_hash(const uint32_t *atoms, int32_t n) {
    uint64_t h = (uint64_t)n;
    for (int32_t i = 0; i < n; i++) h = mix(h, atoms[i]);
    return h;
}

static uint64_t terms_hash(const dim_term *terms, int32_t n) {
    uint64_t h = (uint64_t)n;
    for (int32_t i = 0; i < n; i++) h = mix(mix(h, (uint64_t)terms[i].coef), terms[i].mono);
    return h;
}

static uint64_t atom_hash(const dim_atom *a) {
    uint64_t h = (uint64_t)a->kind;
    if (a->name)
        for (const char *c = a->name; *c; c++) h = mix(h, (unsigned char)*c);
    for (int32_t i = 0; i < a->n_args; i++) h = mix(h, (uint64_t)a->args[i]);
    return h;
}

static bool terms_same(const dim_term *a, const dim_term *b, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (a[i].coef != b[i].coef || a[i].mono != b[i].mono) return false;
    return true;
}

static bool atom_same(const dim_atom *a, const dim_atom *b) {
    if (a->kind != b->kind || a->n_args != b->n_args) return false;
    if (a->kind == DIM_NAME) return !strcmp(a->name, b->name);
    return !memcmp(a->args, b->args, (size_t)a->n_args * sizeof a->args[0]);
}

static uint64_t entry_hash(const whet_dims *pool, const dim_index *index, uint32_t id) {
    if (index == &pool->atom_index) return atom_hash(&pool->atoms[id]);
    if (index == &pool->mono_index)
        return mono_hash(pool->monos[id].atoms, pool->monos[id].n);
    return terms_hash(pool->exprs[id].terms, pool->exprs[id].n);
}

static bool index_grow(const whet_dims *pool, dim_index *index) {
    uint32_t cap = index->cap ? index->cap * 2 : 64;
    uint32_t *slots = calloc(cap, sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 0; i < index->cap; i++) {
        if (!index->slots[i]) continue;
        uint64_t at = entry_hash(pool, index, index->slots[i] - 1);
        while (slots[at & (cap - 1)]) at++;
        slots[at & (cap - 1)] = index->slots[i];
    }
    free(index->slots);
    index->slots = slots;
    index->cap = cap;
    return true;
}

static bool index_add(const whet_dims *pool, dim_index *index, uint64_t hash, uint32_t id) {
    if (id >= MAX_ENTRIES) return false;
    if (index->n * 2 >= index->cap && !index_grow(pool, index)) return false;
    while (index->slots[hash & (index->cap - 1)]) hash++;
    index->slots[hash & (index->cap - 1)] = id + 1;
    index->n++;
    return true;
}

// Walks the entries that may have this hash: the next id, or -1.
static int64_t index_next(const dim_index *index, uint64_t *hash) {
    if (!index->cap) return -1;
    uint32_t slot = index->slots[(*hash)++ & (index->cap - 1)];
    return (int64_t)slot - 1;
}

whet_dims *whet_dims_create(void) {
    whet_dims *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    whet_arena_init(&pool->arena);
    dim_mono one = {0};
    if (!WHET_ARENA_PUSH(&pool->arena, pool->monos, pool->n_monos, pool->cap_monos, one) ||
        !index_add(pool, &pool->mono_index, mono_hash(NULL, 0), 0)) {
        whet_dims_destroy(pool);
        return NULL;
    }
    return pool;
}

void whet_dims_destroy(whet_dims *pool) {
    if (!pool) return;
    free(pool->atom_index.slots);
    free(pool->mono_index.slots);
    free(pool->expr_index.slots);
    whet_arena_fini(&pool->arena);
    free(pool);
}

// ---- monomials ----

// -1 when memory is out or the degree is too large.
static int64_t mono_intern(whet_dims *pool, const uint32_t *atoms, int32_t n) {
    uint64_t hash = mono_hash(atoms, n), at = hash;
    for (int64_t id; (id = index_next(&pool->mono_index, &at)) >= 0;) {
        const dim_mono *m = &pool->monos[id];
        if (m->n == n && (n == 0 || !memcmp(m->atoms, atoms, (size_t)n * sizeof *atoms))) return id;
    }
    dim_mono m = {whet_arena_memdup(&pool->arena, atoms, (size_t)n * sizeof *atoms), n};
    if (!m.atoms || !WHET_ARENA_PUSH(&pool->arena, pool->monos, pool->n_monos, pool->cap_monos, m))
        return -1;
    uint32_t id = (uint32_t)pool->n_monos - 1;
    return index_add(pool, &pool->mono_index, hash, id) ? (int64_t)id : -1;
}

// Graded lexicographic, which products keep: > 0 when a comes before b.
static int mono_compare(const whet_dims *pool, uint32_t a, uint32_t b) {
    const dim_mono *x = &pool->monos[a], *y = &pool->monos[b];
    if (a == b) return 0;
    if (x->n != y->n) return x->n > y->n ? 1 : -1;
    for (int32_t i = 0; i < x->n; i++)
        if (x->atoms[i] != y->atoms[i]) return x->atoms[i] < y->atoms[i] ? 1 : -1;
    return 0;
}

static int64_t mono_multiply(whet_dims *pool, uint32_t a, uint32_t b, bool *big) {
    const dim_mono *x = &pool->monos[a], *y = &pool->monos[b];
    uint32_t atoms[DIM_MAX_DEGREE];
    if (x->n == 0) return b;
    if (y->n == 0) return a;
    if (x->n + y->n > DIM_MAX_DEGREE) {
        *big = true;
        return -1;
    }
    int32_t n = 0, i = 0, j = 0;
    while (i < x->n || j < y->n)
        atoms[n++] = j == y->n || (i < x->n && x->atoms[i] <= y->atoms[j]) ? x->atoms[i++]
                                                                           : y->atoms[j++];
    return mono_intern(pool, atoms, n);
}

bool whet_dim_mono_divide(whet_dims *pool, uint32_t a, uint32_t b, uint32_t *quotient) {
    const dim_mono *x = &pool->monos[a], *y = &pool->monos[b];
    uint32_t atoms[DIM_MAX_DEGREE];
    int32_t n = 0, j = 0;
    for (int32_t i = 0; i < x->n; i++) {
        if (j < y->n && x->atoms[i] == y->atoms[j]) j++;
        else atoms[n++] = x->atoms[i];
    }
    if (j < y->n) return false;
    int64_t id = mono_intern(pool, atoms, n);
    if (id >= 0) *quotient = (uint32_t)id;
    return id >= 0;
}

// ---- bounds ----

static int64_t saturated(int64_t a, int64_t b, bool times) {
    int64_t r;
    if (times) {
        bool negative = (a < 0) != (b < 0);
        return __builtin_mul_overflow(a, b, &r) ? (negative ? NO_LOWER : NO_UPPER) : r;
    }
    return __builtin_add_overflow(a, b, &r) ? (a < 0 ? NO_LOWER : NO_UPPER) : r;
}

static dim_range range_add(dim_range a, dim_range b) {
    dim_range r = {NO_LOWER, NO_UPPER};
    if (a.lo != NO_LOWER && b.lo != NO_LOWER) r.lo = saturated(a.lo, b.lo, false);
    if (a.hi != NO_UPPER && b.hi != NO_UPPER) r.hi = saturated(a.hi, b.hi, false);
    if (r.lo == NO_UPPER) r.lo = NO_UPPER - 1;
    return r;
}

// One corner of a product, an infinite bound times zero being zero.
static int64_t corner(int64_t a, int64_t b) {
    if (a == 0 || b == 0) return 0;
    bool infinite = a == NO_LOWER || a == NO_UPPER || b == NO_LOWER || b == NO_UPPER;
    if (infinite) return (a < 0) != (b < 0) ? NO_LOWER : NO_UPPER;
    return saturated(a, b, true);
}

static dim_range range_multiply(dim_range a, dim_range b) {
    int64_t c[4] = {corner(a.lo, b.lo), corner(a.lo, b.hi), corner(a.hi, b.lo), corner(a.hi, b.hi)};
    dim_range r = {c[0], c[0]};
    for (int32_t i = 1; i < 4; i++) {
        if (c[i] < r.lo) r.lo = c[i];
        if (c[i] > r.hi) r.hi = c[i];
    }
    return r;
}

dim_range whet_dim_poly_range(const whet_dims *pool, const dim_poly *p) {
    dim_range sum = {0, 0};
    for (int32_t i = 0; i < p->n; i++) {
        dim_range product = {p->terms[i].coef, p->terms[i].coef};
        const dim_mono *m = &pool->monos[p->terms[i].mono];
        for (int32_t j = 0; j < m->n; j++)
            product = range_multiply(product, pool->atoms[m->atoms[j]].range);
        sum = range_add(sum, product);
    }
    return sum;
}

dim_range whet_dim_range(const whet_dims *pool, whet_dim d) {
    if (whet_dim_is_const(d)) return (dim_range){d, d};
    const dim_expr *e = whet_dim_as_expr(pool, d);
    return e ? e->range : (dim_range){NO_LOWER, NO_UPPER};
}

bool whet_dim_known_positive(const whet_dims *pool, whet_dim d) {
    dim_poly p;
    if (whet_dim_range(pool, d).lo > 0) return true;
    whet_dim_poly_load(pool, d, &p);
    if (pool) whet_dim_poly_add(pool, &p, -1, 0);
    return pool && whet_dim_poly_nonnegative(pool, &p);
}
bool whet_dim_known_nonnegative(const whet_dims *pool, whet_dim d) {
    dim_poly p;
    if (whet_dim_range(pool, d).lo >= 0) return true;
    whet_dim_poly_load(pool, d, &p);
    return pool && whet_dim_poly_nonnegative(pool, &p);
}

// ---- polynomials ----

const dim_expr *whet_dim_as_expr(const whet_dims *pool, whet_dim d) {
    if (!pool || whet_dim_is_const(d) || whet_dim_is_error(d)) return NULL;
    int64_t i = d - FIRST_EXPR;
    return i < pool->n_exprs ? &pool->exprs[i] : NULL;
}

const dim_atom *whet_dim_as_atom(const whet_dims *pool, whet_dim d) {
    const dim_expr *e = whet_dim_as_expr(pool, d);
    if (!e || e->n != 1 || e->terms[0].coef != 1) return NULL;
    const dim_mono *m = &pool->monos[e->terms[0].mono];
    return m->n == 1 ? &pool->atoms[m->atoms[0]] : NULL;
}

void whet_dim_poly_load(const whet_dims *pool, whet_dim d, dim_poly *p) {
    const dim_expr *e = whet_dim_as_expr(pool, d);
    p->n = 0;
    p->state = DIM_FINE;
    if (whet_dim_is_const(d)) {
        if (d) p->terms[p->n++] = (dim_term){d, 0};
    } else if (e) {
        memcpy(p->terms, e->terms, (size_t)e->n * sizeof *e->terms);
        p->n = e->n;
    } else {
        p->state = DIM_FAILED;
    }
}

void whet_dim_poly_add(const whet_dims *pool, dim_poly *p, int64_t coef, uint32_t mono) {
    int32_t at = 0, order = -1;
    if (p->state != DIM_FINE || coef == 0) return;
    while (at < p->n && (order = mono_compare(pool, mono, p->terms[at].mono)) < 0) at++;
    if (at < p->n && order == 0) {
        if (__builtin_add_overflow(p->terms[at].coef, coef, &p->terms[at].coef))
            p->state = DIM_FAILED;
        else if (p->terms[at].coef == 0)
            memmove(&p->terms[at], &p->terms[at + 1],
                    (size_t)(--p->n - at) * sizeof p->terms[0]);
        return;
    }
    if (p->n == DIM_MAX_TERMS) {
        p->state = DIM_BIG;
        return;
    }
    memmove(&p->terms[at + 1], &p->terms[at], (size_t)(p->n++ - at) * sizeof p->terms[0]);
    p->terms[at] = (dim_term){coef, mono};
}

void whet_dim_poly_add_times(const whet_dims *pool, dim_poly *p, int64_t coef, const dim_poly *q) {
    if (q->state > p->state) p->state = q->state;
    for (int32_t i = 0; i < q->n && p->state == DIM_FINE; i++) {
        int64_t c;
        if (__builtin_mul_overflow(coef, q->terms[i].coef, &c)) p->state = DIM_FAILED;
        else whet_dim_poly_add(pool, p, c, q->terms[i].mono);
    }
}

void whet_dim_poly_add_scaled(whet_dims *pool, dim_poly *p, int64_t coef, uint32_t mono,
                              const dim_poly *q) {
    if (mono == 0) {
        whet_dim_poly_add_times(pool, p, coef, q);
        return;
    }
    if (q->state > p->state) p->state = q->state;
    for (int32_t i = 0; i < q->n && p->state == DIM_FINE; i++) {
        int64_t c;
        bool big = false;
        int64_t m = mono_multiply(pool, mono, q->terms[i].mono, &big);
        if (__builtin_mul_overflow(coef, q->terms[i].coef, &c)) p->state = DIM_FAILED;
        else if (m < 0) p->state = big ? DIM_BIG : DIM_FAILED;
        else whet_dim_poly_add(pool, p, c, (uint32_t)m);
    }
}

int64_t whet_dim_poly_constant(const dim_poly *p) {
    return p->n && p->terms[p->n - 1].mono == 0 ? p->terms[p->n - 1].coef : 0;
}

static bool expr_measure(const whet_dims *pool, dim_expr *e) {
    for (int32_t i = 0; i < e->n; i++) {
        const dim_mono *m = &pool->monos[e->terms[i].mono];
        e->size++;
        for (int32_t j = 0; j < m->n; j++) {
            const dim_atom *a = &pool->atoms[m->atoms[j]];
            e->size += a->size;
            if (a->depth > e->depth) e->depth = a->depth;
        }
        if (e->size > DIM_MAX_SIZE) return false;
    }
    return e->depth <= DIM_MAX_DEPTH;
}

static whet_dim unknown(whet_dims *pool, bool nonnegative) {
    return nonnegative ? whet_dim_fresh(pool) : whet_dim_unknown(pool);
}

whet_dim whet_dim_poly_intern(whet_dims *pool, const dim_poly *p, bool nonnegative) {
    if (p->state == DIM_FAILED) return WHET_DIM_ERROR;
    if (p->state == DIM_BIG) return unknown(pool, nonnegative);
    if (p->n == 0) return 0;
    if (p->n == 1 && p->terms[0].mono == 0) return whet_dim_constant(p->terms[0].coef);
    uint64_t hash = terms_hash(p->terms, p->n), at = hash;
    for (int64_t id; (id = index_next(&pool->expr_index, &at)) >= 0;) {
        const dim_expr *e = &pool->exprs[id];
        if (e->n == p->n && terms_same(e->terms, p->terms, p->n)) return FIRST_EXPR + id;
    }
    dim_expr e = {p->terms, p->n, .range = whet_dim_poly_range(pool, p)};
    if (!expr_measure(pool, &e)) return unknown(pool, nonnegative);
    e.terms = whet_arena_memdup(&pool->arena, p->terms, (size_t)p->n * sizeof p->terms[0]);
    if (!e.terms || !WHET_ARENA_PUSH(&pool->arena, pool->exprs, pool->n_exprs, pool->cap_exprs, e))
        return WHET_DIM_ERROR;
    uint32_t id = (uint32_t)pool->n_exprs - 1;
    return index_add(pool, &pool->expr_index, hash, id) ? FIRST_EXPR + (int64_t)id : WHET_DIM_ERROR;
}

// ---- atoms ----

whet_dim whet_dim_atom(whet_dims *pool, dim_atom *atom) {
    uint64_t hash = atom_hash(atom), at = hash;
    int64_t id;
    while ((id = index_next(&pool->atom_index, &at)) >= 0)
        if (atom_same(&pool->atoms[id], atom)) break;
    if (id < 0) {
        atom->size = atom->depth = 1;
        for (int32_t i = 0; i < atom->n_args; i++) {
            const dim_expr *e = whet_dim_as_expr(pool, atom->args[i]);
            atom->size += e ? e->size : 1;
            if (e && e->depth >= atom->depth) atom->depth = e->depth + 1;
        }
        if (atom->size > DIM_MAX_SIZE || atom->depth > DIM_MAX_DEPTH)
            return unknown(pool, atom->range.lo >= 0);
        if (!WHET_ARENA_PUSH(&pool->arena, pool->atoms, pool->n_atoms, pool->cap_atoms, *atom) ||
            !index_add(pool, &pool->atom_index, hash, (uint32_t)pool->n_atoms - 1))
            return WHET_DIM_ERROR;
        id = pool->n_atoms - 1;
    }
    uint32_t number = (uint32_t)id;
    int64_t mono = mono_intern(pool, &number, 1);
    if (mono < 0) return WHET_DIM_ERROR;
    dim_poly p = {.n = 1, .terms = {{1, (uint32_t)mono}}};
    return whet_dim_poly_intern(pool, &p, atom->range.lo >= 0);
}

// Keeps generated names apart from those that were read from a file: "?12", "?v12".
static void note_generated(whet_dims *pool, const char *name) {
    const char *digits = name + (name[1] == 'v' ? 2 : 1);
    int64_t v = 0;
    for (const char *c = digits; *c; c++) {
        if (*c < '0' || *c > '9' || v > INT64_MAX / 20) return;
        v = v * 10 + (*c - '0');
    }
    if (v > pool->fresh) pool->fresh = v;
}

whet_dim whet_dim_named(whet_dims *pool, const char *name) {
    if (!pool) return WHET_DIM_ERROR;
    dim_atom atom = {.kind = DIM_NAME, .name = name, .range = {0, NO_UPPER}};
    uint64_t at = atom_hash(&atom);
    int64_t id;
    while ((id = index_next(&pool->atom_index, &at)) >= 0)
        if (atom_same(&pool->atoms[id], &atom)) break;
    if (id < 0) {
        atom.name = whet_arena_strdup(&pool->arena, name);
        if (!atom.name) return WHET_DIM_ERROR;
        if (name[0] == '?') {
            note_generated(pool, name);
            if (name[1] == 'v') atom.range.lo = NO_LOWER;
        }
    }
    return whet_dim_atom(pool, &atom);
}

static whet_dim generated(whet_dims *pool, const char *prefix) {
    if (!pool) return WHET_DIM_ERROR;
    char name[32], digits[24];
    int32_t n = 0;
    for (int64_t v = ++pool->fresh; v; v /= 10) digits[n++] = (char)('0' + v % 10);
    size_t at = strlen(prefix);
    memcpy(name, prefix, at);
    while (n) name[at++] = digits[--n];
    name[at] = 0;
    return whet_dim_named(pool, name);
}

whet_dim whet_dim_fresh(whet_dims *pool) { return generated(pool, "?"); }
whet_dim whet_dim_unknown(whet_dims *pool) { return generated(pool, "?v"); }

// ---- sums and products ----

static whet_dim add_scaled(whet_dims *pool, whet_dim a, int64_t coef, whet_dim b) {
    dim_poly p, q;
    whet_dim_poly_load(pool, a, &p);
    whet_dim_poly_load(pool, b, &q);
    bool nonnegative = coef > 0 && whet_dim_known_nonnegative(pool, a) &&
                       whet_dim_known_nonnegative(pool, b);
    whet_dim_poly_add_scaled(pool, &p, coef, 0, &q);
    return whet_dim_poly_intern(pool, &p, nonnegative);
}

whet_dim whet_dim_add(whet_dims *pool, whet_dim a, whet_dim b) {
    int64_t r;
    if (whet_dim_is_const(a) && whet_dim_is_const(b))
        return __builtin_add_overflow(a, b, &r) ? WHET_DIM_ERROR : whet_dim_constant(r);
    return add_scaled(pool, a, 1, b);
}

whet_dim whet_dim_sub(whet_dims *pool, whet_dim a, whet_dim b) {
    int64_t r;
    if (whet_dim_is_const(a) && whet_dim_is_const(b))
        return __builtin_sub_overflow(a, b, &r) ? WHET_DIM_ERROR : whet_dim_constant(r);
    return add_scaled(pool, a, -1, b);
}

whet_dim whet_dim_mul(whet_dims *pool, whet_dim a, whet_dim b) {
    int64_t r;
    if (whet_dim_is_const(a) && whet_dim_is_const(b))
        return __builtin_mul_overflow(a, b, &r) ? WHET_DIM_ERROR : whet_dim_constant(r);
    dim_poly p, q, product = {.n = 0};
    whet_dim_poly_load(pool, a, &p);
    whet_dim_poly_load(pool, b, &q);
    if (p.state != DIM_FINE) product.state = p.state;
    if (q.state != DIM_FINE) product.state = q.state;
    for (int32_t i = 0; i < p.n && product.state == DIM_FINE; i++)
        whet_dim_poly_add_scaled(pool, &product, p.terms[i].coef, p.terms[i].mono, &q);
    bool nonnegative = whet_dim_known_nonnegative(pool, a) && whet_dim_known_nonnegative(pool, b);
    return whet_dim_poly_intern(pool, &product, nonnegative);
}
