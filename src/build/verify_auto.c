// SPDX-License-Identifier: Apache-2.0
// verify=auto: one sample end to end against a plan that shares as little as possible with the
// engine's: no fusions, plain layouts, kernels picked by the cost model.
#include <math.h>
#include <string.h>

#include "build/builder_impl.h"

#define TOLERANCE 1e-3 // of the largest output; direct FP32 kernels stay two orders below

static double next_normal(uint64_t *state) {
    double sum = 0; // of 12 uniforms: near enough to a normal
    for (int i = 0; i < 12; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 11) * 0x1p-53;
    }
    return sum - 6;
}

whet_status whet_sample_inputs(const whet_engine *e, whet_arena *arena, whet_tensor **inputs,
                               whet_error *err) {
    const whet_pgraph *g = e->graph;
    whet_tensor *v = WHET_NEW_ARRAY(arena, whet_tensor, g->n_inputs + 1);
    if (!v) return WHET_NOMEM(err);
    uint64_t state = 20240607;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const whet_type *t = &g->values[g->inputs[i]].type;
        v[i].dtype = t->dtype;
        v[i].rank = t->rank;
        for (int32_t d = 0; d < t->rank; d++) {
            whet_dim n = t->dims[d];
            if (!whet_dim_is_const(n)) n = whet_dim_eval(g->dims, n, whet_plan_dim, e->plan);
            v[i].dims[d] = whet_dim_is_const(n) && n >= 0 ? n : 1;
        }
        int64_t count = whet_dims_count(v[i].dims, v[i].rank);
        v[i].bytes = whet_tensor_bytes(v[i].dtype, count);
        v[i].data = v[i].bytes == SIZE_MAX ? NULL : whet_arena_alloc(arena, v[i].bytes);
        if (!v[i].data) return WHET_NOMEM(err);
        if (!whet_dtype_is_float(t->dtype)) continue; // zeros: valid indices, masks and lengths
        for (int64_t k = 0; k < count; k++)
            whet_store_f64(v[i].data, t->dtype, k, next_normal(&state));
    }
    *inputs = v;
    return WHET_OK;
}

static whet_status differs(const whet_engine *e, int32_t i, const whet_tensor *a,
                           const whet_tensor *b, whet_error *err) {
    const char *name = e->graph->output_names[i];
    if (a->rank != b->rank || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]))
        WHET_FAIL(err, WHET_E_VERIFY, "output \"%s\" has another shape than without optimizations",
                  name);
    int64_t n = whet_dims_count(a->dims, a->rank);
    double largest = 0;
    for (int64_t k = 0; k < n; k++) {
        double x = fabs(whet_load_f64(b->data, b->dtype, k));
        if (isfinite(x) && x > largest) largest = x;
    }
    for (int64_t k = 0; k < n; k++) {
        double x = whet_load_f64(a->data, a->dtype, k), y = whet_load_f64(b->data, b->dtype, k);
        if (x == y || (isnan(x) && isnan(y))) continue;
        if (!(fabs(x - y) <= TOLERANCE * largest))
            WHET_FAIL(err, WHET_E_VERIFY,
                      "output \"%s\", element %lld: %g with optimizations, %g without; `whet "
                      "compare` finds the layer, --verify=off builds nevertheless",
                      name, (long long)k, x, y);
    }
    return WHET_OK;
}

static bool has_dynamic(const whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].recipe && (g->nodes[i].op->flags & (WHET_OP_DYNAMIC_OUT | WHET_OP_IMPURE)))
            return true;
    return false;
}

static whet_status run_both(whet_env *env, whet_context *tuned, whet_context *plain,
                            const whet_engine *e, whet_arena *arena, whet_error *err) {
    int32_t n_in = e->graph->n_inputs, n_out = e->graph->n_outputs;
    whet_tensor *inputs, *a = WHET_NEW_ARRAY(arena, whet_tensor, n_out + 1);
    whet_tensor *b = WHET_NEW_ARRAY(arena, whet_tensor, n_out + 1);
    if (!a || !b) return WHET_NOMEM(err);
    WHET_TRY(whet_sample_inputs(e, arena, &inputs, err));
    whet_status s = whet_context_run(tuned, inputs, n_in, a, n_out);
    whet_status t = whet_context_run(plain, inputs, n_in, b, n_out);
    if (s != t)
        WHET_FAIL(err, WHET_E_VERIFY, "with optimizations a sample gives \"%s\", without \"%s\"",
                  s ? whet_error_text(tuned) : "ok", t ? whet_error_text(plain) : "ok");
    if (s != WHET_OK) {
        whet_env_log(env, WHET_LOG_WARNING, "not verified: the random sample fails with \"%s\"",
                     whet_error_text(tuned));
        return WHET_OK;
    }
    for (int32_t i = 0; i < n_out; i++) {
        s = differs(e, i, &a[i], &b[i], err);
        if (s != WHET_OK && has_dynamic(e->graph)) {
            whet_env_log(env, WHET_LOG_WARNING, "not verified: results depend on data or chance");
            return WHET_OK;
        }
        if (s != WHET_OK) return s;
    }
    return WHET_OK;
}

whet_status whet_verify_auto(whet_env *env, whet_engine *engine, whet_pgraph *graph,
                             int32_t threads, whet_error *err) {
    whet_plan_options o = {.threads = threads, .no_fusion = true, .plain_only = true,
                           .dim = whet_plan_dim, .dim_user = engine->plan};
    whet_plan *plan = NULL;
    whet_engine *other = NULL;
    whet_context *tuned = NULL, *plain = NULL;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status;
    WHET_TRY_GOTO(whet_plan_make(graph, env, &o, &plan, err));
    WHET_TRY_GOTO(whet_plan_pack(plan, graph, env, err));
    WHET_TRY_GOTO(whet_engine_wrap(env, graph, plan, &other, err));
    plan = NULL;
    WHET_TRY_GOTO(whet_context_create(engine, &tuned));
    WHET_TRY_GOTO(whet_context_create(other, &plain));
    WHET_TRY_GOTO(run_both(env, tuned, plain, engine, &arena, err));
fail:
    whet_context_destroy(tuned);
    whet_context_destroy(plain);
    if (other) other->graph = NULL; // the caller's
    whet_engine_destroy(other);
    whet_plan_destroy(plan);
    whet_arena_fini(&arena);
    return status;
}
