// SPDX-License-Identifier: Apache-2.0
// Plugins of an environment: registered one by one, or by the library. They stay until the
// environment is destroyed, since engines and graphs point at them.
#include <stdlib.h>
#include <string.h>

#include "env/env.h"
#include "env/env_plugins.h"
#include "plugin/plugin_entry.h"
#include "plugin/plugin_file.h"

struct whet_env_plugins {
    whet_plugin_entry **entries;
    int32_t n_entries;
    whet_plugin_file *files;
    int32_t n_files;
};

static whet_env_plugins *plugins_of(whet_env *env) {
    if (!env->plugins) env->plugins = calloc(1, sizeof *env->plugins);
    return env->plugins;
}

// ---- entries ----

static bool keep_entries(whet_env_plugins *p, whet_plugin_entry *const *entries, int32_t n) {
    whet_plugin_entry **grown =
        realloc(p->entries, (size_t)(p->n_entries + n) * sizeof *grown);
    if (!grown) return false;
    p->entries = grown;
    memcpy(grown + p->n_entries, entries, (size_t)n * sizeof *entries);
    p->n_entries += n;
    return true;
}

static whet_status refuse_twice(const whet_env *env, whet_plugin_entry *const *entries, int32_t i,
                                whet_error *err) {
    const whet_op *op = &entries[i]->op;
    const whet_op *other = whet_op_find(whet_env_ops(env), op->name);
    for (int32_t k = 0; k < i && !other; k++)
        if (!strcmp(entries[k]->op.name, op->name)) other = &entries[k]->op;
    if (!other) return WHET_OK;
    bool named = other->ext && *other->ext->library;
    WHET_FAIL(err, WHET_E_INVALID, "plugin %s, version %s, domain \"%s\" is registered already%s%s",
              op->ext->type, op->ext->version, op->ext->domain, named ? " by library " : "",
              named ? other->ext->library : "");
}

static whet_status add_to_tables(whet_env *env, whet_plugin_entry *const *entries, int32_t n,
                                 whet_error *err) {
    int32_t n_kernels = 0, at = 0;
    for (int32_t i = 0; i < n; i++) {
        WHET_TRY(refuse_twice(env, entries, i, err));
        n_kernels += entries[i]->p.n_tactics;
    }
    const whet_op **ops = malloc((size_t)n * sizeof *ops);
    const whet_kernel **kernels = malloc((size_t)n_kernels * sizeof *kernels);
    whet_status status = ops && kernels && keep_entries(env->plugins, entries, n)
                             ? WHET_OK : WHET_NOMEM(err);
    for (int32_t i = 0; i < n && status == WHET_OK; i++) {
        ops[i] = &entries[i]->op;
        for (int32_t k = 0; k < entries[i]->p.n_tactics; k++)
            kernels[at++] = &entries[i]->kernels[k];
    }
    if (status == WHET_OK) {
        status = whet_env_grow(env, ops, n, kernels, n_kernels, err);
        if (status != WHET_OK) env->plugins->n_entries -= n; // the caller drops them
    }
    free(ops);
    free(kernels);
    return status;
}

// All or none.
static whet_status add_plugins(whet_env *env, const whet_plugin *const *plugins, int32_t n,
                               const whet_plugin_origin *origin, whet_error *err) {
    whet_plugin_entry **entries = calloc((size_t)n, sizeof *entries);
    whet_status status = entries && plugins_of(env) ? WHET_OK : WHET_NOMEM(err);
    int32_t made = 0;
    for (; made < n && status == WHET_OK; made++) {
        status = whet_plugin_entry_make(plugins[made], origin, &entries[made], err);
        if (status != WHET_OK) break;
    }
    if (status == WHET_OK) status = add_to_tables(env, entries, n, err);
    for (int32_t i = 0; i < made && status != WHET_OK; i++) whet_plugin_entry_drop(entries[i]);
    free(entries);
    return status;
}

whet_status whet_env_register_plugin(whet_env *env, const whet_plugin *plugin) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    static const whet_plugin_origin here = {"", "", ""};
    pthread_mutex_lock(&env->lock);
    whet_error_clear(&env->handle.error);
    whet_status status = add_plugins(env, &plugin, 1, &here, &env->handle.error);
    pthread_mutex_unlock(&env->lock);
    return status;
}

// ---- libraries ----

static bool keep_file(whet_env_plugins *p, const whet_plugin_file *f) {
    whet_plugin_file *grown = realloc(p->files, (size_t)(p->n_files + 1) * sizeof *grown);
    if (!grown) return false;
    p->files = grown;
    p->files[p->n_files++] = *f;
    return true;
}

static bool loaded_before(const whet_env_plugins *p, const whet_plugin_file *f) {
    for (int32_t i = 0; i < p->n_files; i++)
        if (p->files[i].handle == f->handle) return true;
    return false;
}

// Takes f.
static whet_status add_file(whet_env *env, whet_plugin_file *f, whet_error *err) {
    whet_env_plugins *p = plugins_of(env);
    whet_plugin_origin origin = {f->table.name, f->table.version, f->path};
    whet_status status = p ? WHET_OK : WHET_NOMEM(err);
    bool again = p && loaded_before(p, f);
    if (status == WHET_OK && !again) {
        status = add_plugins(env, f->table.plugins, f->table.n_plugins, &origin, err);
        if (status == WHET_OK && keep_file(p, f)) return WHET_OK;
        // plugins that are in the tables keep their code, even when nobody can close it any more
        if (status == WHET_OK) return WHET_OK;
        status = whet_error_prefix(err, status, "plugin library %s", f->path);
    }
    whet_plugin_file_close(f);
    return status;
}

whet_status whet_env_load_plugins(whet_env *env, const char *path) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    whet_error *err = &env->handle.error;
    whet_error_clear(err);
    if (!path || !*path) WHET_FAIL(err, WHET_E_INVALID, "whet_env_load_plugins: no path");
    pthread_mutex_lock(&env->lock);
    whet_plugin_file f;
    whet_status status = whet_plugin_file_open(&f, path, err);
    if (status == WHET_OK) status = add_file(env, &f, err);
    pthread_mutex_unlock(&env->lock);
    return status;
}

whet_status whet_env_load_plugins_memory(whet_env *env, const char *name, const void *data,
                                         size_t size, whet_error *err) {
    pthread_mutex_lock(&env->lock);
    whet_plugin_file f;
    whet_status status = whet_plugin_file_open_memory(&f, name, data, size, err);
    if (status == WHET_OK) status = add_file(env, &f, err);
    pthread_mutex_unlock(&env->lock);
    return status;
}

whet_status whet_env_set_plugin_options(whet_env *env, bool plugin_override,
                                        bool engine_libraries) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    env->plugin_override = plugin_override;
    env->engine_libraries = engine_libraries;
    return WHET_OK;
}

void whet_env_plugins_from_variable(whet_env *env) {
    const char *list = getenv("WHET_PLUGINS");
    while (list && *list) {
        size_t n = strcspn(list, ":");
        char *path = strndup(list, n);
        if (path && n && whet_env_load_plugins(env, path) != WHET_OK)
            whet_env_log(env, WHET_LOG_WARNING, "WHET_PLUGINS: %s", env->handle.error.text);
        free(path);
        list += n + (list[n] == ':');
    }
}

void whet_env_plugins_destroy(whet_env *env) {
    whet_env_plugins *p = env->plugins;
    if (!p) return;
    for (int32_t i = 0; i < p->n_entries; i++) whet_plugin_entry_destroy(p->entries[i]);
    for (int32_t i = 0; i < p->n_files; i++) whet_plugin_file_close(&p->files[i]);
    free(p->entries);
    free(p->files);
    free(p);
}
