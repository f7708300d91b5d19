// SPDX-License-Identifier: Apache-2.0
// Template of the matrix product C [m,n] = alpha A' B' + bias, plain layout, then the epilogue.
//   packed B: [matrix][panel of 2 vectors of columns][k][lane]; the last panel may be one
//   vector wide
// A constant B is packed at build, another one panel by panel into the worker's scratch, unless few
// rows would use it. A task is (batch, block of rows, group of panels). When rows are so long that
// a block of them would be small, k is cut into chunks and sums wait in scratch, so that B goes
// past seldom. Rows of A are read in place; they are first copied to scratch when transposed, or
// when their distance would map them to the same sets of the first-level cache. alpha is applied to
// the sums: an operand's denormals it would round.
// With GEMM_BLOCK defined: the same for constant weights of few bits (gemm_block_tmpl.h), with
// GEMM_HALF for constant weights that are packed as FP16 (gemm_half_tmpl.h).
#include <string.h>

#include "kern/gemm/gemm_geom.h"
#include "kern/microtile.h"
#include "kern/simd.h"
#include "kern/tile_transpose.h"

#define TILES V_CAT(whet_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)
#define APPLY V_CAT(whet_epilogue_apply_, V_ISA)

#define GROUP 4       // panels a task, with chunks
#define BLOCK_MAX 32  // tiles a task, with chunks
#define CUT_SIZE (INT64_C(2) << 20) // elements of B from which on

#ifdef GEMM_BLOCK
#include "kern/gemm/gemm_block_tmpl.h"
#elif defined(GEMM_HALF)
#include "kern/gemm/gemm_half_tmpl.h"
#endif
#if defined(GEMM_BLOCK) || defined(GEMM_HALF)
#define GEMM_STORED // B is unpacked
#endif

typedef struct gemm_plan {
    whet_gemm_geom g;
#ifdef GEMM_BLOCK
    whet_block_geom w;
#endif
    int32_t bias_in;
    int64_t panels, group, groups; // of columns; panels a task
    int64_t tiles;           // of rows, of even heights
    int64_t block, blocks;   // tiles a task
    int64_t chunk, chunks;   // of k
    int64_t pitch;           // of the copied rows of A, 0: used in place
    bool packed, direct;     // B: packed at build; read in place
    bool few;                // rows: B is unpacked in registers
    whet_epi_plan epi;
} gemm_plan;

static int64_t tile_row(const gemm_plan *c, int64_t tile) { return c->g.m * tile / c->tiles; }
static int64_t panel_width(int64_t n, int64_t panel) {
    return n - panel * PANEL > V_W ? PANEL : V_W;
}

// Tiles a task so that its rows of A, or a chunk of them, stay in the second-level cache. Variant 0
// cuts k when B is large and rows are long, 1 wherever it can be cut, 2 not and leaves more room.
static void plan_blocks(gemm_plan *c, const whet_problem *p, int32_t variant) {
    int64_t l2 = p->l2_bytes ? p->l2_bytes : 512 << 10, budget = variant == 2 ? l2 / 2 : l2 / 4 * 3;
    int64_t column = CEIL(c->g.m, c->tiles) * 4; // bytes of a tile's rows a step of k
    c->block = budget / (column * c->g.k) > 3 ? budget / (column * c->g.k) : 3;
    c->chunk = c->g.k, c->chunks = 1;
    bool cut = c->block < c->tiles && c->block < BLOCK_MAX / 2 && c->g.k >= 512 && variant != 2;
    if (variant == 0) cut = cut && c->g.k >= 2048 && c->g.k * c->g.n >= CUT_SIZE;
    if (cut) {
        c->block = c->tiles < BLOCK_MAX ? c->tiles : BLOCK_MAX;
        c->chunk = budget / (column * c->block) > 256 ? budget / (column * c->block) : 256;
        c->chunks = CEIL(c->g.k, c->chunk);
        c->chunk = CEIL(CEIL(c->g.k, c->chunks), 16) * 16;
        c->chunks = CEIL(c->g.k, c->chunk);
    }
    if (c->block > c->tiles) c->block = c->tiles;
    c->blocks = CEIL(c->tiles, c->block);
    c->group = c->chunks > 1 ? GROUP : 1;
    int64_t threads = p->threads > 1 ? p->threads : 1;
    while (c->group > 1 && c->g.batches * c->blocks * CEIL(c->panels, c->group) < 4 * threads)
        c->group /= 2;
    c->groups = CEIL(c->panels, c->group);
    if (c->g.batches * c->blocks * c->groups < 2 * threads && c->tiles > 1)
        c->blocks = c->tiles < 2 * threads ? c->tiles : 2 * threads;
    c->block = CEIL(c->tiles, c->blocks);
    c->blocks = CEIL(c->tiles, c->block);
}

static bool plan_init(gemm_plan *c, const whet_problem *p, const int32_t *params) {
    c->bias_in = 2;
#ifdef GEMM_BLOCK
    if (!whet_block_geom_init(&c->w, &c->g, p)) return false;
    if (c->w.bias_in >= 0) c->bias_in = c->w.bias_in;
#else
    if (!whet_gemm_geom_init(&c->g, p)) return false;
#endif
#ifdef GEMM_HALF
    if (!p->in[1].constant) return false;
#endif
    const whet_gemm_geom *g = &c->g;
    c->panels = CEIL(g->n, PANEL);
    c->tiles = CEIL(g->m, TILES.pixels);
    plan_blocks(c, p, params[0]);
#ifdef GEMM_STORED
    c->packed = c->direct = false;
    c->few = g->m <= FEW_ROWS && g->batches == 1 && !g->trans_a && g->alpha == 1 &&
             g->bias != WHET_GEMM_BIAS_ROWS;
#else
    c->packed = p->in[1].constant;
    c->direct = !c->packed && !g->trans_b && g->m <= 2 * TILES.pixels && c->chunks == 1;
#endif
    // rows 2 KiB apart share two sets of a first-level cache
    bool clash = g->k % 512 == 0 && g->m > 4 && c->panels > 2;
    c->pitch = g->trans_a || clash ? (CEIL(g->k, 16) | 1) * 16 : 0;
    c->epi = g->alpha == 1 ? whet_epilogue_plan(&p->epi) : (whet_epi_plan){0};
    return true;
}

// ---- copies ----

#ifndef GEMM_BLOCK
// dst [n][lanes] = src [lanes][n] transposed; lanes < V_W are padded with zeros.
static void transpose_lanes(float *dst, int64_t step, const float *src, int64_t ld, int64_t n,
                            int64_t lanes) {
    for (int64_t i = 0; i < n; i += V_W) {
        vf r[V_W];
        for (int l = 0; l < V_W; l++)
            r[l] = l < lanes ? v_load_n(src + l * ld + i, n - i) : v_zero();
        v_transpose(r);
        int64_t rows = n - i < V_W ? n - i : V_W;
        for (int64_t l = 0; l < rows; l++) v_store(dst + (i + l) * step, r[l]);
    }
}

// One panel of B: columns from `col` on, rows [from, to), dst [rows][width].
static void pack_panel(const whet_gemm_geom *g, float *dst, const float *b, int64_t col,
                       int64_t width, int64_t from, int64_t to) {
    int64_t left = g->n - col;
    if (g->trans_b) {
        for (int64_t v = 0; v < width; v += V_W)
            transpose_lanes(dst + v, width, b + (col + v) * g->k + from, g->k, to - from, left - v);
        return;
    }
    for (int64_t k = from; k < to; k++, dst += width)
        for (int64_t v = 0; v < width; v += V_W)
            v_store(dst + v, v_load_n(b + k * g->n + col + v, left - v));
}
#endif

// Rows [from, to) of A' to dst with the plan's pitch.
static void copy_rows(const gemm_plan *c, float *dst, const float *a, int64_t from, int64_t to) {
    const whet_gemm_geom *g = &c->g;
    if (!g->trans_a) {
        for (int64_t i = from; i < to; i++)
            memcpy(dst + (i - from) * c->pitch, a + i * g->k, sizeof *a * (size_t)g->k);
        return;
    }
    for (int64_t k = 0; k < g->k; k += V_W) // blocks of A [k][m]
        for (int64_t i = from; i < to; i += V_W) {
            vf r[V_W];
            for (int l = 0; l < V_W; l++)
                r[l] = k + l < g->k ? v_load_n(a + (k + l) * g->m + i, to - i) : v_zero();
            v_transpose(r);
            for (int64_t l = 0; l < V_W && i + l < to; l++)
                v_store_n(dst + (i + l - from) * c->pitch + k, r[l], g->k - k);
        }
}

// ---- a task ----

typedef struct gemm_local { // of a worker, in scratch
    float *rows;            // copied rows of A
    float *panel;           // packed columns of B: a chunk of a group
    float *sums;            // [rows of a block][group of panels], between chunks
    int64_t rows_of;        // batch and block that `rows` holds, -1: none
} gemm_local;

static int64_t block_rows(const gemm_plan *c) { return CEIL(c->g.m, c->tiles) * c->block; }

static int64_t local_floats(const gemm_plan *c, gemm_local *l, float *scratch) {
    int64_t at = c->pitch * block_rows(c);
    if (l) l->rows = scratch, l->panel = scratch + at, l->rows_of = -1;
    at += c->packed ? 0 : c->chunk * c->group * PANEL;
    if (l) l->sums = scratch + at;
    return at + (c->chunks > 1 ? block_rows(c) * c->group * PANEL : 0);
}

typedef struct gemm_task {
    const float *a;           // row 0
    int64_t lda, first, last; // tiles of rows
    int64_t batch, ib;        // of the output, matrix of B
} gemm_task;

#ifdef GEMM_HALF
static const uint16_t *packed_panel(const whet_call *call, const gemm_plan *c, int64_t ib,
                                    int64_t panel) {
    int64_t lanes = CEIL(c->g.n, V_W) * V_W;
    return (const uint16_t *)call->packed[1] + (ib * lanes + panel * PANEL) * c->g.k;
}
#endif

static const float *task_panel(const whet_call *call, const gemm_plan *c, gemm_local *local,
                               int64_t ib, int64_t panel, int64_t from, int64_t to,
                               int64_t *step) {
    const whet_gemm_geom *g = &c->g;
    int64_t width = panel_width(g->n, panel);
    float *to_panel = local->panel + panel % c->group * c->chunk * PANEL;
    *step = width;
#ifdef GEMM_BLOCK
    (void)ib;
    unpack_panel(call, &c->w, to_panel, panel, width, from, to);
#elif defined(GEMM_HALF)
    widen_panel(to_panel, packed_panel(call, c, ib, panel) + from * width, (to - from) * width);
#else
    int64_t col = panel * PANEL;
    if (c->packed)
        return (const float *)call->packed[1] + ib * CEIL(g->n, V_W) * V_W * g->k + col * g->k +
               from * width;
    const float *b = (const float *)call->in[1] + ib * g->k * g->n;
    if (c->direct && g->n - col >= width) {
        *step = g->n;
        return b + col;
    }
    pack_panel(g, to_panel, b, col, width, from, to);
#endif
    return to_panel;
}

static void task_bias(const whet_call *call, const gemm_plan *c, int64_t col, float *out) {
    const float *bias = call->in[c->bias_in];
    vf beta = v_set1(c->g.beta);
    for (int v = 0; v < PANEL; v += V_W) {
        vf x = v_zero();
        if (c->g.bias == WHET_GEMM_BIAS_ONE) x = v_set1(bias[0]);
        else if (c->g.n > col + v) x = v_load_n(bias + col + v, c->g.n - col - v);
        v_store(out + v, x * beta);
    }
}

#ifdef GEMM_STORED
// All m rows (at most FEW_ROWS) of one panel.
static void run_few(const whet_call *call, const gemm_plan *c, int64_t panel) {
    const whet_gemm_geom *g = &c->g;
    int64_t width = panel_width(g->n, panel), col = panel * PANEL;
    float t[FEW_ROWS * PANEL], bias[PANEL] = {0};
#ifdef GEMM_BLOCK
    block_panel b = panel_of(call, &c->w, panel, width);
    few_table[g->m - 1][width / V_W - 1][b.zeros || c->w.zero](&c->w, &b, call->in[0], t);
#else
    few_table[g->m - 1][width / V_W - 1](call->in[0], g->k, packed_panel(call, c, 0, panel), t);
#endif
    if (g->bias != WHET_GEMM_BIAS_NONE) task_bias(call, c, col, bias);
    int64_t cols = g->n - col < width ? g->n - col : width;
    for (int64_t i = 0; i < g->m; i++) {
        int64_t at = i * g->n + col;
        float *y = (float *)call->out[0] + at;
        for (int64_t j = 0; j < cols; j += V_W)
            v_store_n(y + j, v_load(t + i * width + j) + v_load(bias + j), cols - j);
        if (!whet_epilogue_empty(&call->p->epi))
            APPLY(&call->p->epi, y, call->other ? (const float *)call->other + at : NULL, cols);
    }
}
#endif

// What the tile left out when alpha is not 1: y = alpha y + bias, then the epilogue, row by row.
static void scale_rows(const whet_call *call, const gemm_plan *c, const whet_tile_out *o,
                       int64_t rows, const float *bias, const float *row_bias) {
    vf alpha = v_set1(c->g.alpha);
    for (int64_t i = 0; i < rows; i++) {
        float *y = o->y + i * o->pixel;
        for (int64_t j = 0; j < o->cols; j += V_W) {
            vf b = bias ? v_load(bias + j) : row_bias ? v_set1(row_bias[i]) : v_zero();
            v_store_n(y + j, v_fma(v_load_n(y + j, o->cols - j), alpha, b), o->cols - j);
        }
        if (!whet_epilogue_empty(&call->p->epi))
            APPLY(&call->p->epi, y, o->other ? o->other + i * o->pixel : NULL, o->cols);
    }
}

// One chunk of k of one panel for all rows of a task.
static void run_panel(const whet_call *call, const gemm_plan *c, gemm_local *local,
                      const gemm_task *t, int64_t panel, int64_t from) {
    const whet_gemm_geom *g = &c->g;
    int64_t to = from + c->chunk < g->k ? from + c->chunk : g->k, col = panel * PANEL, step;
    int64_t width = panel_width(g->n, panel), len = to - from;
    const float *w = task_panel(call, c, local, t->ib, panel, from, to, &step);
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = len, .last = len, .w_step = step};
    float bias[PANEL];
    bool late = g->alpha != 1; // bias and epilogue after the tile
    bool columns = g->bias == WHET_GEMM_BIAS_COLUMNS || g->bias == WHET_GEMM_BIAS_ONE;
    if (columns) task_bias(call, c, col, bias);
    const float *rows_bias = g->bias == WHET_GEMM_BIAS_ROWS ? call->in[2] : NULL;
    whet_tile_out o = {.vec = V_W, .init_pixel = c->group * PANEL, .epi = &call->p->epi};
    if (columns && !late && !from) o.bias = bias;
    for (int64_t tile = t->first; tile < t->last; tile++) {
        int64_t row = tile_row(c, tile), rows = tile_row(c, tile + 1) - row;
        int64_t at = (t->batch * g->m + row) * g->n + col;
        float *sums = local->sums + (row - tile_row(c, t->first)) * o.init_pixel +
                      panel % c->group * PANEL;
        o.init = from ? sums : NULL;
        if (to < g->k) {
            o.y = sums, o.pixel = o.init_pixel, o.cols = width;
        } else {
            o.y = (float *)call->out[0] + at, o.pixel = g->n;
            o.cols = g->n - col < width ? g->n - col : width;
            o.other = call->other ? (const float *)call->other + at : NULL;
            o.row_bias = rows_bias && !late ? rows_bias + row : NULL;
            o.plan = c->epi;
        }
        TILES.one[width / V_W - 1][rows](t->a + row * t->lda + from, t->lda, 0, w, &walk, &o);
        if (late && to == g->k)
            scale_rows(call, c, &o, rows, columns ? bias : NULL,
                       rows_bias ? rows_bias + row : NULL);
    }
}

static void run_task(const whet_call *call, const gemm_plan *c, int64_t task, gemm_local *local) {
    const whet_gemm_geom *g = &c->g;
    int64_t panel = task % c->groups * c->group, rest = task / c->groups, ia = 0;
    int64_t end = panel + c->group < c->panels ? panel + c->group : c->panels;
#ifdef GEMM_STORED
    for (int64_t i = panel; i < end && c->few; i++) run_few(call, c, i);
    if (c->few) return;
#endif
    gemm_task t = {.batch = rest / c->blocks, .first = rest % c->blocks * c->block, .lda = g->k};
    t.last = t.first + c->block < c->tiles ? t.first + c->block : c->tiles;
    if (g->batches > 1) whet_matmul_ref_at(&g->ref, t.batch, &ia, &t.ib);
    t.a = (const float *)call->in[0] + ia * g->m * g->k;
    if (c->pitch) {
        int64_t row = tile_row(c, t.first);
        if (local->rows_of != rest) copy_rows(c, local->rows, t.a, row, tile_row(c, t.last));
        local->rows_of = rest;
        t.a = local->rows - row * c->pitch;
        t.lda = c->pitch;
    }
    for (int64_t from = 0; from < g->k; from += c->chunk)
        for (int64_t i = panel; i < end; i++) run_panel(call, c, local, &t, i, from);
}

static whet_status gemm_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const gemm_plan *c = call->state;
    gemm_local local;
    (void)phase;
    local_floats(c, &local, call->scratch);
    for (int64_t task = begin; task < end; task++) run_task(call, c, task, &local);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static size_t gemm_scratch(const whet_problem *p, const int32_t *params) {
    gemm_plan c;
    return plan_init(&c, p, params) ? sizeof(float) * (size_t)local_floats(&c, NULL, NULL) : 0;
}
static void gemm_prepare(const whet_problem *p, const int32_t *params, void *state) {
    plan_init(state, p, params);
}
static int64_t gemm_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    gemm_plan c;
    (void)phase;
    return plan_init(&c, p, params) ? c.g.batches * c.blocks * c.groups : 0;
}

#ifdef GEMM_BLOCK
static size_t gemm_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    whet_block_geom w;
    (void)params;
    return whet_block_weights(&w, p) ? whet_block_pack_bytes(&w, V_W, i) : 0;
}
static whet_status gemm_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    whet_block_geom w;
    (void)params;
    if (!whet_block_weights(&w, p)) return WHET_E_INVALID;
    whet_block_pack(&w, V_W, i, src, dst);
    return WHET_OK;
}
#else
#ifdef GEMM_HALF
#define PACKED_SIZE sizeof(uint16_t)
static void pack_whole(const whet_gemm_geom *g, void *dst, const float *b, int64_t col,
                       int64_t width) {
    float rows[V_W * PANEL];
    uint16_t *to = dst;
    for (int64_t k = 0; k < g->k; k += V_W) {
        int64_t n = g->k - k < V_W ? g->k - k : V_W;
        pack_panel(g, rows, b, col, width, k, k + n);
        narrow_panel(to + k * width, rows, n * width);
    }
}
#else
#define PACKED_SIZE sizeof(float)
static void pack_whole(const whet_gemm_geom *g, void *dst, const float *b, int64_t col,
                       int64_t width) {
    pack_panel(g, dst, b, col, width, 0, g->k);
}
#endif

// Shapes of a constant B alone: m and the batches of A must not matter.
static void b_shape(const whet_problem *p, int64_t *batches, int64_t *k, int64_t *n) {
    const whet_port *b = &p->in[1];
    bool trans = !strcmp(p->op, "gemm") ? ((const whet_gemm_attrs *)p->attrs)->trans_b
                                        : ((const whet_matmul_attrs *)p->attrs)->trans_b;
    *batches = 1, *k = b->dims[0], *n = 1;
    if (b->rank < 2) return;
    *k = b->dims[b->rank - (trans ? 1 : 2)], *n = b->dims[b->rank - (trans ? 2 : 1)];
    for (int32_t d = 0; d < b->rank - 2; d++) *batches *= b->dims[d];
}

static size_t gemm_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    int64_t batches, k, n;
    (void)params;
    if (i != 1) return 0;
    b_shape(p, &batches, &k, &n);
    return PACKED_SIZE * (size_t)(batches * k * (CEIL(n, V_W) * V_W));
}

static whet_status gemm_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    int64_t batches;
    (void)params, (void)i;
    whet_gemm_geom g = {0};
    b_shape(p, &batches, &g.k, &g.n);
    g.trans_b = p->in[1].rank > 1 && (!strcmp(p->op, "gemm")
                                          ? ((const whet_gemm_attrs *)p->attrs)->trans_b
                                          : ((const whet_matmul_attrs *)p->attrs)->trans_b);
    char *to = dst;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t col = 0; col < g.n; col += PANEL) {
            int64_t width = panel_width(g.n, col / PANEL);
            pack_whole(&g, to, (const float *)src->data + b * g.k * g.n, col, width);
            to += PACKED_SIZE * (size_t)(g.k * width);
        }
    return WHET_OK;
}

#endif

static bool gemm_param(const whet_problem *p, int32_t i, int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    params[0] = i;
    return i < 3;
}
static bool gemm_valid(const whet_problem *p, const int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    for (int32_t i = 1; i < WHET_MAX_PARAMS; i++)
        if (params[i]) return false;
    return params[0] >= 0 && params[0] < 3;
}

static bool gemm_accepts(const whet_problem *p) {
    static const int32_t params[WHET_MAX_PARAMS];
    gemm_plan c;
    return plan_init(&c, p, params);
}

static double gemm_cost(const whet_problem *p, const int32_t *params) {
    gemm_plan c;
    if (!plan_init(&c, p, params)) return INFINITY;
    const whet_gemm_geom *g = &c.g;
    double rows = (double)g->m / (double)c.tiles, lanes = (double)(CEIL(g->n, V_W) * V_W);
    double flops = 2.0 * (double)(g->batches * g->m) * (double)g->k * lanes;
    double pack = c.packed || c.direct ? 0 : 8.0 * (double)(g->batches * c.blocks * g->k) * lanes;
#ifdef GEMM_STORED
    pack = (c.few ? 2.0 : 4.0) * (double)(g->batches * c.blocks * g->k) * lanes;
#endif
#ifdef GEMM_HALF
    pack = (c.few ? 0.5 : 1.0) * (double)(g->batches * c.blocks * g->k) * lanes;
    pack -= 20e9 / KERN_BANDWIDTH * 2 * (double)(g->b_batches * g->k * g->n); // not read
#endif
    double copy = c.pitch ? 8.0 * (double)(g->batches * g->m) * (double)g->k : 0;
    double threads = p->threads > 1 ? p->threads : 1;
    double tasks = (double)(g->batches * c.blocks * c.groups);
    if (tasks < threads) threads = tasks;
    double share = rows / (rows + 0.1 * TILES.pixels);
    double seconds = flops / (KERN_PEAK * share) + (pack + copy) / 20e9;
    return seconds / threads + whet_problem_bytes(p) / KERN_BANDWIDTH;
}

#ifdef GEMM_HALF
#define TOLERANCE 3 // an epilogue's own error counts for more behind sums of two terms
#else
#define TOLERANCE 2
#endif
#define SUITE                                                                                      \
    .revision = 1, .cpu = V_CPU, .accepts = gemm_accepts, .param = gemm_param,                     \
    .valid = gemm_valid, .cost = gemm_cost, .pack_bytes = gemm_pack_bytes, .pack = gemm_pack,      \
    .scratch = gemm_scratch, .state_bytes = sizeof(gemm_plan), .prepare = gemm_prepare,            \
    .tasks = gemm_tasks, .run = gemm_run, .tolerance = TOLERANCE

#define GEMM_ID V_PICK_NAME(avx512_14x32, avx2_6x16, neon_6x16, scalar)
#define GEMM_NAME V_PICK_NAME("avx512_14x32", "avx2_6x16", "neon_6x16", "scalar")

#ifdef GEMM_BLOCK
const whet_kernel V_CAT(whet_kernel_block_matmul_, GEMM_ID) = {
    .name = "block_matmul_" GEMM_NAME, .op = "block_matmul", SUITE,
};
const whet_kernel V_CAT(whet_kernel_ms_matmul_nbits_, GEMM_ID) = {
    .name = "ms_matmul_nbits_" GEMM_NAME, .op = "ms_matmul_nbits", SUITE,
};
#elif defined(GEMM_HALF)
const whet_kernel V_CAT(whet_kernel_gemm_w16_, GEMM_ID) = {
    .name = "gemm_w16_" GEMM_NAME, .op = "gemm", .stores = WHET_STORE_BIT(WHET_STORE_HALF), SUITE,
};
const whet_kernel V_CAT(whet_kernel_matmul_w16_, GEMM_ID) = {
    .name = "matmul_w16_" GEMM_NAME, .op = "matmul", .stores = WHET_STORE_BIT(WHET_STORE_HALF),
    SUITE,
};
#else
const whet_kernel V_CAT(whet_kernel_gemm_f32_, GEMM_ID) = {
    .name = "gemm_f32_" GEMM_NAME, .op = "gemm", SUITE,
};
const whet_kernel V_CAT(whet_kernel_matmul_f32_, GEMM_ID) = {
    .name = "matmul_f32_" GEMM_NAME, .op = "matmul", SUITE,
};
#endif
