// SPDX-License-Identifier: Apache-2.0
// slice, expand and tile of any dtype, as one box each.
#include <string.h>

#include "kern/move/move_kernel.h"

// begin and count of [start : end : step] on a dimension, by numpy's rules.
static void slice_dim(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *begin,
                      int64_t *count) {
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim;
    if (start < 0) start += dim;
    if (end < 0) end += dim;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    if (step < -INT64_MAX) step = -INT64_MAX;
    *begin = start;
    if (step > 0) *count = end > start ? (end - start - 1) / step + 1 : 0;
    else *count = start > end ? (start - end - 1) / -step + 1 : 0;
}

static int64_t item(const whet_call *c, int32_t in, int64_t i) {
    return whet_load_i64(c->in[in], c->p->in[in].dtype, i);
}

static whet_status slice_box(const whet_call *c, whet_box *b, int64_t *offset) {
    const whet_port *x = &c->p->in[0], *y = &c->p->out[0];
    int64_t begin[WHET_MAX_RANK] = {0}, count[WHET_MAX_RANK], step[WHET_MAX_RANK];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK];
    for (int32_t d = 0; d < x->rank; d++) count[d] = x->dims[d], step[d] = 1;
    for (int64_t i = 0; i < c->p->in[1].dims[0]; i++) {
        int64_t axis = whet_move_has(c, 3) ? item(c, 3, i) : i,
                by = whet_move_has(c, 4) ? item(c, 4, i) : 1;
        if (axis < -x->rank || axis >= x->rank || by == 0)
            WHET_FAIL(c->err, WHET_E_RANGE, "%s: axis %lld or its step is out of range", c->node,
                      (long long)axis);
        int32_t d = whet_axis(axis, x->rank);
        step[d] = by;
        slice_dim(x->dims[d], item(c, 1, i), item(c, 2, i), by, &begin[d], &count[d]);
    }
    whet_dims_strides(x->rank, x->dims, from);
    whet_dims_strides(y->rank, y->dims, to);
    *offset = 0;
    for (int32_t d = 0; d < x->rank; d++) {
        if (count[d] != y->dims[d])
            WHET_FAIL(c->err, WHET_E_SHAPE, "%s: dimension %d is %lld, not %lld", c->node, (int)d,
                      (long long)count[d], (long long)y->dims[d]);
        *offset += count[d] ? begin[d] * from[d] : 0;
        whet_box_add(b, count[d], to[d], count[d] > 1 ? from[d] * step[d] : 0);
    }
    return WHET_OK;
}

static whet_status copy(const whet_call *c, whet_box *b, int64_t offset, int64_t begin,
                        int64_t end) {
    int64_t tasks = whet_tasks_of_bytes(c->p);
    b->size = whet_port_size(&c->p->out[0]);
    whet_box_finish(b);
    for (int64_t t = begin; t < end && b->units; t++)
        whet_box_copy(b, c->out[0], (const char *)c->in[0] + offset * (int64_t)b->size, t, tasks);
    return WHET_OK;
}

static whet_status run_slice(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    whet_box b = {0};
    int64_t offset = 0;
    (void)phase;
    WHET_TRY(slice_box(c, &b, &offset));
    return copy(c, &b, offset, begin, end);
}

static whet_status run_expand(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const whet_port *x = &c->p->in[0], *y = &c->p->out[0];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK];
    int32_t lead = y->rank - x->rank;
    whet_box b = {0};
    (void)phase;
    whet_dims_strides(x->rank, x->dims, from);
    whet_dims_strides(y->rank, y->dims, to);
    for (int32_t d = 0; d < y->rank; d++)
        whet_box_add(&b, y->dims[d], to[d],
                     d < lead || x->dims[d - lead] == 1 ? 0 : from[d - lead]);
    return copy(c, &b, 0, begin, end);
}

static whet_status run_tile(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const whet_port *x = &c->p->in[0], *y = &c->p->out[0];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK];
    whet_box b = {0};
    (void)phase;
    whet_dims_strides(x->rank, x->dims, from);
    whet_dims_strides(y->rank, y->dims, to);
    for (int32_t d = 0; d < y->rank; d++) {
        whet_box_add(&b, y->dims[d] / x->dims[d], to[d] * x->dims[d], 0);
        whet_box_add(&b, x->dims[d], to[d], from[d]);
    }
    return copy(c, &b, 0, begin, end);
}

static bool plain_ends(const whet_problem *p) {
    return p->n_out == 1 && whet_move_ports(p, 1) && whet_port_plain(&p->in[0]) &&
           whet_port_plain(&p->out[0]);
}

static bool accepts_slice(const whet_problem *p) {
    if (p->n_in < 3 || p->n_in > 5 || !plain_ends(p) || p->in[0].rank != p->out[0].rank)
        return false;
    if (p->in[1].dtype == WHET_DTYPE_NONE || p->in[2].dtype == WHET_DTYPE_NONE) return false;
    for (int32_t i = 1; i < p->n_in; i++) {
        if (!whet_move_index_port(p, i)) return false;
        if (p->in[i].dtype && (p->in[i].rank != 1 || p->in[i].dims[0] != p->in[1].dims[0]))
            return false;
    }
    return true;
}

static bool accepts_expand(const whet_problem *p) {
    if (p->n_in < 1 || !plain_ends(p) || p->in[0].rank > p->out[0].rank) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    for (int32_t d = 0; d < x->rank; d++)
        if (x->dims[d] != 1 && x->dims[d] != y->dims[y->rank - x->rank + d]) return false;
    return true;
}

static bool accepts_tile(const whet_problem *p) {
    if (p->n_in < 1 || !plain_ends(p) || p->in[0].rank != p->out[0].rank) return false;
    for (int32_t d = 0; d < p->in[0].rank; d++)
        if (p->in[0].dims[d] < 1 || p->out[0].dims[d] % p->in[0].dims[d]) return false;
    return true;
}

#define MOVE_KERNEL(operator)                                                                      \
    const whet_kernel whet_kernel_##operator##_any_scalar = {                                      \
        .name = #operator "_any_scalar",                                                           \
        .op = #operator,                                                                           \
        .revision = 1,                                                                             \
        .stores = WHET_MOVE_STORES,                                                                \
        .accepts = accepts_##operator,                                                             \
        .cost = whet_move_cost,                                                                    \
        .tasks = whet_move_tasks,                                                                  \
        .run = run_##operator,                                                                     \
    }
MOVE_KERNEL(slice);
MOVE_KERNEL(expand);
MOVE_KERNEL(tile);
