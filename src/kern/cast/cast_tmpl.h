// SPDX-License-Identifier: Apache-2.0
// Template of cast between f32 and f16 or bf16, any layout, exact as the reference.
#include "kern/half.h"
#include "kern/kernel.h"

#define CHUNK 4096

static bool is_half(whet_dtype t) { return t == WHET_DTYPE_F16 || t == WHET_DTYPE_BF16; }

static int64_t elements(const whet_port *p) {
    size_t bytes = whet_layout_bytes(p->layout, p->dtype, p->rank, p->dims);
    return bytes == SIZE_MAX ? -1 : (int64_t)(bytes / (is_half(p->dtype) ? 2 : 4));
}

static bool cast_accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    bool widens = is_half(x->dtype) && y->dtype == WHET_DTYPE_F32;
    if (!widens && !(x->dtype == WHET_DTYPE_F32 && is_half(y->dtype))) return false;
    if (x->layout != y->layout || x->rank != y->rank || x->rank < 0 || x->rank > WHET_MAX_RANK)
        return false;
    for (int32_t d = 0; d < x->rank; d++)
        if (x->dims[d] != y->dims[d]) return false;
    return elements(x) > 0 && elements(x) == elements(y);
}

static int64_t cast_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    (void)params, (void)phase;
    return (elements(&p->in[0]) - 1) / CHUNK + 1;
}

static void widen(float *y, const uint16_t *x, int64_t n, bool f16) {
    int64_t i = 0;
    for (; f16 && i + V_W <= n; i += V_W) v_store(y + i, v_load_f16(x + i));
    for (; i + V_W <= n; i += V_W) v_store(y + i, v_load_b16(x + i));
    for (; i < n; i++) y[i] = f16 ? whet_f16_to_f32(x[i]) : whet_bf16_to_f32(x[i]);
}

static void narrow(uint16_t *y, const float *x, int64_t n, bool f16) {
    int64_t i = 0;
    for (; f16 && i + V_W <= n; i += V_W) v_store_f16(y + i, v_load(x + i));
    for (; i + V_W <= n; i += V_W) v_store_b16(y + i, v_load(x + i));
    for (; i < n; i++) y[i] = f16 ? whet_f32_to_f16(x[i]) : whet_f32_to_bf16(x[i]);
}

static whet_status cast_run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    whet_dtype from = c->p->in[0].dtype, to = c->p->out[0].dtype;
    int64_t n = elements(&c->p->in[0]), at = begin * CHUNK;
    int64_t last = end * CHUNK < n ? end * CHUNK : n;
    (void)phase;
    if (is_half(from))
        widen((float *)c->out[0] + at, (const uint16_t *)c->in[0] + at, last - at,
              from == WHET_DTYPE_F16);
    else
        narrow((uint16_t *)c->out[0] + at, (const float *)c->in[0] + at, last - at,
               to == WHET_DTYPE_F16);
    return WHET_OK;
}

static double cast_cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_problem_bytes(p) / V_PICK(12e9, 8e9, 1e9) + 1e-7;
}

const whet_kernel V_CAT(whet_kernel_cast_half_, V_ISA) = {
    .name = "cast_half_" V_NAME,
    .op = "cast",
    .revision = 1,
    .cpu = V_CPU,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = cast_accepts,
    .cost = cast_cost,
    .tasks = cast_tasks,
    .run = cast_run,
    .tolerance = 0,
};
