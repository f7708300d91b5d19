// SPDX-License-Identifier: Apache-2.0
// Template of quant_matmul of two computed operands, as in attention: batches of
//   sum (x - x_zero) (w - w_zero)
// A task is (batch, panel of 2 vectors of columns): the panel of w is packed into scratch in the
// form of gemm_quant_tmpl.h, with its column sums. Where the tiles multiply bytes w becomes i8, and
// its zero point takes the sums of the rows of x; elsewhere both operands are less their zero
// points from the start.
#include "kern/gemm/gemm_quant_rows.h"

typedef struct both_plan {
    int64_t batches, m, n, k, panels, depth;
    int64_t pitch;  // elements between copied rows of x; 0: read in place
    bool trans, shared; // w is [n, k]; w has no batches
    size_t panel_at, sums_at, bytes; // in scratch
} both_plan;

static bool plan_init(both_plan *g, const whet_problem *p) {
    const whet_port *x = &p->in[WHET_QF_X], *w = &p->in[WHET_QF_W], *y = &p->out[0];
    int32_t rank = x->rank;
    g->trans = ((const whet_quant_matmul_attrs *)p->attrs)->trans_b;
    if (!dims_ok(x) || !dims_ok(w) || !dims_ok(y) || rank != y->rank) return false;
    if (w->rank != rank && w->rank != 2) return false;
    g->shared = w->rank == 2;
    g->m = x->dims[rank - 2], g->k = x->dims[rank - 1], g->n = y->dims[rank - 1];
    if (w->dims[w->rank - (g->trans ? 1 : 2)] != g->k) return false;
    if (w->dims[w->rank - (g->trans ? 2 : 1)] != g->n) return false;
    size_t lead = sizeof *x->dims * (size_t)(rank - 2);
    if (memcmp(x->dims, y->dims, lead + sizeof *x->dims)) return false;
    if (!g->shared && memcmp(x->dims, w->dims, lead)) return false;
    g->batches = whet_dims_count(x->dims, rank - 2);
    g->panels = CEIL(g->n, 2 * V_W);
    g->depth = CEIL(g->k, GROUP);
    bool direct = Q_BYTES && x->dtype == TILES.x && g->k % GROUP == 0;
    g->pitch = direct ? 0 : g->depth * GROUP;
    size_t rows = (size_t)(g->m * g->pitch) * sizeof(x_t);
    g->panel_at = CEIL(rows, 64) * 64;
    g->sums_at = g->panel_at + (size_t)(g->depth * GROUP * 2 * V_W) * sizeof(w_t);
    g->bytes = g->sums_at + (size_t)g->m * sizeof(int32_t);
    return g->bytes < (size_t)1 << 30;
}

// ---- packing ----

typedef struct operand {
    const uint8_t *w;   // of the batch
    int64_t ks, ns;     // bytes between steps of k and of n
    int32_t flip, less; // (byte ^ flip) as i8, less that
} operand;

static w_t number(const operand *o, int64_t k, int64_t n) {
    uint8_t b = o->w[k * o->ks + n * o->ns];
    return (w_t)((int8_t)(b ^ o->flip) - o->less);
}

#if V_W == 16
// Four rows of 16 columns to [column][row].
static void pack_block(w_t *dst, const uint8_t *w, int64_t ks, int32_t flip) {
    __m128i s = _mm_set1_epi8((char)flip), r[4];
    for (int i = 0; i < 4; i++)
        r[i] = _mm_xor_si128(s, _mm_loadu_si128((const void *)(w + i * ks)));
    __m128i a = _mm_unpacklo_epi8(r[0], r[1]), b = _mm_unpacklo_epi8(r[2], r[3]);
    __m128i c = _mm_unpackhi_epi8(r[0], r[1]), d = _mm_unpackhi_epi8(r[2], r[3]);
    _mm_storeu_si128((void *)dst, _mm_unpacklo_epi16(a, b));
    _mm_storeu_si128((void *)(dst + 16), _mm_unpackhi_epi16(a, b));
    _mm_storeu_si128((void *)(dst + 32), _mm_unpacklo_epi16(c, d));
    _mm_storeu_si128((void *)(dst + 48), _mm_unpackhi_epi16(c, d));
}
#elif Q_BYTES
// Four rows of 8 columns to [column][row].
static void pack_block(w_t *dst, const uint8_t *w, int64_t ks, int32_t flip) {
    uint8x8_t s = vdup_n_u8((uint8_t)flip);
    uint8x8x4_t r;
    for (int i = 0; i < 4; i++) r.val[i] = veor_u8(s, vld1_u8(w + i * ks));
    vst4_u8((uint8_t *)dst, r);
}
#endif

// Sums of the columns, four groups of k at a time where the tiles multiply bytes.
static void column_sums(const w_t *w, int64_t depth, int64_t vectors, int32_t *sums) {
    for (int64_t v = 0; v < vectors; v++) {
#if V_W == 16
        __m512i acc = _mm512_setzero_si512(), one = _mm512_set1_epi8(1);
        for (int64_t g = 0; g < depth; g++) {
            __m512i x = _mm512_loadu_si512(w + (g * vectors + v) * 64);
            __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(one), "v"(x));
        }
        _mm512_storeu_si512(sums + v * V_W, acc);
#elif Q_BYTES
        int32x4_t low = vdupq_n_s32(0), high = low;
        int8x16_t one = vdupq_n_s8(1);
        for (int64_t g = 0; g < depth; g++) {
            const w_t *at = w + (g * vectors + v) * V_W * GROUP;
            low = vdotq_s32(low, vld1q_s8(at), one);
            high = vdotq_s32(high, vld1q_s8(at + 16), one);
        }
        vst1q_s32(sums + v * V_W, low), vst1q_s32(sums + v * V_W + 4, high);
#else
        (void)w, (void)depth;
        for (int64_t l = 0; l < V_W; l++) sums[v * V_W + l] = 0;
#endif
    }
}

static void pack_panel(const both_plan *g, const operand *o, w_t *dst, int64_t first, int64_t cols,
                       int64_t vectors) {
    for (int64_t d = 0; d < g->depth; d++)
        for (int64_t v = 0; v < vectors; v++, dst += V_W * GROUP) {
            int64_t k = d * GROUP, n = first + v * V_W, left = cols - v * V_W;
#if Q_BYTES
            if (o->ns == 1 && left >= V_W && k + GROUP <= g->k) {
                pack_block(dst, o->w + k * o->ks + n, o->ks, o->flip);
                continue;
            }
#endif
            for (int64_t l = 0; l < V_W; l++)
                for (int64_t i = 0; i < GROUP; i++)
                    dst[l * GROUP + i] = l < left && k + i < g->k ? number(o, k + i, n + l) : 0;
        }
}

// ---- a task ----

typedef struct zeros {
    int32_t x, w;  // of the operands as the tiles see them
    bool x_signed;
    int32_t x_raw; // as the model has it
} zeros;

static void row_sums(const both_plan *g, const x_t *a, int64_t step, int32_t *sums) {
    for (int64_t r = 0; r < g->m; r++, a += step) {
        int32_t sum = 0;
        for (int64_t i = 0; i < g->k; i++) sum += a[i];
        sums[r] = sum;
    }
}

static void run_task(const whet_call *call, const both_plan *g, const whet_qstages *s,
                     const zeros *z, const operand *base, int64_t task, int64_t *have) {
    int64_t panel = task % g->panels, batch = task / g->panels;
    char *scratch = call->scratch;
    const uint8_t *x = (const uint8_t *)call->in[WHET_QF_X] + batch * g->m * g->k;
    const x_t *a = g->pitch ? (const void *)scratch : (const void *)x;
    int64_t step = g->pitch ? g->pitch : g->k;
    int32_t *rows = (int32_t *)(void *)(scratch + g->sums_at);
    if (*have != batch) {
        if (g->pitch)
            copy_rows((x_t *)(void *)scratch, x, g->m, g->k, g->pitch, z->x_signed, z->x_raw);
        if (z->w) row_sums(g, a, step, rows);
        *have = batch;
    }
    int64_t lane = panel * 2 * V_W, cols = g->n - lane < 2 * V_W ? g->n - lane : 2 * V_W;
    int64_t vectors = cols > V_W ? 2 : 1;
    operand o = *base;
    if (!g->shared) o.w += batch * g->k * g->n;
    w_t *w = (w_t *)(void *)(scratch + g->panel_at);
    pack_panel(g, &o, w, lane, cols, vectors);
    int32_t sums[WHET_QTILE_PIXELS * 2 * V_W] __attribute__((aligned(64))), init[2 * V_W];
    float scale[2 * V_W], bias[2 * V_W];
    column_sums(w, g->depth, vectors, init);
    for (int64_t i = 0; i < vectors * V_W; i++)
        init[i] = -z->x * init[i] + (int32_t)g->k * z->x * z->w;
    bool tame = whet_qcolumns(call, s, lane, cols, vectors * V_W, scale, bias);
    whet_qwalk walk = {1, 1, 0, 0, g->depth};
    int64_t size = s->out == WHET_DTYPE_F32 ? 4 : 1, other = s->other == WHET_DTYPE_F32 ? 4 : 1;
    int64_t at = batch * g->m * g->n + lane, left = g->m, row = 0;
    for (int64_t n = CEIL(left, TILES.pixels); n > 0; n--) {
        int64_t np = CEIL(left, n);
        TILES.tile[vectors - 1][np](a, step, w, &walk, init, sums);
        for (int64_t i = 0; z->w && i < np; i++) {
            vi less = vi_set1(z->w * rows[row + i]);
            for (int64_t v = 0; v < vectors; v++) {
                int32_t *to = sums + (i * vectors + v) * V_W;
                vi_store(to, vi_load(to) - less);
            }
        }
        whet_qout out = {(char *)call->out[0] + at * size,
                         s->other ? (const char *)call->in[WHET_QF_OTHER] + at * other : NULL,
                         g->n, 1, cols, scale, bias, tame};
        TILES.store(s, &out, sums, np, vectors);
        a += np * step, at += np * g->n, left -= np, row += np;
    }
}

static whet_status both_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const both_plan *g = call->state;
    const whet_port *in = call->p->in;
    int32_t zx = (int32_t)whet_qinput(call, WHET_QF_X_ZERO, 0);
    int32_t zw = (int32_t)whet_qinput(call, WHET_QF_W_ZERO, 0);
    bool w_signed = in[WHET_QF_W].dtype == WHET_DTYPE_I8;
    zeros z = {.x_signed = in[WHET_QF_X].dtype == WHET_DTYPE_I8, .x_raw = zx};
    int32_t half = w_signed ? zw : zw - 128; // of w as i8
    if (Q_BYTES) z.x = q_zero(zx, z.x_signed), z.w = half;
    operand o = {.w = call->in[WHET_QF_W], .ks = g->trans ? 1 : g->n, .ns = g->trans ? g->k : 1,
                 .flip = w_signed ? 0 : 0x80, .less = Q_BYTES ? 0 : half};
    whet_qstages s;
    int64_t have = -1;
    (void)phase;
    whet_qstages_init(&s, call);
    for (int64_t task = begin; task < end; task++) run_task(call, g, &s, &z, &o, task, &have);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool both_accepts(const whet_problem *p) {
    both_plan g;
    if (p->n_in != WHET_QF_COUNT || p->n_out != 1) return false;
    const whet_port *z = &p->in[WHET_QF_W_ZERO], *scale = &p->in[WHET_QF_W_SCALE];
    if (z->dtype && (z->rank > 1 || (z->rank == 1 && z->dims[0] != 1))) return false;
    if (scale->rank > 1 || (scale->rank == 1 && scale->dims[0] != 1)) return false;
    if (z->dtype && z->dtype != p->in[WHET_QF_W].dtype) return false;
    // sums of products of 8-bit numbers less their zero points stay below 2^31
    return plan_init(&g, p) && g.k <= 32768 && whet_qstages_accepts(p, g.n);
}
static double both_cost(const whet_problem *p, const int32_t *params) {
    both_plan g;
    (void)params;
    if (!plan_init(&g, p)) return INFINITY;
    double threads = p->threads > 1 ? p->threads : 1, tasks = (double)(g.batches * g.panels);
    if (tasks < threads) threads = tasks;
    double columns = (double)(g.panels * 2 * V_W), depth = (double)(g.depth * GROUP);
    double work = 2.0 * (double)(g.batches * g.m) * columns * depth;
    double packed = (double)g.batches * columns * depth;
    return (work / Q_PEAK + packed / (Q_BYTES ? 20e9 : 1e9) + tasks * 1e-7) /
               threads + whet_problem_bytes(p) / 30e9;
}
static size_t both_scratch(const whet_problem *p, const int32_t *params) {
    both_plan g;
    (void)params;
    return plan_init(&g, p) ? g.bytes : 0;
}
static void both_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t both_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    both_plan g;
    (void)params, (void)phase;
    return plan_init(&g, p) ? g.batches * g.panels : 0;
}

const whet_kernel V_CAT(V_CAT(whet_kernel_quant_matmul_i8_, Q_ISA), _both) = {
    .name = "quant_matmul_i8_" Q_NAME "_both",
    .op = "quant_matmul",
    .revision = 1,
    .cpu = Q_CPU,
    .ports = plain_ports,
    .accepts = both_accepts,
    .cost = both_cost,
    .scratch = both_scratch,
    .state_bytes = sizeof(both_plan),
    .prepare = both_prepare,
    .tasks = both_tasks,
    .run = both_run,
    .tolerance = 2,
};
