// SPDX-License-Identifier: Apache-2.0
// What a context tells beside running: shapes of outputs, times.
#include <stdlib.h>
#include <string.h>

#include "base/bench.h"
#include "run/context_impl.h"

// ---- shapes without running ----

static whet_status ask(whet_context *c, const whet_tensor *inputs, whet_query *q) {
    whet_error *err = &c->handle.error;
    whet_arena_reset(&c->query_memory);
    if (whet_query_shapes(c->graph, inputs, &c->query_memory, q)) return WHET_NOMEM(err);
    c->query = *q;
    return WHET_OK;
}

// What the symbols of a dimension say when its number is only bounded; -1: nothing.
static int64_t named_dim(const whet_context *c, const whet_type *type, int32_t d) {
    whet_input_names names = {c->graph, c->inputs, c->graph->n_inputs};
    whet_dim n = d < type->rank ? type->dims[d] : WHET_DIM_ERROR;
    if (!whet_dim_is_const(n)) n = whet_dim_eval(c->graph->dims, n, whet_input_dim, &names);
    return whet_dim_is_const(n) && n >= 0 ? n : -1;
}

static void fill_output(const whet_context *c, const whet_query *q, int32_t v, whet_tensor *t) {
    const whet_type *type = &q->types[v];
    bool exact = q->state[v] == WHET_SHAPE_EXACT, bound = q->state[v] == WHET_SHAPE_BOUND;
    t->dtype = type->dtype;
    t->rank = type->rank;
    t->bytes = 0;
    for (int32_t d = 0; d < t->rank; d++) {
        t->dims[d] = whet_dim_is_const(type->dims[d]) ? type->dims[d] : -1;
        if (bound) t->dims[d] = named_dim(c, &c->graph->values[v].type, d);
    }
    if (exact) t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
}

// Whether only running tells the shape of some output.
static bool open_output(const whet_context *c) {
    const whet_pgraph *g = c->graph;
    bool open = c->lane->plan->n_segments > 1;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        int32_t node = g->values[g->outputs[i]].node;
        open |= node >= 0 && (g->nodes[node].op->flags & WHET_OP_DYNAMIC_OUT);
    }
    return open;
}

// Shapes that were seen before.
static void fill_from_frame(const whet_context *c, whet_tensor *outputs) {
    for (int32_t i = 0; i < c->graph->n_outputs; i++) {
        const whet_vshape *s = &c->frame->shapes[c->graph->outputs[i]];
        whet_tensor *t = &outputs[i];
        t->dtype = s->dtype;
        t->rank = s->rank;
        memcpy(t->dims, s->dims, sizeof t->dims);
        t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    }
}

whet_status whet_context_infer(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                               whet_tensor *outputs, int32_t n_outputs) {
    if (!c) return WHET_E_INVALID;
    if (n_outputs != c->graph->n_outputs || (n_outputs && !outputs))
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "%d outputs given, the engine has %d",
                  outputs ? n_outputs : 0, c->graph->n_outputs);
    whet_query q;
    whet_error_clear(&c->handle.error);
    c->query = (whet_query){0};
    WHET_TRY(whet_context_update_weights(c));
    WHET_TRY(whet_context_check_inputs(c, inputs, n_inputs, false, &c->handle.error));
    c->inputs = inputs;
    WHET_TRY(whet_context_look_up(c));
    if (c->frame && !open_output(c)) {
        fill_from_frame(c, outputs);
        return WHET_OK;
    }
    WHET_TRY(ask(c, inputs, &q));
    // the first run at these shapes finds its frame made; and what cannot be is refused here
    if (!q.lacks) WHET_TRY(whet_context_start(c));
    for (int32_t i = 0; i < n_outputs; i++) fill_output(c, &q, c->graph->outputs[i], &outputs[i]);
    return WHET_OK;
}

const char *whet_context_lacking(const whet_context *c, int32_t index) {
    if (!c || !c->query.lacking) return NULL;
    for (int32_t i = 0; i < c->graph->n_inputs; i++)
        if (c->query.lacking[i] && index-- == 0) return c->graph->values[c->graph->inputs[i]].name;
    return NULL;
}

whet_status whet_context_max_output_bytes(whet_context *c, const whet_tensor *inputs,
                                          int32_t n_inputs, int32_t output, size_t *bytes) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    if (!bytes || output < 0 || output >= c->graph->n_outputs)
        WHET_FAIL(err, WHET_E_INVALID, "whet_context_max_output_bytes: no output %d", output);
    whet_query q;
    c->query = (whet_query){0};
    WHET_TRY(whet_context_check_inputs(c, inputs, n_inputs, false, err));
    WHET_TRY(ask(c, inputs, &q));
    int32_t v = c->graph->outputs[output];
    const whet_type *t = &q.types[v];
    size_t most = q.state[v] ? whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank))
                             : SIZE_MAX;
    if (most == SIZE_MAX)
        WHET_FAIL(err, WHET_E_NOT_FOUND, "output \"%s\": nothing bounds its size at these shapes",
                  c->graph->output_names[output]);
    *bytes = most;
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
