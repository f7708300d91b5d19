// SPDX-License-Identifier: Apache-2.0
// The shapes that a plan is made for: those of the profile's tuned point, inferred in numbers so
// that dimensions which symbols cannot express (a broadcast of two names, a reshape by contents)
// are known too. What stays unknown is taken as 1; without a profile, so is every open dimension.
#include <string.h>

#include "ops/flow.h"
#include "plan/plan.h"

typedef struct {
    const whet_pgraph *g;
    const whet_vshape *inputs; // of a block; NULL: as the profile says
    whet_box_names names; // b NULL: no profile
    whet_type *types;     // [values]
    whet_arena *arena;
} shaper;

static int64_t symbolic(const shaper *s, whet_dim d) {
    if (!whet_dim_is_const(d))
        d = s->names.b ? whet_dim_eval(s->g->dims, d, whet_box_dim, (void *)&s->names)
                       : WHET_DIM_ERROR;
    return whet_dim_is_const(d) && d >= 0 ? d : -1;
}

// The number of one dimension: as inferred in numbers, else by the names, else 1. What is open is
// never taken as 0: empty tensors tell nothing of speed.
static int64_t number(const shaper *s, whet_dim inferred, whet_dim d) {
    if (whet_dim_is_const(d) && d >= 0) return d;
    int64_t n = whet_dim_is_const(inferred) && inferred > 0 ? inferred : symbolic(s, d);
    return n > 0 ? n : 1;
}

static void set_inputs(shaper *s) {
    const whet_pgraph *g = s->g;
    for (int32_t i = 0; i < g->n_values; i++) {
        s->types[i] = g->values[i].type;
        if (!whet_pvalue_is_const(&g->values[i])) s->types[i].value = NULL;
    }
    for (int32_t i = 0; i < g->n_inputs && s->inputs; i++) {
        whet_type *t = &s->types[g->inputs[i]];
        bool same = t->rank == s->inputs[i].rank && s->names.b;
        for (int32_t d = 0; d < t->rank; d++)
            t->dims[d] = number(s, same ? s->inputs[i].dims[d] : WHET_DIM_ERROR, t->dims[d]);
    }
    for (int32_t i = 0; i < g->n_inputs && !g->parent; i++) {
        whet_type *t = &s->types[g->inputs[i]];
        const whet_range *r = s->names.b ? whet_box_find(s->names.b, i, false) : NULL;
        for (int32_t d = 0; d < t->rank; d++)
            t->dims[d] = number(s, r && d < r->n ? r->opt[d] : WHET_DIM_ERROR, t->dims[d]);
        r = s->names.b ? whet_box_find(s->names.b, i, true) : NULL;
        if (r) t->value = r->opt;
    }
}

// False: memory is out. A node whose numbers do not fit together keeps its symbols' values.
static bool infer_node(shaper *s, const whet_pnode *n) {
    const whet_pgraph *g = s->g;
    const whet_type **in = WHET_NEW_ARRAY(s->arena, const whet_type *, n->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(s->arena, const whet_tensor *, n->n_in);
    whet_tensor *tensors = WHET_NEW_ARRAY(s->arena, whet_tensor, n->n_in);
    whet_type *out = WHET_NEW_ARRAY(s->arena, whet_type, n->n_out);
    if (!in || !data || !tensors || !out) return false;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        in[i] = &s->types[n->in[i]];
        if (!g->values[n->in[i]].data) continue;
        tensors[i] = whet_pvalue_tensor(&g->values[n->in[i]]);
        data[i] = &tensors[i];
    }
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                      .n_out = n->n_out, .in = in, .data = data, .out = out, .arena = s->arena};
    bool good = whet_op_infer(&ctx) == WHET_OK;
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        whet_type *t = &s->types[n->out[i]];
        if (good && out[i].rank >= 0 && t->rank < 0) t->rank = out[i].rank;
        bool same = good && out[i].rank == t->rank;
        bool known = g->values[n->out[i]].type.rank >= 0;
        for (int32_t d = 0; d < t->rank; d++)
            t->dims[d] = number(s, same ? out[i].dims[d] : WHET_DIM_ERROR,
                                known ? t->dims[d] : WHET_DIM_ERROR);
        t->value = same ? out[i].value : NULL;
    }
    return true;
}

static void drop_dim(whet_vshape *s, int64_t axis) {
    int32_t at = whet_axis(axis, s->rank);
    if (s->rank < 1 || at < 0 || at >= s->rank) return;
    memmove(&s->dims[at], &s->dims[at + 1], (size_t)(s->rank - at - 1) * sizeof s->dims[0]);
    s->rank--;
}

whet_status whet_plan_block_inputs(const whet_pgraph *g, int32_t block, const whet_vshape *shapes,
                                   whet_arena *arena, whet_vshape **inputs) {
    const whet_pnode *n = g->nodes;
    while (block < n->first_block || block >= n->first_block + n->n_blocks) n++;
    whet_flow f;
    whet_vshape *in = WHET_NEW_ARRAY(arena, whet_vshape, g->blocks[block]->n_inputs);
    if (!in) return WHET_E_NOMEM;
    WHET_TRY(whet_flow_of(n->op, n->attrs, n->n_in, n->n_out, &f, NULL));
    for (int32_t i = f.block_in; i < g->blocks[block]->n_inputs; i++) {
        int32_t from = i - f.block_in, v = n->in[f.own + from];
        bool scanned = from >= f.carried && from < f.carried + f.scanned;
        in[i].rank = -1;
        if (v >= 0) in[i] = shapes[v];
        if (f.attrs->batched && from < f.carried + f.scanned) drop_dim(&in[i], 0);
        if (scanned) drop_dim(&in[i], whet_flow_at(f.attrs->in_axes, from - f.carried));
    }
    *inputs = in;
    return WHET_OK;
}

whet_status whet_plan_shapes(const whet_pgraph *g, const whet_box *box, const whet_vshape *inputs,
                             whet_arena *arena, whet_vshape *shapes) {
    shaper s = {.g = g, .inputs = inputs, .names = {g, box}, .arena = arena};
    while (s.names.g->parent) s.names.g = s.names.g->parent;
    s.types = WHET_NEW_ARRAY(arena, whet_type, g->n_values);
    if (!s.types) return WHET_E_NOMEM;
    set_inputs(&s);
    for (int32_t i = 0; i < g->n_nodes && box; i++)
        if (!g->nodes[i].recipe && !infer_node(&s, &g->nodes[i])) return WHET_E_NOMEM;
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_type *t = &s.types[i];
        shapes[i] = (whet_vshape){.dtype = t->dtype, .rank = t->rank};
        for (int32_t d = 0; d < t->rank; d++)
            shapes[i].dims[d] = whet_pvalue_is_const(&g->values[i])
                                    ? t->dims[d] : number(&s, t->dims[d], t->dims[d]);
    }
    return WHET_OK;
}
