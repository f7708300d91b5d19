// SPDX-License-Identifier: Apache-2.0
// Depthwise quant_conv by four taps an instruction (vpdpbusd), channels last, strides 1 and 2.
// Of 64 channels, four neighbouring pixels of a row are interleaved by bytes, which gives four
// vectors of 16 channels by 4 pixels: a window that serves the output pixels whose taps lie inside
// of it (`share`: with stride 1 two, by weights moved one tap). A tile is two windows, 2 pixels
// apart, so that what interleaves pixels 2 and 3 serves both. Channels are in the order in which
// packing the sums to bytes puts them back. A last panel of at most 32 channels has the second
// window in its upper half.
//   packed weights: [64 channels][tap row][window of 4][output pixel of the window][vector of 16
//   channels][lane][tap], i8; then the sum of each channel's, i32
// A task is (image, block of output rows).
#include "kern/conv/conv_quant_patch.h"
#include "kern/qtile.h"

#define BLOCK 64
#define VECTORS (BLOCK / V_W)
#define WINDOW 4 // taps of an instruction
#define APART 2  // pixels between the windows of a tile
#define NARROW (BLOCK / 2)
#define SHARE 2  // most output pixels of a window

typedef struct dw4_plan {
    whet_conv_geom g;
    int64_t rows, blocks;   // output rows a task, blocks an image
    int64_t panels, windows; // of 64 channels; of 4 taps in a row
    int64_t share;
    quant_patch patch;
} dw4_plan;

// Windows of a row, and how many output pixels share them.
static void plan_windows(dw4_plan *c, int64_t taps, int64_t stride) {
    c->share = APART / stride;
    c->windows = CEIL(taps + c->share - 1, WINDOW);
}

static bool plan_init(dw4_plan *c, const whet_problem *p) {
    if (!whet_conv_geom_sizes(&c->g, p)) return false;
    const whet_conv_geom *g = &c->g;
    if (g->in[0] != 1 || g->ker[0] != 1 || g->out[0] != 1 || g->cg != 1 || g->kg != 1) return false;
    if (g->stride[2] > APART || g->dil[2] != 1) return false;
    int64_t budget = (p->l2_bytes ? p->l2_bytes : 512 << 10) / 4;
    int64_t row = g->stride[1] * g->in[2] * g->c;
    c->rows = budget / row > 4 ? budget / row : 4;
    int64_t threads = p->threads > 1 ? p->threads : 1;
    while (threads > 1 && c->rows > 2 && g->n * CEIL(g->out[1], c->rows) < 3 * threads)
        c->rows = CEIL(c->rows, 2);
    c->blocks = CEIL(g->out[1], c->rows);
    c->rows = CEIL(g->out[1], c->blocks);
    c->panels = CEIL(g->c, BLOCK);
    plan_windows(c, g->ker[2], g->stride[2]);
    return patch_init(&c->patch, g, p, false, c->rows, true);
}

// What windows and tiles read behind the patch: for outputs behind the row's end and taps of weight
// zero. None of it reaches a result.
static size_t scratch_bytes(const dw4_plan *c) {
    return patch_bytes(&c->patch, &c->g) + (size_t)((2 * APART + WINDOW) * c->g.c) + BLOCK;
}

// ---- channels in the order of the tile ----

// Byte of lane l of vector v among those packed, and the channel that it belongs to.
static int byte_of(int v, int l) { return l / 4 * 16 + v * 4 + l % 4; }
static int channel_of(int v, int l, bool narrow) {
    return narrow ? byte_of(v, l) % NARROW : byte_of(v, l);
}

static void interleave(const void *from, void *to, bool narrow) { // 4 bytes each
    for (int v = 0; v < VECTORS; v++)
        for (int l = 0; l < V_W; l++)
            memcpy((char *)to + 4 * (v * V_W + l),
                   (const char *)from + 4 * channel_of(v, l, narrow), 4);
}

static void order(const int32_t *sums, int32_t *to) {
    for (int v = 0; v < VECTORS; v++)
        for (int l = 0; l < V_W; l += 4)
            memcpy(to + byte_of(v, l), sums + v * V_W + l, 4 * sizeof *to);
}

// ---- a panel ----

typedef struct panel { // 64 channels
    const int8_t *w;
    int64_t first, cols;
    __mmask64 mask;
    bool narrow;
    bool plain;     // 8-bit results without another term
    int32_t init[BLOCK];
    float scale[BLOCK], bias[BLOCK];     // as they are
    float scale_i[BLOCK], bias_i[BLOCK]; // interleaved
    bool tame;
} panel;

static void panel_init(panel *t, const whet_call *call, const dw4_plan *c, const whet_qstages *s,
                       const source *src, int64_t first) {
    const whet_conv_geom *g = &c->g;
    int64_t each = g->ker[1] * c->windows * c->share * VECTORS * BLOCK;
    const int8_t *w = call->packed[WHET_QF_W];
    const int32_t *total = (const int32_t *)(const void *)(w + c->panels * each) + first;
    int32_t init[BLOCK];
    t->w = w + first / BLOCK * each;
    t->first = first, t->cols = g->c - first < BLOCK ? g->c - first : BLOCK;
    t->narrow = t->cols <= NARROW;
    t->mask = t->cols < BLOCK ? ((__mmask64)1 << t->cols) - 1 : ~(__mmask64)0;
    for (int i = 0; i < BLOCK; i++) init[i] = -src->fill * total[i];
    t->tame = whet_qcolumns(call, s, first, t->cols, BLOCK, t->scale, t->bias);
    t->plain = s->tame && (t->tame || s->mid) && !s->sum && !s->other && s->out != WHET_DTYPE_F32;
    interleave(init, t->init, t->narrow);
    interleave(t->scale, t->scale_i, t->narrow);
    interleave(t->bias, t->bias_i, t->narrow);
}

// ---- a tile ----

#define UNROLL _Pragma("GCC unroll 8")

V_FN __m512i add_products(__m512i acc, __m512i x, __m512i w) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}

// Vector v of the first and the second window.
V_FN void add_windows(bool narrow, int share, int v, __m512i acc[2 * SHARE][VECTORS],
                      const int8_t *w, __m512i first, __m512i second) {
    UNROLL for (int s = 0; s < share; s++) {
        __m512i taps = _mm512_loadu_si512(w + (s * VECTORS + v) * BLOCK);
        acc[s][v] = add_products(acc[s][v], first, taps);
        if (!narrow) acc[share + s][v] = add_products(acc[share + s][v], second, taps);
    }
}

V_FN __m512i load_both(const uint8_t *low, const uint8_t *high) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)low)),
                              _mm256_loadu_si256((const void *)high), 1);
}

// sums of 2 share output pixels; x: their first input of the panel's first channel
V_FN void tile(bool narrow, int share, const dw4_plan *c, const uint8_t *x, const panel *t,
               __m512i acc[2 * SHARE][VECTORS]) {
    const whet_conv_geom *g = &c->g;
    const int8_t *w = t->w;
    const int sets = narrow ? share : 2 * share, loads = narrow ? WINDOW : WINDOW + APART;
    UNROLL for (int i = 0; i < sets; i++)
        UNROLL for (int v = 0; v < VECTORS; v++) acc[i][v] = (__m512i)vi_load(t->init + v * V_W);
    for (int64_t ky = 0; ky < g->ker[1]; ky++) {
        const uint8_t *at = x + ky * g->dil[1] * c->patch.w * g->c;
        for (int64_t k = 0; k < c->windows; k++, at += WINDOW * g->c) {
            __m512i p[WINDOW + APART], l[3], h[3];
            UNROLL for (int i = 0; i < loads; i++)
                p[i] = narrow ? load_both(at + i * g->c, at + (i + APART) * g->c)
                              : _mm512_loadu_si512(at + i * g->c);
            UNROLL for (int i = 0; i < loads / 2; i++) {
                l[i] = _mm512_unpacklo_epi8(p[2 * i], p[2 * i + 1]);
                h[i] = _mm512_unpackhi_epi8(p[2 * i], p[2 * i + 1]);
            }
            add_windows(narrow, share, 0, acc, w, _mm512_unpacklo_epi16(l[0], l[1]),
                        _mm512_unpacklo_epi16(l[1], l[2]));
            add_windows(narrow, share, 1, acc, w, _mm512_unpackhi_epi16(l[0], l[1]),
                        _mm512_unpackhi_epi16(l[1], l[2]));
            add_windows(narrow, share, 2, acc, w, _mm512_unpacklo_epi16(h[0], h[1]),
                        _mm512_unpacklo_epi16(h[1], h[2]));
            add_windows(narrow, share, 3, acc, w, _mm512_unpackhi_epi16(h[0], h[1]),
                        _mm512_unpackhi_epi16(h[1], h[2]));
            w += share * VECTORS * BLOCK;
        }
    }
}

V_FN __m512i rounded(bool mid, const whet_qstages *s, const panel *t, __m512i sum, int v) {
    vf x = v_fma(vi_to_f((vi)sum), v_load(t->scale_i + v * V_W), v_load(t->bias_i + v * V_W));
    if (mid) {
        x = v_min(v_set1(s->high[0]), v_max(v_set1(s->low[0]), x));
        x = v_round(x) * v_set1(s->mid_mul);
    }
    return (__m512i)v_to_i(x);
}

// `n` pixels from y on, packed without leaving registers.
V_FN void store_plain(bool mid, bool narrow, int share, const whet_qstages *s,
                      const panel *t, __m512i acc[2 * SHARE][VECTORS], uint8_t *y, int64_t n,
                      int64_t pixel) {
    int32_t flip = s->out == WHET_DTYPE_I8 ? 128 : 0;
    const __m512i zero = _mm512_set1_epi16((int16_t)(s->zero + flip));
    const __m512i sign = _mm512_set1_epi8((char)flip);
    const __m512i least = _mm512_set1_epi8((char)(s->least ^ flip));
    const __m512i most = _mm512_set1_epi8((char)(s->most ^ flip));
    const int sets = narrow ? share : 2 * share;
    UNROLL for (int i = 0; i < sets; i++) {
        __m512i a = _mm512_packs_epi32(rounded(mid, s, t, acc[i][0], 0),
                                       rounded(mid, s, t, acc[i][1], 1));
        __m512i b = _mm512_packs_epi32(rounded(mid, s, t, acc[i][2], 2),
                                       rounded(mid, s, t, acc[i][3], 3));
        a = _mm512_packus_epi16(_mm512_adds_epi16(a, zero), _mm512_adds_epi16(b, zero));
        a = _mm512_min_epu8(most, _mm512_max_epu8(least, a));
        a = _mm512_xor_si512(a, sign);
        if (i < n) _mm512_mask_storeu_epi8(y + i * pixel, t->mask, a);
        if (narrow && share + i < n)
            _mm256_mask_storeu_epi8(y + (share + i) * pixel, (__mmask32)t->mask,
                                    _mm512_extracti64x4_epi64(a, 1));
    }
}

// One pixel, whose element `at` of the output is the panel's first, through all stages.
static void store_staged(const whet_call *call, const whet_qstages *s, const panel *t,
                         const int32_t *sums, int64_t at) {
    int64_t size = s->out == WHET_DTYPE_F32 ? 4 : 1, other = s->other == WHET_DTYPE_F32 ? 4 : 1;
    for (int64_t c = 0; c < t->cols; c += 2 * V_W) {
        whet_qout o = {(char *)call->out[0] + (at + c) * size,
                       s->other ? (const char *)call->in[WHET_QF_OTHER] + (at + c) * other : NULL,
                       0, 1, t->cols - c, t->scale + c, t->bias + c, t->tame};
        whet_qtiles_avx512.store(s, &o, sums + c, 1, 2);
    }
}

// ---- tasks ----

typedef struct task {
    const whet_call *call;
    const dw4_plan *c;
    const whet_qstages *s;
    int64_t image, y0, rows;
} task;

V_FN void run_row(bool narrow, int share, const task *k, const panel *t, const uint8_t *x,
                  int64_t at) {
    const whet_conv_geom *g = &k->c->g;
    int64_t pixels = 2 * share;
    for (int64_t left = g->out[2]; left > 0; left -= pixels) {
        __m512i acc[2 * SHARE][VECTORS];
        int64_t n = left < pixels ? left : pixels;
        tile(narrow, share, k->c, x, t, acc);
        uint8_t *y = (uint8_t *)k->call->out[0] + at;
        if (t->plain && !k->s->mid) store_plain(false, narrow, share, k->s, t, acc, y, n, g->c);
        else if (t->plain) store_plain(true, narrow, share, k->s, t, acc, y, n, g->c);
        else for (int64_t i = 0; i < n; i++) {
            int32_t sums[BLOCK], ordered[BLOCK];
            memcpy(sums, acc[narrow ? i % share : i], sizeof sums);
            order(sums, ordered);
            store_staged(k->call, k->s, t, ordered + (narrow ? i / share * NARROW : 0),
                         at + i * g->c);
        }
        x += pixels * g->stride[2] * g->c, at += pixels * g->c;
    }
}

static void run_panel(const task *k, const panel *t) {
    const whet_conv_geom *g = &k->c->g;
    for (int64_t y = 0; y < k->rows; y++) {
        const uint8_t *x = (const uint8_t *)k->call->scratch +
                           y * g->stride[1] * k->c->patch.w * g->c + t->first;
        int64_t at = (k->image * g->out_size + (k->y0 + y) * g->out[2]) * g->c + t->first;
        if (k->c->share == 2 && t->narrow) run_row(true, 2, k, t, x, at);
        else if (k->c->share == 2) run_row(false, 2, k, t, x, at);
        else if (t->narrow) run_row(true, 1, k, t, x, at);
        else run_row(false, 1, k, t, x, at);
    }
}

static whet_status dw4_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const dw4_plan *c = call->state;
    const whet_conv_geom *g = &c->g;
    source src = source_init(call);
    whet_qstages s;
    (void)phase;
    whet_qstages_init(&s, call);
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / c->blocks, y0 = i % c->blocks * c->rows;
        int64_t rows = g->out[1] - y0 < c->rows ? g->out[1] - y0 : c->rows;
        if (rows <= 0) continue;
        const task k = {call, c, &s, image, y0, rows};
        src.x = (const uint8_t *)call->in[WHET_QF_X] + image * g->c * g->in_size;
        patch_copy(&c->patch, g, &src, call->scratch, y0, rows);
        for (int64_t first = 0; first < g->c; first += BLOCK) {
            panel t;
            panel_init(&t, call, c, &s, &src, first);
            run_panel(&k, &t);
        }
    }
    return WHET_OK;
}

// ---- packing ----

typedef struct pack_sizes {
    dw4_plan c; // only what plan_windows makes
    int64_t channels, taps_y, taps_x, panels;
} pack_sizes;

static pack_sizes pack_sizes_of(const whet_problem *p) {
    const whet_port *w = &p->in[WHET_QF_W];
    const whet_quant_conv_attrs *a = p->attrs;
    int32_t n = w->rank - 2;
    pack_sizes s = {.channels = w->dims[0], .taps_y = n > 1 ? w->dims[2] : 1,
                    .taps_x = w->dims[n + 1], .panels = CEIL(w->dims[0], BLOCK)};
    int64_t stride = a->window.strides.n == n ? a->window.strides.v[n - 1] : 1;
    plan_windows(&s.c, s.taps_x, stride == 2 ? 2 : 1);
    return s;
}

static size_t dw4_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    if (i != WHET_QF_W) return 0;
    pack_sizes s = pack_sizes_of(p);
    return (size_t)(s.panels * BLOCK) *
           ((size_t)(s.taps_y * s.c.windows * s.c.share * WINDOW) + sizeof(int32_t));
}

// The WINDOW taps of channel c in window k of row y, for the output pixel `pixel` of the window.
static void pack_taps(const pack_sizes *s, int8_t *to, const int8_t *w, int64_t c, int64_t y,
                      int64_t k, int64_t pixel) {
    int64_t stride = APART / s->c.share;
    for (int64_t t = 0; t < WINDOW; t++) {
        int64_t x = k * WINDOW + t - pixel * stride;
        bool there = c < s->channels && x >= 0 && x < s->taps_x;
        to[t] = there ? w[(c * s->taps_y + y) * s->taps_x + x] : 0;
    }
}

static whet_status dw4_pack(const whet_problem *p, const int32_t *params, int32_t i,
                            const whet_tensor *src, void *dst) {
    pack_sizes s = pack_sizes_of(p);
    const int8_t *w = src->data;
    int8_t *to = dst;
    (void)params, (void)i;
    for (int64_t b = 0; b < s.panels; b++)
        for (int64_t y = 0; y < s.taps_y; y++)
            for (int64_t k = 0; k < s.c.windows; k++)
                for (int64_t pixel = 0; pixel < s.c.share; pixel++)
                    for (int j = 0; j < BLOCK; j++, to += WINDOW) {
                        bool narrow = s.channels - b * BLOCK <= NARROW;
                        int64_t channel = b * BLOCK + channel_of(j / V_W, j % V_W, narrow);
                        pack_taps(&s, to, w, channel, y, k, pixel);
                    }
    int32_t *sums = (int32_t *)(void *)to;
    int64_t taps = s.taps_y * s.taps_x;
    for (int64_t c = 0; c < s.panels * BLOCK; c++) {
        sums[c] = 0;
        for (int64_t t = 0; t < taps && c < s.channels; t++) sums[c] += w[c * taps + t];
    }
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool dw4_accepts(const whet_problem *p) {
    dw4_plan c;
    if (!quant_conv_weights(p) || p->in[WHET_QF_X].layout != WHET_LAYOUT_NHWC ||
        p->out[0].layout != WHET_LAYOUT_NHWC)
        return false;
    return plan_init(&c, p) && c.g.taps <= 65536 && whet_qstages_accepts(p, c.g.k);
}
static double dw4_cost(const whet_problem *p, const int32_t *params) {
    dw4_plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    double outputs = (double)(c.g.n * c.panels * BLOCK * c.g.out_size);
    double work = (double)(c.g.ker[1] * c.windows * (c.share == 2 ? 2 : 3));
    double threads = p->threads > 1 ? p->threads : 1, tasks = (double)(c.g.n * c.blocks);
    if (tasks < threads) threads = tasks;
    return outputs * (0.15 * work + 1) / (40e9 * threads) + 1e-6 + whet_problem_bytes(p) / 30e9;
}
static size_t dw4_scratch(const whet_problem *p, const int32_t *params) {
    dw4_plan c;
    (void)params;
    return plan_init(&c, p) ? scratch_bytes(&c) : 0;
}
static void dw4_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t dw4_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    dw4_plan c;
    (void)params, (void)phase;
    return plan_init(&c, p) ? c.g.n * c.blocks : 0;
}

const whet_kernel whet_kernel_quant_conv_i8_avx512_vnni_dw4 = {
    .name = "quant_conv_i8_avx512_vnni_dw4",
    .op = "quant_conv",
    .revision = 1,
    .cpu = V_CPU | WHET_CPU_AVX512_VNNI,
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC),
    .ports = quant_conv_ports,
    .accepts = dw4_accepts,
    .cost = dw4_cost,
    .pack_bytes = dw4_pack_bytes,
    .pack = dw4_pack,
    .scratch = dw4_scratch,
    .state_bytes = sizeof(dw4_plan),
    .prepare = dw4_prepare,
    .tasks = dw4_tasks,
    .run = dw4_run,
    .tolerance = 2,
};
