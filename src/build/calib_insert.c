// SPDX-License-Identifier: Apache-2.0
// The quantized graph: at each site a quantize_linear and a dequantize_linear, which whoever read
// the value reads now; weights of i8 with a scale for each output channel; biases that take back
// what rounding the weights adds on average.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/builder_impl.h"
#include "build/calib.h"
#include "ops/attrs.h"
#include "pass/match.h"

// ---- constants ----

static whet_value *constant(whet_graph *g, const char *of, const char *what, whet_dtype dtype,
                            int32_t rank, const int64_t *dims, const void *data,
                            whet_error *err) {
    whet_tensor t = {.dtype = dtype, .rank = rank, .data = (void *)(uintptr_t)data};
    if (rank) memcpy(t.dims, dims, sizeof *dims * (size_t)rank);
    t.bytes = whet_tensor_bytes(dtype, whet_dims_count(t.dims, rank));
    char *hint = whet_arena_printf(g->arena, "%s%s", of, what);
    const char *name = hint ? whet_graph_unique_name(g, hint) : NULL;
    whet_value *v = name ? whet_graph_constant(g, name, &t, true) : NULL;
    if (!v) WHET_NOMEM(err);
    return v;
}

static whet_value *node_value(whet_graph *g, const whet_op *op, const char *of, const char *what,
                              whet_value *const *in, int32_t n_in, whet_node *before,
                              whet_error *err) {
    char *hint = whet_arena_printf(g->arena, "%s%s", of, what);
    const char *name = hint ? whet_graph_unique_name(g, hint) : NULL;
    whet_node *n = name ? whet_graph_node(g, op, name, NULL, in, n_in, 1, before) : NULL;
    if (!n) return WHET_NOMEM(err), NULL;
    n->out[0]->name = name;
    return n->out[0];
}

// ---- weights ----

whet_calib_layout whet_calib_layout_of(const whet_node *n) {
    const whet_tensor *w = n->in[1]->data;
    int64_t total = whet_tensor_count(w);
    const whet_matmul_attrs *m = n->attrs;
    const whet_gemm_attrs *g = n->attrs;
    bool rows = n->op == &whet_op_conv || (n->op == &whet_op_gemm ? g->trans_b : m->trans_b);
    int64_t channels = w->dims[rows ? 0 : 1];
    whet_calib_layout l = {.channels = channels, .count = total / channels, .axis = !rows};
    l.step = rows ? l.count : 1;
    l.run = rows ? l.count : 1;
    l.stride = rows ? 0 : channels;
    return l;
}

static double error_of(const whet_calib_layout *l, int64_t c, const float *w, double scale) {
    double sum = 0;
    for (int64_t k = 0; k < l->count; k++) {
        double v = (double)w[whet_calib_at(l, c, k)], q = nearbyint(v / scale);
        q = q > 127 ? 127 : q < -127 ? -127 : q;
        sum += (v - q * scale) * (v - q * scale);
    }
    return sum;
}

// The scale of a channel: that of its largest element, or a little less where that rounds the
// others better.
static float scale_of(const whet_calib_layout *l, int64_t c, const float *w) {
    float top = 0;
    for (int64_t k = 0; k < l->count; k++) top = fmaxf(top, fabsf(w[whet_calib_at(l, c, k)]));
    if (!(top >= FLT_MIN * 127) || !isfinite(top)) return 1; // no scale may be 0
    double best = INFINITY, chosen = 1;
    for (int32_t i = 0; i < 12; i++) {
        double part = 1 - 0.02 * i, e = error_of(l, c, w, (double)top * part / 127);
        if (e < best) best = e, chosen = part;
    }
    return (float)((double)top * chosen / 127);
}

static double squares(const whet_calib_layout *l, int64_t c, const float *w) {
    double sum = 0;
    for (int64_t k = 0; k < l->count; k++) {
        double v = (double)w[whet_calib_at(l, c, k)];
        sum += v * v;
    }
    return sum;
}

whet_status whet_calib_round_weights(whet_calib_op *op, whet_arena *arena, whet_error *err) {
    if (op->weights) return WHET_OK;
    const float *from = op->node->in[1]->data->data;
    whet_calib_weights *w = WHET_NEW(arena, whet_calib_weights);
    if (!w) return WHET_NOMEM(err);
    w->l = whet_calib_layout_of(op->node);
    whet_calib_layout *l = &w->l;
    w->q = WHET_NEW_ARRAY(arena, int8_t, l->channels * l->count);
    w->scale = WHET_NEW_ARRAY(arena, float, l->channels);
    w->shift = WHET_NEW_ARRAY(arena, float, l->channels);
    if (!w->q || !w->scale || !w->shift) return WHET_NOMEM(err);
    bool conv = op->node->op == &whet_op_conv;
    int64_t group = conv ? ((const whet_conv_attrs *)op->node->attrs)->group : 1;
    int64_t inner = conv ? l->count / (op->in_channels / group) : 1; // elements of an input channel
    double noise = 0, signal = 0;
    for (int64_t m = 0; m < l->channels; m++) {
        float scale = w->scale[m] = scale_of(l, m, from);
        int64_t first = conv ? m / (l->channels / group) * (op->in_channels / group) : 0;
        double shift = 0;
        noise += error_of(l, m, from, (double)scale);
        signal += squares(l, m, from);
        for (int64_t k = 0; k < l->count; k++) {
            float v = from[whet_calib_at(l, m, k)], q = nearbyintf(v / scale);
            q = q > 127 ? 127 : q < -127 ? -127 : q;
            w->q[whet_calib_at(l, m, k)] = (int8_t)q;
            if (!op->n) continue;
            double mean = op->sum[first + k / inner] / (double)op->n;
            shift += (double)(v - q * scale) * mean;
        }
        w->shift[m] = (float)shift;
    }
    w->noise = signal > 0 ? noise / signal : 0;
    op->weights = w;
    return WHET_OK;
}

// ---- biases ----

// i32 that counts in the products' scales, as other readers of the model want it; float where that
// would not be exact enough, and for products, whose bias is an addition of its own in ONNX.
static whet_status set_bias(whet_calib *c, const whet_calib_op *op, double x_scale, bool correct,
                            whet_arena *arena, whet_error *err) {
    const whet_calib_weights *w = op->weights;
    whet_node *n = op->node;
    whet_value *old = whet_input(n, 2);
    int64_t channels = w->l.channels;
    const char *of = old && *old->name ? old->name : n->name, *what = old ? "" : "_bias";
    if (!old && !(correct && op->n)) return WHET_OK;
    whet_value_decide(old);
    float *bias = WHET_NEW_ARRAY(arena, float, channels);
    float *scale = WHET_NEW_ARRAY(arena, float, channels);
    int32_t *whole = WHET_NEW_ARRAY(arena, int32_t, channels);
    if (!bias || !scale || !whole) return WHET_NOMEM(err);
    bool fits = n->op != &whet_op_matmul;
    for (int64_t m = 0; m < channels; m++) {
        if (old) bias[m] = ((const float *)old->data->data)[m];
        if (correct) bias[m] += w->shift[m];
        scale[m] = (float)x_scale * w->scale[m];
        double q = nearbyint((double)bias[m] / (double)scale[m]);
        fits = fits && fabs(q) < 1 << 30;
        whole[m] = fits ? (int32_t)q : 0;
    }
    whet_value *v = constant(c->g, of, fits ? "_quantized" : what,
                             fits ? WHET_DTYPE_I32 : WHET_DTYPE_F32, 1, &channels,
                             fits ? (const void *)whole : bias, err);
    if (v && fits) {
        whet_value *in[] = {v, constant(c->g, of, "_scale", WHET_DTYPE_F32, 1, &channels, scale,
                                        err)};
        v = in[1] ? node_value(c->g, &whet_op_dequantize_linear, of, "_dequantized", in, 2, n, err)
                  : NULL;
        if (v) {
            ((whet_dequantize_attrs *)v->producer->attrs)->axis = 0;
            WHET_TRY(whet_graph_infer_node(v->producer, err));
        }
    }
    if (!v) return whet_failed(err);
    if (n->n_in > 2) whet_node_set_input(n, 2, v);
    else if (!whet_node_add_input(n, v)) return WHET_NOMEM(err);
    return WHET_OK;
}

static whet_status insert_weights(whet_calib *c, whet_calib_op *op, double x_scale,
                                  bool correct, whet_error *err) {
    whet_node *n = op->node;
    whet_value *old = n->in[1];
    whet_arena arena;
    whet_value_decide(old);
    WHET_TRY(whet_calib_round_weights(op, c->arena, err));
    whet_calib_weights *w = op->weights;
    whet_arena_init(&arena);
    whet_status status = set_bias(c, op, x_scale, correct, &arena, err);
    const char *of = *old->name ? old->name : n->name;
    whet_value *in[2] = {0}, *v = NULL;
    if (status == WHET_OK)
        in[0] = constant(c->g, of, "_quantized", WHET_DTYPE_I8, old->data->rank, old->data->dims,
                         w->q, err);
    if (in[0])
        in[1] = constant(c->g, of, "_scale", WHET_DTYPE_F32, 1, &w->l.channels, w->scale, err);
    if (in[1]) v = node_value(c->g, &whet_op_dequantize_linear, of, "_dequantized", in, 2, n, err);
    whet_arena_fini(&arena);
    WHET_TRY(status);
    if (!v) return whet_failed(err);
    ((whet_dequantize_attrs *)v->producer->attrs)->axis = w->l.axis;
    WHET_TRY(whet_graph_infer_node(v->producer, err));
    whet_node_set_input(n, 1, v);
    return WHET_OK;
}

// ---- values ----

typedef struct {
    whet_value *scale, *zero;
    float number;
} step;

static whet_status make_step(whet_calib *c, const whet_calib_seen *s, bool signed_8, step *out,
                             whet_error *err) {
    float low = s->range.low, high = s->range.high, top = fmaxf(-low, high), scale;
    bool positive = s->nonnegative && low >= 0;
    bool is_signed = signed_8 || (low == -high && !positive);
    int64_t zero = 0;
    if (is_signed) {
        scale = top / 127;
    } else {
        scale = high / 255 - low / 255;
        zero = scale > 0 ? (int64_t)nearbyintf(-low / scale) : 0;
    }
    if (!(scale >= FLT_MIN)) scale = 1, zero = 0; // nothing but zeros
    uint8_t byte = (uint8_t)(zero > 255 ? 255 : zero);
    out->number = scale;
    out->scale = constant(c->g, s->v->name, "_scale", WHET_DTYPE_F32, 0, NULL, &scale, err);
    if (out->scale)
        out->zero = constant(c->g, s->v->name, "_zero_point",
                             is_signed ? WHET_DTYPE_I8 : WHET_DTYPE_U8, 0, NULL, &byte, err);
    return out->scale && out->zero ? WHET_OK : whet_failed(err);
}

static whet_node *first_node(whet_graph *g) {
    whet_node *n = g->first;
    while (n && n->recipe) n = n->next;
    return n;
}

// Whether a reader of v takes it rounded. What is to be stored in float is rounded only where
// integers are computed from it.
static bool takes_rounded(const whet_calib *c, const whet_value *v, const whet_node *n) {
    if (!v->producer || !whet_demand_is_float(v->producer->demand.store)) return true;
    for (int32_t i = 0; i < c->n_ops; i++)
        if (c->ops[i].node == n) return true;
    return false;
}

static whet_status insert_site(whet_calib *c, whet_value *v, const step *s, whet_error *err) {
    whet_graph *g = c->g;
    whet_node *before = v->producer ? v->producer->next : first_node(g);
    whet_value *in[] = {v, s->scale, s->zero};
    const char *of = *v->name ? v->name : "value";
    whet_value *q = node_value(g, &whet_op_quantize_linear, of, "_quantized", in, 3, before, err);
    if (!q) return whet_failed(err);
    WHET_TRY(whet_graph_infer_node(q->producer, err));
    whet_value *back[] = {q, s->scale, s->zero};
    whet_value *dq =
        node_value(g, &whet_op_dequantize_linear, of, "_dequantized", back, 3, before, err);
    if (!dq) return whet_failed(err);
    WHET_TRY(whet_graph_infer_node(dq->producer, err));
    WHET_FOR_NODES(g, n) {
        if (n == q->producer || n->recipe || n->op == &whet_op_shape || !takes_rounded(c, v, n))
            continue;
        for (int32_t i = 0; i < n->n_in; i++)
            if (n->in[i] == v) whet_node_set_input(n, i, dq);
    }
    return WHET_OK;
}

whet_status whet_calib_insert(whet_calib *c, bool signed_8, bool correct_bias, whet_error *err) {
    step *steps = WHET_NEW_ARRAY(c->arena, step, c->n_seen + 1);
    if (!steps) return WHET_NOMEM(err);
    for (int32_t i = 0; i < c->n_seen; i++)
        if (c->seen[i].known) WHET_TRY(make_step(c, &c->seen[i], signed_8, &steps[i], err));
    for (int32_t i = 0; i < c->n_ops; i++) {
        int32_t site = c->ops[i].site, seen = site < 0 ? -1 : c->sites[site].seen;
        if (seen < 0 || !c->seen[seen].known) continue; // stays in float
        WHET_TRY(insert_weights(c, &c->ops[i], (double)steps[seen].number, correct_bias, err));
    }
    for (int32_t i = 0; i < c->n_sites; i++)
        if (c->seen[c->sites[i].seen].known)
            WHET_TRY(insert_site(c, c->sites[i].v, &steps[c->sites[i].seen], err));
    whet_graph_sweep(c->g);
    return whet_graph_infer(c->g, err);
}
