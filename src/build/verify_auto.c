// SPDX-License-Identifier: Apache-2.0
// End to end against a plan that shares as little as possible with the engine's: no fusions, plain
// layouts, kernels picked by the cost model. verify=auto: one sample of it, while each step is
// compared by itself as far as time allows.
#include <math.h>
#include <string.h>

#include "base/bench.h"
#include "build/verify.h"

#define TOLERANCE 1e-3 // of the largest output; direct FP32 kernels stay two orders below
// With BF16, whose unit roundoff is 2^-8: of the largest output, and of its root mean square. Deep
// networks multiply the error, those with random weights most: some have 0.08.
#define TOLERANCE_BF16 0.4
#define TOLERANCE_BF16_RMS 0.2
// Weights of FP16 have a unit roundoff of 2^-11.
#define TOLERANCE_FP16 0.1
#define TOLERANCE_FP16_RMS 0.05
// Quantized values that lie between two steps fall on one side or the other by their last bit.
#define TOLERANCE_STEPS 0.15
#define TOLERANCE_STEPS_RMS 0.05

typedef struct tolerance {
    double largest, rms; // of the largest output and of the mean square; rms 0: not looked at
    const char *what;
} tolerance;

static bool has_steps(const whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_op *op = g->nodes[i].op;
        bool steps = op == &whet_op_quantize_linear || op == &whet_op_quant_conv ||
                     op == &whet_op_quant_matmul || op == &whet_op_dynamic_quantize_linear;
        if (steps && !g->nodes[i].recipe) return true;
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (has_steps(g->blocks[i])) return true;
    return false;
}

static tolerance tolerance_of(const whet_pgraph *g, bool bf16, bool fp16) {
    if (bf16) return (tolerance){TOLERANCE_BF16, TOLERANCE_BF16_RMS, "with bf16"};
    if (has_steps(g))
        return (tolerance){TOLERANCE_STEPS, TOLERANCE_STEPS_RMS, "with other kernels"};
    if (fp16) return (tolerance){TOLERANCE_FP16, TOLERANCE_FP16_RMS, "with fp16"};
    return (tolerance){TOLERANCE, 0, NULL};
}

static double next_normal(uint64_t *state) {
    double sum = 0; // of 12 uniforms: near enough to a normal
    for (int i = 0; i < 12; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 11) * 0x1p-53;
    }
    return sum - 6;
}

static void sample_shape(const whet_pgraph *g, const whet_box *box, int32_t i, whet_tensor *t) {
    const whet_type *type = &g->values[g->inputs[i]].type;
    const whet_range *r = box ? whet_box_find(box, i, false) : NULL;
    *t = (whet_tensor){.dtype = type->dtype, .rank = type->rank};
    for (int32_t d = 0; d < type->rank; d++) {
        whet_dim n = type->dims[d];
        t->dims[d] = whet_dim_is_const(n) && n >= 0 ? n : r ? r->opt[d] : 1;
    }
}

// Random floats; contents that the profile tells; else zeros: valid indices, masks and lengths.
static void fill_sample(const whet_box *box, int32_t i, whet_tensor *t, uint64_t *state) {
    const whet_range *r = box ? whet_box_find(box, i, true) : NULL;
    int64_t count = whet_dims_count(t->dims, t->rank);
    for (int32_t k = 0; r && k < r->n; k++) whet_store_i64(t->data, t->dtype, k, r->opt[k]);
    if (!whet_dtype_is_float(t->dtype)) return;
    for (int64_t k = 0; k < count; k++)
        whet_store_f64(t->data, t->dtype, k, next_normal(state));
}

whet_status whet_sample_inputs(const whet_pgraph *g, const whet_box *box, whet_arena *arena,
                               whet_tensor **inputs, whet_error *err) {
    whet_tensor *v = WHET_NEW_ARRAY(arena, whet_tensor, g->n_inputs + 1);
    if (!v) return WHET_NOMEM(err);
    uint64_t state = 20240607;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        sample_shape(g, box, i, &v[i]);
        v[i].bytes = whet_tensor_bytes(v[i].dtype, whet_dims_count(v[i].dims, v[i].rank));
        v[i].data = v[i].bytes == SIZE_MAX ? NULL : whet_arena_alloc(arena, v[i].bytes);
        if (!v[i].data) return WHET_NOMEM(err);
        fill_sample(box, i, &v[i], &state);
    }
    *inputs = v;
    return WHET_OK;
}

static whet_status differs_in_sum(const char *name, const whet_tensor *a, const whet_tensor *b,
                                  int64_t n, const tolerance *t, whet_error *err) {
    double error = 0, sum = 0;
    for (int64_t k = 0; k < n; k++) {
        double x = whet_load_f64(a->data, a->dtype, k), y = whet_load_f64(b->data, b->dtype, k);
        if (!isfinite(y) || x == y) continue;
        error += (x - y) * (x - y);
        sum += y * y;
    }
    if (!(error <= sum * t->rms * t->rms))
        WHET_FAIL(err, WHET_E_VERIFY,
                  "output \"%s\" is %.2g off %s, in the mean square of its own", name,
                  sqrt(error / sum), t->what);
    return WHET_OK;
}

static whet_status differs(const whet_engine *e, int32_t i, const whet_tensor *a,
                           const whet_tensor *b, const tolerance *t, whet_error *err) {
    const char *name = e->graph->output_names[i];
    if (a->rank != b->rank || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]))
        WHET_FAIL(err, WHET_E_VERIFY, "output \"%s\" has another shape than without optimizations",
                  name);
    int64_t n = whet_dims_count(a->dims, a->rank);
    double largest = 0;
    // what is chosen or counted may come out otherwise when numbers are nearly equal
    bool bytes = a->dtype == WHET_DTYPE_U8 || a->dtype == WHET_DTYPE_I8;
    if (t->rms > 0 && !whet_dtype_is_float(a->dtype) && !bytes) return WHET_OK;
    for (int64_t k = 0; k < n; k++) {
        double x = fabs(whet_load_f64(b->data, b->dtype, k));
        if (isfinite(x) && x > largest) largest = x;
    }
    // the last bit of outputs of half types
    double last = a->dtype == WHET_DTYPE_BF16 ? 0x1p-7 : a->dtype == WHET_DTYPE_F16 ? 0x1p-10 : 0;
    for (int64_t k = 0; k < n; k++) {
        double x = whet_load_f64(a->data, a->dtype, k), y = whet_load_f64(b->data, b->dtype, k);
        if (x == y || !isfinite(y)) continue;
        if (!(fabs(x - y) <= t->largest * largest + last * fabs(y)))
            WHET_FAIL(err, WHET_E_VERIFY,
                      "output \"%s\", element %lld: %g with optimizations, %g without", name,
                      (long long)k, x, y);
    }
    return t->rms > 0 ? differs_in_sum(name, a, b, n, t, err) : WHET_OK;
}

// A loop whose end is decided by what it computes may take another turn.
static bool ends_by_data(const whet_pgraph *g, const whet_pnode *n) {
    if (n->op != &whet_op_loop) return n->op == &whet_op_if;
    const whet_pgraph *body = g->blocks[n->first_block];
    const whet_pvalue *v = &body->values[body->outputs[0]];
    return !whet_pvalue_is_const(v) && body->outputs[0] != body->inputs[1];
}

static bool has_dynamic(const whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_pnode *n = &g->nodes[i];
        bool dynamic = n->op->flags & (WHET_OP_DYNAMIC_OUT | WHET_OP_IMPURE);
        if (!n->recipe && dynamic && (!n->n_blocks || ends_by_data(g, n))) return true;
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (has_dynamic(g->blocks[i])) return true;
    return false;
}

static whet_status run_both(const whet_end_to_end *v, whet_context *tuned, whet_context *plain,
                            const whet_tensor *inputs, whet_arena *arena, whet_error *err) {
    const whet_engine *e = v->engine;
    int32_t n_in = e->graph->n_inputs, n_out = e->graph->n_outputs;
    whet_tensor *a = WHET_NEW_ARRAY(arena, whet_tensor, n_out + 1);
    whet_tensor *b = WHET_NEW_ARRAY(arena, whet_tensor, n_out + 1);
    if (!a || !b) return WHET_NOMEM(err);
    whet_status s = whet_context_run(tuned, inputs, n_in, a, n_out);
    whet_status t = whet_context_run(plain, inputs, n_in, b, n_out);
    if (s == WHET_E_NOMEM || t == WHET_E_NOMEM) return WHET_NOMEM(err);
    if (s == WHET_OK && t != WHET_OK && v->before) {
        whet_env_log(v->env, WHET_LOG_WARNING,
                     "not verified end to end: on the sample the model before the passes fails "
                     "with \"%s\"", whet_error_text(plain));
        return WHET_OK;
    }
    if (s != t)
        WHET_FAIL(err, WHET_E_VERIFY, "with optimizations a sample gives \"%s\", without \"%s\"",
                  s ? whet_error_text(tuned) : "ok", t ? whet_error_text(plain) : "ok");
    if (s != WHET_OK) {
        whet_env_log(v->env, WHET_LOG_WARNING, "not verified: the sample fails with \"%s\"",
                     whet_error_text(tuned));
        return WHET_OK;
    }
    tolerance limits = tolerance_of(e->graph, v->bf16, v->fp16);
    for (int32_t i = 0; i < n_out; i++) {
        s = differs(e, i, &a[i], &b[i], &limits, err);
        if (s != WHET_OK && has_dynamic(e->graph)) {
            whet_env_log(v->env, WHET_LOG_WARNING,
                         "not verified end to end: results depend on data or chance");
            return WHET_OK;
        }
        if (s != WHET_OK) return s;
    }
    return WHET_OK;
}

whet_status whet_verify_end_to_end(const whet_end_to_end *v, whet_error *err) {
    const whet_engine *e = v->engine;
    const whet_box *box = e->profiles.n && v->profile >= 0 ? &e->profiles.v[v->profile] : NULL;
    whet_plan_options o = {.threads = v->threads, .no_fusion = true, .plain_only = true,
                           .box = box};
    whet_plan *plan = NULL;
    whet_engine *other = NULL;
    whet_context *tuned = NULL, *plain = NULL;
    whet_tensor *sample = NULL;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status;
    WHET_TRY_GOTO(whet_plan_make(v->graph, v->env, &o, &plan, err));
    WHET_TRY_GOTO(whet_plan_pack(plan, v->graph, v->env, NULL, 0, err));
    WHET_TRY_GOTO(whet_engine_wrap(v->env, v->graph, plan, &other, err));
    WHET_TRY_GOTO(whet_context_create(v->engine, &tuned));
    WHET_TRY_GOTO(whet_context_create(other, &plain));
    if (box) WHET_TRY_GOTO(whet_context_set_profile(tuned, v->profile));
    if (v->checker) whet_checker_attach(v->checker, tuned);
    whet_context_set_loop_limit(tuned, WHET_SAMPLE_ITERATIONS); // it may never end on random input
    whet_context_set_loop_limit(plain, WHET_SAMPLE_ITERATIONS);
    if (!v->inputs) WHET_TRY_GOTO(whet_sample_inputs(e->graph, box, &arena, &sample, err));
    WHET_TRY_GOTO(run_both(v, tuned, plain, v->inputs ? v->inputs : sample, &arena, err));
fail:
    whet_context_destroy(tuned);
    whet_context_destroy(plain);
    whet_engine_destroy(other);
    whet_plan_destroy(plan);
    whet_arena_fini(&arena);
    return status;
}

#define STEPS_SHARE 0.1   // of the time that the build took, for looking at steps ...
#define STEPS_SECONDS 2.0 // ... or that many

whet_status whet_verify_auto(whet_build *x, whet_engine *engine) {
    whet_arena arena;
    whet_arena_init(&arena);
    whet_checker *checker = NULL;
    whet_status status =
        whet_checker_create(x->env, engine, x->graph, true, &arena, &checker, x->err);
    double seconds = STEPS_SHARE * (whet_now() - x->begin);
    if (seconds < STEPS_SECONDS) seconds = STEPS_SECONDS;
    if (status == WHET_OK) whet_checker_set_budget(checker, seconds);
    for (int32_t i = 0; i < engine->n_plans && status == WHET_OK; i++) {
        whet_end_to_end v = {.env = x->env, .engine = engine, .graph = x->graph,
                             .checker = checker, .profile = i, .threads = x->threads,
                             .bf16 = x->bf16, .fp16 = x->fp16};
        whet_error err = {0};
        status = whet_verify_end_to_end(&v, &err);
        // a layer says more than an output
        if (status == WHET_OK || status == WHET_E_VERIFY) {
            whet_status steps = whet_checker_report(checker, x->err);
            if (steps != WHET_OK) {
                status = steps;
                break;
            }
        }
        if (status == WHET_OK) continue;
        *x->err = err;
        if (engine->profiles.n) status = whet_error_prefix(x->err, status, "profile %d", i);
    }
    whet_checker_destroy(checker);
    whet_arena_fini(&arena);
    return status;
}
