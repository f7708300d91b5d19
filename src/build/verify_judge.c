// SPDX-License-Identifier: Apache-2.0
// A step's results against what is expected of them: element by element, and in the mean square.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "build/verify.h"

#define SPREADS 8         // of kernels above this tolerance the largest sum of an output counts
#define STEPS_OFF 0.05    // part of 8-bit results that may lie on the other side of a step ...
#define STEPS_FEW 4       // ... and so many more
// In the mean square 4 sqrt(k) + 32 stand for k: roundings do not all point the same way, unless
// terms are alike.
#define ROOTS 4
#define BESIDE 32

static double unit_of(whet_dtype t) {
    switch (t) {
    case WHET_DTYPE_F64: return 0x1p-53;
    case WHET_DTYPE_F16: return 0x1p-11;
    case WHET_DTYPE_BF16: return 0x1p-8;
    default: return 0x1p-24;
    }
}

static double highest(whet_dtype t) {
    return t == WHET_DTYPE_F64 ? DBL_MAX : t == WHET_DTYPE_F16 ? 65504 : (double)FLT_MAX;
}

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

// Everything that goes into the limit of an element of one output.
typedef struct {
    const whet_judged *j;
    const whet_expected *x;
    whet_verdict *v;
    int32_t o;
    int64_t n;
    double u;        // of sums
    double stored;   // of the type that results are stored in, where it is a shorter one
    double products; // of the type in which weights are multiplied, where it is a shorter one
    double coarse;   // of functions behind the sum
    double high;     // sums above it may overflow on the way
    double most;     // largest magnitude where errors spread over the output, else 0
    double errors, allowed; // sums of squares
    int64_t counted;
} scale;

static bool multiplies(const char *op) {
    return !strcmp(op, "conv") || !strcmp(op, "conv_transpose") || !strcmp(op, "gemm") ||
           !strcmp(op, "matmul") || !strcmp(op, "lstm") || !strcmp(op, "gru") ||
           !strcmp(op, "attention") || !strcmp(op, "block_matmul");
}

static void make_scale(scale *s) {
    const whet_problem *p = s->j->p;
    const whet_port *y = &p->out[s->o], *a = &p->in[0];
    s->u = unit_of(whet_port_type(y));
    s->stored = y->type ? unit_of(y->dtype) * 1.001 : 0;
    // weights are rounded to the type that activations are stored in, and these too where the
    // kernel is the first to store them so
    if (p->n_in > 0 && multiplies(p->op) && (a->type || y->type))
        s->products = a->type ? unit_of(a->dtype) : 2 * unit_of(y->dtype);
    if (s->j->kernel->stores & WHET_STORE_BIT(WHET_STORE_HALF))
        s->products = fmax(s->products, unit_of(WHET_DTYPE_F16));
    bool rough = s->stored > 0 && s->o == 0 && (p->epi.act1 || p->epi.act2);
    s->coarse = rough ? 0x1p-12 : 0;
    bool spreads = s->x->c > SPREADS && s->x->rule == WHET_RULE_SUM;
    s->high = highest(whet_port_type(y)) / (spreads ? 1024 : 4);
    if (y->dtype == WHET_DTYPE_F16) s->high = fmin(s->high, 65504);
    for (int64_t i = 0; spreads && i < s->n; i += s->x->stride) {
        double m = s->x->magnitude[s->o][i];
        if (isfinite(m)) s->most = fmax(s->most, m);
    }
}

static double limit_of(const scale *s, double r, double m) {
    const whet_expected *x = s->x;
    if (x->rule == WHET_RULE_EXACT)
        return s->stored > 0 ? s->stored * fabs(r) + (double)FLT_MIN : 0;
    double sum = s->most > 0 ? s->most : m;
    double limit = x->c * x->k * s->u * sum + s->products * m + x->k * (double)FLT_MIN + x->slack;
    return limit + s->coarse * m + (s->stored + 2 * s->u) * (fabs(r) + limit);
}

static double usual(const scale *s, double r, double m) {
    const whet_expected *x = s->x;
    if (x->rule == WHET_RULE_EXACT) return s->stored * fabs(r);
    double root = sqrt(x->k), sum = x->c * fmin(x->k, ROOTS * root + BESIDE) * s->u * m;
    return sum + 2 * s->products * m / root + s->coarse * m + (s->stored + 2 * s->u) * fabs(r) +
           x->slack + (double)FLT_MIN;
}

static const char *output_text(const whet_judged *j, int32_t o, char *buffer, size_t size) {
    if (j->p->n_out == 1) return "";
    snprintf(buffer, size, "output %d, ", o);
    return buffer;
}

static void fail_element(const scale *s, int64_t i, double got, double want, double limit) {
    char which[32];
    whet_verdict *v = s->v;
    if (v->step.state == WHET_VERIFIED_DIFFERS) return;
    v->step.state = WHET_VERIFIED_DIFFERS;
    snprintf(v->text, sizeof v->text,
             "%selement %lld is %.9g, the reference gives %.9g, allowed are %.3g (%s) in between",
             output_text(s->j, s->o, which, sizeof which), (long long)i, got, want, limit,
             s->x->rule == WHET_RULE_EXACT ? "exact" : "c k u sum|a||b|");
}

static void take(whet_verdict *v, double part, double error) {
    if (part > v->step.error) v->step.error = part;
    if (error > v->step.largest) v->step.largest = error;
}

static void take_rms(scale *s, const char *unit) {
    char which[32];
    whet_verdict *v = s->v;
    if (!s->counted || s->errors <= 0) return;
    double part = sqrt(s->errors / s->allowed);
    if (part > v->step.rms) v->step.rms = part;
    if (part <= 1 || v->step.state == WHET_VERIFIED_DIFFERS) return;
    v->step.state = WHET_VERIFIED_DIFFERS;
    snprintf(v->text, sizeof v->text,
             "%sthe root mean square of the differences from the reference is %.3g%s, allowed are "
             "%.3g",
             output_text(s->j, s->o, which, sizeof which), sqrt(s->errors / (double)s->counted),
             unit, sqrt(s->allowed / (double)s->counted));
}

static void judge_floats(scale *s) {
    const whet_tensor *got = &s->j->out[s->o];
    const whet_port *p = &s->j->p->out[s->o];
    make_scale(s);
    for (int64_t i = 0; i < s->n; i += s->x->stride) {
        double g = whet_load_f64(got->data, got->dtype, i), r = s->x->value[s->o][i];
        double m = s->x->magnitude[s->o][i], f = (double)(float)r;
        if (p->dtype == WHET_DTYPE_BF16) f = (double)whet_bf16_to_f32(whet_f32_to_bf16((float)r));
        if (same(g, f) || same(g, r)) f = r = g;
        bool exact = s->x->rule == WHET_RULE_EXACT;
        // what overflows on the way is not compared
        if (!exact && (!(m <= s->high) || !(fabs(r) <= s->high))) continue;
        double error = g == r || (isnan(g) && isnan(r)) ? 0 : fabs(g - r);
        double limit = limit_of(s, r, m), mean = usual(s, r, m);
        if (!(error <= limit)) fail_element(s, i, g, r, limit);
        if (error > 0) take(s->v, error / limit, error);
        s->counted++;
        if (isfinite(error)) s->errors += error * error;
        s->allowed += mean * mean;
    }
    if (s->x->rule != WHET_RULE_EXACT) take_rms(s, "");
}

static void judge_steps(scale *s, const whet_tensor *want) {
    const whet_tensor *got = &s->j->out[s->o];
    double steps = s->x->steps;
    s->v->step.rule = WHET_RULE_STEPS;
    s->v->step.c = steps;
    for (int64_t i = 0; i < s->n; i += s->x->stride) {
        double g = whet_load_f64(got->data, got->dtype, i);
        double r = whet_load_f64(want->data, want->dtype, i), error = fabs(g - r);
        s->counted++;
        s->errors += error * error;
        take(s->v, error / steps, error);
        if (error <= steps || s->v->step.state == WHET_VERIFIED_DIFFERS) continue;
        char which[32];
        s->v->step.state = WHET_VERIFIED_DIFFERS;
        snprintf(s->v->text, sizeof s->v->text,
                 "%selement %lld is %g, the reference gives %g, allowed is %g in between",
                 output_text(s->j, s->o, which, sizeof which), (long long)i, g, r, steps);
    }
    s->allowed = steps * steps * (STEPS_OFF * (double)s->counted + STEPS_FEW);
    take_rms(s, " steps");
}

static void judge_bytes(scale *s, const whet_tensor *want) {
    const whet_tensor *got = &s->j->out[s->o];
    int32_t bits = whet_dtype_bits(got->dtype);
    size_t size = bits < 8 ? 0 : (size_t)bits / 8, at = 0;
    if (s->x->stride == 1 && !memcmp(got->data, want->data, got->bytes)) return;
    for (int64_t i = 0; i < s->n; i += s->x->stride) {
        at = size * (size_t)i;
        bool equal = size ? !memcmp((char *)got->data + at, (char *)want->data + at, size)
                          : whet_load_i64(got->data, got->dtype, i) ==
                                whet_load_i64(want->data, want->dtype, i);
        if (equal) continue;
        fail_element(s, i, whet_load_f64(got->data, got->dtype, i),
                     whet_load_f64(want->data, want->dtype, i), 0);
        return;
    }
}

static bool is_byte(whet_dtype t) { return t == WHET_DTYPE_U8 || t == WHET_DTYPE_I8; }

whet_status whet_verify_judge(const whet_judged *j, whet_verdict *v) {
    whet_expected x;
    *v = (whet_verdict){.step.state = WHET_VERIFIED_AGREES};
    WHET_TRY(whet_verify_expect(j, &x));
    if (x.unknown) {
        v->step.state = WHET_VERIFIED_UNKNOWN;
        return WHET_OK;
    }
    v->step.rule = (uint8_t)x.rule;
    v->step.c = x.c;
    v->step.k = x.k;
    for (int32_t o = 0; o < j->p->n_out; o++) {
        const whet_tensor *t = &j->out[o];
        if (t->dtype == WHET_DTYPE_NONE || !t->data) continue;
        scale s = {.j = j, .x = &x, .v = v, .o = o, .n = whet_dims_count(t->dims, t->rank)};
        if (o == 0) v->step.unit = unit_of(j->p->out[0].dtype);
        if (whet_dtype_is_float(t->dtype) && x.value[o]) judge_floats(&s);
        else if (is_byte(t->dtype) && x.rule != WHET_RULE_EXACT) judge_steps(&s, &x.out[o]);
        else judge_bytes(&s, &x.out[o]);
    }
    return WHET_OK;
}
