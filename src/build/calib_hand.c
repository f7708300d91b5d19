// SPDX-License-Identifier: Apache-2.0
// Ranges of values by hand: from a function, from "NAME:LOW:HIGH,...", or from a file with a line
// "NAME: LOW HIGH" each. They stand for what samples or a cache would say.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "build/builder_impl.h"
#include "build/calib.h"

enum { MOST_LINE = 4096 };

whet_status whet_config_set_range(whet_config *c, const char *value, double low, double high) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    whet_error_clear(err);
    if (!value || !*value)
        WHET_FAIL(err, WHET_E_INVALID, "whet_config_set_range: value is NULL or empty");
    if (!(low <= high) || fabs(low) > (double)FLT_MAX || fabs(high) > (double)FLT_MAX)
        WHET_FAIL(err, WHET_E_INVALID,
                  "range of \"%s\": %g to %g, expected finite numbers, the lower one first", value,
                  low, high);
    whet_hand_range r = {whet_arena_strdup(&c->arena, value), (float)low, (float)high};
    if (!r.name || !WHET_ARENA_PUSH(&c->arena, c->ranges, c->n_ranges, c->cap_ranges, r))
        return WHET_NOMEM(err);
    return WHET_OK;
}

// ---- texts ----

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The number that ends text[0, *n) and begins behind one of `before`, which is cut off with it.
static bool last_number(const char *text, size_t *n, const char *before, double *v) {
    size_t end = *n, at;
    while (end && is_blank(text[end - 1])) end--;
    for (at = end; at && !strchr(before, text[at - 1]); at--) continue;
    char number[64], *stop;
    if (!at || at == end || end - at >= sizeof number) return false;
    memcpy(number, text + at, end - at);
    number[end - at] = 0;
    *v = strtod(number, &stop);
    *n = at - 1;
    return !*stop;
}

// NAME<separator>LOW<separator>HIGH
static bool read_range(const char *text, size_t n, const char *separators, char name[MOST_LINE],
                       double *low, double *high) {
    if (!last_number(text, &n, separators, high) || !last_number(text, &n, separators, low))
        return false;
    while (n && is_blank(text[n - 1])) n--;
    if (n && text[n - 1] == ':') n--;
    while (n && is_blank(*text)) text++, n--;
    if (!n || n >= MOST_LINE) return false;
    memcpy(name, text, n);
    name[n] = 0;
    return true;
}

static whet_status put(whet_calib_cache *hand, const char *name, double low, double high,
                       const char *where, whet_error *err) {
    if (!(low <= high) || fabs(low) > (double)FLT_MAX || fabs(high) > (double)FLT_MAX)
        WHET_FAIL(err, WHET_E_INVALID,
                  "%s: range of \"%s\": %g to %g, expected finite numbers, the lower one first",
                  where, name, low, high);
    // a rounded value can always be 0
    whet_calib_range r = {low < 0 ? (float)low : 0, high > 0 ? (float)high : 0};
    return whet_calib_cache_put(hand, name, &r) ? WHET_OK : WHET_NOMEM(err);
}

static whet_status read_option(const char *text, whet_calib_cache *hand, whet_error *err) {
    char name[MOST_LINE];
    double low, high;
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, ",");
        if (!read_range(at, n, ":", name, &low, &high))
            WHET_FAIL(err, WHET_E_INVALID, "option ranges: \"%.*s\", expected NAME:LOW:HIGH",
                      (int)(n < 100 ? n : 100), at);
        WHET_TRY(put(hand, name, low, high, "option ranges", err));
        at += n + (at[n] == ',');
    }
    return WHET_OK;
}

static whet_status read_lines(const char *path, const char *text, size_t size,
                              whet_calib_cache *hand, whet_error *err) {
    char name[MOST_LINE];
    double low, high;
    size_t at = 0;
    for (int32_t line = 1; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at, from = at;
        at += n + 1;
        while (n && is_blank(text[from])) from++, n--;
        if (!n || text[from] == '#') continue;
        if (memchr(text + from, 0, n) || !read_range(text + from, n, " \t", name, &low, &high))
            WHET_FAIL(err, WHET_E_PARSE, "%s: line %d, expected NAME: LOW HIGH", path, line);
        WHET_TRY(put(hand, name, low, high, path, err));
    }
    return WHET_OK;
}

static whet_status read_file(const char *path, whet_calib_cache *hand, whet_error *err) {
    whet_map map = {0};
    WHET_TRY(whet_map_open(&map, path, err));
    whet_status status = read_lines(path, map.data, map.size, hand, err);
    whet_map_close(&map);
    return status;
}

// ---- all of them ----

// Each is of a value of the model, whether that is rounded or not.
static whet_status check_names(const whet_calib_cache *hand, const whet_graph *g,
                               whet_error *err) {
    whet_calib_cache known;
    whet_calib_range none = {0};
    whet_status status = WHET_OK;
    whet_calib_cache_init(&known);
    for (int32_t i = 0; i < g->root->n_values && status == WHET_OK; i++)
        if (*g->root->values[i]->name &&
            !whet_calib_cache_put(&known, g->root->values[i]->name, &none))
            status = WHET_NOMEM(err);
    for (int32_t i = 0; i < hand->n && status == WHET_OK; i++) {
        if (whet_calib_cache_find(&known, hand->v[i].name)) continue;
        whet_nearest near = {.wanted = hand->v[i].name};
        for (int32_t k = 0; k < known.n; k++) whet_nearest_add(&near, known.v[k].name);
        whet_str names;
        whet_str_init(&names);
        whet_nearest_print(&near, &names);
        status = whet_error_set(err, WHET_E_NOT_FOUND,
                                "a range is given for \"%s\", which is no value of the model%s",
                                hand->v[i].name, whet_str_text(&names));
        whet_str_fini(&names);
    }
    whet_calib_cache_fini(&known);
    return status;
}

bool whet_calib_hand_any(const whet_config *o) {
    return o->n_ranges || o->ranges_text || o->ranges_file;
}

whet_status whet_calib_hand_read(const whet_config *o, const whet_graph *g, whet_calib_cache *hand,
                                 whet_error *err) {
    if (o->ranges_file) WHET_TRY(read_file(o->ranges_file, hand, err));
    WHET_TRY(read_option(o->ranges_text, hand, err));
    for (int32_t i = 0; i < o->n_ranges; i++)
        WHET_TRY(put(hand, o->ranges[i].name, (double)o->ranges[i].low, (double)o->ranges[i].high,
                     "whet_config_set_range", err));
    return check_names(hand, g, err);
}
