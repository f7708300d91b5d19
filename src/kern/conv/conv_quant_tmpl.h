// SPDX-License-Identifier: Apache-2.0
// Template of quant_conv: one or two spatial dimensions, any groups, channels last or plain.
//   packed weights: [group][panel of 2 vectors of output channels][tap row][group of k][lane]
//   [k in the group], the last panel of a group maybe one vector wide; then the sum of the weights
//   of each lane of each panel, i32. k runs over the channels of a tap, or, where those of
//   neighbouring taps follow each other (no groups, no dilation), over a row of the window.
// A task is (image, block of output rows, group, panel). Unless the input can be read in place, the
// rows of the block are first brought into the worker's scratch: padded with the zero point, in the
// type of the tiles, channels last.
#include <string.h>

#include "kern/conv/conv_quant_patch.h"
#include "ops/quant_fused.h"

#define TILES V_CAT(whet_qtiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
typedef struct conv_plan {
    whet_conv_geom g;
    int64_t run, runs;        // elements and number of runs of k in a row of the window
    int64_t depth;            // groups of k of a panel
    int64_t panels;           // of a group
    int64_t rows, blocks;     // output rows (flat: pixels) a task, row blocks an image
    int64_t height, width;    // of the output as walked: flat is one row
    quant_patch patch;
    bool flat;                // 1x1 without stride or padding: rows need not be kept apart
    bool out_plain;
} conv_plan;

// ---- the plan ----

static bool in_place(const conv_plan *c, const whet_problem *p) {
    const whet_port *x = &p->in[WHET_QF_X];
    return Q_BYTES && x->dtype == TILES.x && x->layout == WHET_LAYOUT_NHWC &&
           !whet_conv_padded(&c->g) && c->run % GROUP == 0;
}

// Rows a task so that its input stays in the second-level cache.
static void plan_rows(conv_plan *c, const whet_problem *p, int32_t variant) {
    const whet_conv_geom *g = &c->g;
    int64_t l2 = p->l2_bytes ? p->l2_bytes : 512 << 10;
    int64_t budget = variant == 0 ? l2 / 2 : variant == 1 ? l2 / 8 : l2 * 2;
    int64_t unit = c->flat ? TILES.pixels : 1;
    int64_t row = (c->flat ? 1 : g->stride[1] * g->in[2]) * g->c * (int64_t)sizeof(x_t);
    int64_t rows = budget / (row > 0 ? row : 1) / unit * unit;
    if (rows < unit) rows = unit;
    int64_t threads = p->threads > 1 ? p->threads : 1;
    while (threads > 1 && rows > unit &&
           g->n * g->groups * c->panels * CEIL(c->height, rows) < 4 * threads)
        rows = CEIL(rows / 2, unit) * unit;
    c->blocks = CEIL(c->height, rows);
    c->rows = CEIL(CEIL(c->height, c->blocks), unit) * unit;
    c->blocks = CEIL(c->height, c->rows);
}

static bool plan_init(conv_plan *c, const whet_problem *p, int32_t variant) {
    if (!whet_conv_geom_sizes(&c->g, p)) return false;
    const whet_conv_geom *g = &c->g;
    if (g->in[0] != 1 || g->ker[0] != 1 || g->out[0] != 1) return false;
    c->out_plain = p->out[0].layout == WHET_LAYOUT_PLAIN;
    bool joined = g->groups == 1 && g->dil[2] == 1;
    c->run = joined ? g->ker[2] * g->cg : g->cg;
    c->runs = joined ? 1 : g->ker[2];
    c->depth = g->ker[1] * c->runs * CEIL(c->run, GROUP);
    c->panels = CEIL(g->kg, 2 * V_W);
    c->flat = g->taps == 1 && g->stride[1] == 1 && g->stride[2] == 1 && !whet_conv_padded(g);
    c->height = c->flat ? g->out_size : g->out[1];
    c->width = c->flat ? 1 : g->out[2];
    plan_rows(c, p, variant);
    return patch_init(&c->patch, g, p, c->flat, c->rows, !in_place(c, p));
}

static int64_t task_rows(const conv_plan *c, int64_t block) {
    int64_t left = c->height - block * c->rows;
    return left < c->rows ? left : c->rows;
}

// ---- a task ----

typedef struct conv_task {
    const x_t *a;       // first input row of the block
    const w_t *w;       // of the panel
    int64_t pitch;      // elements between input rows
    int64_t step;       // elements between the inputs of neighbouring output pixels
    int64_t vectors;
    whet_qwalk walk;
    whet_qout out;
    int32_t init[2 * V_W];
} conv_task;

// One output row (or stretch of pixels), in tiles of even widths.
static void run_row(const conv_task *t, const whet_qstages *s, const x_t *a, whet_qout *o,
                    int64_t width) {
    int32_t sums[WHET_QTILE_PIXELS * 2 * V_W] __attribute__((aligned(64)));
    int64_t size = s->out == WHET_DTYPE_F32 ? 4 : 1, other = s->other == WHET_DTYPE_F32 ? 4 : 1;
    for (int64_t tiles = CEIL(width, TILES.pixels); tiles > 0; tiles--) {
        int64_t w = CEIL(width, tiles);
        TILES.tile[t->vectors - 1][w](a, t->step, t->w, &t->walk, t->init, sums);
        TILES.store(s, o, sums, w, t->vectors);
        a += w * t->step, width -= w;
        o->y = (char *)o->y + w * o->pixel * size;
        if (o->other) o->other = (const char *)o->other + w * o->pixel * other;
    }
}

static void task_output(const whet_call *call, const conv_plan *c, conv_task *t,
                        const whet_qstages *s, int64_t image, int64_t y0, int64_t oc) {
    const whet_conv_geom *g = &c->g;
    int64_t pixel = y0 * c->width;
    int64_t at = c->out_plain ? (image * g->k + oc) * g->out_size + pixel
                              : (image * g->out_size + pixel) * g->k + oc;
    t->out.pixel = c->out_plain ? 1 : g->k;
    t->out.column = c->out_plain ? g->out_size : 1;
    t->out.y = (char *)call->out[0] + at * (s->out == WHET_DTYPE_F32 ? 4 : 1);
    if (s->other)
        t->out.other =
            (const char *)call->in[WHET_QF_OTHER] + at * (s->other == WHET_DTYPE_F32 ? 4 : 1);
}

// Weights of a panel in groups of k times lanes, before it all others.
static int64_t panel_at(const conv_plan *c, int64_t group, int64_t panel) {
    return group * CEIL(c->g.kg, V_W) * V_W + panel * 2 * V_W;
}

static void run_task(const whet_call *call, const conv_plan *c, const whet_qstages *s,
                     source *src, int64_t task, int64_t *have) {
    const whet_conv_geom *g = &c->g;
    int64_t panel = task % c->panels, group = task / c->panels % g->groups;
    int64_t rest = task / c->panels / g->groups, image = rest / c->blocks, block = rest % c->blocks;
    int64_t y0 = block * c->rows, lane = panel_at(c, group, panel);
    int64_t oc = panel * 2 * V_W, cols = g->kg - oc < 2 * V_W ? g->kg - oc : 2 * V_W;
    src->x = (const uint8_t *)call->in[WHET_QF_X] + image * g->c * g->in_size;
    float scale[2 * V_W], bias[2 * V_W];
    conv_task t = {.vectors = cols > V_W ? 2 : 1, .step = g->stride[2] * g->c};
    t.pitch = (c->patch.h ? c->patch.w : c->flat ? 1 : g->in[2]) * g->c;
    if (c->patch.h) {
        if (*have != rest) patch_copy(&c->patch, g, src, call->scratch, y0, task_rows(c, block));
        *have = rest;
        t.a = call->scratch;
    } else {
        t.a = (const x_t *)(const void *)(src->x + y0 * g->stride[1] * t.pitch);
    }
    t.a += group * g->cg;
    const w_t *packed = call->packed[WHET_QF_W];
    int64_t lanes = panel_at(c, g->groups, 0);
    const int32_t *sums = (const int32_t *)(const void *)(packed + lanes * c->depth * GROUP);
    t.w = packed + lane * c->depth * GROUP;
    for (int64_t i = 0; i < t.vectors * V_W; i++)
        t.init[i] = -src->fill * sums[lane + i];
    t.walk = (whet_qwalk){g->ker[1], c->runs, g->dil[1] * t.pitch, g->dil[2] * g->c,
                          CEIL(c->run, GROUP)};
    bool tame = whet_qcolumns(call, s, group * g->kg + oc, cols, t.vectors * V_W, scale, bias);
    t.out = (whet_qout){.cols = cols, .scale = scale, .bias = bias, .tame = tame};
    task_output(call, c, &t, s, image, y0, group * g->kg + oc);
    int64_t rows = task_rows(c, block);
    if (c->flat) {
        run_row(&t, s, t.a, &t.out, rows);
        return;
    }
    for (int64_t y = 0; y < rows; y++)
        run_row(&t, s, t.a + y * g->stride[1] * t.pitch, &t.out, c->width);
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const conv_plan *c = call->state;
    whet_qstages s;
    source src = source_init(call);
    (void)phase;
    whet_qstages_init(&s, call);
    int64_t have = -1;
    for (int64_t task = begin; task < end; task++) run_task(call, c, &s, &src, task, &have);
    return WHET_OK;
}

// ---- packing ----

typedef struct pack_sizes {
    int64_t groups, kg, cg, taps_y, taps_x, run, runs, lanes, depth;
} pack_sizes;

static pack_sizes pack_sizes_of(const whet_problem *p) {
    const whet_port *w = &p->in[WHET_QF_W];
    const whet_quant_conv_attrs *a = p->attrs;
    int32_t n = w->rank - 2;
    bool dilated = a->window.dilations.n == n && a->window.dilations.v[n - 1] != 1;
    pack_sizes s = {.groups = a->group, .kg = w->dims[0] / a->group, .cg = w->dims[1],
                    .taps_y = n > 1 ? w->dims[2] : 1, .taps_x = w->dims[n + 1]};
    bool joined = s.groups == 1 && !dilated;
    s.run = joined ? s.taps_x * s.cg : s.cg;
    s.runs = joined ? 1 : s.taps_x;
    s.lanes = s.groups * CEIL(s.kg, V_W) * V_W;
    s.depth = s.taps_y * s.runs * CEIL(s.run, GROUP);
    return s;
}

static size_t conv_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    if (i != WHET_QF_W) return 0;
    pack_sizes s = pack_sizes_of(p);
    return (size_t)s.lanes * ((size_t)s.depth * GROUP * sizeof(w_t) + sizeof(int32_t));
}

// Element k of run (y, x) of an output channel; zero behind the end.
static w_t weight(const pack_sizes *s, const int8_t *w, int64_t y, int64_t x, int64_t k) {
    if (k >= s->run) return 0;
    if (s->runs == 1 && s->taps_x > 1) x = k / s->cg, k %= s->cg;
    return w[(k * s->taps_y + y) * s->taps_x + x];
}

static w_t *pack_panel(const pack_sizes *s, w_t *dst, const int8_t *w, int64_t width, int64_t real,
                       int32_t *sums) {
    int64_t each = s->cg * s->taps_y * s->taps_x;
    for (int64_t l = 0; l < width; l++) sums[l] = 0;
    for (int64_t y = 0; y < s->taps_y; y++)
        for (int64_t x = 0; x < s->runs; x++)
            for (int64_t k = 0; k < s->run; k += GROUP)
                for (int64_t l = 0; l < width; l++)
                    for (int64_t i = 0; i < GROUP; i++, dst++) {
                        *dst = l < real ? weight(s, w + l * each, y, x, k + i) : 0;
                        sums[l] += *dst;
                    }
    return dst;
}

static whet_status conv_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    pack_sizes s = pack_sizes_of(p);
    w_t *to = dst;
    int32_t *sums = (int32_t *)(void *)(to + s.lanes * s.depth * GROUP);
    const int8_t *w = src->data;
    (void)params, (void)i;
    for (int64_t g = 0; g < s.groups; g++, w += s.kg * s.cg * s.taps_y * s.taps_x)
        for (int64_t oc = 0; oc < s.kg; oc += 2 * V_W) {
            int64_t width = s.kg - oc > V_W ? 2 * V_W : V_W;
            to = pack_panel(&s, to, w + oc * s.cg * s.taps_y * s.taps_x, width, s.kg - oc, sums);
            sums += width;
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

static double conv_cost(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    if (!plan_init(&c, p, params[0])) return INFINITY;
    const whet_conv_geom *g = &c.g;
    double lanes = (double)panel_at(&c, g->groups, 0), pixels = (double)(g->n * g->out_size);
    double work = 2.0 * lanes * pixels * (double)(c.depth * GROUP);
    double width = c.flat ? TILES.pixels : (double)c.width / (double)CEIL(c.width, TILES.pixels);
    double share = width / (width + 0.1 * TILES.pixels);
    double copy = (double)(g->n * c.blocks * c.patch.h * c.patch.w * g->c);
    double stored = (double)(g->n * g->k * g->out_size) * (c.out_plain ? 4 : 0.5);
    if (c.patch.plain) copy *= 8;
    double tasks = (double)(g->n * c.blocks * g->groups * c.panels);
    double threads = p->threads > 1 ? p->threads : 1;
    if (tasks < threads) threads = tasks;
    return (work / (Q_PEAK * share) + copy / 20e9 + stored / 3e9 + tasks * 1e-7) / threads +
           whet_problem_bytes(p) / 30e9;
}

static size_t conv_scratch(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    return plan_init(&c, p, params[0]) ? patch_bytes(&c.patch, &c.g) : 0;
}
static void conv_prepare(const whet_problem *p, const int32_t *params, void *state) {
    plan_init(state, p, params[0]);
}
static int64_t conv_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    conv_plan c;
    (void)phase;
    return plan_init(&c, p, params[0]) ? c.g.n * c.blocks * c.g.groups * c.panels : 0;
}

static bool common_accepts(const whet_problem *p, conv_plan *c) {
    if (!quant_conv_weights(p) || !plan_init(c, p, 0)) return false;
    // sums of u8 less zero point times i8 stay below 2^31
    return c->depth * GROUP <= 65536 && whet_qstages_accepts(p, c->g.k);
}

static bool same_accepts(const whet_problem *p) {
    conv_plan c;
    if (!common_accepts(p, &c) || p->in[WHET_QF_X].layout != p->out[0].layout) return false;
    return p->out[0].layout == WHET_LAYOUT_PLAIN || p->out[0].layout == WHET_LAYOUT_NHWC;
}

// From planes to channels last: the first layers, whose few channels make a reordering of the input
// by itself slow.
#define STEM_MAX 16
static void stem_ports(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out) {
    quant_conv_ports(p, l, in, out);
    in[WHET_QF_X] = WHET_LAYOUT_PLAIN;
}
static bool stem_accepts(const whet_problem *p) {
    conv_plan c;
    return common_accepts(p, &c) && p->in[WHET_QF_X].layout == WHET_LAYOUT_PLAIN &&
           p->out[0].layout == WHET_LAYOUT_NHWC && c.g.c <= STEM_MAX;
}

#define SUITE(id, port)                                                                            \
    .op = "quant_conv", .revision = 1,                                                             \
    .cpu = Q_CPU, .ports = port,                                                                   \
    .accepts = id##_accepts, .param = conv_param, .valid = conv_valid, .cost = conv_cost,          \
    .pack_bytes = conv_pack_bytes, .pack = conv_pack, .scratch = conv_scratch,                     \
    .state_bytes = sizeof(conv_plan), .prepare = conv_prepare, .tasks = conv_tasks,                \
    .run = conv_run, .tolerance = 2

const whet_kernel V_CAT(whet_kernel_quant_conv_i8_, Q_ISA) = {
    .name = "quant_conv_i8_" Q_NAME,
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC) | WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN),
    SUITE(same, quant_conv_ports),
};
const whet_kernel V_CAT(V_CAT(whet_kernel_quant_conv_i8_, Q_ISA), _stem) = {
    .name = "quant_conv_i8_" Q_NAME "_stem",
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC),
    SUITE(stem, stem_ports),
};
