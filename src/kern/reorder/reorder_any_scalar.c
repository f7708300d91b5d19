// SPDX-License-Identifier: Apache-2.0
// Layout conversion of elements of 8, 16 and 64 bits.
#include <string.h>

#include "kern/cost.h"
#include "kern/reorder/reorder.h"

#define CONVERT(type)                                                                              \
    static void convert_##type(const reorder_plan *plan, const reorder_part *part, const type *in, \
                               type *out) {                                                        \
        for (int64_t c = part->c; c < part->c + part->channels; c++) {                             \
            const type *x = in + whet_reorder_at(&plan->from, part->n, c, part->s);                \
            type *y = out + whet_reorder_at(&plan->to, part->n, c, part->s);                       \
            for (int64_t s = 0; s < part->pixels; s++)                                             \
                y[s * plan->to.pixel] = x[s * plan->from.pixel];                                   \
        }                                                                                          \
    }
CONVERT(uint8_t)
CONVERT(uint16_t)
CONVERT(uint64_t)

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const reorder_plan *plan = c->state;
    (void)phase;
    for (int64_t task = begin; task < end; task++) {
        reorder_part part = whet_reorder_part(plan, task);
        switch (whet_dtype_bits(c->p->in[0].dtype)) {
        case 8: convert_uint8_t(plan, &part, c->in[0], c->out[0]); break;
        case 16: convert_uint16_t(plan, &part, c->in[0], c->out[0]); break;
        default: convert_uint64_t(plan, &part, c->in[0], c->out[0]);
        }
    }
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    if (!whet_reorder_accepts(p)) return false;
    int32_t bits = whet_dtype_bits(p->in[0].dtype);
    return bits == 8 || bits == 16 || bits == 64;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, 2);
}

const whet_kernel whet_kernel_reorder_any_scalar = {
    .name = "reorder_any_scalar",
    .op = "reorder",
    .revision = 1,
    .layouts = (1u << WHET_LAYOUT_COUNT) - 1,
    .accepts = accepts,
    .cost = cost,
    .state_bytes = sizeof(reorder_plan),
    .prepare = whet_reorder_prepare,
    .tasks = whet_reorder_tasks,
    .run = run,
};
