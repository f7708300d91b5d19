// SPDX-License-Identifier: Apache-2.0
// What the descriptors of the movement kernels share.
#ifndef WHET_KERN_MOVE_KERNEL_H
#define WHET_KERN_MOVE_KERNEL_H

#include "kern/attr.h"
#include "kern/cost.h"
#include "kern/move/box.h"

// Elements are bytes, whatever they stand for.
#define WHET_MOVE_STORES (WHET_STORE_BIT(WHET_STORE_OWN) | WHET_STORE_BIT(WHET_STORE_BF16))

static inline int64_t whet_move_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    (void)params, (void)phase;
    return whet_tasks_of_bytes(p);
}
static inline double whet_move_cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, 0.1);
}
// Row-major strides of dims.
static inline void whet_dims_strides(int32_t rank, const int64_t *dims, int64_t *strides) {
    int64_t step = 1;
    for (int32_t d = rank - 1; d >= 0; d--) {
        strides[d] = step;
        step *= dims[d];
    }
}
// No epilogue, and outputs and data inputs [0, n) of the same dtype.
static inline bool whet_move_ports(const whet_problem *p, int32_t n) {
    if (p->n_out < 1 || p->n_in < n || !whet_epilogue_empty(&p->epi)) return false;
    for (int32_t i = 0; i < n; i++)
        if (p->in[i].dtype != p->out[0].dtype) return false;
    return whet_dtype_is_word(p->out[0].dtype);
}
// An optional small integer tensor of indices, pads, ...; NONE counts as right.
static inline bool whet_move_index_port(const whet_problem *p, int32_t i) {
    if (i >= p->n_in || p->in[i].dtype == WHET_DTYPE_NONE) return true;
    const whet_port *q = &p->in[i];
    return (q->dtype == WHET_DTYPE_I64 || q->dtype == WHET_DTYPE_I32) && whet_port_plain(q);
}
static inline bool whet_move_has(const whet_call *c, int32_t i) {
    return i < c->p->n_in && c->p->in[i].dtype != WHET_DTYPE_NONE && c->in[i];
}

#endif
