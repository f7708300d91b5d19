// SPDX-License-Identifier: Apache-2.0
// Before the graph of an engine is read: its plugins must be there, or be carried inside and
// allowed to be loaded.
#include <stdio.h>
#include <string.h>

#include "engine/engine_plugins.h"
#include "env/env_plugins.h"
#include "run/engine_impl.h"

static whet_status not_there(const whet_plugin_record *r, whet_error *err) {
    char what[1024];
    snprintf(what, sizeof what, "the engine needs plugin %s, version %s, domain \"%s\"", r->type,
             r->version, r->domain);
    if (r->carried != WHET_NOT_CARRIED)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "%s; the engine carries its library %s %s (%s), but loading code from an engine "
                  "has not been allowed (engine_libraries, --engine-libraries)",
                  what, r->library, r->library_version, r->file);
    if (!*r->library)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "%s, which the process that built it brought along; register it before loading",
                  what);
    WHET_FAIL(err, WHET_E_UNSUPPORTED,
              "%s, of library %s %s; load that before (--plugins=%s, whet_env_load_plugins)", what,
              r->library, r->library_version, r->file);
}

static whet_status load_carried(whet_engine *e, const whet_plugin_record *r, whet_error *err) {
    whet_section *s =
        whet_engine_file_nth(&e->file, WHET_SECTION_LIBRARY, 0, (int32_t)r->carried);
    if (!s)
        WHET_FAIL(err, WHET_E_PARSE, "engine file: the library of plugin %s is missing", r->type);
    uint8_t sha256[WHET_SHA256_BYTES];
    whet_sha256(s->data, s->size, sha256);
    if (memcmp(sha256, r->sha256, sizeof sha256))
        WHET_FAIL(err, WHET_E_CHECKSUM, "engine file: library %s has been changed", r->file);
    WHET_TRY(whet_env_load_plugins_memory(e->env, r->file, s->data, s->size, err));
    if (!whet_op_find(whet_env_ops(e->env), r->op))
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "library %s, carried by the engine, has no plugin %s",
                  r->file, r->op);
    whet_env_log(e->env, WHET_LOG_INFO, "engine: plugins of library %s, which it carries", r->file);
    return WHET_OK;
}

static whet_status find_all(whet_engine *e, const whet_section *s, whet_arena *arena,
                            whet_error *err) {
    whet_plugin_record *r = NULL;
    int32_t n = 0;
    WHET_TRY(whet_plugin_records_decode(s->data, s->size, arena, &r, &n, err));
    for (int32_t i = 0; i < n; i++) {
        if (whet_op_find(whet_env_ops(e->env), r[i].op)) continue;
        if (r[i].carried == WHET_NOT_CARRIED || !e->env->engine_libraries)
            return not_there(&r[i], err);
        WHET_TRY(load_carried(e, &r[i], err));
    }
    return WHET_OK;
}

whet_status whet_engine_find_plugins(whet_engine *e, whet_error *err) {
    whet_section *s = whet_engine_file_find(&e->file, WHET_SECTION_PLUGINS, 0);
    if (!s) return WHET_OK;
    WHET_TRY(whet_section_check(s, e->env->workers, err));
    whet_arena arena;
    whet_arena_init(&arena);
    whet_status status = find_all(e, s, &arena, err);
    whet_arena_fini(&arena);
    return status;
}
