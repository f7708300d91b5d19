// SPDX-License-Identifier: Apache-2.0
// Quantized convolutions and matrix products with their stages. Half of the cases have scales that
// are powers of two, so that results are equal; in the others they may be one step off.
#include <math.h>
#include <string.h>

#include "checkkern.h"
#include "ops/attrs.h"
#include "ops/quant_fused.h"

// ---- contents ----

static void *bytes(ck_case *c, int64_t n) {
    uint8_t *v = whet_arena_alloc(c->arena, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++)
        v[i] = ck_chance(c->rng, 8) ? (ck_chance(c->rng, 2) ? 0xFF : 0x80)
                                    : (uint8_t)ck_next(c->rng);
    return v;
}

static void fixed(ck_case *c, whet_port port, void *data) {
    c->source[c->n_in] = CK_FIXED;
    c->fixed[c->n_in] = data;
    ck_in(c, port);
}

static whet_dtype int8_type(ck_case *c) {
    return ck_chance(c->rng, 3) ? WHET_DTYPE_I8 : WHET_DTYPE_U8;
}

static void tensor(ck_case *c, whet_dtype t, bool constant, int32_t rank, const int64_t *dims) {
    fixed(c, ck_port(t, constant, rank, dims), bytes(c, whet_dims_count(dims, rank)));
}

// A number near 2^e, or 2^e.
static float number(ck_case *c, bool exact, int e) {
    double v = ldexp(1, e);
    return (float)(exact ? v : v * (0.7 + 0.6 * (double)ck_int(c->rng, 0, 1000) / 1000));
}

static void numbers(ck_case *c, bool exact, int e, int32_t rank, int64_t n) {
    float *v = whet_arena_alloc(c->arena, (size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = number(c, exact, e + (rank ? (int)ck_int(c->rng, -1, 1) : 0));
    fixed(c, ck_port(WHET_DTYPE_F32, true, rank, &n), v);
}

static void zero_point(ck_case *c, whet_dtype t) {
    if (t == WHET_DTYPE_U8 && ck_chance(c->rng, 3)) {
        ck_in_absent(c);
        return;
    }
    uint8_t *v = whet_arena_alloc(c->arena, 1);
    *v = ck_chance(c->rng, 3) ? 0 : (uint8_t)ck_next(c->rng);
    fixed(c, ck_port(t, true, ck_chance(c->rng, 2) ? 0 : 1, (int64_t[]){1}), v);
}

static void maybe_scale(ck_case *c, bool there, bool exact, int e, whet_dtype t) {
    if (!there) {
        ck_in_absent(c);
        ck_in_absent(c);
        return;
    }
    numbers(c, exact, e, 0, 1);
    zero_point(c, t);
}

// ---- cases ----

// Everything behind x and w.
static void add_stages(ck_case *c, whet_quant_stages *s, const whet_port *y, int64_t channels,
                       double k, bool exact) {
    // sums are about 74^2 sqrt(k) large: results of some hundred steps
    int down = 8 + (int)lrint(log2(k) / 2);
    if (ck_chance(c->rng, 2)) numbers(c, exact, 2, 1, channels);
    else ck_in_absent(c);
    numbers(c, exact, -4, 0, 1);
    zero_point(c, c->in[WHET_QF_X].dtype);
    bool single = ck_chance(c->rng, 3) || !c->in[WHET_QF_W].constant;
    numbers(c, exact, 4 - down, single ? 0 : 1, single ? 1 : channels);
    if (c->in[WHET_QF_W].constant) ck_in_absent(c);
    else zero_point(c, c->in[WHET_QF_W].dtype);
    bool mid = ck_chance(c->rng, 3), other = ck_chance(c->rng, 3), sum = ck_chance(c->rng, 4);
    maybe_scale(c, mid, exact, 0, int8_type(c));
    whet_dtype ot = ck_chance(c->rng, 4) ? WHET_DTYPE_F32 : int8_type(c);
    if (other && ot == WHET_DTYPE_F32) {
        int64_t n = whet_dims_count(y->dims, y->rank);
        float *v = whet_arena_alloc(c->arena, (size_t)n * sizeof *v + 4);
        for (int64_t i = 0; i < n; i++) v[i] = (float)ck_int(c->rng, -100, 100);
        fixed(c, ck_port(ot, false, y->rank, y->dims), v);
    } else if (other) {
        tensor(c, ot, false, y->rank, y->dims);
    } else {
        ck_in_absent(c);
    }
    maybe_scale(c, other && ot != WHET_DTYPE_F32, exact, 0, ot);
    maybe_scale(c, sum, exact, 1, int8_type(c));
    maybe_scale(c, !ck_chance(c->rng, 4), exact, 0, int8_type(c));
    if (ck_chance(c->rng, 3)) s->low = 0;
    if (ck_chance(c->rng, 3)) s->high = 64;
    if (ck_chance(c->rng, 3)) s->sum_low = 0;
    if (ck_chance(c->rng, 4)) s->sum_high = 96;
    c->k = k;
    c->no_edges = c->plain_epilogue = true;
    c->exact = exact;
    c->steps = exact ? 0 : 1 + (mid ? 2 : 0) + (sum ? 2 : 0);
}

static whet_port result_of(const whet_problem *p, int32_t rank, const int64_t *dims) {
    (void)p;
    return ck_port(WHET_DTYPE_U8, false, rank, dims);
}

static bool build_conv(ck_case *c, int32_t i) {
    whet_quant_conv_attrs *a = c->attrs;
    int32_t spatial = i % 8 == 7 ? 1 : 2, rank = spatial + 2, kind = i % 7;
    int64_t n = ck_int(c->rng, 1, 2), ch = ck_edge(c->rng, 70), m = ck_edge(c->rng, 70), group = 1;
    if (kind == 3) ch = ck_int(c->rng, 1, 4); // the first layer of a network
    if (kind == 5) group = ch, m = ch;        // depthwise
    if (kind == 6) {
        group = ck_int(c->rng, 2, 4);
        ch = group * ck_int(c->rng, 1, 9);
        m = group * ck_int(c->rng, 1, 20);
    }
    int64_t x[4] = {n, ch}, w[4] = {m, ch / group}, y[4] = {n, m}, strides[2], dilations[2];
    int64_t pads[4] = {0};
    double k = (double)(ch / group);
    for (int32_t d = 0; d < spatial; d++) {
        w[2 + d] = kind < 2 ? 1 : kind == 2 ? 3 : ck_int(c->rng, 1, kind == 3 ? 7 : 4);
        strides[d] = kind == 0 || kind == 2 ? 1 : ck_int(c->rng, 1, 2);
        dilations[d] = kind == 4 ? ck_int(c->rng, 1, 3) : 1;
        if (kind > 1) {
            pads[d] = ck_int(c->rng, 0, w[2 + d] / 2);
            pads[spatial + d] = ck_int(c->rng, 0, w[2 + d] / 2);
        }
        int64_t extent = (w[2 + d] - 1) * dilations[d] + 1;
        x[2 + d] = ck_edge(c->rng, 20);
        int64_t least = extent - pads[d] - pads[spatial + d];
        if (x[2 + d] < least) x[2 + d] = least;
        if (x[2 + d] < 1) x[2 + d] = 1;
        y[2 + d] = (x[2 + d] + pads[d] + pads[spatial + d] - extent) / strides[d] + 1;
        k *= (double)w[2 + d];
    }
    ck_attr_ints(c, "strides", spatial, strides);
    ck_attr_ints(c, "dilations", spatial, dilations);
    ck_attr_ints(c, "pads", 2 * spatial, pads);
    ck_attr_int(c, "group", group);
    tensor(c, int8_type(c), false, rank, x);
    tensor(c, WHET_DTYPE_I8, true, rank, w);
    whet_port out = result_of(NULL, rank, y);
    add_stages(c, &a->stages, &out, m, k, ck_chance(c->rng, 2));
    return true;
}

static bool build_matmul(ck_case *c, int32_t i) {
    whet_quant_matmul_attrs *a = c->attrs;
    int64_t m = ck_edge(c->rng, 67), n = ck_edge(c->rng, 67), k = ck_edge(c->rng, 80);
    int32_t rank = (int32_t)ck_int(c->rng, 2, 3);
    int64_t x[3] = {ck_int(c->rng, 1, 3), m, k}, w[2] = {k, n}, y[3] = {x[0], m, n};
    a->trans_b = ck_chance(c->rng, 2);
    if (a->trans_b) w[0] = n, w[1] = k;
    tensor(c, int8_type(c), false, rank, x + 3 - rank);
    int64_t batch[3] = {x[0], w[0], w[1]};
    int32_t own = ck_chance(c->rng, 2) ? rank : 2; // computed weights with batches of their own
    if (i % 2) tensor(c, WHET_DTYPE_I8, true, 2, w);
    else tensor(c, int8_type(c), false, own, batch + 3 - own);
    whet_port out = result_of(NULL, rank, y + 3 - rank);
    add_stages(c, &a->stages, &out, n, (double)k, ck_chance(c->rng, 2));
    return true;
}

static void random_dims(ck_case *c, int32_t *rank, int64_t *dims) {
    *rank = (int32_t)ck_int(c->rng, 1, 4);
    for (int32_t d = 0; d < *rank; d++) dims[d] = ck_edge(c->rng, 67 >> d);
    if (ck_chance(c->rng, 8)) dims[0] = 5000;
}

static bool build_quantize(ck_case *c) {
    int64_t dims[4];
    int32_t rank;
    random_dims(c, &rank, dims);
    bool exact = ck_chance(c->rng, 2);
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    numbers(c, exact, -4, ck_chance(c->rng, 2), 1);
    zero_point(c, int8_type(c));
    c->steps = exact ? 0 : 1; // here the reference divides in double
    c->nonfinite = c->plain_epilogue = true;
    return true;
}

static bool build_dequantize(ck_case *c) {
    int64_t dims[4];
    int32_t rank;
    whet_dtype type = int8_type(c);
    random_dims(c, &rank, dims);
    tensor(c, type, false, rank, dims);
    numbers(c, ck_chance(c->rng, 2), -4, ck_chance(c->rng, 2), 1);
    zero_point(c, type);
    c->no_edges = c->plain_epilogue = true;
    return true;
}

// Scale and zero point too, or only the first of them.
static bool build_dynamic(ck_case *c, int32_t i) {
    int64_t dims[4];
    int32_t rank;
    random_dims(c, &rank, dims);
    if (i % 4 == 0) rank = 2, dims[0] = ck_int(c->rng, 0, 3), dims[1] = 20000;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, rank, dims));
    c->n_out = 3;
    c->out[0] = ck_port(WHET_DTYPE_U8, false, rank, dims);
    c->out[1] = ck_port(WHET_DTYPE_F32, false, 0, dims);
    c->out[2] = ck_port(WHET_DTYPE_U8, false, 0, dims);
    c->nonfinite = c->plain_epilogue = true;
    return true;
}

static bool build(ck_case *c, int32_t i) {
    if (!strcmp(c->op_name, "dynamic_quantize_linear")) return build_dynamic(c, i);
    if (!strcmp(c->op_name, "quantize_linear")) return build_quantize(c);
    if (!strcmp(c->op_name, "dequantize_linear")) return build_dequantize(c);
    return strcmp(c->op_name, "quant_conv") ? build_matmul(c, i) : build_conv(c, i);
}

// ---- timing ----

static void plain_stages(ck_case *c, int64_t channels) {
    float *w = whet_arena_alloc(c->arena, (size_t)channels * sizeof *w);
    for (int64_t i = 0; i < channels; i++) w[i] = 0.01f;
    numbers(c, false, 0, 1, channels);
    numbers(c, false, -4, 0, 1);
    fixed(c, ck_port(WHET_DTYPE_U8, true, 0, &channels), bytes(c, 1));
    fixed(c, ck_port(WHET_DTYPE_F32, true, 1, &channels), w);
    for (int32_t i = WHET_QF_W_ZERO; i < WHET_QF_Y_SCALE; i++) ck_in_absent(c);
    numbers(c, false, 0, 0, 1);
    fixed(c, ck_port(WHET_DTYPE_U8, true, 0, &channels), bytes(c, 1));
}

static bool bench_conv(ck_case *c, int32_t i) {
    static const int16_t rows[][7] = { // c, m, size, kernel, stride, pad, group
        {3, 64, 224, 7, 2, 3, 1},   {64, 64, 56, 1, 1, 0, 1},   {64, 64, 56, 3, 1, 1, 1},
        {64, 256, 56, 1, 1, 0, 1},  {256, 64, 56, 1, 1, 0, 1},  {128, 128, 28, 3, 1, 1, 1},
        {256, 512, 56, 1, 2, 0, 1}, {512, 128, 28, 1, 1, 0, 1}, {256, 256, 14, 3, 1, 1, 1},
        {1024, 256, 14, 1, 1, 0, 1}, {512, 512, 7, 3, 1, 1, 1}, {512, 2048, 7, 1, 1, 0, 1},
        {96, 96, 56, 3, 1, 1, 96},  {144, 144, 56, 3, 2, 1, 144}, {384, 384, 14, 3, 1, 1, 384}};
    if (i >= WHET_COUNT(rows)) return false;
    const int16_t *r = rows[i];
    int64_t x[4] = {1, r[0], r[2], r[2]}, w[4] = {r[1], r[0] / r[6], r[3], r[3]};
    int64_t strides[2] = {r[4], r[4]}, pads[4] = {r[5], r[5], r[5], r[5]};
    ck_attr_ints(c, "strides", 2, strides);
    ck_attr_ints(c, "pads", 4, pads);
    ck_attr_int(c, "group", r[6]);
    tensor(c, WHET_DTYPE_U8, false, 4, x);
    tensor(c, WHET_DTYPE_I8, true, 4, w);
    plain_stages(c, r[1]);
    return true;
}

static bool bench_matmul(ck_case *c, int32_t i) {
    static const int16_t rows[][3] = {{1, 1000, 2048}, {128, 768, 768}, {128, 3072, 768},
                                      {128, 768, 3072}};
    if (i >= WHET_COUNT(rows)) return false;
    int64_t x[2] = {rows[i][0], rows[i][2]}, w[2] = {rows[i][2], rows[i][1]};
    tensor(c, WHET_DTYPE_U8, false, 2, x);
    tensor(c, WHET_DTYPE_I8, true, 2, w);
    plain_stages(c, rows[i][1]);
    return true;
}

static bool bench_linear(ck_case *c, bool quantize) {
    int64_t dims[4] = {1, 64, 112, 112};
    if (!strcmp(c->op_name, "dynamic_quantize_linear")) {
        ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims));
        return true;
    }
    if (quantize) ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims));
    else tensor(c, WHET_DTYPE_U8, false, 4, dims);
    numbers(c, false, -4, 0, 1);
    fixed(c, ck_port(WHET_DTYPE_U8, true, 0, dims), bytes(c, 1));
    return true;
}

static bool bench(ck_case *c, int32_t i) {
    if (strstr(c->op_name, "_linear")) return i == 0 && bench_linear(c, c->op_name[0] == 'q');
    return strcmp(c->op_name, "quant_conv") ? bench_matmul(c, i) : bench_conv(c, i);
}

// Of float results: what is rounded on the way is a few hundred large at most, and requantized
// values may fall on the other side of a step.
static void magnitude(const ck_case *c, ck_values *v) {
    int64_t n = whet_dims_count(c->out[0].dims, c->out[0].rank);
    for (int64_t i = 0; v->magnitude[0] && i < n; i++)
        v->magnitude[0][i] = (fabs(v->out64[0][i]) + 1000) * (c->steps > 1 ? 0x1p20 : 1);
}

const ck_family ck_family_quant = {
    .ops = (const char *const[]){"quant_conv", "quant_matmul", "quantize_linear",
                                 "dequantize_linear", "dynamic_quantize_linear", NULL},
    .build = build,
    .bench = bench, .magnitude = magnitude};
