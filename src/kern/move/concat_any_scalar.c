// SPDX-License-Identifier: Apache-2.0
// concat and split of any dtype: one box a part. In blocked layouts the channel axis counts blocks,
// so all parts but the last must be whole blocks. Channels last are plain with another order.
#include <string.h>

#include "kern/move/move_kernel.h"

// The port as loops: outer ones, steps along the axis, elements in one step.
typedef struct part_shape {
    int64_t outer, steps, inner;
} part_shape;

static part_shape shape_of(const whet_port *port, int32_t axis) {
    int64_t b = whet_layout_block(port->layout), dims[WHET_MAX_RANK];
    memcpy(dims, port->dims, sizeof dims);
    if (port->layout == WHET_LAYOUT_NHWC) {
        for (int32_t d = 2; d < port->rank; d++) dims[d - 1] = port->dims[d];
        dims[port->rank - 1] = port->dims[1];
        if (axis > 0) axis = axis == 1 ? port->rank - 1 : axis - 1;
    }
    if (b > 1) dims[1] = (dims[1] + b - 1) / b;
    return (part_shape){whet_dims_count(dims, axis), dims[axis],
                        whet_dims_count(dims + axis + 1, port->rank - axis - 1) * b};
}

// `whole` is cut into n parts along axis.
static bool parts_fit(const whet_port *whole, const whet_port *parts, int32_t n, int64_t axis) {
    int64_t sum = 0, block = whet_layout_block(whole->layout);
    // channels last are the layout of quantized values
    if (whole->layout == WHET_LAYOUT_NHWC && whet_dtype_bits(whole->dtype) != 8) return false;
    if (whole->rank < 1) return false;
    if (axis < -whole->rank || axis >= whole->rank) return false;
    int32_t at = whet_axis(axis, whole->rank);
    for (int32_t i = 0; i < n; i++) {
        const whet_port *q = &parts[i];
        if (q->dtype != whole->dtype || q->layout != whole->layout || q->rank != whole->rank)
            return false;
        for (int32_t d = 0; d < q->rank; d++)
            if (d != at && q->dims[d] != whole->dims[d]) return false;
        if (at == 1 && i < n - 1 && q->dims[1] % block) return false;
        sum += q->dims[at];
    }
    return sum == whole->dims[at] && whet_port_bytes(whole) < SIZE_MAX / 2;
}

static void part_box(whet_box *b, const part_shape *whole, const part_shape *part, size_t size,
                     bool gather) {
    int64_t big = whole->steps * whole->inner, small = part->steps * part->inner;
    *b = (whet_box){.size = size};
    whet_box_add(b, part->outer, gather ? big : small, gather ? small : big);
    whet_box_add(b, small, 1, 1);
    whet_box_finish(b);
}

static whet_status run_concat(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const whet_problem *p = c->p;
    int32_t axis = whet_axis(((const whet_axis_attrs *)p->attrs)->axis, p->out[0].rank);
    part_shape whole = shape_of(&p->out[0], axis);
    int64_t at = 0, tasks = whet_tasks_of_bytes(p);
    size_t size = whet_port_size(&p->out[0]);
    (void)phase;
    for (int32_t i = 0; i < p->n_in; i++) {
        part_shape part = shape_of(&p->in[i], axis);
        whet_box b;
        part_box(&b, &whole, &part, size, true);
        for (int64_t t = begin; t < end; t++)
            whet_box_copy(&b, (char *)c->out[0] + at * (int64_t)size, c->in[i], t, tasks);
        at += part.steps * part.inner;
    }
    return WHET_OK;
}

static whet_status run_split(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const whet_problem *p = c->p;
    int32_t axis = whet_axis(whet_problem_int(p, "axis", 0), p->in[0].rank);
    part_shape whole = shape_of(&p->in[0], axis);
    int64_t at = 0, tasks = whet_tasks_of_bytes(p);
    size_t size = whet_port_size(&p->in[0]);
    (void)phase;
    for (int32_t i = 0; i < p->n_out; i++) {
        part_shape part = shape_of(&p->out[i], axis);
        whet_box b;
        part_box(&b, &whole, &part, size, false);
        for (int64_t t = begin; t < end && c->out[i]; t++)
            whet_box_copy(&b, c->out[i], (const char *)c->in[0] + at * (int64_t)size, t, tasks);
        at += part.steps * part.inner;
    }
    return WHET_OK;
}

static bool accepts_concat(const whet_problem *p) {
    return p->n_in >= 1 && p->n_out == 1 && whet_move_ports(p, 1) &&
           parts_fit(&p->out[0], p->in, p->n_in, ((const whet_axis_attrs *)p->attrs)->axis);
}

static bool accepts_split(const whet_problem *p) {
    return p->n_in >= 1 && p->n_out >= 1 && whet_move_ports(p, 1) &&
           parts_fit(&p->in[0], p->out, p->n_out, whet_problem_int(p, "axis", 0));
}

#define ALL ((1u << WHET_LAYOUT_COUNT) - 1)

const whet_kernel whet_kernel_concat_any_scalar = {
    .name = "concat_any_scalar",
    .op = "concat",
    .revision = 1,
    .layouts = ALL,
    .stores = WHET_MOVE_STORES,
    .accepts = accepts_concat,
    .cost = whet_move_cost,
    .tasks = whet_move_tasks,
    .run = run_concat,
};
const whet_kernel whet_kernel_split_any_scalar = {
    .name = "split_any_scalar",
    .op = "split",
    .revision = 1,
    .layouts = ALL,
    .stores = WHET_MOVE_STORES,
    .accepts = accepts_split,
    .cost = whet_move_cost,
    .tasks = whet_move_tasks,
    .run = run_split,
};
