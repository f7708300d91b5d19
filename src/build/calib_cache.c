// SPDX-License-Identifier: Apache-2.0
// TensorRT's calibration cache: a line that begins with "TRT-", then "NAME: HEX" for each value,
// the eight digits being the bits of a float, its scale. A range that does not lie evenly around
// zero is told by two lines more, "NAME (low): HEX" and "NAME (high): HEX", which other readers
// take for values that they do not have.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "build/calib.h"

#define MAX_ENTRIES (1 << 20)

void whet_calib_cache_init(whet_calib_cache *c) {
    *c = (whet_calib_cache){0};
    whet_arena_init(&c->arena);
}

void whet_calib_cache_fini(whet_calib_cache *c) { whet_arena_fini(&c->arena); }

// Where `name` is or would be.
static int32_t place(const whet_calib_cache *c, const char *name, size_t n, bool *found) {
    int32_t lo = 0, hi = c->n;
    *found = false;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int order = strncmp(c->v[mid].name, name, n);
        if (!order) order = c->v[mid].name[n] != 0;
        if (!order) return *found = true, mid;
        if (order < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

// The entry of that name, made where there is none; NULL: out of memory.
static whet_calib_entry *entry(whet_calib_cache *c, const char *name, size_t n, bool *found) {
    int32_t at = place(c, name, n, found);
    if (*found) return &c->v[at];
    whet_calib_entry e = {.name = whet_arena_strndup(&c->arena, name, n)};
    if (!e.name || !WHET_ARENA_PUSH(&c->arena, c->v, c->n, c->cap, e)) return NULL;
    memmove(&c->v[at + 1], &c->v[at], (size_t)(c->n - 1 - at) * sizeof e);
    c->v[at] = e;
    return &c->v[at];
}

const whet_calib_entry *whet_calib_cache_find(const whet_calib_cache *c, const char *name) {
    bool found;
    int32_t at = place(c, name, strlen(name), &found);
    return found ? &c->v[at] : NULL;
}

// ---- reading ----

static int32_t digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_float(const char *text, size_t n, float *v) {
    uint32_t bits = 0;
    if (n == 0 || n > 8) return false;
    for (size_t i = 0; i < n; i++) {
        if (digit(text[i]) < 0) return false;
        bits = bits << 4 | (uint32_t)digit(text[i]);
    }
    memcpy(v, &bits, sizeof bits);
    return isfinite(*v);
}

static bool ends_with(const char *text, size_t n, const char *end, size_t *rest) {
    size_t k = strlen(end);
    if (n <= k || memcmp(text + n - k, end, k)) return false;
    *rest = n - k;
    return true;
}

static bool is_bound(const char *name, size_t n) {
    size_t rest;
    return ends_with(name, n, " (low)", &rest) || ends_with(name, n, " (high)", &rest);
}

static whet_status read_line(whet_calib_cache *c, const char *line, size_t n, int32_t number,
                             whet_error *err) {
    size_t colon = n, name;
    float v;
    while (n && (line[n - 1] == '\r' || line[n - 1] == ' ')) n--;
    if (!n) return WHET_OK;
    for (colon = n; colon && line[colon - 1] != ':'; colon--) {}
    const char *hex = line + colon;
    while (hex < line + n && *hex == ' ') hex++;
    if (colon < 2 || memchr(line, 0, n) || !read_float(hex, (size_t)(line + n - hex), &v))
        WHET_FAIL(err, WHET_E_PARSE,
                  "calibration cache: line %d is not a name, a colon and the digits of a float",
                  number);
    bool found, low = ends_with(line, colon - 1, " (low)", &name);
    bool high = !low && ends_with(line, colon - 1, " (high)", &name);
    if (!low && !high) name = colon - 1;
    bool wrong = (low ? v > 0 : v < 0) || is_bound(line, name);
    if (wrong || c->n == MAX_ENTRIES)
        WHET_FAIL(err, WHET_E_PARSE, "calibration cache: line %d: %s", number,
                  wrong ? "a number of the wrong sign, or a bound of a bound" : "one too many");
    whet_calib_entry *e = entry(c, line, name, &found);
    if (!e) return WHET_NOMEM(err);
    if (low) e->low = v;
    else if (high) e->high = v;
    else e->scale = v;
    e->bounded = e->bounded || low || high;
    return WHET_OK;
}

whet_status whet_calib_cache_parse(whet_calib_cache *c, const char *text, size_t n,
                                   whet_error *err) {
    if (n < 4 || memcmp(text, "TRT-", 4))
        WHET_FAIL(err, WHET_E_VERSION,
                  "not a calibration cache: its first line does not begin with TRT-");
    size_t at = 0;
    for (int32_t number = 1; at < n; number++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t size = end ? (size_t)(end - text) - at : n - at;
        if (number > 1) WHET_TRY(read_line(c, text + at, size, number, err));
        at += size + 1;
    }
    return WHET_OK;
}

whet_status whet_calib_cache_load(whet_calib_cache *c, const char *path, whet_error *err) {
    whet_map map = {0};
    WHET_TRY(whet_map_open(&map, path, err));
    whet_status status = whet_calib_cache_parse(c, map.data, map.size, err);
    whet_map_close(&map);
    return status == WHET_OK ? status : whet_error_prefix(err, status, "%s", path);
}

// ---- writing ----

bool whet_calib_cache_put(whet_calib_cache *c, const char *name, const whet_calib_range *r) {
    bool found;
    if (strpbrk(name, "\r\n") || is_bound(name, strlen(name))) return true; // no line can hold it
    whet_calib_entry *e = entry(c, name, strlen(name), &found);
    if (!e) return false;
    e->scale = (-r->low > r->high ? -r->low : r->high) / 127;
    e->low = r->low, e->high = r->high;
    e->bounded = -r->low != r->high;
    return true;
}

static void print_float(whet_str *out, const char *name, const char *what, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    whet_str_printf(out, "%s%s: %08x\n", name, what, bits);
}

void whet_calib_cache_print(whet_calib_cache *c, whet_calib_method method, whet_str *out) {
    whet_str_printf(out, "TRT-8601-%s\n",
                    method == WHET_CALIB_MINMAX   ? "MinMaxCalibration"
                    : method == WHET_CALIB_LEGACY ? "LegacyCalibration"
                                                  : "EntropyCalibration2");
    for (int32_t i = 0; i < c->n; i++) {
        const whet_calib_entry *e = &c->v[i];
        print_float(out, e->name, "", e->scale);
        if (!e->bounded) continue;
        print_float(out, e->name, " (low)", e->low);
        print_float(out, e->name, " (high)", e->high);
    }
}

whet_status whet_calib_cache_save(whet_calib_cache *c, whet_calib_method method, const char *path,
                                  whet_error *err) {
    whet_str s;
    whet_str_init(&s);
    whet_calib_cache_print(c, method, &s);
    whet_piece piece = {whet_str_text(&s), s.len};
    whet_status status = s.failed ? WHET_NOMEM(err) : whet_file_write(path, &piece, 1, err);
    whet_str_fini(&s);
    return status;
}
