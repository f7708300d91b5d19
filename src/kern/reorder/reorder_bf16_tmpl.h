// SPDX-License-Identifier: Apache-2.0
// Conversion between f32 and bf16, and of bf16 between layouts: rounded to nearest even. Where
// channels lie next to each other on one side only, tiles are transposed in registers; on both
// sides, runs of channels are copied. The same layout: element by element, in any rank.
#include "kern/bf16.h"
#include "kern/cost.h"
#include "kern/reorder/reorder.h"
#include "kern/tile_transpose.h"

#define FLAT_CHUNK 8192 // elements a task

typedef struct cast_plan {
    reorder_plan plan;
    int64_t flat; // elements when the layouts are the same, padding included; else 0
} cast_plan;

// ---- one side: floats, or bf16 ----

V_FN int64_t size_of(bool bf) { return bf ? 2 : 4; }
V_FN vf load_as(bool bf, const char *p, int64_t n) {
    return bf ? v_load_bf_n((const uint16_t *)(const void *)p, n)
              : v_load_n((const float *)(const void *)p, n);
}
V_FN void store_as(bool bf, char *p, vf x, int64_t n) {
    if (bf) v_store_bf_n((uint16_t *)(void *)p, x, n);
    else v_store_n((float *)(void *)p, x, n);
}

// Channels next to each other at a pixel: how many at channel c, or 0 when pixels are.
static int64_t run_of(const reorder_side *r, int64_t c, int64_t channels) {
    if (r->pixel == 1 && r->lane == 0) return 0;
    if (r->block == 1) return channels;
    int64_t left = r->block - c % r->block;
    return left < channels ? left : channels;
}

// y[j][i] = x[i][j], rows of x and y so many bytes apart.
V_FN void transpose(bool xb, bool yb, const char *x, int64_t x_row, int64_t rows, int64_t cols,
                    char *y, int64_t y_row) {
    for (int64_t j = 0; j < cols; j += V_W)
        for (int64_t i = 0; i < rows; i += V_W) {
            const char *from = x + i * x_row + j * size_of(xb);
            char *to = y + j * y_row + i * size_of(yb);
            vf r[V_W];
            for (int k = 0; k < V_W; k++)
                r[k] = i + k < rows ? load_as(xb, from + k * x_row, cols - j) : v_zero();
            v_transpose(r);
            for (int k = 0; k < V_W; k++)
                if (j + k < cols) store_as(yb, to + k * y_row, r[k], rows - i);
        }
}

V_FN void convert_flat(bool xb, bool yb, const char *in, char *out, int64_t n) {
    for (int64_t i = 0; i < n; i += V_W)
        store_as(yb, out + i * size_of(yb), load_as(xb, in + i * size_of(xb), n - i), n - i);
}

V_FN void convert_part(bool xb, bool yb, const reorder_plan *plan, const reorder_part *part,
                       const char *in, char *out) {
    const reorder_side *f = &plan->from, *t = &plan->to;
    int64_t xs = size_of(xb), ys = size_of(yb);
    for (int64_t c = part->c, end = part->c + part->channels; c < end;) {
        int64_t from = run_of(f, c, end - c), to = run_of(t, c, end - c);
        int64_t n = from && to && from < to ? from : to ? to : from ? from : 1;
        const char *x = in + whet_reorder_at(f, part->n, c, part->s) * xs;
        char *y = out + whet_reorder_at(t, part->n, c, part->s) * ys;
        if (!from && !to) { // one channel
            convert_flat(xb, yb, x, y, part->pixels);
        } else if (!from) {
            transpose(xb, yb, x, f->group * xs, n, part->pixels, y, t->pixel * ys);
        } else if (!to) {
            transpose(xb, yb, x, f->pixel * xs, part->pixels, n, y, t->group * ys);
        } else {
            for (int64_t s = 0; s < part->pixels; s++, x += f->pixel * xs, y += t->pixel * ys)
                for (int64_t i = 0; i < n; i += V_W)
                    store_as(yb, y + i * ys, load_as(xb, x + i * xs, n - i), n - i);
        }
        c += n;
    }
}

V_FN void tasks_as(bool xb, bool yb, const whet_call *c, int64_t begin, int64_t end) {
    const cast_plan *plan = c->state;
    for (int64_t task = begin; task < end; task++) {
        if (plan->flat) {
            int64_t at = task * FLAT_CHUNK, left = plan->flat - at;
            convert_flat(xb, yb, (const char *)c->in[0] + at * size_of(xb),
                         (char *)c->out[0] + at * size_of(yb),
                         left < FLAT_CHUNK ? left : FLAT_CHUNK);
        } else {
            reorder_part part = whet_reorder_part(&plan->plan, task);
            convert_part(xb, yb, &plan->plan, &part, c->in[0], c->out[0]);
        }
    }
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    bool xb = c->p->in[0].dtype == WHET_DTYPE_BF16, yb = c->p->out[0].dtype == WHET_DTYPE_BF16;
    (void)phase;
    if (!xb) tasks_as(false, true, c, begin, end);
    else if (!yb) tasks_as(true, false, c, begin, end);
    else tasks_as(true, true, c, begin, end);
    return WHET_OK;
}

static bool pair_of_types(whet_dtype x, whet_dtype y) {
    if (x == WHET_DTYPE_F32) return y == WHET_DTYPE_BF16;
    return x == WHET_DTYPE_BF16 && (y == WHET_DTYPE_F32 || y == WHET_DTYPE_BF16);
}

static bool accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (!pair_of_types(x->dtype, y->dtype) || x->rank != y->rank || x->rank < 0) return false;
    if (memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims)) return false;
    // bytes are unknown (SIZE_MAX) where a rank cannot have a layout
    return whet_layout_bytes(x->layout, WHET_DTYPE_F32, x->rank, x->dims) < SIZE_MAX / 2 &&
           whet_layout_bytes(y->layout, WHET_DTYPE_F32, y->rank, y->dims) < SIZE_MAX / 2;
}

static void prepare(const whet_problem *p, const int32_t *params, void *state) {
    cast_plan *plan = state;
    const whet_port *x = &p->in[0];
    *plan = (cast_plan){0};
    if (x->layout == p->out[0].layout)
        plan->flat = (int64_t)(whet_layout_bytes(x->layout, WHET_DTYPE_BF16, x->rank, x->dims) / 2);
    else whet_reorder_prepare(p, params, &plan->plan);
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    cast_plan plan;
    prepare(p, params, &plan);
    if (p->in[0].layout != p->out[0].layout) return whet_reorder_tasks(p, params, phase);
    return (plan.flat + FLAT_CHUNK - 1) / FLAT_CHUNK;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, 0.3);
}

// tolerance: one rounding
const whet_kernel V_CAT(whet_kernel_reorder_bf16_, V_ISA) = {
    .name = "reorder_bf16_" V_NAME,
    .op = "reorder",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = accepts,
    .cost = cost,
    .state_bytes = sizeof(cast_plan),
    .prepare = prepare,
    .tasks = tasks,
    .run = run,
    .tolerance = 1,
};
