// SPDX-License-Identifier: Apache-2.0
// Results to compare a step with: of the operator's C reference, or of another kernel that is
// tested against it where that would take long.
#include <string.h>

#include "build/verify.h"

#define QUICK_SECONDS 2e-3    // a reference that is said to take less runs also when in a hurry ...
#define PATIENT_SECONDS 60e-3 // ... and less than that when no other kernel takes the problem
#define TRANSFORMS 8          // kernels of a larger tolerance transform their inputs

static size_t aligned(size_t v) { return (v + 127) & ~(size_t)63; }

static whet_status make_outputs(const whet_judged *j, whet_tensor *out) {
    for (int32_t i = 0; i < j->p->n_out; i++) {
        const whet_port *p = &j->p->out[i];
        out[i] = (whet_tensor){.dtype = whet_port_type(p), .rank = p->rank};
        memcpy(out[i].dims, p->dims, sizeof p->dims);
        if (out[i].dtype == WHET_DTYPE_NONE) continue;
        out[i].bytes = whet_tensor_bytes(out[i].dtype, whet_dims_count(p->dims, p->rank));
        out[i].data = out[i].bytes == SIZE_MAX ? NULL
                                               : whet_arena_alloc_raw(j->arena, out[i].bytes + 64);
        if (!out[i].data) return WHET_NOMEM(j->err);
    }
    return WHET_OK;
}

static whet_status run_reference(const whet_judged *j, whet_tensor *in, whet_tensor *out) {
    const whet_problem *p = j->p;
    whet_arena objects;
    whet_arena_init(&objects);
    whet_eval e = {.op = p->desc, .attrs = p->attrs, .node = j->node, .n_in = p->n_in,
                   .n_out = p->n_out, .in = in, .out = out, .scratch = j->arena,
                   .objects = &objects, .err = j->err};
    whet_status status = whet_op_eval(&e);
    whet_arena_fini(&objects);
    return status;
}

// ---- another kernel ----

static whet_status pack_inputs(const whet_judged *j, const whet_kernel *k, const whet_problem *p,
                               const int32_t *params, const whet_tensor *in, const void **data,
                               const void **packed) {
    for (int32_t i = 0; i < p->n_in; i++) {
        data[i] = in[i].dtype ? in[i].data : NULL;
        size_t bytes = data[i] && p->in[i].constant && k->pack_bytes
                           ? k->pack_bytes(p, params, i) : 0;
        if (!bytes) continue;
        void *to = whet_arena_alloc_raw(j->arena, bytes + 64);
        if (!to) return WHET_NOMEM(j->err);
        if (k->pack(p, params, i, &in[i], to)) WHET_FAIL(j->err, WHET_E_INTERNAL, "%s", k->name);
        packed[i] = to;
        data[i] = NULL;
    }
    return WHET_OK;
}

whet_status whet_verify_kernel(const whet_judged *j, const whet_kernel *k, const whet_problem *p,
                               const whet_tensor *in, whet_tensor *out) {
    whet_step s = {.kernel = k, .problem = *p, .name = j->node};
    int32_t threads = p->threads;
    if (k->param && !k->param(p, 0, s.params))
        WHET_FAIL(j->err, WHET_E_INTERNAL, "%s has no parameters", k->name);
    const void **data = WHET_NEW_ARRAY(j->arena, const void *, p->n_in + 1);
    const void **packed = WHET_NEW_ARRAY(j->arena, const void *, p->n_in + 1);
    void **to = WHET_NEW_ARRAY(j->arena, void *, p->n_out + 1);
    void *state = whet_arena_alloc(j->arena, k->state_bytes + 64);
    whet_error *errors = WHET_NEW_ARRAY(j->arena, whet_error, threads);
    size_t workspace = k->workspace ? k->workspace(p, s.params) : 0;
    size_t scratch = aligned(k->scratch ? k->scratch(p, s.params) : 0);
    void *work = whet_arena_alloc_raw(j->arena, workspace + 64);
    char *each = whet_arena_alloc_raw(j->arena, (size_t)threads * (scratch + 64));
    if (!data || !packed || !to || !state || !errors || !work || !each) return WHET_NOMEM(j->err);
    WHET_TRY(pack_inputs(j, k, p, s.params, in, data, packed));
    for (int32_t i = 0; i < p->n_out; i++) to[i] = out[i].dtype ? out[i].data : NULL;
    if (k->prepare) k->prepare(&s.problem, s.params, state);
    s.phases = k->phases ? k->phases : 1;
    for (int32_t i = 0; i < s.phases; i++) s.tasks[i] = k->tasks ? k->tasks(p, s.params, i) : 1;
    s.max_threads = k->tasks ? threads : 1;
    s.call = (whet_call){.p = &s.problem, .params = s.params, .state = state, .in = data,
                         .out = to, .packed = packed, .workspace = work, .node = j->node,
                         .arena = j->arena};
    whet_segment_run run = {.steps = &s, .n_steps = 1, .workers = j->env->workers,
                            .max_threads = threads, .scratch = each, .scratch_stride = scratch,
                            .errors = errors};
    run.counters = whet_arena_alloc(j->arena, whet_cpu_counter_bytes(&s, 1, threads) + 64);
    if (!run.counters) return WHET_NOMEM(j->err);
    return whet_backend_cpu.run_segment(&run, j->err);
}

// The problem row-major, of own types and without an epilogue.
static whet_status plain_problem(const whet_judged *j, whet_problem *q) {
    const whet_problem *p = j->p;
    whet_port *in = WHET_NEW_ARRAY(j->arena, whet_port, p->n_in + 1);
    whet_port *out = WHET_NEW_ARRAY(j->arena, whet_port, p->n_out + 1);
    if (!in || !out) return WHET_NOMEM(j->err);
    for (int32_t i = 0; i < p->n_in + p->n_out; i++) {
        const whet_port *from = i < p->n_in ? &p->in[i] : &p->out[i - p->n_in];
        whet_port *to = i < p->n_in ? &in[i] : &out[i - p->n_in];
        *to = *from;
        to->layout = WHET_LAYOUT_PLAIN;
        to->dtype = whet_port_type(from);
        to->type = WHET_DTYPE_NONE;
    }
    *q = *p;
    q->in = in;
    q->out = out;
    q->epi = (whet_epilogue){0};
    q->threads = whet_workers_count(j->env->workers);
    return WHET_OK;
}

// The cheapest that is not the one in question; NULL: there is none.
static const whet_kernel *other_kernel(const whet_judged *j, const whet_problem *q) {
    const whet_kernel_table *t = whet_env_kernels(j->env);
    const whet_kernel *best = NULL;
    double least = 0;
    for (int32_t i = 0; i < t->n; i++) {
        const whet_kernel *k = t->kernels[i];
        int32_t params[WHET_MAX_PARAMS] = {0};
        bool own = !k->stores || (k->stores & WHET_STORE_BIT(WHET_STORE_OWN));
        if (k == j->kernel || k->backend || !own || k->tolerance > TRANSFORMS ||
            strcmp(k->op, q->op) || !whet_env_can_run(j->env, k) || !k->accepts(q) ||
            (k->param && !k->param(q, 0, params)))
            continue;
        double cost = whet_kernel_cost(k, q, params);
        if (best && cost >= least) continue;
        best = k;
        least = cost;
    }
    return best;
}

whet_status whet_verify_compute(const whet_judged *j, whet_tensor *in, whet_tensor *out,
                                double *c) {
    static const int32_t none[WHET_MAX_PARAMS];
    *c = 0;
    WHET_TRY(make_outputs(j, out));
    double seconds = whet_kernel_cost(&whet_kernel_reference, j->p, none);
    if (!j->fast || seconds < QUICK_SECONDS) return run_reference(j, in, out);
    whet_problem q;
    WHET_TRY(plain_problem(j, &q));
    const whet_kernel *k = other_kernel(j, &q);
    if (k) {
        *c = k->tolerance;
        return whet_verify_kernel(j, k, &q, in, out);
    }
    if (seconds < PATIENT_SECONDS) return run_reference(j, in, out);
    *c = -1;
    return WHET_OK;
}
