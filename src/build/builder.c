// SPDX-License-Identifier: Apache-2.0
// Building: import → passes → portable graph → plan with measured costs → packed weights → engine
// bytes → verification.
#include "build/builder_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/bench.h"
#include "build/export.h"
#include "pass/pass.h"

whet_status whet_builder_create(whet_env *env, whet_builder **builder) {
    if (!builder) return WHET_E_INVALID;
    env = whet_env_get(env);
    whet_builder *b = env ? calloc(1, sizeof *b) : NULL;
    if (!b) return WHET_E_NOMEM;
    b->handle.magic = WHET_HANDLE_MAGIC;
    b->env = env;
    whet_str_init(&b->report);
    *builder = b;
    return WHET_OK;
}

static void unload(whet_builder *b) {
    if (b->loaded) whet_import_close(&b->import);
    b->loaded = b->fresh = false;
    whet_map_close(&b->map);
    free(b->external_dir);
    b->external_dir = NULL;
    b->data = NULL;
}

void whet_builder_destroy(whet_builder *b) {
    if (!b) return;
    unload(b);
    whet_str_fini(&b->report);
    free(b);
}

static whet_status import(whet_builder *b, const whet_config *c) {
    whet_import_options o = {.ops = &b->env->ops, .external_dir = b->external_dir};
    if (c) {
        o.shapes = c->shapes;
        o.n_shapes = c->n_shapes;
    }
    if (b->loaded) whet_import_close(&b->import);
    memset(&b->import, 0, sizeof b->import);
    b->loaded = true;
    b->load_status = whet_import_onnx(&b->import, b->data, b->size, &o, &b->handle.error);
    b->fresh = b->load_status == WHET_OK;
    return b->load_status;
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

whet_status whet_builder_load_onnx(whet_builder *b, const char *path) {
    if (!b) return WHET_E_INVALID;
    whet_error *err = &b->handle.error;
    whet_error_clear(err);
    if (!path) WHET_FAIL(err, WHET_E_INVALID, "whet_builder_load_onnx: path is NULL");
    unload(b);
    WHET_TRY(whet_map_open(&b->map, path, err));
    b->external_dir = folder_of(path);
    if (!b->external_dir) return WHET_NOMEM(err);
    b->data = b->map.data;
    b->size = b->map.size;
    whet_status status = import(b, NULL);
    return status == WHET_OK ? status : whet_error_prefix(err, status, "%s", path);
}

whet_status whet_builder_load_onnx_memory(whet_builder *b, const void *data, size_t bytes,
                                          const char *external_dir) {
    if (!b) return WHET_E_INVALID;
    whet_error *err = &b->handle.error;
    whet_error_clear(err);
    if (!data && bytes) WHET_FAIL(err, WHET_E_INVALID, "whet_builder_load_onnx_memory: no data");
    unload(b);
    if (external_dir && !(b->external_dir = strdup(external_dir))) return WHET_NOMEM(err);
    b->data = data;
    b->size = bytes;
    return import(b, NULL);
}

const char *whet_builder_report(whet_builder *b, bool json) {
    if (!b) return "";
    whet_str_clear(&b->report);
    if (b->loaded) whet_import_report(&b->import, json, &b->report);
    else if (json) whet_str_add(&b->report, "{}");
    return whet_str_text(&b->report);
}

// ---- the build ----

typedef struct {
    whet_builder *b;
    const whet_config *c;
    whet_env *env;
    whet_error *err;
    int32_t threads;
    whet_pgraph *graph;
    whet_plan *plan;
    whet_timing_cache *cache;
    whet_tuner *tuner;
    whet_arena arena;
    const char *phase;
    double phase_start;
    whet_pass_stats *stats;
} build;

static bool report(build *x, int64_t done, int64_t total) {
    if (!x->c->progress) return true;
    double spent = whet_now() - x->phase_start;
    double left = done > 0 ? spent / (double)done * (double)(total - done) : -1;
    return x->c->progress(x->c->progress_user, x->phase, done, total, left);
}

static whet_status start(build *x, const char *phase) {
    x->phase = phase;
    x->phase_start = whet_now();
    if (!report(x, 0, 1)) WHET_FAIL(x->err, WHET_E_CANCELLED, "the build was cancelled");
    return WHET_OK;
}

static bool plan_progress(void *user, int32_t done, int32_t total) {
    return report(user, done, total);
}

static void dump(void *user, const char *pass, const char *text) {
    build *x = user;
    whet_env_log(x->env, WHET_LOG_WARNING, "graph after %s:\n%s", pass, text);
}

static whet_status optimize(build *x) {
    WHET_TRY(start(x, "passes"));
    whet_pass_options o = {.disable = x->c->disable_pass, .level = (int32_t)x->c->level,
                           .dump = dump, .dump_user = x};
#ifndef NDEBUG
    o.verify = true;
#endif
    if (x->c->dump_ir) {
        if (strncmp(x->c->dump_ir, "after:", 6))
            WHET_FAIL(x->err, WHET_E_INVALID, "option dump-ir: \"%s\", expected after:NAME",
                      x->c->dump_ir);
        o.dump_after = x->c->dump_ir + 6;
    }
    int32_t n;
    whet_passes(&n);
    x->stats = WHET_NEW_ARRAY(&x->arena, whet_pass_stats, n + 1);
    if (!x->stats) return WHET_NOMEM(x->err);
    x->b->fresh = false;
    WHET_TRY(whet_passes_run(x->b->import.graph, &o, x->stats, x->err));
    for (int32_t i = 0; i < n; i++)
        if (x->stats[i].changed)
            whet_env_log(x->env, WHET_LOG_VERBOSE, "pass %s: %d changes", x->stats[i].name,
                         x->stats[i].changed);
    return whet_export_graph(x->b->import.graph, &x->graph, x->err);
}

static void warn_unknown_dims(build *x) {
    for (int32_t i = 0; i < x->graph->n_inputs; i++) {
        const whet_pvalue *v = &x->graph->values[x->graph->inputs[i]];
        for (int32_t d = 0; d < v->type.rank; d++)
            if (!whet_dim_is_const(v->type.dims[d]))
                whet_env_log(x->env, WHET_LOG_INFO,
                             "input \"%s\": dimension %d is not fixed: tuned as 1, right at any size",
                             v->name, d);
    }
}

// Seconds of one run of a plan on random input; negative when it cannot run.
static double time_plan(build *x, whet_plan *plan) {
    whet_engine *e = NULL;
    whet_context *c = NULL;
    double samples[32], t = -1;
    int64_t n = 0;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_tensor *inputs;
    whet_error err = {0};
    if (whet_plan_pack(plan, x->graph, x->env, &err) == WHET_OK &&
        whet_engine_wrap(x->env, x->graph, plan, &e, &err) == WHET_OK &&
        whet_context_create(e, &c) == WHET_OK &&
        whet_sample_inputs(e, &arena, &inputs, &err) == WHET_OK) {
        whet_context_set_threads(c, x->threads);
        whet_bench_result r;
        if (whet_context_bench(c, inputs, x->graph->n_inputs, 0, 0.2, 3, samples, 32, &n) ==
            WHET_OK) {
            whet_bench_summarize(samples, n, &r);
            t = r.median;
        }
    }
    whet_context_destroy(c);
    if (e) {
        e->graph = NULL;
        e->plan = NULL;
        whet_engine_destroy(e);
    }
    free(plan->owned);
    plan->owned = NULL;
    whet_arena_fini(&arena);
    return t;
}

static bool same_plan(const whet_plan *a, const whet_plan *b) {
    if (a->n_steps != b->n_steps) return false;
    for (int32_t i = 0; i < a->n_steps; i++)
        if (a->steps[i].kernel != b->steps[i].kernel ||
            memcmp(a->steps[i].params, b->steps[i].params, sizeof a->steps[i].params))
            return false;
    return true;
}

// Whole plans solved with conversions weighed differently: what a sum of single times cannot see
// (caches, memory traffic between steps) is seen by running them.
static whet_status pick_plan(build *x, whet_plan_options *o) {
    static const double scales[] = {1, 2, 4, 0.5};
    double best = -1;
    int32_t n = x->c->level >= 3 && !x->c->deterministic ? 4 : 1;
    whet_plan *tried[4] = {0};
    int32_t n_tried = 0, chosen = 0;
    whet_status status = WHET_OK;
    for (int32_t i = 0; i < n && status == WHET_OK; i++) {
        whet_plan *p;
        o->move_scale = scales[i];
        status = whet_plan_make(x->graph, x->env, o, &p, x->err);
        if (status != WHET_OK) break;
        bool seen = false;
        for (int32_t k = 0; k < n_tried; k++) seen |= same_plan(tried[k], p);
        if (seen) {
            whet_plan_destroy(p);
            continue;
        }
        tried[n_tried++] = p;
    }
    for (int32_t i = 0; i < n_tried && n_tried > 1 && status == WHET_OK; i++) {
        double t = time_plan(x, tried[i]);
        if (t < 0 || (best >= 0 && t >= best)) continue;
        best = t;
        chosen = i;
    }
    for (int32_t i = 0; i < n_tried; i++)
        if (i != chosen || status != WHET_OK) whet_plan_destroy(tried[i]);
    if (status == WHET_OK) x->plan = tried[chosen];
    return status;
}

static whet_status make_plan(build *x) {
    static const int32_t candidates[] = {1, 3, 8, 16, 32, 0};
    WHET_TRY(start(x, "tuning"));
    warn_unknown_dims(x);
    whet_status status = whet_timing_cache_load(x->env, x->c->timing_cache, &x->cache);
    if (status != WHET_OK) return whet_error_set(x->err, status, "%s", x->env->handle.error.text);
    bool measure = x->c->level > 0 && !x->c->deterministic;
    WHET_TRY(whet_tuner_create(x->env, x->cache, x->threads, measure, &x->tuner, x->err));
    whet_cost_source source = {.price = whet_tuner_price, .user = x->tuner,
                               .max_candidates = candidates[x->c->level]};
    whet_plan_options o = {.threads = x->threads, .progress = plan_progress, .progress_user = x,
                           .disable_kernels = x->c->disable_kernels,
                           .cost = x->c->level > 0 ? &source : NULL};
    WHET_TRY(pick_plan(x, &o));
    whet_env_log(x->env, WHET_LOG_INFO, "%d steps for %d nodes of the model, %lld kernels timed",
                 x->plan->n_steps, x->graph->imported_nodes,
                 (long long)whet_tuner_measured(x->tuner));
    if (x->c->timing_cache && !x->c->timing_cache_readonly && x->cache->changed) {
        status = whet_timing_cache_save(x->cache, x->c->timing_cache);
        if (status != WHET_OK)
            return whet_error_set(x->err, status, "%s", x->cache->handle.error.text);
    }
    return whet_plan_pack(x->plan, x->graph, x->env, x->err);
}

// ---- the engine's bytes ----

typedef struct {
    whet_piece *v;
    int32_t n, cap;
} piece_list;

static const uint8_t zeros[64];

static bool push_padded(whet_arena *arena, piece_list *l, const void *data, size_t size) {
    size_t pad = (64 - size % 64) % 64;
    whet_piece a = {data, size}, b = {zeros, pad};
    return WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, a) &&
           (!pad || WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, b));
}

// Source constants that the graph still refers to, each once.
static bool list_sources(build *x, piece_list *l, whet_writer *index) {
    size_t at = 0;
    uint32_t n = 0;
    for (int32_t i = 0; i < x->graph->n_values; i++) {
        const whet_pvalue *v = &x->graph->values[i];
        n += v->kind == WHET_PVALUE_SOURCE && whet_pvalue_tensor(v).bytes > WHET_INLINE_CONST_BYTES;
    }
    whet_write_u32(index, n);
    for (int32_t i = 0; i < x->graph->n_values; i++) {
        const whet_pvalue *v = &x->graph->values[i];
        whet_tensor t = whet_pvalue_tensor(v);
        if (v->kind != WHET_PVALUE_SOURCE || t.bytes <= WHET_INLINE_CONST_BYTES) continue;
        whet_write_u32(index, (uint32_t)i);
        whet_write_u64(index, at);
        if (!push_padded(&x->arena, l, t.data, t.bytes)) return false;
        at += (t.bytes + 63) & ~(size_t)63;
    }
    return true;
}

static whet_status write_engine(build *x, whet_engine **engine) {
    bool full = x->c->portable == WHET_PORTABLE_FULL;
    whet_writer graph, index, machine, plan;
    whet_writer *writers[] = {&graph, &index, &machine, &plan};
    for (int i = 0; i < 4; i++) whet_writer_init(writers[i]);
    piece_list sources = {0}, packed = {0};
    whet_machine here;
    whet_machine_here(x->env, &here);
    here.threads = (uint32_t)x->threads;
    here.features = 0; // what the plan needs, not all that this machine has
    for (int32_t i = 0; i < x->plan->n_steps; i++)
        here.features |= x->plan->steps[i].kernel->cpu;
    whet_pgraph_encode(x->graph, &graph);
    bool good = !full || list_sources(x, &sources, &index);
    whet_machine_encode(&here, &machine);
    whet_plan_encode(x->plan, x->graph, x->env, full, &plan);
    for (int32_t i = 0; i < x->plan->n_packed && good; i++) {
        const whet_packed *k = &x->plan->packed[i];
        if (k->offset != WHET_PACKED_SOURCE) good = push_padded(&x->arena, &packed, k->data, k->bytes);
    }
    for (int i = 0; i < 4; i++) good = good && !writers[i]->failed;
    whet_piece pg = {graph.data, graph.size}, pi = {index.data, index.size},
               pm = {machine.data, machine.size}, pp = {plan.data, plan.size};
    whet_section_out sections[] = {
        {WHET_SECTION_GRAPH, 0, &pg, 1},
        {WHET_SECTION_MACHINE, 1, &pm, 1},
        {WHET_SECTION_PLAN, 1, &pp, 1},
        {WHET_SECTION_PACKED, 1, packed.v, (size_t)packed.n},
        {WHET_SECTION_INDEX, 0, &pi, 1},
        {WHET_SECTION_SOURCES, 0, sources.v, (size_t)sources.n},
    };
    void *data = NULL;
    size_t size = 0;
    whet_status status = good ? whet_engine_file_make(sections, full ? 6 : 4, &data, &size, x->err)
                              : WHET_NOMEM(x->err);
    for (int i = 0; i < 4; i++) whet_writer_fini(writers[i]);
    if (status != WHET_OK) return status;
    return whet_engine_open(x->env, data, size, data, engine, x->err);
}

static whet_status run_build(build *x, whet_engine **engine) {
    if (!x->b->fresh || x->c->n_shapes) {
        WHET_TRY(start(x, "import"));
        WHET_TRY(import(x->b, x->c));
    }
    WHET_TRY(optimize(x));
    WHET_TRY(make_plan(x));
    WHET_TRY(start(x, "writing"));
    whet_engine *e;
    WHET_TRY(write_engine(x, &e));
    if (x->c->verify == WHET_VERIFY_AUTO) {
        whet_status status = start(x, "verifying");
        if (status == WHET_OK) status = whet_verify_auto(x->env, e, x->graph, x->threads, x->err);
        if (status != WHET_OK) {
            whet_engine_destroy(e);
            return status;
        }
    }
    if (!report(x, 1, 1)) {
        whet_engine_destroy(e);
        WHET_FAIL(x->err, WHET_E_CANCELLED, "the build was cancelled");
    }
    *engine = e;
    return WHET_OK;
}

whet_status whet_builder_build(whet_builder *b, whet_config *config, whet_engine **engine) {
    if (!b) return WHET_E_INVALID;
    whet_error *err = &b->handle.error;
    whet_error_clear(err);
    if (!engine) WHET_FAIL(err, WHET_E_INVALID, "whet_builder_build: engine is NULL");
    if (!b->data) WHET_FAIL(err, WHET_E_INVALID, "no model has been loaded");
    whet_config *own = NULL;
    if (!config) {
        WHET_TRY(whet_config_create(b->env, &own));
        config = own;
    }
    build x = {.b = b, .c = config, .env = b->env, .err = err};
    x.threads = config->threads ? (int32_t)config->threads : b->env->threads;
    if (x.threads > b->env->threads) x.threads = b->env->threads;
    whet_arena_init(&x.arena);
    whet_status status = b->load_status == WHET_OK || config->n_shapes
                             ? run_build(&x, engine)
                             : whet_error_set(err, b->load_status, "the model was not loaded");
    whet_tuner_destroy(x.tuner);
    whet_timing_cache_destroy(x.cache);
    whet_plan_destroy(x.plan);
    whet_pgraph_destroy(x.graph);
    whet_arena_fini(&x.arena);
    whet_config_destroy(own);
    return status;
}
