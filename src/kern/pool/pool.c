// SPDX-License-Identifier: Apache-2.0
#include "kern/pool/pool.h"

#include <string.h>

bool whet_pool_global(const whet_problem *p) {
    return !strncmp(p->op, "global_", 7);
}

bool whet_pool_max(const whet_problem *p) {
    return !strcmp(p->op, "max_pool") || !strcmp(p->op, "global_max_pool");
}

static bool list_fits(whet_ints list, int32_t n, int64_t least) {
    if (list.n != 0 && list.n != n) return false;
    for (int32_t i = 0; i < list.n; i++)
        if (list.v[i] < least || list.v[i] > INT32_MAX) return false;
    return true;
}

static bool window_fits(const whet_problem *p) {
    const whet_pool_attrs *a = p->attrs;
    int32_t n = p->in[0].rank - 2;
    return a && n >= 1 && n <= WHET_WINDOW_MAX && a->window.kernel_shape.n == n &&
           list_fits(a->window.kernel_shape, n, 1) && list_fits(a->window.strides, n, 1) &&
           list_fits(a->window.dilations, n, 1) &&
           (a->window.auto_pad != WHET_PAD_NOTSET || list_fits(a->window.pads, 2 * n, 0));
}

bool whet_pool_accepts(const whet_problem *p, whet_dtype dtype, int64_t width) {
    if (p->n_in != 1 || p->n_out < 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    for (int32_t i = 1; i < p->n_out; i++)
        if (p->out[i].dtype != WHET_DTYPE_NONE) return false;
    if (x->dtype != dtype || y->dtype != dtype || x->rank != y->rank) return false;
    if (x->rank < 3 || x->rank > 5 || x->layout != y->layout) return false;
    if (x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1]) return false;
    int64_t block = whet_layout_block(x->layout);
    if (block > 1 && block % width) return false;
    if (whet_layout_bytes(x->layout, x->dtype, x->rank, x->dims) > INT64_MAX / 4 ||
        whet_layout_bytes(y->layout, y->dtype, y->rank, y->dims) > INT64_MAX / 4)
        return false;
    if (!whet_pool_global(p)) return window_fits(p);
    for (int32_t d = 2; d < y->rank; d++)
        if (y->dims[d] != 1) return false;
    return true;
}

static void global_window(const whet_problem *p, whet_window *w) {
    memset(w, 0, sizeof *w);
    w->n = 3;
    for (int32_t d = 0; d < 3; d++) {
        w->in[d] = w->kernel[d] = 1;
        w->out[d] = w->stride[d] = w->dilation[d] = 1;
    }
    // one row, whatever the shape
    for (int32_t d = 2; d < p->in[0].rank; d++) w->in[2] *= p->in[0].dims[d];
    w->kernel[2] = w->in[2];
}

void whet_pool_prepare(const whet_problem *p, const int32_t *params, void *state) {
    pool_plan *plan = state;
    const whet_port *x = &p->in[0];
    (void)params;
    memset(plan, 0, sizeof *plan);
    if (whet_pool_global(p)) {
        global_window(p, &plan->w);
    } else {
        whet_problem_window(p, &plan->w);
        whet_window_expand(&plan->w);
        plan->include_pad = ((const whet_pool_attrs *)p->attrs)->count_include_pad;
    }
    int64_t block = whet_layout_block(x->layout);
    plan->batch = x->dims[0];
    plan->channels = x->dims[1];
    plan->groups = plan->batch * ((plan->channels + block - 1) / block);
    plan->lanes = plan->pixel = block;
    if (x->layout == WHET_LAYOUT_NHWC) {
        plan->groups = plan->batch;
        plan->lanes = plan->pixel = plan->channels;
    }
}

// Output rows.
int64_t whet_pool_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    pool_plan plan;
    (void)phase;
    whet_pool_prepare(p, params, &plan);
    return plan.groups * plan.w.out[0] * plan.w.out[1];
}

// A row of the input, for plain layout.
size_t whet_pool_scratch(const whet_problem *p, const int32_t *params) {
    pool_plan plan;
    if (p->in[0].layout != WHET_LAYOUT_PLAIN || whet_pool_global(p)) return 0;
    whet_pool_prepare(p, params, &plan);
    return (size_t)plan.w.in[2] * sizeof(float);
}
