// SPDX-License-Identifier: Apache-2.0
#include "build/timing_cache.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "env/env.h"

#define HEADER "whet timing cache 1\n"
#define MAX_KEY 4096

static whet_timing_entry *find(whet_timing_entry *entries, int64_t cap, const char *key) {
    uint64_t i = whet_hash64_text(key, 0) & (uint64_t)(cap - 1);
    while (entries[i].key && strcmp(entries[i].key, key)) i = (i + 1) & (uint64_t)(cap - 1);
    return &entries[i];
}

double whet_timing_cache_get(const whet_timing_cache *c, const char *key) {
    if (!c->cap) return -1;
    const whet_timing_entry *e = find(c->entries, c->cap, key);
    return e->key ? e->seconds : -1;
}

static bool grow(whet_timing_cache *c) {
    int64_t cap = c->cap ? c->cap * 2 : 256;
    whet_timing_entry *fresh = calloc((size_t)cap, sizeof *fresh);
    if (!fresh) return false;
    for (int64_t i = 0; i < c->cap; i++)
        if (c->entries[i].key) *find(fresh, cap, c->entries[i].key) = c->entries[i];
    free(c->entries);
    c->entries = fresh;
    c->cap = cap;
    return true;
}

whet_status whet_timing_cache_put(whet_timing_cache *c, const char *key, double seconds) {
    if (c->n * 2 >= c->cap && !grow(c)) return WHET_NOMEM(&c->handle.error);
    whet_timing_entry *e = find(c->entries, c->cap, key);
    if (!e->key) {
        e->key = whet_arena_strdup(&c->arena, key);
        if (!e->key) return WHET_NOMEM(&c->handle.error);
        c->n++;
    }
    e->seconds = seconds;
    c->changed = true;
    return WHET_OK;
}

// ---- reading: a header, "key TAB seconds" lines, a line "crc32c HEX" over all before it ----

static whet_status parse_line(whet_timing_cache *c, const char *line, size_t n, int64_t number,
                              whet_error *err) {
    const char *tab = memchr(line, '\t', n);
    char key[MAX_KEY], value[64], *end;
    size_t key_len = tab ? (size_t)(tab - line) : 0, value_len = tab ? n - key_len - 1 : 0;
    if (!key_len || key_len >= sizeof key || !value_len || value_len >= sizeof value ||
        memchr(line, 0, n))
        WHET_FAIL(err, WHET_E_PARSE, "timing cache, line %lld: expected a key, a tab and seconds",
                  (long long)number);
    memcpy(key, line, key_len);
    key[key_len] = 0;
    memcpy(value, tab + 1, value_len);
    value[value_len] = 0;
    double seconds = strtod(value, &end);
    if (*end || !isfinite(seconds) || seconds < 0)
        WHET_FAIL(err, WHET_E_PARSE, "timing cache, line %lld: \"%s\" is no time",
                  (long long)number, value);
    return whet_timing_cache_put(c, key, seconds);
}

static whet_status parse_check(const char *text, size_t before, const char *line, size_t n,
                               whet_error *err) {
    char hex[16] = {0}, *end;
    if (n != 7 + 8) WHET_FAIL(err, WHET_E_PARSE, "timing cache: bad last line");
    memcpy(hex, line + 7, 8);
    uint32_t crc = (uint32_t)strtoul(hex, &end, 16);
    if (*end) WHET_FAIL(err, WHET_E_PARSE, "timing cache: bad last line");
    if (crc != whet_crc32c(0, text, before))
        WHET_FAIL(err, WHET_E_CHECKSUM, "timing cache: it is damaged (checksum mismatch)");
    return WHET_OK;
}

whet_status whet_timing_cache_parse(whet_timing_cache *c, const char *text, size_t n,
                                    whet_error *err) {
    size_t at = strlen(HEADER);
    if (n >= 18 && !memcmp(text, HEADER, 18) && (n < at || memcmp(text, HEADER, at)))
        WHET_FAIL(err, WHET_E_VERSION, "timing cache: its version is not 1");
    if (n < at || memcmp(text, HEADER, at))
        WHET_FAIL(err, WHET_E_PARSE, "this is no timing cache (it does not start with its mark)");
    for (int64_t number = 2; at < n; number++) {
        const char *line = text + at, *end = memchr(line, '\n', n - at);
        if (!end) break;
        size_t len = (size_t)(end - line);
        if (len >= 7 && !memcmp(line, "crc32c ", 7)) {
            WHET_TRY(parse_check(text, at, line, len, err));
            if (at + len + 1 != n) WHET_FAIL(err, WHET_E_PARSE, "timing cache: text after its end");
            return WHET_OK;
        }
        WHET_TRY(parse_line(c, line, len, number, err));
        at += len + 1;
    }
    WHET_FAIL(err, WHET_E_PARSE, "timing cache: it is truncated (the last line is missing)");
}

whet_status whet_timing_cache_load(whet_env *env, const char *path, whet_timing_cache **cache) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    whet_error *err = &env->handle.error;
    if (!cache) WHET_FAIL(err, WHET_E_INVALID, "whet_timing_cache_load: cache is NULL");
    whet_timing_cache *c = calloc(1, sizeof *c);
    if (!c) return WHET_NOMEM(err);
    c->handle.magic = WHET_HANDLE_MAGIC;
    whet_arena_init(&c->arena);
    whet_status status = WHET_OK;
    if (path && (access(path, F_OK) == 0 || errno != ENOENT)) {
        whet_map map;
        status = whet_map_open(&map, path, err);
        if (status == WHET_OK) {
            status = whet_timing_cache_parse(c, map.data, map.size, err);
            whet_map_close(&map);
            if (status != WHET_OK) whet_error_prefix(err, status, "%s", path);
        }
    }
    c->changed = false;
    if (status == WHET_OK) *cache = c;
    else whet_timing_cache_destroy(c);
    return status;
}

static int by_key(const void *a, const void *b) {
    return strcmp((*(const whet_timing_entry *const *)a)->key,
                  (*(const whet_timing_entry *const *)b)->key);
}

whet_status whet_timing_cache_save(whet_timing_cache *c, const char *path) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    if (!path) WHET_FAIL(err, WHET_E_INVALID, "whet_timing_cache_save: path is NULL");
    const whet_timing_entry **sorted = calloc((size_t)c->n + 1, sizeof *sorted);
    if (!sorted) return WHET_NOMEM(err);
    int64_t n = 0;
    for (int64_t i = 0; i < c->cap; i++)
        if (c->entries[i].key) sorted[n++] = &c->entries[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_key);
    whet_str s;
    whet_str_init(&s);
    whet_str_add(&s, HEADER);
    for (int64_t i = 0; i < n; i++)
        whet_str_printf(&s, "%s\t%.9g\n", sorted[i]->key, sorted[i]->seconds);
    free(sorted);
    whet_str_printf(&s, "crc32c %08x\n", whet_crc32c(0, whet_str_text(&s), s.len));
    whet_piece piece = {whet_str_text(&s), s.len};
    whet_status status = s.failed ? WHET_NOMEM(err) : whet_file_write(path, &piece, 1, err);
    whet_str_fini(&s);
    if (status == WHET_OK) c->changed = false;
    return status;
}

whet_status whet_timing_cache_merge(whet_timing_cache *c, const whet_timing_cache *other) {
    if (!c || !other) return WHET_E_INVALID;
    for (int64_t i = 0; i < other->cap; i++) {
        const whet_timing_entry *e = &other->entries[i];
        if (e->key && whet_timing_cache_get(c, e->key) < 0)
            WHET_TRY(whet_timing_cache_put(c, e->key, e->seconds));
    }
    return WHET_OK;
}

int64_t whet_timing_cache_count(const whet_timing_cache *c) { return c ? c->n : 0; }

void whet_timing_cache_destroy(whet_timing_cache *c) {
    if (!c) return;
    whet_arena_fini(&c->arena);
    free(c->entries);
    free(c);
}
