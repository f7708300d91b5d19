// SPDX-License-Identifier: Apache-2.0
#include "env/env.h"

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

static whet_status push_kernel(whet_env *env, const whet_kernel *k) {
    if (env->n_kernels == env->cap_kernels) {
        int32_t cap = env->cap_kernels ? env->cap_kernels * 2 : 64;
        const whet_kernel **grown = realloc(env->kernels, (size_t)cap * sizeof *grown);
        if (!grown) return WHET_NOMEM(&env->handle.error);
        env->kernels = grown;
        env->cap_kernels = cap;
    }
    env->kernels[env->n_kernels++] = k;
    return WHET_OK;
}

// Made whenever the tables change, so that any thread may read it.
static void describe(whet_env *env) {
    whet_str *s = &env->description;
    whet_str_clear(s);
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
    for (int32_t i = 0; i < env->n_kernels; i++) usable += whet_env_can_run(env, env->kernels[i]);
    whet_json_int(s, "operators", env->ops.n);
    whet_json_int(s, "kernels", env->n_kernels);
    whet_json_int(s, "kernels_usable", usable);
    whet_json_end_object(s);
}

whet_status whet_env_register(whet_env *env, const whet_backend *backend,
                              const whet_kernel *const *kernels, int32_t n_kernels) {
    whet_error *err = &env->handle.error;
    if (backend) {
        if (env->n_backends == WHET_MAX_BACKENDS)
            WHET_FAIL(err, WHET_E_LIMIT, "backend %s: at most %d backends", backend->name,
                      WHET_MAX_BACKENDS);
        if (whet_env_backend_index(env, backend->name) >= 0)
            WHET_FAIL(err, WHET_E_INVALID, "backend %s is registered already", backend->name);
        if (backend->probe) WHET_TRY(backend->probe(err));
        env->backends[env->n_backends++] = backend;
    }
    for (int32_t i = 0; i < n_kernels; i++) {
        if (whet_env_kernel(env, kernels[i]->name))
            WHET_FAIL(err, WHET_E_INVALID, "kernel %s is registered already", kernels[i]->name);
        WHET_TRY(push_kernel(env, kernels[i]));
    }
    describe(env);
    return WHET_OK;
}

const whet_kernel *whet_env_kernel(const whet_env *env, const char *name) {
    for (int32_t i = 0; i < env->n_kernels; i++)
        if (!strcmp(env->kernels[i]->name, name)) return env->kernels[i];
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

static whet_status read_options(whet_env *env, const whet_env_options *o, const char **mask) {
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
    *mask = full.cpu_mask;
    return WHET_OK;
}

static whet_status fill_tables(whet_env *env) {
    static const whet_backend *const backends[] = {
#define BACKEND(name) &whet_backend_##name,
#include "backend/backends.def"
#undef BACKEND
    };
    env->ops = *whet_ops_builtin();
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        WHET_TRY(whet_env_register(env, backends[i], NULL, 0));
    const whet_kernel_table *table = whet_kernels_builtin();
    for (int32_t i = 0; i < table->n; i++) WHET_TRY(push_kernel(env, table->kernels[i]));
    describe(env);
    return WHET_OK;
}

static whet_status init(whet_env *env, const whet_env_options *o) {
    whet_error *err = &env->handle.error;
    const char *mask = NULL;
    env->verbosity = WHET_LOG_WARNING;
    if (o) WHET_TRY(read_options(env, o, &mask));
    if (env->threads == 0) env->threads = whet_cpu_count();
    if (!mask) mask = getenv("WHET_CPU_MASK");
    env->cpu = whet_cpu_features();
    if (mask && *mask && !whet_cpu_mask(mask, &env->cpu))
        WHET_FAIL(err, WHET_E_INVALID,
                  "CPU mask \"%s\" is unknown, expected native, avx512, avx2 or scalar", mask);
    whet_cpu_identify(&env->cpu_info);
    WHET_TRY(whet_workers_create(env->threads, &env->workers, err));
    return fill_tables(env);
}

whet_status whet_env_create(const whet_env_options *options, whet_env **out) {
    whet_env *env = calloc(1, sizeof *env);
    if (!env) return WHET_E_NOMEM;
    env->handle.magic = WHET_HANDLE_MAGIC;
    whet_str_init(&env->description);
    whet_status status = init(env, options);
    if (status != WHET_OK) {
        whet_env_log(env, WHET_LOG_ERROR, "%s", env->handle.error.text);
        whet_env_destroy(env);
        return status;
    }
    *out = env;
    return WHET_OK;
}

void whet_env_destroy(whet_env *env) {
    if (!env || env == default_env) return;
    whet_workers_destroy(env->workers);
    whet_str_fini(&env->description);
    free(env->kernels);
    free(env);
}

const char *whet_env_describe(whet_env *env) {
    env = whet_env_get(env);
    return env ? whet_str_text(&env->description) : "{}";
}
