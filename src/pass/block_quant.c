// SPDX-License-Identifier: Apache-2.0
// Weights of few bits stay so: a product with a dequantize_linear of constants of 4 bits becomes a
// block_matmul, which reads them as they are. A constant added to that, or to an ms_matmul_nbits,
// becomes its bias.
#include "ops/block_matmul.h"
#include "pass/match.h"
#include "pass/pass.h"

typedef struct weights {
    whet_value *q, *scale, *zero;
    int64_t block;
    bool trans_b;
} weights;

static bool is_stored(const whet_value *v) {
    return WHET_DTYPES_INT4 >> v->type.dtype & 1 && whet_value_is_const(v) && v->type.rank == 2;
}

static bool is_param(const whet_value *v, whet_dtype a, whet_dtype b) {
    return whet_value_is_const(v) && (v->type.dtype == a || v->type.dtype == b);
}

static bool swaps(const whet_node *n) {
    const whet_transpose_attrs *a = n->attrs;
    if (n->op != &whet_op_transpose || n->in[0]->type.rank != 2) return false;
    return !a->perm.v || (a->perm.n == 2 && a->perm.v[0] == 1 && a->perm.v[1] == 0);
}

// Blocks are whole words of what kernels read (8 numbers).
// v [k, n], or [n, k] with trans_b, is a dequantize_linear, or was before it was folded.
static bool match_weights(const whet_value *v, bool trans_b, weights *w) {
    const whet_node *n = v->producer;
    if (n && swaps(n)) {
        trans_b = !trans_b;
        n = n->in[0]->producer;
    }
    if (!n || n->op != &whet_op_dequantize_linear || n->out[0]->type.dtype != WHET_DTYPE_F32)
        return false;
    const whet_dequantize_attrs *a = n->attrs;
    *w = (weights){n->in[0], n->in[1], whet_input(n, 2), a->block_size, trans_b};
    if (!is_stored(w->q) || !is_param(w->scale, WHET_DTYPE_F32, WHET_DTYPE_F16)) return false;
    if (w->zero && !is_param(w->zero, w->q->type.dtype, w->q->type.dtype)) return false;
    if (whet_value_count(w->scale) == 1) w->block = 0;
    int32_t axis = whet_axis(a->axis, 2), rank = w->scale->type.rank;
    if (w->zero && w->zero->type.rank != rank) return false;
    if (w->block) return axis == trans_b && rank == 2 && w->block % 8 == 0;
    return rank < 2 && (whet_value_count(w->scale) == 1 || axis == !trans_b);
}

// A zero point is part of the type, not a weight: what it is decides which kernel runs.
static bool all_zero(const whet_value *v) {
    int64_t n = whet_value_count(v);
    for (int64_t i = 0; i < n; i++)
        if (whet_load_i64(v->data->data, v->data->dtype, i)) return false;
    whet_value_decide(v);
    return true;
}

static whet_status product(whet_node *n, bool trans_b, int32_t *changed, whet_error *err) {
    whet_value *x = n->in[0], *bias = whet_input(n, 2);
    weights w;
    if (x->type.dtype != WHET_DTYPE_F32 || x->type.rank < 2 ||
        !match_weights(n->in[1], trans_b, &w))
        return WHET_OK;
    if (bias && bias->type.rank != 1) {
        if (!whet_value_is_const(bias)) return WHET_OK;
        int64_t columns = w.q->type.dims[!w.trans_b];
        WHET_TRY(whet_channel_vector(bias, 2, 1, columns, &bias, err));
        if (!bias) return WHET_OK;
    }
    if (bias && bias->type.dims[0] != w.q->type.dims[!w.trans_b]) return WHET_OK;
    if (w.zero && all_zero(w.zero)) w.zero = NULL;
    whet_block_matmul_attrs attrs = {w.trans_b, w.block};
    whet_value *in[WHET_BM_COUNT] = {x, w.q, bias, w.scale, w.zero};
    whet_node *fresh = whet_make_node(&whet_op_block_matmul, &attrs, in,
                                      w.zero ? WHET_BM_COUNT : WHET_BM_ZERO, n, err);
    if (!fresh) return whet_failed(err);
    ++*changed;
    return whet_take_over(fresh, n, err);
}

static whet_status matmul_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_matmul_attrs *a = n->attrs;
    return a->trans_a || a->alpha != 1 ? WHET_OK : product(n, a->trans_b, changed, err);
}

static whet_status gemm_rule(whet_node *n, int32_t *changed, whet_error *err) {
    const whet_gemm_attrs *a = n->attrs;
    if (a->trans_a || a->alpha != 1 || (a->beta != 1 && whet_input(n, 2))) return WHET_OK;
    return product(n, a->trans_b, changed, err);
}

static int32_t bias_of(const whet_node *n) {
    return whet_is(n, &whet_op_block_matmul)      ? (int32_t)WHET_BM_BIAS
           : whet_is(n, &whet_op_ms_matmul_nbits) ? (int32_t)WHET_NBITS_BIAS
                                                  : -1;
}

static whet_status add_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x, *c, *vector;
    if (!whet_match_const(n, &whet_op_add, &x, &c) || !whet_used_once(x)) return WHET_OK;
    whet_node *made = x->producer;
    int32_t at = bias_of(made), rank = x->type.rank;
    if (at < 0 || rank < 2 || c->type.dtype != x->type.dtype) return WHET_OK;
    whet_value *old = whet_input(made, at);
    int64_t columns = x->type.dims[rank - 1];
    if (!whet_dim_is_const(columns) || (old && !whet_value_is_const(old))) return WHET_OK;
    WHET_TRY(whet_channel_vector(c, rank, rank - 1, columns, &vector, err));
    if (vector && old) {
        WHET_TRY(whet_channel_vector(old, old->type.rank, old->type.rank - 1, columns, &old, err));
        if (old) vector = whet_derive(&whet_op_add, old, vector, err);
        if (old && !vector) return whet_failed(err);
        if (!old) vector = NULL;
    }
    if (!vector) return WHET_OK;
    while (made->n_in <= at)
        if (!whet_node_add_input(made, NULL)) return WHET_NOMEM(err);
    whet_node_set_input(made, at, vector);
    ++*changed;
    return whet_fuse_into(made, n, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {{&whet_op_matmul, matmul_rule},
                                        {&whet_op_gemm, gemm_rule},
                                        {&whet_op_add, add_rule}};
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_block_quant = {
    .name = "block_quant",
    .help = "keeps constant weights of 4 bits as they are in matrix products",
    .run = run,
};
