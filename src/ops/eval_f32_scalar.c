// SPDX-License-Identifier: Apache-2.0
#include "ops/eval_pointwise.h"
#include "ops/pointwise.h"

// Weights times scales and the like are folded and refitted by the hundred megabytes. A sum, a
// product or a quotient of f32 that is rounded from the one in double is the one in f32.

// How many elements in a row of x take the same element of v; 0: v is none of [1..., n..., 1...] of
// x's dimensions.
static int64_t vector_run(const whet_tensor *x, const whet_tensor *v) {
    int64_t run = 1;
    int32_t i = v->rank - 1, shift = x->rank - v->rank;
    if (shift < 0) return 0;
    for (; i >= 0 && v->dims[i] == 1; i--) run *= x->dims[i + shift];
    if (i < 0)
        for (int32_t k = 0; k < shift; k++) run *= x->dims[k];
    for (; i >= 0 && v->dims[i] == x->dims[i + shift]; i--) continue;
    for (; i >= 0 && v->dims[i] == 1; i--) continue;
    return i < 0 ? run : 0;
}

#define F32_LOOPS(op)                                                                              \
    for (int64_t at = 0, c = 0; at < n; c = c + step < count ? c + step : 0) {                     \
        if (run > 1)                                                                               \
            for (int64_t end = at + run; at < end; at++) y[at] = x[at] op v[c];                    \
        else                                                                                       \
            for (int64_t k = 0; k < count; k++, at++) y[at] = x[at] op v[k];                       \
    }                                                                                              \
    return true

bool whet_pointwise_eval_f32(const whet_eval *e) {
    const whet_tensor *a = &e->in[0], *b = &e->in[1], *out = &e->out[0];
    if (a->dtype != WHET_DTYPE_F32 || a->rank != out->rank) return false;
    for (int32_t d = 0; d < a->rank; d++)
        if (a->dims[d] != out->dims[d]) return false;
    int64_t n = whet_tensor_count(a), count = whet_tensor_count(b), run = vector_run(a, b);
    if (n <= 0 || run <= 0) return false;
    int64_t step = run > 1 ? 1 : count;
    const float *x = a->data, *v = b->data;
    float *y = out->data;
    switch (e->op->pw) {
    case WHET_PW_ADD: F32_LOOPS(+);
    case WHET_PW_SUB: F32_LOOPS(-);
    case WHET_PW_MUL: F32_LOOPS(*);
    case WHET_PW_DIV: F32_LOOPS(/);
    default: return false;
    }
}
