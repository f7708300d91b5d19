// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void whet_str_init(whet_str *s) { *s = (whet_str){0}; }

void whet_str_fini(whet_str *s) {
    free(s->text);
    *s = (whet_str){0};
}

void whet_str_clear(whet_str *s) {
    s->len = 0;
    s->failed = false;
    s->comma = 0;
    s->depth = 0;
    if (s->text) s->text[0] = 0;
}

const char *whet_str_text(const whet_str *s) { return s->text ? s->text : ""; }

// Room for n more bytes and the final NUL.
static bool reserve(whet_str *s, size_t n) {
    if (s->failed) return false;
    if (n < s->cap - s->len) return true;
    size_t cap = s->cap ? s->cap : 64;
    while (n >= cap - s->len) {
        if (cap > SIZE_MAX / 4) {
            s->failed = true;
            return false;
        }
        cap *= 2;
    }
    char *text = realloc(s->text, cap);
    if (!text) {
        s->failed = true;
        return false;
    }
    s->text = text;
    s->cap = cap;
    return true;
}

void whet_str_add_n(whet_str *s, const char *text, size_t n) {
    if (!reserve(s, n)) return;
    if (n) memcpy(s->text + s->len, text, n);
    s->len += n;
    s->text[s->len] = 0;
}

void whet_str_add(whet_str *s, const char *text) { whet_str_add_n(s, text, strlen(text)); }

void whet_str_printf(whet_str *s, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        s->failed = true;
    } else if (reserve(s, (size_t)n)) {
        vsnprintf(s->text + s->len, (size_t)n + 1, format, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

// Length of the well-formed UTF-8 sequence at p (no overlong forms, no surrogates), 0 when there
// is none. The text ends with a NUL, which is never a continuation byte, so it bounds the look.
static int utf8_length(const unsigned char *p) {
    int n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] > 0xf4) return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return n;
}

static void add_escaped(whet_str *s, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = strchr(from, c);
    if (at) whet_str_printf(s, "\\%c", to[at - from]);
    else whet_str_printf(s, "\\u%04x", c);
}

static void add_quoted(whet_str *s, const char *text) {
    whet_str_add_n(s, "\"", 1);
    const unsigned char *p = (const unsigned char *)text, *run = p;
    for (;;) {
        int n = utf8_length(p);
        if (n && *p >= 0x20 && *p != '"' && *p != '\\') {
            p += n;
            continue;
        }
        whet_str_add_n(s, (const char *)run, (size_t)(p - run));
        if (!*p) break;
        if (n) add_escaped(s, *p);
        else whet_str_add(s, "\xef\xbf\xbd");
        run = ++p;
    }
    whet_str_add_n(s, "\"", 1);
}

// Comma of the current depth, and the key.
static void begin(whet_str *s, const char *key) {
    uint64_t bit = UINT64_C(1) << s->depth;
    if (s->comma & bit) whet_str_add_n(s, ",", 1);
    s->comma |= bit;
    if (!key) return;
    add_quoted(s, key);
    whet_str_add_n(s, ":", 1);
}

static void open_level(whet_str *s, const char *key, const char *bracket) {
    begin(s, key);
    whet_str_add_n(s, bracket, 1);
    if (s->depth >= 63) {
        s->failed = true;
        return;
    }
    s->depth++;
    s->comma &= ~(UINT64_C(1) << s->depth);
}

static void close_level(whet_str *s, const char *bracket) {
    if (s->depth > 0) s->depth--;
    whet_str_add_n(s, bracket, 1);
}

void whet_json_object(whet_str *s, const char *key) { open_level(s, key, "{"); }
void whet_json_array(whet_str *s, const char *key) { open_level(s, key, "["); }
void whet_json_end_object(whet_str *s) { close_level(s, "}"); }
void whet_json_end_array(whet_str *s) { close_level(s, "]"); }

void whet_json_text(whet_str *s, const char *key, const char *text) {
    begin(s, key);
    if (text) add_quoted(s, text);
    else whet_str_add(s, "null");
}

void whet_json_int(whet_str *s, const char *key, int64_t v) {
    begin(s, key);
    whet_str_printf(s, "%lld", (long long)v);
}

void whet_json_bool(whet_str *s, const char *key, bool v) {
    begin(s, key);
    whet_str_add(s, v ? "true" : "false");
}

// The fewest digits that read back as v. The locale's decimal point becomes a full stop.
void whet_json_double(whet_str *s, const char *key, double v) {
    begin(s, key);
    if (!isfinite(v)) {
        whet_str_add(s, "null");
        return;
    }
    char text[64];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    bool in_point = false;
    for (const char *p = text; *p; p++) {
        bool plain = strchr("0123456789+-e", *p) != NULL;
        if (plain) whet_str_add_n(s, p, 1);
        else if (!in_point) whet_str_add_n(s, ".", 1);
        in_point = !plain;
    }
}
