// SPDX-License-Identifier: Apache-2.0
// Direct convolution in BF16, sums in f32: blocked input stored as bf16, or plain f32 input (the
// first layers, which are rounded on the way), blocked output stored as bf16; rank 3 and 4.
//   packed weights: [group][panel of 2 vectors of output channels][block of input channels][kh][kw]
//   [pair of channels][lane][2]; of the stem [panel][input channel][kh][pair of kw][lane][2], 0
//   where there is no pair; the last panel of a group may be one vector wide.
// A task is (image, block of output rows, panel). Where the window reaches into padding, the rows
// of the block are first copied, padded, into the worker's scratch, where they serve all panels.
#include <string.h>

#include "kern/bf16.h"
#include "kern/bf16tile.h"
#include "kern/conv/conv_geom.h"

#define TILES V_CAT(whet_bf16_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define BLOCKED (V_W == 16 ? WHET_LAYOUT_C16 : WHET_LAYOUT_C8)
#define PANEL (2 * V_W)
#define PATCH_MAX 1e9 // elements of scratch

typedef struct conv_plan {
    whet_conv_geom g;
    bool stem;
    int64_t ib, icb;        // input block, blocks of a group
    int64_t depth;          // of a lane of weights: elements
    int64_t panels;         // of a group
    int64_t rows, blocks;   // output rows (flat: pixels) a task, row blocks an image
    int64_t height, width;  // of the output as walked: flat is one row
    int64_t patch_h, patch_w; // copy in scratch; 0: the input is read in place
    bool flat;              // 1x1 without stride or padding: rows need not be kept apart
    whet_epi_plan epi;
} conv_plan;

static int64_t panel_width(const conv_plan *c, int64_t panel) {
    return c->g.kg - panel * PANEL > V_W ? PANEL : V_W;
}

// Rows a task so that its input stays in half of the second-level cache beside the weights, and
// that every thread gets some tasks.
static void plan_rows(conv_plan *c, const whet_problem *p, int32_t scale) {
    const whet_conv_geom *g = &c->g;
    int64_t l2 = p->l2_bytes ? p->l2_bytes : 512 << 10, budget = l2 / 2;
    int64_t row = c->icb * c->ib * 2 * (c->flat ? 1 : g->stride[1] * g->in[2]);
    if (scale == 1) budget /= 2;
    if (scale == 2) budget *= 2;
    int64_t unit = c->flat ? BF16_PIXELS : 2;
    int64_t rows = budget / row / unit * unit;
    if (rows < unit) rows = unit;
    int64_t threads = p->threads > 1 ? p->threads : 1;
    while (threads > 1 && rows > unit &&
           g->n * g->groups * c->panels * CEIL(c->height, rows) < 4 * threads)
        rows = CEIL(rows / 2, unit) * unit;
    c->blocks = CEIL(c->height, rows);
    c->rows = CEIL(CEIL(c->height, c->blocks), unit) * unit;
    c->blocks = CEIL(c->height, c->rows);
}

static bool plan_init(conv_plan *c, const whet_problem *p, const int32_t *params, bool stem) {
    whet_dtype in = stem ? WHET_DTYPE_F32 : WHET_DTYPE_BF16;
    if (!whet_conv_geom_init_as(&c->g, p, in, WHET_DTYPE_BF16)) return false;
    const whet_conv_geom *g = &c->g;
    c->stem = stem;
    c->ib = stem ? 1 : V_W;
    c->icb = CEIL(g->cg, c->ib);
    c->depth = stem ? g->cg * g->ker[1] * (CEIL(g->ker[2], 2) * 2) : g->cg * g->taps;
    c->panels = CEIL(g->kg, PANEL);
    c->flat = !stem && g->taps == 1 && g->stride[1] == 1 && g->stride[2] == 1 &&
              !whet_conv_padded(g);
    c->height = c->flat ? g->out_size : g->out[1];
    c->width = c->flat ? 1 : g->out[2];
    plan_rows(c, p, params[0]);
    c->patch_h = c->patch_w = 0;
    if (stem || whet_conv_padded(g)) {
        c->patch_h = (c->rows - 1) * g->stride[1] + (g->ker[1] - 1) * g->dil[1] + 1;
        c->patch_w = (g->out[2] - 1) * g->stride[2] + (g->ker[2] - 1) * g->dil[2] + 1;
        if (stem) c->patch_w += 1; // the last pair of an odd window
    }
    c->epi = whet_epilogue_plan(&p->epi);
    // strides and paddings may ask for much more than the tensors hold
    double patch = (double)(c->icb * c->ib) * (double)c->patch_h * (double)c->patch_w;
    return patch < PATCH_MAX;
}

// ---- the padded copy ----

static void copy_run(const conv_plan *c, uint16_t *dst, const void *src, int64_t at, int64_t n) {
    if (!c->stem) {
        memcpy(dst, (const uint16_t *)src + at * V_W, sizeof *dst * V_W * (size_t)n);
        return;
    }
    const float *x = (const float *)src + at;
    for (int64_t i = 0; i < n; i += V_W) v_store_bf_n(dst + i, v_load_n(x + i, n - i), n - i);
}

// Rows of one channel block: `rows` rows from input row `y0` on, patch_w pixels from -pad.
static void copy_plane(const conv_plan *c, uint16_t *dst, const void *src, int64_t y0,
                       int64_t rows) {
    const whet_conv_geom *g = &c->g;
    int64_t left = g->pad[2] < c->patch_w ? g->pad[2] : c->patch_w;
    int64_t copy = c->patch_w - left < g->in[2] ? c->patch_w - left : g->in[2];
    int64_t right = c->patch_w - left - copy;
    size_t unit = sizeof *dst * (size_t)c->ib;
    for (int64_t y = y0; y < y0 + rows; y++, dst += c->patch_w * c->ib) {
        if (y < 0 || y >= g->in[1]) {
            memset(dst, 0, unit * (size_t)c->patch_w);
            continue;
        }
        memset(dst, 0, unit * (size_t)left);
        copy_run(c, dst + left * c->ib, src, y * g->in[2], copy);
        memset(dst + (left + copy) * c->ib, 0, unit * (size_t)right);
    }
}

static int64_t task_rows(const conv_plan *c, int64_t block) {
    int64_t left = c->height - block * c->rows;
    return left < c->rows ? left : c->rows;
}

static void copy_patch(const conv_plan *c, uint16_t *dst, const char *src, int64_t block) {
    const whet_conv_geom *g = &c->g;
    int64_t rows = (task_rows(c, block) - 1) * g->stride[1] + (g->ker[1] - 1) * g->dil[1] + 1;
    int64_t y0 = block * c->rows * g->stride[1] - g->pad[1];
    int64_t plane = g->in_size * c->ib * (c->stem ? 4 : 2); // bytes
    for (int64_t b = 0; b < c->icb; b++)
        copy_plane(c, dst + b * c->patch_h * c->patch_w * c->ib, src + b * plane, y0, rows);
}

// ---- a task ----

typedef struct conv_task {
    const uint16_t *a, *w; // first input row of the block, weights of the panel
    int64_t pitch;         // elements between input rows
    int64_t pixel;         // elements between the inputs of neighbouring output pixels
    whet_walk walk;
    whet_bf16_out out;
    int nv;
} conv_task;

static void advance(whet_bf16_out *o, int64_t n) {
    o->y = (uint16_t *)o->y + n;
    if (o->other) o->other = (const uint16_t *)o->other + n;
}

// One output row (or stretch of pixels), in tiles of even widths.
static void run_row(const conv_task *t, const uint16_t *a, whet_bf16_out *o, int64_t width) {
    for (int64_t tiles = CEIL(width, BF16_PIXELS); tiles > 0; tiles--) {
        int64_t w = CEIL(width, tiles);
        TILES.one[t->nv - 1][w](a, t->pixel, 0, t->w, &t->walk, o);
        a += w * t->pixel, width -= w;
        advance(o, w * V_W);
    }
}

static void run_rows(const conv_plan *c, const conv_task *t, int64_t rows) {
    whet_bf16_out o = t->out;
    if (c->flat) {
        run_row(t, t->a, &o, rows);
        return;
    }
    int64_t step = c->g.stride[1] * t->pitch, done = 0;
    if (c->width <= BF16_PAIR)
        for (; done + 2 <= rows; done += 2) {
            TILES.two[t->nv - 1][c->width](t->a + done * step, t->pixel, step, t->w, &t->walk, &o);
            advance(&o, 2 * c->width * V_W);
        }
    for (; done < rows; done++) run_row(t, t->a + done * step, &o, c->width);
}

static void walk_init(const conv_plan *c, conv_task *t, int64_t plane) {
    const whet_conv_geom *g = &c->g;
    t->pixel = g->stride[2] * c->ib;
    t->walk = (whet_walk){.n0 = c->icb, .n1 = g->ker[1], .n2 = g->ker[2], .s0 = plane,
                          .s1 = g->dil[1] * t->pitch, .s2 = g->dil[2] * c->ib, .len = V_W / 2,
                          .last = (g->cg - (c->icb - 1) * V_W) / 2, .w_step = t->nv * PANEL};
    if (c->flat) { // the pixels of the next tile, which come from far when the input is large
        t->walk.ahead = BF16_PIXELS * c->ib;
        t->walk.ahead_step = 2 * c->ib;
    }
    if (c->stem) { // a row of the window is a run
        t->walk.n2 = 1;
        t->walk.len = t->walk.last = CEIL(g->ker[2], 2);
    }
}

static void run_task(const whet_call *call, const conv_plan *c, int64_t task, int64_t *have) {
    const whet_conv_geom *g = &c->g;
    int64_t panel = task % c->panels, rest = task / c->panels;
    int64_t group = rest % g->groups, image = rest / g->groups / c->blocks;
    int64_t block = rest / g->groups % c->blocks, y0 = block * c->rows;
    int64_t cb = CEIL(g->c, c->ib), kb = CEIL(g->k, V_W);
    const char *src = (const char *)call->in[0] +
                      (image * cb + group * c->icb) * g->in_size * c->ib * (c->stem ? 4 : 2);
    conv_task t = {.nv = (int)(panel_width(c, panel) / V_W)};
    int64_t plane = g->in_size * c->ib;
    if (c->patch_h) {
        if (*have != rest) copy_patch(c, call->scratch, src, block);
        *have = rest;
        t.a = call->scratch, t.pitch = c->patch_w * c->ib;
        plane = c->patch_h * t.pitch;
    } else {
        t.pitch = g->in[2] * c->ib;
        t.a = (const uint16_t *)(const void *)src +
              (c->flat ? y0 * c->ib : y0 * g->stride[1] * t.pitch);
    }
    walk_init(c, &t, plane);
    t.w = (const uint16_t *)call->packed[1] +
          (group * CEIL(g->kg, V_W) * V_W + panel * PANEL) * c->depth;
    float bias[PANEL];
    int64_t oc = group * g->kg + panel * PANEL, left = g->kg - panel * PANEL;
    const float *b = call->p->n_in > 2 ? call->in[2] : NULL;
    for (int v = 0; b && v < t.nv; v++)
        v_store(bias + v * V_W, v_load_n(b + oc + v * V_W, left - v * V_W));
    int64_t at = (image * kb + oc / V_W) * g->out_size * V_W + y0 * c->width * V_W;
    t.out = (whet_bf16_out){.y = (uint16_t *)call->out[0] + at, .pixel = V_W,
                            .other = call->other ? (const uint16_t *)call->other + at : NULL,
                            .vec = g->out_size * V_W, .row = c->width * V_W, .cols = PANEL,
                            .scale = 1, .bias = b ? bias : NULL, .epi = &call->p->epi,
                            .plan = c->epi};
    run_rows(c, &t, task_rows(c, block));
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    int64_t have = -1;
    for (int64_t task = begin; task < end; task++) run_task(call, call->state, task, &have);
    return WHET_OK;
}

// ---- packing ----

static int64_t group_count(const whet_problem *p) {
    return ((const whet_conv_attrs *)p->attrs)->group;
}

// Elements of a lane of weights.
static int64_t lane_depth(const whet_problem *p, bool stem) {
    const whet_port *w = &p->in[1];
    int64_t n = 1;
    for (int32_t i = 1; i < w->rank; i++)
        n *= stem && i == w->rank - 1 ? CEIL(w->dims[i], 2) * 2 : w->dims[i];
    return n;
}

static size_t pack_size(const whet_problem *p, int32_t i, bool stem) {
    int64_t groups = group_count(p);
    if (i != 1) return 0;
    return 2 * (size_t)(groups * (CEIL(p->in[1].dims[0] / groups, V_W) * V_W) *
                        lane_depth(p, stem));
}

// One panel: lanes of output channels, real ones below `real`. first, second: offsets in a filter
// of the elements of a pair, the second -1 where there is none.
static uint16_t *pack_step(uint16_t *dst, const float *w, int64_t filter, int64_t width,
                           int64_t real, int64_t first, int64_t second) {
    for (int64_t l = 0; l < width; l++) {
        *dst++ = l < real ? whet_f32_to_bf16(w[l * filter + first]) : 0;
        *dst++ = l < real && second >= 0 ? whet_f32_to_bf16(w[l * filter + second]) : 0;
    }
    return dst;
}

static uint16_t *pack_blocked(uint16_t *dst, const float *w, int64_t width, int64_t real,
                              int64_t cg, int64_t taps) {
    for (int64_t c0 = 0; c0 < cg; c0 += V_W)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t c = c0; c < cg && c < c0 + V_W; c += 2)
                dst = pack_step(dst, w, cg * taps, width, real, c * taps + t, (c + 1) * taps + t);
    return dst;
}

static uint16_t *pack_stem(uint16_t *dst, const float *w, int64_t width, int64_t real,
                           int64_t filter, int64_t kw) {
    for (int64_t row = 0; row < filter; row += kw)
        for (int64_t x = 0; x < kw; x += 2)
            dst = pack_step(dst, w, filter, width, real, row + x, x + 1 < kw ? row + x + 1 : -1);
    return dst;
}

static whet_status pack(const whet_problem *p, const whet_tensor *src, uint16_t *dst, bool stem) {
    const int64_t *d = p->in[1].dims;
    int64_t groups = group_count(p), kg = d[0] / groups, taps = 1, kw = d[p->in[1].rank - 1];
    for (int32_t i = 2; i < p->in[1].rank; i++) taps *= d[i];
    const float *w = src->data;
    for (int64_t g = 0; g < groups; g++, w += kg * d[1] * taps)
        for (int64_t oc = 0; oc < kg; oc += PANEL) {
            int64_t width = kg - oc > V_W ? PANEL : V_W;
            const float *from = w + oc * d[1] * taps;
            dst = stem ? pack_stem(dst, from, width, kg - oc, d[1] * taps, kw)
                       : pack_blocked(dst, from, width, kg - oc, d[1], taps);
        }
    return WHET_OK;
}

// ---- descriptors ----

static bool conv_param(const whet_problem *p, int32_t i, int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    params[0] = i;
    return i < 3;
}
static bool conv_valid(const whet_problem *p, const int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    for (int32_t i = 1; i < WHET_MAX_PARAMS; i++)
        if (params[i]) return false;
    return params[0] >= 0 && params[0] < 3;
}

static int64_t plan_tasks(const conv_plan *c) {
    return c->g.n * c->blocks * c->g.groups * c->panels;
}

// Part of the peak that tiles of `width` pixels reach, roughly: two weight loads a step.
static double tile_share(const conv_plan *c) {
    double w = (double)c->width;
    if (c->flat || w > BF16_PIXELS)
        w = c->flat ? BF16_PIXELS : w / (double)CEIL(c->width, BF16_PIXELS);
    else if (w <= BF16_PAIR) w *= 2;
    return w / (w + 0.1 * BF16_PIXELS);
}

static double plan_cost(const conv_plan *c, const whet_problem *p) {
    const whet_conv_geom *g = &c->g;
    double lanes = (double)(CEIL(g->kg, V_W) * V_W * g->groups);
    double flops = 2.0 * (double)(g->n * g->out_size) * lanes * (double)c->depth;
    double threads = p->threads > 1 ? p->threads : 1, tasks = (double)plan_tasks(c);
    if (tasks < threads) threads = tasks;
    double copy = c->patch_h ? 6.0 * (double)(g->n * c->blocks * g->groups * c->icb * c->ib) *
                                   (double)(c->patch_h * c->patch_w)
                             : 0;
    double seconds = flops / (BF16_PEAK * tile_share(c)) + copy / 20e9;
    return seconds / threads + whet_problem_bytes(p) / KERN_BANDWIDTH;
}

static bool common_accepts(const whet_problem *p, conv_plan *c, whet_layout in, bool stem) {
    static const int32_t params[WHET_MAX_PARAMS];
    if (p->n_in < 2 || p->n_out < 1 || p->in[0].layout != in ||
        p->out[0].layout != BLOCKED || p->in[1].layout != WHET_LAYOUT_PLAIN ||
        !p->in[1].constant || p->in[0].rank > 4)
        return false;
    if (p->n_in > 2 && p->in[2].layout != WHET_LAYOUT_PLAIN) return false;
    return plan_init(c, p, params, stem);
}

// Groups must start at a block boundary on both sides. Lanes behind the channels hold anything, so
// that no pair may reach over the end.
static bool blocked_accepts(const whet_problem *p) {
    conv_plan c;
    if (!common_accepts(p, &c, BLOCKED, false) || c.g.cg % 2) return false;
    return c.g.groups == 1 || (c.g.cg % V_W == 0 && c.g.kg % V_W == 0);
}

#define STEM_MAX 64
static bool stem_accepts(const whet_problem *p) {
    conv_plan c;
    if (!common_accepts(p, &c, WHET_LAYOUT_PLAIN, true)) return false;
    return c.g.groups == 1 && c.g.c <= STEM_MAX && c.g.dil[2] == 1;
}
static void stem_ports(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out) {
    for (int32_t i = 0; i < p->n_in; i++) in[i] = WHET_LAYOUT_PLAIN;
    out[0] = l;
}

// The two kernels of this file.
#define KERNEL_OF(id, stem, trait, kernel_stores, kernel_ports)                                    \
    static double id##_cost(const whet_problem *p, const int32_t *params) {                        \
        conv_plan c;                                                                               \
        return plan_init(&c, p, params, stem) ? plan_cost(&c, p) : INFINITY;                       \
    }                                                                                              \
    static size_t id##_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {       \
        (void)params;                                                                              \
        return pack_size(p, i, stem);                                                              \
    }                                                                                              \
    static whet_status id##_pack(const whet_problem *p, const int32_t *params, int32_t i,          \
                                 const whet_tensor *src, void *dst) {                              \
        (void)params, (void)i;                                                                     \
        return pack(p, src, dst, stem);                                                            \
    }                                                                                              \
    static size_t id##_scratch(const whet_problem *p, const int32_t *params) {                     \
        conv_plan c;                                                                               \
        if (!plan_init(&c, p, params, stem)) return 0;                                             \
        return 2 * (size_t)(c.icb * c.ib * c.patch_h * c.patch_w);                                 \
    }                                                                                              \
    static void id##_prepare(const whet_problem *p, const int32_t *params, void *state) {          \
        plan_init(state, p, params, stem);                                                         \
    }                                                                                              \
    static int64_t id##_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {       \
        conv_plan c;                                                                               \
        (void)phase;                                                                               \
        return plan_init(&c, p, params, stem) ? plan_tasks(&c) : 0;                                \
    }                                                                                              \
    const whet_kernel V_CAT(V_CAT(whet_kernel_conv_bf16_, TILE_ID), trait) = {                     \
        .name = "conv_bf16_" TILE_NAME #trait, .op = "conv", .revision = 2, .cpu = V_CPU,          \
        .layouts = WHET_LAYOUT_BIT(BLOCKED), .stores = WHET_STORE_BIT(kernel_stores),              \
        .ports = kernel_ports, .accepts = id##_accepts, .param = conv_param, .valid = conv_valid,  \
        .cost = id##_cost, .pack_bytes = id##_pack_bytes, .pack = id##_pack,                       \
        .scratch = id##_scratch, .state_bytes = sizeof(conv_plan), .prepare = id##_prepare,        \
        .tasks = id##_tasks, .run = conv_run, .tolerance = 2,                                      \
    };
KERNEL_OF(blocked, false, , WHET_STORE_BF16, NULL)
KERNEL_OF(stem, true, _stem, WHET_STORE_BF16_OUT, stem_ports)
