// SPDX-License-Identifier: Apache-2.0
// Growable text, and a small JSON writer over it. A failed allocation is remembered in `failed`
// and everything after it is dropped, so callers check once at the end.
#ifndef WHET_BASE_STR_H
#define WHET_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct whet_str {
    char *text; // NUL-terminated; NULL while empty
    size_t len, cap;
    bool failed;
    // JSON writer state: whether a comma is due, per depth (bit d)
    uint64_t comma;
    int depth;
} whet_str;

void whet_str_init(whet_str *s);
void whet_str_fini(whet_str *s);
void whet_str_clear(whet_str *s);
const char *whet_str_text(const whet_str *s); // never NULL
void whet_str_add(whet_str *s, const char *text);
void whet_str_add_n(whet_str *s, const char *text, size_t n);
void whet_str_printf(whet_str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

// JSON: key NULL inside arrays and at the top. Text is escaped; invalid UTF-8 becomes U+FFFD;
// non-finite numbers become null.
void whet_json_object(whet_str *s, const char *key);
void whet_json_array(whet_str *s, const char *key);
void whet_json_end_object(whet_str *s);
void whet_json_end_array(whet_str *s);
void whet_json_text(whet_str *s, const char *key, const char *text); // text NULL writes null
void whet_json_int(whet_str *s, const char *key, int64_t v);
void whet_json_double(whet_str *s, const char *key, double v);
void whet_json_bool(whet_str *s, const char *key, bool v);

#endif
