// SPDX-License-Identifier: Apache-2.0
// max_pool of 8-bit integers, channels last: the compiler turns the loops over channels into
// vectors of bytes. A window without taps gives the lowest number, as the reference does.
#include <string.h>

#include "kern/cost.h"
#include "kern/pool/pool.h"
#include "kern/simd.h"

#define ROW(type)                                                                                  \
    static void larger_##type(type *restrict y, const type *restrict x, int64_t n) {               \
        for (int64_t c = 0; c < n; c++) y[c] = x[c] > y[c] ? x[c] : y[c];                          \
    }                                                                                              \
    static void row_##type(const pool_plan *plan, pool_taps t[3], const type *x, type *y,          \
                           type least) {                                                           \
        const whet_window *w = &plan->w;                                                           \
        for (int64_t o = 0; o < w->out[2]; o++, y += plan->channels) {                             \
            t[2] = whet_pool_taps_at(w, 2, o);                                                     \
            memset(y, least, (size_t)plan->channels);                                              \
            for (int64_t kz = t[0].first; kz < t[0].last; kz++)                                    \
                for (int64_t ky = t[1].first; ky < t[1].last; ky++)                                \
                    for (int64_t kx = t[2].first; kx < t[2].last; kx++) {                          \
                        int64_t row = (t[0].start + kz * w->dilation[0]) * w->in[1] +              \
                                      t[1].start + ky * w->dilation[1];                            \
                        const type *at = x + (row * w->in[2] + t[2].start +                        \
                                              kx * w->dilation[2]) * plan->channels;               \
                        larger_##type(y, at, plan->channels);                                      \
                    }                                                                              \
        }                                                                                          \
    }
ROW(uint8_t)
ROW(int8_t)

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const pool_plan *plan = c->state;
    const whet_window *w = &plan->w;
    int64_t in = w->in[0] * w->in[1] * w->in[2] * plan->channels, out = w->out[2] * plan->channels;
    (void)phase;
    for (int64_t task = begin; task < end; task++) {
        int64_t image = task / (w->out[0] * w->out[1]);
        pool_taps t[3] = {whet_pool_taps_at(w, 0, task / w->out[1] % w->out[0]),
                          whet_pool_taps_at(w, 1, task % w->out[1])};
        const char *x = (const char *)c->in[0] + image * in;
        char *y = (char *)c->out[0] + task * out;
        if (c->p->in[0].dtype == WHET_DTYPE_U8)
            row_uint8_t(plan, t, (const uint8_t *)x, (uint8_t *)y, 0);
        else row_int8_t(plan, t, (const int8_t *)x, (int8_t *)y, INT8_MIN);
    }
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    whet_dtype t = p->n_in == 1 ? p->in[0].dtype : WHET_DTYPE_NONE;
    return (t == WHET_DTYPE_U8 || t == WHET_DTYPE_I8) && p->in[0].layout == WHET_LAYOUT_NHWC &&
           whet_pool_accepts(p, t, 1);
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(0.3, 0.5, 4));
}

const whet_kernel V_CAT(whet_kernel_max_pool_i8_, V_ISA) = {
    .name = "max_pool_i8_" V_NAME,
    .op = "max_pool",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC),
    .accepts = accepts,
    .cost = cost,
    .state_bytes = sizeof(pool_plan),
    .prepare = whet_pool_prepare,
    .tasks = whet_pool_tasks,
    .run = run,
    .tolerance = 0,
};
