// SPDX-License-Identifier: Apache-2.0
// pad of any dtype, all modes, row by row of the last dimension. Negative pads crop; the other
// modes continue what is left.
#include <string.h>

#include "kern/move/move_kernel.h"

enum { CONSTANT, REFLECT, EDGE, WRAP }; // choices of the attribute
#define NO_PAD INT64_C(0x3fffffffffffffff)

typedef struct pad_dim {
    int64_t first, size; // what is left of the input
    int64_t before;      // output position of that
    int64_t stride;
} pad_dim;

static int64_t item(const whet_call *c, int32_t in, int64_t i) {
    return whet_load_i64(c->in[in], c->p->in[in].dtype, i);
}

static whet_status pad_dims(const whet_call *c, int32_t mode, pad_dim *d) {
    const whet_port *x = &c->p->in[0], *y = &c->p->out[0];
    int64_t begin[WHET_MAX_RANK] = {0}, end[WHET_MAX_RANK] = {0}, step = 1;
    bool axes = whet_move_has(c, 3);
    int64_t n = axes ? whet_dims_count(c->p->in[3].dims, c->p->in[3].rank) : x->rank;
    for (int64_t i = 0; i < n; i++) {
        int64_t axis = axes ? item(c, 3, i) : i, low = item(c, 1, i), high = item(c, 1, n + i);
        if (axis < -x->rank || axis >= x->rank || low < -NO_PAD || low > NO_PAD || high < -NO_PAD ||
            high > NO_PAD)
            WHET_FAIL(c->err, WHET_E_RANGE, "%s: axis %lld or its pads are out of range", c->node,
                      (long long)axis);
        begin[whet_axis(axis, x->rank)] = low;
        end[whet_axis(axis, x->rank)] = high;
    }
    for (int32_t k = x->rank - 1; k >= 0; k--) {
        int64_t low = begin[k] < 0 ? -begin[k] : 0, high = end[k] < 0 ? -end[k] : 0;
        low = low > x->dims[k] ? x->dims[k] : low;
        high = high > x->dims[k] - low ? x->dims[k] - low : high;
        d[k] = (pad_dim){low, x->dims[k] - low - high, begin[k] + low, step};
        step *= x->dims[k];
        if (y->dims[k] != x->dims[k] + begin[k] + end[k] ||
            (mode != CONSTANT && d[k].size == 0 && y->dims[k]))
            WHET_FAIL(c->err, WHET_E_SHAPE, "%s: dimension %d is not that of the padded input",
                      c->node, (int)k);
    }
    return WHET_OK;
}

// Input position of output position i, -1: the constant.
static int64_t source_of(const pad_dim *d, int32_t mode, int64_t i) {
    i -= d->before;
    if (i >= 0 && i < d->size) return d->first + i;
    if (mode == CONSTANT) return -1;
    if (mode == EDGE || d->size == 1) return d->first + (i < 0 ? 0 : d->size - 1);
    int64_t period = mode == WRAP ? d->size : 2 * (d->size - 1);
    i %= period;
    if (i < 0) i += period;
    return d->first + (i < d->size ? i : period - i);
}

typedef struct pad_run {
    const pad_dim *d;
    int32_t mode, last;
    size_t size;
    const char *value;
} pad_run;

// Output positions [i, end) of a row, none of which is copied as it lies; row NULL: all constant.
static void fill(const pad_run *r, char *y, const char *row, int64_t i, int64_t end) {
    const pad_dim *d = &r->d[r->last];
    for (; i < end; i++) {
        int64_t s = row ? source_of(d, r->mode, i) : -1;
        memcpy(y + (size_t)i * r->size, s < 0 ? r->value : row + (size_t)(s * d->stride) * r->size,
               r->size);
    }
}

static void pad_row(const pad_run *r, char *y, const char *row, int64_t n) {
    const pad_dim *d = &r->d[r->last];
    int64_t from = d->before > 0 ? d->before : 0, to = d->before + d->size;
    if (to > n) to = n;
    if (!row || to <= from) {
        fill(r, y, row, 0, n);
        return;
    }
    fill(r, y, row, 0, from);
    memcpy(y + (size_t)from * r->size, row + (size_t)(d->first + from - d->before) * r->size,
           (size_t)(to - from) * r->size);
    fill(r, y, row, to, n);
}

static whet_status run_pad(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    static const uint64_t zero[2] = {0}; // the widest element is complex128
    const whet_port *y = &c->p->out[0];
    pad_dim d[WHET_MAX_RANK];
    pad_run r = {d, whet_problem_enum(c->p, "mode"), y->rank - 1, whet_port_size(y),
                 whet_move_has(c, 2) ? c->in[2] : (const char *)zero};
    (void)phase;
    WHET_TRY(pad_dims(c, r.mode, d));
    int64_t n = y->dims[r.last], rows = whet_dims_count(y->dims, r.last),
            tasks = whet_tasks_of_bytes(c->p);
    int64_t share = rows / tasks, rest = rows % tasks;
    int64_t first = share * begin + (begin < rest ? begin : rest);
    int64_t stop = share * end + (end < rest ? end : rest);
    for (int64_t i = first; i < stop; i++) {
        int64_t at = i, offset = 0;
        for (int32_t k = r.last - 1; k >= 0 && offset >= 0; k--) {
            int64_t s = source_of(&d[k], r.mode, at % y->dims[k]);
            at /= y->dims[k];
            offset = s < 0 ? -1 : offset + s * d[k].stride;
        }
        pad_row(&r, (char *)c->out[0] + (size_t)(i * n) * r.size,
                offset < 0 ? NULL : (const char *)c->in[0] + (size_t)offset * r.size, n);
    }
    return WHET_OK;
}

static bool accepts_pad(const whet_problem *p) {
    if (p->n_in < 2 || p->n_in > 4 || p->n_out != 1 || !whet_move_ports(p, 1)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    int32_t mode = whet_problem_enum(p, "mode");
    if (mode < CONSTANT || mode > WRAP || x->rank < 1 || x->rank != y->rank) return false;
    if (!whet_port_plain(x) || !whet_port_plain(y) || p->in[1].dtype == WHET_DTYPE_NONE)
        return false;
    if (!whet_move_index_port(p, 1) || !whet_move_index_port(p, 3)) return false;
    if (p->n_in > 2 && p->in[2].dtype &&
        (p->in[2].dtype != x->dtype || whet_dims_count(p->in[2].dims, p->in[2].rank) != 1 ||
         p->in[2].layout))
        return false;
    int64_t axes =
        p->n_in > 3 && p->in[3].dtype ? whet_dims_count(p->in[3].dims, p->in[3].rank) : x->rank;
    return axes <= x->rank && whet_dims_count(p->in[1].dims, p->in[1].rank) == 2 * axes &&
           whet_dims_count(y->dims, y->rank) > 0;
}

const whet_kernel whet_kernel_pad_any_scalar = {
    .name = "pad_any_scalar",
    .op = "pad",
    .revision = 1,
    .stores = WHET_MOVE_STORES,
    .accepts = accepts_pad,
    .cost = whet_move_cost,
    .tasks = whet_move_tasks,
    .run = run_pad,
};
