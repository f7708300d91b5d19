// SPDX-License-Identifier: Apache-2.0
// Chains of pointwise functions in double, with the spread of each carried along.
#include <math.h>

#include "build/verify.h"

// How far y = f(x) may be off, in units of c u, when its operands are by m.
static double spread(whet_pw f, const float *p, const double *x, const double *m, double y) {
    double a = fabs(x[0]), b = fabs(x[1]);
    bool inexact = m[0] > 0 || m[1] > 0;
    switch (f) {
    case WHET_PW_IDENTITY: case WHET_PW_NEG: case WHET_PW_ABS: case WHET_PW_RELU: return m[0];
    case WHET_PW_CEIL: case WHET_PW_FLOOR: case WHET_PW_ROUND: case WHET_PW_SIGN:
    case WHET_PW_EQUAL: case WHET_PW_LESS: case WHET_PW_LESS_OR_EQUAL: case WHET_PW_GREATER:
    case WHET_PW_GREATER_OR_EQUAL: case WHET_PW_MOD: case WHET_PW_IS_NAN: case WHET_PW_IS_INF:
    case WHET_PW_THRESHOLDED_RELU: case WHET_PW_SHRINK:
        return inexact ? INFINITY : fabs(y); // another branch may be right, too
    case WHET_PW_AND: case WHET_PW_OR: case WHET_PW_XOR: case WHET_PW_NOT: return m[0] + m[1];
    case WHET_PW_WHERE: return fmax(m[1], m[2]) + (m[0] > 0 ? INFINITY : 0);
    case WHET_PW_QUANTIZE: return inexact ? 0x1p22 : 0; // a step
    case WHET_PW_DEQUANTIZE: return m[0] * b + fabs(y);
    case WHET_PW_REQUANTIZE: return m[0] + b * 0x1p22; // a step
    case WHET_PW_MUL: case WHET_PW_PRELU: return m[0] * fmax(b, 1) + m[1] * a + fabs(y);
    case WHET_PW_DIV: return m[0] / b + m[1] * fabs(y) / b + fabs(y);
    case WHET_PW_EXP: return fabs(y) * (1 + m[0]) + 1e-38;
    case WHET_PW_POW:
        return fabs(y) * (1 + m[0] * b / fmax(a, 1e-20) + m[1] * fabs(log(fmax(a, 1e-20)))) + 1e-38;
    case WHET_PW_TAN: return m[0] * (1 + y * y) + fabs(y);
    case WHET_PW_SINH: case WHET_PW_COSH: return fabs(y) * (1 + m[0]) + m[0];
    case WHET_PW_RECIPROCAL: return m[0] * y * y + fabs(y);
    case WHET_PW_SQRT: return m[0] / fmax(fabs(y), 1e-20) + fabs(y);
    case WHET_PW_SIN: case WHET_PW_COS: return m[0] + 1;
    case WHET_PW_GELU: case WHET_PW_SWISH: case WHET_PW_MISH: return 1.2 * m[0] + fmax(1, a);
    case WHET_PW_HARD_SWISH: return (1 + a) * (m[0] + fabs((double)p[1])) + fabs(y);
    case WHET_PW_HARD_SIGMOID: return m[0] + fmax(1, a);
    case WHET_PW_ASIN: case WHET_PW_ACOS: case WHET_PW_ATANH: case WHET_PW_ACOSH:
        return 4 * fabs(y) + (m[0] > 0 ? INFINITY : 0); // their slopes have no bound
    case WHET_PW_LOG: return fabs(y) + m[0] / a;
    case WHET_PW_LEAKY_RELU: case WHET_PW_ELU: case WHET_PW_SELU: case WHET_PW_CELU:
        return 3 * m[0] + fabs(y);
    default: return m[0] + m[1] + fabs(y);
    }
}

// Where element `at` of the output is in an input that broadcasts to it.
static int64_t source_at(const whet_tensor *in, const whet_tensor *out, int64_t at) {
    int64_t offset = 0, stride = 1;
    for (int32_t d = out->rank - 1, k = in->rank - 1; d >= 0 && k >= 0; d--, k--) {
        int64_t i = at % out->dims[d];
        at /= out->dims[d];
        if (in->dims[k] != 1) offset += i * stride;
        stride *= in->dims[k];
    }
    return offset;
}

static void element(const whet_judged *j, whet_expected *x, int64_t at) {
    const whet_chain *ch = j->p->chain;
    double value[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS];
    double mag[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS];
    for (int32_t i = 0; i < ch->n_in; i++) {
        const whet_tensor *t = &j->in[i];
        value[i] = whet_load_f64(t->data, t->dtype, source_at(t, &j->out[0], at));
        mag[i] = 0;
    }
    for (int32_t k = 0; k < ch->n_ops; k++) {
        double v[3] = {0}, m[3] = {0};
        for (int32_t s = 0; s < whet_pw_inputs(ch->ops[k].f); s++) {
            v[s] = value[ch->ops[k].src[s]];
            m[s] = mag[ch->ops[k].src[s]];
        }
        double y = whet_pw_f64(ch->ops[k].f, ch->ops[k].p, v);
        value[ch->n_in + k] = y;
        mag[ch->n_in + k] = spread(ch->ops[k].f, ch->ops[k].p, v, m, y);
    }
    for (int32_t o = 0; o < ch->n_out; o++) {
        x->value[o][at] = value[ch->out[o]];
        x->magnitude[o][at] = mag[ch->out[o]];
        if (whet_dtype_is_float(j->out[o].dtype)) continue;
        whet_store_f64(x->out[o].data, x->out[o].dtype, at, value[ch->out[o]]);
    }
}

whet_status whet_verify_chain(const whet_judged *j, whet_expected *x) {
    const whet_chain *ch = j->p->chain;
    int64_t n = whet_dims_count(j->out[0].dims, j->out[0].rank);
    for (int32_t o = 0; o < ch->n_out; o++) {
        x->out[o] = j->out[o];
        x->out[o].data = whet_arena_alloc(j->arena, j->out[o].bytes + 1);
        x->value[o] = whet_arena_array(j->arena, (size_t)n + 1, sizeof(double));
        x->magnitude[o] = whet_arena_array(j->arena, (size_t)n + 1, sizeof(double));
        if (!x->out[o].data || !x->value[o] || !x->magnitude[o]) return WHET_NOMEM(j->err);
    }
    for (int32_t k = 0; k < ch->n_ops; k++)
        if (ch->ops[k].f == WHET_PW_REQUANTIZE) x->steps = 2;
    if (j->fast) x->stride = whet_verify_stride(&j->out[0]);
    x->c = j->kernel->tolerance;
    for (int64_t at = 0; at < n; at += x->stride) element(j, x, at);
    return WHET_OK;
}
