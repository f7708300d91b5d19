// SPDX-License-Identifier: Apache-2.0
// Fewer moves: transposes after each other are one, those that move nothing are a reshape, and so
// is any row of views. A reshape whose result is known needs no computed shape.
#include "pass/match.h"
#include "pass/pass.h"

// ---- views ----

static bool is_view(const whet_node *n) {
    return n && !n->recipe && (whet_is(n, &whet_op_reshape) || whet_is(n, &whet_op_flatten) ||
                               whet_is(n, &whet_op_squeeze) || whet_is(n, &whet_op_unsqueeze));
}

// The shape input that turns x into `type`: 0 copies a dimension, one may be -1.
static bool shape_of(const whet_type *x, const whet_type *type, int64_t shape[WHET_MAX_RANK]) {
    bool rest = false;
    if (x->rank < 0 || type->rank < 0) return false;
    for (int32_t i = 0; i < type->rank; i++) {
        whet_dim d = type->dims[i];
        if (whet_dim_is_const(d) && d > 0) shape[i] = d;
        else if (whet_dim_is_error(d) || d == 0) return false;
        else if (i < x->rank && x->dims[i] == d) shape[i] = 0;
        else if (!rest) shape[i] = -1, rest = true;
        else return false;
    }
    return true;
}

// Replaces n by a reshape of x to the type that n's output has; does nothing where that type cannot
// be said with numbers.
static whet_status make_reshape(whet_node *n, whet_value *x, int32_t *changed, whet_error *err) {
    int64_t shape[WHET_MAX_RANK];
    if (!shape_of(&x->type, &n->out[0]->type, shape)) return WHET_OK;
    whet_value *dims = whet_make_ints(n->graph, "shape", shape, n->out[0]->type.rank, err);
    whet_value *in[] = {x, dims};
    whet_node *fresh = dims ? whet_make_node(&whet_op_reshape, NULL, in, 2, n, err) : NULL;
    if (!fresh) return whet_failed(err);
    if (!whet_same_type(fresh->out[0], n->out[0])) {
        whet_node_remove(fresh);
        return WHET_OK;
    }
    ++*changed;
    return whet_take_over(fresh, n, err);
}

// n's output is x itself, but for its name.
static bool bypass(whet_node *n, whet_value *x, int32_t *changed) {
    if (!whet_same_type(x, n->out[0]) || (!x->producer && whet_value_is_output(n->out[0])))
        return false;
    whet_bypass(n, x);
    ++*changed;
    return true;
}

static whet_status view_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x = n->in[0];
    if (bypass(n, x, changed)) return WHET_OK;
    while (x->producer && is_view(x->producer)) x = x->producer->in[0];
    // a shape that is computed but known gives way to numbers
    bool computed = whet_is(n, &whet_op_reshape) && !whet_value_is_const(n->in[1]);
    if ((x == n->in[0] && !computed) || bypass(n, x, changed)) return WHET_OK;
    return make_reshape(n, x, changed, err);
}

// ---- transposes ----

static int32_t source_axis(const whet_node *n, int32_t i) {
    const whet_ints *perm = &((const whet_transpose_attrs *)n->attrs)->perm;
    return perm->v ? (int32_t)perm->v[i] : n->in[0]->type.rank - 1 - i;
}

// Whether the dimensions other than those of length 1 keep their order.
static bool moves_nothing(const whet_node *n) {
    const whet_type *x = &n->in[0]->type;
    int32_t last = -1;
    for (int32_t i = 0; i < x->rank; i++) {
        int32_t axis = source_axis(n, i);
        if (x->dims[axis] == 1) continue;
        if (axis < last) return false;
        last = axis;
    }
    return true;
}

static whet_status merge(whet_node *n, whet_node *inner, int32_t *changed, whet_error *err) {
    int64_t perm[WHET_MAX_RANK];
    int32_t rank = n->in[0]->type.rank;
    bool still = true;
    for (int32_t i = 0; i < rank; i++) {
        perm[i] = source_axis(inner, source_axis(n, i));
        still = still && perm[i] == i;
    }
    if (still && bypass(n, inner->in[0], changed)) return WHET_OK;
    whet_transpose_attrs attrs = {{perm, rank}};
    whet_node *fresh = whet_make_node(&whet_op_transpose, &attrs, inner->in, 1, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

static whet_status transpose_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x = n->in[0];
    if (x->type.rank < 0) return WHET_OK;
    bool still = true;
    for (int32_t i = 0; i < x->type.rank; i++) still = still && source_axis(n, i) == i;
    if (still && bypass(n, x, changed)) return WHET_OK;
    whet_node *inner = whet_match_op(x, &whet_op_transpose);
    if (inner) return merge(n, inner, changed, err);
    return moves_nothing(n) && !still ? make_reshape(n, x, changed, err) : WHET_OK;
}

// ---- matrix products, which can transpose the last two dimensions of their operands themselves
// ----

static const whet_node *match_swap(const whet_value *v) {
    const whet_node *n = whet_match_only(v, &whet_op_transpose);
    int32_t rank = v->type.rank;
    if (!n || rank < 2) return NULL;
    for (int32_t i = 0; i < rank; i++) {
        int32_t want = i == rank - 1 ? rank - 2 : i == rank - 2 ? rank - 1 : i;
        if (source_axis(n, i) != want) return NULL;
    }
    return n;
}

static whet_status matmul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_matmul_attrs *a = n->attrs;
    bool *trans[] = {&a->trans_a, &a->trans_b};
    for (int32_t i = 0; i < 2; i++) {
        const whet_node *swap = match_swap(n->in[i]);
        if (!swap) continue;
        *trans[i] = !*trans[i];
        whet_node_set_input(n, i, swap->in[0]);
        ++*changed;
        if (!whet_node_absorb(n, swap)) return WHET_NOMEM(err);
    }
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_transpose, transpose_rule}, {&whet_op_reshape, view_rule},
        {&whet_op_flatten, view_rule},        {&whet_op_squeeze, view_rule},
        {&whet_op_unsqueeze, view_rule},      {&whet_op_matmul, matmul_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_transpose = {
    .name = "transpose",
    .help = "merges transposes and reshapes, also into products; drops those that move nothing",
    .run = run,
};
