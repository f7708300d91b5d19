// SPDX-License-Identifier: Apache-2.0
// Template of the depthwise quant_conv, channels last: lanes are channels, a tile is a few pixels
// of a row by one or two vectors of channels.
//   packed weights: [vector of channels][tap][lane], i32 whose low 16 bits are the weight; then the
//   sum of each lane's, i32
// A task is (image, block of output rows).
#include "kern/conv/conv_quant_patch.h"

#define TILES V_CAT(whet_qtiles_, V_ISA)
#define PIXELS V_PICK(7, 4, 2)

typedef struct dw_plan {
    whet_conv_geom g;
    int64_t rows, blocks; // output rows a task, blocks an image
    int64_t vectors;
    quant_patch patch;
} dw_plan;

static bool plan_init(dw_plan *c, const whet_problem *p) {
    if (!whet_conv_geom_sizes(&c->g, p)) return false;
    const whet_conv_geom *g = &c->g;
    if (g->in[0] != 1 || g->ker[0] != 1 || g->out[0] != 1) return false;
    if (g->cg != 1 || g->kg != 1) return false;
    int64_t budget = (p->l2_bytes ? p->l2_bytes : 512 << 10) / 4;
    int64_t row = g->stride[1] * g->in[2] * g->c * (int64_t)sizeof(x_t);
    c->rows = budget / row > 4 ? budget / row : 4;
    int64_t threads = p->threads > 1 ? p->threads : 1;
    while (threads > 1 && c->rows > 2 && g->n * CEIL(g->out[1], c->rows) < 3 * threads)
        c->rows = CEIL(c->rows, 2);
    c->blocks = CEIL(g->out[1], c->rows);
    c->rows = CEIL(g->out[1], c->blocks);
    c->vectors = CEIL(g->c, V_W);
    return patch_init(&c->patch, g, p, false, c->rows, true);
}

// ---- a tile ----

#if defined(WHET_SIMD_NEON)
#define UNROLL _Pragma("GCC unroll 16")

// The first n of 8 channels in 16 bits.
V_FN int16x8_t load_x(const x_t *x, int64_t n) {
    x_t t[V_W] = {0};
    if (n < V_W) {
        for (int64_t i = 0; i < n; i++) t[i] = x[i];
        x = t;
    }
    return vld1q_s16(x);
}

// nv vectors of np pixels; `left`: channels of the last vector. Each vector is two registers.
V_FN void tile(int nv, int np, const dw_plan *c, const x_t *x, const int32_t *w,
               const int32_t *init, int64_t left, int32_t *sums) {
    const whet_conv_geom *g = &c->g;
    int64_t pixel = g->stride[2] * g->c, taps = g->taps;
    int32x4_t acc[4 * PIXELS];
    UNROLL for (int i = 0; i < np; i++)
        UNROLL for (int h = 0; h < 2 * nv; h++) acc[i * 2 * nv + h] = vld1q_s32(init + h * 4);
    for (int64_t ky = 0; ky < g->ker[1]; ky++)
        for (int64_t kx = 0; kx < g->ker[2]; kx++, w += V_W) {
            const x_t *at = x + (ky * g->dil[1] * c->patch.w + kx * g->dil[2]) * g->c;
            UNROLL for (int v = 0; v < nv; v++) {
                const int32_t *from = w + v * taps * V_W;
                int16x8_t ws = vmovn_high_s32(vmovn_s32(vld1q_s32(from)), vld1q_s32(from + 4));
                UNROLL for (int i = 0; i < np; i++) {
                    int16x8_t xs = load_x(at + i * pixel + v * V_W, v + 1 < nv ? V_W : left);
                    int32x4_t *to = acc + (i * nv + v) * 2;
                    to[0] = vmlal_s16(to[0], vget_low_s16(xs), vget_low_s16(ws));
                    to[1] = vmlal_high_s16(to[1], xs, ws);
                }
            }
        }
    UNROLL for (int i = 0; i < np * nv * 2; i++) vst1q_s32(sums + i * 4, acc[i]);
}
#else
V_FN vi load_x(const x_t *x, int64_t n) {
#if V_W == 16
    return (vi)_mm512_cvtepu8_epi32(n >= V_W ? _mm_loadu_si128((const void *)x)
                                             : _mm_maskz_loadu_epi8(vm_first(n), x));
#else
    x_t t[V_W] = {0};
    if (n < V_W) {
        for (int64_t i = 0; i < n; i++) t[i] = x[i];
        x = t;
    }
#if defined(__AVX2__)
    return (vi)_mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)x));
#else
    vi v;
    for (int i = 0; i < V_W; i++) v[i] = x[i];
    return v;
#endif
#endif
}

V_FN vi add_product(vi acc, vi x, vi w) {
#if V_W == 16
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
#elif defined(__AVX2__)
    return acc + (vi)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#else
    return acc + x * (w << 16 >> 16);
#endif
}

// nv vectors of np pixels; `left`: channels of the last vector
V_FN void tile(int nv, int np, const dw_plan *c, const x_t *x, const int32_t *w,
               const int32_t *init, int64_t left, int32_t *sums) {
    const whet_conv_geom *g = &c->g;
    int64_t pixel = g->stride[2] * g->c, taps = g->taps;
    vi acc[2 * PIXELS];
    for (int i = 0; i < np; i++)
        for (int v = 0; v < nv; v++) acc[i * nv + v] = vi_load(init + v * V_W);
    for (int64_t ky = 0; ky < g->ker[1]; ky++)
        for (int64_t kx = 0; kx < g->ker[2]; kx++, w += V_W) {
            const x_t *at = x + (ky * g->dil[1] * c->patch.w + kx * g->dil[2]) * g->c;
            vi w0 = vi_load(w), w1 = w0;
            if (nv > 1) w1 = vi_load(w + taps * V_W);
            for (int i = 0; i < np; i++) {
                acc[i * nv] = add_product(acc[i * nv], load_x(at + i * pixel, nv > 1 ? V_W : left),
                                          w0);
                if (nv > 1)
                    acc[i * 2 + 1] =
                        add_product(acc[i * 2 + 1], load_x(at + i * pixel + V_W, left), w1);
            }
        }
    for (int i = 0; i < np * nv; i++) vi_store(sums + i * V_W, acc[i]);
}
#endif

#define DEFINE(nv, np)                                                                             \
    static void tile_##nv##_##np(const dw_plan *c, const x_t *x, const int32_t *w,                 \
                                 const int32_t *init, int64_t left, int32_t *sums) {               \
        if (left >= V_W) tile(nv, np, c, x, w, init, V_W, sums);                                   \
        else tile(nv, np, c, x, w, init, left, sums);                                              \
    }
#define BOTH(np) DEFINE(1, np) DEFINE(2, np)
typedef void (*tile_fn)(const dw_plan *c, const x_t *x, const int32_t *w, const int32_t *init,
                        int64_t left, int32_t *sums);
BOTH(1) BOTH(2)
#if PIXELS > 2
BOTH(3) BOTH(4)
#endif
#if V_W == 16
BOTH(5) BOTH(6) BOTH(7)
static const tile_fn tiles[2][8] = {
    {0, tile_1_1, tile_1_2, tile_1_3, tile_1_4, tile_1_5, tile_1_6, tile_1_7},
    {0, tile_2_1, tile_2_2, tile_2_3, tile_2_4, tile_2_5, tile_2_6, tile_2_7}};
#elif PIXELS > 2
static const tile_fn tiles[2][5] = {{0, tile_1_1, tile_1_2, tile_1_3, tile_1_4},
                                    {0, tile_2_1, tile_2_2, tile_2_3, tile_2_4}};
#else
static const tile_fn tiles[2][3] = {{0, tile_1_1, tile_1_2}, {0, tile_2_1, tile_2_2}};
#endif

// ---- tasks ----

// Channels of one or two vectors from `first` on, all rows of the task.
static void run_channels(const whet_call *call, const dw_plan *c, const whet_qstages *s,
                         const source *src, int64_t image, int64_t y0, int64_t rows,
                         int64_t first) {
    const whet_conv_geom *g = &c->g;
    int32_t sums[PIXELS * 2 * V_W] __attribute__((aligned(64))), init[2 * V_W];
    float scale[2 * V_W], bias[2 * V_W];
    int64_t cols = g->c - first < 2 * V_W ? g->c - first : 2 * V_W, nv = cols > V_W ? 2 : 1;
    int64_t left = cols - (nv - 1) * V_W;
    const int32_t *w = call->packed[WHET_QF_W], *total = w + c->vectors * g->taps * V_W + first;
    for (int64_t i = 0; i < nv * V_W; i++) init[i] = -src->fill * total[i];
    w += first * g->taps;
    bool tame = whet_qcolumns(call, s, first, cols, nv * V_W, scale, bias);
    int64_t size = s->out == WHET_DTYPE_F32 ? 4 : 1, other = s->other == WHET_DTYPE_F32 ? 4 : 1;
    for (int64_t y = 0; y < rows; y++) {
        const x_t *x = (const x_t *)call->scratch + y * g->stride[1] * c->patch.w * g->c + first;
        int64_t at = (image * g->out_size + (y0 + y) * g->out[2]) * g->c + first;
        int64_t width = g->out[2];
        for (int64_t n = CEIL(width, PIXELS); n > 0; n--) {
            int64_t np = CEIL(width, n);
            tiles[nv - 1][np](c, x, w, init, left, sums);
            whet_qout o = {(char *)call->out[0] + at * size,
                           s->other ? (const char *)call->in[WHET_QF_OTHER] + at * other : NULL,
                           g->c, 1, cols, scale, bias, tame};
            TILES.store(s, &o, sums, np, nv);
            x += np * g->stride[2] * g->c, at += np * g->c, width -= np;
        }
    }
}

static whet_status dw_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const dw_plan *c = call->state;
    const whet_conv_geom *g = &c->g;
    source src = source_init(call);
    whet_qstages s;
    (void)phase;
    whet_qstages_init(&s, call);
    for (int64_t task = begin; task < end; task++) {
        int64_t image = task / c->blocks, y0 = task % c->blocks * c->rows;
        int64_t rows = g->out[1] - y0 < c->rows ? g->out[1] - y0 : c->rows;
        if (rows <= 0) continue;
        src.x = (const uint8_t *)call->in[WHET_QF_X] + image * g->c * g->in_size;
        patch_copy(&c->patch, g, &src, call->scratch, y0, rows);
        for (int64_t first = 0; first < g->c; first += 2 * V_W)
            run_channels(call, c, &s, &src, image, y0, rows, first);
    }
    return WHET_OK;
}

// ---- packing ----

static int64_t taps_of(const whet_port *w) { return whet_dims_count(w->dims + 2, w->rank - 2); }

static size_t dw_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    if (i != WHET_QF_W) return 0;
    const whet_port *w = &p->in[WHET_QF_W];
    return (size_t)(CEIL(w->dims[0], V_W) * V_W) * (size_t)(taps_of(w) + 1) * sizeof(int32_t);
}

static whet_status dw_pack(const whet_problem *p, const int32_t *params, int32_t i,
                           const whet_tensor *src, void *dst) {
    int64_t n = src->dims[0], taps = taps_of(&p->in[WHET_QF_W]), vectors = CEIL(n, V_W);
    const int8_t *w = src->data;
    int32_t *to = dst, *sums = to + vectors * taps * V_W;
    (void)params, (void)i;
    memset(sums, 0, sizeof *sums * (size_t)(vectors * V_W));
    for (int64_t v = 0; v < vectors; v++)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t l = v * V_W; l < (v + 1) * V_W; l++) {
                int32_t x = l < n ? w[l * taps + t] : 0;
                *to++ = x & 0xFFFF;
                sums[l] += x;
            }
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool dw_accepts(const whet_problem *p) {
    dw_plan c;
    if (!quant_conv_weights(p) || p->in[WHET_QF_X].layout != WHET_LAYOUT_NHWC ||
        p->out[0].layout != WHET_LAYOUT_NHWC)
        return false;
    return plan_init(&c, p) && c.g.taps <= 65536 && whet_qstages_accepts(p, c.g.k);
}
static double dw_cost(const whet_problem *p, const int32_t *params) {
    dw_plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    double outputs = (double)(c.g.n * c.vectors * V_W * c.g.out_size);
    double threads = p->threads > 1 ? p->threads : 1, tasks = (double)(c.g.n * c.blocks);
    if (tasks < threads) threads = tasks;
    return outputs * (0.5 * (double)c.g.taps + 4) / (V_PICK(40e9, 10e9, 2e9) * threads) + 1e-6 +
           whet_problem_bytes(p) / 30e9;
}
static size_t dw_scratch(const whet_problem *p, const int32_t *params) {
    dw_plan c;
    (void)params;
    return plan_init(&c, p) ? patch_bytes(&c.patch, &c.g) : 0;
}
static void dw_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t dw_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    dw_plan c;
    (void)params, (void)phase;
    return plan_init(&c, p) ? c.g.n * c.blocks : 0;
}

const whet_kernel V_CAT(V_CAT(whet_kernel_quant_conv_i8_, Q_ISA), _dw) = {
    .name = "quant_conv_i8_" Q_NAME "_dw",
    .op = "quant_conv",
    .revision = 1,
    .cpu = Q_CPU,
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC),
    .ports = quant_conv_ports,
    .accepts = dw_accepts,
    .cost = dw_cost,
    .pack_bytes = dw_pack_bytes,
    .pack = dw_pack,
    .scratch = dw_scratch,
    .state_bytes = sizeof(dw_plan),
    .prepare = dw_prepare,
    .tasks = dw_tasks,
    .run = dw_run,
    .tolerance = 2,
};
