// SPDX-License-Identifier: Apache-2.0
// Local response normalisation: y = x / (bias + alpha / size sum x^2)^beta, the sum over `size`
// channels around each. Plain: vectors of pixels. Other layouts: the squares of all channels of a
// pixel are laid out in the scratch, zeros on both sides, and vectors of channels add up shifted
// copies.
#include "kern/attr.h"
#include "kern/cost.h"
#include "kern/vmath.h"

#define PIXELS 256 // a task

typedef struct lrn_shape {
    int64_t batch, channels, pixels, parts, block, blocks, before, after;
    float alpha, beta, bias;
} lrn_shape;

static lrn_shape shape_of(const whet_problem *p) {
    const whet_port *x = &p->in[0];
    int64_t size = whet_problem_int(p, "size", 1);
    lrn_shape s = {.batch = x->dims[0],
                   .channels = x->dims[1],
                   .alpha = whet_problem_float(p, "alpha", 0),
                   .beta = whet_problem_float(p, "beta", 0),
                   .bias = whet_problem_float(p, "bias", 0)};
    s.alpha /= (float)size;
    s.pixels = whet_dims_count(x->dims + 2, x->rank - 2);
    s.parts = (s.pixels + PIXELS - 1) / PIXELS;
    s.block = x->layout == WHET_LAYOUT_NHWC ? s.channels : whet_layout_block(x->layout);
    s.blocks = s.block ? (s.channels + s.block - 1) / s.block : 0;
    s.before = (size - 1) / 2;
    s.after = size - 1 - s.before;
    if (s.before > s.channels) s.before = s.channels;
    if (s.after > s.channels) s.after = s.channels;
    return s;
}

V_FN vf normalized(const lrn_shape *s, vf x, vf sum) {
    vf base = v_fma(v_set1(s->alpha), sum, v_set1(s->bias));
    if (s->beta == 0.75f) { // the usual one, by square roots
        vf root = v_sqrt(base);
        return x / (root * v_sqrt(root));
    }
    return x / v_exp(v_set1(s->beta) * v_log(base));
}

static void plain_part(const lrn_shape *s, const float *x, float *y, int64_t from, int64_t to) {
    for (int64_t c = 0; c < s->channels; c++) {
        int64_t first = c < s->before ? 0 : c - s->before;
        int64_t last = s->after < s->channels - 1 - c ? c + s->after : s->channels - 1;
        for (int64_t i = from; i < to; i += V_W) {
            vf sum = v_zero();
            for (int64_t k = first; k <= last; k++) {
                vf v = v_load_n(x + k * s->pixels + i, to - i);
                sum = v_fma(v, v, sum);
            }
            vf v = v_load_n(x + c * s->pixels + i, to - i);
            v_store_n(y + c * s->pixels + i, normalized(s, v, sum), to - i);
        }
    }
}

// Floats between a pixel's blocks.
static int64_t block_step(const lrn_shape *s) { return s->pixels * s->block; }

static void lanes_pixel(const lrn_shape *s, const float *x, float *y, float *squares) {
    float *at = squares + s->before;
    for (int64_t b = 0; b < s->blocks; b++)
        for (int64_t lane = 0; lane < s->block; lane++) {
            float v = x[b * block_step(s) + lane];
            if (b * s->block + lane < s->channels) at[b * s->block + lane] = v * v;
        }
    for (int64_t b = 0; b < s->blocks; b++)
        for (int64_t lane = 0; lane < s->block; lane += V_W) {
            int64_t c = b * s->block + lane, left = s->block - lane, here = s->channels - c;
            if (here <= 0) break;
            vf sum = v_zero();
            for (int64_t k = 0; k <= s->before + s->after; k++) sum += v_load(squares + c + k);
            vf v = v_load_n(x + b * block_step(s) + lane, left);
            v_store_n(y + b * block_step(s) + lane, normalized(s, v, sum), left);
        }
}

static size_t scratch(const whet_problem *p, const int32_t *params) {
    lrn_shape s = shape_of(p);
    (void)params;
    return p->in[0].layout == WHET_LAYOUT_PLAIN
               ? 0
               : (size_t)(s.before + s.channels + s.after + V_W) * sizeof(float);
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    lrn_shape s = shape_of(p);
    (void)params, (void)phase;
    return s.batch * s.parts;
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    lrn_shape s = shape_of(c->p);
    bool plain = c->p->in[0].layout == WHET_LAYOUT_PLAIN;
    (void)phase;
    if (!plain) memset(c->scratch, 0, scratch(c->p, c->params));
    for (int64_t t = begin; t < end; t++) {
        int64_t from = t % s.parts * PIXELS,
                to = from + PIXELS < s.pixels ? from + PIXELS : s.pixels;
        int64_t image = t / s.parts * (plain ? s.channels : s.blocks * s.block) * s.pixels;
        const float *x = (const float *)c->in[0] + image;
        float *y = (float *)c->out[0] + image;
        if (plain) plain_part(&s, x, y, from, to);
        else
            for (int64_t i = from; i < to; i++)
                lanes_pixel(&s, x + i * s.block, y + i * s.block, c->scratch);
    }
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    int64_t block = whet_layout_block(x->layout), size = whet_problem_int(p, "size", 0);
    if (x->dtype != WHET_DTYPE_F32 || y->dtype != WHET_DTYPE_F32 || x->layout != y->layout)
        return false;
    if (x->rank < 2 || x->rank != y->rank ||
        memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims))
        return false;
    return size >= 1 && size <= INT32_MAX && (block == 1 || block % V_W == 0) &&
           whet_layout_bytes(x->layout, x->dtype, x->rank, x->dims) < SIZE_MAX / 2;
}

static double cost(const whet_problem *p, const int32_t *params) {
    lrn_shape s = shape_of(p);
    (void)params;
    return whet_cost_stream(p, (double)(s.before + s.after + 10) / V_PICK(16, 8, 1));
}

const whet_kernel V_CAT(whet_kernel_lrn_f32_, V_ISA) = {
    .name = "lrn_f32_" V_NAME,
    .op = "lrn",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = accepts,
    .cost = cost,
    .scratch = scratch,
    .tasks = tasks,
    .run = run,
    .tolerance = 8,
};
