// SPDX-License-Identifier: Apache-2.0
// Template of Winograd convolution F(m x m, 3 x 3), m = 2 or 4 (Lavin and Gray, arXiv 1509.09308):
// 3x3, stride 1, blocked layouts. With alpha = m + 2, an output tile is
//   Y = A' [ sum over c of (G g G') . (B' d B) ] A,
// alpha^2 matrix products over tiles: 2.25 or 4 times fewer multiplications.
//   packed weights: [panel of 2 vectors of output channels][alpha^2][input channel][lane]; the last
//   panel may be one vector wide. Transformed in double, rounded once.
//   V [alpha^2][block of input channels][tile][lane], M [alpha^2][vector][tile][lane], planes 64
//   bytes more apart than that, so that they do not meet in one set of the cache.
// Two kernels: one whose task is a batch of tiles with V in the worker's scratch, and one of two
// phases with V of all tiles in the workspace, for small images, whose second task is a panel.
#include <string.h>

#include "kern/conv/conv_geom.h"
#include "kern/microtile.h"
#include "kern/typed.h"

#define TILES V_CAT(whet_tiles_, V_ISA)
#if X_BF16
#define APPLY whet_epilogue_apply_bf16
#else
#define APPLY V_CAT(whet_epilogue_apply_, V_ISA)
#endif
#define BLOCKED (V_W == 16 ? WHET_LAYOUT_C16 : WHET_LAYOUT_C8)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define MEMORY_MAX 2.5e8 // floats of V
#define PLANE_GAP 16     // floats
#define WEIGHTY_TILES 32 // tiles at most where weights are fetched early, not V
#define UNROLL _Pragma("GCC unroll 8")
#if X_BF16 // input and output only: transforms and products stay f32
#define X_TILE V_CAT(bf16_, TILE_ID)
#define X_TILE_NAME "bf16_" TILE_NAME
#else
#define X_TILE V_CAT(f32_, TILE_ID)
#define X_TILE_NAME "f32_" TILE_NAME
#endif

typedef struct wino_plan {
    whet_conv_geom g;
    int64_t m, alpha, planes;    // planes: alpha^2
    int64_t rows, columns, tiles; // tiles of an image and of all
    int64_t cb, panels;
    int64_t batch, batches;      // tiles a batch, batches
    int64_t vs, ms;              // floats between planes of V and M
    bool weighty;                // weights are much more than V, and come from memory
    whet_epi_plan epi;
} wino_plan;

static bool plan_init(wino_plan *w, const whet_problem *p, const int32_t *params, bool split) {
    if (!whet_conv_geom_init_as(&w->g, p, X_DTYPE, X_DTYPE)) return false;
    const whet_conv_geom *g = &w->g;
    if (g->ker[0] != 1 || g->ker[1] != 3 || g->ker[2] != 3 || g->groups != 1) return false;
    for (int32_t d = 0; d < 3; d++)
        if (g->stride[d] != 1 || g->dil[d] != 1) return false;
    w->m = params[0] == 2 ? 2 : 4;
    w->alpha = w->m + 2, w->planes = w->alpha * w->alpha;
    w->rows = CEIL(g->out[1], w->m), w->columns = CEIL(g->out[2], w->m);
    w->tiles = g->n * w->rows * w->columns;
    w->cb = CEIL(g->c, V_W), w->panels = CEIL(g->k, 2 * V_W);
    int64_t most = TILES.pixels * (params[1] > 0 ? params[1] : 4);
    w->batches = CEIL(w->tiles, most);
    w->batch = CEIL(w->tiles, w->batches);
    w->batches = CEIL(w->tiles, w->batch);
    w->vs = w->cb * (split ? w->tiles : w->batch) * V_W + PLANE_GAP;
    w->ms = 2 * w->batch * V_W + PLANE_GAP;
    w->weighty = w->tiles <= WEIGHTY_TILES && g->c * g->k > 1 << 14;
    w->epi = whet_epilogue_plan(&p->epi);
    return (double)w->planes * (double)w->vs < MEMORY_MAX;
}

// ---- transforms of one line; m is a constant at every call ----

V_FN void input_line(int m, const vf *d, vf *o) {
    if (m == 2) {
        o[0] = d[0] - d[2], o[1] = d[1] + d[2], o[2] = d[2] - d[1], o[3] = d[1] - d[3];
        return;
    }
    vf four = v_set1(4), five = v_set1(5);
    vf a = v_fnma(four, d[2], d[4]), b = v_fnma(four, d[1], d[3]);
    vf c = d[4] - d[2], e = d[3] - d[1];
    e = e + e;
    o[0] = v_fma(four, d[0], v_fnma(five, d[2], d[4]));
    o[1] = a + b, o[2] = a - b, o[3] = c + e, o[4] = c - e;
    o[5] = v_fma(four, d[1], v_fnma(five, d[3], d[5]));
}

V_FN void output_line(int m, const vf *s, vf *o) {
    vf a = s[1] + s[2], b = s[1] - s[2];
    if (m == 2) {
        o[0] = s[0] + a, o[1] = b - s[3];
        return;
    }
    vf c = s[3] + s[4], e = s[3] - s[4];
    o[0] = s[0] + a + c;
    o[1] = v_fma(v_set1(2), e, b);
    o[2] = v_fma(v_set1(4), c, a);
    o[3] = v_fma(v_set1(8), e, b) + s[5];
}

// d: alpha x alpha pixels, `pitch` floats between lines. v: planes vs apart.
V_FN void input_tile(int m, const vx *d, int64_t pitch, float *v, int64_t vs) {
    const int n = m + 2;
    vf t[6][6];
    UNROLL for (int x = 0; x < n; x++) {
        vf line[6], o[6];
        UNROLL for (int y = 0; y < n; y++) line[y] = x_load(d + y * pitch + x * V_W);
        input_line(m, line, o);
        UNROLL for (int y = 0; y < n; y++) t[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < n; y++) {
        vf o[6];
        input_line(m, t[y], o);
        UNROLL for (int x = 0; x < n; x++) v_store(v + (y * n + x) * vs, o[x]);
    }
}

// s: planes ms apart; y: m x m pixels, lines `pitch` apart.
V_FN void output_tile(int m, const float *s, int64_t ms, vf bias, float *y, int64_t pitch) {
    const int n = m + 2;
    vf t[4][6];
    UNROLL for (int x = 0; x < n; x++) {
        vf line[6], o[4];
        UNROLL for (int i = 0; i < n; i++) line[i] = v_load(s + (i * n + x) * ms);
        output_line(m, line, o);
        UNROLL for (int i = 0; i < m; i++) t[i][x] = o[i];
    }
    UNROLL for (int i = 0; i < m; i++) {
        vf o[4];
        output_line(m, t[i], o);
        UNROLL for (int x = 0; x < m; x++) v_store(y + i * pitch + x * V_W, o[x] + bias);
    }
}

static void input_2(const vx *d, int64_t pitch, float *v, int64_t vs) {
    input_tile(2, d, pitch, v, vs);
}
static void input_4(const vx *d, int64_t pitch, float *v, int64_t vs) {
    input_tile(4, d, pitch, v, vs);
}
static void output_2(const float *s, int64_t ms, vf bias, float *y, int64_t pitch) {
    output_tile(2, s, ms, bias, y, pitch);
}
static void output_4(const float *s, int64_t ms, vf bias, float *y, int64_t pitch) {
    output_tile(4, s, ms, bias, y, pitch);
}

// ---- tiles ----

typedef struct wino_place {
    int64_t image, y, x; // of the tile's first output pixel
} wino_place;

static wino_place place(const wino_plan *w, int64_t tile) {
    int64_t row = tile / w->columns;
    return (wino_place){row / w->rows, row % w->rows * w->m, tile % w->columns * w->m};
}

// Tiles `first` on, one block of input channels; v is where the first goes.
static void transform_input(const wino_plan *w, const vx *in, int64_t block, int64_t first,
                            int64_t count, float *v) {
    const whet_conv_geom *g = &w->g;
    vx edge[6 * 6 * V_W];
    for (int64_t i = 0; i < count; i++, v += V_W) {
        wino_place at = place(w, first + i);
        int64_t y0 = at.y - g->pad[1], x0 = at.x - g->pad[2], pitch = g->in[2] * V_W;
        const vx *d = in + (at.image * w->cb + block) * g->in_size * V_W;
        if (y0 < 0 || x0 < 0 || y0 + w->alpha > g->in[1] || x0 + w->alpha > g->in[2]) {
            memset(edge, 0, sizeof edge);
            int64_t left = x0 < 0 ? -x0 : 0;
            int64_t right = x0 + w->alpha > g->in[2] ? g->in[2] - x0 : w->alpha;
            for (int64_t y = 0; y < w->alpha && right > left; y++)
                if (y0 + y >= 0 && y0 + y < g->in[1])
                    memcpy(edge + (y * w->alpha + left) * V_W,
                           d + ((y0 + y) * g->in[2] + x0 + left) * V_W,
                           (size_t)(right - left) * V_W * sizeof *d);
            d = edge, pitch = w->alpha * V_W;
        } else {
            d += (y0 * g->in[2] + x0) * V_W;
        }
        (w->m == 2 ? input_2 : input_4)(d, pitch, v, w->vs);
    }
}

// What of a tile lies inside of the output, with the epilogue. t: m x m pixels.
static void store_tile(const wino_plan *w, const whet_epilogue *e, float *t, wino_place at, vx *y,
                       const vx *other) {
    const whet_conv_geom *g = &w->g;
    int64_t rows = g->out[1] - at.y, columns = g->out[2] - at.x;
    if (rows > w->m) rows = w->m;
    if (columns > w->m) columns = w->m;
    vf lo = v_set1(w->epi.lo), hi = v_set1(w->epi.hi);
    for (int64_t r = 0; r < rows; r++) {
        int64_t to = ((at.y + r) * g->out[2] + at.x) * V_W;
        float *row = t + r * w->m * V_W;
        if (w->epi.mode == WHET_EPI_STORED) {
            float operand[4 * V_W];
            for (int64_t c = 0; other && c < columns; c++)
                v_store(operand + c * V_W, x_load(other + to + c * V_W));
            APPLY(e, row, other ? operand : NULL, columns * V_W);
        }
        for (int64_t c = 0; c < columns; c++) {
            vf x = v_load(row + c * V_W);
            if (w->epi.mode == WHET_EPI_ADD) x += x_load(other + to + c * V_W);
            if (w->epi.mode == WHET_EPI_ADD || w->epi.mode == WHET_EPI_CLAMP)
                x = v_min(hi, v_max(lo, x));
            x_store(y + to + c * V_W, x);
        }
    }
}

// The products of one panel for `count` tiles from `first`, and the output. v: of the first tile;
// pitch: tiles between blocks of V.
static void panel_tiles(const whet_call *call, const wino_plan *w, const float *v, int64_t pitch,
                        int64_t first, int64_t count, int64_t panel, float *m) {
    const whet_conv_geom *g = &w->g;
    int nv = g->k - panel * 2 * V_W > V_W ? 2 : 1;
    const float *weights = (const float *)call->packed[1] +
                           panel * w->planes * g->c * 2 * V_W;
    whet_walk walk = {.n0 = w->cb, .n1 = 1, .n2 = 1, .s0 = pitch * V_W, .len = V_W,
                      .last = g->c - (w->cb - 1) * V_W, .w_step = nv * V_W,
                      .ahead = pitch * V_W, .ahead_step = V_W}; // tiles of the next block
    for (int64_t plane = 0; plane < w->planes; plane++, weights += g->c * nv * V_W) {
        const float *a = v + plane * w->vs;
        whet_tile_out o = {.y = m + plane * w->ms, .pixel = V_W, .vec = w->batch * V_W,
                           .cols = 2 * V_W, .epi = &call->p->epi};
        int64_t left = count, parts = CEIL(count, TILES.pixels);
        if (w->weighty) walk.ahead_step = CEIL(nv * V_W, parts);
        for (const float *next = weights + g->c * nv * V_W; parts > 0; parts--) {
            if (w->weighty) walk.next = next; // a part of the next plane's weights
            next += g->c * walk.ahead_step;
            int64_t n = CEIL(left, parts);
            TILES.one[nv - 1][n](a, V_W, 0, weights, &walk, &o);
            a += n * V_W, o.y += n * V_W, left -= n;
        }
    }
    const float *b = call->p->n_in > 2 ? call->in[2] : NULL;
    for (int j = 0; j < nv; j++) {
        int64_t oc = panel * 2 * V_W + j * V_W, kb = CEIL(g->k, V_W);
        vf bias = b ? v_load_n(b + oc, g->k - oc) : v_zero();
        for (int64_t i = 0; i < count; i++) {
            float t[4 * 4 * V_W];
            wino_place at = place(w, first + i);
            (w->m == 2 ? output_2 : output_4)(m + (j * w->batch + i) * V_W, w->ms, bias, t,
                                              w->m * V_W);
            int64_t base = (at.image * kb + oc / V_W) * g->out_size * V_W;
            store_tile(w, &call->p->epi, t, at, (vx *)call->out[0] + base,
                       call->other ? (const vx *)call->other + base : NULL);
        }
    }
}

static int64_t batch_size(const wino_plan *w, int64_t batch) {
    int64_t left = w->tiles - batch * w->batch;
    return left < w->batch ? left : w->batch;
}

// A task is a batch of tiles: V, then all panels.
static whet_status fused_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    (void)phase;
    const wino_plan *w = call->state;
    float *v = call->scratch, *m = v + w->planes * w->vs;
    for (int64_t task = begin; task < end; task++) {
        int64_t first = task * w->batch, count = batch_size(w, task);
        for (int64_t block = 0; block < w->cb; block++)
            transform_input(w, call->in[0], block, first, count, v + block * w->batch * V_W);
        for (int64_t panel = 0; panel < w->panels; panel++)
            panel_tiles(call, w, v, w->batch, first, count, panel, m);
    }
    return WHET_OK;
}

// Phase 0: one block of channels of one row of tiles. Phase 1: one panel of one batch.
static whet_status split_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const wino_plan *w = call->state;
    float *v = call->workspace, *m = call->scratch;
    for (int64_t task = begin; task < end; task++) {
        if (phase == 0) {
            int64_t row = task / w->cb, block = task % w->cb;
            transform_input(w, call->in[0], block, row * w->columns, w->columns,
                            v + (block * w->tiles + row * w->columns) * V_W);
            continue;
        }
        int64_t first = task / w->panels * w->batch;
        panel_tiles(call, w, v + first * V_W, w->tiles, first, batch_size(w, task / w->panels),
                    task % w->panels, m);
    }
    return WHET_OK;
}

// ---- packing ----

static size_t wino_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    int64_t alpha = params[0] == 2 ? 4 : 6;
    const int64_t *d = p->in[1].dims;
    return i == 1 ? sizeof(float) * (size_t)(CEIL(d[0], V_W) * V_W * d[1] * alpha * alpha) : 0;
}

// G g G' of the 3x3 filters of all lanes, g[tap][lane], to u[plane][lane]
static void transform_filters(int64_t alpha, double g[9][2 * V_W], float u[36][2 * V_W]) {
    static const double g2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    static const double g4[6][3] = {{1.0 / 4, 0, 0},
                                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                    {0, 0, 1}};
    const double(*m)[3] = alpha == 4 ? g2 : g4;
    for (int64_t i = 0; i < alpha; i++) {
        double t[3][2 * V_W];
        for (int x = 0; x < 3; x++)
            for (int l = 0; l < 2 * V_W; l++)
                t[x][l] = m[i][0] * g[x][l] + m[i][1] * g[3 + x][l] + m[i][2] * g[6 + x][l];
        for (int64_t j = 0; j < alpha; j++)
            for (int l = 0; l < 2 * V_W; l++)
                u[i * alpha + j][l] =
                    (float)(t[0][l] * m[j][0] + t[1][l] * m[j][1] + t[2][l] * m[j][2]);
    }
}

static whet_status wino_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *packed) {
    (void)p, (void)i;
    int64_t alpha = params[0] == 2 ? 4 : 6, planes = alpha * alpha;
    int64_t k = src->dims[0], c = src->dims[1];
    const float *w = src->data;
    float *dst = packed, lines[36][2 * V_W] = {{0}};
    for (int64_t oc = 0; oc < k; oc += 2 * V_W) {
        int64_t width = k - oc > V_W ? 2 * V_W : V_W;
        for (int64_t ic = 0; ic < c; ic++) {
            double g[9][2 * V_W] = {{0}};
            for (int64_t l = 0; l < width && oc + l < k; l++)
                for (int64_t t = 0; t < 9; t++) g[t][l] = (double)w[((oc + l) * c + ic) * 9 + t];
            transform_filters(alpha, g, lines);
            for (int64_t plane = 0; plane < planes; plane++)
                memcpy(dst + (plane * c + ic) * width, lines[plane], (size_t)width * sizeof *dst);
        }
        dst += planes * c * width;
    }
    return WHET_OK;
}

// ---- descriptors ----

static const int32_t settings[][2] = {{4, 4}, {2, 4}, {4, 2}, {4, 7}};

static bool wino_param(const whet_problem *p, int32_t i, int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    if (i >= (int32_t)(sizeof settings / sizeof settings[0])) return false;
    params[0] = settings[i][0], params[1] = settings[i][1];
    return true;
}
static bool wino_valid(const whet_problem *p, const int32_t params[WHET_MAX_PARAMS]) {
    (void)p;
    for (int32_t i = 2; i < WHET_MAX_PARAMS; i++)
        if (params[i]) return false;
    return (params[0] == 2 || params[0] == 4) && params[1] >= 1 && params[1] <= 64;
}

// Products at the speed of their tiles, transforms by stores, weights from memory.
static double plan_cost(const wino_plan *w, const whet_problem *p, double tasks) {
    const whet_conv_geom *g = &w->g;
    double wide = (double)CEIL(w->batch, CEIL(w->batch, TILES.pixels));
    double share = wide / (wide + 0.1 * TILES.pixels);
    double lanes = (double)(CEIL(g->k, V_W) * V_W), tiles = (double)w->tiles;
    double products = 2.0 * (double)w->planes * tiles * (double)g->c * lanes / (KERN_PEAK * share);
    double cycles = tiles * (double)w->planes * (6.5 * (double)w->cb + 3.6 * lanes / V_W);
    double threads = p->threads > 1 ? p->threads : 1;
    if (tasks < threads) threads = tasks;
    double weights = 4.0 * (double)w->planes * (double)g->c * lanes;
    return (products + cycles / 3.6e9) / threads +
           (weights + whet_problem_bytes(p)) / KERN_BANDWIDTH;
}

static int64_t fused_count(const wino_plan *w, int32_t phase) {
    (void)phase;
    return w->batches;
}
static int64_t split_count(const wino_plan *w, int32_t phase) {
    return phase == 0 ? w->g.n * w->rows * w->cb : w->batches * w->panels;
}

static bool wino_accepts(const whet_problem *p, bool split) {
    wino_plan w;
    static const int32_t params[WHET_MAX_PARAMS] = {4, 64};
    if (p->n_in < 2 || p->n_out < 1 || p->in[0].layout != BLOCKED || p->in[0].rank != 4 ||
        p->out[0].layout != BLOCKED || p->in[1].layout != WHET_LAYOUT_PLAIN || !p->in[1].constant)
        return false;
    if (p->n_in > 2 && p->in[2].layout != WHET_LAYOUT_PLAIN) return false;
    return plan_init(&w, p, params, split);
}

#define DEFINE(id, split)                                                                          \
    static bool id##_accepts(const whet_problem *p) { return wino_accepts(p, split); }             \
    static double id##_cost(const whet_problem *p, const int32_t *params) {                        \
        wino_plan w;                                                                               \
        if (!plan_init(&w, p, params, split)) return INFINITY;                                     \
        return plan_cost(&w, p, (double)id##_count(&w, 1));                                        \
    }                                                                                              \
    static size_t id##_scratch(const whet_problem *p, const int32_t *params) {                     \
        wino_plan w;                                                                               \
        if (!plan_init(&w, p, params, split)) return 0;                                            \
        return sizeof(float) * (size_t)(w.planes * (w.ms + (split ? 0 : w.vs)));                   \
    }                                                                                              \
    static void id##_prepare(const whet_problem *p, const int32_t *params, void *state) {          \
        plan_init(state, p, params, split);                                                        \
    }                                                                                              \
    static int64_t id##_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {       \
        wino_plan w;                                                                               \
        return plan_init(&w, p, params, split) ? id##_count(&w, phase) : 0;                        \
    }
DEFINE(fused, false)
DEFINE(split, true)

static size_t split_workspace(const whet_problem *p, const int32_t *params) {
    wino_plan w;
    return plan_init(&w, p, params, true) ? sizeof(float) * (size_t)(w.planes * w.vs) : 0;
}

// tolerance: F(4, 3) loses up to 3 bits, and by the largest value of a tile (ck_run.c)
#define SUITE(id)                                                                                  \
    .op = "conv", .revision = 1, .cpu = V_CPU, .layouts = WHET_LAYOUT_BIT(BLOCKED),                \
    .stores = X_STORES, .accepts = id##_accepts, .param = wino_param, .valid = wino_valid,         \
    .cost = id##_cost,                                                                             \
    .pack_bytes = wino_pack_bytes, .pack = wino_pack, .scratch = id##_scratch,                     \
    .state_bytes = sizeof(wino_plan), .prepare = id##_prepare, .tasks = id##_tasks,                \
    .run = id##_run, .tolerance = 9

const whet_kernel V_CAT(V_CAT(whet_kernel_conv_, X_TILE), _winograd) = {
    .name = "conv_" X_TILE_NAME "_winograd",
    SUITE(fused),
};
const whet_kernel V_CAT(V_CAT(whet_kernel_conv_, X_TILE), _winograd_split) = {
    .name = "conv_" X_TILE_NAME "_winograd_split",
    .phases = 2,
    .workspace = split_workspace,
    SUITE(split),
};
