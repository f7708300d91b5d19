// SPDX-License-Identifier: Apache-2.0
// What the quantized kernels share that is not about vectors: ports, and numbers for the stages.
#include "kern/qtile.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/quant_fused.h"

// ---- ports ----

static bool is_int8(whet_dtype t) { return t == WHET_DTYPE_U8 || t == WHET_DTYPE_I8; }

static bool one_number(const whet_port *p) {
    return p->rank >= 0 && p->rank <= 1 && (p->rank == 0 || p->dims[0] == 1);
}

static bool is_scale(const whet_port *p) { return p->dtype == WHET_DTYPE_F32 && one_number(p); }
static bool is_zero(const whet_port *p) {
    return p->dtype == WHET_DTYPE_NONE || (is_int8(p->dtype) && one_number(p));
}

static bool is_vector(const whet_port *p, int64_t n) { return p->rank == 1 && p->dims[0] == n; }

// Scale and zero point that are there together or not at all.
static bool pair_ok(const whet_problem *p, int32_t scale) {
    if (p->in[scale].dtype == WHET_DTYPE_NONE) return p->in[scale + 1].dtype == WHET_DTYPE_NONE;
    return is_scale(&p->in[scale]) && is_zero(&p->in[scale + 1]);
}

static bool other_ok(const whet_problem *p) {
    const whet_port *o = &p->in[WHET_QF_OTHER], *y = &p->out[0];
    if (!pair_ok(p, WHET_QF_OTHER_SCALE)) return false;
    bool scaled = p->in[WHET_QF_OTHER_SCALE].dtype != WHET_DTYPE_NONE;
    if (o->dtype == WHET_DTYPE_NONE) return !scaled;
    if (scaled ? !is_int8(o->dtype) : o->dtype != WHET_DTYPE_F32) return false;
    return o->layout == y->layout && o->rank == y->rank &&
           !memcmp(o->dims, y->dims, sizeof *o->dims * (size_t)o->rank);
}

bool whet_qstages_accepts(const whet_problem *p, int64_t channels) {
    if (p->n_in != WHET_QF_COUNT || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *in = p->in, *y = &p->out[0];
    if (!is_int8(in[WHET_QF_X].dtype) || !is_int8(in[WHET_QF_W].dtype)) return false;
    const whet_port *b = &in[WHET_QF_BIAS], *w = &in[WHET_QF_W_SCALE];
    if (b->dtype && (b->dtype != WHET_DTYPE_F32 || !is_vector(b, channels))) return false;
    if (w->dtype != WHET_DTYPE_F32 || !(one_number(w) || is_vector(w, channels))) return false;
    if (!pair_ok(p, WHET_QF_X_SCALE) || !pair_ok(p, WHET_QF_MID_SCALE) ||
        !pair_ok(p, WHET_QF_SUM_SCALE) || !pair_ok(p, WHET_QF_Y_SCALE) || !other_ok(p))
        return false;
    if (in[WHET_QF_X_SCALE].dtype == WHET_DTYPE_NONE) return false;
    whet_dtype want = in[WHET_QF_Y_SCALE].dtype == WHET_DTYPE_NONE  ? WHET_DTYPE_F32
                      : in[WHET_QF_Y_ZERO].dtype == WHET_DTYPE_NONE ? WHET_DTYPE_U8
                                                                    : in[WHET_QF_Y_ZERO].dtype;
    for (int32_t i = WHET_QF_BIAS; i < WHET_QF_COUNT; i++)
        if (i != WHET_QF_OTHER && in[i].dtype && in[i].layout != WHET_LAYOUT_PLAIN) return false;
    return y->dtype == want;
}

// ---- numbers ----

double whet_qinput(const whet_call *c, int32_t i, double absent) {
    const whet_port *p = &c->p->in[i];
    return p->dtype == WHET_DTYPE_NONE ? absent : whet_load_f64(c->in[i], p->dtype, 0);
}

static const whet_quant_stages *stages_of(const whet_problem *p) {
    return !strcmp(p->op, "quant_conv") ? &((const whet_quant_conv_attrs *)p->attrs)->stages
                                        : &((const whet_quant_matmul_attrs *)p->attrs)->stages;
}

static bool there(const whet_call *c, int32_t i) { return c->p->in[i].dtype != WHET_DTYPE_NONE; }

// What a rounding with this scale leaves, less the zero point.
static void range_of(const whet_call *c, int32_t scale, double *low, double *high) {
    bool is_signed = c->p->in[scale + 1].dtype == WHET_DTYPE_I8;
    double zero = whet_qinput(c, scale + 1, 0);
    *low = (is_signed ? -128 : 0) - zero;
    *high = (is_signed ? 127 : 255) - zero;
}

typedef struct span {
    double low, high;
} span;

// First a, then b.
static span both(span a, span b) {
    span s = {a.low < b.low ? b.low : a.low, a.high > b.high ? b.high : a.high};
    if (s.low > b.high) s.low = b.high;
    if (s.high < b.low) s.high = b.low;
    return s;
}

static span in_units(float low, float high, double unit) {
    return (span){low <= -FLT_MAX ? -INFINITY : (double)low / unit,
                  high >= FLT_MAX ? INFINITY : (double)high / unit};
}

static void put(whet_qstages *s, int32_t i, span v) {
    s->low[i] = (float)v.low;
    s->high[i] = (float)v.high;
}

// The byte of an int8 or uint8; scales of a hostile file may give other numbers.
static uint8_t byte_of(float x) { return x >= -128 && x <= 255 ? (uint8_t)(int32_t)x : 0; }

void whet_qstages_init(whet_qstages *s, const whet_call *c) {
    const whet_quant_stages *a = stages_of(c->p);
    memset(s, 0, sizeof *s);
    s->mid = there(c, WHET_QF_MID_SCALE), s->sum = there(c, WHET_QF_SUM_SCALE);
    s->out = c->p->out[0].dtype;
    s->other = c->p->in[WHET_QF_OTHER].dtype;
    s->zero = (int32_t)whet_qinput(c, WHET_QF_Y_ZERO, 0);
    bool quant = there(c, WHET_QF_Y_SCALE);
    double last = whet_qinput(c, WHET_QF_Y_SCALE, 1);
    double sum = whet_qinput(c, WHET_QF_SUM_SCALE, last);
    double first = whet_qinput(c, WHET_QF_MID_SCALE, sum);
    span free = {-INFINITY, INFINITY}, range = free;
    span start = in_units(a->low, a->high, first);
    if (s->mid) {
        range_of(c, WHET_QF_MID_SCALE, &range.low, &range.high);
        start = both(start, range);
    }
    put(s, 1, free);
    if (s->sum) {
        range_of(c, WHET_QF_SUM_SCALE, &range.low, &range.high);
        put(s, 1, range);
    }
    span end = in_units(a->sum_low, a->sum_high, last);
    if (quant) {
        range_of(c, WHET_QF_Y_SCALE, &range.low, &range.high);
        end = both(end, range);
    }
    if (!s->mid && !s->sum && !s->other) start = end = both(start, end);
    put(s, 0, start);
    put(s, 2, end);
    double other = whet_qinput(c, WHET_QF_OTHER_SCALE, 1) / sum;
    s->unit = (float)(1 / first);
    s->mid_mul = (float)(first / sum);
    s->other_mul = (float)other;
    s->add = s->other ? (float)(-whet_qinput(c, WHET_QF_OTHER_ZERO, 0) * other) : 0;
    s->sum_mul = (float)(sum / last);
    if (!quant) return;
    s->least = byte_of(nearbyintf(s->low[2]) + (float)s->zero);
    s->most = byte_of(nearbyintf(s->high[2]) + (float)s->zero);
    float reach = 255 * (fabsf(s->mid_mul) + fabsf(s->other_mul)) + fabsf(s->add);
    s->tame = s->other != WHET_DTYPE_F32 && (!s->other || s->mid) && reach < 1e9f;
}

bool whet_qcolumns(const whet_call *c, const whet_qstages *s, int64_t first, int64_t count,
                   int64_t room, float *scale, float *bias) {
    const float *w = c->in[WHET_QF_W_SCALE], *b = NULL;
    if (there(c, WHET_QF_BIAS)) b = c->in[WHET_QF_BIAS];
    double x = whet_qinput(c, WHET_QF_X_SCALE, 1) * (double)s->unit;
    bool many = !one_number(&c->p->in[WHET_QF_W_SCALE]), tame = true;
    for (int64_t i = 0; i < room; i++) {
        scale[i] = i < count ? (float)(x * (double)w[many ? first + i : 0]) : 0;
        bias[i] = i < count && b ? b[first + i] * s->unit : 0;
        tame = tame && fabsf(scale[i]) < 0.25f && fabsf(bias[i]) < 0x1p29f;
    }
    return tame;
}
