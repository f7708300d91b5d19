// SPDX-License-Identifier: Apache-2.0
// softmax(scale q k' + mask) v becomes attention. The scale may sit on q, on k, on both or on the
// scores, k may be transposed by a node or by the product, the mask may be a choice. Where all
// heads come from one row
// [b, s, h d] by reshape and transpose, and go back to one, those four moves are dropped too: the
// operator reads its heads from the rows.
#include "pass/match.h"
#include "pass/pass.h"

typedef struct {
    whet_value *q, *k, *v, *mask;
    int64_t perm[4]; // of k to [b, h, s, d]
    double scale;
    bool drops; // the mask is true where a key is left out
} match;

// ---- the scores ----

// Strips products with and quotients by numbers from v, into *scale.
static whet_value *strip_scale(whet_value *v, double *scale) {
    for (;;) {
        whet_value *x, *c;
        double number;
        const whet_node *n = v->producer;
        bool mul = whet_is(n, &whet_op_mul), div = whet_is(n, &whet_op_div);
        if ((!mul && !div) || !whet_used_once(v) || !whet_match_const(n, n->op, &x, &c) ||
            !whet_value_scalar(c, &number) || !whet_same_type(x, v) ||
            (div && (n->in[1] != c || number == 0)))
            return v;
        *scale *= mul ? number : 1 / number;
        v = x;
    }
}

static whet_node *match_product(whet_value *v, double *scale) {
    v = strip_scale(v, scale);
    whet_node *n = whet_match_only(v, &whet_op_matmul);
    return n && !whet_input(n, 2) && !((const whet_matmul_attrs *)n->attrs)->trans_a ? n : NULL;
}

// A mask is added along whole rows of scores and broadcasts to them.
static bool mask_fits(const whet_value *mask, const whet_value *scores, const whet_value *sum) {
    int32_t rank = mask->type.rank;
    return rank >= 1 && rank <= 4 && whet_same_type(scores, sum) &&
           mask->type.dims[rank - 1] == scores->type.dims[3];
}

// Whether each row of a constant mask keeps a key: a row without one would be uniform as
// arithmetic,
// but zero as attention.
static bool rows_keep(const whet_value *v, bool drops) {
    const whet_tensor *mask = v->data;
    whet_value_decide(v);
    int64_t width = mask->rank ? mask->dims[mask->rank - 1] : 1, n = whet_tensor_count(mask);
    for (int64_t at = 0; at < n; at += width) {
        bool keeps = false;
        for (int64_t i = 0; i < width; i++)
            keeps = keeps || (whet_load_i64(mask->data, mask->dtype, at + i) != 0) != drops;
        if (!keeps) return false;
    }
    return n > 0;
}

// v is where(mask, scores, -inf) or where(mask, -inf, scores) for a constant mask; a number that is
// large enough does as well.
static whet_node *match_where(const whet_value *v, match *m) {
    const whet_node *n = whet_match_only(v, &whet_op_where);
    if (!n || !whet_value_is_const(n->in[0])) return NULL;
    for (int32_t keep = 1; keep <= 2; keep++) {
        double number;
        m->scale = 1;
        m->mask = n->in[0];
        m->drops = keep == 2;
        whet_node *product = match_product(n->in[keep], &m->scale);
        if (product && whet_value_scalar(n->in[3 - keep], &number) && number <= -1e9 &&
            rows_keep(m->mask, m->drops))
            return product;
    }
    return NULL;
}

static const whet_node *match_scores(whet_value *v, match *m) {
    m->scale = 1;
    m->mask = NULL;
    m->drops = false;
    whet_node *n = match_product(v, &m->scale);
    if (!n) n = match_where(v, m);
    const whet_node *add = n ? NULL : whet_match_only(v, &whet_op_add);
    for (int32_t i = 0; i < 2 && add && !n; i++) {
        m->scale = 1;
        m->mask = add->in[1 - i];
        n = match_product(add->in[i], &m->scale);
    }
    if (!n || n->out[0]->type.rank != 4) return NULL;
    return !m->mask || mask_fits(m->mask, n->out[0], v) ? n : NULL;
}

static bool last_axis(const whet_node *softmax) {
    const whet_softmax_attrs *a = softmax->attrs;
    return a->axis == -1 || a->axis == 3;
}

// ---- q, k and v ----

// The keys behind operand v of the product, [b, h, s, d], or [b, h, d, s] where the product
// does not transpose it itself.
static void match_keys(whet_value *v, bool transposed, match *m) {
    m->k = strip_scale(v, &m->scale);
    for (int32_t i = 0; i < 4; i++) m->perm[i] = i;
    if (!transposed) return;
    const whet_node *n = whet_match_op(m->k, &whet_op_transpose);
    if (n) {
        const whet_ints *p = &((const whet_transpose_attrs *)n->attrs)->perm;
        for (int32_t i = 0; i < 4; i++) m->perm[i] = p->v ? p->v[i] : 3 - i;
        bool once = whet_used_once(m->k);
        m->k = once ? strip_scale(n->in[0], &m->scale) : n->in[0];
    }
    int64_t row = m->perm[3];
    m->perm[3] = m->perm[2];
    m->perm[2] = row;
}

static whet_value *make_keys(const match *m, whet_node *before, whet_error *err) {
    bool still = true;
    for (int32_t i = 0; i < 4; i++) still = still && m->perm[i] == i;
    if (still) return m->k;
    whet_transpose_attrs attrs = {{m->perm, 4}};
    return whet_make_value(&whet_op_transpose, &attrs, &m->k, 1, before, err);
}

static bool heads_agree(const match *m) {
    const whet_dim *q = m->q->type.dims, *k = m->k->type.dims, *v = m->v->type.dims;
    const int64_t *p = m->perm;
    return m->q->type.rank == 4 && m->v->type.rank == 4 && q[0] == k[p[0]] && q[0] == v[0] &&
           q[1] == k[p[1]] && q[1] == v[1] && k[p[2]] == v[2] && q[3] == k[p[3]];
}

static bool match_attention(const whet_node *n, match *m) {
    const whet_matmul_attrs *a = n->attrs;
    if (n->out[0]->type.dtype != WHET_DTYPE_F32 || a->trans_a || a->trans_b || a->alpha != 1 ||
        whet_input(n, 2))
        return false;
    const whet_node *softmax = whet_match_only(n->in[0], &whet_op_softmax);
    if (!softmax || softmax->out[0]->type.rank != 4 || !last_axis(softmax)) return false;
    const whet_node *product = match_scores(softmax->in[0], m);
    if (!product) return false;
    const whet_matmul_attrs *qk = product->attrs;
    m->scale *= (double)qk->alpha;
    m->q = strip_scale(product->in[0], &m->scale);
    m->v = n->in[1];
    if (product->in[1]->type.rank != 4) return false;
    match_keys(product->in[1], !qk->trans_b, m);
    return heads_agree(m) && m->scale != 0;
}

static whet_status attention_rule(whet_node *n, int32_t *changed, whet_error *err) {
    match m;
    if (!match_attention(n, &m)) return WHET_OK;
    whet_value *k = make_keys(&m, n, err);
    if (!k) return whet_failed(err);
    whet_attention_attrs attrs;
    whet_op_attr_defaults(&whet_op_attention, &attrs);
    attrs.scale = (float)m.scale;
    whet_value *in[] = {m.q, k, m.v, m.mask};
    if (m.drops && !(in[3] = whet_derive(&whet_op_not, m.mask, NULL, err))) return whet_failed(err);
    whet_node *fresh = whet_make_node(&whet_op_attention, &attrs, in, m.mask ? 4 : 3, n, err);
    if (!fresh) return whet_failed(err);
    if (!whet_same_type(fresh->out[0], n->out[0])) {
        whet_node_remove(fresh);
        return WHET_OK;
    }
    ++*changed;
    return whet_take_over(fresh, n, err);
}

// ---- heads in rows ----

static bool swaps_heads(const whet_node *n) {
    const whet_ints *p = &((const whet_transpose_attrs *)n->attrs)->perm;
    static const int64_t want[4] = {0, 2, 1, 3};
    for (int32_t i = 0; i < 4; i++)
        if (!p->v || p->n != 4 || p->v[i] != want[i]) return false;
    return true;
}

// v [b, h, s, d] is made from rows [b, s, h d] by reshape and transpose; gives the rows.
static whet_value *match_rows(const whet_value *v) {
    const whet_node *t = whet_match_op(v, &whet_op_transpose);
    const whet_node *r = t && swaps_heads(t) ? whet_match_op(t->in[0], &whet_op_reshape) : NULL;
    if (!r || r->in[0]->type.rank != 3) return NULL;
    const whet_dim *rows = r->in[0]->type.dims, *heads = r->out[0]->type.dims;
    bool fixed = whet_dim_is_const(heads[2]) && whet_dim_is_const(heads[3]);
    return fixed && rows[0] == heads[0] && rows[1] == heads[1] && rows[2] == heads[2] * heads[3]
               ? r->in[0]
               : NULL;
}

// ---- queries, keys and values packed in one row [b, s, 3 h d] ----

static bool splits_packed(const whet_node *n) {
    const whet_ints *p = &((const whet_transpose_attrs *)n->attrs)->perm;
    static const int64_t want[5] = {2, 0, 3, 1, 4};
    for (int32_t i = 0; i < 5; i++)
        if (!p->v || p->n != 5 || p->v[i] != want[i]) return false;
    return true;
}

// v is number `which` of the first dimension of `all`, by split or by gather.
static whet_value *match_part(const whet_value *v, int32_t which) {
    const whet_node *view = whet_match_op(v, &whet_op_squeeze);
    double index;
    if (!view) view = whet_match_op(v, &whet_op_reshape);
    const whet_node *n = view ? view->in[0]->producer : NULL;
    if (whet_is(n, &whet_op_split)) {
        bool along = ((const whet_axis_attrs *)n->attrs)->axis == 0 && n->n_out == 3;
        return along && n->out[which] == view->in[0] ? n->in[0] : NULL;
    }
    n = whet_match_op(v, &whet_op_gather);
    if (!n || ((const whet_axis_attrs *)n->attrs)->axis != 0 || n->in[1]->type.rank != 0 ||
        !whet_value_scalar(n->in[1], &index) || index != which)
        return NULL;
    return n->in[0];
}

// v [b, h, s, d] is part `which` of packed rows; gives the rows.
static whet_value *match_packed(const whet_value *v, int32_t which) {
    const whet_value *all = match_part(v, which);
    const whet_node *t = all ? whet_match_op(all, &whet_op_transpose) : NULL;
    const whet_node *r = t && splits_packed(t) ? whet_match_op(t->in[0], &whet_op_reshape) : NULL;
    if (!r || r->in[0]->type.rank != 3 || v->type.rank != 4) return NULL;
    const whet_dim *rows = r->in[0]->type.dims, *parts = r->out[0]->type.dims;
    bool fixed = whet_dim_is_const(parts[3]) && whet_dim_is_const(parts[4]) && parts[2] == 3;
    return fixed && rows[0] == parts[0] && rows[1] == parts[1] &&
                   rows[2] == 3 * parts[3] * parts[4]
               ? r->in[0]
               : NULL;
}

// The three parts of packed rows, cut along the last dimension.
static whet_status cut_rows(whet_value *rows, whet_value *part[3], whet_node *before,
                            whet_error *err) {
    int64_t width = rows->type.dims[2] / 3, widths[3] = {width, width, width};
    whet_value *in[] = {rows, whet_make_ints(before->graph, "widths", widths, 3, err)};
    if (!in[1]) return whet_failed(err);
    whet_node *n = whet_graph_node(before->graph, &whet_op_split, NULL, NULL, in, 2, 3, before);
    if (!n) return WHET_NOMEM(err);
    n->demand = whet_demand_exact(before->demand);
    ((whet_axis_attrs *)n->attrs)->axis = 2;
    WHET_TRY(whet_graph_infer_node(n, err));
    for (int32_t i = 0; i < 3; i++) part[i] = n->out[i];
    return WHET_OK;
}

// The rows that the heads of attention `a` come from; NULL in in[0]: they do not.
static whet_status find_rows(const whet_node *a, whet_value *in[3], whet_node *before,
                             whet_error *err) {
    bool found = true, packed = true;
    whet_value *all = match_packed(a->in[0], 0);
    for (int32_t i = 0; i < 3; i++) {
        found = (in[i] = match_rows(a->in[i])) && found;
        packed = packed && all && match_packed(a->in[i], i) == all;
    }
    if (packed) return cut_rows(all, in, before, err);
    if (!found) in[0] = NULL;
    return WHET_OK;
}

static whet_status rows_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_node *t = whet_match_only(n->in[0], &whet_op_transpose);
    const whet_node *a = t && swaps_heads(t) ? whet_match_only(t->in[0], &whet_op_attention) : NULL;
    if (!a || a->n_out != 1 || a->n_in > 4 || a->in[0]->type.rank != 4) return WHET_OK;
    whet_value *in[4] = {NULL, NULL, NULL, whet_input(a, 3)};
    WHET_TRY(find_rows(a, in, n, err));
    if (!in[0]) return WHET_OK;
    whet_attention_attrs attrs = *(const whet_attention_attrs *)a->attrs;
    attrs.q_num_heads = a->in[0]->type.dims[1];
    attrs.kv_num_heads = a->in[1]->type.dims[1];
    whet_node *fresh = whet_make_node(&whet_op_attention, &attrs, in, in[3] ? 4 : 3, n, err);
    if (!fresh) return whet_failed(err);
    if (!whet_same_type(fresh->out[0], n->out[0])) {
        whet_node_remove(fresh);
        return WHET_OK;
    }
    ++*changed;
    return whet_take_over(fresh, n, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_matmul, attention_rule},
        {&whet_op_reshape, rows_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_attention = {
    .name = "attention",
    .help = "recognises scaled dot-product attention, heads in rows too",
    .run = run,
};
