// SPDX-License-Identifier: Apache-2.0
// Layout conversion of 32-bit elements. Where channels lie next to each other on one side only,
// tiles are transposed in registers; on both sides, runs of channels are copied.
#include "kern/cost.h"
#include "kern/reorder/reorder.h"
#include "kern/tile_transpose.h"

// Channels next to each other at a pixel: how many at channel c, or 0 when pixels are.
static int64_t run_of(const reorder_side *r, int64_t c, int64_t channels) {
    if (r->pixel == 1 && r->lane == 0) return 0;
    if (r->block == 1) return channels;
    int64_t left = r->block - c % r->block;
    return left < channels ? left : channels;
}

V_FN void copy_channels(const float *x, int64_t x_pixel, float *y, int64_t y_pixel, int64_t n,
                        int64_t pixels) {
    for (int64_t s = 0; s < pixels; s++)
        for (int64_t i = 0; i < n; i += V_W)
            v_store_n(y + s * y_pixel + i, v_load_n(x + s * x_pixel + i, n - i), n - i);
}

static void convert_part(const reorder_plan *plan, const reorder_part *part, const float *in,
                         float *out) {
    const reorder_side *f = &plan->from, *t = &plan->to;
    for (int64_t c = part->c, end = part->c + part->channels; c < end;) {
        int64_t from = run_of(f, c, end - c), to = run_of(t, c, end - c);
        int64_t n = from && to && from < to ? from : to ? to : from ? from : end - c;
        const float *x = in + whet_reorder_at(f, part->n, c, part->s);
        float *y = out + whet_reorder_at(t, part->n, c, part->s);
        if (from && to) copy_channels(x, f->pixel, y, t->pixel, n, part->pixels);
        else if (to) matrix_transpose(x, f->group, n, part->pixels, y, t->pixel);
        else if (from) matrix_transpose(x, f->pixel, part->pixels, n, y, t->group);
        else
            for (int64_t i = 0; i < n; i++)
                memcpy(y + i * t->group, x + i * f->group, (size_t)part->pixels * sizeof *x);
        c += n;
    }
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    for (int64_t task = begin; task < end; task++) {
        reorder_part part = whet_reorder_part(c->state, task);
        convert_part(c->state, &part, c->in[0], c->out[0]);
    }
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    return whet_reorder_accepts(p) && whet_dtype_bits(p->in[0].dtype) == 32;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(0.3, 0.5, 2.0));
}

const whet_kernel V_CAT(whet_kernel_reorder_b32_, V_ISA) = {
    .name = "reorder_b32_" V_NAME,
    .op = "reorder",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = accepts,
    .cost = cost,
    .state_bytes = sizeof(reorder_plan),
    .prepare = whet_reorder_prepare,
    .tasks = whet_reorder_tasks,
    .run = run,
};
