// SPDX-License-Identifier: Apache-2.0
#include "kern/attention/attention_geom.h"

#include <math.h>

static bool present(const whet_problem *p, int32_t i) { return p->n_in > i && p->in[i].dtype; }

static bool port_ok(const whet_port *port, whet_dtype dtype, int32_t rank) {
    if (port->dtype != dtype || port->layout != WHET_LAYOUT_PLAIN || port->rank != rank)
        return false;
    for (int32_t i = 0; i < rank; i++)
        if (port->dims[i] < 1 || port->dims[i] > INT32_MAX) return false;
    return whet_dims_count(port->dims, rank) > 0;
}

// Heads, rows and width of [b, heads, rows, width] or [b, rows, heads width].
static bool view_init(const whet_port *port, int64_t heads, int64_t size[3],
                      whet_attention_view *view) {
    const int64_t *d = port->dims;
    if (port->rank == 4) {
        size[0] = d[1], size[1] = d[2], size[2] = d[3];
        *view = (whet_attention_view){{d[1] * d[2] * d[3], d[2] * d[3], d[3]}};
        return true;
    }
    if (heads < 1 || d[2] % heads) return false;
    size[0] = heads, size[1] = d[1], size[2] = d[2] / heads;
    *view = (whet_attention_view){{d[1] * d[2], size[2], d[2]}};
    return true;
}

static bool mask_ok(whet_attention_geom *g, const whet_problem *p, whet_dtype dtype) {
    g->masked = present(p, 3);
    if (!g->masked) return true;
    const whet_port *m = &p->in[3];
    if (m->dtype != WHET_DTYPE_F32 && m->dtype != WHET_DTYPE_BOOL && m->dtype != dtype)
        return false;
    if (m->layout != WHET_LAYOUT_PLAIN || m->rank < 1 || m->rank > 4) return false;
    if (m->dims[m->rank - 1] != g->keys) return false;
    const int64_t full[3] = {g->batch, g->heads, g->rows};
    int64_t step = g->keys;
    for (int32_t i = 2; i >= 0; i--) {
        int32_t at = m->rank - 4 + i;
        int64_t d = at < 0 ? 1 : m->dims[at];
        if (d != 1 && d != full[i]) return false;
        g->mask.by[i] = d == 1 ? 0 : step;
        step *= d;
    }
    return true;
}

bool whet_attention_geom_init(whet_attention_geom *g, const whet_problem *p) {
    return whet_attention_geom_init_as(g, p, WHET_DTYPE_F32);
}

bool whet_attention_geom_init_as(whet_attention_geom *g, const whet_problem *p, whet_dtype dtype) {
    const whet_attention_attrs *a = p->attrs;
    *g = (whet_attention_geom){0};
    if (p->n_in < 3 || p->n_out < 1 || present(p, 4) || present(p, 5) || present(p, 6))
        return false;
    for (int32_t i = 1; i < p->n_out; i++)
        if (p->out[i].dtype) return false;
    int32_t rank = p->in[0].rank;
    if ((rank != 3 && rank != 4) || !port_ok(&p->in[0], dtype, rank) ||
        !port_ok(&p->in[1], dtype, rank) || !port_ok(&p->in[2], dtype, rank) ||
        !port_ok(&p->out[0], dtype, rank))
        return false;
    if (a->left_window_size >= 0 || a->right_window_size >= 0) return false;
    if (a->softcap != 0 || (a->softmax_precision && a->softmax_precision != WHET_DTYPE_F32))
        return false;
    int64_t q[3], k[3], v[3], y[3];
    if (!view_init(&p->in[0], a->q_num_heads, q, &g->q) ||
        !view_init(&p->in[1], a->kv_num_heads, k, &g->k) ||
        !view_init(&p->in[2], a->kv_num_heads, v, &g->v) ||
        !view_init(&p->out[0], a->q_num_heads, y, &g->y))
        return false;
    g->batch = p->in[0].dims[0], g->heads = q[0], g->kv_heads = k[0];
    g->rows = q[1], g->keys = k[1], g->depth = q[2], g->width = v[2];
    for (int32_t i = 1; i < 3; i++)
        if (p->in[i].dims[0] != g->batch) return false;
    if (p->out[0].dims[0] != g->batch || k[2] != g->depth || v[0] != g->kv_heads ||
        v[1] != g->keys || g->heads % g->kv_heads)
        return false;
    if (y[0] != g->heads || y[1] != g->rows || y[2] != g->width) return false;
    g->causal = a->is_causal;
    g->scale = a->scale != 0 ? a->scale : 1 / sqrtf((float)g->depth);
    return whet_epilogue_empty(&p->epi) && mask_ok(g, p, dtype);
}
