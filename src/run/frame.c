// SPDX-License-Identifier: Apache-2.0
#include "run/frame.h"

#include <stdlib.h>
#include <string.h>

#define MIN_PARALLEL_SECONDS 4e-6 // below this a second thread costs more than it brings

// ---- shapes ----

static whet_status input_types(const whet_frame_input *in, whet_frame *f) {
    const whet_pgraph *g = in->graph;
    for (int32_t i = 0; i < g->n_values; i++) {
        f->types[i].rank = -1;
        f->types[i].dtype = g->values[i].type.dtype;
        if (whet_pvalue_is_const(&g->values[i])) f->types[i] = g->values[i].type;
    }
    for (int32_t i = 0; i < g->n_inputs; i++) {
        whet_type *t = &f->types[g->inputs[i]];
        *t = (whet_type){.dtype = in->inputs[i].dtype, .rank = in->inputs[i].rank,
                         .elem = g->values[g->inputs[i]].type.elem};
        for (int32_t d = 0; d < t->rank; d++) t->dims[d] = in->inputs[i].dims[d];
    }
    return WHET_OK;
}

static void set_dynamic(const whet_frame_input *in, whet_frame *f, int32_t v) {
    const whet_tensor *t = &in->dynamic[v];
    whet_type *type = &f->types[v];
    if (t->dtype == WHET_DTYPE_NONE) { // not made yet: nothing may use the numbers
        bool object = whet_dtype_is_object(type->dtype);
        type->rank = object ? 0 : type->rank < 1 ? 1 : type->rank;
        for (int32_t d = 0; d < type->rank; d++) type->dims[d] = 0;
        return;
    }
    *type = (whet_type){.dtype = t->dtype, .rank = t->rank, .elem = type->elem};
    for (int32_t d = 0; d < t->rank; d++) type->dims[d] = t->dims[d];
}

static whet_status check_numbers(const whet_pnode *n, const whet_type *t, whet_error *err) {
    for (int32_t d = 0; d < t->rank; d++)
        if (!whet_dim_is_const(t->dims[d]) || t->dims[d] < 0)
            WHET_FAIL(err, WHET_E_SHAPE, "%s: a dimension of its output is negative or overflows",
                      n->name);
    if (t->rank < 0 || whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank)) == SIZE_MAX)
        WHET_FAIL(err, WHET_E_LIMIT, "%s: its output is too large", n->name);
    return WHET_OK;
}

static whet_status infer_node(const whet_frame_input *in, whet_frame *f, const whet_pnode *n,
                              whet_error *err) {
    const whet_pgraph *g = in->graph;
    if (n->n_blocks) { // only running tells
        for (int32_t i = 0; i < n->n_out; i++) {
            if (n->out[i] < 0) continue;
            f->types[n->out[i]] = g->values[n->out[i]].type;
            set_dynamic(in, f, n->out[i]);
            WHET_TRY(check_numbers(n, &f->types[n->out[i]], err));
        }
        return WHET_OK;
    }
    const whet_type **types = WHET_NEW_ARRAY(&f->arena, const whet_type *, n->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(&f->arena, const whet_tensor *, n->n_in);
    whet_tensor *tensors = WHET_NEW_ARRAY(&f->arena, whet_tensor, n->n_in);
    whet_type *out = WHET_NEW_ARRAY(&f->arena, whet_type, n->n_out);
    if (!types || !data || !tensors || !out) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        const whet_pvalue *v = &g->values[n->in[i]];
        types[i] = &f->types[n->in[i]];
        const void *contents = v->data ? v->data : in->host_values[n->in[i]];
        if (!contents) continue;
        tensors[i] = (whet_tensor){.dtype = types[i]->dtype, .rank = types[i]->rank,
                                   .data = (void *)contents};
        memcpy(tensors[i].dims, types[i]->dims, sizeof tensors[i].dims);
        tensors[i].bytes =
            whet_tensor_bytes(types[i]->dtype, whet_dims_count(types[i]->dims, types[i]->rank));
        data[i] = &tensors[i];
    }
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                      .n_out = n->n_out, .in = types, .data = data, .out = out, .arena = &f->arena,
                      .err = err};
    WHET_TRY(whet_op_infer(&ctx));
    bool dynamic = n->op->flags & WHET_OP_DYNAMIC_OUT;
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        f->types[n->out[i]] = out[i];
        if (dynamic) set_dynamic(in, f, n->out[i]);
        WHET_TRY(check_numbers(n, &f->types[n->out[i]], err));
    }
    return WHET_OK;
}

static whet_status infer_shapes(const whet_frame_input *in, whet_frame *f, whet_error *err) {
    const whet_pgraph *g = in->graph;
    f->types = WHET_NEW_ARRAY(&f->arena, whet_type, g->n_values);
    f->shapes = WHET_NEW_ARRAY(&f->arena, whet_vshape, g->n_values);
    if (!f->types || !f->shapes) return WHET_NOMEM(err);
    WHET_TRY(input_types(in, f));
    int32_t end = in->plan->segments[in->segment].end_node;
    for (int32_t i = 0; i < end; i++)
        if (!g->nodes[i].recipe) WHET_TRY(infer_node(in, f, &g->nodes[i], err));
    for (int32_t i = 0; i < g->n_values; i++) {
        whet_vshape *s = &f->shapes[i];
        *s = (whet_vshape){.dtype = f->types[i].dtype, .rank = f->types[i].rank};
        for (int32_t d = 0; d < s->rank; d++) s->dims[d] = f->types[i].dims[d];
    }
    return WHET_OK;
}

// ---- steps ----

static bool wants_threads(const whet_step *s) {
    return whet_kernel_cost(s->kernel, &s->problem, s->params) > MIN_PARALLEL_SECONDS;
}

static bool unmade(const whet_frame_input *in, int32_t t) {
    for (; t >= 0; t = in->plan->tensors[t].alias) {
        int32_t v = in->plan->tensors[t].value, node = in->graph->values[v].node;
        if (node < 0 || whet_pvalue_is_const(&in->graph->values[v])) continue;
        const whet_pnode *n = &in->graph->nodes[node];
        bool dynamic = n->n_blocks || n->op->flags & WHET_OP_DYNAMIC_OUT;
        if (dynamic && in->dynamic[v].dtype == WHET_DTYPE_NONE) return true;
    }
    return false;
}

// Plans are checked for this when they are loaded; memory that was never written must not be read.
static whet_status check_made(const whet_frame_input *in, const whet_pstep *ps, whet_error *err) {
    for (int32_t i = 0; i <= ps->n_in; i++) {
        int32_t t = i < ps->n_in ? ps->in[i] : ps->other;
        if (unmade(in, t))
            WHET_FAIL(err, WHET_E_INTERNAL, "%s: \"%s\" is read before it is made", ps->name,
                      in->graph->values[in->plan->tensors[t].value].name);
    }
    return WHET_OK;
}

static whet_status bind_step(const whet_frame_input *in, whet_frame *f, const whet_pstep *ps,
                             whet_step *s, whet_error *err) {
    const whet_pgraph *g = in->graph;
    const whet_plan *plan = in->plan;
    whet_problem_ports ports = {0};
    s->kernel = ps->kernel;
    s->name = ps->name;
    memcpy(s->params, ps->params, sizeof s->params);
    if (whet_plan_problem(plan, g, ps, f->shapes, in->env, in->threads, &f->arena, &ports,
                          &s->problem))
        return WHET_NOMEM(err);
    const whet_problem *p = &s->problem;
    // a kernel that does not take this shape gives way to the reference, which takes all; it cannot
    // when the constant is held only packed
    if (s->kernel != &whet_kernel_reference && !whet_kernel_is_host(s->kernel) &&
        !s->kernel->accepts(p)) {
        for (int32_t i = 0; i < ps->n_in; i++)
            if (ps->packed[i] >= 0 && !g->values[plan->tensors[ps->in[i]].value].data)
                WHET_FAIL(err, WHET_E_SHAPE,
                          "%s: kernel %s does not take this shape and the engine holds its weights "
                          "packed only (--portable=none)", ps->name, s->kernel->name);
        s->kernel = &whet_kernel_reference;
        memset(s->params, 0, sizeof s->params);
    }
    const whet_kernel *k = s->kernel;
    s->phases = k->phases ? k->phases : 1;
    for (int32_t i = 0; i < s->phases; i++)
        s->tasks[i] = k->tasks ? k->tasks(p, s->params, i) : 1;
    s->max_threads = k->tasks && wants_threads(s) ? in->threads : 1;
    size_t workspace = k->workspace ? k->workspace(p, s->params) : 0;
    size_t scratch = k->scratch ? k->scratch(p, s->params) : 0;
    if (workspace > f->workspace_bytes) f->workspace_bytes = workspace;
    if (scratch > f->scratch_bytes) f->scratch_bytes = scratch;
    s->call = (whet_call){.p = p, .params = s->params, .node = ps->name};
    const void **packed = WHET_NEW_ARRAY(&f->arena, const void *, ps->n_in);
    s->call.in = WHET_NEW_ARRAY(&f->arena, const void *, ps->n_in);
    s->call.out = WHET_NEW_ARRAY(&f->arena, void *, ps->n_out);
    void *state = whet_arena_alloc(&f->arena, k->state_bytes);
    if (!packed || !s->call.in || !s->call.out || !state) return WHET_NOMEM(err);
    for (int32_t i = 0; i < ps->n_in; i++)
        if (ps->packed[i] >= 0 && k != &whet_kernel_reference)
            packed[i] = plan->packed[ps->packed[i]].data;
    s->call.packed = packed;
    s->call.state = state;
    if (k->prepare) k->prepare(p, s->params, state);
    return WHET_OK;
}

static bool nothing_to_do(const whet_frame *f, const whet_plan *p, const whet_pstep *ps) {
    if (ps->op && (ps->op->flags & WHET_OP_DYNAMIC_OUT)) return false;
    for (int32_t i = 0; i < ps->n_out; i++) {
        if (ps->out[i] < 0) continue;
        const whet_vshape *s = &f->shapes[p->tensors[ps->out[i]].value];
        if (whet_dims_count(s->dims, s->rank) != 0) return false;
    }
    return true;
}

static whet_status bind_steps(const whet_frame_input *in, whet_frame *f, whet_error *err) {
    const whet_plan *p = in->plan;
    const whet_psegment *seg = &p->segments[in->segment];
    f->steps = WHET_NEW_ARRAY(&f->arena, whet_step, seg->n_steps);
    if (!f->steps) return WHET_NOMEM(err);
    for (int32_t i = 0; i < seg->n_steps; i++) {
        const whet_pstep *ps = &p->steps[seg->first_step + i];
        if (nothing_to_do(f, p, ps)) continue;
        WHET_TRY(check_made(in, ps, err));
        WHET_TRY(bind_step(in, f, ps, &f->steps[i], err));
    }
    return WHET_OK;
}

static whet_status list_live(const whet_frame_input *in, whet_frame *f, whet_error *err) {
    const whet_psegment *seg = &in->plan->segments[in->segment];
    f->live = WHET_NEW_ARRAY(&f->arena, whet_step, seg->n_steps);
    f->live_step = WHET_NEW_ARRAY(&f->arena, int32_t, seg->n_steps);
    if (!f->live || !f->live_step) return WHET_NOMEM(err);
    for (int32_t i = 0; i < seg->n_steps; i++) {
        if (!f->steps[i].kernel) continue;
        f->live_step[f->n_live] = seg->first_step + i;
        f->live[f->n_live] = f->steps[i];
        f->live[f->n_live].call.p = &f->live[f->n_live].problem;
        f->live[f->n_live].call.params = f->live[f->n_live].params;
        f->n_live++;
    }
    return WHET_OK;
}

whet_status whet_frame_infer(const whet_frame_input *in, whet_frame *f, whet_error *err) {
    whet_frame kept = *f;
    whet_arena_reset(&kept.arena);
    *f = (whet_frame){.arena = kept.arena, .key = kept.key, .cap_key = kept.cap_key};
    return infer_shapes(in, f, err);
}

bool whet_frame_same(const whet_frame_input *in, const whet_frame *a, const whet_frame *b) {
    return !memcmp(a->shapes, b->shapes, (size_t)in->graph->n_values * sizeof *a->shapes);
}

whet_status whet_frame_finish(const whet_frame_input *in, whet_frame *f, whet_error *err) {
    WHET_TRY(bind_steps(in, f, err));
    WHET_TRY(whet_frame_place(in, f, err));
    return list_live(in, f, err);
}

void whet_frame_destroy(whet_frame *f) {
    if (!f) return;
    free(f->key);
    whet_arena_fini(&f->arena);
    free(f);
}
