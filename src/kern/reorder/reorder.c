// SPDX-License-Identifier: Apache-2.0
#include "kern/reorder/reorder.h"

#include <string.h>

bool whet_reorder_accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (x->dtype != y->dtype || x->rank != y->rank || x->rank < 3 || x->rank > 5) return false;
    if (memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims)) return false;
    return whet_dtype_is_word(x->dtype) &&
           whet_layout_bytes(x->layout, x->dtype, x->rank, x->dims) < SIZE_MAX / 2 &&
           whet_layout_bytes(y->layout, y->dtype, y->rank, y->dims) < SIZE_MAX / 2;
}

static reorder_side side_of(const whet_port *port, int64_t c, int64_t s) {
    int64_t b = whet_layout_block(port->layout);
    if (port->layout == WHET_LAYOUT_PLAIN) return (reorder_side){c * s, s, 0, 1, 1};
    if (port->layout == WHET_LAYOUT_NHWC) return (reorder_side){c * s, 1, 0, c, 1};
    return (reorder_side){(c + b - 1) / b * b * s, b * s, 1, b, b};
}

void whet_reorder_prepare(const whet_problem *p, const int32_t *params, void *state) {
    reorder_plan *plan = state;
    const whet_port *x = &p->in[0];
    (void)params;
    plan->n = x->dims[0];
    plan->c = x->dims[1];
    plan->s = whet_dims_count(x->dims + 2, x->rank - 2);
    plan->channel_parts = (plan->c + REORDER_CHANNELS - 1) / REORDER_CHANNELS;
    plan->pixel_parts = (plan->s + REORDER_PIXELS - 1) / REORDER_PIXELS;
    plan->from = side_of(x, plan->c, plan->s);
    plan->to = side_of(&p->out[0], plan->c, plan->s);
}

int64_t whet_reorder_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    reorder_plan plan;
    (void)phase;
    whet_reorder_prepare(p, params, &plan);
    return plan.n * plan.channel_parts * plan.pixel_parts;
}

reorder_part whet_reorder_part(const reorder_plan *plan, int64_t task) {
    reorder_part part = {.s = task % plan->pixel_parts * REORDER_PIXELS};
    task /= plan->pixel_parts;
    part.c = task % plan->channel_parts * REORDER_CHANNELS;
    part.n = task / plan->channel_parts;
    part.channels = plan->c - part.c < REORDER_CHANNELS ? plan->c - part.c : REORDER_CHANNELS;
    part.pixels = plan->s - part.s < REORDER_PIXELS ? plan->s - part.s : REORDER_PIXELS;
    return part;
}
