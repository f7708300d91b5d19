// SPDX-License-Identifier: Apache-2.0
// The plan of a build: candidates priced by the tuner, a few whole plans timed against each other.
#include <stdlib.h>
#include <string.h>

#include "base/bench.h"
#include "build/builder_impl.h"

// Parts of the budget: the rest is for packing, writing and verifying.
#define TUNE_SHARE 0.7
#define WEIGH_SHARE 0.85

static bool plan_progress(void *user, int32_t done, int32_t total) {
    whet_build *x = user;
    whet_tuner_share(x->tuner, total - done + x->steps_after);
    return whet_build_report(x, done, total);
}

static bool time_left(const whet_build *x, double share) {
    return !x->c->budget || whet_now() < x->begin + share * (double)x->c->budget;
}

static int32_t count_nodes(const whet_pgraph *g) {
    int32_t n = g->n_nodes;
    for (int32_t i = 0; i < g->n_blocks; i++) n += count_nodes(g->blocks[i]);
    return n;
}

static void warn_unknown_dims(whet_build *x) {
    if (x->profiles.n) return;
    for (int32_t i = 0; i < x->graph->n_inputs; i++) {
        const whet_pvalue *v = &x->graph->values[x->graph->inputs[i]];
        for (int32_t d = 0; d < v->type.rank; d++)
            if (!whet_dim_is_const(v->type.dims[d]))
                whet_env_log(x->env, WHET_LOG_INFO,
                             "input \"%s\": dimension %d is not fixed and no profile is given: "
                             "tuned as 1, right at any size",
                             v->name, d);
    }
}

double whet_build_time_plan(whet_build *x, whet_pgraph *graph, whet_plan *plan) {
    whet_engine *e = NULL;
    whet_context *c = NULL;
    double samples[32], t = -1;
    int64_t n = 0;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_tensor *inputs;
    whet_error err = {0};
    if (whet_plan_pack(plan, graph, x->env, x->plans, x->n_plans, &err) == WHET_OK &&
        whet_engine_wrap(x->env, graph, plan, &e, &err) == WHET_OK &&
        whet_context_create(e, &c) == WHET_OK &&
        whet_sample_inputs(graph, plan->box, &arena, &inputs, &err) == WHET_OK) {
        whet_context_set_threads(c, x->threads);
        whet_context_set_loop_limit(c, WHET_SAMPLE_ITERATIONS);
        whet_bench_result r;
        if (whet_context_bench(c, inputs, graph->n_inputs, 0, 0.2, 3, samples, 32, &n) ==
            WHET_OK) {
            whet_bench_summarize(samples, n, &r);
            t = r.median;
        }
    }
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_plan_unpack(plan);
    whet_arena_fini(&arena);
    return t;
}

#define PACKED_MOST 2.1                   // times the constants as they are ...
#define PACKED_FREE (64.0 * (1 << 20))    // ... or so many bytes more
#define LEAST_PRICE 2e-13                 // seconds a byte: a thousandth of its way from memory
#define MIN_PRICE 1e-3                    // more than any step is worth

static bool fits(const whet_build *x, const whet_plan *p) {
    double packed, plain;
    if (x->c->memory != WHET_MEMORY_AUTO) return true;
    whet_plan_packed_bytes(p, x->graph, &packed, &plain);
    double most = PACKED_MOST * plain;
    return packed <= (most > plain + PACKED_FREE ? most : plain + PACKED_FREE);
}

// A plan whose packed weights have room: what a byte counts for rises until they do.
static whet_status make_plan(whet_build *x, whet_plan_options *o, whet_plan **plan) {
    if (x->c->memory == WHET_MEMORY_MIN) o->byte_price = MIN_PRICE;
    for (;;) {
        WHET_TRY(whet_plan_make(x->graph, x->env, o, plan, x->err));
        if (fits(x, *plan) || o->byte_price >= MIN_PRICE) return WHET_OK;
        whet_plan_destroy(*plan);
        o->byte_price = o->byte_price > 0 ? o->byte_price * 4 : LEAST_PRICE;
    }
}

// Whole plans solved with conversions weighed differently: what a sum of single times cannot see
// (caches, memory traffic between steps) is seen by running them.
static whet_status pick_plan(whet_build *x, whet_plan_options *o, whet_plan **plan) {
    static const double scales[] = {1, 2, 4, 0.5};
    double best = -1;
    bool time = x->c->level >= 3 && !x->c->deterministic && x->c->plan == WHET_PLAN_TUNED;
    int32_t n = time ? 4 : 1;
    whet_plan *tried[4] = {0};
    int32_t n_tried = 0, chosen = 0;
    whet_status status = WHET_OK;
    for (int32_t i = 0; i < n && status == WHET_OK; i++) {
        whet_plan *p;
        // the first plan pays for the measurements, so its time says nothing of the others'
        if (i > 0 && (status = whet_build_start(x, "weighing plans")) != WHET_OK) break;
        o->move_scale = scales[i];
        status = make_plan(x, o, &p);
        if (status != WHET_OK) break;
        bool seen = false;
        for (int32_t k = 0; k < n_tried; k++) seen |= whet_plan_same(tried[k], p);
        if (seen) {
            whet_plan_destroy(p);
            continue;
        }
        tried[n_tried++] = p;
    }
    for (int32_t i = 0; i < n_tried && n_tried > 1 && status == WHET_OK; i++) {
        if (!time_left(x, WEIGH_SHARE)) break;
        double t = whet_build_time_plan(x, x->graph, tried[i]);
        if (t < 0 || (best >= 0 && t >= best)) continue;
        best = t;
        chosen = i;
    }
    for (int32_t i = 0; i < n_tried; i++)
        if (i != chosen || status != WHET_OK) whet_plan_destroy(tried[i]);
    if (status == WHET_OK) *plan = tried[chosen];
    return status;
}

// What runs on the CPU for want of a kernel on another backend, in a graph and its blocks.
typedef struct {
    int32_t fallbacks, steps, copies;
    const char *backend;
} fallback_count;

static whet_status count_fallbacks(whet_build *x, const whet_pgraph *g, const whet_plan *p,
                                   fallback_count *c) {
    const char **lacking = NULL;
    if (whet_plan_fallbacks(p, g, x->env, &x->arena, &lacking)) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        c->copies += s->kernel == &whet_kernel_copy;
        if (!lacking[i]) continue;
        c->backend = lacking[i];
        c->fallbacks++;
        whet_env_log(x->env, WHET_LOG_VERBOSE, "%s: backend %s has no kernel for it (%s)", s->name,
                     c->backend, s->op ? s->op->name : "pointwise");
    }
    c->steps += p->n_steps;
    for (int32_t i = 0; i < p->n_blocks; i++)
        WHET_TRY(count_fallbacks(x, g->blocks[i], p->blocks[i], c));
    return WHET_OK;
}

static whet_status log_fallbacks(whet_build *x, const whet_plan *p) {
    fallback_count c = {0};
    if (x->env->n_backends < 2) return WHET_OK;
    WHET_TRY(count_fallbacks(x, x->graph, p, &c));
    if (c.fallbacks)
        whet_env_log(x->env, WHET_LOG_INFO,
                     "%d of %d steps run on the CPU since backend %s has no kernel for them; %d "
                     "copies between memories", c.fallbacks, c.steps, c.backend, c.copies);
    return WHET_OK;
}

static whet_status plan_profile(whet_build *x, whet_plan_options *o, int32_t i) {
    whet_plan *p;
    o->byte_price = 0;
    o->box = x->profiles.n ? &x->profiles.v[i] : NULL;
    int32_t nodes = count_nodes(x->graph); // fused, about half as many steps
    x->steps_after = nodes / 2 * (x->profiles.n - i - 1) * (x->profiles.n > 0) +
                     (nodes - x->graph->n_nodes) / 2;
    if (i > 0) WHET_TRY(whet_build_start(x, "tuning"));
    WHET_TRY(pick_plan(x, o, &p));
    whet_status status = whet_plan_pack(p, x->graph, x->env, x->plans, i, x->err);
    if (status == WHET_OK) x->plans[x->n_plans++] = p;
    else whet_plan_destroy(p);
    return status;
}

static whet_status open_tuner(whet_build *x) {
    static const int32_t candidates[] = {1, 3, 8, 16, 32, 0};
    whet_status status = whet_timing_cache_load(x->env, x->c->timing_cache, &x->cache);
    if (status != WHET_OK) return whet_error_set(x->err, status, "%s", x->env->handle.error.text);
    bool measure = x->c->level > 0 && !x->c->deterministic;
    WHET_TRY(whet_tuner_create(x->env, x->cache, x->threads, measure, &x->tuner, x->err));
    if (x->c->budget)
        whet_tuner_set_deadline(x->tuner, x->begin + TUNE_SHARE * (double)x->c->budget);
    x->source = (whet_cost_source){.price = whet_tuner_price, .user = x->tuner,
                                   .max_candidates = candidates[x->c->level]};
    return WHET_OK;
}

whet_status whet_build_plan_options(whet_build *x, whet_plan_options *o) {
    if (!x->tuner) WHET_TRY(open_tuner(x));
    *o = (whet_plan_options){.threads = x->threads, .progress = plan_progress, .progress_user = x,
                             .disable_kernels = x->c->disable_kernels, .bf16 = x->bf16,
                             .fp16 = x->fp16,
                             .cost = x->c->level > 0 ? &x->source : NULL};
    if (x->c->plan != WHET_PLAN_TUNED) {
        o->no_fusion = o->plain_only = true;
        o->bf16 = o->fp16 = false;
        o->cost = NULL;
    }
    if (x->c->plan == WHET_PLAN_REFERENCE) o->disable_kernels = "*";
    return WHET_OK;
}

whet_status whet_build_plan(whet_build *x) {
    whet_plan_options o;
    WHET_TRY(whet_build_start(x, "tuning"));
    warn_unknown_dims(x);
    WHET_TRY(whet_build_plan_options(x, &o));
    int32_t n = x->profiles.n ? x->profiles.n : 1;
    x->plans = WHET_NEW_ARRAY(&x->arena, whet_plan *, n);
    if (!x->plans) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n; i++) WHET_TRY(plan_profile(x, &o, i));
    whet_env_log(x->env, WHET_LOG_INFO, "%d steps for %d nodes of the model, %lld kernels timed",
                 x->plans[0]->n_steps, x->graph->imported_nodes,
                 (long long)whet_tuner_measured(x->tuner));
    if (whet_tuner_skipped(x->tuner))
        whet_env_log(x->env, WHET_LOG_INFO,
                     "the budget of %lld s ended before all kernels were timed: the cost model "
                     "priced the others", (long long)x->c->budget);
    WHET_TRY(log_fallbacks(x, x->plans[0]));
    if (x->c->timing_cache && !x->c->timing_cache_readonly && x->cache->changed) {
        whet_status status = whet_timing_cache_save(x->cache, x->c->timing_cache);
        if (status != WHET_OK)
            return whet_error_set(x->err, status, "%s", x->cache->handle.error.text);
    }
    return WHET_OK;
}
