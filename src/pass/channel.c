// SPDX-License-Identifier: Apache-2.0
// Scaling and shifting the channels of convolutions and matrix products through their constants.
#include "pass/match.h"

static bool has_const_params(const whet_node *n) {
    const whet_value *w = n->in[1], *b = whet_input(n, 2);
    return whet_value_is_const(w) && whet_is_float(w) && (!b || whet_value_is_const(b)) &&
           n->out[0]->type.rank >= 2;
}

bool whet_is_affine(const whet_node *n, int32_t *axis, int64_t *channels) {
    bool matmul = whet_is(n, &whet_op_matmul);
    if (!matmul && !whet_is(n, &whet_op_conv) && !whet_is(n, &whet_op_conv_transpose))
        return false;
    if (!has_const_params(n)) return false;
    if (matmul && (n->in[0]->type.rank < 2 || n->in[1]->type.rank < 2)) return false;
    *axis = matmul ? n->out[0]->type.rank - 1 : 1;
    whet_dim d = n->out[0]->type.dims[*axis];
    *channels = d;
    return whet_dim_is_const(d) && d > 0;
}

whet_status whet_channel_vector(whet_value *c, int32_t rank, int32_t axis, int64_t channels,
                                whet_value **vector, whet_error *err) {
    *vector = NULL;
    const whet_tensor *t = c->data;
    if (t->rank > rank) return WHET_OK;
    for (int32_t i = 0; i < t->rank; i++) {
        bool along = rank - t->rank + i == axis;
        if (t->dims[i] != 1 && !(along && t->dims[i] == channels)) return WHET_OK;
    }
    int64_t n = whet_tensor_count(t);
    whet_value *flat = whet_derive_shape(c, &n, 1, err);
    if (flat && n != channels) {
        whet_value *shape = whet_make_ints(c->graph, "shape", &channels, 1, err);
        flat = shape ? whet_derive(&whet_op_expand, flat, shape, err) : NULL;
    }
    *vector = flat;
    return flat ? WHET_OK : whet_failed(err);
}

static whet_status set_bias(whet_node *n, whet_value *bias, whet_error *err) {
    if (n->n_in > 2) whet_node_set_input(n, 2, bias);
    else if (!whet_node_add_input(n, bias)) return WHET_NOMEM(err);
    return WHET_OK;
}

whet_status whet_affine_bias(whet_node *n, whet_value *scale, whet_value *shift, whet_error *err) {
    whet_value *bias = whet_input(n, 2);
    if (bias && scale) {
        bias = whet_derive(&whet_op_mul, bias, scale, err);
        if (!bias) return whet_failed(err);
    }
    if (bias && shift) {
        bias = whet_derive(&whet_op_add, bias, shift, err);
        if (!bias) return whet_failed(err);
    }
    if (!bias) bias = shift;
    return bias ? set_bias(n, bias, err) : WHET_OK;
}

// The shape in which a vector of channels multiplies the weights; rank 0: there is none.
static int32_t weight_shape(const whet_node *n, int64_t channels, int64_t dims[WHET_MAX_RANK]) {
    const whet_tensor *w = n->in[1]->data;
    int32_t rank = w->rank; // [channels, 1, ...]: the first axis of the weights
    if (n->op == &whet_op_matmul)
        rank = ((const whet_matmul_attrs *)n->attrs)->trans_b ? 2 : 1;
    if (n->op == &whet_op_conv_transpose) {
        int64_t group = ((const whet_conv_transpose_attrs *)n->attrs)->group;
        bool depthwise = group == w->dims[0] && w->dims[1] == 1;
        if (group == 1) rank = w->rank - 1;
        else if (!depthwise) return 0;
    }
    dims[0] = channels;
    for (int32_t i = 1; i < rank; i++) dims[i] = 1;
    return rank;
}

whet_status whet_affine_scale(whet_node *n, whet_value *scale, bool *done, whet_error *err) {
    int64_t dims[WHET_MAX_RANK];
    int32_t rank = weight_shape(n, scale->data->dims[0], dims);
    *done = rank > 0;
    if (rank == 0) return WHET_OK;
    whet_value *factor = whet_derive_shape(scale, dims, rank, err);
    whet_value *w = factor ? whet_derive(&whet_op_mul, n->in[1], factor, err) : NULL;
    if (!w) return whet_failed(err);
    whet_node_set_input(n, 1, w);
    return WHET_OK;
}
