// SPDX-License-Identifier: Apache-2.0
#include "kern/gemm/gemm_geom.h"

#include <string.h>

static bool port_ok(const whet_port *port, whet_dtype dtype) {
    if (port->dtype != dtype || port->layout != WHET_LAYOUT_PLAIN) return false;
    if (port->rank < 1 || port->rank > WHET_MAX_RANK) return false;
    for (int32_t i = 0; i < port->rank; i++)
        if (port->dims[i] < 1 || port->dims[i] > INT32_MAX) return false;
    return whet_dims_count(port->dims, port->rank) > 0;
}

static int64_t batch_dim(const whet_port *port, int32_t d) {
    return d < port->rank - 2 ? port->dims[port->rank - 3 - d] : 1;
}

// Batch dimensions broadcast, and the output has the resulting shape.
static bool shapes_ok(const whet_gemm_geom *g, const whet_problem *p) {
    const whet_port *a = &p->in[0], *b = &p->in[1], *y = &p->out[0];
    int64_t dims[WHET_MAX_RANK];
    int32_t rank = 0;
    for (int32_t d = g->ref.rank - 1; d >= 0; d--) {
        int64_t da = batch_dim(a, d), db = batch_dim(b, d);
        if (da != db && da != 1 && db != 1) return false;
        dims[rank++] = da == 1 ? db : da;
    }
    if (a->rank > 1) dims[rank++] = g->m;
    if (b->rank > 1) dims[rank++] = g->n;
    // a product of two vectors is a scalar
    return rank == y->rank && !memcmp(dims, y->dims, sizeof *dims * (size_t)rank);
}

static bool bias_ok(whet_gemm_geom *g, const whet_problem *p) {
    g->bias = WHET_GEMM_BIAS_NONE;
    if (p->n_in < 3 || !p->in[2].dtype) return true;
    const whet_port *c = &p->in[2];
    if (c->dtype != WHET_DTYPE_F32 || c->layout != WHET_LAYOUT_PLAIN || c->rank > 2) return false;
    int64_t cols = c->rank > 0 ? c->dims[c->rank - 1] : 1, rows = c->rank > 1 ? c->dims[0] : 1;
    if (rows == 1 && cols == 1) g->bias = WHET_GEMM_BIAS_ONE;
    else if (rows == 1 && cols == g->n) g->bias = WHET_GEMM_BIAS_COLUMNS;
    else if (cols == 1 && rows == g->m && g->beta == 1) g->bias = WHET_GEMM_BIAS_ROWS;
    else return false;
    return true;
}

bool whet_gemm_geom_init(whet_gemm_geom *g, const whet_problem *p) {
    whet_dtype f32 = WHET_DTYPE_F32;
    return whet_gemm_geom_init_as(g, p, f32, f32, f32);
}

bool whet_gemm_geom_init_as(whet_gemm_geom *g, const whet_problem *p, whet_dtype da, whet_dtype db,
                            whet_dtype dy) {
    if (p->n_in < 2 || p->n_in > 3 || p->n_out != 1) return false;
    const whet_port *a = &p->in[0], *b = &p->in[1];
    if (!port_ok(a, da) || !port_ok(b, db) || !port_ok(&p->out[0], dy)) return false;
    if (!strcmp(p->op, "gemm")) {
        const whet_gemm_attrs *at = p->attrs;
        if (a->rank != 2 || b->rank != 2) return false;
        g->trans_a = at->trans_a, g->trans_b = at->trans_b;
        g->alpha = at->alpha, g->beta = at->beta;
    } else {
        const whet_matmul_attrs *at = p->attrs;
        g->trans_a = at->trans_a && a->rank > 1, g->trans_b = at->trans_b && b->rank > 1;
        g->alpha = at->alpha, g->beta = 1;
    }
    whet_tensor ta = {.rank = a->rank}, tb = {.rank = b->rank};
    memcpy(ta.dims, a->dims, sizeof ta.dims);
    memcpy(tb.dims, b->dims, sizeof tb.dims);
    whet_matmul_ref_init(&g->ref, &ta, g->trans_a, &tb, g->trans_b);
    g->m = g->ref.m, g->n = g->ref.n, g->k = g->ref.k, g->batches = g->ref.batches;
    int64_t kb = b->rank == 1 ? b->dims[0] : b->dims[g->trans_b ? b->rank - 1 : b->rank - 2];
    if (kb != g->k || !shapes_ok(g, p) || !bias_ok(g, p)) return false;
    g->b_batches = 1;
    for (int32_t d = 0; d < b->rank - 2; d++) g->b_batches *= b->dims[d];
    if (g->b_batches == 1 && !g->trans_a && g->bias != WHET_GEMM_BIAS_ROWS) {
        g->m *= g->batches;
        g->batches = 1;
    }
    return whet_epilogue_accepts(&p->epi, &p->out[0]);
}
