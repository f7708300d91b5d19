// SPDX-License-Identifier: Apache-2.0
// Resize of f32. An output row is a blend of up to four input rows, then of up to two neighbours in
// the row. Lanes are channels in blocked layouts and NHWC; in plain layout the input rows are
// blended along w first and neighbours are picked from the blend.
#include "kern/cost.h"
#include "kern/resize/resize.h"
#include "kern/simd.h"

typedef struct blend {
    const float *row[4];
    float weight[4];
    int32_t n;
} blend;

static void add_row(blend *b, const resize_view *v, const float *plane, int64_t d, int64_t h,
                    float w) {
    if (w == 0) return;
    b->row[b->n] = plane + (d * v->in[3] + h) * v->in[4] * v->block;
    b->weight[b->n++] = w;
}

static void rows_of(const resize_view *v, const float *plane, int64_t d, int64_t h, blend *b) {
    const resize_tap *td = &v->taps[2][d], *th = &v->taps[3][h];
    b->n = 0;
    add_row(b, v, plane, td->i0, th->i0, td->w0 * th->w0);
    add_row(b, v, plane, td->i0, th->i1, td->w0 * th->w1);
    add_row(b, v, plane, td->i1, th->i0, td->w1 * th->w0);
    add_row(b, v, plane, td->i1, th->i1, td->w1 * th->w1);
}

V_FN vf blend_at(const blend *b, int64_t at, int64_t left) {
    vf sum = v_load_n(b->row[0] + at, left) * v_set1(b->weight[0]);
    for (int32_t r = 1; r < b->n; r++)
        sum = v_fma(v_load_n(b->row[r] + at, left), v_set1(b->weight[r]), sum);
    return sum;
}

static void lanes_row(const resize_view *v, const blend *b, float *y) {
    const resize_tap *t = v->taps[4];
    for (int64_t w = 0; w < v->out[4]; w++, t++, y += v->block)
        for (int64_t lane = 0; lane < v->block; lane += V_W) {
            int64_t left = v->block - lane;
            vf s = blend_at(b, t->i0 * v->block + lane, left);
            if (t->w1 != 0)
                s = v_fma(blend_at(b, t->i1 * v->block + lane, left), v_set1(t->w1),
                          s * v_set1(t->w0));
            v_store_n(y + lane, s, left);
        }
}

static void plain_row(const resize_view *v, const blend *b, float *y) {
    const resize_tap *t = v->taps[4];
    const float *x = b->row[0];
    if (b->n > 1 || b->weight[0] != 1) {
        for (int64_t i = 0; i < v->in[4]; i += V_W)
            v_store_n(v->row + i, blend_at(b, i, v->in[4] - i), v->in[4] - i);
        x = v->row;
    }
    for (int64_t w = 0; w < v->out[4]; w++) {
        float s = x[t[w].i0];
        y[w] = t[w].w1 != 0 ? s * t[w].w0 + x[t[w].i1] * t[w].w1 : s;
    }
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    resize_view v;
    (void)phase;
    WHET_TRY(whet_resize_view(c, &v));
    int64_t size = v.in[2] * v.in[3] * v.in[4] * v.block;
    for (int64_t task = begin; task < end; task++) {
        if (!v.spatial) {
            whet_resize_row_any(c, &v, task);
            continue;
        }
        blend b;
        int64_t h = task % v.out[3], d = task / v.out[3] % v.out[2],
                plane = task / v.out[3] / v.out[2];
        rows_of(&v, (const float *)c->in[0] + plane * size, d, h, &b);
        float *y = (float *)c->out[0] + task * v.out[4] * v.block;
        if (c->p->in[0].layout == WHET_LAYOUT_PLAIN) plain_row(&v, &b, y);
        else lanes_row(&v, &b, y);
    }
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    int64_t block = whet_layout_block(p->in[0].layout);
    return whet_resize_accepts(p) && (block == 1 || block % V_W == 0);
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, p->in[0].layout == WHET_LAYOUT_PLAIN ? 2.5 : V_PICK(0.4, 0.8, 6.0));
}

const whet_kernel V_CAT(whet_kernel_resize_f32_, V_ISA) = {
    .name = "resize_f32_" V_NAME,
    .op = "resize",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = accepts,
    .cost = cost,
    .scratch = whet_resize_scratch,
    .tasks = whet_resize_tasks,
    .run = run,
    .tolerance = 4,
};
