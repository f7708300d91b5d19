// SPDX-License-Identifier: Apache-2.0
// gather along an axis, any dtype: y[r, i, :] = x[r, index[i], :]. Every index is checked before
// its row is read; negative ones count from the end.
#include <string.h>

#include "kern/move/move_kernel.h"

typedef struct gather_shape {
    int64_t rows, dim, n;
    size_t bytes; // of one copied run
} gather_shape;

static gather_shape shape_of(const whet_problem *p) {
    const whet_port *x = &p->in[0];
    int32_t axis = whet_axis(((const whet_axis_attrs *)p->attrs)->axis, x->rank);
    return (gather_shape){whet_dims_count(x->dims, axis), x->dims[axis],
                          whet_dims_count(p->in[1].dims, p->in[1].rank),
                          (size_t)whet_dims_count(x->dims + axis + 1, x->rank - axis - 1) *
                              whet_port_size(x)};
}

static whet_status run_gather(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    gather_shape s = shape_of(c->p);
    int64_t units = s.rows * s.n, tasks = whet_tasks_of_bytes(c->p);
    int64_t share = units / tasks, rest = units % tasks;
    int64_t first = share * begin + (begin < rest ? begin : rest);
    int64_t last = share * end + (end < rest ? end : rest);
    (void)phase;
    for (int64_t u = first; u < last; u++) {
        int64_t i = whet_load_i64(c->in[1], c->p->in[1].dtype, u % s.n);
        if (i < -s.dim || i >= s.dim)
            WHET_FAIL(c->err, WHET_E_RANGE, "%s: index %lld is outside a dimension of %lld",
                      c->node, (long long)i, (long long)s.dim);
        if (i < 0) i += s.dim;
        const char *from = (const char *)c->in[0] + (size_t)(u / s.n * s.dim + i) * s.bytes;
        char *to = (char *)c->out[0] + (size_t)u * s.bytes;
        if (s.bytes == 4) memcpy(to, from, 4);
        else if (s.bytes == 8) memcpy(to, from, 8);
        else memcpy(to, from, s.bytes);
    }
    return WHET_OK;
}

static bool accepts_gather(const whet_problem *p) {
    if (p->n_in != 2 || p->n_out != 1 || !whet_move_ports(p, 1)) return false;
    const whet_port *x = &p->in[0], *index = &p->in[1], *y = &p->out[0];
    if (!whet_port_plain(x) || !whet_port_plain(y) || index->dtype == WHET_DTYPE_NONE) return false;
    if (!whet_move_index_port(p, 1) || y->rank != x->rank + index->rank - 1) return false;
    int64_t axis = ((const whet_axis_attrs *)p->attrs)->axis;
    if (axis < -x->rank || axis >= x->rank) return false;
    int32_t at = whet_axis(axis, x->rank), k = 0;
    for (int32_t d = 0; d < at; d++)
        if (y->dims[k++] != x->dims[d]) return false;
    for (int32_t d = 0; d < index->rank; d++)
        if (y->dims[k++] != index->dims[d]) return false;
    for (int32_t d = at + 1; d < x->rank; d++)
        if (y->dims[k++] != x->dims[d]) return false;
    return whet_dims_count(y->dims, y->rank) > 0;
}

const whet_kernel whet_kernel_gather_any_scalar = {
    .name = "gather_any_scalar",
    .op = "gather",
    .revision = 1,
    .stores = WHET_MOVE_STORES,
    .accepts = accepts_gather,
    .cost = whet_move_cost,
    .tasks = whet_move_tasks,
    .run = run_gather,
};
