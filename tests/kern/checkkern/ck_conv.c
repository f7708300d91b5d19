// SPDX-License-Identifier: Apache-2.0
// Convolutions and transposed convolutions.
#include <string.h>

#include "checkkern.h"

typedef struct conv_shape {
    int32_t spatial;
    int64_t n, c, m, group, size[3], kernel[3], stride[3], dilation[3], pad[6];
} conv_shape;

static void set_window(ck_case *c, const conv_shape *s) {
    int32_t d = s->spatial;
    int64_t pads[6];
    for (int32_t i = 0; i < d; i++) {
        pads[i] = s->pad[i];
        pads[d + i] = s->pad[3 + i];
    }
    ck_attr_ints(c, "kernel_shape", d, s->kernel);
    ck_attr_ints(c, "strides", d, s->stride);
    ck_attr_ints(c, "dilations", d, s->dilation);
    ck_attr_ints(c, "pads", 2 * d, pads);
    ck_attr_int(c, "group", s->group);
}

static void add_ports(ck_case *c, const conv_shape *s, bool transposed, bool bias) {
    int32_t rank = s->spatial + 2;
    int64_t x[5] = {s->n, s->c}, w[5] = {s->m, s->c / s->group};
    if (transposed) w[0] = s->c, w[1] = s->m / s->group;
    c->k = 1;
    for (int32_t i = 0; i < s->spatial; i++) {
        x[2 + i] = s->size[i];
        w[2 + i] = s->kernel[i];
        c->k *= (double)s->kernel[i];
    }
    c->k = c->k * (double)(s->c / s->group) + 1;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, x));
    ck_in(c, ck_port(WHET_DTYPE_F32, true, rank, w));
    if (bias) ck_in(c, ck_port(WHET_DTYPE_F32, true, 1, (int64_t[]){s->m}));
    c->exact = true;
}

static void random_shape(ck_rng *rng, int32_t i, conv_shape *s) {
    int32_t kind = i % 10;
    *s = (conv_shape){.spatial = kind == 8   ? 1
                                 : kind == 9 ? 3
                                             : 2,
                      .n = ck_int(rng, 1, 2),
                      .group = 1};
    int64_t limit = kind == 9 ? 9 : 35;
    s->c = ck_edge(rng, 40);
    s->m = ck_edge(rng, 70);
    for (int32_t d = 0; d < 3; d++) {
        s->kernel[d] = kind == 0 ? 1 : kind == 1 || kind == 2 || kind == 4 ? 3 : ck_int(rng, 1, 5);
        s->stride[d] = kind == 2 ? 2 : kind == 3 || kind > 5 ? ck_int(rng, 1, 3) : 1;
        s->dilation[d] = kind == 6 || kind > 7 ? ck_int(rng, 1, 3) : 1;
        int64_t extent = (s->kernel[d] - 1) * s->dilation[d] + 1;
        s->pad[d] = s->kernel[d] == 1 ? 0 : ck_int(rng, 0, s->kernel[d] / 2);
        s->pad[3 + d] = kind < 3            ? s->pad[d]
                        : s->kernel[d] == 1 ? 0
                                            : ck_int(rng, 0, s->kernel[d] / 2);
        s->size[d] = ck_edge(rng, limit);
        int64_t least = extent - s->pad[d] - s->pad[3 + d];
        if (s->size[d] < least) s->size[d] = least;
        if (s->size[d] < 1) s->size[d] = 1;
    }
    if (kind == 3) s->c = ck_int(rng, 1, 4); // the first layer of a network
    if (kind == 4 || kind == 5) {            // depthwise
        s->group = s->c;
        s->m = s->c * (kind == 5 && ck_chance(rng, 2) ? 2 : 1);
    }
    if (kind == 7) { // grouped
        s->group = ck_int(rng, 2, 4);
        s->c = s->group * (ck_chance(rng, 2) ? 16 : ck_int(rng, 1, 9));
        s->m = s->group * (ck_chance(rng, 2) ? 16 : ck_int(rng, 1, 9));
    }
    for (int32_t d = s->spatial; d < 3; d++) s->kernel[d] = 1;
}

static bool build(ck_case *c, int32_t i) {
    bool transposed = !strcmp(c->op_name, "conv_transpose");
    conv_shape s;
    random_shape(c->rng, i, &s);
    if (transposed)
        for (int32_t d = 0; d < 3; d++) {
            if (s.size[d] > 12) s.size[d] = 12;
            // the output must not be empty
            int64_t out = (s.size[d] - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] + 1;
            if (out <= s.pad[d] + s.pad[3 + d]) s.pad[d] = s.pad[3 + d] = 0;
        }
    add_ports(c, &s, transposed, ck_chance(c->rng, 2));
    set_window(c, &s);
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int16_t rows[][8] = { // c, m, size, kernel, stride, pad, group
        {3, 64, 224, 7, 2, 3, 1},   {64, 64, 56, 1, 1, 0, 1},   {64, 64, 56, 3, 1, 1, 1},
        {64, 256, 56, 1, 1, 0, 1},  {256, 64, 56, 1, 1, 0, 1},  {128, 128, 28, 3, 1, 1, 1},
        {256, 512, 56, 1, 2, 0, 1}, {512, 128, 28, 1, 1, 0, 1}, {256, 256, 14, 3, 1, 1, 1},
        {1024, 256, 14, 1, 1, 0, 1}, {512, 512, 7, 3, 1, 1, 1}, {512, 2048, 7, 1, 1, 0, 1},
        {96, 96, 56, 3, 1, 1, 96},  {144, 144, 56, 3, 2, 1, 144}, {384, 384, 14, 3, 1, 1, 384},
        {960, 960, 7, 5, 1, 2, 960}, {128, 128, 56, 3, 1, 1, 32}};
    if (i >= WHET_COUNT(rows)) return false;
    const int16_t *r = rows[i];
    bool transposed = !strcmp(c->op_name, "conv_transpose");
    if (transposed && i > 5) return false;
    conv_shape s = {.spatial = 2, .n = 1, .c = r[0], .m = r[1], .group = r[6]};
    for (int32_t d = 0; d < 2; d++) {
        s.size[d] = r[2];
        s.kernel[d] = r[3];
        s.stride[d] = r[4];
        s.dilation[d] = 1;
        s.pad[d] = s.pad[3 + d] = r[5];
    }
    add_ports(c, &s, transposed, true);
    set_window(c, &s);
    return true;
}

const ck_family ck_family_conv = {
    .ops = (const char *const[]){"conv", "conv_transpose", NULL}, .build = build, .bench = bench};
