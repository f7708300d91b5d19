// SPDX-License-Identifier: Apache-2.0
// Normalisations of f32, stored as such or as bf16:
//   y = (x - mean) / sqrt(var + epsilon) * scale + bias,
// the variance from centred values (two passes), sums in double over short runs of float vectors.
//   rows      layer_norm, rms_norm (mean 0): statistics over the last dimensions
//   groups    group_norm, instance_norm: over the channels of a group and all pixels
//   given     batch_norm
// Blocked layouts: a group of whole blocks is contiguous; single channels are lanes.
#include "kern/cost.h"
#include "kern/norm/norm_shape.h"
#include "kern/typed.h"

#define RUN 1024 // floats summed before going to double

// sum (x - mean)^2, or sum x
V_FN double sum_run(const vx *x, int64_t n, bool square, float mean) {
    vf a = v_zero(), b = a, m = v_set1(mean);
    int64_t i = 0;
    for (; i + 2 * V_W <= n; i += 2 * V_W) {
        vf x0 = x_load(x + i), x1 = x_load(x + i + V_W), d0 = x0 - m, d1 = x1 - m;
        a = square ? v_fma(d0, d0, a) : a + x0;
        b = square ? v_fma(d1, d1, b) : b + x1;
    }
    for (; i < n; i += V_W) {
        vf d = x_load_n(x + i, n - i);
        if (square) d = v_select(vm_first(n - i), d - m, v_zero());
        a = square ? v_fma(d, d, a) : a + d;
    }
    return (double)v_sum(a + b);
}

static double sum_all(const vx *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i += RUN) sum += sum_run(x + i, n - i < RUN ? n - i : RUN, false, 0);
    return sum;
}

static double sum_squares(const vx *x, int64_t n, float mean) {
    double sum = 0;
    for (int64_t i = 0; i < n; i += RUN)
        sum += sum_run(x + i, n - i < RUN ? n - i : RUN, true, mean);
    return sum;
}

static float inverse_of(double squares, int64_t n, float epsilon) {
    return (float)(1 / sqrt(squares / (double)n + (double)epsilon));
}

// ---- rows ----

static whet_status run_rows(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const whet_norm_attrs *a = c->p->attrs;
    norm_rows s = whet_norm_rows(c->p);
    bool centred = c->p->op[0] == 'l';
    const float *scale = c->in[1];
    const float *bias = c->p->n_in > 2 && c->p->in[2].dtype ? c->in[2] : NULL;
    (void)phase;
    for (int64_t r = begin; r < end; r++) {
        const vx *x = (const vx *)c->in[0] + r * s.n;
        vx *y = (vx *)c->out[0] + r * s.n;
        float mean = centred ? (float)(sum_all(x, s.n) / (double)s.n) : 0;
        vf m = v_set1(mean), k = v_set1(inverse_of(sum_squares(x, s.n, mean), s.n, a->epsilon));
        for (int64_t i = 0; i < s.n; i += V_W) {
            vf v = (x_load_n(x + i, s.n - i) - m) * k * v_load_n(scale + i, s.n - i);
            if (bias) v = v + v_load_n(bias + i, s.n - i);
            x_store_n(y + i, v, s.n - i);
        }
    }
    return WHET_OK;
}

// ---- planes ----

typedef struct plane_params {
    const float *scale, *bias;
    int64_t channels;
} plane_params;

// y = (x - mean) k + b for n contiguous floats of one channel
static void apply_plain(const vx *x, vx *y, int64_t n, float mean, float k, float b) {
    vf m = v_set1(mean), kv = v_set1(k), bv = v_set1(b);
    for (int64_t i = 0; i < n; i += V_W)
        x_store_n(y + i, v_fma(x_load_n(x + i, n - i) - m, kv, bv), n - i);
}

V_FN vf channel_values(const float *v, int64_t first, int64_t channels) {
    return first < channels ? v_load_n(v + first, channels - first) : v_zero();
}

// The same for V_W lanes of a block.
V_FN void apply_lanes(const vx *x, vx *y, int64_t pixels, int64_t block, vf mean, vf k,
                      vf b) {
    for (int64_t s = 0; s < pixels; s++)
        x_store(y + s * block, v_fma(x_load(x + s * block) - mean, k, b));
}

// Sums of lanes over pixels in two levels, which keeps rounding errors small.
V_FN vf sum_lanes(const vx *x, int64_t pixels, int64_t block, bool square, vf mean) {
    vf total = v_zero();
    for (int64_t from = 0; from < pixels; from += 128) {
        vf a = v_zero(), b = a;
        int64_t s = from, end = from + 128 < pixels ? from + 128 : pixels;
        for (; s + 2 <= end; s += 2) {
            vf d0 = x_load(x + s * block) - mean, d1 = x_load(x + (s + 1) * block) - mean;
            a = square ? v_fma(d0, d0, a) : a + d0;
            b = square ? v_fma(d1, d1, b) : b + d1;
        }
        if (s < end) {
            vf d = x_load(x + s * block) - mean;
            a = square ? v_fma(d, d, a) : a + d;
        }
        total += a + b;
    }
    return total;
}

// One channel a lane: instance_norm in blocks.
static void lanes_task(const whet_call *c, const norm_planes *n, float epsilon, int64_t t) {
    int64_t at = t * n->pixels * n->block, first = t % n->blocks * n->block;
    vf count = v_set1((float)n->pixels), one = v_set1(1.0f);
    for (int64_t lane = 0; lane < n->block; lane += V_W) {
        const vx *x = (const vx *)c->in[0] + at + lane;
        vx *y = (vx *)c->out[0] + at + lane;
        vf scale = channel_values(c->in[1], first + lane, n->channels);
        vf bias = channel_values(c->in[2], first + lane, n->channels);
        vf mean = sum_lanes(x, n->pixels, n->block, false, v_zero()) / count;
        vf var = sum_lanes(x, n->pixels, n->block, true, mean) / count;
        vf k = scale * (one / v_sqrt(var + v_set1(epsilon)));
        apply_lanes(x, y, n->pixels, n->block, mean, k, bias);
    }
}

// A group of contiguous channels or channel blocks.
static void group_task(const whet_call *c, const norm_planes *n, float epsilon, int64_t t) {
    int64_t each = n->channels / n->groups, size = each * n->pixels, first = t % n->groups * each;
    const vx *x = (const vx *)c->in[0] + t * size;
    const float *scale = c->in[1], *bias = c->in[2];
    vx *y = (vx *)c->out[0] + t * size;
    float mean = (float)(sum_all(x, size) / (double)size);
    float k = inverse_of(sum_squares(x, size, mean), size, epsilon);
    if (n->block == 1) {
        for (int64_t i = 0; i < each; i++)
            apply_plain(x + i * n->pixels, y + i * n->pixels, n->pixels, mean, k * scale[first + i],
                        bias[first + i]);
        return;
    }
    for (int64_t i = 0; i < each; i += V_W) {
        int64_t at = i / n->block * n->block * n->pixels + i % n->block;
        apply_lanes(x + at, y + at, n->pixels, n->block, v_set1(mean),
                    v_set1(k) * v_load(scale + first + i), v_load(bias + first + i));
    }
}

static whet_status run_groups(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    norm_planes n = whet_norm_planes(c->p);
    float epsilon = ((const whet_group_norm_attrs *)c->p->attrs)->epsilon;
    bool lanes = n.block > 1 && n.groups == n.channels;
    (void)phase;
    for (int64_t t = begin; t < end; t++)
        if (lanes) lanes_task(c, &n, epsilon, t);
        else group_task(c, &n, epsilon, t);
    return WHET_OK;
}

// ---- given statistics ----

static whet_status run_given(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    norm_planes n = whet_norm_planes(c->p);
    float epsilon = ((const whet_batch_norm_attrs *)c->p->attrs)->epsilon;
    const float *scale = c->in[1], *bias = c->in[2], *mean = c->in[3], *var = c->in[4];
    (void)phase;
    for (int64_t t = begin; t < end; t++) {
        int64_t at = t * n.pixels * n.block, first = t % n.blocks * n.block;
        const vx *x = (const vx *)c->in[0] + at;
        vx *y = (vx *)c->out[0] + at;
        if (n.block == 1) {
            apply_plain(x, y, n.pixels, mean[first], scale[first] / sqrtf(var[first] + epsilon),
                        bias[first]);
            continue;
        }
        for (int64_t lane = 0; lane < n.block; lane += V_W) {
            int64_t ch = first + lane;
            vf k = channel_values(scale, ch, n.channels) /
                   v_sqrt(channel_values(var, ch, n.channels) + v_set1(epsilon));
            apply_lanes(x + lane, y + lane, n.pixels, n.block, channel_values(mean, ch, n.channels),
                        k, channel_values(bias, ch, n.channels));
        }
    }
    return WHET_OK;
}

static bool accepts_rows(const whet_problem *p) { return whet_norm_accepts_rows(p, X_DTYPE); }
static bool accepts_planes(const whet_problem *p) {
    return whet_norm_accepts_planes(p, X_DTYPE, V_W);
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(0.3, 0.5, 4.0));
}

#define NORM_KERNEL(operator, accept, function, offered)                                           \
    const whet_kernel V_CAT(whet_kernel_##operator##_, X_ISA) = {                                  \
        .name = #operator "_" X_NAME,                                                              \
        .stores = X_STORES,                                                                        \
        .op = #operator,                                                                           \
        .revision = 1,                                                                             \
        .cpu = V_CPU,                                                                              \
        .layouts = offered,                                                                        \
        .accepts = accept,                                                                         \
        .cost = cost,                                                                              \
        .tasks = whet_norm_tasks,                                                                  \
        .run = function,                                                                           \
        .inplace = whet_norm_inplace,                                                              \
        .tolerance = 4,                                                                            \
    }
#define BLOCKED                                                                                    \
    (WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN) | WHET_LAYOUT_BIT(WHET_LAYOUT_C8) |                        \
     WHET_LAYOUT_BIT(WHET_LAYOUT_C16))
NORM_KERNEL(layer_norm, accepts_rows, run_rows, 0);
NORM_KERNEL(rms_norm, accepts_rows, run_rows, 0);
NORM_KERNEL(group_norm, accepts_planes, run_groups, BLOCKED);
NORM_KERNEL(instance_norm, accepts_planes, run_groups, BLOCKED);
NORM_KERNEL(batch_norm, accepts_planes, run_given, BLOCKED);
