// SPDX-License-Identifier: Apache-2.0
// Building: import → passes → portable graph → plan with measured costs (build_plan.c) → engine
// bytes
// (engine_writer.c) → verification.
#include "build/builder_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bench.h"
#include "build/accuracy.h"
#include "build/calib.h"
#include "build/export.h"
#include "build/int4.h"
#include "build/verify.h"

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
    whet_network_destroy(b->network);
    b->network = NULL;
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
    whet_import_options o = {.ops = whet_env_ops(b->env), .external_dir = b->external_dir,
                             .plugin_override = b->env->plugin_override};
    if (c) {
        o.shapes = c->shapes;
        o.n_shapes = c->n_shapes;
        o.limits = (whet_import_limits){.max_nodes = c->max_nodes, .max_depth = c->max_depth};
    }
    if (b->loaded) whet_import_close(&b->import);
    memset(&b->import, 0, sizeof b->import);
    b->loaded = true;
    b->load_status = whet_import_onnx(&b->import, b->data, b->size, &o, &b->handle.error);
    b->fresh = b->load_status == WHET_OK;
    return b->load_status;
}

static void warn_misdeclared(const whet_builder *b) {
    const whet_import *m = &b->import;
    if (b->load_status != WHET_OK || !m->misdeclared) return;
    whet_env_log(b->env, WHET_LOG_WARNING, "%s; what is computed holds (%lld such declarations)",
                 m->misdeclared, (long long)m->n_misdeclared);
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
    warn_misdeclared(b);
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
    whet_status status = import(b, NULL);
    warn_misdeclared(b);
    return status;
}

whet_status whet_builder_network(whet_builder *b, whet_network **network) {
    if (!b) return WHET_E_INVALID;
    whet_error *err = &b->handle.error;
    whet_error_clear(err);
    if (!network) WHET_FAIL(err, WHET_E_INVALID, "whet_builder_network: network is NULL");
    if (b->data && b->load_status != WHET_OK)
        WHET_FAIL(err, WHET_E_INVALID, "the model was not loaded, so there is no network of it");
    if (!b->network) {
        if (b->data && !b->fresh) WHET_TRY(import(b, NULL)); // a build has optimized the graph
        WHET_TRY(whet_network_create(b->env, b->data ? b->import.graph : NULL, &b->network, err));
    }
    *network = b->network;
    return WHET_OK;
}

const char *whet_builder_report(whet_builder *b, bool json) {
    if (!b) return "";
    whet_str_clear(&b->report);
    if (b->loaded) whet_import_report(&b->import, json, &b->report);
    else if (json) whet_str_add(&b->report, "{}");
    return whet_str_text(&b->report);
}

// ---- the build ----

bool whet_build_report(whet_build *x, int64_t done, int64_t total) {
    if (!x->c->progress) return true;
    double spent = whet_now() - x->phase_start;
    double left = done > 0 ? spent / (double)done * (double)(total - done) : -1;
    return x->c->progress(x->c->progress_user, x->phase, done, total, left);
}

whet_status whet_build_start(whet_build *x, const char *phase) {
    x->phase = phase;
    x->phase_start = whet_now();
    if (!whet_build_report(x, 0, 1)) WHET_FAIL(x->err, WHET_E_CANCELLED, "the build was cancelled");
    return WHET_OK;
}

static void dump(void *user, const char *pass, const char *text) {
    whet_build *x = user;
    whet_env_log(x->env, WHET_LOG_WARNING, "graph after %s:\n%s", pass, text);
}

static whet_graph *graph_of(whet_build *x) { return x->copy ? x->copy : x->b->import.graph; }

whet_status whet_build_optimize(whet_build *x, whet_graph *g, bool quiet, whet_pgraph **graph) {
    // few images at once are little work for many threads; other devices would wait for the host
    bool whole = x->threads > 2 || x->env->n_backends > 1 || x->c->plan != WHET_PLAN_TUNED;
    const char *disable = x->c->disable_pass;
    if (whole && !(disable && !strcmp(disable, "all")))
        disable = whet_arena_printf(&x->arena, "%s,batch", disable ? disable : "");
    if (whole && !disable) return WHET_NOMEM(x->err);
    whet_pass_options o = {.disable = disable, .level = (int32_t)x->c->level,
                           .dump = dump, .dump_user = x};
#ifndef NDEBUG
    o.verify = true;
#endif
    if (x->c->dump_ir && !quiet) {
        if (strncmp(x->c->dump_ir, "after:", 6))
            WHET_FAIL(x->err, WHET_E_INVALID, "option dump-ir: \"%s\", expected after:NAME",
                      x->c->dump_ir);
        o.dump_after = x->c->dump_ir + 6;
    }
    int32_t n;
    whet_passes(&n);
    x->stats = WHET_NEW_ARRAY(&x->arena, whet_pass_stats, n + 1);
    if (!x->stats) return WHET_NOMEM(x->err);
    WHET_TRY(whet_passes_run(g, &o, x->stats, x->err));
    for (int32_t i = 0; i < n && !quiet; i++)
        if (x->stats[i].changed)
            whet_env_log(x->env, WHET_LOG_VERBOSE, "pass %s: %d changes", x->stats[i].name,
                         x->stats[i].changed);
    whet_list_decide(g);
    WHET_TRY(whet_export_graph(g, graph, x->err));
    return whet_pgraph_attach(*graph, true, x->err);
}

static whet_status optimize(whet_build *x) {
    WHET_TRY(whet_build_start(x, "passes"));
    if (!x->copy) x->b->fresh = false;
    return whet_build_optimize(x, graph_of(x), false, &x->graph);
}

// What differs is an error, or with --verify-warn a line of the log.
static whet_status warn_instead(whet_build *x, whet_status status) {
    whet_error found = *x->err;
    if (status != WHET_E_VERIFY) return status;
    if (!x->c->verify_warn)
        return whet_error_set(x->err, status, "%s; --verify-warn builds nevertheless", found.text);
    whet_env_log(x->env, WHET_LOG_WARNING, "verification: %s", found.text);
    whet_error_clear(x->err);
    return WHET_OK;
}

// What was found is part of the file, so it is written once more.
static whet_status verify_full(whet_build *x, whet_engine **e) {
    whet_verified *found = NULL;
    WHET_TRY(warn_instead(x, whet_verify_full(x, *e, &found)));
    x->verified = found;
    whet_engine *fresh;
    WHET_TRY(whet_build_write(x, &fresh));
    whet_engine_destroy(*e);
    *e = fresh;
    return WHET_OK;
}

static whet_status verify(whet_build *x, whet_engine **e) {
    if (x->c->verify == WHET_VERIFY_OFF) return WHET_OK;
    WHET_TRY(whet_build_start(x, "verifying"));
    double begin = whet_now();
    bool full = x->c->verify == WHET_VERIFY_FULL;
    whet_status status = full ? verify_full(x, e) : warn_instead(x, whet_verify_auto(x, *e));
    whet_env_log(x->env, WHET_LOG_VERBOSE, "verified in %.2f s of %.2f s", whet_now() - begin,
                 whet_now() - x->begin);
    return status;
}

// From the plan to a verified engine.
whet_status whet_build_finish(whet_build *x, whet_engine **engine) {
    WHET_TRY(whet_build_start(x, "writing"));
    whet_engine *e;
    x->verified = NULL;
    WHET_TRY(whet_build_write(x, &e));
    whet_status status = verify(x, &e);
    if (status == WHET_OK && !whet_build_report(x, 1, 1))
        status = whet_error_set(x->err, WHET_E_CANCELLED, "the build was cancelled");
    if (status == WHET_OK) *engine = e;
    else whet_engine_destroy(e);
    return status;
}

void whet_build_init(whet_build *x, whet_env *env, const whet_config *config, whet_error *err) {
    *x = (whet_build){.c = config, .env = env, .err = err, .bf16 = whet_config_bf16(config),
                        .fp16 = whet_config_fp16(config)};
    x->threads = config->threads ? (int32_t)config->threads : env->threads;
    if (x->threads > env->threads) x->threads = env->threads;
    whet_arena_init(&x->arena);
    x->begin = whet_now();
}

void whet_build_fini(whet_build *x) {
    whet_accuracy_destroy(x->accuracy);
    whet_tuner_destroy(x->tuner);
    whet_timing_cache_destroy(x->cache);
    for (int32_t i = 0; i < x->n_plans; i++) whet_plan_destroy(x->plans[i]);
    whet_pgraph_destroy(x->graph);
    whet_pgraph_destroy(x->imported);
    whet_graph_destroy(x->copy);
    whet_arena_fini(&x->arena);
}

// The engine itself on the samples: other steps may store bf16 in it than where it was looked for.
// Without bf16 it computes what was found to hold.
static whet_status finish_judged(whet_build *x, whet_engine **engine) {
    whet_accuracy *a = x->accuracy;
    whet_engine *e = NULL;
    WHET_TRY(whet_build_finish(x, &e));
    whet_status status = whet_accuracy_confirm(a, e, x->err);
    if (status == WHET_OK && !whet_budget_holds(&a->budget, &a->figures) && x->bf16) {
        whet_env_log(x->env, WHET_LOG_INFO,
                     "accuracy: the engine with bf16 does not hold: built without");
        whet_engine_destroy(e);
        e = NULL;
        for (int32_t i = 0; i < x->n_plans; i++) whet_plan_destroy(x->plans[i]);
        x->n_plans = 0;
        x->bf16 = false;
        a->no_bf16 = true;
        status = whet_build_plan(x);
        if (status == WHET_OK) status = whet_build_finish(x, &e);
        if (status == WHET_OK) status = whet_accuracy_confirm(a, e, x->err);
    }
    if (status == WHET_OK && !whet_budget_holds(&a->budget, &a->figures))
        status = whet_error_set(x->err, WHET_E_VERIFY,
                                "the budget of option accuracy does not hold in the engine");
    if (status == WHET_OK && x->c->accuracy_report)
        status = whet_accuracy_report(a, e, x->c->accuracy_report, x->err);
    if (status == WHET_OK) *engine = e;
    else whet_engine_destroy(e);
    return status;
}

// The model before the passes, which --verify=full compares the engine with.
static whet_status keep_imported(whet_build *x) {
    WHET_TRY(whet_export_graph(graph_of(x), &x->imported, x->err));
    return whet_pgraph_attach(x->imported, false, x->err);
}

static whet_status run_build(whet_build *x, whet_engine **engine) {
    const whet_config *c = x->c;
    WHET_TRY(whet_config_check_typed(c, x->err));
    if (c->strip_weights && c->portable != WHET_PORTABLE_FULL)
        WHET_FAIL(x->err, WHET_E_INVALID,
                  "option strip-weights leaves the source weights out already: portable must be "
                  "full, as the engine gets them again");
    if (x->b->network) {
        WHET_TRY(whet_network_copy(x->b->network, c->shapes, c->n_shapes, &x->copy, x->err));
    } else if (!x->b->fresh || c->n_shapes || c->max_nodes || c->max_depth) {
        WHET_TRY(whet_build_start(x, "import"));
        WHET_TRY(import(x->b, x->c));
    }
    WHET_TRY(whet_list_weights(x, graph_of(x)));
    if (c->accuracy && !whet_config_int8(c))
        WHET_FAIL(x->err, WHET_E_INVALID,
                  "option accuracy chooses what computes in int8: allow int8, or state no "
                  "precision");
    if ((c->metric || c->accuracy_report) && !c->accuracy)
        WHET_FAIL(x->err, WHET_E_INVALID, "%s needs a budget (option accuracy)",
                  c->metric ? "a metric" : "option accuracy-report");
    if (c->strongly_typed && !x->copy) x->b->fresh = false;
    graph_of(x)->strongly_typed = c->strongly_typed;
    whet_build_log_best(x, graph_of(x));
    if (c->layer_precisions || c->layer_output_types) {
        if (!x->copy) x->b->fresh = false;
        WHET_TRY(whet_constraints_apply(x, graph_of(x), false));
    }
    if (whet_config_int8(c)) {
        if (!x->copy) x->b->fresh = false;
        WHET_TRY(whet_calibrate(x, graph_of(x), true));
    }
    if (whet_config_int4(c)) {
        if (!x->copy) x->b->fresh = false;
        WHET_TRY(whet_int4(x, graph_of(x), false));
    }
    if (!x->copy) x->b->fresh = false;
    WHET_TRY(whet_islands(x, graph_of(x)));
    if (c->verify == WHET_VERIFY_FULL) WHET_TRY(keep_imported(x));
    WHET_TRY(optimize(x));
    if (x->fp16) WHET_TRY(whet_half_check(x));
    WHET_TRY(whet_profiles_resolve(x->c->profiles, x->c->n_profiles, x->graph, &x->arena,
                                   &x->profiles, x->err));
    WHET_TRY(whet_build_plan(x));
    WHET_TRY(whet_constraints_check(x));
    if (x->accuracy && x->accuracy->searched) return finish_judged(x, engine);
    return whet_build_finish(x, engine);
}

// Weights that FP16 has no numbers for, or only such of few digits, stay in f32.
whet_status whet_half_check(whet_build *x) {
    for (int32_t i = 0; i < x->graph->n_nodes; i++) {
        whet_pnode *n = &x->graph->nodes[i];
        bool heavy = n->op == &whet_op_conv || n->op == &whet_op_matmul || n->op == &whet_op_gemm;
        if (n->recipe || !heavy || n->in[1] < 0) continue;
        const whet_pvalue *v = &x->graph->values[n->in[1]];
        if (!whet_pvalue_is_const(v) || !v->data || v->type.dtype != WHET_DTYPE_F32) continue;
        whet_tensor t = whet_pvalue_tensor(v);
        int64_t count = whet_dims_count(t.dims, t.rank);
        float top = 0;
        for (int64_t k = 0; k < count; k++) top = fmaxf(top, fabsf(((const float *)t.data)[k]));
        if (top == 0 || (top >= 0x1p-10f && top <= 65504)) continue;
        if (n->demand.compute == WHET_DTYPE_F16 && x->c->constraints == WHET_CONSTRAINTS_OBEY)
            WHET_FAIL(x->err, WHET_E_UNSUPPORTED,
                      "layer \"%s\" cannot compute in fp16: its weights are up to %g (option "
                      "precision-constraints=obey)", n->name, (double)top);
        n->demand.compute = WHET_DTYPE_F32;
        whet_env_log(x->env, WHET_LOG_VERBOSE, "%s: weights of up to %g stay in fp32", n->name,
                     (double)top);
    }
    return WHET_OK;
}

// The options that only together make no sense.
static whet_status check_config(const whet_config *c, whet_error *err) {
    if (c->int4_group % 8)
        WHET_FAIL(err, WHET_E_INVALID, "option int4-group: %lld is no multiple of 8",
                  (long long)c->int4_group);
    if (c->accuracy && (whet_config_int4(c) || whet_config_fp16(c)))
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "option accuracy: its search does not weigh how weights are stored (%s)",
                  whet_config_int4(c) ? "int4" : "fp16");
    return WHET_OK;
}

// The same engine without its weights.
static whet_status strip(whet_build *x, whet_engine **engine) {
    void *data;
    size_t size;
    whet_status status = whet_engine_store(*engine, true, &data, &size, x->err);
    whet_engine_destroy(*engine);
    *engine = NULL;
    WHET_TRY(status);
    return whet_engine_open_stripped(x->env, data, size, data, engine, x->err);
}

whet_status whet_builder_build(whet_builder *b, whet_config *config, whet_engine **engine) {
    if (!b) return WHET_E_INVALID;
    whet_error *err = &b->handle.error;
    whet_error_clear(err);
    if (!engine) WHET_FAIL(err, WHET_E_INVALID, "whet_builder_build: engine is NULL");
    if (!b->data && !b->network)
        WHET_FAIL(err, WHET_E_INVALID, "no model has been loaded and no network made");
    whet_config *own = NULL;
    if (!config) {
        WHET_TRY(whet_config_create(b->env, &own));
        config = own;
    }
    whet_build x;
    whet_build_init(&x, b->env, config, err);
    x.b = b;
    whet_status status = check_config(config, err);
    if (status == WHET_OK)
        status = b->network || b->load_status == WHET_OK || config->n_shapes ||
                         config->max_nodes || config->max_depth
                     ? run_build(&x, engine)
                     : whet_error_set(err, b->load_status, "the model was not loaded");
    if (status == WHET_OK && config->strip_weights) status = strip(&x, engine);
    whet_build_fini(&x);
    whet_config_destroy(own);
    return status;
}

whet_status whet_builder_quantize(whet_builder *b, whet_config *config) {
    whet_network *net;
    if (!b) return WHET_E_INVALID;
    WHET_TRY(whet_builder_network(b, &net));
    whet_error *err = &b->handle.error;
    if (!config) WHET_FAIL(err, WHET_E_INVALID, "whet_builder_quantize: config is NULL");
    whet_build x;
    whet_build_init(&x, b->env, config, err);
    x.b = b;
    whet_graph *copy = NULL;
    whet_status status = check_config(config, err);
    if (status == WHET_OK) status = whet_network_copy(net, NULL, 0, &copy, err);
    if (status == WHET_OK) status = whet_constraints_apply(&x, copy, true);
    bool int4 = whet_config_int4(config);
    if (status == WHET_OK && (!int4 || whet_config_int8(config)))
        status = whet_calibrate(&x, copy, false);
    if (status == WHET_OK && x.accuracy && x.accuracy->searched && config->accuracy_report)
        status = whet_accuracy_report(x.accuracy, NULL, config->accuracy_report, err);
    if (status == WHET_OK && int4) status = whet_int4(&x, copy, true);
    if (status == WHET_OK) status = whet_network_swap(net, copy, err);
    if (status != WHET_OK) whet_graph_destroy(copy);
    whet_build_fini(&x);
    return status;
}
