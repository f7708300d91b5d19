// SPDX-License-Identifier: Apache-2.0
// Where the tensors of a segment live. Views and concatenations share the bytes of a larger tensor,
// in-place steps those of their input; what is left gets arena offsets from its lifetime, largest
// first (greedy by size: Pisarchyk and Lee, "Efficient memory management for deep neural net
// inference", 2020).
#include <stdlib.h>
#include <string.h>

#include "run/frame.h"

#define ALIGN 64

typedef struct {
    int32_t first, last; // steps of the segment between which the bytes are needed
    size_t bytes;
    int32_t tensor;      // root
    size_t offset;
} block;

typedef struct {
    const whet_frame_input *in;
    whet_frame *f;
    const whet_plan *p;
    const whet_pgraph *g;
    const whet_psegment *seg;
    int32_t *root;      // [tensors] tensor whose bytes these lie in
    size_t *at;         // [tensors] offset in there
    int32_t *made;      // [tensors] step of the segment that makes it, -1
    int32_t *made_part; // [tensors] segment that makes it, -1: none (input, constant)
    int32_t *last_part; // [tensors] last segment that reads it
    int32_t *last;      // [tensors] last step of this segment that reads it, -1
} placer;

static int32_t base_of(const placer *m, int32_t t, size_t *offset) {
    *offset = 0;
    while (m->root[t] != t) {
        *offset += m->at[t];
        t = m->root[t];
    }
    return t;
}

static int32_t root_of(const placer *m, int32_t t) {
    size_t offset;
    return base_of(m, t, &offset);
}

static size_t tensor_bytes(const placer *m, int32_t t) {
    const whet_ptensor *pt = &m->p->tensors[t];
    const whet_vshape *s = &m->f->shapes[pt->value];
    if (s->rank < 0) return 0;
    return whet_layout_bytes(pt->layout, whet_ptensor_dtype(pt, s->dtype), s->rank, s->dims);
}

static bool dynamic_made(const placer *m, int32_t t) {
    const whet_pvalue *v = &m->g->values[m->p->tensors[t].value];
    return v->node >= 0 && (m->g->nodes[v->node].op->flags & WHET_OP_DYNAMIC_OUT);
}

// ---- lifetimes ----

static void note_read(placer *m, int32_t t, int32_t part, int32_t step) {
    for (; t >= 0; t = m->p->tensors[t].alias) {
        if (m->last_part[t] < part) m->last_part[t] = part;
        if (part != m->in->segment) continue;
        if (m->last[t] < step) m->last[t] = step;
    }
}

static void find_lifetimes(placer *m) {
    for (int32_t part = 0; part < m->p->n_segments; part++) {
        const whet_psegment *seg = &m->p->segments[part];
        for (int32_t i = 0; i < seg->n_steps; i++) {
            const whet_pstep *s = &m->p->steps[seg->first_step + i];
            for (int32_t k = 0; k < s->n_in; k++)
                if (s->in[k] >= 0) note_read(m, s->in[k], part, i);
            if (s->other >= 0) note_read(m, s->other, part, i);
            for (int32_t k = 0; k < s->n_out; k++) {
                if (s->out[k] < 0) continue;
                m->made_part[s->out[k]] = part;
                if (part == m->in->segment) m->made[s->out[k]] = i;
            }
        }
    }
    // shape functions of later segments read values too
    for (int32_t t = 0; t < m->p->n_tensors; t++)
        if (m->g->values[m->p->tensors[t].value].host_value) m->last_part[t] = m->p->n_segments;
    for (int32_t i = 0; i < m->g->n_outputs; i++)
        for (int32_t t = m->p->outputs[i]; t >= 0; t = m->p->tensors[t].alias)
            m->last_part[t] = m->p->n_segments;
}

// ---- sharing ----

static whet_status link_views(placer *m, whet_error *err) {
    for (int32_t t = 0; t < m->p->n_tensors; t++) {
        int32_t of = m->p->tensors[t].alias;
        m->root[t] = of >= 0 ? of : t;
        if (of < 0) continue;
        int32_t v = m->p->tensors[t].value, w = m->p->tensors[of].value;
        if (m->f->shapes[v].rank < 0 || m->f->shapes[w].rank < 0) continue;
        if (tensor_bytes(m, t) != tensor_bytes(m, of))
            WHET_FAIL(err, WHET_E_SHAPE, "\"%s\" has %zu bytes, \"%s\", of which it is a view, %zu",
                      m->g->values[v].name, tensor_bytes(m, t), m->g->values[w].name,
                      tensor_bytes(m, of));
    }
    return WHET_OK;
}

// A tensor that is made by a step of this segment, read in it only, and shares with nothing yet.
static bool free_to_move(const placer *m, int32_t t) {
    return m->root[t] == t && m->made[t] >= 0 && m->made_part[t] == m->in->segment &&
           m->last_part[t] <= m->in->segment && !dynamic_made(m, t) &&
           m->p->tensors[t].backend == 0;
}

// Parts one after the other in memory: what comes before the axis is one element. Parts of packed
// elements may begin within a byte.
static bool concat_is_contiguous(const placer *m, const whet_pstep *s, int32_t axis) {
    const whet_ptensor *out = &m->p->tensors[s->out[0]];
    const whet_vshape *shape = &m->f->shapes[out->value];
    if (whet_dtype_bits(shape->dtype) < 8) return false;
    for (int32_t d = 0; d < axis; d++)
        if (shape->dims[d] != 1) return false;
    if (out->layout == WHET_LAYOUT_PLAIN) return true;
    if (out->layout == WHET_LAYOUT_NHWC || axis != 1) return false;
    for (int32_t i = 0; i < s->n_in; i++)
        if (m->f->shapes[m->p->tensors[s->in[i]].value].dims[1] % whet_layout_block(out->layout))
            return false;
    return true;
}

static void place_concat(placer *m, int32_t step) {
    const whet_pstep *s = &m->p->steps[m->seg->first_step + step];
    if (!m->f->steps[step].kernel || !s->op || strcmp(s->op->name, "concat") || s->out[0] < 0 ||
        !whet_epilogue_empty(&s->epi))
        return;
    const whet_ptensor *out = &m->p->tensors[s->out[0]];
    int32_t rank = m->f->shapes[out->value].rank;
    int32_t axis = whet_axis(((const whet_axis_attrs *)s->attrs)->axis, rank);
    if (!concat_is_contiguous(m, s, axis)) return;
    for (int32_t i = 0; i < s->n_in; i++) {
        if (s->in[i] < 0 || !free_to_move(m, s->in[i])) return;
        if (!whet_ptensor_alike(&m->p->tensors[s->in[i]], out)) return;
        for (int32_t k = 0; k < i; k++)
            if (s->in[k] == s->in[i]) return;
    }
    size_t offset = 0;
    for (int32_t i = 0; i < s->n_in; i++) {
        m->root[s->in[i]] = s->out[0];
        m->at[s->in[i]] = offset;
        offset += tensor_bytes(m, s->in[i]);
    }
    m->f->steps[step].kernel = NULL;
}

static void place_inplace(placer *m, int32_t step) {
    const whet_pstep *s = &m->p->steps[m->seg->first_step + step];
    const whet_step *b = &m->f->steps[step];
    if (!b->kernel || !b->kernel->inplace || s->n_out < 1 || s->out[0] < 0) return;
    int32_t out = s->out[0];
    if (!free_to_move(m, out)) return;
    for (int32_t i = 0; i < s->n_in; i++) {
        int32_t t = s->in[i];
        if (t < 0 || m->p->tensors[t].alias >= 0 || !free_to_move(m, t) || m->last[t] != step ||
            !b->kernel->inplace(&b->problem, i) || tensor_bytes(m, t) != tensor_bytes(m, out))
            continue;
        bool again = s->other == t; // read twice by this step
        for (int32_t k = 0; k < s->n_in; k++) again |= k != i && s->in[k] == t;
        // views of t are read until t's last use; parts of a concatenation must not be overwritten
        bool parent = false;
        for (int32_t k = 0; k < m->p->n_tensors && !parent; k++) parent = k != t && m->root[k] == t;
        if (again || parent) continue;
        m->root[out] = t;
        m->at[out] = 0;
        return;
    }
}

// ---- offsets ----

static int by_size(const void *a, const void *b) {
    const block *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->tensor - y->tensor;
}

static int by_offset(const void *a, const void *b) {
    const block *x = *(const block *const *)a, *y = *(const block *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool assign_offsets(placer *m, block *blocks, int32_t n) {
    qsort(blocks, (size_t)n, sizeof *blocks, by_size);
    const block **near = WHET_NEW_ARRAY(&m->f->arena, const block *, n);
    if (!near) return false;
    for (int32_t i = 0; i < n; i++) {
        int32_t count = 0;
        for (int32_t k = 0; k < i; k++)
            if (blocks[k].first <= blocks[i].last && blocks[i].first <= blocks[k].last)
                near[count++] = &blocks[k];
        qsort(near, (size_t)count, sizeof *near, by_offset);
        size_t offset = 0;
        for (int32_t k = 0; k < count; k++) {
            if (near[k]->offset >= offset && near[k]->offset - offset >= blocks[i].bytes) break;
            size_t end = near[k]->offset + near[k]->bytes;
            if (end > offset) offset = end;
        }
        blocks[i].offset = offset;
        if (offset > SIZE_MAX / 4 || blocks[i].bytes > SIZE_MAX / 4) return false;
        if (offset + blocks[i].bytes > m->f->arena_bytes)
            m->f->arena_bytes = offset + blocks[i].bytes;
    }
    return true;
}

static whet_place root_place(const placer *m, int32_t t, int32_t *index) {
    *index = t;
    if (whet_pvalue_is_const(&m->g->values[m->p->tensors[t].value]) &&
        m->p->tensors[t].backend == 0)
        return WHET_PLACE_CONST;
    for (int32_t i = 0; i < m->g->n_inputs; i++)
        if (m->p->inputs[i] == t) {
            *index = i;
            return WHET_PLACE_INPUT;
        }
    // the first output that these bytes are goes straight to the caller
    if (m->p->tensors[t].backend == 0 && !dynamic_made(m, t))
        for (int32_t i = 0; i < m->g->n_outputs; i++) {
            size_t offset;
            if (base_of(m, m->p->outputs[i], &offset) == t && offset == 0) {
                *index = i;
                return WHET_PLACE_OUTPUT;
            }
        }
    bool local = m->made_part[t] == m->last_part[t] || m->last_part[t] < 0;
    return local && !dynamic_made(m, t) && m->p->tensors[t].backend == 0 ? WHET_PLACE_ARENA
                                                                       : WHET_PLACE_CROSS;
}

static whet_status fill_slots(placer *m, whet_error *err) {
    whet_frame *f = m->f;
    int32_t n = m->p->n_tensors, n_blocks = 0;
    block *blocks = WHET_NEW_ARRAY(&f->arena, block, n);
    int32_t *block_of = WHET_NEW_ARRAY(&f->arena, int32_t, n);
    if (!blocks || !block_of) return WHET_NOMEM(err);
    for (int32_t t = 0; t < n; t++) {
        block_of[t] = -1;
        if (m->root[t] != t) continue;
        int32_t index;
        whet_place place = root_place(m, t, &index);
        f->slots[t] = (whet_slot){place, index, 0, tensor_bytes(m, t)};
        if (place != WHET_PLACE_ARENA || m->made_part[t] != m->in->segment) continue;
        block_of[t] = n_blocks;
        blocks[n_blocks++] =
            (block){INT32_MAX, -1, (f->slots[t].bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1), t, 0};
    }
    for (int32_t t = 0; t < n; t++) {
        int32_t b = block_of[root_of(m, t)];
        if (b < 0 || m->made_part[t] != m->in->segment) {
            if (b < 0 || m->p->tensors[t].alias < 0) continue;
        }
        int32_t made = m->made[t] >= 0 ? m->made[t] : INT32_MAX;
        if (made < blocks[b].first) blocks[b].first = made;
        if (made != INT32_MAX && made > blocks[b].last) blocks[b].last = made;
        if (m->last[t] > blocks[b].last) blocks[b].last = m->last[t];
    }
    if (!assign_offsets(m, blocks, n_blocks))
        WHET_FAIL(err, WHET_E_LIMIT, "activations are too large for this machine");
    for (int32_t b = 0; b < n_blocks; b++) f->slots[blocks[b].tensor].offset = blocks[b].offset;
    for (int32_t t = 0; t < n; t++) {
        if (m->root[t] == t) continue;
        size_t offset;
        int32_t base = base_of(m, t, &offset);
        f->slots[t] = f->slots[base];
        f->slots[t].offset += offset;
        f->slots[t].bytes = tensor_bytes(m, t);
    }
    f->workspace_offset = f->arena_bytes;
    f->arena_bytes += (f->workspace_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return WHET_OK;
}

whet_status whet_frame_place(const whet_frame_input *in, whet_frame *f, whet_error *err) {
    const whet_plan *p = in->plan;
    placer m = {.in = in, .f = f, .p = p, .g = in->graph,
                .seg = &p->segments[in->segment]};
    int32_t **lists[] = {&m.root, &m.made, &m.made_part, &m.last_part, &m.last};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        *lists[i] = WHET_NEW_ARRAY(&f->arena, int32_t, p->n_tensors);
        if (!*lists[i]) return WHET_NOMEM(err);
        for (int32_t t = 0; t < p->n_tensors; t++) (*lists[i])[t] = -1;
    }
    m.at = WHET_NEW_ARRAY(&f->arena, size_t, p->n_tensors);
    f->slots = WHET_NEW_ARRAY(&f->arena, whet_slot, p->n_tensors);
    if (!m.at || !f->slots) return WHET_NOMEM(err);
    find_lifetimes(&m);
    WHET_TRY(link_views(&m, err));
    if (m.seg->backend == 0) {
        // later concatenations first, so that nested ones fall into place
        for (int32_t i = m.seg->n_steps - 1; i >= 0; i--) place_concat(&m, i);
        for (int32_t i = 0; i < m.seg->n_steps; i++) place_inplace(&m, i);
    }
    return fill_slots(&m, err);
}
