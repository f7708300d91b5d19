// SPDX-License-Identifier: Apache-2.0
// One assignment: its graph, its plan, what its steps take and what it makes of the samples.
#include <string.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"
#include "build/export.h"
#include "ops/flow.h"

static whet_status quantize(const whet_calib *c, const bool *keep, whet_variant *v,
                            whet_error *err) {
    whet_calib chosen;
    const whet_config *o = c->x->c;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status = whet_calib_sites_choose(c, v->ir, keep, &arena, &chosen, err);
    if (status == WHET_OK)
        status = whet_calib_insert(&chosen, o->activations, !o->no_bias_correction, err);
    whet_arena_fini(&arena);
    return status;
}

// How often a step's block runs: as often as what is scanned has items; unknown: once.
static double turns_of(const whet_pgraph *g, const whet_pnode *n) {
    whet_flow f;
    if (n->op != &whet_op_scan ||
        whet_flow_of(n->op, n->attrs, n->n_in, n->n_out, &f, NULL) != WHET_OK || !f.scanned)
        return 1;
    int32_t id = n->in[f.own + f.carried];
    const whet_type *t = id < 0 ? NULL : &g->values[id].type;
    int64_t axis = whet_flow_at(f.attrs->in_axes, 0);
    bool known = t && axis >= 0 && axis < t->rank && whet_dim_is_const(t->dims[axis]);
    return known ? (double)t->dims[axis] : 1;
}

static double time_of(const whet_pgraph *g, const whet_plan *p) {
    double sum = 0;
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        sum += s->cost;
        if (!s->op || !s->op->n_blocks) continue;
        const whet_pnode *n = &g->nodes[s->nodes[0]];
        for (int32_t k = n->first_block; k < n->first_block + n->n_blocks; k++)
            sum += turns_of(g, n) * time_of(g->blocks[k], p->blocks[k]);
    }
    return sum;
}

static whet_status make_plan(whet_build *x, int32_t flags, whet_variant *v, whet_error *err) {
    whet_plan_options o = {.threads = x->threads, .disable_kernels = x->c->disable_kernels};
    whet_boxes boxes;
    if (flags & WHET_VARIANT_TUNED) WHET_TRY(whet_build_plan_options(x, &o));
    if (!(flags & WHET_VARIANT_SHOW)) o.progress = NULL;
    WHET_TRY(whet_profiles_resolve(x->c->profiles, x->c->n_profiles, v->graph, &v->arena, &boxes,
                                   err));
    o.box = boxes.n ? &boxes.v[0] : NULL;
    WHET_TRY(whet_plan_make(v->graph, x->env, &o, &v->plan, err));
    v->time = time_of(v->graph, v->plan);
    return WHET_OK;
}

whet_status whet_variant_make(const whet_calib *c, const bool *keep, int32_t flags,
                              whet_variant *v, whet_error *err) {
    const whet_clone_options as_it_is = {0};
    *v = (whet_variant){0};
    whet_arena_init(&v->arena);
    whet_status status;
    WHET_TRY_GOTO(whet_graph_clone(c->g, &as_it_is, &v->ir, err));
    if (!(flags & WHET_VARIANT_WHOLE)) WHET_TRY_GOTO(quantize(c, keep, v, err));
    WHET_TRY_GOTO(whet_build_optimize(c->x, v->ir, true, &v->graph));
    WHET_TRY_GOTO(make_plan(c->x, flags, v, err));
    return WHET_OK;
fail:
    whet_variant_free(v);
    return status;
}

whet_status whet_variant_of(whet_build *x, whet_graph *ir, int32_t flags, whet_variant *v,
                            whet_error *err) {
    whet_status status;
    *v = (whet_variant){.ir = ir};
    whet_arena_init(&v->arena);
    WHET_TRY_GOTO(whet_build_optimize(x, ir, true, &v->graph));
    WHET_TRY_GOTO(make_plan(x, flags | WHET_VARIANT_TUNED, v, err));
    return WHET_OK;
fail:
    whet_variant_free(v);
    return status;
}

void whet_variant_free(whet_variant *v) {
    whet_plan_destroy(v->plan);
    whet_pgraph_destroy(v->graph);
    whet_graph_destroy(v->ir);
    whet_arena_fini(&v->arena);
    *v = (whet_variant){0};
}

whet_status whet_variant_run(whet_variant *v, whet_accuracy *a, int64_t most, bool reference,
                             whet_error *err) {
    whet_engine *e = NULL;
    whet_env *env = a->x->env;
    WHET_TRY(whet_plan_pack(v->plan, v->graph, env, NULL, 0, err));
    whet_status status = whet_engine_wrap(env, v->graph, v->plan, &e, err);
    if (status == WHET_OK) status = whet_accuracy_run(a, e, most, reference, err);
    whet_engine_destroy(e);
    whet_plan_unpack(v->plan);
    return status;
}

// ---- times of operators ----

// Whether `name` is in a list with commas between.
static bool lists(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = list; at && *at;) {
        size_t k = strcspn(at, ",");
        if (k == n && !memcmp(at, name, n)) return true;
        at += k + (at[k] == ',');
    }
    return false;
}

int32_t whet_accuracy_op_of(const whet_accuracy *a, const whet_pgraph *g, const whet_pstep *s) {
    for (int32_t k = 0; k < s->n_nodes; k++)
        for (int32_t i = 0; i < a->n_ops; i++)
            if (!strcmp(g->nodes[s->nodes[k]].name, a->ops[i].name)) return i;
    for (int32_t k = 0; k < s->n_nodes; k++)
        for (int32_t i = 0; i < a->n_ops; i++)
            if (lists(g->nodes[s->nodes[k]].origin, a->ops[i].name)) return i;
    return -1;
}

static bool has(const int32_t *ids, int32_t n, int32_t id) {
    for (int32_t i = 0; i < n; i++)
        if (ids[i] == id) return true;
    return false;
}

// Whether an operator of the list computes what a step reads, or reads what it makes.
static bool linked(const whet_pstep *s, const whet_pstep *op, bool reader) {
    for (int32_t i = 0; i < op->n_out && !reader; i++)
        if (op->out[i] >= 0 && (has(s->in, s->n_in, op->out[i]) || s->other == op->out[i]))
            return true;
    for (int32_t i = 0; i < s->n_out && reader; i++)
        if (s->out[i] >= 0 && (has(op->in, op->n_in, s->out[i]) || op->other == s->out[i]))
            return true;
    return false;
}

// What stands by itself here and may be part of an operator elsewhere counts for it: conversions
// for those that read what they make, pointwise chains (and conversions that none of them reads)
// for those whose results they take.
static void share(const whet_plan *p, const int32_t *op_of, int32_t step, double turns,
                  double *times) {
    const whet_pstep *s = &p->steps[step];
    bool converts = (!s->op && !s->chain) || s->op == &whet_op_quantize_linear ||
                    s->op == &whet_op_dequantize_linear;
    if (s->op && !converts) return;
    for (int32_t side = s->chain && !converts ? 1 : 0; side < 2; side++) {
        int32_t n = 0;
        for (int32_t i = 0; i < p->n_steps; i++)
            n += op_of[i] >= 0 && linked(s, &p->steps[i], !side);
        for (int32_t i = 0; i < p->n_steps; i++)
            if (op_of[i] >= 0 && linked(s, &p->steps[i], !side))
                times[op_of[i]] += turns * s->cost / n;
        if (n) return;
    }
}

static bool add_times(const whet_accuracy *a, const whet_pgraph *g, const whet_plan *p,
                      double turns, whet_arena *arena, double *times) {
    int32_t *op_of = WHET_NEW_ARRAY(arena, int32_t, p->n_steps + 1);
    if (!op_of) return false;
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        int32_t k = op_of[i] = whet_accuracy_op_of(a, g, s);
        if (s->op && s->op->n_blocks) {
            const whet_pnode *n = &g->nodes[s->nodes[0]];
            double inner = turns * turns_of(g, n);
            op_of[i] = -1;
            for (int32_t b = n->first_block; b < n->first_block + n->n_blocks; b++)
                if (!add_times(a, g->blocks[b], p->blocks[b], inner, arena, times)) return false;
        } else if (k >= 0) {
            times[k] = turns * s->cost + (times[k] > 0 ? times[k] : 0);
        }
    }
    for (int32_t i = 0; i < p->n_steps; i++)
        if (op_of[i] < 0) share(p, op_of, i, turns, times);
    return true;
}

whet_status whet_variant_times(const whet_variant *v, const whet_accuracy *a, double *times,
                               whet_error *err) {
    whet_arena arena;
    whet_arena_init(&arena);
    for (int32_t i = 0; i < a->n_ops; i++) times[i] = -1;
    bool good = add_times(a, v->graph, v->plan, 1, &arena, times);
    whet_arena_fini(&arena);
    return good ? WHET_OK : WHET_NOMEM(err);
}
