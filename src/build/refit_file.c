// SPDX-License-Identifier: Apache-2.0
// Weights for a refit from files: the constants of an ONNX model, the arrays of .npz and
// SafeTensors files, adapters.
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "onnx/import.h"
#include "run/refitter_impl.h"

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static bool has_weights(const whet_refitter *r) {
    for (int32_t i = 0; i < r->engine->listed.n; i++)
        if (r->engine->listed.v[i].state == WHET_WEIGHT_FREE) return true;
    return false;
}

// ---- models ----

typedef struct {
    whet_map map;
    whet_import import;
    char *folder;
} model_file;

static void close_model(void *handle) {
    model_file *m = handle;
    whet_import_close(&m->import);
    whet_map_close(&m->map);
    free(m->folder);
    free(m);
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static whet_status open_model(whet_refitter *r, const char *path, model_file **model) {
    whet_error *err = &r->handle.error;
    model_file *m = calloc(1, sizeof *m);
    if (!m) return WHET_NOMEM(err);
    whet_status status = whet_map_open(&m->map, path, err);
    if (status != WHET_OK) {
        free(m);
        return status;
    }
    whet_env *env = r->engine->env;
    m->folder = folder_of(path);
    whet_import_options o = {.ops = whet_env_ops(env), .external_dir = m->folder,
                             .plugin_override = env->plugin_override};
    status = m->folder ? whet_import_onnx(&m->import, m->map.data, m->map.size, &o, err)
                       : WHET_NOMEM(err);
    if (status == WHET_OK) *model = m;
    else close_model(m);
    return status;
}

static whet_status load_model(whet_refitter *r, const char *path) {
    model_file *m = NULL;
    int32_t found = 0;
    WHET_TRY(open_model(r, path, &m));
    WHET_TRY(whet_refitter_hold(r, m, close_model));
    const whet_graph *g = m->import.graph;
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_value *v = g->values[i];
        if (!v->data || v->producer || v->literal || !*v->name ||
            whet_refitter_find(r, v->name) < 0)
            continue;
        WHET_TRY(whet_refitter_set(r, v->name, v->data));
        found++;
    }
    if (!found && has_weights(r))
        WHET_FAIL(&r->handle.error, WHET_E_NOT_FOUND,
                  "none of its constants has the name of a weight of the engine");
    return WHET_OK;
}

// ---- .npz and .safetensors ----

static void close_weights(void *handle) { whet_weights_close(handle); }

static whet_status open_weights(whet_refitter *r, const char *path, whet_weights **w) {
    whet_env *env = r->engine->env;
    whet_status status = whet_weights_open(env, path, w);
    return status == WHET_OK
               ? status : whet_error_set(&r->handle.error, status, "%s", env->handle.error.text);
}

static bool widens(whet_dtype from, whet_dtype to) {
    bool half = from == WHET_DTYPE_BF16 || from == WHET_DTYPE_F16;
    return (half && to == WHET_DTYPE_F32) ||
           (to == WHET_DTYPE_F64 && (half || from == WHET_DTYPE_F32));
}

static whet_status find_tensor(whet_refitter *r, whet_weights *w, const char *name,
                               whet_dtype dtype, whet_tensor *t) {
    whet_status status = whet_weights_find(w, name, WHET_DTYPE_NONE, t);
    if (status == WHET_OK && widens(t->dtype, dtype))
        status = whet_weights_find(w, name, dtype, t);
    return status == WHET_OK
               ? status : whet_error_set(&r->handle.error, status, "%s", whet_error_text(w));
}

static whet_status load_arrays(whet_refitter *r, const char *path) {
    whet_weights *w;
    int32_t found = 0;
    WHET_TRY(open_weights(r, path, &w));
    WHET_TRY(whet_refitter_hold(r, w, close_weights));
    for (int32_t i = 0; i < whet_weights_count(w); i++) {
        const char *name = whet_weights_name(w, i);
        int32_t at = whet_refitter_find(r, name);
        if (at < 0) continue;
        whet_tensor t;
        WHET_TRY(find_tensor(r, w, name, r->engine->listed.v[at].dtype, &t));
        WHET_TRY(whet_refitter_set(r, name, &t));
        found++;
    }
    if (!found && has_weights(r))
        WHET_FAIL(&r->handle.error, WHET_E_NOT_FOUND,
                  "none of its arrays has the name of a weight of the engine");
    return WHET_OK;
}

static bool is_arrays(const char *path) {
    return ends_with(path, ".npz") || ends_with(path, ".safetensors");
}

whet_status whet_refitter_load(whet_refitter *r, const char *path) {
    if (!r) return WHET_E_INVALID;
    whet_error *err = &r->handle.error;
    whet_error_clear(err);
    if (!path) WHET_FAIL(err, WHET_E_INVALID, "whet_refitter_load: path is NULL");
    whet_status status = is_arrays(path) ? load_arrays(r, path) : load_model(r, path);
    if (status == WHET_OK) return status;
    bool named = !strncmp(err->text, path, strlen(path)); // errors of files name them
    return named ? status : whet_error_prefix(err, status, "%s", path);
}

whet_status whet_engine_load_refit(whet_env *env, const char *path, const char *weights,
                                   whet_engine **engine) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    whet_error *err = &env->handle.error;
    if (!path || !weights || !engine)
        WHET_FAIL(err, WHET_E_INVALID, "whet_engine_load_refit: NULL argument");
    whet_engine *e;
    WHET_TRY(whet_engine_load_stripped(env, path, &e));
    whet_refitter *r = NULL;
    whet_status status = whet_refitter_create(e, &r);
    if (status != WHET_OK) whet_error_set(err, status, "%s", e->handle.error.text);
    if (status == WHET_OK) {
        status = whet_refitter_load(r, weights);
        if (status == WHET_OK) status = whet_refitter_run(r);
        if (status != WHET_OK) whet_error_set(err, status, "%s", r->handle.error.text);
    }
    whet_refitter_destroy(r);
    if (status == WHET_OK) *engine = e;
    else whet_engine_destroy(e);
    return status;
}

// ---- adapters ----

static const char *const a_ends[] = {".lora_A", ".lora_A.weight", ".lora_A.default.weight",
                                     ".lora_down.weight", NULL};
static const char *const b_ends[] = {".lora_B", ".lora_B.weight", ".lora_B.default.weight",
                                     ".lora_up.weight", NULL};
#define PEFT_PREFIX "base_model.model."

// Length of the name without the ending; 0: it has none of them.
static size_t stem_of(const char *name, const char *const *ends, int32_t *which) {
    for (int32_t i = 0; ends[i]; i++)
        if (ends_with(name, ends[i]) && strlen(name) > strlen(ends[i])) {
            *which = i;
            return strlen(name) - strlen(ends[i]);
        }
    return 0;
}

// Name of the engine's weight that the stem stands for, -1: none.
static int32_t weight_of(whet_refitter *r, whet_arena *arena, const char *stem) {
    const char *from[2] = {stem, NULL};
    if (!strncmp(stem, PEFT_PREFIX, strlen(PEFT_PREFIX))) from[1] = stem + strlen(PEFT_PREFIX);
    for (int32_t i = 0; i < 2 && from[i]; i++) {
        int32_t at = whet_refitter_find(r, from[i]);
        const char *longer = whet_arena_printf(arena, "%s.weight", from[i]);
        if (at < 0 && longer) at = whet_refitter_find(r, longer);
        if (at >= 0) return at;
    }
    return -1;
}

static whet_status load_pair(whet_refitter *r, whet_weights *w, whet_arena *arena,
                             const char *adapter, const char *a_name, double alpha) {
    whet_error *err = &r->handle.error;
    int32_t which;
    size_t n = stem_of(a_name, a_ends, &which);
    const char *stem = whet_arena_strndup(arena, a_name, n);
    const char *b_name = stem ? whet_arena_printf(arena, "%s%s", stem, b_ends[which]) : NULL;
    const char *alpha_name = stem ? whet_arena_printf(arena, "%s.alpha", stem) : NULL;
    if (!b_name || !alpha_name) return WHET_NOMEM(err);
    int32_t at = weight_of(r, arena, stem);
    if (at < 0)
        WHET_FAIL(err, WHET_E_NOT_FOUND, "\"%s\": the engine has no weight \"%s\" or \"%s.weight\"",
                  a_name, stem, stem);
    whet_tensor a, b, scalar;
    if (whet_weights_find(w, b_name, WHET_DTYPE_NONE, &b) == WHET_E_NOT_FOUND)
        WHET_FAIL(err, WHET_E_NOT_FOUND, "\"%s\" is there without \"%s\"", a_name, b_name);
    WHET_TRY(find_tensor(r, w, a_name, WHET_DTYPE_NONE, &a));
    WHET_TRY(find_tensor(r, w, b_name, WHET_DTYPE_NONE, &b));
    if (whet_weights_find(w, alpha_name, WHET_DTYPE_F64, &scalar) == WHET_OK &&
        whet_dims_count(scalar.dims, scalar.rank) == 1)
        alpha = *(const double *)scalar.data;
    return whet_refitter_add_lora(r, adapter, r->engine->listed.v[at].name, &a, &b, alpha);
}

static whet_status load_pairs(whet_refitter *r, whet_weights *w, const char *adapter,
                              double alpha) {
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status = WHET_OK;
    int32_t found = 0, which;
    for (int32_t i = 0; i < whet_weights_count(w) && status == WHET_OK; i++) {
        const char *name = whet_weights_name(w, i);
        if (!stem_of(name, a_ends, &which)) continue;
        status = load_pair(r, w, &arena, adapter, name, alpha);
        found++;
    }
    whet_arena_fini(&arena);
    if (status == WHET_OK && !found)
        WHET_FAIL(&r->handle.error, WHET_E_NOT_FOUND,
                  "none of its arrays is called NAME.lora_A or NAME.lora_A.weight");
    return status;
}

whet_status whet_refitter_load_lora(whet_refitter *r, const char *adapter, const char *path,
                                    double alpha) {
    if (!r) return WHET_E_INVALID;
    whet_error *err = &r->handle.error;
    whet_error_clear(err);
    if (!adapter || !path)
        WHET_FAIL(err, WHET_E_INVALID, "whet_refitter_load_lora: NULL argument");
    whet_weights *w;
    WHET_TRY(open_weights(r, path, &w));
    whet_status status = load_pairs(r, w, adapter, alpha);
    whet_weights_close(w);
    return status == WHET_OK ? status : whet_error_prefix(err, status, "%s", path);
}
