// SPDX-License-Identifier: Apache-2.0
// Poolings.
#include <math.h>
#include <string.h>

#include "checkkern.h"

static void window(ck_case *c, int32_t n, int64_t *size) {
    int64_t kernel[3], stride[3], dilation[3], pads[6];
    bool ceil_mode = ck_chance(c->rng, 3);
    for (int32_t d = 0; d < n; d++) {
        kernel[d] = ck_int(c->rng, 1, ck_chance(c->rng, 2) ? 3 : 6);
        stride[d] = ck_int(c->rng, 1, 3);
        dilation[d] = ck_chance(c->rng, 4) ? 2 : 1;
        pads[d] = ck_int(c->rng, 0, kernel[d] - 1);
        pads[n + d] = ck_int(c->rng, 0, kernel[d] - 1);
        int64_t least = (kernel[d] - 1) * dilation[d] + 1 - pads[d] - pads[n + d];
        if (size[d] < least) size[d] = least;
    }
    ck_attr_ints(c, "kernel_shape", n, kernel);
    ck_attr_ints(c, "strides", n, stride);
    ck_attr_ints(c, "dilations", n, dilation);
    ck_attr_int(c, "ceil_mode", ceil_mode);
    if (ck_chance(c->rng, 5)) {
        ck_attr_int(c, "auto_pad", 1); // SAME_UPPER
        ck_attr_int(c, "ceil_mode", 0);
    } else {
        ck_attr_ints(c, "pads", 2 * n, pads);
    }
    ck_attr_int(c, "count_include_pad", ck_chance(c->rng, 2));
}

static bool build(ck_case *c, int32_t i) {
    int32_t n = i % 6 == 4 ? 1 : i % 6 == 5 ? 3 : 2;
    int64_t dims[5] = {ck_int(c->rng, 1, 2), ck_edge(c->rng, 40)};
    bool global = !strncmp(c->op_name, "global", 6);
    for (int32_t d = 0; d < n; d++) dims[2 + d] = ck_edge(c->rng, n == 3 ? 8 : 35);
    c->n_out = 1;
    c->k = 4;
    if (!global) window(c, n, dims + 2);
    else c->k = (double)whet_dims_count(dims + 2, n);
    whet_dtype type = WHET_DTYPE_F32;
    if (!strcmp(c->op_name, "max_pool") && ck_chance(c->rng, 3))
        type = ck_chance(c->rng, 2) ? WHET_DTYPE_U8 : WHET_DTYPE_I8;
    ck_in(c, ck_port(type, false, n + 2, dims));
    c->nonfinite = strstr(c->op_name, "max") != NULL;
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    static const int64_t dims[][4] = {{1, 64, 112, 112}, {1, 2048, 7, 7}, {1, 256, 35, 35}};
    if (i >= 3) return false;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims[i]));
    ck_attr_ints(c, "kernel_shape", 2, (int64_t[]){3, 3});
    ck_attr_ints(c, "strides", 2, i == 2 ? (int64_t[]){1, 1} : (int64_t[]){2, 2});
    ck_attr_ints(c, "pads", 4, (int64_t[]){1, 1, 1, 1});
    return true;
}

// A maximum is exact; an average has a sum of absolute values behind it.
static void magnitude(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->out[0].dims, c->out[0].rank);
    if (strstr(c->op_name, "max")) return;
    int64_t count = whet_dims_count(c->in[0].dims, c->in[0].rank);
    double *x = whet_arena_alloc(c->arena, (size_t)count * 8), *in64[1] = {x};
    double *out64[1];
    void *out[1];
    for (int64_t i = 0; i < count; i++) x[i] = fabs(v->in64[0][i]);
    if (ck_eval(c, in64, v->in, out64, out)) memcpy(v->magnitude[0], out64[0], (size_t)n * 8);
}

const ck_family ck_family_pool = {.ops = (const char *const[]){"max_pool", "average_pool",
                                                               "global_max_pool",
                                                               "global_average_pool", NULL},
                                  .build = build,
                                  .bench = bench,
                                  .magnitude = magnitude};
