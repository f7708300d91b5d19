// SPDX-License-Identifier: Apache-2.0
// Matrix product C [m,n] = alpha A B' + bias in BF16, sums in f32, then the epilogue. Plain layout;
// A and a B that is no constant are stored as bf16, C as bf16 or f32; k is even.
//   packed B: [matrix][panel of 2 vectors of columns][pair of k][lane][2]; the last panel may be
//   one vector wide
// Tasks, blocks and chunks of k are those of gemm_tmpl.h.
#include <string.h>

#include "kern/bf16.h"
#include "kern/bf16tile.h"
#include "kern/gemm/gemm_geom.h"
#include "kern/tile_transpose.h"

#define TILES V_CAT(whet_bf16_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)

#define GROUP 4       // panels a task, with chunks
#define BLOCK_MAX 32  // tiles a task, with chunks
#define CUT_SIZE (INT64_C(4) << 20) // elements of B from which on

typedef struct gemm_plan {
    whet_gemm_geom g;
    int64_t panels, group, groups; // of columns; panels a task
    int64_t tiles;           // of rows, of even heights
    int64_t block, blocks;   // tiles a task
    int64_t chunk, chunks;   // of k
    int64_t pitch;           // of the copied rows of A, 0: used in place
    bool packed, wide;       // B at build; C is f32
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
    int64_t column = CEIL(c->g.m, c->tiles) * 2; // bytes of a tile's rows a step of k
    c->block = budget / (column * c->g.k) > 3 ? budget / (column * c->g.k) : 3;
    c->chunk = c->g.k, c->chunks = 1;
    bool cut = c->block < c->tiles && c->block < BLOCK_MAX / 2 && c->g.k >= 1024 && variant != 2;
    if (variant == 0) cut = cut && c->g.k >= 4096 && c->g.k * c->g.n >= CUT_SIZE;
    if (cut) {
        c->block = c->tiles < BLOCK_MAX ? c->tiles : BLOCK_MAX;
        c->chunk = budget / (column * c->block) > 512 ? budget / (column * c->block) : 512;
        c->chunks = CEIL(c->g.k, c->chunk);
        c->chunk = CEIL(CEIL(c->g.k, c->chunks), 32) * 32;
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
    whet_dtype bf16 = WHET_DTYPE_BF16;
    if (p->n_in < 2 || p->n_out < 1) return false;
    c->wide = p->out[0].dtype == WHET_DTYPE_F32;
    c->packed = p->in[1].constant;
    if (!whet_gemm_geom_init_as(&c->g, p, bf16, c->packed ? WHET_DTYPE_F32 : bf16,
                                c->wide ? WHET_DTYPE_F32 : bf16))
        return false;
    const whet_gemm_geom *g = &c->g;
    if (g->k % 2 || g->trans_a || g->bias == WHET_GEMM_BIAS_ROWS) return false;
    c->panels = CEIL(g->n, PANEL);
    c->tiles = CEIL(g->m, BF16_PIXELS);
    plan_blocks(c, p, params[0]);
    // rows 2 KiB apart share two sets of a first-level cache
    bool clash = g->k % 1024 == 0 && g->m > 4 && c->panels > 2;
    c->pitch = clash ? (CEIL(g->k, 32) | 1) * 32 : 0;
    c->epi = whet_epilogue_plan(&p->epi);
    return true;
}

// ---- packing ----

// Pairs of `lanes` rows of b, which are ld elements apart: dst [pair][width lanes][2].
static void pack_rows(uint16_t *dst, int64_t width, const uint16_t *b, int64_t ld, int64_t pairs,
                      int64_t lanes) {
    const float *src = (const float *)(const void *)b; // bits of pairs, never computed with
    float *to = (float *)(void *)dst;
    for (int64_t i = 0; i < pairs; i += V_W) {
        vf r[V_W];
        for (int l = 0; l < V_W; l++)
            r[l] = l < lanes ? v_load_n(src + l * (ld / 2) + i, pairs - i) : v_zero();
        v_transpose(r);
        int64_t rows = pairs - i < V_W ? pairs - i : V_W;
        for (int64_t l = 0; l < rows; l++) v_store(to + (i + l) * width, r[l]);
    }
}

// One panel of B stored as bf16: columns from `col` on, rows [from, to).
static void pack_panel(const whet_gemm_geom *g, uint16_t *dst, const uint16_t *b, int64_t col,
                       int64_t width, int64_t from, int64_t to) {
    int64_t left = g->n - col;
    if (g->trans_b) {
        for (int64_t v = 0; v < width; v += V_W)
            pack_rows(dst + 2 * v, width, b + (col + v) * g->k + from, g->k, (to - from) / 2,
                      left - v);
        return;
    }
    for (int64_t k = from; k < to; k += 2, dst += 2 * width)
        for (int64_t v = 0; v < width; v += V_W) {
            const uint16_t *row = b + k * g->n + col + v;
            vi low = v_load_bits_n(row, left - v), high = v_load_bits_n(row + g->n, left - v);
            vi_store((int32_t *)(void *)(dst + 2 * v), low | high << 16);
        }
}

// The same of a constant.
static void pack_constant(const whet_gemm_geom *g, uint16_t *dst, const float *b, int64_t col,
                          int64_t width) {
    for (int64_t k = 0; k < g->k; k += 2)
        for (int64_t l = 0; l < width; l++)
            for (int64_t i = k; i < k + 2; i++) {
                int64_t at = g->trans_b ? (col + l) * g->k + i : i * g->n + col + l;
                *dst++ = col + l < g->n ? whet_f32_to_bf16(b[at]) : 0;
            }
}

// ---- a task ----

typedef struct gemm_local { // of a worker, in scratch
    uint16_t *rows;         // copied rows of A
    uint16_t *panel;        // packed columns of B: a chunk of a group
    float *sums;            // [rows of a block][group of panels], between chunks
    int64_t rows_of;        // batch and block that `rows` holds, -1: none
} gemm_local;

static int64_t block_rows(const gemm_plan *c) { return CEIL(c->g.m, c->tiles) * c->block; }

static size_t local_bytes(const gemm_plan *c, gemm_local *l, char *scratch) {
    size_t rows = 2 * (size_t)(CEIL(c->pitch * block_rows(c), 32) * 32);
    size_t panel = c->packed ? 0 : 2 * (size_t)(c->chunk * c->group * PANEL);
    size_t sums = c->chunks > 1 ? 4 * (size_t)(block_rows(c) * c->group * PANEL) : 0;
    if (l) {
        *l = (gemm_local){.rows = (void *)scratch, .panel = (void *)(scratch + rows),
                          .sums = (void *)(scratch + rows + panel), .rows_of = -1};
    }
    return rows + panel + sums;
}

typedef struct gemm_task {
    const uint16_t *a;        // row 0
    int64_t lda, first, last; // tiles of rows
    int64_t batch, ib;        // of the output, matrix of B
} gemm_task;

static const uint16_t *task_panel(const whet_call *call, const gemm_plan *c, gemm_local *local,
                                  int64_t ib, int64_t panel, int64_t from, int64_t to) {
    const whet_gemm_geom *g = &c->g;
    int64_t width = panel_width(g->n, panel), col = panel * PANEL;
    if (c->packed)
        return (const uint16_t *)call->packed[1] + ib * CEIL(g->n, V_W) * V_W * g->k +
               col * g->k + from * width;
    uint16_t *to_panel = local->panel + panel % c->group * c->chunk * PANEL;
    pack_panel(g, to_panel, (const uint16_t *)call->in[1] + ib * g->k * g->n, col, width, from, to);
    return to_panel;
}

static void task_bias(const whet_call *call, const gemm_plan *c, int64_t col, float *out) {
    const float *bias = call->in[2];
    for (int v = 0; v < PANEL; v += V_W) {
        vf x = v_zero();
        if (c->g.bias == WHET_GEMM_BIAS_ONE) x = v_set1(bias[0]);
        else if (c->g.n > col + v) x = v_load_n(bias + col + v, c->g.n - col - v);
        v_store(out + v, x * v_set1(c->g.beta));
    }
}

// One chunk of k of one panel for all rows of a task.
static void run_panel(const whet_call *call, const gemm_plan *c, gemm_local *local,
                      const gemm_task *t, int64_t panel, int64_t from) {
    const whet_gemm_geom *g = &c->g;
    int64_t to = from + c->chunk < g->k ? from + c->chunk : g->k, col = panel * PANEL;
    int64_t width = panel_width(g->n, panel), len = (to - from) / 2, size = c->wide ? 4 : 2;
    const uint16_t *w = task_panel(call, c, local, t->ib, panel, from, to);
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = len, .last = len, .w_step = 2 * width};
    float bias[PANEL];
    if (g->bias) task_bias(call, c, col, bias);
    whet_bf16_out o = {.vec = V_W, .init_pixel = c->group * PANEL, .epi = &call->p->epi,
                       .scale = 1};
    for (int64_t tile = t->first; tile < t->last; tile++) {
        int64_t row = tile_row(c, tile), rows = tile_row(c, tile + 1) - row;
        int64_t at = (t->batch * g->m + row) * g->n + col;
        float *sums = local->sums + (row - tile_row(c, t->first)) * o.init_pixel +
                      panel % c->group * PANEL;
        o.init = from ? sums : NULL;
        if (to < g->k) {
            o.y = sums, o.pixel = o.init_pixel, o.cols = width, o.wide = true;
        } else {
            o.y = (char *)call->out[0] + at * size, o.pixel = g->n, o.wide = c->wide;
            o.cols = g->n - col < width ? g->n - col : width;
            o.other = call->other ? (const char *)call->other + at * size : NULL;
            o.bias = g->bias ? bias : NULL, o.scale = g->alpha, o.plan = c->epi;
        }
        TILES.one[width / V_W - 1][rows](t->a + row * t->lda + from, t->lda, 0, w, &walk, &o);
    }
}

static void run_task(const whet_call *call, const gemm_plan *c, int64_t task, gemm_local *local) {
    const whet_gemm_geom *g = &c->g;
    int64_t panel = task % c->groups * c->group, rest = task / c->groups, ia = 0;
    int64_t end = panel + c->group < c->panels ? panel + c->group : c->panels;
    gemm_task t = {.batch = rest / c->blocks, .first = rest % c->blocks * c->block, .lda = g->k};
    t.last = t.first + c->block < c->tiles ? t.first + c->block : c->tiles;
    if (g->batches > 1) whet_matmul_ref_at(&g->ref, t.batch, &ia, &t.ib);
    t.a = (const uint16_t *)call->in[0] + ia * g->m * g->k;
    if (c->pitch) {
        int64_t row = tile_row(c, t.first), last = tile_row(c, t.last);
        for (int64_t i = row; i < last && local->rows_of != rest; i++)
            memcpy(local->rows + (i - row) * c->pitch, t.a + i * g->k, 2 * (size_t)g->k);
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
    local_bytes(c, &local, call->scratch);
    for (int64_t task = begin; task < end; task++) run_task(call, c, task, &local);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static size_t gemm_scratch(const whet_problem *p, const int32_t *params) {
    gemm_plan c;
    return plan_init(&c, p, params) ? local_bytes(&c, NULL, NULL) : 0;
}
static void gemm_prepare(const whet_problem *p, const int32_t *params, void *state) {
    plan_init(state, p, params);
}
static int64_t gemm_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    gemm_plan c;
    (void)phase;
    return plan_init(&c, p, params) ? c.g.batches * c.blocks * c.groups : 0;
}

// Shapes of a constant B alone: m and the batches of A must not matter.
static bool b_shape(const whet_problem *p, int64_t *batches, int64_t *k, int64_t *n) {
    const whet_port *b = &p->in[1];
    bool trans = !strcmp(p->op, "gemm") ? ((const whet_gemm_attrs *)p->attrs)->trans_b
                                        : ((const whet_matmul_attrs *)p->attrs)->trans_b;
    *batches = 1, *k = b->dims[0], *n = 1;
    if (b->rank < 2) return false;
    *k = b->dims[b->rank - (trans ? 1 : 2)], *n = b->dims[b->rank - (trans ? 2 : 1)];
    for (int32_t d = 0; d < b->rank - 2; d++) *batches *= b->dims[d];
    return trans;
}

static size_t gemm_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    int64_t batches, k, n;
    (void)params;
    if (i != 1) return 0;
    b_shape(p, &batches, &k, &n);
    return 2 * (size_t)(batches * k * (CEIL(n, V_W) * V_W));
}

static whet_status gemm_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    int64_t batches;
    (void)params, (void)i;
    whet_gemm_geom g = {0};
    g.trans_b = b_shape(p, &batches, &g.k, &g.n);
    uint16_t *to = dst;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t col = 0; col < g.n; col += PANEL) {
            int64_t width = panel_width(g.n, col / PANEL);
            pack_constant(&g, to, (const float *)src->data + b * g.k * g.n, col, width);
            to += g.k * width;
        }
    return WHET_OK;
}

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
    double pack = c.packed ? 0 : 4.0 * (double)(g->batches * c.blocks * g->k) * lanes;
    double copy = c.pitch ? 4.0 * (double)(g->batches * g->m) * (double)g->k : 0;
    double threads = p->threads > 1 ? p->threads : 1;
    double tasks = (double)(g->batches * c.blocks * c.groups);
    if (tasks < threads) threads = tasks;
    double share = rows / (rows + 0.1 * BF16_PIXELS);
    double seconds = flops / (BF16_PEAK * share) + (pack + copy) / 20e9;
    // of a constant, half of what the problem counts is read
    double saved = c.packed ? 2.0 * (double)(g->b_batches * g->k * g->n) : 0;
    return seconds / threads + (whet_problem_bytes(p) - saved) / KERN_BANDWIDTH;
}

#define SUITE                                                                                      \
    .revision = 1, .cpu = V_CPU,                                                                   \
    .stores = WHET_STORE_BIT(WHET_STORE_BF16) | WHET_STORE_BIT(WHET_STORE_BF16_IN),                \
    .accepts = gemm_accepts, .param = gemm_param, .valid = gemm_valid, .cost = gemm_cost,          \
    .pack_bytes = gemm_pack_bytes, .pack = gemm_pack, .scratch = gemm_scratch,                     \
    .state_bytes = sizeof(gemm_plan), .prepare = gemm_prepare, .tasks = gemm_tasks,                \
    .run = gemm_run, .tolerance = 2

#define GEMM_ID V_PICK_NAME(avx512_14x32, avx2_6x16, neon_6x16, scalar)
#define GEMM_NAME V_PICK_NAME("avx512_14x32", "avx2_6x16", "neon_6x16", "scalar")

const whet_kernel V_CAT(whet_kernel_gemm_bf16_, GEMM_ID) = {
    .name = "gemm_bf16_" GEMM_NAME, .op = "gemm", SUITE,
};
const whet_kernel V_CAT(whet_kernel_matmul_bf16_, GEMM_ID) = {
    .name = "matmul_bf16_" GEMM_NAME, .op = "matmul", SUITE,
};
