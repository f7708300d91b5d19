// SPDX-License-Identifier: Apache-2.0
// Template of the convolution of last resort that is still fast: plain layout, one to three spatial
// dimensions, any groups, strides, dilations, paddings, weights constant or not. A task gathers the
// window of up to 2 vectors of output pixels, panel [channel, tap][pixel], in scratch, and
// multiplies the weights of a block of output channels by it.
//   packed weights: the rows [output channel][channel, tap], a fixed pitch apart
#include <string.h>

#include "kern/conv/conv_geom.h"
#include "kern/microtile.h"
#include "kern/simd.h"

#define TILES V_CAT(whet_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)

typedef struct conv_plan {
    whet_conv_geom g;
    int64_t depth;          // of the product: channels of a group times taps
    int64_t pitch;          // floats between rows of weights
    int64_t panels, tiles;  // of the pixels, of the output channels of a group
    int64_t block, blocks;  // tiles a task
    bool flat;              // 1x1 without stride or padding: panels are columns of the input
    whet_epi_plan epi;
} conv_plan;

// An odd number of cache lines, so that rows spread over the sets of the cache.
static int64_t row_pitch(int64_t depth) { return (CEIL(depth, 16) | 1) * 16; }

static bool plan_init(conv_plan *c, const whet_problem *p) {
    if (!whet_conv_geom_init(&c->g, p)) return false;
    const whet_conv_geom *g = &c->g;
    c->depth = g->cg * g->taps;
    c->pitch = p->in[1].constant ? row_pitch(c->depth) : c->depth;
    c->panels = CEIL(g->out_size, PANEL);
    c->tiles = CEIL(g->kg, TILES.pixels);
    int64_t threads = p->threads > 1 ? p->threads : 1;
    int64_t wide = g->n * g->groups * c->panels;
    c->blocks = wide < 2 * threads ? CEIL(2 * threads, wide) : 1;
    if (c->blocks > c->tiles) c->blocks = c->tiles;
    c->block = CEIL(c->tiles, c->blocks);
    c->blocks = CEIL(c->tiles, c->block);
    c->flat = g->taps == 1 && g->in_size == g->out_size && !whet_conv_padded(g);
    c->epi = whet_epilogue_plan(&p->epi);
    return true;
}

// ---- gathering a panel ----

// A run of neighbouring output pixels of one row, with its input position before adding the tap.
typedef struct segment {
    int32_t lane, count;
    int64_t at[3];
} segment;

static int find_segments(const whet_conv_geom *g, int64_t pixel, int64_t count, segment *s) {
    int n = 0;
    for (int64_t lane = 0; lane < count; n++) {
        int64_t x = (pixel + lane) % g->out[2], yz = (pixel + lane) / g->out[2];
        int64_t run = g->out[2] - x < count - lane ? g->out[2] - x : count - lane;
        s[n].lane = (int32_t)lane, s[n].count = (int32_t)run;
        s[n].at[0] = yz / g->out[1] * g->stride[0] - g->pad[0];
        s[n].at[1] = yz % g->out[1] * g->stride[1] - g->pad[1];
        s[n].at[2] = x * g->stride[2] - g->pad[2];
        lane += run;
    }
    return n;
}

// Lanes [0, count) from row [size], input x + lane * stride; zeros outside.
V_FN void gather_row(float *dst, const float *row, int64_t size, int64_t x, int64_t stride,
                     int64_t count) {
    if (stride == 1) {
        int64_t lo = x < 0 ? -x : 0, hi = size - x < count ? size - x : count;
        if (lo > 0 || hi < count)
            for (int64_t i = 0; i < count; i++) dst[i] = 0;
        for (int64_t i = lo; i < hi; i += V_W)
            v_store_n(dst + i, v_load_n(row + x + i, hi - i), hi - i);
        return;
    }
    for (int64_t i = 0; i < count; i++, x += stride) dst[i] = x >= 0 && x < size ? row[x] : 0;
}

// The same where every pixel is its own window; lanes that are not there become zeros.
static void copy_columns(const whet_conv_geom *g, float *panel, const float *src, int64_t pixel,
                         int64_t width) {
    int64_t left = g->in_size - pixel;
    src += pixel;
    if (left >= width) {
        for (int64_t ch = 0; ch < g->cg; ch++, src += g->in_size, panel += width)
            for (int64_t v = 0; v < width; v += V_W) v_store(panel + v, v_load(src + v));
        return;
    }
    for (int64_t ch = 0; ch < g->cg; ch++, src += g->in_size, panel += width)
        for (int64_t v = 0; v < width; v += V_W)
            v_store(panel + v, left > v ? v_load_n(src + v, left - v) : v_zero());
}

// panel [channel, tap][width] of a group's input.
static void gather(const conv_plan *c, float *panel, const float *src, int64_t pixel,
                   int64_t width) {
    const whet_conv_geom *g = &c->g;
    segment s[PANEL];
    int64_t left = g->out_size - pixel, count = left < width ? left : width;
    if (c->flat) {
        copy_columns(g, panel, src, pixel, width);
        return;
    }
    int n = find_segments(g, pixel, count, s);
    for (int64_t ch = 0; ch < g->cg; ch++, src += g->in_size)
        for (int64_t z = 0; z < g->ker[0]; z++)
            for (int64_t y = 0; y < g->ker[1]; y++)
                for (int64_t x = 0; x < g->ker[2]; x++, panel += width) {
                    for (int64_t i = count; i < width; i++) panel[i] = 0;
                    for (int i = 0; i < n; i++) {
                        int64_t iz = s[i].at[0] + z * g->dil[0], iy = s[i].at[1] + y * g->dil[1];
                        bool in = iz >= 0 && iz < g->in[0] && iy >= 0 && iy < g->in[1];
                        gather_row(panel + s[i].lane,
                                   in ? src + (iz * g->in[1] + iy) * g->in[2] : src,
                                   in ? g->in[2] : 0, s[i].at[2] + x * g->dil[2], g->stride[2],
                                   s[i].count);
                    }
                }
}

// ---- tasks ----

static void run_task(const whet_call *call, const conv_plan *c, int64_t task, float *panel,
                     int64_t *have) {
    const whet_conv_geom *g = &c->g;
    int64_t block = task % c->blocks, rest = task / c->blocks;
    int64_t pixel = rest % c->panels * PANEL, ng = rest / c->panels;
    int64_t group = ng % g->groups, oc = group * g->kg;
    int64_t left = g->out_size - pixel, width = left > V_W ? PANEL : V_W;
    const float *src = (const float *)call->in[0] + ng * g->cg * g->in_size;
    if (*have != rest) gather(c, panel, src, pixel, width);
    *have = rest;
    const float *w = call->packed[1] ? call->packed[1] : call->in[1];
    w += oc * c->pitch;
    const float *bias = call->p->n_in > 2 ? call->in[2] : NULL;
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = c->depth, .last = c->depth,
                      .w_step = width};
    whet_tile_out o = {.pixel = g->out_size, .vec = V_W, .cols = left < width ? left : width,
                       .epi = &call->p->epi, .plan = c->epi};
    int64_t last = (block + 1) * c->block < c->tiles ? (block + 1) * c->block : c->tiles;
    for (int64_t t = block * c->block; t < last; t++) {
        int64_t row = g->kg * t / c->tiles, rows = g->kg * (t + 1) / c->tiles - row;
        int64_t at = (ng * g->kg + row) * g->out_size + pixel;
        o.y = (float *)call->out[0] + at;
        o.other = call->other ? (const float *)call->other + at : NULL;
        o.row_bias = bias ? bias + oc + row : NULL;
        if (c->flat && t % 2 * V_W < left - width) { // columns of the next panel, far apart
            walk.next = src + pixel + width + t % 2 * V_W;
            walk.ahead_step = g->in_size;
        }
        for (int64_t r = 0; o.other && c->flat && r < rows; r++)
            for (int64_t v = 0; v < o.cols; v += V_W)
                __builtin_prefetch(o.other + r * o.pixel + v);
        TILES.one[width / V_W - 1][rows](w + row * c->pitch, c->pitch, 0, panel, &walk, &o);
    }
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    int64_t have = -1;
    (void)phase;
    for (int64_t task = begin; task < end; task++)
        run_task(call, call->state, task, call->scratch, &have);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool conv_accepts(const whet_problem *p) {
    conv_plan c;
    if (p->n_in < 2 || p->n_out < 1 || p->out[0].layout != WHET_LAYOUT_PLAIN) return false;
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].layout != WHET_LAYOUT_PLAIN) return false;
    return plan_init(&c, p);
}
static size_t conv_scratch(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    return plan_init(&c, p) ? sizeof(float) * (size_t)(c.depth * PANEL) : 0;
}
static void conv_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t conv_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    conv_plan c;
    (void)params, (void)phase;
    return plan_init(&c, p) ? c.g.n * c.g.groups * c.panels * c.blocks : 0;
}

static int64_t row_length(const whet_problem *p) {
    int64_t n = 1;
    for (int32_t i = 1; i < p->in[1].rank; i++) n *= p->in[1].dims[i];
    return n;
}
static size_t conv_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    if (i != 1) return 0;
    return sizeof(float) * (size_t)(p->in[1].dims[0] * row_pitch(row_length(p)));
}
static whet_status conv_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    int64_t n = row_length(p), pitch = row_pitch(n);
    (void)params, (void)i;
    memset(dst, 0, sizeof(float) * (size_t)(p->in[1].dims[0] * pitch));
    for (int64_t k = 0; k < p->in[1].dims[0]; k++)
        memcpy((float *)dst + k * pitch, (const float *)src->data + k * n,
               sizeof(float) * (size_t)n);
    return WHET_OK;
}

static double conv_cost(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    const whet_conv_geom *g = &c.g;
    double rows = (double)g->kg / (double)c.tiles, share = rows / (rows + 0.1 * TILES.pixels);
    double panels = (double)(g->n * g->groups * c.panels), depth = (double)c.depth;
    double flops = 2.0 * panels * depth * (double)(g->kg * PANEL);
    double lines = (double)CEIL(PANEL, g->out[2] < PANEL ? g->out[2] : PANEL);
    double each = c.flat ? 1e-9 : 4e-9 * lines + 8e-9;
    double gathered = panels * depth * (double)c.blocks * each;
    double threads = p->threads > 1 ? p->threads : 1;
    if (panels * (double)c.blocks < threads) threads = panels * (double)c.blocks;
    return (flops / (KERN_PEAK * share) + gathered) / threads +
           whet_problem_bytes(p) / KERN_BANDWIDTH;
}

const whet_kernel V_CAT(V_CAT(whet_kernel_conv_f32_, TILE_ID), _im2col) = {
    .name = "conv_f32_" TILE_NAME "_im2col",
    .op = "conv",
    .revision = 2,
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
