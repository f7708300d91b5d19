// SPDX-License-Identifier: Apache-2.0
#include "build/carry_plugins.h"

#include <string.h>
#include <sys/stat.h>

#include "engine/engine_plugins.h"

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    if (stat(a, &x) || stat(b, &y)) {
        const char *p = strrchr(a, '/'), *q = strrchr(b, '/');
        return !strcmp(p ? p + 1 : a, q ? q + 1 : b);
    }
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// "used", or files with commas between them.
static whet_status wanted(whet_build *x, const char *path, bool *yes) {
    const char *list = x->c->embed_plugins;
    *yes = list && *path && !strcmp(list, "used");
    while (list && *path && !*yes && *list) {
        size_t n = strcspn(list, ",");
        const char *file = whet_arena_strndup(&x->arena, list, n);
        if (!file) return WHET_NOMEM(x->err);
        *yes = n && same_file(file, path);
        list += n + (list[n] == ',');
    }
    return WHET_OK;
}

// Libraries of which several plugins are used are carried once.
static whet_status carry(whet_build *x, whet_carried *c, whet_plugin_record *records, int32_t i,
                         const char *const *paths) {
    for (int32_t k = 0; k < i; k++) {
        if (records[k].carried == WHET_NOT_CARRIED || strcmp(paths[k], paths[i])) continue;
        records[i].carried = records[k].carried;
        memcpy(records[i].sha256, records[k].sha256, sizeof records[i].sha256);
        return WHET_OK;
    }
    whet_map *map = &c->libraries[c->n];
    WHET_TRY(whet_map_open(map, paths[i], x->err));
    records[i].carried = (uint32_t)c->n++;
    whet_sha256(map->data, map->size, records[i].sha256);
    return WHET_OK;
}

whet_status whet_carry_plugins(whet_build *x, whet_carried *c) {
    *c = (whet_carried){0};
    whet_writer_init(&c->records);
    if (x->before) return WHET_OK; // its sections are kept
    whet_plugin_record *records = NULL;
    int32_t n = 0;
    WHET_TRY(whet_pgraph_plugins(x->graph, &x->arena, &records, &n, x->err));
    if (!n) return WHET_OK;
    const char **paths = WHET_NEW_ARRAY(&x->arena, const char *, n);
    c->libraries = WHET_NEW_ARRAY(&x->arena, whet_map, n);
    if (!paths || !c->libraries) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n; i++) {
        const whet_op *op = whet_op_find(whet_env_ops(x->env), records[i].op);
        paths[i] = op && op->ext ? op->ext->path : "";
        bool yes;
        WHET_TRY(wanted(x, paths[i], &yes));
        if (yes) WHET_TRY(carry(x, c, records, i, paths));
        else if (x->c->embed_plugins && !*paths[i])
            whet_env_log(x->env, WHET_LOG_WARNING,
                         "plugin %s is of this process, so the engine cannot carry it",
                         records[i].op);
    }
    whet_plugin_records_encode(records, n, &c->records);
    return c->records.failed ? WHET_NOMEM(x->err) : WHET_OK;
}

void whet_carry_drop(whet_carried *c) {
    for (int32_t i = 0; i < c->n; i++) whet_map_close(&c->libraries[i]);
    whet_writer_fini(&c->records);
}
