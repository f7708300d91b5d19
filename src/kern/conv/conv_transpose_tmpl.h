// SPDX-License-Identifier: Apache-2.0
// Template of the transposed convolution: plain layout, one to three spatial dimensions, constant
// weights. A task is a block of output channels of one group and image: a matrix product gives for
// each of them and each tap the contribution of every input pixel, columns [channel, tap][pixel] in
// scratch, which are then added up where the strides put them.
//   packed weights: the rows [group][output channel, tap][input channel], a fixed pitch apart
#include <string.h>

#include "kern/conv/conv_geom.h"
#include "kern/microtile.h"
#include "kern/simd.h"

#define TILES V_CAT(whet_tiles_, V_ISA)
#define APPLY V_CAT(whet_epilogue_apply_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)
#define SCRATCH_MAX (INT64_C(1) << 27) // floats of one output channel

typedef struct conv_plan {
    whet_conv_geom g;
    int64_t pitch;          // floats between rows of weights
    int64_t cols;           // floats between rows of columns: pixels in whole panels
    int64_t block, blocks;  // output channels a task
} conv_plan;

static int64_t row_pitch(int64_t depth) { return (CEIL(depth, 16) | 1) * 16; }

static bool plan_init(conv_plan *c, const whet_problem *p) {
    if (!whet_conv_geom_init(&c->g, p)) return false;
    const whet_conv_geom *g = &c->g;
    c->pitch = row_pitch(g->cg);
    c->cols = CEIL(g->in_size, PANEL) * PANEL;
    int64_t size, l2 = p->l2_bytes ? p->l2_bytes : 512 << 10;
    if (__builtin_mul_overflow(g->taps, c->cols, &size) || size > SCRATCH_MAX) return false;
    int64_t threads = p->threads > 1 ? p->threads : 1, room = l2 / 8 / size;
    c->block = room < 1 ? 1 : room > g->kg ? g->kg : room;
    while (c->block > 1 && g->n * g->groups * CEIL(g->kg, c->block) < 2 * threads) c->block /= 2;
    c->blocks = CEIL(g->kg, c->block);
    return true;
}

// The last pixels, fewer than a panel: packed [channel][PANEL].
static void pack_tail(const whet_conv_geom *g, float *dst, const float *src, int64_t from) {
    for (int64_t c = 0; c < g->cg; c++)
        for (int64_t v = 0; v < PANEL; v += V_W) {
            int64_t left = g->in_size - from - v;
            v_store(dst + c * PANEL + v,
                    left > 0 ? v_load_n(src + c * g->in_size + from + v, left) : v_zero());
        }
}

// columns [rows][cols] = weights [rows][channel] src [channel][pixel]
static void multiply(const conv_plan *c, float *columns, const float *w, const float *src,
                     float *tail, int64_t rows) {
    const whet_conv_geom *g = &c->g;
    int64_t tiles = CEIL(rows, TILES.pixels);
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = g->cg, .last = g->cg};
    whet_tile_out o = {.pixel = c->cols, .vec = V_W, .cols = PANEL};
    for (int64_t from = 0; from < g->in_size; from += PANEL) {
        bool whole = g->in_size - from >= PANEL;
        if (!whole) pack_tail(g, tail, src, from);
        walk.w_step = whole ? g->in_size : PANEL;
        for (int64_t t = 0; t < tiles; t++) {
            int64_t row = rows * t / tiles, n = rows * (t + 1) / tiles - row;
            o.y = columns + row * c->cols + from;
            TILES.one[1][n](w + row * c->pitch, c->pitch, 0, whole ? src + from : tail, &walk, &o);
        }
    }
}

// Input positions i with 0 <= i stride + at < size: [*lo, *hi).
static void reach(int64_t at, int64_t stride, int64_t size, int64_t in, int64_t *lo, int64_t *hi) {
    *lo = at < 0 ? CEIL(-at, stride) : 0;
    *hi = size > at ? CEIL(size - at, stride) : 0;
    if (*hi > in) *hi = in;
}

V_FN void add_row(float *y, const float *col, int64_t lo, int64_t hi, int64_t stride) {
    for (int64_t i = lo; i < hi; i++) y[i * stride] += col[i];
}

// Adds the contributions of one tap (z, y, x) to a plane.
static void scatter(const whet_conv_geom *g, float *plane, const float *col, const int64_t tap[3]) {
    int64_t at[3], lo[3], hi[3];
    for (int d = 0; d < 3; d++) {
        at[d] = tap[d] * g->dil[d] - g->pad[d];
        reach(at[d], g->stride[d], g->out[d], g->in[d], &lo[d], &hi[d]);
    }
    for (int64_t z = lo[0]; z < hi[0]; z++)
        for (int64_t y = lo[1]; y < hi[1]; y++) {
            int64_t oz = z * g->stride[0] + at[0], oy = y * g->stride[1] + at[1];
            float *to = plane + (oz * g->out[1] + oy) * g->out[2];
            const float *from = col + (z * g->in[1] + y) * g->in[2];
            if (g->stride[2] == 1) add_row(to + at[2], from, lo[2], hi[2], 1);
            else if (g->stride[2] == 2) add_row(to + at[2], from, lo[2], hi[2], 2);
            else add_row(to + at[2], from, lo[2], hi[2], g->stride[2]);
        }
}

static void add_plane(const whet_conv_geom *g, float *plane, const float *columns, int64_t cols,
                      float bias) {
    for (int64_t i = 0; i < g->out_size; i++) plane[i] = bias;
    int64_t tap[3];
    for (tap[0] = 0; tap[0] < g->ker[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < g->ker[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < g->ker[2]; tap[2]++, columns += cols)
                scatter(g, plane, columns, tap);
}

static void run_task(const whet_call *call, const conv_plan *c, int64_t task) {
    const whet_conv_geom *g = &c->g;
    int64_t ng = task / c->blocks, first = task % c->blocks * c->block, oc;
    int64_t n = g->kg - first < c->block ? g->kg - first : c->block;
    float *columns = call->scratch, *tail = columns + c->block * g->taps * c->cols;
    oc = ng % g->groups * g->kg + first;
    multiply(c, columns, (const float *)call->packed[1] + oc * g->taps * c->pitch,
             (const float *)call->in[0] + ng * g->cg * g->in_size, tail, n * g->taps);
    const float *bias = call->p->n_in > 2 ? call->in[2] : NULL;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = (ng * g->kg + first + i) * g->out_size;
        float *plane = (float *)call->out[0] + at;
        add_plane(g, plane, columns + i * g->taps * c->cols, c->cols, bias ? bias[oc + i] : 0);
        if (!whet_epilogue_empty(&call->p->epi))
            APPLY(&call->p->epi, plane, call->other ? (const float *)call->other + at : NULL,
                  g->out_size);
    }
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    for (int64_t task = begin; task < end; task++) run_task(call, call->state, task);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool conv_accepts(const whet_problem *p) {
    conv_plan c;
    if (p->n_in < 2 || p->n_out < 1 || p->out[0].layout != WHET_LAYOUT_PLAIN) return false;
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].layout != WHET_LAYOUT_PLAIN) return false;
    return p->in[1].constant && plan_init(&c, p);
}
static size_t conv_scratch(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    if (!plan_init(&c, p)) return 0;
    return sizeof(float) * (size_t)(c.block * c.g.taps * c.cols + c.g.cg * PANEL);
}
static void conv_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t conv_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    conv_plan c;
    (void)params, (void)phase;
    return plan_init(&c, p) ? c.g.n * c.g.groups * c.blocks : 0;
}

static void weight_shape(const whet_problem *p, int64_t *groups, int64_t *cg, int64_t *rows) {
    const int64_t *d = p->in[1].dims;
    *groups = ((const whet_conv_transpose_attrs *)p->attrs)->group;
    *cg = d[0] / *groups, *rows = 1;
    for (int32_t i = 1; i < p->in[1].rank; i++) *rows *= d[i];
}
static size_t conv_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    int64_t groups, cg, rows;
    (void)params;
    if (i != 1) return 0;
    weight_shape(p, &groups, &cg, &rows);
    return sizeof(float) * (size_t)(groups * rows * row_pitch(cg));
}
static whet_status conv_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    int64_t groups, cg, rows;
    (void)params;
    weight_shape(p, &groups, &cg, &rows);
    int64_t pitch = row_pitch(cg);
    memset(dst, 0, conv_pack_bytes(p, params, i));
    for (int64_t g = 0; g < groups; g++)
        for (int64_t c = 0; c < cg; c++)
            for (int64_t r = 0; r < rows; r++)
                ((float *)dst)[(g * rows + r) * pitch + c] =
                    ((const float *)src->data)[(g * cg + c) * rows + r];
    return WHET_OK;
}

static double conv_cost(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    const whet_conv_geom *g = &c.g;
    double columns = (double)(g->n * g->k) * (double)g->taps * (double)c.cols;
    double threads = p->threads > 1 ? p->threads : 1;
    return (columns * 2 * (double)g->cg / (0.8 * KERN_PEAK) + columns * 1e-9) / threads +
           whet_problem_bytes(p) / KERN_BANDWIDTH;
}

const whet_kernel V_CAT(whet_kernel_conv_transpose_f32_, TILE_ID) = {
    .name = "conv_transpose_f32_" TILE_NAME,
    .op = "conv_transpose",
    .revision = 1,
    .cpu = V_CPU,
    .accepts = conv_accepts,
    .cost = conv_cost,
    .pack_bytes = conv_pack_bytes,
    .pack = conv_pack,
    .scratch = conv_scratch,
    .state_bytes = sizeof(conv_plan),
    .prepare = conv_prepare,
    .tasks = conv_tasks,
    .run = conv_run,
    .tolerance = 2,
};
