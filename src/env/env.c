// SPDX-License-Identifier: Apache-2.0
#include "env/env.h"

#include "base/cpu_list.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static whet_env *default_env; // the one mutable global, made once
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static void make_default(void) {
    whet_env *env = NULL;
    if (whet_env_create(NULL, &env) == WHET_OK) default_env = env;
}

whet_env *whet_env_get(whet_env *env) {
    if (env) return env;
    pthread_once(&default_once, make_default);
    return default_env;
}

void whet_env_log(whet_env *env, whet_severity severity, const char *format, ...) {
    if (!env || severity > env->verbosity) return;
    char text[1024], *all = NULL;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(text, sizeof text, format, args);
    // dumps of graphs are long; without memory for one its start must do
    if (n >= (int)sizeof text && (all = malloc((size_t)n + 1)))
        vsnprintf(all, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    static const char *const prefix[] = {"error", "warning", "info", "verbose"};
    if (env->log) env->log(env->log_user, severity, all ? all : text);
    else fprintf(stderr, "whet: %s: %s\n", prefix[severity], all ? all : text);
    free(all);
}

// ---- tables ----

const whet_op_table *whet_env_ops(const whet_env *env) { return &atomic_load(&env->tables)->ops; }

const whet_kernel_table *whet_env_kernels(const whet_env *env) {
    return &atomic_load(&env->tables)->kernels;
}

static void print_plugins(whet_str *s, const whet_op_table *ops) {
    whet_json_array(s, "plugins");
    for (int32_t i = 0; i < ops->n; i++) {
        const whet_op_extern *x = ops->ops[i]->ext;
        if (!x) continue;
        whet_json_object(s, NULL);
        whet_json_text(s, "name", x->type);
        whet_json_text(s, "version", x->version);
        whet_json_text(s, "domain", x->domain);
        whet_json_text(s, "library", x->library);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
}

static void describe(const whet_env *env, const whet_env_tables *t, whet_str *s) {
    whet_json_object(s, NULL);
    whet_json_text(s, "version", whet_version());
    whet_json_text(s, "cpu", env->cpu_info.name);
    whet_json_array(s, "features");
    for (uint32_t bit = 1; bit; bit <<= 1)
        if ((env->cpu & bit) && whet_cpu_feature_text(bit))
            whet_json_text(s, NULL, whet_cpu_feature_text(bit));
    whet_json_end_array(s);
    whet_json_int(s, "l1d_bytes", env->cpu_info.l1d_bytes);
    whet_json_int(s, "l2_bytes", env->cpu_info.l2_bytes);
    whet_json_int(s, "l3_bytes", env->cpu_info.l3_bytes);
    whet_json_int(s, "threads", env->threads);
    whet_json_array(s, "backends");
    for (int32_t i = 0; i < env->n_backends; i++) {
        whet_json_object(s, NULL);
        whet_json_text(s, "name", env->backends[i]->name);
        if (env->backends[i]->describe) env->backends[i]->describe(s);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
    int32_t usable = 0;
    for (int32_t i = 0; i < t->kernels.n; i++)
        usable += whet_env_can_run(env, t->kernels.kernels[i]);
    whet_json_int(s, "operators", t->ops.n);
    whet_json_int(s, "kernels", t->kernels.n);
    whet_json_int(s, "kernels_usable", usable);
    print_plugins(s, &t->ops);
    whet_json_end_object(s);
}

static void free_tables(const whet_env_tables *t) {
    if (!t) return;
    free((void *)t->ops.ops);
    free((void *)t->kernels.kernels);
    free(t->description);
    free((void *)t);
}

// Sorted insertion: few come at a time.
static void insert_op(const whet_op **ops, int32_t n, const whet_op *op) {
    for (; n > 0 && strcmp(ops[n - 1]->name, op->name) > 0; n--) ops[n] = ops[n - 1];
    ops[n] = op;
}

static whet_env_tables *copy_tables(whet_env *env, int32_t n_ops, int32_t n_kernels) {
    const whet_env_tables *old = atomic_load(&env->tables);
    whet_env_tables *t = calloc(1, sizeof *t);
    int32_t have_ops = old ? old->ops.n : 0, have = old ? old->kernels.n : 0;
    const whet_op **ops = malloc((size_t)(have_ops + n_ops + 1) * sizeof *ops);
    const whet_kernel **kernels = malloc((size_t)(have + n_kernels + 1) * sizeof *kernels);
    if (!t || !ops || !kernels) {
        free(t);
        free(ops);
        free(kernels);
        return NULL;
    }
    if (have_ops) memcpy(ops, old->ops.ops, (size_t)have_ops * sizeof *ops);
    if (have) memcpy(kernels, old->kernels.kernels, (size_t)have * sizeof *kernels);
    t->ops = (whet_op_table){ops, have_ops, whet_env_rare_op, env};
    t->kernels = (whet_kernel_table){kernels, have};
    t->older = (whet_env_tables *)old;
    return t;
}

whet_status whet_env_grow(whet_env *env, const whet_op *const *ops, int32_t n_ops,
                          const whet_kernel *const *kernels, int32_t n_kernels, whet_error *err) {
    whet_env_tables *t = copy_tables(env, n_ops, n_kernels);
    if (!t) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n_ops; i++)
        insert_op((const whet_op **)t->ops.ops, t->ops.n++, ops[i]);
    for (int32_t i = 0; i < n_kernels; i++)
        ((const whet_kernel **)t->kernels.kernels)[t->kernels.n++] = kernels[i];
    whet_str text;
    whet_str_init(&text);
    describe(env, t, &text);
    t->description = text.failed ? NULL : strdup(whet_str_text(&text));
    whet_str_fini(&text);
    if (!t->description) {
        free_tables(t);
        return WHET_NOMEM(err);
    }
    atomic_store(&env->tables, t);
    return WHET_OK;
}

static whet_status add_backend(whet_env *env, const whet_backend *backend, whet_error *err) {
    int32_t n = env->n_backends;
    if (n == WHET_MAX_BACKENDS)
        WHET_FAIL(err, WHET_E_LIMIT, "backend %s: at most %d backends", backend->name,
                  WHET_MAX_BACKENDS);
    if (whet_env_backend_index(env, backend->name) >= 0)
        WHET_FAIL(err, WHET_E_INVALID, "backend %s is registered already", backend->name);
    if (backend->probe) WHET_TRY(backend->probe(err));
    env->backends[n] = backend;
    env->n_backends = n + 1;
    return WHET_OK;
}

static whet_status register_locked(whet_env *env, const whet_backend *backend,
                                   const whet_kernel *const *kernels, int32_t n_kernels,
                                   whet_error *err) {
    for (int32_t i = 0; i < n_kernels; i++)
        if (whet_env_kernel(env, kernels[i]->name))
            WHET_FAIL(err, WHET_E_INVALID, "kernel %s is registered already", kernels[i]->name);
    if (backend) WHET_TRY(add_backend(env, backend, err));
    return whet_env_grow(env, NULL, 0, kernels, n_kernels, err);
}

whet_status whet_env_register(whet_env *env, const whet_backend *backend,
                              const whet_kernel *const *kernels, int32_t n_kernels) {
    pthread_mutex_lock(&env->lock);
    whet_status status =
        register_locked(env, backend, kernels, n_kernels, &env->handle.error);
    pthread_mutex_unlock(&env->lock);
    return status;
}

const whet_kernel *whet_env_kernel(const whet_env *env, const char *name) {
    const whet_env_tables *t = atomic_load(&env->tables);
    for (int32_t i = 0; t && i < t->kernels.n; i++)
        if (!strcmp(t->kernels.kernels[i]->name, name)) return t->kernels.kernels[i];
    return NULL;
}

int32_t whet_env_backend_index(const whet_env *env, const char *name) {
    for (int32_t i = 0; i < env->n_backends; i++)
        if (!strcmp(env->backends[i]->name, name)) return i;
    return -1;
}

bool whet_env_can_run(const whet_env *env, const whet_kernel *k) {
    if ((k->cpu & env->cpu) != k->cpu) return false;
    return !k->backend || whet_env_backend_index(env, k->backend) >= 0;
}

static whet_status read_options(whet_env *env, const whet_env_options *o, const char **mask,
                                const char **cpus, bool *spin) {
    whet_error *err = &env->handle.error;
    if (o->struct_size < sizeof(size_t) || o->struct_size > 4096)
        WHET_FAIL(err, WHET_E_INVALID, "whet_env_options.struct_size is %zu", o->struct_size);
    whet_env_options full = {.verbosity = WHET_LOG_WARNING};
    memcpy(&full, o, o->struct_size < sizeof full ? o->struct_size : sizeof full);
    if (full.threads < 0 || full.threads > 1024)
        WHET_FAIL(err, WHET_E_INVALID, "threads is %d, expected 0 to 1024", full.threads);
    env->log = full.log;
    env->log_user = full.log_user;
    env->verbosity = full.verbosity;
    env->threads = full.threads;
    env->copy_weights = full.copy_weights;
    env->spin_seconds = full.spin_us < 0 ? 0 : full.spin_us * 1e-6;
    if (full.spin_us) *spin = true;
    *cpus = full.cpus;
    env->plugin_override = full.plugin_override;
    env->engine_libraries = full.engine_libraries;
    *mask = full.cpu_mask;
    if (full.ops_library && !(env->ops_library = strdup(full.ops_library))) return WHET_NOMEM(err);
    return WHET_OK;
}

static whet_status fill_tables(whet_env *env) {
    static const whet_backend *const backends[] = {
#define BACKEND(name) &whet_backend_##name,
#include "backend/backends.def"
#undef BACKEND
    };
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        WHET_TRY(add_backend(env, backends[i], &env->handle.error));
    const whet_op_table *ops = whet_ops_builtin();
    const whet_kernel_table *kernels = whet_kernels_builtin();
    return whet_env_grow(env, ops->ops, ops->n, kernels->kernels, kernels->n, &env->handle.error);
}

static whet_status default_spin(whet_env *env) {
    const char *text = getenv("WHET_SPIN_US");
    env->spin_seconds = WHET_SPIN_SECONDS;
    if (!text || !*text) return WHET_OK;
    char *end;
    long us = strtol(text, &end, 10);
    if (*end || us < -1 || us > 1000000000)
        WHET_FAIL(&env->handle.error, WHET_E_INVALID,
                  "WHET_SPIN_US is \"%s\", expected microseconds", text);
    if (us) env->spin_seconds = us < 0 ? 0 : (double)us * 1e-6;
    return WHET_OK;
}

// The first env->threads of the list.
static whet_status read_cpus(whet_env *env, const char *text) {
    int32_t cpus[WHET_MAX_CPUS], n;
    WHET_TRY(whet_cpu_list_parse(text, cpus, &n, &env->handle.error));
    if (env->threads == 0) env->threads = n;
    if (env->threads > n)
        WHET_FAIL(&env->handle.error, WHET_E_INVALID,
                  "%d threads, but the list \"%s\" has %d processors", env->threads, text, n);
    env->cpus = malloc((size_t)n * sizeof *cpus);
    if (!env->cpus) return WHET_NOMEM(&env->handle.error);
    memcpy(env->cpus, cpus, (size_t)n * sizeof *cpus);
    return WHET_OK;
}

static whet_status init(whet_env *env, const whet_env_options *o) {
    whet_error *err = &env->handle.error;
    const char *mask = NULL, *cpus = NULL;
    bool spin = false;
    env->verbosity = WHET_LOG_WARNING;
    if (o) WHET_TRY(read_options(env, o, &mask, &cpus, &spin));
    if (!spin) WHET_TRY(default_spin(env));
    if (!cpus) cpus = getenv("WHET_CPUS");
    if (cpus && *cpus) WHET_TRY(read_cpus(env, cpus));
    if (env->threads == 0) env->threads = whet_cpu_count();
    if (!mask) mask = getenv("WHET_CPU_MASK");
    env->cpu = whet_cpu_features();
    if (mask && *mask && !whet_cpu_mask(mask, &env->cpu))
        WHET_FAIL(err, WHET_E_INVALID,
                  "CPU mask \"%s\" is unknown, expected native, avx512, avx2 or scalar", mask);
    whet_cpu_identify(&env->cpu_info);
    whet_workers_options w = {.threads = env->threads, .spin_seconds = env->spin_seconds,
                              .cpus = env->cpus};
    WHET_TRY(whet_workers_create_with(&w, &env->workers, err));
    return fill_tables(env);
}

whet_status whet_env_create(const whet_env_options *options, whet_env **out) {
    whet_env *env = calloc(1, sizeof *env);
    if (!env) return WHET_E_NOMEM;
    env->handle.magic = WHET_HANDLE_MAGIC;
    pthread_mutex_init(&env->lock, NULL);
    pthread_mutex_init(&env->rare_lock, NULL);
    whet_status status = init(env, options);
    if (status != WHET_OK) {
        whet_env_log(env, WHET_LOG_ERROR, "%s", env->handle.error.text);
        whet_env_destroy(env);
        return status;
    }
    whet_env_plugins_from_variable(env);
    *out = env;
    return WHET_OK;
}

void whet_env_destroy(whet_env *env) {
    if (!env || env == default_env) return;
    whet_workers_destroy(env->workers);
    free(env->cpus);
    for (const whet_env_tables *t = atomic_load(&env->tables), *older; t; t = older) {
        older = t->older;
        free_tables(t);
    }
    whet_env_plugins_destroy(env);
    whet_env_rare_close(env);
    pthread_mutex_destroy(&env->lock);
    pthread_mutex_destroy(&env->rare_lock);
    free(env);
}

const char *whet_env_describe(whet_env *env) {
    env = whet_env_get(env);
    return env ? atomic_load(&env->tables)->description : "{}";
}
