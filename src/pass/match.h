// SPDX-License-Identifier: Apache-2.0
// What the rewrites share: a driver, predicates on values, replacing a node by another. Patterns
// are matched from their last node backwards, over producers; a value in the middle of a pattern
// must have one use, else its producer would be computed twice.
#ifndef WHET_PASS_MATCH_H
#define WHET_PASS_MATCH_H

#include "ir/graph.h"
#include "ops/attrs.h"

// ---- driver ----

// Looks at node n as the root of a pattern; may insert nodes before n and remove n. Adds to
// *changed what it changed.
typedef whet_status (*whet_rewrite_fn)(whet_node *n, int32_t *changed, whet_error *err);
typedef struct whet_rewrite {
    const whet_op *root;
    whet_rewrite_fn run;
} whet_rewrite;
// Tries the rows, in order, on every node that is no recipe, subgraphs too; sweeps what became
// unused.
whet_status whet_rewrite_run(whet_graph *g, const whet_rewrite *rows, int32_t n_rows,
                             int32_t *changed, whet_error *err);

// ---- looking ----

static inline bool whet_is(const whet_node *n, const whet_op *op) {
    return n && n->op == op && !n->recipe;
}
static inline whet_value *whet_input(const whet_node *n, int32_t i) {
    return i < n->n_in ? n->in[i] : NULL;
}
static inline bool whet_used_once(const whet_value *v) { return v->n_uses == 1; }
// The producer of v when it is an `op`; NULL otherwise. The second form wants v used once.
whet_node *whet_match_op(const whet_value *v, const whet_op *op);
whet_node *whet_match_only(const whet_value *v, const whet_op *op);
// n is an `op` of two inputs, one of them a constant: which, and the other one.
bool whet_match_const(const whet_node *n, const whet_op *op, whet_value **x, whet_value **c);
// v is a constant of one element within 1e-6 of `want`, relatively.
bool whet_match_number(const whet_value *v, double want);
// n is a binary `op` of something and that number, in either order; gives the other input.
bool whet_match_number_arg(const whet_node *n, const whet_op *op, double want, whet_value **x);
// Both known, of the same dtype and the same dimensions.
bool whet_same_type(const whet_value *a, const whet_value *b);
bool whet_is_float(const whet_value *v);
// The ints of an integer constant of at most 16 elements: their number, or -1.
int32_t whet_match_ints(const whet_value *v, int64_t out[16]);
// The axes of a reduction over constant ones (input 1), as a bit set; false when unknown.
bool whet_match_axes(const whet_node *reduce, uint32_t *axes);

// ---- products (product.c) ----

#define WHET_MAX_FACTORS 8
// A product of values and numbers, however it is nested: multiplications, divisions by numbers,
// squares and cubes, each but the last used once.
typedef struct whet_product {
    double number;
    whet_value *factors[WHET_MAX_FACTORS]; // no constants of one element
    int32_t n;
    int32_t n_nodes;
    const whet_value *numbers[2 * WHET_MAX_FACTORS]; // those multiplied
    int32_t n_numbers;
} whet_product;
// False when v is no product or has too many factors.
bool whet_match_product(whet_value *v, whet_product *p);
// Its number, and what it is made of is decided.
double whet_product_number(const whet_product *p);
// Whether the number is about that one; decided when it is.
bool whet_product_is(const whet_product *p, double want);
// Takes out a factor; false when it is not there.
bool whet_product_take(whet_product *p, const whet_value *factor);
static inline bool whet_near(double a, double b) {
    double d = a > b ? a - b : b - a;
    return d <= 1e-6 * (b < 0 ? -b : b);
}

// ---- making ----

// The status to return where one of the functions below gave NULL.
static inline whet_status whet_failed(const whet_error *err) {
    return err->status != WHET_OK ? err->status : WHET_E_INTERNAL;
}
// Sets the attribute of that name, which the operator must have.
void whet_set_float(whet_node *n, const char *name, double v);
void whet_set_enum(whet_node *n, const char *name, int32_t v);
int32_t whet_get_enum(const whet_node *n, const char *name);
// A node before `before` with one typed output and deeply copied attributes, which is not rounded
// where `before` must not be. NULL: *err set.
whet_node *whet_make_node(const whet_op *op, const void *attrs, whet_value *const *in,
                          int32_t n_in, whet_node *before, whet_error *err);
// n becomes `op` of x, with the defaults of its attributes; gives the new node.
whet_node *whet_make_unary(const whet_op *op, whet_value *x, whet_node *n, int32_t *changed,
                           whet_error *err);
// As whet_make_node but a constant when all inputs are.
whet_value *whet_make_value(const whet_op *op, const void *attrs, whet_value *const *in,
                            int32_t n_in, whet_node *before, whet_error *err);
// Scalar constant of the dtype of `like` (a float type).
whet_value *whet_make_number(const whet_value *like, const char *hint, double v, whet_error *err);
whet_value *whet_make_ints(whet_graph *g, const char *hint, const int64_t *v, int32_t n,
                           whet_error *err); // n < 0: scalar
// `fresh` takes the place of `old`: uses and name of output 0, node name and origin. old is
// removed, with the nodes before it that only it used: they are what fresh stands for too.
whet_status whet_take_over(whet_node *fresh, whet_node *old, whet_error *err);
// `kept` now computes what `gone`, a user of it, computed: uses and name of output 0 go over, the
// origin is added, gone is removed as above.
whet_status whet_fuse_into(whet_node *kept, whet_node *gone, whet_error *err);
// Every use of n's output becomes v, which keeps its name; n is removed.
void whet_bypass(whet_node *n, whet_value *v);
// Derived constant op(a, b), b may be NULL.
whet_value *whet_derive(const whet_op *op, whet_value *a, whet_value *b, whet_error *err);
// Derived constant: v in another shape.
whet_value *whet_derive_shape(whet_value *v, const int64_t *dims, int32_t rank, whet_error *err);

// ---- channels (channel.c) ----

// A convolution, transposed convolution or matrix product of floats whose weights are constants, as
// is its bias where there is one; *axis: that of its result along which bias lies.
bool whet_is_affine(const whet_node *n, int32_t *axis, int64_t *channels);
// The constant c, added to or multiplied with a tensor of `rank` dimensions, varies at most along
// `axis`, with `channels` elements: *vector is it as [channels]. NULL in *vector: it does not.
whet_status whet_channel_vector(whet_value *c, int32_t rank, int32_t axis, int64_t channels,
                                whet_value **vector, whet_error *err);
// Sets the bias to bias * scale + shift; either vector may be NULL.
whet_status whet_affine_bias(whet_node *n, whet_value *scale, whet_value *shift, whet_error *err);
// Multiplies the weights by a vector of channels; false in *done: not possible.
whet_status whet_affine_scale(whet_node *n, whet_value *scale, bool *done, whet_error *err);

#endif
