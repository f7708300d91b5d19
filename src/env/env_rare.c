// SPDX-License-Identifier: Apache-2.0
// Operators of libwhet_ops.so, which is opened when the first of them is asked for.
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "env/env.h"
#include "env/rare.h"

// What is in the library, and what it was built with when it has it.
static const struct {
    const char *op, *package;
} rare[] = {
    {"image_decoder", NULL}, {"regex_full_match", "libre2-dev"}, {"tokenizer", "libre2-dev"}};

static int32_t rare_index(const char *name) {
    for (int32_t i = 0; i < WHET_COUNT(rare); i++)
        if (!strcmp(rare[i].op, name)) return i;
    return -1;
}

// ---- opening ----

// It stays, even when closed: what it links (RE2) keeps memory for good, which each further opening
// would leak.
#define FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

static void *open_library(const whet_env *env) {
    char path[4096];
    if (env->ops_library) return dlopen(env->ops_library, FLAGS);
    if (whet_file_beside(WHET_RARE_FILE, path, sizeof path))
        return dlopen(path, FLAGS);
    return dlopen(WHET_RARE_FILE, FLAGS);
}

static whet_status take_ops(whet_env *env, void *library, whet_error *err) {
    void *symbol = dlsym(library, WHET_RARE_ENTRY);
    whet_rare_entry entry;
    memcpy(&entry, &symbol, sizeof entry);
    const whet_rare_library *l = symbol ? entry() : NULL;
    if (!l || strcmp(l->version, whet_version()) || l->op_size != sizeof(whet_op))
        WHET_FAIL(err, WHET_E_VERSION, "%s belongs to another version of whet (%s, this is %s)",
                  WHET_RARE_FILE, l ? l->version : "?", whet_version());
    pthread_mutex_lock(&env->lock);
    whet_status status = whet_env_grow(env, l->ops, l->n_ops, NULL, 0, err);
    pthread_mutex_unlock(&env->lock);
    return status;
}

static whet_status open_once(whet_env *env, const char *name, whet_error *err) {
    if (env->rare_library) return WHET_OK;
    void *library = open_library(env);
    if (!library)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "operator %s is in %s, which cannot be opened: %s", name, WHET_RARE_FILE,
                  dlerror());
    whet_status status = take_ops(env, library, err);
    if (status == WHET_OK) env->rare_library = library;
    else dlclose(library);
    return status;
}

const whet_op *whet_env_rare_op(void *user, const char *name, whet_error *err) {
    whet_env *env = user;
    int32_t i = rare_index(name);
    if (i < 0) return NULL;
    pthread_mutex_lock(&env->rare_lock);
    whet_status status = open_once(env, name, err);
    pthread_mutex_unlock(&env->rare_lock);
    if (status != WHET_OK) return NULL;
    const whet_op *op = whet_op_find(whet_env_ops(env), name);
    if (!op)
        whet_error_set(err, WHET_E_UNSUPPORTED,
                       "%s was built without operator %s: Debian package %s was not there",
                       WHET_RARE_FILE, name, rare[i].package);
    return op;
}

void whet_env_rare_close(whet_env *env) {
    if (env->rare_library) dlclose(env->rare_library);
    free(env->ops_library);
}
