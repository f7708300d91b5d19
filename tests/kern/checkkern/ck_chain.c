// SPDX-License-Identifier: Apache-2.0
// Pointwise chains: random programs over broadcast inputs, and every function alone.
#include <math.h>

#include "checkkern.h"

static const whet_pw functions[] = {
#define PW(name, number, inputs, op) WHET_PW_##name,
    WHET_PW_MAP(PW)
#undef PW
};

static bool bitwise(whet_pw f) {
    return f == WHET_PW_BITWISE_NOT || f == WHET_PW_BITWISE_AND || f == WHET_PW_BITWISE_OR ||
           f == WHET_PW_BITWISE_XOR || f == WHET_PW_BIT_SHIFT;
}

static bool quantizes(whet_pw f) {
    return f == WHET_PW_QUANTIZE || f == WHET_PW_DEQUANTIZE || f == WHET_PW_REQUANTIZE;
}

static void random_input(ck_case *c, int32_t rank, const int64_t *dims) {
    int64_t d[WHET_MAX_RANK];
    int32_t kind = (int32_t)ck_int(c->rng, 0, 5), lead = 0;
    bool constant = ck_chance(c->rng, 3);
    for (int32_t i = 0; i < rank; i++) d[i] = dims[i];
    if (kind == 1) // per channel
        for (int32_t i = 0; i < rank; i++) d[i] = i == 1 ? dims[i] : 1;
    if (kind == 2) // scalar
        for (int32_t i = 0; i < rank; i++) d[i] = 1;
    if (kind == 3) // any subset
        for (int32_t i = 0; i < rank; i++) d[i] = ck_chance(c->rng, 2) ? dims[i] : 1;
    if (kind == 4) // over the last dimension
        for (int32_t i = 0; i + 1 < rank; i++) d[i] = 1;
    if (kind == 5 && rank > 2) { // channels times rest, no batch
        d[0] = 1;
    }
    while (lead < rank && d[lead] == 1 && ck_chance(c->rng, 2)) lead++;
    ck_in(c, ck_port(WHET_DTYPE_F32, constant, rank - lead, d + lead));
}

static void set_params(ck_case *c, whet_pw f, float p[2]) {
    p[0] = (float)ck_int(c->rng, 1, 4) / 4;
    p[1] = p[0] + 1;
    if (f == WHET_PW_MOD || f == WHET_PW_GELU) p[0] = (float)ck_int(c->rng, 0, 1);
}

// One function of inputs 0 .. 2.
static bool single(ck_case *c, int32_t i) {
    whet_chain *ch = c->chain;
    whet_pw f = functions[i];
    if (bitwise(f) || quantizes(f)) f = WHET_PW_ADD;
    int64_t dims[1] = {ck_int(c->rng, 1, 1500)};
    ch->n_in = whet_pw_inputs(f);
    for (int32_t s = 0; s < ch->n_in; s++) ck_in(c, ck_port(WHET_DTYPE_F32, false, 1, dims));
    ch->n_ops = 1;
    ch->ops[0].f = f;
    for (int32_t s = 0; s < ch->n_in; s++) ch->ops[0].src[s] = (int16_t)s;
    set_params(c, f, ch->ops[0].p);
    ch->n_out = c->n_out = 1;
    ch->out[0] = (int16_t)ch->n_in;
    c->out[0] = ck_port(WHET_DTYPE_F32, false, 1, dims);
    c->nonfinite = f != WHET_PW_MOD && f != WHET_PW_POW;
    return true;
}

static void number_input(ck_case *c, whet_dtype type, float v) {
    void *data = whet_arena_alloc(c->arena, 8);
    if (type == WHET_DTYPE_F32) *(float *)data = v;
    else whet_store_i64(data, type, 0, (int64_t)v);
    c->source[c->n_in] = CK_FIXED;
    c->fixed[c->n_in] = data;
    ck_in(c, ck_port(type, true, 0, (int64_t[]){1}));
}

static void instruction(whet_chain *ch, whet_pw f, int32_t a, int32_t b, int32_t z, float lo) {
    ch->ops[ch->n_ops].f = f;
    ch->ops[ch->n_ops].src[0] = (int16_t)a;
    ch->ops[ch->n_ops].src[1] = (int16_t)b;
    ch->ops[ch->n_ops].src[2] = (int16_t)z;
    ch->ops[ch->n_ops].p[0] = lo;
    ch->ops[ch->n_ops].p[1] = lo + 255;
    ch->n_ops++;
}

// Numbers of 8 bits through float steps; with steps of powers of two all is exact.
static bool quantized_program(ck_case *c) {
    whet_chain *ch = c->chain;
    int32_t rank = (int32_t)ck_int(c->rng, 1, 4);
    int64_t dims[4];
    for (int32_t d = 0; d < rank; d++) dims[d] = ck_edge(c->rng, d < 1 && rank > 1 ? 3 : 35);
    if (ck_chance(c->rng, 3)) dims[rank - 1] = ck_int(c->rng, 400, 1200);
    whet_dtype type = ck_chance(c->rng, 2) ? WHET_DTYPE_U8 : WHET_DTYPE_I8;
    float lo = type == WHET_DTYPE_I8 ? -128 : 0;
    ck_in(c, ck_port(type, false, rank, dims));
    number_input(c, WHET_DTYPE_F32, 0.25f);
    number_input(c, type, (float)ck_int(c->rng, 0, 100));
    random_input(c, rank, dims);
    number_input(c, WHET_DTYPE_F32, 0.5f);
    number_input(c, type, (float)ck_int(c->rng, 0, 100));
    ch->n_in = 6;
    instruction(ch, WHET_PW_DEQUANTIZE, 0, 1, 2, lo);
    instruction(ch, ck_chance(c->rng, 2) ? WHET_PW_ADD : WHET_PW_MUL, 6, 3, 0, 0);
    instruction(ch, WHET_PW_REQUANTIZE, 7, 4, 5, lo);
    instruction(ch, WHET_PW_RELU, 8, 0, 0, 0);
    bool real = ck_chance(c->rng, 3);
    if (!real) instruction(ch, WHET_PW_QUANTIZE, 9, 1, 2, lo);
    ch->n_out = c->n_out = 1;
    ch->out[0] = (int16_t)(ch->n_in + ch->n_ops - 1);
    c->out[0] = ck_port(real ? WHET_DTYPE_F32 : type, false, rank, dims);
    c->no_edges = true;
    c->exact = true;
    c->steps = 2;
    return true;
}

static bool program(ck_case *c) {
    static const whet_pw smooth[] = {WHET_PW_ADD, WHET_PW_SUB, WHET_PW_MUL, WHET_PW_RELU,
                                     WHET_PW_MAX, WHET_PW_MIN, WHET_PW_SIGMOID, WHET_PW_TANH,
                                     WHET_PW_IDENTITY, WHET_PW_ABS, WHET_PW_CLIP};
    whet_chain *ch = c->chain;
    int32_t rank = (int32_t)ck_int(c->rng, 1, 5);
    int64_t dims[5];
    for (int32_t d = 0; d < rank; d++)
        dims[d] = ck_edge(c->rng, d < 1 && rank > 1 ? 3 : rank > 4 ? 7 : 35);
    if (rank == 2 && ck_chance(c->rng, 3)) dims[1] = ck_int(c->rng, 400, 1200);
    ch->n_in = (int32_t)ck_int(c->rng, 1, 5);
    for (int32_t i = 0; i < ch->n_in; i++) random_input(c, rank, dims);
    ch->n_ops = (int32_t)ck_int(c->rng, 1, 8);
    for (int32_t k = 0; k < ch->n_ops; k++) {
        ch->ops[k].f = smooth[ck_int(c->rng, 0, 10)];
        for (int32_t s = 0; s < whet_pw_inputs(ch->ops[k].f); s++)
            ch->ops[k].src[s] = (int16_t)ck_int(
                c->rng, k && ck_chance(c->rng, 2) ? ch->n_in + k - 1 : 0, ch->n_in + k - 1);
        set_params(c, ch->ops[k].f, ch->ops[k].p);
    }
    ch->n_out = c->n_out = (int32_t)ck_int(c->rng, 1, 3);
    for (int32_t o = 0; o < ch->n_out; o++) {
        ch->out[o] = (int16_t)ck_int(c->rng, ch->n_in, ch->n_in + ch->n_ops - 1);
        if (ck_chance(c->rng, 8)) ch->out[o] = (int16_t)ck_int(c->rng, 0, ch->n_in - 1);
        c->out[o] = ck_port(WHET_DTYPE_F32, false, rank, dims);
    }
    c->no_edges = true;
    return true;
}

// Batch normalization: x a + b, a and b of the channels, then a clamp or not.
static bool linear(ck_case *c) {
    static const whet_pw clamps[] = {WHET_PW_RELU, WHET_PW_CLIP, WHET_PW_MUL};
    whet_chain *ch = c->chain;
    int64_t dims[4] = {ck_int(c->rng, 1, 2), ck_edge(c->rng, 70), ck_edge(c->rng, 35), 7};
    int64_t channel[4] = {1, dims[1], 1, 1};
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims));
    ck_in(c, ck_port(WHET_DTYPE_F32, true, 4, channel));
    ck_in(c, ck_port(WHET_DTYPE_F32, true, 4, channel));
    ch->n_in = 3, ch->n_ops = 3;
    for (int32_t k = 0; k < 3; k++) {
        bool second = ck_chance(c->rng, 2);
        ch->ops[k].f = k == 0 ? WHET_PW_MUL : k == 1 ? WHET_PW_ADD : clamps[ck_int(c->rng, 0, 2)];
        ch->ops[k].src[second && k < 2] = (int16_t)(k ? 2 + k : 0);
        ch->ops[k].src[!(second && k < 2)] = (int16_t)(k == 1 ? 2 : 1);
        set_params(c, ch->ops[k].f, ch->ops[k].p);
    }
    ch->n_out = c->n_out = 1;
    ch->out[0] = 5;
    c->out[0] = ck_port(WHET_DTYPE_F32, false, 4, dims);
    c->no_edges = true;
    return true;
}

static bool build(ck_case *c, int32_t i) {
    c->chain = WHET_NEW(c->arena, whet_chain);
    c->plain_epilogue = true;
    if (i % 8 == 3) return linear(c);
    if (i % 8 == 1) return quantized_program(c);
    if (i % 2) return program(c);
    return single(c, i / 2 % WHET_COUNT(functions));
}

static bool bench(ck_case *c, int32_t i) {
    static const whet_pw f[] = {WHET_PW_ADD, WHET_PW_RELU, WHET_PW_GELU, WHET_PW_EXP, WHET_PW_TANH,
                                WHET_PW_SWISH, WHET_PW_SIGMOID, WHET_PW_ERF, WHET_PW_SIN};
    int64_t dims[4] = {1, 64, 56, 56}, channel[4] = {1, 64, 1, 1};
    if (i >= WHET_COUNT(f)) return false;
    whet_chain *ch = c->chain = WHET_NEW(c->arena, whet_chain);
    ch->n_in = 2;
    ck_in(c, ck_port(WHET_DTYPE_F32, false, 4, dims));
    ck_in(c, ck_port(WHET_DTYPE_F32, true, 4, channel));
    ch->n_ops = 1;
    ch->ops[0].f = f[i];
    ch->ops[0].src[1] = 1;
    ch->n_out = c->n_out = 1;
    ch->out[0] = 2;
    c->out[0] = ck_port(WHET_DTYPE_F32, false, 4, dims);
    return true;
}

// Element `at` of the output in input i.
static int64_t source_index(const ck_case *c, int32_t i, int64_t at) {
    const whet_port *out = &c->out[0], *in = &c->in[i];
    int64_t index = 0, step = 1;
    for (int32_t d = out->rank - 1; d >= 0; d--) {
        int64_t pos = at % out->dims[d];
        at /= out->dims[d];
        int32_t e = d - (out->rank - in->rank);
        if (e < 0) continue;
        if (in->dims[e] != 1) index += pos * step;
        step *= in->dims[e];
    }
    return index;
}

// How far a function carries an error e of its first operand and what it adds itself, in units of
// u.
static double spread(whet_pw f, const float *p, const double *x, const double *m, double y) {
    double a = fabs(x[0]), b = fabs(x[1]);
    switch (f) {
    case WHET_PW_REQUANTIZE: return m[0] + 0x1p24; // a step
    case WHET_PW_MUL: case WHET_PW_PRELU: return m[0] * fmax(b, 1) + m[1] * a + fabs(y);
    case WHET_PW_DIV: return m[0] / b + m[1] * fabs(y) / b + fabs(y);
    case WHET_PW_EXP: case WHET_PW_POW: return fabs(y) * (1 + m[0]) + 1e-38;
    case WHET_PW_TAN: return m[0] * (1 + y * y) + fabs(y);
    case WHET_PW_SINH: case WHET_PW_COSH: return fabs(y) * (1 + m[0]);
    case WHET_PW_RECIPROCAL: return m[0] * y * y + fabs(y);
    case WHET_PW_SQRT: return m[0] / fmax(fabs(y), 1e-20) + fabs(y);
    case WHET_PW_SIN: case WHET_PW_COS: return m[0] + 1;
    case WHET_PW_GELU: case WHET_PW_SWISH: case WHET_PW_MISH: return 1.2 * m[0] + fmax(1, a);
    case WHET_PW_HARD_SWISH: return (1 + a) * (m[0] + fabs((double)p[1]));
    case WHET_PW_HARD_SIGMOID: return fmax(1, a);
    case WHET_PW_ASIN: case WHET_PW_ACOS: case WHET_PW_ATANH: case WHET_PW_ACOSH:
        return 4 * fabs(y) + m[0];
    case WHET_PW_LOG: return fabs(y) + m[0] / a;
    case WHET_PW_LEAKY_RELU: case WHET_PW_ELU: case WHET_PW_SELU: case WHET_PW_CELU:
        return 3 * m[0] + fabs(y);
    default: return m[0] + m[1] + fabs(y);
    }
}

static bool reference(const ck_case *c, ck_values *v) {
    const whet_chain *ch = c->chain;
    int64_t n = whet_dims_count(c->out[0].dims, c->out[0].rank);
    for (int32_t o = 0; o < c->n_out; o++) {
        if (c->out[o].dtype != WHET_DTYPE_F32)
            v->out[o] = whet_arena_alloc(c->arena, (size_t)n + 8);
        else v->out64[o] = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
        v->magnitude[o] = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
    }
    for (int64_t e = 0; e < n; e++) {
        double value[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS],
            mag[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS];
        for (int32_t i = 0; i < ch->n_in; i++) {
            int64_t at = source_index(c, i, e);
            value[i] = v->in64[i] ? v->in64[i][at] : whet_load_f64(v->in[i], c->in[i].dtype, at);
            mag[i] = 0;
        }
        for (int32_t k = 0; k < ch->n_ops; k++) {
            double x[3] = {0}, m[3] = {0};
            for (int32_t s = 0; s < whet_pw_inputs(ch->ops[k].f); s++) {
                x[s] = value[ch->ops[k].src[s]];
                m[s] = mag[ch->ops[k].src[s]];
            }
            double y = whet_pw_f64(ch->ops[k].f, ch->ops[k].p, x);
            value[ch->n_in + k] = y;
            mag[ch->n_in + k] = spread(ch->ops[k].f, ch->ops[k].p, x, m, y);
        }
        for (int32_t o = 0; o < c->n_out; o++) {
            if (v->out[o]) whet_store_f64(v->out[o], c->out[o].dtype, e, value[ch->out[o]]);
            else v->out64[o][e] = value[ch->out[o]];
            v->magnitude[o][e] = mag[ch->out[o]];
        }
    }
    return true;
}

static void magnitude(const ck_case *c, ck_values *v) {
    (void)c, (void)v; // the reference has filled it in
}

const ck_family ck_family_chain = {(const char *const[]){"chain", NULL}, build, bench, reference,
                                   magnitude};
