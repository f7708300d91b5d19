// SPDX-License-Identifier: Apache-2.0
// Whether a plan from a file runs things when their shapes are known. A shape that only running
// tells is known from the segment after the one that makes the value; what is inferred from it
// earlier has numbers that mean nothing, and memory to match.
#include "plan/plan.h"

#define NEVER INT32_MAX

typedef struct {
    const whet_plan *p;
    const whet_pgraph *g;
    int32_t *known;   // [values] first segment whose frame has its shape
    int32_t *inferred; // [nodes] first segment that infers it
    int32_t *made;    // [values] of nodes that tell shapes by running: segment of the step; -1
} orders;

static bool tells_by_running(const whet_pnode *n) {
    return n->n_blocks || n->op->flags & WHET_OP_DYNAMIC_OUT;
}

static bool tells_step(const orders *o, const whet_pstep *s) {
    return s->op && tells_by_running(&o->g->nodes[s->nodes[0]]);
}

static void find_made(orders *o) {
    for (int32_t i = 0; i < o->g->n_values; i++) o->made[i] = -1;
    for (int32_t k = 0; k < o->p->n_segments; k++) {
        const whet_psegment *seg = &o->p->segments[k];
        for (int32_t n = seg->first_node; n < seg->end_node; n++) o->inferred[n] = k;
        for (int32_t i = 0; i < seg->n_steps; i++) {
            const whet_pstep *s = &o->p->steps[seg->first_step + i];
            for (int32_t j = 0; j < s->n_out && tells_step(o, s); j++)
                if (s->out[j] >= 0) o->made[o->p->tensors[s->out[j]].value] = k;
        }
    }
}

static void find_known(orders *o) {
    for (int32_t i = 0; i < o->g->n_nodes; i++) {
        const whet_pnode *n = &o->g->nodes[i];
        int32_t known = o->inferred[i];
        for (int32_t k = 0; k < n->n_in && !n->recipe; k++)
            if (n->in[k] >= 0 && o->known[n->in[k]] > known) known = o->known[n->in[k]];
        for (int32_t k = 0; k < n->n_out; k++) {
            int32_t v = n->out[k];
            if (v < 0 || whet_pvalue_is_const(&o->g->values[v])) continue;
            o->known[v] = known;
            if (tells_by_running(n)) o->known[v] = o->made[v] < 0 ? NEVER : o->made[v] + 1;
        }
    }
}

// A tensor and all that it is a view of.
static bool readable(const orders *o, int32_t t, int32_t segment) {
    for (; t >= 0; t = o->p->tensors[t].alias)
        if (o->known[o->p->tensors[t].value] > segment) return false;
    return true;
}

static bool views_in_order(const orders *o) {
    for (int32_t t = 0; t < o->p->n_tensors; t++) {
        const whet_ptensor *pt = &o->p->tensors[t];
        int32_t node = o->g->values[pt->value].node;
        if (pt->alias < 0) continue;
        if (!readable(o, t, node < 0 ? 0 : o->inferred[node])) return false;
    }
    return true;
}

static bool step_in_order(const orders *o, const whet_pstep *s, int32_t segment) {
    for (int32_t i = 0; i < s->n_nodes; i++)
        if (o->inferred[s->nodes[i]] > segment) return false;
    for (int32_t i = 0; i < s->n_in; i++)
        if (!readable(o, s->in[i], segment)) return false;
    if (!readable(o, s->other, segment)) return false;
    for (int32_t i = 0; i < s->n_out && !tells_step(o, s); i++)
        if (!readable(o, s->out[i], segment)) return false;
    return true;
}

static bool output_in_order(const orders *o, int32_t t) {
    const whet_ptensor *pt = &o->p->tensors[t];
    if (pt->alias < 0 && o->made[pt->value] >= 0) return true;
    return readable(o, t, o->p->n_segments - 1);
}

whet_status whet_plan_shapes_in_order(const whet_plan *p, const whet_pgraph *g,
                                      whet_arena *arena, const char **wrong) {
    orders o = {p, g, WHET_NEW_ARRAY(arena, int32_t, g->n_values),
                WHET_NEW_ARRAY(arena, int32_t, g->n_nodes),
                WHET_NEW_ARRAY(arena, int32_t, g->n_values)};
    if (!o.known || !o.inferred || !o.made) return WHET_E_NOMEM;
    find_made(&o);
    find_known(&o);
    *wrong = NULL;
    if (!views_in_order(&o)) *wrong = "view of a value in the segment that finds out its shape";
    for (int32_t k = 0; k < p->n_segments; k++)
        for (int32_t i = 0; i < p->segments[k].n_steps; i++)
            if (!step_in_order(&o, &p->steps[p->segments[k].first_step + i], k))
                *wrong = "step in a segment where the shape of a value is not known yet";
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (!output_in_order(&o, p->outputs[i]))
            *wrong = "output whose shape no segment finds out";
    return WHET_OK;
}
