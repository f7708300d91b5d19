// SPDX-License-Identifier: Apache-2.0
// dynamic_quantize_linear: the range of each chunk, then scale and zero point from all of them and
// the numbers. Results equal those of the reference. Goes behind quantize_tmpl.h.
#include <math.h>

typedef struct span {
    float low, high; // with 0 between them; NaN counts for nothing
} span;

static int64_t chunks(const whet_problem *p, const int32_t *params, int32_t phase) {
    int64_t n = (elements(&p->in[0]) + CHUNK - 1) / CHUNK;
    (void)params, (void)phase;
    return n ? n : 1; // of nothing, too, there is a scale
}

static size_t dynamic_workspace(const whet_problem *p, const int32_t *params) {
    return (size_t)chunks(p, params, 0) * sizeof(span);
}

// ---- the range ----

static span range_of(const float *x, int64_t n) {
    enum { WIDE = 4 };
    vf low[WIDE] = {0}, high[WIDE] = {0};
    int64_t i = 0;
    for (; i + WIDE * V_W <= n; i += WIDE * V_W)
        for (int k = 0; k < WIDE; k++) {
            vf v = v_load(x + i + k * V_W);
            low[k] = v_select(v_lt(v, low[k]), v, low[k]);
            high[k] = v_select(v_gt(v, high[k]), v, high[k]);
        }
    for (; i < n; i += V_W) {
        vf v = v_load_n(x + i, n - i);
        low[0] = v_select(v_lt(v, low[0]), v, low[0]);
        high[0] = v_select(v_gt(v, high[0]), v, high[0]);
    }
    for (int k = 1; k < WIDE; k++) {
        low[0] = v_min(low[0], low[k]);
        high[0] = v_max(high[0], high[k]);
    }
    return (span){v_hmin(low[0]), v_hmax(high[0])};
}

static span whole_range(const whet_call *c) {
    const span *of = c->workspace;
    span all = of[0];
    int64_t n = chunks(c->p, c->params, 0);
    for (int64_t i = 1; i < n; i++) {
        if (of[i].low < all.low) all.low = of[i].low;
        if (of[i].high > all.high) all.high = of[i].high;
    }
    return all;
}

// ---- the numbers ----

// round(x / scale). The product with the inverse is off by less than 2^-14, so that division is
// needed only near where rounding changes (and where anything is not finite).
V_FN vf rounded_quotient(vf x, vf scale, vf inverse) {
    vf q = x * inverse, r = v_round(q);
    vm far = v_gt(v_abs(v_abs(q - r) - v_set1(0.5f)), v_set1(0x1p-12f));
    return vm_any(vm_not(far)) ? v_round(x / scale) : r;
}

static void numbers_of(const float *x, uint8_t *y, int64_t n, float scale, float zero) {
    vf s = v_set1(scale), inverse = v_set1(1 / scale), shift = v_set1(zero);
    vf least = v_zero(), most = v_set1(255);
    for (int64_t i = 0; i < n; i += V_W) {
        vf v = rounded_quotient(v_load_n(x + i, n - i), s, inverse) + shift;
        v = v_min(most, v_max(least, v_select(v_isnan(v), least, v)));
        v_bytes_store(y + i, v_to_i(v), n - i);
    }
}

static whet_status dynamic_run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const float *x = c->in[0];
    int64_t n = elements(&c->p->in[0]);
    span *of = c->workspace, all = {0, 0};
    float scale = 1, zero = 0;
    if (phase == 1) {
        all = whole_range(c);
        scale = all.low == all.high ? 1 : (all.high - all.low) / 255;
        zero = nearbyintf(0 - all.low / scale);
        zero = zero < 0 ? 0 : zero > 255 ? 255 : zero;
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * CHUNK, some = n - at < CHUNK ? n - at : CHUNK;
        if (phase == 0) of[i] = range_of(x + at, some);
        else if (c->out[0]) numbers_of(x + at, (uint8_t *)c->out[0] + at, some, scale, zero);
    }
    if (phase == 0 || begin > 0 || end == 0) return WHET_OK;
    if (c->p->n_out > 1 && c->out[1]) *(float *)c->out[1] = scale;
    if (c->p->n_out > 2 && c->out[2])
        whet_store_f64(c->out[2], WHET_DTYPE_U8, 0, (double)zero);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

// Every lane of the layout is an element.
static bool is_full(const whet_port *p) {
    int64_t block = whet_layout_block(p->layout);
    return block == 1 || (p->rank > 1 && p->dims[1] % block == 0);
}

static bool dynamic_accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out < 1 || p->n_out > 3 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (x->dtype != WHET_DTYPE_F32 || y->dtype != WHET_DTYPE_U8 || x->rank < 0 ||
        x->rank != y->rank || x->layout != y->layout || elements(x) < 0 || !is_full(x) ||
        memcmp(x->dims, y->dims, sizeof *x->dims * (size_t)x->rank))
        return false;
    for (int32_t i = 1; i < p->n_out; i++) {
        const whet_port *o = &p->out[i];
        whet_dtype type = i == 1 ? WHET_DTYPE_F32 : WHET_DTYPE_U8;
        if (o->dtype && (o->dtype != type || o->rank != 0 || o->layout)) return false;
    }
    return true;
}

static double dynamic_cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(0.5, 1, 8));
}

const whet_kernel V_CAT(whet_kernel_dynamic_quantize_, V_ISA) = {
    .name = "dynamic_quantize_" V_NAME,
    .op = "dynamic_quantize_linear",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = dynamic_accepts,
    .cost = dynamic_cost,
    .workspace = dynamic_workspace,
    .phases = 2,
    .tasks = chunks,
    .run = dynamic_run,
    .tolerance = 0,
};
