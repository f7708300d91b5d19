// SPDX-License-Identifier: Apache-2.0
#include "kern/rnn/rnn.h"

#include <string.h>

#include "ops/rnn_ref.h"

rnn_shape whet_rnn_shape(const whet_problem *p, int64_t width, int64_t rows) {
    const int64_t *x = p->in[RNN_X].dims, *r = p->in[RNN_R].dims;
    rnn_shape s = {
        .seq = x[0], .batch = x[1], .input = x[2], .hidden = r[2], .dirs = r[0], .width = width};
    s.gates = !strcmp(p->op, "lstm") ? 4 : 3;
    s.n = s.gates * s.hidden;
    s.blocks = (s.n + width - 1) / width;
    s.rows = s.parts = 1;
    if (s.batch < 1 || s.dirs < 1) return s; // not accepted
    int64_t tasks = p->threads > s.dirs ? (p->threads + s.dirs - 1) / s.dirs : 1;
    s.rows = (s.batch + tasks - 1) / tasks;
    s.parts = (s.batch + rows - 1) / rows;
    if (s.rows > rows) s.rows = (s.batch + s.parts - 1) / s.parts;
    s.parts = (s.batch + s.rows - 1) / s.rows;
    return s;
}

static bool port_fits(const whet_problem *p, int32_t i, whet_dtype dtype, int32_t rank,
                      const int64_t *dims) {
    const whet_port *q = &p->in[i];
    return q->dtype == dtype && q->layout == WHET_LAYOUT_PLAIN && q->rank == rank &&
           !memcmp(q->dims, dims, (size_t)rank * sizeof *dims);
}

static bool present(const whet_problem *p, int32_t i) {
    return i < p->n_in && p->in[i].dtype != WHET_DTYPE_NONE;
}

// Sigmoid and tanh where they are by default.
static bool default_acts(const whet_problem *p) {
    const char *defaults = !strcmp(p->op, "lstm") ? "Sigmoid,Tanh,Tanh" : "Sigmoid,Tanh";
    const whet_rnn_attrs *a = p->attrs;
    int32_t each = !strcmp(p->op, "lstm") ? 3 : 2,
            dirs = a->direction == WHET_RNN_BIDIRECTIONAL ? 2 : 1;
    whet_rnn_act given[2 * WHET_RNN_MAX_ACTS], usual[2 * WHET_RNN_MAX_ACTS];
    whet_rnn_attrs plain = *a;
    plain.activations = "";
    if (whet_rnn_acts_parse(a, defaults, each, given, NULL) != WHET_OK) return false;
    if (whet_rnn_acts_parse(&plain, defaults, each, usual, NULL) != WHET_OK) return false;
    for (int32_t i = 0; i < each * dirs; i++)
        if (given[i].f != usual[i].f) return false;
    return true;
}

static bool inputs_fit(const whet_problem *p, const rnn_shape *s, whet_dtype dtype) {
    const whet_dtype f32 = WHET_DTYPE_F32;
    int64_t w[3] = {s->dirs, s->n, s->input}, r[3] = {s->dirs, s->n, s->hidden};
    int64_t b[2] = {s->dirs, 2 * s->n}, h[3] = {s->dirs, s->batch, s->hidden};
    if (!port_fits(p, RNN_W, f32, 3, w) || !port_fits(p, RNN_R, f32, 3, r)) return false;
    if (!p->in[RNN_W].constant || !p->in[RNN_R].constant) return false;
    if (present(p, RNN_B) && !port_fits(p, RNN_B, f32, 2, b)) return false;
    if (present(p, RNN_LENS) || present(p, RNN_P)) return false;
    if (present(p, RNN_H0) && !port_fits(p, RNN_H0, dtype, 3, h)) return false;
    return !present(p, RNN_C0) || port_fits(p, RNN_C0, dtype, 3, h);
}

static bool outputs_fit(const whet_problem *p, const rnn_shape *s, whet_dtype dtype) {
    int64_t y[4] = {s->seq, s->dirs, s->batch, s->hidden};
    for (int32_t i = 0; i < p->n_out; i++) {
        const whet_port *q = &p->out[i];
        const int64_t *dims = i == 0 ? y : y + 1;
        int32_t rank = i == 0 ? 4 : 3;
        if (q->dtype == WHET_DTYPE_NONE) continue;
        if (q->dtype != dtype || q->layout != WHET_LAYOUT_PLAIN || q->rank != rank ||
            memcmp(q->dims, dims, (size_t)rank * sizeof *dims))
            return false;
    }
    return true;
}

bool whet_rnn_accepts(const whet_problem *p, whet_dtype dtype, int64_t width) {
    const whet_rnn_attrs *a = p->attrs;
    bool lstm = !strcmp(p->op, "lstm");
    if (p->n_in < 3 || p->n_in > (lstm ? 8 : 6) || p->n_out < 1 || p->n_out > (lstm ? 3 : 2))
        return false;
    if (!whet_epilogue_empty(&p->epi) || a->layout != 0 || a->clip != 0 || a->input_forget)
        return false;
    if (p->in[RNN_X].rank != 3 || p->in[RNN_W].rank != 3 || p->in[RNN_R].rank != 3) return false;
    rnn_shape s = whet_rnn_shape(p, width, 1);
    if (s.dirs != (a->direction == WHET_RNN_BIDIRECTIONAL ? 2 : 1)) return false;
    if (s.seq < 1 || s.batch < 1 || s.input < 1 || s.hidden < 1 || s.hidden > INT32_MAX / 64)
        return false;
    if (!port_fits(p, RNN_X, dtype, 3, p->in[RNN_X].dims) || !inputs_fit(p, &s, dtype) ||
        !outputs_fit(p, &s, dtype))
        return false;
    if (dtype == WHET_DTYPE_BF16 && (s.input % 2 || s.hidden % 2)) return false; // pairs
    int64_t rows;
    return !__builtin_mul_overflow(s.seq * s.dirs, s.batch, &rows) && rows < INT64_MAX / 64 / s.n &&
           default_acts(p);
}

static int64_t depth_of(const rnn_shape *s, int32_t i) { return i == RNN_W ? s->input : s->hidden; }

// Depends on the shape of the constants alone.
static rnn_shape constant_shape(const whet_problem *p, int64_t width) {
    const int64_t *w = p->in[RNN_W].dims, *r = p->in[RNN_R].dims;
    rnn_shape s = {.input = w[2], .hidden = r[2], .dirs = r[0], .n = r[1], .width = width};
    s.blocks = (s.n + width - 1) / width;
    return s;
}

size_t whet_rnn_pack_bytes(const whet_problem *p, int64_t width, int32_t i) {
    if (i != RNN_W && i != RNN_R) return 0;
    rnn_shape s = constant_shape(p, width);
    return (size_t)(s.dirs * s.blocks * width * depth_of(&s, i)) * sizeof(float);
}

void whet_rnn_pack(const whet_problem *p, int64_t width, int32_t i, const float *src, float *dst) {
    rnn_shape s = constant_shape(p, width);
    int64_t depth = depth_of(&s, i);
    for (int64_t d = 0; d < s.dirs; d++, src += s.n * depth)
        for (int64_t b = 0; b < s.blocks; b++)
            for (int64_t k = 0; k < depth; k++)
                for (int64_t j = 0; j < width; j++) {
                    int64_t column = b * width + j;
                    *dst++ = column < s.n ? src[column * depth + k] : 0;
                }
}

void whet_rnn_pack_bf16(const whet_problem *p, int64_t width, int32_t i, const float *src,
                        uint16_t *dst) {
    rnn_shape s = constant_shape(p, width);
    int64_t depth = depth_of(&s, i);
    for (int64_t d = 0; d < s.dirs; d++, src += s.n * depth)
        for (int64_t b = 0; b < s.blocks; b++)
            for (int64_t k = 0; k < depth; k += 2)
                for (int64_t j = 0; j < 2 * width; j++) {
                    int64_t column = b * width + j / 2;
                    *dst++ = column < s.n ? whet_f32_to_bf16(src[column * depth + k + j % 2]) : 0;
                }
}

// x W' of all steps: [direction][row of seq batch][n]
size_t whet_rnn_workspace(const rnn_shape *s) {
    return (size_t)(s->dirs * s->seq * s->batch * s->n) * sizeof(float);
}

// Gates, state, memory and a product, of the rows of a task; biases of a direction.
size_t whet_rnn_scratch(const rnn_shape *s) {
    return (size_t)(s->rows * (2 * s->n + 3 * s->hidden) + 2 * s->n) * sizeof(float);
}
