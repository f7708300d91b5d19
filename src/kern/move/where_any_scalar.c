// SPDX-License-Identifier: Apache-2.0
// where(condition, x, y) of any dtype with broadcasting, and depth_to_space / space_to_depth.
#include <string.h>

#include "kern/move/move_kernel.h"

// ---- where ----

#define INPUTS 3
typedef struct where_loops {
    int32_t rank;
    int64_t dims[WHET_MAX_RANK + 1], step[INPUTS][WHET_MAX_RANK + 1];
} where_loops;

static bool mergeable(const where_loops *w, int32_t d) {
    for (int32_t i = 0; i < INPUTS; i++)
        if (w->step[i][d] != w->step[i][d + 1] * w->dims[d + 1]) return false;
    return true;
}

static void remove_loop(where_loops *w, int32_t d) {
    size_t left = (size_t)(w->rank - d - 1) * sizeof(int64_t);
    memmove(w->dims + d, w->dims + d + 1, left);
    for (int32_t i = 0; i < INPUTS; i++) memmove(w->step[i] + d, w->step[i] + d + 1, left);
    w->rank--;
}

static void loops_of(const whet_problem *p, where_loops *w) {
    const whet_port *y = &p->out[0];
    memset(w, 0, sizeof *w);
    w->rank = y->rank;
    memcpy(w->dims, y->dims, (size_t)y->rank * sizeof *y->dims);
    for (int32_t i = 0; i < INPUTS; i++) {
        const whet_port *q = &p->in[i];
        int64_t step = 1;
        for (int32_t d = q->rank - 1; d >= 0; d--) {
            w->step[i][y->rank - q->rank + d] = q->dims[d] == 1 ? 0 : step;
            step *= q->dims[d];
        }
    }
    if (w->rank == 0) w->dims[w->rank++] = 1;
    for (int32_t d = w->rank - 1; d >= 0 && w->rank > 1; d--)
        if (w->dims[d] == 1) remove_loop(w, d);
    for (int32_t d = w->rank - 2; d >= 0; d--)
        if (mergeable(w, d)) {
            w->dims[d + 1] *= w->dims[d];
            remove_loop(w, d);
        }
}

#define WHERE_RUN(type)                                                                            \
    static void where_##type(const uint8_t *c, int64_t cs, const type *a, int64_t as,              \
                             const type *b, int64_t bs, type *y, int64_t n) {                      \
        if (cs == 1 && as == 1 && bs == 0)                                                         \
            for (int64_t i = 0; i < n; i++) y[i] = c[i] ? a[i] : b[0];                             \
        else if (cs == 1 && as == 0 && bs == 1)                                                    \
            for (int64_t i = 0; i < n; i++) y[i] = c[i] ? a[0] : b[i];                             \
        else if (cs == 1 && as == 1 && bs == 1)                                                    \
            for (int64_t i = 0; i < n; i++) y[i] = c[i] ? a[i] : b[i];                             \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) y[i] = c[i * cs] ? a[i * as] : b[i * bs];              \
    }
WHERE_RUN(uint8_t)
WHERE_RUN(uint16_t)
WHERE_RUN(uint32_t)
WHERE_RUN(uint64_t)

// Elements [begin, end) of the output.
static void where_range(const whet_call *call, const where_loops *w, size_t size, int64_t begin,
                        int64_t end) {
    int32_t last = w->rank - 1;
    while (begin < end) {
        int64_t at[INPUTS] = {0}, rest = begin / w->dims[last], col = begin % w->dims[last];
        int64_t n = w->dims[last] - col < end - begin ? w->dims[last] - col : end - begin;
        for (int32_t i = 0; i < INPUTS; i++) at[i] = col * w->step[i][last];
        for (int32_t d = last - 1; d >= 0; d--) {
            for (int32_t i = 0; i < INPUTS; i++) at[i] += rest % w->dims[d] * w->step[i][d];
            rest /= w->dims[d];
        }
        const uint8_t *c = (const uint8_t *)call->in[0] + at[0];
        const void *a = (const char *)call->in[1] + (size_t)at[1] * size;
        const void *b = (const char *)call->in[2] + (size_t)at[2] * size;
        void *y = (char *)call->out[0] + (size_t)begin * size;
        int64_t cs = w->step[0][last], as = w->step[1][last], bs = w->step[2][last];
        switch (size) {
        case 1: where_uint8_t(c, cs, a, as, b, bs, y, n); break;
        case 2: where_uint16_t(c, cs, a, as, b, bs, y, n); break;
        case 4: where_uint32_t(c, cs, a, as, b, bs, y, n); break;
        default: where_uint64_t(c, cs, a, as, b, bs, y, n);
        }
        begin += n;
    }
}

static whet_status run_where(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const whet_port *y = &c->p->out[0];
    int64_t n = whet_dims_count(y->dims, y->rank), tasks = whet_tasks_of_bytes(c->p);
    int64_t share = n / tasks, rest = n % tasks;
    where_loops w;
    (void)phase;
    loops_of(c->p, &w);
    where_range(c, &w, whet_port_size(y), share * begin + (begin < rest ? begin : rest),
                share * end + (end < rest ? end : rest));
    return WHET_OK;
}

static bool accepts_where(const whet_problem *p) {
    if (p->n_in != INPUTS || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *y = &p->out[0];
    if (p->in[0].dtype != WHET_DTYPE_BOOL || p->in[1].dtype != y->dtype ||
        p->in[2].dtype != y->dtype)
        return false;
    if (!whet_port_plain(y)) return false;
    for (int32_t i = 0; i < INPUTS; i++) {
        const whet_port *q = &p->in[i];
        if (!whet_port_plain(q) || q->rank > y->rank) return false;
        for (int32_t d = 0; d < q->rank; d++)
            if (q->dims[d] != 1 && q->dims[d] != y->dims[y->rank - q->rank + d]) return false;
    }
    return true;
}

// ---- depth_to_space, space_to_depth ----

// [n, c, h, w] blocks of b x b: the deep tensor is [n, c b b, h, w], the wide one [n, c, h b, w b].
static void space_box(const whet_problem *p, bool to_space, whet_box *box) {
    const int64_t *deep = to_space ? p->in[0].dims : p->out[0].dims;
    int64_t b = whet_problem_int(p, "blocksize", 1), c = deep[1] / b / b, h = deep[2], w = deep[3];
    bool crd = whet_problem_enum(p, "mode") == 1;
    // strides in the deep tensor of the channel, the block's row and column
    int64_t dc = (crd ? b * b : 1) * h * w, dy = (crd ? b : b * c) * h * w,
            dx = (crd ? 1 : c) * h * w;
    int64_t wide[6] = {c * h * b * w * b, h * b * w * b, b * w * b, w * b, b, 1};
    int64_t tall[6] = {c * b * b * h * w, dc, w, dy, 1, dx};
    int64_t dims[6] = {deep[0], c, h, b, w, b};
    // the innermost loop should be that of the output
    static const int order[2][6] = {{0, 1, 2, 3, 4, 5}, {0, 3, 5, 1, 2, 4}};
    box->size = whet_port_size(&p->out[0]);
    for (int32_t i = 0; i < 6; i++) {
        int d = order[!to_space][i];
        whet_box_add(box, dims[d], to_space ? wide[d] : tall[d], to_space ? tall[d] : wide[d]);
    }
    whet_box_finish(box);
}

static whet_status run_space(const whet_call *c, bool to_space, int64_t begin, int64_t end) {
    whet_box b = {0};
    space_box(c->p, to_space, &b);
    for (int64_t t = begin; t < end && b.units; t++)
        whet_box_copy(&b, c->out[0], c->in[0], t, whet_tasks_of_bytes(c->p));
    return WHET_OK;
}
static whet_status run_depth_to_space(const whet_call *c, int32_t phase, int64_t begin,
                                      int64_t end) {
    (void)phase;
    return run_space(c, true, begin, end);
}
static whet_status run_space_to_depth(const whet_call *c, int32_t phase, int64_t begin,
                                      int64_t end) {
    (void)phase;
    return run_space(c, false, begin, end);
}

static bool accepts_space(const whet_problem *p, const whet_port *deep, const whet_port *wide) {
    int64_t b = whet_problem_int(p, "blocksize", 0);
    if (p->n_in != 1 || p->n_out != 1 || !whet_move_ports(p, 1) || !whet_port_plain(deep) ||
        !whet_port_plain(wide))
        return false;
    return b >= 1 && b <= 1 << 15 && deep->rank == 4 && wide->rank == 4 &&
           deep->dims[0] == wide->dims[0] && deep->dims[1] == wide->dims[1] * b * b &&
           wide->dims[2] == deep->dims[2] * b && wide->dims[3] == deep->dims[3] * b;
}
static bool accepts_depth_to_space(const whet_problem *p) {
    return accepts_space(p, &p->in[0], &p->out[0]);
}
static bool accepts_space_to_depth(const whet_problem *p) {
    return accepts_space(p, &p->out[0], &p->in[0]);
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
MOVE_KERNEL(where);
MOVE_KERNEL(depth_to_space);
MOVE_KERNEL(space_to_depth);
