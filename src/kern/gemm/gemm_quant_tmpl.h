// SPDX-License-Identifier: Apache-2.0
// Template of quant_matmul with constant weights of two dimensions: rows of x times panels.
//   packed weights: [panel of 2 vectors of columns][group of k][lane][k in the group], the last
//   panel maybe one vector wide; then the sum of the weights of each lane, i32
// A task is (block of rows, panel). Rows are read in place or, where their type is not that of the
// tiles or their length no multiple of a group, first brought into scratch.
#include "kern/gemm/gemm_quant_rows.h"

typedef struct gemm_plan {
    int64_t m, n, k;
    int64_t panels, depth;  // groups of k
    int64_t rows, blocks;   // a task
    int64_t pitch;          // elements between copied rows; 0: read in place
} gemm_plan;

static bool plan_init(gemm_plan *g, const whet_problem *p, int32_t variant) {
    const whet_port *x = &p->in[WHET_QF_X], *w = &p->in[WHET_QF_W], *y = &p->out[0];
    bool trans = ((const whet_quant_matmul_attrs *)p->attrs)->trans_b;
    if (!dims_ok(x) || !dims_ok(w) || !dims_ok(y) || w->rank != 2 || x->rank != y->rank)
        return false;
    g->k = x->dims[x->rank - 1];
    g->n = y->dims[y->rank - 1];
    if (w->dims[trans] != g->k || w->dims[!trans] != g->n) return false;
    if (memcmp(x->dims, y->dims, sizeof *x->dims * (size_t)(x->rank - 1))) return false;
    g->m = whet_dims_count(x->dims, x->rank - 1);
    g->panels = CEIL(g->n, 2 * V_W);
    g->depth = CEIL(g->k, GROUP);
    bool direct = Q_BYTES && x->dtype == TILES.x && g->k % GROUP == 0;
    g->pitch = direct ? 0 : g->depth * GROUP;
    int64_t l2 = p->l2_bytes ? p->l2_bytes : 512 << 10, unit = TILES.pixels;
    int64_t budget = variant == 0 ? l2 / 2 : l2 / 8;
    g->rows = budget / (g->depth * GROUP * (int64_t)sizeof(x_t)) / unit * unit;
    if (g->rows < unit) g->rows = unit;
    int64_t threads = p->threads > 1 ? p->threads : 1;
    while (threads > 1 && g->rows > unit && g->panels * CEIL(g->m, g->rows) < 4 * threads)
        g->rows = CEIL(g->rows / 2, unit) * unit;
    g->blocks = CEIL(g->m, g->rows);
    g->rows = CEIL(g->m, g->blocks);
    return true;
}

static void run_panel(const whet_call *call, const gemm_plan *g, const whet_qstages *s,
                      const x_t *a, int64_t step, int64_t row, int64_t rows, int64_t panel,
                      int32_t fill) {
    int32_t sums[WHET_QTILE_PIXELS * 2 * V_W] __attribute__((aligned(64))), init[2 * V_W];
    float scale[2 * V_W], bias[2 * V_W];
    int64_t lane = panel * 2 * V_W, cols = g->n - lane < 2 * V_W ? g->n - lane : 2 * V_W;
    int64_t vectors = cols > V_W ? 2 : 1, lanes = CEIL(g->n, V_W) * V_W;
    const w_t *packed = call->packed[WHET_QF_W], *w = packed + lane * g->depth * GROUP;
    const int32_t *column = (const int32_t *)(const void *)(packed + lanes * g->depth * GROUP);
    for (int64_t i = 0; i < vectors * V_W; i++) init[i] = -fill * column[lane + i];
    bool tame = whet_qcolumns(call, s, lane, cols, vectors * V_W, scale, bias);
    whet_qwalk walk = {1, 1, 0, 0, g->depth};
    int64_t size = s->out == WHET_DTYPE_F32 ? 4 : 1, other = s->other == WHET_DTYPE_F32 ? 4 : 1;
    for (int64_t tiles = CEIL(rows, TILES.pixels); tiles > 0; tiles--) {
        int64_t n = CEIL(rows, tiles), at = row * g->n + lane;
        TILES.tile[vectors - 1][n](a, step, w, &walk, init, sums);
        whet_qout o = {(char *)call->out[0] + at * size,
                       s->other ? (const char *)call->in[WHET_QF_OTHER] + at * other : NULL, g->n,
                       1, cols, scale, bias, tame};
        TILES.store(s, &o, sums, n, vectors);
        a += n * step, row += n, rows -= n;
    }
}

static whet_status gemm_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const gemm_plan *g = call->state;
    bool is_signed = call->p->in[WHET_QF_X].dtype == WHET_DTYPE_I8;
    int32_t zero = (int32_t)whet_qinput(call, WHET_QF_X_ZERO, 0);
    int32_t fill = q_zero(zero, is_signed);
    whet_qstages s;
    int64_t have = -1;
    (void)phase;
    whet_qstages_init(&s, call);
    for (int64_t task = begin; task < end; task++) {
        int64_t panel = task % g->panels, block = task / g->panels, row = block * g->rows;
        int64_t rows = g->m - row < g->rows ? g->m - row : g->rows;
        const uint8_t *x = (const uint8_t *)call->in[WHET_QF_X] + row * g->k;
        if (g->pitch && have != block)
            copy_rows(call->scratch, x, rows, g->k, g->pitch, is_signed, zero);
        have = block;
        const x_t *a = g->pitch ? call->scratch : (const void *)x;
        run_panel(call, g, &s, a, g->pitch ? g->pitch : g->k, row, rows, panel, fill);
    }
    return WHET_OK;
}

// ---- packing ----

static size_t gemm_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    if (i != WHET_QF_W) return 0;
    bool trans = ((const whet_quant_matmul_attrs *)p->attrs)->trans_b;
    int64_t k = p->in[i].dims[trans], n = p->in[i].dims[!trans];
    return (size_t)(CEIL(n, V_W) * V_W) *
           ((size_t)CEIL(k, GROUP) * GROUP * sizeof(w_t) + sizeof(int32_t));
}

static whet_status gemm_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    bool trans = ((const whet_quant_matmul_attrs *)p->attrs)->trans_b;
    int64_t k = src->dims[trans], n = src->dims[!trans], lanes = CEIL(n, V_W) * V_W;
    int64_t ks = trans ? 1 : n, ns = trans ? k : 1;
    const int8_t *w = src->data;
    w_t *to = dst;
    int32_t *sums = (int32_t *)(void *)(to + lanes * CEIL(k, GROUP) * GROUP);
    (void)params, (void)i;
    memset(sums, 0, sizeof *sums * (size_t)lanes);
    for (int64_t c = 0; c < n; c += 2 * V_W) {
        int64_t width = n - c > V_W ? 2 * V_W : V_W;
        for (int64_t g = 0; g < k; g += GROUP)
            for (int64_t l = c; l < c + width; l++)
                for (int64_t e = g; e < g + GROUP; e++, to++) {
                    *to = l < n && e < k ? w[e * ks + l * ns] : 0;
                    sums[l] += *to;
                }
    }
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool gemm_param(const whet_problem *p, int32_t i, int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    params[0] = i;
    return i < 2;
}
static bool gemm_valid(const whet_problem *p, const int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    for (int32_t i = 1; i < WHET_MAX_PARAMS; i++)
        if (params[i]) return false;
    return params[0] >= 0 && params[0] < 2;
}
static bool gemm_accepts(const whet_problem *p) {
    gemm_plan g;
    if (p->n_in != WHET_QF_COUNT || p->n_out != 1) return false;
    const whet_port *w = &p->in[WHET_QF_W];
    if (w->dtype != WHET_DTYPE_I8 || !w->constant || p->in[WHET_QF_W_ZERO].dtype) return false;
    // sums of u8 less zero point times i8 stay below 2^31
    return plan_init(&g, p, 0) && g.k <= 65536 && whet_qstages_accepts(p, g.n);
}
static double gemm_cost(const whet_problem *p, const int32_t *params) {
    gemm_plan g;
    if (!plan_init(&g, p, params[0])) return INFINITY;
    double threads = p->threads > 1 ? p->threads : 1, tasks = (double)(g.blocks * g.panels);
    if (tasks < threads) threads = tasks;
    double work = 2.0 * (double)g.m * (double)(g.panels * 2 * V_W) * (double)(g.depth * GROUP);
    double copy = g.pitch ? (double)(g.m * g.pitch) : 0;
    return (work / Q_PEAK + copy / 10e9 + tasks * 1e-7) / threads +
           whet_problem_bytes(p) / 30e9;
}
static size_t gemm_scratch(const whet_problem *p, const int32_t *params) {
    gemm_plan g;
    return plan_init(&g, p, params[0]) ? sizeof(x_t) * (size_t)(g.rows * g.pitch) : 0;
}
static void gemm_prepare(const whet_problem *p, const int32_t *params, void *state) {
    plan_init(state, p, params[0]);
}
static int64_t gemm_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    gemm_plan g;
    (void)phase;
    return plan_init(&g, p, params[0]) ? g.blocks * g.panels : 0;
}

const whet_kernel V_CAT(whet_kernel_quant_matmul_i8_, Q_ISA) = {
    .name = "quant_matmul_i8_" Q_NAME,
    .op = "quant_matmul",
    .revision = 1,
    .cpu = Q_CPU,
    .ports = plain_ports,
    .accepts = gemm_accepts,
    .param = gemm_param,
    .valid = gemm_valid,
    .cost = gemm_cost,
    .pack_bytes = gemm_pack_bytes,
    .pack = gemm_pack,
    .scratch = gemm_scratch,
    .state_bytes = sizeof(gemm_plan),
    .prepare = gemm_prepare,
    .tasks = gemm_tasks,
    .run = gemm_run,
    .tolerance = 2,
};
