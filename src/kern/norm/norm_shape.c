// SPDX-License-Identifier: Apache-2.0
#include "kern/norm/norm_shape.h"

#include <string.h>

static bool same_type(const whet_problem *p, whet_dtype dtype) {
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (p->n_out < 1 || x->dtype != dtype || y->dtype != dtype) return false;
    for (int32_t i = 1; i < p->n_out; i++)
        if (p->out[i].dtype != WHET_DTYPE_NONE) return false;
    return x->rank == y->rank && x->layout == y->layout && whet_epilogue_empty(&p->epi) &&
           !memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims) &&
           whet_layout_bytes(x->layout, x->dtype, x->rank, x->dims) < SIZE_MAX / 2 &&
           whet_dims_count(x->dims, x->rank) > 0;
}

norm_rows whet_norm_rows(const whet_problem *p) {
    const whet_port *x = &p->in[0];
    int32_t axis = whet_axis(((const whet_norm_attrs *)p->attrs)->axis, x->rank);
    return (norm_rows){whet_dims_count(x->dims, axis),
                       whet_dims_count(x->dims + axis, x->rank - axis)};
}

// One value for each element of a row, the same for all rows.
static bool row_parameter(const whet_port *x, int32_t axis, const whet_port *q) {
    if (q->dtype != WHET_DTYPE_F32 || q->layout != WHET_LAYOUT_PLAIN || q->rank > x->rank)
        return false;
    for (int32_t d = 0; d < x->rank; d++) {
        int32_t e = d - (x->rank - q->rank);
        if ((e < 0 ? 1 : q->dims[e]) != (d < axis ? 1 : x->dims[d])) return false;
    }
    return true;
}

bool whet_norm_accepts_rows(const whet_problem *p, whet_dtype dtype) {
    if (p->n_in < 2 || p->n_in > 3 || !same_type(p, dtype) || p->in[0].layout) return false;
    const whet_port *x = &p->in[0];
    int64_t axis = ((const whet_norm_attrs *)p->attrs)->axis;
    if (axis < -x->rank || axis >= x->rank) return false;
    int32_t at = whet_axis(axis, x->rank);
    if (p->n_in > 2 && p->in[2].dtype && !row_parameter(x, at, &p->in[2])) return false;
    return row_parameter(x, at, &p->in[1]);
}

norm_planes whet_norm_planes(const whet_problem *p) {
    const whet_port *x = &p->in[0];
    const whet_group_norm_attrs *a = p->attrs;
    norm_planes n = {x->dims[0], x->dims[1], whet_dims_count(x->dims + 2, x->rank - 2),
                     whet_layout_block(x->layout), 0, 0};
    n.blocks = (n.channels + n.block - 1) / n.block;
    if (!strcmp(p->op, "instance_norm")) n.groups = n.channels;
    else if (!strcmp(p->op, "group_norm"))
        n.groups = a->num_groups > 0 ? a->num_groups : n.channels;
    return n;
}

bool whet_norm_accepts_planes(const whet_problem *p, whet_dtype dtype, int64_t width) {
    bool given = !strcmp(p->op, "batch_norm");
    if (p->n_in != (given ? 5 : 3) || !same_type(p, dtype) || p->in[0].rank < 2) return false;
    if (p->in[0].layout == WHET_LAYOUT_NHWC) return false;
    if (given && ((const whet_batch_norm_attrs *)p->attrs)->training_mode) return false;
    for (int32_t i = 1; i < p->n_in; i++)
        if (p->in[i].dtype != WHET_DTYPE_F32 || p->in[i].layout || p->in[i].rank != 1 ||
            p->in[i].dims[0] != p->in[0].dims[1])
            return false;
    norm_planes n = whet_norm_planes(p);
    if (n.block > 1 && n.block % width) return false;
    if (given) return true;
    if (n.groups <= 0 || n.channels % n.groups) return false;
    int64_t each = n.channels / n.groups;
    return n.block == 1 || each == 1 || each % n.block == 0;
}

int64_t whet_norm_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    (void)params, (void)phase;
    if (!strcmp(p->op, "layer_norm") || !strcmp(p->op, "rms_norm")) return whet_norm_rows(p).rows;
    norm_planes n = whet_norm_planes(p);
    bool lanes = n.groups == 0 || (n.block > 1 && n.groups == n.channels);
    return n.batch * (lanes ? n.blocks : n.groups);
}

bool whet_norm_inplace(const whet_problem *p, int32_t i) {
    (void)p;
    return i == 0;
}
