// SPDX-License-Identifier: Apache-2.0
// Poolings over f32, stored as such or as bf16. Channels last or in blocks: lanes are channels, one
// output pixel at a time. Plain: the rows of a window are combined into one row (vectors along x),
// then its columns.
// A NaN never wins a maximum; a window without taps gives -inf, or 0 for an average.
#include "kern/cost.h"
#include "kern/pool/pool.h"
#include "kern/typed.h"

V_FN vf combine(bool is_max, vf acc, vf x) { return is_max ? v_max(x, acc) : acc + x; }
V_FN float combine1(bool is_max, float acc, float x) {
    return is_max ? (x > acc ? x : acc) : acc + x;
}
V_FN float first_value(bool is_max) { return is_max ? -INFINITY : 0; }

static float divisor_of(const pool_plan *plan, const pool_taps t[3]) {
    int64_t n = 1;
    for (int32_t d = 0; d < 3; d++) n *= plan->include_pad ? t[d].counted : t[d].last - t[d].first;
    return (float)n;
}

// ---- lanes are channels ----

V_FN vf pixel_vector(bool is_max, const pool_plan *plan, const pool_taps t[3], const vx *x,
                     int64_t lanes) {
    const whet_window *w = &plan->w;
    vf acc = v_set1(first_value(is_max));
    int64_t step = w->dilation[2] * plan->pixel;
    for (int64_t kz = t[0].first; kz < t[0].last; kz++)
        for (int64_t ky = t[1].first; ky < t[1].last; ky++) {
            int64_t row =
                (t[0].start + kz * w->dilation[0]) * w->in[1] + t[1].start + ky * w->dilation[1];
            const vx *at =
                x + (row * w->in[2] + t[2].start + t[2].first * w->dilation[2]) * plan->pixel;
            for (int64_t kx = t[2].first; kx < t[2].last; kx++, at += step)
                acc = combine(is_max, acc, x_load_n(at, lanes));
        }
    return acc;
}

#define TOGETHER 4 // output pixels

// Output pixels [from, to) of a row, whose windows lie inside of it; t[2] is that of any of them.
// lanes: whole vectors.
V_FN void inner_pixels(bool is_max, const pool_plan *plan, const pool_taps t[3], const vx *x,
                       vx *y, int64_t from, int64_t to) {
    const whet_window *w = &plan->w;
    const int64_t jump = w->stride[2] * plan->pixel, step = w->dilation[2] * plan->pixel;
    const vf n = v_set1(is_max ? 1 : divisor_of(plan, t));
    for (int64_t o = from; o < to;) {
        int64_t count = to - o < TOGETHER ? 1 : TOGETHER;
        vf acc[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) acc[i] = v_set1(first_value(is_max));
        for (int64_t kz = t[0].first; kz < t[0].last; kz++)
            for (int64_t ky = t[1].first; ky < t[1].last; ky++) {
                int64_t row = (t[0].start + kz * w->dilation[0]) * w->in[1] + t[1].start +
                              ky * w->dilation[1];
                const vx *at =
                    x + (row * w->in[2] + o * w->stride[2] - w->pad_begin[2]) * plan->pixel;
                for (int64_t kx = 0; kx < w->kernel[2]; kx++, at += step)
                    if (count == TOGETHER)
                        for (int i = 0; i < TOGETHER; i++)
                            acc[i] = combine(is_max, acc[i], x_load(at + i * jump));
                    else acc[0] = combine(is_max, acc[0], x_load(at));
            }
        for (int i = 0; i < count; i++, o++)
            x_store(y + o * plan->pixel, is_max ? acc[i] : acc[i] / n);
    }
}

V_FN void edge_pixel(bool is_max, const pool_plan *plan, pool_taps t[3], const vx *x, vx *y,
                     int64_t o) {
    t[2] = whet_pool_taps_at(&plan->w, 2, o);
    float n = is_max ? 1 : divisor_of(plan, t);
    for (int64_t c = 0; c < plan->lanes; c += V_W) {
        vf acc = pixel_vector(is_max, plan, t, x + c, plan->lanes - c);
        if (!is_max) acc = n > 0 ? acc / v_set1(n) : v_zero();
        x_store_n(y + o * plan->pixel + c, acc, plan->lanes - c);
    }
}

V_FN void lanes_row(bool is_max, const pool_plan *plan, pool_taps t[3], const vx *x, vx *y) {
    const whet_window *w = &plan->w;
    int64_t o = 0, lo = 0, hi = 0;
    bool some = t[0].first < t[0].last && t[1].first < t[1].last;
    if (plan->lanes % V_W == 0 && some) {
        int64_t room = w->in[2] - 1 - (w->kernel[2] - 1) * w->dilation[2] + w->pad_begin[2];
        lo = (w->pad_begin[2] + w->stride[2] - 1) / w->stride[2];
        hi = room < 0 ? 0 : room / w->stride[2] + 1;
        if (hi > w->out[2]) hi = w->out[2];
    }
    if (lo < hi) {
        for (; o < lo; o++) edge_pixel(is_max, plan, t, x, y, o);
        t[2] = whet_pool_taps_at(w, 2, lo);
        for (int64_t c = 0; c < plan->lanes; c += V_W)
            inner_pixels(is_max, plan, t, x + c, y + c, lo, hi);
        o = hi;
    }
    for (; o < w->out[2]; o++) edge_pixel(is_max, plan, t, x, y, o);
}

// ---- plain ----

// row[i] = the combined column i of the window's rows
V_FN void gather_rows(bool is_max, const pool_plan *plan, const pool_taps t[3], const vx *x,
                      float *row) {
    const whet_window *w = &plan->w;
    for (int64_t i = 0; i < w->in[2]; i += V_W) {
        vf acc = v_set1(first_value(is_max));
        for (int64_t kz = t[0].first; kz < t[0].last; kz++)
            for (int64_t ky = t[1].first; ky < t[1].last; ky++) {
                int64_t at = (t[0].start + kz * w->dilation[0]) * w->in[1] + t[1].start +
                             ky * w->dilation[1];
                acc = combine(is_max, acc, x_load_n(x + at * w->in[2] + i, w->in[2] - i));
            }
        v_store_n(row + i, acc, w->in[2] - i);
    }
}

V_FN void plain_row(bool is_max, const pool_plan *plan, pool_taps t[3], const vx *x, vx *y,
                    float *row) {
    gather_rows(is_max, plan, t, x, row);
    for (int64_t o = 0; o < plan->w.out[2]; o++) {
        t[2] = whet_pool_taps_at(&plan->w, 2, o);
        float acc = first_value(is_max), n = is_max ? 1 : divisor_of(plan, t);
        const float *at = row + t[2].start;
        for (int64_t k = t[2].first; k < t[2].last; k++)
            acc = combine1(is_max, acc, at[k * plan->w.dilation[2]]);
        y[o] = x_narrow(is_max ? acc : n > 0 ? acc / n : 0);
    }
}

V_FN void window_rows(bool is_max, const whet_call *c, int64_t begin, int64_t end) {
    const pool_plan *plan = c->state;
    const whet_window *w = &plan->w;
    int64_t in = w->in[0] * w->in[1] * w->in[2] * plan->pixel, out = w->out[2] * plan->pixel;
    bool plain = c->p->in[0].layout == WHET_LAYOUT_PLAIN;
    for (int64_t r = begin; r < end; r++) {
        pool_taps t[3];
        int64_t plane = r / w->out[1] / w->out[0];
        t[0] = whet_pool_taps_at(w, 0, r / w->out[1] % w->out[0]);
        t[1] = whet_pool_taps_at(w, 1, r % w->out[1]);
        const vx *x = (const vx *)c->in[0] + plane * in;
        vx *y = (vx *)c->out[0] + r * out;
        if (plain) plain_row(is_max, plan, t, x, y, c->scratch);
        else lanes_row(is_max, plan, t, x, y);
    }
}

// ---- over all pixels ----

V_FN vf global_vector(bool is_max, const pool_plan *plan, const vx *x, int64_t lanes) {
    vf a[4];
    int64_t i = 0, n = plan->w.in[2];
    for (int j = 0; j < 4; j++) a[j] = v_set1(first_value(is_max));
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            a[j] = combine(is_max, a[j], x_load_n(x + (i + j) * plan->pixel, lanes));
    for (; i < n; i++) a[0] = combine(is_max, a[0], x_load_n(x + i * plan->pixel, lanes));
    return combine(is_max, combine(is_max, a[0], a[1]), combine(is_max, a[2], a[3]));
}

V_FN float global_plain(bool is_max, const pool_plan *plan, const vx *x) {
    vf a[4];
    int64_t i = 0, n = plan->w.in[2];
    for (int j = 0; j < 4; j++) a[j] = v_set1(first_value(is_max));
    for (; i + 4 * V_W <= n; i += 4 * V_W)
        for (int j = 0; j < 4; j++) a[j] = combine(is_max, a[j], x_load(x + i + j * V_W));
    for (; i + V_W <= n; i += V_W) a[0] = combine(is_max, a[0], x_load(x + i));
    vf all = combine(is_max, combine(is_max, a[0], a[1]), combine(is_max, a[2], a[3]));
    float acc = is_max ? v_hmax(all) : v_sum(all);
    for (; i < n; i++) acc = combine1(is_max, acc, x_widen(x[i]));
    return acc;
}

V_FN void global_groups(bool is_max, const whet_call *c, int64_t begin, int64_t end) {
    const pool_plan *plan = c->state;
    float n = is_max ? 1 : (float)plan->w.in[2];
    for (int64_t g = begin; g < end; g++) {
        const vx *x = (const vx *)c->in[0] + g * plan->w.in[2] * plan->pixel;
        vx *y = (vx *)c->out[0] + g * plan->pixel;
        if (c->p->in[0].layout == WHET_LAYOUT_PLAIN) {
            y[0] = x_narrow(global_plain(is_max, plan, x) / n);
            continue;
        }
        for (int64_t i = 0; i < plan->lanes; i += V_W)
            x_store_n(y + i, global_vector(is_max, plan, x + i, plan->lanes - i) / v_set1(n),
                      plan->lanes - i);
    }
}

// ---- descriptors ----

static whet_status run_max(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    window_rows(true, c, begin, end);
    return WHET_OK;
}
static whet_status run_average(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    window_rows(false, c, begin, end);
    return WHET_OK;
}
static whet_status run_global_max(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    global_groups(true, c, begin, end);
    return WHET_OK;
}
static whet_status run_global_average(const whet_call *c, int32_t phase, int64_t begin,
                                      int64_t end) {
    (void)phase;
    global_groups(false, c, begin, end);
    return WHET_OK;
}

static bool accepts(const whet_problem *p) { return whet_pool_accepts(p, X_DTYPE, V_W); }

static double cost(const whet_problem *p, const int32_t *params) {
    const whet_pool_attrs *a = p->attrs;
    double taps = 1;
    (void)params;
    if (!whet_pool_global(p))
        for (int32_t d = 0; d < a->window.kernel_shape.n; d++)
            taps *= (double)a->window.kernel_shape.v[d];
    bool plain = p->in[0].layout == WHET_LAYOUT_PLAIN && !whet_pool_global(p);
    return whet_cost_stream(p, plain ? taps + 4 : taps * V_PICK(0.08, 0.15, 1.0));
}

#define POOL_KERNEL(operator, function)                                                            \
    const whet_kernel V_CAT(whet_kernel_##operator##_, X_ISA) = {                                  \
        .name = #operator "_" X_NAME,                                                              \
        .op = #operator,                                                                           \
        .revision = 2,                                                                             \
        .cpu = V_CPU,                                                                              \
        .layouts = (1u << WHET_LAYOUT_COUNT) - 1,                                                  \
        .stores = X_STORES,                                                                        \
        .accepts = accepts,                                                                        \
        .cost = cost,                                                                              \
        .scratch = whet_pool_scratch,                                                              \
        .state_bytes = sizeof(pool_plan),                                                          \
        .prepare = whet_pool_prepare,                                                              \
        .tasks = whet_pool_tasks,                                                                  \
        .run = function,                                                                           \
        .tolerance = 2,                                                                            \
    }

POOL_KERNEL(max_pool, run_max);
POOL_KERNEL(average_pool, run_average);
POOL_KERNEL(global_max_pool, run_global_max);
POOL_KERNEL(global_average_pool, run_global_average);
