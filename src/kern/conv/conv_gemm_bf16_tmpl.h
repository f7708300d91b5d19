// SPDX-License-Identifier: Apache-2.0
// Convolution by gathered windows in BF16, as conv_gemm_tmpl.h does it in f32: plain layout, stored
// as bf16, any groups, strides, dilations, paddings. A task gathers the window of up to 2 vectors
// of output pixels, panel [pair of channel, tap][pixel][2], and multiplies the weights of a block
// of output channels by it.
//   packed weights: the rows [output channel][channel, tap], 0 behind an odd end, a fixed pitch
//   apart
#include <string.h>

#include "kern/bf16.h"
#include "kern/bf16tile.h"
#include "kern/conv/conv_geom.h"

#define TILES V_CAT(whet_bf16_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)

typedef struct conv_plan {
    whet_conv_geom g;
    int64_t depth;         // of the product: channels of a group times taps, even
    int64_t pitch;         // elements between rows of weights
    int64_t panels, tiles; // of the pixels, of the output channels of a group
    int64_t block, blocks; // tiles a task
    whet_epi_plan epi;
} conv_plan;

// An odd number of cache lines, so that rows spread over the sets of the cache.
static int64_t row_pitch(int64_t depth) { return (CEIL(depth, 32) | 1) * 32; }

static bool plan_init(conv_plan *c, const whet_problem *p) {
    if (!whet_conv_geom_init_as(&c->g, p, WHET_DTYPE_BF16, WHET_DTYPE_BF16)) return false;
    const whet_conv_geom *g = &c->g;
    c->depth = CEIL(g->cg * g->taps, 2) * 2;
    c->pitch = row_pitch(c->depth);
    c->panels = CEIL(g->out_size, PANEL);
    c->tiles = CEIL(g->kg, BF16_PIXELS);
    int64_t threads = p->threads > 1 ? p->threads : 1, wide = g->n * g->groups * c->panels;
    c->blocks = wide < 2 * threads ? CEIL(2 * threads, wide) : 1;
    if (c->blocks > c->tiles) c->blocks = c->tiles;
    c->block = CEIL(c->tiles, c->blocks);
    c->blocks = CEIL(c->tiles, c->block);
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

// Row `d` of the panel, element by element: lanes [0, PANEL).
static void gather_row(const conv_plan *c, const uint16_t *src, int64_t d, const segment *s, int n,
                       uint16_t *row) {
    const whet_conv_geom *g = &c->g;
    int64_t tap = d % g->taps, kx = tap % g->ker[2], ky = tap / g->ker[2] % g->ker[1];
    int64_t kz = tap / g->ker[2] / g->ker[1];
    src += d / g->taps * g->in_size;
    for (int i = 0; i < n; i++) {
        int64_t iz = s[i].at[0] + kz * g->dil[0], iy = s[i].at[1] + ky * g->dil[1];
        int64_t x = s[i].at[2] + kx * g->dil[2];
        bool in = iz >= 0 && iz < g->in[0] && iy >= 0 && iy < g->in[1];
        const uint16_t *line = in ? src + (iz * g->in[1] + iy) * g->in[2] : src;
        for (int32_t j = 0; j < s[i].count; j++, x += g->stride[2])
            row[s[i].lane + j] = in && x >= 0 && x < g->in[2] ? line[x] : 0;
    }
}

// panel [pair][width][2] of a group's input.
static void gather(const conv_plan *c, uint16_t *panel, const uint16_t *src, int64_t pixel,
                   int64_t width) {
    const whet_conv_geom *g = &c->g;
    int64_t left = g->out_size - pixel, count = left < width ? left : width;
    bool direct = g->taps == 1 && g->in_size == g->out_size && !whet_conv_padded(g) &&
                  g->stride[0] == 1 && g->stride[1] == 1 && g->stride[2] == 1;
    segment s[PANEL];
    uint16_t rows[2][PANEL] = {{0}};
    int n = direct ? 0 : find_segments(g, pixel, count, s);
    for (int64_t d = 0; d < c->depth; d += 2, panel += 2 * width) {
        bool pair = d + 1 < g->cg * g->taps;
        const uint16_t *low = src + d * g->in_size + pixel, *high = low + (pair ? g->in_size : 0);
        if (!direct) {
            gather_row(c, src, d, s, n, rows[0]);
            if (pair) gather_row(c, src, d + 1, s, n, rows[1]);
            low = rows[0], high = rows[1];
        }
        for (int64_t v = 0; v < width; v += V_W) {
            vi a = v_load_bits_n(low + v, count - v);
            vi b = v_load_bits_n(high + v, pair ? count - v : 0);
            vi_store((int32_t *)(void *)(panel + 2 * v), a | b << 16);
        }
    }
}

// ---- tasks ----

static void run_task(const whet_call *call, const conv_plan *c, int64_t task, int64_t *have) {
    const whet_conv_geom *g = &c->g;
    int64_t block = task % c->blocks, rest = task / c->blocks;
    int64_t pixel = rest % c->panels * PANEL, ng = rest / c->panels;
    int64_t group = ng % g->groups, oc = group * g->kg;
    int64_t left = g->out_size - pixel, width = left > V_W ? PANEL : V_W;
    uint16_t *panel = call->scratch;
    if (*have != rest)
        gather(c, panel, (const uint16_t *)call->in[0] + ng * g->cg * g->in_size, pixel, width);
    *have = rest;
    const uint16_t *w = (const uint16_t *)call->packed[1] + oc * c->pitch;
    const float *bias = call->p->n_in > 2 ? call->in[2] : NULL;
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = c->depth / 2, .last = c->depth / 2,
                      .w_step = 2 * width};
    whet_bf16_out o = {.pixel = g->out_size, .vec = V_W, .cols = left < width ? left : width,
                       .scale = 1, .epi = &call->p->epi, .plan = c->epi};
    int64_t last = (block + 1) * c->block < c->tiles ? (block + 1) * c->block : c->tiles;
    for (int64_t t = block * c->block; t < last; t++) {
        int64_t row = g->kg * t / c->tiles, rows = g->kg * (t + 1) / c->tiles - row;
        int64_t at = (ng * g->kg + row) * g->out_size + pixel;
        o.y = (uint16_t *)call->out[0] + at;
        o.other = call->other ? (const uint16_t *)call->other + at : NULL;
        o.row_bias = bias ? bias + oc + row : NULL;
        TILES.one[width / V_W - 1][rows](w + row * c->pitch, c->pitch, 0, panel, &walk, &o);
    }
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    int64_t have = -1;
    (void)phase;
    for (int64_t task = begin; task < end; task++) run_task(call, call->state, task, &have);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool conv_accepts(const whet_problem *p) {
    conv_plan c;
    if (p->n_in < 2 || p->n_out < 1 || p->out[0].layout != WHET_LAYOUT_PLAIN ||
        !p->in[1].constant)
        return false;
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].layout != WHET_LAYOUT_PLAIN) return false;
    return plan_init(&c, p);
}
static size_t conv_scratch(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    return plan_init(&c, p) ? 2 * (size_t)(c.depth * PANEL) : 0;
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
    return i == 1 ? 2 * (size_t)(p->in[1].dims[0] * row_pitch(row_length(p))) : 0;
}
static whet_status conv_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    int64_t n = row_length(p), pitch = row_pitch(n);
    const float *w = src->data;
    (void)params, (void)i;
    memset(dst, 0, 2 * (size_t)(p->in[1].dims[0] * pitch));
    for (int64_t k = 0; k < p->in[1].dims[0]; k++)
        for (int64_t j = 0; j < n; j++)
            ((uint16_t *)dst)[k * pitch + j] = whet_f32_to_bf16(w[k * n + j]);
    return WHET_OK;
}

static double conv_cost(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    const whet_conv_geom *g = &c.g;
    double rows = (double)g->kg / (double)c.tiles, share = rows / (rows + 0.1 * BF16_PIXELS);
    double panels = (double)(g->n * g->groups * c.panels), depth = (double)c.depth;
    double flops = 2.0 * panels * depth * (double)(g->kg * PANEL);
    double lines = (double)CEIL(PANEL, g->out[2] < PANEL ? g->out[2] : PANEL);
    double gathered = panels * depth * (double)c.blocks * (4e-9 * lines + 8e-9);
    if (g->taps == 1) gathered = panels * depth * (double)c.blocks * 2e-9;
    double threads = p->threads > 1 ? p->threads : 1;
    if (panels * (double)c.blocks < threads) threads = panels * (double)c.blocks;
    return (flops / (BF16_PEAK * share) + gathered) / threads +
           whet_problem_bytes(p) / KERN_BANDWIDTH;
}

const whet_kernel V_CAT(V_CAT(whet_kernel_conv_bf16_, TILE_ID), _im2col) = {
    .name = "conv_bf16_" TILE_NAME "_im2col",
    .op = "conv",
    .revision = 1,
    .cpu = V_CPU,
    .stores = WHET_STORE_BIT(WHET_STORE_BF16),
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
