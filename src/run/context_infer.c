// SPDX-License-Identifier: Apache-2.0
// What a context tells beside running: shapes of outputs, times.
#include <stdlib.h>

#include "base/bench.h"
#include "run/context_impl.h"

// ---- shapes without running ----

whet_status whet_context_infer(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                               whet_tensor *outputs, int32_t n_outputs) {
    if (!c) return WHET_E_INVALID;
    const whet_pgraph *g = c->graph;
    whet_error *err = &c->handle.error;
    if (n_outputs != g->n_outputs || (n_outputs && !outputs))
        WHET_FAIL(err, WHET_E_INVALID, "%d outputs given, the engine has %d",
                  outputs ? n_outputs : 0, g->n_outputs);
    WHET_TRY(whet_context_check_inputs(c, inputs, n_inputs, false, err));
    c->inputs = inputs;
    WHET_TRY(whet_context_start(c)); // later segments need what only running tells
    for (int32_t i = 0; i < n_outputs; i++) {
        whet_tensor *t = &outputs[i];
        const whet_vshape *s = &c->frame->shapes[g->outputs[i]];
        bool known =
            s->rank >= 0 && c->lane->plan->segments[0].end_node > g->values[g->outputs[i]].node;
        int32_t node = g->values[g->outputs[i]].node;
        if (node >= 0 && (g->nodes[node].op->flags & WHET_OP_DYNAMIC_OUT)) known = false;
        const whet_type *symbolic = &g->values[g->outputs[i]].type;
        t->dtype = symbolic->dtype;
        t->rank = known ? s->rank : symbolic->rank;
        for (int32_t d = 0; d < t->rank; d++) {
            bool number = known || whet_dim_is_const(symbolic->dims[d]);
            t->dims[d] = known ? s->dims[d] : number ? symbolic->dims[d] : -1;
        }
        if (known) t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    }
    return WHET_OK;
}

// ---- timing ----

typedef struct {
    whet_context *c;
    const whet_tensor *inputs;
    int32_t n_inputs;
    whet_tensor *outputs;
} bench_state;

static whet_status bench_once(void *user) {
    bench_state *b = user;
    int32_t n = b->c->graph->n_outputs;
    for (int32_t i = 0; i < n; i++) b->outputs[i] = (whet_tensor){0};
    return whet_context_run(b->c, b->inputs, b->n_inputs, b->outputs, n);
}

whet_status whet_context_bench(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                               double warmup_seconds, double seconds, int64_t min_runs,
                               double *samples, int64_t max_samples, int64_t *count) {
    if (!c) return WHET_E_INVALID;
    if (!samples || !count || max_samples < 1 || min_runs < 0)
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "whet_context_bench: no room for samples");
    bench_state b = {c, inputs, n_inputs, NULL};
    b.outputs = calloc((size_t)c->graph->n_outputs + 1, sizeof *b.outputs);
    if (!b.outputs) return WHET_NOMEM(&c->handle.error);
    whet_bench_options o = {.warmup_seconds = warmup_seconds, .seconds = seconds,
                            .min_runs = min_runs ? min_runs : 1, .calls = 1};
    whet_bench_result r;
    whet_status status = whet_bench_run(bench_once, &b, &o, samples, max_samples, &r);
    free(b.outputs);
    if (status == WHET_OK) *count = r.n < max_samples ? r.n : max_samples;
    return status;
}
