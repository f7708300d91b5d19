// SPDX-License-Identifier: Apache-2.0
// Template of the depthwise convolution and of groups of 2, 4 or 8 channels in and out, fewer than
// a vector: blocked on both sides, rank 3 and 4, any window. A vector is the channels of a block;
// lanes meet only those of their group, by a permutation for each channel of it, so garbage lanes
// stay among themselves (groups never straddle the last real channel). A task is a channel block of
// an image and a range of output rows.
//   packed weights: [channel block][kh][kw][input channel of the group][lane]
#include "kern/conv/conv_geom.h"
#include "kern/microtile.h"
#include "kern/typed.h"

#define BLOCKED (V_W == 16 ? WHET_LAYOUT_C16 : WHET_LAYOUT_C8)
#if X_BF16
#define APPLY whet_epilogue_apply_bf16
#else
#define APPLY V_CAT(whet_epilogue_apply_, V_ISA)
#endif
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define WIDE V_PICK(12, 8, 4)      // output pixels at once
#define PADDED_WIDE V_PICK(14, 7, 4) // the same in padded planes: what 7, 14 and 28 pixels want
#define PADDED_MAX (64 << 10)        // bytes of a plane that is copied and padded
#define GROUP_WIDE V_PICK(12, 4, 2) // the same with groups: inputs take registers too
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL64 _Pragma("GCC unroll 64")

typedef struct conv_plan {
    whet_conv_geom g;
    int64_t rows, blocks;  // output rows a task, row blocks an image
    int64_t first, last;   // output columns whose windows lie inside the input
    // Small planes are copied with zeros at the left and right, as most of their windows would be
    // cut: pixels of a row of the copy, of which `before` are zeros first; 0: not copied. The rest
    // of the plan is for the copy then.
    int64_t padded, before, in_pitch; // in_pitch: pixels of a row of the input
    whet_epi_plan epi;
} conv_plan;

static void plan_padding(conv_plan *c) {
    whet_conv_geom *g = &c->g;
    int64_t width = (g->out[2] - 1) * g->stride[2] + (g->ker[2] - 1) * g->dil[2] + 1;
    bool cut = g->stride[2] == 1 && (c->first > 0 || c->last < g->out[2]);
    c->in_pitch = g->in[2];
    c->padded = c->before = 0;
    if (!cut || (double)g->in[1] * (double)width * V_W * sizeof(vx) > PADDED_MAX) return;
    c->padded = width;
    c->before = g->pad[2] < width ? g->pad[2] : width;
    g->in[2] = width, g->pad[2] = 0;
    c->first = 0, c->last = g->out[2];
}

static bool plan_init(conv_plan *c, const whet_problem *p) {
    if (!whet_conv_geom_init_as(&c->g, p, X_DTYPE, X_DTYPE)) return false;
    const whet_conv_geom *g = &c->g;
    if (g->cg != g->kg || g->cg >= V_W || V_W % g->cg) return false;
    int64_t images = g->n * CEIL(g->c, V_W), threads = p->threads > 1 ? p->threads : 1;
    c->blocks = images < 4 * threads ? CEIL(4 * threads, images) : 1;
    if (c->blocks > g->out[1]) c->blocks = g->out[1];
    c->rows = CEIL(g->out[1], c->blocks);
    c->blocks = CEIL(g->out[1], c->rows);
    int64_t reach = (g->ker[2] - 1) * g->dil[2];
    c->first = CEIL(g->pad[2], g->stride[2]);
    int64_t room = g->in[2] - 1 - reach + g->pad[2]; // last start of a window, from the padding
    c->last = room < 0 ? 0 : room / g->stride[2] + 1;
    if (c->last > g->out[2]) c->last = g->out[2];
    if (c->first > c->last) c->first = c->last;
    c->epi = whet_epilogue_plan(&p->epi);
    plan_padding(c);
    return true;
}

typedef struct row_task {
    const vx *src;        // channel block
    const float *w;       // weights from the first valid row of the window on
    vx *y;                // the row, and where it waits for other functions when stored as bf16
    float *row;
    int64_t rows, pitch;  // valid rows of the window, floats between them
    vf bias;
    const whet_epilogue *epi;
    whet_epi_plan plan;
} row_task;

V_FN void finish(const row_task *t, vx *y, const vx *other, vf x) {
    vf lo = v_set1(t->plan.lo), hi = v_set1(t->plan.hi);
    if (X_BF16 && t->plan.mode == WHET_EPI_STORED) {
        v_store(t->row + (y - t->y), x);
        return;
    }
    if (t->plan.mode == WHET_EPI_ADD) x += x_load(other);
    if (t->plan.mode == WHET_EPI_ADD || t->plan.mode == WHET_EPI_CLAMP) x = v_min(hi, v_max(lo, x));
    x_store(y, x);
}

// Lane of the first channel of each lane's group.
V_FN vi group_lanes(int64_t cg) { return vi_iota() & vi_set1((int32_t)-cg); }

// Each input of n pixels is loaded, and widened, once for all windows that it lies in; n, kw and sw
// are constants.
V_FN void slide_row(int n, const vx *s, const float *w, int kw, int sw, vf *acc) {
    vf wk[5];
    UNROLL for (int k = 0; k < kw; k++) wk[k] = v_load(w + k * V_W);
    UNROLL64 for (int j = 0; j < (n - 1) * sw + kw; j++) {
        vf x = x_load(s + j * V_W);
        UNROLL for (int k = 0; k < kw; k++)
            if (j >= k && (j - k) % sw == 0 && (j - k) / sw < n)
                acc[(j - k) / sw] = v_fma(x, wk[k], acc[(j - k) / sw]);
    }
}

// n neighbouring pixels whose windows are inside; s: first tap of the first; cg, kw, sw, dw
// constants where the caller has them
V_FN void pixels(const row_task *t, bool slides, int n, int64_t cg, const vx *s, int64_t kw,
                 int64_t sw, int64_t dw, vx *y, const vx *other) {
    vf acc[PADDED_WIDE > WIDE ? PADDED_WIDE : WIDE];
    const vi lanes = group_lanes(cg);
    UNROLL for (int i = 0; i < n; i++) acc[i] = t->bias;
    const float *w = t->w;
    if (slides) {
        for (int64_t r = 0; r < t->rows; r++, s += t->pitch, w += kw * V_W)
            slide_row(n, s, w, (int)kw, (int)sw, acc);
        UNROLL for (int i = 0; i < n; i++)
            finish(t, y + i * V_W, other ? other + i * V_W : NULL, acc[i]);
        return;
    }
    for (int64_t r = 0; r < t->rows; r++, s += t->pitch)
        for (int64_t k = 0; k < kw; k++) {
            if (cg == 1) {
                vf wk = v_load(w);
                UNROLL for (int i = 0; i < n; i++)
                    acc[i] = v_fma(x_load(s + (i * sw + k * dw) * V_W), wk, acc[i]);
                w += V_W;
                continue;
            }
            vf x[WIDE];
            UNROLL for (int i = 0; i < n; i++) x[i] = x_load(s + (i * sw + k * dw) * V_W);
            UNROLL for (int c = 0; c < (int)cg; c++, w += V_W) {
                const vi index = lanes + vi_set1(c);
                vf wk = v_load(w);
                UNROLL for (int i = 0; i < n; i++)
                    acc[i] = v_fma(v_permute(x[i], index), wk, acc[i]);
            }
        }
    UNROLL for (int i = 0; i < n; i++)
        finish(t, y + i * V_W, other ? other + i * V_W : NULL, acc[i]);
}

// Output columns [from, to) of a row, at most `wide` at once.
V_FN void inner(const whet_conv_geom *g, const row_task *t, bool slides, int64_t from, int64_t to,
                int wide, int64_t cg, int64_t kw, int64_t sw, int64_t dw, vx *y, const vx *other) {
    int64_t x = from;
#define STEP(n)                                                                                    \
    pixels(t, slides, n, cg, t->src + (x * sw - g->pad[2]) * V_W, kw, sw, dw, y + x * V_W,         \
           other ? other + x * V_W : NULL)
    for (; x + wide <= to; x += wide) STEP(wide);
    for (; x + wide / 2 <= to; x += wide / 2) STEP(wide / 2);
    for (; wide >= 8 && x + wide / 4 <= to; x += wide / 4) STEP(wide / 4);
    for (; x < to; x++) STEP(1);
#undef STEP
}

// A pixel whose window is cut at the left or right.
static void edge(const whet_conv_geom *g, const row_task *t, int64_t x, vx *y,
                 const vx *other) {
    vf acc = t->bias;
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t k = 0; k < g->ker[2]; k++) {
            int64_t at = x * g->stride[2] - g->pad[2] + k * g->dil[2];
            if (at < 0 || at >= g->in[2]) continue;
            vf in = x_load(t->src + r * t->pitch + at * V_W);
            for (int64_t c = 0; c < g->cg; c++) {
                const float *w = t->w + ((r * g->ker[2] + k) * g->cg + c) * V_W;
                vi index = group_lanes(g->cg) + vi_set1((int32_t)c);
                acc = v_fma(g->cg == 1 ? in : v_permute(in, index), v_load(w), acc);
            }
        }
    finish(t, y + x * V_W, other ? other + x * V_W : NULL, acc);
}

// Functions outside the register set, on a whole row.
static void apply_stored(const row_task *t, const vx *other, int64_t n) {
#if X_BF16
    float *operand = t->row + n;
    for (int64_t i = 0; other && i < n; i += V_W) v_store(operand + i, x_load(other + i));
    APPLY(t->epi, t->row, other ? operand : NULL, n);
    for (int64_t i = 0; i < n; i += V_W) x_store(t->y + i, v_load(t->row + i));
#else
    APPLY(t->epi, t->y, other, n);
#endif
}

static void run_row(const conv_plan *c, row_task *t, const vx *plane, const float *w, int64_t oy,
                    vx *y, const vx *other) {
    const whet_conv_geom *g = &c->g;
    // rows of the window inside the input
    int64_t top = oy * g->stride[1] - g->pad[1], from = top < 0 ? CEIL(-top, g->dil[1]) : 0;
    int64_t to = g->in[1] - top > 0 ? CEIL(g->in[1] - top, g->dil[1]) : 0;
    if (to > g->ker[1]) to = g->ker[1];
    t->rows = to > from ? to - from : 0;
    t->y = y;
    t->pitch = g->dil[1] * g->in[2] * V_W;
    t->src = t->rows ? plane + (top + from * g->dil[1]) * g->in[2] * V_W : plane;
    t->w = w + from * g->ker[2] * g->cg * V_W;
    for (int64_t x = 0; x < c->first; x++) edge(g, t, x, y, other);
    int64_t kw = g->ker[2], sw = g->stride[2], dw = g->dil[2];
#define INNER(wide, cg, kw, sw, dw)                                                                \
    inner(g, t, false, c->first, c->last, wide, cg, kw, sw, dw, y, other)
#define SLIDE_BY(wide, kw, sw) inner(g, t, X_BF16, c->first, c->last, wide, 1, kw, sw, 1, y, other)
#define SLIDE(kw) /* stride 1: the one that is padded */                                          \
    do {                                                                                           \
        if (c->padded) SLIDE_BY(PADDED_WIDE, kw, 1);                                               \
        else SLIDE_BY(WIDE, kw, 1);                                                                \
    } while (0)
    if (g->cg == 2) INNER(GROUP_WIDE, 2, kw, sw, dw);
    else if (g->cg == 4) INNER(GROUP_WIDE, 4, kw, sw, dw);
    else if (g->cg == 8) INNER(GROUP_WIDE, 8, kw, sw, dw);
#if V_PICK(1, 1, 0) // without vectors the code would only be longer
    else if (kw == 3 && sw == 1 && dw == 1) SLIDE(3);
    else if (kw == 3 && sw == 2 && dw == 1) SLIDE_BY(WIDE, 3, 2);
    else if (kw == 5 && sw == 1 && dw == 1) SLIDE(5);
    else if (kw == 5 && sw == 2 && dw == 1) SLIDE_BY(WIDE, 5, 2);
    else if (kw == 7 && sw == 1 && dw == 1) INNER(WIDE, 1, 7, 1, 1);
#endif
    else INNER(WIDE, 1, kw, sw, dw);
#undef INNER
#undef SLIDE
#undef SLIDE_BY
    for (int64_t x = c->last; x < g->out[2]; x++) edge(g, t, x, y, other);
    if (t->plan.mode == WHET_EPI_STORED) apply_stored(t, other, g->out[2] * V_W);
}

// n pixels; NULL: zeros. No call for so few bytes.
V_FN vx *copy_pixels(vx *to, const vx *from, int64_t n) {
    for (; n > 0; n--, to += V_W) {
        if (from) memcpy(to, from, V_W * sizeof *to), from += V_W;
        else memset(to, 0, V_W * sizeof *to);
    }
    return to;
}

static void copy_padded(const conv_plan *c, const vx *from, vx *to) {
    int64_t copied = c->padded - c->before < c->in_pitch ? c->padded - c->before : c->in_pitch;
    int64_t after = c->padded - c->before - copied;
    for (int64_t y = 0; y < c->g.in[1]; y++, from += c->in_pitch * V_W) {
        to = copy_pixels(to, NULL, c->before);
        to = copy_pixels(to, from, copied);
        to = copy_pixels(to, NULL, after);
    }
}

static size_t row_bytes(const conv_plan *c) { // a row and its operand, as floats
    if (!X_BF16 || c->epi.mode != WHET_EPI_STORED) return 0;
    return 2 * sizeof(float) * V_W * (size_t)c->g.out[2];
}

static whet_status conv_run(const whet_call *call, int32_t phase, int64_t begin, int64_t end) {
    const conv_plan *c = call->state;
    const whet_conv_geom *g = &c->g;
    const float *bias = call->p->n_in > 2 ? call->in[2] : NULL;
    int64_t cb = CEIL(g->c, V_W);
    (void)phase;
    for (int64_t task = begin; task < end; task++) {
        int64_t plane = task / c->blocks, block = plane % cb, oy = task % c->blocks * c->rows;
        int64_t last = oy + c->rows < g->out[1] ? oy + c->rows : g->out[1];
        row_task t = {.epi = &call->p->epi, .plan = c->epi};
        t.bias = bias ? v_load_n(bias + block * V_W, g->c - block * V_W) : v_zero();
        t.row = call->scratch;
        const vx *src = (const vx *)call->in[0] + plane * g->in_size * V_W;
        if (c->padded) {
            vx *copy = (vx *)(void *)((char *)call->scratch + row_bytes(c));
            copy_padded(c, src, copy);
            src = copy;
        }
        const float *w = (const float *)call->packed[1] + block * g->taps * g->cg * V_W;
        for (; oy < last; oy++) {
            int64_t at = (plane * g->out[1] + oy) * g->out[2] * V_W;
            run_row(c, &t, src, w, oy, (vx *)call->out[0] + at,
                    call->other ? (const vx *)call->other + at : NULL);
        }
    }
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool conv_accepts(const whet_problem *p) {
    conv_plan c;
    if (p->n_in < 2 || p->n_out < 1 || p->in[0].layout != BLOCKED || p->out[0].layout != BLOCKED ||
        p->in[1].layout != WHET_LAYOUT_PLAIN || !p->in[1].constant || p->in[0].rank > 4)
        return false;
    if (p->n_in > 2 && p->in[2].layout != WHET_LAYOUT_PLAIN) return false;
    return plan_init(&c, p);
}
static void conv_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t conv_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    conv_plan c;
    (void)params, (void)phase;
    return plan_init(&c, p) ? c.g.n * CEIL(c.g.c, V_W) * c.blocks : 0;
}

static size_t conv_scratch(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    if (!plan_init(&c, p)) return 0;
    return row_bytes(&c) + sizeof(vx) * V_W * (size_t)(c.g.in[1] * c.padded);
}

// Taps times input channels of a group.
static int64_t weights_of(const whet_problem *p) {
    int64_t n = 1;
    for (int32_t i = 1; i < p->in[1].rank; i++) n *= p->in[1].dims[i];
    return n;
}
static size_t conv_pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    if (i != 1) return 0;
    return sizeof(float) * (size_t)(CEIL(p->in[1].dims[0], V_W) * V_W * weights_of(p));
}
static whet_status conv_pack(const whet_problem *p, const int32_t *params, int32_t i,
                             const whet_tensor *src, void *dst) {
    int64_t k = p->in[1].dims[0], cg = p->in[1].dims[1], taps = weights_of(p) / cg;
    const float *w = src->data;
    float *to = dst;
    (void)params, (void)i;
    for (int64_t b = 0; b < k; b += V_W)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t c = 0; c < cg; c++)
                for (int64_t l = 0; l < V_W; l++)
                    *to++ = b + l < k ? w[((b + l) * cg + c) * taps + t] : 0;
    return WHET_OK;
}

// About one load a multiply-add from the first-level cache, and the traffic.
static double conv_cost(const whet_problem *p, const int32_t *params) {
    conv_plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    double work = (double)(c.g.n * CEIL(c.g.c, V_W) * c.g.out_size) * (double)(c.g.taps * c.g.cg);
    double threads = p->threads > 1 ? p->threads : 1;
    return work * 2 * V_W / (0.5 * KERN_PEAK) / threads + whet_problem_bytes(p) / KERN_BANDWIDTH;
}

const whet_kernel V_CAT(whet_kernel_conv_, V_CAT(X_ISA, _dw)) = {
    .name = "conv_" X_NAME "_dw",
    .stores = X_STORES,
    .scratch = conv_scratch,
    .op = "conv",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = WHET_LAYOUT_BIT(BLOCKED),
    .accepts = conv_accepts,
    .cost = conv_cost,
    .pack_bytes = conv_pack_bytes,
    .pack = conv_pack,
    .state_bytes = sizeof(conv_plan),
    .prepare = conv_prepare,
    .tasks = conv_tasks,
    .run = conv_run,
    .tolerance = 2,
};
