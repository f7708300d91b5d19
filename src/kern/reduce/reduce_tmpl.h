// SPDX-License-Identifier: Apache-2.0
// Sums, means, norms and extremes over any axes of f32. When the innermost loop is reduced, vectors
// run along it; when it is kept, vectors hold neighbouring outputs and step over the reduced loops.
// Blocked layouts: over all pixels, a channel a lane.
#include "kern/cost.h"
#include "kern/reduce/reduce.h"
#include "kern/vmath.h"

typedef enum reduction {
    R_SUM,
    R_MEAN,
    R_MAX,
    R_MIN,
    R_PROD,
    R_L1,
    R_L2,
    R_SUM_SQUARE,
    R_LOG_SUM
} reduction;

V_FN float start_of(reduction r) {
    return r == R_MAX ? -INFINITY : r == R_MIN ? INFINITY : r == R_PROD ? 1 : 0;
}
V_FN vf take(reduction r, vf acc, vf x) {
    switch (r) {
    case R_MAX: return v_max_nan(acc, x);
    case R_MIN: return v_min_nan(acc, x);
    case R_PROD: return acc * x;
    case R_L1: return acc + v_abs(x);
    case R_L2:
    case R_SUM_SQUARE: return v_fma(x, x, acc);
    default: return acc + x;
    }
}
// of two accumulators
V_FN vf join(reduction r, vf a, vf b) {
    return r == R_L1 || r == R_L2 || r == R_SUM_SQUARE ? a + b : take(r, a, b);
}
V_FN float join_lanes(reduction r, vf a) {
    if (r != R_MAX && r != R_MIN && r != R_PROD) return v_sum(a);
    float f = a[0];
    for (int i = 1; i < V_W; i++) {
        if (r == R_PROD) f *= a[i];
        else if (r == R_MAX) f = a[i] != a[i] || a[i] > f ? a[i] : f;
        else f = a[i] != a[i] || a[i] < f ? a[i] : f;
        if (r != R_PROD && f != f) return f;
    }
    return f;
}
V_FN float finish(reduction r, float a, float n) {
    return r == R_MEAN ? a / n : r == R_L2 ? sqrtf(a) : r == R_LOG_SUM ? logf(a) : a;
}
V_FN vf finish_v(reduction r, vf a, float n) {
    return r == R_MEAN ? a / v_set1(n) : r == R_L2 ? v_sqrt(a) : r == R_LOG_SUM ? v_log(a) : a;
}

// Contiguous run of n.
V_FN vf take_run(reduction r, vf acc, const float *x, int64_t n) {
    vf a[3];
    int64_t i = 0;
    if (n >= 4 * V_W) {
        for (int j = 0; j < 3; j++) a[j] = v_set1(start_of(r));
        for (; i + 4 * V_W <= n; i += 4 * V_W) {
            acc = take(r, acc, v_load(x + i));
            for (int j = 0; j < 3; j++) a[j] = take(r, a[j], v_load(x + i + (j + 1) * V_W));
        }
        acc = join(r, join(r, acc, a[0]), join(r, a[1], a[2]));
    }
    for (; i + V_W <= n; i += V_W) acc = take(r, acc, v_load(x + i));
    if (i < n) acc = v_select(vm_first(n - i), take(r, acc, v_load_n(x + i, n - i)), acc);
    return acc;
}

// Output `at` when the innermost loop is reduced.
V_FN float one_output(reduction r, const reduce_loops *l, const float *x, int64_t at) {
    int64_t pos[WHET_MAX_RANK] = {0}, offset = 0, run = 1;
    int32_t outer = l->reduced;
    for (int32_t d = l->kept - 1; d >= 0; d--) {
        offset += at % l->kept_size[d] * l->kept_step[d];
        at /= l->kept_size[d];
    }
    if (outer > 0) run = l->reduced_size[--outer];
    vf acc = v_set1(start_of(r));
    do acc = take_run(r, acc, x + offset, run);
    while (whet_reduce_next(outer, l->reduced_size, l->reduced_step, pos, &offset));
    return finish(r, join_lanes(r, acc), (float)l->each);
}

// cols neighbouring outputs at x, 2 vectors at most.
V_FN void columns(reduction r, const reduce_loops *l, const float *x, float *y, int64_t cols) {
    int64_t pos[WHET_MAX_RANK] = {0}, offset = 0, step = 0, run = 1, rest = cols - V_W;
    int32_t outer = l->reduced;
    vf a = v_set1(start_of(r)), b = a;
    if (outer > 0) {
        run = l->reduced_size[--outer];
        step = l->reduced_step[outer];
    }
    do {
        const float *from = x + offset;
        for (int64_t k = 0; k < run; k++, from += step) {
            a = take(r, a, v_load_n(from, cols));
            if (rest > 0) b = take(r, b, v_load_n(from + V_W, rest));
        }
    } while (whet_reduce_next(outer, l->reduced_size, l->reduced_step, pos, &offset));
    v_store_n(y, finish_v(r, a, (float)l->each), cols);
    if (rest > 0) v_store_n(y + V_W, finish_v(r, b, (float)l->each), rest);
}

// Outputs [begin, end) when the innermost loop is kept.
V_FN void across(reduction r, const reduce_loops *l, const float *x, float *y, int64_t begin,
                 int64_t end) {
    int64_t width = l->kept_size[l->kept - 1];
    while (begin < end) {
        int64_t at = begin, offset = 0, cols = width - begin % width;
        for (int32_t d = l->kept - 1; d >= 0; d--) {
            offset += at % l->kept_size[d] * l->kept_step[d];
            at /= l->kept_size[d];
        }
        if (cols > end - begin) cols = end - begin;
        if (cols > 2 * V_W) cols = 2 * V_W;
        columns(r, l, x + offset, y + begin, cols);
        begin += cols;
    }
}

V_FN whet_status plain(reduction r, const whet_call *c, int64_t begin, int64_t end) {
    reduce_loops l;
    const float *x = c->in[0];
    float *y = c->out[0];
    WHET_TRY(whet_reduce_loops(c, &l));
    begin *= REDUCE_UNIT;
    end = end * REDUCE_UNIT < l.outputs ? end * REDUCE_UNIT : l.outputs;
    if (l.kept > 0 && l.kept_step[l.kept - 1] == 1) {
        across(r, &l, x, y, begin, end);
        return WHET_OK;
    }
    for (int64_t i = begin; i < end; i++) y[i] = one_output(r, &l, x, i);
    return WHET_OK;
}

V_FN void blocks(reduction r, const whet_call *c, int64_t begin, int64_t end) {
    const whet_port *port = &c->p->in[0];
    int64_t b = whet_layout_block(port->layout),
            n = whet_dims_count(port->dims + 2, port->rank - 2);
    for (int64_t i = begin; i < end; i++)
        for (int64_t lane = 0; lane < b; lane += V_W) {
            const float *x = (const float *)c->in[0] + i * n * b + lane;
            vf acc[4];
            for (int j = 0; j < 4; j++) acc[j] = v_set1(start_of(r));
            int64_t k = 0;
            for (; k + 4 <= n; k += 4)
                for (int j = 0; j < 4; j++) acc[j] = take(r, acc[j], v_load(x + (k + j) * b));
            for (; k < n; k++) acc[0] = take(r, acc[0], v_load(x + k * b));
            vf all = join(r, join(r, acc[0], acc[1]), join(r, acc[2], acc[3]));
            v_store((float *)c->out[0] + i * b + lane, finish_v(r, all, (float)n));
        }
}

static bool accepts(const whet_problem *p) {
    int64_t block = whet_layout_block(p->in[0].layout);
    return whet_reduce_accepts(p) && (block == 1 || block % V_W == 0);
}

static double cost(const whet_problem *p, const int32_t *params) {
    double n = (double)whet_dims_count(p->in[0].dims, p->in[0].rank);
    (void)params;
    return whet_cost_stream(p, 1) + n * V_PICK(0.1, 0.2, 1.0) / 3e9;
}

#define REDUCE_KERNEL(operator, kind)                                                              \
    static whet_status run_##operator(const whet_call *c, int32_t phase, int64_t begin,            \
                                      int64_t end) {                                               \
        (void)phase;                                                                               \
        if (c->p->in[0].layout == WHET_LAYOUT_PLAIN) return plain(kind, c, begin, end);            \
        blocks(kind, c, begin, end);                                                               \
        return WHET_OK;                                                                            \
    }                                                                                              \
    const whet_kernel V_CAT(whet_kernel_##operator##_f32_, V_ISA) = {                              \
        .name = #operator"_f32_" V_NAME,                                                           \
        .op = #operator,                                                                           \
        .revision = 1,                                                                             \
        .cpu = V_CPU,                                                                              \
        .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN) | WHET_LAYOUT_BIT(WHET_LAYOUT_C8) |          \
                   WHET_LAYOUT_BIT(WHET_LAYOUT_C16),                                               \
        .accepts = accepts,                                                                        \
        .cost = cost,                                                                              \
        .tasks = whet_reduce_tasks,                                                                \
        .run = run_##operator,                                                                     \
        .tolerance = 2,                                                                            \
    }
REDUCE_KERNEL(reduce_sum, R_SUM);
REDUCE_KERNEL(reduce_mean, R_MEAN);
REDUCE_KERNEL(reduce_max, R_MAX);
REDUCE_KERNEL(reduce_min, R_MIN);
REDUCE_KERNEL(reduce_prod, R_PROD);
REDUCE_KERNEL(reduce_l1, R_L1);
REDUCE_KERNEL(reduce_l2, R_L2);
REDUCE_KERNEL(reduce_sum_square, R_SUM_SQUARE);
REDUCE_KERNEL(reduce_log_sum, R_LOG_SUM);
