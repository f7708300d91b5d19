// SPDX-License-Identifier: Apache-2.0
// quantize_linear from f32 to 8 bits and dequantize_linear back, with one scale and zero point, in
// any layout: elements one after the other. Results equal those of the references.
#include "kern/cost.h"
#include "kern/quant/vbytes.h"
#include "kern/simd.h"
#include "ops/attrs.h"

#define CHUNK 16384 // elements a task

static int64_t elements(const whet_port *p) {
    size_t n = whet_layout_bytes(p->layout, WHET_DTYPE_U8, p->rank, p->dims);
    return n > INT64_MAX / 8 ? -1 : (int64_t)n;
}

static bool one_number(const whet_port *p) {
    return p->rank >= 0 && p->rank < 2 && (p->rank == 0 || p->dims[0] == 1);
}

static bool is_int8(whet_dtype t) { return t == WHET_DTYPE_U8 || t == WHET_DTYPE_I8; }

static bool accepts(const whet_problem *p, const whet_port *real, const whet_port *integer) {
    if (p->n_in < 2 || p->n_in > 3 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *s = &p->in[1], *z = p->n_in > 2 ? &p->in[2] : NULL;
    if (real->dtype != WHET_DTYPE_F32 || !is_int8(integer->dtype) || elements(real) < 0)
        return false;
    if (real->layout != integer->layout || real->rank != integer->rank || real->rank < 0 ||
        memcmp(real->dims, integer->dims, sizeof *real->dims * (size_t)real->rank))
        return false;
    if (s->dtype != WHET_DTYPE_F32 || s->layout || !one_number(s)) return false;
    return !z || !z->dtype || (z->dtype == integer->dtype && !z->layout && one_number(z));
}

static double zero_of(const whet_call *c, whet_dtype type) {
    bool there = c->p->n_in > 2 && c->p->in[2].dtype;
    return there ? whet_load_f64(c->in[2], type, 0) : 0;
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    (void)params, (void)phase;
    return (elements(&p->out[0]) + CHUNK - 1) / CHUNK;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(0.2, 0.5, 4));
}

// ---- quantize_linear ----

static bool quantize_accepts(const whet_problem *p) {
    const whet_quantize_attrs *a = p->attrs;
    return accepts(p, &p->in[0], &p->out[0]) && !a->block_size &&
           (!a->precision || a->precision == WHET_DTYPE_F32);
}

static whet_status quantize_run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    whet_dtype type = c->p->out[0].dtype;
    double zero = zero_of(c, type);
    vf scale = v_set1(*(const float *)c->in[1]);
    vf low = v_set1((float)((type == WHET_DTYPE_I8 ? -128 : 0) - zero));
    vf high = v_set1((float)((type == WHET_DTYPE_I8 ? 127 : 255) - zero));
    vi shift = vi_set1((int32_t)zero);
    const float *x = c->in[0];
    uint8_t *y = c->out[0];
    int64_t n = elements(&c->p->out[0]), last = end * CHUNK < n ? end * CHUNK : n;
    (void)phase;
    for (int64_t i = begin * CHUNK; i < last; i += V_W) {
        vf v = v_load_n(x + i, last - i) / scale;
        vi r = v_to_i(v_min(high, v_max(low, v_select(v_isnan(v), low, v)))) + shift;
        v_bytes_store(y + i, vi_select(v_isnan(v), vi_set1(0), r), last - i);
    }
    return WHET_OK;
}

#define SUITE                                                                                      \
    .revision = 1, .cpu = V_CPU, .layouts = (1u << WHET_LAYOUT_COUNT) - 1, .cost = cost,           \
    .tasks = tasks, .tolerance = 0

const whet_kernel V_CAT(whet_kernel_quantize_i8_, V_ISA) = {
    .name = "quantize_i8_" V_NAME,
    .op = "quantize_linear",
    .accepts = quantize_accepts,
    .run = quantize_run,
    SUITE,
};

// ---- dequantize_linear ----

static bool dequantize_accepts(const whet_problem *p) {
    const whet_dequantize_attrs *a = p->attrs;
    return accepts(p, &p->out[0], &p->in[0]) && !a->block_size;
}

static whet_status dequantize_run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    whet_dtype type = c->p->in[0].dtype;
    vi zero = vi_set1((int32_t)zero_of(c, type));
    vf scale = v_set1(*(const float *)c->in[1]);
    const uint8_t *x = c->in[0];
    float *y = c->out[0];
    int64_t n = elements(&c->p->out[0]), last = end * CHUNK < n ? end * CHUNK : n;
    (void)phase;
    for (int64_t i = begin * CHUNK; i < last; i += V_W) {
        vi q = v_bytes_load(x + i, type == WHET_DTYPE_I8, last - i) - zero;
        v_store_n(y + i, vi_to_f(q) * scale, last - i);
    }
    return WHET_OK;
}

const whet_kernel V_CAT(whet_kernel_dequantize_i8_, V_ISA) = {
    .name = "dequantize_i8_" V_NAME,
    .op = "dequantize_linear",
    .accepts = dequantize_accepts,
    .run = dequantize_run,
    SUITE,
};
