// SPDX-License-Identifier: Apache-2.0
#include "kern/reduce/reduce.h"

#include <string.h>

bool whet_reduce_spatial(const whet_problem *p) {
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (x->rank != y->rank || x->rank < 3 || x->rank > 5) return false;
    if (x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1]) return false;
    for (int32_t d = 2; d < x->rank; d++)
        if (y->dims[d] != 1) return false;
    return true;
}

bool whet_reduce_accepts(const whet_problem *p) {
    if (p->n_in < 1 || p->n_in > 2 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (x->dtype != WHET_DTYPE_F32 || y->dtype != WHET_DTYPE_F32 || x->layout != y->layout)
        return false;
    if (p->n_in > 1 && p->in[1].dtype != WHET_DTYPE_NONE &&
        (p->in[1].dtype != WHET_DTYPE_I64 || p->in[1].rank > 1 || p->in[1].layout))
        return false;
    int64_t n = whet_dims_count(x->dims, x->rank), out = whet_dims_count(y->dims, y->rank);
    if (n < 1 || out < 1) return false; // of nothing: the reference
    if (x->layout == WHET_LAYOUT_PLAIN) return true;
    return whet_layout_block(x->layout) > 1 && whet_reduce_spatial(p) &&
           whet_layout_bytes(x->layout, x->dtype, x->rank, x->dims) < SIZE_MAX;
}

static whet_status mask_of(const whet_call *c, uint32_t *mask) {
    const whet_reduce_attrs *a = c->p->attrs;
    const whet_port *x = &c->p->in[0];
    const int64_t *axes = c->p->n_in > 1 ? c->in[1] : NULL;
    int64_t n = axes ? whet_dims_count(c->p->in[1].dims, c->p->in[1].rank) : 0;
    *mask = n > 0 || a->noop_with_empty_axes ? 0 : (1u << x->rank) - 1;
    for (int64_t i = 0; i < n; i++) {
        if (axes[i] < -x->rank || axes[i] >= x->rank)
            WHET_FAIL(c->err, WHET_E_RANGE, "%s: axis %lld is outside a tensor of %d dimensions",
                      c->node, (long long)axes[i], (int)x->rank);
        *mask |= 1u << whet_axis(axes[i], x->rank);
    }
    return WHET_OK;
}

static void add_loop(int32_t *n, int64_t *size, int64_t *step, int64_t dim, int64_t at) {
    // a loop directly outside the one added before it
    if (*n > 0 && step[*n - 1] * size[*n - 1] == at) {
        size[*n - 1] *= dim;
        return;
    }
    size[*n] = dim;
    step[(*n)++] = at;
}

static void reverse(int32_t n, int64_t *v) {
    for (int32_t i = 0; i < n / 2; i++) {
        int64_t t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
}

whet_status whet_reduce_loops(const whet_call *c, reduce_loops *r) {
    const whet_port *x = &c->p->in[0];
    uint32_t mask;
    int64_t step = 1;
    WHET_TRY(mask_of(c, &mask));
    memset(r, 0, sizeof *r);
    r->outputs = r->each = 1;
    for (int32_t d = x->rank - 1; d >= 0; d--) {
        int64_t dim = x->dims[d];
        if (mask >> d & 1) r->each *= dim;
        else r->outputs *= dim;
        if (dim == 1) continue;
        if (mask >> d & 1) add_loop(&r->reduced, r->reduced_size, r->reduced_step, dim, step);
        else add_loop(&r->kept, r->kept_size, r->kept_step, dim, step);
        step *= dim;
    }
    reverse(r->kept, r->kept_size);
    reverse(r->kept, r->kept_step);
    reverse(r->reduced, r->reduced_size);
    reverse(r->reduced, r->reduced_step);
    if (r->outputs != whet_dims_count(c->p->out[0].dims, c->p->out[0].rank))
        WHET_FAIL(c->err, WHET_E_SHAPE, "%s: the axes do not give the output's shape", c->node);
    return WHET_OK;
}

int64_t whet_reduce_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    const whet_port *x = &p->in[0], *y = &p->out[0];
    (void)params, (void)phase;
    int64_t block = whet_layout_block(x->layout);
    if (block > 1) return x->dims[0] * ((x->dims[1] + block - 1) / block);
    return (whet_dims_count(y->dims, y->rank) + REDUCE_UNIT - 1) / REDUCE_UNIT;
}
