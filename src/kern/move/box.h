// SPDX-License-Identifier: Apache-2.0
// Copies between strided boxes of elements of 1, 2, 4 or 8 bytes, cut into units so that any share
// of the work can be done alone. The movement operators are one or a few boxes each.
#ifndef WHET_KERN_BOX_H
#define WHET_KERN_BOX_H

#include "kern/kernel.h"

#define WHET_BOX_RANK (2 * WHET_MAX_RANK)
#define WHET_BOX_TASK 16384 // bytes of output in a task, about

// For every index x below dims: dst[sum x_k to_k] = src[sum x_k from_k], strides in elements.
typedef struct whet_box {
    int32_t rank;
    size_t size; // bytes an element
    int64_t dims[WHET_BOX_RANK], to[WHET_BOX_RANK], from[WHET_BOX_RANK];
    // set by finish: the innermost loop goes over `run` elements at a time
    int64_t run, chunks, units;
} whet_box;

static inline void whet_box_add(whet_box *b, int64_t dim, int64_t to, int64_t from) {
    b->dims[b->rank] = dim;
    b->to[b->rank] = to;
    b->from[b->rank++] = from;
}
// Merges loops and counts units. Outer loops first; to of the innermost should be 1.
void whet_box_finish(whet_box *b);
// Share `task` of `tasks` equal shares.
void whet_box_copy(const whet_box *b, void *dst, const void *src, int64_t task, int64_t tasks);
// Offsets of unit u and the elements in it.
int64_t whet_box_unit(const whet_box *b, int64_t unit, int64_t *to, int64_t *from);

// Adds the loops of a port's memory (channel blocks and lanes where there are) with `axis` cut to
// `count` steps; offset in elements of step `at` on that axis goes to *offset.
size_t whet_port_bytes(const whet_port *port);
int64_t whet_tasks_of_bytes(const whet_problem *p);
static inline size_t whet_port_size(const whet_port *port) {
    return (size_t)whet_dtype_bits(port->dtype) / 8;
}
// Dense port of a known dtype in plain layout, with a size that fits memory.
bool whet_port_plain(const whet_port *port);

#endif
