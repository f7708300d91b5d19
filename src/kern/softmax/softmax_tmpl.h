// SPDX-License-Identifier: Apache-2.0
// softmax y = e^(x - m) / sum e^(x - m) and log_softmax y = x - m - ln sum e^(x - m), m = max x,
// along one axis of a plain tensor seen as [outer, n, inner]. inner = 1: vectors run along the
// axis, which is read three times (the row stays in cache); else vectors run across, one group of
// columns at a time. Stored as bf16, the terms wait in scratch, as f32.
#include "kern/cost.h"
#include "kern/typed.h"
#include "kern/vmath.h"

typedef struct softmax_shape {
    int64_t outer, n, inner;
} softmax_shape;

static softmax_shape shape_of(const whet_problem *p) {
    const whet_port *x = &p->in[0];
    int32_t axis = whet_axis(((const whet_softmax_attrs *)p->attrs)->axis, x->rank);
    return (softmax_shape){whet_dims_count(x->dims, axis), x->dims[axis],
                           whet_dims_count(x->dims + axis + 1, x->rank - axis - 1)};
}

V_FN vf tail_or(const vx *x, int64_t left, float other) {
    if (left >= V_W) return x_load(x);
    return v_select(vm_first(left), x_load_n(x, left), v_set1(other));
}

static float row_max(const vx *x, int64_t n) {
    vf a = v_set1(-INFINITY), b = a;
    int64_t i = 0;
    for (; i + 2 * V_W <= n; i += 2 * V_W) {
        a = v_max(x_load(x + i), a);
        b = v_max(x_load(x + i + V_W), b);
    }
    for (; i < n; i += V_W) a = v_max(tail_or(x + i, n - i, -INFINITY), a);
    return v_hmax(v_max(a, b));
}

// sum e^(x - m); the terms go to y when there is one. A NaN, lost by the maximum, shows up here.
V_FN float exp_sum(const vx *x, float *y, float max, int64_t n) {
    vf a = v_zero(), b = a, m = v_set1(max);
    int64_t i = 0;
    for (; i + 2 * V_W <= n; i += 2 * V_W) {
        vf e = v_exp_neg(x_load(x + i) - m), f = v_exp_neg(x_load(x + i + V_W) - m);
        if (y) v_store(y + i, e), v_store(y + i + V_W, f);
        a += e;
        b += f;
    }
    for (; i < n; i += V_W) {
        vf e = v_exp_neg(tail_or(x + i, n - i, -INFINITY) - m);
        if (y) v_store_n(y + i, e, n - i);
        a += n - i >= V_W ? e : v_select(vm_first(n - i), e, v_zero());
    }
    return v_sum(a + b);
}

V_FN void softmax_row(bool log, const vx *x, vx *y, float *terms, int64_t n) {
    float max = row_max(x, n), sum = exp_sum(x, log ? NULL : terms, max, n);
    vf m = v_set1(max), s = v_set1(log ? logf(sum) : 1 / sum);
    for (int64_t i = 0; i < n; i += V_W) {
        vf v = log ? x_load_n(x + i, n - i) : v_load_n(terms + i, n - i);
        x_store_n(y + i, log ? v - m - s : v * s, n - i);
    }
}

// n values `step` apart in each of `cols` columns; terms are `term_step` apart
V_FN void softmax_columns(bool log, const vx *x, vx *y, float *terms, int64_t term_step, int64_t n,
                          int64_t step, int64_t cols) {
    vf max = v_set1(-INFINITY), sum = v_zero();
    for (int64_t k = 0; k < n; k++) max = v_max(x_load_n(x + k * step, cols), max);
    for (int64_t k = 0; k < n; k++) {
        vf e = v_exp_neg(x_load_n(x + k * step, cols) - max);
        sum += e;
        if (!log) v_store_n(terms + k * term_step, e, cols);
    }
    sum = log ? v_log(sum) : v_set1(1.0f) / sum;
    for (int64_t k = 0; k < n; k++) {
        vf v = log ? x_load_n(x + k * step, cols) : v_load_n(terms + k * term_step, cols);
        x_store_n(y + k * step, log ? v - max - sum : v * sum, cols);
    }
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    softmax_shape s = shape_of(p);
    (void)params, (void)phase;
    return s.outer * ((s.inner + V_W - 1) / V_W);
}

V_FN void softmax_tasks(bool log, const whet_call *c, int64_t begin, int64_t end) {
    softmax_shape s = shape_of(c->p);
    int64_t parts = (s.inner + V_W - 1) / V_W;
    for (int64_t t = begin; t < end; t++) {
        int64_t col = t % parts * V_W, at = t / parts * s.n * s.inner + col;
        const vx *x = (const vx *)c->in[0] + at;
        vx *y = (vx *)c->out[0] + at;
        float *terms = X_BF16 ? c->scratch : (float *)(void *)y;
        int64_t term_step = X_BF16 ? V_W : s.inner;
        if (s.inner == 1) softmax_row(log, x, y, terms, s.n);
        else softmax_columns(log, x, y, terms, term_step, s.n, s.inner, s.inner - col);
    }
}

static size_t scratch(const whet_problem *p, const int32_t *params) {
    softmax_shape s = shape_of(p);
    (void)params;
    return X_BF16 ? sizeof(float) * (size_t)s.n * (s.inner == 1 ? 1 : V_W) : 0;
}

static whet_status run_softmax(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    softmax_tasks(false, c, begin, end);
    return WHET_OK;
}
static whet_status run_log_softmax(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    softmax_tasks(true, c, begin, end);
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (x->dtype != X_DTYPE || y->dtype != X_DTYPE || x->rank != y->rank) return false;
    if (x->rank < 1 || x->layout != WHET_LAYOUT_PLAIN || y->layout != WHET_LAYOUT_PLAIN)
        return false;
    if (memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims)) return false;
    int64_t axis = ((const whet_softmax_attrs *)p->attrs)->axis;
    return axis >= -x->rank && axis < x->rank && whet_dims_count(x->dims, x->rank) >= 0 &&
           x->dims[whet_axis(axis, x->rank)] <= INT32_MAX;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(1.2, 2.5, 20.0));
}

static bool inplace(const whet_problem *p, int32_t i) {
    (void)p;
    return i == 0;
}

#define SOFTMAX_KERNEL(operator)                                                                   \
    const whet_kernel V_CAT(whet_kernel_##operator##_, X_ISA) = {                                  \
        .name = #operator "_" X_NAME,                                                              \
        .stores = X_STORES,                                                                        \
        .scratch = scratch,                                                                        \
        .op = #operator,                                                                           \
        .revision = 1,                                                                             \
        .cpu = V_CPU,                                                                              \
        .accepts = accepts,                                                                        \
        .cost = cost,                                                                              \
        .tasks = tasks,                                                                            \
        .run = run_##operator,                                                                     \
        .inplace = inplace,                                                                        \
        .tolerance = 4,                                                                            \
    }
SOFTMAX_KERNEL(softmax);
SOFTMAX_KERNEL(log_softmax);
