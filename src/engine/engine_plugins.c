// SPDX-License-Identifier: Apache-2.0
#include "engine/engine_plugins.h"

#include <string.h>

#define MAX_RECORDS 65536
#define LEAST_BYTES 32 // of one record

typedef struct {
    whet_arena *arena;
    whet_plugin_record *v;
    int32_t n, cap;
} list;

static bool add_op(list *l, const whet_op *op) {
    const whet_op_extern *x = op->ext;
    for (int32_t i = 0; i < l->n; i++)
        if (l->v[i].op == op->name) return true;
    const char *slash = strrchr(x->path, '/');
    whet_plugin_record r = {.op = op->name, .domain = x->domain, .type = x->type,
                            .version = x->version, .library = x->library,
                            .library_version = x->library_version,
                            .file = slash ? slash + 1 : x->path, .carried = WHET_NOT_CARRIED};
    return WHET_ARENA_PUSH(l->arena, l->v, l->n, l->cap, r);
}

static bool add_graph(list *l, const whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op->ext && !add_op(l, g->nodes[i].op)) return false;
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!add_graph(l, g->blocks[i])) return false;
    return true;
}

whet_status whet_pgraph_plugins(const whet_pgraph *g, whet_arena *arena,
                                whet_plugin_record **records, int32_t *n, whet_error *err) {
    list l = {.arena = arena};
    if (!add_graph(&l, g)) return WHET_NOMEM(err);
    *records = l.v;
    *n = l.n;
    return WHET_OK;
}

// The texts of a record, in the order of the file.
#define TEXTS(r)                                                                                   \
    {                                                                                              \
        &(r)->op, &(r)->domain, &(r)->type, &(r)->version, &(r)->library, &(r)->library_version,   \
            &(r)->file                                                                             \
    }
#define N_TEXTS 7

void whet_plugin_records_encode(const whet_plugin_record *records, int32_t n, whet_writer *w) {
    whet_write_u32(w, (uint32_t)n);
    for (int32_t i = 0; i < n; i++) {
        const whet_plugin_record *r = &records[i];
        const char *const *texts[N_TEXTS] = TEXTS(r);
        for (int32_t k = 0; k < N_TEXTS; k++) whet_write_text(w, *texts[k]);
        whet_write_u32(w, r->carried);
        if (r->carried != WHET_NOT_CARRIED) whet_write_bytes(w, r->sha256, sizeof r->sha256);
    }
}

static whet_status malformed(const whet_reader *r, whet_error *err) {
    WHET_FAIL(err, WHET_E_PARSE, "engine file: malformed list of plugins at byte %zu", r->at);
}

static whet_status read_record(whet_reader *r, whet_arena *arena, whet_plugin_record *out,
                               whet_error *err) {
    const char **texts[N_TEXTS] = TEXTS(out);
    for (int32_t k = 0; k < N_TEXTS; k++) {
        size_t n;
        const char *p = whet_read_text(r, &n);
        if (!p || memchr(p, 0, n) || n > 4096) return malformed(r, err);
        *texts[k] = whet_arena_strndup(arena, p, n);
        if (!*texts[k]) return WHET_NOMEM(err);
    }
    out->carried = whet_read_u32(r);
    if (r->failed) return malformed(r, err);
    if (out->carried == WHET_NOT_CARRIED) return WHET_OK;
    const void *sha = whet_read_span(r, sizeof out->sha256);
    if (!sha || out->carried >= MAX_RECORDS) return malformed(r, err);
    memcpy(out->sha256, sha, sizeof out->sha256);
    return WHET_OK;
}

whet_status whet_plugin_records_decode(const void *data, size_t size, whet_arena *arena,
                                       whet_plugin_record **records, int32_t *n, whet_error *err) {
    whet_reader r;
    whet_reader_init(&r, data, size);
    uint32_t count = whet_read_count(&r, LEAST_BYTES, MAX_RECORDS);
    whet_plugin_record *v = WHET_NEW_ARRAY(arena, whet_plugin_record, count);
    if (!v) return WHET_NOMEM(err);
    for (uint32_t i = 0; i < count; i++) WHET_TRY(read_record(&r, arena, &v[i], err));
    if (r.failed || whet_reader_left(&r)) return malformed(&r, err);
    *records = v;
    *n = (int32_t)count;
    return WHET_OK;
}
