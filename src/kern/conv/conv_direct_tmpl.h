// SPDX-License-Identifier: Apache-2.0
// Template of the direct convolution: blocked or plain input, blocked output, rank 3 and 4.
//   packed weights: [group][panel of 2 vectors of output channels][block of input channels][kh][kw]
//   [channel in the block][lane]; the last panel of a group may be one vector wide.
// A task is (image, block of output rows, panel). Where the window reaches into padding, the rows
// of the block are first copied, padded, into the worker's scratch, where they serve all panels.
// With CONV_HALF defined weights are packed as FP16, and a task widens its panel into scratch.
#include <string.h>

#include "kern/conv/conv_geom.h"
#include "kern/microtile.h"
#include "kern/simd.h"

#define TILES V_CAT(whet_tiles_, V_ISA)
#define BLOCKED (V_W == 16 ? WHET_LAYOUT_C16 : WHET_LAYOUT_C8)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PATCH_MAX 1e9 // floats of scratch
#ifdef CONV_HALF
#include "kern/half.h"
typedef uint16_t weight;
#define WEIGHT(x) whet_f32_to_f16(x)
#define CONV_FORM "w16"
#define CONV_ID(id) V_CAT(whet_kernel_conv_w16_, id)
#define CONV_STORES WHET_STORE_BIT(WHET_STORE_HALF)
#else
typedef float weight;
#define WEIGHT(x) (x)
#define CONV_FORM "f32"
#define CONV_ID(id) V_CAT(whet_kernel_conv_f32_, id)
#define CONV_STORES 0
#endif

typedef struct conv_plan {
    whet_conv_geom g;
    int64_t ib, icb;        // input block, blocks of a group
    int64_t panels;         // of a group
    int64_t rows, blocks;   // output rows (flat: pixels) a task, row blocks an image
    int64_t height, width;  // of the output as walked: flat is one row
    int64_t patch_h, patch_w; // padded copy in scratch; 0: the input is read in place
    bool flat;              // 1x1 without stride or padding: rows need not be kept apart
    whet_epi_plan epi;
} conv_plan;

static int64_t panel_width(const conv_plan *c, int64_t panel) {
    return c->g.kg - panel * 2 * V_W > V_W ? 2 * V_W : V_W;
}

// Rows a task so that its input stays in half of the second-level cache beside the weights, and
// that every thread gets some tasks.
static void plan_rows(conv_plan *c, const whet_problem *p, int32_t scale) {
    const whet_conv_geom *g = &c->g;
    int64_t l2 = p->l2_bytes ? p->l2_bytes : 512 << 10;
    int64_t row = c->icb * c->ib * 4 * (c->flat ? 1 : g->stride[1] * g->in[2]);
    int64_t budget = l2 / 2;
    if (scale == 1) budget /= 2;
    if (scale == 2) budget *= 2;
    int64_t unit = c->flat ? TILES.pixels : 2;
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

static bool plan_init(conv_plan *c, const whet_problem *p, const int32_t *params, int64_t ib) {
    if (!whet_conv_geom_init(&c->g, p)) return false;
    const whet_conv_geom *g = &c->g;
    c->ib = ib;
    c->icb = CEIL(g->cg, ib);
    c->panels = CEIL(g->kg, 2 * V_W);
    c->flat = ib > 1 && g->taps == 1 && g->stride[1] == 1 && g->stride[2] == 1 &&
              !whet_conv_padded(g);
    c->height = c->flat ? g->out_size : g->out[1];
    c->width = c->flat ? 1 : g->out[2];
    plan_rows(c, p, params[0]);
    c->patch_h = c->patch_w = 0;
    if (whet_conv_padded(g)) {
        c->patch_h = (c->rows - 1) * g->stride[1] + (g->ker[1] - 1) * g->dil[1] + 1;
        c->patch_w = (g->out[2] - 1) * g->stride[2] + (g->ker[2] - 1) * g->dil[2] + 1;
    }
    c->epi = whet_epilogue_plan(&p->epi);
    // strides and paddings may ask for much more than the tensors hold
    double patch = (double)(c->icb * ib) * (double)c->patch_h * (double)c->patch_w;
    return patch < PATCH_MAX;
}

// ---- the padded copy ----

// Rows of one channel block: `rows` rows from input row `y0` on, patch_w pixels from -pad.
static void copy_plane(const conv_plan *c, float *dst, const float *src, int64_t y0, int64_t rows) {
    const whet_conv_geom *g = &c->g;
    int64_t left = g->pad[2] < c->patch_w ? g->pad[2] : c->patch_w;
    int64_t copy = c->patch_w - left < g->in[2] ? c->patch_w - left : g->in[2];
    int64_t right = c->patch_w - left - copy;
    size_t unit = sizeof(float) * (size_t)c->ib;
    for (int64_t y = y0; y < y0 + rows; y++, dst += c->patch_w * c->ib) {
        if (y < 0 || y >= g->in[1]) {
            memset(dst, 0, unit * (size_t)c->patch_w);
            continue;
        }
        memset(dst, 0, unit * (size_t)left);
        memcpy(dst + left * c->ib, src + y * g->in[2] * c->ib, unit * (size_t)copy);
        memset(dst + (left + copy) * c->ib, 0, unit * (size_t)right);
    }
}

static int64_t task_rows(const conv_plan *c, int64_t block) {
    int64_t left = c->height - block * c->rows;
    return left < c->rows ? left : c->rows;
}

static void copy_patch(const conv_plan *c, float *dst, const float *src, int64_t block) {
    const whet_conv_geom *g = &c->g;
    int64_t rows = (task_rows(c, block) - 1) * g->stride[1] + (g->ker[1] - 1) * g->dil[1] + 1;
    int64_t y0 = block * c->rows * g->stride[1] - g->pad[1];
    for (int64_t b = 0; b < c->icb; b++)
        copy_plane(c, dst + b * c->patch_h * c->patch_w * c->ib, src + b * g->in_size * c->ib, y0,
                   rows);
}

// ---- a task ----

typedef struct conv_task {
    const float *a, *w; // first input row of the block, weights of the panel
    int64_t pitch;      // floats between input rows
    int64_t pixel;      // floats between the inputs of neighbouring output pixels
    whet_walk walk;
    whet_tile_out out;
    int nv;
} conv_task;

// One output row (or stretch of pixels), in tiles of even widths.
static void run_row(const conv_task *t, const float *a, whet_tile_out *o, int64_t width) {
    int64_t tiles = CEIL(width, TILES.pixels);
    for (; tiles > 0; tiles--) {
        int64_t w = CEIL(width, tiles);
        TILES.one[t->nv - 1][w](a, t->pixel, 0, t->w, &t->walk, o);
        a += w * t->pixel, o->y += w * V_W, width -= w;
        if (o->other) o->other += w * V_W;
    }
}

static void run_rows(const conv_plan *c, const conv_task *t, int64_t rows) {
    const whet_conv_geom *g = &c->g;
    whet_tile_out o = t->out;
    if (c->flat) {
        run_row(t, t->a, &o, rows);
        return;
    }
    int64_t step = g->stride[1] * t->pitch, done = 0;
    if (c->width <= TILES.pair)
        for (; done + 2 <= rows; done += 2) {
            TILES.two[t->nv - 1][c->width](t->a + done * step, t->pixel, step, t->w, &t->walk, &o);
            o.y += 2 * c->width * V_W;
            if (o.other) o.other += 2 * c->width * V_W;
        }
    for (; done < rows; done++) run_row(t, t->a + done * step, &o, c->width);
}

static void walk_init(const conv_plan *c, conv_task *t, int64_t plane) {
    const whet_conv_geom *g = &c->g;
    t->pixel = g->stride[2] * c->ib;
    t->walk = (whet_walk){.n0 = c->icb, .n1 = g->ker[1], .n2 = g->ker[2], .s0 = plane,
                          .s1 = g->dil[1] * t->pitch, .s2 = g->dil[2] * c->ib, .len = c->ib,
                          .last = g->cg - (c->icb - 1) * c->ib, .w_step = t->nv * V_W};
    if (c->flat) { // the pixels of the next tile, which come from far when the input is large
        t->walk.ahead = TILES.pixels * c->ib;
        t->walk.ahead_step = c->ib;
    }
    if (c->ib == 1 && g->dil[2] == 1) { // a row of the window is a run
        t->walk.n2 = 1;
        t->walk.len = t->walk.last = g->ker[2];
    }
}

static int64_t patch_floats(const conv_plan *c) {
    return c->icb * c->ib * c->patch_h * c->patch_w;
}

// Weights of a panel, as floats.
static const float *panel_weights(const whet_call *call, const conv_plan *c, int64_t at, int nv,
                                  float *scratch) {
    const weight *w = (const weight *)call->packed[1] + at;
#ifdef CONV_HALF
    int64_t n = nv * V_W * c->g.cg * c->g.taps;
    float *wide = scratch + patch_floats(c);
    for (int64_t i = 0; i < n; i += V_W) v_store(wide + i, v_load_f16(w + i));
    return wide;
#else
    (void)c, (void)nv, (void)scratch;
    return w;
#endif
}

static void run_task(const whet_call *call, const conv_plan *c, int64_t task, float *patch,
                     int64_t *have) {
    const whet_conv_geom *g = &c->g;
    int64_t panel = task % c->panels, rest = task / c->panels;
    int64_t group = rest % g->groups, image = rest / g->groups / c->blocks;
    int64_t block = rest / g->groups % c->blocks, y0 = block * c->rows;
    int64_t cb = CEIL(g->c, c->ib), kb = CEIL(g->k, V_W);
    const float *src =
        (const float *)call->in[0] + (image * cb + group * c->icb) * g->in_size * c->ib;
    conv_task t = {.nv = (int)(panel_width(c, panel) / V_W)};
    int64_t plane = g->in_size * c->ib;
    if (c->patch_h) {
        if (*have != rest) copy_patch(c, patch, src, block);
        *have = rest;
        t.a = patch, t.pitch = c->patch_w * c->ib;
        plane = c->patch_h * t.pitch;
    } else {
        t.pitch = g->in[2] * c->ib;
        t.a = src + (c->flat ? y0 * c->ib : y0 * g->stride[1] * t.pitch);
    }
    walk_init(c, &t, plane);
    int64_t first = (group * CEIL(g->kg, V_W) * V_W + panel * 2 * V_W) * g->cg * g->taps;
    t.w = panel_weights(call, c, first, t.nv, patch);
    float bias[2 * V_W];
    int64_t oc = group * g->kg + panel * 2 * V_W, left = g->kg - panel * 2 * V_W;
    const float *b = call->p->n_in > 2 ? call->in[2] : NULL;
    for (int v = 0; b && v < t.nv; v++)
        v_store(bias + v * V_W, v_load_n(b + oc + v * V_W, left - v * V_W));
    int64_t at = (image * kb + oc / V_W) * g->out_size * V_W + y0 * c->width * V_W;
    t.out = (whet_tile_out){.y = (float *)call->out[0] + at, .pixel = V_W,
                            .other = call->other ? (const float *)call->other + at : NULL,
                            .vec = g->out_size * V_W, .row = c->width * V_W, .cols = 2 * V_W,
                            .bias = b ? bias : NULL, .epi = &call->p->epi, .plan = c->epi};
    run_rows(c, &t, task_rows(c, block));
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    int64_t have = -1;
    for (int64_t task = begin; task < end; task++)
        run_task(call, call->state, task, call->scratch, &have);
    return WHET_OK;
}

// ---- packing ----

static size_t packed_bytes(const whet_problem *p) {
    const int64_t *w = p->in[1].dims;
    int64_t groups = ((const whet_conv_attrs *)p->attrs)->group, rest = 1;
    for (int32_t i = 1; i < p->in[1].rank; i++) rest *= w[i];
    return sizeof(weight) * (size_t)(groups * (CEIL(w[0] / groups, V_W) * V_W) * rest);
}

static size_t conv_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    return i == 1 ? packed_bytes(p) : 0;
}

#define MAX_ROW 144 // taps of a block of channels that are gathered from a copy

// One block of channels: rows of weights lie far apart, often by a power of two, so that the lanes
// of a vector would push each other out of the cache; what is copied does not.
static weight *pack_block(weight *dst, const float *w, int64_t width, int64_t real, int64_t pitch,
                          int64_t taps, int64_t channels) {
    float rows[2 * V_W][MAX_ROW + 1]; // odd, for the same reason
    int64_t n = taps * channels;
    for (int64_t l = 0; l < width; l++) {
        if (l < real) memcpy(rows[l], w + l * pitch, (size_t)n * sizeof *w);
        else memset(rows[l], 0, (size_t)n * sizeof *w);
    }
    for (int64_t t = 0; t < taps; t++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t l = 0; l < width; l++) *dst++ = WEIGHT(rows[l][c * taps + t]);
    return dst;
}

// One panel: lanes of output channels `oc` on, real ones below `real`.
static weight *pack_panel(weight *dst, const float *w, int64_t width, int64_t real, int64_t cg,
                          int64_t taps, int64_t ib) {
    for (int64_t c0 = 0; c0 < cg; c0 += ib) {
        int64_t channels = cg - c0 < ib ? cg - c0 : ib;
        if (channels * taps <= MAX_ROW) {
            dst = pack_block(dst, w + c0 * taps, width, real, cg * taps, taps, channels);
            continue;
        }
        for (int64_t t = 0; t < taps; t++)
            for (int64_t c = c0; c < c0 + channels; c++)
                for (int64_t l = 0; l < width; l++)
                    *dst++ = l < real ? WEIGHT(w[(l * cg + c) * taps + t]) : 0;
    }
    return dst;
}

static whet_status pack(const whet_problem *p, const whet_tensor *src, weight *dst, int64_t ib) {
    const int64_t *d = p->in[1].dims;
    int64_t groups = ((const whet_conv_attrs *)p->attrs)->group, kg = d[0] / groups, taps = 1;
    for (int32_t i = 2; i < p->in[1].rank; i++) taps *= d[i];
    const float *w = src->data;
    for (int64_t g = 0; g < groups; g++, w += kg * d[1] * taps)
        for (int64_t oc = 0; oc < kg; oc += 2 * V_W)
            dst = pack_panel(dst, w + oc * d[1] * taps, kg - oc > V_W ? 2 * V_W : V_W, kg - oc,
                             d[1], taps, ib);
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
    if (c->flat || w > TILES.pixels)
        w = c->flat ? TILES.pixels : w / (double)CEIL(c->width, TILES.pixels);
    else if (w <= TILES.pair) w *= 2;
    return w / (w + 0.1 * TILES.pixels);
}

static double plan_cost(const conv_plan *c, const whet_problem *p) {
    const whet_conv_geom *g = &c->g;
    double lanes = (double)(CEIL(g->kg, V_W) * V_W) / (double)g->kg;
    double flops = 2.0 * (double)(g->n * g->k * g->out_size) * (double)(g->cg * g->taps) * lanes;
    double threads = p->threads > 1 ? p->threads : 1, tasks = (double)plan_tasks(c);
    if (tasks < threads) threads = tasks;
    double copy = c->patch_h ? 8.0 * (double)(g->n * c->blocks * g->groups * c->icb * c->ib) *
                                   (double)(c->patch_h * c->patch_w)
                             : 0;
    // planes far apart, short runs
    double run = c->ib > 1 ? 1 : (double)g->ker[2] / (0.5 + (double)g->ker[2]);
#ifdef CONV_HALF
    copy += 1.0 * (double)(g->n * c->blocks * g->k) * (double)(g->cg * g->taps);
#endif
    double seconds = flops / (KERN_PEAK * tile_share(c) * run) + copy / 20e9;
    return seconds / threads + whet_problem_bytes(p) / KERN_BANDWIDTH;
}

static size_t plan_scratch(const conv_plan *c) {
    int64_t floats = patch_floats(c);
#ifdef CONV_HALF
    floats += 2 * V_W * c->g.cg * c->g.taps;
#endif
    return sizeof(float) * (size_t)floats;
}

static bool common_accepts(const whet_problem *p, conv_plan *c, whet_layout in, int64_t ib) {
    static const int32_t params[WHET_MAX_PARAMS];
    if (p->n_in < 2 || p->n_out < 1 || p->in[0].layout != in || p->out[0].layout != BLOCKED ||
        p->in[1].layout != WHET_LAYOUT_PLAIN || !p->in[1].constant || p->in[0].rank > 4)
        return false;
    if (p->n_in > 2 && p->in[2].layout != WHET_LAYOUT_PLAIN) return false;
    return plan_init(c, p, params, ib);
}

// What differs with the input block: the two kernels of this template.
#define DEFINE(id, block)                                                                          \
    static double id##_cost(const whet_problem *p, const int32_t *params) {                        \
        conv_plan c;                                                                               \
        return plan_init(&c, p, params, block) ? plan_cost(&c, p) : INFINITY;                      \
    }                                                                                              \
    static whet_status id##_pack(const whet_problem *p, const int32_t *params, int32_t i,          \
                                 const whet_tensor *src, void *dst) {                              \
        (void)params, (void)i;                                                                     \
        return pack(p, src, dst, block);                                                           \
    }                                                                                              \
    static size_t id##_scratch(const whet_problem *p, const int32_t *params) {                     \
        conv_plan c;                                                                               \
        return plan_init(&c, p, params, block) ? plan_scratch(&c) : 0;                             \
    }                                                                                              \
    static void id##_prepare(const whet_problem *p, const int32_t *params, void *state) {          \
        plan_init(state, p, params, block);                                                        \
    }                                                                                              \
    static int64_t id##_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {       \
        conv_plan c;                                                                               \
        (void)phase;                                                                               \
        return plan_init(&c, p, params, block) ? plan_tasks(&c) : 0;                               \
    }
DEFINE(blocked, V_W)
DEFINE(stem, 1)

// Groups must start at a block boundary on both sides.
static bool blocked_accepts(const whet_problem *p) {
    conv_plan c;
    if (!common_accepts(p, &c, BLOCKED, V_W)) return false;
    return c.g.groups == 1 || (c.g.cg % V_W == 0 && c.g.kg % V_W == 0);
}

// Plain input: the first layers, where blocks of channels would be mostly empty.
#define STEM_MAX 64
static bool stem_accepts(const whet_problem *p) {
    conv_plan c;
    if (!common_accepts(p, &c, WHET_LAYOUT_PLAIN, 1)) return false;
    return c.g.groups == 1 && c.g.c <= STEM_MAX;
}
static void stem_ports(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out) {
    for (int32_t i = 0; i < p->n_in; i++) in[i] = WHET_LAYOUT_PLAIN;
    out[0] = l;
}

#define SUITE(id)                                                                                  \
    .op = "conv", .revision = 1, .cpu = V_CPU, .stores = CONV_STORES,                              \
    .layouts = WHET_LAYOUT_BIT(BLOCKED),                                                           \
    .accepts = id##_accepts, .param = conv_param, .valid = conv_valid, .cost = id##_cost,          \
    .pack_bytes = conv_pack_bytes, .pack = id##_pack, .scratch = id##_scratch,                     \
    .state_bytes = sizeof(conv_plan), .prepare = id##_prepare, .tasks = id##_tasks,                \
    .run = conv_run, .tolerance = 2

const whet_kernel CONV_ID(TILE_ID) = {
    .name = "conv_" CONV_FORM "_" TILE_NAME,
    SUITE(blocked),
};
const whet_kernel V_CAT(CONV_ID(TILE_ID), _stem) = {
    .name = "conv_" CONV_FORM "_" TILE_NAME "_stem",
    .ports = stem_ports,
    SUITE(stem),
};
