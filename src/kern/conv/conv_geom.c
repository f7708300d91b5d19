// SPDX-License-Identifier: Apache-2.0
#include "kern/conv/conv_geom.h"

#include <string.h>

// keeps sums of products of two of these in an int64
#define DIM_MAX (INT64_C(1) << 30)

static bool port_ok(const whet_port *port, int32_t rank) {
    if (port->rank != rank) return false;
    for (int32_t i = 0; i < rank; i++)
        if (port->dims[i] < 1 || port->dims[i] >= DIM_MAX) return false;
    return whet_dims_count(port->dims, rank) > 0;
}

static bool channels_ok(whet_conv_geom *g, const whet_problem *p, bool transposed) {
    const int64_t *w = p->in[1].dims;
    g->groups = transposed ? ((const whet_conv_transpose_attrs *)p->attrs)->group
                           : ((const whet_conv_attrs *)p->attrs)->group;
    g->n = p->in[0].dims[0], g->c = p->in[0].dims[1], g->k = p->out[0].dims[1];
    if (g->groups < 1 || g->c % g->groups || g->k % g->groups) return false;
    g->cg = g->c / g->groups, g->kg = g->k / g->groups;
    if (p->out[0].dims[0] != g->n) return false;
    return transposed ? w[0] == g->c && w[1] == g->kg : w[0] == g->k && w[1] == g->cg;
}

// The window positions of `out` must lie inside the padded `in`.
static bool window_ok(whet_conv_geom *g, const whet_window *w, int32_t d, bool transposed) {
    int32_t at = 3 - w->n + d;
    g->in[at] = w->in[d], g->out[at] = w->out[d], g->ker[at] = w->kernel[d];
    g->stride[at] = w->stride[d], g->dil[at] = w->dilation[d];
    g->pad[at] = w->pad_begin[d], g->pad_end[at] = w->pad_end[d];
    if (g->stride[at] < 1 || g->dil[at] < 1 || g->ker[at] < 1) return false;
    if (g->stride[at] >= DIM_MAX || g->dil[at] >= DIM_MAX) return false;
    if (g->pad[at] < 0 || g->pad[at] >= DIM_MAX) return false;
    if (g->pad_end[at] < 0 || g->pad_end[at] >= DIM_MAX) return false;
    if (transposed) return true;
    int64_t reach = (g->out[at] - 1) * g->stride[at] + (g->ker[at] - 1) * g->dil[at] + 1;
    return reach <= g->in[at] + g->pad[at] + g->pad_end[at];
}

bool whet_conv_geom_sizes(whet_conv_geom *g, const whet_problem *p) {
    bool transposed = !strcmp(p->op, "conv_transpose");
    int32_t rank = p->n_in >= 2 && p->n_out >= 1 ? p->in[0].rank : 0;
    if (rank < 3 || rank > 5 || !port_ok(&p->in[0], rank) || !port_ok(&p->in[1], rank) ||
        !port_ok(&p->out[0], rank) || !channels_ok(g, p, transposed))
        return false;
    if (p->n_out > 1) return false;
    if (p->n_in > 2 && p->in[2].dtype)
        if (!port_ok(&p->in[2], 1) || p->in[2].dims[0] != g->k) return false;
    for (int32_t d = 0; d < 3; d++) {
        g->in[d] = g->out[d] = g->ker[d] = g->stride[d] = g->dil[d] = 1;
        g->pad[d] = g->pad_end[d] = 0;
    }
    whet_window w;
    whet_problem_window(p, &w);
    for (int32_t d = 0; d < w.n; d++)
        if (!window_ok(g, &w, d, transposed)) return false;
    g->taps = g->ker[0] * g->ker[1] * g->ker[2];
    g->in_size = g->in[0] * g->in[1] * g->in[2];
    g->out_size = g->out[0] * g->out[1] * g->out[2];
    return true;
}

bool whet_conv_geom_init(whet_conv_geom *g, const whet_problem *p) {
    return whet_conv_geom_init_as(g, p, WHET_DTYPE_F32, WHET_DTYPE_F32);
}

bool whet_conv_geom_init_as(whet_conv_geom *g, const whet_problem *p, whet_dtype in,
                            whet_dtype out) {
    if (p->n_in < 2 || p->n_in > 3 || p->n_out < 1) return false;
    if (p->in[0].dtype != in || p->in[1].dtype != WHET_DTYPE_F32 || p->out[0].dtype != out)
        return false;
    if (p->n_in == 3 && p->in[2].dtype && p->in[2].dtype != WHET_DTYPE_F32) return false;
    return whet_conv_geom_sizes(g, p) && whet_epilogue_accepts(&p->epi, &p->out[0]);
}

bool whet_conv_padded(const whet_conv_geom *g) {
    for (int32_t d = 0; d < 3; d++)
        if (g->pad[d] || g->pad_end[d]) return true;
    return false;
}
