// SPDX-License-Identifier: Apache-2.0
#include "base/texts.h"

#include <string.h>

#include "base/hash.h"

int whet_text_compare(whet_text a, whet_text b) {
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool whet_text_equal(whet_text a, whet_text b) {
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

uint64_t whet_text_hash(whet_text t, uint64_t seed) {
    return whet_hash64(t.size ? t.data : "", t.size, seed);
}

bool whet_texts_equal(const whet_text *a, const whet_text *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!whet_text_equal(a[i], b[i])) return false;
    return true;
}

uint64_t whet_texts_hash(const whet_text *v, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++) seed = whet_text_hash(v[i], seed);
    return seed;
}

bool whet_texts_own(whet_text *v, int64_t n, whet_arena *arena) {
    for (int64_t i = 0; i < n; i++) {
        v[i].data = whet_arena_strndup(arena, v[i].data, v[i].size);
        if (!v[i].data) return false;
    }
    return true;
}

whet_text *whet_texts_copy(const whet_text *v, int64_t n, whet_arena *arena) {
    if (n < 0 || (uint64_t)n > SIZE_MAX / sizeof *v) return NULL;
    whet_text *copy = whet_arena_memdup(arena, v, (size_t)n * sizeof *v);
    return copy && whet_texts_own(copy, n, arena) ? copy : NULL;
}

// Bytes that follow a first byte, and the least code point that needs so many; -1: none begins so.
static int32_t follow_count(uint8_t first, int32_t *code, int32_t *least) {
    static const int32_t bounds[] = {0, 0x80, 0x800, 0x10000};
    int32_t n = first < 0x80   ? 0
                : first < 0xc0 ? -1
                : first < 0xe0 ? 1
                : first < 0xf0 ? 2
                : first < 0xf8 ? 3
                               : -1;
    if (n < 0) return -1;
    *code = n ? first & (0x3f >> n) : first;
    *least = bounds[n];
    return n;
}

int32_t whet_text_next(whet_text t, size_t *at) {
    int32_t code, least;
    int32_t n = follow_count((uint8_t)t.data[*at], &code, &least);
    if (n < 0 || (size_t)n >= t.size - *at) return -1;
    for (int32_t i = 1; i <= n; i++) {
        uint8_t b = (uint8_t)t.data[*at + (size_t)i];
        if ((b & 0xc0) != 0x80) return -1;
        code = code << 6 | (b & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return -1;
    *at += (size_t)n + 1;
    return code;
}

size_t whet_text_put(char *to, int32_t code) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int32_t marks[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(marks[n] | code >> (6 * n));
    for (size_t i = 1; i <= n; i++) to[i] = (char)(0x80 | (code >> (6 * (n - i)) & 0x3f));
    return n + 1;
}

bool whet_text_is_utf8(whet_text t) {
    for (size_t at = 0; at < t.size;)
        if (whet_text_next(t, &at) < 0) return false;
    return true;
}
