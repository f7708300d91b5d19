// SPDX-License-Identifier: Apache-2.0
// transpose of any dtype and rank. When the innermost dimension stays, runs are copied; else the
// two dimensions that are innermost on either side make matrices, transposed tile by tile: in
// registers for 32-bit elements, in small squares for the others.
#include "kern/move/move_kernel.h"
#include "kern/tile_transpose.h"

#define SIDE 32 // rows of a matrix in one unit

typedef struct transpose_plan {
    whet_box box;   // loops of the output; of the matrix case without the two of the matrix
    bool matrix;
    int64_t rows, cols, src_row, dst_row; // rows run along the input, innermost in the output
    int64_t parts;  // of the rows
} transpose_plan;

static void box_of(const whet_problem *p, whet_box *b) {
    const whet_transpose_attrs *a = p->attrs;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    int64_t from[WHET_MAX_RANK], to[WHET_MAX_RANK];
    whet_dims_strides(x->rank, x->dims, from);
    whet_dims_strides(y->rank, y->dims, to);
    *b = (whet_box){.size = whet_port_size(x)};
    for (int32_t d = 0; d < y->rank; d++)
        whet_box_add(b, y->dims[d], to[d], from[a->perm.n ? a->perm.v[d] : y->rank - 1 - d]);
    whet_box_finish(b);
}

static void prepare(const whet_problem *p, const int32_t *params, void *state) {
    transpose_plan *t = state;
    whet_box *b = &t->box;
    (void)params;
    memset(t, 0, sizeof *t);
    box_of(p, b);
    int32_t last = b->rank - 1, inner = -1;
    if (b->units == 0 || b->from[last] == 1) return;
    for (int32_t d = 0; d < last; d++)
        if (b->from[d] == 1) inner = d;
    if (inner < 0) return;
    t->matrix = true;
    t->rows = b->dims[last];
    t->src_row = b->from[last];
    t->cols = b->dims[inner];
    t->dst_row = b->to[inner];
    t->parts = (t->rows + SIDE - 1) / SIDE;
    whet_box outer = {.size = b->size};
    for (int32_t d = 0; d < last; d++)
        if (d != inner) whet_box_add(&outer, b->dims[d], b->to[d], b->from[d]);
    // not finished: no loop may be merged into a run
    outer.chunks = outer.units = outer.run = 1;
    if (outer.rank == 0) whet_box_add(&outer, 1, 0, 0);
    for (int32_t d = 0; d < outer.rank; d++) outer.units *= outer.dims[d];
    *b = outer;
}

#define SQUARES(type)                                                                              \
    static void squares_##type(const transpose_plan *t, const type *src, int64_t rows,             \
                               type *dst) {                                                        \
        for (int64_t j = 0; j < t->cols; j += 8)                                                   \
            for (int64_t i = 0; i < rows; i++)                                                     \
                for (int64_t k = j; k < t->cols && k < j + 8; k++)                                 \
                    dst[k * t->dst_row + i] = src[i * t->src_row + k];                             \
    }
SQUARES(uint8_t)
SQUARES(uint16_t)
SQUARES(uint64_t)

static void matrix_unit(const transpose_plan *t, const char *in, char *out, int64_t unit) {
    const whet_box *b = &t->box;
    int64_t row = unit % t->parts * SIDE, rows = t->rows - row < SIDE ? t->rows - row : SIDE;
    int64_t from = row * t->src_row, to = row, rest = unit / t->parts, size = (int64_t)b->size;
    for (int32_t d = b->rank - 1; d >= 0; d--) {
        from += rest % b->dims[d] * b->from[d];
        to += rest % b->dims[d] * b->to[d];
        rest /= b->dims[d];
    }
    const void *src = in + from * size;
    void *dst = out + to * size;
    switch (b->size) {
    case 1: squares_uint8_t(t, src, rows, dst); break;
    case 2: squares_uint16_t(t, src, rows, dst); break;
    case 4: matrix_transpose(src, t->src_row, rows, t->cols, dst, t->dst_row); break;
    default: squares_uint64_t(t, src, rows, dst);
    }
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    transpose_plan t;
    (void)phase;
    prepare(p, params, &t);
    return t.matrix ? t.box.units * t.parts : whet_tasks_of_bytes(p);
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    const transpose_plan *t = c->state;
    (void)phase;
    for (int64_t i = begin; i < end; i++)
        if (t->matrix) matrix_unit(t, c->in[0], c->out[0], i);
        else if (t->box.units)
            whet_box_copy(&t->box, c->out[0], c->in[0], i, whet_tasks_of_bytes(c->p));
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    if (p->n_in != 1 || p->n_out != 1 || !whet_move_ports(p, 1)) return false;
    const whet_transpose_attrs *a = p->attrs;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    uint32_t seen = 0;
    if (!whet_port_plain(x) || !whet_port_plain(y) || x->rank != y->rank) return false;
    if (a->perm.n && a->perm.n != x->rank) return false;
    for (int32_t d = 0; d < x->rank; d++) {
        int64_t from = a->perm.n ? a->perm.v[d] : x->rank - 1 - d;
        if (from < 0 || from >= x->rank || x->dims[from] != y->dims[d]) return false;
        seen |= 1u << from;
    }
    return seen == (1u << x->rank) - 1;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_cost_stream(p, V_PICK(0.3, 0.5, 2.0));
}

const whet_kernel V_CAT(whet_kernel_transpose_any_, V_ISA) = {
    .name = "transpose_any_" V_NAME,
    .op = "transpose",
    .revision = 1,
    .cpu = V_CPU,
    .stores = WHET_MOVE_STORES,
    .accepts = accepts,
    .cost = cost,
    .state_bytes = sizeof(transpose_plan),
    .prepare = prepare,
    .tasks = tasks,
    .run = run,
};
