// SPDX-License-Identifier: Apache-2.0
// Steps for 8 bits are the same for all channels of a value, so a channel that is much larger than
// the others costs them their digits. What is multiplied out of a channel where it is made can be
// multiplied into the weights that read it: cross-layer equalization (Nagel et al., 2019) between
// convolutions, by their weights alone; SmoothQuant (Xiao et al., 2022) behind normalizations, by
// what the channels reach on samples.
#include <math.h>
#include <string.h>

#include "build/calib.h"
#include "ops/attrs.h"
#include "pass/match.h"

static int32_t op_of(const whet_calib *c, const whet_node *n) {
    for (int32_t i = 0; n && i < c->n_ops; i++)
        if (c->ops[i].node == n) return i;
    return -1;
}

// A copy of the constant that input i of n is, which takes its place; NULL: out of memory.
static float *own_constant(whet_node *n, int32_t i, whet_error *err) {
    const whet_value *old = n->in[i];
    whet_value_decide(old);
    const char *name = whet_graph_unique_name(n->graph, *old->name ? old->name : "scaled");
    whet_value *v = name ? whet_graph_constant(n->graph, name, old->data, true) : NULL;
    if (!v) return WHET_NOMEM(err), NULL;
    whet_node_set_input(n, i, v);
    return v->data->data;
}

static bool is_vector(const whet_value *v, int64_t n) {
    if (!whet_value_is_const(v) || v->type.dtype != WHET_DTYPE_F32) return false;
    const whet_tensor *t = v->data;
    return t->rank > 0 && t->dims[t->rank - 1] == n && whet_tensor_count(t) == n;
}

// ---- weights ----

typedef struct {
    whet_calib_layout l;
    int64_t per_group, rows; // input and output channels of a group
    int64_t inner;           // elements of an input channel
} shape;

static shape shape_of(const whet_calib_op *op) {
    shape s = {.l = whet_calib_layout_of(op->node), .inner = 1};
    bool conv = op->node->op == &whet_op_conv;
    int64_t group = conv ? ((const whet_conv_attrs *)op->node->attrs)->group : 1;
    s.per_group = op->in_channels / group;
    s.rows = s.l.channels / group;
    if (conv) s.inner = s.l.count / s.per_group;
    return s;
}

static int64_t input_of(const shape *s, int64_t channel, int64_t k) {
    return channel / s->rows * s->per_group + k / s->inner;
}

static void add_tops(const whet_calib_op *op, float *top) { // of each input channel
    shape s = shape_of(op);
    const float *w = op->node->in[1]->data->data;
    for (int64_t m = 0; m < s.l.channels; m++)
        for (int64_t k = 0; k < s.l.count; k++) {
            float *t = &top[input_of(&s, m, k)];
            *t = fmaxf(*t, fabsf(w[whet_calib_at(&s.l, m, k)]));
        }
}

static whet_status multiply_inputs(const whet_calib_op *op, const float *by, whet_error *err) {
    shape s = shape_of(op);
    float *w = own_constant(op->node, 1, err);
    if (!w) return whet_failed(err);
    for (int64_t m = 0; m < s.l.channels; m++)
        for (int64_t k = 0; k < s.l.count; k++)
            w[whet_calib_at(&s.l, m, k)] *= by[input_of(&s, m, k)];
    return WHET_OK;
}

// ---- between convolutions ----

// The operator whose channels, perhaps cut at zero or pooled, only `op` reads.
static int32_t maker_of(const whet_calib *c, const whet_calib_op *op) {
    const whet_value *v = op->node->in[0];
    for (;;) {
        const whet_node *n = v->producer;
        if (!n || v->n_uses != 1 || whet_value_is_output(v)) return -1;
        bool passes = whet_is(n, &whet_op_relu) || whet_is(n, &whet_op_max_pool);
        if (!passes) return op_of(c, n);
        v = n->in[0];
    }
}

static whet_status equalize_pair(whet_calib *c, const whet_calib_op *a, const whet_calib_op *b,
                                 whet_error *err) {
    whet_calib_layout l = whet_calib_layout_of(a->node);
    int64_t n = l.channels;
    if (n != b->in_channels || a->node->op != b->node->op) return WHET_OK;
    float *top = WHET_NEW_ARRAY(c->arena, float, n);
    if (!top) return WHET_NOMEM(err);
    add_tops(b, top);
    float *w = own_constant(a->node, 1, err), *bias = NULL;
    if (w && whet_input(a->node, 2)) bias = own_constant(a->node, 2, err);
    if (!w || (whet_input(a->node, 2) && !bias)) return whet_failed(err);
    for (int64_t m = 0; m < n; m++) {
        float most = 0;
        for (int64_t k = 0; k < l.count; k++)
            most = fmaxf(most, fabsf(w[whet_calib_at(&l, m, k)]));
        float by = sqrtf(most / top[m]);
        if (!(by > 1e-3f && by < 1e3f)) by = 1; // a dead channel, or nearly
        for (int64_t k = 0; k < l.count; k++) w[whet_calib_at(&l, m, k)] /= by;
        if (bias) bias[m] /= by;
        top[m] = by;
    }
    return multiply_inputs(b, top, err);
}

whet_status whet_calib_equalize(whet_calib *c, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < c->n_ops; i++) {
        int32_t a = maker_of(c, &c->ops[i]);
        if (a < 0) continue;
        WHET_TRY(equalize_pair(c, &c->ops[a], &c->ops[i], err));
        ++*changed;
    }
    return WHET_OK;
}

// ---- behind normalizations ----

// Nodes whose constants say how large the channels of v are, and which input that is.
typedef struct {
    whet_node *node[2];
    int32_t input[2], n;
} tail;

static bool push(tail *t, whet_node *node, int32_t input, int64_t channels) {
    if (!is_vector(node->in[input], channels)) return false;
    t->node[t->n] = node;
    t->input[t->n++] = input;
    return true;
}

static bool is_last_axis(const whet_node *n) {
    int64_t axis = ((const whet_norm_attrs *)n->attrs)->axis;
    return axis == -1 || axis == n->in[0]->type.rank - 1;
}

static bool find_tail(whet_value *v, int64_t channels, tail *t) {
    whet_node *n = v->producer;
    whet_value *x, *c;
    *t = (tail){0};
    if (whet_is(n, &whet_op_layer_norm) || whet_is(n, &whet_op_rms_norm)) {
        for (int32_t i = 1; i < n->n_out; i++)
            if (n->out[i] && n->out[i]->n_uses) return false;
        return is_last_axis(n) && push(t, n, 1, channels) &&
               (!whet_input(n, 2) || push(t, n, 2, channels));
    }
    if (n && whet_is(n, &whet_op_add) && whet_match_const(n, &whet_op_add, &x, &c)) {
        if (!whet_used_once(x) || !push(t, n, n->in[1] == c, channels)) return false;
        n = x->producer;
    }
    return n && whet_is(n, &whet_op_mul) && whet_match_const(n, &whet_op_mul, &x, &c) &&
           push(t, n, n->in[1] == c, channels);
}

// Whether all that read v are operators of ours, which multiply its last dimension.
static bool only_products(const whet_calib *c, const whet_value *v) {
    int32_t uses = 0;
    for (int32_t i = 0; i < c->n_ops; i++)
        if (c->ops[i].node->in[0] == v) uses += c->ops[i].node->op != &whet_op_conv;
    return uses == v->n_uses;
}

static whet_status smooth_value(whet_calib *c, const whet_calib_op *first, double alpha,
                                int32_t *changed, whet_error *err) {
    whet_value *v = first->node->in[0];
    int64_t n = first->in_channels;
    tail t;
    if (!first->n || first->x != v || !only_products(c, v) || !find_tail(v, n, &t)) return WHET_OK;
    float *by = WHET_NEW_ARRAY(c->arena, float, n);
    if (!by) return WHET_NOMEM(err);
    for (int32_t i = 0; i < c->n_ops; i++)
        if (c->ops[i].node->in[0] == v) add_tops(&c->ops[i], by);
    for (int64_t k = 0; k < n; k++) {
        float s = powf(first->top[k], (float)alpha) / powf(by[k], 1 - (float)alpha);
        by[k] = s > 1e-5f && s < 1e5f ? s : 1;
    }
    for (int32_t i = 0; i < t.n; i++) {
        float *p = own_constant(t.node[i], t.input[i], err);
        if (!p) return whet_failed(err);
        for (int64_t k = 0; k < n; k++) p[k] /= by[k];
    }
    for (int32_t i = 0; i < c->n_ops; i++)
        if (c->ops[i].node->in[0] == v) WHET_TRY(multiply_inputs(&c->ops[i], by, err));
    ++*changed;
    return WHET_OK;
}

whet_status whet_calib_smooth(whet_calib *c, double alpha, int32_t *changed, whet_error *err) {
    for (int32_t i = 0; i < c->n_ops; i++) {
        bool seen = false;
        for (int32_t k = 0; k < i; k++)
            seen = seen || c->ops[k].node->in[0] == c->ops[i].node->in[0];
        if (!seen) WHET_TRY(smooth_value(c, &c->ops[i], alpha, changed, err));
    }
    return WHET_OK;
}
