// SPDX-License-Identifier: Apache-2.0
// ModulatedDeformConv2d (arXiv 1811.11168): a convolution of x [N, C, H, W] with weights
// [O, C / group, kh, kw] whose tap k of position p reads x, bilinear and zero outside, at the usual
// place plus (offset[2k], offset[2k + 1]) as (y, x), times mask[k]; offsets and masks are those of
// the channel's deformable group. Bias optional.
#include "plugin_util.h"

typedef struct form {
    int64_t n, c, h, w, o, kh, kw, oh, ow, stride[2], pad[2], dilation[2], group, deform;
} form;

static whet_status pair(whet_plugin_node *n, const char *name, int64_t low, int64_t other,
                        int64_t out[2]) {
    int32_t count;
    const int64_t *v = whet_plugin_ints(n, name, &count);
    for (int32_t k = 0; k < 2; k++) {
        out[k] = count == 2 ? v[k] : count == 1 ? v[0] : other;
        if (count > 2 || out[k] < low || out[k] > 1 << 20)
            return whet_plugin_fail(n, WHET_E_INVALID, "'%s' must be two numbers from %lld on",
                                    name, (long long)low);
    }
    return WHET_OK;
}

static whet_status attributes(whet_plugin_node *n, form *f) {
    PLUGIN_TRY(pair(n, "stride", 1, 1, f->stride));
    PLUGIN_TRY(pair(n, "padding", 0, 0, f->pad));
    PLUGIN_TRY(pair(n, "dilation", 1, 1, f->dilation));
    f->group = whet_plugin_int(n, "group");
    f->deform = whet_plugin_int(n, "deformable_group");
    return WHET_OK;
}

static whet_plugin_dim number(whet_plugin_node *n, int64_t v) {
    return whet_plugin_dim_number(n, v);
}

// (size + 2 pad - dilation (kernel - 1) - 1) / stride + 1
static whet_plugin_dim positions(whet_plugin_node *n, const form *f, int32_t k) {
    whet_plugin_dim kernel = whet_plugin_in_dim(n, 3, 2 + k);
    whet_plugin_dim reach = whet_plugin_dim_mul(
        n, number(n, f->dilation[k]), whet_plugin_dim_sub(n, kernel, number(n, 1)));
    whet_plugin_dim room = whet_plugin_dim_sub(
        n, whet_plugin_dim_add(n, whet_plugin_in_dim(n, 0, 2 + k), number(n, 2 * f->pad[k] - 1)),
        reach);
    return whet_plugin_dim_add(n, whet_plugin_dim_div(n, room, number(n, f->stride[k])),
                               number(n, 1));
}

static whet_status shapes(whet_plugin_node *n) {
    form f;
    int64_t value;
    PLUGIN_TRY(attributes(n, &f));
    for (int32_t i = 0; i < 4; i++) PLUGIN_TRY(plugin_check_rank(n, i, 4));
    whet_plugin_dim dims[4] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 3, 0),
                               positions(n, &f, 0), positions(n, &f, 1)};
    for (int32_t k = 0; k < 4; k++)
        if (whet_plugin_dim_value(n, dims[k], &value) && value < (k > 1 ? 1 : 0))
            return whet_plugin_fail(n, WHET_E_SHAPE, "the kernel does not fit in the input");
    whet_plugin_dim taps = whet_plugin_dim_mul(
        n, number(n, f.deform),
        whet_plugin_dim_mul(n, whet_plugin_in_dim(n, 3, 2), whet_plugin_in_dim(n, 3, 3)));
    for (int32_t i = 1; i < 3; i++) {
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 0), dims[0], "samples"));
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, 1),
                                     i == 1 ? whet_plugin_dim_mul(n, taps, number(n, 2)) : taps,
                                     i == 1 ? "channels of the offsets" : "channels of the mask"));
        for (int32_t k = 2; k < 4; k++)
            PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, k), dims[k],
                                         "positions of offsets and mask"));
    }
    PLUGIN_TRY(plugin_check_same(
        n, whet_plugin_in_dim(n, 0, 1),
        whet_plugin_dim_mul(n, whet_plugin_in_dim(n, 3, 1), number(n, f.group)), "channels"));
    if (whet_plugin_dim_value(n, dims[1], &value) && value % f.group)
        return whet_plugin_fail(n, WHET_E_SHAPE, "%lld output channels make no %lld groups",
                                (long long)value, (long long)f.group);
    if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, 1), &value) && value % f.deform)
        return whet_plugin_fail(n, WHET_E_SHAPE, "%lld channels make no %lld deformable groups",
                                (long long)value, (long long)f.deform);
    if (whet_plugin_has(n, 4)) PLUGIN_TRY(plugin_check_vector(n, 4, dims[1]));
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static void form_of(whet_plugin_node *n, form *f) {
    const int64_t *x = whet_plugin_in_dims(n, 0), *w = whet_plugin_in_dims(n, 3);
    const int64_t *y = whet_plugin_out_dims(n, 0);
    attributes(n, f);
    f->n = x[0], f->c = x[1], f->h = x[2], f->w = x[3];
    f->o = w[0], f->kh = w[2], f->kw = w[3], f->oh = y[2], f->ow = y[3];
}

static double bilinear(const float *plane, int64_t h, int64_t w, double y, double x) {
    if (!(y > -1 && x > -1 && y < (double)h && x < (double)w)) return 0;
    int64_t top = (int64_t)floor(y), left = (int64_t)floor(x);
    double down = y - (double)top, right = x - (double)left, sum = 0;
    for (int64_t corner = 0; corner < 4; corner++) {
        int64_t row = top + corner / 2, column = left + corner % 2;
        if (row < 0 || column < 0 || row >= h || column >= w) continue;
        sum += plane[row * w + column] * (corner / 2 ? down : 1 - down) *
               (corner % 2 ? right : 1 - right);
    }
    return sum;
}

static size_t scratch(whet_plugin_node *n) {
    const int64_t *w = whet_plugin_in_dims(n, 3);
    return (size_t)(whet_plugin_in_dims(n, 0)[1] * w[2] * w[3]) * sizeof(double);
}

// A task is one row of positions: columns of samples first, then all output channels.
static int64_t tasks(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_out_dims(n, 0)[0] * whet_plugin_out_dims(n, 0)[2];
}

// The samples of one position: [c, kh, kw].
static void gather(whet_plugin_node *n, const form *f, int64_t b, int64_t row, int64_t column,
                   double *taps) {
    int64_t count = f->kh * f->kw, plane = f->oh * f->ow, at = row * f->ow + column;
    const float *offsets = (const float *)whet_plugin_in(n, 1) + b * 2 * f->deform * count * plane;
    const float *masks = (const float *)whet_plugin_in(n, 2) + b * f->deform * count * plane;
    const float *x = (const float *)whet_plugin_in(n, 0) + b * f->c * f->h * f->w;
    for (int64_t c = 0; c < f->c; c++)
        for (int64_t k = 0; k < count; k++) {
            int64_t tap = c / (f->c / f->deform) * count + k;
            double y_at = (double)(row * f->stride[0] - f->pad[0] + k / f->kw * f->dilation[0]);
            double x_at = (double)(column * f->stride[1] - f->pad[1] + k % f->kw * f->dilation[1]);
            taps[c * count + k] = masks[tap * plane + at] *
                                  bilinear(x + c * f->h * f->w, f->h, f->w,
                                           y_at + offsets[2 * tap * plane + at],
                                           x_at + offsets[(2 * tap + 1) * plane + at]);
        }
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    form f;
    form_of(n, &f);
    const float *weights = whet_plugin_in(n, 3), *bias = whet_plugin_in(n, 4);
    int64_t depth = f.c / f.group * f.kh * f.kw;
    double *taps = whet_plugin_scratch(n);
    float *y = whet_plugin_out(n, 0);
    for (int64_t task = begin; task < end; task++)
        for (int64_t column = 0; column < f.ow; column++) {
            int64_t b = task / f.oh, row = task % f.oh;
            gather(n, &f, b, row, column, taps);
            for (int64_t o = 0; o < f.o; o++) {
                const double *from = taps + o / (f.o / f.group) * depth;
                double sum = bias ? bias[o] : 0;
                for (int64_t i = 0; i < depth; i++) sum += from[i] * weights[o * depth + i];
                y[((b * f.o + o) * f.oh + row) * f.ow + column] = (float)sum;
            }
        }
    return WHET_OK;
}

#define DEFORM_CONV(number)                                                                        \
    extern const whet_plugin plugin_modulated_deform_conv_##number;                                \
    const whet_plugin plugin_modulated_deform_conv_##number = {                                    \
        WHET_PLUGIN_SIZES,                                                                         \
        .name = "ModulatedDeformConv2d",                                                           \
        .version = #number,                                                                        \
        PLUGIN_ATTRS({.name = "stride", .type = WHET_PLUGIN_INTS},                                 \
                     {.name = "padding", .type = WHET_PLUGIN_INTS},                                \
                     {.name = "dilation", .type = WHET_PLUGIN_INTS},                               \
                     {.name = "group", .type = WHET_PLUGIN_INT, .def = 1, .min = 1,                \
                      .max = 1 << 24},                                                             \
                     {.name = "deformable_group", .type = WHET_PLUGIN_INT, .def = 1, .min = 1,     \
                      .max = 1 << 24}),                                                            \
        PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}, {"offset", WHET_PLUGIN_F32, 'T', 0},         \
                      {"mask", WHET_PLUGIN_F32, 'T', 0}, {"weight", WHET_PLUGIN_F32, 'T', 0},      \
                      {"bias", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL}),                   \
        PLUGIN_OUTPUTS({"y", 0, 'T', 0}),                                                          \
        PLUGIN_TACTICS({.name = "rows", .tasks = tasks, .scratch = scratch, .run = run}),          \
        .shapes = shapes,                                                                          \
    }
DEFORM_CONV(1);
DEFORM_CONV(2);
